"""What votes add up to, and which of them a decision hung on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from ares_otel.records.model import Vote
from ares_otel.server.story.stories import DecisionStory

__all__ = ["CLOSE", "Pivot", "leaning", "pivots", "said"]

CLOSE: Final = 0.005
"""Shares that differ by less are the same one, said with few digits."""

VOTE: Final = "vote"


class Pivot(msgspec.Struct, frozen=True):
    """A vote without which the decision would not have passed its threshold: `share` is what would have been left."""

    model: str
    share: float
    threshold: float


def leaning(votes: Iterable[Vote]) -> tuple[str, float]:
    """Return the action with the most weight times confidence among votes, and its share; "" and 0 of none."""
    strength: dict[str, float] = {}
    for vote in votes:
        strength[str(vote.action)] = strength.get(str(vote.action), 0.0) + _force(vote)
    action = max(strength, key=strength.__getitem__, default="")
    return action, strength[action] / sum(strength.values()) if strength.get(action) else 0.0


def said(decision: DecisionStory) -> tuple[float | None, float | None]:
    """Return the combined vote and its threshold, as the decision says them or else the step "vote" of its path."""
    if decision.confidence is not None:
        return float(decision.confidence), _float(decision.threshold)
    step = next((step for step in decision.path if step.step == VOTE and step.value is not None), None)
    return (None, _float(decision.threshold)) if step is None else (_float(step.value), _float(step.threshold))


def pivots(decision: DecisionStory) -> tuple[Pivot, ...]:
    """Return the votes that a decision hung on, each alone: without it the share had not been above the threshold.

    None is named where the shares of weight times confidence do not give the combined vote that was said: then the
    votes were combined by another rule.
    """
    share, threshold = said(decision)
    action, found = leaning(decision.votes)
    same = share is not None and abs(found - share) < CLOSE and action == str(decision.action)
    if not same or threshold is None or found <= threshold:
        return ()
    total = sum(map(_force, decision.votes))
    own = ((vote.model, found - _force(vote) / total) for vote in decision.votes if str(vote.action) == action)
    return tuple(Pivot(model, max(left, 0.0), threshold) for model, left in own if left <= threshold)


def _force(vote: Vote) -> float:
    return float(vote.weight or 0) * float(vote.confidence or 0)


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))

"""What the members of an ensemble voted; the meta-learner combines the votes and is no member."""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Sequence
from operator import attrgetter

from ares_otel.metrics.cells import Count
from ares_otel.metrics.kept import Kept
from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import DecisionFacts, RecordFacts
from ares_otel.records.model import Vote
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import Action

__all__ = ["Ensemble", "agreement", "concentration", "entropy"]


UNDECIDED = Action.NONE
_is_meta = attrgetter("meta_learner")


class _Member:
    """Cells of a strategy and one of its members; a dissent counter starts at zero with the first vote."""

    __slots__ = ("dissent", "votes", "weight")

    def __init__(self, owner: Ensemble, strategy: str | None, model: str) -> None:
        self.votes: Kept[str, Count] = Kept(lambda action: owner.votes.cell((strategy, model, action)))
        self.weight = owner.weight.cell((strategy, model))
        self.dissent = owner.dissent.cell((strategy, model))

    def cast(self, vote: Vote) -> None:
        self.votes[vote.action].inc()
        if vote.weight is not None:
            self.weight.set(float(vote.weight))


class _Strategy:
    """Cells of a strategy."""

    __slots__ = ("agreement", "concentration", "entropy", "members")

    def __init__(self, owner: Ensemble, strategy: str | None) -> None:
        self.members: Kept[str, _Member] = Kept(lambda model: _Member(owner, strategy, model))
        self.agreement = owner.agreement.cell((strategy,))
        self.entropy = owner.entropy.cell((strategy,))
        self.concentration = owner.concentration.cell((strategy,))


class Ensemble:
    """Group "ensemble" of the reference."""

    def __init__(self, instruments: Instruments) -> None:
        self.votes = instruments.counter(m.VOTES)
        self.dissent = instruments.counter(m.DISSENT)
        self.weight = instruments.gauge(m.WEIGHT)
        self.agreement = instruments.gauge(m.AGREEMENT)
        self.entropy = instruments.gauge(m.ENTROPY)
        self.concentration = instruments.gauge(m.CONCENTRATION)
        self._strategies: Kept[str | None, _Strategy] = Kept(lambda strategy: _Strategy(self, strategy))

    def decided(self, facts: DecisionFacts, strategy: str | None, action: str) -> None:
        """Count the votes of a decision, and those against what was decided."""
        members = facts.votes
        if any(map(_is_meta, members)):
            members = tuple(vote for vote in members if not vote.meta_learner)
        if not members:
            return
        kept, total, squares = self._strategies[strategy], 0.0, 0.0
        decided = None if action == UNDECIDED else action
        known = kept.members
        for vote in members:
            member, voted, weight = known[vote.model], vote.action, vote.weight
            member.votes[voted].value += 1.0
            if weight is None:
                total = math.nan
            else:
                member.weight.value = weight = float(weight)
                total += weight
                squares += weight * weight
            if voted != decided and voted is not None is not decided:
                member.dissent.value += 1.0
        agreed = agreement(members, decided) if facts.agreement is None else facts.agreement
        if agreed is not None:
            kept.agreement.value = agreed
        bits = entropy(members) if facts.entropy is None else facts.entropy
        if bits is not None:
            kept.entropy.value = bits
        index = concentration(total, squares)
        if index is not None:
            kept.concentration.value = index

    def vote(self, vote: Vote, facts: RecordFacts) -> None:
        """Count a vote that was recorded by itself."""
        if not vote.meta_learner:
            self._strategies[vote.strategy or facts.origin.strategy].members[vote.model].cast(vote)


def agreement(members: Sequence[Vote], action: str | None) -> float | None:
    """Return the share (0..1) of members that voted for the decided action, None if nothing was decided or voted."""
    actions = [vote.action for vote in members if vote.action is not None]
    return None if action is None or not actions else actions.count(action) / len(actions)


def entropy(members: Sequence[Vote]) -> float | None:
    """Return the entropy of the members' actions in bits: 0 when they agree, log2(n) when n actions are even."""
    actions = [vote.action for vote in members if vote.action is not None]
    shares = [count / len(actions) for count in Tally(actions).values()]
    return abs(math.fsum(share * math.log2(share) for share in shares)) if shares else None


def concentration(total: float, squares: float) -> float | None:
    """Return the Herfindahl index of weights: 1/n when they are equal, 1 when one has it all.

    Args:
        total: their sum, NaN where one is unknown.
        squares: the sum of their squares.

    Returns:
        None unless every member has a weight and one of them is not zero.
    """
    whole = total * total
    return squares / whole if whole > 0.0 else None

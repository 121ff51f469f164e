"""The sentences that pages about drift begin with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from ares_otel.server.pages.formats import signed, word
from ares_otel.server.query.drift.cards import DriftAccount
from ares_otel.server.query.drift.checks import DriftStand
from ares_otel.server.query.drift.episodes import DriftEpisode
from ares_otel.server.query.drift.states import DriftModel, DriftState

__all__ = ["SIGMA", "drift_lead", "model_lead", "moved"]

SIGMA: Final = "\N{GREEK SMALL LETTER SIGMA}"


def drift_lead(models: Sequence[DriftModel], newest: Sequence[DriftEpisode], accounts: Iterable[DriftAccount]) -> str:
    """Say which models drift now, and how many alarms there were where how many false ones were allowed."""
    if not models:
        return ""
    drifting = [each for each in models if each.open]
    if drifting:
        names = ", ".join(f"{each.model} ({word(each.severity or 'unknown')})" for each in drifting[:3])
        more = f" and {len(drifting) - 3} more" if len(drifting) > 3 else ""  # noqa: PLR2004
        verb = "drifts" if len(drifting) == 1 else "drift"
        said = f"{len(drifting)} of {_many(len(models))} {verb} now: {names}{more}"
    else:
        last = next((each for each in newest if each.cleared is not None), None)
        ended = "" if last is None else f"; the newest episode, of {last.model}, is over"
        said = f"None of {_many(len(models))} drifts now{ended}"
    return f"{said}{_spent(accounts)}."


def _many(n: int) -> str:
    return f"{n:,} watched model{'' if n == 1 else 's'}"


def _spent(accounts: Iterable[DriftAccount]) -> str:
    known = [each for each in accounts if each.allowed is not None]
    if not known:
        return ""
    allowed, alarms = sum(each.allowed or 0.0 for each in known), sum(each.alarms for each in known)
    raised = f"{alarms:,} alarm{' was' if alarms == 1 else 's were'} raised"
    return f"; since their references began {raised} where {allowed:.2g} false ones were allowed for"


def model_lead(model: str, state: DriftState, found: Sequence[DriftEpisode]) -> str:
    """Say whether a model drifts, since when, and what moved."""
    kind = word(state.kind)
    own = next((each for each in found if each.open and each.episode == state.episode), None)
    if state.is_open:
        since = "" if own is None else _since(own)
        what = "" if own is None or not own.features else f": {moved(own.features)}"
        return f"{model} has {kind} drift ({word(state.severity or 'unknown')}){since}{what}."
    bars = "" if state.bar is None else f" after {state.bar:,} bars"
    if state.result == "untestable":
        return f"Whether {model} has {kind} drift cannot be told: nothing of it can be tested."
    evidence = (
        "" if state.evidence is None else f": the largest evidence is {state.evidence:.2f} of its threshold{bars}"
    )
    return f"{model} has no {kind} drift{evidence}."


def _since(own: DriftEpisode) -> str:
    if own.since is not None:
        return f" since {_day(own.since)}"
    return "" if own.since_bar is None else f" since bar {own.since_bar:,}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


def moved(features: Sequence[DriftStand], most: int = 3) -> str:
    """Say what moved, the largest effect first."""
    told = [_moved(each) for each in features[:most]]
    if len(features) > most:
        told.append(f"{len(features) - most} more")
    return ", ".join(told)


def _moved(each: DriftStand) -> str:
    name = each.quantity.replace(":", " ")
    return name if each.effect is None else f"{name} {signed(f'{each.effect:.2f}', each.effect)} {SIGMA}"

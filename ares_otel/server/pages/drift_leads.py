"""The sentences that pages about drift begin with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ares_otel.semconv.enums import OF_OUTCOMES, DriftKind, DriftResult
from ares_otel.server.pages.formats import word
from ares_otel.server.query.drift.account import DriftAccount
from ares_otel.server.query.drift.episodes import DriftEpisode
from ares_otel.server.query.drift.states import OWN, DriftModel, DriftState
from ares_otel.server.query.drift.wording import moved, since, units_of

__all__ = ["drift_lead", "model_lead"]

ADVICE: Final = "A longer reference helps; the card says of each quantity what is missing."
WAIT: Final = "Outcomes have to come in first, each by model.outcome(key, actual); the card says how many are missing."


def drift_lead(models: Sequence[DriftModel], newest: Sequence[DriftEpisode], accounts: Iterable[DriftAccount]) -> str:
    """Say which models drift now, and how many alarms there were where how many false ones were allowed."""
    if not models:
        return ""
    drifting, blind = [each for each in models if each.open], [each for each in models if _is_blind(each)]
    if len(blind) == len(models):
        return f"Whether any of {_many(len(models))} drifts cannot be told: nothing of them can be tested. {ADVICE}"
    if drifting:
        names = ", ".join(f"{each.model} ({word(each.severity or 'unknown')})" for each in drifting[:3])
        more = f" and {len(drifting) - 3} more" if len(drifting) > 3 else ""  # noqa: PLR2004
        verb = "drifts" if len(drifting) == 1 else "drift"
        said = f"{len(drifting)} of {_many(len(models))} {verb} now: {names}{more}"
    else:
        last = next((each for each in newest if each.cleared is not None), None)
        ended = "" if last is None else f"; the newest episode, of {last.model}, is over"
        said = f"None of {_many(len(models))} drifts now{ended}"
    unseen = f"; of {_many(len(blind), 'other')} nothing can be tested" if blind else ""
    return f"{said}{unseen}{_spent(accounts)}."


def _is_blind(model: DriftModel) -> bool:
    """Tell whether nothing of a model can be tested."""
    own = [each for each in model.states if each.detector == OWN and each.kind != DriftKind.FEATURE]
    return bool(own) and all(each.result == DriftResult.UNTESTABLE for each in own)


def _many(n: int, which: str = "watched") -> str:
    return f"{n:,} {which} model{'' if n == 1 else 's'}"


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
        began = "" if own is None else since(own)
        what = "" if own is None or not own.features else f": {moved(own.features)}"
        return f"{model} has {kind} drift ({word(state.severity or 'unknown')}){began}{what}."
    bars = "" if state.bar is None else f" after {state.bar:,} {units_of(state.kind)}"
    if state.result == DriftResult.UNTESTABLE:
        advice = WAIT if state.kind in OF_OUTCOMES else ADVICE
        return f"Whether {model} has {kind} drift cannot be told: nothing of it can be tested. {advice}"
    evidence = (
        "" if state.evidence is None else f": the largest evidence is {state.evidence:.2f} of its threshold{bars}"
    )
    return f"{model} has no {kind} drift{evidence}."

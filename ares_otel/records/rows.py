"""Votes as plain tuples: what costs the bot least, and what an ensemble often has anyway."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from ares_otel.guard import GUARD
from ares_otel.records.model import Number, Vote
from ares_otel.semconv.enums import Action

__all__ = ["VoteRow", "votes_of"]

VoteRow: TypeAlias = (
    "tuple[str, Action | str] | tuple[str, Action | str, Number | None]"
    " | tuple[str, Action | str, Number | None, Number | None]"
)
"""Model, action, confidence (0..1) and weight; the last two may be left out."""

LEAST, MOST = 2, 4


def votes_of(given: Iterable[object]) -> tuple[object, ...]:
    """Return rows as votes, and what is no row as it is; a row of another length is left out, and reported."""
    found: list[object] = []
    for each in given:
        if not isinstance(each, tuple):
            found.append(each)
        elif LEAST <= len(each) <= MOST:
            found.append(Vote(*each))
        else:
            GUARD.bad_value("Vote", "row", "(model, action, confidence, weight)", each)
    return tuple(found)

"""What is wrong with the data themselves, apart from drift: it is told at once and spends nothing of the budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from ares_otel.ml.memory import LAST, MISSING
from ares_otel.ml.rows import Rows
from ares_otel.ml.scores import BINS, Floats
from ares_otel.ml.stream import Stream
from ares_otel.semconv.enums import DriftProblem as Problem

__all__ = ["Issue", "Limits", "Problem", "issues_of"]

OUTSIDE: Final = (0, BINS - 1)
MORE_MISSING: Final = 0.05
MOSTLY_OUTSIDE: Final = 0.02
STALE: Final = 20
"""Bars without a change from which on a feature is stale, or twice its longest time without one in the reference."""


class Issue(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
        feature: its name; "" for bars as a whole.
        problem: what it is. missing: more often than in the reference; invalid: no finite number; stale: it has not
            changed for too long; out_of_range: beyond what the reference saw; moves: it was constant there; absent:
            rows by name do not have it; unknown: they have it, but the reference does not; unseen: a category that the
            reference does not know; duplicate, late: bars that came twice, or after later ones; regime: bars without
            one that the reference has enough bars of.
        count: bars; of the last 512 for missing, out_of_range and moves, in a row for stale, else since the start.
        share: count as a share of the last 512 bars, None where it is none of these.
    """

    feature: str
    problem: Problem
    count: int
    share: float | None = None


class Limits(msgspec.Struct, frozen=True):
    """What was normal in the reference, by column.

    Attributes:
        present: share of bars with a value.
        longest: bars in a row without a change.
        constant: whether it never changed.
    """

    present: tuple[float, ...]
    longest: tuple[int, ...]
    constant: tuple[bool, ...]


def issues_of(
    stream: Stream, rows: Rows, limits: Limits, names: tuple[str, ...], bars: tuple[int, int, int]
) -> tuple[Issue, ...]:
    """Return what is wrong now; `bars` are the numbers of duplicate and of late ones, and of those without a regime."""
    counted = (
        (Problem.INVALID, rows.invalid),
        (Problem.ABSENT, rows.absent),
        (Problem.UNKNOWN, rows.unknown),
        (Problem.UNSEEN, rows.unseen),
        (Problem.DUPLICATE, {"": bars[0]}),
        (Problem.LATE, {"": bars[1]}),
        (Problem.REGIME, {"": bars[2]}),
    )
    said = [
        Issue(name, problem, count) for problem, counts in counted for name, count in sorted(counts.items()) if count
    ]
    return (*_of_columns(stream, limits, names), *said)


def _of_columns(stream: Stream, limits: Limits, names: tuple[str, ...]) -> Iterator[Issue]:
    memory = stream.memory
    missing, outside = memory.share((MISSING,)), memory.share(OUTSIDE)
    for column, name in enumerate(names):
        if stream.infinite[column]:
            yield Issue(name, Problem.INVALID, int(stream.infinite[column]))
        if missing[column] > 1 - limits.present[column] + MORE_MISSING:
            yield _shared(name, Problem.MISSING, missing[column])
        if outside[column] > (0 if limits.constant[column] else MOSTLY_OUTSIDE):
            yield _shared(name, Problem.MOVES if limits.constant[column] else Problem.OUT_OF_RANGE, outside[column])
        elif not limits.constant[column] and stream.runs[column] >= max(STALE, 2 * limits.longest[column]):
            yield Issue(name, Problem.STALE, int(stream.runs[column]))


def _shared(name: str, problem: Problem, share: Floats) -> Issue:
    return Issue(name, problem, int(np.round(share * LAST)), float(share))

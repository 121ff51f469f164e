"""Calibration: how often votes of a confidence came true, over a bounded number of the newest decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.portfolio.conventions import CONVENTION
from ares_otel.portfolio.intervals import wilson
from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.judging import UNIT
from ares_otel.server.query.naming import words
from ares_otel.server.query.scoring import mean_of
from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import text_key
from ares_otel.server.story.reader import Reader

__all__ = ["Bin", "Calibration", "calibrations", "calibrations_of"]

DECISIONS: Final = 2_000
OUTCOMES: Final = 20_000
BINS: Final = 8
SMALLEST: Final = 20


class Bin(msgspec.Struct, frozen=True):
    """Votes of neighboring confidences: their mean confidence, how many there are and came true, with the interval."""

    least: float
    most: float
    confidence: float
    n: int
    right: int
    low: float
    high: float


class Calibration(msgspec.Struct, frozen=True):
    """Confidence of votes against what came true of them.

    Attributes:
        bins: of about equal number, by confidence.
        excess: mean of confidence less what came true (1 or 0): above zero says more than it holds.
        brier: mean of its square; 0 is perfect, 0.25 says nothing.
    """

    bins: Sequence[Bin]
    excess: Statistic
    brier: Statistic


def calibrations(reader: Reader) -> Mapping[str, Calibration]:
    """Return by model what is known of the votes of the newest decisions."""
    row, outcome, vote = t.decision.c, t.outcome.c, t.vote.c
    newest = (
        select(row.id, row.correlation).where(row.correlation.is_not(None)).order_by(row.id.desc()).limit(DECISIONS)
    )
    keys = {int(own): text_key(correlation) for own, correlation in reader.db.execute(newest)}
    if not keys:
        return {}
    said = select(outcome.key, outcome.model, outcome.result).where(outcome.id >= min(keys))
    found = list(reader.db.execute(said.order_by(outcome.id.desc()).limit(OUTCOMES)))
    name = words(reader, {each.result for each in found})
    came = {
        (each.key, each.model): name[each.result] == "correct"
        for each in found
        if name.get(each.result) in {"correct", "wrong"}
    }
    votes = select(vote.decision, vote.model, vote.confidence).where(vote.decision >= min(keys))
    pairs: dict[int, list[tuple[float, bool]]] = {}
    for decision, model, confidence in reader.db.execute(votes):
        right = came.get((keys.get(int(decision)), model))
        if right is not None and confidence is not None:
            pairs.setdefault(int(model), []).append((int(confidence) / UNIT, right))
    named = words(reader, pairs)
    return {named[model]: calibrations_of(told) for model, told in pairs.items() if model in named}


def calibrations_of(pairs: Sequence[tuple[float, bool]]) -> Calibration:
    """Return the calibration of confidences and whether they came true."""
    ordered = sorted(pairs)
    return Calibration(
        bins=list(map(_bin, _parts(ordered))),
        excess=mean_of([confidence - right for confidence, right in ordered], "votes"),
        brier=mean_of([(confidence - right) ** 2 for confidence, right in ordered], "votes"),
    )


def _parts(ordered: Sequence[tuple[float, bool]]) -> Sequence[Sequence[tuple[float, bool]]]:
    count = min(len(ordered) // SMALLEST, BINS)
    edges = [len(ordered) * place // count for place in range(count + 1)] if count else []
    return [ordered[begin:end] for begin, end in pairwise(edges)]


def _bin(part: Sequence[tuple[float, bool]]) -> Bin:
    right = sum(came for _, came in part)
    sure = wilson(right, len(part), CONVENTION.level)
    middle = fmean(confidence for confidence, _ in part)
    return Bin(part[0][0], part[-1][0], middle, len(part), right, sure.low, sure.high)

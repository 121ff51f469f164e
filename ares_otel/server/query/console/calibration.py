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
from ares_otel.server.query.truth import joined
from ares_otel.server.store import schema as t
from ares_otel.server.store.packed import ballots, judgments
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
    row, outcome = t.decision.c, t.outcome.c
    newest = (
        select(row.id, row.trace, row.correlation, row.votes)
        .where(row.correlation.is_not(None))
        .order_by(row.id.desc())
        .limit(DECISIONS)
    )
    voted = reader.db.execute(newest).all()
    if not voted:
        return {}
    said = select(outcome.key, outcome.judgments).where(outcome.id >= voted[-1].id)
    found = [
        (key, judgment)
        for key, text in reader.db.execute(said.order_by(outcome.id.desc()).limit(OUTCOMES))
        for judgment in judgments(text)
    ]
    name = words(reader, {judgment.result for _, judgment in found})
    came = {
        (key, judgment.model): name[judgment.result] == "correct"
        for key, judgment in found
        if name.get(judgment.result) in {"correct", "wrong"}
    }
    pairs: dict[int, list[tuple[float, bool]]] = {}
    for decision in voted:
        key = joined(decision)
        for vote in ballots(decision.votes):
            right = came.get((key, vote.model))
            if right is not None and vote.model is not None and vote.confidence is not None:
                pairs.setdefault(vote.model, []).append((vote.confidence / UNIT, right))
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

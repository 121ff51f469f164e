"""Correlations of strategies or symbols: with an interval, a p-value, and a correction for looking at many pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from statistics import NormalDist
from typing import Final, Literal, TypeAlias

import msgspec

from ares_otel.portfolio.conventions import CONVENTION, Convention
from ares_otel.portfolio.figures import deviation, mean
from ares_otel.portfolio.intervals import fisher
from ares_otel.portfolio.returns import Curve, returns_of
from ares_otel.portfolio.serial import effective_pairs
from ares_otel.portfolio.statistic import Statistic, absent

__all__ = ["CORRECTIONS", "Correction", "Correlation", "benjamini_hochberg", "correlate", "correlations", "holm"]

Correction: TypeAlias = Literal["holm", "benjamini-hochberg"]

FEWEST: Final = 10.0
"""Fewest effective pairs: below, Fisher's approximation does not hold."""

CLOSEST: Final = 1.0 - 1e-12


class Correlation(msgspec.Struct, frozen=True, kw_only=True):
    """How two series move together.

    Attributes:
        first: name of one.
        second: name of the other.
        correlation: Pearson's, of the values that both have; its interval is not corrected for multiple tests.
        effective: independent pairs that the pairs are worth, after autocorrelation.
        p: two-sided probability of a correlation at least as far from zero if there is none.
        adjusted: `p` corrected for all pairs that were looked at.
        correction: how.
    """

    first: str
    second: str
    correlation: Statistic
    effective: float | None = None
    p: float | None = None
    adjusted: float | None = None
    correction: Correction = "benjamini-hochberg"


def correlations(
    curves: Mapping[str, Curve],
    convention: Convention = CONVENTION,
    correction: Correction = "benjamini-hochberg",
) -> list[Correlation]:
    """Return the correlation of daily returns of each two curves, on the days that both have."""
    found = [_pair(one, two, curves, convention) for one, two in combinations(curves, 2)]
    known = [each.p for each in found if each.p is not None]
    adjusted = iter(CORRECTIONS[correction](known))
    return [
        msgspec.structs.replace(each, adjusted=None if each.p is None else next(adjusted), correction=correction)
        for each in found
    ]


def _pair(one: str, two: str, curves: Mapping[str, Curve], convention: Convention) -> Correlation:
    common = set(curves[one].days) & set(curves[two].days)
    first, second = (returns_of(curves[name].on(common)) for name in (one, two))
    reason = first.reason or second.reason
    if reason is not None:
        return Correlation(first=one, second=two, correlation=absent(0, reason))
    return correlate((one, first.values), (two, second.values), convention)


def correlate(
    first: tuple[str, Sequence[float]], second: tuple[str, Sequence[float]], convention: Convention = CONVENTION
) -> Correlation:
    """Return the correlation of two named series of equal length, without any correction."""
    (one, left), (two, right) = first, second
    if len(left) < convention.minimum:
        reason = f"{len(left)} common returns, at least {convention.minimum} are needed"
        return Correlation(first=one, second=two, correlation=absent(len(left), reason))
    value = _pearson(left, right)
    if value is None:
        return Correlation(first=one, second=two, correlation=absent(len(left), "one of them never changes"))
    worth = effective_pairs(left, right)
    if worth < FEWEST:
        reason = f"{len(left)} pairs are worth {worth:.1f} independent ones, at least {FEWEST:.0f} are needed"
        return Correlation(first=one, second=two, correlation=absent(len(left), reason), effective=worth)
    within = max(-CLOSEST, min(CLOSEST, value))
    score = abs(math.atanh(within)) * math.sqrt(worth - 3.0)
    return Correlation(
        first=one,
        second=two,
        correlation=Statistic.of(value, len(left), convention.level, fisher(within, worth, convention.level)),
        effective=worth,
        p=2.0 * NormalDist().cdf(-score),
    )


def _pearson(left: Sequence[float], right: Sequence[float]) -> float | None:
    spread, other = deviation(left), deviation(right)
    if spread is None or other is None:
        return None
    middle, center = mean(left), mean(right)
    joint = math.fsum((a - middle) * (b - center) for a, b in zip(left, right, strict=True))
    return max(-1.0, min(1.0, joint / (len(left) - 1) / spread / other))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that the chance of any false discovery is bounded (Holm 1979)."""
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(_ascending(p_values)):
        worst = max(worst, min(1.0, p_values[place] * (len(p_values) - rank)))
        adjusted[place] = worst
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted so that the share of false discoveries is bounded (Benjamini and Hochberg 1995)."""
    adjusted, least = [0.0] * len(p_values), 1.0
    order = _ascending(p_values)
    for rank in range(len(order), 0, -1):
        place = order[rank - 1]
        least = min(least, p_values[place] * len(order) / rank)
        adjusted[place] = least
    return adjusted


def _ascending(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=p_values.__getitem__)


CORRECTIONS: Final[dict[Correction, Callable[[Sequence[float]], list[float]]]] = {
    "holm": holm,
    "benjamini-hochberg": benjamini_hochberg,
}

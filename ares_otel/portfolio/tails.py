"""Value at risk and expected shortfall of one day: a loss is a positive fraction of equity, the method is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from ares_otel.portfolio import figures
from ares_otel.portfolio.conventions import CONVENTION, Convention
from ares_otel.portfolio.ratios import bootstrapped, too_few
from ares_otel.portfolio.statistic import Statistic, absent

__all__ = ["METHODS", "Method", "expected_shortfall", "value_at_risk"]

Method: TypeAlias = Literal["historical", "parametric"]
METHODS: tuple[Method, ...] = ("historical", "parametric")
Of: TypeAlias = Callable[[Sequence[float], float], float]
OfNormal: TypeAlias = Callable[[float, float, float], float]


def value_at_risk(
    values: Sequence[float], method: Method = "historical", level: float = 0.95, convention: Convention = CONVENTION
) -> Statistic:
    """Return the loss that a day exceeds with probability 1 - level.

    Historical: the quantile of the returns themselves. Parametric: that of a normal distribution with their mean and
    deviation, which understates fat tails. Either can be below zero where even a bad day gains.
    """
    pick = (figures.value_at_risk, figures.normal_value_at_risk)
    return _tail("value_at_risk", pick, values, method, level, convention)


def expected_shortfall(
    values: Sequence[float], method: Method = "historical", level: float = 0.95, convention: Convention = CONVENTION
) -> Statistic:
    """Return the mean loss of the days that lose at least the value at risk."""
    pick = (figures.shortfall, figures.normal_shortfall)
    return _tail("expected_shortfall", pick, values, method, level, convention)


def _tail(
    name: str,
    pick: tuple[Of, OfNormal],
    values: Sequence[float],
    method: Method,
    level: float,
    convention: Convention,
) -> Statistic:
    n, historical = len(values), method == "historical"
    if few := too_few(n, convention.minimum_tail(level) if historical else convention.minimum):
        return few
    spread = figures.deviation(values)
    if spread is None:
        return absent(n, "all returns are equal")
    found = pick[0](sorted(values), level) if historical else pick[1](figures.mean(values), spread, level)
    return Statistic.of(found, n, convention.level, bootstrapped(f"{name} {method} {level}", values, convention))

"""What moves together: hourly and daily series of components, strategies and models, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from sqlalchemy import select

from ares_otel.portfolio.conventions import CONVENTION
from ares_otel.portfolio.correlations import CORRECTIONS, Correction, Correlation, correlate
from ares_otel.portfolio.returns import returns_of
from ares_otel.portfolio.statistic import absent
from ares_otel.server.query.asking import DAY, HOUR, Name, Period, whole_sum, within
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.performance import equity_curves
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Comoving", "ComovingAsked", "comoving"]

MOST: Final = 12
"""Series of one kind that are compared: the number of pairs grows with its square."""


class ComovingAsked(Period, frozen=True, kw_only=True):
    """Which series; hours and days of wall time, for returns days of market time."""

    strategy: Name | None = None
    correction: Annotated[Correction, Meta(description="how p-values are corrected for many pairs")] = (
        "benjamini-hochberg"
    )


class Comoving(msgspec.Struct, frozen=True, kw_only=True):
    """Correlations of series, pair by pair, with the number of pairs that the correction is for.

    Series: `duration <component>`, its mean duration by hour; `errors <component>`, its error rate by hour;
    `decisions`, their number by hour; `hit rate <model>`, by day; `return <strategy> <currency>`, of equity by market
    day. Pairs are made within hours, within days, and within market days. `series` counts the values of each,
    `left_out` the series that are not compared because there are too many.
    """

    correction: Correction
    tests: int
    pairs: tuple[Correlation, ...]
    series: dict[str, int]
    left_out: int


def comoving(reader: Reader, asked: ComovingAsked) -> Comoving:
    """Correlate what components, models and strategies do; nothing is said where data are too few."""
    kinds = (_hours(reader, asked), _days(reader, asked), _returns(reader, asked))
    used = [dict(list(kind.items())[:MOST]) for kind in kinds]
    found = [_pair(one, two, kind) for kind in used for one, two in combinations(kind, 2)]
    known = [each.p for each in found if each.p is not None]
    adjusted = iter(CORRECTIONS[asked.correction](known))
    pairs = [
        msgspec.structs.replace(each, adjusted=None if each.p is None else next(adjusted), correction=asked.correction)
        for each in found
    ]
    return Comoving(
        correction=asked.correction,
        tests=len(known),
        pairs=tuple(sorted(pairs, key=lambda each: (each.adjusted is None, each.adjusted or 0.0))),
        series={name: len(values) for kind in kinds for name, values in kind.items()},
        left_out=sum(len(kind) for kind in kinds) - sum(len(kind) for kind in used),
    )


def _pair(one: str, two: str, kind: Mapping[str, Mapping[int, float]]) -> Correlation:
    common = sorted(kind[one].keys() & kind[two].keys())
    if len(common) < CONVENTION.minimum:
        reason = f"{len(common)} common hours or days, at least {CONVENTION.minimum} are needed"
        return Correlation(first=one, second=two, correlation=absent(len(common), reason))
    return correlate((one, [kind[one][at] for at in common]), (two, [kind[two][at] for at in common]))


def _hours(reader: Reader, asked: ComovingAsked) -> dict[str, dict[int, float]]:
    row = t.stage_hourly.c
    conditions = list(within(row.hour, asked, HOUR))
    if asked.strategy is not None:
        conditions.append(row.strategy == number(reader, "strategy", asked.strategy))
    sums = (whole_sum(row.n), whole_sum(row.errors), whole_sum(row.total_us))
    query = select(row.component, row.hour, *sums).where(*conditions).group_by(row.component, row.hour)
    rows = reader.db.execute(query).all()
    known = words(reader, (each[0] for each in rows))
    found: dict[str, dict[int, float]] = {}
    for component, hour, n, errors, micros in reader.walk(rows):
        name = known.get(component, "other")
        found.setdefault(f"duration {name}", {})[hour] = micros / n / 1e6
        if name == "decision":
            found.setdefault("decisions", {})[hour] = float(n)
        found.setdefault(f"errors {name}", {})[hour] = errors / n
    return {name: found[name] for name in sorted(found) if len(set(found[name].values())) > 1}


def _days(reader: Reader, asked: ComovingAsked) -> dict[str, dict[int, float]]:
    row = t.outcome_daily.c
    query = select(row.model, row.day, row.result, whole_sum(row.n)).where(*within(row.day, asked, DAY))
    rows = reader.db.execute(query.group_by(row.model, row.day, row.result)).all()
    known = words(reader, (one for each in rows for one in (each[0], each[2])))
    right: dict[tuple[str, int], list[int]] = {}
    for model, day, result, n in reader.walk(rows):
        counts = right.setdefault((known.get(model, "other"), day), [0, 0])
        counts[known.get(result) != "correct"] += n
    found: dict[str, dict[int, float]] = {}
    for (model, day), (correct, wrong) in sorted(right.items()):
        found.setdefault(f"hit rate {model}", {})[day] = correct / (correct + wrong)
    return found


def _returns(reader: Reader, asked: ComovingAsked) -> dict[str, dict[int, float]]:
    found = {}
    for account, curve in equity_curves(reader, strategy=asked.strategy).items():
        returns = returns_of(curve)
        days = zip(returns.days, returns.values, strict=True)
        found[f"return {account}"] = {day: value for day, value in days if asked.low <= day * DAY < asked.high}
    return found

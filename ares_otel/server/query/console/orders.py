"""Orders, and how well they were executed: over the newest execution reports, whose number is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any, Final

import msgspec
from sqlalchemy import select

from ares_otel.portfolio.figures import quantile
from ares_otel.server.query.asking import SECOND, row_ns
from ares_otel.server.query.naming import words
from ares_otel.server.query.scoring import mean_of
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Execution", "Quantiles", "Sampled", "execution"]

REPORTS: Final = 10_000
UNANSWERED: Final = 60 * SECOND
SIZES: Final = 4
HOUR: Final = 3_600 * SECOND
DAY_HOURS: Final = 24
UNSAID: Final = "not said"


class Quantiles(msgspec.Struct, frozen=True):
    """Quantiles of `n` observations, in the unit of the observations."""

    name: str
    n: int
    p50: float
    p90: float
    p99: float
    largest: float


class Sampled(msgspec.Struct, frozen=True):
    """A mean of `n` observations with its 95 % interval (None where n is below 2)."""

    name: str
    n: int
    mean: float
    low: float | None
    high: float | None


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of execution over the newest reports: how many, since when, and what they say."""

    reports: int
    since: int | None
    statuses: Sequence[tuple[str, int]]
    acknowledged: Sequence[Quantiles]
    slippage: Sequence[Sampled]
    by_type: Sequence[Sampled]
    by_size: Sequence[Sampled]
    by_hour: Sequence[Sampled]
    shortfall: Sequence[Sampled]
    rejects: Sequence[tuple[str, int]]
    makers: int
    takers: int
    unanswered: int


def execution(reader: Reader) -> Execution:
    """Return the quality of execution over the newest reports."""
    told = _reports(reader)
    name = words(
        reader,
        [
            number
            for each in told
            for number in (each.status, each.reject_reason, each.liquidity, each.venue, each.type)
        ],
    )
    costs = [each for each in told if each.slippage is not None]
    acks = [(name.get(each.venue, UNSAID), each.ack_us / 1e6) for each in told if each.ack_us is not None]
    kinds = [name.get(each.liquidity) for each in told if each.fill_quantity]
    return Execution(
        reports=len(told),
        since=row_ns(min(each.id for each in told)) if told else None,
        statuses=_counted(name.get(each.status, "not said") for each in told),
        acknowledged=[_quantiles(key, values) for key, values in _grouped(acks).items()],
        slippage=_means(costs, lambda each: name.get(each.venue, UNSAID)),
        by_type=_means(costs, lambda each: name.get(each.type, UNSAID)),
        by_size=_by_size(costs),
        by_hour=sorted(_means(costs, _hour), key=lambda each: each.name),
        shortfall=[
            _mean(key, values)
            for key, values in _grouped(
                (name.get(each.venue, UNSAID), each.shortfall) for each in told if each.shortfall is not None
            ).items()
        ],
        rejects=_counted(name[each.reject_reason] for each in told if each.reject_reason in name),
        makers=kinds.count("maker"),
        takers=kinds.count("taker"),
        unanswered=_unanswered(reader),
    )


def _reports(reader: Reader) -> list[Any]:
    update, order = t.order_update.c, t.orders.c
    newest = select(t.order_update).where(update.duplicate == 0).order_by(update.id.desc()).limit(REPORTS).subquery()
    query = select(
        newest.c.id, newest.c.status, newest.c.reject_reason, newest.c.liquidity, newest.c.fill_quantity,
        newest.c.ack_us, newest.c.slippage, newest.c.shortfall, newest.c.event_time,
        order.venue, order.type, (order.avg_price * order.cum_quantity).label("notional"),
    ).join_from(newest, t.orders, order.id == newest.c.order_id)  # fmt: skip
    return list(reader.db.execute(query))


def _unanswered(reader: Reader) -> int:
    """Return how many of the newest orders nobody has answered a minute before the newest one was sent."""
    row = t.orders.c
    inner = select(row.id, row.status, row.submitted).order_by(row.id.desc()).limit(REPORTS)
    found = list(reader.db.execute(inner))
    edge = found[0].id - UNANSWERED if found else 0
    return sum(1 for each in found if each.status is None and each.submitted and each.id < edge)


def _hour(each: Any) -> str:
    return f"{(each.event_time or each.id) // HOUR % DAY_HOURS:02d}"


def _grouped(pairs: Iterable[tuple[str, float]]) -> Mapping[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _counted(values: Iterable[str]) -> Sequence[tuple[str, int]]:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return sorted(counts.items(), key=lambda pair: -pair[1])


def _means(costs: Sequence[Any], key: Callable[[Any], str]) -> list[Sampled]:
    return [_mean(name, values) for name, values in _grouped((key(each), each.slippage) for each in costs).items()]


def _by_size(costs: Sequence[Any]) -> list[Sampled]:
    """Return slippage by quarter of the orders' values."""
    ordered = sorted((each for each in costs if each.notional), key=lambda each: each.notional)
    if len(ordered) < 2 * SIZES:
        return []
    edges = [len(ordered) * place // SIZES for place in range(SIZES + 1)]
    parts = [ordered[begin:end] for begin, end in pairwise(edges)]
    return [
        _mean(f"{part[0].notional:,.0f} to {part[-1].notional:,.0f}", [each.slippage for each in part])
        for part in parts
    ]


def _mean(name: str, values: Sequence[float]) -> Sampled:
    found = mean_of(values, "orders")
    return Sampled(name, found.n, fmean(values), found.low, found.high)


def _quantiles(name: str, values: Sequence[float]) -> Quantiles:
    ordered = sorted(values)
    return Quantiles(
        name, len(ordered), quantile(ordered, 0.5), quantile(ordered, 0.9), quantile(ordered, 0.99), ordered[-1]
    )

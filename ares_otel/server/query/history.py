"""Metrics as series over time, each from what was stored or measured; what was not is no series."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import func, select

from ares_otel.portfolio.conventions import CONVENTION, DAY
from ares_otel.portfolio.performance import fitted
from ares_otel.portfolio.returns import returns_of
from ares_otel.portfolio.totals import total_of
from ares_otel.portfolio.windows import rolling
from ares_otel.server.query.asking import HOUR, SECOND, clock, ns_of, whole_sum
from ares_otel.server.query.closed import MONEY, net_of
from ares_otel.server.query.holdings import AccountsAsked, accounts
from ares_otel.server.query.machine import MACHINE, Sample
from ares_otel.server.query.naming import number
from ares_otel.server.query.performance import equity_curves
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Metric", "Point", "history"]

MetricName: TypeAlias = Literal[
    "total_pnl",
    "win_rate",
    "sharpe_ratio",
    "cpu_usage",
    "memory_usage",
    "error_rate",
    "active_positions",
    "total_exposure",
    "decisions",
    "decision_duration",
    "equity",
]

POINTS: Final = 2_000
ROLLED: Final = 30
"""Returns of one rolling Sharpe ratio."""


class Point(NamedTuple):
    """A value at a time."""

    time: datetime
    value: float


class Metric(NamedTuple):
    """What a metric is.

    Attributes:
        kind: group of the old dashboard.
        unit: of its values.
        market: whether its times are market time, so that a window ends with the newest value.
        read: returns its values not before a time (Unix ns), oldest first.
    """

    kind: str
    unit: str
    market: bool
    read: Callable[[Reader, int], Sequence[Point]]


def history(reader: Reader, name: MetricName, window_seconds: float) -> list[Point]:
    """Return a metric over the last so many seconds, oldest first; empty where nothing was measured."""
    metric = METRICS[name]
    if not metric.market:
        return list(metric.read(reader, time.time_ns() - round(window_seconds * SECOND)))[-POINTS:]
    found = metric.read(reader, 0)
    if not found:
        return []
    first = found[-1].time.timestamp() - window_seconds
    return [point for point in found if point.time.timestamp() >= first][-POINTS:]


def _moment(unix_ns: int) -> datetime:
    found = clock(unix_ns)
    assert found is not None
    return found


def _pnl(reader: Reader, since: int) -> Sequence[Point]:
    """Return profit and loss since the beginning, over accounts of one currency, as it was reported."""
    held = accounts(reader, AccountsAsked())
    if len({each.currency for each in held}) != 1:
        return ()
    base = sum(each.equity - each.total_pnl for each in held)
    row = t.equity.c
    query = select(row.id, row.strategy, row.value).where(row.id >= since, row.value.is_not(None))
    return [Point(at, value - base) for at, value in _running(_newest(reader, query, row.id), len(held))]


def _newest(reader: Reader, query: Any, order: Any) -> list[Any]:
    return list(reader.db.execute(query.order_by(order.desc()).limit(POINTS)))[::-1]


def _running(rows: Iterable[Sequence[Any]], wanted: int) -> Iterable[Point]:
    """Yield the sum of the newest value of each key, as soon as so many keys have one."""
    values: dict[Any, float] = {}
    for row, key, value in rows:
        values[key] = value
        if len(values) >= wanted:
            yield Point(_moment(row), sum(values.values()))


def _held(reader: Reader, since: int, value: Any) -> Sequence[Point]:
    row = t.position.c
    key = func.coalesce(row.strategy, 0), func.coalesce(row.symbol, 0), func.coalesce(row.position_id, "")
    query = select(row.id, *key, value).where(row.id >= since, row.quantity.is_not(None))
    rows = [(each[0], each[1:4], each[4] or 0.0) for each in _newest(reader, query, row.id)]
    return list(_running(rows, len({key for _, key, _ in rows})))


def _positions(reader: Reader, since: int) -> Sequence[Point]:
    return _held(reader, since, t.position.c.quantity != 0)


def _exposure(reader: Reader, since: int) -> Sequence[Point]:
    row = t.position.c
    return _held(reader, since, func.abs(func.coalesce(row.notional, row.quantity * row.mark)))


def _wins(reader: Reader, since: int) -> Sequence[Point]:
    row = t.trade.c
    rows = _newest(reader, select(row.id, *MONEY).where(row.id >= since, row.pnl.is_not(None)), row.id)
    told = [(row.id, net) for row in rows if (net := net_of(row)) is not None]
    won, found = 0, []
    for place, (own, net) in enumerate(told, start=1):
        won += net > 0
        if place >= CONVENTION.minimum_trades:
            found.append(Point(_moment(own), won / place))
    return found


def _sharpe(reader: Reader, since: int) -> Sequence[Point]:
    curves = list(equity_curves(reader).values())
    if not curves:
        return ()
    curve = curves[0] if len(curves) == 1 else total_of(curves).linked
    rolled = rolling(returns_of(curve), ROLLED, fitted(curve))
    return [
        Point(_moment(each.day * DAY), each.sharpe)
        for each in rolled
        if each.sharpe is not None and since <= each.day * DAY
    ]


def _equity(reader: Reader, since: int) -> Sequence[Point]:
    curves = equity_curves(reader)
    if len({account.currency for account in curves}) != 1:
        return ()
    total = total_of(list(curves.values())).money
    days = zip(total.days, total.values, strict=True)
    return [Point(_moment(day * DAY), value) for day, value in days if since <= day * DAY]


def _hourly(reader: Reader, since: int) -> Iterable[Any]:
    row = t.stage_hourly.c
    sums = (whole_sum(row.n).label("n"), whole_sum(row.errors).label("errors"), whole_sum(row.total_us).label("us"))
    query = select(row.hour, *sums).where(
        row.hour >= since // HOUR, row.component == number(reader, "component", "decision")
    )
    return _newest(reader, query.group_by(row.hour), row.hour)


def _errors(reader: Reader, since: int) -> Sequence[Point]:
    return [Point(_moment(each.hour * HOUR), each.errors / each.n) for each in _hourly(reader, since)]


def _decisions(reader: Reader, since: int) -> Sequence[Point]:
    return [Point(_moment(each.hour * HOUR), float(each.n)) for each in _hourly(reader, since)]


def _duration(reader: Reader, since: int) -> Sequence[Point]:
    return [Point(_moment(each.hour * HOUR), each.us / each.n / 1e6) for each in _hourly(reader, since)]


def _machine(value: Callable[[Sample], float | None]) -> Callable[[Reader, int], Sequence[Point]]:
    def read(reader: Reader, since: int) -> Sequence[Point]:
        del reader
        taken = ((each.time, value(each)) for each in MACHINE.samples if ns_of(each.time) >= since)
        return [Point(at, found) for at, found in taken if found is not None]

    return read


METRICS: Final[Mapping[str, Metric]] = {
    "total_pnl": Metric("performance", "currency", market=False, read=_pnl),
    "win_rate": Metric("performance", "ratio", market=False, read=_wins),
    "sharpe_ratio": Metric("performance", "ratio a year", market=True, read=_sharpe),
    "cpu_usage": Metric("system_health", "ratio", market=False, read=_machine(lambda each: each.cpu)),
    "memory_usage": Metric("system_health", "ratio", market=False, read=_machine(lambda each: each.memory)),
    "error_rate": Metric("system_health", "ratio", market=False, read=_errors),
    "active_positions": Metric("trading_analytics", "positions", market=False, read=_positions),
    "total_exposure": Metric("trading_analytics", "currency", market=False, read=_exposure),
    "decisions": Metric("performance", "decisions an hour", market=False, read=_decisions),
    "decision_duration": Metric("performance", "seconds", market=False, read=_duration),
    "equity": Metric("risk_metrics", "currency", market=True, read=_equity),
}
"""Every metric that has a history. The rolling Sharpe ratio is of 30 daily returns; equity is that of all accounts."""

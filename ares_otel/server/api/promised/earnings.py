"""Performance, analytics of trading and health under the names of the old metrics dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec
from sqlalchemy import select

from ares_otel.portfolio.conventions import CONVENTION, Convention
from ares_otel.portfolio.correlations import correlations
from ares_otel.portfolio.performance import fitted
from ares_otel.portfolio.ratios import max_drawdown, profit_factor, sharpe, win_rate
from ares_otel.portfolio.returns import Curve, returns_of
from ares_otel.portfolio.statement import ratio
from ares_otel.portfolio.statistic import Statistic, absent
from ares_otel.portfolio.totals import total_of
from ares_otel.server.query.asking import SECOND, Moment, Name, Period
from ares_otel.server.query.closed import MONEY, net_of
from ares_otel.server.query.delivery import Delivered, delivered, deliveries
from ares_otel.server.query.holdings import Account, AccountsAsked, HoldingsAsked, accounts, positions
from ares_otel.server.query.machine import MACHINE
from ares_otel.server.query.naming import number
from ares_otel.server.query.performance import equity_curves
from ares_otel.server.query.timing import CallsAsked, StagesAsked, calls, stages
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "EarningsAsked",
    "PerformanceMetrics",
    "SystemHealthMetrics",
    "TradingAnalytics",
    "analytics",
    "earnings",
    "health",
]

TRADES: Final = 50_000
NO_TRADES: Final = "no closed trades are stored"
NO_MARGIN: Final = "no margin and its limit are reported with the equity"
NO_EQUITY: Final = "no equity was reported"
SEVERAL: Final = "accounts are in several currencies, which have no sum"


class EarningsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose performance."""

    strategy: Name | None = None


class PerformanceMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What was earned: sums in `currency`, `win_rate` and `max_drawdown` 0 to 1, `avg_trade_duration` in seconds.

    Trades count with their net profit, fees and funding in it; those of which it is unknown are left out.
    `statistics` has the ratios again with n and interval; `reasons` says why a field is null.
    """

    timestamp: Moment | None
    currency: str | None
    total_pnl: float | None
    daily_pnl: float | None
    win_rate: float | None
    profit_factor: float | None
    sharpe_ratio: float | None
    max_drawdown: float | None
    total_trades: int | None
    winning_trades: int | None
    losing_trades: int | None
    avg_trade_duration: float | None
    best_trade: Decimal | None
    worst_trade: Decimal | None
    statistics: dict[str, Statistic]
    reasons: dict[str, str]


class TradingAnalytics(msgspec.Struct, frozen=True, kw_only=True):
    """What is held: sums in `currency`, leverage as a multiple of equity.

    `correlation_matrix` is of daily returns by account; pairs with too little data are not in it.
    """

    currency: str | None
    active_positions: int
    total_exposure: Decimal | None
    portfolio_value: float | None
    margin_usage: float | None
    leverage: float | None
    risk_per_trade: float | None
    correlation_matrix: dict[str, dict[str, float]]
    reasons: dict[str, str]


class SystemHealthMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The server's machine and what the bots' calls and decisions say.

    `cpu_usage`, `memory_usage`, `disk_usage` and `error_rate` (of decisions) are 0 to 1, `network_latency` is the mean
    duration of calls of venues in ms, `uptime` the server's in seconds, `active_connections` its own, `telemetry` what
    bots recorded and what became of it.
    """

    timestamp: Moment
    cpu_usage: float | None
    memory_usage: float
    memory_bytes: int
    process_memory_bytes: int
    disk_usage: float
    disk_free_bytes: int
    network_latency: float | None
    error_rate: float | None
    uptime: float
    active_connections: int | None
    telemetry: Delivered | None
    reasons: dict[str, str]


def earnings(reader: Reader, asked: EarningsAsked) -> PerformanceMetrics:
    """Tell what was earned, over all accounts of one currency or by a strategy."""
    held = accounts(reader, AccountsAsked(strategy=asked.strategy))
    currencies = {each.currency for each in held}
    reasons: dict[str, str] = {}
    if len(currencies) != 1:
        reasons |= dict.fromkeys(("total_pnl", "daily_pnl"), SEVERAL if held else NO_EQUITY)
    values, reason, convention = _returns(reader, asked.strategy, len(currencies))
    pnls, durations = _trades(reader, asked.strategy)
    statistics = {
        "sharpe_ratio": sharpe(values, convention) if reason is None else absent(0, reason),
        "max_drawdown": max_drawdown(values) if reason is None else absent(0, reason),
        "win_rate": win_rate(pnls) if pnls else absent(0, NO_TRADES),
        "profit_factor": profit_factor(pnls) if pnls else absent(0, NO_TRADES),
    }
    reasons |= {name: found.reason for name, found in statistics.items() if found.reason is not None}
    if not pnls:
        counted = ("total_trades", "winning_trades", "losing_trades", "avg_trade_duration", "best_trade", "worst_trade")
        reasons |= dict.fromkeys(counted, NO_TRADES)
    one = len(currencies) == 1
    return PerformanceMetrics(
        timestamp=max((each.reported for each in held), default=None),
        currency=next(iter(currencies)) if one else None,
        total_pnl=sum(each.total_pnl for each in held) if one else None,
        daily_pnl=_day(held) if one else None,
        **{name: found.value for name, found in statistics.items()},
        total_trades=len(pnls) if pnls else None,
        winning_trades=sum(1 for pnl in pnls if pnl > 0) if pnls else None,
        losing_trades=sum(1 for pnl in pnls if pnl < 0) if pnls else None,
        avg_trade_duration=sum(durations) / len(durations) if durations else None,
        best_trade=max(pnls, default=None),
        worst_trade=min(pnls, default=None),
        statistics=statistics,
        reasons=reasons,
    )


def _margin(held: Sequence[Account]) -> float | None:
    """Return used margin by what may be used, over accounts that all say both."""
    said = [(each.margin, each.margin_limit) for each in held if each.margin_use is not None]
    used, limit = sum(used or 0.0 for used, _ in said), sum(limit or 0.0 for _, limit in said)
    return ratio(used, limit) if said and len(said) == len(held) else None


def _day(held: Sequence[Account]) -> float | None:
    known = [each.day_pnl for each in held if each.day_pnl is not None]
    return sum(known) if len(known) == len(held) else None


def _returns(reader: Reader, strategy: str | None, currencies: int) -> tuple[Sequence[float], str | None, Convention]:
    """Return daily returns over all time, or why there are none, and the convention that fits their days."""
    if currencies != 1:
        return (), SEVERAL if currencies else NO_EQUITY, CONVENTION
    curves = list(equity_curves(reader, strategy=strategy).values())
    curve = curves[0] if len(curves) == 1 else total_of(curves).linked
    found = returns_of(curve)
    return found.values, found.reason, fitted(curve)


def _trades(reader: Reader, strategy: str | None) -> tuple[list[Decimal], list[float]]:
    """Return net profit and seconds of the newest closed trades whose profit is known."""
    row = t.trade.c
    query = select(*MONEY, row.entry_time, row.exit_time).where(row.pnl.is_not(None))
    if strategy is not None:
        query = query.where(row.strategy == number(reader, "strategy", strategy))
    rows = reader.db.execute(query.order_by(row.id.desc()).limit(TRADES)).all()
    told = [(net, (each.exit_time - each.entry_time) / SECOND) for each in rows if (net := net_of(each)) is not None]
    return [net for net, _ in told], [seconds for _, seconds in told]


def analytics(reader: Reader, asked: EarningsAsked) -> TradingAnalytics:
    """Tell what is held now."""
    found = positions(reader, HoldingsAsked(strategy=asked.strategy))
    held = accounts(reader, AccountsAsked(strategy=asked.strategy))
    currencies = {each.currency for each in held}
    one = len(currencies) == 1
    worth = sum(each.equity for each in held) if one else None
    gross = sum((each.gross for each in found.exposure if each.strategy is not None), Decimal())
    curves = equity_curves(reader, strategy=asked.strategy)
    unknown = SEVERAL if currencies else NO_EQUITY
    margin = _margin(held) if one else None
    reasons = {
        "risk_per_trade": "no risk of a trade is reported",
        **({} if margin is not None else {"margin_usage": NO_MARGIN if one else unknown}),
        **({} if one else dict.fromkeys(("portfolio_value", "total_exposure", "leverage"), unknown)),
    }
    return TradingAnalytics(
        currency=next(iter(currencies)) if one else None,
        active_positions=sum(1 for each in found.positions if each.quantity),
        total_exposure=gross if one else None,
        portfolio_value=worth,
        margin_usage=margin,
        leverage=float(gross) / worth if worth and worth > 0 else None,
        risk_per_trade=None,
        correlation_matrix=_matrix({str(account): curve for account, curve in curves.items()}),
        reasons=reasons,
    )


def _matrix(curves: dict[str, Curve]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {name: {name: 1.0} for name in curves}
    for pair in correlations(curves):
        if pair.correlation.value is not None:
            found[pair.first][pair.second] = found[pair.second][pair.first] = pair.correlation.value
    return found


def health(reader: Reader, asked: Period) -> SystemHealthMetrics:
    """Tell how the server's machine is, and how calls and decisions went."""
    now = MACHINE.samples[-1]
    micros = [
        (each.timing.n, each.timing.mean_seconds)
        for each in calls(reader, CallsAsked(start=asked.start, end=asked.end))
    ]
    n = sum(count for count, _ in micros)
    decided = stages(reader, StagesAsked(start=asked.start, end=asked.end)).decisions
    reasons = {}
    if now.cpu is None:
        reasons["cpu_usage"] = "it is the mean since the sample before, and this is the first one"
    if not n:
        reasons["network_latency"] = "no calls of venues are stored"
    if not decided.n:
        reasons["error_rate"] = "no decisions are stored"
    if now.connections is None:
        reasons["active_connections"] = "the system does not tell"
    told = delivered(deliveries(reader))
    if told is None:
        reasons["telemetry"] = "no bot has said what it recorded"
    return SystemHealthMetrics(
        timestamp=now.time,
        cpu_usage=now.cpu,
        memory_usage=now.memory,
        memory_bytes=now.memory_bytes,
        process_memory_bytes=now.process_memory_bytes,
        disk_usage=now.disk,
        disk_free_bytes=now.disk_free_bytes,
        network_latency=_latency(micros, n),
        error_rate=decided.errors / decided.n if decided.n else None,
        uptime=now.uptime_seconds,
        active_connections=now.connections,
        telemetry=told,
        reasons=reasons,
    )


def _latency(found: Iterable[tuple[int, float | None]], n: int) -> float | None:
    return sum(count * (mean or 0.0) for count, mean in found) / n * 1e3 if n else None

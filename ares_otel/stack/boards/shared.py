"""Panels that more than one board about trading shows."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import thresholds as t
from ares_otel.stack.boards.model import Panel
from ares_otel.stack.boards.panels import AMBER, GREEN, RED, lines, stat, state, steps
from ares_otel.stack.boards.queries import grouped, shown, total
from ares_otel.stack.boards.tables import table
from ares_otel.stack.promql import is_

__all__ = ["EQUITY", "drawdown", "kill_switch", "limits_used", "positions", "won"]

BY_STRATEGY: Final = "{{strategy}}"
EQUITY: Final = total(m.EQUITY, a.STRATEGY, a.CURRENCY)
SWITCH: Final = ((0, "active", GREEN), (1, "reduce only", AMBER), (2, "halted", RED))


def _limit(name: str) -> str:
    return shown(m.LIMIT_VALUE, is_(a.LIMIT, name))


def drawdown(width: int, height: int) -> Panel:
    """Return the drawdown of each strategy over its limit."""
    return lines(
        "Drawdown against its limit",
        [
            (f"-{grouped('max', shown(m.DRAWDOWN), a.STRATEGY)}", BY_STRATEGY),
            (f"-{grouped('min', _limit('drawdown'), a.STRATEGY)}", "limit of {{strategy}}"),
        ],
        "Loss of equity since its peak. Dashed: the strategy's own limit; a line that nears it asks for less risk.",
        "percentunit",
        *(width, height),
        lowest=None,
        highest=0.0,
        dashed=("limit.*",),
        marked=True,
    )


def kill_switch() -> Panel:
    """Return the state of the kill switch."""
    says = "State of the kill switch, the worst of all bots. Amber: positions are only reduced. Red: no orders at all."
    return state("Kill switch", grouped("max", shown(m.KILL_SWITCH)), says, SWITCH)


def limits_used() -> Panel:
    """Return the used share of the limit that is nearest to its end."""
    return stat(
        "Limit used most",
        grouped("max", shown(m.LIMIT_UTILIZATION)),
        "Used share of the limit that is nearest to its end, over all strategies.",
        "percentunit",
        steps((t.LIMIT_NEAR, AMBER), (t.LIMIT_FULL, RED)),
        0,
    )


def won() -> Panel:
    """Return what the chosen time has brought."""
    return stat(
        "Won or lost in range",
        f"sum(delta({shown(m.EQUITY)}[$__range]))",
        "Change of equity over the chosen time, extrapolated where data is shorter; add up one currency at a time.",
        "locale",
        decimals=0,
    )


def positions(width: int, height: int) -> Panel:
    """Return the open positions with their value."""
    return table(
        "Positions",
        [
            (f"round({total(m.POSITION_QUANTITY, a.STRATEGY, a.SYMBOL)}, 1e-8)", "Quantity", "none"),
            (total(m.POSITION_NOTIONAL, a.STRATEGY, a.SYMBOL, a.CURRENCY), "Value", "locale"),
            (total(m.UNREALIZED_PNL, a.STRATEGY, a.SYMBOL, a.CURRENCY), "Unrealized", "locale"),
        ],
        {"strategy": "Strategy", "symbol": "Symbol", "currency": "Currency"},
        "Signed positions with their value and what closing them at the mark would bring.",
        *(width, height),
    )

"""The objective for answers to orders: how fast its error budget burns, over pairs of windows.

A bot sends few orders, so each pair asks for a least number of them: three slow orders in a night are no page.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import thresholds as t
from ares_otel.stack.promql import bound, by, select
from ares_otel.stack.rules.model import Alert, Domain, Group, Record, Severity, Team

__all__ = ["ALERTS", "BUDGET", "BURNS", "RECORDS", "Burn", "error_ratio"]


class Burn(NamedTuple):
    """Two windows over which the budget burns `factor` times too fast, and how many orders make that a fact."""

    factor: float
    long: str
    short: str
    hold: str
    severity: Severity
    orders: int


BURNS: Final = (
    Burn(14.4, "1h", "5m", "2m", Severity.CRITICAL, 20),
    Burn(6.0, "6h", "30m", "15m", Severity.CRITICAL, 20),
    Burn(3.0, "1d", "2h", "1h", Severity.WARNING, 50),
    Burn(1.0, "3d", "6h", "3h", Severity.WARNING, 100),
)
WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
PERIOD: Final = f"{t.SLO_PERIOD.value / 86_400:g}d"
SLO: Final = {"slo": "order-ack"}
BUDGET: Final = "ares:order_ack:budget_left_ratio"
WHO: Final = by(a.VENUE)
ALLOWED: Final = round(1.0 - t.ORDER_ACK_OBJECTIVE.value, 6)


def error_ratio(window: str) -> str:
    """Return the name of the recorded share of orders that were answered too late."""
    return f"ares:order_ack:error_ratio_rate{window}"


def _late(window: str) -> Record:
    answered = select(m.ORDER_ACK, bound(m.ORDER_ACK, t.ORDER_ACK_SLO.value), part="_bucket")
    every = select(m.ORDER_ACK, part="_count")
    in_time = f"sum {WHO} (rate({answered}[{window}])) / (sum {WHO} (rate({every}[{window}])) > 0)"
    return Record(error_ratio(window), f"1 - {in_time}", SLO)


def _burn(burn: Burn) -> Alert:
    limit = f"{burn.factor * ALLOWED:g}"
    orders = f"sum {WHO} (increase({select(m.ORDER_ACK, part='_count')}[{burn.long}])) > {burn.orders}"
    both = f"{error_ratio(burn.long)} > {limit} and {error_ratio(burn.short)} > {limit}"
    return Alert(
        "AresOrderAckSloBurn",
        f"{both} and ignoring (slo) {orders}",
        burn.severity,
        Team.TRADING,
        Domain.EXECUTION,
        f"Answers of {{{{ $labels.venue }}}} burn their error budget {burn.factor:g} times too fast",
        f"{{{{ $value | humanizePercentage }}}} of the orders of the last {burn.long} were answered later than "
        f"{t.ORDER_ACK_SLO.value * 1000:g} ms; the goal allows {ALLOWED:.0%}.",
        "ares-execution",
        hold=burn.hold,
        variables=("venue",),
        labels={"long_window": burn.long, "short_window": burn.short},
    )


RECORDS: Final = (
    Group("ares-slo-order-ack", tuple(map(_late, WINDOWS)), interval="30s"),
    Group(
        "ares-slo-order-ack-budget",
        (
            _late(PERIOD),
            Record(BUDGET, f"1 - {error_ratio(PERIOD)} / {ALLOWED:g}", SLO),
        ),
        interval="1m",
    ),
)
ALERTS: Final = tuple(map(_burn, BURNS))

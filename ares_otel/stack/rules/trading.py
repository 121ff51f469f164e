"""Alerts on what the bot does: orders and venues, limits and losses, models and regimes."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import thresholds as t
from ares_otel.semconv.enums import CheckOutcome, Direction, OrderStatus
from ares_otel.stack.promql import ONE_SYMBOL, by, grown, is_, select
from ares_otel.stack.rules.model import Alert, Domain, Severity, Team

__all__ = ["EXECUTION", "MODELS", "RISK"]

STRATEGY: Final = by(a.STRATEGY)
VENUE: Final = by(a.VENUE)
COSTS: Final = by(a.STRATEGY, a.VENUE)
ENOUGH: Final = f"{t.EXECUTION_MINIMUM.value:g}"


def _sum(clause: str, selector: str, window: str) -> str:
    return f"sum {clause} (increase({selector}[{window}]))"


def _net_slippage() -> str:
    adverse = _sum(COSTS, select(m.SLIPPAGE, is_(a.DIRECTION, Direction.ADVERSE), part="_sum"), "1h")
    favorable = _sum(COSTS, select(m.SLIPPAGE, is_(a.DIRECTION, Direction.FAVORABLE), part="_sum"), "1h")
    orders = _sum(COSTS, select(m.SLIPPAGE, part="_count"), "1h")
    return f"({adverse} - ({favorable} or 0 * {adverse})) / ({orders} >= {ENOUGH}) > {t.SLIPPAGE_HIGH.value:g}"


def _filled(window: str, least: float) -> str:
    filled = _sum(COSTS, select(m.ORDER_UPDATES, is_(a.STATUS, OrderStatus.FILLED)), window)
    sent = _sum(COSTS, select(m.ORDERS_SUBMITTED), window)
    return f"({filled} or 0 * {sent}) / ({sent} >= {least:g})"


def _venue_errors() -> str:
    failed = _sum(VENUE, select(m.EXCHANGE_ERRORS), "5m")
    return f"{failed} / ({_sum(VENUE, select(m.EXCHANGE_DURATION, part='_count'), '5m')} >= {ENOUGH})"


def _venue_p99() -> str:
    buckets = select(m.EXCHANGE_DURATION, part="_bucket")
    return f"histogram_quantile(0.99, sum {by('le', a.VENUE)} (rate({buckets}[5m])))"


EXECUTION: Final = (
    Alert(
        "AresOrdersUnanswered",
        f"sum {VENUE} ({select(m.ORDERS_UNACKNOWLEDGED)}) > 0",
        Severity.CRITICAL,
        Team.TRADING,
        Domain.EXECUTION,
        "{{ $value }} orders at {{ $labels.venue }} have no answer",
        f"Nobody knows whether they trade: no answer for more than {t.ORDER_UNANSWERED.value:g} s, not even a refusal.",
        "ares-execution",
        hold="1m",
        variables=("venue",),
    ),
    Alert(
        "AresOrdersRejected",
        f"{_sum(COSTS, select(m.ORDER_REJECTIONS), '15m')} / "
        f"({_sum(COSTS, select(m.ORDERS_SUBMITTED), '15m')} >= {ENOUGH}) > {t.ORDERS_REJECTED.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.EXECUTION,
        "{{ $value | humanizePercentage }} of the orders of {{ $labels.strategy }} are refused",
        f"Of at least {ENOUGH} orders at {{{{ $labels.venue }}}} in 15 minutes more than "
        f"{t.ORDERS_REJECTED.value:.0%} were refused by the venue or by the bot's own checks.",
        "ares-execution",
        hold="5m",
        keep="10m",
        variables=("strategy", "venue"),
    ),
    Alert(
        "AresSlippageHigh",
        _net_slippage(),
        Severity.WARNING,
        Team.TRADING,
        Domain.EXECUTION,
        "Orders of {{ $labels.strategy }} lose {{ $value | humanize }} bp against their arrival price",
        f"Mean net slippage at {{{{ $labels.venue }}}} over an hour and at least {ENOUGH} orders is above "
        f"{t.SLIPPAGE_HIGH.value:g} bp.",
        "ares-execution",
        hold="10m",
        variables=("strategy", "venue"),
    ),
    Alert(
        "AresFillRatioLow",
        f"{_filled('1h', t.EXECUTION_MINIMUM.value)} < "
        f"{t.FILL_RATIO_DROP.value:g} * ({_filled('1d', t.FILL_RATIO_MINIMUM.value)})",
        Severity.WARNING,
        Team.TRADING,
        Domain.EXECUTION,
        "Only {{ $value | humanizePercentage }} of the orders of {{ $labels.strategy }} are filled",
        f"Of at least {ENOUGH} orders at {{{{ $labels.venue }}}} in an hour; "
        f"less than {t.FILL_RATIO_DROP.value:.0%} of the share that was filled in the last day.",
        "ares-execution",
        hold="10m",
        variables=("strategy", "venue"),
    ),
    Alert(
        "AresOrderStatesWrong",
        grown(select(m.INVALID_TRANSITIONS), "15m", VENUE),
        Severity.WARNING,
        Team.TRADING,
        Domain.EXECUTION,
        "{{ $labels.venue }} sent {{ $value | humanize }} updates that its orders' states do not allow",
        "The bot's picture of its orders differs from the venue's: updates came out of order or were lost.",
        "ares-execution",
        variables=("venue",),
    ),
    Alert(
        "AresOrdersUnknown",
        grown(select(m.UNKNOWN_UPDATES), "15m", VENUE),
        Severity.WARNING,
        Team.TRADING,
        Domain.EXECUTION,
        "{{ $labels.venue }} sent {{ $value | humanize }} updates of orders that nobody knows",
        "Somebody else trades on this account, or the bot lost its ledger.",
        "ares-execution",
        variables=("venue",),
    ),
    Alert(
        "AresVenueFailing",
        f"{_venue_errors()} > {t.VENUE_ERROR_RATIO.value:g}",
        Severity.CRITICAL,
        Team.TRADING,
        Domain.EXECUTION,
        "{{ $value | humanizePercentage }} of the calls of {{ $labels.venue }} fail",
        f"More than {t.VENUE_ERROR_RATIO.value:.0%} of at least {ENOUGH} calls in 5 minutes.",
        "ares-execution",
        hold="5m",
        variables=("venue",),
    ),
    Alert(
        "AresVenueSlow",
        f"{_venue_p99()} > {t.VENUE_SLOW.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.EXECUTION,
        "Calls of {{ $labels.venue }} take up to {{ $value | humanizeDuration }}",
        f"The 99th percentile over 5 minutes is above {t.VENUE_SLOW.value:g} s.",
        "ares-execution",
        hold="5m",
        variables=("venue",),
    ),
    Alert(
        "AresRateLimitNear",
        f"max {VENUE} ({select(m.RATE_LIMIT_USED)}) > {t.RATE_LIMIT_NEAR.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.EXECUTION,
        "{{ $value | humanizePercentage }} of the request weight of {{ $labels.venue }} is used",
        "At its end the venue refuses calls, orders and cancels among them, or bans the address.",
        "ares-execution",
        hold="2m",
        variables=("venue",),
    ),
)

LIMITS: Final = by(a.STRATEGY, a.LIMIT)

RISK: Final = (
    Alert(
        "AresLimitBreached",
        f"max {LIMITS} ({select(m.LIMIT_UTILIZATION)}) > 1",
        Severity.CRITICAL,
        Team.TRADING,
        Domain.RISK,
        "{{ $labels.strategy }} is beyond its limit {{ $labels.limit }}: {{ $value | humanizePercentage }}",
        "A hard limit is exceeded; the bot should have stopped by itself.",
        "ares-portfolio",
        keep="5m",
        variables=("strategy",),
    ),
    Alert(
        "AresLimitNear",
        f"max {LIMITS} ({select(m.LIMIT_UTILIZATION)}) > {t.LIMIT_NEAR.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.RISK,
        "{{ $labels.strategy }} uses {{ $value | humanizePercentage }} of its limit {{ $labels.limit }}",
        f"More than {t.LIMIT_NEAR.value:.0%} of the limit is used.",
        "ares-portfolio",
        hold="1m",
        keep="5m",
        variables=("strategy",),
    ),
    Alert(
        "AresDrawdownHigh",
        f"max {STRATEGY} ({select(m.DRAWDOWN)}) > {t.DRAWDOWN_WARNING.value:g} unless "
        f"max {STRATEGY} ({select(m.LIMIT_VALUE, is_(a.LIMIT, 'drawdown'))})",
        Severity.WARNING,
        Team.TRADING,
        Domain.RISK,
        "{{ $labels.strategy }} has lost {{ $value | humanizePercentage }} since its peak",
        f"A drawdown above {t.DRAWDOWN_WARNING.value:.0%}, in a strategy that sets no limit of its own.",
        "ares-portfolio",
        hold="1m",
        variables=("strategy",),
    ),
    Alert(
        "AresKillSwitchActive",
        f"max {by()} ({select(m.KILL_SWITCH)}) > 0",
        Severity.CRITICAL,
        Team.TRADING,
        Domain.RISK,
        "The kill switch of {{ $labels.service_name }} has tripped",
        "State {{ $value }}: 1 only reduces positions, 2 sends no orders at all.",
        "ares-trading",
    ),
    Alert(
        "AresOrdersBlocked",
        f"{_sum(by(a.CHECK), select(m.RISK_CHECKS, is_(a.CHECK_OUTCOME, CheckOutcome.BLOCKED)), '15m')} > {ENOUGH}",
        Severity.WARNING,
        Team.TRADING,
        Domain.RISK,
        "The check {{ $labels.check }} has blocked {{ $value | humanize }} orders in 15 minutes",
        "A strategy keeps on sending what its own checks refuse.",
        "ares-portfolio",
        keep="10m",
    ),
)

MODELS: Final = (
    Alert(
        "AresModelAccuracyLow",
        f"max {by(a.MODEL_NAME)} ({select(m.MODEL_SCORE, is_(a.SCORE, 'accuracy'))}) < {t.ACCURACY_LOW.value:g}",
        Severity.WARNING,
        Team.MODELS,
        Domain.MODELS,
        "{{ $labels.model_name }} is right in {{ $value | humanizePercentage }} of its matured predictions",
        f"Below {t.ACCURACY_LOW.value:.0%} for half an hour, on at least {t.SCORE_MINIMUM.value:g} predictions.",
        "ares-ensemble",
        hold="30m",
    ),
    Alert(
        "AresModelOld",
        f"time() - max {by(a.MODEL_NAME)} ({select(m.MODEL_TRAINED)}) > {t.MODEL_OLD.value:g}",
        Severity.WARNING,
        Team.MODELS,
        Domain.MODELS,
        "{{ $labels.model_name }} was trained {{ $value | humanizeDuration }} ago",
        f"Longer than {t.MODEL_OLD.value / 86_400:g} days: markets of today are not in it.",
        "ares-ensemble",
        hold="1h",
    ),
    Alert(
        "AresEnsembleDisagrees",
        f"avg {STRATEGY} (avg_over_time({select(m.AGREEMENT)}[30m])) < {t.AGREEMENT_LOW.value:g} and "
        f"avg {STRATEGY} (avg_over_time({select(m.ENTROPY)}[30m])) > {t.ENTROPY_HIGH.value:g}",
        Severity.INFO,
        Team.MODELS,
        Domain.MODELS,
        "Members of {{ $labels.strategy }} agree by {{ $value | humanizePercentage }} only",
        f"Over half an hour fewer than {t.AGREEMENT_LOW.value:.0%} voted for what was decided, and the votes are more "
        "scattered than two actions can be.",
        "ares-ensemble",
        hold="30m",
        variables=("strategy",),
    ),
    Alert(
        "AresRegimeFlapping",
        f"{_sum(by(a.STRATEGY, a.SYMBOL), select(m.REGIME_TRANSITIONS, ONE_SYMBOL), '1h')}"
        f" > {t.REGIME_FLAPPING.value:g}",
        Severity.WARNING,
        Team.MODELS,
        Domain.MODELS,
        "The regime of {{ $labels.symbol }} changed {{ $value | humanize }} times in an hour",
        f"More than {t.REGIME_FLAPPING.value:g} changes: what switches by regime trades on noise.",
        "ares-regimes",
        hold="10m",
        variables=("strategy", "symbol"),
    ),
)

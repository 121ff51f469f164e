"""Default limits, shared by sampling, metrics, alerts and pages."""

from __future__ import annotations

from ares_otel.semconv.model import Threshold

__all__ = [
    "CORRELATION_TIMEOUT",
    "DECISION_SLOW",
    "DRAWDOWN_WARNING",
    "FEATURES_SHOWN",
    "MARKET_DATA_STALE",
    "ORDER_ACK_SLO",
    "ORDER_UNANSWERED",
    "SCORE_MINIMUM",
    "SCORE_WINDOW",
    "SERIES_BUDGET",
    "SYMBOLS_SHOWN",
    "THRESHOLDS",
]

DECISION_SLOW = Threshold("decision_slow", 5.0, "s", "a decision that takes longer is always traced")
CORRELATION_TIMEOUT = Threshold("correlation_timeout", 300.0, "s", "a decision that has not ended by then is closed")
ORDER_UNANSWERED = Threshold("order_unanswered", 30.0, "s", "an order without any answer for that long is unanswered")
ORDER_ACK_SLO = Threshold("order_ack_slo", 0.25, "s", "99 % of orders are answered within this time")
SERIES_BUDGET = Threshold("series_budget", 4_000, "{series}", "series that one bot may expose")
SYMBOLS_SHOWN = Threshold("symbols_shown", 20, "{symbol}", "symbols with series of their own, the rest is `other`")
FEATURES_SHOWN = Threshold("features_shown", 20, "{feature}", "features with series of their own, the rest is `other`")
MARKET_DATA_STALE = Threshold("market_data_stale", 30.0 * 60.0, "s", "market data older than this is stale")
DRAWDOWN_WARNING = Threshold("drawdown_warning", 0.1, "1", "drawdown that asks for attention")
SCORE_WINDOW = Threshold("score_window", 200, "{prediction}", "matured predictions in a model's score")
SCORE_MINIMUM = Threshold("score_minimum", 30, "{prediction}", "fewer matured predictions give no score")

THRESHOLDS: tuple[Threshold, ...] = tuple(value for value in vars().values() if isinstance(value, Threshold))

"""Default limits, shared by sampling, metrics, alerts and pages."""

from __future__ import annotations

from ares_otel.semconv.model import Threshold

__all__ = [
    "ACCURACY_LOW",
    "AGREEMENT_LOW",
    "ANY",
    "BOT_SILENT",
    "BUDGET_LOW",
    "BUDGET_SPENT",
    "CLOCK_OFF",
    "CORRELATION_TIMEOUT",
    "CPU_HIGH",
    "DECISION_OVERDUE",
    "DECISION_PATIENCE",
    "DECISION_SLOW",
    "DISK_HIGH",
    "DRAWDOWN_WARNING",
    "DRIFT_CROSSED",
    "DRIFT_DROPS",
    "DRIFT_OVERDUE",
    "DRIFT_PATIENCE",
    "ENTROPY_HIGH",
    "EVENT_LOOP_SLOW",
    "EXECUTION_MINIMUM",
    "FEATURES_SHOWN",
    "FILL_RATIO_DROP",
    "FILL_RATIO_MINIMUM",
    "LIMIT_FULL",
    "LIMIT_NEAR",
    "MARKET_DATA_STALE",
    "MEMORY_HIGH",
    "MODEL_OLD",
    "ORDERS_REJECTED",
    "ORDER_ACK_OBJECTIVE",
    "ORDER_ACK_SLO",
    "ORDER_UNANSWERED",
    "QUEUE_FILLING",
    "QUEUE_LONG",
    "RATE_LIMIT_NEAR",
    "REGIME_FLAPPING",
    "RESTARTS",
    "SCORE_MINIMUM",
    "SCORE_WINDOW",
    "SERIES_BUDGET",
    "SLIPPAGE_HIGH",
    "SLO_PERIOD",
    "SPOOL_LARGE",
    "STAGE_ERROR_RATIO",
    "STAGE_SLOW",
    "STORE_DISK_LOW",
    "SYMBOLS_SHOWN",
    "THRESHOLDS",
    "VENUE_ERROR_RATIO",
    "VENUE_SLOW",
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
ORDER_ACK_OBJECTIVE = Threshold("order_ack_objective", 0.99, "1", "share of orders answered in time that is the goal")
BUDGET_LOW = Threshold("budget_low", 0.25, "1", "error budget left that asks for care")
BUDGET_SPENT = Threshold("budget_spent", 0.0, "1", "error budget left when the promise is broken")
ANY = Threshold("any", 1, "{event}", "one is one too many")
SLO_PERIOD = Threshold("slo_period", 30.0 * 86_400.0, "s", "time over which an error budget is meant to last")
BOT_SILENT = Threshold("bot_silent", 60.0, "s", "a bot that answers no scrape for that long is down")
DECISION_OVERDUE = Threshold("decision_overdue", 5.0, "1", "silence in usual intervals between decisions")
DECISION_PATIENCE = Threshold("decision_patience", 300.0, "s", "silence that is never too long")
ORDERS_REJECTED = Threshold("orders_rejected", 0.2, "1", "share of rejected orders that asks for attention")
FILL_RATIO_DROP = Threshold("fill_ratio_drop", 0.5, "1", "part of the usual share of filled orders that is too little")
FILL_RATIO_MINIMUM = Threshold("fill_ratio_minimum", 50, "{order}", "fewer orders in a day do not say what is usual")
SLIPPAGE_HIGH = Threshold("slippage_high", 20.0, "bp", "mean net slippage that asks for attention")
EXECUTION_MINIMUM = Threshold("execution_minimum", 10, "{order}", "fewer orders give no ratio that alerts")
STAGE_ERROR_RATIO = Threshold("stage_error_ratio", 0.05, "1", "share of failing stages that asks for attention")
STAGE_SLOW = Threshold("stage_slow", 1.0, "s", "99th percentile of one stage's time that asks for attention")
VENUE_ERROR_RATIO = Threshold("venue_error_ratio", 0.05, "1", "share of failing calls of a venue that alerts")
VENUE_SLOW = Threshold("venue_slow", 1.0, "s", "99th percentile of a venue's calls that asks for attention")
RATE_LIMIT_NEAR = Threshold("rate_limit_near", 0.9, "1", "used share of a venue's request weight that is near it")
LIMIT_FULL = Threshold("limit_full", 1.0, "1", "used share of a limit that is all of it")
LIMIT_NEAR = Threshold("limit_near", 0.8, "1", "used share of a limit that is near it")
ACCURACY_LOW = Threshold("accuracy_low", 0.4, "1", "accuracy of a model that asks for attention")
MODEL_OLD = Threshold("model_old", 30.0 * 86_400.0, "s", "age of a model's training that asks for attention")
AGREEMENT_LOW = Threshold("agreement_low", 0.4, "1", "mean agreement of an ensemble that asks for attention")
ENTROPY_HIGH = Threshold("entropy_high", 1.05, "bit", "mean entropy of votes beyond what two actions can make")
REGIME_FLAPPING = Threshold("regime_flapping", 12, "{change}", "changes of regime in an hour that are no regimes")
DRIFT_CROSSED = Threshold("drift_crossed", 1.0, "1", "evidence of drift, in thresholds of its test, that is an alarm")
DRIFT_DROPS = Threshold("drift_drops", 0.05, "1", "share of observations not looked at that asks for attention")
DRIFT_OVERDUE = Threshold("drift_overdue", 5.0, "1", "time without a check for drift, in usual intervals of checks")
DRIFT_PATIENCE = Threshold("drift_patience", 900.0, "s", "time without a check for drift that is never too long")
CPU_HIGH = Threshold("cpu_high", 0.95, "1", "used share of a processor that leaves nothing for a burst")
MEMORY_HIGH = Threshold("memory_high", 0.9, "1", "used share of the host's memory that asks for attention")
DISK_HIGH = Threshold("disk_high", 0.9, "1", "used share of the disk that asks for attention")
EVENT_LOOP_SLOW = Threshold("event_loop_slow", 0.1, "s", "99th percentile of the loop's delay that asks for attention")
RESTARTS = Threshold("restarts", 2, "{start}", "starts of a bot in half an hour that are a crash loop")
CLOCK_OFF = Threshold("clock_off", 0.5, "s", "offset of a clock at which times of venue and bot cannot be compared")
SPOOL_LARGE = Threshold("spool_large", 134_217_728, "By", "undelivered spans on disk: half of the default cap")
QUEUE_LONG = Threshold("queue_long", 10_000, "{record}", "records waiting for the worker: half of what usually fits")
STORE_DISK_LOW = Threshold("store_disk_low", 1_073_741_824, "By", "free room for the ares server's database")
QUEUE_FILLING = Threshold("queue_filling", 0.5, "1", "used share of a collector's queue that asks for attention")

THRESHOLDS: tuple[Threshold, ...] = tuple(value for value in vars().values() if isinstance(value, Threshold))

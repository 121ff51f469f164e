"""Every metric of ours, declared once: name, unit, labels, buckets."""

from __future__ import annotations

from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Attribute, Counter, Gauge, Histogram, Info, Metric

__all__ = [
    "ADOPTED", "AGREEMENT", "ALERTS_PUSHED", "ALERT_FAILURES", "BAD_VALUES", "BRIER", "CALIBRATION", "CALMAR",
    "CLOCK_OFFSET", "CONCENTRATION", "CONVENTION", "CORRELATIONS", "CORRELATIONS_OPEN", "CORRELATION_DURATION",
    "DECISIONS", "DECISION_CONFIDENCE", "DECISION_DURATION", "DETECTOR_UP", "DISSENT", "DRAWDOWN", "DRIFT_ACTIVE",
    "DRIFT_CALLBACK_ERRORS", "DRIFT_CHECKED", "DRIFT_CHECKS", "DRIFT_DROPPED", "DRIFT_DURATION", "DRIFT_EFFECT",
    "DRIFT_EPISODES", "DRIFT_EVIDENCE", "DRIFT_LATE", "DRIFT_LOSS", "DRIFT_LOSS_HIGH", "DRIFT_LOSS_LOW",
    "DRIFT_LOSS_N", "DRIFT_LOSS_WORTH", "DRIFT_OBSERVED", "DRIFT_PENDING", "DRIFT_PREDICTIONS",
    "DRIFT_PROBLEM_QUANTITIES", "DRIFT_P_VALUE", "DRIFT_QUANTITIES", "DRIFT_REFUSED", "DRIFT_SETTLED",
    "DRIFT_SEVERITY", "DRIFT_SPENT", "DRIFT_STATISTIC", "DROPPED", "DUPLICATE_UPDATES", "ENTROPY", "EQUITY",
    "EVENT_LOOP_LAG", "EXCHANGE_DURATION", "EXCHANGE_ERRORS", "EXPECTED_SHORTFALL", "EXPORTED", "EXPORT_DURATION",
    "EXPORT_FAILURES", "FEATURE_DETECTABLE", "FEATURE_DRIFT", "FEATURE_EFFECT", "FEATURE_IMPORTANCE",
    "FEATURE_PROBLEM", "FEATURE_PROBLEMS", "FEATURE_SAMPLES", "FEES", "FILLED_NOTIONAL", "GC_PAUSE",
    "GROSS_EXPOSURE", "HOST_CPU", "HOST_DISK", "HOST_MEMORY", "HOST_NETWORK", "IMPORTANCE_STABILITY", "INFERENCE",
    "INFORMATION", "INVALID_TRANSITIONS", "KILL_SWITCH", "KILL_SWITCH_TRIPS", "LAST_DECISION", "LEVERAGE",
    "LIMIT_BREACHES", "LIMIT_UTILIZATION", "LIMIT_VALUE", "LOGS_ADOPTED", "LOGS_DROPPED", "LOGS_EXPORTED",
    "LOGS_QUEUED", "LOGS_RECORDED", "LOGS_SPOOLED", "MARGIN_USE", "MARKET_DATA_AGE", "MARKET_DATA_GAPS",
    "MARKET_DATA_MESSAGES", "MAX_DRAWDOWN", "METRICS", "MODEL_INFO", "MODEL_SCORE", "MODEL_TRAINED",
    "NEGATIVE_LATENCY", "NET_EXPOSURE", "ORDERS_OPEN", "ORDERS_SUBMITTED", "ORDERS_UNACKNOWLEDGED", "ORDER_ACK",
    "ORDER_FILL", "ORDER_REJECTIONS", "ORDER_UPDATES", "OUTCOMES", "POSITION_NOTIONAL", "POSITION_QUANTITY",
    "PREDICTIONS", "PROCESS_CONNECTIONS", "PROCESS_CPU", "PROCESS_FILES", "PROCESS_IO", "PROCESS_MEMORY",
    "PROCESS_THREADS", "QUEUED", "QUEUE_LENGTH", "RATE_LIMIT_USED", "RATE_LIMIT_WAIT", "REALIZED_PNL", "REBATES",
    "RECORDED", "RECOVERED", "REGIME_ACTIVE", "REGIME_DURATION", "REGIME_PROBABILITY", "REGIME_TRANSITIONS",
    "REPORT_DELIVERIES", "REPORT_DURATION", "REPORT_RUNS", "REPORT_SUCCESS", "RETRAIN_REQUESTS",
    "RETRAIN_SUPPRESSED", "RING_BYTES", "RING_REFUSED", "RISK_CHECKS", "SAMPLED_OUT", "SERIES", "SHARPE",
    "SHORTFALL", "SLIPPAGE", "SLIPPAGE_COST", "SORTINO", "SPOOLED", "SPOOL_BYTES", "STAGE_DURATION", "STAGE_ERRORS",
    "TELEMETRY_ERRORS", "TICK_TO_ORDER", "TRADES", "TRADE_LOSS", "TRADE_PROFIT", "UNKNOWN_UPDATES",
    "UNREALIZED_PNL", "VALUE_AT_RISK", "VOTES", "WEIGHT",
]  # fmt: skip

FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
CALLS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LONG = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)
DWELL = (60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0, 259_200.0, 604_800.0, 2_592_000.0, 7_776_000.0)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9, 1.0)
BPS = (0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0, 100.0, 250.0)
S, Y, V, C, M = a.STRATEGY, a.SYMBOL, a.VENUE, a.CURRENCY, a.MODEL_NAME


class _Group:
    """Declares the metrics of one group."""

    def __init__(self, name: str) -> None:
        self.name = name

    def counter(self, name: str, brief: str, *labels: Attribute, unit: str = "") -> Counter:
        return Counter(name, brief, labels, unit, self.name)

    def gauge(self, name: str, brief: str, *labels: Attribute, unit: str = "") -> Gauge:
        return Gauge(name, brief, labels, unit, self.name)

    def histogram(self, name: str, brief: str, *labels: Attribute, unit: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, brief, labels, unit, self.name, buckets)

    def info(self, name: str, brief: str, *labels: Attribute) -> Info:
        return Info(name, brief, labels, "", self.name)


_g = _Group("decisions")
DECISIONS = _g.counter("ares_decisions_total", "decisions by action", S, Y, a.ACTION)
DECISION_DURATION = _g.histogram(
    "ares_decision_duration_seconds", "time of a decision", S, unit="s", buckets=(*FAST, 5.0, 15.0, 60.0)
)
STAGE_DURATION = _g.histogram(
    "ares_stage_duration_seconds", "time of a stage", S, a.COMPONENT, unit="s", buckets=(*FAST, 5.0, 30.0)
)
STAGE_ERRORS = _g.counter(
    "ares_stage_errors_total", "errors in stages, also those the bot caught", a.COMPONENT, a.ERROR_TYPE, a.SWALLOWED
)
DECISION_CONFIDENCE = _g.histogram(
    "ares_decision_confidence", "confidence of decisions", S, a.ACTION, unit="", buckets=SHARES
)
LAST_DECISION = _g.gauge(
    "ares_last_decision_timestamp_seconds", "Unix time at which the last decision ended", S, Y, unit="s"
)

_g = _Group("orders")
ORDERS_SUBMITTED = _g.counter("ares_orders_submitted_total", "orders sent", S, Y, V, a.SIDE, a.ORDER_TYPE)
ORDER_UPDATES = _g.counter("ares_order_updates_total", "execution reports by status", S, Y, V, a.STATUS)
ORDER_REJECTIONS = _g.counter(
    "ares_order_rejections_total", "orders refused by the venue or denied by the bot", S, V, a.REJECT_REASON
)
ORDERS_OPEN = _g.gauge("ares_orders_open", "orders that can still be filled", S, Y)
ORDERS_UNACKNOWLEDGED = _g.gauge("ares_orders_unacknowledged", "orders without any answer for longer than the limit", V)
ORDER_ACK = _g.histogram(
    "ares_order_ack_duration_seconds",
    "from submission to the first answer (new, rejected or a fill)",
    *(V, a.ORDER_TYPE),
    unit="s",
    buckets=CALLS,
)
ORDER_FILL = _g.histogram(
    "ares_order_fill_duration_seconds", "from submission to the last fill", V, a.ORDER_TYPE, unit="s", buckets=LONG
)
INVALID_TRANSITIONS = _g.counter(
    "ares_order_invalid_transitions_total", "updates that FIX does not allow in the order's state", V
)
DUPLICATE_UPDATES = _g.counter("ares_order_duplicate_updates_total", "updates that were seen before", V)
UNKNOWN_UPDATES = _g.counter("ares_order_unknown_updates_total", "updates of orders that nobody knows", V)
TICK_TO_ORDER = _g.histogram(
    "ares_tick_to_order_seconds", "from the start of the decision to the order", S, unit="s", buckets=(*FAST, 5.0)
)

_g = _Group("execution")
FILLED_NOTIONAL = _g.counter(
    "ares_filled_notional_total", "filled quantity times price and multiplier", S, Y, a.SIDE, a.LIQUIDITY_LABEL, C
)
FEES = _g.counter("ares_fees_total", "fees paid", S, V, C)
REBATES = _g.counter("ares_rebates_total", "fees received", S, V, C)
SLIPPAGE = _g.histogram(
    "ares_slippage_bps",
    "size of the slippage of an order against its arrival mid, volume-weighted",
    *(S, V, a.DIRECTION),
    unit="bp",
    buckets=BPS,
)
SLIPPAGE_COST = _g.gauge(
    "ares_slippage_cost", "signed sum of money lost (positive) or won against the arrival mid", S, C
)
SHORTFALL = _g.histogram(
    "ares_implementation_shortfall_bps",
    "size of the implementation shortfall of a done order (Perold 1988)",
    *(S, V, a.DIRECTION),
    unit="bp",
    buckets=BPS,
)

_g = _Group("portfolio")
EQUITY = _g.gauge("ares_equity", "cash and unrealized profit or loss", S, C)
REALIZED_PNL = _g.gauge("ares_realized_pnl", "realized profit or loss, fees paid", S, C)
UNREALIZED_PNL = _g.gauge("ares_unrealized_pnl", "unrealized profit or loss at the mark", S, Y, C)
POSITION_QUANTITY = _g.gauge("ares_position_quantity", "signed position", S, Y)
POSITION_NOTIONAL = _g.gauge("ares_position_notional", "signed value of the position", S, Y, C)
GROSS_EXPOSURE = _g.gauge("ares_gross_exposure", "sum of the positions' absolute values", S, C)
NET_EXPOSURE = _g.gauge("ares_net_exposure", "sum of the positions' values", S, C)
LEVERAGE = _g.gauge("ares_leverage_ratio", "gross exposure by equity", S, unit="1")
MARGIN_USE = _g.gauge("ares_margin_use_ratio", "used margin by the margin that may be used", S, unit="1")
DRAWDOWN = _g.gauge("ares_drawdown_ratio", "loss of equity since its peak", S, unit="1")
MAX_DRAWDOWN = _g.gauge("ares_max_drawdown_ratio", "deepest loss of equity since a peak", S, unit="1")
TRADES = _g.counter("ares_trades_total", "trades from entry to flat", S, Y, a.TRADE_OUTCOME)
TRADE_PROFIT = _g.counter("ares_trade_profit_total", "money won by winning trades", S, C)
TRADE_LOSS = _g.counter("ares_trade_loss_total", "money lost by losing trades", S, C)
SHARPE = _g.gauge("ares_sharpe_ratio", "Sharpe ratio by the published convention", S, a.WINDOW, unit="1")
SORTINO = _g.gauge("ares_sortino_ratio", "Sortino ratio by the published convention", S, a.WINDOW, unit="1")
CALMAR = _g.gauge("ares_calmar_ratio", "Calmar ratio by the published convention", S, a.WINDOW, unit="1")
VALUE_AT_RISK = _g.gauge("ares_value_at_risk_ratio", "one-day value at risk", S, a.METHOD, a.LEVEL, unit="1")
EXPECTED_SHORTFALL = _g.gauge(
    "ares_expected_shortfall_ratio", "one-day expected shortfall", S, a.METHOD, a.LEVEL, unit="1"
)
CONVENTION = _g.info("ares_performance_convention_info", "how the ratios are computed", a.PERIODS, a.BASIS, a.RETURNS)

_g = _Group("risk")
RISK_CHECKS = _g.counter("ares_risk_checks_total", "pre-trade checks", a.CHECK, a.CHECK_OUTCOME)
LIMIT_VALUE = _g.gauge("ares_limit_value", "limit in its own unit", S, a.LIMIT)
LIMIT_UTILIZATION = _g.gauge("ares_limit_utilization_ratio", "used share of a limit", S, a.LIMIT, unit="1")
LIMIT_BREACHES = _g.counter("ares_limit_breaches_total", "checks that found a value beyond its limit", a.LIMIT)
KILL_SWITCH = _g.gauge("ares_kill_switch_state", "0 active, 1 reduce only, 2 halted")
KILL_SWITCH_TRIPS = _g.counter("ares_kill_switch_trips_total", "trips of the kill switch", a.CAUSE)

_g = _Group("ensemble")
VOTES = _g.counter("ares_ensemble_votes_total", "votes of the members", S, M, a.ACTION)
AGREEMENT = _g.gauge("ares_ensemble_agreement_ratio", "share of members that voted for the decided action", S, unit="1")
ENTROPY = _g.gauge("ares_ensemble_entropy_bits", "entropy of the members' actions", S, unit="bit")
WEIGHT = _g.gauge("ares_ensemble_weight", "weight of a member", S, M)
CONCENTRATION = _g.gauge("ares_ensemble_weight_concentration", "Herfindahl index of the weights", S)
DISSENT = _g.counter("ares_ensemble_dissent_total", "votes against the decided action", S, M)

_g = _Group("models")
PREDICTIONS = _g.counter("ares_model_predictions_total", "predictions", M)
INFERENCE = _g.histogram(
    "ares_model_inference_duration_seconds", "time of a prediction", M, unit="s", buckets=(*FAST, 5.0)
)
OUTCOMES = _g.counter("ares_model_outcomes_total", "matured predictions", M, a.RESULT)
MODEL_SCORE = _g.gauge("ares_model_score", "score over a window of matured predictions", M, a.SCORE, a.WINDOW)
CALIBRATION = _g.gauge("ares_model_calibration_error", "expected calibration error", M)
BRIER = _g.gauge("ares_model_brier_score", "Brier score over the window", M)
INFORMATION = _g.gauge("ares_model_information_coefficient", "rank correlation of prediction and return", M)
MODEL_TRAINED = _g.gauge("ares_model_trained_timestamp_seconds", "Unix time of the training", M, unit="s")
MODEL_INFO = _g.info("ares_model_info", "model in use", M, a.MODEL_VERSION)

_g = _Group("drift")
DRIFT_CHECKS = _g.counter("ares_drift_checks_total", "checks for drift", M, a.DRIFT_KIND, a.DETECTOR, a.DRIFT_RESULT)
DRIFT_EPISODES = _g.counter(
    "ares_drift_episodes_total", "drift episodes that began: one alarm each", M, a.DRIFT_KIND, a.DRIFT_SEVERITY
)
DRIFT_ACTIVE = _g.gauge("ares_drift_active", "1 while a drift episode is open", M, a.DRIFT_KIND)
DRIFT_EVIDENCE = _g.gauge(
    "ares_drift_evidence", "largest statistic in thresholds of its own test: above 1 it has crossed", M, a.DRIFT_KIND
)
DRIFT_EFFECT = _g.gauge(
    "ares_drift_effect_size", "largest change, in standard deviations of the reference", M, a.DRIFT_KIND
)
DRIFT_P_VALUE = _g.gauge("ares_drift_p_value", "p-value of the last check", M, a.DRIFT_KIND)
DRIFT_STATISTIC = _g.gauge("ares_drift_statistic", "statistic of the last check", M, a.DRIFT_KIND)
DRIFT_SEVERITY = _g.gauge("ares_drift_severity", "0 none, 1 info, 2 watch, 3 warning, 4 critical", M, a.DRIFT_KIND)
DRIFT_SPENT = _g.gauge(
    "ares_drift_alpha_spent_ratio", "chance of any false alarm that the budget has allowed for so far", M, unit="1"
)
DRIFT_QUANTITIES = _g.gauge(
    "ares_drift_quantities", "monitored quantities that can be tested and those that cannot",
    M, a.DRIFT_KIND, a.DRIFT_TESTABLE,
)  # fmt: skip
DRIFT_CHECKED = _g.gauge("ares_drift_last_check_timestamp_seconds", "Unix time of the last check", M, unit="s")
DRIFT_DURATION = _g.histogram(
    "ares_drift_check_duration_seconds", "computing time of the bars of a check", M, unit="s", buckets=(*FAST, 5.0)
)
DRIFT_OBSERVED = _g.counter("ares_drift_observations_total", "observations and outcomes that a bot has handed over", M)
DRIFT_DROPPED = _g.counter("ares_drift_dropped_total", "those that were not looked at", M, a.DRIFT_DROP)
DRIFT_CALLBACK_ERRORS = _g.counter("ares_drift_callback_errors_total", "exceptions of the bot's callbacks", M)
DRIFT_PROBLEM_QUANTITIES = _g.gauge(
    "ares_drift_problem_quantities", "features, predictions or outcomes whose values are wrong now, by what is wrong",
    M, a.DRIFT_KIND, a.DRIFT_PROBLEM,
)  # fmt: skip
DRIFT_PREDICTIONS = _g.counter("ares_drift_predictions_total", "predictions that were to have an outcome", M)
DRIFT_SETTLED = _g.counter(
    "ares_drift_predictions_settled_total", "those that wait for it no longer, by how that ended", M, a.DRIFT_FATE
)
DRIFT_PENDING = _g.gauge("ares_drift_predictions_pending", "those that wait for it", M)
DRIFT_LATE = _g.counter("ares_drift_outcomes_late_total", "outcomes that came after they were due, within the grace", M)
DRIFT_REFUSED = _g.counter(
    "ares_drift_outcomes_refused_total", "predictions and outcomes that were not joined", M, a.DRIFT_REFUSAL
)
DRIFT_LOSS = _g.gauge("ares_drift_loss", "mean loss of the last matured predictions, at most 1,000", M)
DRIFT_LOSS_LOW = _g.gauge("ares_drift_loss_low", "lower end of its 95 % interval", M)
DRIFT_LOSS_HIGH = _g.gauge("ares_drift_loss_high", "upper end of its 95 % interval", M)
DRIFT_LOSS_N = _g.gauge("ares_drift_loss_n", "losses in that mean", M)
DRIFT_LOSS_WORTH = _g.gauge("ares_drift_loss_n_eff", "independent losses that they are worth", M)
FEATURE_PROBLEM = _g.gauge(
    "ares_feature_problem_bars",
    "bars of a feature that are wrong now: of the last 512 (missing, out_of_range, moves), or in a row (stale)",
    *(M, a.DRIFT_KIND, a.FEATURE_NAME, a.DRIFT_PROBLEM),
)
FEATURE_PROBLEMS = _g.counter(
    "ares_feature_problems_total", "values of a feature that could not be used, and bars that came twice or late",
    M, a.DRIFT_KIND, a.FEATURE_NAME, a.DRIFT_PROBLEM,
)  # fmt: skip
FEATURE_DRIFT = _g.gauge(
    "ares_feature_drift_statistic", "largest statistic of a feature in thresholds of its own test, top-K",
    M, a.FEATURE_NAME,
)  # fmt: skip
FEATURE_EFFECT = _g.gauge(
    "ares_feature_drift_effect_size", "change of a feature, in standard deviations of the reference", M, a.FEATURE_NAME
)
FEATURE_SAMPLES = _g.gauge(
    "ares_feature_drift_n_eff", "effective samples of a feature in the reference, top-K", M, a.FEATURE_NAME
)
FEATURE_DETECTABLE = _g.gauge(
    "ares_feature_drift_mde", "least detectable effect of a feature, in standard deviations, top-K", M, a.FEATURE_NAME
)
FEATURE_IMPORTANCE = _g.gauge("ares_feature_importance", "importance of a feature, top-K", M, a.FEATURE_NAME)
IMPORTANCE_STABILITY = _g.gauge("ares_feature_importance_stability", "rank correlation of the last two importances", M)
DETECTOR_UP = _g.gauge("ares_detector_up", "1 while a detector works", M, a.DETECTOR)
RETRAIN_REQUESTS = _g.counter("ares_retrain_requests_total", "requests to train again", M, a.CAUSE)
RETRAIN_SUPPRESSED = _g.counter("ares_retrain_suppressed_total", "requests not made", M, a.CAUSE)

_g = _Group("regime")
REGIME_ACTIVE = _g.gauge("ares_regime_active", "1 for the present regime, 0 for the others", S, Y, a.REGIME)
REGIME_PROBABILITY = _g.gauge("ares_regime_probability", "probability of a regime", S, Y, a.REGIME)
REGIME_TRANSITIONS = _g.counter("ares_regime_transitions_total", "changes of regime", S, Y, a.FROM, a.TO)
REGIME_DURATION = _g.histogram(
    "ares_regime_duration_seconds", "how long regimes lasted", S, a.REGIME, unit="s", buckets=DWELL
)

_g = _Group("market data")
MARKET_DATA_AGE = _g.gauge("ares_market_data_age_seconds", "age of the newest message", V, Y, a.CHANNEL, unit="s")
MARKET_DATA_GAPS = _g.counter("ares_market_data_gaps_total", "missing messages or bars", V, Y, a.CHANNEL)
MARKET_DATA_MESSAGES = _g.counter("ares_market_data_messages_total", "messages received", V, Y, a.CHANNEL)
NEGATIVE_LATENCY = _g.counter(
    "ares_clock_negative_latency_total", "latencies below zero, shown as zero: clocks disagree", a.WHERE
)
CLOCK_OFFSET = _g.gauge("ares_clock_offset_seconds", "offset of the clock from its source", unit="s")

_g = _Group("exchange")
EXCHANGE_DURATION = _g.histogram(
    "ares_exchange_request_duration_seconds", "calls of the venue's API", V, a.OPERATION, unit="s", buckets=CALLS
)
EXCHANGE_ERRORS = _g.counter("ares_exchange_errors_total", "failed calls", V, a.OPERATION, a.ERROR_TYPE)
RATE_LIMIT_WAIT = _g.histogram(
    "ares_exchange_rate_limit_wait_seconds", "time spent waiting for the rate limit", V, unit="s", buckets=CALLS
)
RATE_LIMIT_USED = _g.gauge(
    "ares_exchange_rate_limit_used_ratio", "used share of the venue's request weight", V, unit="1"
)

_g = _Group("process")
PROCESS_CPU = _g.gauge("ares_process_cpu_ratio", "CPU used by the process, 1 is one core", unit="1")
PROCESS_MEMORY = _g.gauge("ares_process_resident_memory_bytes", "resident memory", unit="By")
PROCESS_THREADS = _g.gauge("ares_process_threads", "threads")
PROCESS_FILES = _g.gauge("ares_process_open_files", "open file descriptors")
PROCESS_CONNECTIONS = _g.gauge("ares_process_network_connections", "open network connections")
PROCESS_IO = _g.counter("ares_process_io_bytes_total", "bytes read and written", a.DEVICE, unit="By")
HOST_CPU = _g.gauge("ares_host_cpu_ratio", "CPU used on the host, 1 is all cores", unit="1")
HOST_MEMORY = _g.gauge("ares_host_memory_used_ratio", "memory used on the host", unit="1")
HOST_DISK = _g.gauge("ares_host_disk_used_ratio", "disk used where the state directory lies", unit="1")
HOST_NETWORK = _g.counter("ares_host_network_bytes_total", "bytes received and sent", a.DEVICE, unit="By")
EVENT_LOOP_LAG = _g.histogram(
    "ares_event_loop_lag_seconds", "delay of the asyncio loop", unit="s", buckets=(*FAST, 5.0)
)
GC_PAUSE = _g.histogram("ares_gc_pause_seconds", "pauses for garbage collection", a.GENERATION, unit="s", buckets=FAST)

_g = _Group("telemetry")
QUEUE_LENGTH = _g.gauge("ares_telemetry_queue_length", "records waiting for the worker")
RECORDED = _g.counter("ares_telemetry_recorded_spans_total", "spans made, and records lost before they were spans")
ADOPTED = _g.counter("ares_telemetry_adopted_spans_total", "spans taken over from the spool of earlier processes")
QUEUED = _g.gauge("ares_telemetry_queued_spans", "spans waiting in memory")
SPOOLED = _g.gauge("ares_telemetry_spooled_spans", "spans waiting on disk")
DROPPED = _g.counter("ares_telemetry_dropped_total", "spans and records lost", a.DROP_REASON)
EXPORTED = _g.counter("ares_telemetry_exported_spans_total", "spans acknowledged by the receiver")
LOGS_RECORDED = _g.counter("ares_telemetry_recorded_logs_total", "log records taken, and those that found no room")
LOGS_ADOPTED = _g.counter("ares_telemetry_adopted_logs_total", "log records taken over from the spool")
LOGS_QUEUED = _g.gauge("ares_telemetry_queued_logs", "log records waiting in memory")
LOGS_SPOOLED = _g.gauge("ares_telemetry_spooled_logs", "log records waiting on disk")
LOGS_DROPPED = _g.counter("ares_telemetry_dropped_logs_total", "log records lost", a.DROP_REASON)
LOGS_EXPORTED = _g.counter("ares_telemetry_exported_logs_total", "log records acknowledged by the receiver")
ALERTS_PUSHED = _g.counter("ares_telemetry_alerts_pushed_total", "alerts that an Alertmanager took")
ALERT_FAILURES = _g.counter("ares_telemetry_alert_failures_total", "failed attempts to push alerts", a.CAUSE)
EXPORT_FAILURES = _g.counter("ares_telemetry_export_failures_total", "failed attempts to send", a.CAUSE)
EXPORT_DURATION = _g.histogram(
    "ares_telemetry_export_duration_seconds", "time of an attempt to send", unit="s", buckets=CALLS
)
SPOOL_BYTES = _g.gauge("ares_telemetry_spool_bytes", "bytes waiting on disk", unit="By")
TELEMETRY_ERRORS = _g.counter("ares_telemetry_errors_total", "errors of the telemetry itself", a.WHERE)
BAD_VALUES = _g.counter("ares_telemetry_bad_values_total", "values left out of records", a.RECORD, a.FIELD)
SERIES = _g.gauge("ares_telemetry_series", "series that this endpoint exposes")
SAMPLED_OUT = _g.counter("ares_telemetry_unsampled_decisions_total", "decisions counted but not traced")
RECOVERED = _g.counter("ares_telemetry_recovered_total", "what a killed process left in its ring", a.RING_STATE)
RING_BYTES = _g.gauge(
    "ares_telemetry_ring_bytes", "bytes in the ring that `kill -9` would leave to the next start", unit="By"
)
RING_REFUSED = _g.counter("ares_telemetry_ring_refused_total", "records that a full ring refused: `kill -9` loses them")

_g = _Group("correlation")
CORRELATIONS = _g.counter("ares_correlations_total", "ended correlations", a.CORRELATION_OUTCOME)
CORRELATION_DURATION = _g.histogram(
    "ares_correlation_duration_seconds",
    "time from a decision's start to its end",
    unit="s",
    buckets=(*FAST, 60.0, 300.0),
)
CORRELATIONS_OPEN = _g.gauge("ares_correlations_open", "decisions that have not ended")

_g = _Group("reports")
REPORT_RUNS = _g.counter("ares_report_runs_total", "runs of reports", a.REPORT, a.REPORT_STATUS)
REPORT_SUCCESS = _g.gauge(
    "ares_report_last_success_timestamp_seconds", "Unix time of the last success", a.REPORT, unit="s"
)
REPORT_DURATION = _g.histogram("ares_report_duration_seconds", "time of a run", a.REPORT, unit="s", buckets=CALLS)
REPORT_DELIVERIES = _g.counter("ares_report_deliveries_total", "deliveries of reports", a.REPORT, a.REPORT_STATUS)

METRICS: tuple[Metric, ...] = tuple(value for value in vars().values() if isinstance(value, Metric))

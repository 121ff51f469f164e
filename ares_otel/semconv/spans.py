"""Every span and span event of ours, with the attributes that each may carry."""

from __future__ import annotations

from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import Component
from ares_otel.semconv.model import Event, Span, SpanKind

__all__ = [
    "COMMON",
    "DECISION",
    "DECISION_PATH",
    "DRIFT_CARD",
    "DRIFT_CHECK",
    "DRIFT_EPISODE",
    "DRIFT_WINDOW",
    "EQUITY",
    "EVENTS",
    "EXCEPTION",
    "EXCHANGE",
    "FEATURES",
    "FUNDING",
    "IMPORTANCE",
    "KILL_SWITCH",
    "MARK",
    "MARKET_DATA",
    "MODEL_BEHAVIOR",
    "MODEL_INFO",
    "ORDER_SUBMIT",
    "ORDER_UPDATE",
    "OUTCOME",
    "POSITION",
    "PREDICTION",
    "RECORDS",
    "RECORD_EVENTS",
    "REGIME",
    "REPORT",
    "RETRAIN",
    "RISK_CHECK",
    "SPANS",
    "STAGES",
    "TELEMETRY",
    "VOTE",
]

COMMON = (a.CORRELATION_ID, a.DECISION_ID, a.CAUSATION_ID, a.STRATEGY, a.SYMBOL, a.VENUE, a.EVENT_TIME)
FAILED = (a.ERROR_TYPE, a.ERROR_SWALLOWED, a.RESULT_EMPTY)
BAR = (a.MARKET_OPEN, a.MARKET_HIGH, a.MARKET_LOW, a.MARKET_CLOSE, a.MARKET_VOLUME)
REGIME_FACTS = (
    *(a.REGIME, a.REGIME_RAW, a.REGIME_CONFIDENCE, a.PROBABILITIES, a.INDICATORS),
    *(a.REGIME_DURATION, a.REGIME_TRANSITION, a.REGIME_METHOD),
)
MODEL = (a.MODEL_NAME, a.MODEL_VERSION, a.MODEL_TYPE)
ORDER = (
    *(a.CLIENT_ID, a.VENUE_ID, a.SIDE, a.ORDER_TYPE, a.TIME_IN_FORCE, a.QUANTITY, a.PRICE, a.STOP_PRICE),
    *(a.ARRIVAL_MID, a.CURRENCY, a.MULTIPLIER, a.ACCOUNT, a.POSITION_ID),
)

VOTE = Event("vote", "one member's vote", (*MODEL, a.ACTION, a.CONFIDENCE, a.WEIGHT, a.PROBABILITIES, a.META_LEARNER))
REGIME = Event("regime", "the market regime that the decision saw", (*REGIME_FACTS, a.SYMBOL, a.STRATEGY))
DECISION_PATH = Event(
    "decision_path", "a step to the decision", (a.STEP, a.PATH_VALUE, a.PATH_WEIGHT, a.THRESHOLD, a.PATH_PASSED)
)
FEATURES = Event(
    "features", "the feature vector", (a.MODEL_NAME, a.FEATURE_COUNT, a.FEATURE_MISSING, a.FEATURE_VALUES, a.MODEL_KEY)
)
PREDICTION = Event(
    "prediction",
    "what a model predicted",
    (*MODEL, a.MODEL_KEY, a.PREDICTION, a.PROBABILITY, a.PROBABILITIES, a.INFERENCE),
)
OUTCOME = Event(
    "outcome", "what came true", (*MODEL, a.MODEL_KEY, a.PREDICTION, a.ACTUAL, a.RESULT, a.REALIZED_RETURN, a.REGIME)
)
MARKET_DATA = Event(
    "market_data",
    "state of a market-data feed and, where given, the bar that was seen",
    (a.VENUE, a.SYMBOL, a.CHANNEL, a.MARKET_DATA_AGE, a.MARKET_GAPS, a.MARKET_MESSAGES, *BAR, a.EVENT_TIME),
)
MARK = Event("mark", "price at which positions are valued", (a.SYMBOL, a.MARK_PRICE, a.CURRENCY, a.EVENT_TIME))
POSITION = Event(
    "position",
    "a position as the bot keeps it",
    (
        *(a.STRATEGY, a.SYMBOL, a.CURRENCY, a.POSITION_ID, a.POSITION_QUANTITY, a.POSITION_NOTIONAL, a.MARK_PRICE),
        *(a.POSITION_AVG_PRICE, a.REALIZED_PNL, a.UNREALIZED_PNL, a.MULTIPLIER, a.EVENT_TIME),
    ),
)
EQUITY = Event(
    "equity",
    "equity as the bot keeps it",
    (a.STRATEGY, a.CURRENCY, a.EQUITY, a.CASH, a.REALIZED_PNL, a.MARGIN, a.MARGIN_LIMIT, a.EVENT_TIME),
)
KILL_SWITCH = Event(
    "kill_switch",
    "the kill switch, each time that it moves",
    (a.STRATEGY, a.SWITCH_STATE, a.CAUSE),
)
FUNDING = Event(
    "funding",
    "what holding a position has earned or cost",
    (a.STRATEGY, a.SYMBOL, a.CURRENCY, a.POSITION_ID, a.FUNDING, a.FUNDING_KIND, a.EVENT_TIME),
)
MODEL_INFO = Event("model", "a model in use", (*MODEL, a.MODEL_TRAINED, a.MODEL_ROWS, a.FEATURE_COUNT))
IMPORTANCE = Event(
    "feature_importance",
    "importance of a model's features",
    (a.MODEL_NAME, a.FEATURE_COUNT, a.FEATURE_IMPORTANCE, a.IMPORTANCE_METHOD),
)
DRIFT_EPISODE = Event(
    "drift_episode",
    "drift that began or is over, linked to decisions between its change and its alarm",
    (
        *(a.MODEL_NAME, a.MODEL_VERSION, a.DRIFT_KIND, a.DRIFT_STATE, a.DRIFT_EPISODE, a.DRIFT_SEVERITY, a.DETECTOR),
        *(a.DRIFT_EFFECT, a.DRIFT_EVIDENCE, a.DRIFT_SINCE, a.DRIFT_SINCE_BAR, a.DRIFT_BAR, a.DRIFT_EVIDENCES),
        *(a.DRIFT_EFFECTS, a.DRIFT_MEMORIES, a.DRIFT_REFERENCE, a.DRIFT_SUMMARY),
    ),
)
DRIFT_CARD = Event(
    "drift_card",
    "what can be detected at all: once for each reference",
    (
        *(a.MODEL_NAME, a.MODEL_VERSION, a.DRIFT_KIND, a.DRIFT_REFERENCE, a.DRIFT_ROWS, a.DRIFT_ALARMS),
        *(a.DRIFT_HORIZON, a.DRIFT_SAMPLES, a.DRIFT_TIMES, a.DRIFT_DETECTABLE, a.DRIFT_DELAYS, a.DRIFT_SHARES),
        *(a.DRIFT_REASONS, a.DRIFT_TESTS, a.DRIFT_MONTH, a.DRIFT_ENDS),
    ),
)
DRIFT_WINDOW = Event(
    "drift_window",
    "a feature's last bars beside its reference: when an episode begins or ends, and at most once an hour",
    (
        *(a.MODEL_NAME, a.MODEL_VERSION, a.DRIFT_KIND, a.FEATURE_NAME, a.DRIFT_EXPECTED, a.DRIFT_OBSERVED),
        *(a.DRIFT_VALUES, a.DRIFT_WINDOW, a.DRIFT_BAR, a.DRIFT_EPISODE, a.DRIFT_REFERENCE, a.DRIFT_AGAINST),
    ),
)
EXCEPTION = Event("exception", "an exception", (a.EXCEPTION_TYPE, a.EXCEPTION_MESSAGE, a.EXCEPTION_STACKTRACE))

DECISION = Span(
    "decision",
    "one trading decision",
    (
        *COMMON,
        *(a.TIMEFRAME, a.MARKET_PRICE, a.MARKET_DATA_AGE, a.ACCOUNT, a.ALGORITHM_ID, a.ACTION, a.CONFIDENCE),
        *(a.THRESHOLD, a.REASON, a.AGREEMENT, a.ENTROPY, a.REGIME, a.REGIME_CONFIDENCE, a.ABANDONED, a.ABORTED),
        *FAILED,
    ),
)
STAGES = tuple(
    Span(component.value, f"work of the {component.value}", (*COMMON, a.COMPONENT, *FAILED))
    for component in Component
    if component is not Component.OTHER
)
RISK_CHECK = Span(
    "risk check", "a pre-trade control", (*COMMON, a.CHECK, a.LIMIT, a.LIMIT_VALUE, a.CHECK_VALUE, a.CHECK_OUTCOME)
)
ORDER_SUBMIT = Span("order submit", "an order leaves the bot", (*COMMON, *ORDER, a.PEER_SERVICE), SpanKind.CLIENT)
ORDER_UPDATE = Span(
    "order update",
    "an execution report, or the bot's own denial of an order",
    (
        *COMMON,
        *(a.CLIENT_ID, a.VENUE_ID, a.SIDE, a.ORDER_TYPE, a.STATUS, a.PRIOR_STATUS, a.TRANSITION_VALID, a.DUPLICATE),
        *(a.CUM_QUANTITY, a.LEAVES_QUANTITY, a.AVG_PRICE, a.FILL_ID, a.FILL_QUANTITY, a.FILL_PRICE, a.LIQUIDITY),
        *(a.FEE, a.FEE_CURRENCY, a.SLIPPAGE, a.SHORTFALL, a.REJECT_REASON, a.REJECT_TEXT, a.ACK_DURATION, a.CURRENCY),
        a.MULTIPLIER,
    ),
)
EXCHANGE = Span(
    "exchange {operation}",
    "a call of the venue's API",
    (
        *COMMON,
        *(a.OPERATION, a.HTTP_STATUS, a.URL, a.PEER_SERVICE, a.RATE_LIMIT_WAIT, a.RATE_LIMIT_USED, a.ERROR_TYPE),
    ),
    SpanKind.CLIENT,
)
MODEL_BEHAVIOR = Span(
    "model behavior",
    "how a model behaves, as the bot measured it",
    (*COMMON, a.MODEL_NAME, a.CONSISTENCY, a.STABILITY, a.PREDICTION_DRIFT, a.CONFIDENCE_TREND),
)
DRIFT_CHECK = Span(
    "drift check",
    "a check for drift, linked to decisions of its bars",
    (
        *COMMON,
        *(a.MODEL_NAME, a.MODEL_VERSION, a.DRIFT_KIND, a.DETECTOR, a.DRIFT_RESULT, a.DRIFT_EVIDENCE, a.DRIFT_EFFECT),
        *(a.DRIFT_STATISTIC, a.DRIFT_P_VALUE, a.THRESHOLD, a.DRIFT_SEVERITY, a.DRIFT_EPISODE, a.DRIFT_REFERENCE),
        *(a.DRIFT_BAR, a.DRIFT_TESTED, a.DRIFT_UNTESTABLE, a.DRIFT_SPENT, a.DRIFT_EVIDENCES, a.DRIFT_EFFECTS),
        *(a.DRIFT_P_VALUES,),
    ),
)
RETRAIN = Span("retrain", "a model is trained again", (*COMMON, a.MODEL_NAME, a.MODEL_VERSION, a.CAUSE))
REPORT = Span("report {name}", "a report is made", (*COMMON, a.REPORT, a.REPORT_STATUS))

TELEMETRY = Span(
    "telemetry",
    "what a process has recorded and what became of it, at most every 10 s; what was recorded before it goes before it",
    (a.SERVICE_NAME, a.INSTANCE_ID, a.RECORDED, a.ACKNOWLEDGED, a.LOST, a.WAITING, a.SPOOLED),
)

RECORD_EVENTS = (
    *(FEATURES, PREDICTION, OUTCOME, MARKET_DATA, MARK, POSITION, EQUITY, FUNDING, KILL_SWITCH, MODEL_INFO, IMPORTANCE),
    *(REGIME, VOTE, DECISION_PATH, DRIFT_EPISODE, DRIFT_CARD, DRIFT_WINDOW),
)
RECORDS = tuple(Span(event.name, event.brief, (*COMMON, *event.attributes)) for event in RECORD_EVENTS)
"""A record outside any decision becomes a span without duration under its event's name."""

SPANS: tuple[Span, ...] = (
    *(
        DECISION,
        *STAGES,
        RISK_CHECK,
        ORDER_SUBMIT,
        ORDER_UPDATE,
        EXCHANGE,
        MODEL_BEHAVIOR,
        DRIFT_CHECK,
        RETRAIN,
        REPORT,
        TELEMETRY,
    ),
    *RECORDS,
)
EVENTS: tuple[Event, ...] = (*RECORD_EVENTS, EXCEPTION)

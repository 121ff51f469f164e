"""Every attribute of ours, declared once; OpenTelemetry's own names are used as they are where one exists."""

from __future__ import annotations

from enum import StrEnum

from ares_otel.semconv import enums as e
from ares_otel.semconv.model import Attribute, Kind

__all__ = [
    "ABANDONED", "ABORTED", "ACCOUNT", "ACKNOWLEDGED", "ACK_DURATION", "ACTION", "ACTUAL", "AGREEMENT",
    "ALGORITHM_ID", "ARRIVAL_MID", "ATTRIBUTES", "AVG_PRICE", "BASIS", "CASH", "CAUSATION_ID", "CAUSE", "CHANNEL",
    "CHECK", "CHECK_OUTCOME", "CHECK_VALUE", "CLIENT_ID", "CODE_FILE", "CODE_FUNCTION", "CODE_LINE", "COMPONENT",
    "CONFIDENCE", "CONFIDENCE_TREND", "CONSISTENCY", "CORRELATION_ID", "CORRELATION_OUTCOME", "CUM_QUANTITY",
    "CURRENCY", "DECISION_ID", "DETECTOR", "DEVICE", "DIRECTION", "DRIFT_AGAINST", "DRIFT_ALARMS", "DRIFT_BAR",
    "DRIFT_DELAYS", "DRIFT_DETECTABLE", "DRIFT_DROP", "DRIFT_EFFECT", "DRIFT_EFFECTS", "DRIFT_ENDS", "DRIFT_EPISODE",
    "DRIFT_EVIDENCE", "DRIFT_EVIDENCES", "DRIFT_EXPECTED", "DRIFT_FATE", "DRIFT_FEATURES", "DRIFT_HORIZON",
    "DRIFT_KIND", "DRIFT_MEMORIES", "DRIFT_MONTH", "DRIFT_OBSERVED", "DRIFT_PROBLEM", "DRIFT_P_VALUE", "DRIFT_P_VALUES",
    "DRIFT_REASONS", "DRIFT_REFERENCE", "DRIFT_REFUSAL", "DRIFT_RESULT", "DRIFT_ROWS", "DRIFT_SAMPLES",
    "DRIFT_SEVERITY", "DRIFT_SHARES", "DRIFT_SINCE", "DRIFT_SINCE_BAR", "DRIFT_SPENT", "DRIFT_STATE",
    "DRIFT_STATISTIC", "DRIFT_SUMMARY", "DRIFT_TESTABLE", "DRIFT_TESTED", "DRIFT_TESTS", "DRIFT_TIMES",
    "DRIFT_UNTESTABLE", "DRIFT_VALUES", "DRIFT_WINDOW", "DROP_REASON", "DUPLICATE", "ENTROPY", "EQUITY",
    "ERROR_SWALLOWED", "ERROR_TYPE", "EVENT_TIME", "EXCEPTION_MESSAGE",
    "EXCEPTION_STACKTRACE", "EXCEPTION_TYPE", "FEATURE_COUNT", "FEATURE_IMPORTANCE", "FEATURE_MISSING",
    "FEATURE_NAME", "FEATURE_VALUES", "FEE", "FEE_CURRENCY", "FIELD", "FILL_ID", "FILL_PRICE", "FILL_QUANTITY",
    "FROM", "FUNDING", "FUNDING_KIND", "GENERATION", "HTTP_METHOD", "HTTP_ROUTE", "HTTP_STATUS",
    "IMPORTANCE_METHOD", "INDICATORS", "INFERENCE", "INSTANCE_ID", "LEAVES_QUANTITY", "LEVEL", "LIMIT",
    "LIMIT_VALUE", "LIQUIDITY", "LIQUIDITY_LABEL", "LOST", "MARGIN", "MARGIN_LIMIT", "MARKET_CLOSE",
    "MARKET_DATA_AGE", "MARKET_GAPS", "MARKET_HIGH", "MARKET_LOW", "MARKET_MESSAGES", "MARKET_OPEN",
    "MARKET_PRICE", "MARKET_VOLUME", "MARK_PRICE", "META_LEARNER", "METHOD", "MODE", "MODEL_KEY", "MODEL_NAME",
    "MODEL_ROWS", "MODEL_TRAINED", "MODEL_TYPE", "MODEL_VERSION", "MULTIPLIER", "OPERATION", "ORDER_TYPE",
    "PATH_PASSED", "PATH_VALUE", "PATH_WEIGHT", "PEER_SERVICE", "PERIODS", "POSITION_AVG_PRICE", "POSITION_ID",
    "POSITION_NOTIONAL", "POSITION_QUANTITY", "PREDICTION", "PREDICTION_DRIFT", "PRICE", "PRIOR_STATUS",
    "PROBABILITIES", "PROBABILITY", "QUANTITY", "RATE_LIMIT_USED", "RATE_LIMIT_WAIT", "REALIZED_PNL",
    "REALIZED_RETURN", "REASON", "RECORD", "RECORDED", "REGIME", "REGIME_CONFIDENCE", "REGIME_DURATION",
    "REGIME_METHOD", "REGIME_RAW", "REGIME_TRANSITION", "REJECT_REASON", "REJECT_TEXT", "REPORT", "REPORT_STATUS",
    "RESULT", "RESULT_EMPTY", "RETENTION", "RETURNS", "RING_STATE", "SCORE", "SERVICE_NAME", "SERVICE_VERSION",
    "SHORTFALL", "SIDE", "SIGNAL", "SLIPPAGE", "SPOOLED", "STABILITY", "STATUS", "STEP", "STOP_PRICE", "STORED",
    "STRATEGY", "SWALLOWED", "SWITCH_STATE", "SYMBOL", "THREAD_ID", "THREAD_NAME", "THRESHOLD", "TIMEFRAME",
    "TIME_IN_FORCE", "TO", "TOPIC", "TRADE_OUTCOME", "TRANSITION_VALID", "TRANSPORT", "UNREALIZED_PNL", "URL",
    "VENUE", "VENUE_ID", "WAITING", "WEIGHT", "WHERE", "WINDOW",
]  # fmt: skip

REAL, INT, BOOL, TIME, MAP, TEXTS = Kind.DOUBLE, Kind.INT, Kind.BOOLEAN, Kind.TIME, Kind.DOUBLES, Kind.TEXTS


def _few(key: str, brief: str, enum: type[StrEnum] | None = None, fix: int | None = None) -> Attribute:
    return Attribute(key, brief, bounded=True, enum=enum, fix=fix)


def _ratio(key: str, brief: str) -> Attribute:
    return Attribute(key, brief, REAL, unit="1", low=0.0, high=1.0)


def _amount(key: str, brief: str, fix: int | None = None, unit: str = "") -> Attribute:
    return Attribute(key, brief, REAL, unit=unit, low=0.0, fix=fix)


def _seconds(key: str, brief: str) -> Attribute:
    return Attribute(key, brief, REAL, unit="s", low=0.0)


# identity
CORRELATION_ID = Attribute("ares.correlation.id", "workflow: one decision and all that follows from it (UUIDv7)")
CAUSATION_ID = Attribute("ares.causation.id", "id of the message or decision that directly caused this one")
DECISION_ID = Attribute("ares.decision.id", "id of the decision: trace-independent, unique over time")
POSITION_ID = Attribute("ares.position.id", "id of the position that an order opens or closes")
ACCOUNT = Attribute("ares.account", "account, hashed on spans", fix=1)
ALGORITHM_ID = Attribute("ares.algorithm.id", "id of the code and parameters that decided (RTS 6, RTS 22)")
MODE = _few("ares.mode", "kind of trading", e.Mode)
EVENT_TIME = Attribute("ares.event.time", "market or simulated time in Unix ns; span times are wall time", TIME)

# what is traded
STRATEGY = _few("ares.strategy", "strategy; also the tenant", fix=847)
SYMBOL = _few("ares.symbol", "instrument; capped on metrics, the rest is `other`", fix=55)
VENUE = _few("ares.venue", "exchange or broker", fix=100)
CURRENCY = _few("ares.currency", "currency of a sum of money", fix=15)
TIMEFRAME = _few("ares.timeframe", "length of the bars that were looked at")
CHANNEL = _few("ares.channel", "market-data channel: trades, book, bars, …")

# market
MARKET_PRICE = _amount("ares.market.price", "price that the decision saw")
MARKET_DATA_AGE = _seconds("ares.market.data_age", "age of the newest market data at the decision")
MARKET_GAPS = Attribute("ares.market.gaps", "missing messages or bars found", INT, low=0)
MARKET_MESSAGES = Attribute("ares.market.messages", "messages received since the last report", INT, low=0)
MARKET_OPEN = _amount("ares.market.open", "first price of the bar")
MARKET_HIGH = _amount("ares.market.high", "highest price of the bar")
MARKET_LOW = _amount("ares.market.low", "lowest price of the bar")
MARKET_CLOSE = _amount("ares.market.close", "last price of the bar")
MARKET_VOLUME = _amount("ares.market.volume", "volume of the bar")
MARK_PRICE = _amount("ares.mark.price", "price at which positions are valued")

# decision
ACTION = _few("ares.action", "what was decided or voted", e.Action)
CONFIDENCE = _ratio("ares.confidence", "confidence in the action")
THRESHOLD = Attribute("ares.threshold", "bound that the confidence or value had to pass", REAL)
REASON = Attribute("ares.decision.reason", "why, in words of the bot")
AGREEMENT = _ratio("ares.ensemble.agreement", "share of members that voted for the decided action")
ENTROPY = Attribute("ares.ensemble.entropy", "entropy of the members' actions", REAL, unit="bit", low=0.0)
COMPONENT = _few("ares.component", "part of the bot", e.Component)
SWALLOWED = _few("ares.swallowed", "whether the error was caught inside the bot", e.Truth)
ERROR_SWALLOWED = Attribute("ares.error.swallowed", "an error was caught inside the bot", BOOL)
RESULT_EMPTY = Attribute("ares.result.empty", "a call returned None, False or {} where a value is expected", BOOL)
ABANDONED = Attribute("ares.decision.abandoned", "the decision was never ended and was closed by the time limit", BOOL)
ABORTED = Attribute(
    "ares.decision.aborted", "the process was killed while the decision was open; its last sign is its end", BOOL
)
STEP = Attribute("ares.path.step", "step on the way to the decision")
PATH_VALUE = Attribute("ares.path.value", "value of the step", REAL)
PATH_WEIGHT = Attribute("ares.path.weight", "weight of the step", REAL)
PATH_PASSED = Attribute("ares.path.passed", "whether the step let the decision pass", BOOL)

# models
MODEL_NAME = _few("ares.model.name", "model; a member of an ensemble")
MODEL_VERSION = _few("ares.model.version", "version of a model; on spans and the info metric only")
MODEL_TYPE = Attribute("ares.model.type", "family of a model: lgbm, lstm, rule, …")
MODEL_TRAINED = Attribute("ares.model.trained_time", "when the model was trained, Unix ns", TIME)
MODEL_ROWS = Attribute("ares.model.training_rows", "rows that the model was trained on", INT, low=0)
MODEL_KEY = Attribute("ares.model.key", "key that joins a prediction with its outcome")
META_LEARNER = Attribute("ares.model.meta_learner", "the vote is the meta-learner's", BOOL)
WEIGHT = Attribute("ares.model.weight", "weight of a member in the vote", REAL, low=0.0)
PROBABILITIES = Attribute("ares.probabilities", "probability by class, summing to 1", MAP, unit="1", low=0.0, high=1.0)
PREDICTION = Attribute("ares.prediction.value", "what a model predicted")
PROBABILITY = _ratio("ares.prediction.probability", "probability of the predicted class")
INFERENCE = _seconds("ares.prediction.duration", "time that the model needed")
ACTUAL = Attribute("ares.outcome.actual", "what came true")
REALIZED_RETURN = Attribute("ares.outcome.return", "realized return over the horizon", REAL, unit="1")
RESULT = _few("ares.result", "whether the model was right", e.OutcomeResult)
CONSISTENCY = _ratio("ares.model.prediction_consistency", "share of equal predictions for equal input")
STABILITY = Attribute("ares.model.feature_importance_stability", "stability of the importances", REAL)
PREDICTION_DRIFT = Attribute("ares.model.prediction_drift", "drift of the predictions as the bot measured it", REAL)
CONFIDENCE_TREND = Attribute("ares.model.confidence_trend", "recent confidences", Kind.NUMBERS)
FEATURE_NAME = _few("ares.feature.name", "feature; top-K on metrics, the rest is `other`")
FEATURE_COUNT = Attribute("ares.feature.count", "features in the vector", INT, low=0)
FEATURE_MISSING = Attribute("ares.feature.missing", "features that were NaN or absent", INT, low=0)
FEATURE_VALUES = Attribute("ares.feature.values", "value by feature name", MAP)
FEATURE_IMPORTANCE = Attribute("ares.feature.importance", "importance by feature name", MAP)
IMPORTANCE_METHOD = Attribute("ares.feature.importance_method", "how the importance was measured")
SCORE = _few("ares.score", "kind of score: accuracy, f1, …")
WINDOW = _few("ares.window", "window of a statistic")
DRIFT_RESULT = _few("ares.result", "what a drift check found", e.DriftResult)
DRIFT_KIND = _few("ares.drift.kind", "what drifted", e.DriftKind)
DETECTOR = _few("ares.detector", "drift detector")
DRIFT_STATE = _few("ares.drift.state", "what became of the episode", e.DriftState)
DRIFT_SEVERITY = _few("ares.drift.severity", "how much the episode asks for", e.DriftSeverity)
DRIFT_TESTABLE = _few("ares.drift.testable", "whether a quantity has enough effective samples to be tested", e.Truth)
DRIFT_DROP = _few("ares.reason", "why an observation was not looked at", e.DriftDrop)
DRIFT_PROBLEM = _few("ares.drift.problem", "what is wrong with watched values, apart from drift", e.DriftProblem)
DRIFT_FATE = _few("ares.drift.fate", "how a prediction ended to wait for its outcome", e.DriftFate)
DRIFT_REFUSAL = _few("ares.reason", "why a prediction or an outcome was not joined", e.DriftRefusal)
DRIFT_EPISODE = Attribute(
    "ares.drift.episode", "number of the episode among those of its model, kind and reference", INT, low=0
)
DRIFT_REFERENCE = Attribute("ares.drift.reference", "hash of the reference that is compared with")
DRIFT_BAR = Attribute("ares.drift.bar", "bars that were compared so far", INT, low=0)
DRIFT_SINCE = Attribute("ares.drift.since", "when it changed, as estimated, Unix ns of the bars' own time", TIME)
DRIFT_SINCE_BAR = Attribute("ares.drift.since_bar", "bar at which it changed, as estimated", INT, low=0)
DRIFT_EVIDENCE = Attribute(
    "ares.drift.evidence", "largest statistic in thresholds of its own test: above 1 it has crossed", REAL, low=0.0
)
DRIFT_EFFECT = Attribute("ares.drift.effect", "largest change in standard deviations of the reference, signed", REAL)
DRIFT_STATISTIC = Attribute("ares.drift.statistic", "statistic of a detector that has one", REAL)
DRIFT_P_VALUE = _ratio("ares.drift.p_value", "p-value of a detector that has one")
DRIFT_TESTED = Attribute("ares.drift.tested", "quantities that can be tested", INT, low=0)
DRIFT_UNTESTABLE = Attribute("ares.drift.untestable", "quantities that cannot", INT, low=0)
DRIFT_SPENT = _ratio("ares.drift.alpha_spent", "chance of any false alarm that the budget has allowed for so far")
DRIFT_EVIDENCES = Attribute("ares.drift.evidences", "evidence by quantity (`feature:moment`), largest first", MAP)
DRIFT_EFFECTS = Attribute("ares.drift.effects", "effect by quantity, of the same ones", MAP)
DRIFT_FEATURES = Attribute("ares.drift.features", "what moved, the largest effect first, with commas between")
DRIFT_P_VALUES = Attribute("ares.drift.p_values", "p-values of the features that are named as moved", MAP)
DRIFT_SAMPLES = Attribute("ares.drift.n_eff", "effective samples of the reference by quantity", MAP)
DRIFT_TIMES = Attribute("ares.drift.tau", "autocorrelation time in bars by quantity", MAP)
DRIFT_DETECTABLE = Attribute("ares.drift.mde", "least detectable effect by quantity, in reference sigmas", MAP)
DRIFT_DELAYS = Attribute("ares.drift.delay", "expected bars to detection by quantity", MAP)
DRIFT_SHARES = Attribute("ares.drift.share", "share of the false-alarm budget by quantity", MAP)
DRIFT_TESTS = Attribute(
    "ares.drift.test_share", "share of the false-alarm budget by test (`feature:moment@bars of its memory`)", MAP
)
DRIFT_MEMORIES = Attribute("ares.drift.memory", "memory in bars of the test that saw a quantity best, by quantity", MAP)
DRIFT_MONTH = Attribute("ares.drift.bars_per_month", "bars of a month, for which alarms are allowed", REAL, low=0.0)
DRIFT_ENDS = Attribute("ares.drift.ends_below", "evidence below which an episode is over, if any", REAL, low=0.0)
DRIFT_REASONS = Attribute("ares.drift.untestable_because", "why a quantity cannot be tested, by quantity", TEXTS)
DRIFT_ALARMS = Attribute("ares.drift.false_alarms", "probability of any false alarm within the horizon", REAL, low=0.0)
DRIFT_HORIZON = Attribute("ares.drift.horizon", "bars within which the false alarms are counted", INT, low=0)
DRIFT_ROWS = Attribute("ares.drift.reference_rows", "bars of the reference", INT, low=0)
DRIFT_SUMMARY = Attribute("ares.drift.summary", "the episode in one sentence")
DRIFT_EXPECTED = Attribute(
    "ares.drift.expected", "share of the reference by the upper end of its bin (`inf`: beyond its largest value)", MAP
)
DRIFT_OBSERVED = Attribute("ares.drift.observed", "share of the window's values in the same bins", MAP)
DRIFT_WINDOW = Attribute("ares.drift.window", "last bars that are held against the reference", INT, low=0)
DRIFT_AGAINST = _few(
    "ares.drift.against",
    "what the last bars are held against: the whole `reference`, those of its bars that are of the same `regimes`, or "
    "the bars before (`earlier`) where there is none",
    e.DriftAgainst,
)
DRIFT_VALUES = Attribute("ares.drift.values", "values among them, without those that were missing", INT, low=0)

# regime
REGIME = _few("ares.regime", "market regime", e.RegimeName)
REGIME_RAW = Attribute("ares.regime.raw", "the bot's own word for the regime")
REGIME_CONFIDENCE = _ratio("ares.regime.confidence", "confidence in the regime")
REGIME_DURATION = _seconds("ares.regime.duration", "how long the regime has lasted")
REGIME_TRANSITION = _ratio("ares.regime.transition_probability", "probability that the regime ends now")
REGIME_METHOD = Attribute("ares.regime.method", "how the regime was found")
INDICATORS = Attribute("ares.regime.indicators", "indicator values by name", MAP)
FROM = _few("ares.from", "regime that ended", e.RegimeName)
TO = _few("ares.to", "regime that began", e.RegimeName)

# orders
CLIENT_ID = Attribute("ares.order.client_id", "the bot's id of the order", fix=11)
VENUE_ID = Attribute("ares.order.venue_id", "the venue's id of the order", fix=37)
SIDE = _few("ares.order.side", "side", e.Side, 54)
ORDER_TYPE = _few("ares.order.type", "type", e.OrderType, 40)
TIME_IN_FORCE = Attribute("ares.order.time_in_force", "how long the order lives", enum=e.TimeInForce, fix=59)
STATUS = _few("ares.order.status", "state of the order", e.OrderStatus, 39)
REJECT_REASON = _few("ares.order.reject_reason", "why the venue or a check refused the order", e.RejectReason, 103)
REJECT_TEXT = Attribute("ares.order.reject_text", "the venue's own words", fix=58)
QUANTITY = _amount("ares.order.quantity", "ordered quantity", 38)
PRICE = _amount("ares.order.price", "limit price", 44)
STOP_PRICE = _amount("ares.order.stop_price", "stop price", 99)
CUM_QUANTITY = _amount("ares.order.cum_quantity", "quantity filled so far", 14)
LEAVES_QUANTITY = _amount("ares.order.leaves_quantity", "quantity still open", 151)
AVG_PRICE = _amount("ares.order.avg_price", "average price of the fills so far", 6)
MULTIPLIER = _amount("ares.multiplier", "money that a unit gains when the price rises by one; 1 if not said", 231)
ARRIVAL_MID = _amount("ares.order.arrival_mid", "mid price when the order became actionable")
TRANSITION_VALID = Attribute("ares.order.transition_valid", "whether FIX allows this change of state", BOOL)
PRIOR_STATUS = Attribute("ares.order.prior_status", "state before the update", enum=e.OrderStatus)
DUPLICATE = Attribute("ares.order.duplicate", "the update was seen before", BOOL)
ACK_DURATION = _seconds("ares.order.ack_duration", "from submission to the venue's first answer")
FILL_ID = Attribute("ares.fill.id", "the venue's id of the fill", fix=17)
FILL_QUANTITY = _amount("ares.fill.quantity", "quantity of this fill", 32)
FILL_PRICE = _amount("ares.fill.price", "price of this fill", 31)
LIQUIDITY = _few("ares.fill.liquidity", "maker, taker or auction", e.Liquidity, 851)
LIQUIDITY_LABEL = _few("ares.liquidity", "maker, taker or auction, as a label", e.Liquidity)
FEE = Attribute("ares.fill.fee", "fee of this fill; negative is a rebate", REAL, fix=12)
FEE_CURRENCY = Attribute("ares.fill.fee_currency", "currency of the fee", fix=479)
SLIPPAGE = Attribute("ares.fill.slippage", "against the arrival mid, positive is a cost", REAL, unit="bp")
SHORTFALL = Attribute(
    "ares.order.implementation_shortfall", "Perold 1988, of a done order, positive is a cost", REAL, unit="bp"
)
DIRECTION = _few("ares.direction", "whether it cost or earned money", e.Direction)

# portfolio and risk
POSITION_QUANTITY = Attribute("ares.position.quantity", "signed position", REAL)
POSITION_NOTIONAL = Attribute("ares.position.notional", "signed value of the position", REAL)
POSITION_AVG_PRICE = _amount("ares.position.avg_price", "average entry price")
REALIZED_PNL = Attribute("ares.position.realized_pnl", "realized profit or loss, fees paid", REAL)
UNREALIZED_PNL = Attribute("ares.position.unrealized_pnl", "unrealized profit or loss at the mark", REAL)
EQUITY = Attribute("ares.equity.value", "cash and unrealized profit or loss", REAL)
CASH = Attribute("ares.equity.cash", "cash", REAL)
MARGIN = _amount("ares.equity.margin", "margin that positions and orders use")
MARGIN_LIMIT = _amount("ares.equity.margin_limit", "margin that may be used")
FUNDING = Attribute("ares.funding.amount", "received for holding a position; negative if paid", REAL)
FUNDING_KIND = _few("ares.funding.kind", "what was paid for", e.FundingKind)
TRADE_OUTCOME = _few("ares.trade.outcome", "how a closed trade ended", e.TradeOutcome)
METHOD = _few("ares.method", "method of a statistic")
LEVEL = _few("ares.level", "confidence level of a statistic")
PERIODS = _few("ares.periods", "periods a year")
BASIS = _few("ares.basis", "what returns are computed on")
RETURNS = _few("ares.returns", "kind of returns")
CHECK = _few("ares.check", "pre-trade check")
CHECK_OUTCOME = _few("ares.outcome", "what a check said", e.CheckOutcome)
LIMIT = _few("ares.limit", "name of a limit")
LIMIT_VALUE = Attribute("ares.limit.value", "the limit", REAL)
CHECK_VALUE = Attribute("ares.check.value", "the checked value", REAL)
CAUSE = _few("ares.reason", "reason from a short list")
SWITCH_STATE = _few("ares.kill_switch.state", "what the kill switch lets the bot do", e.SwitchState)

# exchange
OPERATION = _few("ares.operation", "call of the venue's API")
HTTP_STATUS = Attribute("http.response.status_code", "HTTP status", INT, bounded=True, low=100, high=599)
HTTP_METHOD = _few("http.request.method", "HTTP method")
HTTP_ROUTE = _few("http.route", "template of a path")
STORED = _few("ares.storage.result", "stored, duplicate or refused")
RETENTION = _few("ares.retention", "kind of rows that are kept equally long, as in server.retention")
SIGNAL = _few("ares.signal", "traces or logs")
TOPIC = _few("ares.topic", "what a message of the live stream is about")
SERVICE_VERSION = _few("service.version", "version of a program")
TRANSPORT = _few("ares.transport", "sse or websocket")
URL = Attribute("url.full", "address without user info and query")
PEER_SERVICE = Attribute("peer.service", "the venue, for service graphs")
RATE_LIMIT_WAIT = _seconds("ares.exchange.rate_limit_wait", "time spent waiting for the rate limit")
RATE_LIMIT_USED = _ratio("ares.exchange.rate_limit_used", "used share of the venue's request weight")
ERROR_TYPE = _few("error.type", "class of the error")
EXCEPTION_TYPE = Attribute("exception.type", "class of the exception")
EXCEPTION_MESSAGE = Attribute("exception.message", "message of the exception")
EXCEPTION_STACKTRACE = Attribute("exception.stacktrace", "stack trace of the exception")
CODE_FILE = Attribute("code.file.path", "file of the source")
CODE_FUNCTION = Attribute("code.function.name", "function")
CODE_LINE = Attribute("code.line.number", "line of the source", INT)
THREAD_NAME = Attribute("thread.name", "name of a thread")
THREAD_ID = Attribute("thread.id", "number of a thread", INT)

# the telemetry itself
SERVICE_NAME = _few("service.name", "the bot")
INSTANCE_ID = Attribute("service.instance.id", "one process of a bot")
RECORDED = Attribute(
    "ares.telemetry.recorded",
    "spans and records of the process so far, and spans that it took over from the disk",
    INT,
    low=0,
)
ACKNOWLEDGED = Attribute("ares.telemetry.acknowledged", "those that the receiver had acknowledged", INT, low=0)
LOST = Attribute("ares.telemetry.lost", "those that will never be delivered", INT, low=0)
WAITING = Attribute(
    "ares.telemetry.waiting", "those on their way, in memory and on disk, this span among them", INT, low=0
)
SPOOLED = Attribute("ares.telemetry.spooled", "those of them on disk", INT, low=0)
WHERE = _few("ares.where", "place in the telemetry")
RING_STATE = _few(
    "ares.ring.state",
    "what a killed process left: ended and aborted decisions, reports, what cannot be read",
    e.RingState,
)
DROP_REASON = _few("ares.reason", "why it was lost", e.DropReason)
RECORD = _few("ares.record", "type of a record")
FIELD = _few("ares.field", "field of a record")
GENERATION = _few("ares.generation", "generation of the garbage collector")
DEVICE = _few("ares.device", "disk or network direction")
REPORT = _few("ares.report", "report")
REPORT_STATUS = _few("ares.status", "how a run or delivery ended")
CORRELATION_OUTCOME = _few("ares.outcome", "how a correlation ended", e.CorrelationOutcome)

ATTRIBUTES: tuple[Attribute, ...] = tuple(value for value in vars().values() if isinstance(value, Attribute))

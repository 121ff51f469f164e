"""Closed vocabularies. FIX and NautilusTrader words for orders, alibi-detect's words for drift."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

__all__ = [
    "OF_OUTCOMES",
    "Action",
    "CheckOutcome",
    "Component",
    "CorrelationOutcome",
    "Direction",
    "DriftAgainst",
    "DriftDrop",
    "DriftFate",
    "DriftKind",
    "DriftProblem",
    "DriftRefusal",
    "DriftResult",
    "DriftSeverity",
    "DriftState",
    "DropReason",
    "FundingKind",
    "Liquidity",
    "Mode",
    "OrderStatus",
    "OrderType",
    "OutcomeResult",
    "RegimeName",
    "RejectReason",
    "RingState",
    "Side",
    "SwitchState",
    "TimeInForce",
    "TradeOutcome",
    "Truth",
]


class Mode(StrEnum):
    """What kind of trading a process does."""

    LIVE = "live"
    PAPER = "paper"
    BACKTEST = "backtest"
    REPLAY = "replay"


class Component(StrEnum):
    """The parts of a bot that a decision passes through."""

    ANALYST = "analyst"
    STRATEGIST = "strategist"
    TACTICIAN = "tactician"
    SUPERVISOR = "supervisor"
    EXCHANGE = "exchange"
    DATABASE = "database"
    GUI = "gui"
    MONITORING = "monitoring"
    ENSEMBLE = "ensemble"
    OTHER = "other"


class Action(StrEnum):
    """What a decision or a vote says; `none` is a decision that ended without saying."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"
    CLOSE = "close"
    NONE = "none"


class Side(StrEnum):
    """FIX 54."""

    BUY = "buy"
    SELL = "sell"
    SELL_SHORT = "sell_short"


class OrderType(StrEnum):
    """FIX 40."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    MARKET_IF_TOUCHED = "market_if_touched"
    LIMIT_IF_TOUCHED = "limit_if_touched"
    OTHER = "other"


class TimeInForce(StrEnum):
    """FIX 59."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"
    AT_OPEN = "at_open"
    AT_CLOSE = "at_close"
    GTX = "gtx"


class OrderStatus(StrEnum):
    """FIX 39, and `denied` for an order that the bot's own checks refused."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    PENDING_CANCEL = "pending_cancel"
    REPLACED = "replaced"
    PENDING_REPLACE = "pending_replace"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    DONE_FOR_DAY = "done_for_day"
    DENIED = "denied"


class RejectReason(StrEnum):
    """FIX 103."""

    UNKNOWN_SYMBOL = "unknown_symbol"
    EXCHANGE_CLOSED = "exchange_closed"
    EXCEEDS_LIMIT = "exceeds_limit"
    TOO_LATE = "too_late"
    DUPLICATE_ORDER = "duplicate_order"
    STALE_ORDER = "stale_order"
    INCORRECT_QUANTITY = "incorrect_quantity"
    UNKNOWN_ACCOUNT = "unknown_account"
    PRICE_BAND = "price_band"
    PRICE_INCREMENT = "price_increment"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    RATE_LIMITED = "rate_limited"
    OTHER = "other"


class Liquidity(StrEnum):
    """FIX 851."""

    MAKER = "maker"
    TAKER = "taker"
    AUCTION = "auction"


class RegimeName(StrEnum):
    """Market regimes; every other vocabulary is mapped onto these and kept as `ares.regime.raw`."""

    BULL_TREND = "bull_trend"
    BEAR_TREND = "bear_trend"
    SIDEWAYS = "sideways"
    HIGH_VOLATILITY = "high_volatility"
    LOW_VOLATILITY = "low_volatility"
    BREAKOUT = "breakout"
    UNKNOWN = "unknown"


class DriftKind(StrEnum):
    """alibi-detect's words for what drifted."""

    DATA = "data"
    PREDICTION = "prediction"
    LABEL = "label"
    CONCEPT = "concept"
    FEATURE = "feature"

    @property
    def unit(self) -> str:
        """What is compared, one by one."""
        return "outcome" if self in OF_OUTCOMES else "bar"


OF_OUTCOMES: Final = frozenset({DriftKind.LABEL, DriftKind.CONCEPT})
"""Kinds of drift that are seen in what came true."""


class CheckOutcome(StrEnum):
    """What a pre-trade check said of an order."""

    PASSED = "passed"
    WARNED = "warned"
    REDUCED = "reduced"
    BLOCKED = "blocked"


class CorrelationOutcome(StrEnum):
    """How a correlation (the workflow of one decision) ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    TIMEOUT = "timeout"


class OutcomeResult(StrEnum):
    """Whether a model was right, once the truth is known."""

    CORRECT = "correct"
    WRONG = "wrong"


class FundingKind(StrEnum):
    """What is paid or received for holding a position."""

    FUNDING = "funding"
    BORROW = "borrow"
    INTEREST = "interest"


class SwitchState(StrEnum):
    """What a kill switch lets the bot do; as a metric 0, 1 and 2."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


class TradeOutcome(StrEnum):
    """How a closed trade ended."""

    WIN = "win"
    LOSS = "loss"
    FLAT = "flat"


class Direction(StrEnum):
    """Whether a deviation cost or earned money."""

    ADVERSE = "adverse"
    FAVORABLE = "favorable"


class DropReason(StrEnum):
    """Why spans or records were lost."""

    QUEUE_FULL = "queue_full"
    MEMORY_FULL = "memory_full"
    SPOOL_FULL = "spool_full"
    SPOOL_ERROR = "spool_error"
    CORRUPT = "corrupt"
    REFUSED = "refused"
    REJECTED = "rejected"
    LIMIT = "limit"
    INVALID = "invalid"
    SHUTDOWN = "shutdown"
    NO_EXPORTER = "no_exporter"


class RingState(StrEnum):
    """What a killed process left in its ring."""

    ENDED = "ended"
    ABORTED = "aborted"
    REPORT = "report"
    DAMAGED = "damaged"


class DriftResult(StrEnum):
    """What a drift check found."""

    DRIFT = "drift"
    NO_DRIFT = "no_drift"
    UNTESTABLE = "untestable"


class DriftState(StrEnum):
    """What became of a drift episode; `named` is no alarm: which features moved, while it is open."""

    STARTED = "started"
    NAMED = "named"
    CLEARED = "cleared"


class DriftAgainst(StrEnum):
    """What the last bars or outcomes of a model are held against."""

    REFERENCE = "reference"
    REGIMES = "regimes"
    EARLIER = "earlier"


class DriftSeverity(StrEnum):
    """How much a drift episode asks for; as a metric 1 to 4, 0 while there is none."""

    INFO = "info"
    WATCH = "watch"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def level(self) -> int:
        """Return its number as a metric."""
        return [*DriftSeverity].index(self) + 1


class DriftDrop(StrEnum):
    """Why an observation of a model was not looked at."""

    QUEUE_FULL = "queue_full"
    INVALID = "invalid"
    UNWATCHED = "unwatched"
    SHUTDOWN = "shutdown"


class DriftProblem(StrEnum):
    """What may be wrong with values that are watched, apart from drift."""

    MISSING = "missing"
    INVALID = "invalid"
    STALE = "stale"
    OUT_OF_RANGE = "out_of_range"
    MOVES = "moves"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    UNSEEN = "unseen"
    DUPLICATE = "duplicate"
    LATE = "late"
    REGIME = "regime"


class DriftFate(StrEnum):
    """How a prediction ended to wait for its outcome."""

    MATURED = "matured"
    MISSING = "missing"
    DROPPED = "dropped"


class DriftRefusal(StrEnum):
    """Why a prediction or an outcome was not joined with the other."""

    REPEATED = "repeated"
    INVALID = "invalid"
    AGAIN = "again"
    TOO_LATE = "too_late"
    UNKNOWN = "unknown"


class Truth(StrEnum):
    """A yes or no as a label."""

    TRUE = "true"
    FALSE = "false"

"""The frozen, typed records with which a bot says what happened.

Every field is annotated with its declared attribute, so a record cannot carry an undeclared name and the type checker
checks the bot's calls. Construction checks nothing and costs a fraction of a microsecond; `records.check` examines a
record later, in the worker (or at the call when strict).

Times are aware `datetime` objects or Unix ns as `int`; durations are seconds; confidences, probabilities and ratios
lie in 0..1; quantities and prices are not negative, a position's quantity is signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import msgspec

from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import (
    Action,
    CheckOutcome,
    Component,
    FundingKind,
    Liquidity,
    OrderStatus,
    OrderType,
    OutcomeResult,
    RegimeName,
    RejectReason,
    Side,
    SwitchState,
    TimeInForce,
)

__all__ = [
    "Decision",
    "Equity",
    "ExchangeRequest",
    "FeatureImportance",
    "FeatureVector",
    "Funding",
    "KillSwitch",
    "Mark",
    "MarketData",
    "ModelInfo",
    "Number",
    "Order",
    "OrderUpdate",
    "Outcome",
    "PathStep",
    "Position",
    "Prediction",
    "Record",
    "Regime",
    "Resolution",
    "RiskCheck",
    "Stage",
    "Time",
    "Vote",
]

Number: TypeAlias = float | int | Decimal
Time: TypeAlias = datetime | int


class Record(msgspec.Struct, frozen=True, gc=False):
    """Base of all records; plain values, so that the garbage collector need not look at them."""


class Decision(Record, frozen=True):
    """What a decision knew when it began and, for one reported afterwards, what it said."""

    symbol: Annotated[str | None, a.SYMBOL] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    venue: Annotated[str | None, a.VENUE] = None
    timeframe: Annotated[str | None, a.TIMEFRAME] = None
    price: Annotated[Number | None, a.MARKET_PRICE] = None
    data_age: Annotated[Number | None, a.MARKET_DATA_AGE] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None
    account: Annotated[str | None, a.ACCOUNT] = None
    algorithm_id: Annotated[str | None, a.ALGORITHM_ID] = None
    action: Annotated[Action | str | None, a.ACTION] = None
    confidence: Annotated[Number | None, a.CONFIDENCE] = None
    threshold: Annotated[Number | None, a.THRESHOLD] = None
    reason: Annotated[str | None, a.REASON] = None


class Resolution(Record, frozen=True):
    """What a decision decided."""

    action: Annotated[Action | str, a.ACTION]
    confidence: Annotated[Number | None, a.CONFIDENCE] = None
    threshold: Annotated[Number | None, a.THRESHOLD] = None
    reason: Annotated[str | None, a.REASON] = None


class Stage(Record, frozen=True):
    """A stage that was timed elsewhere and ends now; prefer `d.stage()`."""

    component: Annotated[Component | str, a.COMPONENT]
    duration: float = 0.0
    error_type: Annotated[str | None, a.ERROR_TYPE] = None
    swallowed: Annotated[bool | None, a.ERROR_SWALLOWED] = None
    result_empty: Annotated[bool | None, a.RESULT_EMPTY] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    symbol: Annotated[str | None, a.SYMBOL] = None


class Vote(Record, frozen=True):
    """One member's vote; `meta_learner` marks the one that combines the others."""

    model: Annotated[str, a.MODEL_NAME]
    action: Annotated[Action | str, a.ACTION]
    confidence: Annotated[Number | None, a.CONFIDENCE] = None
    weight: Annotated[Number | None, a.WEIGHT] = None
    version: Annotated[str | None, a.MODEL_VERSION] = None
    type: Annotated[str | None, a.MODEL_TYPE] = None
    probabilities: Annotated[Mapping[str, float] | None, a.PROBABILITIES] = None
    meta_learner: Annotated[bool | None, a.META_LEARNER] = None
    strategy: Annotated[str | None, a.STRATEGY] = None


class Regime(Record, frozen=True):
    """The market's regime. Any vocabulary is mapped onto `RegimeName`; the bot's own word is kept in `raw`."""

    name: Annotated[RegimeName | str, a.REGIME]
    confidence: Annotated[Number | None, a.REGIME_CONFIDENCE] = None
    probabilities: Annotated[Mapping[str, float] | None, a.PROBABILITIES] = None
    indicators: Annotated[Mapping[str, float] | None, a.INDICATORS] = None
    duration: Annotated[Number | None, a.REGIME_DURATION] = None
    transition_probability: Annotated[Number | None, a.REGIME_TRANSITION] = None
    method: Annotated[str | None, a.REGIME_METHOD] = None
    raw: Annotated[str | None, a.REGIME_RAW] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    symbol: Annotated[str | None, a.SYMBOL] = None


class PathStep(Record, frozen=True):
    """A step on the way to the decision: a value against its threshold, with its weight."""

    step: Annotated[str, a.STEP]
    value: Annotated[Number | None, a.PATH_VALUE] = None
    threshold: Annotated[Number | None, a.THRESHOLD] = None
    weight: Annotated[Number | None, a.PATH_WEIGHT] = None
    passed: Annotated[bool | None, a.PATH_PASSED] = None


class RiskCheck(Record, frozen=True):
    """A pre-trade control: the checked value against its limit; `limit_name` defaults to the check's name."""

    check: Annotated[str, a.CHECK]
    value: Annotated[Number | None, a.CHECK_VALUE] = None
    limit: Annotated[Number | None, a.LIMIT_VALUE] = None
    outcome: Annotated[CheckOutcome | str, a.CHECK_OUTCOME] = CheckOutcome.PASSED
    limit_name: Annotated[str | None, a.LIMIT] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    symbol: Annotated[str | None, a.SYMBOL] = None


class KillSwitch(Record, frozen=True):
    """State of the bot's kill switch, or of a strategy's own: said at the start and each time that it moves.

    `reason`: why, from a short list.
    """

    state: Annotated[SwitchState | str, a.SWITCH_STATE]
    reason: Annotated[str | None, a.CAUSE] = None
    strategy: Annotated[str | None, a.STRATEGY] = None


class Order(Record, frozen=True):
    """An order as it is sent.

    `arrival_mid`: mid price when it became actionable, the yardstick of slippage. `multiplier`: money that a unit gains
    when the price rises by one (contracts); 1 if it is not said.
    """

    client_id: Annotated[str, a.CLIENT_ID]
    side: Annotated[Side | str, a.SIDE]
    type: Annotated[OrderType | str, a.ORDER_TYPE]
    quantity: Annotated[Number | None, a.QUANTITY] = None
    price: Annotated[Number | None, a.PRICE] = None
    stop_price: Annotated[Number | None, a.STOP_PRICE] = None
    time_in_force: Annotated[TimeInForce | str | None, a.TIME_IN_FORCE] = None
    symbol: Annotated[str | None, a.SYMBOL] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    venue: Annotated[str | None, a.VENUE] = None
    currency: Annotated[str | None, a.CURRENCY] = None
    arrival_mid: Annotated[Number | None, a.ARRIVAL_MID] = None
    venue_id: Annotated[str | None, a.VENUE_ID] = None
    position_id: Annotated[str | None, a.POSITION_ID] = None
    account: Annotated[str | None, a.ACCOUNT] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None
    multiplier: Annotated[Number | None, a.MULTIPLIER] = None


class OrderUpdate(Record, frozen=True):
    """An execution report. `quantity` and `price` are this fill's (FIX 32, 31), `cum_quantity` the order's (14)."""

    client_id: Annotated[str, a.CLIENT_ID]
    status: Annotated[OrderStatus | str, a.STATUS]
    quantity: Annotated[Number | None, a.FILL_QUANTITY] = None
    price: Annotated[Number | None, a.FILL_PRICE] = None
    cum_quantity: Annotated[Number | None, a.CUM_QUANTITY] = None
    avg_price: Annotated[Number | None, a.AVG_PRICE] = None
    liquidity: Annotated[Liquidity | str | None, a.LIQUIDITY] = None
    fee: Annotated[Number | None, a.FEE] = None
    fee_currency: Annotated[str | None, a.FEE_CURRENCY] = None
    trade_id: Annotated[str | None, a.FILL_ID] = None
    venue_id: Annotated[str | None, a.VENUE_ID] = None
    reject_reason: Annotated[RejectReason | str | None, a.REJECT_REASON] = None
    text: Annotated[str | None, a.REJECT_TEXT] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None


class Mark(Record, frozen=True):
    """A price at which positions are valued."""

    symbol: Annotated[str, a.SYMBOL]
    price: Annotated[Number | None, a.MARK_PRICE]
    currency: Annotated[str | None, a.CURRENCY] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None


class Position(Record, frozen=True):
    """A position as the bot keeps it; `quantity` and `notional` are signed."""

    symbol: Annotated[str, a.SYMBOL]
    quantity: Annotated[Number | None, a.POSITION_QUANTITY]
    notional: Annotated[Number | None, a.POSITION_NOTIONAL] = None
    avg_price: Annotated[Number | None, a.POSITION_AVG_PRICE] = None
    mark: Annotated[Number | None, a.MARK_PRICE] = None
    realized_pnl: Annotated[Number | None, a.REALIZED_PNL] = None
    unrealized_pnl: Annotated[Number | None, a.UNREALIZED_PNL] = None
    currency: Annotated[str | None, a.CURRENCY] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    position_id: Annotated[str | None, a.POSITION_ID] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None
    multiplier: Annotated[Number | None, a.MULTIPLIER] = None


class Equity(Record, frozen=True):
    """Equity (cash and unrealized profit or loss) as the bot keeps it."""

    value: Annotated[Number | None, a.EQUITY]
    currency: Annotated[str | None, a.CURRENCY] = None
    cash: Annotated[Number | None, a.CASH] = None
    realized_pnl: Annotated[Number | None, a.REALIZED_PNL] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None
    margin: Annotated[Number | None, a.MARGIN] = None
    margin_limit: Annotated[Number | None, a.MARGIN_LIMIT] = None


class Funding(Record, frozen=True):
    """What holding a position has earned, or cost if `amount` is negative: funding, borrow, interest."""

    amount: Annotated[Number | None, a.FUNDING]
    currency: Annotated[str | None, a.CURRENCY] = None
    symbol: Annotated[str | None, a.SYMBOL] = None
    strategy: Annotated[str | None, a.STRATEGY] = None
    kind: Annotated[FundingKind | str, a.FUNDING_KIND] = FundingKind.FUNDING
    position_id: Annotated[str | None, a.POSITION_ID] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None


class FeatureVector(Record, frozen=True):
    """The features that a model saw, by name."""

    values: Annotated[Mapping[str, float] | None, a.FEATURE_VALUES]
    model: Annotated[str | None, a.MODEL_NAME] = None
    key: Annotated[str | None, a.MODEL_KEY] = None


class Prediction(Record, frozen=True):
    """What a model predicted; `key` joins it with its `Outcome`, `duration` is the inference in seconds."""

    model: Annotated[str, a.MODEL_NAME]
    value: Annotated[str | float | int | None, a.PREDICTION]
    probability: Annotated[Number | None, a.PROBABILITY] = None
    probabilities: Annotated[Mapping[str, float] | None, a.PROBABILITIES] = None
    duration: Annotated[Number | None, a.INFERENCE] = None
    key: Annotated[str | None, a.MODEL_KEY] = None
    version: Annotated[str | None, a.MODEL_VERSION] = None
    type: Annotated[str | None, a.MODEL_TYPE] = None


class Outcome(Record, frozen=True):
    """What came true, whenever it is known; joined with the prediction of the same model and key."""

    model: Annotated[str, a.MODEL_NAME]
    actual: Annotated[str | float | int | None, a.ACTUAL]
    key: Annotated[str | None, a.MODEL_KEY] = None
    prediction: Annotated[str | float | int | None, a.PREDICTION] = None
    result: Annotated[OutcomeResult | str | None, a.RESULT] = None
    realized_return: Annotated[Number | None, a.REALIZED_RETURN] = None
    regime: Annotated[RegimeName | str | None, a.REGIME] = None


class MarketData(Record, frozen=True):
    """State of a market-data feed and, where given, the bar that was seen; `messages` since the last report."""

    symbol: Annotated[str, a.SYMBOL]
    venue: Annotated[str | None, a.VENUE] = None
    channel: Annotated[str | None, a.CHANNEL] = None
    age: Annotated[Number | None, a.MARKET_DATA_AGE] = None
    gaps: Annotated[int | None, a.MARKET_GAPS] = None
    messages: Annotated[int | None, a.MARKET_MESSAGES] = None
    open: Annotated[Number | None, a.MARKET_OPEN] = None
    high: Annotated[Number | None, a.MARKET_HIGH] = None
    low: Annotated[Number | None, a.MARKET_LOW] = None
    close: Annotated[Number | None, a.MARKET_CLOSE] = None
    volume: Annotated[Number | None, a.MARKET_VOLUME] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None


class ExchangeRequest(Record, frozen=True):
    """A call of the venue's API that ends now; `url` is kept without user info and query."""

    operation: Annotated[str, a.OPERATION]
    venue: Annotated[str | None, a.VENUE] = None
    duration: float | None = None
    status: Annotated[int | None, a.HTTP_STATUS] = None
    error_type: Annotated[str | None, a.ERROR_TYPE] = None
    rate_limit_wait: Annotated[Number | None, a.RATE_LIMIT_WAIT] = None
    rate_limit_used: Annotated[Number | None, a.RATE_LIMIT_USED] = None
    url: Annotated[str | None, a.URL] = None


class ModelInfo(Record, frozen=True):
    """A model in use: version, family, when and on how many rows and features it was trained."""

    model: Annotated[str, a.MODEL_NAME]
    version: Annotated[str | None, a.MODEL_VERSION] = None
    type: Annotated[str | None, a.MODEL_TYPE] = None
    trained_at: Annotated[Time | None, a.MODEL_TRAINED] = None
    rows: Annotated[int | None, a.MODEL_ROWS] = None
    features: Annotated[int | None, a.FEATURE_COUNT] = None


class FeatureImportance(Record, frozen=True):
    """Importance of a model's features by name."""

    model: Annotated[str, a.MODEL_NAME]
    values: Annotated[Mapping[str, float] | None, a.FEATURE_IMPORTANCE]
    method: Annotated[str | None, a.IMPORTANCE_METHOD] = None

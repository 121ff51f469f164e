"""Other people's words for what our closed vocabularies say (ccxt, NautilusTrader, backtrader, the bot "Ares")."""

from __future__ import annotations

from enum import StrEnum

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

__all__ = ["ALIASES", "fold", "lookup"]

ALIASES: dict[type[StrEnum], dict[str, StrEnum]] = {
    Action: {
        "long": Action.BUY,
        "enter_long": Action.BUY,
        "open_long": Action.BUY,
        "bullish": Action.BUY,
        "short": Action.SELL,
        "enter_short": Action.SELL,
        "open_short": Action.SELL,
        "bearish": Action.SELL,
        "neutral": Action.HOLD,
        "wait": Action.HOLD,
        "hold_position": Action.HOLD,
        "exit": Action.CLOSE,
        "partial_exit": Action.CLOSE,
        "flat": Action.CLOSE,
    },
    Component: {},
    CheckOutcome: {
        "pass": CheckOutcome.PASSED,
        "ok": CheckOutcome.PASSED,
        "warning": CheckOutcome.WARNED,
        "failed": CheckOutcome.BLOCKED,
        "denied": CheckOutcome.BLOCKED,
        "rejected": CheckOutcome.BLOCKED,
    },
    FundingKind: {"funding_fee": FundingKind.FUNDING, "borrow_fee": FundingKind.BORROW, "swap": FundingKind.INTEREST},
    SwitchState: {
        "normal": SwitchState.ACTIVE,
        "trading": SwitchState.ACTIVE,
        "reducing": SwitchState.REDUCE_ONLY,
        "tripped": SwitchState.HALTED,
        "stopped": SwitchState.HALTED,
    },
    Liquidity: {"added": Liquidity.MAKER, "removed": Liquidity.TAKER},
    OrderStatus: {
        "cancelled": OrderStatus.CANCELED,
        "canceling": OrderStatus.PENDING_CANCEL,
        "open": OrderStatus.NEW,
        "accepted": OrderStatus.NEW,
        "submitted": OrderStatus.PENDING_NEW,
        "partial": OrderStatus.PARTIALLY_FILLED,
        "closed": OrderStatus.FILLED,
        "completed": OrderStatus.FILLED,
        "margin": OrderStatus.REJECTED,
        "pending_update": OrderStatus.PENDING_REPLACE,
        "updated": OrderStatus.REPLACED,
        "triggered": OrderStatus.NEW,
    },
    OrderType: {
        "stop_market": OrderType.STOP,
        "stop_loss": OrderType.STOP,
        "stop_loss_limit": OrderType.STOP_LIMIT,
        "trailing_stop_market": OrderType.TRAILING_STOP,
        "take_profit": OrderType.MARKET_IF_TOUCHED,
        "take_profit_limit": OrderType.LIMIT_IF_TOUCHED,
    },
    OutcomeResult: {"true": OutcomeResult.CORRECT, "false": OutcomeResult.WRONG},
    RegimeName: {
        "bull": RegimeName.BULL_TREND,
        "bullish": RegimeName.BULL_TREND,
        "uptrend": RegimeName.BULL_TREND,
        "bear": RegimeName.BEAR_TREND,
        "bearish": RegimeName.BEAR_TREND,
        "downtrend": RegimeName.BEAR_TREND,
        "sideways_range": RegimeName.SIDEWAYS,
        "range": RegimeName.SIDEWAYS,
        "ranging": RegimeName.SIDEWAYS,
        "volatile": RegimeName.HIGH_VOLATILITY,
        "volatile_regime": RegimeName.HIGH_VOLATILITY,
        "quiet": RegimeName.LOW_VOLATILITY,
    },
    RejectReason: {
        "margin": RejectReason.INSUFFICIENT_FUNDS,
        "insufficientfunds": RejectReason.INSUFFICIENT_FUNDS,
        "insufficient_balance": RejectReason.INSUFFICIENT_FUNDS,
        "ratelimitexceeded": RejectReason.RATE_LIMITED,
        "badsymbol": RejectReason.UNKNOWN_SYMBOL,
        "duplicateorderid": RejectReason.DUPLICATE_ORDER,
    },
    Side: {"long": Side.BUY, "short": Side.SELL_SHORT, "sell short": Side.SELL_SHORT, "b": Side.BUY, "s": Side.SELL},
    TimeInForce: {
        "good_till_cancel": TimeInForce.GTC,
        "good_til_canceled": TimeInForce.GTC,
        "immediate_or_cancel": TimeInForce.IOC,
        "fill_or_kill": TimeInForce.FOK,
        "po": TimeInForce.GTX,
        "post_only": TimeInForce.GTX,
    },
}


def fold(word: str) -> str:
    """Return the word as our vocabularies spell: lower case, underscores."""
    return word.strip().lower().replace("-", "_").replace(" ", "_")


def lookup(enum: type[StrEnum], word: str) -> StrEnum | None:
    """Return the member that a word of any known vocabulary means, or None."""
    folded = fold(word)
    try:
        return enum(folded)
    except ValueError:
        return ALIASES.get(enum, {}).get(folded)

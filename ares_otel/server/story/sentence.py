"""First the sentence: one line made from records, without the parts that are unknown."""

from __future__ import annotations

from collections.abc import Iterable

from ares_otel.semconv.enums import Action, OrderStatus, RegimeName, Side
from ares_otel.server.story.stories import DecisionStory, OrderStory, Story
from ares_otel.server.story.wording import amount, clean, seconds

__all__ = ["sentence"]

DONE = {Side.BUY: "bought", Side.SELL: "sold", Side.SELL_SHORT: "sold short"}
WISH = {Side.BUY: "buy", Side.SELL: "sell", Side.SELL_SHORT: "sell short"}
DECIDED = {
    Action.BUY: "decided to buy",
    Action.SELL: "decided to sell",
    Action.CLOSE: "decided to close",
    Action.HOLD: "held",
    Action.NONE: "decided nothing on",
}
MARKET = {
    RegimeName.BULL_TREND: "in a bull trend",
    RegimeName.BEAR_TREND: "in a bear trend",
    RegimeName.SIDEWAYS: "in a sideways market",
    RegimeName.HIGH_VOLATILITY: "in high volatility",
    RegimeName.LOW_VOLATILITY: "in low volatility",
    RegimeName.BREAKOUT: "in a breakout",
}
CLOSED = {
    OrderStatus.CANCELED: "canceled",
    OrderStatus.EXPIRED: "expired",
    OrderStatus.REJECTED: "rejected",
    OrderStatus.DENIED: "denied by the bot's own checks",
    OrderStatus.DONE_FOR_DAY: "done for the day",
}


def sentence(story: Story) -> str:
    """Return the story in one sentence."""
    decision, order = story.decision, _main(story.orders)
    if decision is None:
        return _undecided(story, order)
    who = clean(decision.strategy or story.service or "the bot")
    text = f"{who} {_deed(decision, order)}"
    why = " ".join(filter(None, (_votes(decision), _regime(decision))))
    end = "; ".join(filter(None, (_end(order), _failure(decision, story))))
    text = f"{text}: {why}" if why else text
    more = len(story.orders) - 1
    others = f" ({more} more {'order' if more == 1 else 'orders'})" if more > 0 else ""
    return (f"{text}; {end}" if end else text) + others + "."


def _main(orders: Iterable[OrderStory]) -> OrderStory | None:
    """Return the order that says most: the one that was filled most, else the first."""
    return max(orders, key=lambda order: order.cum_quantity or 0.0, default=None)


def _undecided(story: Story, order: OrderStory | None) -> str:
    if order is None:
        return f"{clean(story.service or 'something')} was seen in this trace; no decision of it is stored."
    end = _end(order)
    return (
        f"{clean(story.service or 'the bot')} {_trade(order)}{f'; {end}' if end else ''}; its decision is not stored."
    )


def _deed(decision: DecisionStory, order: OrderStory | None) -> str:
    if order is not None:
        return _trade(order, decision.symbol)
    symbol = clean(decision.symbol or "")
    if decision.action is None:
        return f"ended without a decision{f' on {symbol}' if symbol else ''}"
    return f"{DECIDED[Action(decision.action)]} {symbol}".rstrip()


def _trade(order: OrderStory, symbol: str | None = None) -> str:
    side = Side(order.side) if order.side is not None else None
    what = clean(order.symbol or symbol or "")
    if order.cum_quantity:
        price = f" at {amount(order.avg_price)}" if order.avg_price is not None else ""
        return f"{DONE[side] if side else 'traded'} {amount(order.cum_quantity)} {what}".rstrip() + price
    quantity = amount(order.quantity) if order.quantity is not None else ""
    price = f" at {amount(order.price)}" if order.price is not None else ""
    words = ("wanted to", WISH[side] if side else "trade", quantity, what)
    return " ".join(filter(None, words)) + price


def _votes(decision: DecisionStory) -> str:
    members = [vote for vote in decision.votes if not vote.meta_learner]
    agreed = sum(vote.action == decision.action for vote in members)
    counted = f"{agreed} of {len(members)} members voted {decision.action}" if members and decision.action else ""
    confidence, threshold = decision.confidence, decision.threshold
    if confidence is None:
        return counted
    word = "weighted" if any(vote.weight is not None for vote in members) else "confidence"
    bound = ""
    if threshold is not None:
        relation = ">" if confidence > threshold else "=" if confidence == threshold else "<"
        bound = f" {relation} {threshold:.2f}"
    return f"{counted} ({word} {confidence:.2f}{bound})" if counted else f"confidence {confidence:.2f}{bound}"


def _regime(decision: DecisionStory) -> str:
    regime = decision.regime
    if regime is None or regime.name not in MARKET:
        return ""
    sure = f" ({regime.confidence:.2f})" if regime.confidence is not None else ""
    return MARKET[RegimeName(regime.name)] + sure


def _end(order: OrderStory | None) -> str:
    """Return how the order ended and what it cost."""
    if order is None:
        return ""
    status = _status(order)
    if order.slippage_bps is None or not order.cum_quantity:
        return status
    side = "worse" if order.slippage_bps > 0 else "better"
    size = f"{abs(order.slippage_bps):.1f}"
    cost = "at arrival" if size == "0.0" else f"{size} bp {side} than arrival"
    return f"{status}, {cost}" if status else cost


def _status(order: OrderStory) -> str:
    if order.status == OrderStatus.FILLED:
        after = order.filled_after_seconds
        return "filled" if after is None else f"filled after {seconds(after)}"
    part = f"{amount(order.cum_quantity)} of {amount(order.quantity)}" if order.cum_quantity and order.quantity else ""
    if order.status in CLOSED:
        last = order.updates[-1]
        reason = clean(last.reject_reason or "").replace("_", " ")
        said = CLOSED[OrderStatus(order.status)] + (f" ({reason})" if reason else "")
        return f"{said} with {part} filled" if part else said
    if part:
        return f"{part} filled so far"
    return "not answered yet" if order.status is None else f"still {str(order.status).replace('_', ' ')}"


def _failure(decision: DecisionStory, story: Story) -> str:
    if decision.abandoned:
        return "it never ended and was closed by the time limit"
    if decision.aborted:
        return "the bot was killed before it ended"
    if decision.error_type is None:
        return ""
    message = next((each.message for each in story.exceptions if each.type == decision.error_type and each.message), "")
    return f"it failed with {clean(decision.error_type)}{f': {clean(message)}' if message else ''}"

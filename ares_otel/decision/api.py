"""What the bot's engineer calls."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from ares_otel.correlation.context import DECISION_KEY, SPAN_KEY, get
from ares_otel.correlation.ids import clean_id
from ares_otel.decision.deciding import LiveDecision, LiveOrder, Note
from ares_otel.decision.live import LiveSpan
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.records import Decision, Order, OrderUpdate, Record, require
from ares_otel.records.model import Number, Time
from ares_otel.semconv.enums import Component

__all__ = ["current", "decide_by", "decision", "record", "span"]

MINUTES_5 = 300_000_000_000

_kind: type[LiveDecision] = LiveDecision


def decide_by(kind: type[LiveDecision]) -> None:
    """Let decisions be of this kind from now on."""
    global _kind  # noqa: PLW0603  the cheapest way to have two kinds: what is not used costs nothing
    _kind = kind


def decision(
    *,
    symbol: str | None = None,
    strategy: str | None = None,
    venue: str | None = None,
    timeframe: str | None = None,
    price: Number | None = None,
    data_age: Number | None = None,
    event_time: Time | None = None,
    account: str | None = None,
    algorithm_id: str | None = None,
    correlation_id: str | None = None,
    causation_id: str | None = None,
) -> LiveDecision:
    """Return one trading decision as a `with` block; it ends with the block.

    Args:
        symbol: instrument (FIX 55).
        strategy: strategy (FIX 847).
        venue: exchange or broker.
        timeframe: length of the bars it looks at, like "1h".
        price: market price that it sees.
        data_age: age of the newest market data in seconds.
        event_time: market or simulated time, aware `datetime` or Unix ns.
        account: account; hashed on spans.
        algorithm_id: id of code and parameters.
        correlation_id: id of the workflow when the bot has one; else of the outer context, else new.
        causation_id: id of the message that caused it.
    """
    facts = Decision(symbol, strategy, venue, timeframe, price, data_age, event_time, account, algorithm_id)
    if R.strict:
        require(facts)
    live = _kind(facts=facts)
    if correlation_id is not None:
        live.given_correlation = clean_id(correlation_id)
    if causation_id is not None:
        live.causation_id = causation_id
    return live


def span(
    name: str, attributes: Mapping[str, AttributeValue] | None = None, *, component: Component | str | None = None
) -> LiveSpan:
    """Return a span of the bot's own as a `with` block; inside a decision it belongs to it.

    Args:
        name: low-cardinality name; ids belong into attributes.
        attributes: what it says.
        component: part of the bot, when it is one.
    """
    owner = get().get(DECISION_KEY)
    if type(owner) is not _kind or owner.end_at:
        owner = None
    return LiveSpan(name, owner, attributes, component)


def current() -> LiveDecision | None:
    """Return the decision that this code runs in, wherever in the call tree, or None."""
    found = get().get(DECISION_KEY)
    return found if isinstance(found, LiveDecision) and not found.end_at else None


def record(what: Record) -> None:
    """Say what happened. It joins the current decision wherever it is called; an `OrderUpdate` joins its order.

    Never raises for what the record holds, unless strict.
    """
    given: object = what
    if not isinstance(given, Record):
        GUARD.bad_value("record()", "record", "a record of ares_otel", what)
        return
    if R.strict:
        require(what)
    at = R.now()
    context = get()
    owner = context.get(DECISION_KEY)
    if owner is not None and owner.end_at and at - owner.end_at > MINUTES_5:
        owner = None
    if isinstance(what, OrderUpdate):
        R.put(Note(what, at, owner, None))
    elif isinstance(what, Order):
        _send(what, owner)
    elif isinstance(what, Decision):
        _decide(what)
    else:
        found = context.get(SPAN_KEY)
        inside = found if isinstance(found, Span) else None
        if owner is None or not owner.adopt((at, what, inside)):
            R.put(Note(what, at, owner, inside))


def _send(order: Order, owner: LiveDecision | None) -> None:
    if owner is not None and not owner.end_at:
        owner.send(order)
        return
    R.put(LiveOrder("order submit", owner, record=order, start=R.now(), parent=owner, late=True))


def _decide(facts: Decision) -> None:
    """Make a whole decision out of a record that was made afterwards."""
    with _kind("decision", facts=facts):
        pass

"""From spans that were just committed to events: the newest state of each thing, looked for within bounds."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import Decoded, Entry
from ares_otel.server.otlp.values import number, text
from ares_otel.server.otlp.views import AttributeMap, EventView, FullSpan, SpanView
from ares_otel.server.push.events import Decision, Equity, Event, Order, Update, moment

__all__ = ["Feed", "events"]

Key: TypeAlias = tuple[str, str]
"""Topic, and what it is the state of."""

KEYS: Final = 24
"""Most states of a topic between two looks; the oldest go."""

LOOKED_AT: Final = 4_096
"""Most spans of a commit that are looked at, newest first: a backlog that comes in is history, not news."""

LONGEST: Final = 256
ERROR: Final = 2
KEYED: Final = {
    s.DECISION.name: ("decision", (a.STRATEGY.key, a.SYMBOL.key)),
    s.ORDER_SUBMIT.name: ("order", (a.CLIENT_ID.key,)),
    s.ORDER_UPDATE.name: ("update", (a.CLIENT_ID.key,)),
    s.EQUITY.name: ("equity", (a.STRATEGY.key, a.CURRENCY.key)),
}


class Feed:
    """Takes spans in the writer's thread and gives them to the loop's; holds at most `KEYS` spans a topic.

    Attributes:
        listening: somebody wants them; otherwise nothing is done.
    """

    def __init__(self) -> None:
        self.listening = False
        self._lock = threading.Lock()
        self._newest: dict[Key, bytes] = {}

    def committed(self, requests: Iterable[Decoded]) -> None:
        """Note the newest states in some requests, in their order of arrival."""
        if not self.listening:
            return
        found = _newest(requests)
        with self._lock:
            for key in reversed(found):
                self._newest.pop(key, None)
                self._newest[key] = found[key]
            _trim(self._newest)

    def take(self) -> list[tuple[str, str, Event]]:
        """Return topic, key and event of what came since the last call, oldest first."""
        with self._lock:
            raw, self._newest = self._newest, {}
        return [made for key, span in raw.items() for made in events(key, FullSpan.FromString(span))]


def _newest(requests: Iterable[Decoded]) -> dict[Key, bytes]:
    """Return the spans that tell the newest states, newest first; as bytes, because a span holds its whole request."""
    found: dict[Key, bytes] = {}
    counts = dict.fromkeys((topic for topic, _ in KEYED.values()), 0)
    for span, raw, _ in itertools.islice(_backwards(requests), LOOKED_AT):
        keyed = KEYED.get(span.name)
        if keyed is not None and counts[keyed[0]] < KEYS:
            key = _key(keyed, span.attributes)
            if key not in found:
                counts[key[0]] += 1
                found[key] = raw
    return found


def _backwards(requests: Iterable[Decoded]) -> Iterator[Entry]:
    for request in reversed([*requests]):
        for trace in reversed(request.traces.values()):
            yield from reversed(trace.values())


def _key(keyed: tuple[str, tuple[str, ...]], facts: AttributeMap) -> Key:
    topic, names = keyed
    return topic, "|".join(_word(facts, name) or "" for name in names)


def _trim(newest: dict[Key, bytes]) -> None:
    """Forget the oldest states of topics that have too many."""
    for topic, _ in KEYED.values():
        known = [key for key in newest if key[0] == topic]
        for key in known[:-KEYS]:
            del newest[key]


def events(key: Key, span: SpanView) -> Iterator[tuple[str, str, Event]]:
    """Yield topic, key and event of a span, and of the equity that a decision says on the way."""
    topic, name = key
    facts, start = span.attributes, span.start_time_unix_nano
    if topic == "equity":
        yield topic, name, _equity(span, span.attributes, start)
        return
    yield topic, name, MAKERS[topic](span, facts)
    for event in span.events if topic == "decision" else ():
        if event.name == s.EQUITY.name:
            yield (*_key(KEYED[s.EQUITY.name], event.attributes), _equity(span, event.attributes, _time(event, start)))


def _time(event: EventView, start: int) -> int:
    return event.time_unix_nano or start


def _fact(span: SpanView, facts: AttributeMap, time: int) -> dict[str, str | None]:
    market = facts.get(a.EVENT_TIME.key)
    return {
        "time": moment(time) or "",
        "correlation_id": _word(span.attributes, a.CORRELATION_ID.key),
        "trace_id": span.trace_id.hex(),
        "strategy": _word(facts, a.STRATEGY.key) or _word(span.attributes, a.STRATEGY.key),
        "symbol": _word(facts, a.SYMBOL.key),
        "venue": _word(facts, a.VENUE.key),
        "market_time": moment(market.int_value) if market is not None and market.int_value else None,
    }


def _decision(span: SpanView, facts: AttributeMap) -> Decision:
    seen = [_word(event.attributes, a.REGIME.key) for event in span.events if event.name == s.REGIME.name]
    return Decision(
        **_fact(span, facts, span.start_time_unix_nano),  # type: ignore[arg-type]  # the time is always there
        decision_id=_word(facts, a.DECISION_ID.key),
        action=_word(facts, a.ACTION.key),
        confidence=number(facts, a.CONFIDENCE.key),
        regime=_word(facts, a.REGIME.key) or (seen[-1] if seen else None),
        price=number(facts, a.MARKET_PRICE.key),
        duration_seconds=max(span.end_time_unix_nano - span.start_time_unix_nano, 0) / 1e9,
        error=span.status.code == ERROR,
    )


def _order(span: SpanView, facts: AttributeMap) -> Order:
    return Order(
        **_fact(span, facts, span.start_time_unix_nano),  # type: ignore[arg-type]  # the time is always there
        client_order_id=_word(facts, a.CLIENT_ID.key),
        side=_word(facts, a.SIDE.key),
        type=_word(facts, a.ORDER_TYPE.key),
        quantity=number(facts, a.QUANTITY.key),
        price=number(facts, a.PRICE.key),
    )


def _update(span: SpanView, facts: AttributeMap) -> Update:
    return Update(
        **_fact(span, facts, span.start_time_unix_nano),  # type: ignore[arg-type]  # the time is always there
        client_order_id=_word(facts, a.CLIENT_ID.key),
        status=_word(facts, a.STATUS.key),
        cum_quantity=number(facts, a.CUM_QUANTITY.key),
        avg_price=number(facts, a.AVG_PRICE.key),
        fill_quantity=number(facts, a.FILL_QUANTITY.key),
        fill_price=number(facts, a.FILL_PRICE.key),
        fee=number(facts, a.FEE.key),
        fee_currency=_word(facts, a.FEE_CURRENCY.key) or _word(facts, a.CURRENCY.key),
        slippage_bps=number(facts, a.SLIPPAGE.key),
        reject_reason=_word(facts, a.REJECT_REASON.key),
    )


def _equity(span: SpanView, facts: AttributeMap, time: int) -> Equity:
    return Equity(
        **_fact(span, facts, time),  # type: ignore[arg-type]  # the time is always there
        currency=_word(facts, a.CURRENCY.key),
        equity=number(facts, a.EQUITY.key),
        cash=number(facts, a.CASH.key),
    )


MAKERS: Final[dict[str, Callable[[SpanView, AttributeMap], Event]]] = {
    "decision": _decision,
    "order": _order,
    "update": _update,
}


def _word(facts: AttributeMap, key: str) -> str | None:
    found = text(facts, key)
    return found[:LONGEST] if found is not None else None

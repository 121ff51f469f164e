"""From spans that were just committed to events: the newest state of each thing, looked for within bounds."""

from __future__ import annotations

import itertools
import threading
from collections import deque
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
"""Most states of a topic in one look; the oldest are left out."""

LOOKED_AT: Final = 2_048
"""Most spans that are looked at between two looks, newest first: a backlog that comes in is history, not news."""

HELD_BYTES: Final = 1 << 20
"""Where requests that wait for the next look are let go."""

LONGEST: Final = 256
ERROR: Final = 2
KEYED: Final = {
    s.DECISION.name: ("decision", (a.STRATEGY.key, a.SYMBOL.key)),
    s.ORDER_SUBMIT.name: ("order", (a.CLIENT_ID.key,)),
    s.ORDER_UPDATE.name: ("update", (a.CLIENT_ID.key,)),
    s.EQUITY.name: ("equity", (a.STRATEGY.key, a.CURRENCY.key)),
}


class Feed:
    """Takes requests in the writer's thread and looks at them in the loop's, once an interval.

    The writer only appends: however much it stores within an interval, its newest `LOOKED_AT` spans are looked at once.

    Attributes:
        listening: somebody wants them; otherwise nothing is done.
    """

    def __init__(self) -> None:
        self.listening = False
        self._lock = threading.Lock()
        self._held: deque[tuple[Decoded, int]] = deque()
        self._spans = self._bytes = 0

    def committed(self, requests: Iterable[Decoded]) -> None:
        """Note some requests, in their order of arrival."""
        if not self.listening:
            return
        with self._lock:
            for request in requests:
                spans = sum(map(len, request.traces.values()))
                if not spans:
                    continue
                self._held.append((request, spans))
                self._spans += spans
                self._bytes += request.size
            self._trim()

    def _trim(self) -> None:
        """Let go of what would not be looked at, and of what is too much to be held; the newest request stays."""
        while len(self._held) > 1:
            request, spans = self._held[0]
            if self._spans - spans < LOOKED_AT and self._bytes <= HELD_BYTES:
                return
            self._held.popleft()
            self._spans -= spans
            self._bytes -= request.size

    def rest(self) -> None:
        """Do nothing until somebody listens again; hold nothing."""
        self.listening = False
        with self._lock:
            self._held.clear()
            self._spans = self._bytes = 0

    def take(self) -> list[tuple[str, str, Event]]:
        """Return topic, key and event of what came since the last call, oldest first."""
        with self._lock:
            held, self._held = self._held, deque()
            self._spans = self._bytes = 0
        found = _newest(request for request, _ in held)
        return [made for key in reversed(found) for made in events(key, FullSpan.FromString(found[key]))]


def _newest(requests: Iterable[Decoded]) -> dict[Key, bytes]:
    """Return the spans that tell the newest states, newest first, as bytes: a view has not all of a span."""
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

"""Rows of records: events of a decision, or spans without duration outside of any."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.values import number, plain, text, whole
from ares_otel.server.otlp.views import AttributeMap
from ares_otel.server.store.ids import bounded, text_key
from ares_otel.server.store.rows import Desk, Judged, Rows
from ares_otel.server.store.told import TOLD, Told

__all__ = ["DAY", "HOUR", "NOWHERE", "REPORTS", "Place", "Record", "Said", "json_text", "observe"]

MILLISECOND, HOUR, DAY = 1_000_000, 3_600_000_000_000, 86_400_000_000_000
CLASS_LIMIT = 32
JSON_LIMIT = 65_536
LARGEST, MOST = 1e12, 1 << 40
"""What is larger is no measurement; sums of what is smaller stay within 64 bits."""


class Place(NamedTuple):
    """What a decision is about and its market time, for records in it that do not say so themselves."""

    strategy: str | None = None
    symbol: str | None = None
    venue: str | None = None
    event_time: int | None = None


NOWHERE = Place()


class Said(NamedTuple):
    """A record: its attributes, the row id that it takes unless that is taken, its time in Unix ns, its place.

    `raw` are the bytes of its span, none for an event.
    """

    facts: AttributeMap
    base: int
    time: int
    place: Place
    raw: bytes = b""


Record: TypeAlias = Callable[[Rows, Desk, Said], None]


def _strategy(desk: Desk, said: Said) -> int | None:
    return desk.name("strategy", text(said.facts, a.STRATEGY.key) or said.place.strategy)


def _symbol(desk: Desk, said: Said) -> int | None:
    return desk.name("symbol", text(said.facts, a.SYMBOL.key) or said.place.symbol)


def _currency(desk: Desk, said: Said) -> int | None:
    return desk.name("currency", text(said.facts, a.CURRENCY.key))


def _market_time(said: Said) -> int | None:
    found = whole(said.facts, a.EVENT_TIME.key)
    return said.place.event_time if found is None else found


def _outcome(rows: Rows, desk: Desk, said: Said) -> None:
    """Add an outcome; it is found by its key from then on."""
    facts = said.facts
    key = text(facts, a.MODEL_KEY.key)
    joined = None if key is None else text_key(key)
    if joined is not None:
        rows.keys.add(joined)
    model, result = desk.name("model", text(facts, a.MODEL_NAME.key)), desk.name("result", text(facts, a.RESULT.key))
    realized, regime = number(facts, a.REALIZED_RETURN.key), desk.name("regime", text(facts, a.REGIME.key))
    actual = _class(desk, facts, a.ACTUAL.key)
    judged = Judged(joined, realized, regime, actual, *_where(desk, said), said.time // MILLISECOND)
    rows.judge(judged, said.base, (model, result, _class(desk, facts, a.PREDICTION.key)))
    earned = (1, realized, realized * realized) if realized is not None and abs(realized) < LARGEST else (0, 0.0, 0.0)
    rows.tally.add("outcome_daily", (said.time // DAY, model or 0, result or 0, regime or 0), 1, *earned)


def _where(desk: Desk, said: Said) -> tuple[int | None, int | None]:
    return _strategy(desk, said), _symbol(desk, said)


def _class(desk: Desk, facts: AttributeMap, key: str) -> int | None:
    """Return the number of a class; numbers that are measured are none, they would be names without end."""
    word = text(facts, key)
    if word is None or len(word) > CLASS_LIMIT or _is_fraction(word):
        return None
    return desk.name("class", word)


def _is_fraction(word: str) -> bool:
    try:
        return not float(word).is_integer()
    except (ValueError, OverflowError):
        return False


def _equity(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    value, event_time = number(facts, a.EQUITY.key), _market_time(said)
    strategy, currency = _strategy(desk, said), _currency(desk, said)
    row = desk.free("equity", said.base)
    money = (value, number(facts, a.CASH.key), number(facts, a.REALIZED_PNL.key))
    margin = (number(facts, a.MARGIN.key), number(facts, a.MARGIN_LIMIT.key))
    rows.add("equity", (row, strategy, currency, *money, event_time, *margin))
    if value is not None:
        hour = (said.time if event_time is None else event_time) // HOUR
        rows.tally.add("equity_hourly", (strategy or 0, currency or 0, hour), *(value,) * 4, row, row, 1)


POSITION = (
    *(a.POSITION_QUANTITY.key, a.POSITION_NOTIONAL.key, a.POSITION_AVG_PRICE.key),
    *(a.MARK_PRICE.key, a.REALIZED_PNL.key, a.UNREALIZED_PNL.key),
)


def _position(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    own = text(facts, a.POSITION_ID.key)
    own = None if own is None else bounded(own)
    strategy, symbol, currency = _strategy(desk, said), _symbol(desk, said), _currency(desk, said)
    state = (*(number(facts, key) for key in POSITION), _market_time(said))
    row = desk.free("position", said.base)
    rows.add("position", (row, strategy, symbol, currency, own, *state))
    rows.tally.add("position_now", (strategy or 0, symbol or 0, own or ""), currency, row, *state)


BAR = (a.MARKET_OPEN.key, a.MARKET_HIGH.key, a.MARKET_LOW.key, a.MARKET_CLOSE.key, a.MARKET_VOLUME.key)


def _market_data(rows: Rows, desk: Desk, said: Said) -> None:
    facts, place = said.facts, said.place
    symbol = _symbol(desk, said) or 0
    venue = desk.name("venue", text(facts, a.VENUE.key) or place.venue) or 0
    channel = desk.name("channel", text(facts, a.CHANNEL.key)) or 0
    age = number(facts, a.MARKET_DATA_AGE.key)
    gaps, messages = _count(facts, a.MARKET_GAPS.key), _count(facts, a.MARKET_MESSAGES.key)
    if age is not None or gaps is not None or messages is not None:
        rows.tally.add("feed_now", (venue, symbol, channel), said.base, age, gaps, messages)
    if facts.get(a.MARKET_CLOSE.key) is not None:
        event_time = _market_time(said)
        time = said.time if event_time is None else event_time
        rows.add("bar", (symbol, venue, channel, time, *(number(facts, key) for key in BAR)))


def _funding(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    names = (_strategy(desk, said), _symbol(desk, said), _currency(desk, said))
    amount, kind = number(facts, a.FUNDING.key), desk.name("funding", text(facts, a.FUNDING_KIND.key))
    row = desk.free("funding", said.base)
    rows.add("funding", (row, *names, _text(facts, a.POSITION_ID.key), amount, kind, _market_time(said)))


def _mark(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    row = desk.free("mark", said.base)
    price, event_time = number(facts, a.MARK_PRICE.key), _market_time(said)
    rows.add("mark", (row, _symbol(desk, said), _currency(desk, said), price, event_time))


def _model(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    told = (_text(facts, a.MODEL_VERSION.key), _text(facts, a.MODEL_TYPE.key))
    numbers = (whole(facts, a.MODEL_TRAINED.key), whole(facts, a.MODEL_ROWS.key), _small(facts, a.FEATURE_COUNT.key))
    rows.add("model", (desk.free("model", said.base), _model_name(desk, facts), *told, *numbers))


def _importance(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    given = plain(facts[a.FEATURE_IMPORTANCE.key]) if a.FEATURE_IMPORTANCE.key in facts else None
    values = {key: value for key, value in given.items() if _real(value)} if isinstance(given, dict) else None
    told = (_text(facts, a.IMPORTANCE_METHOD.key), json_text(values))
    rows.add("importance", (desk.free("importance", said.base), _model_name(desk, facts), *told))


def _behavior(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    given = plain(facts[a.CONFIDENCE_TREND.key]) if a.CONFIDENCE_TREND.key in facts else None
    trend = [value for value in given if _real(value)] if isinstance(given, list) else None
    numbers = (number(facts, key.key) for key in (a.CONSISTENCY, a.STABILITY, a.PREDICTION_DRIFT))
    rows.add("behavior", (desk.free("behavior", said.base), _model_name(desk, facts), *numbers, json_text(trend)))


def _regime(rows: Rows, desk: Desk, said: Said) -> None:
    """Count a regime that was reported outside of any decision; those inside are the decision's."""
    observe(rows, desk, said, text(said.facts, a.REGIME.key), None)


def observe(rows: Rows, desk: Desk, said: Said, word: str | None, decision: int | None) -> None:
    """Count a regime that was seen at a moment of the market."""
    regime = desk.name("regime", word)
    if regime is not None:
        event_time = _market_time(said)
        moment = said.time if event_time is None else event_time
        strategy, symbol = (each or 0 for each in _where(desk, said))
        rows.tally.count("regime_hourly", (moment // HOUR, strategy, symbol, regime))
        rows.sightings.append((strategy, symbol, moment, regime, decision))


COUNTS = {each.key.rpartition(".")[2]: each.key for each in (a.RECORDED, a.ACKNOWLEDGED, a.LOST, a.WAITING, a.SPOOLED)}


def _telemetry(rows: Rows, desk: Desk, said: Said) -> None:
    """Note the newest word of a process on its own telemetry; they come in their order."""
    del desk
    process = _text(said.facts, a.INSTANCE_ID.key)
    if process:
        counts = {name: _count(said.facts, key) for name, key in COUNTS.items()}
        told = Told(time=said.time, service=_text(said.facts, a.SERVICE_NAME.key), **counts)
        rows.tally.add("meta", (TOLD + process,), told.text)


def _model_name(desk: Desk, facts: AttributeMap) -> int | None:
    return desk.name("model", text(facts, a.MODEL_NAME.key))


def _text(facts: AttributeMap, key: str) -> str | None:
    found = text(facts, key)
    return None if found is None else bounded(found)


def _small(facts: AttributeMap, key: str) -> int | None:
    found = whole(facts, key)
    return found if found is not None and abs(found) < 1 << 31 else None


def _count(facts: AttributeMap, key: str) -> int | None:
    found = whole(facts, key)
    return found if found is not None and 0 <= found < MOST else None


def _real(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def json_text(value: dict[str, Any] | list[Any] | None) -> str | None:
    """Return JSON that a column can hold; None for None, and for what is too long."""
    if value is None:
        return None
    found = json.dumps(value, separators=(",", ":"))
    return found.replace("\\u0000", "\\ufffd") if len(found) <= JSON_LIMIT else None


REPORTS: dict[str, Record] = {
    s.OUTCOME.name: _outcome,
    s.EQUITY.name: _equity,
    s.POSITION.name: _position,
    s.MARKET_DATA.name: _market_data,
    s.MARK.name: _mark,
    s.FUNDING.name: _funding,
    s.MODEL_INFO.name: _model,
    s.IMPORTANCE.name: _importance,
    s.MODEL_BEHAVIOR.name: _behavior,
    s.REGIME.name: _regime,
    s.TELEMETRY.name: _telemetry,
}
"""By the name of the event or the span."""

"""The typed rows that spans become: what lists, filters and sums read without opening a frame."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple, Protocol

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import Entry
from ares_otel.server.otlp.values import text
from ares_otel.server.otlp.views import SpanView
from ares_otel.server.store.ids import decision_id, time_id
from ares_otel.server.store.packed import pack
from ares_otel.server.store.tally import Tally
from ares_otel.server.store.voting import Voting

__all__ = [
    "CORRELATION",
    "DECISION",
    "DECISION_ID",
    "MICROSECOND",
    "STRATEGY",
    "SYMBOL",
    "VENUE",
    "Desk",
    "Judged",
    "Part",
    "Rows",
    "base_id",
    "identity",
    "is_decision",
]

DECISION = s.DECISION.name
MICROSECOND = 1_000

CORRELATION, DECISION_ID = a.CORRELATION_ID.key, a.DECISION_ID.key
STRATEGY, SYMBOL, VENUE = a.STRATEGY.key, a.SYMBOL.key, a.VENUE.key
MARKS = (CORRELATION, DECISION_ID, STRATEGY, SYMBOL, a.ACTION.key)


class Desk(Protocol):
    """What rows need of the store within a transaction."""

    votes: Voting

    def name(self, kind: str, value: str | None) -> int | None:
        """Return the number of a text that repeats."""

    def free(self, table: str, base: int) -> int:
        """Return the first free row id from `base` on."""

    def orders_between(self, low: int, high: int) -> list[tuple[Any, ...]]:
        """Return row id, client order id and trace of the stored orders in a range of row ids."""

    def orders_moved(self) -> None:
        """Hear that the row id of an order has changed."""


class Part(NamedTuple):
    """Spans of one trace and one resource, the keys that they are found under, and their bytes in all."""

    keys: set[int]
    entries: list[Entry]
    size: int


class Judged(NamedTuple):
    """What outcomes share that are one row, in the order of its columns, and the millisecond of their time."""

    key: int | None
    realized: float | None
    regime: int | None
    actual: int | None
    strategy: int | None
    symbol: int | None
    millisecond: int


class Rows:
    """Rows of one transaction.

    Attributes:
        by_table: rows in the order of the table's columns.
        tally: sums and newest states.
        sightings: strategy, symbol, market time, regime, decision of each regime that was seen.
        states: new states of orders that are stored, with their row ids.
        keys: under which the trace at hand is found.
        judged: the earliest row id and the `packed.Judgment` of outcomes, by what they share.
        parts: spans of one trace each, by resource.
    """

    def __init__(self) -> None:
        self.by_table: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.tally = Tally()
        self.sightings: list[tuple[int, int, int, int, int | None]] = []
        self.states: list[tuple[Any, ...]] = []
        self.keys: set[int] = set()
        self.judged: dict[Judged, tuple[int, list[tuple[int | None, ...]]]] = {}
        self.parts: defaultdict[bytes, list[Part]] = defaultdict(list)

    def add(self, table: str, row: tuple[Any, ...]) -> None:
        """Add a row of a table."""
        self.by_table[table].append(row)

    def judge(self, judged: Judged, base: int, judgment: tuple[int | None, ...]) -> None:
        """Add an outcome to those that it shares a row with."""
        first, others = self.judged.get(judged, (base, []))
        others.append(judgment)
        self.judged[judged] = (min(first, base), others)

    def add_judged(self, desk: Desk) -> None:
        """Add the rows of outcomes."""
        for judged, (base, judgments) in self.judged.items():
            self.add("outcome", (desk.free("outcome", base), *judged[:-1], pack(judgments)))


def base_id(span: SpanView) -> int:
    """Return the row id of a span unless that is taken."""
    return time_id(span.start_time_unix_nano, int.from_bytes(span.span_id[-2:], "big"))


def identity(decision: SpanView) -> str:
    """Return the id of a decision."""
    return text(decision.attributes, DECISION_ID) or decision_id(decision.trace_id, decision.span_id)


def is_decision(span: SpanView) -> bool:
    """Tell whether a span named like one is a decision of ours."""
    return any(map(span.attributes.__contains__, MARKS))

"""What a killed process left in its ring, told as it would have been: by the next start, the command, or the server.

The name of a ring that was moved out of the way says what was done with it: `.booked`: the ledger of the bot has its
orders and reports; `.sent`: the ares server has its spans, so that the next start of the bot only books.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from ares_otel.config import Config
from ares_otel.decision.desk import Desk, Meter, Rule
from ares_otel.decision.recovering import ForeignSpan, Recovery
from ares_otel.decision.reported import Reported
from ares_otel.guard import GUARD
from ares_otel.orders import Ledger
from ares_otel.pipeline import leftovers
from ares_otel.pipeline import ring as rings
from ares_otel.pipeline.model import Batch, Scope, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.records import Order, OrderUpdate
from ares_otel.records.facts import DecisionFacts, OrderFacts, Origin, RecordFacts, UpdateFacts
from ares_otel.semconv.enums import DropReason
from ares_otel.semconv.model import Metric
from ares_otel.setup.outbox import encoded

__all__ = ["BOOKED", "SENT", "Outlet", "Recovered", "is_marked", "marked", "recover"]

LOG: Final = logging.getLogger("ares_otel")
WHERE: Final = "ring"
BOOKED: Final = ".booked"
SENT: Final = ".sent"


class Outlet(Protocol):
    """What takes the spans of a process that was killed."""

    def forward(self, batches: Iterable[Batch], /) -> None:
        """Take spans."""

    def lose(self, number: int, reason: DropReason, /) -> None:
        """Count what will never be a span."""


def is_marked(file: Path, word: str) -> bool:
    """Tell whether a ring's name says that something was done with it."""
    return word in file.suffixes


def marked(file: Path, word: str) -> Path:
    """Return the name that says so."""
    return file if is_marked(file, word) else file.with_name(file.name + word)


class Recovered(NamedTuple):
    """What was found in a ring."""

    ended: int
    aborted: int
    reports: int
    damaged: int


def recover(
    file: Path, config: Config, rule: Rule, ledger: Ledger, outlet: Outlet, meter: Meter | None = None
) -> Recovered | None:
    """Hand on what is left in a ring, as the process that it is of would have sent it, unless its name says it was.

    Args:
        file: the ring; it stays, because whoever takes its spans may be killed, too.
        config: the effective configuration.
        rule: decides which traces are kept.
        ledger: joins reports with their orders.
        outlet: takes the spans, and counts.
        meter: counts execution reports that the ledger had not written down; None: neither is told of any.

    Returns:
        What was found; None if the file is no ring of this version: then it is moved aside.
    """
    try:
        found = rings.read(file)
        told = msgspec.msgpack.decode(found.info)
        kept = Recovery(found, told["fields"], told["offset"], RECORDER.clock.offset)
    except (rings.RingError, msgspec.DecodeError, KeyError, TypeError, OSError) as error:
        _set_aside(file, error)
        return None
    out = _Out(config, Encoder(told["resource"], attribute_length_limit=config.recorder.attribute_length_limit))
    meter = None if is_marked(file, BOOKED) else meter
    book = _Book(ledger, is_written=meter is None)
    desk = Desk(RECORDER, _Reports(meter, book), book, rule, out, _foreign)
    desk.work(kept.decisions)
    for item, is_booked, reported in kept.loose:
        book.is_booked, book.reported = is_booked or meter is None, reported
        desk.work([item])
    out.lose(kept.damaged, DropReason.CORRUPT)
    if not is_marked(file, SENT):
        out.send(outlet)
    aborted = sum(1 for live in kept.decisions if live.open_end)
    counted = Recovered(len(kept.decisions) - aborted, aborted, len(kept.loose), kept.damaged)
    _tell(file, counted)
    return counted


class _Out:
    """The way out for what another process had recorded: in its name."""

    def __init__(self, config: Config, encoder: Encoder) -> None:
        self._config = config
        self._encoder = encoder
        self._groups: dict[Scope, list[bytes]] = {}
        self._lost: Counter[DropReason] = Counter()

    def put(self, scope: Scope, spans: Iterable[SpanData]) -> None:
        self.take(scope, encoded(spans, self._encoder, self._config.recorder.attribute_count_limit))

    def take(self, scope: Scope, spans: Sequence[bytes]) -> None:
        self.lose(spans.count(b""), DropReason.INVALID)
        self._groups.setdefault(scope, []).extend(filter(None, spans))

    def lose(self, number: int, reason: DropReason) -> None:
        self._lost[reason] += number

    def send(self, outlet: Outlet) -> None:
        groups: dict[Scope, Sequence[bytes]] = dict(self._groups)
        outlet.forward(self._encoder.batches(groups, max_spans=self._config.exporter.batch_spans))
        for reason, number in self._lost.items():
            if number:
                outlet.lose(number, reason)


def _set_aside(file: Path, error: Exception) -> None:
    reason = str(error) if isinstance(error, (rings.RingError, OSError)) else "its beginning is damaged"
    try:
        where = f"it was moved to {leftovers.move_aside(file, 'damaged')}"
    except OSError as problem:
        where = f"it cannot be moved either ({problem.strerror})"
    GUARD.complain(WHERE, "unreadable", f"{file} cannot be read ({reason}); {where}")


def _tell(file: Path, found: Recovered) -> None:
    if found.damaged:
        GUARD.complain(WHERE, "damaged", f"{found.damaged} damaged records in {file} are skipped")
    message = (
        "%s: a process was killed; what it had not delivered is sent now: %d decisions, %d that were open, %d reports"
    )
    with GUARD.shield(WHERE):  # a filter or handler of the bot's may raise
        LOG.warning(message, file, found.ended, found.aborted, found.reports)


def _foreign(item: object) -> tuple[Scope, SpanData] | None:
    return (item.scope, item.span) if isinstance(item, ForeignSpan) else None


class _Book:
    """The ledger for what may be in it already: no order is sent again, no report that was written counts twice.

    Attributes:
        is_booked: the next reports are in the ledger.
        reported: what the next one was told to mean, if it was told before.
        heard: what the ledger made of the last one, None if it was not asked.
    """

    def __init__(self, ledger: Ledger, *, is_written: bool) -> None:
        self.is_booked = is_written
        self.reported: Reported | None = None
        self.heard: UpdateFacts | None = None
        self._ledger = ledger
        self._is_read_only = is_written
        self._sent: dict[str, tuple[Order | None, Origin]] = {}

    def submit(self, order: Order, origin: Origin, at: int, wall: int, decision_price: float | None = None) -> None:
        self._sent[order.client_id] = order, origin
        known = self._ledger.where(order.client_id)
        is_known = known is not None and known[0] is not None and known[1].trace_id == origin.trace_id
        if not is_known and not self._is_read_only:
            self._ledger.submit(order, origin, at, wall, decision_price)

    def update(self, update: OrderUpdate, at: int, wall: int, origin: Origin) -> UpdateFacts:
        self.heard = None if self.is_booked else self._ledger.update(update, at, wall, origin)
        if self.reported is not None:
            return self.reported.facts(update)
        if self.heard is not None:
            return self.heard
        sent = self._sent.get(update.client_id)
        order, where = sent or self._ledger.where(update.client_id) or (None, origin)
        quantity = None if update.quantity is None else float(update.quantity)
        return UpdateFacts(update, where if where.trace_id else origin, order, fill_quantity=quantity)

    def mark(self, symbol: str, price: float) -> None:
        """Leave marks to what happens now."""


class _Reports:
    """Counts execution reports that nobody has counted, and nothing else: metrics end with their process."""

    def __init__(self, meter: Meter | None, book: _Book) -> None:
        self._meter = meter
        self._book = book

    def decision(self, facts: DecisionFacts, /) -> None:
        """Leave it out."""

    def order(self, facts: OrderFacts, /) -> None:
        """Leave it out."""

    def update(self, facts: UpdateFacts, /) -> None:
        """Count a report, as the ledger heard it."""
        del facts
        if self._meter is not None and self._book.heard is not None:
            self._meter.update(self._book.heard)

    def record(self, facts: RecordFacts, /) -> None:
        """Leave it out."""

    def apply(
        self, metric: Metric, op: str, value: float, label_values: tuple[str | None, ...], exemplar: str | None
    ) -> None:
        """Leave it out."""

"""The ring of a process from its start to its end: made, released round by round, read by the next start."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ares_otel.config import Config
from ares_otel.decision.api import decide_by
from ares_otel.decision.deciding import LiveDecision
from ares_otel.decision.desk import Desk, Meter, Rule
from ares_otel.decision.recovering import ForeignSpan, Recovery
from ares_otel.decision.ringed import FIELDS, FOREIGN, Kind, RingedDecision, RingedQueue, write
from ares_otel.guard import GUARD
from ares_otel.metrics import Reading
from ares_otel.orders import Ledger
from ares_otel.pipeline import ring as rings
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.model import Scope, Signal, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import RECORDER, Recorder
from ares_otel.pipeline.ring import Position, Ring
from ares_otel.pipeline.sdk import to_span_data
from ares_otel.records import Order, OrderUpdate
from ares_otel.records.facts import DecisionFacts, OrderFacts, Origin, RecordFacts, UpdateFacts
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DropReason, RingState
from ares_otel.semconv.model import Metric
from ares_otel.setup.outbox import Outbox, encoded

__all__ = ["Recovered", "Ringing", "recover"]

LOG: Final = logging.getLogger("ares_otel")
WHERE: Final = "ring"
NOWHERE: Final = Position(0, 0)
BOOKED: Final = ".booked"
"""Ends the name of a ring whose orders and reports the ledger has."""


class _Pending(NamedTuple):
    """What may be let go of once so many spans are out of the memory of this process."""

    submitted: int
    place: Position
    file: Path | None = None


class Recovered(NamedTuple):
    """What was found in a ring."""

    ended: int
    aborted: int
    reports: int
    damaged: int


class Ringing:
    """Keeps the ring of a process; without `recorder.ring` it does nothing. The worker's thread calls all but `open()`.

    Args:
        config: the effective configuration.
        recorder: whose items are kept.
        ledger: learns of orders and reports that it had not written down yet.
        sender: knows what was delivered, or is in the spool.
    """

    def __init__(self, config: Config, recorder: Recorder, ledger: Ledger, sender: Lanes | None) -> None:
        self._config = config
        self._recorder = recorder
        self._ledger = ledger
        self._sender = sender if sender is not None and sender.carries(Signal.TRACES) else None
        self._ring: Ring | None = None
        self._lock = -1
        self._left: list[Path] = []
        self._read: list[Path] = []
        self._pending: deque[_Pending] = deque()
        self._place = self._expected = self._carried = self._booked = self._released = NOWHERE
        self._offset = 0
        self._found = Recovered(0, 0, 0, 0)

    @property
    def is_behind(self) -> bool:
        """Whether killed processes have left something that nobody has read yet."""
        return bool(self._left)

    def open(self, resource: Mapping[str, str | int]) -> None:
        """Take the ring's place, find what is left there, and begin a new one; what goes wrong leaves it off."""
        path = self._config.recorder.ring
        if path is None:
            return
        if self._sender is None:
            GUARD.complain(WHERE, "no exporter", "recorder.ring is not used, because no spans are sent")
            return
        try:
            self._open(Path(path), resource)
        except OSError as error:
            message = f"recorder.ring {path}: {error.strerror or error}; `kill -9` will lose what was not delivered"
            GUARD.complain(WHERE, type(error).__name__, message)

    def _open(self, path: Path, resource: Mapping[str, str | int]) -> None:
        held = rings.lock(path)
        if held is None:
            message = f"recorder.ring {path} is used by another process; this one has none: give each a path of its own"
            GUARD.complain(WHERE, "in use", message)
            return
        self._lock = held
        self._left, removed = rings.leftovers(path)
        if removed:
            GUARD.complain(WHERE, "too many", f"{removed} rings of killed processes beside {path} were never delivered")
        self._offset = self._recorder.clock.offset
        told = {"resource": dict(resource), "offset": self._offset, "fields": FIELDS}
        self._ring = Ring(path, self._config.recorder.ring_bytes, msgspec.msgpack.encode(told))
        FOREIGN[:] = [to_span_data]
        self._recorder.ring = self._ring
        self._recorder.queue = RingedQueue(self._recorder.queue)
        decide_by(RingedDecision)

    def readings(self) -> Iterator[Reading]:
        """Yield what is counted, if there is a ring."""
        if self._config.recorder.ring is not None:
            found, refused = self._found, self._ring.refused if self._ring is not None else 0
            yield m.RECOVERED, (RingState.ENDED,), found.ended
            yield m.RECOVERED, (RingState.ABORTED,), found.aborted
            yield m.RECOVERED, (RingState.REPORT,), found.reports
            yield m.RING_REFUSED, (), refused

    # --- a round -----------------------------------------------------------------------------------------------

    def begin(self, desk: Desk, outbox: Outbox) -> None:
        """Note how far the ring is before the queue is read; deliver what killed processes left, once."""
        while self._left:
            file = self._left.pop(0)
            with GUARD.shield(WHERE):
                self._recover(file, desk, outbox)
        if self._ring is not None:
            self._place = self._ring.place()

    def end(self, *, booked: bool) -> None:
        """Release what was delivered; `booked`: the ledger has written down what it was told."""
        if self._sender is None:
            return
        accounts = self._sender.accounts()[Signal.TRACES]
        for file in self._read:
            # whoever reads it again must not tell the ledger again
            done = file.rename(_booked(file)) if booked else file
            self._pending.append(_Pending(accounts.submitted, self._released, done))
        self._read = []
        ring, is_new = self._ring, self._place != self._expected
        if ring is not None:
            self._keep_up(ring)
            if is_new:
                self._pending.append(_Pending(accounts.submitted, self._place))
                self._booked = self._place if booked else self._booked
        before = self._released
        while self._pending and self._pending[0].submitted <= accounts.submitted - accounts.queued:
            settled = self._pending.popleft()
            self._released = max(self._released, settled.place)
            if settled.file is not None:
                settled.file.unlink(missing_ok=True)
        if ring is not None and (is_new or self._released != before):
            self._mark(ring)
            self._expected = self._expected if booked else NOWHERE

    def _keep_up(self, ring: Ring) -> None:
        """Add what open decisions have said; write them anew where what they have written will be released."""
        if self._recorder.clock.offset != self._offset:
            self._offset = self._recorder.clock.offset
            write(ring, (int(Kind.CLOCK), self._offset))
        turned = self._place.serial > self._carried.serial
        for live in self._recorder.open:
            if isinstance(live, RingedDecision):
                if turned:
                    live.note_again()
                live.note_more()
        self._carried = self._place

    def _mark(self, ring: Ring) -> None:
        before = ring.place()
        payload = msgspec.msgpack.encode((int(Kind.MARKS), *self._booked, *self._released))
        ring.put(payload)
        ring.release(self._released)
        # anything that others write meanwhile makes the next place another one
        self._expected = Position(before.serial, before.offset + rings.RECORD.size + len(payload))

    def close(self, outbox: Outbox) -> None:
        """End the ring; the file goes, too, unless something is neither delivered nor in the spool."""
        ring, self._ring = self._ring, None
        if ring is not None:
            decide_by(LiveDecision)
            self._recorder.ring = None
            self._recorder.queue = deque(self._recorder.queue)
            accounts = outbox.accounts()
            is_complete = not accounts.queued and not accounts.dropped.get(DropReason.SHUTDOWN)
            ring.close(remove=is_complete)
            for done in self._pending if is_complete else ():
                if done.file is not None:
                    done.file.unlink(missing_ok=True)
        self._unlock()

    def after_fork(self) -> None:
        """Have no ring in a forked child: it is the parent's."""
        if self._ring is not None:
            decide_by(LiveDecision)
            self._ring.abandon()
        self._ring, self._left, self._read = None, [], []
        self._pending.clear()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # --- what killed processes left ----------------------------------------------------------------------------

    def _recover(self, file: Path, desk: Desk, outbox: Outbox) -> None:
        found = recover(file, self._config, desk.rule, self._ledger, outbox, desk.meter)
        if found is None:
            return
        self._found = Recovered(*(a + b for a, b in zip(self._found, found, strict=True)))
        self._read.append(file)


def recover(
    file: Path, config: Config, rule: Rule, ledger: Ledger, outbox: Outbox, meter: Meter | None = None
) -> Recovered | None:
    """Hand what is left in a ring to the sender, as the process that it is of would have sent it.

    Args:
        file: the ring; it stays, because the sender's memory may get lost, too.
        config: the effective configuration.
        rule: decides which traces are kept.
        ledger: joins reports with their orders.
        outbox: counts, and hands over.
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
    out = _Out(config, Encoder(told["resource"], attribute_length_limit=config.recorder.attribute_length_limit), outbox)
    meter = None if file.name.endswith(BOOKED) else meter
    book = _Book(ledger, is_written=meter is None)
    desk = Desk(RECORDER, _Reports(meter, book), book, rule, out, _foreign)
    desk.work(kept.decisions)
    for item, is_booked in kept.loose:
        book.is_booked = is_booked or meter is None
        desk.work([item])
    out.send()
    out.lose(kept.damaged, DropReason.CORRUPT)
    aborted = sum(1 for live in kept.decisions if live.open_end)
    counted = Recovered(len(kept.decisions) - aborted, aborted, len(kept.loose), kept.damaged)
    _tell(file, counted)
    return counted


class _Out:
    """The way out for what another process had recorded: in its name."""

    def __init__(self, config: Config, encoder: Encoder, outbox: Outbox) -> None:
        self._config = config
        self._encoder = encoder
        self._outbox = outbox
        self._groups: dict[Scope, list[bytes]] = {}

    def put(self, scope: Scope, spans: Iterable[SpanData]) -> None:
        made, lost = encoded(spans, self._encoder, self._config.recorder.attribute_count_limit)
        self.lose(lost, DropReason.INVALID)
        self._groups.setdefault(scope, []).extend(made)

    def lose(self, number: int, reason: DropReason) -> None:
        if number:
            self._outbox.lose(number, reason)

    def send(self) -> None:
        groups: dict[Scope, Sequence[bytes]] = dict(self._groups)
        self._outbox.forward(self._encoder.batches(groups, max_spans=self._config.exporter.batch_spans))


def _booked(file: Path) -> Path:
    return file if file.name.endswith(BOOKED) else file.with_name(file.name + BOOKED)


def _set_aside(file: Path, error: Exception) -> None:
    reason = str(error) if isinstance(error, (rings.RingError, OSError)) else "its beginning is damaged"
    try:
        where = f"it was moved to {rings.move_aside(file, 'damaged')}"
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
    """

    def __init__(self, ledger: Ledger, *, is_written: bool) -> None:
        self.is_booked = is_written
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
        if not self.is_booked:
            return self._ledger.update(update, at, wall, origin)
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
        """Count a report."""
        if self._meter is not None and not self._book.is_booked:
            self._meter.update(facts)

    def record(self, facts: RecordFacts, /) -> None:
        """Leave it out."""

    def apply(
        self, metric: Metric, op: str, value: float, label_values: tuple[str | None, ...], exemplar: str | None
    ) -> None:
        """Leave it out."""

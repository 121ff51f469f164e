"""The ring of a process from its start to its end: made, released round by round, read by the next start."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ares_otel.config import Config
from ares_otel.decision.api import decide_by
from ares_otel.decision.deciding import LiveDecision
from ares_otel.decision.desk import Desk
from ares_otel.decision.ringed import FIELDS, FOREIGN, Kind, RingedDecision, RingedQueue, write
from ares_otel.guard import GUARD
from ares_otel.metrics import Reading
from ares_otel.orders import Ledger
from ares_otel.pipeline import leftovers
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.model import Signal
from ares_otel.pipeline.recorder import Recorder
from ares_otel.pipeline.ring import RECORD, Position, Ring
from ares_otel.pipeline.sdk import to_span_data
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DropReason, RingState
from ares_otel.setup.outbox import Outbox
from ares_otel.setup.recovery import BOOKED, SENT, Recovered, marked, recover

__all__ = ["Ringing"]

WHERE: Final = "ring"
NOWHERE: Final = Position(0, 0)
PATIENCE: Final = 0.3
"""Seconds for which the ares server may look what is left at the place of a ring."""


class _Pending(NamedTuple):
    """What may be let go of once so many spans are out of the memory of this process."""

    submitted: int
    place: Position
    file: Path | None = None


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
        self._is_safe = False
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
        held = leftovers.lock(path, PATIENCE)
        if held is None:
            message = f"recorder.ring {path} is used by another process; this one has none: give each a path of its own"
            GUARD.complain(WHERE, "in use", message)
            return
        self._lock = held
        self._left, removed = leftovers.leftovers(path)
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
            found, ring = self._found, self._ring
            yield m.RECOVERED, (RingState.ENDED,), found.ended
            yield m.RECOVERED, (RingState.ABORTED,), found.aborted
            yield m.RECOVERED, (RingState.REPORT,), found.reports
            yield m.RECOVERED, (RingState.DAMAGED,), found.damaged
            yield m.RING_REFUSED, (), 0 if ring is None else ring.refused
            yield m.RING_BYTES, (), 0 if ring is None else ring.held

    # --- a round -----------------------------------------------------------------------------------------------

    def begin(self, desk: Desk, outbox: Outbox) -> None:
        """Note how far the ring is before the queue is read; deliver what killed processes left, once."""
        left, self._left = self._left, []
        for file in left:
            with GUARD.shield(WHERE):
                self._recover(file, desk, outbox)
        if left:
            # without a disk it may be lost with this process: then the rings stay until it is delivered
            self._is_safe = outbox.accounts().queued == 0
        if self._ring is not None:
            self._place = self._ring.place()

    def booked(self) -> None:
        """Note that the ledger has written down what it was told: whoever reads a ring again must not tell it again."""
        if self._is_safe:
            for file in self._read:
                file.unlink(missing_ok=True)
            self._read = []
        self._read = [file.rename(marked(file, BOOKED)) for file in self._read]

    def end(self, *, booked: bool) -> None:
        """Release what was delivered; `booked`: the ledger has written down what it was told."""
        if self._sender is None:
            return
        accounts = self._sender.accounts()[Signal.TRACES]
        for file in self._read:
            self._pending.append(_Pending(accounts.submitted, self._released, file))
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
        self._expected = Position(before.serial, before.offset + RECORD.size + len(payload))

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
        """Deliver and book what is in a ring; what the ares server is just reading waits for the next round."""
        present = file if file.exists() else marked(file, SENT)
        held = leftovers.claim(present)
        if held is None:
            self._left += [present] if present.exists() else []
            return
        try:
            found = recover(present, self._config, desk.rule, self._ledger, outbox, desk.meter)
        finally:
            os.close(held)
        if found is not None:
            self._found = Recovered(*(a + b for a, b in zip(self._found, found, strict=True)))
            self._read.append(present)

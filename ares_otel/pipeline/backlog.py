"""What waits for the receiver, oldest first: the batch in flight, the spool, the memory; and where all spans went."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

import msgspec

from ares_otel.pipeline.model import Batch
from ares_otel.pipeline.otlp.splitting import halves
from ares_otel.pipeline.spool import Spool

__all__ = ["Accounts", "Backlog", "Head"]

SPLITS = 32
"""Most refusals of a batch and its pieces after which it goes in smaller ones."""


class Accounts(msgspec.Struct, frozen=True):
    """Where all spans went, at one moment.

    At every moment `submitted + adopted == exported + sum(dropped.values()) + queued + spooled`.

    Attributes:
        submitted: spans handed in by this process.
        adopted: spans found in the spool that earlier processes left.
        exported: spans that the receiver acknowledged.
        exported_bytes: bytes of their encoding, uncompressed.
        dropped: spans that will not be delivered, by reason: `spool_full`, `memory_full`, `refused` by the receiver,
            `rejected` in a partial success, `spool_error`, `corrupt` on disk, `shutdown`.
        failures: attempts that failed, by the reason of the verdict.
        queued: spans that wait in memory, the batch in flight included.
        queued_bytes: bytes of their encoding.
        spooled: spans that wait on disk, as far as headers of records are readable.
        spooled_bytes: bytes of the files.
        last_success: Unix time in seconds of the last acknowledgement, or None.
    """

    submitted: int = 0
    adopted: int = 0
    exported: int = 0
    exported_bytes: int = 0
    dropped: Mapping[str, int] = msgspec.field(default_factory=dict)
    failures: Mapping[str, int] = msgspec.field(default_factory=dict)
    queued: int = 0
    queued_bytes: int = 0
    spooled: int = 0
    spooled_bytes: int = 0
    last_success: float | None = None

    @property
    def balanced(self) -> bool:
        """Whether every span is accounted for."""
        out = self.exported + sum(self.dropped.values()) + self.queued + self.spooled
        return self.submitted + self.adopted == out


class Head:
    """The batch whose turn it is.

    Attributes:
        batch: what is sent.
        spooled: it lies in the spool too, as its oldest record.
        since: monotonic time in seconds when its turn came.
        errors: how often the transport raised on it.
        rest: what goes after it, where it is a piece of a batch that was too large.
        splits: how often that batch was split.
    """

    __slots__ = ("batch", "errors", "rest", "since", "splits", "spooled")

    def __init__(
        self, batch: Batch, since: float, rest: tuple[Batch, ...] = (), splits: int = 0, *, spooled: bool
    ) -> None:
        self.batch = batch
        self.since = since
        self.rest = rest
        self.splits = splits
        self.spooled = spooled
        self.errors = 0


class Backlog:
    """FIFO of batches in memory and, when that is told or full, on disk. Not safe for threads.

    What lies in the spool is always older than what lies in memory, because memory moves there as a whole.

    Args:
        spool: the disk, or None.
        max_bytes: bound of what memory holds; beyond it the oldest go to the spool, or are dropped.

    Attributes:
        head: the batch whose turn it is, until it is settled.
        submitted: spans handed in.
        exported: spans acknowledged.
        exported_bytes: bytes acknowledged.
        queued: spans in memory.
        queued_bytes: bytes in memory.
    """

    def __init__(self, spool: Spool | None, max_bytes: int) -> None:
        self.head: Head | None = None
        self.submitted = 0
        self.exported = 0
        self.exported_bytes = 0
        self.queued = 0
        self.queued_bytes = 0
        self._spool = spool
        self._max_bytes = max_bytes
        self._memory: deque[Batch] = deque()
        self._dropped: Counter[str] = Counter()
        # spans of the batch in flight that are settled, while its record is on disk for the sake of its other pieces
        self._ahead = 0

    @property
    def waiting(self) -> bool:
        """Whether anything is to be delivered."""
        return self.head is not None or bool(self._memory) or self._on_disk

    @property
    def lost(self) -> int:
        """Spans that will never be delivered."""
        return sum(self.dropped().values())

    @property
    def settled(self) -> int:
        """Spans of which nothing more is to be expected, good or bad."""
        return self.exported + self.lost

    @property
    def entered(self) -> int:
        """Spans that came in, those of earlier processes included."""
        return self.submitted + (self._spool.adopted if self._spool is not None else 0)

    def dropped(self) -> Counter[str]:
        """Return the spans that will never be delivered, by reason."""
        return self._dropped + (self._spool.lost if self._spool is not None else Counter())

    def add(self, batch: Batch, *, spill: bool) -> None:
        """Take a batch; `spill` moves all that waits to the spool, as does a full memory."""
        self.submitted += batch.spans
        self._memory.append(batch)
        self._weigh(batch, 1)
        if spill or self.queued_bytes > self._max_bytes:
            self.spill()
        if self._memory and len(batch.body) > self._max_bytes:
            # Nothing else should go to make room for what can never fit.
            self._weigh(self._memory.pop(), -1)
            self._drop(batch, "memory_full")
        while self.queued_bytes > self._max_bytes and self._memory:
            self._drop(self._unqueue(), "memory_full")

    def refuse(self, batch: Batch) -> None:
        """Count a batch that came after the end."""
        self.submitted += batch.spans
        self._drop(batch, "shutdown")

    def take(self, now: float) -> Head | None:
        """Return the batch whose turn it is; None if there is none, or if the disk cannot be read just now."""
        if self.head is None and self._on_disk:
            batch = self._spool.peek() if self._spool is not None else None
            self.head = batch and Head(batch, now, spooled=True)
        if self.head is None and self._memory and not self._on_disk:
            self.head = Head(self._memory.popleft(), now, spooled=False)
        return self.head

    def delivered(self, rejected: int) -> None:
        """The receiver has the head, but for some spans."""
        batch = self._settle()
        self.exported += batch.spans - min(rejected, batch.spans)
        self.exported_bytes += len(batch.body)
        self._dropped["rejected"] += min(rejected, batch.spans)

    def refused(self) -> None:
        """The receiver will never take the head."""
        self._drop(self._settle(), "refused")

    def split(self) -> bool:
        """Let the head go in two, because it was too large; False if it cannot, or if that was done often enough."""
        head = self.head
        parts = halves(head.batch) if head is not None and head.splits < SPLITS else None
        if head is None or parts is None:
            return False
        first, second = parts
        self.head = Head(first, head.since, (second, *head.rest), head.splits + 1, spooled=head.spooled)
        if not head.spooled:
            self.queued_bytes += len(first.body) + len(second.body) - len(head.batch.body)
        return True

    def spill(self, *, hurry: bool = False) -> None:
        """Move what memory holds to the spool, the head first: the disk's order is the order of age."""
        spool, head = self._spool, self.head
        if spool is None:
            return
        if head is not None and not head.spooled:
            self._gather()
            if not spool.append(head.batch, hurry=hurry):
                return
            self._weigh(head.batch, -1)
            head.spooled = True
            if spool.peek() != head.batch:
                # The disk lost it at once and counted that; whatever comes of the attempt does not count any more.
                self.head = None
        while self._memory and spool.append(self._memory[0], hurry=hurry):
            self._unqueue()

    def finish(self) -> None:
        """Leave to the spool what is left, in a hurry, and count as dropped what it does not take."""
        self._gather()
        self.spill(hurry=True)
        head, self.head = self.head, None
        reason = "shutdown" if self._spool is None else "spool_error"
        if head is not None and not head.spooled:
            self._weigh(head.batch, -1)
            self._drop(head.batch, reason)
        while self._memory:
            self._drop(self._unqueue(), reason)

    def accounts(self, failures: Mapping[str, int], last_success: float | None) -> Accounts:
        """Return where all spans are."""
        spool = self._spool
        return Accounts(
            submitted=self.submitted,
            adopted=self.entered - self.submitted,
            exported=self.exported,
            exported_bytes=self.exported_bytes,
            dropped=dict(self.dropped()),
            failures=dict(failures),
            queued=self.queued,
            queued_bytes=self.queued_bytes,
            spooled=spool.spans - self._ahead if spool is not None else 0,
            spooled_bytes=spool.bytes if spool is not None else 0,
            last_success=last_success,
        )

    @property
    def _on_disk(self) -> bool:
        return self._spool is not None and len(self._spool) > 0

    def _settle(self) -> Batch:
        head, self.head = self.head, None
        assert head is not None
        if head.rest:
            self.head = Head(head.rest[0], head.since, head.rest[1:], head.splits, spooled=head.spooled)
        if not head.spooled:
            self._weigh(head.batch, -1)
        elif head.rest:
            self._ahead += head.batch.spans
        elif self._spool is not None:
            self._ahead = 0
            self._spool.advance()
        return head.batch

    def _gather(self) -> None:
        """Let what is left of a batch that goes in pieces be batches of their own, in memory."""
        head = self.head
        if head is None or not (head.rest or self._ahead):
            return
        pieces, head.rest = head.rest, ()
        if head.spooled and self._spool is not None:
            pieces, self.head, self._ahead = (head.batch, *pieces), None, 0
            self._spool.advance()
            for piece in pieces:
                self._weigh(piece, 1)
        self._memory.extendleft(reversed(pieces))

    def _unqueue(self) -> Batch:
        batch = self._memory.popleft()
        self._weigh(batch, -1)
        return batch

    def _weigh(self, batch: Batch, sign: int) -> None:
        self.queued += sign * batch.spans
        self.queued_bytes += sign * len(batch.body)

    def _drop(self, batch: Batch, reason: str) -> None:
        self._dropped[reason] += batch.spans

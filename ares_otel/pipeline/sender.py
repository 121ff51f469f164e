"""Delivers batches in their order, with patience; keeps the bot out of whatever the network does."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, attach, detach, get_current, set_value

from ares_otel.forked import keep_to
from ares_otel.guard import GUARD
from ares_otel.pipeline.backlog import Accounts, Backlog, Head
from ares_otel.pipeline.delivery import Delivery
from ares_otel.pipeline.model import Batch, Transport
from ares_otel.pipeline.spool import Spool

__all__ = ["Sender"]

MIB = 1 << 20
SHORT = 0.05
TIDY = 0.02
LONGEST = 86_400.0
SPILL_RATE = 50 * MIB
SUPPRESSED = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")


class _Courier:
    """The thread that carries batches to the transport, one at a time; it starts when there is something to carry.

    Attributes:
        changed: guards all state of the sender; notified at every change.
        stopped: the thread ends, and nothing is settled any more.
    """

    def __init__(
        self, transport: Transport, delivery: Delivery, timeout: float, monotonic: Callable[[], float], name: str
    ) -> None:
        self.changed = threading.Condition()
        self.stopped = False
        self._transport = transport
        self._delivery = delivery
        self._timeout = timeout
        self._monotonic = monotonic
        self._name = name
        self._thread: threading.Thread | None = None

    def start(self) -> bool:
        """Make sure that the thread runs, if the interpreter still starts any; the caller holds the lock."""
        if self._thread is not None and self._thread.is_alive():
            return True
        self._thread = _started(self._run, self._name)
        return self._thread is not None

    def hurry(self) -> None:
        """Try at once, because somebody waits; the caller holds the lock."""
        self._delivery.hurry()
        if self._delivery.backlog.waiting and not self.stopped:
            self.start()
        self.changed.notify_all()

    def wait(self, done: Callable[[], bool], deadline: float) -> None:
        """Return when something is done, when all is stopped, or at the deadline."""
        while True:
            with self.changed:
                left = deadline - self._monotonic()
                if done() or left <= 0 or self.stopped:
                    return
                if self.start():
                    self.changed.wait(left)
                    continue
            self._pump(left)

    def join(self, deadline: float) -> None:
        """Wait for the end of the thread, not much longer than the deadline."""
        if self._thread is not None:
            self._thread.join(max(TIDY, deadline - self._monotonic()))

    def _run(self) -> None:
        process = os.getpid()
        with _suppressed():
            while (head := self._next()) is not None:
                keep_to(process)
                self._attempt(head, self._timeout)

    def _next(self) -> Head | None:
        """Wait for the batch whose turn it is; None at the end."""
        with self.changed:
            while not self.stopped:
                if head := self._delivery.due(self._monotonic()):
                    return head
                self.changed.notify_all()  # it may have found that what waited was taken before
                self.changed.wait(self._delivery.left(self._monotonic()))
        return None

    def _attempt(self, head: Head, timeout: float) -> None:
        started, process = self._monotonic(), os.getpid()
        verdict = None
        with GUARD.shield("sender"):
            verdict = self._transport.send(head.batch, timeout)
        keep_to(process)
        with self.changed:
            ended = self._monotonic()
            self._delivery.settle(head, verdict, ended - started, ended)
            self.changed.notify_all()

    def _pump(self, left: float) -> None:
        """Try the oldest batch in the caller's thread: an interpreter that is going down starts no other."""
        with self.changed:
            head = self._delivery.due(self._monotonic())
            wait = self._delivery.left(self._monotonic()) or 0.0
        if head is None:
            time.sleep(min(left, max(wait, SHORT)))
            return
        with _suppressed():
            self._attempt(head, min(left, self._timeout))


class Sender:
    """Hands batches to a transport from a thread of its own, which starts when there is something to send.

    While the receiver answers, batches stay in memory. When it fails, or is silent for a second, what waits goes to
    the spool (so that a killed process loses little), and the oldest batch is tried until it gets through; each of the
    others once, if the receiver is there but says that it cannot take it.

    Args:
        transport: delivers one batch.
        spool: the disk for what cannot be delivered now; None: memory only.
        timeout: seconds for one attempt.
        max_memory_bytes: bound of what waits in memory.
        spill_bytes: while the receiver fails, as much may stay in memory.
        monotonic: clock in seconds.
        draw: returns numbers from 0 to 1, for jitter.
        name: of the thread.
        what: what is sent, for the log.
    """

    def __init__(
        self,
        transport: Transport,
        spool: Spool | None,
        *,
        timeout: float = 10.0,
        max_memory_bytes: int = 32 * MIB,
        spill_bytes: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        name: str = "ares-otel-sender",
        what: str = "spans",
    ) -> None:
        self._transport = transport
        self._spool = spool
        self._timeout = min(timeout, LONGEST)
        self._max_memory_bytes = max_memory_bytes
        self._spill_bytes = spill_bytes
        self._monotonic = monotonic
        self._draw = draw
        self._name = name
        self._what = what
        self._reset()
        if self._backlog.waiting:
            with self._changed:
                self._courier.start()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._backlog = Backlog(self._spool, self._max_memory_bytes)
        self._delivery = Delivery(self._backlog, self._draw, self._spill_bytes, self._what)
        self._courier = _Courier(self._transport, self._delivery, self._timeout, self._monotonic, self._name)
        self._changed = self._courier.changed
        self._closing = self._delivered = False
        self._finished = threading.Event()

    def submit(self, batch: Batch, *, keep: bool = False) -> None:
        """Take a batch; waits for no network. One beyond the bound of memory is written to the spool by the caller.

        Args:
            batch: what is to be delivered.
            keep: let the spool have it at once, with all that waits: it must outlive the process.
        """
        if not batch.spans:
            return
        self._follow_fork()
        with self._changed:
            if self._courier.stopped:
                GUARD.complain("sender", "shutdown", f"{self._what} that came after the shutdown are dropped")
                self._backlog.refuse(batch)
                return
            self._delivery.add(batch, self._monotonic(), keep=keep)
            self._courier.start()
            self._changed.notify_all()

    def flush(self, timeout: float) -> bool:
        """Wait until the receiver has acknowledged everything submitted so far, and what earlier processes left.

        Args:
            timeout: seconds.

        Returns:
            False if some was not acknowledged in time, or if spans were refused or dropped since the last flush.
        """
        self._follow_fork()
        deadline = self._monotonic() + min(timeout, LONGEST)
        with self._changed:
            target, lost_before = self._backlog.entered, self._delivery.lost_before
            self._courier.hurry()
        self._courier.wait(lambda: self._backlog.settled >= target, deadline)
        with self._changed:
            lost = self._delivery.lost_before = self._backlog.lost
            return self._backlog.settled >= target and lost == lost_before

    def shutdown(self, timeout: float) -> bool:
        """Deliver what waits; when the time is over, leave it to the spool and to the next process.

        Args:
            timeout: seconds; the network cannot make it longer than 0.2 s more.

        Returns:
            As `flush`; when it is over, the same answer again.
        """
        self._follow_fork()
        deadline = self._monotonic() + min(timeout, LONGEST)
        with self._changed:
            first, self._closing = not self._closing, True
            reserve = min(0.5 * timeout, SHORT + self._backlog.queued_bytes / SPILL_RATE)
            self._courier.hurry()
        if first:
            self._courier.wait(lambda: not self._backlog.waiting, deadline - reserve)
            self._finish()
            self._release(deadline)
            self._finished.set()
        self._finished.wait(max(0.0, deadline - self._monotonic()))
        return self._delivered

    def accounts(self) -> Accounts:
        """Return where all spans are at this moment."""
        self._follow_fork()
        with self._changed:
            return self._delivery.accounts()

    def take_durations(self) -> list[float]:
        """Return the seconds that acknowledged attempts took since the last call, at most the last 4,096."""
        self._follow_fork()
        with self._changed:
            taken = list(self._delivery.durations)
            self._delivery.durations.clear()
            return taken

    def after_fork(self) -> None:
        """Begin anew in a forked child: no thread, nothing queued; what waits is the parent's to send."""
        if self._spool is not None:
            self._spool.after_fork()
        self._reset()

    def _follow_fork(self) -> None:
        if self._pid != os.getpid():
            self.after_fork()

    def _finish(self) -> None:
        with self._changed:
            self._courier.stopped = True
            self._delivered = not self._backlog.waiting and self._backlog.lost == self._delivery.lost_before
            self._backlog.finish()
            self._changed.notify_all()

    def _release(self, deadline: float) -> None:
        """Close channel and spool in a thread of its own: neither may delay the exit."""
        helper = _started(self._close, f"{self._name}-close")
        if helper is None:
            self._close()
        else:
            helper.join(max(TIDY, deadline - self._monotonic() - TIDY))
        self._courier.join(deadline)

    def _close(self) -> None:
        with GUARD.shield("sender"):
            self._transport.close()
        if self._spool is not None:
            self._spool.close(hurry=True)


@contextlib.contextmanager
def _suppressed() -> Iterator[None]:
    """Keep instrumentations of HTTP clients from making spans of the sending of spans."""
    context = get_current()
    for key in SUPPRESSED:
        context = set_value(key, True, context)
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def _started(target: Callable[[], None], name: str) -> threading.Thread | None:
    thread = threading.Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        # From Python 3.12 on, none can be started at exit; that is no reason to complain.
        if threading.main_thread().is_alive():
            GUARD.complain("sender", "thread", f"no thread can be started ({error}); only a flush delivers")
        return None
    return thread

"""What is tried when: the order of batches, patience with a receiver that fails, and the consequences of verdicts."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable

from ares_otel.guard import GUARD
from ares_otel.pipeline.backlog import Accounts, Backlog, Head
from ares_otel.pipeline.model import Batch, Verdict

__all__ = ["Backoff", "Delivery"]

FIRST_WAIT = 0.5
LONGEST_WAIT = 30.0
LONGEST_ASKED = 300.0
DOUBLINGS = 6
PATIENCE = 1.0
ERRORS = 5
OFFERED = 16
OFTEN = 3
DURATIONS = 4_096
TOO_LARGE = "http_413"


class Backoff:
    """When to try again: exponential with full jitter from 0.5 s to 30 s, later if the receiver asks, to 5 minutes.

    Args:
        draw: returns numbers from 0 to 1.

    Attributes:
        failures: failed attempts since the last success.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self.failures = 0
        self._draw = draw
        self._step = 0
        self._until = self._asked_until = float("-inf")

    def failed(self, now: float, asked: float | None) -> None:
        """Note a failure at a time, and the seconds that the receiver asked to wait."""
        self.failures += 1
        self._until = now + self._draw() * min(LONGEST_WAIT, FIRST_WAIT * 2.0**self._step)
        self._step = min(self._step + 1, DOUBLINGS)
        self.asks(now, asked)

    def asks(self, now: float, seconds: float | None) -> None:
        """Note at a time the seconds that the receiver asked to wait, if it did."""
        self._asked_until = now + min(seconds or 0.0, LONGEST_ASKED)

    def asked(self, now: float) -> bool:
        """Whether the receiver wants to hear nothing still."""
        return self._asked_until > now

    def succeeded(self) -> None:
        """Note that the receiver answered."""
        self.failures = self._step = 0
        self._until = self._asked_until = float("-inf")

    def hurry(self) -> None:
        """Begin anew, because somebody waits; what the receiver asked for is kept."""
        self._step = 0
        self._until = float("-inf")

    def left(self, now: float) -> float:
        """Return the seconds to wait still, 0 if none."""
        return max(0.0, self._until - now, self._asked_until - now)


class Delivery:
    """The state of a sender, without threads and locks: all times are given, in monotonic seconds.

    While the receiver fails, only the oldest batch is tried until it gets through. If the receiver answers, as a
    collector does that has no room left for one of several behind it, younger batches are offered as well, each once
    and at once: the others take it then, and lack nothing. It stays in its place and is sent again in its turn, unless
    it was taken.

    Args:
        backlog: what waits.
        draw: returns numbers from 0 to 1.
        spill_bytes: while the receiver fails, as much may stay in memory.
        what: what is sent, for the log.

    Attributes:
        backlog: what waits.
        durations: seconds of the latest acknowledged attempts, until somebody clears them.
        lost_before: spans lost when the last flush ended.
    """

    def __init__(self, backlog: Backlog, draw: Callable[[], float], spill_bytes: int, what: str = "spans") -> None:
        self.backlog = backlog
        self.durations: deque[float] = deque(maxlen=DURATIONS)
        self.lost_before = 0
        self._backoff = Backoff(draw)
        self._offer: Head | None = None
        self._answered = False
        self._spill_bytes = spill_bytes
        self._taken: dict[Batch, int] = {}
        self._untried: deque[Batch] = deque(maxlen=OFFERED)
        self._what = what
        self._place = "sender" if what == "spans" else f"sender of {what}"
        self._failures: Counter[str] = Counter()
        self._last_success: float | None = None

    def add(self, batch: Batch, now: float, *, keep: bool = False) -> None:
        """Take a batch; behind a receiver that fails or has been silent for a second, it goes to the spool.

        Args:
            batch: what is to be delivered.
            now: monotonic time in seconds.
            keep: it goes there in any case.
        """
        head = self.backlog.head
        trouble = self._backoff.failures > 0 or (head is not None and now - head.since > PATIENCE)
        much = self.backlog.queued_bytes + len(batch.body) > self._spill_bytes
        self.backlog.add(batch, spill=keep or (trouble and much))
        self._untried.append(batch)

    def due(self, now: float) -> Head | None:
        """Return the batch that is to be tried now, if there is one."""
        if self._offers(now):
            self._offer = Head(self._untried.popleft(), now, spooled=False)
            return self._offer
        if self._backoff.left(now) > 0:
            return None
        head = self._oldest(now)
        if head is None and self.backlog.waiting:
            # The disk cannot be read just now.
            self._backoff.failed(now, None)
        return head

    def left(self, now: float) -> float | None:
        """Return the seconds until something is due; None while nothing waits."""
        if not self.backlog.waiting:
            return None
        return 0.0 if self._offers(now) else self._backoff.left(now)

    def hurry(self) -> None:
        """Try at once, because somebody waits, unless the receiver asked for a pause."""
        self._backoff.hurry()

    def settle(self, head: Head, verdict: Verdict | None, seconds: float, now: float) -> None:
        """Draw the consequences of an attempt.

        Args:
            head: what was tried; nothing happens if it is the head no longer.
            verdict: None if the transport raised.
            seconds: how long it took.
            now: when it ended.
        """
        if head is self._offer:
            self._offered(head.batch, verdict, now)
            return
        if self.backlog.head is not head:
            # A shutdown left it to the spool meanwhile: it is sent again and stored once.
            return
        verdict = verdict or _raised(head)
        if verdict.state == "retry":
            self._retry(verdict, now)
            return
        self._backoff.succeeded()
        self._answered = False
        if verdict.state == "delivered":
            self.backlog.delivered(verdict.rejected)
            self.durations.append(seconds)
            self._last_success = time.time()
        else:
            self._failures[verdict.reason] += 1
            if verdict.reason == TOO_LARGE and self.backlog.split():
                return
            self.backlog.refused()
        if verdict.state != "delivered" or verdict.rejected:
            GUARD.complain(self._place, verdict.reason or "rejected", f"{self._what} were refused: {verdict.detail}")

    def accounts(self) -> Accounts:
        """Return where all spans are."""
        return self.backlog.accounts(self._failures, self._last_success)

    def _oldest(self, now: float) -> Head | None:
        """Return the batch whose turn it is, past those that were taken when they were offered."""
        while (head := self.backlog.take(now)) and head.batch in self._taken:
            self.backlog.delivered(self._taken.pop(head.batch))
        if head and self._untried and self._untried[0] == head.batch:
            self._untried.popleft()
        return head

    def _offers(self, now: float) -> bool:
        """Whether a younger batch is offered: not after a failure or two, which would only change the order."""
        refusing = self._answered and self._backoff.failures >= OFTEN
        return refusing and bool(self._untried) and not self._backoff.asked(now)

    def _offered(self, batch: Batch, verdict: Verdict | None, now: float) -> None:
        """Draw the consequences of an offer; where there is room again, the oldest is tried at once."""
        self._offer = None
        if verdict is None or verdict.state == "refused":
            return
        if verdict.state == "delivered":
            self._taken = dict([*self._taken.items(), (batch, verdict.rejected)][-OFFERED:])
            self._last_success = time.time()
            self._answered = False
            self._backoff.hurry()
            return
        self._answered = verdict.answered
        self._backoff.asks(now, verdict.retry_after)

    def _retry(self, verdict: Verdict, now: float) -> None:
        self._answered = verdict.answered
        self._failures[verdict.reason] += 1
        self._backoff.failed(now, verdict.retry_after)
        GUARD.complain(self._place, verdict.reason, f"{verdict.detail}; the {self._what} are kept and tried again")
        if self.backlog.queued_bytes > self._spill_bytes:
            self.backlog.spill()


def _raised(head: Head) -> Verdict:
    head.errors += 1
    return Verdict("retry" if head.errors < ERRORS else "refused", "error", "the transport raised an exception")

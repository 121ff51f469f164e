"""The worker's thread: rounds by the clock and on demand, bounded waits, an end that comes once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from types import FrameType

import pytest
from sink import eventually

from ares_otel.guard import GUARD
from ares_otel.pipeline.worker import Worker

LONG = 3_600.0


class Work:
    """Rounds that count themselves, and can be held up."""

    def __init__(self) -> None:
        self.rounds = 0
        self.ends = 0
        self.threads: set[str] = set()
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self) -> None:
        """Work."""
        self.begun.set()
        assert self.gate.wait(30.0)
        self.rounds += 1
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error

    def last(self) -> None:
        """End."""
        self.ends += 1


@pytest.fixture
def work() -> Iterator[Work]:
    """Return work that nothing holds up after the test."""
    made = Work()
    yield made
    made.gate.set()


def test_rounds_by_the_clock(work: Work) -> None:
    """They come by themselves, in a thread that ends with the program."""
    worker = Worker(work, work.last, 0.01)
    worker.start()
    eventually(lambda: work.rounds >= 3)
    assert worker.stop(10.0)
    ended = work.rounds
    assert (work.ends, work.threads) == (1, {"ares-otel"})
    assert worker.stop(0.0)
    assert not worker.round(0.0)
    assert (work.rounds, work.ends) == (ended, 1)


def test_rounds_on_demand(work: Work) -> None:
    """Who asks gets a round that began after the question; none comes without one."""
    worker = Worker(work, work.last, LONG)
    worker.start()
    for number in range(1, 4):
        assert worker.round(10.0)
        assert work.rounds == number
    assert worker.stop(10.0)
    assert work.rounds == 4


def test_a_round_in_progress_does_not_count(work: Work) -> None:
    """It may have taken its snapshot before the question."""
    worker = Worker(work, work.last, LONG)
    worker.start()
    work.gate.clear()
    assert not worker.round(0.01)
    assert work.begun.wait(10.0)
    answers: list[bool] = []
    asking = [threading.Thread(target=lambda: answers.append(worker.round(20.0))) for _ in range(3)]
    for thread in asking:
        thread.start()
    eventually(lambda: len(worker._asked) == 3)
    work.gate.set()
    for thread in asking:
        thread.join()
    assert answers == [True] * 3
    assert work.rounds == 2
    assert worker.stop(10.0)


def test_a_round_that_is_held_up(work: Work) -> None:
    """Whoever asks, or ends, waits as long as they like and no longer; the end comes when it can."""
    worker = Worker(work, work.last, LONG)
    worker.start()
    work.gate.clear()
    assert not worker.round(0.01)
    assert work.begun.wait(10.0)
    assert not worker.round(-1.0)
    assert not worker.stop(0.01)
    work.gate.set()
    assert worker.stop(10.0)
    assert work.ends == 1


def test_what_fails_is_counted(work: Work) -> None:
    """A round that raises is over, and the next one comes; an end that raises ends."""
    work.error = ZeroDivisionError()

    def last() -> None:
        raise ZeroDivisionError

    worker = Worker(work, last, LONG)
    worker.start()
    assert worker.round(10.0)
    assert worker.round(10.0)
    assert worker.stop(10.0)
    assert GUARD.counts() == {"worker": 4}


def test_before_the_start(work: Work) -> None:
    """There is nobody who could work."""
    worker = Worker(work, work.last, LONG)
    assert not worker.round(0.01)
    assert worker.stop(0.01)
    assert (work.rounds, work.ends) == (0, 0)


def test_no_thread_is_left(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system refuses: the caller is told, and nobody waits for a thread that is not there."""

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError(f"can't start {self.name}")

    worker = Worker(work, work.last, LONG)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="ares-otel"):
        worker.start()
    assert not worker.round(30.0)


def test_started_again(work: Work) -> None:
    """As in a forked child: what was asked before is forgotten."""
    worker = Worker(work, work.last, LONG)
    for number in (1, 2):
        worker.start()
        assert worker.round(10.0)
        assert worker.stop(10.0)
        assert work.rounds == 2 * number


def test_a_round_that_asks_for_one() -> None:
    """That would wait for itself: it is refused at once."""
    answers: list[bool] = []
    worker = Worker(lambda: answers.append(worker.round(30.0)), lambda: None, LONG)
    worker.start()
    assert worker.round(10.0)
    assert answers == [False]
    assert worker.stop(10.0)


class Held:
    """A tracer that holds a thread at its n-th event, as one does that waits for a lock of somebody else."""

    def __init__(self, event: int) -> None:
        self.left = event
        self.holds = threading.Event()
        self.gate = threading.Event()

    def __call__(self, frame: FrameType, *_what: object) -> Held | None:
        """Count the events of the worker's file."""
        if frame.f_code.co_filename != Worker.round.__code__.co_filename:
            return self if "threading" in frame.f_code.co_filename else None
        self.left -= 1
        if self.left == 0:
            self.holds.set()
            assert self.gate.wait(30.0)
        return self


def test_a_thread_that_is_held_anywhere() -> None:
    """Wherever a tracer holds it, nobody waits for it longer than they like; let go, it does its work."""
    events, ended = 0, False
    while not ended:
        events += 1
        held, work = Held(events), Work()
        worker = Worker(work, work.last, LONG)
        before = threading.gettrace()
        threading.settrace(held)
        try:
            worker.start()
        finally:
            threading.settrace(before)
        impatient = threading.Thread(target=lambda: (worker.round(0.02), worker.stop(0.02)), daemon=True)  # noqa: B023
        impatient.start()
        impatient.join(20.0)
        assert not impatient.is_alive(), f"waits for a thread that is held at event {events}"
        ended = not held.holds.is_set()
        held.gate.set()
        assert worker.stop(20.0)
        assert (work.ends, worker._asked, worker._ending) == (1, deque(), deque())
    assert events > 20

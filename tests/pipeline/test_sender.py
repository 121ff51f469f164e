"""The sender: everything arrives, in order, or is accounted for; and nobody waits longer than asked."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from sink import Sink, batch_of, eventually, free_port, hang, names_in, ok, partial, reply

from ares_otel.guard import GUARD
from ares_otel.pipeline.backlog import Accounts
from ares_otel.pipeline.http import HttpTransport
from ares_otel.pipeline.model import Batch, Transport, Verdict
from ares_otel.pipeline.sender import Sender
from ares_otel.pipeline.spool import Spool

DELIVERED = Verdict("delivered")
BUSY = Verdict("retry", "http_503", "busy")
REFUSED = Verdict("refused", "http_400", "bad")
SECONDS = 20.0
GRACE = 0.2
KITS = (Path(__file__).parent, Path(__file__).parents[1])
"""Where a program of a test finds the receiver, and what that imports."""

Step: TypeAlias = Verdict | Callable[[], Verdict]


class Script:
    """A transport whose verdicts follow a script; it delivers when that is at its end.

    Attributes:
        tried: names of the first span of each batch, in the order of the attempts.
        delivered: the same for delivered ones.
        threads: names of the threads that sent.
        suppressed: whether instrumentation was suppressed, for each attempt.
        gate: closed, it holds every attempt.
    """

    def __init__(self, *steps: Step) -> None:
        self.steps = deque(steps)
        self.tried: list[str] = []
        self.delivered: list[str] = []
        self.threads: list[str] = []
        self.suppressed: list[bool] = []
        self.closed = 0
        self.gate = threading.Event()
        self.gate.set()

    def send(self, batch: Batch, timeout: float) -> Verdict:
        """Follow the script."""
        del timeout
        self.tried += names_in(batch.body)[:1]
        self.threads.append(threading.current_thread().name)
        keys = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
        self.suppressed.append(all(get_value(key) for key in keys))
        self.gate.wait(60.0)
        step = self.steps.popleft() if self.steps else DELIVERED
        verdict = step if isinstance(step, Verdict) else step()
        self.delivered += names_in(batch.body)[:1] if verdict.state == "delivered" else []
        return verdict

    def close(self) -> None:
        """Count."""
        self.closed += 1


Make: TypeAlias = Callable[..., Sender]


@pytest.fixture
def make() -> Iterator[Make]:
    """Return what makes senders that retry at once; they are shut down in the end."""
    made: list[tuple[Sender, Transport]] = []

    def sender(transport: Transport, spool: Spool | None = None, **settings: Any) -> Sender:
        made.append((Sender(transport, spool, **{"draw": lambda: 0.0, **settings}), transport))
        return made[-1][0]

    yield sender
    for one, transport in made:
        if isinstance(transport, Script):
            transport.gate.set()
        one.shutdown(0.0)


def submit(sender: Sender, *names: object) -> None:
    """Submit a batch of one span for each name."""
    for name in names:
        sender.submit(batch_of(str(name)))


def texts(numbers: range) -> list[str]:
    """Return numbers as names."""
    return [str(number) for number in numbers]


def test_lazy_thread(make: Make) -> None:
    """No thread before there is something to send, and one only, with a name."""
    transport = Script()
    before = threading.active_count()
    sender = make(transport, name="tester")
    assert sender.flush(0.0)
    assert threading.active_count() == before
    submit(sender, *range(50))

    assert sender.flush(SECONDS)
    assert transport.delivered == texts(range(50))
    assert set(transport.threads) == {"tester"}
    assert threading.active_count() == before + 1


def test_sent_without_a_flush(make: Make) -> None:
    """What was submitted goes out at once, by itself."""
    transport = Script()
    submit(make(transport), "a")

    eventually(lambda: transport.delivered == ["a"])


def test_empty_batch(make: Make) -> None:
    """A batch without spans is none."""
    transport = Script()
    sender = make(transport)
    sender.submit(Batch(b"", 0))

    assert sender.flush(0.0)
    assert transport.tried == []


def left_behind(root: Path, spans: int) -> Spool:
    """Return the spool of the next process, once the last one has let go of what it left."""
    found = Spool(root)
    deadline = time.monotonic() + SECONDS
    while not found.adopted and time.monotonic() < deadline:
        found.close()
        time.sleep(0.005)
        found = Spool(root)
    assert found.adopted == spans
    return found


def test_accounts(make: Make) -> None:
    """After a flush the accounts tell what was delivered, when, and how long it took."""
    sender = make(Script(Verdict("delivered", rejected=1, detail="one")))
    content = batch_of("a", "b", "c")
    sender.submit(content)
    sender.flush(SECONDS)
    accounts = sender.accounts()

    assert accounts == Accounts(
        submitted=3,
        adopted=0,
        exported=2,
        exported_bytes=len(content.body),
        dropped={"rejected": 1},
        failures={},
        queued=0,
        queued_bytes=0,
        spooled=0,
        spooled_bytes=0,
        last_success=accounts.last_success,
    )
    assert accounts.balanced
    assert accounts.last_success is not None
    assert abs(accounts.last_success - time.time()) < 60
    assert len(sender.take_durations()) == 1
    assert sender.take_durations() == []


def test_suppressed(make: Make) -> None:
    """The sending of spans makes no spans, and the caller's context is as before."""
    transport = Script()
    sender = make(transport)
    submit(sender, "a")
    sender.flush(SECONDS)

    assert transport.suppressed == [True]
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


def test_retry_until_delivered(make: Make) -> None:
    """A failing receiver gets the oldest batch until it takes it, then the others in order."""
    transport = Script(*[BUSY] * 5)
    sender = make(transport)
    transport.gate.clear()
    submit(sender, *range(4))
    transport.gate.set()

    assert sender.flush(SECONDS)
    assert transport.tried == ["0"] * 5 + texts(range(4))
    assert sender.accounts().failures == {"http_503": 5}


def test_outage_with_disk(make: Make, tmp_path: Path) -> None:
    """During an outage all waits on disk; after it all arrives in order, and the disk is empty."""
    transport = Script(*[BUSY] * 30)
    sender = make(transport, Spool(tmp_path))
    for number in range(40):
        submit(sender, number)
        assert sender.accounts().balanced

    assert sender.flush(SECONDS)
    assert transport.delivered == texts(range(40))
    assert sender.shutdown(SECONDS)
    assert list(tmp_path.iterdir()) == []


def test_flush_times_out(make: Make) -> None:
    """A flush of what is not acknowledged in time is False, and True when it is acknowledged later."""
    transport = Script()
    transport.gate.clear()
    sender = make(transport)
    submit(sender, "a")

    assert not sender.flush(0.05)
    transport.gate.set()
    assert sender.flush(SECONDS)


@pytest.mark.parametrize("timeout", [float("inf"), 1e12])
def test_without_end(make: Make, timeout: float) -> None:
    """Who waits for ever waits for long."""
    sender = make(Script(), timeout=timeout)
    submit(sender, "a")

    assert sender.flush(timeout)
    assert sender.shutdown(timeout)


def test_flush_waits_for_what_was_before(make: Make) -> None:
    """A flush does not wait for what is submitted after it began."""
    transport = Script()
    sender = make(transport)
    transport.gate.clear()
    submit(sender, "a")
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(sender.flush(60.0)))
    thread.start()

    def then_close() -> Verdict:
        transport.gate.clear()
        return DELIVERED

    transport.steps.append(then_close)
    eventually(lambda: sender.accounts().queued == 1 and transport.tried == ["a"])
    time.sleep(0.05)
    submit(sender, "b")
    transport.gate.set()
    thread.join(SECONDS)

    assert answers == [True]
    assert transport.delivered == ["a"]


@pytest.mark.parametrize("verdict", [REFUSED, Verdict("delivered", rejected=1)])
def test_flush_tells_losses(make: Make, verdict: Verdict) -> None:
    """Refused or rejected spans make the next flush False, and only that."""
    sender = make(Script(verdict))
    submit(sender, "a")
    eventually(lambda: sender.accounts().dropped)

    assert not sender.flush(SECONDS)
    assert sender.flush(SECONDS)


def test_flush_hurries(make: Make) -> None:
    """A flush does not sit out our own pause."""
    transport = Script(*[BUSY] * 8)
    draws = itertools.chain([0.0] * 7, itertools.repeat(1.0))
    sender = make(transport, draw=lambda: next(draws))
    submit(sender, "a")
    eventually(lambda: len(transport.tried) == 8)

    assert sender.flush(SECONDS)


def test_flush_respects_the_receiver(make: Make) -> None:
    """A flush does sit out a pause that the receiver asked for."""
    transport = Script(Verdict("retry", "http_429", "slower", retry_after=60.0))
    sender = make(transport)
    submit(sender, "a")
    eventually(lambda: sender.accounts().failures)

    assert not sender.flush(0.2)
    assert transport.tried == ["a"]


def test_transport_raises(make: Make) -> None:
    """A transport that raises costs one batch in the end, never the thread."""

    def broken() -> Verdict:
        raise ZeroDivisionError

    transport = Script(*[broken] * 5)
    sender = make(transport)
    submit(sender, "a", "b")

    assert not sender.flush(SECONDS)
    assert transport.delivered == ["b"]
    assert sender.accounts().dropped == {"refused": 1}
    assert GUARD.counts() == {"sender": 10}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_is_replaced(make: Make) -> None:
    """If the thread ends in spite of all, the next batch starts another."""

    def leave() -> Verdict:
        raise SystemExit

    transport = Script(leave)
    sender = make(transport)
    before = threading.active_count()
    submit(sender, "a")
    eventually(lambda: transport.tried and threading.active_count() == before)
    submit(sender, "b")

    assert sender.flush(SECONDS)
    assert transport.delivered == ["a", "b"]


def test_adopted_content_goes_out_by_itself(make: Make, tmp_path: Path) -> None:
    """What an earlier process left is sent without a submit, first, and counted apart."""
    old = Spool(tmp_path)
    old.append(batch_of("old", "spans"))
    old.close()
    transport = Script()
    transport.gate.clear()
    sender = make(transport, Spool(tmp_path))
    eventually(lambda: transport.tried == ["old"])
    submit(sender, "new")
    transport.gate.set()

    assert sender.flush(SECONDS)
    assert transport.delivered == ["old", "new"]
    accounts = sender.accounts()
    assert (accounts.submitted, accounts.adopted, accounts.exported) == (1, 2, 3)


def test_full_memory(make: Make) -> None:
    """Without a disk the oldest goes, and what is in flight stays."""
    transport = Script()
    transport.gate.clear()
    sender = make(transport, max_memory_bytes=5 * len(batch_of("0").body))
    submit(sender, 0)
    eventually(lambda: transport.tried)
    submit(sender, *range(1, 10))
    assert sender.accounts().dropped == {"memory_full": 5}
    transport.gate.set()

    assert not sender.flush(SECONDS)
    assert transport.delivered == ["0", "6", "7", "8", "9"]


def test_full_memory_with_disk(make: Make, tmp_path: Path) -> None:
    """With a disk nothing goes."""
    transport = Script()
    transport.gate.clear()
    sender = make(transport, Spool(tmp_path), max_memory_bytes=300)
    submit(sender, *range(100))
    assert sender.accounts().queued_bytes <= 300
    assert sender.accounts().spooled > 80
    transport.gate.set()

    assert sender.flush(SECONDS)
    assert transport.delivered == texts(range(100))


def test_silent_receiver(make: Make, tmp_path: Path) -> None:
    """Behind a receiver that has been silent for a second, everything is put on disk."""
    ahead = 0.0
    transport = Script()
    transport.gate.clear()
    sender = make(transport, Spool(tmp_path), monotonic=lambda: time.monotonic() + ahead)
    submit(sender, "a")
    eventually(lambda: transport.tried)
    ahead = 2.0
    submit(sender, "b")

    assert (sender.accounts().queued, sender.accounts().spooled) == (0, 2)
    transport.gate.set()
    assert sender.flush(SECONDS)
    assert transport.tried == ["a", "b"]


def test_shutdown_delivers(make: Make, tmp_path: Path) -> None:
    """With a receiver that answers, all is delivered, connection and folder are closed, and it can be asked again."""
    transport = Script(BUSY)
    sender = make(transport, Spool(tmp_path))
    submit(sender, *range(20))

    assert sender.shutdown(SECONDS)
    assert transport.delivered == texts(range(20))
    assert transport.closed == 1
    assert list(tmp_path.iterdir()) == []
    assert sender.shutdown(SECONDS)
    assert sender.flush(0.0)
    assert transport.closed == 1


def test_shutdown_of_nothing(make: Make) -> None:
    """A sender that never sent anything has delivered everything."""
    assert make(Script()).shutdown(0.0)


def test_shutdown_tells_losses(make: Make) -> None:
    """Spans that were refused since the last flush make it False."""
    sender = make(Script(REFUSED))
    submit(sender, "a")

    assert not sender.shutdown(SECONDS)


def test_submit_after_shutdown(make: Make, tmp_path: Path) -> None:
    """What comes too late is counted."""
    sender = make(Script(), Spool(tmp_path))
    sender.shutdown(SECONDS)
    submit(sender, "a", "b")

    assert sender.accounts().dropped == {"shutdown": 2}
    assert sender.accounts().balanced
    assert not sender.flush(0.0)


def test_shutdown_without_disk(make: Make) -> None:
    """What nobody can keep is counted, the batch in flight included."""
    transport = Script()
    transport.gate.clear()
    sender = make(transport)
    submit(sender, *range(3))
    eventually(lambda: transport.tried)

    assert not sender.shutdown(0.05)
    assert sender.accounts().dropped == {"shutdown": 3}


def test_shutdown_while_the_transport_is_stuck(make: Make, tmp_path: Path) -> None:
    """All that is left, the batch in flight first, is on disk for the next sender; a late verdict changes nothing."""
    transport = Script()
    transport.gate.clear()
    sender = make(transport, Spool(tmp_path))
    submit(sender, *range(30))
    eventually(lambda: transport.tried)

    assert not sender.shutdown(0.1)
    left = sender.accounts()
    assert (left.queued, left.spooled, left.exported) == (0, 30, 0)
    transport.gate.set()
    eventually(lambda: transport.delivered)
    assert sender.accounts() == left
    heir = Script()
    assert make(heir, left_behind(tmp_path, 30)).flush(SECONDS)
    assert heir.delivered == texts(range(30))


def test_shutdown_of_what_is_on_disk(make: Make, tmp_path: Path) -> None:
    """A batch that is in flight from the disk stays there, once."""
    released = threading.Event()

    def stuck() -> Verdict:
        released.wait(60.0)
        return DELIVERED

    transport = Script(BUSY, stuck)
    sender = make(transport, Spool(tmp_path))
    transport.gate.clear()
    submit(sender, *range(3))
    transport.gate.set()
    eventually(lambda: transport.tried == ["0", "0"])

    assert not sender.shutdown(0.05)
    heir = Script()
    assert make(heir, left_behind(tmp_path, 3)).flush(SECONDS)
    assert heir.delivered == texts(range(3))
    released.set()


def test_shutdown_twice_at_once(make: Make) -> None:
    """Both callers come back in time, with the same answer."""
    transport = Script()
    transport.gate.clear()
    sender = make(transport)
    submit(sender, "a")
    eventually(lambda: transport.tried)
    answers: list[bool] = []
    threads = [threading.Thread(target=lambda: answers.append(sender.shutdown(60.0))) for _ in range(2)]
    for thread in threads:
        thread.start()
    transport.gate.set()
    for thread in threads:
        thread.join(SECONDS)

    assert answers == [True, True]


def test_flush_during_a_shutdown(make: Make) -> None:
    """A flush that waits is over when the shutdown is."""
    transport = Script()
    transport.gate.clear()
    sender = make(transport)
    submit(sender, "a")
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(sender.flush(1_000.0)))
    thread.start()
    eventually(lambda: transport.tried)

    assert not sender.shutdown(0.05)
    thread.join(SECONDS)
    assert answers == [False]


def test_closing_fails(make: Make, tmp_path: Path) -> None:
    """A transport that cannot be closed keeps the content from nobody."""

    class Unclosable(Script):
        def close(self) -> None:
            raise OSError("no")

    sender = make(Unclosable(*[BUSY] * 1_000), Spool(tmp_path), draw=lambda: 1.0)
    submit(sender, "a")

    assert not sender.shutdown(0.05)
    assert GUARD.counts()["sender"] > 0
    left_behind(tmp_path, 1).close()


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no thread be started, as at the end of an interpreter from Python 3.12 on."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", fail)


@pytest.mark.usefixtures("no_threads")
@pytest.mark.parametrize("last", ["flush", "shutdown"])
def test_no_thread_can_be_started(make: Make, tmp_path: Path, last: str) -> None:
    """Then who flushes delivers, with the same patience and under the same deadline."""
    transport = Script(BUSY, BUSY)
    draws = itertools.chain([0.4], itertools.repeat(0.0))
    sender = make(transport, Spool(tmp_path), draw=lambda: next(draws))
    submit(sender, *range(3))
    assert transport.tried == []

    assert getattr(sender, last)(SECONDS)
    assert transport.delivered == texts(range(3))
    assert set(transport.threads) == {threading.current_thread().name}
    assert transport.suppressed == [True] * 5
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None
    assert GUARD.counts()["sender"] > 0
    sender.shutdown(SECONDS)
    assert transport.closed == 1


@pytest.mark.usefixtures("no_threads")
def test_no_complaint_at_exit(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the main thread has ended, that no other can be started is as it should be."""
    monkeypatch.setattr(threading, "main_thread", threading.Thread)
    transport = Script()
    sender = make(transport)
    submit(sender, "a")

    assert sender.shutdown(SECONDS)
    assert transport.delivered == ["a"]
    assert GUARD.counts() == {}


@pytest.mark.usefixtures("no_threads")
def test_no_thread_and_a_failing_receiver(make: Make, tmp_path: Path) -> None:
    """The deadline holds, and what is left is on disk."""
    sender = make(Script(*[BUSY] * 1_000), Spool(tmp_path), draw=lambda: 0.01)
    submit(sender, *range(3))

    assert not sender.shutdown(0.2)
    assert sender.accounts().spooled == 3


def test_accounts_hold_at_any_moment(make: Make, tmp_path: Path) -> None:
    """With threads that submit, a receiver that flaps and a small disk, every snapshot is balanced."""
    verdicts = itertools.cycle([DELIVERED, BUSY, Verdict("delivered", rejected=1), REFUSED, BUSY, BUSY])
    transport = Script(*[lambda: next(verdicts)] * 2_000)
    sender = make(transport, Spool(tmp_path, cap_bytes=4_000), max_memory_bytes=1_000)
    threads = [threading.Thread(target=lambda: submit(sender, *range(150))) for _ in range(4)]
    for thread in threads:
        thread.start()
    snapshots = []
    while any(thread.is_alive() for thread in threads):
        snapshots.append(sender.accounts())
    sender.shutdown(SECONDS)
    snapshots.append(sender.accounts())

    assert all(accounts.balanced for accounts in snapshots)
    assert snapshots[-1].submitted == 600
    assert snapshots[-1].queued == snapshots[-1].spooled == 0


def over_http(sink: Sink, root: Path | None = None, **settings: Any) -> Sender:
    """Return a sender to this receiver."""
    return Sender(HttpTransport(sink.url, compression="gzip"), Spool(root) if root else None, **settings)


def test_over_http(make: Make, tmp_path: Path) -> None:
    """Against a real receiver with all its moods, what it did not refuse arrives, in order."""
    del make
    with Sink(ok, reply(503), reply(429, Retry_After="0"), ok, partial(1, "one"), reply(400), ok) as sink:
        sender = over_http(sink, tmp_path)
        submit(sender, *"abcde")
        assert not sender.flush(SECONDS)
        accounts = sender.accounts()

        assert sink.delivered == ["a", "b", "c", "e"]
        assert accounts.failures == {"http_503": 1, "http_429": 1, "http_400": 1}
        assert accounts.dropped == {"rejected": 1, "refused": 1}
        assert accounts.exported == 3
        assert sender.shutdown(SECONDS)


def test_receiver_killed_and_restarted(tmp_path: Path) -> None:
    """While the receiver is away nothing is lost; when it is back on its port everything arrives, in order."""
    port = free_port()
    sender = Sender(HttpTransport(f"http://127.0.0.1:{port}/v1/traces"), Spool(tmp_path))
    submit(sender, *range(10))
    eventually(lambda: sender.accounts().failures.get("connection"))
    with Sink(port=port) as first:
        assert sender.flush(SECONDS)
    submit(sender, *range(10, 20))
    assert not sender.flush(0.1)
    submit(sender, *range(20, 30))
    with Sink(port=port) as second:
        assert sender.flush(SECONDS)
        assert sender.shutdown(SECONDS)

    assert first.delivered == texts(range(10))
    assert second.delivered == texts(range(10, 30))


def best(limit: float, attempt: Callable[[int], float]) -> float:
    """Return the least of up to five results, the first within the limit: a busy machine may delay any of them."""
    results: list[float] = []
    while len(results) < 5 and (not results or min(results) > limit):
        results.append(attempt(len(results)))
    return min(results)


def overrun(action: Callable[[float], bool], timeout: float) -> float:
    """Return the seconds by which something that must not succeed exceeds its timeout."""
    started = time.monotonic()
    assert not action(timeout)
    return time.monotonic() - started - timeout


def test_hung_receiver(tmp_path: Path) -> None:
    """Flush and shutdown come back in time although the receiver hangs, and all arrives by the next sender."""

    def attempt(number: int) -> float:
        root = tmp_path / str(number)
        with Sink(hang, hang) as sink:
            sender = over_http(sink, root, timeout=60.0)
            submit(sender, *range(100))
            late = max(overrun(sender.flush, 0.3), overrun(sender.shutdown, 0.5))
            assert sender.accounts().spooled == 100
            sink.script.clear()
            assert Sender(HttpTransport(sink.url), left_behind(root, 100)).shutdown(SECONDS)
            assert sink.delivered == texts(range(100))
        return late

    assert best(GRACE, attempt) <= GRACE


def test_shutdown_with_much_in_memory(tmp_path: Path) -> None:
    """31 MiB that wait behind a hung receiver are on disk in time."""
    content = batch_of(os.urandom(1 << 19).hex())._replace(spans=1_000)

    def attempt(number: int) -> float:
        transport = Script()
        transport.gate.clear()
        sender = Sender(transport, Spool(tmp_path / str(number)))
        for _ in range(31):
            sender.submit(content)
        late = overrun(sender.shutdown, 1.0)
        assert sender.accounts().spooled == 31_000
        transport.gate.set()
        return late

    assert best(GRACE, attempt) <= GRACE


def run(code: str, *arguments: object) -> str:
    """Run a script in a Python of its own; return what it printed."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_fork(tmp_path: Path) -> None:
    """Parent and child each send their own, once, though the fork happened in the middle of a request."""
    with Sink(hang) as sink:
        printed = run(
            """
            import os, sys, time
            from pathlib import Path
            from ares_otel.pipeline.http import HttpTransport
            from ares_otel.pipeline.sender import Sender
            from ares_otel.pipeline.spool import Spool
            sys.path[:0] = sys.argv[3:]
            from sink import batch_of
            sender = Sender(HttpTransport(sys.argv[1]), Spool(Path(sys.argv[2])), timeout=1.0, draw=lambda: 0.0)
            sender.submit(batch_of("parent 1"))
            sender.submit(batch_of("parent 2"))
            time.sleep(0.2)
            pid = os.fork()
            if not pid:
                accounts = sender.accounts()
                assert (accounts.submitted, accounts.queued, accounts.spooled) == (0, 0, 0)
                sender.submit(batch_of("child"))
                assert sender.flush(20)
                assert sender.shutdown(20)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
            print(sender.flush(20), sender.shutdown(20))
            """,
            sink.url,
            tmp_path,
            *KITS,
        )

        assert printed == "True True\n"
        assert sorted(sink.delivered) == ["child", "parent 1", "parent 2"]
        assert list(tmp_path.iterdir()) == []


def test_child_begins_anew(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child, seen from inside, has nothing of what waits in the parent."""
    transport = Script()
    transport.gate.clear()
    for spool in (None, Spool(tmp_path)):
        sender = make(transport, spool)
        submit(sender, "parent")
        eventually(lambda: transport.tried[-1:] == ["parent"])
        parents = sender._courier
        with monkeypatch.context() as patched:
            patched.setattr(os, "getpid", lambda: 1)
            assert sender.accounts().submitted == 0
            assert sender.flush(0.0)
            assert sender.take_durations() == []
            assert sender.shutdown(0.0)
        parents.stopped = True  # a real child would not have the thread at all
    transport.gate.set()


def test_first_batch_at_exit() -> None:
    """What is submitted for the first time while the interpreter goes down is delivered, without a complaint."""
    with Sink() as sink:
        printed = run(
            """
            import atexit, sys
            from ares_otel.pipeline.http import HttpTransport
            from ares_otel.pipeline.sender import Sender
            sys.path[:0] = sys.argv[2:]
            from sink import batch_of
            sender = Sender(HttpTransport(sys.argv[1]), None)
            atexit.register(lambda: print(sender.shutdown(20)))
            atexit.register(lambda: sender.submit(batch_of("late")))
            """,
            sink.url,
            *KITS,
        )

    assert printed == "True\n"
    assert sink.delivered == ["late"]


def test_killed_during_an_outage(tmp_path: Path) -> None:
    """After `kill -9` during an outage, what was submitted after the first failure arrives by the next process."""
    command = textwrap.dedent(
        """
        import os, signal, sys, time
        from pathlib import Path
        from ares_otel.pipeline.http import HttpTransport
        from ares_otel.pipeline.sender import Sender
        from ares_otel.pipeline.spool import Spool
        sys.path[:0] = sys.argv[3:]
        from sink import batch_of
        sender = Sender(HttpTransport(sys.argv[1]), Spool(Path(sys.argv[2])))
        sender.submit(batch_of("0"))
        while not sender.accounts().failures:
            time.sleep(0.01)
        for number in range(1, 50):
            sender.submit(batch_of(str(number)))
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/traces"
    arguments = [sys.executable, "-c", command, url, str(tmp_path), *map(str, KITS)]
    assert subprocess.run(arguments, check=False, timeout=60).returncode == -9

    with Sink(port=port) as sink:
        assert over_http(sink, tmp_path).shutdown(SECONDS)
    assert sink.delivered == texts(range(50))

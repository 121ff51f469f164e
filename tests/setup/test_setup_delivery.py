"""Delivery: what is promised is kept within the time, what is answered is true, and what is left goes out later."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from setup_kit import Begin, Bot, decide, named, resources, shown, spans
from sink import Answer, Sink, close, eventually, free_port, hang, partial, reply

import ares_otel as ares
from ares_otel.guard import GUARD
from ares_otel.semconv.attributes import STRATEGY
from ares_otel.semconv.model import Counter
from ares_otel.setup import active

SLACK = 0.2
CROWDED = 1.5
"""Seconds more on a machine that is shared; the promise itself is 0.2 s, and its own test measures that."""


@pytest.fixture
def released() -> Callable[[], bool]:
    """Return what tells whether a test's spool is free after an end: a slow disk may take longer than that waits."""
    before = {*threading.enumerate()}
    return lambda: not any(thread.name.startswith("ares-otel-sender") for thread in {*threading.enumerate()} - before)


def url_of(port: int) -> str:
    """Return where nobody listens, or where nobody answers."""
    return f"http://127.0.0.1:{port}/v1/traces"


@pytest.fixture
def silent() -> Iterator[int]:
    """Return a port on which connections are accepted by the system and nobody ever reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def test_flush_says_what_was_acknowledged(begin: Begin, sink: Sink) -> None:
    """True means: all that was recorded has arrived; with nothing recorded there is nothing to wait for."""
    with begin(sink):
        assert ares.flush(10.0)
        decide(ares, "s1", "s2")
        assert ares.flush(10.0)
        assert named(sink) == ["s1", "s2"]
        with ares.decision():
            assert ares.flush(10.0)
    assert named(sink) == ["None", "s1", "s2"]


@pytest.mark.parametrize("answer", [reply(400), partial(1, "no"), reply(401)])
def test_what_was_refused_was_not_delivered(begin: Begin, sink: Sink, answer: Answer) -> None:
    """A receiver that takes it and throws it away is no delivery; the next flush has nothing to say of that."""
    sink.script.append(answer)
    with begin(sink):
        decide(ares, "s1")
        assert not ares.flush(10.0)
        decide(ares, "s2")
        assert ares.flush(10.0)


@pytest.mark.parametrize("where", ["refused", "silent"])
def test_nobody_answers(begin: Begin, silent: int, where: str) -> None:
    """Both calls come back in time, and neither says that it was delivered."""
    url = url_of(free_port() if where == "refused" else silent)
    begin(exporter__enabled=True, exporter__traces_endpoint=url)
    decide(ares, "s1")
    taken = []
    for call in (ares.flush, ares.shutdown):
        started = time.monotonic()
        assert not call(0.3)
        taken.append(time.monotonic() - started)
    assert max(taken) < 0.3 + SLACK + CROWDED
    assert not ares.shutdown(0.3)


def test_a_receiver_that_hangs(begin: Begin, sink: Sink, tmp_path: Path, released: Callable[[], bool]) -> None:
    """It has the request and says nothing: not delivered; the spool has it, and the next start delivers it."""
    sink.script.append(hang)
    begin(sink)
    decide(ares, "s1")
    assert not ares.flush(0.2)
    assert not ares.shutdown(0.3)
    assert list((tmp_path / "state").rglob("spool/*"))

    eventually(released)
    begin(sink)
    assert ares.flush(10.0)
    assert sink.delivered == ["decision"]
    assert ares.shutdown(10.0)
    assert ares.shutdown(10.0)


PROMISE = """
handle = ares.setup()
for number in range(200):
    decide(number)
answers = []
for call in (ares.flush, ares.shutdown):
    for limit in (0.0, 0.5):
        started = time.monotonic()
        answer = call(limit)
        answers.append((answer, time.monotonic() - started - limit))
say(answers)
"""


def test_the_time_is_kept(tmp_path: Path, silent: int) -> None:
    """0.2 s more than asked for at the most, in one of three attempts (the machine may be busy)."""
    overdue = 1e9
    for attempt in range(3):
        said = Bot(PROMISE, tmp_path / str(attempt), url_of(silent)).end().well
        assert [answer for answer, _ in said[0][0]] == [False] * 4
        overdue = min(overdue, max(late for _, late in said[0][0]))
        if overdue <= SLACK:
            break
    assert overdue <= SLACK


LATER = """
ares.setup()
for number in range(50):
    decide(number)
say(ares.shutdown(0.3))
"""


def test_what_was_left_arrives_after_a_restart(tmp_path: Path, sink: Sink) -> None:
    """Two processes leave their spans in the spool; the next one delivers all of it, once, with their resources."""
    for _ in range(2):
        assert Bot(LATER, tmp_path, url_of(free_port())).end().well == [[False]]
    told = Bot("ares.setup()\ndecide('last')\nsay(ares.flush(20.0))", tmp_path, sink).end()

    assert told.well == [[True]]
    assert named(sink) == sorted([*(f"s{number}" for number in range(50)), *(f"s{n}" for n in range(50)), "slast"])
    assert len({one["service.instance.id"] for one in resources(sink)}) == 3


def test_a_server_that_comes_back(begin: Begin, sink: Sink) -> None:
    """A while of failures and closed connections costs nothing but time."""
    sink.script.extend([reply(503), reply(429, Retry_After="0"), close])
    with begin(sink):
        for number in range(5):
            decide(ares, f"s{number}")
            ares.flush(0.05)
        eventually(lambda: ares.flush(5.0))
    assert named(sink).count("s0") >= 1
    assert set(named(sink)) == {f"s{number}" for number in range(5)}


def test_memory_only(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """Where the state directory cannot be written, all works in memory, and a complaint says so."""
    blocked = tmp_path / "state"
    blocked.write_text("a file", encoding="utf-8")
    with begin(sink) as handle:
        with ares.decision(strategy="s1", symbol="BTC") as d:
            d.order("c1", side="buy", type="market", quantity=1)
        ares.record(ares.OrderUpdate("c1", "filled", quantity=1, price=10))
        assert ares.flush(10.0)
        assert shown(handle.metrics_url, "ares_orders_submitted_total", strategy="s1") == 1
    assert sorted(span["name"] for span in spans(sink)) == ["decision", "order submit", "order update"]
    assert GUARD.counts()


def test_no_exporter(begin: Begin) -> None:
    """Metrics and ids work without: there is nothing to deliver, so all is delivered."""
    with begin() as handle:
        decide(ares, "s1")
        assert ares.flush(5.0)
        assert shown(handle.metrics_url, "ares_decisions_total", strategy="s1", symbol="BTC", action="buy") == 1
    assert ares.shutdown()


def test_no_metrics(begin: Begin, sink: Sink) -> None:
    """Spans go out without a page."""
    with begin(sink, metrics__enabled=False) as handle:
        assert handle.metrics_url is None
        decide(ares, "s1")
    assert named(sink) == ["s1"]


def test_an_exporter_that_cannot_be_made(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody asked for delivery and there is none: that is never called delivered, and metrics work on."""
    monkeypatch.setitem(__import__("sys").modules, "ares_otel.pipeline.grpc", None)
    with begin(sink, exporter__protocol="grpc") as handle:
        assert ares.flush(5.0)
        decide(ares, "s1")
        assert not ares.flush(5.0)
        assert shown(handle.metrics_url, "ares_decisions_total", strategy="s1") == 1
    assert GUARD.counts()["exporter"] == 1


class Held:
    """A number that nobody can read until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.free = threading.Event()

    def __float__(self) -> float:
        self.begun.set()
        self.free.wait()
        return 1.0


def test_a_worker_that_is_held_up(
    begin: Begin, sink: Sink, caplog: pytest.LogCaptureFixture, released: Callable[[], bool]
) -> None:
    """Something of the bot's blocks the worker: calls come back in time and honest, what went before is not lost."""
    sink.script.append(hang)
    held: Any = Held()
    begin(sink)
    decide(ares, "before")
    assert not ares.flush(0.2)
    ares.metric(Counter("bot_held_total", "held", (STRATEGY,))).add(held, strategy="s")
    assert not ares.flush(0.2)
    assert held.begun.wait(10.0)
    telemetry = active()
    assert telemetry is not None
    started = time.monotonic()
    assert not ares.shutdown(0.2)
    assert time.monotonic() - started < 0.2 + SLACK + CROWDED
    assert "did not end in time" in caplog.text
    held.free.set()
    eventually(lambda: not telemetry.worker._thread or not telemetry.worker._thread.is_alive())
    assert not ares.shutdown(0.2)

    eventually(released)
    with begin(sink):
        assert ares.flush(10.0)
    assert named(sink).count("before") >= 1


def test_what_ends_while_all_ends(begin: Begin, sink: Sink) -> None:
    """A decision of another thread that ends between the call and the last round is not lost in between."""
    held: Any = Held()
    begin(sink)
    ares.metric(Counter("bot_held_total", "held", (STRATEGY,))).add(held, strategy="s")
    assert not ares.flush(0.01)
    assert held.begun.wait(10.0)
    telemetry = active()
    assert telemetry is not None
    answers: list[bool] = []
    ending = threading.Thread(target=lambda: answers.append(ares.shutdown(30.0)))
    with ares.decision(strategy="late") as d:
        ending.start()
        eventually(lambda: telemetry._deadline < float("inf"))
        d.resolve("buy")
    held.free.set()
    ending.join()
    assert answers == [True]
    assert named(sink) == ["late"]
    assert "ares.decision.abandoned" not in spans(sink)[0]["attributes"]


def test_a_worker_that_is_held_up_with_nothing_to_send(begin: Begin) -> None:
    """Without an exporter nothing is left to save, and the answer is as honest."""
    held: Any = Held()
    begin()
    ares.metric(Counter("bot_held_total", "held", (STRATEGY,))).add(held, strategy="s")
    assert not ares.flush(0.01)
    assert not ares.shutdown(0.01)
    held.free.set()


def test_more_than_can_be_worked_through_in_time(begin: Begin, sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """At the end the time counts more than the records: what is left is counted, logged, and not called delivered."""
    begin(sink)
    decide(ares, *["s"] * 1_000)
    telemetry = active()
    assert telemetry is not None
    telemetry._work_until = 0.0
    assert not ares.flush(10.0)
    assert "1000 records could not be worked through in time" in caplog.text
    decide(ares, *["s"] * 20_000)
    assert not ares.shutdown(0.0)


def test_a_long_queue_is_sent_in_parts(begin: Begin, sink: Sink) -> None:
    """Requests hold no more spans than configured, and nothing is lost on the way."""
    with begin(sink, exporter__batch_spans=500, recorder__shutdown_timeout=60):
        decide(ares, *(f"s{number}" for number in range(2_500)))
        assert ares.flush(60.0)
    assert len(named(sink)) == 2_500
    assert max(len(request.names) for request in sink.requests) <= 500


def test_the_queue_is_bounded(begin: Begin, sink: Sink) -> None:
    """What finds it full is counted, shown, and makes the next flush say that something was lost."""
    with begin(sink, recorder__queue_limit=100) as handle:
        decide(ares, *(f"s{number}" for number in range(150)))
        assert not ares.flush(10.0)
        decide(ares, "after")
        assert ares.flush(10.0)
        assert shown(handle.metrics_url, "ares_telemetry_dropped_total", reason="queue_full") == 50
    assert named(sink) == sorted(["after", *(f"s{number}" for number in range(100))])


def test_flush_from_inside(begin: Begin, sink: Sink) -> None:
    """A flush in the middle of a decision delivers what has ended; the sender's thread does not join the decision."""
    with begin(sink), ares.decision(strategy="open"):
        with ares.decision(strategy="inner"):
            pass
        assert ares.flush(10.0)
        assert named(sink) == ["inner"]
    assert named(sink) == ["inner", "open"]


def test_a_worker_that_asks_itself(begin: Begin, sink: Sink) -> None:
    """A log handler of the bot's may flush when the worker logs: that cannot work, and blocks nothing."""
    with begin(sink):
        telemetry = active()
        assert telemetry is not None
        answers: list[bool] = []

        class Asking:
            def __float__(self) -> float:
                answers.append(ares.flush(30.0))
                return 1.0

        asking: Any = Asking()
        ares.metric(Counter("bot_asking_total", "asks", (STRATEGY,))).add(asking, strategy="s")
        assert ares.flush(10.0)
        assert answers == [False]

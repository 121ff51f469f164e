"""One sender with a lane for each signal: what happens in one is nothing to the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sink import Sink, batch_of, eventually, hang, ok, reply

from ares_otel.guard import GUARD
from ares_otel.pipeline.http import HttpTransport
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.model import Batch, Signal
from ares_otel.pipeline.sender import Sender
from ares_otel.pipeline.spool import Spool


def sender(sink: Sink, path: str = "/v1/traces", spool: Spool | None = None, what: str = "spans") -> Sender:
    """Return a sender to a path of a sink."""
    url = sink.url.replace("/v1/traces", path)
    return Sender(HttpTransport(url), spool, timeout=5.0, what=what)


@pytest.fixture
def sinks() -> Iterator[tuple[Sink, Sink]]:
    """Return a receiver for spans and one for log records."""
    with Sink() as traces, Sink() as logs:
        yield traces, logs


@pytest.fixture
def both(sinks: tuple[Sink, Sink]) -> Iterator[Lanes]:
    """Return both lanes."""
    traces, logs = sinks
    made = Lanes({Signal.TRACES: sender(traces), Signal.LOGS: sender(logs, "/v1/logs", what="log records")})
    yield made
    made.shutdown(1.0)


def logs_of(number: int = 1) -> Batch:
    """Return a batch of log records."""
    return Batch(b"", number, Signal.LOGS)


def test_each_signal_has_its_way(sinks: tuple[Sink, Sink], both: Lanes) -> None:
    """Spans and log records go to their own receivers and are accounted for apart."""
    traces, logs = sinks
    both.submit(batch_of("a", "b"))
    both.submit(logs_of(3))

    assert both.flush(10.0)
    assert [request.target for request in (*traces.requests, *logs.requests)] == ["/v1/traces", "/v1/logs"]
    assert {signal: each.exported for signal, each in both.accounts().items()} == {Signal.TRACES: 2, Signal.LOGS: 3}
    assert len(both.take_durations()) == 2


def test_a_silent_receiver_of_logs_holds_no_span_up(sinks: tuple[Sink, Sink], both: Lanes) -> None:
    """While log records wait for an answer, spans are delivered; the flush is honest about the records."""
    traces, logs = sinks
    logs.script.append(hang)
    both.submit(logs_of())
    both.submit(batch_of("a"))

    assert not both.flush(0.5)
    eventually(lambda: traces.delivered == ["a"])


def test_what_was_refused_is_told_of_each(sinks: tuple[Sink, Sink], both: Lanes) -> None:
    """A loss in one lane makes one flush fail, and each lane's log says what was lost."""
    traces, logs = sinks
    traces.script.append(reply(400))
    logs.script.append(reply(400))
    both.submit(batch_of("a"))
    both.submit(logs_of(5))

    assert not both.flush(10.0)
    assert both.flush(10.0)
    assert {signal: each.dropped for signal, each in both.accounts().items()} == {
        Signal.TRACES: {"refused": 1},
        Signal.LOGS: {"refused": 5},
    }
    assert {"sender", "sender of log records"} <= GUARD.counts().keys()


def test_shutdown_ends_all_at_the_same_time(sinks: tuple[Sink, Sink], tmp_path: Path) -> None:
    """Two silent receivers cost the time of one; what was not delivered is in the spools."""
    for sink in sinks:
        sink.script.append(hang)
    spools = [Spool(tmp_path / name) for name in ("traces", "logs")]
    traces, logs = (sender(sink, spool=spool) for sink, spool in zip(sinks, spools, strict=True))
    made = Lanes({Signal.TRACES: traces, Signal.LOGS: logs})
    made.submit(batch_of("a"))
    made.submit(logs_of())
    ended = threading.Event()

    def end() -> None:
        made.shutdown(0.5)
        ended.set()

    thread = threading.Thread(target=end)
    thread.start()

    assert ended.wait(20.0)
    thread.join()
    assert [each.spooled for each in made.accounts().values()] == [1, 1]


def test_shutdown_without_threads(both: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter at its end starts none: the lanes end one after the other."""

    def none(*_: object) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    both.submit(batch_of("a"))
    both.submit(logs_of())
    assert both.flush(10.0)
    monkeypatch.setattr(threading.Thread, "start", none)

    assert both.shutdown(5.0)
    assert both.shutdown(5.0)


def test_only_one_lane(sinks: tuple[Sink, Sink]) -> None:
    """A bot may send log records alone."""
    _, logs = sinks
    logs.script.append(ok)
    made = Lanes({Signal.LOGS: sender(logs, "/v1/logs")})
    made.submit(logs_of())

    assert (made.carries(Signal.LOGS), made.carries(Signal.TRACES)) == (True, False)
    assert made.shutdown(10.0)

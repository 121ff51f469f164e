"""Alerts are told to Alertmanager by a thread of its own: nobody waits, nothing grows, nothing is forgotten."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sink import Sink, eventually, free_port, hang, reply

from ares_otel.guard import GUARD
from ares_otel.pipeline import alertmanager
from ares_otel.pipeline.alertmanager import Alert, Pusher

NOW = 1_790_000_000_123_456_789


def alert(name: str = "AresLimitBreached", ends: int = NOW + 1) -> Alert:
    """Return an alert."""
    return Alert((("alertname", name), ("limit", "drawdown")), {"summary": "too much"}, NOW, ends, "http://bot/metrics")


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Return a receiver."""
    with Sink() as running:
        yield running


def pusher_to(sink: Sink, user: str = "", path: str = "/am") -> Pusher:
    """Return what pushes to a sink."""
    return Pusher(f"http://{user}127.0.0.1:{sink.port}{path}", timeout=5.0)


def accept(*times: int) -> list[Any]:
    """Return answers of a receiver that takes JSON."""
    return [reply(status, content_type="text/plain") for status in times]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(alertmanager, "FIRST_WAIT", 0.01)


def told(sink: Sink) -> list[list[dict[str, Any]]]:
    """Return the alerts of each request."""
    return [json.loads(request.body) for request in sink.requests]


def test_what_is_sent(sink: Sink) -> None:
    """The form of API v2, below the path of the address, with its user as basic authorization."""
    sink.script.extend(accept(400, 200))
    pusher = pusher_to(sink, user="joe:p%40ss@")
    pusher.offer(alert())

    assert pusher.stop(10.0)
    assert [request.target for request in sink.requests] == ["/am/api/v2/alerts"] * 2
    assert sink.requests[0].headers["authorization"] == f"Basic {base64.b64encode(b'joe:p@ss').decode()}"
    assert told(sink)[1] == [
        {
            "labels": {"alertname": "AresLimitBreached", "limit": "drawdown"},
            "annotations": {"summary": "too much"},
            "startsAt": "2026-09-21T14:13:20.123+00:00",
            "endsAt": "2026-09-21T14:13:20.123+00:00",
            "generatorURL": "http://bot/metrics",
        }
    ]
    assert (pusher.pushed, pusher.failures) == (1, {"http_400": 1})
    assert GUARD.counts() == {"alertmanager": 1}


def test_the_newest_state_counts() -> None:
    """While an Alertmanager is away an alert may change: it hears of the last state only, and of every alert."""
    pusher = Pusher(f"http://127.0.0.1:{free_port()}", timeout=1.0)
    for ends in range(5):
        pusher.offer(alert(ends=ends))
    pusher.offer(alert("AresKillSwitchActive"))
    eventually(lambda: pusher.failures["connection"] >= 2)

    assert sorted(each.ends for each in pusher._waiting.values()) == [4, NOW + 1]
    assert not pusher.stop(0.0)


def test_changed_while_it_was_sent(sink: Sink) -> None:
    """What changes during an attempt is sent again afterwards."""
    pusher = pusher_to(sink)
    first, second = alert(), alert(ends=NOW + 9_000_000)
    pusher._waiting[first.labels] = second

    assert pusher._settle([first], "")
    assert list(pusher._waiting.values()) == [second]
    assert not pusher._settle([second], None)
    assert pusher.failures == {"error": 1}


def test_nothing_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound alerts are counted, not kept; a known one still changes."""
    monkeypatch.setattr(alertmanager, "MOST", 2)
    monkeypatch.setattr(Pusher, "_start", lambda _: None)
    pusher = Pusher("https://127.0.0.1")
    for name in ("a", "b", "c", "a"):
        pusher.offer(alert(name))

    assert (len(pusher._waiting), pusher.failures) == (2, {"full": 1})


def test_a_silent_alertmanager(sink: Sink) -> None:
    """It costs an attempt its time, and the end does not wait longer than it may."""
    sink.script.extend([hang, hang])
    pusher = Pusher(f"http://127.0.0.1:{sink.port}", timeout=0.05)
    pusher.offer(alert())
    eventually(lambda: pusher.failures["timeout"] >= 1)

    assert not pusher.stop(0.0)


def test_no_thread(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that has no thread left is told of, once."""

    def none(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    pusher = pusher_to(sink)
    monkeypatch.setattr("threading.Thread.start", none)
    pusher.offer(alert())
    pusher.offer(alert())

    assert GUARD.counts() == {"alertmanager": 2}
    assert not pusher.stop(0.0)

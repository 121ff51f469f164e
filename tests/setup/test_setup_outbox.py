"""The sums of delivery: what is recorded is somewhere, or was lost and counted, whatever becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from balance import balance
from setup_kit import Begin, decide, named
from sink import Sink, eventually, partial, reply

import ares_otel as ares
from ares_otel.decision.desk import Desk
from ares_otel.pipeline.otlp import Encoder
from ares_otel.semconv.attributes import STRATEGY
from ares_otel.semconv.model import Counter


class Broken:
    """A number that raises when it is read."""

    def __float__(self) -> float:
        """Raise."""
        raise ValueError("no number")


def test_everything_is_in_one_of_the_sums(begin: Begin, sink: Sink) -> None:
    """Acknowledged, refused, rejected, without room, without a number: each record is counted once."""
    broken: Any = Broken()
    with begin(sink, recorder__queue_limit=100) as handle:
        decide(ares, *["a"] * 102)
        assert not ares.flush(10.0)
        sink.script += [reply(400), partial(2, "no")]
        for strategies in ("mn", "opq"):
            decide(ares, *strategies)
            assert not ares.flush(10.0)
        ares.metric(Counter("bot_broken_total", "broken", (STRATEGY,))).add(broken, strategy="s")
        assert not ares.flush(10.0)

        found = balance(handle.metrics_url)
        assert found.holds
        assert (found.recorded, found.exported, found.queued, found.spooled, found.adopted) == (108, 101, 0, 0, 0)
        assert found.dropped == {"queue_full": 2, "refused": 2, "rejected": 2, "invalid": 1}
    assert named(sink) == sorted("a" * 100 + "mnopq")


def test_what_nothing_can_send_is_lost(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is missing: each span is counted, and the flush is honest."""
    monkeypatch.setitem(__import__("sys").modules, "ares_otel.pipeline.grpc", None)
    with begin(sink, exporter__protocol="grpc") as handle:
        decide(ares, "a", "b")
        assert not ares.flush(5.0)
        found = balance(handle.metrics_url)
    assert found.holds
    assert found.dropped == {"no_exporter": 2}


def test_what_cannot_be_told_is_lost(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in the middle of a decision, at its end or in the encoder costs that decision and is counted."""
    encode, tell = Encoder.span, Desk._tell

    def no_span(encoder: Encoder, data: Any, more: bytes = b"") -> bytes:
        return b"" if data.attributes.get("ares.strategy") == "lost" else encode(encoder, data, more)

    def broken(desk: Desk, place: Any, *, abandoned: bool) -> None:
        if place.live.facts.strategy == "broken":
            raise KeyError("broken")
        tell(desk, place, abandoned=abandoned)

    monkeypatch.setattr(Encoder, "span", no_span)
    monkeypatch.setattr(Desk, "_tell", broken)
    with begin(sink, correlation__timeout=0.01) as handle:
        decide(ares, "a", "lost", "broken")
        left = ares.decision(strategy="broken")
        left.__enter__()
        assert not ares.flush(10.0)
        eventually(lambda: balance(handle.metrics_url).dropped == {"invalid": 3})
        found = balance(handle.metrics_url)
        left.__exit__(None, None, None)
    assert found.holds
    assert (found.recorded, found.exported, found.dropped) == (4, 1, {"invalid": 3})
    assert named(sink) == ["a"]

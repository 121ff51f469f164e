"""What a process says of its own telemetry: every span is in one of the sums, and nothing is said without news."""

from __future__ import annotations

import pytest
from setup_kit import Begin, decide, resources, spans
from sink import Sink, reply

import ares_otel as ares
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.setup import telling


def words(sink: Sink) -> list[tuple[int, int]]:
    """Return what was recorded and what lost by all words that came; each has to add up."""
    found = [span["attributes"] for span in spans(sink) if span["name"] == s.TELEMETRY.name]
    for word in found:
        assert word[a.RECORDED.key] == sum(word[each.key] for each in (a.ACKNOWLEDGED, a.LOST, a.WAITING))
        assert word[a.WAITING.key] > word[a.SPOOLED.key] == 0
    return [(word[a.RECORDED.key], word[a.LOST.key]) for word in found]


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every round be the time for a word."""
    monkeypatch.setattr(telling, "SECONDS", 0.0)


@pytest.mark.usefixtures("often")
def test_every_span_is_in_one_of_the_sums(begin: Begin, sink: Sink) -> None:
    """A word counts what was recorded before it and itself; the next one finds that all acknowledged."""
    with begin(sink):
        assert ares.flush(10.0)
        decide(ares, "a", "b")
        assert ares.flush(10.0)
        assert ares.flush(10.0)
        decide(ares, "c")
    who = spans(sink)[-1]["attributes"]

    assert words(sink) == [(3, 0), (5, 0)]
    assert who[a.INSTANCE_ID.key] == resources(sink)[0]["service.instance.id"]


@pytest.mark.usefixtures("often")
def test_what_was_lost_is_said(begin: Begin, sink: Sink) -> None:
    """Spans that were refused and records that found no room are lost; both stay in the sum of all."""
    sink.script.append(reply(400))
    with begin(sink):
        decide(ares, "a")
        assert not ares.flush(10.0)
        RECORDER.refuse()
        decide(ares, "b")
        ares.flush(10.0)

    # the receiver may have refused the decision already when the first word is said
    assert [recorded for recorded, _ in words(sink)] == [2, 5]
    assert words(sink)[-1] == (5, 2)


def test_a_short_process_says_nothing(begin: Begin, sink: Sink) -> None:
    """What is over before the first word is due has no last one either."""
    with begin(sink):
        decide(ares, "a")

    assert words(sink) == []


def test_the_last_word_does_not_wait(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has spoken says at its end what came since."""
    monkeypatch.setattr(telling, "SECONDS", 0.0)
    with begin(sink):
        monkeypatch.setattr(telling, "SECONDS", 1_000.0)
        for name in ("a", "b"):
            decide(ares, name)
            assert ares.flush(10.0)

    assert words(sink) == [(2, 0), (4, 0)]

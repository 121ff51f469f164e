"""What a bot does to its telemetry: too much, too long, too large, things that raise, clocks that jump."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections import Counter as Counts
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from balance import watched
from fault_kit import SPANS, PriceError, complaints, settled, trade, within
from setup_kit import Begin, named, shown, spans
from sink import Sink, eventually, reply

import ares_otel as ares
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.records import Record, Regime
from ares_otel.records.facts import RecordFacts
from ares_otel.semconv.attributes import STRATEGY
from ares_otel.semconv.model import Counter
from ares_otel.setup import active

HOUR = 3_600 * 10**9
NAMES = [f"s{number}" for number in range(30)]


def test_a_clock_that_jumps(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour forward and back again and again: durations stay what they were, nothing waits for it, all arrives."""
    shift, real = itertools.cycle([HOUR, 0, -HOUR]), time.time_ns
    now = 0

    def wall() -> int:
        return real() + now

    with begin(sink) as handle, watched(handle.metrics_url):
        monkeypatch.setattr(RECORDER.clock, "_wall", wall)
        monkeypatch.setattr(time, "time", lambda: wall() / 1e9)
        sink.script.extend([reply(503), reply(429, Retry_After="0")] * 3)
        for strategy in NAMES:
            now = next(shift)
            with ares.decision(strategy=strategy, symbol="BTC") as d, d.stage("analyst"):
                now = next(shift)
            ares.flush(0.02)
        assert ares.flush(20.0)
        assert settled(handle.metrics_url).exported == SPANS * len(NAMES)
        longest = shown(handle.metrics_url, "ares_decision_duration_seconds_sum")
        assert longest is not None
        assert 0 < longest < 60
        assert RECORDER.clock.jumps > len(NAMES) // 2
    assert {*named(sink)} == {*NAMES}
    lengths = [span.end_time_unix_nano - span.start_time_unix_nano for span in raw_spans(sink)]
    assert min(lengths) >= 0
    assert max(lengths) < 60 * 10**9


def raw_spans(sink: Sink) -> Iterator[Any]:
    """Yield the spans that came, as protobuf."""
    from setup_kit import _requests  # noqa: PLC0415

    for request in _requests(sink):
        for part in request.resource_spans:
            for scope in part.scope_spans:
                yield from scope.spans


class Raising(logging.Handler):
    """A handler of the bot's that raises into whoever logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Raise."""
        raise PriceError(record.name)


class Trap(Mapping[str, Any]):
    """Attributes whose reading raises, or a number that is none."""

    def __getitem__(self, key: str) -> Any:
        raise PriceError(key)

    def __iter__(self) -> Iterator[str]:
        raise PriceError("iter")

    def __len__(self) -> int:
        return 1

    def __float__(self) -> float:
        raise PriceError("float")

    def __repr__(self) -> str:
        raise PriceError("repr")


def test_what_raises(begin: Begin, sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """A handler of records, a callback of the bot's, a metric: what fails is one value, counted and said once."""
    trap: Any = Trap()

    def broken(record: Record, facts: RecordFacts) -> None:
        raise PriceError(record, facts)

    def collect() -> Iterator[Any]:
        raise PriceError("collect")

    own = ares.metric(Counter("bot_traps_total", "traps", (STRATEGY,)))
    logger = logging.getLogger("ares_otel")
    handler = Raising()
    with begin(sink) as handle, watched(handle.metrics_url):
        telemetry = active()
        assert telemetry is not None
        telemetry.measuring.metrics.observe_at_scrape(collect)
        telemetry.measuring.metrics._handlers[Regime] = broken
        for _ in range(3):
            trade(NAMES[:3])
            ares.record(Regime("bull_trend"))
            own.add(trap, strategy="s")
            with ares.decision(strategy="trap", symbol="BTC") as d, d.stage("analyst", trap):
                d.resolve(trap, reason=trap, confidence=trap)
        assert not ares.flush(10.0)
        logger.addHandler(handler)
        GUARD.complain("test", "handler", "the bot's handler raises now")
        logger.removeHandler(handler)
        trade(["after"])
        assert ares.flush(10.0)
        found = settled(handle.metrics_url)
        assert found.lost == found.dropped["invalid"] >= 3
        assert shown(handle.metrics_url, "ares_telemetry_errors_total", where="logging") == 1
        assert shown(handle.metrics_url, "ares_telemetry_errors_total", where="metrics.record") == 3
        assert (shown(handle.metrics_url, "ares_telemetry_errors_total", where="metrics.source") or 0) > 1
    assert Counts(named(sink))["s0"] == 3
    assert "after" in named(sink)
    assert [span["name"] for span in spans(sink)].count("regime") == 3
    assert len(complaints(caplog)) == len({*complaints(caplog)})


def test_a_full_queue(begin: Begin, sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """Eight threads decide faster than anybody works: none waits, what finds no room is counted and said once."""
    with begin(sink, recorder__queue_limit=500) as handle:
        held = hold_worker()
        threads = [threading.Thread(target=trade, args=([f"t{number}"] * 200,)) for number in range(8)]
        with within(5.0):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(RECORDER.queue) <= 500
        held.set()
        with watched(handle.metrics_url):
            assert not ares.flush(20.0)
            trade(["after"])
            assert ares.flush(20.0)
            found = settled(handle.metrics_url)
    assert found.dropped == {"queue_full": 1_600 - Counts(span["name"] for span in spans(sink))["decision"] + 1}
    assert found.exported == len(spans(sink))
    assert len(complaints(caplog)) == 1


def hold_worker() -> threading.Event:
    """Keep the worker busy until the returned event is set."""
    begun, free = threading.Event(), threading.Event()

    class Held:
        def __float__(self) -> float:
            begun.set()
            free.wait(60.0)
            return 1.0

    held: Any = Held()
    ares.metric(Counter("bot_held_total", "held", (STRATEGY,))).add(held, strategy="s")
    assert not ares.flush(0.01)
    assert begun.wait(10.0)
    return free


def test_ten_thousand_short_threads(begin: Begin, sink: Sink) -> None:
    """Each makes one decision; all arrive, and nothing is kept for a thread that has gone."""

    def one() -> None:
        trade(["short"])

    with begin(sink, recorder__shutdown_timeout=60) as handle, watched(handle.metrics_url):
        before = threading.active_count()
        for _ in range(200):
            threads = [threading.Thread(target=one) for _ in range(50)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert ares.flush(60.0)
        assert threading.active_count() <= before + 4  # the sender's, and those of the receiver
        found = settled(handle.metrics_url)
        assert (found.recorded, found.exported, found.dropped) == (20_000, 20_000, {})
    assert len(sink.delivered) == 20_000


def test_five_hundred_decisions_at_once(begin: Begin, sink: Sink) -> None:
    """Tasks of one loop are in the middle of their decisions at the same time, and none takes another's for its own."""

    async def one(number: int, gate: asyncio.Event) -> tuple[int, int]:
        with ares.decision(strategy=f"a{number % 20}", symbol="BTC") as d:
            await gate.wait()
            with ares.span("inner"):
                await asyncio.sleep(0)
                assert ares.current() is d
            if number % 3 == 0:
                raise PriceError(number)
            return number, d.trace_id

    async def all_of_them() -> list[tuple[int, int] | BaseException]:
        gate = asyncio.Event()
        tasks = [asyncio.create_task(one(number, gate)) for number in range(500)]
        await asyncio.sleep(0)
        gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with begin(sink) as handle, watched(handle.metrics_url):
        with within(10.0):
            results = asyncio.run(all_of_them())
        for number, result in enumerate(results):
            if number % 3 == 0:
                assert isinstance(result, PriceError)
                assert result.args == (number,)
            else:
                assert not isinstance(result, BaseException)
                assert result[0] == number
        assert ares.flush(20.0)
        found = settled(handle.metrics_url)
        assert (found.recorded, found.exported, found.dropped) == (1_000, 1_000, {})
    received = spans(sink)
    parents = {span["span_id"]: span["trace_id"] for span in received if span["name"] == "decision"}
    inner = [span for span in received if span["name"] == "inner"]
    assert len(parents) == len({*parents.values()}) == len({span["parent_id"] for span in inner}) == 500
    assert all(parents[span["parent_id"]] == span["trace_id"] for span in inner)


def test_a_decision_that_never_ends(begin: Begin, sink: Sink) -> None:
    """It is told as abandoned after its time, once; what it says later is no part of it and harms nothing."""
    with begin(sink, correlation__timeout=0.05, correlation__limit=100) as handle, watched(handle.metrics_url):
        endless = [ares.decision(strategy="endless", symbol="BTC") for _ in range(300)]
        for live in endless:
            live.__enter__()
        trade(NAMES[:3])
        eventually(lambda: ares.flush(5.0) and named(sink).count("endless") >= 100)
        assert len(RECORDER.open) <= 100
        for live in reversed(endless):
            with live.stage("analyst"):
                pass
            live.__exit__(None, None, None)
        assert ares.flush(10.0)
        assert settled(handle.metrics_url).dropped == {}
    told = [span for span in spans(sink) if span["attributes"].get("ares.strategy") == "endless"]
    assert len(told) == len({span["span_id"] for span in told}) == 300
    assert sum("ares.decision.abandoned" in span["attributes"] for span in told) >= 100


def test_a_decision_without_measure(begin: Begin, sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """100,000 stages and a text of ten megabytes: both are cut at their limits, counted, and said once."""
    text = "x" * 10_000_000
    with begin(sink) as handle, watched(handle.metrics_url):
        with within(10.0), ares.decision(strategy="huge", symbol="BTC") as d:
            for number in range(100_000):
                with d.stage("analyst", {"number": number}):
                    pass
            d.set_attribute("note", text)
            d.resolve("buy", reason=text)
        assert ares.flush(20.0)
        assert ares.flush(20.0)
        found = settled(handle.metrics_url)
        assert found.dropped == {"limit": 99_000}
        assert found.exported == 1_001
        assert shown(handle.metrics_url, "ares_telemetry_errors_total", where="otlp") == 2
    (whole,) = [span for span in spans(sink) if span["name"] == "decision"]
    assert len(whole["attributes"]["note"]) == 16_384
    assert sum(len(request.body) for request in sink.requests) < 1_000_000
    assert len(complaints(caplog)) == 2

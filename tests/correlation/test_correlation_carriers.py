"""Context across queues, HTTP and processes: what goes out, what is taken in, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import ares_otel as ares
from ares_otel.correlation import carriers
from ares_otel.correlation import context as ctx
from ares_otel.guard import GUARD
from ares_otel.testing import Capture

TRACE = "0" * 20 + "abcdef012345"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Put header names and propagator back."""
    headers, propagators = list(carriers.HEADERS), list(carriers._propagator)
    yield
    carriers.HEADERS[:], carriers._propagator[:] = headers, propagators


def test_there_and_back(ares_capture: Capture) -> None:
    """Trace, span and correlation id survive a mapping, whatever the case of its keys."""
    with ares.decision(strategy="there") as d:
        carrier: dict[str, str] = {"Content-Type": "text/plain"}
        ares.inject(carrier)
    arrived = {key.upper(): value for key, value in carrier.items()}
    with ares.extract(arrived), ares.decision(strategy="here") as here:
        assert here.correlation_id == d.correlation_id
        assert here.trace_id == d.trace_id
        assert here.parent_id == d.span_id
    assert set(carrier) == {"Content-Type", "traceparent", "baggage", "X-Correlation-ID", "X-Request-ID"}
    assert len(ares_capture.spans()) == 2


def test_without_a_context_nothing_is_written() -> None:
    """A request outside of any decision carries nothing of ours."""
    carrier: dict[str, str] = {}
    ares.inject(carrier)
    assert carrier == {}


def test_the_configured_header_comes_first(ares_capture: Capture) -> None:
    """It is written with the others, and preferred when it is read."""
    carriers.HEADERS.insert(0, "X-Workflow")
    with ares.decision() as d:
        carrier: dict[str, str] = {}
        ares.inject(carrier)
    assert carrier["X-Workflow"] == carrier["X-Request-ID"] == d.correlation_id
    with ares.extract({"x-request-id": "second", "X-WORKFLOW": "first"}):
        assert ares.correlation_id() == "first"
    assert len(ares_capture.spans()) == 1


def test_baggage_wins_over_headers() -> None:
    """A gateway that makes an id for each request does not tear a workflow apart."""
    with ares.extract({"baggage": "ares.correlation.id=ours", "X-Request-ID": "the gateway's"}):
        assert ares.correlation_id() == "ours"


@given(st.text())
def test_no_baggage_can_forge_a_header_or_a_log_line(said: str) -> None:
    """Whatever a peer sends as correlation id is either usable or not there."""
    sent: dict[str, str] = {}
    W3CBaggagePropagator().inject(sent, baggage.set_baggage(ctx.CORRELATION, said, Context()))
    with ares.extract(sent):
        found = ares.correlation_id()
        written: dict[str, str] = {}
        ares.inject(written)
    assert found is None or (found.isprintable() and 0 < len(found) <= 128)
    for header in ("X-Correlation-ID", "X-Request-ID"):
        assert (header in written) == (found is not None)
        assert written.get(header, "").isascii()
        assert written.get(header, "").isprintable()


def test_a_broken_id_in_baggage_makes_way_for_the_header() -> None:
    """What cannot be used is as if it were not there; other baggage stays."""
    with ares.extract({"baggage": "ares.correlation.id=a%0d%0ab,user=7", "X-Correlation-ID": "good"}):
        assert ares.correlation_id() == "good"
        assert baggage.get_baggage("user") == "7"
    with ares.extract({"baggage": "ares.correlation.id=%20padded%20"}):
        assert ares.correlation_id() == "padded"


def test_an_id_that_is_no_ascii_travels(ares_capture: Capture) -> None:
    """HTTP clients raise for headers that are not ASCII: there it is quoted, in baggage it is whole."""
    with ares.decision(correlation_id="Auftrag №7") as d:
        carrier: dict[str, str] = {}
        ares.inject(carrier)
    assert carrier["X-Correlation-ID"] == "Auftrag%20%E2%84%967"
    with ares.extract(carrier):
        assert ares.correlation_id() == d.correlation_id
    assert len(ares_capture.spans()) == 1


@pytest.mark.parametrize("carrier", [None, 7, {"traceparent": b"bytes", "X-Request-ID": 7}, {7: "x"}, {"baggage": "%"}])
def test_an_odd_carrier_never_raises(carrier: Any) -> None:
    """What is no mapping of text to text carries nothing."""
    with ares.extract(carrier):
        assert ares.correlation_id() is None
    ares.inject(carrier)


class Broken(TextMapPropagator):
    """A propagator that fails."""

    def inject(self, *_: object, **__: object) -> None:
        """Fail."""
        raise RuntimeError("no")

    def extract(self, *_: object, **__: object) -> Context:
        """Fail."""
        raise RuntimeError("no")

    @property
    def fields(self) -> set[str]:
        """None."""
        return set()


def test_a_broken_propagator_never_raises() -> None:
    """Somebody's propagator fails: the bot goes on without, and it is counted."""
    carriers.use_propagator(Broken())
    carrier: dict[str, str] = {}
    with ares.decision():
        ares.inject(carrier)
    with ares.extract({"traceparent": PARENT}):
        assert not trace.get_current_span().get_span_context().is_valid
    assert carriers.ambient({"TRACEPARENT": PARENT}) is None
    assert set(GUARD.counts()) == {"inject", "extract", "environment"}


def test_the_bots_exception_passes_and_the_context_is_restored(ares_capture: Capture) -> None:
    """Leaving the block by an exception ends the carried context, too."""
    with ares.decision() as d:
        with pytest.raises(KeyError), ares.extract({"X-Correlation-ID": "other"}):
            raise KeyError
        assert ares.correlation_id() == d.correlation_id
    assert len(ares_capture.spans()) == 1


def test_an_extract_that_ends_elsewhere() -> None:
    """A generator that is closed in another context cannot restore it; that is counted and raises nothing."""

    async def main() -> None:
        async def begin() -> Any:
            block = ares.extract({"X-Correlation-ID": "x"})
            block.__enter__()
            return block

        block = await asyncio.create_task(begin())
        block.__exit__(None, None, None)

    asyncio.run(main())
    assert GUARD.counts() == {"extract": 1}


def test_a_message_of_another_workflow_leads_out_of_the_decision(ares_capture: Capture) -> None:
    """What is done for it belongs to that workflow, in the message's trace."""
    with ares.decision(strategy="outer") as outer:
        for carrier in ({"traceparent": PARENT, "baggage": "ares.correlation.id=w1"}, {"X-Request-ID": "w1"}):
            with ares.extract(carrier):
                assert ares.current() is None
                with ares.decision(strategy="inner") as inner:
                    assert inner.correlation_id == "w1"
                    assert inner.causation_id is None
                    assert (f"{inner.trace_id:032x}" == TRACE) == ("traceparent" in carrier)
        with ares.extract({"traceparent": PARENT}):
            assert ares.correlation_id() is None
        assert ares.current() is outer
    assert len(ares_capture.spans()) == 3


def test_a_message_of_the_same_workflow_stays_in_the_decision(ares_capture: Capture) -> None:
    """A queue inside one process, a carrier with nothing in it, or with somebody's baggage, change nothing."""
    with ares.decision(strategy="s") as d:
        own: dict[str, str] = {}
        ares.inject(own)
        only_trace = {"traceparent": own["traceparent"]}
        for carrier in ({}, own, only_trace, {"X-Request-ID": d.correlation_id}, {"baggage": "user=7"}):
            with ares.extract(carrier):
                assert ares.current() is d
                ares.record(ares.Prediction("m", "up"))
    assert len(ares_capture.spans("decision")[0]["events"]) == 5


def test_a_consumer_that_was_started_inside_a_decision(ares_capture: Capture) -> None:
    """A task that outlives the decision it began in joins the workflow of each message, not its own past."""

    async def consume(messages: list[Mapping[str, str]]) -> None:
        await asyncio.sleep(0)
        for message in messages:
            with ares.extract(message), ares.decision(strategy="consumer") as d:
                assert (d.correlation_id, f"{d.trace_id:032x}") == ("w1", TRACE)

    async def main() -> None:
        with ares.decision(strategy="first"):
            task = asyncio.create_task(consume([{"traceparent": PARENT, "X-Request-ID": "w1"}]))
        await task

    asyncio.run(main())
    assert [span["trace_id"] for span in ares_capture.spans("decision")][1] == TRACE


def test_other_baggage_is_carried_on(ares_capture: Capture) -> None:
    """What is in the baggage around and what arrives are there both; what arrives wins."""
    token = ctx.set_(baggage.set_baggage("user", "1", baggage.set_baggage("shop", "x", Context())))
    with ares.extract({"baggage": "user=2"}):
        assert dict(baggage.get_all()) == {"user": "2", "shop": "x"}
        with ares.decision() as d:
            assert dict(baggage.get_all()) == {"user": "2", "shop": "x", ctx.CORRELATION: d.correlation_id}
    ctx.reset(token)
    assert len(ares_capture.spans()) == 1


def test_the_environment_of_a_subprocess(ares_capture: Capture) -> None:
    """Variables as OpenTelemetry proposes them; the child finds the same context in them."""
    assert ares.environment() == {}
    with ares.decision() as d:
        environ = ares.environment()
    assert environ == {"TRACEPARENT": f"00-{d.trace_id:032x}-{d.span_id:016x}-01", "BAGGAGE": environ["BAGGAGE"]}
    found = carriers.ambient(environ)
    assert ctx.correlation_id(found) == d.correlation_id
    assert trace.get_current_span(found).get_span_context().span_id == d.span_id
    assert len(ares_capture.spans()) == 1


def test_a_forged_environment_is_cleaned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rule for ids as anywhere."""
    monkeypatch.setenv("BAGGAGE", "ares.correlation.id=a%0ab,user=7")
    found = carriers.ambient()
    assert ctx.correlation_id(found) is None
    assert baggage.get_baggage("user", found) == "7"


def test_a_propagator_can_be_chosen(ares_capture: Capture) -> None:
    """Only what it writes is written, beside the headers of the correlation id."""
    carriers.use_propagator(CompositePropagator([TraceContextTextMapPropagator()]))
    carrier: dict[str, str] = {}
    with ares.decision():
        ares.inject(carrier)
    assert set(carrier) == {"traceparent", "X-Correlation-ID", "X-Request-ID"}
    assert len(ares_capture.spans()) == 1

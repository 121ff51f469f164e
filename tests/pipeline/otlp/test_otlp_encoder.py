"""Whole spans and requests: golden bytes, odd fields, batches."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, LinkData, Scope, SpanData
from ares_otel.pipeline.otlp import Encoder

ENOUGH = 5
HIGHEST = (1 << 64) - 1
SPAN = SpanData(
    trace_id=0x0102030405060708090A0B0C0D0E0F10,
    span_id=0x1112131415161718,
    parent_id=0x2122232425262728,
    name="vote",
    kind=1,
    start=0x0807060504030201,
    end=0x0807060504030202,
    attributes={"model": "lgbm", "weight": 0.5, "rank": 300, "won": True, "none": None},
)
GOLDEN = """
12 90 01
    0a 10 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10
    22 08 21 22 23 24 25 26 27 28
    4a 0f 0a 05 6d 6f 64 65 6c 12 06 0a 04 6c 67 62 6d
    4a 13 0a 06 77 65 69 67 68 74 12 09 21 00 00 00 00 00 00 e0 3f
    2a 04 76 6f 74 65
    30 01
    85 01 00 01 00 00
    7a 00
    12 08 11 12 13 14 15 16 17 18
    39 01 02 03 04 05 06 07 08
    41 02 02 03 04 05 06 07 08
    4a 0b 0a 04 72 61 6e 6b 12 03 18 ac 02
    4a 09 0a 03 77 6f 6e 12 02 10 01
    4a 08 0a 04 6e 6f 6e 65 12 00
"""


class Carried(NamedTuple):
    """An event that lost attributes before it came here."""

    name: str
    time: int
    attributes: Mapping[str, Any]
    dropped_attributes: int


class Broken(dict[str, Any]):
    """Attributes that cannot be read."""

    def items(self) -> Any:
        """Raise."""
        raise RuntimeError("changed")


class Number:
    """What behaves like a number until it is used."""

    def __index__(self) -> int:
        raise OSError

    __int__ = __index__


class Mute:
    """What has no text."""

    def __str__(self) -> str:
        raise LookupError


def decoded(data: SpanData, encoder: Encoder | None = None) -> Span:
    """Return a decoded span after checking that generic and compiled encodings agree."""
    encoder = encoder or Encoder({})
    first, *others = (ScopeSpans.FromString(encoder.span(data)).spans[0] for _ in range(ENOUGH))
    assert all(other == first for other in others)
    return first


def test_golden_bytes() -> None:
    """The compiled encoding of a span, byte by byte."""
    encoder = Encoder({})
    *_, last = (encoder.span(SPAN) for _ in range(ENOUGH))
    assert last.hex(" ") == " ".join(GOLDEN.split())


def test_golden_request() -> None:
    """A request of nothing but names, byte by byte."""
    encoder = Encoder({"a": "b"}, "c")
    batch = encoder.batch({Scope("d", "e", "f"): [b"\x12\x00"], Scope("g"): []})
    assert batch.spans == 1
    assert batch.body == (
        b"\x0a\x1e\x0a\x0a\x0a\x08\x0a\x01a\x12\x03\x0a\x01b\x12\x0d\x0a\x06\x0a\x01d\x12\x01e\x12\x00\x1a\x01f\x1a\x01c"
    )


def test_root_has_no_parent() -> None:
    """Parent id 0 means none."""
    assert not decoded(SPAN._replace(parent_id=0)).parent_span_id
    assert decoded(SPAN).parent_span_id == bytes(range(0x21, 0x29))


def test_status() -> None:
    """The status is there even when unset, as in the official encoder, and a message is possible with any code."""
    for code in (0, 1, 2):
        for message in ("", "why \ud800"):
            got = decoded(SPAN._replace(status=code, message=message))
            assert got.HasField("status")
            assert (got.status.code, got.status.message) == (code, message.replace("\ud800", "?"))


@pytest.mark.parametrize("flags", [0, 0x100, 0x101, 0x300, 0xFFFF_FFFF])
def test_flags(flags: int) -> None:
    """Bits for trace flags and remoteness arrive; that remoteness is known is always said."""
    assert decoded(SPAN._replace(flags=flags)).flags == flags | 0x100


def test_trace_state_counts_events_and_links() -> None:
    """What most spans lack arrives when a span has it."""
    events: list[Any] = [EventData("e", 7, {"x": 1.5}), Carried("f", 8, {}, 4)]
    data = SPAN._replace(
        trace_state="a=1",
        events=events,
        links=(LinkData(1, 2, {"y": "z"}),),
        dropped_attributes=1,
        dropped_events=2,
        dropped_links=3,
    )
    got = decoded(data)
    assert got.trace_state == "a=1"
    assert [(event.name, event.time_unix_nano, event.dropped_attributes_count) for event in got.events] == [
        ("e", 7, 0),
        ("f", 8, 4),
    ]
    assert got.events[0].attributes[0].value.double_value == 1.5
    (link,) = got.links
    assert (link.trace_id, link.span_id, link.flags) == ((1).to_bytes(16), (2).to_bytes(8), 0x100)
    assert link.attributes[0].value.string_value == "z"
    assert (got.dropped_attributes_count, got.dropped_events_count, got.dropped_links_count) == (1, 2, 3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(-1, 0), (1 << 64, HIGHEST), (HIGHEST, HIGHEST), (1.9, 1), (float("nan"), 0), (float("inf"), 0), (None, 0)],
)
def test_times_are_clamped(given: Any, expected: int) -> None:
    """A time outside of 64 bits, or that is none, costs neither the span nor its other fields."""
    got = decoded(SPAN._replace(start=given, end=given, events=[EventData("e", given, {"a": 1})]))
    assert got.start_time_unix_nano == got.end_time_unix_nano == got.events[0].time_unix_nano == expected
    assert got.name == "vote"
    assert len(got.attributes) == 5
    assert (GUARD.counts() == {}) == (given in (1.9, HIGHEST))


@pytest.mark.parametrize(
    ("given", "expected"),
    [(-1, "f" * 32), (1 << 128 | 5, f"{5:032x}"), (None, "0" * 32), (Number(), "0" * 32), ("5", "0" * 32)],
)
def test_ids_are_always_of_their_size(given: Any, expected: str) -> None:
    """An id that is out of range keeps its lower bits, what is no id becomes zero."""
    parent: Any = given or "x"
    got = decoded(SPAN._replace(trace_id=given, span_id=given, parent_id=parent))
    assert got.trace_id.hex() == expected
    assert got.span_id.hex() == got.parent_span_id.hex() == expected[16:]
    assert GUARD.counts()["otlp"] > 0


def test_numbers_of_numpy_are_numbers() -> None:
    """Ids, times and kinds that are numpy's integers are what they say."""
    five, six, three, two, one = (np.int64(number) for number in (5, 6, 3, 2, 1))
    facts: dict[str, Any] = {"span_id": five, "start": six, "kind": three, "status": two, "flags": one}
    got = decoded(SPAN._replace(**facts))
    assert (got.span_id, got.start_time_unix_nano, got.kind) == ((5).to_bytes(8), 6, 3)
    assert (got.status.code, got.flags) == (2, 0x101)
    assert GUARD.counts() == {}


@pytest.mark.parametrize("given", [-1, 6, 200, 1 << 40, None, "server", Number(), [1]])
def test_unknown_kind_and_status_are_zero(given: Any) -> None:
    """A kind or status that OTLP does not have is sent as unspecified, and counted."""
    got = decoded(SPAN._replace(kind=given, status=given))
    assert (got.kind, got.status.code) == (0, 0)
    assert GUARD.counts()["otlp"] > 0


@pytest.mark.parametrize("given", ["\ud800", 5, None, b"x", Number(), Mute()])
def test_names_are_always_text(given: Any) -> None:
    """A name or an attribute's key of any type becomes text, that of its type if it has none."""
    expected = "?" if given == "\ud800" else "Mute" if isinstance(given, Mute) else str(given)
    data = SPAN._replace(name=given, attributes={given: 1}, events=[EventData(given, 1, {given: 1})])
    got = decoded(data)
    assert got.name == got.attributes[0].key == got.events[0].name == got.events[0].attributes[0].key == expected


@pytest.mark.parametrize("broken", [None, 5, Broken(a=1), [("a", 1)]])
def test_attributes_that_cannot_be_read(broken: Any) -> None:
    """Without its attributes a span, an event and a link are still told."""
    data = SPAN._replace(attributes=broken, events=[EventData("e", 1, broken)], links=[LinkData(1, 2, broken)])
    got = ScopeSpans.FromString(Encoder({}).span(data)).spans[0]
    assert (got.name, len(got.events), len(got.links)) == ("vote", 1, 1)
    assert GUARD.counts()["otlp"] > 0


def test_events_and_links_that_cannot_be_read() -> None:
    """What is no event or link is left out and counted, what stands around it is kept."""
    good = EventData("e", 1, {})
    events: list[Any] = [None, good, 7]
    links: tuple[Any, ...] = (object(), LinkData(1, 2, {}))
    got = decoded(SPAN._replace(events=events, links=links))
    assert (len(got.events), got.dropped_events_count) == (1, 2)
    assert (len(got.links), got.dropped_links_count) == (1, 1)
    number: Any = 7
    got = decoded(SPAN._replace(events=number, links=number))
    assert (len(got.events), len(got.links)) == (0, 0)


@pytest.mark.parametrize("given", [None, 5, "span", (), (1, 2), object()])
def test_what_is_no_span_at_all_is_empty(given: Any) -> None:
    """Something else in the queue gives no bytes, is counted, and no request holds it."""
    encoder = Encoder({})
    assert encoder.span(given) == b""
    assert GUARD.counts() == {"otlp": 1}
    assert encoder.batch({Scope("a"): [b"", encoder.span(SPAN)]}).spans == 1
    assert list(encoder.batches({Scope("a"): [b"", b""]})) == []


ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.binary()
ANYTHING = st.recursive(
    ANY,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3) | st.tuples(inner, inner, inner)
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.lists(ANYTHING, min_size=17, max_size=17))
def test_never_raises(fields: list[Any]) -> None:
    """A span whose fields hold anything never raises, and what comes out always decodes."""
    encoder = Encoder({})
    for _ in range(ENOUGH):
        encoded = encoder.span(SpanData(*fields))
        assert len(ScopeSpans.FromString(encoded).spans) == (1 if encoded else 0)


def test_resource_and_scope() -> None:
    """Resource, schemas and scope arrive; a resource's strings are not cut, what it cannot hold is counted."""
    encoder = Encoder({"long": "x" * 70_000, "n": 1, "list": ["a", "b"]}, "schema", attribute_length_limit=3)
    scope = Scope("name \ud800", "1.0", "scope schema")
    (resource,) = ExportTraceServiceRequest.FromString(encoder.batch({scope: [encoder.span(SPAN)]}).body).resource_spans
    assert [attribute.key for attribute in resource.resource.attributes] == ["long", "n", "list"]
    assert len(resource.resource.attributes[0].value.string_value) == 70_000
    assert resource.schema_url == "schema"
    (spans,) = resource.scope_spans
    assert (spans.scope.name, spans.scope.version, spans.schema_url) == ("name ?", "1.0", "scope schema")
    assert spans.spans[0].attributes[0].value.string_value == "lgb"


def test_broken_resource_is_no_reason_to_fail() -> None:
    """An encoder can be made even of a resource that cannot be read."""
    batch = Encoder(Broken(a=1)).batch({Scope("a"): [b"\x12\x00"]})
    (resource,) = ExportTraceServiceRequest.FromString(batch.body).resource_spans
    assert len(resource.resource.attributes) == 0
    assert GUARD.counts() == {"otlp": 1}


def test_scopes_are_bounded() -> None:
    """Libraries without end do not fill the memory."""
    encoder = Encoder({})
    for number in range(1_500):
        encoder.batch({Scope(f"library {number}"): [b"\x12\x00"]})
    assert len(encoder._scopes) <= 1_024


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(
        st.builds(Scope, st.text(max_size=40), st.text(max_size=3)), st.lists(st.integers(0, 3_000)), max_size=4
    ),
    st.integers(100, 12_000),
    st.integers(1, 20),
)
def test_batches_hold_everything_in_order(sizes: dict[Scope, list[int]], most: int, spans: int) -> None:
    """Batches keep both limits unless one span alone exceeds them, and together hold all spans in their order."""
    encoder = Encoder({"service.name": "bot"}, "schema")
    groups = {
        scope: [encoder.span(SPAN._replace(span_id=i + 1, attributes={"k": "x" * size})) for i, size in enumerate(each)]
        for scope, each in sizes.items()
    }
    got: dict[Scope, list[bytes]] = {}
    for batch in encoder.batches(groups, most, spans):
        request = ExportTraceServiceRequest.FromString(batch.body)
        inside = [(each, span) for each in request.resource_spans[0].scope_spans for span in each.spans]
        assert len(inside) == batch.spans
        assert 1 <= batch.spans <= spans
        assert len(batch.body) <= most or batch.spans == 1
        for each, span in inside:
            got.setdefault(Scope(each.scope.name, each.scope.version, each.schema_url), []).append(span.span_id)
    assert got == {
        scope: [number.to_bytes(8) for number in range(1, len(each) + 1)] for scope, each in sizes.items() if each
    }


def test_batches_are_few() -> None:
    """Spans that fit into one request are one request, and a batch is not closed before it is full."""
    encoder = Encoder({})
    groups = {Scope("a"): [encoder.span(SPAN)] * 60, Scope("b"): [encoder.span(SPAN)] * 40}
    assert [batch.spans for batch in encoder.batches(groups)] == [100]
    assert [batch.spans for batch in encoder.batches(groups, max_spans=80)] == [80, 20]
    full = list(islice(encoder.batches(groups, max_bytes=4_000), 3))
    assert all(4_000 - len(SPAN_BYTES) - 64 < len(batch.body) <= 4_000 for batch in full)


SPAN_BYTES = Encoder({}).span(SPAN)

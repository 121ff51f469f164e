"""Our encoding, decoded, is the official encoder's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.span import TraceState
from opentelemetry.trace.status import Status, StatusCode

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, LinkData, Scope, SpanData
from ares_otel.pipeline.otlp import Encoder

EXAMPLES, SPANS = 200, 50
REMOTE = 0x300
HIGHEST = (1 << 64) - 1
LIMITS = (0, 1, -1, 127, 128, 16_383, 16_384, (1 << 31) - 1, 1 << 31, 1 << 53, (1 << 63) - 1, -(1 << 63))
SCOPES = (Scope("bot"), Scope("requests", "2.32", "https://opentelemetry.io/schemas/1.37.0"), Scope(""))

TEXT = st.text(max_size=12) | st.sampled_from(["buy", "ETHUSDT", "é" * 70, "x" * 200, "y" * 3_000, "\x00", "𝄞"])
INTS = st.integers(-(1 << 63), (1 << 63) - 1) | st.sampled_from(LIMITS)
SCALARS = (TEXT, INTS, st.floats(), st.booleans(), st.binary(max_size=8), st.none())
VALUES = st.recursive(
    st.one_of(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)
COLUMNS = st.one_of([st.lists(kind, min_size=1, max_size=4) for kind in (*SCALARS, VALUES)])
ATTRIBUTES = st.dictionaries(TEXT, COLUMNS, max_size=6)
SMALL = st.dictionaries(TEXT, VALUES, max_size=3)
IDS = st.integers(1, HIGHEST)
TIMES = st.integers(0, HIGHEST) | st.sampled_from([0, HIGHEST, 1_790_000_000_000_000_000])
COUNTS = st.sampled_from([0, 0, 0, 1, 300, (1 << 32) - 1])
STATUSES = st.sampled_from([(0, ""), (0, ""), (1, ""), (2, ""), (2, "rejected"), (2, "zu spät")])
STATES = st.sampled_from(["", "", "a=1", "vendor@x=y,b=2"])
LINKS = st.lists(st.tuples(IDS, IDS, SMALL, st.booleans()), max_size=2)


class RemoteLink(NamedTuple):
    """A link that also tells its flags."""

    trace_id: int
    span_id: int
    attributes: Mapping[str, Any]
    flags: int


class Official(ReadableSpan):
    """A span of the SDK whose dropped counts are given."""

    counts = (0, 0, 0)
    dropped_attributes = property(lambda self: self.counts[0])
    dropped_events = property(lambda self: self.counts[1])
    dropped_links = property(lambda self: self.counts[2])


class Recipe(NamedTuple):
    """What the spans of one example are made of; each span takes its own value out of every column."""

    name: str
    kind: int
    root: bool
    flags: int
    attributes: Mapping[str, Sequence[Any]]
    events: Sequence[tuple[str, int, Mapping[str, Any]]]
    links: Sequence[tuple[int, int, Mapping[str, Any], bool]]
    status: tuple[int, str]
    trace_state: str
    counts: tuple[int, int, int]

    def span(self, number: int, ids: tuple[int, int, int], times: tuple[int, int]) -> SpanData:
        """Return the span of this number."""
        trace_id, span_id, parent_id = ids
        return SpanData(
            *(trace_id << 64 | span_id, span_id, 0 if self.root else parent_id, self.name, self.kind, *times),
            {key: column[number % len(column)] for key, column in self.attributes.items()},
            [EventData(*event) for event in self.events],
            [link(*facts) for facts in self.links],
            *(*self.status, self.trace_state, 0 if self.root else self.flags, *self.counts),
        )


def link(trace_id: int, span_id: int, attributes: Mapping[str, Any], remote: bool) -> Any:  # noqa: FBT001
    """Return a link, with flags if it leads to another process."""
    return RemoteLink(trace_id, span_id, attributes, REMOTE) if remote else LinkData(trace_id, span_id, attributes)


RECIPES = st.builds(
    Recipe,
    name=TEXT,
    kind=st.integers(1, 5),
    root=st.booleans(),
    flags=st.sampled_from([0, 0x100, REMOTE]),
    attributes=ATTRIBUTES,
    events=st.lists(st.tuples(TEXT, TIMES, SMALL), max_size=2),
    links=LINKS,
    status=STATUSES,
    trace_state=STATES,
    counts=st.tuples(COUNTS, COUNTS, COUNTS),
)


def official(data: SpanData, scope: Scope, resource: Resource) -> ReadableSpan:
    """Return the same span as the SDK holds it."""
    span = Official(
        data.name,
        context(data.trace_id, data.span_id, remote=False, state=data.trace_state),
        context(data.trace_id, data.parent_id, remote=data.flags == REMOTE) if data.parent_id else None,
        resource,
        data.attributes,
        [Event(event.name, event.attributes, event.time) for event in data.events],
        [Link(context(to.trace_id, to.span_id, remote=isinstance(to, RemoteLink)), to.attributes) for to in data.links],
        SpanKind(data.kind - 1),
        None,
        Status(StatusCode(data.status), data.message or None),
        data.start,
        data.end,
        InstrumentationScope(scope.name, scope.version, scope.schema_url),
    )
    span.counts = data[-3:]
    return span


def context(trace_id: int, span_id: int, *, remote: bool, state: str = "") -> SpanContext:
    """Return a span context of the API."""
    entries = [(key, value) for key, _, value in (entry.partition("=") for entry in state.split(",") if entry)]
    return SpanContext(trace_id, span_id, remote, TraceFlags(1), TraceState(entries))


def canonical(request: ExportTraceServiceRequest) -> bytes:
    """Return a request in a form in which NaN equals itself."""
    return request.SerializeToString(deterministic=True)


def turns(recipes: Sequence[Recipe], ids: Sequence[int], times: Sequence[int]) -> Iterator[SpanData]:
    """Yield spans of the recipes in turns, so that shapes are compiled and alternate."""
    number = 0
    while True:
        one, two, three = (ids[(number + shift) % len(ids)] for shift in range(3))
        start, end = times[number % len(times)], times[(number + 1) % len(times)]
        yield recipes[number % len(recipes)].span(number, (one, two, three), (start, end))
        number += 1


def test_generated_spans_equal_the_official_encoding() -> None:
    """Requests of 10,000 generated spans decode to what the official encoder's requests decode to."""
    compared = 0

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        recipes=st.lists(RECIPES, min_size=1, max_size=3),
        ids=st.lists(IDS, min_size=1, max_size=4),
        times=st.lists(TIMES, min_size=1, max_size=4),
        scope=st.sampled_from(SCOPES),
        schema=st.sampled_from(["", "https://example.org/1"]),
    )
    def law(recipes: list[Recipe], ids: list[int], times: list[int], scope: Scope, schema: str) -> None:
        nonlocal compared
        spans = list(islice(turns(recipes, ids, times), SPANS))
        resource = Resource({"service.name": "bot", "host.cpus": 2}, schema)
        encoder = Encoder(resource.attributes, schema)
        batch = encoder.batch({scope: [encoder.span(span) for span in spans]})
        expected = encode_spans([official(span, scope, resource) for span in spans])
        assert batch.spans == SPANS
        assert canonical(ExportTraceServiceRequest.FromString(batch.body)) == canonical(expected)
        compared += SPANS

    law()
    assert compared >= 10_000
    assert GUARD.counts() == {}

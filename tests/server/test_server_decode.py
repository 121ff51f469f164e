"""From bytes to spans: what is taken, what is refused with a reason, and that JSON and protobuf say the same."""

from __future__ import annotations

import base64
import gzip
import json
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import content, fresh
from spans import START, Bot, body, key_values, request, span

from ares_otel.server.otlp import wire
from ares_otel.server.otlp.decode import decode
from ares_otel.server.otlp.otlp_json import to_protobuf
from ares_otel.server.otlp.values import flag, number, plain_map, scaled, text
from ares_otel.server.otlp.views import FullSpan
from ares_otel.server.otlp.wire import JSON, PROTOBUF, RequestError
from ares_otel.server.store.ids import (
    bounded,
    canonical,
    decision_id,
    lookup_key,
    moment_key,
    text_key,
    time_id,
    trace_key,
)
from ares_otel.server.store.store import Store


def as_json(made: ExportTraceServiceRequest, **options: Any) -> bytes:
    """Return a request as OTLP/JSON: protobuf's JSON with ids in hexadecimal."""
    said = json_format.MessageToDict(made, **options)
    for spans in (scope["spans"] for resource in said["resourceSpans"] for scope in resource["scopeSpans"]):
        for each in spans:
            for holder in (each, *each.get("links", ())):
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in holder:
                        holder[name] = base64.b64decode(holder[name]).hex()
    return json.dumps(said).encode()


# --- protobuf ----------------------------------------------------------------------------------------------------


def test_spans_by_trace() -> None:
    """Spans are sorted by trace, with their bytes and where they came from; of one that comes twice the first stays."""
    one, two = span("a", own=b"1" * 8), span("b", trace=b"U" * 16)
    changed = span("changed", own=b"1" * 8)

    found = decode(body([one, two, changed], scope="lib"))

    assert (found.rejected, found.reason) == (0, "")
    assert {trace: [*spans] for trace, spans in found.traces.items()} == {b"T" * 16: [b"1" * 8], b"U" * 16: [b"S" * 8]}
    seen, raw, source = found.traces[b"T" * 16][b"1" * 8]
    assert (seen.name, raw) == ("a", one.SerializeToString())
    assert source.scope == b"\x0a\x05\x0a\x03lib"


def test_schema_urls_are_kept() -> None:
    """Schema urls of resource and scope stay with the spans."""
    made = request([span("a")])
    made.resource_spans[0].schema_url = "https://a"
    made.resource_spans[0].scope_spans[0].schema_url = "https://b"

    source = decode(made.SerializeToString()).traces[b"T" * 16][b"S" * 8][2]

    assert source.resource.endswith(b"https://a")
    assert source.scope.endswith(b"https://b")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"trace_id": b"short"}, "1 with a trace id that is not 16 bytes or all zero"),
        ({"trace_id": bytes(16)}, "1 with a trace id that is not 16 bytes or all zero"),
        ({"span_id": b"123456789"}, "1 with a span id that is not 8 bytes or all zero"),
        ({"span_id": bytes(8)}, "1 with a span id that is not 8 bytes or all zero"),
        ({"start_time_unix_nano": 0}, "1 with a time out of range"),
        ({"start_time_unix_nano": 2**63 - 1}, "1 with a time out of range"),
        ({"end_time_unix_nano": 2**64 - 1}, "1 with a time out of range"),
    ],
)
def test_unusable_spans_are_refused_alone(change: dict[str, Any], reason: str) -> None:
    """A span that cannot be stored is counted with its reason; the others of its request are taken."""
    bad = span("bad", own=b"bad span")
    for field, value in change.items():
        setattr(bad, field, value)

    found = decode(body([span("good"), bad]))

    assert (found.rejected, found.reason) == (1, reason)
    assert [*found.traces[b"T" * 16]] == [b"S" * 8]


def test_reasons_are_counted() -> None:
    """Each kind of problem is named once, with its number."""
    found = decode(body([Span(trace_id=b"x"), Span(trace_id=b"y"), Span(trace_id=b"T" * 16)]))

    assert found.reason == (
        "2 with a trace id that is not 16 bytes or all zero; 1 with a span id that is not 8 bytes or all zero"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"not protobuf",
        body([span("x")])[:-3],
        # a name that is no UTF-8
        body([span("xx")]).replace(b"xx", b"\xff\xfe"),
        # an attribute whose value is garbage: it would be stored and fail at reading
        body([span("x", {"key": "value!"})]).replace(b"\x0a\x06value!", b"\x0a\x63value!"),
    ],
)
def test_wrong_bytes_are_refused(data: bytes) -> None:
    """What is no trace request is answered 400 with what the decoder says, and never half taken."""
    with pytest.raises(RequestError, match="no ExportTraceServiceRequest") as caught:
        decode(data)

    assert caught.value.status == 400


def test_nothing_is_a_request() -> None:
    """An empty body is a request without spans."""
    assert decode(b"").traces == {}


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    """No bytes lead to anything but spans or a refusal."""
    try:
        decode(data)
    except RequestError as error:
        assert error.status == 400  # noqa: PT017  either end is right


# --- values ------------------------------------------------------------------------------------------------------


def view(**facts: Any) -> Any:
    """Return attributes as the store sees them."""
    return FullSpan.FromString(Span(attributes=key_values(facts)).SerializeToString()).attributes


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((1.5, 1.5), (3, 3.0), (0.0, 0.0), (0, 0.0), (-0.25, -0.25), (2**63 - 1, 2.0**63)),
        *((math.nan, None), (math.inf, None), (-math.inf, None), ("1.5", None), (True, None), (None, None)),
        *(({"a": 1.0}, None), ([1.0], None), (b"1", None)),
    ],
)
def test_numbers(value: object, expected: float | None) -> None:
    """Finite numbers are numbers; whatever else comes under a number's name is nothing."""
    assert number(view(x=value), "x") == expected


def test_other_values() -> None:
    """Texts, flags and scaled numbers of a wrong type are absent."""
    facts = view(text="word", empty="", real=0.66666, huge=1e300, yes=True, none=None)

    assert [text(facts, key) for key in ("text", "empty", "real", "missing")] == ["word", None, None, None]
    assert [scaled(facts, key) for key in ("real", "huge", "text", "missing")] == [6_667, None, None, None]
    assert [flag(facts, key, default=False) for key in ("yes", "text", "missing")] == [True, False, False]
    assert flag(facts, "missing", default=True)


def test_values_as_python_has_them() -> None:
    """Every kind of value comes back as it was, by key in alphabetical order."""
    said = {"b": True, "a": [1, "x", [2.5]], "c": {"y": b"\0", "x": None}, "d": -7, "e": {}, "f": []}

    found = plain_map(view(**said))

    assert found == said
    assert [*found] == sorted(said)


# --- ids ---------------------------------------------------------------------------------------------------------


def test_keys_keep_the_order_of_time() -> None:
    """Keys of ids that begin with the time have its order; an id has one key however it is written."""
    dashed = "0190a1b2-c3d4-7123-8456-0123456789ab"
    later = "0190a1b2-c3d5-7123-8456-0123456789ab"

    assert text_key(dashed) == text_key(dashed.replace("-", "").upper()) == trace_key(bytes.fromhex("0190a1b2c3d47123"))
    assert text_key(dashed) < text_key(later)
    assert canonical(dashed.upper()) == dashed.replace("-", "")


@pytest.mark.parametrize("odd", ["order 7", "zz" * 16, "\ud800", "", "0" * 31, "é" * 32, " " * 32])
def test_any_text_has_a_key(odd: str) -> None:
    """A text that is no 128-bit number has a key of 64 bits too, and is compared as it is."""
    assert -(2**63) <= text_key(odd) < 2**63
    assert canonical(odd) == odd


def test_decision_ids_lead_to_their_traces() -> None:
    """The decision id of the library tells the key that its trace is found under; other texts tell nothing."""
    traces = [bytes.fromhex("0190a1b2c3d4") + tail * 10 for tail in (b"\0", b"\xff")]
    late = bytes.fromhex("fff0a1b2c3d4") + bytes(10)

    for trace in (*traces, late):
        assert moment_key(decision_id(trace, b"\1" * 8)) == lookup_key(trace_key(trace))
    assert lookup_key(trace_key(traces[0])) == lookup_key(trace_key(traces[1])) == 0x0190A1B2C3D4
    assert -(2**47) <= lookup_key(trace_key(late)) < 0
    assert moment_key("order 7") is None
    assert moment_key("z" * 28) is None


def test_row_ids() -> None:
    """Ten bits tell rows of one step of time apart; a text without NUL that is short stays itself."""
    assert time_id(START, 5) == START & ~1023 | 5
    assert time_id(START, 5 + 1024) == time_id(START, 5)
    assert bounded("short") == "short"
    assert bounded("nul\0") == "nul�"


# --- JSON --------------------------------------------------------------------------------------------------------


def linked() -> ExportTraceServiceRequest:
    """Return a whole decision with a link and every kind of value."""
    made = Bot().decision()
    extra = span(
        "extra", {"b": b"\0\1", "n": 2**62, "list": [1, "a"], "map": {"x": 1.5}, "none": None}, own=b"extra001"
    )
    extra.links.add(trace_id=made.ids.trace, span_id=made.ids.root)
    return request([*made.all, extra])


@pytest.mark.parametrize(
    "options", [{}, {"use_integers_for_enums": True}, {"preserving_proto_field_name": False}], ids=str
)
def test_json_gives_the_same_rows(tmp_path: Path, options: dict[str, Any]) -> None:
    """A request as JSON is the same request: ids in hexadecimal, 64-bit numbers as text, enums as words or numbers."""
    made = linked()
    one, two = fresh(tmp_path, "one.db"), fresh(tmp_path, "two.db")
    for database, data in ((one, made.SerializeToString()), (two, to_protobuf(as_json(made, **options)))):
        store = Store(database)
        store.write([decode(data).traces])
        store.close()

    assert content(one) == content(two)


def test_json_with_numbers_and_unknown_fields() -> None:
    """Times as JSON numbers are taken, and fields that are not known are ignored, as OTLP asks."""
    said = json.loads(as_json(request([span("x")])))
    told = said["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    told["startTimeUnixNano"], told["new field"] = START, {"a": [1]}
    said["another"] = 1

    found = decode(to_protobuf(json.dumps(said).encode()))

    assert found.traces[b"T" * 16][b"S" * 8][0].start_time_unix_nano == START


@pytest.mark.parametrize("bad", ["zz", "ab", 7, None, "é"])
def test_bad_ids_in_json_cost_their_span(bad: object) -> None:
    """An id that is no hexadecimal text of the right length costs its span, not the request."""
    said = json.loads(as_json(request([span("good"), span("bad", own=b"bad span")])))
    said["resourceSpans"][0]["scopeSpans"][0]["spans"][1]["spanId"] = bad

    found = decode(to_protobuf(json.dumps(said).encode()))

    assert found.rejected == 1
    assert [*found.traces[b"T" * 16]] == [b"S" * 8]


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"resourceSpans": 7}', b'{"resourceSpans": [7]}'),
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": 7}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "1e99"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": 99999999999999999999999}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "SPAN_KIND_NONSENSE", "name": "\\ud800"}]}]}]}',
        b'{"resourceSpans": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    ],
)
def test_wrong_json_is_refused(data: bytes) -> None:
    """What is no OTLP/JSON is answered 400, however deep or large."""
    with pytest.raises(RequestError, match="no OTLP/JSON") as caught:
        to_protobuf(data)

    assert caught.value.status == 400


def test_deeply_nested_values_are_refused() -> None:
    """A value nested beyond what can be read again is refused when it comes."""
    field = wire.length_delimited
    value = b"\x18\x01"
    for _ in range(120):
        value = field(5, field(1, value))
    attribute = field(1, b"deep") + field(2, value)
    data = field(1, field(2, field(2, span("x").SerializeToString() + field(9, attribute))))

    with pytest.raises(RequestError, match="no ExportTraceServiceRequest"):
        decode(data)


def test_what_can_be_stored_can_be_read(tmp_path: Path) -> None:
    """The deepest value that is taken can be read back from its frame."""
    depth, data = 0, b""
    value: Any = 1
    while True:
        value = {"x": value}
        try:
            tried = body([span("x", {"deep": value})])
            decode(tried)
        except (RequestError, RecursionError):
            break
        depth, data = depth + 1, tried
    database = fresh(tmp_path)
    store = Store(database)
    store.write([decode(data).traces])
    store.close()

    assert depth > 10
    assert len(content(database)["span"]) == 1


# --- compression and answers -------------------------------------------------------------------------------------


def test_gzip() -> None:
    """One member or several are unpacked; a body may be as long as the limit."""
    assert wire.inflate(gzip.compress(b"abc") + gzip.compress(b"def"), 6) == b"abcdef"
    assert wire.inflate(b"", 6) == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"no gzip", 400),
        (gzip.compress(b"abc")[:-5], 400),
        (zlib.compress(b"abc"), 400),
        (gzip.compress(b"abc") + b"rest", 400),
        (gzip.compress(b"1234567"), 413),
        (gzip.compress(b"1234") + gzip.compress(b"567"), 413),
        (gzip.compress(bytes(50_000_000)), 413),
    ],
    ids=["none", "cut", "zlib", "followed", "long", "long in two", "bomb"],
)
def test_bad_gzip_is_refused(data: bytes, status: int) -> None:
    """What is no gzip, is cut off, or grows beyond the limit is refused; no more than the limit is unpacked."""
    with pytest.raises(RequestError) as caught:
        wire.inflate(data, 6)

    assert caught.value.status == status


@given(st.integers(0, 2**64 - 1))
def test_varints(value: int) -> None:
    """Numbers are written as the official runtime reads them."""
    data = wire.length_delimited(1, b"\x08" + wire.varint(value % 2**63))

    assert ExportTraceServiceResponse.FromString(data).partial_success.rejected_spans == value % 2**63


@pytest.mark.parametrize("value", ["", "BTC/EUR", "é" * 20, "x" * wire.SHORT])
def test_attributes_as_encoders_write_them(value: str) -> None:
    """A short attribute is a part of the span's bytes; a longer one is not looked for among them."""
    made = wire.attribute(b"ares.strategy", value)
    encoded = Span(attributes=key_values({"ares.strategy": value})).SerializeToString()
    assert made == (encoded if len(value) < wire.SHORT else b"")


@pytest.mark.parametrize(
    ("encoding", "read"),
    [
        (PROTOBUF, ExportTraceServiceResponse.FromString),
        (JSON, lambda data: json_format.Parse(data, ExportTraceServiceResponse())),
    ],
)
def test_success(encoding: str, read: Callable[[bytes], ExportTraceServiceResponse]) -> None:
    """The official runtime reads our answers, whole and partial."""
    assert read(wire.success_body(encoding)) == ExportTraceServiceResponse()
    partial = read(wire.success_body(encoding, 300, "because é")).partial_success
    assert (partial.rejected_spans, partial.error_message) == (300, "because é")


@pytest.mark.parametrize(
    ("encoding", "read"), [(PROTOBUF, Status.FromString), (JSON, lambda data: json_format.Parse(data, Status()))]
)
@pytest.mark.parametrize(("status", "code"), [(400, 3), (413, 3), (503, 14), (500, 13)])
def test_failure(encoding: str, read: Callable[[bytes], Status], status: int, code: int) -> None:
    """The official runtime reads our errors."""
    found = read(wire.failure_body(encoding, status, "because \ud800"))

    assert (found.code, found.message[:7]) == (code, "because")


def test_reasons_are_short() -> None:
    """A reason that quotes a whole body is cut."""
    assert len(RequestError(400, "x" * 10_000).reason) == 500

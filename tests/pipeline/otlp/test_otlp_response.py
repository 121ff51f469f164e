"""The receiver's answer is read like protobuf reads it, and garbage is nothing."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from ares_otel.pipeline.otlp import parse_response

NUMBERS = st.integers(0, (1 << 63) - 1)


def answer(rejected: int = 0, message: str = "") -> bytes:
    """Return an answer as the official classes encode it."""
    partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=message)
    return ExportTraceServiceResponse(partial_success=partial).SerializeToString()


def delimited(number: int, body: bytes) -> bytes:
    """Return a length-delimited field of less than 128 bytes."""
    return bytes((number << 3 | 2, len(body))) + body


UNKNOWN = st.sampled_from(
    [
        b"",
        b"\x20\x96\x01",  # 4: varint
        b"\x21" + bytes(8),  # 4: fixed64
        b"\x25" + bytes(4),  # 4: fixed32
        b"\x22\x02hi",  # 4: bytes
        b"\x23\x08\x05\x2b\x2c\x24",  # 4: group with a field that looks like ours, and a group in it
        b"\xfa\xff\xff\xff\x0f\x00",  # the highest field number
        b"\x0d" + bytes(4),  # 1, of another wire type
        b"\x15" + bytes(4),  # 2, of another wire type
    ]
)


@settings(deadline=None)
@given(NUMBERS, st.text(), UNKNOWN, UNKNOWN)
def test_reads_what_the_official_classes_write(rejected: int, message: str, before: bytes, after: bytes) -> None:
    """Count and message arrive, with unknown fields around them."""
    assert parse_response(before + answer(rejected, message) + after) == (rejected, message)


@settings(deadline=None)
@given(st.lists(st.tuples(NUMBERS, st.text(max_size=5), UNKNOWN), max_size=3))
def test_pieces_are_merged_as_protobuf_merges_them(pieces: list[tuple[int, str, bytes]]) -> None:
    """Of a message in several pieces the last word counts."""
    body = b"".join(answer(rejected, message) + unknown for rejected, message, unknown in pieces)
    partial = ExportTraceServiceResponse.FromString(body).partial_success
    assert parse_response(body) == (partial.rejected_spans, partial.error_message)


def test_nothing_was_rejected() -> None:
    """An empty answer, an answer without and one with an empty partial success all mean success."""
    assert parse_response(b"") == parse_response(answer()) == parse_response(b"\x0a\x00") == (0, "")


def test_negative_count_is_zero() -> None:
    """A receiver that rejects less than nothing rejects nothing, but its message is kept."""
    assert parse_response(answer(-5, "odd")) == (0, "odd")


def test_unknown_fields_of_the_partial_success() -> None:
    """A field that a later version may add is skipped."""
    assert parse_response(delimited(1, b"\x18\x05" + delimited(4, b"x") + b"\x08\x07")) == (7, "")


def test_message_that_is_no_text() -> None:
    """Bytes that are no UTF-8 are replaced, so that the count is not lost."""
    assert parse_response(delimited(1, b"\x08\x07" + delimited(2, b"a\xff"))) == (7, "a\ufffd")


@settings(deadline=None)
@given(st.binary(max_size=40))
@example(b"\x0a\x05\x08")  # shorter than it says
@example(b"\x0a\x02\x08\x80")  # varint without an end
@example(b"\x0b")  # group without an end
@example(b"\x23\x2c")  # end of another group
@example(b"\x0c")  # end of no group
@example(b"\x02\x00")  # field number 0
@example(b"\x0f")  # no such wire type
@example(b"\xff" * 11)  # varint too long
@example(b"\xff\xff\xff\xff\x7f\x00")  # field number too high
@example(b"<html>502 Bad Gateway</html>")
@example(b'{"partialSuccess":{"rejectedSpans":"3"}}')
def test_never_raises(body: bytes) -> None:
    """Any bytes give a count and a text; and what protobuf reads, we read alike."""
    rejected, message = parse_response(body)
    assert 0 <= rejected < 1 << 63
    assert isinstance(message, str)


def test_garbage_is_nothing() -> None:
    """Truncated, ungrouped and foreign bodies, and what are no bytes at all, mean that nothing was said."""
    whole = answer(3, "three")
    bodies = [whole[:-1], whole + b"\x0b", whole + b"\x0c", whole + b"\x02\x00", whole + b"\x0f", b"\xff" * 11]
    for body in (*bodies, b"<html>", b'{"a":1}', None, "text", 7, object()):
        assert parse_response(body) == (0, "")  # type: ignore[arg-type]
    assert parse_response(memoryview(bytearray(whole))) == (3, "three")  # type: ignore[arg-type]

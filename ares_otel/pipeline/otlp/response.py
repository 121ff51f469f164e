"""The receiver's answer, `ExportTraceServiceResponse`, without protobuf."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["DELIMITED", "Reader", "parse_response"]

VARINT, FIXED_64, DELIMITED, START_GROUP, END_GROUP, FIXED_32 = range(6)
VARINT_BYTES = 10
INT_64 = 1 << 64
PARTIAL_SUCCESS = 1 << 3 | DELIMITED
REJECTED_SPANS = 1 << 3 | VARINT
ERROR_MESSAGE = 2 << 3 | DELIMITED


class Reader:
    """Reads protobuf fields one after the other; raises `ValueError` for what is none."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data).tobytes()
        self.at = 0

    def fields(self) -> Iterator[tuple[int, int | bytes]]:
        """Yield tag (field number * 8 + wire type) and value of every field outside of groups."""
        groups: list[int] = []
        while self.at < len(self.data):
            tag = self.varint()
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise ValueError("field number")
            if wire == START_GROUP:
                groups.append(number)
            elif wire == END_GROUP:
                if not groups or groups.pop() != number:
                    raise ValueError("end of a group that did not begin")
            elif groups:
                self.value(wire)
            else:
                yield tag, self.value(wire)
        if groups:
            raise ValueError("group without an end")

    def value(self, wire: int) -> int | bytes:
        """Return a number or the bytes of a field."""
        if wire == VARINT:
            return self.varint()
        if wire == DELIMITED:
            return self.take(self.varint())
        if wire in {FIXED_32, FIXED_64}:
            return self.take(4 if wire == FIXED_32 else 8)
        raise ValueError("wire type")

    def varint(self) -> int:
        """Return an unsigned number of 64 bits."""
        number = 0
        for shift in range(0, 7 * VARINT_BYTES, 7):
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004  the last byte of a varint
                return number % INT_64
        raise ValueError("varint")

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if size > len(self.data) - self.at:
            raise ValueError("truncated")
        self.at += size
        return self.data[self.at - size : self.at]


def parse_response(body: bytes) -> tuple[int, str]:
    """Return how many spans the receiver rejected and why: (0, "") for an answer that is empty or no such message.

    The count is never negative; bytes of the message that are no UTF-8 are replaced.
    """
    try:
        pieces = [value for tag, value in Reader(body).fields() if tag == PARTIAL_SUCCESS and isinstance(value, bytes)]
        return _partial(b"".join(pieces))  # a message in pieces is their concatenation
    except (TypeError, ValueError):
        return 0, ""


def _partial(data: bytes) -> tuple[int, str]:
    rejected, message = 0, b""
    for tag, value in Reader(data).fields():
        if tag == REJECTED_SPANS and isinstance(value, int):
            rejected = value if value < INT_64 >> 1 else 0
        elif tag == ERROR_MESSAGE and isinstance(value, bytes):
            message = value
    return rejected, message.decode("utf-8", "replace")

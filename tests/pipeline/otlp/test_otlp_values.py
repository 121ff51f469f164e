"""What becomes of values that the official encoder does not take, and of hostile ones."""

from __future__ import annotations

import datetime as dt
import math
import struct
import uuid
from collections import UserDict, UserList, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum, IntEnum, IntFlag, StrEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, LinkData, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.otlp.values import DEPTH_LIMIT, ELEMENTS_LIMIT, KEYS_LIMIT, TEXT_LIMIT, Values

PLAIN = st.text(st.characters()) | st.integers() | st.floats()
ENOUGH = 5
"""So many spans of a shape are encoded by the generic encoder first, then by a compiled function."""


class Side(StrEnum):
    """A vocabulary of strings."""

    BUY = "buy"


class Level(IntEnum):
    """A vocabulary of numbers."""

    HIGH = 3


class Venue(Enum):
    """A vocabulary of anything."""

    PAPER = "paper"
    FEE = Decimal("0.25")
    NESTED = ("a", 1)


class Flag(IntFlag):
    """Flags."""

    A = 1
    B = 2


class Loud:
    """An object whose every conversion raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__
    __hash__ = None  # type: ignore[assignment]


class Liar:
    """An object that says it is a number of numpy and raises."""

    ndim = 0

    @property
    def dtype(self) -> object:
        """Raise."""
        raise ValueError("no type")


class Odd(type):
    """A metaclass that hides the name of its classes."""

    @property
    def __name__(cls) -> str:  # type: ignore[override]
        """Raise."""
        raise ZeroDivisionError


class Nameless(Loud, metaclass=Odd):
    """An object of which not even the type has a name."""


class Endless(Sequence[int]):
    """A sequence without an end."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        return 1

    def __iter__(self) -> Iterator[int]:
        while True:
            yield 1


class Text(str):
    """A string that is not to be trusted."""

    __slots__ = ()

    def __str__(self) -> str:
        return "lie"

    def encode(self, *_: object, **__: object) -> bytes:
        """Raise."""
        raise RuntimeError

    def __len__(self) -> int:
        return -1  # noqa: PLE0303  that is the point


def decoded(data: SpanData, encoder: Encoder | None = None) -> list[Span]:
    """Return a span as decoded from each of several encodings, of which the last are compiled."""
    encoder = encoder or Encoder({})
    return [ScopeSpans.FromString(encoder.span(data)).spans[0] for _ in range(ENOUGH)]


def span(**attributes: Any) -> SpanData:
    """Return a span with attributes."""
    return SpanData(1, 2, 3, "s", 1, 10, 20, attributes)


def value(given: Any, limit: int | None = None) -> AnyValue:
    """Return the decoded value of an attribute after checking that generic and compiled encoders agree."""
    first, *others = decoded(span(k=given), Encoder({}, attribute_length_limit=limit))
    assert all(other.SerializeToString() == first.SerializeToString() for other in others)
    assert first.dropped_attributes_count == 0
    (attribute,) = first.attributes
    assert attribute.key == "k"
    return attribute.value


def once(given: Any) -> AnyValue:
    """Return the decoded value, encoded once."""
    return AnyValue.FromString(Values(None).any_value(given))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("lone \ud800 surrogate", "lone ? surrogate"),
        ("\ud83d\ude00", "??"),
        (Side.BUY, "buy"),
        (Venue.PAPER, "paper"),
        pytest.param(Text("true"), "true", id="distrusted"),
        (1 << 63, "9223372036854775808"),
        (-(1 << 63) - 1, "-9223372036854775809"),
        pytest.param(1 << 20_000, hex(1 << 20_000), id="huge"),
        (dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC), "2026-03-01T12:00:00+00:00"),
        (dt.date(2026, 3, 1), "2026-03-01"),
        (dt.time(9, 30), "09:30:00"),
        (dt.timedelta(seconds=1), "0:00:01"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (1 + 2j, "(1+2j)"),
        (np.complex128(1 + 2j), "(1+2j)"),
        (np.datetime64("2026-03-01T12:00:00.000000001"), "2026-03-01T12:00:00.000000001"),
        (np.str_("x"), "x"),
        (Ellipsis, "Ellipsis"),
    ],
)
def test_becomes_text(given: object, text: str) -> None:
    """Strings are always valid UTF-8, and what OTLP has no type for becomes its text."""
    assert value(given).string_value == text


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (Level.HIGH, 3),
        (Flag.A | Flag.B, 3),
        (np.int64(-7), -7),
        (np.uint8(255), 255),
        ((1 << 63) - 1, (1 << 63) - 1),
        (-(1 << 63), -(1 << 63)),
    ],
)
def test_becomes_int(given: object, number: int) -> None:
    """Enum members of numbers and numpy's integers are integers, to the limits of 64 bits."""
    assert value(given).WhichOneof("value") == "int_value"
    assert value(given).int_value == number


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (Decimal("1.25"), 1.25),
        (Decimal("Infinity"), math.inf),
        (Venue.FEE, 0.25),
        (-0.0, -0.0),
        (5e-324, 5e-324),
    ],
)
def test_becomes_double(given: object, number: float) -> None:
    """Decimals and numpy's floats are doubles, to the last bit."""
    assert struct.pack("<d", value(given).double_value) == struct.pack("<d", number)


def test_scalars_of_other_libraries() -> None:
    """What behaves like a scalar of numpy is one, whatever library it is of; an array without a size is text."""

    class Tensor:
        ndim = 0
        dtype = "float32"

        def size(self) -> tuple[()]:
            return ()

        def item(self) -> float:
            return 0.25

        def __str__(self) -> str:
            return "tensor"

    assert value(Tensor()).double_value == 0.25
    vector = Tensor()
    vector.ndim = 1
    assert value(vector).string_value == "tensor"


def test_long_double_is_never_lost() -> None:
    """A long double, which on some platforms is more than a double and converts to itself, is a text or a double."""
    got = value(np.longdouble(0.5))
    assert got.string_value == "0.5" or got.double_value == 0.5


@pytest.mark.parametrize("given", [True, False, np.bool_(True), np.bool_(False)])
def test_bool_is_no_int(given: object) -> None:
    """A truth value stays one, although Python takes it for a number."""
    assert value(given).WhichOneof("value") == "bool_value"
    assert value(given).bool_value is bool(given)


@pytest.mark.parametrize("given", [b"a\x00", bytearray(b"a\x00"), memoryview(b"a\x00"), np.bytes_(b"a")])
def test_becomes_bytes(given: object) -> None:
    """Everything that is bytes is bytes."""
    assert value(given).bytes_value.rstrip(b"\x00") == b"a"


def test_none_is_a_value_that_holds_nothing() -> None:
    """None keeps its key and has no value, as in the official encoder."""
    assert value(None) == AnyValue()


@pytest.mark.parametrize(
    "given",
    [[1, 2], (1, 2), deque([1, 2]), range(1, 3), UserList([1, 2]), {1: "x", 2: "y"}.keys(), np.array([1, 2])],
)
def test_becomes_array(given: object) -> None:
    """Sequences, sets and small arrays of numpy are arrays."""
    assert [element.int_value for element in value(given).array_value.values] == [1, 2]


def test_array_of_anything() -> None:
    """Elements are converted like attributes, empty containers stay empty, an array of doubles is no special case."""
    elements = value([1.5, None, Level.HIGH, Decimal(2), "\ud800", [], {}, Loud(), True]).array_value.values
    kinds = [element.WhichOneof("value") for element in elements]
    doubles, text = "double_value", "string_value"
    assert kinds == [doubles, None, "int_value", doubles, text, "array_value", "kvlist_value", text, "bool_value"]
    assert elements[7].string_value == "Loud"
    assert [element.double_value for element in value([1.5, 2.5]).array_value.values] == [1.5, 2.5]
    assert value(np.zeros((2, 3))).array_value.values[1].array_value.values[2].double_value == 0


@pytest.mark.parametrize("given", [{"a": 1.5, "b": 2}, UserDict({"a": 1.5, "b": 2})])
def test_becomes_map(given: Mapping[str, object]) -> None:
    """Mappings keep their order; a double among them is no special case."""
    pairs = value(given).kvlist_value.values
    assert list(pairs) == [
        KeyValue(key="a", value=AnyValue(double_value=1.5)),
        KeyValue(key="b", value=AnyValue(int_value=2)),
    ]


def test_keys_of_maps_become_text() -> None:
    """Keys of a map that are no strings are written as text."""
    pairs = value({1: "x", None: 2.5, "\ud800": 3.5, Side.BUY: 4.5}).kvlist_value.values
    assert [pair.key for pair in pairs] == ["1", "None", "?", "buy"]


def test_nested_tuple_of_an_enum() -> None:
    """An enum member whose value is a container is that container."""
    assert [element.WhichOneof("value") for element in value(Venue.NESTED).array_value.values] == [
        "string_value",
        "int_value",
    ]


def test_too_deep_becomes_text() -> None:
    """A container eight deep, or one that contains itself, ends in its abbreviated repr."""
    nested: Any = "x"
    for _ in range(DEPTH_LIMIT + 3):
        nested = [nested]
    endless: dict[str, Any] = {}
    endless["self"] = endless
    for container, step in ((nested, "array_value"), (endless, "kvlist_value")):
        inner = value(container)
        for _ in range(DEPTH_LIMIT):
            last = getattr(inner, step).values[0]
            inner = last if step == "array_value" else last.value
        assert inner.WhichOneof("value") == "string_value"


def test_too_many_values_are_left_out() -> None:
    """An attribute holds a bounded number of values however they are nested, and says so."""
    assert len(once([1] * (ELEMENTS_LIMIT + 5)).array_value.values) == ELEMENTS_LIMIT
    rows = once([[0] * 400] * 400).array_value.values
    assert sum(len(row.array_value.values) + 1 for row in rows) == ELEMENTS_LIMIT
    assert len(once(Endless()).array_value.values) == ELEMENTS_LIMIT
    assert GUARD.counts()["otlp"] > 0


def test_large_arrays_and_texts_are_abbreviated() -> None:
    """A large array of numpy is its summary; the text of an object is bounded even where strings are not."""
    assert "..." in once(np.zeros(ELEMENTS_LIMIT + 1)).string_value

    class Verbose:
        def __str__(self) -> str:
            return "x" * (TEXT_LIMIT + 1)

    assert len(value(Verbose()).string_value) == TEXT_LIMIT


@pytest.mark.parametrize("limit", [0, 1, 3, -2])
def test_length_limit(limit: int) -> None:
    """Strings are cut by characters, bytes by bytes, also inside containers; keys are not."""
    most = max(limit, 0)
    assert value("äbcdef", limit).string_value == "äbcdef"[:most]
    assert value(Side.BUY, limit).string_value == "buy"[:most]
    assert value(b"abcdef", limit).bytes_value == b"abcdef"[:most]
    pair = value({"long key": ["äbcdef"]}, limit).kvlist_value.values[0]
    assert (pair.key, pair.value.array_value.values[0].string_value) == ("long key", "äbcdef"[:most])


def test_default_length_limit() -> None:
    """By default strings are cut at 65,536 characters."""
    (attribute,) = decoded(span(k="é" * 70_000))[-1].attributes
    assert attribute.value.string_value == "é" * 65_536


@pytest.mark.parametrize("make", [Loud, Liar, lambda: Text("x"), lambda: Nameless, type("Weird", (), {"ndim": 1})])
def test_hostile_objects_never_lose_the_span(make: Callable[[], object]) -> None:
    """An object that raises leaves something in its place."""
    for encoded in decoded(span(before=1, k=make(), after=2)):
        assert [attribute.key for attribute in encoded.attributes] == ["before", "k", "after"]


def test_what_cannot_be_encoded_is_dropped_and_counted() -> None:
    """An attribute that defeats all conversions is left out, in spans, events and links, and the count says so."""
    bad: dict[str, Any] = {"k": Nameless(), "good": 1}
    data = span(**bad)._replace(dropped_attributes=2, events=[EventData("e", 5, bad)], links=[LinkData(1, 2, bad)])
    for encoded in decoded(data):
        for message, dropped in ((encoded, 3), (encoded.events[0], 1), (encoded.links[0], 1)):
            assert [attribute.key for attribute in message.attributes] == ["good"]
            assert message.dropped_attributes_count == dropped
    assert GUARD.counts()["otlp"] > 0


def test_keys_of_feature_vectors_are_bounded() -> None:
    """The kept prefixes of a map's keys are bounded, and long keys are not kept."""
    values = Values(None)
    for number in range(KEYS_LIMIT + 10):
        values.any_value({f"feature-{number}": 0.5})
    values.any_value({"x" * 1_000: 0.5})
    assert 0 < len(values._doubles) <= KEYS_LIMIT
    assert all(len(key) < 1_000 for key in values._doubles)


@settings(deadline=None)
@given(st.lists(PLAIN | st.lists(PLAIN, max_size=3), max_size=3) | PLAIN)
def test_any_text_and_number_is_encodable(given: Any) -> None:
    """Texts with lone surrogates and integers of any size, nested a little, decode to what is documented."""

    def expected(plain: Any) -> Any:
        if isinstance(plain, list):
            return [expected(element) for element in plain]
        if isinstance(plain, str):
            return plain.encode("utf-8", "replace").decode()
        if isinstance(plain, int) and not -(1 << 63) <= plain < 1 << 63:
            return str(plain)
        return plain if not isinstance(plain, float) else struct.pack("<d", plain)

    def got(any_value: AnyValue) -> Any:
        kind = any_value.WhichOneof("value")
        if kind == "array_value":
            return [got(element) for element in any_value.array_value.values]
        held = getattr(any_value, str(kind))
        return struct.pack("<d", held) if kind == "double_value" else held

    assert got(once(given)) == expected(given)

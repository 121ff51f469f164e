"""Compiled shapes: what is compiled, what is not, and that nothing grows without bound."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from ares_otel.guard import GUARD
from ares_otel.pipeline.model import EventData, SpanData
from ares_otel.pipeline.otlp import Encoder, shapes
from ares_otel.pipeline.otlp.attributes import (
    KEY_ENTRIES,
    LABEL_LENGTH,
    POOL_ENTRIES,
    TABLE_KEYS,
    Attributes,
    Pool,
)
from ares_otel.pipeline.otlp.shapes import (
    ADMISSION,
    ATTRIBUTES_LIMIT,
    EVENT,
    NAMES_LIMIT,
    REPLACEMENT,
    SEEN_LIMIT,
    SHAPES_LIMIT,
    SPAN,
    Shapes,
)
from ares_otel.pipeline.otlp.values import KEY_LENGTH, Values


class Side(StrEnum):
    """A vocabulary."""

    BUY = "buy"
    SELL = "sell"


def span(name: Any = "s", **attributes: Any) -> SpanData:
    """Return a span with attributes."""
    return SpanData(1, 2, 3, name, 1, 10, 20, attributes)


def decode(encoded: bytes) -> Span:
    """Return a decoded span."""
    (found,) = ScopeSpans.FromString(encoded).spans
    return found


def held(encoded: bytes) -> list[tuple[str, Any]]:
    """Return type and value of a span's attributes."""
    values = [attribute.value for attribute in decode(encoded).attributes]
    kinds = [str(value.WhichOneof("value")) for value in values]
    return [(kind, getattr(value, kind, None)) for kind, value in zip(kinds, values, strict=True)]


def compiled(encoder: Encoder) -> int:
    """Return how many functions an encoder has."""
    return len(encoder._shapes._compiled)


def warm(encoder: Encoder, data: SpanData) -> None:
    """Have the shape of a span compiled."""
    for _ in range(ADMISSION):
        encoder.span(data)


def test_a_shape_is_compiled_when_it_recurs() -> None:
    """Names that never recur are not compiled, names that do are, once."""
    encoder = Encoder({})
    for number in range(100):
        encoder.span(span(f"unique {number}"))
    assert compiled(encoder) == 0
    warm(encoder, span("known", a=1.5))
    for number in range(10):
        encoder.span(span("known", a=float(number)))
    assert compiled(encoder) == 1


VARIANTS: Sequence[tuple[Any, str]] = (
    (1.5, "double_value"),
    (1, "int_value"),
    (True, "bool_value"),
    ("1", "string_value"),
    (None, "None"),
    (b"1", "bytes_value"),
    ([1], "array_value"),
    (Side.BUY, "string_value"),
)


@pytest.mark.parametrize(("first", "then"), list(itertools.permutations(range(len(VARIANTS)), 2)))
def test_types_that_change_are_never_confused(first: int, then: int) -> None:
    """A shape compiled for one type of value encodes every other type right, at once and when that is compiled too."""
    encoder = Encoder({})
    (one, one_kind), (other, other_kind) = VARIANTS[first], VARIANTS[then]
    warm(encoder, span(before="x", k=one, after=2.5))
    for value, kind in [(other, other_kind), (one, one_kind)] * (ADMISSION + 1):
        (_, before), (found, _), (_, after) = held(encoder.span(span(before="x", k=value, after=2.5)))
        assert (before, found, after) == ("x", kind, 2.5)


def test_equal_numbers_are_not_confused() -> None:
    """1, 1.0, True and their like are equal and hash alike, yet keep their types in the caches."""
    encoder = Encoder({})
    for value in [1, 1.0, True, 0, 0.0, False, -0.0] * 4:
        ((kind, found),) = held(encoder.span(span(k=value)))
        assert kind == {int: "int_value", float: "double_value", bool: "bool_value"}[type(value)]
        assert str(found) == str(value)


def test_every_order_of_types_is_compiled_right() -> None:
    """Runs of doubles at the beginning, in the middle, at the end, several and none keep the attributes' order."""
    choices: list[Any] = [0.5, "text", 7]
    for values in itertools.product(choices, repeat=4):
        encoder = Encoder({})
        data = span(**{f"k{number}": value for number, value in enumerate(values)})
        warm(encoder, data)
        got = decode(encoder.span(data))
        assert [attribute.key for attribute in got.attributes] == ["k0", "k1", "k2", "k3"]
        assert [value for _, value in held(encoder.span(data))] == list(values)
        assert (got.span_id, got.end_time_unix_nano, got.parent_span_id) == ((2).to_bytes(8), 20, (3).to_bytes(8))


def test_enum_members_share_the_cache_of_strings() -> None:
    """A closed vocabulary is as cheap as a string."""
    encoder = Encoder({})
    warm(encoder, span(side=Side.SELL))
    for value in ("buy", Side.BUY, "sell", Side.SELL):
        assert held(encoder.span(span(side=value))) == [("string_value", str(value))]
    assert compiled(encoder) == 1
    attribute = encoder._generic.spans.get("side")
    assert attribute is not None
    assert set(attribute.texts) == {"buy", "sell"}


def test_context_is_that_of_each_span() -> None:
    """Trace and parent id are kept between spans only as long as they are the same."""
    encoder = Encoder({})
    for trace, parent in [(1, 2), (1, 2), (1, 3), (4, 3), (4, 0), (1, 2), (1 << 100, 1 << 63), (-1, 2), (4, 0)] * 3:
        got = decode(encoder.span(SpanData(trace, 9, parent, "s", 1, 1, 2, {})))
        assert got.trace_id == (trace & (1 << 128) - 1).to_bytes(16)
        assert got.parent_span_id == (parent.to_bytes(8) if parent else b"")


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "'",
        '"""',
        "\\",
        "\n",
        "{}",
        "{0}",
        "%s",
        "%",
        "__import__('os').abort()",
        ")\nimport os\n(",
        "a0",
        "\x00",
        "\ud800",
    ],
)
def test_nothing_of_the_user_is_executed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, keys and values are bound as constants: the generated text is the same whatever they are."""
    sources: list[str] = []

    def spy(source: str, names: dict[str, Any]) -> None:
        sources.append(source)
        exec(source, names)  # noqa: S102  what the module does itself

    monkeypatch.setattr(shapes, "exec", spy, raising=False)
    encoder = Encoder({})
    for name in (text, "harmless"):
        data = span(name, **{name: name, "d": 0.5, "i": 1, "b": True, "n": None, "l": [name]})
        data = data._replace(events=[EventData(name, 1, {name: 0.5})])
        warm(encoder, data)
        got = decode(encoder.span(data))
        assert got.name == got.attributes[0].key == got.attributes[0].value.string_value == name.replace("\ud800", "?")
    assert len(sources) == 4
    assert sources[:2] == sources[2:]


def test_generated_functions_have_no_builtins() -> None:
    """A compiled function can reach nothing but what was bound."""
    encoder = Encoder({})
    warm(encoder, span(a=1, b=0.5))
    (function,) = encoder._shapes._compiled.values()
    assert function.__globals__["__builtins__"] == {}


@pytest.mark.parametrize(
    "data",
    [
        span(**{f"k{number}": number for number in range(ATTRIBUTES_LIMIT + 1)}),
        span(**{"x" * (KEY_LENGTH + 1): 1}),
        span("x" * (NAMES_LIMIT + 1)),
        span(**{f"{number:0200d}": 1 for number in range(30)}),
        SpanData(1, 2, 3, "s", 1, 1, 2, {5: 1}),  # type: ignore[dict-item]
        span(7),
        span()._replace(kind=9),
        span()._replace(flags=1 << 32),
        span()._replace(status="bad"),  # type: ignore[arg-type]
    ],
)
def test_what_is_not_compiled_is_encoded_all_the_same(data: SpanData) -> None:
    """Large, long and odd spans stay with the generic encoder, and are not tried again and again."""
    encoder = Encoder({})
    for _ in range(ADMISSION * 2):
        assert len(decode(encoder.span(data)).attributes) == len(data.attributes)
    assert compiled(encoder) == 0


def test_a_shape_that_cannot_be_compiled_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """If compiling should fail, that is counted once and the generic encoder goes on."""
    monkeypatch.setattr(shapes, "exec", None, raising=False)
    encoder = Encoder({})
    for _ in range(ADMISSION * 3):
        assert decode(encoder.span(span(a=1))).name == "s"
    assert GUARD.counts() == {"otlp": 1}


def test_too_many_shapes_are_bounded() -> None:
    """More shapes than the table holds are encoded generically; one that is seen very often replaces the oldest."""
    encoder = Encoder({})
    for number in range(SHAPES_LIMIT + 20):
        warm(encoder, span(f"shape {number}"))
    assert compiled(encoder) == SHAPES_LIMIT
    keys = list(encoder._shapes._compiled)
    hot = span("hot", a=1)
    for _ in range(REPLACEMENT - 1):
        encoder.span(hot)
    assert list(encoder._shapes._compiled) == keys
    encoder.span(hot)
    assert list(encoder._shapes._compiled)[:-1] == keys[1:]
    assert decode(encoder.span(hot)).name == "hot"


def test_shapes_that_are_only_counted_are_bounded() -> None:
    """Names without end leave nothing but a bounded number of counts behind."""
    encoder = Encoder({})
    for number in range(SEEN_LIMIT * 2):
        encoder.span(span(f"{number:0100d}"))
    assert 0 < len(encoder._shapes._seen) <= SEEN_LIMIT
    assert all(type(key) is int for key in encoder._shapes._seen)


def test_long_body() -> None:
    """A body longer than the prepared heads gets its length all the same."""
    encoder = Encoder({})
    for size in (1, 2_000, 3_000, 20_000, 300_000) * ADMISSION:
        data = span(k="x" * size)
        assert held(Encoder({}, attribute_length_limit=None).span(data)) == [("string_value", "x" * size)]
        assert held(encoder.span(data)) == [("string_value", "x" * min(size, 65_536))]


def test_changed_attributes_are_no_reason_to_fail() -> None:
    """Attributes that change between the look at their keys and that at their values are encoded as they then are."""

    class Growing(dict[str, Any]):
        def values(self) -> Any:
            self["late"] = 1
            return super().values()

    encoder = Encoder({})
    warm(encoder, span(a=1))
    got = decode(encoder.span(span()._replace(attributes=Growing(a=1))))
    assert [attribute.key for attribute in got.attributes] == ["a", "late"]


def test_events_are_compiled_too() -> None:
    """Events of one shape share a function, events of other types are told right."""
    encoder = Encoder({})
    values: list[Any] = [0.5, 1.5, 1, "x", None, 2.5, [1]]
    for value in values * 4:
        events = [EventData("e", 5, {"k": value, "l": "x"}), EventData("none", 6, {})]
        got = decode(encoder.span(span()._replace(events=events)))
        kind = {float: "double_value", int: "int_value", str: "string_value", list: "array_value"}.get(type(value))
        assert got.events[0].attributes[0].value.WhichOneof("value") == kind
        assert (got.events[0].time_unix_nano, got.events[1].name) == (5, "none")
    assert len(encoder._generic._event_shapes._compiled) > 1


def test_high_cardinality_does_not_displace_labels() -> None:
    """Ids without end fill only the cache of their own key, and that is bounded."""
    encoder = Encoder({})
    for number in range(KEY_ENTRIES * 5):
        data = span(
            symbol="ETHUSDT", order=f"order {number}", number=number, text="y" * (LABEL_LENGTH + 1), huge=1 << 70
        )
        encoder.span(data)
    found = {key: encoder._generic.spans.of(key) for key in data.attributes}
    assert set(found["symbol"].texts) == {"ETHUSDT"}
    assert 0 < len(found["order"].texts) <= KEY_ENTRIES
    assert 0 < len(found["number"].numbers) <= KEY_ENTRIES
    assert not found["text"].texts
    assert not found["huge"].numbers


def test_all_caches_together_are_bounded() -> None:
    """Many keys with many values do not add up to more than the pool."""
    pool = Pool(limit=1_000)
    table = Attributes(0x4A, Values(None), pool)
    for key in range(20):
        for value in range(KEY_ENTRIES // 2):
            table.of(f"key {key}").text(f"value {value}")
            table.of(f"key {key}").number(value)
    assert 0 < sum(len(member.texts) + len(member.numbers) for member in pool._members) <= 1_000
    assert Encoder({})._generic.spans._pool.limit == POOL_ENTRIES


def test_keys_are_bounded() -> None:
    """Keys without end are encoded, and the encoders of those that are gone are given back."""
    pool = Pool()
    table = Attributes(0x4A, Values(None), pool)
    for number in range(TABLE_KEYS * 2):
        table.of(f"key {number}").encode(1)
    assert 0 < len(table._by_key) <= TABLE_KEYS
    gc.collect()
    assert len(pool._members) == len(table._by_key)
    assert table.of("x" * (KEY_LENGTH + 1)) is not table.of("x" * (KEY_LENGTH + 1))
    assert table.of("key") is table.of("key")


def test_frames_write_any_length() -> None:
    """Tag and length of short and of long bodies."""
    assert SPAN.head(5) == b"\x12\x05"
    assert EVENT.head(300) == b"\x5a\xac\x02"


def test_a_small_table_replaces_its_oldest() -> None:
    """The limit of the table is that of its construction."""
    table = Shapes(EVENT, Attributes(0x1A, Values(None), Pool()), limit=1)
    for name in ("a", "b"):
        for _ in range(REPLACEMENT):
            table.learn((name,), {})
    assert table.get(("a",)) is None
    assert table.get(("b",)) is not None

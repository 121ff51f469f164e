"""Narrow views of OTLP traces, wire-compatible with the official messages and decoded by the official runtime in C.

They have the field numbers of the official messages and fewer fields. `Raw*` sees each span as bytes, so that nothing
is decoded and encoded again, `RawEvents` each event of a span; `Head*` only its ids and name, `LinkedSpan` its ids
and links; `Full*` has attributes as `map<string, AnyValue>`, which is the same on the wire, so that one attribute is
one look-up in C instead of a walk in Python.

The views also serve for reading: what they accept once, they accept for ever, because a stored frame nests less
deeply than the request that it came in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

__all__ = [
    "AttributeMap",
    "EventView",
    "FullLog",
    "FullRequest",
    "FullResource",
    "FullScope",
    "FullSpan",
    "HeadResource",
    "LinkedSpan",
    "LogView",
    "RawEvents",
    "RawRequest",
    "RawResource",
    "SpanView",
    "StatusView",
    "ValueView",
]

FIELD = descriptor_pb2.FieldDescriptorProto
TEXT, BYTES, BOOL = FIELD.TYPE_STRING, FIELD.TYPE_BYTES, FIELD.TYPE_BOOL
INT, FIXED, REAL = FIELD.TYPE_INT64, FIELD.TYPE_FIXED64, FIELD.TYPE_DOUBLE

PACKAGE = "ares"
HEAD: dict[str, tuple[Any, ...]] = {"trace_id": (1, BYTES), "span_id": (2, BYTES), "name": (5, TEXT)}
RESOURCE_BYTES: dict[str, tuple[Any, ...]] = {"resource": (1, BYTES), "schema_url": (3, BYTES)}
SCOPE_BYTES: dict[str, tuple[Any, ...]] = {"scope": (1, BYTES), "schema_url": (3, BYTES)}

MESSAGES: dict[str, dict[str, tuple[Any, ...]]] = {
    "AnyValue": {
        "string_value": (1, TEXT),
        "bool_value": (2, BOOL),
        "int_value": (3, INT),
        "double_value": (4, REAL),
        "array_value": (5, "Array"),
        "kvlist_value": (6, "KeyValues"),
        "bytes_value": (7, BYTES),
    },
    "Array": {"values": (1, ["AnyValue"])},
    "KeyValues": {"values": (1, dict)},
    "Event": {"time_unix_nano": (1, FIXED), "name": (2, TEXT), "attributes": (3, dict)},
    "Status": {"message": (2, TEXT), "code": (3, INT)},
    "Span": HEAD
    | {
        "parent_span_id": (4, BYTES),
        "kind": (6, INT),
        "start_time_unix_nano": (7, FIXED),
        "end_time_unix_nano": (8, FIXED),
        "attributes": (9, dict),
        "events": (11, ["Event"]),
        "status": (15, "Status"),
    },
    "Log": {
        "time_unix_nano": (1, FIXED),
        "severity_number": (2, INT),
        "body": (5, "AnyValue"),
        "attributes": (6, dict),
        "trace_id": (9, BYTES),
        "span_id": (10, BYTES),
        "observed_time_unix_nano": (11, FIXED),
        "event_name": (12, TEXT),
    },
    "Resource": {"attributes": (1, dict)},
    "Scope": {"name": (1, TEXT), "version": (2, TEXT)},
    "Head": HEAD,
    "HeadScope": {"spans": (2, ["Head"])},
    "HeadResource": {"scope_spans": (2, ["HeadScope"])},
    "Link": {"trace_id": (1, BYTES), "span_id": (2, BYTES), "attributes": (4, dict)},
    "LinkedSpan": {"trace_id": (1, BYTES), "span_id": (2, BYTES), "links": (13, ["Link"])},
    "RawEvents": {"events": (11, [BYTES])},
    "RawScope": SCOPE_BYTES | {"spans": (2, [BYTES])},
    "RawResource": RESOURCE_BYTES | {"scope_spans": (2, ["RawScope"])},
    "RawRequest": {"resource_spans": (1, ["RawResource"])},
    "ScopeSpans": {"scope": (1, "Scope"), "spans": (2, ["Span"])},
    "FullResource": {"resource": (1, "Resource"), "scope_spans": (2, ["ScopeSpans"])},
    "FullRequest": {"resource_spans": (1, ["FullResource"])},
}
"""Field name → (number, type): a message by its name, a list for repeated, `dict` for attributes as a map."""


class ValueView(Protocol):
    """An attribute's value; `WhichOneof("value")` names the field that is set."""

    string_value: str
    bool_value: bool
    int_value: int
    double_value: float
    bytes_value: bytes

    @property
    def array_value(self) -> Any:
        """List of values."""

    @property
    def kvlist_value(self) -> Any:
        """Values by name."""

    def HasField(self, field: str, /) -> bool:  # noqa: N802  protobuf's name
        """Tell whether this field is the one that is set."""

    def WhichOneof(self, group: str, /) -> str | None:  # noqa: N802  protobuf's name
        """Return the name of the field that is set."""


AttributeMap = Mapping[str, ValueView]
"""Attributes by key; `[key]` of an absent key would insert it: use `.get(key)`."""


class EventView(Protocol):
    """A span event."""

    time_unix_nano: int
    name: str
    attributes: AttributeMap


class StatusView(Protocol):
    """A span's status; code 2 is an error."""

    message: str
    code: int


class SpanView(Protocol):
    """A span with its attributes as a map."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    kind: int
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: AttributeMap
    events: Sequence[EventView]
    status: StatusView


class LogView(Protocol):
    """A log record with its attributes as a map."""

    time_unix_nano: int
    observed_time_unix_nano: int
    severity_number: int
    body: ValueView
    attributes: AttributeMap
    trace_id: bytes
    span_id: bytes
    event_name: str


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: Any) -> None:
    repeated = isinstance(kind, list) or kind is dict
    label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
    field = message.field.add(name=name, number=number, label=label)
    inner = _entry(message, name) if kind is dict else kind[0] if isinstance(kind, list) else kind
    if isinstance(inner, str):
        field.type, field.type_name = FIELD.TYPE_MESSAGE, f".{PACKAGE}.{inner}"
    else:
        field.type = inner


def _entry(message: descriptor_pb2.DescriptorProto, name: str) -> str:
    entry = message.nested_type.add(name=name.title() + "Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, type=TEXT, label=FIELD.LABEL_OPTIONAL)
    value = entry.field.add(name="value", number=2, type=FIELD.TYPE_MESSAGE, label=FIELD.LABEL_OPTIONAL)
    value.type_name = f".{PACKAGE}.AnyValue"
    return f"{message.name}.{entry.name}"


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="ares_views.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            _add_field(message, field, number, kind)
    any_value = file.message_type[0]
    any_value.oneof_decl.add(name="value")
    for one in any_value.field:
        one.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES}


_MADE = _classes()
RawRequest, RawResource, RawEvents = _MADE["RawRequest"], _MADE["RawResource"], _MADE["RawEvents"]
FullRequest, FullSpan, FullLog = _MADE["FullRequest"], _MADE["Span"], _MADE["Log"]
HeadResource, FullResource, FullScope = _MADE["HeadResource"], _MADE["FullResource"], _MADE["Scope"]
LinkedSpan = _MADE["LinkedSpan"]

"""What the parts of the pipeline exchange: spans to be encoded, batches to be sent, the receiver's verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

__all__ = [
    "Batch",
    "EventData",
    "LinkData",
    "LogData",
    "Scope",
    "Signal",
    "SpanData",
    "Transport",
    "Value",
    "Verdict",
]

Value: TypeAlias = "str | bool | int | float | bytes | Sequence[Value] | Mapping[str, Value] | None"
"""What an OTLP attribute can hold (`AnyValue`)."""


class EventData(NamedTuple):
    """A span event; `time` in Unix ns."""

    name: str
    time: int
    attributes: Mapping[str, Value]
    dropped_attributes: int = 0


class LinkData(NamedTuple):
    """A link to another span; ids as unsigned integers of 128 and 64 bits."""

    trace_id: int
    span_id: int
    attributes: Mapping[str, Value]
    flags: int = 0
    dropped_attributes: int = 0


class SpanData(NamedTuple):
    """A finished span, ready for the encoder.

    Ids are unsigned integers of 128 and 64 bits (`parent_id` 0: none), `start` and `end` Unix ns, `kind` and
    `status` the numbers of OTLP (kind 1 internal, 2 server, 3 client, 4 producer, 5 consumer; status 0 unset, 1 ok,
    2 error).
    """

    trace_id: int
    span_id: int
    parent_id: int
    name: str
    kind: int
    start: int
    end: int
    attributes: Mapping[str, Value]
    events: Sequence[EventData] = ()
    links: Sequence[LinkData] = ()
    status: int = 0
    message: str = ""
    trace_state: str = ""
    flags: int = 0
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0


class LogData(NamedTuple):
    """A log record, ready for the encoder.

    `time` and `observed` are Unix ns, `severity` is the number of OTLP (1 to 24; 0: none); ids of 0 are none.
    """

    time: int
    observed: int
    severity: int
    level: str
    body: Value
    attributes: Mapping[str, Value]
    trace_id: int = 0
    span_id: int = 0
    event: str = ""
    flags: int = 0
    dropped_attributes: int = 0


class Signal(IntEnum):
    """What a batch holds; the number says so on disk."""

    TRACES = 1
    LOGS = 2


class Scope(NamedTuple):
    """The instrumentation scope (library) that made a span; the logger of a log record."""

    name: str
    version: str = ""
    schema_url: str = ""


class Batch(NamedTuple):
    """An encoded, uncompressed request of one signal and how many items it holds.

    `spans` are log records in an `ExportLogsServiceRequest`, as they are wherever a batch is counted.
    """

    body: bytes
    spans: int
    signal: Signal = Signal.TRACES


class Verdict(msgspec.Struct, frozen=True):
    """What a receiver said of a batch.

    Attributes:
        state: "delivered" (acknowledged), "retry" (try again later), "refused" (never send this again).
        reason: low-cardinality word for the failure counters ("" when delivered): "connection", "timeout", "tls",
            "dns", "http_503", "grpc_unavailable", …
        detail: what a human wants to read in the log, without secrets.
        retry_after: seconds the receiver asks to wait, if it did.
        rejected: spans refused by a partial success.
        answered: a "retry" that the receiver itself said, in time: it may have passed the batch on to some of those
            behind it, as a collector does that has no room left for one of them.
    """

    state: str
    reason: str = ""
    detail: str = ""
    retry_after: float | None = None
    rejected: int = 0
    answered: bool = False


class Transport(Protocol):
    """Delivers one batch; called by one thread only; never raises for what the network or the receiver does."""

    def send(self, batch: Batch, timeout: float) -> Verdict:
        """Deliver within about `timeout` seconds and report."""

    def close(self) -> None:
        """Release connections; a later `send` opens them again."""

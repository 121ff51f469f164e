"""A span and a log record that are sent like the bot's, and found again wherever they belong."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from ares_otel.cli.checks.finding import Check, absent
from ares_otel.cli.checks.sent import Sent
from ares_otel.cli.checks.web import Web
from ares_otel.config import Config
from ares_otel.pipeline.model import Batch, LogData, Scope, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.otlp.logs import LogEncoder
from ares_otel.semconv import attributes as a

__all__ = ["Probe"]

SERVICE: Final = "ares-otel-doctor"
SCOPE: Final = Scope("ares_otel.doctor")
AROUND: Final = 300
SECOND: Final = 1_000_000_000
DURATION: Final = SECOND
"""Long enough that no sampling of traces throws it away."""
SAMPLED: Final = 1
INFO: Final = 9
COLLECTOR: Final = "its log says why; its queue is on the board `ares-telemetry`"
LOKI: Final = f"the collector sends to Loki with deploy/collector/logs.yaml (`make up LOGS=1`): {COLLECTOR}"
UNSENT: Final = "logs.export is off, so no log record was sent"

EXEMPLARS: Final = (
    "Prometheus needs --enable-feature=exemplar-storage and --web.enable-remote-write-receiver, "
    "Tempo's generator a remote_write with send_exemplars"
)


class _Trace(msgspec.Struct):
    traceID: str  # noqa: N815  Tempo's name


class _Traces(msgspec.Struct):
    traces: list[_Trace] = []


class _Found(msgspec.Struct):
    trace_id: str


class _Exemplar(msgspec.Struct):
    labels: dict[str, str]


class _Series(msgspec.Struct):
    exemplars: list[_Exemplar] = []


class _Exemplars(msgspec.Struct):
    data: list[_Series] = []


class _Logs(msgspec.Struct):
    items: list[_Found] = []


class _Streams(msgspec.Struct):
    result: list[dict[str, Any]] = []


class _Streamed(msgspec.Struct):
    data: _Streams


class Probe:
    """One span and, where the bot sends them, one log record within it, with a correlation id of their own.

    Attributes:
        correlation: their correlation id.
        trace: their trace id, 32 hexadecimal digits.
    """

    def __init__(self, config: Config) -> None:
        self.correlation = str(uuid.uuid4())
        self.trace = secrets.token_hex(16)
        self._span_id = secrets.randbits(63) + 1
        self._resource = {"service.name": SERVICE, "service.namespace": config.service.namespace}
        self._logs = config.logs.export and not config.disabled
        known_by = f"correlation {self.correlation}, trace {self.trace}"
        self._span = Sent("span", config, self._batch, known_by)
        self._record = Sent("log record", config, self._log_batch, known_by)

    def checks(self, webs: Mapping[str, Web]) -> Iterator[Check]:
        """Yield that each is taken, and that each of the servers that there are has it."""
        tempo, server, prometheus, loki = (webs.get(name) for name in ("tempo", "server", "prometheus", "loki"))
        way = "the collector sends to"
        yield self._span.check()
        if tempo:
            yield self._span.looked_for("span in Tempo", tempo, self._in_tempo, f"{way} Tempo: {COLLECTOR}")
        if server:
            remedy = f"{way} the ares server: {COLLECTOR}"
            yield self._span.looked_for("span in the ares server", server, self._in_server, remedy)
        if tempo and prometheus:
            yield self._span.looked_for("exemplar in Prometheus", prometheus, self._in_prometheus, EXEMPLARS)
        if not self._logs:
            yield Check(lambda: [absent("log record sent", UNSENT)])
            return
        yield self._record.check()
        if server:
            remedy = f"{way} the ares server: {COLLECTOR}"
            yield self._record.looked_for("log record in the ares server", server, self._log_in_server, remedy)
        if loki:
            yield self._record.looked_for("log record in Loki", loki, self._in_loki, LOKI)

    def _batch(self) -> Batch:
        now = time.time_ns()
        encoder = Encoder(self._resource)
        attributes = {a.CORRELATION_ID.key: self.correlation}
        trace = int(self.trace, 16)
        span = SpanData(trace, self._span_id, 0, "doctor", 1, now - DURATION, now, attributes, flags=SAMPLED)
        return encoder.batch({SCOPE: [encoder.span(span)]})

    def _log_batch(self) -> Batch:
        now = time.time_ns()
        encoder = LogEncoder(self._resource)
        attributes = {a.CORRELATION_ID.key: self.correlation}
        where = (int(self.trace, 16), self._span_id)
        record = LogData(now, now, INFO, "INFO", "doctor was here", attributes, *where, flags=SAMPLED)
        return next(encoder.batches({SCOPE: [encoder.record(record)]}))

    def _in_tempo(self, tempo: Web) -> str:
        query = f'{{ span.{a.CORRELATION_ID.key} = "{self.correlation}" }}'
        start, end = int(self._span.at) - AROUND, int(self._span.at) + AROUND
        found = tempo.read(_Traces, "/api/search", q=query, start=start, end=end)
        return "" if any(one.traceID.zfill(32) == self.trace for one in found.traces) else "no search finds it"

    def _in_server(self, server: Web) -> str:
        found = server.read(list[_Found], "/api/v1/search", q=self.correlation)
        return "" if any(one.trace_id == self.trace for one in found) else "no search finds it"

    def _log_in_server(self, server: Web) -> str:
        found = server.read(_Logs, "/api/v1/logs", correlation_id=self.correlation)
        return "" if any(one.trace_id == self.trace for one in found.items) else "its correlation id finds none"

    def _in_loki(self, loki: Web) -> str:
        name = a.CORRELATION_ID.key.replace(".", "_")
        query = f'{{service_name="{SERVICE}"}} | trace_id="{self.trace}" | {name}="{self.correlation}"'
        start, end = (int(self._record.at + shift) * SECOND for shift in (-AROUND, AROUND))
        found = loki.read(_Streamed, "/loki/api/v1/query_range", query=query, start=start, end=end)
        return "" if found.data.result else "its trace id and correlation id find none"

    def _in_prometheus(self, prometheus: Web) -> str:
        # Tempo says whose a span is by `service`, a collector that makes the metrics itself by `service_name`
        query = " or ".join(
            f'{{__name__=~"traces_spanmetrics_.+",{label}="{SERVICE}"}}' for label in ("service", "service_name")
        )
        start, end = self._span.at - AROUND, self._span.at + AROUND
        found = prometheus.read(_Exemplars, "/api/v1/query_exemplars", query=query, start=start, end=end)
        # Tempo writes an id without the zeros that it begins with
        ids = {one.labels.get("trace_id", "").zfill(32) for series in found.data for one in series.exemplars}
        if self.trace in ids:
            return ""
        return "no exemplar has its trace id" if ids else "the metrics of its span have no exemplar"

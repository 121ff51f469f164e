"""A span that is sent like the bot's, and found again wherever it belongs."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from ares_otel.cli.checks.finding import Check, Finding, failed, fine
from ares_otel.cli.checks.web import TroubleError, Web
from ares_otel.config import Config
from ares_otel.pipeline.model import Scope, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.semconv import attributes as a
from ares_otel.setup.parts import make_transport

__all__ = ["Probe"]

SERVICE: Final = "ares-otel-doctor"
PATIENCE: Final = 60.0
"""Longest time that a span may take to where it is looked for: Tempo writes its metrics every 15 s."""
AROUND: Final = 300
DURATION: Final = 1_000_000_000
"""Long enough that no sampling of traces throws it away."""
COLLECTOR: Final = "its log says why; its queue is on the board `ares-telemetry`"

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


class Probe:
    """One span with a correlation id of its own; it is sent when it is first asked for.

    Attributes:
        correlation: its correlation id.
        trace: its trace id, 32 hexadecimal digits.
    """

    def __init__(self, config: Config) -> None:
        self.correlation = str(uuid.uuid4())
        self.trace = secrets.token_hex(16)
        self._config = config
        self._sent = 0.0

    def checks(self, tempo: Web | None, server: Web | None, prometheus: Web | None) -> Iterator[Check]:
        """Yield that it is taken, and that each of the servers that there are has it."""
        yield Check(self._send)
        looks: dict[str, tuple[Web | None, Callable[[Web], str], str]] = {
            "span in Tempo": (tempo, self._in_tempo, f"the collector sends to Tempo: {COLLECTOR}"),
            "span in the ares server": (
                server,
                self._in_server,
                f"the collector sends to the ares server: {COLLECTOR}",
            ),
            "exemplar in Prometheus": (
                prometheus if tempo else None,
                self._in_prometheus,
                EXEMPLARS,
            ),
        }
        for name, (web, look, remedy) in looks.items():
            if web is not None:
                yield Check(self._looking(name, web, look, remedy), self._patience)

    def _patience(self) -> float:
        return PATIENCE if self._sent else 0.0

    def _send(self) -> Iterator[Finding]:
        if self._sent:
            yield fine("span sent", f"correlation {self.correlation}, trace {self.trace}")
            return
        try:
            transport = make_transport(self._config)
        except (ValueError, ImportError) as error:
            yield failed("span sent", str(error), "see exporter")
            return
        now = time.time_ns()
        encoder = Encoder({"service.name": SERVICE, "service.namespace": self._config.service.namespace})
        attributes = {a.CORRELATION_ID.key: self.correlation}
        span_id = secrets.randbits(63) + 1
        span = SpanData(int(self.trace, 16), span_id, 0, "doctor", 1, now - DURATION, now, attributes, flags=1)
        batch = encoder.batch({Scope("ares_otel.doctor"): [encoder.span(span)]})
        verdict = transport.send(batch, self._config.exporter.timeout)
        transport.close()
        if verdict.state != "delivered":
            yield failed("span sent", verdict.detail, "see exporter")
            return
        self._sent = time.time()
        yield from self._send()

    def _looking(self, name: str, web: Web, look: Callable[[Web], str], remedy: str) -> Callable[[], Iterator[Finding]]:
        def ask() -> Iterator[Finding]:
            if not self._sent:
                yield failed(name, "no span could be sent", "see span sent")
                return
            try:
                cause = look(web)
            except TroubleError as error:
                yield failed(name, str(error), "see whether it is ready")
                return
            after = time.time() - self._sent
            if cause:
                yield failed(name, f"{cause} {after:.0f} s after it was sent", remedy)
            else:
                yield fine(name, f"found after {after:.1f} s")

        return ask

    def _in_tempo(self, tempo: Web) -> str:
        query = f'{{ span.{a.CORRELATION_ID.key} = "{self.correlation}" }}'
        start, end = int(self._sent) - AROUND, int(self._sent) + AROUND
        found = tempo.read(_Traces, "/api/search", q=query, start=start, end=end)
        return "" if any(one.traceID.zfill(32) == self.trace for one in found.traces) else "no search finds it"

    def _in_server(self, server: Web) -> str:
        found = server.read(list[_Found], "/api/v1/search", q=self.correlation)
        return "" if any(one.trace_id == self.trace for one in found) else "no search finds it"

    def _in_prometheus(self, prometheus: Web) -> str:
        # Tempo says whose a span is by `service`, a collector that makes the metrics itself by `service_name`
        query = " or ".join(
            f'{{__name__=~"traces_spanmetrics_.+",{label}="{SERVICE}"}}' for label in ("service", "service_name")
        )
        start, end = self._sent - AROUND, self._sent + AROUND
        found = prometheus.read(_Exemplars, "/api/v1/query_exemplars", query=query, start=start, end=end)
        ids = {one.labels.get("trace_id") for series in found.data for one in series.exemplars}
        if self.trace in ids:
            return ""
        return "no exemplar has its trace id" if ids else "the metrics of its span have no exemplar"

"""All servers of the stack in one that answers as it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from listening import Listening, log_records
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ares_otel.stack.boards import BOARDS
from ares_otel.stack.rules import FILES

__all__ = ["NO_DATE", "PARTS", "FakeStack"]

NO_DATE = -1.0
PARTS = ("collector", "server", "tempo", "prometheus", "alertmanager", "grafana", "loki")
GROUPS = [
    {"name": group.name, "rules": [{"name": "r", "health": "ok", "lastError": ""}]}
    for file in FILES.values()
    for group in file
]

Answer = tuple[int, Any]


class FakeStack(Listening):
    """A healthy stack on one port; `answers` replaces what a path is answered by, `date` what time it is there.

    Attributes:
        url: its address.
        sent: what was asked: method, path and headers.
        traces: trace ids of the spans that came.
        logs: trace ids of the log records that came.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[dict[str, str]], Answer]] = {
            **dict.fromkeys(("/", "/readyz", "/ready", "/-/ready", "/api/health"), (200, "ok")),
            "/api/search": self._search,
            "/api/v1/search": lambda _: (200, [{"trace_id": trace} for trace in self.traces]),
            "/api/v1/query_exemplars": self._exemplars,
            "/api/v1/rules": (200, {"data": {"groups": GROUPS}}),
            "/api/v1/targets": (200, {"data": {"activeTargets": [{"labels": {"job": "bot"}, "health": "up"}]}}),
            "/api/v1/alertmanagers": (200, {"data": {"activeAlertmanagers": [{"url": "http://alertmanager"}]}}),
        }
        self.answers |= {
            "/api/v1/logs": lambda _: (200, {"items": [{"trace_id": trace} for trace in self.logs]}),
            "/loki/api/v1/query_range": self._streams,
        }
        self.date: float | None = None
        self.traces: list[str] = []
        self.logs: list[str] = []
        self.sent: list[tuple[str, str, dict[str, str]]] = []
        super().__init__(type("Handler", (_Handler,), {"fake": self}))

    def environment(self) -> dict[str, str]:
        """Return the variables that lead `ares-otel` to it, with everything that it may send."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "ARES_OTEL_LOGS_EXPORT": "true",
            "ARES_OTEL_ALERTING_ALERTMANAGERS": self.url,
            "ARES_OTEL_STACK_PARTS": ",".join(PARTS),
            **{f"ARES_OTEL_STACK_{part.upper()}": self.url for part in PARTS},
        }

    def take(self, path: str, body: bytes) -> None:
        """Keep the trace ids of a request, if it is one of OTLP."""
        if path == "/v1/logs":
            self.logs += [record.trace_id.hex() for record in log_records(body)]
        if path != "/v1/traces":
            return
        request = ExportTraceServiceRequest.FromString(body)
        self.traces += [
            span.trace_id.hex()
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def _search(self, query: dict[str, str]) -> Answer:
        if query.get("type") == "dash-db":
            return 200, [{"uid": board.uid} for board in BOARDS]
        return 200, {"traces": [{"traceID": trace.lstrip("0")} for trace in self.traces]}

    def _streams(self, query: dict[str, str]) -> Answer:
        assert query["query"].startswith('{service_name="ares-otel-doctor"} | trace_id="')
        return 200, {"data": {"result": [{} for trace in self.logs if f'| trace_id="{trace}" |' in query["query"]]}}

    def _exemplars(self, query: dict[str, str]) -> Answer:
        assert "ares-otel-doctor" in query["query"]
        return 200, {"data": [{"exemplars": [{"labels": {"trace_id": trace.lstrip("0")}} for trace in self.traces]}]}


class _Handler(BaseHTTPRequestHandler):
    fake: FakeStack
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.fake.sent.append(("GET", self.path, dict(self.headers)))
        parts = urlsplit(self.path)
        answer = self.fake.answers.get(parts.path, (200, "{}"))
        self._answer(*(answer(dict(parse_qsl(parts.query))) if callable(answer) else answer))

    def do_HEAD(self) -> None:
        self._answer(405, "")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.fake.sent.append(("POST", self.path, dict(self.headers)))
        status, said = self.fake.answers.get(self.path, (200, ""))  # type: ignore[misc]
        if status == 200:
            self.fake.take(self.path, body)
        self._answer(status, said)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "" if self.fake.date == NO_DATE else formatdate(timestamp or self.fake.date, usegmt=True)

    def _answer(self, status: int, said: Any) -> None:
        body = (said if isinstance(said, str) else json.dumps(said)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

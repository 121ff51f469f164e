"""What the API has beyond questions by GET that answer JSON: the live stream, and what it cannot do yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from ares_otel.server.api.problems import MEDIA_TYPE, ProblemError, failure
from ares_otel.server.push.events import TOPICS, Decision, Equity, Health, Order, Update

__all__ = ["REPORTS", "STREAM", "Unmade", "operations", "schemas"]

STREAM: Final = "/stream"
REPORTS: Final = "/reports/generate"
NOT_ALLOWED, NOT_IMPLEMENTED = 405, 501
NO_REPORTS: Final = (
    "this server makes no reports yet: nothing in it renders or sends one. What a report would say is at "
    "/api/v1/metrics/performance, /api/v1/ml/models and /api/v1/checks; /api/v1/reports/history lists runs."
)

EVENTS: Final = {"decision": Decision, "order": Order, "update": Update, "equity": Equity, "health": Health}
CONTROL: Final = ("snapshot", "heartbeat", "end")
MESSAGE: Final = "StreamMessage"
REFERENCE: Final = "#/components/schemas/{name}"

SSE: Final = """\
Hear what is stored just now, as server-sent events.

The `data` of each is a StreamMessage. The first one is a `snapshot`; a client that comes back with its last id gets
what it missed. It is a stream of states, not a record: for a client that reads slowly newer states replace older ones.

The same messages come as text frames of a WebSocket at `/api/v1/ws`, with the same parameters; it is closed with 1001
where the server stops or access ends, 1008 where a parameter is wrong, 1013 where as many listen as may. These two are
not below `/api`."""


def schemas() -> dict[str, Any]:
    """Return the schemas of the stream's messages by name."""
    _, found = msgspec.json.schema_components(tuple(EVENTS.values()), ref_template=REFERENCE)
    named = {f"Stream{name}": schema | {"title": f"Stream{name}"} for name, schema in found.items()}
    data = [_reference(f"Stream{kind.__name__}") for kind in EVENTS.values()]
    named[MESSAGE] = {
        "title": MESSAGE,
        "description": "One message of the live stream; `id` is where a client goes on after it.",
        "type": "object",
        "properties": {
            "topic": {"enum": [*TOPICS, *CONTROL]},
            "id": {"type": "string"},
            "data": {"anyOf": [*data, {"type": "object"}]},
        },
        "required": ["topic", "data"],
    }
    return named


def operations(failures: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations by path below the base, each by its method; `failures` are the answers to what is wrong."""
    stream = {
        "operationId": "stream",
        "tags": ["live"],
        "summary": SSE.partition("\n")[0],
        "description": SSE,
        "parameters": [
            _parameter("topics", f"some of {', '.join(TOPICS)}, by commas; all of them if not said"),
            _parameter("strategy", "strategies to hear of, by commas"),
            _parameter("symbol", "symbols to hear of, by commas"),
            _parameter("last_event_id", "id of the last message that was heard"),
            _parameter("Last-Event-ID", "the same, as browsers send it", "header"),
        ],
        "responses": {
            "200": {
                "description": "events, as long as the client listens",
                "content": {"text/event-stream": {"schema": {"type": "string", "contentSchema": _reference(MESSAGE)}}},
            },
            **{status: failures[status] for status in ("400", "503")},
        },
    }
    reports = {
        "operationId": "reports_generate",
        "tags": ["reports"],
        "summary": "Make a report now.",
        "description": "Make a report now. Not yet: this server answers 501 and says what is missing.",
        "parameters": [],
        "responses": {"501": _problem("reports are not made by this server yet")},
    }
    return {STREAM: {"get": stream}, REPORTS: {"post": reports}}


def _parameter(name: str, about: str, place: str = "query") -> dict[str, Any]:
    return {"name": name, "in": place, "required": False, "description": about, "schema": {"type": "string"}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=name)}


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": _reference("Problem")}}}


class Unmade:
    """ASGI application of making reports: not yet."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say what is missing."""
        request = Request(scope, receive)
        if request.method == "POST":
            error = ProblemError(NOT_IMPLEMENTED, NO_REPORTS)
        else:
            error = ProblemError(NOT_ALLOWED, f"{request.method} is not answered here, POST is")
        await failure(request, error, allow="POST")(scope, receive, send)

"""What tests of the set-up need: bots in processes of their own, received spans as plain data, scrapes."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.request import Request, urlopen

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from sink import Sink

from ares_otel.setup import Handle

__all__ = ["Begin", "Bot", "Ended", "decide", "named", "resources", "shown", "span_ids", "spans"]

PATIENCE = 120.0
NUMBERS = itertools.count()
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PRELUDE = """
import faulthandler, json, logging, os, pathlib, signal, sys, threading, time
import ares_otel as ares

faulthandler.register(signal.SIGUSR1)

def say(*what):
    os.write(1, (json.dumps(what) + "\\n").encode())

def decide(number, **more):
    with ares.decision(symbol="BTC", strategy=f"s{number}", **more) as d:
        d.resolve("buy")
"""


class Begin(Protocol):
    """Sets telemetry up in this process; settings by key with `__` for the dot."""

    def __call__(self, sink: Sink | None = None, **settings: object) -> Handle:
        """Begin."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a bot ended: exit status (negative: signal), what it said, what it wrote to standard error."""

    status: int
    said: list[Any]
    errors: str

    @property
    def well(self) -> list[Any]:
        """What it said, after a good end."""
        assert self.status == 0, self.errors
        return self.said


class Bot:
    """A bot in a process of its own, with state in a directory of the test.

    Args:
        script: what it does, after `ares` was imported; `say()` tells the test, `decide(n)` makes a decision.
        directory: where its state and its script live.
        sink: where it sends to; None: nowhere.
        arguments: of the script.
        options: of the interpreter.
        before: what starts the interpreter.
        environ: further environment variables.
    """

    def __init__(
        self,
        script: str,
        directory: Path,
        sink: Sink | str | None,
        *arguments: str,
        options: Iterable[str] = (),
        before: Iterable[str] = (),
        **environ: str,
    ) -> None:
        given = {
            **os.environ,
            "XDG_STATE_HOME": str(directory),
            "ARES_OTEL_METRICS_PORT": "0",
            "ARES_OTEL_METRICS_SYSTEM": "false",
            "OTEL_TRACES_EXPORTER": "otlp" if sink is not None else "none",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": sink.url if isinstance(sink, Sink) else sink or "",
        }
        directory.mkdir(exist_ok=True)
        file = directory / f"bot{next(NUMBERS)}.py"
        file.write_text(PRELUDE + script, encoding="utf-8")
        self.process = subprocess.Popen(
            [*before, sys.executable, "-W", "error", *options, str(file), *arguments],
            env=given | environ,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def next(self) -> list[Any]:
        """Wait for what it says next."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.end().errors
        said: list[Any] = json.loads(line)
        return said

    def go_on(self) -> None:
        """Write it a line, for which it waits."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> Ended:
        """Wait for its end."""
        try:
            out, errors = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the bot does not end:\n{self._inspected()}") from None
        return Ended(self.process.returncode, [json.loads(line) for line in out.splitlines()], errors)

    def _inspected(self) -> str:
        """End it by force; return what its threads were doing, in the kernel and in Python."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        threads = [_thread(task) for task in tasks.iterdir()] if tasks.exists() else []
        self.process.send_signal(signal.SIGUSR1)
        time.sleep(1.0)
        self.process.kill()
        _, errors = self.process.communicate()
        return "\n".join([*threads, errors])


def _thread(task: Path) -> str:
    """Return what the kernel says of a thread: one in state D waits for a disk and dies of nothing before that."""
    try:
        state = (task / "stat").read_text().rpartition(")")[2].split()[0]
        return f"thread {task.name} {(task / 'comm').read_text().strip()}: {state} {(task / 'wchan').read_text()}"
    except OSError as error:
        return f"thread {task.name}: {error}"


def decide(ares: Any, *strategies: str) -> None:
    """Make a decision for each strategy."""
    for strategy in strategies:
        with ares.decision(symbol="BTC", strategy=strategy) as d:
            d.resolve("buy")


def span_ids(body: bytes) -> list[bytes]:
    """Return the ids of the spans in a request."""
    return [
        span.span_id
        for part in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


def _requests(sink: Sink) -> Iterable[ExportTraceServiceRequest]:
    return (
        ExportTraceServiceRequest.FromString(request.body)
        for request in list(sink.requests)
        if not request.target.endswith("/logs")
    )


def resources(sink: Sink) -> list[dict[str, Any]]:
    """Return the resource of each request that came."""
    return [_plain(part.resource.attributes) for request in _requests(sink) for part in request.resource_spans]


def spans(sink: Sink) -> list[dict[str, Any]]:
    """Return the spans that came, as plain data with their scope and resource."""
    return [
        {
            "name": span.name,
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_id": span.parent_span_id.hex(),
            "kind": span.kind,
            "flags": span.flags,
            "status": (span.status.code, span.status.message),
            "attributes": _plain(span.attributes),
            "events": [(event.name, _plain(event.attributes)) for event in span.events],
            "links": [(link.trace_id.hex(), link.span_id.hex(), _plain(link.attributes)) for link in span.links],
            "dropped": (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count),
            "scope": scope.scope.name,
            "resource": _plain(part.resource.attributes),
        }
        for request in _requests(sink)
        for part in request.resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]


def named(sink: Sink, name: str = "decision") -> list[str]:
    """Return the strategies of the spans of one name, sorted."""
    return sorted(str(span["attributes"].get("ares.strategy")) for span in spans(sink) if span["name"] == name)


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return _plain(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


def shown(url: str | None, name: str, **labels: str) -> float | None:
    """Scrape a metrics page; return the sum of the samples with a name and at least these labels, None without any."""
    assert url is not None
    with urlopen(Request(url, headers={"Accept": OPENMETRICS}), timeout=PATIENCE) as answer:
        text = answer.read().decode()
    found = [
        float(sample.value)
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found) if found else None

"""Tempo with its committed configuration, behind the collector of the stack and in front of Prometheus.

Needs a Tempo (`TEMPO_BIN`, or a Docker that can pull its image); without one these tests say that they did not run.
"""

from __future__ import annotations

import itertools
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path
from typing import NamedTuple
from urllib.request import Request, urlopen

import pytest
import yaml
from built import ROOT
from scripts import load
from stack_kit import (
    TOKEN,
    Made,
    Tempo,
    collecting,
    decide,
    guarded,
    headers_file,
    laid_out,
    running_prometheus,
    running_tempo,
    stored,
    until,
    within,
)
from tempo import NOT_RUN, tempo_binary
from whole_kit import Stack

from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Attribute

BINARY = tempo_binary()
pytestmark = pytest.mark.skipif(BINARY is None, reason=NOT_RUN)

BY_ID_SECONDS = 3.0
BY_CORRELATION_SECONDS = 15.0
TRIES = 5
LATE = 10 * 60  # what began earlier than a quarter of an hour ago is looked for in blocks alone, once they are written
NOBODY = "127.0.0.1:9"


class Decided(NamedTuple):
    """A decision of the demo as the ares server knows it; `ended` in seconds since the epoch."""

    trace_id: str
    correlation_id: str
    ended: float


def newest(stack: Stack) -> Decided | None:
    """Return the decision of the demo that began last, of those that are stored."""
    asked = "SELECT trace, correlation, id, duration_us FROM decision ORDER BY id DESC LIMIT 1"
    with closing(sqlite3.connect(str(stack.server.database))) as database:
        found = database.execute(asked).fetchone()
    if found is None:
        return None
    trace, correlation, started, microseconds = found
    return Decided(bytes(trace).hex(), correlation, started / 1e9 + microseconds / 1e6)


def tempo(directory: Path, prometheus: str, **environ: str) -> AbstractContextManager[Tempo]:
    """Run the Tempo that there is."""
    assert BINARY is not None
    return running_tempo(BINARY, directory, prometheus, **environ)


@pytest.fixture
def live(stack: Stack) -> Tempo:
    """Return the Tempo of the whole stack."""
    assert stack.tempo
    return stack.tempo


def fastest(stack: Stack, found: Callable[[Decided], bool], limit: float) -> float:
    """Return the shortest time from the end of a decision of the demo until it was found, of several decisions."""
    best = float("inf")
    for _ in range(TRIES):
        decided = newest(stack)
        assert decided
        until(lambda: found(decided), what=f"{decided.correlation_id} is found", seconds=60)  # noqa: B023  asked at once
        best = min(best, time.time() - decided.ended)
        if best <= within(limit):
            break
    return best


def test_decision_is_found_by_trace_id(stack: Stack, live: Tempo) -> None:
    """A decision of the demo is there within 3 s of its end, with its spans."""
    best = fastest(stack, lambda decided: bool(live.trace(decided.trace_id)), BY_ID_SECONDS)

    assert best <= within(BY_ID_SECONDS)


def by_correlation(live: Tempo, decided: Decided) -> bool:
    """Whether TraceQL finds a decision by its correlation id."""
    return decided.trace_id in live.search(f'{{ span.{a.CORRELATION_ID.key} = "{decided.correlation_id}" }}')


def test_decision_is_found_by_correlation_id(stack: Stack, live: Tempo) -> None:
    """TraceQL finds it by its correlation id within 15 s of its end."""
    limit = BY_CORRELATION_SECONDS

    assert fastest(stack, lambda decided: by_correlation(live, decided), limit) <= within(limit)


def test_every_span_carries_the_correlation_id(stack: Stack, live: Tempo) -> None:
    """What arrives in Tempo has it on each span, so that any of them is found."""
    decided = newest(stack)
    assert decided
    spans = until(lambda: live.trace(decided.trace_id), what="a trace of the demo")

    without = [
        span["name"] for span in spans if a.CORRELATION_ID.key not in {each["key"] for each in span["attributes"]}
    ]
    assert without == []


@pytest.mark.parametrize(
    "query",
    [
        "traces_spanmetrics_calls_total",
        "traces_spanmetrics_latency_bucket",
        "traces_service_graph_request_total",
        "traces_service_graph_request_client_seconds_bucket",
    ],
)
def test_metrics_of_spans_reach_prometheus(stack: Stack, query: str) -> None:
    """Span metrics and the service graph come from Tempo, marked as such."""
    count = f'count({query}{{source="tempo"}})'

    assert until(lambda: stack.prometheus.value(count), what=query, seconds=90)


def test_venue_is_in_the_service_graph(stack: Stack, tmp_path: Path) -> None:
    """What a bot calls is a node by its name on the bot's span, though it sends nothing itself."""
    decide(tmp_path, stack.collector.http, headers=stack.headers)
    query = 'sum(traces_service_graph_request_total{client="kit-bot",server="binance"})'

    assert until(lambda: stack.prometheus.value(query), what="an edge from the bot to its venue", seconds=120)


def test_orders_are_calls_of_the_venue(stack: Stack, tmp_path: Path) -> None:
    """An order that the venue answered is a call from the bot to the venue: a bot is never a node that calls itself."""
    bot = "kit-trader"
    decide(tmp_path, stack.collector.http, "my-order-1", headers=stack.headers, ARES_OTEL_SERVICE_NAME=bot)
    edges = "traces_service_graph_request_total"
    calls = f'sum({edges}{{client="{bot}",server="binance"}})'

    until(lambda: stack.prometheus.value(calls) == 2, what="the bot's own call and its order", seconds=120)
    servers = stack.prometheus.ask("label/server/values", **{"match[]": edges})
    assert {bot, "ares-demo"} & set(servers) == set()


def test_dedicated_columns_are_declared_attributes() -> None:
    """Each column that blocks have is one of our attributes, of spans, and the ids are blobs."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "deploy" / "tempo" / "tempo.yaml").read_text(encoding="utf-8"))
    columns = yaml.safe_load(text)["storage"]["trace"]["block"]["parquet_dedicated_columns"]

    declared = {attribute.key for attribute in vars(a).values() if isinstance(attribute, Attribute)}
    assert [column["name"] for column in columns if column["name"] not in declared] == []
    ids = {column["name"] for column in columns if column["name"].endswith(("id", "_id"))}
    assert ids == {column["name"] for column in columns if column.get("options") == ["blob"]}


def test_late_spans_are_found_by_their_time(stack: Stack, live: Tempo) -> None:
    """What comes late, as after an outage, is found by a search of the time at which it was."""
    began = int(time.time()) - LATE
    trace = secrets.token_hex(16)
    span = {
        "traceId": trace,
        "spanId": secrets.token_hex(8),
        "name": "late",
        "startTimeUnixNano": str(began * 10**9),
        "endTimeUnixNano": str(began * 10**9 + 1),
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    with urlopen(Request(f"{stack.collector.http}/v1/traces", body, headers), timeout=30) as answer:
        assert answer.status == 200

    query = '{ name = "late" }'
    until(lambda: trace in live.search(query, began - 30, began + 30), what="a search of its time finds it", seconds=90)
    assert live.search(query, began - LATE, began - 60) == []


def test_outage_of_tempo_loses_nothing(tmp_path: Path) -> None:
    """What is decided while Tempo is down waits in the collector's queue, and is there when Tempo is back."""
    headers = headers_file(tmp_path)
    with guarded(tmp_path / "server") as server, ExitStack() as running:
        first = running.enter_context(tempo(tmp_path / "tempo", f"http://{NOBODY}"))
        collector = running.enter_context(collecting(tmp_path / "c", server.url, first.otlp, f"http://{NOBODY}"))
        before = decide(tmp_path / "before", collector.http, headers=headers)
        until(lambda: first.trace(before.trace_id), what="the first decision")
        first.stop()
        during = [decide(tmp_path / str(n), collector.http, headers=headers) for n in range(3)]
        collector.kill()
        collector.start()
        first.start_again()
        until(first.ready, what="Tempo is ready again")

        assert (tmp_path / "tempo" / "data" / "live-store" / "traces").exists()
        for made in (before, *during):
            until(lambda made=made: first.trace(made.trace_id), what=made.trace_id, seconds=90)  # type: ignore[misc]


def test_strategies_are_tenants(tmp_path: Path) -> None:
    """With the overlay for tenants a strategy's traces are its tenant's alone; who may, reads two at once."""
    preparing = load("preparing")
    place = preparing.Place(tmp_path / "deploy")
    laid_out(place.directory)
    preparing.prepare(place, {"TEMPO_STRATEGIES": "momentum|carry"})
    headers = headers_file(tmp_path)
    with (
        guarded(tmp_path / "server") as server,
        tempo(tmp_path / "tempo", f"http://{NOBODY}", TEMPO_TENANTS="true") as traces,
        collecting(
            tmp_path / "c", server.url, traces.otlp, f"http://{NOBODY}", str(place.run / "tenancy")
        ) as collector,
    ):
        made = {
            name: decide(
                tmp_path / name, collector.http, headers=headers, OTEL_RESOURCE_ATTRIBUTES=f"ares.strategy={name}"
            )
            for name in ("momentum", "carry", "unnamed")
        }
        tenants = {"momentum": "momentum", "carry": "carry", "unnamed": "ares"}

        def seen(tenant: str, one: Made) -> bool:
            traces.tenant = tenant
            return bool(traces.trace(one.trace_id))

        for name, tenant in tenants.items():
            until(lambda n=name, t=tenant: seen(t, made[n]), what=f"{name} in {tenant}")  # type: ignore[misc]
        crossed = [
            (tenant, name) for tenant, name in itertools.product(tenants.values(), made) if tenants[name] != tenant
        ]
        assert [pair for pair in crossed if seen(pair[0], made[pair[1]])] == []
        assert seen("momentum|carry", made["carry"])


def test_sampling_keeps_what_matters(tmp_path: Path) -> None:
    """With the overlay for sampling Tempo has what sent an order and nothing else; the ares server has everything."""
    headers = headers_file(tmp_path)
    (tmp_path / "prometheus").mkdir()
    with (
        guarded(tmp_path / "server") as server,
        running_prometheus(tmp_path / "prometheus", {}) as prometheus,
        tempo(tmp_path / "tempo", prometheus.url, TEMPO_PROCESSORS="service-graphs") as traces,
        collecting(
            tmp_path / "c", server.url, traces.otlp, prometheus.url, "sampling", ARES_TRACES_KEPT="0"
        ) as collector,
    ):
        plain = decide(tmp_path / "plain", collector.http, headers=headers)
        trading = decide(tmp_path / "trading", collector.http, "my-order-1", headers=headers)

        until(lambda: traces.trace(trading.trace_id), what="the decision with an order is in Tempo", seconds=90)
        assert traces.trace(plain.trace_id) == []
        assert stored(tmp_path / "server") == {plain.trace_id, trading.trace_id}
        count = 'sum(traces_spanmetrics_calls_total{span_name="decision"})'
        until(lambda: prometheus.value(count) == 2, what="span metrics of both decisions", seconds=90)

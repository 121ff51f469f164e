"""What boards ask of Tempo, asked of the real one that the collector sends a bot's spans to."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from stack_kit import Tempo, until
from tempo import NOT_RUN
from whole_kit import Stack

from ares_otel.semconv import attributes as a
from ares_otel.stack.boards import BOARDS, Panel

EMPTY = {
    "Orders that took longer than the goal (5 minutes)": "the paper venue answers within milliseconds",
    "Decisions above 5 s": "the demo decides within milliseconds",
    "Decisions that failed": "the demo's decisions do not fail",
    "Trace": "no trace is chosen",
    "Spans of the correlation id": "no id is typed",
}
"""Panels that may be empty here, and why."""
SEARCHES = [
    pytest.param(panel, id=f"{board.uid}-{panel.title}")
    for board in BOARDS
    for panel in board.every_panel()
    for target in panel.targets
    if target.form == "traces"
]
NEWEST = '{ name = "decision" } | select(span.ares.correlation.id) with (most_recent=true)'


@pytest.fixture
def tempo(stack: Stack) -> Tempo:
    """Return the running Tempo."""
    if stack.tempo is None:
        pytest.skip(NOT_RUN)
    return stack.tempo


def filled(query: str, **values: str) -> str:
    """Return a query with Grafana's variables in their places, all of each chosen unless said otherwise."""
    return re.sub(r"\$\{(\w+)(?::\w+)?\}", lambda found: values.get(found[1], ".*"), query)


def found(tempo: Tempo, query: str) -> list[dict[str, Any]]:
    """Return the spans that a search finds, in their attributes' names and values, with the trace's id."""
    now = int(time.time())
    asked = urlencode({"q": query, "limit": 20, "spss": 1, "start": now - 300, "end": now + 1})
    with urlopen(f"{tempo.url}/api/search?{asked}", timeout=30) as answer:
        traces = json.loads(answer.read()).get("traces", [])
    return [
        {
            "trace": trace["traceID"].zfill(32),
            **{one["key"]: next(iter(one["value"].values())) for one in span.get("attributes", [])},
        }
        for trace in traces
        for span in trace.get("spanSet", {}).get("spans", [])
    ]


@pytest.mark.parametrize("panel", SEARCHES)
def test_search_has_rows(tempo: Tempo, panel: Panel) -> None:
    """Every search is one that Tempo can read; but for those with a reason it finds spans with what its table shows."""
    (target,) = panel.targets
    if panel.title == "Trace":
        return
    seen = {key for span in found(tempo, filled(target.query)) for key in span}

    def complete() -> bool:
        """A decision to hold may have no confidence; one to buy has."""
        seen.update(key for span in found(tempo, filled(target.query)) for key in span)
        return columns <= seen

    columns = set(re.findall(r"span\.([\w.]+)", target.query.partition("select")[2]))
    if panel.title not in EMPTY:
        until(complete, what=f"{columns} of {panel.title}")


def test_reasons_are_about_searches() -> None:
    """Each reason for an empty table belongs to a panel that exists."""
    titles = {panel.title for board in BOARDS for panel in board.every_panel()}

    assert set(EMPTY) - titles == set()


def test_strange_names(tempo: Tempo) -> None:
    """A choice with characters that mean something in a regular expression, escaped as Grafana does, is no error."""
    query = next(t.query for b in BOARDS for p in b.every_panel() for t in p.targets if "${symbol:regex}" in t.query)

    assert found(tempo, filled(query, symbol=r"(BTC\/USDT|BRK\.B)")) == []


def test_board_of_one_correlation_id(tempo: Tempo) -> None:
    """The id of a decision, typed into the board of traces, finds its spans, and by them its trace."""
    (board,) = [board for board in BOARDS if board.uid == "ares-trace"]
    query = next(t.query for p in board.panels for t in p.targets if "${correlation_id:raw}" in t.query)
    newest = until(lambda: found(tempo, NEWEST), what="a decision in Tempo")[0]

    rows = found(tempo, filled(query, correlation_id=newest[a.CORRELATION_ID.key]))

    assert {row["trace"] for row in rows} == {newest["trace"]}
    assert {row[a.CORRELATION_ID.key] for row in rows} == {newest[a.CORRELATION_ID.key]}
    assert len(tempo.trace(newest["trace"])) > 1


def test_service_graph(stack: Stack, tempo: Tempo) -> None:
    """Tempo makes the edge from the bot to its venue, and counts its spans, with exemplars that lead to traces."""
    edge = 'traces_service_graph_request_total{client="ares-demo"}'
    until(lambda: stack.prometheus.value(f"sum({edge})"), what="the service graph", seconds=90)
    now = time.time()
    latency = 'traces_spanmetrics_latency_bucket{service="ares-demo"}'
    series = stack.prometheus.ask("query_exemplars", query=latency, start=now - 300, end=now)
    ids = {exemplar["labels"]["trace_id"] for one in series for exemplar in one["exemplars"]}

    assert any(tempo.trace(trace) for trace in ids)

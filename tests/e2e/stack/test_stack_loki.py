"""Loki with its committed configuration, behind the collector of the stack: what a bot logs is found, from both sides.

Needs a Loki (`LOKI_BIN`, or a Docker that can pull its image); without one these tests say that they did not run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from built import ROOT
from logging_bot import SECRETS, STORM_RECORDS, Logged, run_bot, run_storm
from loki import NOT_RUN, loki_binary
from stack_kit import Loki, collecting, guarded, headers_file, running_loki, stored, until
from whole_kit import Stack

from ares_otel.stack.boards import BOARDS

BINARY = loki_binary()
pytestmark = pytest.mark.skipif(BINARY is None, reason=NOT_RUN)

NOBODY = "127.0.0.1:9"
SERVICE = "kit-logger"
LABELS = {"service_name", "service_namespace", "deployment_environment_name"}
SOURCES = ROOT / "grafana" / "provisioning" / "datasources" / "ares.yaml"


@pytest.fixture(scope="module")
def logged(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """Let a bot decide and log."""
    home = tmp_path_factory.mktemp("logger")
    around = {"ARES_OTEL_EXPORTER_HEADERS_FILE": str(stack.headers), "ARES_OTEL_SERVICE_NAME": SERVICE}
    made = run_bot(home, stack.collector.http, **around)
    assert made.sent
    return made


@pytest.fixture
def loki(stack: Stack, logged: Logged) -> Loki:
    """Return the Loki of the whole stack, when it has what the bot logged."""
    assert stack.loki
    running = stack.loki
    query = f'{{service_name="{SERVICE}"}} | trace_id="{logged.trace}"'
    until(lambda: len(running.lines(query)) == 2, what="both log records are in Loki")
    return running


def source(uid: str) -> Any:
    """Return the settings of a data source as Grafana has them: two dollars are one."""
    found = yaml.safe_load(SOURCES.read_text(encoding="utf-8").replace("$$", "$"))["datasources"]
    return next(each["jsonData"] for each in found if each["uid"] == uid)


def test_records_of_a_decision(loki: Loki, logged: Logged) -> None:
    """They are found by the correlation id, with the ids of the span they were logged in and whether it is sampled."""
    found = loki.lines(f'{{service_name="{SERVICE}"}} | ares_correlation_id="{logged.correlation}"')

    assert [text for text, _ in found] == ["spread of 14 bp is wide", "no book with Bearer ***"]
    for _, told in found:
        assert (told["trace_id"], told["span_id"], told["flags"]) == (logged.trace, logged.span, "1")
    assert [told["severity_text"] for _, told in found] == ["WARNING", "ERROR"]
    assert [told["detected_level"] for _, told in found] == ["warn", "error"]
    assert (found[1][1]["exception_type"], found[1][1]["scope_name"]) == ("ConnectionError", "bot.risk")


def test_streams_are_few(loki: Loki) -> None:
    """What tells streams apart is who logs; ids, and the instance that each start gives anew, never do."""
    assert loki.labels() - {"__stream_shard__"} == LABELS


def test_no_secret_arrives(loki: Loki) -> None:
    """Nothing of what a bot must not tell is in any line or beside it."""
    everything = json.dumps(loki.lines(f'{{service_name="{SERVICE}"}}'))

    assert "spread of 14 bp is wide" in everything
    assert [secret for secret in SECRETS if secret in everything] == []


def test_from_a_trace_to_its_logs(loki: Loki, logged: Logged) -> None:
    """The query of the link that Grafana draws on spans finds the log records of the trace."""
    told = source("tempo")["tracesToLogsV2"]
    (tag,) = told["tags"]
    filled = {"${__tags}": f'{tag["value"]}="{SERVICE}"', "${__trace.traceId}": logged.trace}

    query = re.sub(r"\$\{[\w.]+\}", lambda found: filled[found[0]], told["query"])

    assert [labels["span_id"] for _, labels in loki.lines(query)] == [logged.span, logged.span]


def test_from_a_log_record_to_its_trace(stack: Stack, loki: Loki, logged: Logged) -> None:
    """The fields that Grafana makes links of hold the trace id, by which Tempo has the decision."""
    fields = source("loki")["derivedFields"]
    (_, told), *_ = loki.lines(f'{{service_name="{SERVICE}"}} | trace_id!=""')

    assert {(field["matcherType"], told[field["matcherRegex"]]) for field in fields} == {("label", logged.trace)}
    assert {field.get("datasourceUid") for field in fields} == {"tempo", None}
    if stack.tempo is not None:
        tempo = stack.tempo
        spans = until(lambda: tempo.trace(told["trace_id"]), what="the trace is in Tempo")
        assert "analyst" in {span["name"] for span in spans}


def test_board_finds_them(loki: Loki, logged: Logged) -> None:
    """The panel with log records asks Loki for those of either id, and for none where no id is typed."""
    (target,) = (t for b in BOARDS for p in b.every_panel() for t in p.targets if t.form == "logs")

    chosen = {"$service": ".*", "${correlation_id:raw}": "", "${trace_id:raw}": ""}
    for ids in ({}, {"${correlation_id:raw}": logged.correlation}, {"${trace_id:raw}": logged.trace}):
        query = target.query
        for name, value in {**chosen, **ids}.items():
            query = query.replace(name, value)
        assert len(loki.lines(query)) == 2 * len(ids)


def test_storm_costs_log_records_never_spans(stack: Stack, tmp_path: Path) -> None:
    """What finds no room in a storm is dropped, counted; what was sent is in Loki once, and every decision stored."""
    assert stack.loki
    running = stack.loki
    around = {"ARES_OTEL_EXPORTER_HEADERS_FILE": str(stack.headers), "ARES_OTEL_SERVICE_NAME": "kit-storm"}
    traces, sent = run_storm(tmp_path, stack.collector.http, **around)
    count = 'sum(count_over_time({service_name="kit-storm"}[10m]))'

    assert 0 < sent < STORM_RECORDS
    until(lambda: running.number(count) == sent, what=f"{sent} log records are in Loki")
    until(lambda: set(traces) <= stored(Path(stack.server.database).parent), what="every decision is stored")


def test_outage_of_loki_loses_nothing(tmp_path: Path) -> None:
    """What is logged while Loki is down waits in the collector's queue, through its `kill -9`, and arrives once."""
    assert BINARY
    headers = {"ARES_OTEL_EXPORTER_HEADERS_FILE": str(headers_file(tmp_path))}
    with guarded(tmp_path / "server") as server, running_loki(BINARY, tmp_path / "loki") as running:
        overlay = collecting(*(tmp_path / "c", server.url, NOBODY, f"http://{NOBODY}", "logs"), LOKI_URL=running.url)
        with overlay as collector:
            running.stop()
            made = run_bot(tmp_path, collector.http, **headers)
            until(lambda: made.trace in stored(tmp_path / "server"), what="the ares server does not wait for Loki")
            collector.kill()
            collector.start()
            running.start_again()
            query = f'{{service_name="ares-bot"}} | trace_id="{made.trace}"'
            until(running.ready, what="Loki is ready again", seconds=120)
            until(lambda: running.lines(query), what="the log records are in Loki", seconds=90)

            assert len(running.lines(query)) == 2

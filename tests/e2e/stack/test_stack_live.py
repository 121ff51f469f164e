"""Boards and rules on the real Prometheus that scrapes a real bot: every query is answered, every rule evaluates."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from built import ROOT
from stack_kit import Prometheus, until
from tempo import NOT_RUN
from whole_kit import Stack

from ares_otel.semconv import metrics as m
from ares_otel.stack.boards import BOARDS, Panel, Target

VALUES = {
    "__rate_interval": "1m",
    "__range": "5m",
    "__interval": "15s",
    **dict.fromkeys(("env", "service", "strategy", "symbol", "venue", "model"), ".*"),
}
EMPTY = {
    "Oldest market data": "the demo's bars are of the past, so their age is not reported",
    "Calls of the venues, 99th percentile": "the paper venue is called without HTTP",
    "Request weight used": "the paper venue has no rate limit",
    "Clock": "nothing measures the offset of the clock here",
    "Event loop, 99th percentile of its delay": "the demo has no event loop",
    "Errors in stages by component": "the demo's stages do not fail",
    "Prediction, p99": "models report the time of a prediction with the issue on models",
    "Calibration error by member": "comes with the issue on models",
    "Bot: lost by reason": "nothing is lost",
    "Not looked at a minute": "nothing is dropped",
    "Values that are wrong now": "the demo's bars are whole, and seldom beyond what its reference saw",
    "Values left out of records": "the demo says nothing wrongly",
}
"""Panels that may be empty here, and why."""
TEMPO_ONLY = {"Tempo: received, thrown away": NOT_RUN}
SOME_EMPTY = {
    ("Bot: delivered and failed", "B"): "nothing fails",
    ("Features by evidence", "E"): "the demo has its markets watched, whose features are not those of its models",
    ("Members", "A"): "predictions are counted with the issue on models",
    ("Predictions and their outcomes", "I"): "an interval takes thirty outcomes",
    ("Predictions and their outcomes", "J"): "an interval takes thirty outcomes",
    ("Collector: delivered, given up", "B"): "nothing is given up",
    ("Collector: delivered, given up", "C"): "there is always room",
    ("Collector: delivered, given up", "D"): "nothing is sent back",
    ("Alertmanager: messages a minute", "B"): "nothing fails",
    ("Tempo: received, thrown away", "B"): "nothing is thrown away",
}
"""Queries that may be empty in panels that show something else."""


def filled(query: str) -> str:
    """Return a query with Grafana's variables in their places."""
    return re.sub(r"\$\{?([a-z_]\w*)\}?", lambda found: VALUES[found[1]], query)


def points(prometheus: Prometheus, target: Target) -> list[float]:
    """Return all finite values that a query has now or, drawn over time, had in the last minute."""
    query = filled(target.query)
    if target.form in {"instant", "table"}:
        result = prometheus.ask("query", query=query)["result"]
        values = [float(one["value"][1]) for one in result]
    else:
        now = time.time()
        result = prometheus.ask("query_range", query=query, start=now - 60, end=now, step=15)["result"]
        values = [float(value) for one in result for _, value in one["values"]]
    return [value for value in values if math.isfinite(value)]


PANELS = [(board, panel) for board in BOARDS for panel in board.every_panel() if panel.targets]
PROMETHEUS_PANELS = [
    pytest.param(panel, id=f"{board.uid}-{panel.title}")
    for board, panel in PANELS
    if panel.targets[0].form not in {"traces", "map", "logs"}
]


@pytest.mark.parametrize("panel", PROMETHEUS_PANELS)
def test_panel_has_data(stack: Stack, panel: Panel) -> None:
    """Every query of every panel parses and, but for those with a reason, returns numbers, when scrapes are on time."""
    without = TEMPO_ONLY if stack.tempo is None else {}
    excused = panel.title in {**EMPTY, **without}

    def empty() -> str:
        queries = {chr(ord("A") + at): target for at, target in enumerate(panel.targets)}
        asked = {letter: points(stack.prometheus, target) for letter, target in queries.items()}
        missing = {letter for letter, found in asked.items() if not found and (panel.title, letter) not in SOME_EMPTY}
        return "".join(f"{letter}: {filled(queries[letter].query)}\n" for letter in sorted(missing))

    without_data = empty()
    if without_data and not excused:
        until(lambda: not empty(), what=f"numbers of\n{without_data}")


def test_reasons_are_about_panels() -> None:
    """Each reason for an empty panel belongs to a panel that exists."""
    titles = {panel.title for _, panel in PANELS}

    assert {*EMPTY, *TEMPO_ONLY, *(title for title, _ in SOME_EMPTY)} - titles == set()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: str(board.uid))
def test_variables_and_annotations(stack: Stack, board: Any) -> None:
    """Each variable has values to choose from, and the query of each annotation is one that Prometheus can read."""
    document = board.document()
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
            assert found
            series = stack.prometheus.ask(f"label/{found[2]}/values", **{"match[]": filled(found[1])})
            assert series, variable["definition"]
    for annotation in document["annotations"]["list"]:
        stack.prometheus.ask("query", query=filled(annotation["expr"]))


def test_every_rule_is_healthy(stack: Stack) -> None:
    """Every group of every committed file was evaluated without an error."""

    def groups() -> Any:
        found = stack.prometheus.ask("rules")["groups"]
        return found if all(rule["health"] != "unknown" for group in found for rule in group["rules"]) else None

    evaluated = until(groups, what="every rule was evaluated", seconds=120)

    files = {Path(group["file"]).name for group in evaluated}
    assert files == {path.name for path in (ROOT / "prometheus" / "rules").glob("*.yaml")}
    broken = {
        rule["name"]: rule.get("lastError") for group in evaluated for rule in group["rules"] if rule["health"] != "ok"
    }
    assert broken == {}


def test_exemplars_lead_to_decisions(stack: Stack) -> None:
    """Points of decisions carry trace ids, and such an id is that of a decision in the store."""

    def carried() -> list[str]:
        now, query = time.time(), f"{m.DECISION_DURATION}_bucket"
        series = stack.prometheus.ask("query_exemplars", query=query, start=now - 300, end=now)
        return [exemplar["labels"]["trace_id"] for one in series for exemplar in one["exemplars"]]

    ids = until(carried, what="exemplars of decisions")

    command = [sys.executable, "-m", "ares_otel.cli.main", "explain", ids[-1], "--database", str(stack.server.database)]
    told = subprocess.run(command, check=False, capture_output=True, text=True)

    assert told.returncode == 0, told.stderr
    assert "swing" in told.stdout or "reversion" in told.stdout


def test_targets_are_labeled(stack: Stack) -> None:
    """The bot is found by its own file, with environment, name and mode, but without the id that changes by start."""
    (bot,) = [one for one in stack.prometheus.ask("targets")["activeTargets"] if one["labels"]["job"] == "ares-bot"]

    assert bot["health"] == "up", bot["lastError"]
    assert bot["labels"] == {
        "job": "ares-bot",
        "instance": bot["labels"]["instance"],
        "deployment_environment_name": "test",
        "service_name": "ares-demo",
        "mode": "paper",
    }


def test_the_servers_around_are_up(stack: Stack) -> None:
    """Every target of the committed jobs that runs here answers its scrape."""
    targets = stack.prometheus.ask("targets")["activeTargets"]

    jobs = {"ares-bot", "ares-server", "otel-collector", "prometheus", "alertmanager"}
    jobs |= {"tempo"} if stack.tempo else set()
    assert {one["labels"]["job"]: one["lastError"] for one in targets} == dict.fromkeys(jobs, "")


def test_series_budget(stack: Stack) -> None:
    """The demo stays below the budget of one bot, as Prometheus counts it."""
    count = stack.prometheus.value('count({job="ares-bot"})')

    assert count is not None
    assert count < 4_000


def test_runbooks_can_be_opened(stack: Stack) -> None:
    """An alert that fires names a page that is there and has its section."""

    def watchdog() -> Any:
        groups = stack.prometheus.ask("rules", type="alert")["groups"]
        rules = (rule for group in groups for rule in group["rules"] if rule["name"] == "Watchdog")
        return [alert for rule in rules for alert in rule["alerts"]]

    (alert,) = until(watchdog, what="the dead man's switch fires")
    link, _, section = alert["annotations"]["runbook_url"].partition("#")
    with urlopen(link, timeout=10) as answer:
        page = answer.read().decode()

    assert (link, answer.url) == (f"{stack.server.url}/docs/runbooks/stack.md", f"{stack.server.url}/runbooks/stack")
    assert f'<h2 id="{section}">Watchdog</h2>' in page


def test_heartbeat_arrives(stack: Stack) -> None:
    """The dead man's switch comes out of Prometheus, through Alertmanager, at the webhook that its file names."""
    call = stack.calls.get(timeout=120)

    assert call["receiver"] == "deadman"
    assert [alert["labels"]["alertname"] for alert in call["alerts"]] == ["Watchdog"]
    assert call["alerts"][0]["labels"]["cluster"] == "ares"

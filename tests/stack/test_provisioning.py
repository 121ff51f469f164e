"""What Grafana is provisioned with fits the boards, and its dollars mean what they should after Grafana's expansion."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ares_otel.semconv.attributes import ATTRIBUTES
from ares_otel.semconv.metrics import METRICS
from ares_otel.stack.boards import BOARDS

PROVISIONING = Path(__file__).parents[2] / "grafana" / "provisioning"
FILES = sorted(PROVISIONING.rglob("*.yaml"))
ENVIRONMENT = {
    "PROMETHEUS_URL": "http://prometheus:9090",
    "TEMPO_URL": "http://tempo:3200",
    "ALERTMANAGER_URL": "http://alertmanager:9093",
    "LOKI_URL": "http://loki:3100",
    "ARES_URL": "http://127.0.0.1:8100",
    "LOGS_DATASOURCE": "loki",
    "TEMPO_TENANT": "single-tenant",
    "DASHBOARDS_DIR": "/dashboards",
}
GRAFANA_KEYS = {"name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData", "secureJsonData"}


def expanded(value: Any, environment: Mapping[str, str] = ENVIRONMENT) -> Any:
    """Return a value as Grafana reads it: variables from the environment, two dollars as one."""
    if isinstance(value, dict):
        return {key: expanded(each, environment) for key, each in value.items()}
    if isinstance(value, list):
        return [expanded(each, environment) for each in value]
    if not isinstance(value, str):
        return value
    parts = [
        re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: environment.get(found[1] or found[2], ""), part)
        for part in value.split("$$")
    ]
    return "$".join(parts)


def read(name: str) -> dict[str, Any]:
    """Return a file as Grafana reads it."""
    found: dict[str, Any] = expanded(yaml.safe_load((PROVISIONING / name).read_text(encoding="utf-8")))
    return found


SOURCES: list[dict[str, Any]] = read("datasources/ares.yaml")["datasources"]
BY_UID: dict[str, dict[str, Any]] = {source["uid"]: source for source in SOURCES}


def named(value: Any) -> Iterator[str]:
    """Yield every uid of a data source that a document names."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "datasourceUid":
                yield each
            yield from named(each)
    elif isinstance(value, list):
        for each in value:
            yield from named(each)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_variables_are_known(path: Path) -> None:
    """Every variable that a file asks for is explained at its top; Grafana would take an unknown one for empty."""
    text = path.read_text(encoding="utf-8")
    head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))

    asked = set(re.findall(r"\$\{?(\w+)", text.replace("$$", "")))

    assert asked <= set(ENVIRONMENT)
    assert {name for name in asked if name not in head} == set()
    assert yaml.safe_load(text)["apiVersion"] == 1


def test_sources_have_the_form_that_grafana_reads() -> None:
    """No misspelt key, which Grafana would ignore; all are proxied, and one is the default."""
    assert [key for source in SOURCES for key in source if key not in GRAFANA_KEYS] == []
    assert {source["access"] for source in SOURCES} == {"proxy"}
    assert [source["uid"] for source in SOURCES if source.get("isDefault")] == ["prometheus"]
    assert [source["url"] for source in SOURCES] == [
        ENVIRONMENT[f"{name}_URL"] for name in ("PROMETHEUS", "TEMPO", "LOKI", "ALERTMANAGER")
    ]


def test_every_source_that_a_board_names_is_provisioned() -> None:
    """By uid and type, also of variables and annotations; alert lists name theirs by name."""
    for board in BOARDS:
        found = re.findall(r'"datasource": (\{[^}]*\})', json.dumps(board.document()))
        for uid, kind in {(one["uid"], one["type"]) for one in map(json.loads, found)}:
            assert BY_UID[uid]["type"] == kind
        for panel in board.every_panel():
            if panel.kind == "alertlist":
                assert panel.options["datasource"] == BY_UID["prometheus"]["name"]


def test_every_source_that_a_source_names_is_provisioned() -> None:
    """Exemplars, traces and logs lead to sources that exist; without Loki nothing leads from a trace to its logs."""
    assert set(named(SOURCES)) == {"prometheus", "tempo", "loki"}
    text = yaml.safe_load((PROVISIONING / "datasources" / "ares.yaml").read_text(encoding="utf-8"))
    without = expanded(text, {**ENVIRONMENT, "LOGS_DATASOURCE": ""})
    assert set(named(without)) == {"prometheus", "tempo", ""}


def test_exemplars_lead_to_trace_and_page() -> None:
    """Under the label that our exemplars and Tempo's have; the id is filled in by Grafana, not by its environment."""
    ways = BY_UID["prometheus"]["jsonData"]["exemplarTraceIdDestinations"]

    assert {way["name"] for way in ways} == {"trace_id"}
    assert [way.get("datasourceUid") or way["url"] for way in ways] == [
        "tempo",
        "http://127.0.0.1:8100/decisions/${__value.raw}",
    ]


def test_only_prometheus_lists_rules() -> None:
    """A second source with rules would list each alert twice."""
    assert BY_UID["prometheus"]["jsonData"]["manageAlerts"] is True
    assert BY_UID["loki"]["jsonData"]["manageAlerts"] is False
    assert BY_UID["alertmanager"]["jsonData"] == {"implementation": "prometheus", "handleGrafanaManagedAlerts": False}


def test_ways_out_of_a_trace() -> None:
    """Spans lead to metrics and by attributes that are declared, and to logs by the id of their trace."""
    tempo = BY_UID["tempo"]["jsonData"]
    names = {metric.name for metric in METRICS}
    keys = {attribute.key for attribute in ATTRIBUTES} | {"service.name"}

    for query in tempo["tracesToMetrics"]["queries"]:
        metric = re.search(r"ares_\w+", query["query"])
        assert metric
        assert metric[0].removesuffix("_bucket") in names
        assert "{$__tags}" in query["query"]
    tags = [*tempo["tracesToMetrics"]["tags"], *tempo["tracesToLogsV2"]["tags"], *tempo["search"]["filters"]]
    assert {tag.get("key") or tag["tag"] for tag in tags} <= keys
    assert tempo["tracesToLogsV2"]["query"] == '{${__tags}} | trace_id = "${__trace.traceId}"'


def test_boards_are_provisioned() -> None:
    """From the directory that the environment names, and not to be changed by hand."""
    (provider,) = read("dashboards/ares.yaml")["providers"]

    assert provider["options"] == {"path": "/dashboards"}
    assert provider["allowUiUpdates"] is False
    assert provider["type"] == "file"

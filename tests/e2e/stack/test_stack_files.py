"""The committed files of the stack, judged by the tools of the servers that read them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from built import ROOT, built, said

from ares_otel.stack.alerting import Delivery, addresses, alertmanager
from ares_otel.stack.rules import ALERTS, FILES

TESTS = sorted((ROOT / "prometheus" / "tests").glob("*.yaml"))
RULES = sorted((ROOT / "prometheus" / "rules").glob("*.yaml"))
ROUTING = ROOT / "deploy" / "alertmanager"
ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "AresDrawdownHigh", "severity": "warning", "strategy": "mean & more", "symbol": "BTC/USDT"},
    "annotations": {
        "summary": "It fell",
        "description": "By 12 %.",
        "dashboard": "/d/x?a=b",
        "runbook_url": "docs/r.md#a",
    },
    "startsAt": "2026-01-02T03:04:05Z",
    "endsAt": "2026-01-02T04:04:05Z",
    "generatorURL": "http://prometheus/graph?a=b",
}


def layout(directory: Path) -> Path:
    """Lay the files of Prometheus out as a container mounts them, and return the configuration."""
    (directory / "prometheus.yml").symlink_to(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    (directory / "targets").symlink_to(ROOT / "deploy" / "prometheus" / "targets")
    (directory / "rules").symlink_to(ROOT / "prometheus" / "rules")
    (directory / "secrets").mkdir()
    (directory / "secrets" / "ares_read_token").write_text("0123456789abcdef")
    return directory / "prometheus.yml"


def test_rules_are_valid() -> None:
    """Prometheus takes every rule, without two of the same kind and labels."""
    assert [path.name for path in RULES] == sorted(FILES)

    said(built("prometheus", "promtool"), "check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.stem))
def test_alerts_fire_when_they_should(path: Path) -> None:
    """The hand-written cases of each alert hold: silent at the last moment before, firing then."""
    said(built("prometheus", "promtool"), "test", "rules", path)


def test_queries_of_the_runbooks(tmp_path: Path) -> None:
    """Every query that a runbook offers is one that Prometheus can read."""
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "runbooks").glob("*.md")]
    blocks = [block for page in pages for block in re.findall(r"```promql\n(.*?)```", page, re.DOTALL)]
    queries = [line for block in blocks for line in block.splitlines()]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yaml").write_text(json.dumps({"groups": [{"name": "runbooks", "rules": rules}]}))

    answer = said(built("prometheus", "promtool"), "check", "rules", tmp_path / "queries.yaml")

    assert f"{len(queries)} rules found" in answer


def test_prometheus_configuration(tmp_path: Path) -> None:
    """The configuration is valid where a container mounts it, and finds all rules."""
    answer = said(built("prometheus", "promtool"), "check", "config", layout(tmp_path))

    assert f"{len(FILES)} rule files found" in answer


@pytest.mark.parametrize(
    "delivery",
    [
        Delivery(),
        Delivery(slack=False, pager=False, deadman=False),
        Delivery(smarthost="127.0.0.1:1025", username="ares", tls=True, domain="example.org"),
    ],
)
def test_alertmanager_configuration(tmp_path: Path, delivery: Delivery) -> None:
    """Alertmanager takes the configuration in each form that a deployment may choose."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "alertmanager.yml").write_text(alertmanager(delivery))
    (tmp_path / "templates" / "addresses.tmpl").write_text(addresses(delivery))
    (tmp_path / "templates" / "ares.tmpl").write_bytes((ROUTING / "templates" / "ares.tmpl").read_bytes())

    assert "SUCCESS" in said(built("alertmanager", "amtool"), "check-config", "alertmanager.yml", cwd=tmp_path)


ROUTES = [
    ("alertname=Watchdog severity=none team=platform", "deadman"),
    ("severity=critical team=trading", "pager,trading"),
    ("severity=critical team=platform", "pager,platform"),
    ("severity=warning team=trading", "trading"),
    ("severity=warning team=models", "models"),
    ("severity=warning team=platform", "platform"),
    ("severity=info team=models", "digest"),
    ("severity=critical team=trading mode=replay", "nobody"),
    ("severity=critical team=trading mode=paper", "pager,trading"),
    ("alertname=SomebodyElses", "platform"),
]


@pytest.mark.parametrize(("labels", "receivers"), ROUTES)
def test_routing(labels: str, receivers: str) -> None:
    """Severity says how loud, team says who; what a backtest does wakes nobody; what fits nowhere has a reader, too."""
    amtool, config = built("alertmanager", "amtool"), ROUTING / "alertmanager.yml"

    answer = said(amtool, "config", "routes", "test", f"--config.file={config}", *labels.split())

    assert answer.strip() == receivers


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity}-{alert.hold}")
def test_every_alert_is_routed(alert: Any) -> None:
    """Each alert comes to its team, and to the pager if it is critical."""
    amtool, config = built("alertmanager", "amtool"), ROUTING / "alertmanager.yml"
    labels = [f"{key}={value}" for key, value in alert.document()["labels"].items()]

    answer = said(amtool, "config", "routes", "test", f"--config.file={config}", f"alertname={alert.name}", *labels)

    wanted = {"critical": f"pager,{alert.team}", "warning": str(alert.team), "info": "digest", "none": "deadman"}
    assert answer.strip() == wanted[alert.severity]


def rendered(tmp_path: Path, name: str, kind: str, **alert: Any) -> str:
    """Return a template of ours as Alertmanager renders it for one alert."""
    (tmp_path / "addresses.tmpl").write_text(addresses(Delivery()))
    (tmp_path / "ares.tmpl").write_bytes((ROUTING / "templates" / "ares.tmpl").read_bytes())
    one = {**ALERT, **alert}
    data = {"status": one["status"], "receiver": "r", "alerts": [one], "commonLabels": one["labels"]}
    (tmp_path / "data.json").write_text(json.dumps(data))
    return said(
        *(built("alertmanager", "amtool"), "template", "render", f"--template.glob={tmp_path}/*.tmpl"),
        *(f'--template.text={{{{ template "{name}" . }}}}', f"--template.type={kind}"),
        f"--template.data={tmp_path}/data.json",
    )


def test_message(tmp_path: Path) -> None:
    """A message says what and since when, and leads to decisions of that time, board, runbook and query."""
    assert rendered(tmp_path, "ares.subject", "text").strip() == "WARNING: AresDrawdownHigh of mean & more"
    text = rendered(tmp_path, "ares.text", "text")
    assert text.startswith("It fell.\nBy 12 %.\nsince      2026-01-02 03:04:05 UTC\n")
    decisions = "http://127.0.0.1:8100/decisions?var-strategy=mean+%26+more&var-symbol=BTC%2FUSDT"
    assert f"decisions  {decisions}&from=1767322145000&to=1767323345000\n" in text
    assert "board      http://127.0.0.1:3000/d/x?a=b\n" in text
    assert "runbook    http://127.0.0.1:8100/docs/r.md#a\n" in text


def test_resolved_message(tmp_path: Path) -> None:
    """The end of an alert says from when to when it was."""
    assert rendered(tmp_path, "ares.subject", "text", status="resolved").startswith("Resolved: AresDrawdownHigh")
    text = rendered(tmp_path, "ares.text", "text", status="resolved")
    assert "from       2026-01-02 03:04:05 to 2026-01-02 04:04:05 UTC" in text


def test_message_as_page(tmp_path: Path) -> None:
    """In a mail what comes from labels is text, never markup, and links keep their parts."""
    labels = {**ALERT["labels"], "strategy": "<b>x</b>"}
    summary = {**ALERT["annotations"], "summary": "<script>alert(1)</script>"}
    page = rendered(tmp_path, "ares.html", "html", labels=labels, annotations=summary)

    assert "<script>" not in page
    assert "<b>" not in page
    assert 'href="http://127.0.0.1:3000/d/x?a=b"' in page


@pytest.mark.parametrize(
    ("told", "leads"),
    [
        ("docs/r.md#a", "http://127.0.0.1:8100/docs/r.md#a"),
        ("https://git.example.org/ares/docs/r.md#a", "https://git.example.org/ares/docs/r.md#a"),
    ],
)
def test_runbook_in_a_page(tmp_path: Path, told: str, leads: str) -> None:
    """The runbook is a link: a bot tells its path, to which the address is added, Prometheus all of it."""
    told_so = {**ALERT["annotations"], "runbook_url": told}

    assert f'<a href="{leads}">runbook</a>' in rendered(tmp_path, "ares.html", "html", annotations=told_so)

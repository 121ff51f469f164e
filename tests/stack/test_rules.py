"""Rules name what exists, every alert is tested in a pair, and each leads to a runbook and a board."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.metrics import METRICS as BOT_METRICS
from ares_otel.semconv.serving import SERVER_METRICS
from ares_otel.stack import foreign as f
from ares_otel.stack.alerting import Delivery, alertmanager
from ares_otel.stack.promql import among, bound, by, grown, is_, select, share
from ares_otel.stack.rules import ALERTS, FILES, Alert, Domain, Group, Record, Severity, Team, render

ROOT = Path(__file__).parents[2]
METRICS = (*BOT_METRICS, *SERVER_METRICS)
RUNBOOKS = ROOT / "docs" / "runbooks"
TESTS = sorted((ROOT / "prometheus" / "tests").glob("*.yaml"))
NAMED = re.compile(r"\b(?:ares|otelcol|tempo|alertmanager|prometheus|process)_[a-z_]+\b")
PARTS = ("_bucket", "_sum", "_count")
PARTS_OF_A_RUNBOOK = ("**Meaning.**", "**Impact.**", "**First steps.**", "**Queries.**")


def expectations() -> dict[str, set[bool]]:
    """Return, for each alert in the hand-written tests, whether it was expected to fire and not to fire."""
    found: dict[str, set[bool]] = defaultdict(set)
    for path in TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("promql_expr_test", []):
                (name,) = re.findall(r'alertname="(\w+)"', case["expr"])
                found[name].add(bool(case["exp_samples"]))
            for case in test.get("alert_rule_test", []):
                found[case["alertname"]].add(bool(case["exp_alerts"]))
    return found


def sections(page: Path) -> dict[str, str]:
    """Return the sections of a runbook by their headings."""
    first, *rest = page.read_text(encoding="utf-8").split("\n## ")
    del first
    return {section.partition("\n")[0]: section for section in rest}


def labels_of(alert: Alert) -> set[str]:
    """Return the labels that an alert's texts and its board ask for."""
    return set(re.findall(r"\$labels\.(\w+)", str(alert.document()["annotations"])))


def test_every_alert_is_tested_in_a_pair() -> None:
    """Each is seen firing and seen silent at the last moment before; only the dead man's switch is never silent."""
    found = expectations()

    assert {name for name in found if found[name] == {True, False}} == {alert.name for alert in ALERTS} - {"Watchdog"}
    assert found["Watchdog"] == {True}


def test_the_rules_that_are_tested_are_ours() -> None:
    """Each file of tests reads the rules of its own domain, and there is one for each."""
    names = {path.name for path in TESTS}
    assert names == set(FILES) - {"recording.yaml"}
    for path in TESTS:
        assert f"../rules/{path.name}" in yaml.safe_load(path.read_text(encoding="utf-8"))["rule_files"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity}-{alert.hold}")
def test_runbook(alert: Alert) -> None:
    """The runbook that an alert names has a section with that name that says all four things."""
    page, _, anchor = alert.runbook.partition("#")
    (title,) = [title for title in sections(ROOT / page) if title.lower() == anchor]

    section = sections(ROOT / page)[title]
    assert title == alert.name
    assert [part for part in PARTS_OF_A_RUNBOOK if part not in section] == []


def test_runbooks_have_no_other_sections() -> None:
    """No section is left of an alert that is gone."""
    titles = {title for domain in Domain for title in sections(RUNBOOKS / f"{domain}.md")}

    assert titles == {alert.name for alert in ALERTS}


def test_runbooks_name_what_exists() -> None:
    """Their queries name declared metrics and recorded series only."""
    known = {f"{metric}{part}" for metric in METRICS for part in ("", *PARTS)} | {str(each) for each in f.FOREIGN}
    known |= {"prometheus_notifications_dropped_total", "prometheus_tsdb_exemplar_exemplars_appended_total"}
    records = {rule.name for group in FILES["recording.yaml"] for rule in group.rules if isinstance(rule, Record)}
    for domain in Domain:
        text = (RUNBOOKS / f"{domain}.md").read_text(encoding="utf-8")
        queries = "".join(re.findall(r"```promql\n(.*?)```", text, re.DOTALL))
        assert set(NAMED.findall(queries)) - known == set()
        assert set(re.findall(r"ares:[\w:]+", queries)) - records == set()


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: f"{alert.name}-{alert.severity}-{alert.hold}")
def test_texts_use_labels_that_are_there(alert: Alert) -> None:
    """A text can only name a label that the query keeps; an unknown one would be empty, silently."""
    kept = {label.strip() for clause in re.findall(r"\bby \(([^)]*)\)", alert.expr) for label in clause.split(",")}
    kept |= set(re.findall(r'"(\w+)", "[^"]*", "", ""\)', alert.expr))  # those of label_replace
    if kept:
        assert labels_of(alert) - kept == set()


def test_texts_of_alerts_without_aggregation() -> None:
    """Where nothing is aggregated the labels are those of the target and of the metric."""
    target = {"job", "instance", "service_name", "mode", "rule_group"}
    plain = [alert for alert in ALERTS if " by (" not in alert.expr]

    assert {alert.name: labels_of(alert) - target for alert in plain if labels_of(alert) - target} == {}


def test_alerts_have_names_of_their_own() -> None:
    """The same name comes again only with other labels for the same thing: the windows of a burn."""
    names = [alert.name for alert in ALERTS]

    assert {name for name in names if names.count(name) > 1} == {"AresOrderAckSloBurn"}


def test_generated_file() -> None:
    """A file is what Prometheus reads: groups of rules, without references inside."""
    text = render((Group("g", (Record("ares:a:b", "up", {"slo": "x"}), Record("ares:a:c", "up", {"slo": "x"}))),))

    assert text.startswith("# Generated")
    assert "&" not in text
    assert [rule["record"] for rule in yaml.safe_load(text)["groups"][0]["rules"]] == ["ares:a:b", "ares:a:c"]


def make(**changed: Any) -> Alert:
    """Return an alert with something changed."""
    facts: dict[str, Any] = {
        "name": "AresTest",
        "expr": "up == 0",
        "severity": Severity.INFO,
        "team": Team.MODELS,
        "domain": Domain.BOT,
        "summary": "s",
        "description": "d.",
        "board": "ares-bot",
    }
    return Alert(**{**facts, **changed})


def test_alert_document() -> None:
    """Times stand there only where they are given; the board is opened with the alert's own labels."""
    alert = make(hold="5m", keep="1h", variables=("venue", "symbol"), labels={"absence": "true"})
    document = alert.document()

    assert (document["for"], document["keep_firing_for"]) == ("5m", "1h")
    assert document["labels"]["absence"] == "true"
    board = "/d/ares-bot?var-venue={{ $labels.venue }}&var-symbol={{ $labels.symbol }}"
    assert document["annotations"]["dashboard"] == board
    assert not {"for", "keep_firing_for"} & set(make().document())
    assert make(variables=("model",)).dashboard == "/d/ares-bot?var-model={{ $labels.model_name }}"


@pytest.mark.parametrize("changed", [{"name": "BotDown"}, {"name": "Ares_Down"}, {"summary": ""}, {"description": "d"}])
def test_bad_alert(changed: dict[str, str]) -> None:
    """Names without our prefix and texts without an end are refused."""
    with pytest.raises(ValueError, match="alert"):
        make(**changed)


def test_bad_record() -> None:
    """A recorded series is named by what it is of."""
    with pytest.raises(ValueError, match="ares:what:how"):
        Record("ares_equity", "up")


def test_selectors() -> None:
    """A selector names a metric, its part and its labels."""
    assert select(m.EQUITY) == "ares_equity"
    assert select(m.EQUITY, is_(a.STRATEGY, "x"), among("mode", "live|paper")) == (
        'ares_equity{strategy="x",mode=~"live|paper"}'
    )
    assert select(m.ORDER_ACK, bound(m.ORDER_ACK, 1.0), part="_bucket") == (
        'ares_order_ack_duration_seconds_bucket{le="1.0"}'
    )
    assert select(f.UP, is_("job", "tempo")) == 'up{job="tempo"}'
    assert by(a.VENUE, identity=False) == "by (venue)"
    assert share("a", "b") == "a / (b > 0)"
    heartbeat = 'ALERTS{alertname="Watchdog"}'
    away = f"(last_over_time({heartbeat}[1d] offset 5m) unless on () {heartbeat} offset 5m)"
    assert grown("x", "5m", "by (y)") == (
        f"sum by (y) (increase(x[5m]) > 0 or (x unless x offset 5m unless on () {away}) > 0) > 0"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: select(m.EQUITY, is_(a.VENUE, "x")),
        lambda: select(m.EQUITY, part="_count"),
        lambda: select(m.ORDER_ACK),
        lambda: select(m.ORDER_ACK, bound(m.ORDER_ACK, 0.25), part="_count"),
        lambda: bound(m.ORDER_ACK, 0.3),
        lambda: is_(a.DIRECTION, "worse"),
    ],
)
def test_what_does_not_exist_cannot_be_asked_for(wrong: Any) -> None:
    """Labels that a metric lacks, parts of what is no histogram, bounds without bucket, words outside a vocabulary."""
    with pytest.raises(ValueError, match=r"no label|histogram|no bucket|no word"):
        wrong()


def test_receivers_follow_what_is_configured() -> None:
    """What a deployment has no secret for is neither routed to nor declared."""
    document = yaml.safe_load(alertmanager(Delivery(slack=False, pager=False, deadman=False)))

    assert {receiver["name"] for receiver in document["receivers"]} == {*Team, "digest", "nobody"}
    assert "slack" not in str(document)
    assert document["route"]["routes"][0]["receiver"] == "nobody"


def test_secrets_come_from_files() -> None:
    """No secret stands in the configuration: each is the path of a file."""
    text = alertmanager(Delivery(username="ares"))

    assert set(re.findall(r"(\w+): secrets/(\w+)", text)) == {
        ("smtp_auth_password_file", "smtp_password"),
        ("slack_api_url_file", "slack_url"),
        ("url_file", "pager_url"),
        ("url_file", "deadman_url"),
    }
    assert not re.search(r"^\s*(smtp_auth_password|slack_api_url|url|api_url|password):", text, re.MULTILINE)

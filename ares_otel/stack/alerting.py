"""Alertmanager's configuration: who hears of which alert, and when.

The committed files are the defaults of `Delivery`; a deployment has its own made by another one. Paths in them are
relative to the directory that Alertmanager is started in, so that the same layout serves a container and a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import yaml

from ares_otel.stack.rules.model import Domain, Severity, Team

__all__ = ["Delivery", "addresses", "alertmanager"]

HEAD: Final = """\
# Generated from `ares_otel.stack` by `ares-otel generate`; do not edit. Secrets are read from `secrets/`.
"""
ADDRESSES: Final = """\
{{{{/* Generated from `ares_otel.stack` by `ares-otel generate`; do not edit. */}}}}
{{{{ define "ares.url" }}}}{ares}{{{{ end }}}}
{{{{ define "grafana.url" }}}}{grafana}{{{{ end }}}}
{{{{ define "runbooks.url" }}}}{runbooks}{{{{ end }}}}
"""
SIMULATED: Final = 'mode =~ "backtest|replay"'
SAME: Final = ["deployment_environment_name", "service_name", "mode"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """How messages leave, and the addresses that they point to.

    Attributes:
        smarthost: mail server as host:port; "" sends no mail.
        sender: address that mails come from.
        domain: mails go to `trading@`, `models@` and `platform@` of it.
        username: name at the mail server, whose password is in `secrets/smtp_password`; "" signs in nowhere.
        tls: whether the mail server has to offer TLS.
        slack: also write into the teams' channels; the webhook's URL is in `secrets/slack_url`.
        pager: call a webhook for what is critical; its URL is in `secrets/pager_url`.
        deadman: call a webhook every minute; its URL is in `secrets/deadman_url`.
        group_interval: how long after a message the next one about the same group may follow, the one of its end, too.
        ares: address of the ares server, as readers of a message reach it.
        grafana: address of Grafana, likewise.
        runbooks: what the path of a runbook is appended to, of alerts that bots tell of by themselves.
    """

    smarthost: str = "localhost:25"
    sender: str = "ares@localhost"
    domain: str = "localhost"
    username: str = ""
    tls: bool = False
    slack: bool = True
    pager: bool = True
    deadman: bool = True
    group_interval: str = "5m"
    ares: str = "http://127.0.0.1:8100"
    grafana: str = "http://127.0.0.1:3000"
    runbooks: str = "http://127.0.0.1:8100/"


def alertmanager(delivery: Delivery = Delivery()) -> str:
    """Return Alertmanager's configuration."""
    document = {
        "global": _global(delivery),
        "templates": ["templates/*.tmpl"],
        "route": _route(delivery),
        "inhibit_rules": _inhibitions(),
        "receivers": _receivers(delivery),
    }
    return HEAD + str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120))


def addresses(delivery: Delivery = Delivery()) -> str:
    """Return the template that tells the others where links lead."""
    return ADDRESSES.format(ares=delivery.ares, grafana=delivery.grafana, runbooks=delivery.runbooks)


def _global(delivery: Delivery) -> dict[str, Any]:
    signed = {"smtp_auth_username": delivery.username, "smtp_auth_password_file": "secrets/smtp_password"}
    mail = {
        "smtp_smarthost": delivery.smarthost,
        "smtp_from": delivery.sender,
        "smtp_require_tls": delivery.tls,
        **(signed if delivery.username else {}),
    }
    return {
        "resolve_timeout": "5m",
        **(mail if delivery.smarthost else {}),
        **({"slack_api_url_file": "secrets/slack_url"} if delivery.slack else {}),
    }


def _route(delivery: Delivery) -> dict[str, Any]:
    heartbeat = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "1m"}
    digest = {"group_by": ["team"], "group_wait": "5m", "group_interval": "6h", "repeat_interval": "24h"}
    pager = {"group_wait": "0s", "repeat_interval": "1h", "continue": True}
    routes: list[dict[str, Any]] = [
        {"receiver": "deadman" if delivery.deadman else "nobody", "matchers": ['alertname = "Watchdog"'], **heartbeat},
        {"receiver": "nobody", "matchers": [SIMULATED]},
        *([{"receiver": "pager", "matchers": [_severity(Severity.CRITICAL)], **pager}] if delivery.pager else []),
        {"receiver": "digest", "matchers": [_severity(Severity.INFO)], **digest},
        *({"receiver": str(team), "matchers": [f'team = "{team}"'], "routes": [_urgent(team)]} for team in Team),
    ]
    return {
        "receiver": str(Team.PLATFORM),
        "group_by": ["alertname", "service_name", "strategy", "venue"],
        "group_wait": "30s",
        "group_interval": delivery.group_interval,
        "repeat_interval": "4h",
        "routes": routes,
    }


def _urgent(team: Team) -> dict[str, Any]:
    """A limit that was broken is told at once, without waiting for others of its group."""
    return {"receiver": str(team), "matchers": [_severity(Severity.CRITICAL)], "group_wait": "0s"}


def _severity(severity: Severity) -> str:
    return f'severity = "{severity}"'


def _inhibitions() -> list[dict[str, Any]]:
    symptoms = f"{Domain.BOT}|{Domain.EXECUTION}|{Domain.MODELS}|{Domain.TELEMETRY}"
    return [
        _mutes(
            [_severity(Severity.CRITICAL)],
            [_severity(Severity.WARNING)],
            ["alertname", *SAME, "strategy", "venue"],
        ),
        _mutes(['alertname = "AresLimitBreached"'], ['alertname = "AresLimitNear"'], [*SAME, "strategy", "limit"]),
        _mutes(
            ['alertname = "AresBotDown"'],
            [f'domain =~ "{symptoms}"', 'alertname !~ "AresBotDown|AresBotAbsent"'],
            SAME,
        ),
        _mutes(
            ['alertname = "AresVenueFailing"'],
            ['alertname =~ "AresVenueSlow|AresOrdersRejected|AresOrderAckSloBurn"', _severity(Severity.WARNING)],
            [*SAME, "venue"],
        ),
        _mutes(
            ['alertname = "AresCollectorDown"'],
            ['alertname =~ "AresTelemetryNotDelivered|AresTelemetrySpoolLarge"'],
            ["cluster"],
        ),
    ]


def _mutes(source: list[str], target: list[str], equal: list[str]) -> dict[str, Any]:
    return {"source_matchers": source, "target_matchers": target, "equal": list(equal)}


def _receivers(delivery: Delivery) -> list[dict[str, Any]]:
    hooks = {"pager": delivery.pager, "deadman": delivery.deadman}
    return [
        *(_team(team, delivery) for team in Team),
        {"name": "digest", **_mails("platform", delivery)},
        *({"name": name, "webhook_configs": [_hook(name)]} for name, wanted in hooks.items() if wanted),
        {"name": "nobody"},
    ]


def _team(team: Team, delivery: Delivery) -> dict[str, Any]:
    slack = {
        "channel": f"#ares-{team}",
        "send_resolved": True,
        "title": '{{ template "ares.subject" . }}',
        "text": '{{ template "ares.text" . }}',
    }
    return {
        "name": str(team),
        **_mails(team, delivery),
        **({"slack_configs": [slack]} if delivery.slack else {}),
    }


def _mails(to: str, delivery: Delivery) -> dict[str, Any]:
    mail = {
        "to": f"{to}@{delivery.domain}",
        "send_resolved": True,
        "headers": {"Subject": '{{ template "ares.subject" . }}'},
        "html": '{{ template "ares.html" . }}',
        "text": '{{ template "ares.text" . }}',
    }
    return {"email_configs": [mail]} if delivery.smarthost else {}


def _hook(name: str) -> dict[str, Any]:
    return {"url_file": f"secrets/{name}_url", "send_resolved": name != "deadman", "max_alerts": 20}

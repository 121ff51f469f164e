"""The stack's side: each server is ready, passes on what it gets, and has what is provisioned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import msgspec

from ares_otel.cli.checks.finding import Check, Finding, absent, failed, fine
from ares_otel.cli.checks.probe import Probe
from ares_otel.cli.checks.web import TroubleError, Web, basic, bearer
from ares_otel.config import Config, Loaded
from ares_otel.stack.boards import BOARDS
from ares_otel.stack.rules import FILES

__all__ = ["PARTS", "asked_for", "stack_checks"]

PARTS: Final = {
    "collector": ("/", "collector"),
    "server": ("/readyz", "ares server"),
    "tempo": ("/ready", "Tempo"),
    "prometheus": ("/-/ready", "Prometheus"),
    "alertmanager": ("/-/ready", "Alertmanager"),
    "grafana": ("/api/health", "Grafana"),
    "loki": ("/ready", "Loki"),
}
"""What each part is asked whether it is ready, and what it is called."""
SOURCES: Final = {
    "prometheus": "/api/datasources/uid/prometheus/health",
    "tempo": "/api/datasources/proxy/uid/tempo/api/echo",
    "loki": "/api/datasources/uid/loki/health",
    "alertmanager": "/api/alertmanager/alertmanager/api/v2/status",
}
"""How Grafana is asked whether it reaches a part: only some kinds of its data sources have a health check."""


class _Rule(msgspec.Struct):
    name: str
    health: str
    lastError: str = ""  # noqa: N815  Prometheus' name


class _Group(msgspec.Struct):
    name: str
    rules: list[_Rule] = []


class _Groups(msgspec.Struct):
    groups: list[_Group]


class _Target(msgspec.Struct):
    labels: dict[str, str]
    health: str
    lastError: str = ""  # noqa: N815  Prometheus' name


class _Targets(msgspec.Struct):
    activeTargets: list[_Target]  # noqa: N815  Prometheus' name


class _Managers(msgspec.Struct):
    activeAlertmanagers: list[dict[str, str]]  # noqa: N815  Prometheus' name


class _Uid(msgspec.Struct):
    uid: str


def asked_for(loaded: Loaded) -> bool:
    """Whether the configuration says anything of the stack."""
    return any(origin.kind != "default" for key, origin in loaded.origins.items() if key.startswith("stack."))


def stack_checks(config: Config) -> list[Check]:
    """Return all checks of the stack's side; for a part that is not there, that it is not configured."""
    stack = config.stack
    unknown = [name for name in stack.parts if name not in PARTS]
    try:
        headers = {
            "server": bearer(stack.server_token_file),
            "grafana": basic(stack.grafana_user, stack.grafana_password_file),
        }
    except TroubleError as error:
        remedy = "mend stack.server_token_file or stack.grafana_password_file"
        return [Check(partial(_said, failed("secrets", str(error), remedy)))]
    webs = {name: Web(getattr(stack, name), headers.get(name)) for name in PARTS if name in stack.parts}
    remedy = f"stack.parts knows {', '.join(PARTS)}"
    return [
        *(Check(partial(_said, failed("parts", f"{name!r} is none", remedy))) for name in unknown),
        *(Check(partial(_ready, name, webs.get(name))) for name in PARTS),
        *(Probe(config).checks(webs) if webs else ()),
        *_of_prometheus(webs),
        *_of_grafana(webs),
    ]


def _said(finding: Finding) -> Iterator[Finding]:
    yield finding


def _ready(name: str, web: Web | None) -> Iterator[Finding]:
    path, title = PARTS[name]
    if web is None:
        yield absent(title, f"{name} is not in stack.parts")
        return
    try:
        web.get(path)
    except TroubleError as error:
        variable = f"ARES_OTEL_STACK_{name.upper()}"
        start = f"start it (`make up`), or set stack.{name} ({variable}) to where it is"
        yield failed(title, str(error), f"`make logs` says why it is not ready: {title}" if error.status else start)
    else:
        yield fine(title, f"{web.base} is ready")


def _asking(name: str, look: Callable[[Web], Finding], web: Web, refused: str = "see whether it is ready") -> Check:
    """Return a check that a server answers; `refused` mends that it refuses to."""

    def ask() -> Iterator[Finding]:
        try:
            yield look(web)
        except TroubleError as error:
            yield failed(name, str(error), refused if error.status else "see whether it is ready")

    return Check(ask)


def _of_prometheus(webs: dict[str, Web]) -> Iterator[Check]:
    prometheus = webs.get("prometheus")
    if prometheus is None:
        return
    yield _asking("rules", _rules, prometheus)
    yield _asking("scrapes", _scrapes, prometheus)
    if "alertmanager" in webs:
        yield _asking("way of alerts", _managers, prometheus)


def _data(kind: type[Any], prometheus: Web, path: str) -> Any:
    wrapped = msgspec.defstruct("Answer", [("data", kind)])
    return prometheus.read(wrapped, path).data


def _rules(prometheus: Web) -> Finding:
    groups: list[_Group] = _data(_Groups, prometheus, "/api/v1/rules").groups
    missing = {group.name for file in FILES.values() for group in file} - {group.name for group in groups}
    if missing:
        remedy = "mount prometheus/rules beside prometheus.yml as rules, and reload Prometheus"
        return failed("rules", f"groups are missing: {', '.join(sorted(missing))}", remedy)
    ill = {rule.name: rule.lastError or rule.health for group in groups for rule in group.rules if rule.health != "ok"}
    if ill:
        name, cause = next(iter(ill.items()))
        remedy = "`promtool check rules prometheus/rules/*.yaml`; a rule that was not evaluated yet needs a minute"
        return failed("rules", f"{len(ill)} rules, the first of them {name}: {cause}", remedy)
    return fine("rules", f"{sum(len(group.rules) for group in groups)} in {len(groups)} groups, all evaluated")


def _scrapes(prometheus: Web) -> Finding:
    targets: list[_Target] = _data(_Targets, prometheus, "/api/v1/targets").activeTargets
    ill = [one for one in targets if one.health != "up"]
    if ill:
        first = ill[0]
        where = f"{first.labels.get('job')} {first.labels.get('instance')}"
        remedy = "start what is down, or take it out of deploy/prometheus/targets"
        return failed(
            "scrapes", f"{len(ill)} fail, the first of them {where}: {first.lastError or first.health}", remedy
        )
    jobs = sorted({one.labels.get("job", "") for one in targets})
    return fine("scrapes", f"{len(targets)} targets answer: {', '.join(jobs)}")


def _managers(prometheus: Web) -> Finding:
    found = _data(_Managers, prometheus, "/api/v1/alertmanagers").activeAlertmanagers
    if not found:
        remedy = "name Alertmanager in deploy/prometheus/targets/alertmanager.yaml"
        return failed("way of alerts", "Prometheus knows no Alertmanager", remedy)
    return fine("way of alerts", f"Prometheus sends to {', '.join(one.get('url', '') for one in found)}")


def _of_grafana(webs: dict[str, Web]) -> Iterator[Check]:
    grafana = webs.get("grafana")
    if grafana is None:
        return
    access = "set stack.grafana_user and stack.grafana_password_file to somebody who may see the boards"
    yield _asking("boards in Grafana", _boards, grafana, access)
    source = "give Grafana the address by which it reaches it: grafana/provisioning/datasources names the variables"
    for name in SOURCES:
        if name in webs:
            yield _asking(f"data source {name}", partial(_source, name), grafana, source)


def _boards(grafana: Web) -> Finding:
    found = grafana.read(list[_Uid], "/api/search", type="dash-db", limit=1000)
    missing = sorted({board.uid for board in BOARDS} - {one.uid for one in found})
    if missing:
        remedy = "mount grafana/provisioning and grafana/dashboards; Grafana's log says what it could not read"
        return failed("boards in Grafana", f"{len(missing)} are missing: {', '.join(missing)}", remedy)
    return fine("boards in Grafana", f"all {len(BOARDS)} are provisioned")


def _source(name: str, grafana: Web) -> Finding:
    grafana.get(SOURCES[name])
    return fine(f"data source {name}", "Grafana reaches it")

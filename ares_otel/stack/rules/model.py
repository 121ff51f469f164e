"""The frozen objects that declare recording rules and alerts, and their form in Prometheus' files."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import yaml

from ares_otel.semconv import attributes as a

__all__ = ["RUNBOOKS", "Alert", "Domain", "Group", "Record", "Severity", "Team", "render"]

HEAD: Final = "# Generated from `ares_otel.stack` by `ares-otel generate`; do not edit. Tests: `prometheus/tests/`.\n"
ALERT_NAME: Final = re.compile(r"(?:Ares[A-Z][A-Za-z]+|Watchdog)")
RECORD_NAME: Final = re.compile(r"ares:[a-z_]+:[a-z0-9_]+")
LABELS: Final = {"model": a.MODEL_NAME.label}
"""Variables of boards that are called otherwise than the label that they choose by."""
RUNBOOKS: Final = "http://127.0.0.1:8100/"
"""Where runbooks are unless somebody says so: on the ares server. Grafana shows the annotation as it is in the rule:
what Prometheus would fill in is no link there."""
WIDTH: Final = 10_000  # a query is one line: folded ones cannot be searched for


class Severity(StrEnum):
    """How fast somebody has to look."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NONE = "none"


class Team(StrEnum):
    """Who looks."""

    TRADING = "trading"
    MODELS = "models"
    PLATFORM = "platform"


class Domain(StrEnum):
    """What the alert is about; each has its page in `docs/runbooks/`."""

    BOT = "bot"
    EXECUTION = "execution"
    RISK = "risk"
    MODELS = "models"
    TELEMETRY = "telemetry"
    STACK = "stack"


@dataclass(frozen=True, slots=True)
class Record:
    """A query that is answered once for all boards and alerts."""

    name: str
    expr: str
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not RECORD_NAME.fullmatch(self.name):
            raise ValueError(f"record {self.name!r}: expected ares:what:how")

    def document(self, runbooks: str = "") -> dict[str, Any]:
        """Return the rule as Prometheus reads it."""
        del runbooks  # nobody is called by it
        return {"record": self.name, "expr": self.expr, **({"labels": self.labels} if self.labels else {})}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: what has to be true for how long, how bad that is, and what somebody reads at night.

    Attributes:
        hold: how long it has to be true, as Prometheus writes durations; "" fires at once.
        keep: how long it goes on firing afterwards, for what comes and goes.
        board: uid of the board that shows it.
        variables: of that board, chosen by labels of the alert.
        labels: further labels, for routing.

    Raises:
        ValueError: a name that is no `Ares…`, or texts without an end.
    """

    name: str
    expr: str
    severity: Severity
    team: Team
    domain: Domain
    summary: str
    description: str
    board: str
    hold: str = ""
    keep: str = ""
    variables: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not ALERT_NAME.fullmatch(self.name):
            raise ValueError(f"alert {self.name!r}: expected Ares and words in capitals")
        if not self.summary or not self.description.endswith("."):
            raise ValueError(f"alert {self.name}: a summary and a description in sentences are needed")

    @property
    def runbook(self) -> str:
        """The section that says what to do, by path in the repository; the ares server knows it by the same one."""
        return f"docs/runbooks/{self.domain}.md#{self.name.lower()}"

    @property
    def dashboard(self) -> str:
        """Path of the board in Grafana, with the alert's labels chosen."""
        chosen = "&".join(f"var-{name}={{{{ $labels.{LABELS.get(name, name)} }}}}" for name in self.variables)
        return f"/d/{self.board}{'?' if chosen else ''}{chosen}"

    def document(self, runbooks: str = RUNBOOKS) -> dict[str, Any]:
        """Return the rule as Prometheus reads it; the path of its runbook is appended to `runbooks`."""
        times = {"for": self.hold, "keep_firing_for": self.keep}
        routing = {"severity": str(self.severity), "team": str(self.team), "domain": str(self.domain)}
        return {
            "alert": self.name,
            "expr": self.expr,
            **{name: value for name, value in times.items() if value},
            "labels": {**routing, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "dashboard": self.dashboard,
                "runbook_url": runbooks + self.runbook,
            },
        }


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, in order."""

    name: str
    rules: tuple[Record | Alert, ...]
    interval: str = ""

    def document(self, runbooks: str) -> dict[str, Any]:
        """Return the group as Prometheus reads it."""
        interval = {"interval": self.interval} if self.interval else {}
        return {"name": self.name, **interval, "rules": [rule.document(runbooks) for rule in self.rules]}


class _Plain(yaml.SafeDumper):
    """Writes what is used twice twice: references between rules help no reader."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def render(groups: tuple[Group, ...], runbooks: str = RUNBOOKS) -> str:
    """Return one file of rules; the paths of runbooks are appended to `runbooks`, which ends with a slash."""
    document = {"groups": [group.document(runbooks) for group in groups]}
    return HEAD + str(yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=WIDTH))

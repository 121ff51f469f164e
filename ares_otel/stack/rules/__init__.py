"""Recording rules and alerts for Prometheus, and the files that hold them."""

from __future__ import annotations

from typing import Final

from ares_otel.stack.rules import drift, running, servers, slo, trading
from ares_otel.stack.rules.model import Alert, Domain, Group, Record, Severity, Team, render

__all__ = ["ALERTS", "FILES", "Alert", "Domain", "Group", "Record", "Severity", "Team", "render"]

FILES: Final[dict[str, tuple[Group, ...]]] = {
    "recording.yaml": (*slo.RECORDS, *running.RECORDS, *drift.RECORDS),
    "bot.yaml": (Group("ares-bot", running.BOT),),
    "execution.yaml": (Group("ares-execution", trading.EXECUTION), Group("ares-execution-slo", slo.ALERTS)),
    "risk.yaml": (Group("ares-risk", trading.RISK, interval="5s"),),
    "models.yaml": (Group("ares-models", (*trading.MODELS, *drift.ALERTS)),),
    "telemetry.yaml": (Group("ares-telemetry", running.TELEMETRY),),
    "stack.yaml": (Group("ares-stack", servers.STACK),),
}
"""The files in `prometheus/rules/`, by name. Risk is evaluated more often than anything is scraped."""

ALERTS: Final = tuple(
    rule for groups in FILES.values() for group in groups for rule in group.rules if isinstance(rule, Alert)
)

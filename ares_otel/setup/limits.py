"""Hard limits, watched in the bot's own process: what must be heard of within seconds is told by whoever knows first.

The alerts are those of `prometheus/rules/risk.yaml` that fire at once: same name, same labels, same words. So an
Alertmanager that hears of one from the bot and from Prometheus tells people once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ares_otel.config import Config
from ares_otel.guard import GUARD
from ares_otel.pipeline.alertmanager import Alert, AlertKey, Pusher
from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Gauge, Metric
from ares_otel.stack import rules

__all__ = ["HardLimits", "filled", "identity"]

SECOND: Final = 1_000_000_000
MOST: Final = 1_000
BELIEVED: Final = 4
"""Resend intervals after which Alertmanager takes an alert that it heard nothing more of for resolved."""

WATCHED: Final[dict[Metric, tuple[str, float]]] = {
    m.LIMIT_UTILIZATION: ("AresLimitBreached", 1.0),
    m.KILL_SWITCH: ("AresKillSwitchActive", 0.0),
}
"""The alert of a gauge, and the bound beyond which it fires, as in its rule (a test compares)."""

IDENTITY: Final = ("deployment.environment.name", "service.name", "ares.mode")
DURATIONS: Final = {"s": 1, "m": 60, "h": 3_600}
PLACE: Final = re.compile(r"\{\{\s*(.+?)\s*\}\}")


@dataclass(slots=True)
class _Firing:
    """An alert that is on."""

    rule: rules.Alert
    started: int
    value: float
    correlation: str | None
    cleared: int | None = None
    told: int | None = None


class HardLimits:
    """Decides which alerts are on, and hands them to the pushers.

    The worker's thread alone calls `watch` and `round`.

    Args:
        config: the effective configuration.
        resource: who sends; three of its attributes tell bots apart, as in Prometheus.
        now: Unix time in ns.
        source: address of the bot's metrics, which the alerts come from.
    """

    def __init__(
        self,
        config: Config,
        resource: Mapping[str, str | int],
        now: Callable[[], int],
        source: Callable[[], str | None],
    ) -> None:
        self._now = now
        self._source = source
        self._who = (*identity(resource), *((("cluster", config.alerting.cluster),) if config.alerting.cluster else ()))
        self._again = int(config.alerting.resend_interval * SECOND)
        self._rules = {alert.name: alert for alert in rules.ALERTS}
        self._firing: dict[AlertKey, _Firing] = {}
        self.pushers = [Pusher(url, config.alerting.timeout) for url in config.alerting.alertmanagers]

    def watch(self, gauge: Gauge, labels: Sequence[str | None], value: float, correlation: str | None) -> None:
        """Take a new value of a watched gauge; `correlation` is the id of the decision that it came with."""
        found = WATCHED.get(gauge)
        if found is None:
            return
        name, bound = found
        rule = self._rules[name]
        key = self._key(rule, {label: text for label, text in zip(gauge.label_names, labels, strict=True) if text})
        firing = self._firing.get(key)
        if value > bound:
            self._fire(key, rule, value, correlation)
        elif firing is not None and firing.cleared is None:
            firing.cleared = self._now()

    def round(self) -> None:
        """Tell what began, what goes on and what has ended."""
        now = self._now()
        for key, firing in list(self._firing.items()):
            over = firing.cleared is not None and now - firing.cleared >= _kept(firing.rule)
            if over:
                del self._firing[key]
            elif firing.told is not None and now - firing.told < self._again:
                continue
            firing.told = now
            self._offer(key, firing, now if over else now + BELIEVED * self._again)

    def stop(self, timeout: float) -> None:
        """Wait until all is told, at most so many seconds."""
        for pusher in self.pushers:
            pusher.stop(timeout)

    def readings(self) -> Iterator[tuple[Metric, tuple[str, ...], float]]:
        """Yield what became of the alerts."""
        yield m.ALERTS_PUSHED, (), sum(pusher.pushed for pusher in self.pushers)
        for reason in {reason for pusher in self.pushers for reason in pusher.failures}:
            yield m.ALERT_FAILURES, (reason,), sum(pusher.failures[reason] for pusher in self.pushers)

    def _fire(self, key: AlertKey, rule: rules.Alert, value: float, correlation: str | None) -> None:
        firing = self._firing.get(key)
        if firing is not None:
            firing.value, firing.cleared = value, None
        elif len(self._firing) < MOST:
            self._firing[key] = _Firing(rule, self._now(), value, correlation)
        else:
            GUARD.complain("limits", "too many", f"more than {MOST} limits are exceeded; further ones are not told")

    def _key(self, rule: rules.Alert, labels: Mapping[str, str]) -> AlertKey:
        routing = {"alertname": rule.name, "severity": str(rule.severity), "team": str(rule.team)}
        said = {**dict(self._who), **labels, **routing, "domain": str(rule.domain), **rule.labels}
        return tuple(sorted(said.items()))

    def _offer(self, key: AlertKey, firing: _Firing, ends: int) -> None:
        labels, rule = dict(key), firing.rule
        words = {"summary": rule.summary, "description": rule.description, "dashboard": rule.dashboard}
        annotations = {name: filled(text, labels, firing.value) for name, text in words.items()}
        annotations["runbook_url"] = rule.runbook
        if firing.correlation:
            annotations["correlation_id"] = firing.correlation
        alert = Alert(key, annotations, firing.started, ends, self._source() or "")
        for pusher in self.pushers:
            pusher.offer(alert)


def _kept(rule: rules.Alert) -> int:
    """Return how many ns an alert goes on after its end: as long as in Prometheus, or the two would take turns."""
    return int(rule.keep[:-1]) * DURATIONS[rule.keep[-1]] * SECOND if rule.keep else 0


def identity(resource: Mapping[str, str | int]) -> tuple[tuple[str, str], ...]:
    """Return the labels that tell bots apart in Prometheus, where the bot's own `file_sd` entry gives them."""
    known = ((name.removeprefix("ares.").replace(".", "_"), resource.get(name)) for name in IDENTITY)
    return tuple((label, str(value)) for label, value in known if value)


def filled(text: str, labels: Mapping[str, str], value: float) -> str:
    """Return a text of a rule with its labels and its value, as Prometheus writes them.

    Raises:
        ValueError: the text asks for something else.
    """

    def fill(place: re.Match[str]) -> str:
        asked = place[1]
        if asked.startswith("$labels."):
            return labels.get(asked.removeprefix("$labels."), "")
        if asked == "$value":
            return f"{value:.15g}"
        if asked == "$value | humanizePercentage":
            return f"{100 * value:.4g}%"
        raise ValueError(f"{asked!r} cannot be filled in here")

    return PLACE.sub(fill, text)

"""Hard limits, watched in the bot: the alerts of Prometheus' own rules, from the worker to Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from setup_kit import Begin, shown
from sink import Sink, eventually, reply

import ares_otel as ares
from ares_otel.config import Config, load
from ares_otel.pipeline.alertmanager import Alert
from ares_otel.semconv import metrics as m
from ares_otel.setup import active, limits
from ares_otel.setup.limits import HardLimits, filled, identity
from ares_otel.stack import rules

ROOT = Path(__file__).resolve().parents[2]
SECOND = 1_000_000_000
WHO = {"deployment.environment.name": "test", "service.name": "bot", "ares.mode": "paper", "host.name": "h"}


class Clock:
    """A clock that is set."""

    now = 1_790_000_000 * SECOND

    def __call__(self) -> int:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND)


class Told:
    """Hard limits with a pusher that only remembers."""

    def __init__(self, given: Config) -> None:
        self.clock = Clock()
        self.alerts: list[Alert] = []
        self.limits = HardLimits(given, WHO, self.clock, lambda: "http://127.0.0.1:9464/metrics")
        self.limits.pushers = [self]  # type: ignore[list-item]
        self.pushed = 0
        self.failures: dict[str, int] = {}

    def offer(self, alert: Alert) -> None:
        """Remember."""
        self.alerts.append(alert)

    def use(self, used: float, correlation: str | None = None) -> None:
        """Say how far a limit is used, and let a round pass."""
        self.limits.watch(m.LIMIT_UTILIZATION, ("swing", "drawdown"), used, correlation)
        self.limits.round()

    def take(self) -> list[str]:
        """Return what was told since the last time: whether it goes on or has ended."""
        words = ["ended" if alert.ends <= self.clock.now else "on" for alert in self.alerts]
        self.alerts.clear()
        return words


def config() -> Config:
    """Return the defaults."""
    return load(environ={"HOME": "/"}).config


@pytest.fixture
def told() -> Told:
    """Return hard limits on a clock that is set."""
    return Told(config())


def test_an_alert_is_that_of_the_rule(told: Told) -> None:
    """Name, labels and words are those that Prometheus sends for the same breach; the decision stands beside them."""
    told.use(1.25, "c-1")

    (alert,) = told.alerts
    assert dict(alert.labels) == {
        "alertname": "AresLimitBreached",
        "cluster": "ares",
        "deployment_environment_name": "test",
        "domain": "risk",
        "limit": "drawdown",
        "mode": "paper",
        "service_name": "bot",
        "severity": "critical",
        "strategy": "swing",
        "team": "trading",
    }
    assert alert.annotations == {
        "summary": "swing is beyond its limit drawdown: 125%",
        "description": "A hard limit is exceeded; the bot should have stopped by itself.",
        "dashboard": "/d/ares-portfolio?var-strategy=swing",
        "runbook_url": "docs/runbooks/risk.md#areslimitbreached",
        "correlation_id": "c-1",
    }
    assert alert.ends - told.clock.now == 120 * SECOND


def test_watched_rules_are_those_of_prometheus() -> None:
    """Each watched gauge has a rule that fires at once beyond the same bound and tells strategies and bots apart."""
    by_name = {alert.name: alert for alert in rules.ALERTS}
    for gauge, (name, bound) in limits.WATCHED.items():
        rule = by_name[name]
        clause = ", ".join(["deployment_environment_name", "service_name", "mode", *gauge.label_names])
        assert rule.expr == f"max by ({clause}) ({gauge}) > {bound:g}"
        assert rule.hold == ""
        assert filled(f"{rule.summary} {rule.description}", dict.fromkeys(gauge.label_names, "x"), 1.0)


def test_the_cluster_is_that_of_prometheus() -> None:
    """Alerts of Prometheus carry its external labels; those of the bot carry the same."""
    committed = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    external = yaml.safe_load(committed)["global"]["external_labels"]

    assert external == {"cluster": config().alerting.cluster}


def test_told_again_while_it_goes_on_and_when_it_ends(told: Told) -> None:
    """At once, then at each interval, and once more when it has been over for as long as the rule keeps firing."""
    told.use(1.1)
    assert told.take() == ["on"]
    told.clock.sleep(29)
    told.use(1.2)
    assert told.take() == []
    told.clock.sleep(1)
    told.use(1.2)
    assert told.take() == ["on"]
    told.use(0.9)
    told.clock.sleep(31)
    told.limits.round()
    assert told.take() == ["on"]
    told.use(1.5)
    told.use(0.5)
    told.clock.sleep(300)
    told.use(0.4)
    assert told.take() == ["ended"]
    told.clock.sleep(300)
    told.use(0.4)
    assert told.take() == []


def test_a_breach_within_a_round_is_told(told: Told) -> None:
    """A limit that was exceeded and is not any more when the worker looks was exceeded."""
    told.limits.watch(m.LIMIT_UTILIZATION, ("swing", "drawdown"), 1.5, None)
    told.use(0.2)

    assert told.take() == ["on"]


def test_the_kill_switch_ends_at_once(told: Told) -> None:
    """Its rule does not go on; nothing else is watched."""
    for state in (2, 0):
        told.limits.watch(m.KILL_SWITCH, (), state, None)
        told.limits.round()
    told.limits.watch(m.DRAWDOWN, ("swing",), 9.0, None)
    told.limits.round()

    assert [dict(alert.labels)["alertname"] for alert in told.alerts] == ["AresKillSwitchActive"] * 2
    assert told.take() == ["on", "ended"]


def test_nothing_grows(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound further alerts are counted and said once."""
    monkeypatch.setattr(limits, "MOST", 1)
    for strategy in ("a", "b", "c"):
        told.limits.watch(m.LIMIT_UTILIZATION, (strategy, "drawdown"), 2.0, None)
    told.limits.round()

    assert told.take() == ["on"]


def test_absent_labels_are_absent() -> None:
    """As in Prometheus, where an empty label is none."""
    assert identity({"service.name": "bot", "ares.mode": "live"}) == (("service_name", "bot"), ("mode", "live"))
    none = config()
    none = msgspec.structs.replace(none, alerting=msgspec.structs.replace(none.alerting, cluster=None))
    told = Told(none)
    told.limits.watch(m.LIMIT_UTILIZATION, (None, "exposure"), 2.0, None)
    told.limits.round()
    assert {"strategy", "cluster"} & dict(told.alerts[0].labels).keys() == set()


def test_texts_that_cannot_be_filled() -> None:
    """What this does not understand raises, so that a new rule cannot send its own source to people."""
    assert filled("{{ $value }} of {{$labels.x}}{{ $labels.y }}", {"x": "a"}, 2.0) == "2 of a"
    with pytest.raises(ValueError, match="humanizeDuration"):
        filled("{{ $value | humanizeDuration }}", {}, 1.0)


def test_addresses() -> None:
    """A list with one that is no HTTP address is said to be wrong, without what it holds, and nothing is told."""
    loaded = load(environ={"HOME": "/", "ARES_OTEL_ALERTING_ALERTMANAGERS": "http://a:9093,joe:secret@b"})

    assert loaded.config.alerting.alertmanagers == ()
    assert [problem.key for problem in loaded.problems] == ["alerting.alertmanagers"]
    assert "secret" not in str(loaded.problems)


# --- in a bot ----------------------------------------------------------------------------------------------------


@pytest.fixture
def manager() -> Iterator[Sink]:
    """Return an Alertmanager that takes everything."""
    with Sink(*[reply(200, content_type="text/plain")] * 20) as running:
        yield running


@pytest.fixture
def alerting(begin: Begin, manager: Sink) -> Callable[..., Any]:
    """Return what begins telemetry that tells this Alertmanager."""

    def start(**settings: Any) -> Any:
        return begin(alerting__alertmanagers=(f"http://127.0.0.1:{manager.port}",), **settings)

    return start


def heard(manager: Sink) -> list[dict[str, Any]]:
    """Return the alerts that came."""
    return [alert for request in list(manager.requests) for alert in json.loads(request.body)]


def test_a_check_beyond_its_limit(alerting: Callable[..., Any], manager: Sink) -> None:
    """A decision whose check exceeds a limit is heard of, with its correlation id; the metrics count it."""
    handle = alerting(service__environment="test", mode="paper")
    with ares.decision(strategy="swing") as d:
        d.risk(ares.RiskCheck("exposure", 120.0, 100.0, "blocked"))
        d.risk(ares.RiskCheck("orders_per_day", 3, 10))
    assert ares.flush(10.0)
    eventually(lambda: shown(handle.metrics_url, "ares_telemetry_alerts_pushed_total") == 1)

    (alert,) = heard(manager)
    assert (alert["labels"]["limit"], alert["labels"]["strategy"], alert["labels"]["mode"]) == (
        "exposure",
        "swing",
        "paper",
    )
    assert alert["annotations"]["correlation_id"] == d.correlation_id
    assert alert["generatorURL"] == handle.metrics_url


def test_a_drawdown_between_checks(alerting: Callable[..., Any], manager: Sink) -> None:
    """A strategy that checks a limit named drawdown is followed by its equity, also when it sends no orders."""
    handle = alerting()
    ares.record(ares.RiskCheck("drawdown", 0.0, 0.1, strategy="swing"))
    ares.record(ares.RiskCheck("drawdown", 0.0, -0.1, strategy="odd"))
    for value in (100.0, 95.0, 85.0):
        ares.record(ares.Equity(value, "USD", strategy="swing"))
        ares.record(ares.Equity(value, "USD", strategy="odd"))
        ares.record(ares.Equity(value, "USD", strategy="free"))
    assert ares.flush(10.0)
    eventually(lambda: heard(manager))

    assert [alert["labels"]["strategy"] for alert in heard(manager)] == ["swing"]
    assert shown(handle.metrics_url, "ares_limit_utilization_ratio", strategy="swing") == pytest.approx(1.5)


def test_a_kill_switch(alerting: Callable[..., Any], manager: Sink) -> None:
    """The strictest of all switches counts; the alert ends when all are active again, also at the end of the bot."""
    handle = alerting()
    ares.record(ares.KillSwitch("halted", "drawdown", "swing"))
    ares.record(ares.KillSwitch(ares.SwitchState.REDUCE_ONLY, strategy="other"))
    assert ares.flush(10.0)
    assert shown(handle.metrics_url, "ares_kill_switch_state") == 2
    ares.record(ares.KillSwitch("active", strategy="swing"))
    assert ares.flush(10.0)
    assert shown(handle.metrics_url, "ares_kill_switch_state") == 1
    assert shown(handle.metrics_url, "ares_kill_switch_trips_total") == 2
    ares.record(ares.KillSwitch("active", strategy="other"))
    assert ares.shutdown(10.0)

    last = heard(manager)[-1]
    assert last["labels"]["alertname"] == "AresKillSwitchActive"
    assert last["endsAt"] < heard(manager)[0]["endsAt"]


def test_off_by_default(begin: Begin) -> None:
    """Without an address nothing is watched."""
    begin()
    telemetry = active()

    assert telemetry is not None
    assert telemetry.measuring.limits is None


def test_an_alertmanager_that_is_away(begin: Begin) -> None:
    """It costs neither the flush nor the end more than its time; its failures are counted."""
    handle = begin(alerting__alertmanagers=("http://127.0.0.1:9",), alerting__timeout=0.2)
    ares.record(ares.KillSwitch("halted"))
    assert ares.flush(10.0)
    eventually(lambda: shown(handle.metrics_url, "ares_telemetry_alert_failures_total"))
    ares.shutdown(0.3)

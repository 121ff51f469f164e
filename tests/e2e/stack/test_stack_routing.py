"""Every alert through a running Alertmanager with the routes of the stack, to a receiver that says what it was sent."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import yaml
from stack_kit import Server, running_alertmanager, until
from whole_kit import Hook

from ares_otel.stack.alerting import Delivery, alertmanager
from ares_otel.stack.rules import ALERTS, Alert

DELIVERY = Delivery(smarthost="", slack=False)
HEARD = {"critical": {"pager", "{team}"}, "warning": {"{team}"}, "info": {"digest"}, "none": {"deadman"}}
"""Who hears of an alert, by its severity."""
PLACE = {"deployment_environment_name": "test", "service_name": "bot", "mode": "paper", "cluster": "ares"}
FULL = {**PLACE, "strategy": "swing", "venue": "binance", "limit": "drawdown"}
CRITICAL, WARNING = {"severity": "critical"}, {"severity": "warning"}


class Routed(NamedTuple):
    """A running Alertmanager and the receiver behind all of its receivers."""

    server: Server
    hook: Hook

    def tell(self, *alerts: dict[str, str]) -> None:
        """Send alerts, as Prometheus does."""
        data = json.dumps([{"labels": labels, "annotations": {"summary": "s"}} for labels in alerts]).encode()
        request = Request(f"{self.server.url}/api/v2/alerts", data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            assert answer.status == 200

    def state(self, alert: dict[str, str]) -> str:
        """Return the state of an alert: "active", or "suppressed" because of another; "" as long as it has none."""
        filters = [("filter", f'{name}="{alert[name]}"') for name in ("alertname", "severity")]
        with urlopen(f"{self.server.url}/api/v2/alerts?{urlencode(filters)}", timeout=30) as answer:
            (found,) = json.loads(answer.read())
        state = str(found["status"]["state"])
        assert bool(found["status"]["inhibitedBy"]) == (state == "suppressed")
        return "" if state == "unprocessed" else state


def hurried(part: Any) -> Any:
    """Return a configuration that waits for nothing; who hears of what is as it was."""
    if isinstance(part, list):
        return [hurried(each) for each in part]
    if not isinstance(part, dict):
        return part
    soon = {"group_wait": "0s", "group_interval": "1s"}
    return {name: soon.get(name) or hurried(value) for name, value in part.items()}


@pytest.fixture
def routed(tmp_path: Path) -> Iterator[Routed]:
    """Run an Alertmanager whose receivers all call one webhook, each by the name that is in the message."""
    hook = Hook()
    try:
        document = hurried(yaml.safe_load(alertmanager(DELIVERY)))
        for receiver in document["receivers"]:
            if receiver["name"] not in {"nobody", "pager", "deadman"}:
                receiver["webhook_configs"] = [{"url": hook.url, "send_resolved": True}]
        secrets = {"pager_url": hook.url, "deadman_url": hook.url}
        with running_alertmanager(tmp_path / "alertmanager", DELIVERY, secrets, yaml.safe_dump(document)) as server:
            yield Routed(server, hook)
    finally:
        hook.close()


def labels_of(alert: Alert, number: int) -> dict[str, str]:
    """Return the labels of an alert of a bot of its own, so that none mutes another."""
    return {
        "alertname": alert.name,
        "service_name": f"bot-{number}",
        "cluster": f"c-{number}",
        **alert.document()["labels"],
    }


def test_every_alert_reaches_who_has_to_hear_of_it(routed: Routed) -> None:
    """Each alert of the rules is heard by its team, the pager, the digest or the dead man's switch, and nobody else."""
    replayed = {**labels_of(ALERTS[0], -1), "mode": "replay"}
    routed.tell(replayed, *(labels_of(alert, number) for number, alert in enumerate(ALERTS)))
    wanted = {
        f"bot-{number}": {name.format(team=alert.team) for name in HEARD[alert.severity]}
        for number, alert in enumerate(ALERTS)
    }
    heard: dict[str, set[str]] = defaultdict(set)

    def all_heard() -> bool:
        try:
            while True:
                call = routed.hook.calls.get_nowait()
                for alert in call["alerts"]:
                    heard[alert["labels"]["service_name"]].add(call["receiver"])
        except Empty:
            return all(names <= heard[bot] for bot, names in wanted.items())

    until(all_heard, what="every alert is heard of")
    assert dict(heard) == wanted


INHIBITED = [
    pytest.param(
        {**FULL, **CRITICAL, "alertname": "AresOrderAckSloBurn"},
        {**FULL, **WARNING, "alertname": "AresOrderAckSloBurn"},
        "venue",
        id="critical mutes warning of the same",
    ),
    pytest.param(
        {**FULL, **CRITICAL, "alertname": "AresLimitBreached"},
        {**FULL, **WARNING, "alertname": "AresLimitNear"},
        "limit",
        id="a broken limit mutes that it is near",
    ),
    pytest.param(
        {**PLACE, **CRITICAL, "alertname": "AresBotDown"},
        {**FULL, **CRITICAL, "alertname": "AresDecisionsOverdue", "domain": "bot"},
        "service_name",
        id="a bot that is down mutes what follows",
    ),
    pytest.param(
        {**FULL, **CRITICAL, "alertname": "AresVenueFailing"},
        {**FULL, **WARNING, "alertname": "AresVenueSlow"},
        "venue",
        id="a venue that fails mutes that it is slow",
    ),
    pytest.param(
        {**PLACE, **CRITICAL, "alertname": "AresCollectorDown"},
        {**PLACE, **WARNING, "alertname": "AresTelemetryNotDelivered"},
        "cluster",
        id="a collector that is down mutes what bots keep",
    ),
]


@pytest.mark.parametrize(("cause", "symptom", "place"), INHIBITED)
@pytest.mark.parametrize("same", [True, False], ids=["same", "other"])
def test_causes_mute_symptoms(
    routed: Routed, cause: dict[str, str], symptom: dict[str, str], place: str, *, same: bool
) -> None:
    """A symptom is held back by its cause, but not by that of another bot, venue, limit or cluster."""
    routed.tell(cause if same else {**cause, place: "other"})
    assert until(lambda: routed.state(cause), what="the cause") == "active"

    routed.tell(symptom)

    assert until(lambda: routed.state(symptom), what="the symptom") == ("suppressed" if same else "active")

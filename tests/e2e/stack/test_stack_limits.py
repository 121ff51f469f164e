"""From a broken limit in a bot's process to a mail: by the bot itself, within seconds, and once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NamedTuple, Self
from urllib.request import urlopen

import pytest
from aiosmtpd.controller import Controller
from collector import free_ports
from stack_kit import Prometheus, Server, running_alertmanager, running_prometheus, until, within

from ares_otel.stack.alerting import Delivery

PROMISED = 5.0
DEADLINE = 60.0
BOT = """
import json, sys, time
import ares_otel as ares

ares.setup()
with ares.decision(strategy="swing") as d:
    d.risk(ares.RiskCheck("drawdown", 0.1, 0.2))
say = lambda *what: print(json.dumps(what), flush=True)
say("ready")
for line in sys.stdin:
    if line == "break\\n":
        with ares.decision(strategy="swing") as d:
            d.risk(ares.RiskCheck("drawdown", 0.25, 0.2, "blocked"))
            d.resolve("hold")
        say(d.correlation_id, time.time())
    elif line == "trip\\n":
        ares.record(ares.KillSwitch("halted", "drawdown"))
        say("", time.time())
    elif line == "reset\\n":
        ares.record(ares.KillSwitch("active"))
        say("", time.time())
"""


class Mail(NamedTuple):
    """A mail that came: when (Unix seconds), to whom, what."""

    at: float
    to: str
    subject: str
    text: str


class Mailbox:
    """A mail server that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: Queue[Mail] = Queue()
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self._controller = Controller(self, hostname="127.0.0.1", port=port)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        """Keep a mail."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        self.mails.put(Mail(time.time(), envelope.rcpt_tos[0], str(message["Subject"]), text))
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    def next(self, seconds: float = DEADLINE) -> Mail:
        """Wait for the next mail."""
        try:
            return self.mails.get(timeout=seconds)
        except Empty:
            raise AssertionError(f"no mail within {seconds:g} s") from None


class Bot:
    """A bot in a process of its own that does as it is told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, word: str) -> tuple[str, float]:
        """Let it do something; return the correlation id, and when it did."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        correlation, at = self.hear()
        return correlation, at

    def hear(self) -> Any:
        """Wait for what it says."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def running_bot(directory: Path, alertmanager: str, file_sd: Path | None = None) -> Iterator[Bot]:
    """Run a bot that tells an Alertmanager."""
    (port,) = free_ports(1)
    given = {
        **os.environ,
        "XDG_STATE_HOME": str(directory),
        "OTEL_TRACES_EXPORTER": "none",
        "ARES_OTEL_ALERTING_ALERTMANAGERS": alertmanager,
        "ARES_OTEL_SERVICE_ENVIRONMENT": "test",
        "ARES_OTEL_MODE": "paper",
        "ARES_OTEL_METRICS_PORT": str(port),
        "ARES_OTEL_METRICS_FILE_SD": str(file_sd or ""),
    }
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", BOT], env=given, stdin=pipe, stdout=pipe, text=True)
    try:
        bot = Bot(process)
        assert bot.hear() == ["ready"]
        yield bot
    finally:
        process.communicate(timeout=DEADLINE)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """Return a running mail server."""
    with Mailbox() as running:
        yield running


@pytest.fixture
def alertmanager(tmp_path: Path, mailbox: Mailbox) -> Iterator[Server]:
    """Return a running Alertmanager with the routes of the stack; ends are told after seconds, not minutes."""
    delivery = Delivery(
        smarthost=mailbox.address, domain="example.org", slack=False, pager=False, deadman=False, group_interval="2s"
    )
    with running_alertmanager(tmp_path / "alertmanager", delivery, {}) as running:
        yield running


def alerts(alertmanager: Server, name: str) -> list[dict[str, Any]]:
    """Return the alerts of a name that Alertmanager has."""
    with urlopen(f"{alertmanager.url}/api/v2/alerts?filter=alertname={name}", timeout=DEADLINE) as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())
    return found


def test_from_a_broken_limit_to_a_mail(tmp_path: Path, mailbox: Mailbox, alertmanager: Server) -> None:
    """A mail within five seconds, to those who trade, with the limit, its value and the runbook in it."""
    with running_bot(tmp_path / "state", alertmanager.url) as bot:
        correlation, broken = bot.tell("break")
        mail = mailbox.next()

    assert mail.at - broken <= within(PROMISED)
    assert (mail.to, mail.subject) == ("trading@example.org", "CRITICAL: AresLimitBreached of swing")
    assert "swing is beyond its limit drawdown: 125%" in mail.text
    assert "docs/runbooks/risk.md#areslimitbreached" in mail.text
    assert f"/decisions/{correlation}" in mail.text
    (alert,) = alerts(alertmanager, "AresLimitBreached")
    assert alert["annotations"]["correlation_id"] == correlation


def test_a_tripped_kill_switch_and_its_end(tmp_path: Path, mailbox: Mailbox, alertmanager: Server) -> None:
    """A mail within five seconds, and one that it is over, again within seconds of Alertmanager's own interval."""
    with running_bot(tmp_path / "state", alertmanager.url) as bot:
        _, tripped = bot.tell("trip")
        first = mailbox.next()
        _, reset = bot.tell("reset")
        second = mailbox.next()

    assert first.at - tripped <= within(PROMISED)
    assert (first.subject, second.subject) == ("CRITICAL: AresKillSwitchActive", "Resolved: AresKillSwitchActive")
    assert second.at - reset <= within(2 * PROMISED)
    assert mailbox.mails.empty()


def test_one_alert_of_bot_and_prometheus(tmp_path: Path, mailbox: Mailbox, alertmanager: Server) -> None:
    """Prometheus finds the same a scrape later; for Alertmanager both are one alert, and people hear of it once."""
    home = tmp_path / "prometheus"
    home.mkdir()
    targets = {"alertmanager": alertmanager.url.removeprefix("http://")}
    with (
        running_prometheus(home, targets) as prometheus,
        running_bot(tmp_path / "state", alertmanager.url, home / "targets" / "bots" / "bot.json") as bot,
    ):
        bot.tell("trip")
        mail = mailbox.next()
        until(lambda: told_by_prometheus(prometheus), what="Prometheus fires, too, and has told it", seconds=120)
        (alert,) = alerts(alertmanager, "AresKillSwitchActive")

    assert mail.subject == "CRITICAL: AresKillSwitchActive"
    assert alert["labels"] == {
        "alertname": "AresKillSwitchActive",
        "cluster": "ares",
        "deployment_environment_name": "test",
        "domain": "risk",
        "mode": "paper",
        "service_name": "ares-bot",
        "severity": "critical",
        "team": "trading",
    }
    mine = [mail.subject for mail in list(mailbox.mails.queue) if "KillSwitch" in mail.subject]
    assert mine == []


def told_by_prometheus(prometheus: Prometheus) -> bool:
    """Tell whether Prometheus fires the alert and has sent alerts to Alertmanager."""
    firing = prometheus.value('count(ALERTS{alertname="AresKillSwitchActive",alertstate="firing"})')
    active = [
        alert
        for alert in prometheus.ask("alerts")["alerts"]
        if alert["labels"]["alertname"] == "AresKillSwitchActive" and alert["state"] == "firing"
    ]
    return bool(firing and active)

"""The demo's bot in this process, the server in another: what the bot did, what is stored, what the metrics say."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Self

from collector import free_ports
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import ares_otel as ares
from ares_otel.demo.session import Replay, open_replay
from ares_otel.demo.watch import Journal

__all__ = ["Ledger", "Server", "Totals", "eventually", "exposed", "listed", "trade"]

DEADLINE = 60.0
PATIENCE = 0.02
STEPS = 50


class Server:
    """`ares-otel serve` in a process of its own that can be killed and started again."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start and wait until it is ready."""
        command = [sys.executable, "-m", "ares_otel.cli.main", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen([*command, "--database", str(self.database)], stdout=subprocess.DEVNULL)
        eventually(self._is_ready)
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut would end the process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """End it by SIGTERM and return its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(DEADLINE)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Totals(NamedTuple):
    """What is counted three times: by the bot, in the store, in the metrics."""

    decisions: int
    votes: int
    orders: int
    updates: dict[str, int]
    fills: int | None
    fees: Decimal
    rebates: Decimal


class Ledger(NamedTuple):
    """The bot's own list: correlation id by order, and all reports by order."""

    decisions: dict[str, dict[str, Any]]
    correlations: dict[str, str]
    reports: dict[str, list[dict[str, Any]]]

    def totals(self) -> Totals:
        """Count the list."""
        reports = [report for each in self.reports.values() for report in each]
        fees = [Decimal(report["fee"]) for report in reports if report["fee"] is not None]
        return Totals(
            decisions=len(self.decisions),
            votes=sum(decision["votes"] for decision in self.decisions.values()),
            orders=len(self.correlations),
            updates=dict(Counter(report["status"] for report in reports)),
            fills=len(fees),
            fees=sum((fee for fee in fees if fee > 0), Decimal(0)),
            rebates=-sum((fee for fee in fees if fee < 0), Decimal(0)),
        )


def listed(path: Path) -> Ledger:
    """Read the bot's own list."""
    ledger = Ledger({}, {}, {})
    for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        if line["kind"] == "decision":
            ledger.decisions[line["correlation_id"]] = line
            ledger.correlations.update(dict.fromkeys(line["orders"], line["correlation_id"]))
        else:
            ledger.reports.setdefault(line["client_id"], []).append(line)
    return ledger


def exposed(text: str) -> Totals:
    """Add up a `/metrics` page."""
    sums: Counter[str] = Counter()
    updates: Counter[str] = Counter()
    money: dict[str, Decimal] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            sums[sample.name] += sample.value if sample.name.endswith("_total") else 0
            if sample.name == "ares_order_updates_total" and sample.value:
                updates[sample.labels["order_status"]] += int(sample.value)
            if sample.name in ("ares_fees_total", "ares_rebates_total"):
                money[sample.name] = money.get(sample.name, Decimal(0)) + Decimal(repr(sample.value))
    return Totals(
        decisions=int(sums["ares_decisions_total"]),
        votes=int(sums["ares_ensemble_votes_total"]),
        orders=int(sums["ares_orders_submitted_total"]),
        updates=dict(updates),
        fills=None,
        fees=money["ares_fees_total"],
        rebates=money["ares_rebates_total"],
    )


def trade(
    endpoint: str, directory: Path, orders: int, at: Mapping[int, Callable[[], object]] | None = None
) -> tuple[Ledger, str]:
    """Let the demo's bots trade until they have sent so many orders; return their list and the last metrics page.

    Args:
        endpoint: where spans are sent to.
        directory: for state, spool and list.
        orders: how many.
        at: what happens at which number of orders.
    """
    waiting = dict(at or {})
    journal = Journal(directory / "orders.jsonl")
    overrides = {
        "mode": "paper",
        "exporter.endpoint": endpoint,
        "exporter.backoff_limit": 0.5,
        "state_directory": str(directory / "state"),
        "metrics.port": 0,
        "recorder.drain_interval": 0.2,
    }
    with ares.setup(overrides=overrides) as handle:
        replay = open_replay(None, "e2e", 7, journal)
        while (sent := _sent(replay)) < orders:
            for number in [number for number in waiting if sent >= number]:
                waiting.pop(number)()
            for _ in range(STEPS):
                replay.step()
        assert handle.metrics_url is not None
        request = urllib.request.Request(
            handle.metrics_url, headers={"accept": "application/openmetrics-text; version=1.0.0"}
        )
        with urllib.request.urlopen(request) as answer:
            page = answer.read().decode()
        assert ares.flush(DEADLINE), "everything is acknowledged"
    journal.close()
    assert not waiting
    return listed(directory / "orders.jsonl"), page


def _sent(replay: Replay) -> int:
    return sum(bot.state.book.tally.orders for bot in replay.trading.bots.values())


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds, or fail after the deadline."""
    end = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        time.sleep(PATIENCE)

"""From the bot to the answer: 1,000 orders of the demo, explained, and three counts that agree exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from collector import Collector
from trading import Ledger, Server, Totals, eventually, exposed, trade

from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import Story

ORDERS = 1_000
STAGES = {"analyst", "strategist", "tactician", "supervisor", "exchange"}


def stored(database: Path) -> Totals:
    """Count the store."""
    with Reader(database) as reader:
        counts = reader.counts()
    return Totals(
        decisions=counts.decisions,
        votes=counts.votes,
        orders=counts.orders,
        updates=counts.updates,
        fills=counts.fills,
        fees=counts.fees["USD"],
        rebates=counts.rebates["USD"],
    )


def agree(ledger: Ledger, database: Path, page: str) -> None:
    """Compare what the bot did with what is stored and with what the metrics say."""
    own, store, metrics = ledger.totals(), stored(database), exposed(page)
    assert store == own
    for shown, exact in ((metrics.fees, own.fees), (metrics.rebates, own.rebates)):
        assert abs(shown - exact) < Decimal("1e-6")
    assert metrics._replace(fees=own.fees, rebates=own.rebates, fills=own.fills) == own


def is_whole(story: Story, client_id: str, ledger: Ledger) -> bool:
    """Check that a story holds the whole decision: bar, votes, regime, path, checks, order, answers, fills, costs."""
    decision = story.decision
    order = next(each for each in story.orders if each.client_id == client_id)
    reports = ledger.reports[client_id]
    fees = sum((Decimal(report["fee"]) for report in reports if report["fee"] is not None), Decimal(0))
    assert decision is not None
    assert story.correlation_id == ledger.correlations[client_id]
    assert decision.market
    assert decision.market[0].close == decision.price
    assert len(decision.votes) == 5
    assert all(vote.weight is not None and vote.probabilities for vote in decision.votes)
    assert decision.regime is not None
    assert decision.regime.probabilities
    assert decision.path
    assert decision.checks
    assert decision.reason
    assert [update.status for update in order.updates] == [report["status"] for report in reports]
    fills = [(update.quantity, update.price) for update in order.updates if update.trade_id]
    assert fills == [(float(each["quantity"]), float(each["price"])) for each in reports if each["trade_id"]]
    assert sum(order.fees.values(), Decimal(0)) == fees
    assert order.acknowledged_after_seconds is not None
    return {span.name for span in story.spans[0].children} >= STAGES


@pytest.mark.timeout(600)
def test_every_order_is_explained_though_the_server_was_killed_twice(tmp_path: Path) -> None:
    """The server dies by kill -9 twice in between; nothing is lost, nothing comes twice, every order is explained."""
    with Server(tmp_path / "ares.db") as server:

        def dies() -> None:
            server.kill()
            server.start()

        ledger, page = trade(server.url, tmp_path, ORDERS, {300: dies, 600: dies})
        assert server.stop() == 0

    agree(ledger, server.database, page)
    assert len(ledger.correlations) >= ORDERS
    with Reader(server.database) as reader:
        for client_id in ledger.correlations:
            (story,) = reader.find(client_id)
            assert is_whole(story, client_id, ledger), story.sentence
    assert 'trace_id="' in page


@pytest.mark.timeout(600)
def test_through_a_real_collector(tmp_path: Path) -> None:
    """The same with a real OpenTelemetry collector between bot and store."""
    with Server(tmp_path / "ares.db") as server:
        with Collector(server.url, tmp_path) as collector:
            ledger, page = trade(collector.http, tmp_path, 200)
            eventually(lambda: stored(server.database) == ledger.totals())
        assert server.stop() == 0

    agree(ledger, server.database, page)
    with Reader(server.database) as reader:
        assert all(is_whole(reader.find(each)[0], each, ledger) for each in ledger.correlations)


@pytest.mark.timeout(300)
def test_the_command_explains_by_every_id(tmp_path: Path) -> None:
    """`ares-otel explain` takes client order id, correlation id and trace id, for people and for programs."""
    with Server(tmp_path / "ares.db") as server:
        ledger, _ = trade(server.url, tmp_path, 20)
        assert server.stop() == 0
    client_id, correlation_id = next(iter(ledger.correlations.items()))

    def explain(*words: str) -> str:
        command = [sys.executable, "-m", "ares_otel.cli.main", "explain", *words, "--database", str(server.database)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    found = json.loads(explain(client_id, "--json"))
    trace_id = found["stories"][0]["trace_id"] if "stories" in found else found[0]["trace_id"]
    assert explain(client_id) == explain(correlation_id) == explain(trace_id)
    assert client_id in explain(trace_id)

"""The library's accounts against the broker's own: what the demo earns is the same to the last digit, twice over."""

from __future__ import annotations

import threading
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from demo_samples import cheap_members, walk

from ares_otel.demo.account import Account
from ares_otel.demo.events import Event
from ares_otel.demo.market import Market
from ares_otel.demo.orders import ExecutionReport, signed
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.session import STRATEGIES, Replay, Trading, new_state
from ares_otel.demo.walkforward import first_row
from ares_otel.pipeline.model import Scope
from ares_otel.pipeline.otlp import Encoder
from ares_otel.portfolio.accounts import Accounts, Key
from ares_otel.portfolio.holding import Fill, Method
from ares_otel.portfolio.statement import Statement, statement
from ares_otel.server.otlp.decode import decode
from ares_otel.server.query.accounts import BooksAsked, kept_accounts
from ares_otel.server.store.accounting import IDLE, Accounting
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader
from ares_otel.testing import Capture

DECISIONS = 800
SYMBOLS = ("X", "Y")


def replay(events: list[Event]) -> Replay:
    """Return a replay of two made-up markets."""
    markets = {symbol: Market(walk(first_row(5) + 320, seed, symbol)) for seed, symbol in enumerate(SYMBOLS, 1)}
    state = new_state("r", 3, STRATEGIES, list(SYMBOLS), VenueRules())
    return Replay(Trading(markets, STRATEGIES, VenueRules(), state, events.append, cheap_members), None)


def equals(found: Statement, broker: Account, marks: dict[str, Decimal]) -> None:
    """Check a statement against the broker's account."""
    realized = sum((held.realized for held in broker.positions.values()), Decimal(0))
    unrealized = sum((held.unrealized(marks[symbol]) for symbol, held in broker.positions.items()), Decimal(0))
    assert (found.realized, found.unrealized, found.fees, found.rebates) == (
        realized, unrealized, broker.fees, broker.rebates,
    )  # fmt: skip
    assert found.equity(broker.initial) == broker.equity(marks)


def test_the_library_equals_the_broker() -> None:
    """From the venue's reports: positions, realized and unrealized profit, fees, equity, first in first out."""
    events: list[Event] = []
    trading = replay(events)
    assert trading.run(threading.Event(), limit=DECISIONS) >= DECISIONS
    reports = [event for event in events if isinstance(event, ExecutionReport)]
    assert len([report for report in reports if report.last_quantity]) > 100

    for strategy, bot in trading.state.bots.items():
        accounts, account = Accounts(method=Method.FIFO), bot.book.account
        for report in reports:
            if report.last_quantity and report.account == strategy:
                change = signed(report.side, report.last_quantity)
                accounts.fill(Key(strategy, report.symbol), Fill(change, report.last_price, fee=report.fee))
        for symbol, price in bot.book.marks.items():
            accounts.mark(symbol, price)
        for symbol, held in account.positions.items():
            assert accounts.book(Key(strategy, symbol)).holding.quantity == held.quantity
        equals(statement(accounts.of(strategy), ""), account, bot.book.marks)


def test_the_store_equals_the_broker(tmp_path: Path) -> None:
    """Through records, spans, OTLP and the database: positions and equity to the last digit, by average cost."""
    migrate(tmp_path / "ares.db")
    with Capture(check=False) as capture:
        trading = replay([])
        trading.run(threading.Event(), limit=DECISIONS)
        capture.drain()
        metrics = capture.metrics.registry
        (strategy, *_) = trading.state.bots
        shown = metrics.get_sample_value("ares_realized_pnl", {"strategy": strategy, "currency": "USD"})
        assert shown == float(trading.state.bots[strategy].book.account.realized)
        trades = {
            (sample.labels["strategy"], sample.labels["symbol"], sample.labels["trade_outcome"]): sample.value
            for family in metrics.collect()
            for sample in family.samples
            if sample.name == "ares_trades_total"
        }
    encoder = Encoder({"service.name": "demo"})
    with closing(Store(tmp_path / "ares.db")) as store:
        groups: dict[Scope, list[bytes]] = {}
        for scope, span in capture.finished:
            groups.setdefault(scope, []).append(encoder.span(span))
        store.write([decode(batch.body).traces for batch in encoder.batches(groups, max_spans=5_000)])
        chore = Accounting(lambda: 2**62)
        while chore(store) != IDLE:
            pass
        stored = store.db.execute("SELECT count(*) FROM trade").fetchone()[0]

    with Reader(tmp_path / "ares.db") as reader:
        found = kept_accounts(reader, BooksAsked())
    for strategy, bot in trading.state.bots.items():
        own = {each.symbol: each.quantity for each in found.positions if each.strategy == strategy}
        assert own == {symbol: held.quantity for symbol, held in bot.book.account.positions.items()}
        (earned,) = [each for each in found.earned if each.strategy == strategy]
        assert earned.net_realized is not None
        assert earned.unrealized is not None
        equity = bot.book.account.initial + earned.net_realized + earned.unrealized
        assert equity == bot.book.account.equity(bot.book.marks)
    assert stored == sum(trades.values()) > 10

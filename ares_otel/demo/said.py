"""What the bot says to its telemetry: each thing that happens, as the record that names it.

This is what one's own bot needs, too: small functions from one's own words to records, and a call where it happens.
"""

from __future__ import annotations

from collections.abc import Iterable

import ares_otel as ares
from ares_otel.demo.bars import Bar
from ares_otel.demo.book import Book
from ares_otel.demo.ensemble import Matured, Verdict
from ares_otel.demo.members import Prediction
from ares_otel.demo.orders import ExecutionReport, Order
from ares_otel.demo.regime import RegimeReading
from ares_otel.demo.risk import Check
from ares_otel.demo.strategy import PathStep
from ares_otel.demo.walkforward import Training

__all__ = [
    "CURRENCY",
    "VENUE",
    "account",
    "bar",
    "check",
    "model",
    "outcomes",
    "regime",
    "report",
    "send",
    "step",
    "vote",
]

VENUE = "paper"
CURRENCY = "USD"


def bar(seen: Bar) -> ares.MarketData:
    """The bar that a decision sees."""
    return ares.MarketData(
        symbol=seen.symbol,
        venue=VENUE,
        channel="bars",
        open=seen.open,
        high=seen.high,
        low=seen.low,
        close=seen.close,
        volume=seen.volume,
        messages=1,
        event_time=seen.time,
    )


def vote(prediction: Prediction, verdict: Verdict) -> ares.Vote:
    """What one member said, and how much that counts."""
    return ares.Vote(
        prediction.member,
        action=prediction.action,
        confidence=prediction.confidence,
        weight=verdict.weights[prediction.member],
        probabilities=prediction.probabilities,
    )


def regime(reading: RegimeReading, bar_seconds: float) -> ares.Regime:
    """The regime that the decision saw."""
    return ares.Regime(
        reading.regime,
        confidence=reading.confidence,
        probabilities=reading.probabilities,
        indicators=reading.indicators,
        duration=reading.duration * bar_seconds,
        method="filter over trend and volatility",
    )


def step(made: PathStep) -> ares.PathStep:
    """A comparison on the way to the decision."""
    return ares.PathStep(made.step, value=made.value, threshold=made.threshold, passed=made.passed)


def check(made: Check) -> ares.RiskCheck:
    """A pre-trade check."""
    outcome = ares.CheckOutcome.PASSED if made.passed else ares.CheckOutcome.BLOCKED
    return ares.RiskCheck(made.name, value=made.value, limit=made.limit, outcome=outcome)


def send(d: ares.LiveDecision, order: Order, price: float) -> ares.LiveOrder:
    """An order, just before it goes to the venue."""
    return d.order(
        order.client_id,
        side=order.side,
        type=order.type,
        quantity=order.quantity,
        price=order.price,
        time_in_force=order.time_in_force,
        currency=CURRENCY,
        arrival_mid=price,
        account=order.account,
    )


def report(heard: ExecutionReport) -> ares.OrderUpdate:
    """What the venue says happened to an order, whenever it says so."""
    return ares.OrderUpdate(
        heard.client_id,
        status=heard.status,
        quantity=heard.last_quantity,
        price=heard.last_price,
        cum_quantity=heard.cumulative_quantity,
        avg_price=heard.average_price,
        liquidity=heard.liquidity,
        fee=heard.fee if heard.trade_id is not None else None,
        fee_currency=CURRENCY if heard.trade_id is not None else None,
        trade_id=heard.trade_id,
        venue_id=heard.venue_id,
        reject_reason=heard.reason,
        text=heard.text or None,
        event_time=heard.time,
    )


def account(strategy: str, book: Book, seen: Bar) -> Iterable[ares.Equity | ares.Position | ares.Mark]:
    """The account after a bar: the mark, the position in its symbol, the equity."""
    held = book.account.position(seen.symbol)
    mark = book.marks[seen.symbol]
    yield ares.Mark(seen.symbol, seen.close, CURRENCY, seen.time)
    yield ares.Position(
        seen.symbol,
        held.quantity,
        notional=held.quantity * mark,
        avg_price=held.average_price,
        mark=mark,
        realized_pnl=held.realized,
        unrealized_pnl=held.unrealized(mark),
        currency=CURRENCY,
        strategy=strategy,
        event_time=seen.time,
    )
    own = book.account
    yield ares.Equity(book.equity, CURRENCY, own.cash, own.realized, strategy, seen.time)


def outcomes(matured: Matured) -> Iterable[ares.Outcome]:
    """What came true of the votes of a decision, joined with it by its correlation id."""
    for member, said in matured.votes.items():
        yield ares.Outcome(
            member,
            actual=matured.actual,
            key=matured.key,
            prediction=said,
            realized_return=matured.move,
            regime=matured.regime,
        )


def model(training: Training) -> Iterable[ares.ModelInfo | ares.FeatureImportance]:
    """Models that were trained anew: version, when, on how much, and what they look at."""
    for member, importances in training.importances.items():
        yield ares.ModelInfo(
            member, version=training.version, trained_at=training.time, rows=training.rows, features=len(importances)
        )
        yield ares.FeatureImportance(member, importances, method="model's own")

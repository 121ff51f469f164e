"""What fills cost: notional, fees, slippage, shortfall. Money is summed exactly."""

from __future__ import annotations

from ares_otel.metrics.booking import fill_price
from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import UpdateFacts
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import Direction

__all__ = ["Execution"]


class Execution:
    """Group "execution" of the reference.

    Signed quantities are no histogram or counter (trading.md §3.4): the histogram holds the size with a direction, the
    gauge the signed sum of money. Money without a currency is in the account's and has an empty label.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._notional = instruments.counter(m.FILLED_NOTIONAL)
        self._fees = instruments.counter(m.FEES)
        self._rebates = instruments.counter(m.REBATES)
        self._slippage = instruments.histogram(m.SLIPPAGE)
        self._cost = instruments.balance(m.SLIPPAGE_COST)
        self._shortfall = instruments.histogram(m.SHORTFALL)

    def updated(self, facts: UpdateFacts, at: float) -> None:
        """Add what an execution report says of money; one that was seen before changes no sum."""
        if facts.duplicate:
            return
        order, origin = facts.order, facts.origin
        strategy, venue, currency = origin.strategy, origin.venue, None
        if order is not None:
            strategy, venue, currency = order.strategy or strategy, order.venue or venue, order.currency
        self._fill(facts, strategy, currency, at)
        self._fee(facts, strategy, venue, currency)
        trace = facts.origin.exemplar
        if facts.slippage_bps is not None:
            cell = self._slippage.cell((strategy, venue, _direction(facts.slippage_bps)))
            cell.observe(abs(facts.slippage_bps), trace, at)
        if facts.slippage_cost is not None:
            self._cost.cell((strategy, currency)).inc(facts.slippage_cost)
        if facts.shortfall_bps is not None:
            cell = self._shortfall.cell((strategy, venue, _direction(facts.shortfall_bps)))
            cell.observe(abs(facts.shortfall_bps), trace, at)

    def _fill(self, facts: UpdateFacts, strategy: str | None, currency: str | None, at: float) -> None:
        quantity, price, order = facts.fill_quantity, fill_price(facts), facts.order
        if not quantity or price is None:
            return
        symbol, side = (
            (facts.origin.symbol, None) if order is None else (order.symbol or facts.origin.symbol, order.side)
        )
        notional = quantity * price * (float(order.multiplier or 1) if order is not None else 1.0)
        cell = self._notional.cell((strategy, symbol, side, facts.update.liquidity, currency))
        cell.inc(notional)
        cell.mark(facts.origin.exemplar, notional, at)

    def _fee(self, facts: UpdateFacts, strategy: str | None, venue: str | None, currency: str | None) -> None:
        if facts.update.fee is None:
            return
        fee = float(facts.update.fee)
        labels = (strategy, venue, facts.update.fee_currency or currency)
        self._fees.cell(labels).inc(max(fee, 0.0))
        self._rebates.cell(labels).inc(max(-fee, 0.0))


def _direction(signed: float) -> Direction:
    return Direction.ADVERSE if signed > 0.0 else Direction.FAVORABLE

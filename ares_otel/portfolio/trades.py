"""Trades: what a position did from its entry until it was flat."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from ares_otel.portfolio.holding import Closing, Fill
from ares_otel.portfolio.money import ZERO, Sums, add, exactly, plus
from ares_otel.semconv.enums import TradeOutcome

__all__ = ["OpenTrade", "Trade", "net_profit"]

SECOND = 1e9


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """A position from its entry to flat; a fill that turns a position ends one trade and begins the next.

    Attributes:
        strategy: whose it was.
        symbol: what was traded.
        currency: of all money here.
        direction: 1 long, -1 short.
        quantity: units that were entered in all.
        entry_time: market time of the first fill, Unix ns.
        exit_time: market time of the last fill, Unix ns.
        entry_price: mean price of the entering fills; None while one of them has none.
        exit_price: mean price of the others.
        pnl: profit before fees; None if a price is unknown.
        fees: paid, rebates taken off; None if one was paid in another currency.
        funding: received (negative: paid) while it was open; None if it came in another currency.
        mae: maximum adverse excursion, the lowest profit before fees at the marks and fills between; at most zero, None
            if no mark was seen.
        mfe: maximum favorable excursion, the highest; at least zero.
        venue: where all of its fills were made; "" where that is not known, or where there were several.
        regime: that the decision saw whose fill began it; "" where that is not known.
    """

    strategy: str
    symbol: str
    currency: str
    direction: int
    quantity: Decimal
    entry_time: int
    exit_time: int
    entry_price: Decimal | None
    exit_price: Decimal | None
    pnl: Decimal | None
    fees: Decimal | None
    funding: Decimal | None
    mae: Decimal | None
    mfe: Decimal | None
    venue: str = ""
    regime: str = ""

    @property
    def net(self) -> Decimal | None:
        """Profit with fees and funding; None if one of them is unknown."""
        return net_profit(self.pnl, self.fees, self.funding)

    @property
    def outcome(self) -> TradeOutcome | None:
        """Whether the net profit is above, below or exactly zero; None while it is unknown."""
        net = self.net
        if net is None:
            return None
        return TradeOutcome.WIN if net > 0 else TradeOutcome.LOSS if net < 0 else TradeOutcome.FLAT

    @property
    def seconds(self) -> float:
        """Holding time, never negative."""
        return max(self.exit_time - self.entry_time, 0) / SECOND


class OpenTrade(msgspec.Struct):
    """A trade that has not ended. Quantities are absolute, money is in the position's currency.

    Attributes:
        direction: 1 long, -1 short.
        entry_time: market time of the first fill, Unix ns.
        entered: units entered.
        left: units left.
        paid: price times units of those entered; None if a price is unknown.
        got: the same of those left.
        profit: realized within this trade, before fees.
        fees: by currency, rebates negative.
        funding: by currency, paid amounts negative.
        low: lowest profit seen.
        high: highest profit seen.
        marks: how many marks were seen.
        venue: where all fills so far were made; "" as in `Trade`, None before the first.
        regime: that the decision saw whose fill began it; "" where that is not known.
    """

    direction: int
    entry_time: int
    entered: Decimal = ZERO
    left: Decimal = ZERO
    paid: Decimal | None = ZERO
    got: Decimal | None = ZERO
    profit: Decimal | None = ZERO
    fees: Sums = {}
    funding: Sums = {}
    low: Decimal = ZERO
    high: Decimal = ZERO
    marks: int = 0
    venue: str | None = None
    regime: str = ""

    @exactly
    def enter(self, quantity: Decimal, fill: Fill, fee: Decimal, currency: str) -> None:
        """Add units, and the part of the fill's fee that is theirs."""
        self._come_from(fill.venue)
        self.entered += abs(quantity)
        self.paid = _more(self.paid, quantity, fill)
        add(self.fees, fill.fee_currency or currency, fee)

    @exactly
    def leave(self, closing: Closing, fill: Fill, fee: Decimal, currency: str) -> None:
        """Take units away, with their profit and their part of the fee."""
        self._come_from(fill.venue)
        self.left += abs(closing.quantity)
        self.got = _more(self.got, closing.quantity, fill)
        self.profit = plus(self.profit, closing.profit)
        add(self.fees, fill.fee_currency or currency, fee)

    def _come_from(self, venue: str) -> None:
        self.venue = venue if self.venue in {None, venue} else ""

    @exactly
    def see(self, unrealized: Decimal | None, *, is_mark: bool) -> None:
        """Take note of the profit at a price."""
        if unrealized is None or self.profit is None:
            return
        now = self.profit + unrealized
        self.low, self.high = min(self.low, now), max(self.high, now)
        self.marks += is_mark

    @exactly
    def end(self, strategy: str, symbol: str, currency: str, at: int) -> Trade:
        """Return the trade as it ended."""
        seen = self.marks > 0 and self.profit is not None
        return Trade(
            strategy=strategy,
            symbol=symbol,
            currency=currency,
            direction=self.direction,
            quantity=self.entered,
            entry_time=self.entry_time,
            exit_time=at,
            entry_price=self.paid / self.entered if self.paid is not None and self.entered else None,
            exit_price=self.got / self.left if self.got is not None and self.left else None,
            pnl=self.profit,
            fees=_only(self.fees, currency),
            funding=_only(self.funding, currency),
            mae=self.low if seen else None,
            mfe=self.high if seen else None,
            venue=self.venue or "",
            regime=self.regime,
        )


@exactly
def net_profit(pnl: Decimal | None, fees: Decimal | None, funding: Decimal | None) -> Decimal | None:
    """Return the profit of a trade with its fees and funding; None if one of them is unknown."""
    return None if pnl is None or fees is None or funding is None else pnl - fees + funding


def _more(sum_: Decimal | None, quantity: Decimal, fill: Fill) -> Decimal | None:
    return None if sum_ is None or fill.price is None else sum_ + abs(quantity) * fill.price


def _only(sums: Sums, currency: str) -> Decimal | None:
    """Return the sum in a currency if there is none in another."""
    return None if any(amount for name, amount in sums.items() if name != currency) else sums.get(currency, ZERO)

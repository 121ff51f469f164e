"""The paper venue's declared behaviour, in one table."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec

__all__ = ["VenueRules"]


class VenueRules(msgspec.Struct, frozen=True):
    """The declared behaviour of the paper venue: everything that it does beyond booking is one of these numbers.

    | rule | default | meaning |
    | --- | --- | --- |
    | initial_cash | 100000 | cash of a new account |
    | tick | 0.01 | prices of orders and fills are multiples of it |
    | lot | 0.01 | quantities are multiples of it |
    | session | 6.5 h | a bar trades during this time before its end |
    | ack_median_ms | 12 | median of the log-normal time from sending an order to its acknowledgement |
    | ack_sigma | 0.6 | its sigma |
    | fill_median_ms | 180 | median of the log-normal time from the open, or from the fill before, to a market fill |
    | fill_sigma | 0.7 | its sigma |
    | partial_share | 0.35 | share of fillable orders that are filled in two to `slices` pieces instead of one |
    | slices | 4 | most pieces |
    | slippage_share | 0.02 | mean slippage of a market fill, as a share of the way from the open to the worst price |
    | improvement_share | 0.2 | share of market fills that are better than the open instead of worse |
    | touch_share | 0.15 | a limit is filled whole if the bar goes beyond it by this share of its range, else in part |
    | maker_fee_bp | -0.5 | fee of a fill that rested at its limit; negative is a rebate |
    | taker_fee_bp | 2.0 | fee of every other fill |
    | price_band | 0.05 | a limit further than this from the last price is rejected: `price_band` |
    | max_notional | 70000 | an order worth more at the last price is rejected: `exceeds_limit` |
    | leverage | 1.0 | positions and working orders may be worth this many times the equity, else `insufficient_funds` |

    A market order is filled whole in the bar after it was sent. A `day` order ends with that bar; a `gtc` order rests
    until it is filled or canceled. Orders that only close a position are never refused for lack of funds.
    """

    initial_cash: Decimal = Decimal(100_000)
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal("0.01")
    session: timedelta = timedelta(hours=6.5)
    ack_median_ms: float = 12.0
    ack_sigma: float = 0.6
    fill_median_ms: float = 180.0
    fill_sigma: float = 0.7
    partial_share: float = 0.35
    slices: int = 4
    slippage_share: float = 0.02
    improvement_share: float = 0.2
    touch_share: float = 0.15
    maker_fee_bp: Decimal = Decimal("-0.5")
    taker_fee_bp: Decimal = Decimal("2.0")
    price_band: Decimal = Decimal("0.05")
    max_notional: Decimal = Decimal(70_000)
    leverage: Decimal = Decimal(1)

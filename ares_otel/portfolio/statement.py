"""What accounts say in one currency: profit and loss, equity, exposure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from ares_otel.portfolio.accounts import Book
from ares_otel.portfolio.money import ZERO, Rates, exact, exactly
from ares_otel.records.model import Number

__all__ = ["Exposure", "Statement", "exposure", "ratio", "statement", "statements"]

NO_RATES = Rates()


class Statement(msgspec.Struct, frozen=True):
    """Profit and loss in one currency; None where a price, a mark or a rate is unknown.

    Attributes:
        currency: of all sums; "" for that of the account.
        realized: of what was closed, before fees.
        unrealized: of closing all that is open at the marks, before fees.
        fees: paid, zero or more.
        rebates: received, zero or more.
        funding: received for holding positions, negative if paid.
    """

    currency: str
    realized: Decimal | None
    unrealized: Decimal | None
    fees: Decimal | None
    rebates: Decimal | None
    funding: Decimal | None

    @property
    @exactly
    def net_realized(self) -> Decimal | None:
        """Realized profit, fees paid: realized - fees + rebates + funding."""
        if self.realized is None or self.fees is None or self.rebates is None or self.funding is None:
            return None
        return self.realized - self.fees + self.rebates + self.funding

    @exactly
    def equity(self, initial: Decimal = ZERO) -> Decimal | None:
        """Return initial + realized + unrealized - fees + rebates + funding; None if a part is unknown."""
        net = self.net_realized
        return None if net is None or self.unrealized is None else initial + net + self.unrealized


class Exposure(msgspec.Struct, frozen=True):
    """What positions risk, in one currency.

    Attributes:
        gross: sum of their absolute values.
        net: sum of their signed values.
        leverage: gross by equity; None without equity above zero.
        largest: share of the largest position in gross; None without positions.
        concentration: Herfindahl index, the sum of squared shares; 1 for one position, 1/n for n equal ones.
        margin_use: used margin by its limit; None where one of them is unknown.
    """

    gross: Decimal
    net: Decimal
    leverage: float | None = None
    largest: float | None = None
    concentration: float | None = None
    margin_use: float | None = None


def statement(books: Iterable[Book], currency: str, rates: Rates = NO_RATES) -> Statement:
    """Return the sums of books in one currency; those of others are converted at the stated rates."""
    return Statement(currency, **{name: rates.total(sums, currency) for name, sums in _collected(books).items()})


def statements(books: Iterable[Book]) -> dict[str, Statement]:
    """Return the sums of books by currency, nothing converted."""
    collected = _collected(books)
    currencies = sorted({currency for sums in collected.values() for currency in sums})
    return {
        currency: Statement(currency, **{name: sums.get(currency, ZERO) for name, sums in collected.items()})
        for currency in currencies
    }


@exactly
def exposure(
    values: Iterable[Decimal | None],
    equity: Decimal | None = None,
    margin: Decimal | None = None,
    margin_limit: Decimal | None = None,
) -> Exposure | None:
    """Return what positions risk; None if the value of one is unknown.

    Args:
        values: of the positions, signed, in one currency; those of one symbol count apart.
        equity: in the same currency.
        margin: used so far.
        margin_limit: that may be used.
    """
    known = list(values)
    if any(value is None for value in known):
        return None
    held = [value for value in known if value]
    gross, net = sum(map(abs, held), ZERO), sum(held, ZERO)
    shares = [abs(value) / gross for value in held]
    return Exposure(
        gross,
        net,
        leverage=ratio(gross, equity),
        largest=float(max(shares)) if shares else None,
        concentration=float(sum(share * share for share in shares)) if shares else None,
        margin_use=ratio(margin, margin_limit),
    )


def ratio(one: Number | None, other: Number | None) -> float | None:
    """Return a sum by another one of the same currency; None where one is unknown, or the other not above zero."""
    return None if one is None or other is None or other <= 0 else float(exact(one) / exact(other))


def _collected(books: Iterable[Book]) -> dict[str, dict[str, Decimal | None]]:
    found: dict[str, dict[str, Decimal | None]] = {name: {} for name in Statement.__struct_fields__[1:]}
    for book in books:
        _put(found["realized"], book.currency, book.holding.realized)
        _put(found["unrealized"], book.currency, book.unrealized)
        for name, amounts in (("fees", book.fees), ("rebates", book.rebates), ("funding", book.funding)):
            for currency, amount in amounts.items():
                _put(found[name], currency, amount)
    return found


@exactly
def _put(sums: dict[str, Decimal | None], currency: str, amount: Decimal | None) -> None:
    before = sums.get(currency, ZERO)
    sums[currency] = None if before is None or amount is None else before + amount

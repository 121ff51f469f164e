"""Equity over market time, from hourly roll-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ares_otel.server.query.hours import hours_of, owners
from ares_otel.server.query.naming import words
from ares_otel.server.story.reader import Reader

__all__ = ["Account", "Curve", "accounts", "by_currency", "curve", "drawdowns", "thinned"]

HOURS: Final = 9_000
"""Most hours of one account that are read: a year of hours, or decades of days."""

POINTS: Final = 1_200
HOUR: Final = 3_600


class Account(msgspec.Struct, frozen=True):
    """A strategy's equity: points by hour of market time."""

    strategy: str | None
    strategy_id: int
    currency: str
    hours: Sequence[int]
    values: Sequence[float]

    def before(self, hours: int) -> float | None:
        """Return the value so many hours before the last one, None if that is not known."""
        edge = self.hours[-1] - hours
        return next(
            (self.values[place] for place in range(len(self.hours) - 1, -1, -1) if self.hours[place] <= edge), None
        )


class Curve(msgspec.Struct, frozen=True):
    """The sum of accounts in one currency, from the first hour at which all of them are known."""

    currency: str
    hours: Sequence[int]
    values: Sequence[float]


def accounts(reader: Reader) -> Sequence[Account]:
    """Return the accounts that are known, by strategy."""
    found = []
    for strategy, currency in owners(reader):
        rows = hours_of(reader, strategy, currency, most=HOURS)
        known = words(reader, (strategy, currency))
        hours, values = [row.hour for row in rows], [row.last for row in rows]
        found.append(Account(known.get(strategy), strategy, known.get(currency, ""), hours, values))
    return found


def curve(chosen: Sequence[Account]) -> Curve | None:
    """Return the sum of accounts in one currency; an account that says nothing for an hour keeps its last value."""
    if not chosen:
        return None
    start = max(account.hours[0] for account in chosen)
    steps: dict[int, dict[int, float]] = {}
    last: dict[int, float] = {}
    for place, account in enumerate(chosen):
        for hour, value in zip(account.hours, account.values, strict=True):
            if hour <= start:
                last[place] = value
            else:
                steps.setdefault(hour, {})[place] = value
    hours, values = [start], [sum(last.values())]
    for hour in sorted(steps):
        last |= steps[hour]
        hours.append(hour)
        values.append(sum(last.values()))
    return Curve(chosen[0].currency, hours, values)


def drawdowns(values: Sequence[float]) -> Sequence[float]:
    """Return, for each value, how far it lies below the highest before it, as a ratio that is 0 or negative."""
    top, found = float("-inf"), []
    for value in values:
        top = max(top, value)
        found.append(min(value / top - 1.0, 0.0) if top > 0 else 0.0)
    return found


def thinned(hours: Sequence[int], values: Sequence[float]) -> list[list[float]]:
    """Return points for a chart, about `POINTS` of them: the lowest and highest of each stretch, in their order."""
    step = max(len(hours) // (POINTS // 2), 1)
    if step == 1:
        return [[hour * HOUR, value] for hour, value in zip(hours, values, strict=True)]
    kept: dict[int, None] = {0: None}
    for begin in range(0, len(hours), step):
        part = range(begin, min(begin + step, len(hours)))
        low, high = min(part, key=values.__getitem__), max(part, key=values.__getitem__)
        kept |= dict.fromkeys(sorted((low, high)))
    kept[len(hours) - 1] = None
    return [[hours[place] * HOUR, values[place]] for place in sorted(kept)]


def by_currency(found: Sequence[Account]) -> Mapping[str, Sequence[Account]]:
    """Return accounts by currency, the one with most points first."""
    groups: dict[str, list[Account]] = {}
    for account in found:
        groups.setdefault(account.currency, []).append(account)
    return dict(sorted(groups.items(), key=lambda pair: -sum(len(account.hours) for account in pair[1])))

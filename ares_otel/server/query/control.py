"""Limits, breaches of them, and market-data feeds."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.asking import HOUR, Moment, Name, Page, Paged, Period, row_time, whole_sum, within
from ares_otel.server.query.naming import number, words
from ares_otel.server.query.scoring import share
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = [
    "Breach",
    "BreachesAsked",
    "CheckSum",
    "ChecksAsked",
    "Feed",
    "FeedsAsked",
    "Limit",
    "LimitsAsked",
    "breaches",
    "checks",
    "feeds",
    "limits",
]

PASSED = "passed"
MOST = 5_000


class LimitsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose limits."""

    strategy: Name | None = None


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """The newest check of a limit. `used`: value over limit, null where the limit is not above zero."""

    strategy: str | None
    check: str | None
    limit_name: str | None
    symbol: str | None
    checked: Moment
    value: float | None
    limit: float | None
    used: float | None
    outcome: str | None


class ChecksAsked(Period, frozen=True, kw_only=True):
    """Which checks; whole hours of wall time are counted."""

    strategy: Name | None = None


class CheckSum(msgspec.Struct, frozen=True, kw_only=True):
    """How often a check passed."""

    strategy: str | None
    check: str | None
    outcomes: dict[str, int]
    passed: Statistic


class BreachesAsked(Paged, frozen=True, kw_only=True):
    """Which breaches."""

    strategy: Name | None = None
    symbol: Name | None = None
    check: Name | None = None
    outcome: Name | None = None


class Breach(msgspec.Struct, frozen=True, kw_only=True):
    """A check that did not pass."""

    time: Moment
    strategy: str | None
    symbol: str | None
    check: str | None
    limit_name: str | None
    value: float | None
    limit: float | None
    outcome: str | None
    trace_id: str


class FeedsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which feeds."""

    venue: Name | None = None
    symbol: Name | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """The newest state of a market-data feed; gaps and messages are sums over all that was reported."""

    venue: str | None
    symbol: str | None
    channel: str | None
    reported: Moment
    age_seconds: float | None
    gaps: int | None
    messages: int | None


def limits(reader: Reader, asked: LimitsAsked) -> tuple[Limit, ...]:
    """List the newest check of each limit, the most used first."""
    query = select(t.limit_now).limit(MOST)
    if asked.strategy is not None:
        query = query.where(t.limit_now.c.strategy == number(reader, "strategy", asked.strategy))
    rows = reader.db.execute(query).all()
    names = ("strategy", "check", "limit_name", "symbol", "outcome")
    known = words(reader, *([getattr(each, name) for each in rows] for name in names))
    found = [
        Limit(
            **{name: known.get(getattr(each, name)) for name in names},
            checked=row_time(each.id),
            value=each.value,
            limit=each.limit_value,
            used=each.value / each.limit_value if each.value is not None and (each.limit_value or 0) > 0 else None,
        )
        for each in rows
    ]
    return tuple(sorted(found, key=lambda each: -(each.used or 0.0)))


def checks(reader: Reader, asked: ChecksAsked) -> tuple[CheckSum, ...]:
    """Count the outcomes of pre-trade checks."""
    row = t.check_hourly.c
    conditions = list(within(row.hour, asked, HOUR))
    if asked.strategy is not None:
        conditions.append(row.strategy == number(reader, "strategy", asked.strategy))
    keys = (row.strategy, row.check, row.outcome)
    rows = reader.db.execute(select(*keys, whole_sum(row.n)).where(*conditions).group_by(*keys)).all()
    known = words(reader, (one for each in rows for one in each[:3]))
    counts: dict[tuple[str | None, str | None], dict[str, int]] = {}
    for strategy, check, outcome, n in rows:
        counts.setdefault((known.get(strategy), known.get(check)), {})[known.get(outcome, "")] = int(n)
    return tuple(
        CheckSum(strategy=key[0], check=key[1], outcomes=told, passed=_passed(told))
        for key, told in sorted(counts.items(), key=lambda item: [word or "" for word in item[0]])
    )


def _passed(outcomes: dict[str, int]) -> Statistic:
    return share(outcomes.get(PASSED, 0), sum(outcomes.values()), "checks")


def breaches(reader: Reader, asked: BreachesAsked) -> Page[Breach]:
    """List checks that did not pass, newest first."""
    row = t.breach.c
    conditions = [row.id >= asked.low, row.id < asked.before]
    wanted = {name: getattr(asked, name) for name in ("strategy", "symbol", "check", "outcome")}
    conditions += [row[name] == number(reader, name, value) for name, value in wanted.items() if value is not None]
    rows = reader.db.execute(select(t.breach).where(*conditions).order_by(row.id.desc()).limit(asked.limit)).all()
    names = ("strategy", "symbol", "check", "limit_name", "outcome")
    known = words(reader, *([getattr(each, name) for each in rows] for name in names))
    found = tuple(
        Breach(
            time=row_time(each.id),
            **{name: known.get(getattr(each, name)) for name in names},
            value=each.value,
            limit=each.limit_value,
            trace_id=each.trace.hex(),
        )
        for each in rows
    )
    return Page(items=found, next=str(rows[-1].id) if len(rows) == asked.limit else None)


def feeds(reader: Reader, asked: FeedsAsked) -> tuple[Feed, ...]:
    """List market-data feeds, the longest silent first."""
    row = t.feed_now.c
    pairs = (("venue", asked.venue), ("symbol", asked.symbol))
    own = [row[name] == number(reader, name, value) for name, value in pairs if value is not None]
    rows = reader.db.execute(select(t.feed_now).where(*own).order_by(row.id).limit(MOST)).all()
    names = ("venue", "symbol", "channel")
    known = words(reader, *([getattr(each, name) for each in rows] for name in names))
    return tuple(
        Feed(
            **{name: known.get(getattr(each, name)) for name in names},
            reported=row_time(each.id),
            age_seconds=each.age,
            gaps=each.gaps,
            messages=each.messages,
        )
        for each in rows
    )

"""The sentences that pages begin with, made from records; what is unknown is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ares_otel.portfolio.conventions import CONVENTION
from ares_otel.portfolio.intervals import wilson
from ares_otel.portfolio.statistic import Interval
from ares_otel.semconv.enums import OrderStatus
from ares_otel.server.pages.formats import lasting, moment, percent, times, word
from ares_otel.server.query.asking import DAY, ns_of
from ares_otel.server.query.console.equity import Curve
from ares_otel.server.query.console.overview import Pulse, StrategyRow
from ares_otel.server.query.console.system import Latency
from ares_otel.server.query.control import Breach
from ares_otel.server.query.decisions import DecisionRow
from ares_otel.server.query.learning import Model
from ares_otel.server.story.wording import amount

__all__ = ["Money", "decisions_lead", "models_lead", "overview_lead", "share", "system_lead"]

CENTS: Final = 1e5
NO_ACTION: Final = "without an action"
SIDES: Final = {"buy": 1, "sell": -1, "sell_short": -1}


class Money(msgspec.Struct, frozen=True):
    """Equity as a tile and as a chart."""

    curve: Curve
    change: float | None
    spark: Sequence[float]
    depth: float
    deepest: float


def share(hits: int, n: int) -> Interval | None:
    """Return the interval of a share, None without observations."""
    return wilson(hits, n, CONVENTION.level) if n else None


def overview_lead(
    pulse: Pulse | None, rows: Sequence[StrategyRow], money: Money | None, waiting: int, breaches: Sequence[Breach]
) -> str:
    """Say whether it trades, whether it earns, whether anything is wrong."""
    if pulse is None or pulse.last is None:
        return "Nothing is stored yet: a bot with ares.setup() sends its decisions here; `make demo` makes some."
    return "; ".join([_traded(pulse, rows), *_earned(money), *_wrong(pulse, waiting, breaches)]) + "."


def _traded(pulse: Pulse, rows: Sequence[StrategyRow]) -> str:
    active = [row for row in rows if row.decisions]
    who = active[0].strategy if len(active) == 1 and active[0].strategy else _many(len(active), "strategy")
    acted = [f"{sum(row.by_action.get(name, 0) for row in active):,} to {name}" for name in ("buy", "sell")]
    when = "within a day"
    if pulse.market is not None and times(pulse.last or 0, pulse.market):
        when = f"in a replay up to {moment(pulse.market):%Y-%m-%d}"
    return f"{who} made {_many(pulse.day, 'decision')} {when}, {' and '.join(acted)}"


def _earned(money: Money | None) -> Iterator[str]:
    if money is None:
        return
    now, unit = money.curve.values[-1], f" {money.curve.currency}" if money.curve.currency else ""
    moved = ""
    if money.change is not None:
        moved = f", {_sum(abs(money.change))} {'more' if money.change >= 0 else 'less'} than a market day before"
    below = f", {percent(money.depth)} below its peak" if round(money.depth, 3) > 0 else ", at its peak"
    yield f"equity is {_sum(now)}{unit}{moved}{below}"


def _wrong(pulse: Pulse, waiting: int, breaches: Sequence[Breach]) -> Iterator[str]:
    if waiting:
        yield f"{_many(waiting, 'order')} {'is' if waiting == 1 else 'are'} open"
    if pulse.failed:
        yield f"{pulse.failed:,} of the newest {_many(pulse.looked_at, 'decision')} failed"
    recent = [each for each in breaches if (pulse.last or 0) - ns_of(each.time) < DAY]
    if recent:
        what = " of ".join(filter(None, (word(recent[0].check or "a check"), recent[0].strategy)))
        yield f"{_many(len(recent), 'check')} did not pass, the newest was {what}"
    if not pulse.failed and not recent:
        yield "no decision failed and all checks passed"


def decisions_lead(rows: Sequence[DecisionRow]) -> str:
    """Say what the decisions of a page were, what became of their orders, and how many went the way of the price."""
    if not rows:
        return ""
    counts = Counter(NO_ACTION if row.action in {None, "none"} else f"to {word(row.action)}" for row in rows)
    acted = ", ".join(f"{n:,} {what}" for what, n in counts.most_common())
    said = [f"{_many(len(rows), 'decision')} on this page: {acted}"]
    sent = [order for row in rows for order in row.orders or ()]
    if sent:
        filled = sum(1 for order in sent if order.status == OrderStatus.FILLED)
        said.append(f"{filled:,} of {_many(len(sent), 'order')} {'is' if filled == 1 else 'are'} filled")
    went = [change for row in rows if (change := _followed(row)) is not None]
    if went:
        well = sum(1 for change in went if change > 0)
        said.append(f"five bars later the price had gone the way of {well:,} of {len(went):,} to buy or sell")
    return "; ".join(said) + "."


def _followed(row: DecisionRow) -> float | None:
    """Return how far the price went the way of a decision to buy or sell; None for others, and where it is unknown."""
    if row.action not in SIDES or row.later is None or row.later.value is None:
        return None
    return row.later.value * SIDES[row.action]


def models_lead(rows: Sequence[Model]) -> str:
    """Say which model came true most often, which least, and whether chance may be all there is to it."""
    rates = [(value, row) for row in rows if (value := row.hit_rate.value) is not None]
    known = [row for _, row in sorted(rates, key=lambda pair: -pair[0])]
    if not known:
        return ""
    best, least = known[0], known[-1]
    told = f"{word(best.model)} came true most often, {_of(best)}"
    if best is least:
        return f"{word(best.model)} came true in {_of(best)}."
    low, high = best.hit_rate.low, least.hit_rate.high
    apart = low is not None and high is not None and low > high
    return f"{told}, {word(least.model)} least, {_of(least)}: " + (
        "more than chance would make of equal ones." if apart else "chance may be all the difference."
    )


def _of(row: Model) -> str:
    return f"{percent(row.hit_rate.value or 0.0)} of {row.hit_rate.n:,} judged votes"


def system_lead(parts: Sequence[Latency]) -> str:
    """Say how long decisions take, and where the time goes."""
    whole = next((each for each in parts if each.name == "decision"), None)
    if whole is None:
        return ""
    rest = max((each for each in parts if each is not whole), key=lambda each: each.total, default=None)
    told = f"Half of {_many(whole.n, 'decision')} took up to {lasting(whole.p50)}, 99 % up to {lasting(whole.p99)}"
    most = ""
    if rest is not None and whole.total:
        most = f"; {percent(min(rest.total / whole.total, 1.0), 0)} of the time was {word(rest.name)}"
    return f"{told}{most}; {whole.errors:,} failed." if whole.errors else f"{told}{most}; none failed."


def _many(n: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{n:,} {noun if n == 1 else plural}"


def _sum(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < CENTS else amount(round(value))

"""What comes if things go on: when a limit is reached, and where a metric will be, as sure as its own past shows."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ares_otel.portfolio.conventions import CONVENTION
from ares_otel.portfolio.intervals import critical
from ares_otel.portfolio.serial import long_run_variance
from ares_otel.portfolio.statistic import Statistic
from ares_otel.server.query.asking import Moment
from ares_otel.server.query.control import LimitsAsked, limits
from ares_otel.server.query.history import METRICS, MetricName, Point, history
from ares_otel.server.query.machine import MACHINE
from ares_otel.server.query.performance import equity_curves
from ares_otel.server.query.scoring import share
from ares_otel.server.story.reader import Reader

__all__ = [
    "Forecast",
    "ForecastAsked",
    "Outlook",
    "backtest",
    "forecast",
    "outlook",
    "seconds",
    "trend",
]

FEWEST: Final = 20
"""Fewest values of a trend."""

FEWEST_CHANGES: Final = 40
"""Fewest changes before a forecast is tried."""

TREND_DAYS: Final = 60
FARTHEST: Final = timedelta(days=3_650)
DAY: Final = timedelta(days=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """When a limit is reached if the trend goes on.

    Attributes:
        name: what runs into a limit.
        value: where it is.
        limit: where that ends.
        n: values that the trend rests on.
        per_day: trend, and its interval below.
        reached: when it is reached, between `earliest` and `latest`, of market time for drawdowns.
        reason: why there is no time.
    """

    name: str
    strategy: str | None
    value: float | None
    limit: float | None
    n: int
    per_day: float | None = None
    low_per_day: float | None = None
    high_per_day: float | None = None
    earliest: Moment | None = None
    reached: Moment | None = None
    latest: Moment | None = None
    method: str = ""
    reason: str | None = None


class ForecastAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Of which metric, how far."""

    metric_name: Annotated[MetricName, Meta(description="metric")]
    steps: Annotated[int, Meta(ge=1, le=50, description="values ahead, as far apart as those before")] = 1
    level: Annotated[float, Meta(ge=0.5, le=0.99, description="how often the interval should hold")] = 0.8
    window: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}[smhdw]$", description="how far back, as 1h or 30d")] = "365d"


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """Where a metric will be, or why that cannot be said.

    `coverage`: how often intervals made this way held what came, over the metric's own past.
    """

    metric_name: str
    unit: str
    steps: int
    level: float
    n: int
    last: Moment | None
    at: Moment | None
    value: float | None
    low: float | None
    high: float | None
    coverage: Statistic
    method: str
    reason: str | None


def outlook(reader: Reader) -> tuple[Outlook, ...]:
    """Tell when drawdown, memory, disk and spool reach their limits if the trend goes on."""
    return (*_drawdowns(reader), *_machine(), _spool())


def _drawdowns(reader: Reader) -> Iterable[Outlook]:
    bounds = {
        each.strategy: each.limit
        for each in limits(reader, LimitsAsked())
        if each.check is not None and "drawdown" in each.check and each.limit is not None
    }
    for account, curve in equity_curves(reader).items():
        peak, points = 0.0, []
        for day, value in zip(curve.days, curve.values, strict=True):
            peak = max(peak, value)
            points.append(Point(EPOCH + day * DAY, 1.0 - value / peak if peak > 0 else 0.0))
        bound = bounds.get(account.strategy)
        name, some = f"drawdown {account}", points[-TREND_DAYS:]
        if bound is None:
            yield _absent(name, account.strategy, some, None, "no limit of the drawdown was checked")
        else:
            yield _reaching(name, account.strategy, some, bound)


def _machine() -> Iterable[Outlook]:
    samples = MACHINE.samples
    for name, values in (
        ("memory", [Point(each.time, each.memory) for each in samples]),
        ("disk", [Point(each.time, each.disk) for each in samples]),
    ):
        yield _reaching(name, None, values, 1.0)


def _spool() -> Outlook:
    return _absent("spool", None, (), None, "spools are on the bots' machines; ares_telemetry_spool_bytes has them")


def _absent(name: str, strategy: str | None, points: Sequence[Point], limit: float | None, reason: str) -> Outlook:
    value = points[-1].value if points else None
    return Outlook(name=name, strategy=strategy, value=value, limit=limit, n=len(points), reason=reason)


def _reaching(name: str, strategy: str | None, points: Sequence[Point], limit: float) -> Outlook:
    if len(points) < FEWEST:
        return _absent(name, strategy, points, limit, f"{len(points)} values, at least {FEWEST} are needed")
    last = points[-1]
    if last.value >= limit:
        return _absent(name, strategy, points, limit, "it is reached")
    slope, half = trend([(point.time - points[0].time) / DAY for point in points], [point.value for point in points])
    low, high = slope - half, slope + half
    told = _absent(name, strategy, points, limit, "the interval of its trend holds zero")
    told = msgspec.structs.replace(
        told, per_day=slope, low_per_day=low, high_per_day=high, method="least squares, long-run variance"
    )
    if low <= 0.0:
        return told
    earliest, likely, latest = (_when(last.time, (limit - last.value) / each) for each in (high, slope, low))
    return msgspec.structs.replace(
        told,
        earliest=earliest,
        reached=likely,
        latest=latest,
        reason=None if likely is not None else "it is more than ten years away",
    )


def _when(start: datetime, days: float) -> datetime | None:
    return start + days * DAY if days * DAY.total_seconds() < FARTHEST.total_seconds() else None


def trend(times: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return the slope by least squares and half of its interval, with the long-run variance of what is left."""
    n = len(times)
    middle, center = sum(times) / n, sum(values) / n
    spread = sum((at - middle) ** 2 for at in times)
    if not spread:
        return 0.0, math.inf
    slope = sum((at - middle) * (value - center) for at, value in zip(times, values, strict=True)) / spread
    left = [value - center - slope * (at - middle) for at, value in zip(times, values, strict=True)]
    return slope, critical(CONVENTION.level) * math.sqrt(max(long_run_variance(left), 0.0) * n / (n - 2) / spread)


def forecast(reader: Reader, asked: ForecastAsked) -> Forecast:
    """Forecast a metric: its last value and the quantiles of its own changes, tried on its own past."""
    points = history(reader, asked.metric_name, seconds(asked.window))
    values = [point.value for point in points]
    changes = [after - before for before, after in zip(values, values[asked.steps :], strict=False)]
    coverage = backtest(values, asked.steps, asked.level)
    told = Forecast(
        metric_name=asked.metric_name,
        unit=METRICS[asked.metric_name].unit,
        steps=asked.steps,
        level=asked.level,
        n=len(values),
        last=points[-1].time if points else None,
        at=None,
        value=None,
        low=None,
        high=None,
        coverage=coverage,
        method="last value and quantiles of the changes over as many steps before it",
        reason=None,
    )
    if len(changes) < FEWEST_CHANGES:
        return msgspec.structs.replace(told, reason=f"{len(changes)} changes, at least {FEWEST_CHANGES} are needed")
    low, high = _quantiles(sorted(changes), asked.level)
    step = median((after.time - before.time).total_seconds() for before, after in pairwise(points))
    return msgspec.structs.replace(
        told,
        at=points[-1].time + timedelta(seconds=step * asked.steps),
        value=values[-1] + median(changes),
        low=values[-1] + low,
        high=values[-1] + high,
    )


def backtest(values: Sequence[float], steps: int, level: float) -> Statistic:
    """Return how often intervals held what came, each made of what was known before it; steps do not overlap."""
    held = tried = 0
    ordered: list[float] = []
    known = steps
    for origin in range(FEWEST_CHANGES + steps, len(values) - steps, steps):
        for at in range(known, origin + 1):
            insort(ordered, values[at] - values[at - steps])
        known = origin + 1
        low, high = _quantiles(ordered, level)
        held += low <= values[origin + steps] - values[origin] <= high
        tried += 1
    return share(held, tried, "forecasts of the past")


def _quantiles(ordered: Sequence[float], level: float) -> tuple[float, float]:
    ends = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
    low, high = (at * (len(ordered) + 1) - 1 for at in ends)
    return ordered[max(math.floor(low), 0)], ordered[min(math.ceil(high), len(ordered) - 1)]


def seconds(window: str) -> float:
    """Return a window such as 1h or 30d in seconds."""
    return int(window[:-1]) * {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}[window[-1]]

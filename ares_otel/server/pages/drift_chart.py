"""Evidence of drift over time, as it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from ares_otel.server.pages.formats import word
from ares_otel.server.pages.plots import Shade, top_of
from ares_otel.server.query.drift.checks import DriftPoint, DriftTimeline
from ares_otel.server.query.drift.episodes import DriftEpisode

__all__ = ["Chart", "chart_of"]

TICKS: Final = 6
KNOWN: Final = ("info", "watch", "warning", "critical")


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence over time as it is drawn: `ticks` are times below it, `fine` whether days do not tell them apart."""

    points: Sequence[tuple[float, float, str]]
    shades: Sequence[Shade]
    ticks: Sequence[datetime]
    top: int
    fine: bool
    highest: DriftPoint


def chart_of(line: DriftTimeline, found: Sequence[DriftEpisode]) -> Chart | None:
    """Return evidence in the time of the bars, where all checks say it, else in that of the checks."""
    if not line.points:
        return None
    market = all(each.event_time is not None for each in line.points)
    points = sorted(line.points, key=lambda each: _moment(each, market=market))
    begin, end = (_moment(each, market=market) for each in (points[0], points[-1]))
    length = (end - begin).total_seconds() or 1.0

    def place(moment: datetime) -> float:
        return min(max((moment - begin).total_seconds() / length, 0.0), 1.0)

    return Chart(
        points=[(place(_moment(each, market=market)), each.evidence, _title(each, market=market)) for each in points],
        shades=[shade for each in found if (shade := _shade(each, place, end, market=market)) is not None],
        ticks=[begin + (end - begin) * step / (TICKS - 1) for step in range(TICKS)] if end > begin else [begin],
        top=top_of([each.evidence for each in points]),
        fine=(end - begin).days < TICKS,
        highest=max(points, key=lambda each: each.evidence),
    )


def _moment(each: DriftPoint, *, market: bool) -> datetime:
    return each.event_time if market and each.event_time is not None else each.time


def _title(each: DriftPoint, *, market: bool) -> str:
    of = f", {each.quantity}" if each.quantity else ""
    n = f", the highest of {each.n} checks" if each.n > 1 else ""
    return f"{_moment(each, market=market):%Y-%m-%d %H:%M}: {each.evidence:.2f} of the threshold{of}{n}"


def _shade(each: DriftEpisode, place: Callable[[datetime], float], end: datetime, *, market: bool) -> Shade | None:
    began, over = (each.event_time, each.cleared_event_time) if market else (each.started, each.cleared)
    if began is None:
        return None
    until = "now" if over is None else f"{over:%Y-%m-%d}"
    severity = each.severity if each.severity in KNOWN else "info"
    title = f"episode {each.episode}, {word(severity)}: {began:%Y-%m-%d} to {until}"
    return Shade(place(began), place(over or end), severity or "info", title)

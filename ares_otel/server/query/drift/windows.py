"""What the last bars of features looked like beside their reference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import ColumnElement, select

from ares_otel.server.query.asking import Moment, Name, clock, row_time
from ares_otel.server.query.drift.checks import Kind
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["DriftBin", "DriftWindow", "WindowsAsked", "windows", "windows_between"]

LATEST: Final = (1 << 63) - 1
LOOKED_AT: Final = 4_000
"""Newest windows of a model and kind among which those of each feature are looked for."""


class WindowsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which windows: the newest of each feature, or those of one episode of a reference, the first of each feature."""

    model: Name
    kind: Kind = "data"
    feature: Name | None = None
    episode: Annotated[int, Meta(ge=0)] | None = None
    reference: Name | None = None
    limit: Annotated[int, Meta(ge=1, le=500, description="most features")] = 50


class DriftBin(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of reference and window up to `end`, from the end of the bin before; null for what is beyond all."""

    end: float | None
    expected: float
    observed: float | None


class DriftWindow(msgspec.Struct, frozen=True, kw_only=True):
    """The last `bars` bars of a feature, `n` of them with a value, up to `bar`, beside its reference.

    Where regimes are named it is `against` the reference's bars of its own `regimes`, each as often as there. Where
    there is no reference, as of a model whose losses in training are not known, it is against the `earlier` ones; null
    where a bot of before did not say.

    The first bin holds what is below the least value of the reference, the last what is above its largest. `distance`
    is the largest difference of both distributions (Kolmogorov's), from the bins.
    """

    model: str
    kind: str
    feature: str | None
    time: Moment
    event_time: Moment | None
    bar: int | None
    episode: int | None
    n: int | None
    bars: int | None
    distance: float | None
    bins: tuple[DriftBin, ...]
    version: str | None
    reference: str | None
    against: str | None


def windows(reader: Reader, asked: WindowsAsked) -> tuple[DriftWindow, ...]:
    """Return reference against window by feature, the largest difference first."""
    return windows_between(reader, asked, 0, LATEST)


def windows_between(reader: Reader, asked: WindowsAsked, low: int, high: int) -> tuple[DriftWindow, ...]:
    """Return the same of a range of row ids; of very many rows the newest are looked at."""
    row = t.drift_window.c
    own, kind = number(reader, "model", asked.model), number(reader, "drift", asked.kind)
    query = select(t.drift_window).where(row.model == own, row.kind == kind, row.id.between(low, high))
    newest = query.order_by(row.id.desc()).limit(LOOKED_AT).subquery()
    rows = reader.db.execute(select(newest).where(*_conditions(reader, asked, newest.c)).order_by(newest.c.id.desc()))
    # what an episode began with is its oldest, what is now is the newest
    ordered = rows.all() if asked.episode is None else rows.all()[::-1]
    chosen: dict[int | None, Any] = {}
    for each in ordered:
        chosen.setdefault(each.feature, each)
    known = words(reader, *((each.feature, each.reference, each.against) for each in chosen.values()))
    made = [_window(each, asked, known) for each in chosen.values()]
    return tuple(sorted(made, key=lambda each: (-(each.distance or 0.0), each.feature or ""))[: asked.limit])


def _conditions(reader: Reader, asked: WindowsAsked, row: Any) -> Iterator[ColumnElement[bool]]:
    if asked.feature is not None:
        yield row.feature == number(reader, "feature", asked.feature)
    if asked.reference is not None:
        yield row.reference == number(reader, "reference", asked.reference)
    if asked.episode is not None:
        yield row.episode == asked.episode


def _window(each: Any, asked: WindowsAsked, known: dict[int | None, str]) -> DriftWindow:
    bins = _bins(each.data)
    return DriftWindow(
        model=asked.model,
        kind=asked.kind,
        feature=known.get(each.feature),
        time=row_time(each.id),
        event_time=clock(each.event_time),
        bar=each.bar,
        episode=each.episode,
        n=each.n,
        bars=each.bars,
        distance=_distance(bins),
        bins=bins,
        version=each.version,
        reference=known.get(each.reference),
        against=known.get(each.against),
    )


def _bins(data: str | None) -> tuple[DriftBin, ...]:
    found = msgspec.json.decode(data or "[]", type=list[tuple[float | None, float, float | None]])
    return tuple(DriftBin(end=end, expected=expected, observed=observed) for end, expected, observed in found)


def _distance(bins: tuple[DriftBin, ...]) -> float | None:
    if not bins or any(each.observed is None for each in bins):
        return None
    largest = difference = 0.0
    for each in bins:
        difference += (each.observed or 0.0) - each.expected
        largest = max(largest, abs(difference))
    return largest

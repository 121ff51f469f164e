"""Broken data: 1,000 cases of it, each of which must neither crash, nor mute, nor change a verdict (ml.md 7.6).

A stream is watched as it is and damaged: values missing, infinite or texts, bars left out, twice or in disorder,
constant columns, rows by name in another order, numbers of another type. The verdict of the damaged one (which feature
is in the alarm, or that there is none) must come within a window of 512 bars of the other one's. And all that is said
of the damaged one, and the state it leaves, must be that of its twin: arrays of the same bars, without times, NaN where
a value is no number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from broken import Compared, outlived
from numpy.typing import NDArray
from rows import Row

from ares_otel.ml import DriftEvent, DriftMonitor

__all__ = ["DAMAGES", "Case", "compared", "rows"]

REFERENCE: Final = 1200
BARS: Final = 1500
CHANGE: Final = 300
WINDOW: Final = 512
NAMES: Final = ("return", "spread", "volume", "imbalance", "momentum")
SHARE: Final = 0.05
HOUR: Final = 3_600_000_000_000
"""In nanoseconds."""
SECTION: Final = "Same verdict within a window"

Floats = NDArray[np.float64]
Rows = Iterator[tuple[Any, int]]
"""Rows and the number of the bar that each is of."""
Damage = Callable[[Floats, np.random.Generator], Rows]


class Case(NamedTuple):
    """A stream and its damage."""

    damage: str
    seed: int


def stream(generator: np.random.Generator) -> Floats:
    """Return fast and slow columns, heavy tails, a column of whole numbers."""
    values = generator.standard_t(4, size=(REFERENCE + BARS, len(NAMES)))
    values[:, 2] = np.abs(values[:, 2])
    values[:, 3] = np.round(values[:, 3])
    for bar in range(1, len(values)):
        values[bar, 4] += 0.7 * values[bar - 1, 4]
    return values


def holes(filling: Any) -> Damage:
    """Return what puts something else in place of one value in twenty."""

    def damaged(values: Floats, generator: np.random.Generator) -> Rows:
        for bar, (row, gone) in enumerate(zip(values, generator.random(values.shape) < SHARE, strict=True)):
            yield [filling if hole else value for value, hole in zip(row.tolist(), gone.tolist(), strict=True)], bar

    return damaged


def gaps(values: Floats, generator: np.random.Generator) -> Rows:
    """Leave bars out, some in a row."""
    gone = generator.random(len(values)) < SHARE
    gone[700:720] = True
    yield from ((values[bar], bar) for bar in np.flatnonzero(~gone).tolist())


def twice(values: Floats, generator: np.random.Generator) -> Rows:
    """Say bars again."""
    for bar, again in enumerate(generator.random(len(values)) < SHARE):
        yield from [(values[bar], bar)] * (1 + int(again))


def disorder(values: Floats, generator: np.random.Generator) -> Rows:
    """Say bars up to five bars late."""
    order = np.argsort(np.arange(len(values)) + 5 * (generator.random(len(values)) < SHARE), kind="stable")
    yield from ((values[bar], bar) for bar in order.tolist())


def named(values: Floats, generator: np.random.Generator) -> Rows:
    """Give rows by name, in another order, with a column too many."""
    order = generator.permutation(len(NAMES)).tolist()
    for bar, row in enumerate(values.tolist()):
        yield {**{NAMES[place]: row[place] for place in order}, "other": 1.0}, bar


def renamed(values: Floats, generator: np.random.Generator) -> Rows:
    """Give one row in twenty by name with a column under another name."""
    for bar, other in enumerate(generator.random(len(values)) < SHARE):
        row = dict(zip(NAMES, values[bar].tolist(), strict=True))
        if other:
            row["Spread"] = row.pop("spread")
        yield row, bar


def narrow(values: Floats, _: np.random.Generator) -> Rows:
    """Give numbers of half the width."""
    yield from ((row.astype(np.float32), bar) for bar, row in enumerate(values))


def objects(values: Floats, _: np.random.Generator) -> Rows:
    """Give numbers as objects."""
    yield from ((row.astype(object), bar) for bar, row in enumerate(values))


DAMAGES: Final[dict[str, Damage]] = {
    "NaN": holes(np.nan),
    "None": holes(None),
    "infinity": holes(np.inf),
    "minus infinity": holes(-np.inf),
    "text": holes("n/a"),
    "gaps": gaps,
    "duplicates": twice,
    "disorder": disorder,
    "by name": named,
    "renamed": renamed,
    "float32": narrow,
    "objects": objects,
}


def twin(damage: str, values: Floats, generator: np.random.Generator) -> Iterator[Floats]:
    """Yield the bars of a damaged stream as they are in arrays, NaN where a value is missing or no number."""
    last = -1
    for row, bar in DAMAGES[damage](values, generator):
        given = [row.get(name) for name in NAMES] if isinstance(row, dict) else list(row)
        numbers = np.array([value if isinstance(value, float | np.floating) else np.nan for value in given], float)
        if bar != last:
            yield np.where(np.isfinite(numbers), numbers, np.nan)
        last = bar


def verdict(events: list[DriftEvent], bars: list[int]) -> tuple[int, set[str]] | None:
    """Return the bar of the first alarm and its features, None without one."""
    for event, bar in zip(events, bars, strict=True):
        return bar, {str(moved.feature) for moved in event.features}
    return None


def made(case: Case) -> tuple[Floats, Floats, np.random.Generator]:
    """Return reference and stream of a case, and what its damage is drawn from; half of the streams change."""
    generator = np.random.default_rng(case.seed)
    values = stream(generator)
    reference, live = values[:REFERENCE].copy(), values[REFERENCE:]
    if case.seed % 2:
        live[CHANGE:, case.seed // 2 % len(NAMES)] += 1.5 * values[:REFERENCE, case.seed // 2 % len(NAMES)].std()
    if case.seed % 3 == 0:
        reference[generator.random(reference.shape) < SHARE] = np.nan
    if case.seed % 5 == 0:
        reference[:, 1] = live[:, 1] = 7.0
    return reference, live, generator


class Watched(NamedTuple):
    """What a monitor said of a stream.

    Attributes:
        events: all of them.
        bars: of the stream, at which it said them.
        highest: the largest evidence, in thresholds.
        state: its statistics and the bars that it remembers at the end, as bytes.
    """

    events: list[DriftEvent]
    bars: list[int]
    highest: float
    state: bytes


def watched(reference: Floats, given: Iterable[tuple[Any, int | None]]) -> Watched:
    """Let a monitor watch a stream; bars without a number have no time."""
    monitor, highest = DriftMonitor(reference, names=NAMES), 0.0
    events, bars = list[DriftEvent](), list[int]()
    for row, bar in given:
        found = monitor.update(row, None if bar is None else bar * HOUR)
        events += found
        bars += [monitor.bars if bar is None else bar] * len(found)
        highest = max(highest, float(monitor._episodes.seen.squares().max(initial=0.0)))
    stream = monitor._stream
    state = b"".join(part.tobytes() for part in (stream.average, stream.square, stream.memory.ring))
    return Watched(events, bars, float(np.sqrt(highest)), state)


def told(events: Iterable[DriftEvent]) -> list[object]:
    """Return events without their times, which the twin does not have."""
    return [msgspec.structs.replace(event, at=None, since=event.since and event.since.bar) for event in events]


def within(whole: tuple[int, set[str]] | None, hurt: tuple[int, set[str]] | None) -> bool:
    """Return whether two verdicts are the same within a window."""
    if whole is None or hurt is None:
        return whole is hurt
    return abs(whole[0] - hurt[0]) <= WINDOW and bool(whole[1] & hurt[1])


def compared(case: Case) -> Compared:
    """Compare what is said of a damaged stream with what is said of the whole one, and of its twin."""
    reference, live, generator = made(case)
    drawn = generator.bit_generator.state
    whole = watched(reference, zip(live, range(len(live)), strict=True))
    hurt = watched(reference, DAMAGES[case.damage](live, generator))
    generator.bit_generator.state = drawn
    alike = watched(reference, ((row, None) for row in twin(case.damage, live, generator)))
    same = within(verdict(whole.events, whole.bars), verdict(hurt.events, hurt.bars))
    exact = told(hurt.events) == told(alike.events) and hurt.state == alike.state
    return Compared(same, exact, case.seed % 2 == 1, None if same else (whole.highest, hurt.highest))


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield the share of verdicts that outlive damage, for each kind and over all."""
    yield from outlived(SECTION, DAMAGES, Case, compared, quick=quick)

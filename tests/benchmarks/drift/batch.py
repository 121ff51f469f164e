"""The statistics of a drift monitor over a whole stream at once: what `DriftMonitor.update` has, many times sooner.

`tests/ml/test_bench_batch.py` holds both together, and so does each section that judges by it, on streams of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from unittest.mock import patch

import markets
import numpy as np
from rows import Row, share
from scipy.signal import lfilter  # type: ignore[import-untyped]
from working import each

from ares_otel.ml import DriftMonitor
from ares_otel.ml.episodes import CLEARED
from ares_otel.ml.plan import Plan, believed, planned
from ares_otel.ml.reference import Reference, Run, standardized
from ares_otel.ml.scores import Floats, bins_of
from ares_otel.ml.spectra import HAZARD
from ares_otel.ml.weights import lagged, weighted

__all__ = ["CHECKED", "Kind", "began", "by_rows", "checked", "learned", "same", "squares"]

CHECKED: Final = 4
"""Streams of each kind that go through the monitor itself, too, row by row."""
OFTEN: Final = (0.05, 0.5)
"""Chances of a false alarm at which they do: by the second there are alarms to compare where nothing changed."""


def moved(series: Floats, window: float, average: Floats, square: Floats) -> tuple[Floats, Floats]:
    """Return the moving averages of series (bars x scores) and of their squares, which begin at some."""
    rate = 2 / (window + 1.0)
    filters = [rate], [1, rate - 1]
    averages, _ = lfilter(*filters, series, axis=0, zi=(1 - rate) * average[None])
    averaged, _ = lfilter(*filters, series**2, axis=0, zi=(1 - rate) * square[None])
    return averages, averaged


def _run(series: Floats, windows: Floats) -> Run:
    """Do what the function of that name in `ares_otel.ml.reference` does, without going bar by bar."""
    shape = series.shape[1], len(windows)
    found = Run(np.zeros(shape), np.ones(shape), np.zeros(shape))
    for place, window in enumerate(windows.tolist()):
        averages, averaged = moved(series, window, found.average[:, place], found.square[:, place])
        found.average[:, place], found.square[:, place] = averages[-1], averaged[-1]
        found.highest[:, place] = (averages**2 / np.maximum(1, averaged)).max(0)
    return found


def learned(reference: Floats, alphas: Iterable[float], horizon: int) -> tuple[Reference, list[Plan]]:
    """Return what a monitor learns from a reference, and its tests at several chances of a false alarm."""
    with patch("ares_otel.ml.reference._run", _run):
        found = Reference.of(reference)
    belief = believed(found, HAZARD)
    return found, [planned(found, belief, alpha, horizon) for alpha in alphas]


def scores_of(reference: Reference, rows: Floats) -> Floats:
    """Return the standardized scores of rows: bars x scores."""
    scored, columns = reference.scored, reference.columns
    tables = standardized(scored.knots, scored.center, scored.spread)
    bins = bins_of(rows, scored.knots)
    scores = tables[np.arange(columns), bins]
    first, second = scored.pairs[:, 0], scored.pairs[:, 1]
    both = scores[:, first, 2] * scores[:, second, 2]
    pairs = (both - scored.center[2 * columns :]) / scored.spread[2 * columns :]
    location = scores[:, :, 0]
    if reference.weights is not None:
        location = weighted(reference.weights, location, lagged(bins, np.roll(reference.recent, -1, 0)))
    return np.concatenate((location, scores[:, :, 1], pairs), 1)


def squares(reference: Reference, plan: Plan, rows: Floats) -> Floats:
    """Return the squared statistic of each test at each bar: bars x tests."""
    scores, run = scores_of(reference, rows), reference.run
    found = np.empty((len(rows), len(plan.score)))
    for place, window in enumerate(reference.windows):
        tests = np.flatnonzero(plan.window == place)
        score = plan.score[tests]
        averages, averaged = moved(scores[:, score], window, run.average[score, place], run.square[score, place])
        found[:, tests] = averages**2 / np.maximum(1, averaged)
    return found


def began(evidence: Sequence[float]) -> list[int]:
    """Return the bars, from 0, at which episodes begin by the squared evidence of the strongest test at each bar."""
    found: list[int] = []
    is_open = False
    for bar, square in enumerate(evidence):
        if not is_open and square > 1.0:
            found.append(bar)
        is_open = square >= CLEARED**2 if is_open else square > 1.0
    return found


class Kind(NamedTuple):
    """A kind of stream, and a seed."""

    null: str
    shift: str
    bars: int
    seed: int


def by_rows(stream: Floats, bars: int, alpha: float) -> list[int]:
    """Return the same of the product's own monitor, which is given row after row."""
    monitor = DriftMonitor(stream[:bars], false_alarms=alpha, horizon=markets.HORIZON)
    live = enumerate(stream[bars:])
    return [bar for bar, row in live if any(event.state == "started" for event in monitor.update(row))]


def same(kind: Kind) -> bool:
    """Return whether all alarms on a stream, and the bars they come at, are those of the product itself."""
    stream = markets.stream(kind.null, kind.shift, kind.seed, kind.bars)
    reference, plans = learned(stream[: kind.bars], OFTEN, markets.HORIZON)
    for alpha, plan in zip(OFTEN, plans, strict=True):
        evidence = squares(reference, plan, stream[kind.bars :]) / plan.threshold
        if began(evidence.max(1, initial=0.0).tolist()) != by_rows(stream, kind.bars, alpha):
            return False
    return True


def checked(section: str, kinds: Iterable[Kind], *, quick: bool) -> Row:
    """Return how many streams of some kinds, a few of each beginning at its seed, have the alarms of the product."""
    cases = [kind._replace(seed=kind.seed + more) for kind in kinds for more in range(1 if quick else CHECKED)]
    agreed = sum(each(same, cases))
    chances = " and ".join(f"{alpha:g}" for alpha in OFTEN)
    what = f"streams whose alarms are those of DriftMonitor.update, row by row, at {chances}"
    return share(section, what, agreed, len(cases), "all", met=agreed == len(cases))

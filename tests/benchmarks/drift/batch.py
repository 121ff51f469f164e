"""The statistics of a drift monitor over a whole stream at once: what `DriftMonitor.update` has, many times sooner.

`tests/ml/test_bench_batch.py` holds both together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import Pool
from typing import Final, TypeVar

import numpy as np
from scipy.signal import lfilter  # type: ignore[import-untyped]

from ares_otel.ml.plan import HAZARD, Plan, believed, planned
from ares_otel.ml.reference import Reference, standardized
from ares_otel.ml.scores import Floats, bins_of

__all__ = ["each", "learned", "squares"]

T = TypeVar("T")
R = TypeVar("R")
PROCESSES: Final = int(os.environ.get("ARES_DRIFT_PROCESSES", "2"))


def learned(reference: Floats, alphas: Iterable[float], horizon: int) -> tuple[Reference, list[Plan]]:
    """Return what a monitor learns from a reference, and its tests at several chances of a false alarm."""
    found = Reference.of(reference)
    belief = believed(found, HAZARD)
    return found, [planned(found, belief, alpha, horizon) for alpha in alphas]


def scores_of(reference: Reference, rows: Floats) -> Floats:
    """Return the standardized scores of rows: bars x scores."""
    scored, columns = reference.scored, reference.columns
    tables = standardized(scored.knots, scored.center, scored.spread)
    scores = tables[np.arange(columns), bins_of(rows, scored.knots)]
    first, second = scored.pairs[:, 0], scored.pairs[:, 1]
    both = scores[:, first, 2] * scores[:, second, 2]
    pairs = (both - scored.center[2 * columns :]) / scored.spread[2 * columns :]
    return np.concatenate((scores[:, :, 0], scores[:, :, 1], pairs), 1)


def squares(reference: Reference, plan: Plan, rows: Floats) -> Floats:
    """Return the squared statistic of each test at each bar: bars x tests."""
    scores, run = scores_of(reference, rows), reference.run
    found = np.empty((len(rows), len(plan.score)))
    for place, window in enumerate(reference.windows):
        tests = np.flatnonzero(plan.window == place)
        rate, score = 2 / (window + 1.0), plan.score[tests]
        series = scores[:, score]
        filters = [rate], [1, rate - 1]
        average, _ = lfilter(*filters, series, axis=0, zi=(1 - rate) * run.average[None, score, place])
        square, _ = lfilter(*filters, series**2, axis=0, zi=(1 - rate) * run.square[None, score, place])
        found[:, tests] = average**2 / np.maximum(1, square)
    return found


def each(function: Callable[[T], R], cases: Iterable[T], chunk: int = 5) -> Iterator[R]:
    """Do the same for each case, in processes, and yield what comes of it in order."""
    if PROCESSES == 1:
        yield from map(function, cases)
        return
    with Pool(PROCESSES) as pool:
        yield from pool.imap(function, cases, chunksize=chunk)

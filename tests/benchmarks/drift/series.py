"""Section: dating changes in recorded series, against the annotators of the Turing benchmark (ml.md 7.4).

River carries seven of its series. Two are not aligned with their annotations as they come: Brent is every tenth day
from the 3,200th on, Apple every third day (verified against the originals: differences of 0, and the crash of
September 2000 at 319). Chosen on the 28 other series of that benchmark that are in its repository; judged here.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rows import Row

from ares_otel.ml.segments import changes

__all__ = ["annotated", "f_measure", "rows"]

SECTION: Final = "Change points in recorded series"
MARGIN: Final = 5
RESAMPLED: Final = 400
TARGETS: Final = {"bitcoin": 0.70, "brent": 0.62, "apple": 0.75}
MEAN: Final = 0.75
PUBLISHED: Final = {
    "bitcoin": "published default best .692 (BOCPD)",
    "brent": "published default best .607 (CPNP)",
    "apple": "published default best .594 (ZERO)",
    "run log": "published default best 1.0 (BOCPD)",
    "occupancy": "published default best .807 (BOCPD)",
    "UK coal": "published default best .639 (PROPHET)",
}


def annotated() -> Iterator[tuple[str, NDArray[np.float64], Mapping[str, Sequence[int]]]]:
    """Yield name, values (rows by dimensions) and annotations of River's series."""
    datasets: Any = import_module("river.drift.datasets")
    for name, kind, columns, cut in (
        ("bitcoin", datasets.Bitcoin, None, slice(0, 774)),
        ("brent", datasets.BrentSpotPrice, None, slice(3200, 8200, 10)),
        ("apple", datasets.Apple, ("Close", "Volume"), slice(0, None, 3)),
        ("UK coal", datasets.UKCoalEmploy, None, slice(None)),
        ("airline passengers", datasets.AirlinePassengers, None, slice(None)),
        ("run log", datasets.RunLog, ("Pace", "Distance"), slice(None)),
        ("occupancy", datasets.Occupancy, ("V1", "V2", "V3", "V4"), slice(None)),
    ):
        found: Any = kind()
        values = [[row[column] for column in columns] if columns else [row] for _, row in found]
        yield name, np.array(values[cut], dtype=float), found.annotations


def _hits(wanted: set[int], found: set[int]) -> int:
    """Return how many annotations have a change point of their own within the margin."""
    left, hits = set(found), 0
    for place in sorted(wanted):
        near = [(abs(place - each), each) for each in left if abs(place - each) <= MARGIN]
        if near:
            hits += 1
            left.discard(min(near)[1])
    return hits


def f_measure(annotations: Mapping[str, Sequence[int]], found: Sequence[int]) -> float:
    """Return F1 over annotators as van den Burg and Williams define it: the first place counts for all."""
    said = [{0, *places} for places in annotations.values()]
    dated = {0, *found}
    precision = _hits(set().union(*said), dated) / len(dated)
    recall = sum(_hits(each, dated) / len(each) for each in said) / len(said)
    return 2.0 * precision * recall / (precision + recall)


def _of_annotators(found: Sequence[int], places: Sequence[Sequence[int]]) -> float:
    """Return F1 over what some annotators said."""
    return f_measure({f"{number}": each for number, each in enumerate(places)}, found)


def resampled(figure: Callable[[list[Any]], float], of: Collection[Any]) -> tuple[float, float]:
    """Return the 95 % interval of a figure, by the bootstrap."""
    draw, each = np.random.default_rng(0), list(of)
    again = [figure([each[place] for place in draw.integers(len(each), size=len(each))]) for _ in range(RESAMPLED)]
    low, high = np.quantile(again, [0.025, 0.975])
    return float(low), float(high)


def rows(quick: bool) -> Iterator[Row]:  # noqa: ARG001, FBT001  the runner's own
    """Yield F1 of each series with the default configuration, beside finding nothing at all.

    Intervals are those of other annotators like these, and for the mean of other series like these.
    """
    scores = []
    for name, values, said in annotated():
        found = changes(values)
        measured, nothing = f_measure(said, found), f_measure(said, [])
        scores.append(measured)
        target = TARGETS.get(name)
        note = f"{len(found)} found in {len(values)}; finding none gives {nothing:.3f}; {PUBLISHED.get(name, '')}"
        words = "" if target is None else f"at least {target}"
        met = None if target is None else measured >= target
        among = resampled(partial(_of_annotators, found), list(said.values()))
        yield Row(SECTION, f"{name}: F1", measured, *among, words, met, len(values), note.rstrip("; "))
    mean = sum(scores) / len(scores)
    among = resampled(statistics.fmean, scores)
    yield Row(SECTION, "mean of the seven: F1", mean, *among, f"at least {MEAN}", mean >= MEAN, len(scores))

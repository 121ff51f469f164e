"""Section: published streams with concept drift, ours beside detectors of River and alibi-detect (ml.md 7.3).

Chosen on other streams: SEA with noise .05 and .15, AGRAWAL without and with double perturbation, STAGGER, SINE and
MIXED, with seeds 1 and 2. Judged here on seeds from 100000, once, with one configuration: the default one. River's
detectors get the errors, as in the published comparisons; ours gets what a bot has, predictions and labels, and in a
row of its own the errors alone. Those of alibi-detect that can see anything there are in `witnesses.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from prequential import Score, outcomes, score
from rows import Row
from witnesses import BATCH, as_they_come, configured, in_batches
from working import each

from ares_otel.ml.loss import LossMonitor

__all__ = ["from_errors", "judged", "ours", "rivals", "rows"]

SECTION: Final = "Concept drift on published streams"
SEEDS: Final = range(100_000, 100_010)
STREAMS: Final = (("SEA", 0.1), ("AGRAWAL", 0.05), ("STAGGER", 0.0))
TARGETS: Final = {
    ("SEA", "F1"): (0.55, "at least .55"),
    ("AGRAWAL", "F1"): (0.80, "at least .80"),
    ("AGRAWAL", "false alarms in 1,000"): (-0.01, "at most .01"),
    ("AGRAWAL", "delay"): (-120.0, "at most 120"),
    ("STAGGER", "F1"): (0.85, "at least .85"),
}
"""By stream and figure: the bound, negative where the figure may not be above it, and how it is written."""

STUDENT: Final = (math.inf, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""Of a two-sided 95 % interval, by degrees of freedom."""


def ours(predicted: NDArray[np.int8], actual: NDArray[np.int8]) -> list[int]:
    """Return when episodes of the product's monitor began."""
    watch, alarms = LossMonitor(), []
    for number, (guess, label) in enumerate(zip(predicted.tolist(), actual.tolist(), strict=True), 1):
        events = watch.update(float(guess != label), signed=float(label - guess), label=float(label))
        alarms += [number for event in events if event.state == "started"]
    return alarms


def from_errors(predicted: NDArray[np.int8], actual: NDArray[np.int8]) -> list[int]:
    """Return when episodes of the product's monitor began that was told of nothing but errors."""
    watch, alarms = LossMonitor(), []
    for number, wrong in enumerate((predicted != actual).tolist(), 1):
        alarms += [number for event in watch.update(float(wrong)) if event.state == "started"]
    return alarms


def rivals() -> dict[str, Callable[[], Any]]:
    """Return River's detectors with their defaults."""
    drift: Any = import_module("river.drift")
    return {
        "ADWIN": drift.ADWIN,
        "PageHinkley": drift.PageHinkley,
        "HDDM_A": getattr(drift.binary, "HDDMA", None) or drift.binary.HDDM_A,  # renamed after River 0.23
        "HDDM_W": getattr(drift.binary, "HDDMW", None) or drift.binary.HDDM_W,
        "DDM": drift.binary.DDM,
        "EDDM": drift.binary.EDDM,
        "FHDDM": drift.binary.FHDDM,
    }


def rival(made: Callable[[], Any], predicted: NDArray[np.int8], actual: NDArray[np.int8]) -> list[int]:
    """Return when a detector of River said drift."""
    detector, alarms = made(), []
    for number, wrong in enumerate((predicted != actual).tolist(), 1):
        detector.update(wrong)
        if detector.drift_detected:
            alarms.append(number)
    return alarms


def _row(stream: str, detector: str, figure: str, values: Sequence[float], note: str) -> Row:
    known = np.array([value for value in values if not math.isnan(value)])
    if not len(known):
        return Row(SECTION, f"{stream}, {detector}: {figure}", None, note="nothing was found")
    mean = float(known.mean())
    half = STUDENT[len(known) - 1] * float(known.std(ddof=1)) / math.sqrt(len(known)) if len(known) > 1 else math.inf
    bound, words = TARGETS.get((stream, figure), (None, "")) if detector == "ours" else (None, "")
    met = None if bound is None else (mean >= bound if bound > 0.0 else mean <= -bound)
    return Row(SECTION, f"{stream}, {detector}: {figure}", mean, mean - half, mean + half, words, met, len(known), note)


def _rows(stream: str, detector: str, scores: Sequence[Score]) -> Iterator[Row]:
    note = "mean over streams of 30 drifts"
    for figure, values in (
        ("F1", [one.f1 for one in scores]),
        ("drifts found", [one.recall for one in scores]),
        ("delay", [one.delay for one in scores]),
        ("false alarms in 1,000", [one.far for one in scores]),
    ):
        yield _row(stream, detector, figure, values, note)


class Case(NamedTuple):
    """A stream."""

    name: str
    noise: float
    seed: int


def judged(case: Case) -> dict[str, Score]:
    """Return how each detector did on a stream."""
    told = outcomes(*case)
    found = {"ours": score(ours(*told)), "ours, errors alone": score(from_errors(*told))}
    found |= {name: score(rival(made, *told)) for name, made in rivals().items()}
    wrong = (told[0] != told[1]).astype(np.int8)
    fisher = configured(wrong)
    found["alibi-detect FETDriftOnline"] = score(as_they_come(wrong, fisher))
    found["alibi-detect FETDriftOnline, renewed"] = score(as_they_come(wrong, fisher, renewed=True))
    found[f"alibi-detect FETDrift, batches of {BATCH}"] = score(in_batches(*told))
    return found


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the runner's own
    """Yield the figures of each detector on each stream."""
    seeds = SEEDS[:2] if quick else SEEDS
    cases = [Case(name, noise, seed) for name, noise in STREAMS for seed in seeds]
    found = list(each(judged, cases, 1))
    for place, (name, _) in enumerate(STREAMS):
        scores = found[place * len(seeds) : (place + 1) * len(seeds)]
        for detector in scores[0]:
            yield from _rows(name, detector, [one[detector] for one in scores])

"""Section: published streams with concept drift, ours beside River's detectors on the same outcomes (ml.md 7.3).

Chosen on other streams: SEA with noise .05 and .15, AGRAWAL without and with double perturbation, STAGGER, SINE and
MIXED, with seeds 1 and 2. Judged here on seeds from 100000, once, with one configuration: the default one. River's
detectors get the errors, as in the published comparisons; ours gets what a bot has, predictions and labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from prequential import Score, outcomes, score
from rows import Row

from ares_otel.ml.loss import LossMonitor

__all__ = ["ours", "rivals", "rows"]

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

STUDENT: Final = 2.262
"""Of a two-sided 95 % interval from ten values."""


def ours(predicted: NDArray[np.int8], actual: NDArray[np.int8]) -> list[int]:
    """Return when episodes of the product's monitor began."""
    watch, alarms = LossMonitor(), []
    for number, (guess, label) in enumerate(zip(predicted.tolist(), actual.tolist(), strict=True), 1):
        events = watch.update(float(guess != label), signed=float(label - guess), label=float(label))
        alarms += [number for event in events if event.state == "started"]
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
    half = STUDENT * float(known.std(ddof=1)) / math.sqrt(len(known)) if len(known) > 1 else math.inf
    bound, words = TARGETS.get((stream, figure), (None, "")) if detector == "ours" else (None, "")
    met = None if bound is None else (mean >= bound if bound > 0.0 else mean <= -bound)
    return Row(SECTION, f"{stream}, {detector}: {figure}", mean, mean - half, mean + half, words, met, len(known), note)


def _rows(stream: str, detector: str, scores: Sequence[Score]) -> Iterator[Row]:
    note = "mean over streams of 30 drifts"
    for figure, values in (
        ("F1", [each.f1 for each in scores]),
        ("drifts found", [each.recall for each in scores]),
        ("delay", [each.delay for each in scores]),
        ("false alarms in 1,000", [each.far for each in scores]),
    ):
        yield _row(stream, detector, figure, values, note)


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the runner's own
    """Yield the figures of each detector on each stream."""
    seeds = SEEDS[:2] if quick else SEEDS
    for name, noise in STREAMS:
        judged = [outcomes(name, noise, seed) for seed in seeds]
        yield from _rows(name, "ours", [score(ours(*each)) for each in judged])
        for detector, made in rivals().items():
            yield from _rows(name, detector, [score(rival(made, *each)) for each in judged])

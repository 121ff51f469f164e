"""Detectors of alibi-detect and River as they are shipped, on streams that did not change."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import markets
import numpy as np
from numpy.typing import NDArray

__all__ = ["ALIBI", "CHECKS", "RIVER", "WINDOW", "Case", "alibi", "river", "windows"]

WINDOW: Final = 240
CHECKS: Final = markets.HORIZON // WINDOW
ALIBI: Final = ("alibi-detect KSDrift", "alibi-detect CVMDrift", "alibi-detect ClassifierDrift")
RIVER: Final = ("River ADWIN", "River PageHinkley")

Floats = NDArray[np.float64]


class Case(NamedTuple):
    """A stream."""

    null: str
    seed: int
    bars: int

    def parts(self) -> tuple[Floats, Floats]:
        """Return its reference, and what is monitored."""
        stream = markets.stream(self.null, "", self.seed, self.bars)
        return stream[: self.bars], stream[self.bars :]


def windows(monitored: Floats) -> Iterator[Floats]:
    """Yield pieces that do not overlap."""
    for end in range(WINDOW, len(monitored) + 1, WINDOW):
        yield monitored[end - WINDOW : end]


def alibi(case: Case) -> list[int]:
    """Return how often detectors of alibi-detect alarm, as shipped."""
    library = importlib.import_module("alibi_detect.cd")
    reference, monitored = case.parts()
    scale = reference.std(axis=0) + 1e-12
    model = importlib.import_module("sklearn.linear_model").LogisticRegression(max_iter=1_000)
    kinds = (
        library.KSDrift(reference),
        library.CVMDrift(reference),
        library.ClassifierDrift(reference / scale, model, backend="sklearn", preds_type="probs", seed=case.seed),
    )
    scales: Sequence[Any] = (1.0, 1.0, scale)
    return [
        sum(int(kind.predict(window / by)["data"]["is_drift"]) for window in windows(monitored))
        for kind, by in zip(kinds, scales, strict=True)
    ]


def river(case: Case) -> list[int]:
    """Return whether detectors of River ever alarm, one for each column, with the defaults."""
    library = importlib.import_module("river.drift")
    reference, monitored = case.parts()
    kinds = (library.ADWIN, library.PageHinkley)
    return [any(updated(kind(), *columns) for columns in zip(reference.T, monitored.T, strict=True)) for kind in kinds]


def updated(detector: Any, reference: Floats, monitored: Floats) -> bool:
    """Return whether a detector alarms after the reference."""
    for value in reference:
        detector.update(float(value))
    for value in monitored:
        detector.update(float(value))
        if detector.drift_detected:
            return True
    return False

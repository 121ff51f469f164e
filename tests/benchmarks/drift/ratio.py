"""What a check of 50 features against a window of 200 rows costs, ours beside KSDrift, at equal verdicts.

Both are asked in turns about the same windows in one process; processor time, and only its ratio, so that neither the
machine nor its load decides.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rows import Row, share

from ares_otel.ml.pvalues import KsReference

__all__ = ["rows"]

SECTION: Final = "Cost beside KSDrift"
FEATURES: Final = 50
WINDOW: Final = 200
REFERENCES: Final = (500, 1000, 2000, 5000)
LEAST: Final = 4.0
LEVEL: Final = 0.05
SEED: Final = 310_000

Floats = NDArray[np.float64]


def windows(count: int) -> list[Floats]:
    """Return windows, some without and some with a shift of one feature or of all."""
    chance = np.random.default_rng(SEED)
    found = []
    for number in range(count):
        rows_ = chance.normal(size=(WINDOW, FEATURES))
        rows_[:, : (0, 1, FEATURES)[number % 3]] += (0.2, 0.3, 0.35)[number // 3 % 3]
        found.append(rows_)
    return found


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return processor time and what a call returned."""
    start = time.process_time()
    found = call()
    return time.process_time() - start, found


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield the ratio for references of several lengths, and how often both said the same."""
    kind = importlib.import_module("alibi_detect.cd").KSDrift
    asked = windows(30 if quick else 150)
    for size in REFERENCES:
        reference = np.random.default_rng(SEED + size).normal(size=(size, FEATURES))
        theirs, ours = kind(reference, p_val=LEVEL), KsReference(reference)
        ratios, same = [], 0
        for number, window in enumerate([asked[0], *asked]):
            own, (_, p_values) = timed(lambda: ours.test(window))  # noqa: B023  called here
            other, answer = timed(lambda: theirs.predict(window))  # noqa: B023  called here
            if number:  # the first warms both up
                ratios.append(other / own)
                same += bool((p_values < LEVEL / FEATURES).any()) == bool(answer["data"]["is_drift"])
        low, middle, high = np.quantile(ratios, [0.025, 0.5, 0.975])
        what = f"times what ours costs, reference of {size} rows"
        note = "interval: 95 % of the windows"
        yield Row(SECTION, what, float(middle), low, high, f"≥ {LEAST:g}", middle >= LEAST, len(ratios), note)
        yield share(
            SECTION, f"same verdict, reference of {size} rows", same, len(ratios), "all", met=same == len(ratios)
        )

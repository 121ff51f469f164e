"""What alibi-detect has for outcomes: Fisher's test on errors as they come, and on batches of what is known of them.

Its other detectors have nothing to see on the published streams: features are drawn alike before and after a drift,
and what a test of numbers or kernels can find in predictions, labels and errors is how often they are 1.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

__all__ = ["BATCH", "ERT", "WINDOWS", "as_they_come", "configured", "in_batches"]

REFERENCE: Final = 1_000
"""Outcomes that a detector is made of."""
ERT: Final = 10_000.0
"""Outcomes between false alarms that are asked for: as many as there are between drifts."""
BOOTSTRAPS: Final = 50_000
"""Five times that; its documentation would like ten, its default is 10,000."""
WINDOWS: Final = (50, 100)
BATCH: Final = 250


class _Tabled:
    """scipy's hypergeometric distribution, asked once for each number instead of millions of times."""

    @staticmethod
    def cdf(value: int, total: int, marked: NDArray[np.intp], drawn: int) -> NDArray[np.float64]:
        """Return what scipy does; `marked` is the only argument with many values."""
        low = int(np.min(marked))
        every = np.arange(low, int(np.max(marked)) + 1)
        table = import_module("scipy.stats").hypergeom.cdf(value, total, every, drawn)
        return np.asarray(table[np.asarray(marked) - low], np.float64)


def configured(wrong: NDArray[np.int8], ert: float = ERT, bootstraps: int = BOOTSTRAPS) -> Any:
    """Return a detector made of the first outcomes."""
    library: Any = import_module("alibi_detect.cd")
    reference = wrong[:REFERENCE, None].astype(np.int64)
    np.random.seed(0)  # noqa: NPY002  the one that it draws from
    with patch("alibi_detect.cd.fet_online.hypergeom", _Tabled):
        return library.FETDriftOnline(
            reference, ert=ert, window_sizes=list(WINDOWS), n_bootstraps=bootstraps, verbose=False
        )


def as_they_come(wrong: NDArray[np.int8], detector: Any, *, renewed: bool = False) -> list[int]:
    """Return when FETDriftOnline says drift; its state is reset each time.

    `predict` keeps and copies all that it ever saw, which 310,000 outcomes are too many for: this is what it does, with
    its own thresholds (`tests/e2e/drift/test_witnesses_real.py` holds both together).

    Args:
        wrong: errors as 1.
        detector: one that was made of the first of them.
        renewed: whether the outcomes after an alarm become the reference. Thresholds stay, for simulating them takes
            seconds each time, and they are of p-values, which depend little on how often errors occur.
    """
    n, smoothing = detector.n, detector.lam
    tables = _tables(n, int(detector.sum_ref[0]))
    thresholds, permitted = detector.thresholds[:, 0].tolist(), detector.permit_probs[:, 0].tolist()
    sums = np.concatenate(([0], np.cumsum(wrong, dtype=np.int64))).tolist()
    draw, alarms = np.random.RandomState(0), list[int]()
    seen, number, last = 0, n, dict[int, float]()
    while number + 1 < len(sums):
        number += 1
        seen += 1
        for window, table in tables.items():
            if seen >= window:
                now = table[sums[number] - sums[number - window]]
                smooth = (1 - smoothing) * last[window] + smoothing * now if window in last else now
                last[window] = float(np.float32(smooth))
        most, limit = max(last.values(), default=0.0), thresholds[min(seen, len(thresholds)) - 1]
        if most > limit or (most == limit and draw.uniform() > permitted[min(seen, len(permitted)) - 1]):
            alarms.append(number)
            seen, last = 0, {}
            if renewed and number + n < len(sums):
                number += n
                tables = _tables(n, sums[number] - sums[number - n])
    return alarms


def _tables(n: int, ones: int) -> dict[int, list[float]]:
    """Return the statistic by number of errors in each window, for a reference with so many."""
    hypergeom: Any = import_module("scipy.stats").hypergeom
    return {
        window: (1 - hypergeom.cdf(ones, n + window, ones + np.arange(window + 1), n)).tolist() for window in WINDOWS
    }


def in_batches(predicted: NDArray[np.int8], actual: NDArray[np.int8]) -> list[int]:
    """Return the ends of batches at which FETDrift, as shipped, says drift of predictions, labels or errors.

    It is made of the first outcomes, and after each time that it says so of those that come then.
    """
    library: Any = import_module("alibi_detect.cd")
    frame = np.stack((predicted, actual, predicted != actual), 1).astype(np.int64)

    at, alarms = REFERENCE, list[int]()
    detector = library.FETDrift(frame[:at], alternative="two-sided")
    while at + BATCH <= len(frame):
        at += BATCH
        if detector.predict(frame[at - BATCH : at])["data"]["is_drift"]:
            alarms.append(at)
            at += REFERENCE
            detector = library.FETDrift(frame[at - REFERENCE : at], alternative="two-sided")
    return alarms

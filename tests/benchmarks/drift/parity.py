"""Our p-values beside those of scipy and alibi-detect (ml.md 7.7): 500 random pairs of samples for each test.

Sizes from 2 to 400, near and far, a third with ties. alibi-detect keeps p-values in single precision, so ours are
compared with its by that.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rows import Row
from scipy import stats  # type: ignore[import-untyped]

from ares_otel.ml import pvalues

__all__ = ["rows"]

SECTION: Final = "P-values beside those of scipy and alibi-detect"
CASES: Final = 500
SEED: Final = 300_000
CLOSE: Final = 1e-9
SINGLE: Final = 2.0**-23
"""Spacing of single precision, relative."""

Floats = NDArray[np.float64]


class Pair(NamedTuple):
    """Two samples of numbers, of zeros and ones, and of categories."""

    x: Floats
    y: Floats
    ones: tuple[Floats, Floats]
    categories: tuple[Floats, Floats]

    def table(self, samples: tuple[Floats, Floats]) -> NDArray[np.intp]:
        """Return counts by category."""
        known = np.unique(np.concatenate(samples))
        return np.array([[int((sample == each).sum()) for each in known] for sample in samples])


def pair(number: int) -> Pair:
    """Return a pair of samples."""
    chance = np.random.default_rng(SEED + number)
    n, m = (int(size) for size in chance.integers(2, 25 if number % 5 == 0 else 400, 2))
    x, y = chance.normal(size=n), chance.normal(chance.choice([0.0, 0.1, 0.3, 1.0, 3.0]), 1.2, size=m)
    if number % 3 == 0:
        x, y = np.round(x, 1), np.round(y, 1)
    share = chance.uniform(0.1, 0.9, 2)
    ones = tuple((chance.random(max(size, 4)) < part).astype(float) for size, part in zip((n, m), share, strict=True))
    count = int(chance.integers(2, 9))
    first, second = (chance.integers(0, count, max(size, 4)).astype(float) for size in (n, m))
    first[:2], second[:2] = (0, 1), (0, 1)
    return Pair(x, y, (ones[0], ones[1]), (first, second))


def fisher(each: Pair) -> list[list[int]]:
    """Return the table of ones and zeros."""
    return [[int(sample.sum()), len(sample) - int(sample.sum())] for sample in (each.ones[1], each.ones[0])]


Compared = Callable[[Pair], tuple[float, float]]

SCIPY: Final[dict[str, Compared]] = {
    "KS, exact": lambda each: (
        pvalues.ks(each.x, each.y, exact=True).p_value,
        stats.ks_2samp(each.x, each.y, method="exact").pvalue,
    ),
    "KS, asymptotic": lambda each: (
        pvalues.ks(each.x, each.y, exact=False).p_value,
        stats.ks_2samp(each.x, each.y, method="asymp").pvalue,
    ),
    "Cramér-von Mises": lambda each: (
        pvalues.cramer_von_mises(each.x, each.y).p_value,
        stats.cramervonmises_2samp(each.x, each.y).pvalue,
    ),
    "chi-square": lambda each: (
        pvalues.chi_square(each.table(each.categories)).p_value,
        stats.chi2_contingency(each.table(each.categories)).pvalue,
    ),
    "Fisher": lambda each: (pvalues.fisher_exact(fisher(each)), stats.fisher_exact(fisher(each)).pvalue),
}


def asked(kind: Any, reference: Floats, window: Floats, **settings: Any) -> float:
    """Return the p-value of a detector of alibi-detect."""
    data = kind(reference[:, None], **settings).predict(window[:, None])["data"]
    return float(np.ravel(data["p_val"])[0])


def theirs() -> dict[str, Compared]:
    """Return what compares with alibi-detect."""
    library = importlib.import_module("alibi_detect.cd")
    return {
        "KSDrift": lambda each: (
            pvalues.ks(each.x, each.y, exact=False).p_value,
            asked(library.KSDrift, each.x, each.y),
        ),
        "CVMDrift": lambda each: (
            pvalues.cramer_von_mises(each.x, each.y).p_value,
            asked(library.CVMDrift, each.x, each.y),
        ),
        "ChiSquareDrift": lambda each: (
            pvalues.chi_square(each.table(each.categories)).p_value,
            asked(library.ChiSquareDrift, *each.categories),
        ),
        "FETDrift": lambda each: (
            pvalues.fisher_exact(fisher(each)),
            asked(library.FETDrift, *each.ones, alternative="two-sided"),
        ),
    }


def row(what: str, compared: Compared, count: int, spacing: float = 0.0) -> Row:
    """Return the largest difference over all pairs, beyond what a precision cannot tell apart."""
    found = np.array([compared(pair(number)) for number in range(count)])
    off = np.abs(found[:, 0] - found[:, 1])
    worst = float(np.maximum(0.0, off - spacing * np.abs(found[:, 1])).max())
    return Row(SECTION, what, worst, None, None, f"≤ {CLOSE:g}", worst <= CLOSE, count)


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield the largest difference of each test."""
    count = CASES // 5 if quick else CASES
    for what, compared in SCIPY.items():
        yield row(f"{what}: largest difference from scipy", compared, count)
    for what, compared in theirs().items():
        yield row(f"largest difference from {what}, beyond its single precision", compared, count, SINGLE)

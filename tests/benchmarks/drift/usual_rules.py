"""How often the usual rules alarm on streams that did not change, beside ours (ml.md 4.1): documented defaults.

Every rule looks at 240 bars, every 240 bars, which is generous: those who look daily alarm more often. The rules of
vendors are our re-implementations of what their documentation gives as default, on ten quantile bins; alibi-detect and
River are the real ones. Judging seeds, from 100,000 on. A stream counts as alarmed if any of its 16 checks alarmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import batch
import markets
import numpy as np
from numpy.typing import NDArray
from rows import Row, share
from shipped import ALIBI, CHECKS, RIVER, WINDOW, Case, alibi, river, windows
from working import each

from ares_otel.ml.opinion.thinning import steps, thinned
from ares_otel.ml.pvalues import KsReference

__all__ = ["rows"]

SECTION: Final = "False alarms of usual rules in 4,000 bars"
NULLS: Final = ("iid", "garch", "eurusd")
BARS: Final = (1000, 3000)
LEVEL: Final = 0.05
SEED: Final = 100_000
STREAMS: Final = 200
SLOW: Final = 40
"""Streams for what takes seconds each."""
BINS: Final = 10
OURS: Final = "ares_otel, 5 % in 4,000 bars"

Floats = NDArray[np.float64]
Rule = Callable[["Check"], bool]


class Check(NamedTuple):
    """What the rules look at: p-values and distances of Kolmogorov and Smirnov, shares by bin, Wasserstein distances.

    Attributes:
        bars: length of the reference.
        p_values: of each column.
        distances: of each column.
        usual: shares of the reference by column and bin.
        seen: those of the window.
        moved: Wasserstein distance of each column in standard deviations of the reference.
        chunks: Jensen-Shannon distances of pieces of the reference from all of it.
    """

    bars: int
    p_values: Floats
    distances: Floats
    usual: Floats
    seen: Floats
    moved: Floats
    chunks: Floats


def jensen_shannon(usual: Floats, seen: Floats) -> Floats:
    """Return the divergence in bits of each column."""
    middle = (usual + seen) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(each > 0, each * np.log2(each / middle), 0.0) for each in (usual, seen)]
    found: Floats = np.maximum(0.0, (parts[0] + parts[1]).sum(axis=1) / 2)
    return found


def stability(usual: Floats, seen: Floats) -> Floats:
    """Return the population stability index of each column."""
    a, b = np.maximum(usual, 1e-4), np.maximum(seen, 1e-4)
    found: Floats = ((b - a) * np.log(b / a)).sum(axis=1)
    return found


def discoveries(p_values: Floats) -> bool:
    """Return whether Benjamini and Hochberg find any."""
    ordered = np.sort(p_values)
    return bool((ordered <= LEVEL * np.arange(1, len(ordered) + 1) / len(ordered)).any())


def evidently(check: Check) -> bool:
    """Return whether half of the columns moved: by KS up to 1,000 rows of reference, by Wasserstein above."""
    moved = check.p_values < LEVEL if check.bars <= 1000 else check.moved > 0.1
    return bool(moved.mean() >= 0.5)


def nannyml(check: Check) -> bool:
    """Return whether a column is more than three standard deviations of the reference's pieces off their mean."""
    found = np.sqrt(jensen_shannon(check.usual, check.seen))
    return bool((found > check.chunks.mean(axis=0) + 3 * check.chunks.std(axis=0)).any())


RULES: Final[dict[str, Rule]] = {
    "KS, Bonferroni": lambda check: bool((check.p_values < LEVEL / len(check.p_values)).any()),
    "KS, Benjamini-Hochberg": lambda check: discoveries(check.p_values),
    "Evidently, default": evidently,
    "PSI over 0.25": lambda check: bool((stability(check.usual, check.seen) > 0.25).any()),
    "Vertex, JS over 0.3": lambda check: bool((jensen_shannon(check.usual, check.seen) > 0.3).any()),
    "SageMaker, KS distance over 0.1": lambda check: bool((check.distances > 0.1).any()),
    "NannyML, JS and 3 deviations": nannyml,
    "WhyLabs, Hellinger over 0.7": lambda check: bool(
        (np.sqrt(np.maximum(0.0, 1 - np.sqrt(check.usual * check.seen).sum(axis=1))) > 0.7).any()
    ),
}


def binned(rows_: Floats, edges: Floats) -> Floats:
    """Return shares by column and bin."""
    places = np.array([np.searchsorted(edge, column) for edge, column in zip(edges, rows_.T, strict=True)])
    return np.array([np.bincount(place, minlength=BINS) for place in places]) / len(rows_)


def checks(reference: Floats, monitored: Floats) -> Iterator[Check]:
    """Yield what the rules see of each window."""
    edges = np.quantile(reference, np.arange(1, BINS) / BINS, axis=0).T
    usual, compared = binned(reference, edges), KsReference(reference)
    pieces = [reference[at : at + WINDOW] for at in range(0, len(reference) - WINDOW + 1, WINDOW)]
    chunks = np.array([np.sqrt(jensen_shannon(usual, binned(piece, edges))) for piece in pieces])
    levels = (np.arange(200) + 0.5) / 200
    quantiles, spread = np.quantile(reference, levels, axis=0), reference.std(axis=0) + 1e-12
    for window in windows(monitored):
        distances, p_values = compared.test(window)
        moved = np.abs(np.quantile(window, levels, axis=0) - quantiles).mean(axis=0) / spread
        yield Check(len(reference), p_values, distances, usual, binned(window, edges), moved, chunks)


def thinned_alarms(reference: Floats, monitored: Floats) -> int:
    """Return how often KS alarms as the adapter asks it: thinned, and its level divided over columns and checks."""
    step = steps(reference)
    tested = np.flatnonzero(WINDOW / step >= 12)
    if not tested.size:
        return 0
    step, count = step[tested], len(monitored) // WINDOW
    compared = KsReference(thinned(reference[:, tested], 0, step))
    alarms = 0
    for number, window in enumerate(windows(monitored)):
        used = thinned(window[:, tested], len(reference) + number * WINDOW, step)
        alarms += bool((compared.test(used)[1] < LEVEL / count / tested.size).any())
    return alarms


def quick_rules(case: Case) -> list[int]:
    """Return how often each of the quick rules alarms, then thinned KS, then whether ours does."""
    reference, monitored = case.parts()
    seen = list(checks(reference, monitored))
    found = [sum(rule(check) for check in seen) for rule in RULES.values()]
    learned, (plan,) = batch.learned(reference, (LEVEL,), markets.HORIZON)
    own = len(plan.score) and (batch.squares(learned, plan, monitored).max(0) > plan.threshold).any()
    return [*found, thinned_alarms(reference, monitored), int(own)]


GROUPS: Final[tuple[tuple[Callable[[Case], list[int]], tuple[str, ...], int], ...]] = (
    (quick_rules, (*RULES, "KS thinned, as the adapter asks", OURS), STREAMS),
    (alibi, ALIBI, SLOW),
    (river, RIVER, SLOW),
)


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield how often each rule alarms on each null."""
    for null in NULLS:
        for bars in BARS:
            for function, names, streams in GROUPS:
                cases = [Case(null, SEED + number, bars) for number in range(streams // 10 if quick else streams)]
                alarms = np.array(list(each(function, cases)), dtype=np.intp)
                for name, found in zip(names, alarms.T, strict=True):
                    checked = name not in (OURS, *RIVER)  # these look at every bar
                    often = f"{found.mean() * 1000 / CHECKS:.0f} of 1,000 checks" if checked else "every bar"
                    what = f"{null}, N={bars}: {name}"
                    yield share(SECTION, what, int((found > 0).sum()), len(cases), note=often)

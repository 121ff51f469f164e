"""A scan for sudden changes: the last w values against those before them, for several w, at a known false-alarm rate.

Each window is compared with the span just before it, eight times as long at most, so a model that keeps learning or
a market that slides is its own reference; what creeps is the business of the CUSUM against the reference of training.
For shares (errors of a classifier) the statistic is the signed root of the likelihood ratio of two binomials, which
keeps its tails where shares are small; for ranks it is the standardized difference of means.

How far either strays where nothing has changed is what `contrasts` believes of the values of the present regime but the
last quarter: the chance of a crossing within the horizon (`thresholds`) is averaged over all spectra that these values
leave possible, so slow regimes that cannot be excluded yet are waited for. Autocorrelation falls by C a value, as that
of independent values does; dependent ones are smoother.

Losses come in bursts, which makes a mean of ranks skewed; its threshold is the value that is as rare (Wilson and
Hilferty 1931), for a skewness that grows with tau. A window whose ranks vary more than usual counts by its variance.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ares_otel.ml.contrasts import BEFORE, WINDOWS, Noise, noise_of
from ares_otel.ml.scores import Floats
from ares_otel.ml.thresholds import solved

__all__ = ["Channel", "ChannelState", "Crossing", "Side", "limits"]

LEAST: Final = 3
"""A window is compared with a span before it that is so many times as long at least."""

LONGEST: Final = BEFORE * WINDOWS[-1]
CAPACITY: Final = LONGEST + WINDOWS[-1] + 1
CHECKS: Final = 16
"""A window is checked so many times while it renews itself."""

LONGER: Final = 0.5
"""Power of its length by which a window gets more of the budget: small changes are seen by long ones alone."""

LEARNED: Final = 500
"""Values of a regime from which its noise is learned; before, that of the regime before holds."""
EACH: Final = 250
"""It is learned from a multiple of so many values, for what models say of a number of values is kept."""
OLD: Final = 0.75
"""And from the first so many of them: the change that is looked for must not pass for the noise."""

INDEPENDENT: Final = {False: 8.0, True: 20.0}
"""A window must hold so many independent values to be tested at all, of shares and of ranks: losses come in bursts."""

DATED: Final = 4
"""A change is looked for so many windows back."""

NINE_OF_TEN: Final = 1.2816
"""Quantile of the standard normal distribution."""

TINY: Final = 1e-6
SKEW: Final = 0.1
SKEWED: Final = 1.0
"""Skewness of a window's mean of ranks for each value that one independent value takes, and at most."""

RANKS: Final = 1.0 / 12.0
"""Variance of uniform ranks, and what it is taken for until enough are seen."""


class Side(NamedTuple):
    """A direction that is watched: its sign, and the chance of a false alarm within the horizon that it may use."""

    sign: int
    chance: float


class Crossing(NamedTuple):
    """A window that crossed.

    Attributes:
        window: its length.
        evidence: statistic divided by threshold.
        since: number of the first value after the change, as it is best dated.
        before: mean of the values before.
        after: mean of the values since.
        n_eff: independent values before it.
    """

    window: int
    evidence: float
    since: int
    before: float
    after: float
    n_eff: float


def limits(noise: Noise, sides: Sequence[Side], horizon: float) -> Floats:
    """Return what each window crosses with its part of each side's chance within the horizon: windows x sides.

    It is in standard deviations of independent values.
    """
    window = np.repeat(np.array(WINDOWS, np.float64), len(sides))
    step = np.maximum(1.0, window // CHECKS)
    share = 1.0 / BEFORE
    decay = (1.0 + (1.0 + share) ** 2 + share**2) / (2.0 * (1.0 + share) * window)
    part = window**LONGER / float((np.array(WINDOWS) ** LONGER).sum())
    chance = part * np.tile([side.chance for side in sides], len(WINDOWS))
    found = solved(
        np.sqrt(np.repeat(noise.inflation, len(sides), 0)),
        np.broadcast_to(noise.weight, (len(window), len(noise.weight))),
        np.broadcast_to((decay * step)[:, None], (len(window), len(noise.weight))),
        (horizon / step)[:, None],
        2.0 * chance,  # of a crossing in either direction
        np.full(len(window), noise.freedom),
    )
    return found.reshape(len(WINDOWS), len(sides))


def _entropy(x: float, p: float) -> float:
    """Return the information of a share x against p, in nats."""
    found = 0.0
    if x > 0.0:
        found += x * math.log(x / p)
    if x < 1.0:
        found += (1.0 - x) * math.log((1.0 - x) / (1.0 - p))
    return found


def _binomial(x: float, window: int, y: float, before: int) -> float:
    """Return the root of twice the log likelihood ratio of two shares against one."""
    p = (x * window + y * before) / (window + before)
    if not 0.0 < p < 1.0:
        return 0.0
    return math.sqrt(max(0.0, 2.0 * (window * _entropy(x, p) + before * _entropy(y, p))))


def _skewed(h: Floats, tau: Floats) -> Floats:
    """Return the standardized mean of ranks that is as rare as a normal value."""
    skew = np.where(tau > 1.0, np.minimum(SKEW * tau, SKEWED), TINY)
    return np.asarray(2.0 / skew * ((1.0 + (h - skew / 6.0) * skew / 6.0) ** 3 - 1.0), np.float64)


class ChannelState(msgspec.Struct):
    """What a channel remembers: place, start of the present regime, what it learned last, and a ring of running sums.

    States of earlier versions have no thresholds; they are as tau says until it learns again.
    """

    seen: int
    start: int
    tau: float
    variance: float
    sums: list[float]
    limits: list[list[float]] = []


class Channel:
    """One stream of values, shares in {0, 1} or ranks in 0 to 1, scanned in one or two directions."""

    def __init__(self, sides: tuple[Side, ...], horizon: int, *, ranks: bool, tau: float = 1.0) -> None:
        self.ranks, self.independent = ranks, INDEPENDENT[ranks]
        self._sides, self._horizon = sides, horizon
        self._least = Noise.known(tau)
        self.variance = RANKS
        self.seen = self.start = 0
        self._sums = array("d", bytes(8 * CAPACITY))
        self._believe(self._least)

    def _believe(self, noise: Noise) -> None:
        """Take the thresholds under what is believed."""
        self.tau = noise.expected
        found = limits(noise, self._sides, self._horizon)
        if self.ranks:
            spread = np.sqrt(noise.inflation @ noise.weight)[:, None]
            found = spread * _skewed(found / spread, spread**2)
        self._test(found.tolist())

    def _test(self, limited: list[list[float]]) -> None:
        signs = [side.sign for side in self._sides]
        self._tests = [
            (window, max(1, window // CHECKS), list(zip(signs, each, strict=True)))
            for window, each in zip(WINDOWS, limited, strict=True)
        ]

    def add(self, value: float) -> None:
        """Take the next value without looking."""
        seen = self.seen
        self._sums[(seen + 1) % CAPACITY] = self._sums[seen % CAPACITY] + value
        self.seen = seen + 1

    def restart(self, start: int) -> None:
        """Compare only with values after this number from now on."""
        self.start = max(self.start, start)

    def look(self) -> tuple[int, int, float] | None:
        """Return window, sign and evidence of the shortest window that has crossed."""
        for window, step, sides in self._tests:
            if self.seen - self.start < (1 + LEAST) * window:
                return None
            if self.seen % step or window < self.independent * self.tau:
                continue
            x, y, before = self._means(window, self.seen)
            for sign, limit in sides:
                evidence = self._evidence(x, window, y, before, sign) / limit
                if evidence >= 1.0 and self.ranks:
                    evidence = self._within(window, evidence, self.seen)
                if evidence >= 1.0:
                    return window, sign, evidence
        return None

    def strongest(self) -> Crossing | None:
        """Return how the window with most evidence stood when it was looked at last; None if none can be tested."""
        found = None
        for window, step, sides in self._tests:
            last = self.seen - self.seen % step
            if last - self.start < (1 + LEAST) * window or window < self.independent * self.tau:
                continue
            x, y, before = self._means(window, last)
            evidence = max(self._evidence(x, window, y, before, sign) / limit for sign, limit in sides)
            if evidence >= 1.0 and self.ranks:
                evidence = self._within(window, evidence, last)
            if found is None or evidence > found.evidence:
                found = Crossing(window, evidence, last - window + 1, y, x, before / self.tau)
        return found

    def _means(self, window: int, seen: int) -> tuple[float, float, int]:
        """Return the mean of the last of so many values, that of those before them, and how many these are."""
        sums = self._sums
        kept = CAPACITY - 1 - (self.seen - seen)
        before = min(BEFORE * window, LONGEST, seen - self.start - window, kept - window)
        middle = sums[(seen - window) % CAPACITY]
        x = (sums[seen % CAPACITY] - middle) / window
        return x, (middle - sums[(seen - window - before) % CAPACITY]) / before, before

    def _evidence(self, x: float, window: int, y: float, before: int, sign: int) -> float:
        if (x - y) * sign <= 0.0:
            return 0.0
        if self.ranks:
            return abs(x - y) / math.sqrt(self.variance * (1.0 / window + 1.0 / before))
        x -= sign * 0.5 / window  # half a count, for shares move in steps
        if (x - y) * sign <= 0.0:
            return 0.0
        return _binomial(x, window, y, before)

    def _within(self, window: int, evidence: float, seen: int) -> float:
        """Return what evidence is worth in a window that varies more than usual: bursts spread ranks to both ends."""
        own = float(self.values(window + self.seen - seen)[:window].var())
        return evidence * math.sqrt(self.variance / max(self.variance, own))

    def values(self, count: int) -> NDArray[np.float64]:
        """Return the last values, at most as many as are kept."""
        count = min(count, self.seen, CAPACITY - 1)
        places = np.arange(self.seen - count, self.seen + 1) % CAPACITY
        return np.diff(np.frombuffer(self._sums)[places])

    def learn(self) -> None:
        """Learn anew from the values of the present regime what chance does."""
        held = self.values(min(self.seen - self.start, CAPACITY - 1))
        if len(held) < LEARNED:
            return
        held = held[: max(LEARNED, int(OLD * len(held)))]
        kept = held[len(held) % EACH :]
        self.variance = max(float(held.var()), RANKS / LEARNED)
        self._believe(noise_of(kept).at_least(self._least) if kept.min() < kept.max() else self._least)

    def state(self) -> ChannelState:
        """Return all that it remembers."""
        limited = [[limit for _, limit in sides] for _, _, sides in self._tests]
        return ChannelState(self.seen, self.start, self.tau, self.variance, self._sums.tolist(), limited)

    def restore(self, state: ChannelState) -> None:
        """Go on from what another one remembered."""
        self.seen, self.start, self.tau, self.variance = state.seen, state.start, state.tau, state.variance
        self._sums = array("d", state.sums)
        if state.limits:
            self._test(state.limits)
        else:
            self._believe(Noise.known(state.tau))

    def date(self, window: int, sign: int, evidence: float) -> Crossing:
        """Return a crossing with the change point that splits best, within four times the window."""
        held = min(self.seen - self.start, (BEFORE + 1) * window, CAPACITY - 1)
        values = self.values(held)
        sums = np.cumsum(values)
        after = np.arange(2, min(DATED * window, held - 1) + 1)
        before = held - after
        first = sums[before - 1] / before
        last = (sums[-1] - sums[before - 1]) / after
        gain = np.square(last - first) * after * before * ((last - first) * sign > 0.0)
        best = int(gain.argmax())
        length = int(after[best])
        n_eff = (held - length) / self.tau
        return Crossing(window, evidence, self.seen - length + 1, float(first[best]), float(last[best]), n_eff)

    def reach(self) -> tuple[float, float] | None:
        """Return the smallest shift, in standard deviations, found nine times of ten, and the delay for one of one.

        None if no window holds enough independent values.
        """
        tests = [(window, min(limit for _, limit in sides)) for window, _, sides in self._tests]
        usable = [(window, limit) for window, limit in tests if window >= self.independent * self.tau]
        if not usable:
            return None
        spread = 1.0 + 1.0 / BEFORE
        window, limit = usable[-1]
        smallest = (limit + NINE_OF_TEN * math.sqrt(self.tau)) * math.sqrt(spread / window)
        return smallest, min(max(limit * limit * spread, each) for each, limit in usable)

"""A scan for sudden changes: the last w values against those before them, for several w, at a known false-alarm rate.

Each window is compared with the span just before it, eight times as long at most, so a model that keeps learning or
a market that slides is its own reference; what creeps is the business of the CUSUM against the reference of training.
For shares (errors of a classifier) the statistic is the signed root of the likelihood ratio of two binomials, which
keeps its tails where shares are small; for ranks it is the standardized difference of means. Dependence divides it by
the root of tau, the values that one independent value takes.

Losses come in bursts, which makes a mean of ranks skewed; its statistic is the normal value that is as rare (Wilson and
Hilferty 1931), for a skewness that grows with tau. A window whose ranks vary more than usual counts by its variance.

The chance that a window crosses h within H values is that of a stationary Gaussian process whose autocorrelation falls
by C a step: H C h phi(h) nu(h sqrt(2 C s)) with nu(x) = exp(-0.583 x) for checks every s values (Siegmund 1985).
"""

from __future__ import annotations

import math
from array import array
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Channel", "ChannelState", "Crossing", "Side", "inflation", "threshold"]

WINDOWS: Final = (25, 50, 100, 200, 400)
BEFORE: Final = 8
LEAST: Final = 2
"""Of the span before a window: at most and at least so many windows long."""

LONGEST: Final = BEFORE * WINDOWS[-1]
CAPACITY: Final = LONGEST + WINDOWS[-1] + 1
CHECKS: Final = 16
"""A window is checked so many times while it renews itself."""

LEARNED: Final = 500
"""Values of a regime from which tau is estimated; before, that of the regime before holds."""

INDEPENDENT: Final = {False: 8.0, True: 20.0}
"""A window must hold so many independent values to be tested at all, of shares and of ranks: losses come in bursts."""

DATED: Final = 4
"""A change is looked for so many windows back."""

NINE_OF_TEN: Final = 1.2816
"""Quantile of the standard normal distribution."""

LAGS: Final = 400
MEMORIES: Final = tuple(decay ** np.arange(1.0, LAGS + 1.0) for decay in (0.5, 0.8, 0.9, 0.95, 0.98))
SIGNIFICANT: Final = 2.0
TREND: Final = 2000
"""Values from which on a trend can be told from a memory."""

SKEW: Final = 0.1
SKEWED: Final = 1.0
"""Skewness of a window's mean of ranks for each value that one independent value takes, and at most."""

TINY: Final = 1e-12

SIEGMUND: Final = 0.583
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


def _crossing(h: float, window: int, horizon: float) -> float:
    """Return the chance that a window crosses h within the horizon, in one direction."""
    share = 1.0 / BEFORE
    slope = (1.0 + (1.0 + share) ** 2 + share**2) / (2.0 * (1.0 + share) * window)
    step = max(1, window // CHECKS)
    nu = math.exp(-SIEGMUND * h * math.sqrt(2.0 * slope * step))
    density = math.exp(-h * h / 2.0) / math.sqrt(2.0 * math.pi)
    return horizon * slope * h * density * nu + math.erfc(h / math.sqrt(2.0)) / 2.0


def threshold(chance: float, window: int, horizon: float) -> float:
    """Return the threshold that a window crosses with a chance within the horizon, by bisection."""
    low, high = 1.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _crossing(middle, window, horizon) > chance else (low, middle)
    return high


def _level(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return values without their mean and, if there are many, without slope and curve."""
    if not len(values):
        return values
    centered: NDArray[np.float64] = values - values.mean()
    if len(values) < TREND:
        return centered
    place = np.linspace(-1.0, 1.0, len(values))
    for shape in (place, np.square(place) - np.square(place).mean()):
        centered = centered - shape * (float(shape @ centered) / float(shape @ shape))
    return centered


def inflation(values: NDArray[np.float64]) -> float:
    """Return how many values one independent value takes, from above.

    Autocorrelations are fitted by A d**k, for that of several memories d which explains most, and what is left once
    more: a weak but long memory, as of an error rate that wanders below the noise of errors, is seen by the sum of many
    lags and not at the first. Only what is significant counts, and then with its standard error: noise must not cost
    power. From many values a parabola is taken off before, for a model that learns makes a trend and no memory.
    """
    n = len(values)
    lags = min(LAGS, n // 4)
    centered = _level(values)
    transformed = np.fft.rfft(centered, 1 << (2 * n - 1).bit_length() if n else 1)
    products = np.fft.irfft(transformed * transformed.conj())[: lags + 1]
    if not lags or products[0] <= TINY * n:
        return 1.0
    rest = products[1:] / products[0]
    tau = 1.0
    for _ in range(2):
        fits = [(memory[:lags], float(memory[:lags] @ memory[:lags])) for memory in MEMORIES]
        weights, power = max(fits, key=lambda fit: float(fit[0] @ rest) / math.sqrt(fit[1]))
        size, error = float(weights @ rest) / power, 1.0 / math.sqrt(n * power)
        if size < SIGNIFICANT * error:
            break
        tau += 2.0 * (size + error) * float(weights.sum())
        rest = rest - size * weights
    return tau * (1.0 + 2.0 * math.sqrt(tau / n)) if tau > 1.0 else 1.0


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


def _gaussian(z: float, tau: float) -> float:
    """Return the normal value that is as rare as a standardized mean of ranks."""
    if tau <= 1.0:
        return z
    skew = min(SKEW * tau, SKEWED)
    return 6.0 / skew * (math.cbrt(1.0 + skew * z / 2.0) - 1.0) + skew / 6.0


def _skewed(h: float, tau: float) -> float:
    """Return the standardized mean of ranks that is as rare as a normal value."""
    if tau <= 1.0:
        return h
    skew = min(SKEW * tau, SKEWED)
    return 2.0 / skew * ((1.0 + (h - skew / 6.0) * skew / 6.0) ** 3 - 1.0)


class ChannelState(msgspec.Struct):
    """What a channel remembers: place, start of the present regime, tau, and a ring of running sums."""

    seen: int
    start: int
    tau: float
    variance: float
    sums: list[float]


class Channel:
    """One stream of values, shares in {0, 1} or ranks in 0 to 1, scanned in one or two directions."""

    def __init__(self, sides: tuple[Side, ...], horizon: int, *, ranks: bool, tau: float = 1.0) -> None:
        self.ranks, self.independent = ranks, INDEPENDENT[ranks]
        self.least = self.tau = tau
        self.variance = RANKS
        self.seen = self.start = 0
        self._sums = array("d", bytes(8 * CAPACITY))
        self._tests = [
            (
                window,
                max(1, window // CHECKS),
                [(side.sign, threshold(side.chance / len(WINDOWS), window, horizon)) for side in sides],
            )
            for window in WINDOWS
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
            return _gaussian(abs(x - y) / math.sqrt(self.variance * self.tau * (1.0 / window + 1.0 / before)), self.tau)
        x -= sign * 0.5 / window  # half a count, for shares move in steps
        if (x - y) * sign <= 0.0:
            return 0.0
        return _binomial(x, window, y, before) / math.sqrt(self.tau)

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
        """Estimate tau anew from the values of the present regime."""
        kept = self.values(min(self.seen - self.start, LONGEST))
        if len(kept) >= LEARNED:
            self.tau = max(self.least, inflation(kept))
            self.variance = max(float(kept.var()), RANKS / LEARNED)

    def state(self) -> ChannelState:
        """Return all that it remembers."""
        return ChannelState(self.seen, self.start, self.tau, self.variance, self._sums.tolist())

    def restore(self, state: ChannelState) -> None:
        """Go on from what another one remembered."""
        self.seen, self.start, self.tau, self.variance = state.seen, state.start, state.tau, state.variance
        self._sums = array("d", state.sums)

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
        usable = [
            (window, _skewed(limit, self.tau) if self.ranks else limit)
            for window, limit in tests
            if window >= self.independent * self.tau
        ]
        if not usable:
            return None
        spread = 1.0 + 1.0 / BEFORE
        window, limit = usable[-1]
        smallest = (limit + NINE_OF_TEN) * math.sqrt(self.tau * spread / window)
        return smallest, min(max(limit * limit * self.tau * spread, each) for each, limit in usable)

"""Which tests a monitor makes, what each may spend of the budget of false alarms, and its threshold.

The budget is the chance of any false alarm within the horizon. Half of it goes to means and pairs, half to what follows
volatility; within a half it goes by independent values, to each test in proportion to 1/tau; long windows of means get
more of it, for small changes of these are seen by them alone. Tests of one stream alarm together, so that a plain
division would leave most of the budget unspent: `OVERLAP` says by how much. These factors and `HAZARD` (`spectra`) were
chosen on streams that nothing is judged by (docs/drift.md); no bound is proved.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ares_otel.ml.products import product
from ares_otel.ml.reference import FAST, QUICK, Reference
from ares_otel.ml.scores import Bins, Flags, Floats
from ares_otel.ml.spectra import EVIDENT, FAMILY, TIMES, Posterior, Terms, posterior_of, shared, terms_of
from ares_otel.ml.thresholds import solved

__all__ = ["Belief", "Noise", "Plan", "believed", "planned"]

PAIRED: Final = 0.2
"""Part of the rate of slow regimes that holds for dependences."""
DOUBT: Final = (0.01, 0.5)
"""Prior probability that the mean of a feature wanders slowly: of one without memory, and of one with it."""
MEMORY: Final = 0.06
"""Autocorrelation of a location from one bar to the next, or two standard errors of it, from which on it has memory."""
STEADY: Final = 0.03
"""Variance of the mean of a window, in terms of a bar's, up to which the spread around it is tested."""
OVERLAP: Final = (3.3, 4.5)
"""How often tests of means and pairs, and of volatility, alarm together."""
WARY: Final = 1.5
"""The same for all of them where regimes of volatility are evident."""
LONGER: Final = 0.6
"""Power of its window by which a test of a mean or a pair gets more of the budget."""
SELDOM: Final = 2.0
"""Weight of scales of columns that are never negative: regimes move them least."""
RATIO: Final = 8.0
"""Independent values that a window holds at least."""
ENOUGH: Final = 24.0
"""Independent values that a reference holds at least."""
GUARD: Final = 1.3
"""Threshold at least, in terms of the largest statistic within the reference."""
SHORTEST: Final = 128
"""Least window of tests of scale."""
RARE: Final = 5.0
"""How often a share's rarer side is expected within a window at least."""
PROMPT: Final = 0.5
"""The same, up to which it may tell that a reference has too few of them."""
UNSURE: Final = 0.02
"""Variance of the mean level of regimes in a reference, in terms of a single bar's, up to which volatility is tested.

It is the variance of the regimes divided by how often they came and went: few strong ones say little of the next.
"""
WANDERING: Final = 0.97
"""Autocorrelation from one bar to the next from which on a score may be a random walk, which no spectrum here is."""
MOVING: Final = 0.25
"""Variance of standardized scores that a reference shows at least, else a column hardly ever moved."""
NEGLIGIBLE: Final = 1e-7
BRIEF: Final = 2.5
"""Autocorrelation time of volatility, in bars, up to which all its low frequencies tell of its variance."""
FEWEST: Final = 8.0
"""Degrees of freedom of an estimate of variance at least."""
SLOW: Final = 16
"""Time constant, in bars, from which on a wandering level is a regime."""


class Noise(NamedTuple):
    """What averages do when nothing changed, under each model that counts.

    Attributes:
        sigma: standard deviation: scores x windows x models.
        rate: decay of the log autocorrelation per bar at small lags: scores x windows x models.
        weight: scores x models.
    """

    sigma: Floats
    rate: Floats
    weight: Floats

    @property
    def variance(self) -> Floats:
        """Expected variance of each average: scores x windows."""
        return np.asarray((self.sigma**2 * self.weight[:, None]).sum(-1), np.float64)


class Belief(NamedTuple):
    """What is believed of the scores.

    Attributes:
        posterior: over their spectra.
        tau: integrated autocorrelation time that decides, in bars.
        volatile: which scores follow volatility.
        cycles: how often regimes of volatility passed within the reference if that was too rarely, else infinite.
        wary: whether there are any, which alarm less often together.
        noise: what averages do when nothing changed.
        steady: columns x windows: whether means stay where they are enough for a spread around them to be tested.
        possible: scores x windows: which tests can be made.
    """

    posterior: Posterior
    tau: Floats
    volatile: Flags
    cycles: float
    wary: bool
    noise: Noise
    steady: Flags
    possible: Flags


class Plan(NamedTuple):
    """The tests.

    Attributes:
        score: of each test.
        window: of each test, its place among the windows.
        threshold: of each test, squared.
        spent: what each test may spend of the budget, as a share of it; sums to 1.
        sigma: standard deviation of each test's average when nothing changed.
    """

    score: Bins
    window: Bins
    threshold: Floats
    spent: Floats
    sigma: Floats


def believed(reference: Reference, hazard: float) -> Belief:
    """Judge the scores of a reference."""
    terms = terms_of(reference.made.bars, reference.windows)
    columns, scored = reference.columns, reference.scored
    volatile = np.concatenate((scored.positive, np.ones(columns, np.bool_), np.zeros(len(scored.pairs), np.bool_)))
    expected = max(hazard, NEGLIGIBLE) * reference.made.bars
    remembers = scored.lag > max(MEMORY, 2 / np.sqrt(reference.made.bars))
    slow = np.where(volatile, min(0.5, expected), np.where(remembers, DOUBT[1], DOUBT[0]))
    slow[2 * columns :] = min(0.5, PAIRED * expected)
    posterior = posterior_of(reference.waves, terms, slow)
    posterior = _with_regimes_shared(reference, posterior, slow, volatile)
    tau = np.maximum(posterior.tau, _wandering(scored.lag))
    cycles, wary = _cycles(reference, posterior, volatile)
    noise = _noise(reference, posterior, terms)
    steady = (noise.variance[:columns] < STEADY) | scored.positive[:, None]
    possible = _possible(reference, tau) & ~(volatile & np.isfinite(cycles))[:, None]
    possible[columns : 2 * columns] &= steady
    return Belief(posterior, tau, volatile, cycles, wary, noise, steady, possible)


def _wandering(lag: Floats) -> Floats:
    """Return the autocorrelation time of an AR(1) that is as slow as a score from one bar to the next; 0 for others."""
    return np.where(lag > WANDERING, (1 + lag) / np.maximum(1 - lag, 1e-9), 0)


def _cycles(reference: Reference, posterior: Posterior, volatile: Flags) -> tuple[float, bool]:
    """Return how often the regimes of volatility passed within a reference, infinite if often enough; whether any are.

    Regimes are those of a market: what one feature shows of them holds for the others.
    """
    decay = np.exp(-1 / TIMES)
    variance = product(posterior.weight * posterior.level, FAMILY) * (1 - decay) / (1 + decay)
    slow = np.where(TIMES >= SLOW, variance, 0).sum(1)
    time = (variance * TIMES).sum(1) / np.maximum(variance.sum(1), 1e-9)
    passed = reference.made.bars / (2 * np.maximum(time, 1))
    evident = volatile & (reference.scored.lag < PROMPT) & (posterior.factor > EVIDENT)
    few = evident & (slow > UNSURE * passed)
    return float(passed[few].min(initial=np.inf)), bool(evident.any())


def _with_regimes_shared(reference: Reference, posterior: Posterior, slow: Floats, volatile: Flags) -> Posterior:
    """Let scores that follow volatility share what they know of its regimes, by their correlation."""
    primary = volatile & (reference.scored.lag < QUICK)
    related = reference.related.copy()
    positive = np.flatnonzero(reference.scored.positive)
    related[reference.columns + positive, positive] = 1
    told = (related * np.maximum(posterior.factor, 0) * primary).max(1)
    factor = np.where(primary, np.maximum(posterior.factor, told), posterior.factor)
    return shared(posterior, slow, factor)


def _possible(reference: Reference, tau: Floats) -> Flags:
    """Return which tests can be made: scores x windows."""
    columns, scored = reference.columns, reference.scored
    windows = np.array(reference.windows, np.float64)
    least = tau.copy()
    positive = np.flatnonzero(scored.positive)
    least[columns + positive] = np.maximum(tau[positive], tau[columns + positive])
    moves = np.isfinite(scored.spread) & (reference.related.diagonal() > MOVING)
    moves &= np.concatenate((scored.present, scored.present, np.ones(len(scored.pairs)))) >= reference.enough_present
    possible = (windows >= RATIO * tau[:, None]) & (reference.least >= ENOUGH * least[:, None]) & moves[:, None]
    scale = slice(columns, 2 * columns)
    possible[scale] &= (scored.lag[scale] < FAST)[:, None] & (windows >= SHORTEST)
    binary = np.flatnonzero(reference.made.binary)
    possible[binary] &= windows * scored.rarer[binary, None] >= RARE
    return np.asarray(possible, np.bool_)


def planned(reference: Reference, belief: Belief, alpha: float, horizon: float) -> Plan:
    """Return the tests with thresholds for the chance `alpha` of any false alarm within `horizon` bars."""
    terms = terms_of(reference.made.bars, reference.windows)
    score, window = np.nonzero(belief.possible)
    share = _shares(reference, belief)[score, window]
    noise = belief.noise
    picked = noise.sigma[score, window], noise.weight[score], noise.rate[score, window]
    overlap = np.full(len(score), WARY) if belief.wary else np.where(belief.volatile, OVERLAP[1], OVERLAP[0])[score]
    target, freedom = np.maximum(alpha * share * overlap, 1e-9), _freedom(belief, terms)[score]
    threshold = solved(*picked, horizon, target, freedom) ** 2
    threshold = np.maximum(threshold, GUARD**2 * reference.run.highest[score, window])
    return Plan(score, window, threshold, share, np.sqrt((picked[0] ** 2 * picked[1]).sum(1)))


def _freedom(belief: Belief, terms: Terms) -> Floats:
    """Return the degrees of freedom of what is known of variances: of slow volatility few periods tell."""
    told = np.where(belief.volatile, (BRIEF / np.maximum(belief.tau, BRIEF)) ** 2, 2)
    return np.asarray(np.maximum(told * int(terms.low.sum()), FEWEST), np.float64)


def _shares(reference: Reference, belief: Belief) -> Floats:
    """Return what part of the budget each test may spend: scores x windows."""
    value = belief.possible / np.maximum(belief.tau, 1)[:, None]
    value[~belief.volatile] *= np.array(reference.windows) ** LONGER
    value[reference.columns + np.flatnonzero(reference.scored.positive)] *= SELDOM
    halves = [np.where(half[:, None], value, 0) for half in (~belief.volatile, belief.volatile)]
    return np.asarray(sum(0.5 * half / max(float(half.sum()), 1e-9) for half in halves), np.float64)


def _noise(reference: Reference, posterior: Posterior, terms: Terms) -> Noise:
    keep = posterior.weight.max(0) > NEGLIGIBLE
    level = posterior.level[:, None, keep]
    own = level * terms.variance[keep].T + reference.waves.fast[:, :, None]
    compared = reference.made.bars / reference.least  # the mean of a smaller slot is less certain
    offset = (posterior.level * terms.mean)[:, None, keep] * compared
    variance = own + offset
    lagged = np.minimum(level * terms.lagged[keep].T, own) + offset
    decay = -np.log(np.clip(lagged / variance, 0.05, 0.99999)) / terms.lag[:, None]
    return Noise(np.sqrt(variance), decay, posterior.weight[:, keep])

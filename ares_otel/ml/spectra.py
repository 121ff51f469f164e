"""How slow a score may be: a posterior over low-frequency spectra of its reference.

The variance of an average of an autocorrelated series is decided by periods as long as the average, of which a
reference shows few. So no single estimate is trusted: spectra of one AR(1), of two, and of long memory (a power law as
a sum of AR(1)s; Granger 1980) are weighed by Whittle's likelihood (1953) on the periods of 24 bars and more, together
with the flat one, and all are kept with their weights (Hoeting et al. 1999). "Slow regimes cannot be excluded" then
widens the thresholds of short references, as fixed-b asymptotics do (Kiefer and Vogelsang 2005). Faster periods need no
model: their part of the variance is taken from the periodogram itself, whatever season it holds.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from ares_otel.ml.products import product
from ares_otel.ml.scores import Floats

__all__ = [
    "CUT",
    "EVIDENT",
    "FAMILY",
    "HAZARD",
    "MODELS",
    "TIMES",
    "Posterior",
    "Terms",
    "Waves",
    "posterior_of",
    "shapes_of",
    "shared",
    "terms_of",
    "waves_of",
]

CUT: Final = 24
"""Shortest period, in bars, that the models explain."""
ALIKE: Final = 1e-4
TIMES: Final[Floats] = np.array([4, 8, 16, 32, 64, 128, 256, 512.0])
"""Time constants of the AR(1) parts, in bars."""


def _family() -> tuple[Floats, Floats]:
    """Return the long-run variance that each time constant adds to a white part of 1, and the log weights of models."""
    one = [ratio * np.eye(8)[part] for part in range(1, 8) for ratio in (0.7, 2, 5.6, 16, 45, 256.0)]
    two = [ratio * (np.eye(8)[fast] + np.eye(8)[slow]) for fast in (1, 3) for slow in (5, 7) for ratio in (4, 16, 64.0)]
    long = [
        ratio * TIMES ** (2 * memory) / (TIMES ** (2 * memory)).sum()
        for memory in (0.1, 0.2, 0.3, 0.45)
        for ratio in (1, 3, 10, 30, 90.0)
    ]
    weights = [np.full(len(kind), share / len(kind)) for kind, share in ((one, 0.5), (two, 0.2), (long, 0.3))]
    return np.array([np.zeros(8), *one, *two, *long]), np.log(np.concatenate(([1.0], *weights)))


FAMILY, LOG_WEIGHTS = _family()
MODELS: Final = len(FAMILY)
"""The first is flat."""
HIGH: Final = 0.95
HAZARD: Final = 1 / 6000
"""Prior rate, per bar of a reference, at which it is believed that what follows volatility has slow regimes."""
EVIDENT: Final = 5.0
"""Log Bayes factor of "not flat" from which on regimes are there."""


class Terms(NamedTuple):
    """What the models say for a reference of some length and averages of some windows, for a white part of 1.

    Attributes:
        low: which frequencies of the periodogram the models explain.
        spectrum: models x low frequencies.
        variance: of the averages, from low frequencies alone: models x windows.
        lagged: autocovariance of the averages after an eighth of their window, from all frequencies: models x windows.
        mean: variance of the mean of the reference: models.
        response: squared response of the averages: windows x frequencies above the cut.
        lag: an eighth of each window, in bars.
    """

    low: np.ndarray[tuple[int], np.dtype[np.bool_]]
    spectrum: Floats
    variance: Floats
    lagged: Floats
    mean: Floats
    response: Floats
    lag: Floats


def shapes_of(bars: int) -> tuple[Floats, Floats]:
    """Return the frequencies of the periodogram of some bars, and the spectrum of each model for a white part of 1."""
    phi = np.exp(-1 / TIMES)[:, None]
    omega = 2 * np.pi * np.arange(1, bars // 2) / bars
    return omega, 1 + product(FAMILY, (1 - phi) ** 2 / (1 - 2 * phi * np.cos(omega) + phi**2))


@lru_cache(maxsize=32)
def terms_of(bars: int, windows: tuple[int, ...]) -> Terms:
    """Return the terms for a reference of `bars` bars and exponential averages of these windows."""
    window = np.array(windows, np.float64)
    rate = 2 / (window + 1)
    keep, phi = 1 - rate, np.exp(-1 / TIMES)[:, None]
    omega, spectrum = shapes_of(bars)
    power, white = (1 - phi) / (1 + phi), rate / (2 - rate)
    averaged = white * (1 + phi * keep) / (1 - phi * keep) * power
    lag = np.maximum(1, np.round(window / 8))
    near = np.where(np.abs(phi - keep) < ALIKE, keep - 10 * ALIKE, keep)  # the formula divides by their difference
    fast, slow = phi / (1 - phi**2), near / (1 - near**2)
    decay = (phi**lag * fast - near**lag * slow) / (fast - slow)
    long_run = (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**bars) / (bars * (1 - phi) ** 2)
    mean = 1 / bars + FAMILY @ (power / bars * long_run)[:, 0]
    response = rate[:, None] ** 2 / (1 - 2 * keep[:, None] * np.cos(omega) + keep[:, None] ** 2)
    low = omega < 2 * np.pi / CUT
    above = 2 / bars * product(spectrum[:, ~low], response[:, ~low].T)
    return Terms(
        low,
        spectrum[:, low],
        white + FAMILY @ averaged - above,
        white * keep**lag + FAMILY @ (averaged * decay),
        mean,
        response[:, ~low],
        lag,
    )


class Waves(NamedTuple):
    """What of the periodogram of scores is used.

    Attributes:
        fit: for each model the sum over low frequencies of periodogram / spectrum: scores x models.
        fast: variance of the averages that comes from frequencies above the cut: scores x windows.
        bars: length of the reference.
    """

    fit: Floats
    fast: Floats
    bars: int


def waves_of(series: Floats, terms: Terms) -> Waves:
    """Return what is used of the periodogram of standardized series (bars x scores)."""
    bars = len(series)
    power = np.abs(np.fft.rfft(series, axis=0)[1 : bars // 2]) ** 2 / bars
    fit = product(1 / terms.spectrum, power[terms.low]) + 1e-12
    return Waves(fit.T, (2 / bars * product(terms.response, power[~terms.low])).T, bars)


class Posterior(NamedTuple):
    """What is believed of the spectra.

    Attributes:
        weight: of each model: scores x models.
        level: white part under each model: scores x models.
        factor: log Bayes factor of "not flat" for each score.
    """

    weight: Floats
    level: Floats
    factor: Floats

    @property
    def tau(self) -> Floats:
        """Expected integrated autocorrelation time of each score, in bars."""
        return np.asarray((self.level * (1 + FAMILY.sum(1)) * self.weight).sum(1), np.float64)

    @property
    def tau_high(self) -> Floats:
        """Autocorrelation time of each score that is exceeded with a probability of 5 % at most, in bars."""
        time = self.level * (1 + FAMILY.sum(1))
        order = np.argsort(time, 1)
        below = np.cumsum(np.take_along_axis(self.weight, order, 1), 1)
        first = np.take_along_axis(order, (below < HIGH).sum(1, keepdims=True).clip(max=MODELS - 1), 1)
        return np.asarray(np.take_along_axis(time, first, 1)[:, 0], np.float64)


def posterior_of(waves: Waves, terms: Terms, prior: Floats) -> Posterior:
    """Weigh the models; `prior` is the probability of "not flat" for each score."""
    count = int(terms.low.sum())
    likelihood = -np.log(terms.spectrum).sum(1) - count * np.log(waves.fit) + LOG_WEIGHTS
    likelihood[:, 0] += np.log(1 - prior)
    likelihood[:, 1:] += np.log(prior)[:, None]
    weight = np.exp(likelihood - likelihood.max(1, keepdims=True))
    weight /= weight.sum(1, keepdims=True)
    flat = np.clip(weight[:, 0], 1e-12, 1 - 1e-12)
    return Posterior(weight, waves.fit / count, np.log((1 - flat) / flat) - np.log(prior / (1 - prior)))


def shared(posterior: Posterior, prior: Floats, factor: Floats) -> Posterior:
    """Return the posterior with another log Bayes factor of "not flat", models within it weighed as before."""
    flat = np.clip(posterior.weight[:, 0], 1e-12, 1 - 1e-12)
    odds = np.clip(factor + np.log(prior / (1 - prior)), -30, 30)
    now = 1 / (1 + np.exp(odds))
    weight = posterior.weight.copy()
    weight[:, 1:] *= ((1 - now) / (1 - flat))[:, None]
    weight[:, 0] = now
    return Posterior(weight, posterior.level, factor)

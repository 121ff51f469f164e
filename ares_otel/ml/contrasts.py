"""How far the mean of the last values strays by chance from that of the values before, and how sure a mean is.

What `spectra` believes of a stream decides it: each model gives a variance at each window's own length, and all are
kept with their weights. A memory longer than a window is mostly shared with what came before it, so that it matters
less there than tau says; a mean against a reference that is over has all of it against it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from ares_otel.ml.products import product
from ares_otel.ml.scores import Floats
from ares_otel.ml.spectra import FAMILY, HAZARD, TIMES, Terms, posterior_of, shapes_of, terms_of, waves_of

__all__ = ["BEFORE", "WINDOWS", "Noise", "noise_of"]

WINDOWS: Final = (25, 50, 100, 200, 400)
BEFORE: Final = 8
"""A window is compared with the span just before it, so many times as long at most."""

DOUBT: Final = 0.2
"""Prior probability that losses have slow regimes, at least: how few were seen makes them no rarer in what comes."""
NEGLIGIBLE: Final = 1e-5
"""Weight below which a model counts for nothing."""
KNOWN: Final = 1e9
"""Degrees of freedom of what is not estimated."""


class Noise(NamedTuple):
    """What chance does to means, in terms of the variance of a single value.

    Attributes:
        weight: of each model that counts; they sum to 1.
        inflation: variance of the difference of a window from what is before it, in terms of that of independent
            values: windows x models.
        tau: values that one independent value takes in the long run: models.
        mean: variance of the mean of all values: models.
        freedom: degrees of freedom of what is known of these variances.
    """

    weight: Floats
    inflation: Floats
    tau: Floats
    mean: Floats
    freedom: float

    @classmethod
    def known(cls, tau: float, values: int = 1) -> Noise:
        """Return that of so many values, of which one independent value takes tau, as if that were known."""
        one = np.ones(1)
        return cls(one, np.full((len(WINDOWS), 1), tau), tau * one, tau / values * one, KNOWN)

    def at_least(self, other: Noise) -> Noise:
        """Return the same with no variance below that of another one, of one model."""
        return self._replace(
            inflation=np.maximum(self.inflation, other.inflation),
            tau=np.maximum(self.tau, other.tau),
            mean=np.maximum(self.mean, other.mean),
        )

    @property
    def expected(self) -> float:
        """Values that one independent value is expected to take."""
        return float(self.weight @ self.tau)

    @property
    def worth(self) -> float:
        """Independent values that the mean of all is worth."""
        return 1.0 / float(self.weight @ self.mean)


def _mean(phi: Floats, length: Floats) -> Floats:
    """Return the variance of means of an AR(1) of variance 1."""
    return ((1 + phi) / (1 - phi) - 2 * phi * (1 - phi**length) / (length * (1 - phi) ** 2)) / length


@lru_cache(maxsize=16)
def _terms_of(values: int) -> Terms:
    """Return the terms for differences of means, in terms of what they are for independent values."""
    window = np.array(WINDOWS, np.float64)[:, None]
    before = BEFORE * window
    white = 1 / window + 1 / before
    phi = np.exp(-1 / TIMES)
    both = phi * (1 - phi**window) * (1 - phi**before) / (window * before * (1 - phi) ** 2)
    slow = (_mean(phi, window) + _mean(phi, before) - 2 * both) * (1 - phi) / (1 + phi)
    terms, (omega, spectrum) = terms_of(values, ()), shapes_of(values)
    wave = np.exp(-1j * omega)
    last, earlier = ((1 - wave**length) / (length * (1 - wave)) for length in (window, before))
    response = (np.abs(last - wave**window * earlier) ** 2 / white)[:, ~terms.low]
    above = 2 / values * product(spectrum[:, ~terms.low], response.T)
    return terms._replace(variance=1 + product(FAMILY, (slow / white).T) - above, response=response)


def noise_of(values: Floats) -> Noise:
    """Return what is believed of values in their order: more than `CUT` of them, not all the same."""
    terms = _terms_of(len(values))
    waves = waves_of(((values - values.mean()) / values.std())[:, None], terms)
    posterior = posterior_of(waves, terms, np.array([min(0.5, max(DOUBT, HAZARD * len(values)))]))
    keep = posterior.weight[0] > NEGLIGIBLE
    weight, level = posterior.weight[0, keep], posterior.level[0, keep]
    return Noise(
        weight / weight.sum(),
        level * terms.variance[keep].T + waves.fast.T,
        level * (1 + FAMILY[keep].sum(1)),
        level * terms.mean[keep],
        float(terms.low.sum()),
    )

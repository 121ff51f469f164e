"""Section: the monitor of outcomes where nothing changes, and how soon it sees a model that becomes worse.

Each null is stationary: every alarm is false. The labels of the third overlap (a prediction each bar, a horizon of 24).
Chosen on seeds below 1,000, on the nulls that are not called held out and on longer memories: error rates of .35 and
.55 in regimes of 200 and 400 outcomes, error rates that wander with 100 and 300, logarithms of volatility with 100 and
300 or that never forget. Judged on seeds from 400,000, once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple, TypeAlias

import markets
import numpy as np
from numpy.typing import NDArray
from rows import Row, quantile, share
from working import each

from ares_otel.ml.loss import LossMonitor

__all__ = ["NULLS", "Case", "alarmed", "judged", "rows"]

NULL: Final = "Outcomes that do not change: any false alarm in 4,000, nominal .05"
POWER: Final = "Outcomes that become worse: delay"
WARM, HORIZON, REFERENCE, SEED, STREAMS = 500, 4000, 2000, 400_000, 200
RIVER: Final = ("ADWIN", "PageHinkley")
Outcome: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Losses and labels."""


def _errors(chance: float) -> Callable[[np.random.Generator, int], Outcome]:
    return lambda draw, n: ((draw.random(n) < chance).astype(float), (draw.random(n) < 0.5).astype(float))


def _overlapping(draw: np.random.Generator, n: int) -> Outcome:
    returns = draw.normal(size=n + 23)
    label = np.convolve(returns, np.ones(24), "valid") > 0.0
    guess = np.convolve(draw.normal(size=n + 47), np.ones(48), "valid") > 0.0
    return (guess != label).astype(float), label.astype(float)


def _volatile(draw: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return returns of a GARCH(1,1)-t as fitted to EURUSD by the hour."""
    noise = draw.standard_t(3.25, n + 200) * math.sqrt(1.25 / 3.25)
    returns, variance = np.zeros(n + 200), 1.0
    for place in range(n + 200):
        returns[place] = math.sqrt(variance) * noise[place]
        variance = 0.21 + 0.33 * returns[place] ** 2 + 0.46 * variance
    return returns[200:]


def _absolute(draw: np.random.Generator, n: int) -> Outcome:
    returns = _volatile(draw, n)
    return np.abs(returns), returns


def _memory(draw: np.random.Generator, n: int, outcomes: float) -> NDArray[np.float64]:
    """Return an AR(1) of variance 1 that forgets in so many outcomes."""
    phi, warm = math.exp(-1 / outcomes), int(10 * outcomes)
    state = draw.normal(size=n + warm) * math.sqrt(1 - phi * phi)
    for place in range(1, n + warm):
        state[place] += phi * state[place - 1]
    return state[warm:]


def _power_law(draw: np.random.Generator, n: int, memory: float) -> NDArray[np.float64]:
    """Return fractional noise of variance 1 and an order below a half, with a past four times as long."""
    lags = np.arange(1.0, 4 * n)
    weights = np.concatenate(([1.0], np.cumprod((lags - 1.0 + memory) / lags)))
    noise = draw.normal(size=5 * n)
    size = 9 * n
    state = np.fft.irfft(np.fft.rfft(noise, size) * np.fft.rfft(weights, size), size)[4 * n : 5 * n]
    return np.asarray(state / math.sqrt(float(weights @ weights)), np.float64)


def _drawn(draw: np.random.Generator, chance: NDArray[np.float64]) -> Outcome:
    """Return errors of these chances, beside labels that have nothing to do with them."""
    n = len(chance)
    return (draw.random(n) < chance).astype(float), (draw.random(n) < 0.5).astype(float)


def _logistic(score: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-score)), np.float64)


def _slow(draw: np.random.Generator, n: int) -> Outcome:
    """Return errors whose chance wanders about a third, with a memory of forty outcomes both ways."""
    return _drawn(draw, _logistic(0.5 * _memory(draw, n, 19.5) - 0.7))


def _scaled(draw: np.random.Generator, scale: NDArray[np.float64], freedom: float) -> Outcome:
    """Return absolute errors of Student's t with these scales."""
    returns = scale * draw.standard_t(freedom, len(scale))
    return np.abs(returns), returns


def _persistent(draw: np.random.Generator, n: int) -> Outcome:
    """Return the same of a volatility that stays for a hundred outcomes and more, with leverage."""
    noise = draw.standard_t(5, n + 1000) * math.sqrt(3 / 5)
    returns = markets.garch(noise, 0.02, 0.03, 0.905, 0.10)[1000:]
    return np.abs(returns), returns


def _lasting(draw: np.random.Generator, n: int) -> Outcome:
    """Return the same of a stochastic volatility with a memory of thirty outcomes."""
    return _scaled(draw, np.exp(0.4 * _memory(draw, n, 30.0)), 6)


def _mixed(draw: np.random.Generator, n: int) -> Outcome:
    """Return squared errors with tails of three degrees, under memories of five and of a hundred and fifty outcomes."""
    losses, returns = _scaled(draw, np.exp(0.3 * _memory(draw, n, 150.0) + 0.3 * _memory(draw, n, 5.0)), 3)
    return losses**2, returns


def _lingering(draw: np.random.Generator, n: int) -> Outcome:
    """Return errors whose chance wanders about a third without ever forgetting."""
    return _drawn(draw, _logistic(0.4 * _power_law(draw, n, 0.4) - 0.7))


def _seasonal(draw: np.random.Generator, n: int) -> Outcome:
    """Return absolute errors that are larger by day and in the middle of a week of five days."""
    hour = np.arange(n) + draw.integers(120)
    return _scaled(draw, np.exp(0.4 * np.sin(2 * np.pi * hour / 24) + 0.2 * np.sin(2 * np.pi * hour / 120)), 5)


def _hidden(draw: np.random.Generator, n: int) -> Outcome:
    """Return errors of three regimes that last three hundred outcomes each, on average."""
    steps = np.where(draw.random(n) < 1 / 300, draw.integers(1, 3, n), 0)
    return _drawn(draw, np.array([0.3, 0.4, 0.5])[(draw.integers(3) + np.cumsum(steps)) % 3])


def _surprising(draw: np.random.Generator, n: int) -> Outcome:
    """Return log losses of chances that are the less true the further something unseen has wandered off."""
    score = draw.normal(size=n)
    label = draw.random(n) < _logistic(score * (1 + 0.5 * _memory(draw, n, 60.0)))
    return -np.log(np.where(label, _logistic(score), _logistic(-score))), label.astype(float)


NULLS: Final[Mapping[str, tuple[Callable[[np.random.Generator, int], Outcome], float]]] = {
    "errors, 5 %": (_errors(0.05), 1.0),
    "errors, 48 %": (_errors(0.48), 1.0),
    "errors of overlapping labels": (_overlapping, 24.0),
    "errors whose chance wanders": (_slow, 1.0),
    "absolute errors, bursts of volatility": (_absolute, 1.0),
    "absolute errors, persistent volatility": (_persistent, 1.0),
    "absolute errors, stochastic volatility (held out)": (_lasting, 1.0),
    "squared errors, two memories of volatility (held out)": (_mixed, 1.0),
    "errors whose chance has a long memory (held out)": (_lingering, 1.0),
    "absolute errors with seasons (held out)": (_seasonal, 1.0),
    "errors of hidden regimes (held out)": (_hidden, 1.0),
    "log losses of wandering calibration (held out)": (_surprising, 1.0),
}


def alarmed(losses: NDArray[np.float64], labels: NDArray[np.float64], overlap: float, reference: int) -> int | None:
    """Return the number of the first outcome with an alarm, after the reference and the outcomes to begin with."""
    watch = LossMonitor(reference=losses[:reference].tolist() if reference else None, overlap=overlap)
    live = zip(losses[reference:].tolist(), labels[reference:].tolist(), strict=True)
    for number, (loss, label) in enumerate(live, 1):
        if watch.update(loss, signed=loss if label > 0.0 else -loss, label=label):
            return number - WARM
    return None


class Case(NamedTuple):
    """A stream of outcomes: which null, how many losses of training, its seed."""

    name: str
    reference: int
    seed: int


def judged(case: Case) -> dict[str, bool]:
    """Return who alarmed on a stream that does not change."""
    made, overlap = NULLS[case.name]
    losses, labels = made(np.random.default_rng(case.seed), case.reference + WARM + HORIZON)
    found = {"ours": alarmed(losses, labels, overlap, case.reference) is not None}
    return found if case.reference else found | {name: _said(name, losses) for name in RIVER}


def _said(name: str, losses: NDArray[np.float64]) -> bool:
    """Return whether a detector of River with its defaults says drift, after the outcomes to begin with."""
    detector: Any = getattr(import_module("river.drift"), name)()
    said = []
    for loss in losses.tolist():
        detector.update(loss)
        said.append(detector.drift_detected)
    return any(said[WARM:])


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the runner's own
    """Yield the rates of false alarms, and the delays."""
    streams = STREAMS // 5 if quick else STREAMS
    cases = [
        Case(name, reference, seed)
        for name in NULLS
        for reference in (0, REFERENCE)
        for seed in range(SEED, SEED + streams)
    ]
    found = list(each(judged, cases))
    for place in range(0, len(cases), streams):
        case, those = cases[place], found[place : place + streams]
        against = f", {case.reference} losses of training" if case.reference else ""
        for who in those[0]:
            yield share(NULL, f"{case.name}{against}: {who}", sum(each[who] for each in those), streams)
    yield from _power(streams // 2)


class Change(NamedTuple):
    """A model that becomes worse: its error before and after, how many losses of training are known, its seed."""

    before: float
    after: float
    reference: int
    seed: int


def _delay(case: Change) -> float | None:
    """Return outcomes from the change to the alarm; None if that came before."""
    draw = np.random.default_rng(case.seed)
    n = case.reference + WARM + 1000
    losses = np.concatenate((draw.random(n) < case.before, draw.random(2000) < case.after)).astype(float)
    labels = (draw.random(n + 2000) < 0.5).astype(float)
    return _after(alarmed(losses, labels, 1.0, case.reference))


def _grown(case: Change) -> float | None:
    """Return the same for absolute errors in bursts that become larger by a factor."""
    draw = np.random.default_rng(case.seed)
    n = case.reference + WARM + 1000
    losses, labels = _absolute(draw, n + 2000)
    losses[n:] *= case.after / case.before
    return _after(alarmed(losses, labels, 1.0, case.reference))


def _after(found: int | None) -> float | None:
    if found is None:
        return math.inf
    return found - 1000.0 if found > 1000 else None


def _power(streams: int) -> Iterator[Row]:
    changes = [("error", _delay, before, after) for before, after in ((0.45, 0.53), (0.30, 0.45), (0.10, 0.30))]
    changes += [("absolute error in bursts, from", _grown, 1.0, factor) for factor in (1.5, 2.0)]
    for what, measured, before, after in changes:
        for reference in (0, REFERENCE):
            cases = [Change(before, after, reference, seed) for seed in range(2 * SEED, 2 * SEED + streams)]
            delays = [delay for delay in each(measured, cases) if delay is not None]
            said = f"{what} {before:g} to {after:g}" + (f", {reference} losses of training" if reference else "")
            yield Row(POWER, f"{said}: median delay", *quantile(delays), n=len(delays))
            seen = sum(math.isfinite(each) for each in delays)
            yield share(POWER, f"{said}: found within 2,000", seen, len(delays))

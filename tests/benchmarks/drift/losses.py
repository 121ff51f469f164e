"""Section: the monitor of outcomes where nothing changes, and how soon it sees a model that becomes worse.

Each null is stationary: every alarm is false. The labels of the third overlap (a prediction each bar, a horizon of 24),
the errors of the others follow a volatility that comes in bursts. Chosen on seeds below 1,000; judged on seeds from
100,000. The longest memory that was looked at while choosing is that of the fourth.
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
WARM, HORIZON, REFERENCE, SEED, STREAMS = 500, 4000, 2000, 100_000, 200
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


def _slow(draw: np.random.Generator, n: int) -> Outcome:
    """Return errors whose chance wanders about a third, with a memory of forty outcomes."""
    state, noise = np.zeros(n), draw.normal(size=n) * math.sqrt(1 - 0.95**2)
    for place in range(1, n):
        state[place] = 0.95 * state[place - 1] + noise[place]
    return (draw.random(n) < 1 / (1 + np.exp(0.7 - 0.5 * state))).astype(float), (draw.random(n) < 0.5).astype(float)


def _persistent(draw: np.random.Generator, n: int) -> Outcome:
    """Return the same of a volatility that stays for a hundred outcomes and more, with leverage."""
    noise = draw.standard_t(5, n + 1000) * math.sqrt(3 / 5)
    returns = markets.garch(noise, 0.02, 0.03, 0.905, 0.10)[1000:]
    return np.abs(returns), returns


def _lasting(draw: np.random.Generator, n: int) -> Outcome:
    """Return the same of a stochastic volatility with a memory of thirty outcomes."""
    state, noise = np.zeros(n + 200), draw.normal(size=n + 200) * math.sqrt(1 - 0.967**2)
    for place in range(1, n + 200):
        state[place] = 0.967 * state[place - 1] + noise[place]
    returns = np.exp(0.4 * state[200:]) * draw.standard_t(6, n)
    return np.abs(returns), returns


NULLS: Final[Mapping[str, tuple[Callable[[np.random.Generator, int], Outcome], float]]] = {
    "errors, 5 %": (_errors(0.05), 1.0),
    "errors, 48 %": (_errors(0.48), 1.0),
    "errors of overlapping labels": (_overlapping, 24.0),
    "errors whose chance wanders": (_slow, 1.0),
    "absolute errors, bursts of volatility": (_absolute, 1.0),
    "absolute errors, persistent volatility": (_persistent, 1.0),
    "absolute errors, stochastic volatility (held out)": (_lasting, 1.0),
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

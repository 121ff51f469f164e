"""Section: the monitor of outcomes where nothing changes, and how soon it sees a model that becomes worse.

Each null is stationary: every alarm is false. The labels of the third overlap (a prediction each bar, a horizon of 24),
the errors of the fourth and fifth follow a volatility that comes in bursts. Chosen on seeds below 1,000; judged on
seeds from 100,000. The longest memory that was looked at while choosing is that of the fourth.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rows import Row, share

from ares_otel.ml.loss import LossMonitor

__all__ = ["NULLS", "alarmed", "rows"]

NULL: Final = "Outcomes that do not change: any false alarm in 4,000, nominal .05"
POWER: Final = "Outcomes that become worse: delay"
WARM, HORIZON, REFERENCE, SEED = 500, 4000, 2000, 100_000
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


NULLS: Final[Mapping[str, tuple[Callable[[np.random.Generator, int], Outcome], float]]] = {
    "errors, 5 %": (_errors(0.05), 1.0),
    "errors, 48 %": (_errors(0.48), 1.0),
    "errors of overlapping labels": (_overlapping, 24.0),
    "errors whose chance wanders": (_slow, 1.0),
    "absolute errors, bursts of volatility": (_absolute, 1.0),
}


def alarmed(losses: NDArray[np.float64], labels: NDArray[np.float64], overlap: float, reference: int) -> int | None:
    """Return the number of the first outcome with an alarm, after the reference and the outcomes to begin with."""
    watch = LossMonitor(reference=losses[:reference].tolist() if reference else None, overlap=overlap)
    live = zip(losses[reference:].tolist(), labels[reference:].tolist(), strict=True)
    for number, (loss, label) in enumerate(live, 1):
        if watch.update(loss, signed=loss if label > 0.0 else -loss, label=label):
            return number - WARM
    return None


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the runner's own
    """Yield the rates of false alarms, and the delays."""
    streams = 40 if quick else 200
    for name, (made, overlap) in NULLS.items():
        for reference in (0, REFERENCE):
            hits = 0
            for seed in range(SEED, SEED + streams):
                found = made(np.random.default_rng(seed), reference + WARM + HORIZON)
                hits += alarmed(*found, overlap, reference) is not None
            against = f", {reference} losses of training" if reference else ""
            yield share(NULL, f"{name}{against}", hits, streams)
    yield from _power(streams // 2)


def _power(streams: int) -> Iterator[Row]:
    for before, after in ((0.45, 0.53), (0.30, 0.45), (0.10, 0.30)):
        for reference in (0, REFERENCE):
            delays, change = [], WARM + 1000
            for seed in range(2 * SEED, 2 * SEED + streams):
                draw = np.random.default_rng(seed)
                n = reference + change
                losses = np.concatenate((draw.random(n) < before, draw.random(2000) < after)).astype(float)
                found = alarmed(losses, (draw.random(n + 2000) < 0.5).astype(float), 1.0, reference)
                if found is None or found > 1000:
                    delays.append(math.inf if found is None else found - 1000.0)
            middle = float(np.median(delays))
            seen = sum(math.isfinite(each) for each in delays)
            what = f"error {before:.0%} to {after:.0%}" + (f", {reference} losses of training" if reference else "")
            note = f"median; found within 2,000: {seen} of {len(delays)}"
            yield Row(POWER, what, middle if math.isfinite(middle) else None, n=len(delays), note=note)

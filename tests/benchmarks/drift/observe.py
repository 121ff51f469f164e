"""What watching models costs the bot: its two calls, and its decisions beside the thread that watches."""

from __future__ import annotations

import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
from rows import Row

import ares_otel as ares
from ares_otel.decision.watched import WatchedModel

__all__ = ["rows"]

SECTION = "What the bot pays"
FEATURES, MODELS, BARS = 50, 5, 2_000
BATCH = 100
PACE = 0.005
LIMIT = 2.0


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  as all sections have it
    """Measure the calls alone, then decisions with and without models that are watched."""
    batches = 50 if quick else 500
    values = np.random.default_rng(1).normal(size=FEATURES)
    named = {f"feature_{place}": value for place, value in enumerate(values.tolist())}
    for what, x in (("an array", values), ("a tuple", tuple(values.tolist())), ("a mapping", named)):
        yield _call(f"observe() of {FEATURES} features as {what}, in a decision", x, batches)
    yield _outcome(batches)
    yield from _beside(200 if quick else 2_000)


def _call(what: str, x: object, batches: int) -> Row:
    model = WatchedModel("m", limit=1 << 20)
    with ares.decision(symbol="BTC", strategy="s"):
        found = _timed(lambda: model.observe(x, prediction=0.5, key="k"), model.queue.clear, batches)
    return _row(what, found, LIMIT)


def _outcome(batches: int) -> Row:
    model = WatchedModel("m", limit=1 << 20)
    return _row("outcome()", _timed(lambda: model.outcome("k", 1), model.queue.clear, batches), LIMIT)


def _timed(call: Callable[[], object], clear: Callable[[], object], batches: int) -> list[float]:
    """Return the microseconds of a call, the mean of each batch."""
    found = []
    gc.disable()
    for _ in range(batches):
        started = time.perf_counter_ns()
        for _ in range(BATCH):
            call()
        found.append((time.perf_counter_ns() - started) / BATCH / 1e3)
        clear()
    gc.enable()
    return found


def _row(what: str, found: list[float], limit: float) -> Row:
    low, _, high = statistics.quantiles(found, n=4)
    middle = statistics.median(found)
    note = f"µs, the median of batches of {BATCH} calls; the interval holds half of them"
    return Row(SECTION, what, middle, low, high, f"<= {limit:g} µs", middle <= limit, len(found), note)


def _beside(decisions: int) -> Iterator[Row]:
    """Measure decisions at a pace, with models that are watched and without, in turns."""
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        overrides = {"exporter.enabled": False, "metrics.enabled": False, "state_directory": folder, "mode": "paper"}
        with ares.setup(overrides=overrides):
            reference = rng.normal(size=(BARS, FEATURES))
            models = [ares.model(f"m{place}", reference=reference) for place in range(MODELS)]
            bars = rng.normal(size=(decisions, FEATURES))
            found: dict[bool, list[float]] = {True: [], False: []}
            for bar in bars:
                for watched in (True, False):
                    found[watched].append(_decide(bar, models if watched else []))
                    time.sleep(PACE)
    for watched, name in ((False, "nothing watched"), (True, f"{MODELS} models of {FEATURES} features")):
        cuts = statistics.quantiles(found[watched], n=100)
        note = "µs of the bot's thread, observe() left out; interval: 25th and 75th percentile"
        yield Row(SECTION, f"a decision, {name}: p50", cuts[49], cuts[24], cuts[74], n=len(found[watched]), note=note)
        yield Row(SECTION, f"a decision, {name}: p95", cuts[94], n=len(found[watched]), note="µs")
    ratio = statistics.median(found[True]) / statistics.median(found[False])
    with_, without = (np.median(rng.choice(found[watched], (400, decisions)), axis=1) for watched in (True, False))
    low, high = (float(np.quantile(with_ / without, each)) for each in (0.025, 0.975))
    yield Row(SECTION, "p50 with models by p50 without", ratio, low, high, "<= 1.10", ratio <= 1.1, decisions)


def _decide(bar: np.ndarray[tuple[int], np.dtype[np.float64]], models: list[WatchedModel]) -> float:
    started = time.perf_counter_ns()
    with ares.decision(symbol="BTC", strategy="s", price=1.0) as d:
        d.votes([(f"m{place}", "buy", 0.5, 0.2) for place in range(MODELS)])
        paused = time.perf_counter_ns()
        for model in models:
            model.observe(bar, prediction=0.5, key=d.correlation_id)
        resumed = time.perf_counter_ns()
        d.resolve("buy", confidence=0.6)
    return (time.perf_counter_ns() - started - (resumed - paused)) / 1e3

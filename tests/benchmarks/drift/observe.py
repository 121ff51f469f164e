"""What watching models costs the bot: its two calls, and its decisions beside the thread that watches."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np
from rows import Row

import ares_otel as ares
from ares_otel.decision.watched import WatchedModel
from ares_otel.setup import drifting

__all__ = ["rows"]

SECTION = "What the bot pays"
FEATURES, MODELS, BARS = 50, 5, 2_000
BATCH = 100
FASTER = 20
PACE = 1.0 / FASTER
DECISIONS = 100
RESAMPLES = 1_000
LARGEST = 1.1
Blocks = dict[bool, list[list[float]]]
"""Microseconds of decisions, in blocks: with models that are watched, and without."""
LIMIT = 2.0


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  as all sections have it
    """Measure the calls alone, then decisions with and without models that are watched."""
    batches = 50 if quick else 500
    values = np.random.default_rng(1).normal(size=FEATURES)
    named = {f"feature_{place}": value for place, value in enumerate(values.tolist())}
    for what, x in (("an array", values), ("a tuple", tuple(values.tolist())), ("a mapping", named)):
        yield _call(f"observe() of {FEATURES} features as {what}, in a decision", x, batches)
    yield _outcome(batches)
    yield from _beside(3 if quick else 24)


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


def _beside(pairs: int) -> Iterator[Row]:
    """Measure decisions of a bot that makes one a second, in blocks with models that are watched and blocks without.

    Time runs `FASTER` times as fast for all that waits (the bot between decisions, the rounds, checks and saves of the
    thread that watches); what works is as quick as ever. So a decision meets that thread so many times as often as it
    would: what is measured is no less than what a bot at one a second pays.
    """
    rng = np.random.default_rng(2)
    drifting.INTERVAL = PACE  # type: ignore[misc]  # of the rounds, for this process alone
    with tempfile.TemporaryDirectory() as folder:
        overrides = {"exporter.enabled": False, "metrics.enabled": False, "state_directory": folder, "mode": "paper"}
        faster = {"drift.save_interval": 60.0 / FASTER, "drift.check_interval": 60.0 / FASTER}
        with ares.setup(overrides=overrides | faster):
            reference = rng.normal(size=(BARS, FEATURES))
            models = [ares.model(f"m{place}", reference=reference) for place in range(MODELS)]
            ares.flush(60)  # the references are learned
            _block(rng, models)  # the first decisions of a process are slower than all others
            found: Blocks = {True: [], False: []}
            for pair in range(pairs):
                for watched in (pair % 2 == 0, pair % 2 == 1):
                    found[watched].append(_block(rng, models if watched else []))
    yield from _compared(found, pairs)


def _block(rng: np.random.Generator, models: list[WatchedModel]) -> list[float]:
    """Return the microseconds of some decisions at their pace."""
    spent = []
    for bar in rng.normal(size=(DECISIONS, FEATURES)):
        time.sleep(PACE)
        spent.append(_decide(bar, models))
    return spent


def _compared(found: Blocks, pairs: int) -> Iterator[Row]:
    """Yield what decisions took, and the ratios of both kinds."""
    load = f"load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores"
    names = {False: "nothing watched", True: f"{MODELS} models of {FEATURES} features"}
    for level, (watched, name) in itertools.product((50, 95), names.items()):
        value, low, high = _bounded(functools.partial(_percentile, watched, level), found)
        note = f"µs of the bot's thread, observe() left out; {load}"
        yield Row(SECTION, f"a decision, {name}: p{level}", value, low, high, n=pairs * DECISIONS, note=note)
    for level in (50, 95):
        value, low, high = _bounded(functools.partial(_ratio, level), found)
        note = f"bootstrap over pairs of blocks of {DECISIONS}, one decision a second {FASTER} times as fast; {load}"
        what = f"p{level} of a decision with models by p{level} without"
        yield Row(SECTION, what, value, low, high, f"<= {LARGEST:.2f}, interval too", high <= LARGEST, pairs, note)


def _percentile(watched: bool, level: int, found: Blocks) -> float:  # noqa: FBT001  one of both
    return float(np.percentile(np.concatenate(found[watched]), level))


def _ratio(level: int, found: Blocks) -> float:
    return _percentile(True, level, found) / _percentile(False, level, found)


def _bounded(figure: Callable[[Blocks], float], found: Blocks) -> tuple[float, float, float]:
    """Return a figure and its 95 % interval: pairs of blocks are drawn again, for decisions of a block are alike."""
    rng, pairs = np.random.default_rng(3), len(found[True])
    values = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(pairs, size=pairs)
        values.append(figure({watched: [blocks[place] for place in drawn] for watched, blocks in found.items()}))
    low, high = np.percentile(values, [2.5, 97.5])
    return figure(found), float(low), float(high)


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

"""A bot with one variant of the telemetry, in a process of its own, that does what it is told line by line.

    python tests/benchmarks/bot.py VARIANT ENDPOINT idle|live

A line of standard input is a JSON object: `do` names a method of `Bot`, the rest are its arguments; the answer is a
line, too. A process for each variant keeps globals, imports and garbage of one from the figures of another; that they
take turns, some milliseconds each, keeps the machine's moods out of their ratios.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import psutil
from workload import Nothing, Settings, Variant, inputs

__all__ = ["VARIANTS", "Bot", "main"]

VARIANTS: dict[str, tuple[str, str]] = {
    "nothing": ("workload", "Nothing"),
    "ours": ("variants_ours", "Ours"),
    "ours-blocks": ("variants_ours", "OursBlocks"),
    "ours-spans": ("variants_ours", "OursSpans"),
    "ours-ring": ("variants_ours", "OursRing"),
    "ours-blocks-ring": ("variants_ours", "OursBlocksRing"),
    "careful": ("variants_sdk", "Careful"),
    "careful-events": ("variants_sdk", "CarefulEvents"),
    "usual": ("variants_sdk", "Usual"),
    "sdk-metrics": ("variants_sdk", "SdkMetrics"),
    "ddtrace": ("variants_peers", "Ddtrace"),
    "logfire": ("variants_peers", "Logfire"),
    "fastotel": ("variants_sdk", "Fastotel"),
    "pytracingx": ("variants_peers", "Pytracingx"),
}
"""Module and class of each variant by its name."""

BACKLOG = 5_000
"""Decisions after which a bot that decides flat out waits until all is delivered, so that nothing is dropped."""

WARMING = 10
"""Decisions before the timed ones of a turn: the processor has worked for somebody else since the last turn."""

CHUNK = 4_000
LOOKS = 0.001

Answer = dict[str, Any]


def made(name: str, settings: Settings) -> Variant:
    """Return a variant, its modules imported."""
    module, kind = VARIANTS[name]
    variant: Variant = getattr(importlib.import_module(module), kind)(settings)
    return variant


class Bot:
    """What can be asked of a bot."""

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.floor = Nothing(Settings("", idle=True))
        self.given = cycle(inputs())
        self.process = psutil.Process()

    def work(self, count: int) -> Answer:
        """Make decisions, deliver them, and say what the metrics have seen since the start."""
        for _ in range(count):
            self.variant.decide(next(self.given))
        self.variant.flush()
        return {"metrics": self.variant.seen()}

    def hot(self, count: int) -> Answer:
        """Return the time of each decision in ns, one after the other."""
        decide, clock, times = self.variant.decide, time.perf_counter_ns, []
        for given in [next(self.given) for _ in range(WARMING)]:
            decide(given)
        for given in [next(self.given) for _ in range(count)]:
            start = clock()
            decide(given)
            times.append(clock() - start)
        self.variant.flush()
        return {"times": times}

    def collect(self) -> Answer:
        """Collect garbage."""
        gc.collect()
        return {}

    def paced(self, rate: float, seconds: float, others: int) -> Answer:
        """Return the time of each decision in ns at a rate (1/s), each after so many other objects have been used."""
        crowd, times = _crowd(others), []

        def timed() -> None:
            given = next(self.given)
            for _ in crowd:
                pass
            start = time.perf_counter_ns()
            self.variant.decide(given)
            times.append(time.perf_counter_ns() - start)

        with_pace(rate, seconds, timed)
        return {"times": times}

    def flat(self, count: int) -> Answer:
        """Decide flat out and deliver everything; return processor and wall time in seconds, and bytes of memory."""
        decide = self.variant.decide
        cpu, wall = time.process_time(), time.perf_counter()
        for begun in range(0, count, BACKLOG):
            for _ in range(min(BACKLOG, count - begun)):
                decide(next(self.given))
            self.variant.flush()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        return {"cpu": cpu, "wall": wall, "resident": self.process.memory_info().rss}

    def beside(self, rate: float, seconds: float) -> Answer:
        """Return by how much a thread that computes is slower beside this variant than beside no telemetry at all."""
        chunks = [0]
        ended = threading.Event()
        worker = threading.Thread(target=_compute, args=(chunks, ended), daemon=True)
        worker.start()
        try:
            turns = [True, False]
            random.shuffle(turns)
            rates = {on: self._window(chunks, rate, seconds, on=on) for on in turns}
        finally:
            ended.set()
            worker.join()
        return {"kept": rates[True] / rates[False]}

    def _window(self, chunks: list[int], rate: float, seconds: float, *, on: bool) -> float:
        variant: Variant = self.variant if on else self.floor
        before, start = chunks[0], time.perf_counter()
        with_pace(rate, seconds, lambda: variant.decide(next(self.given)))
        variant.flush()
        return (chunks[0] - before) / (time.perf_counter() - start)

    def loop(self, rate: float, seconds: float) -> Answer:
        """Return by how many ns an event loop that also decides is late, at each of a thousand looks a second."""
        return {"lags": asyncio.run(self._loop(rate, seconds))}

    async def _loop(self, rate: float, seconds: float) -> list[int]:
        lags: list[int] = []
        looking = asyncio.create_task(_look(lags))
        start = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, start + number / rate - time.perf_counter()))
            self.variant.decide(next(self.given))
        looking.cancel()
        return lags

    def close(self) -> Answer:
        """End."""
        self.variant.close()
        return {}


def _crowd(count: int) -> list[str]:
    """Return so many objects, in an order that no processor foresees."""
    crowd = [f"object {number}" for number in range(count)]
    random.shuffle(crowd)
    return crowd


def with_pace(rate: float, seconds: float, do: Callable[[], object]) -> None:
    """Do something at a rate (1/s); what could not be done in time is left out."""
    due = time.perf_counter()
    end = due + seconds
    while (now := time.perf_counter()) < end:
        if due > now:
            time.sleep(due - now)
        do()
        due = max(due + 1 / rate, time.perf_counter() - 10 / rate)


def _compute(chunks: list[int], ended: threading.Event) -> None:
    while not ended.is_set():
        total = 0
        for number in range(CHUNK):
            total += number * number & 7
        chunks[0] += 1


async def _look(lags: list[int]) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOKS
        await asyncio.sleep(LOOKS)
        lags.append(max(0, int((loop.time() - due) * 1e9)))


def main() -> int:
    """Do what the lines say until there are no more."""
    name, endpoint, mode = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        bot = Bot(made(name, Settings(endpoint, idle=mode == "idle")))
    except ImportError as error:
        answers.write(json.dumps({"missing": f"{type(error).__name__}: {error}"}) + "\n")
        return 1
    answers.write(json.dumps({"ready": name}) + "\n")
    answers.flush()
    for line in sys.stdin:
        told = json.loads(line)
        answers.write(json.dumps(getattr(bot, told.pop("do"))(**told)) + "\n")
        answers.flush()
    return 0


if __name__ == "__main__":
    main()
    os._exit(0)  # what a variant leaves running is not waited for

"""The bot of the soak: decides at a steady pace until its input ends, then says what it made: `soak_bot.py A_SECOND`.

It is set up as any bot is. Every decision has three stages, five votes, a regime and a resolution; every tenth sends an
order that is acknowledged and filled. In its first minute it thrice holds the worker up while it decides as much as in
half a minute: what the heap needs when a busy machine does that is then part of the beginning, and no growth later.
"""

from __future__ import annotations

import json
import select
import sys
import threading
import time

import ares_otel as ares
from ares_otel import OrderUpdate, Regime
from ares_otel.semconv.model import Counter

STAGES = ("analyst", "strategist", "tactician")
VOTES = tuple((f"model-{number}", "buy", 0.6, 0.2) for number in range(5))
BURST = 5
EACH_ORDER = 10
STORM = 17_000
STORMS = (10.0, 30.0, 50.0)
ENOUGH = 60.0
HOLDING = ares.metric(Counter("soak_held_total", "times the worker was held up"))


def decide(number: int) -> int:
    """Make one decision; return how many spans it has, those of its order's updates included."""
    with ares.decision(symbol="ETHUSDT", strategy="soak", venue="paper", timeframe="1m", price=3000.0) as d:
        for stage in STAGES:
            with d.stage(stage):
                pass
        d.regime(Regime("bull_trend", confidence=0.8))
        d.votes(VOTES)
        d.resolve("buy", confidence=0.66, threshold=0.6, reason="weighted vote")
        if number % EACH_ORDER:
            return 1 + len(STAGES)
        order = f"soak-{number}"
        d.order(order, side="buy", type="limit", quantity=1.0, price=3000.0)
    ares.record(OrderUpdate(order, "new"))
    ares.record(OrderUpdate(order, "filled", quantity=1.0, price=3000.5, fee=0.1))
    return 1 + len(STAGES) + 3


def say(**what: object) -> None:
    """Tell the driver."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class Held:
    """A value that keeps whoever reads it, which is the worker."""

    def __init__(self) -> None:
        self.read, self.over = threading.Event(), threading.Event()

    def __float__(self) -> float:
        self.read.set()
        self.over.wait(ENOUGH)
        return 1.0


def held() -> Held:
    """Hold the worker up, with nothing in the queue."""
    made = Held()
    assert ares.flush(ENOUGH)
    HOLDING.add(made)  # type: ignore[arg-type]
    ares.flush(0.01)
    assert made.read.wait(ENOUGH)
    return made


def main(a_second: float) -> None:
    """Decide until a line comes, deliver, wait for another, end."""
    handle = ares.setup()
    say(url=handle.metrics_url)
    started = due = time.monotonic()
    number = spans = 0
    storms = [started + after for after in STORMS]
    while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
        storm = held() if storms and storms[0] < time.monotonic() else None
        for _ in range(STORM if storm else BURST):
            spans += decide(number)
            number += 1
        due += BURST / a_second
        if storm:
            storm.over.set()
            storms.pop(0)
            due = time.monotonic()
    sys.stdin.readline()
    say(decisions=number, spans=spans, flushed=ares.flush(ENOUGH))
    sys.stdin.readline()
    say(ended=ares.shutdown(ENOUGH))


if __name__ == "__main__":
    main(float(sys.argv[1]))

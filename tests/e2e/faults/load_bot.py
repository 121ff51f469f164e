"""A bot that decides at a steady pace until SIGTERM, and writes down what it decided: `load_bot.py JOURNAL A_SECOND`.

It makes some fourteen spans a decision, and an order of every second one. A line of the journal is the trace id of a
decision that ended, then its order's client id or "-".
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import ares_otel as ares

STAGES = ("analyst", "strategist", "tactician", "supervisor")
PARTS = ("read", "judge")
ENOUGH = 60.0


def decide(number: int) -> str:
    """Make one decision; return its line of the journal."""
    order = f"load-{number}" if number % 2 else "-"
    with ares.decision(symbol="ETHUSDT", strategy="load", venue="paper", price=3000.0) as d:
        for stage in STAGES:
            with d.stage(stage):
                for part in PARTS:
                    with ares.span(part):
                        pass
        d.resolve("buy" if number % 2 else "hold", confidence=0.6, threshold=0.5)
        if number % 2:
            d.order(order, side="buy", type="market", quantity=1.0)
            ares.record(ares.OrderUpdate(order, "filled", quantity=1.0, price=3000.5))
    return f"{d.trace_id:032x} {order}\n"


def main(journal: Path, a_second: float) -> None:
    """Decide until SIGTERM, then deliver what is left."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    ares.setup()
    due, number = time.monotonic(), 0
    with journal.open("a", buffering=1) as lines:
        while not over.wait(max(0.0, due - time.monotonic())):
            lines.write(decide(number))
            number += 1
            due += 1.0 / a_second
    if not ares.shutdown(ENOUGH):
        sys.exit("not all was delivered")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))

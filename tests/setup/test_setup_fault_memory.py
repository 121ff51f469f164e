"""A worker that is held up: the queue takes no more memory than it may, and what finds no room is counted."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from balance import balance
from setup_kit import Bot
from sink import Sink

MOST_MIB = 64.0
BLOCKED = """
import threading
from ares_otel import Regime
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.semconv.model import Counter

def resident():
    return int(pathlib.Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024

begun, free = threading.Event(), threading.Event()

class Held:
    def __float__(self):
        begun.set()
        free.wait(100)
        return 1.0

def usual(number):
    with ares.decision(symbol="ETHUSDT", strategy="usual", venue="paper", timeframe="1m", price=3000.0 + number) as d:
        for stage in ("analyst", "strategist", "tactician"):
            with d.stage(stage):
                pass
        d.regime(Regime("bull_trend", confidence=0.8))
        d.votes([(f"model-{at}", "buy", 0.6 + number / 1e6, 0.2) for at in range(5)])
        d.resolve("buy", confidence=0.66, threshold=0.6, reason=f"weighted vote {number}")

def large(number):
    with ares.decision(strategy="large") as d:
        for stage in range(20):
            d.did("analyst", {f"key {at}": f"{'text' * 20} {number} {at}" for at in range(10)})

def bare(number):
    with ares.decision(strategy="bare"):
        pass

handle = ares.setup()
decide = globals()[sys.argv[1]]
for number in range(3_000):
    decide(number)
    if number % 300 == 0:
        assert ares.flush(60)
assert ares.flush(60)
ares.metric(Counter("bot_held_total", "held")).add(Held())
ares.flush(0.01)
assert begun.wait(60)
before, number = resident(), 0
while RECORDER.refused < 2_000:
    decide(number)
    number += 1
say(number, RECORDER.refused, len(RECORDER.queue), resident() - before)
free.set()
ares.flush(60)
assert ares.flush(60)
say(handle.metrics_url)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("kind", ["bare", "usual", "large"])
def test_a_blocked_worker(tmp_path: Path, sink: Sink, kind: str) -> None:
    """Whatever the decisions are like: at most 64 MB, most of which are used; what was refused is what is missing."""
    bot = Bot(BLOCKED, tmp_path, sink, kind)
    number, refused, waiting, growth = bot.next()
    sys.stdout.write(f"{kind}: {waiting} decisions wait, {growth:.1f} MiB\n")
    assert growth <= MOST_MIB
    assert growth >= MOST_MIB / 3 or waiting >= 99_000
    assert number == refused + waiting
    (url,) = bot.next()
    found = balance(url)
    assert found.holds
    assert found.dropped == {"queue_full": refused}
    bot.go_on()
    assert bot.end().status == 0

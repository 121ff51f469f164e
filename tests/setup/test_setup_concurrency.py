"""Where a decision goes along by itself: event loops and pools; and where a carrier has to take it."""

from __future__ import annotations

from pathlib import Path

import pytest
from setup_kit import Bot, named, spans
from sink import Sink

LOOPS = {
    "asyncio": "asyncio.run(main())",
    "uvloop": "import uvloop\nuvloop.run(main())",
}
IN_LOOP = """
import asyncio

async def deeper(name):
    await asyncio.sleep(0)
    ares.record(ares.Prediction(name, "up"))

async def decide_slowly(number):
    with ares.decision(symbol="BTC", strategy=f"s{number:02}") as d:
        with d.stage("analyst"):
            await asyncio.sleep(0.001)
            assert ares.current() is d
            thread = asyncio.to_thread(ares.record, ares.Prediction("thread", "up"))
            await asyncio.gather(asyncio.create_task(deeper("task")), thread)
        await asyncio.get_running_loop().run_in_executor(None, ares.record, ares.Prediction("executor", "up"))

async def main():
    await asyncio.gather(*(decide_slowly(number) for number in range(30)))

handle = ares.setup()
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_event_loops(tmp_path: Path, sink: Sink, loop: str) -> None:
    """Thirty decisions at a time do not mix; tasks, threads and executors of the loop belong to their decision."""
    script = f"{IN_LOOP}\n{LOOPS[loop]}\nsay(ares.shutdown(20.0))"
    bot = Bot(script, tmp_path, sink, ARES_OTEL_METRICS_SYSTEM="true")
    assert bot.end().well == [[True]]
    assert named(sink) == [f"s{number:02}" for number in range(30)]
    for span in spans(sink):
        if span["name"] == "decision":
            models = [attributes["ares.model.name"] for name, attributes in span["events"] if name == "prediction"]
            assert sorted(models) == ["executor", "task", "thread"]


POOLS = """
import concurrent.futures, multiprocessing

def in_thread(name):
    ares.record(ares.Prediction(name, "up"))
    return ares.correlation_id()

def in_process(carrier, number):
    ares.setup()
    with ares.extract(carrier), ares.decision(strategy=f" child {number}") as d:
        return d.correlation_id

if __name__ == "__main__":
    ares.setup()
    context = multiprocessing.get_context(sys.argv[1])
    processes = concurrent.futures.ProcessPoolExecutor(2, mp_context=context)
    with ares.decision(strategy=" parent") as d, concurrent.futures.ThreadPoolExecutor(2) as threads, processes:
        carrier = {}
        ares.inject(carrier)
        found = [*threads.map(in_thread, ["a", "b"]), threads.submit(in_thread, "c").result()]
        found += processes.map(in_process, [carrier] * 4, range(4))
        found += [processes.submit(ares.correlation_id).result()]
    say([one == d.correlation_id for one in found], ares.shutdown(20.0))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools(tmp_path: Path, sink: Sink, method: str) -> None:
    """`submit` and `map` of a pool of threads take the decision along; into a process a carrier takes it.

    A job in a process that was given none finds none, also where the process was forked in the decision.
    """
    said = Bot(POOLS, tmp_path, sink, method, options=("-W", "ignore::DeprecationWarning")).end().well
    alone = method == "fork"  # a forked child has a copy of the context that it was forked in
    assert said == [[[True] * 7 + [alone], True]]
    assert named(sink) == [*(f" child {number}" for number in range(4)), " parent"]
    received = [span for span in spans(sink) if span["name"] == "decision"]
    assert len({span["trace_id"] for span in received}) == 1
    assert len({span["resource"]["service.instance.id"] for span in received}) in {2, 3}

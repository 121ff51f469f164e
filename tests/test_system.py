from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics
from ares_otel.semconv import metrics as m
from ares_otel.system import System, attach_if_running, loops, monitor
from ares_otel.system.loops import Loops, running_loop
from ares_otel.system.probes import GIVE_UP, Probes

DEADLINE = 20.0
THREAD = "ares-otel-system"


@pytest.fixture
def target() -> Metrics:
    """Metrics without any facts."""
    return Metrics()


@pytest.fixture
def system(target: Metrics, tmp_path: Path) -> Iterator[System]:
    """A system whose thread is not started."""
    each = System(target, interval=60.0, disk=tmp_path)
    yield each
    each.stop()


@pytest.fixture
def watch() -> Iterator[Loops]:
    """A watch of event loops that looks a hundred times a second."""
    each = Loops(interval=0.01)
    each.start()
    yield each
    each.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


async def first_lag(watch: Loops) -> None:
    """Wait until a probe has been woken."""
    for _ in range(4_000):
        if watch.lags:
            return
        await asyncio.sleep(0.005)
    pytest.fail("no probe was woken")


def value(target: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of one exposed series, None if it is absent."""
    return target.registry.get_sample_value(name, labels)


def test_a_running_system_shows_process_and_host(target: Metrics, tmp_path: Path) -> None:
    """After two samples every figure that this machine can tell is on the page, in its unit."""
    system = System(target, interval=0.05, disk=tmp_path / "not" / "yet" / "there")
    system.start()
    system.start()
    try:
        until(lambda: value(target, "ares_process_cpu_ratio") is not None)
        ratios = ("host_cpu_ratio", "host_memory_used_ratio", "host_disk_used_ratio")
        found = [value(target, f"ares_{name}") for name in ratios]
        assert all(ratio is not None and 0.0 <= ratio <= 1.0 for ratio in found)
        assert (value(target, "ares_process_resident_memory_bytes") or 0) > 1_000_000
        assert (value(target, "ares_process_threads") or 0) >= 2
        assert (value(target, "ares_process_open_files") or 0) >= 3
        assert value(target, "ares_process_network_connections") is not None
        assert value(target, "ares_host_network_bytes_total", device="received") is not None
        assert (value(target, "process_cpu_seconds_total") or 0) > 0
    finally:
        system.stop()
    assert GUARD.counts() == {}


def test_stop_takes_everything_back(target: Metrics, system: System) -> None:
    """No callback, collector, source, watch or thread is left; a system can be started again."""
    callbacks = list(gc.callbacks)
    for _ in range(2):
        system.start()
        assert len(gc.callbacks) == len(callbacks) + 1
        until(lambda: value(target, "ares_process_threads") is not None)
        system.stop()
        system.stop()

        assert gc.callbacks == callbacks
        assert value(target, "ares_process_threads") is None
        assert value(target, "process_cpu_seconds_total") is None
        assert loops._WATCHES == []
        until(lambda: all(thread.name != THREAD for thread in threading.enumerate()))


def test_a_sample_that_grew_old_is_not_shown(target: Metrics, system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nobody samples any more, the figures end; those that are renewed seldom stay longer."""
    now = [100.0]
    monkeypatch.setattr(monitor, "time", SimpleNamespace(monotonic=lambda: now[0]))
    target.observe_at_scrape(system._readings)
    system.sample()
    assert value(target, "ares_process_threads") is not None

    now[0] += 3 * 60.0 + 1.0
    assert value(target, "ares_process_threads") is None
    assert value(target, "ares_process_network_connections") is not None


def test_cpu_of_the_first_sample_is_unknown(tmp_path: Path) -> None:
    """CPU is a mean since the last sample, and the first has none before it."""
    probes = Probes(tmp_path)
    first = {reading[0].name for reading in probes.sample(slow=True)}
    second = {reading[0].name for reading in probes.sample()}

    assert m.PROCESS_CPU.name not in first
    assert m.PROCESS_CONNECTIONS.name in first
    assert m.PROCESS_CPU.name in second
    assert m.PROCESS_CONNECTIONS.name not in second


def test_a_probe_that_fails_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine does not tell is tried three times, counted, and not asked again; the rest goes on."""

    def refuse() -> None:
        raise psutil.AccessDenied(1)

    monkeypatch.setattr(psutil, "net_io_counters", refuse)
    probes = Probes(tmp_path)
    for _ in range(GIVE_UP + 2):
        names = {reading[0].name for reading in probes.sample()}

    assert GUARD.counts() == {"system.probe": GIVE_UP}
    assert m.HOST_NETWORK.name not in names
    assert m.PROCESS_MEMORY.name in names


def test_what_a_machine_does_not_count_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system without network interfaces and one without counters of a process' bytes have no such series."""
    monkeypatch.setattr(psutil, "net_io_counters", lambda **_: {})
    probes = Probes(tmp_path)
    monkeypatch.setattr(probes, "_process", SimpleNamespace(**dict.fromkeys(("cpu_percent",), lambda _: 0.0)))

    assert list(probes._io()) == []
    assert list(probes._network()) == []


def test_an_interface_that_goes_takes_nothing_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What interfaces moved only grows, whichever of them come and go; what a new one moved before is not counted."""
    seen = iter([{"a": (10, 1), "b": (500, 50)}, {"a": (15, 2)}, {"a": (17, 3), "c": (900, 90)}, {"c": (904, 91)}])

    def counters(*, pernic: bool) -> dict[str, SimpleNamespace]:
        assert pernic
        return {name: SimpleNamespace(bytes_recv=got, bytes_sent=sent) for name, (got, sent) in next(seen).items()}

    monkeypatch.setattr(psutil, "net_io_counters", counters)
    probes = Probes(tmp_path)

    moved = [[reading[2] for reading in probes._network()] for _ in range(4)]

    assert moved == [[510, 51], [515, 52], [517, 53], [521, 54]]


def test_pauses_of_the_garbage_collector_are_counted(target: Metrics, system: System) -> None:
    """Each collection is one pause of its generation; nothing is counted after the end."""
    system._pauses.start()
    system._pauses.start()
    before = value(target, "ares_gc_pause_seconds_count", generation="2") or 0.0
    gc.collect()
    gc.collect()
    system._pauses.stop()
    system._pauses.stop()
    gc.collect()

    assert value(target, "ares_gc_pause_seconds_count", generation="2") == before + 2.0


def test_a_collection_may_happen_while_metrics_are_locked(target: Metrics, system: System) -> None:
    """The collector can run anywhere, also inside our own lock: its callback must not wait for it."""
    system._pauses.start()
    with target._lock:
        gc.collect()
    system._pauses.stop()

    assert (value(target, "ares_gc_pause_seconds_count", generation="2") or 0.0) >= 1.0


def test_a_stop_without_a_start_is_no_pause(target: Metrics, system: System) -> None:
    """Measuring that begins in the middle of a collection does not count half of it."""
    system._pauses("stop", {"generation": 1})

    assert value(target, "ares_gc_pause_seconds_count", generation="1") == 0.0


def test_a_blocked_loop_is_late(watch: Loops) -> None:
    """A call that blocks the loop for 50 ms makes the probe at least 40 ms late."""

    async def bot() -> None:
        attach_if_running()
        attach_if_running()
        await first_lag(watch)
        watch.drain()
        time.sleep(0.05)  # noqa: ASYNC251  the bot's mistake is the point
        await first_lag(watch)

    asyncio.run(bot())

    assert watch.lags[0] >= 0.03
    assert all(lag >= 0.0 for lag in watch.lags)


def test_each_loop_is_watched_once(watch: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many decisions meet a loop, and however many loops there are, each has one probe."""
    armed: list[object] = []
    arm = loops._Probe.arm

    def counting(probe: loops._Probe) -> None:
        if probe not in armed:
            armed.append(probe)
        arm(probe)

    monkeypatch.setattr(loops._Probe, "arm", counting)

    async def bot() -> None:
        for _ in range(5):
            attach_if_running()
            watch.watch(asyncio.get_running_loop())
            await asyncio.sleep(0)

    asyncio.run(bot())
    asyncio.run(bot())

    assert len(armed) == 2


def test_a_loop_of_another_thread_can_be_watched(target: Metrics, system: System) -> None:
    """`watch_loop` works from outside of the loop, and its lag reaches the page."""
    system.loops.interval = 0.01
    system.start()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        system.watch_loop(loop)
        until(lambda: (value(target, "ares_event_loop_lag_seconds_count") or 0.0) >= 2.0)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_closed_loop_is_no_error_of_the_bot(watch: Loops) -> None:
    """A loop that ended cannot be watched: counted, not raised."""
    loop = asyncio.new_event_loop()
    loop.close()
    watch.watch(loop)

    assert GUARD.counts() == {"system.loop": 1}


def test_probes_end_with_the_watch(watch: Loops) -> None:
    """After `stop` the probe does not come again, and nobody is attached."""

    async def bot() -> int:
        attach_if_running()
        await first_lag(watch)
        watch.stop()
        watch.drain()
        attach_if_running()
        watch.watch(asyncio.get_running_loop())
        await asyncio.sleep(0.05)
        return len(watch.lags)

    assert asyncio.run(bot()) == 0


def test_a_probe_does_not_keep_the_first_decision_alive(watch: Loops) -> None:
    """The probe runs in an empty context, so what was current when it was attached can go."""

    class Decision:
        """Something that must not be kept."""

    current: contextvars.ContextVar[Decision] = contextvars.ContextVar("current")

    async def decide() -> weakref.ref[Decision]:
        decision = Decision()
        current.set(decision)
        attach_if_running()
        return weakref.ref(decision)

    async def bot() -> bool:
        gone = await asyncio.create_task(decide())
        await first_lag(watch)
        gc.collect()
        return gone() is None

    assert asyncio.run(bot())


def test_without_asyncio_there_is_no_loop(watch: Loops, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bot that never imported asyncio has no loop, and need not import it for us."""
    attach_if_running()
    monkeypatch.delitem(sys.modules, "asyncio.events")

    assert running_loop() is None
    assert not watch.lags


def test_start_that_fails_in_the_middle_is_taken_back(
    target: Metrics, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error at the start is counted; what was begun is ended by `stop`."""

    def refuse(_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(target, "observe_at_scrape", refuse)
    callbacks = list(gc.callbacks)
    system.start()
    system.stop()

    assert GUARD.counts() == {"system.start": 1}
    assert gc.callbacks == callbacks
    assert value(target, "process_cpu_seconds_total") is None


def test_a_process_that_never_stops_it_ends_quietly() -> None:
    """A bot that just ends gets no word from callbacks that are still registered."""
    script = (
        "import asyncio, gc\n"
        "from ares_otel.metrics import Metrics\n"
        "from ares_otel.system import System, attach_if_running\n"
        "System(Metrics()).start()\n"
        "async def bot():\n"
        "    attach_if_running()\n"
        "    await asyncio.sleep(0.01)\n"
        "asyncio.run(bot())\n"
        "gc.collect()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

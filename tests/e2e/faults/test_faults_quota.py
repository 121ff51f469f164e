"""Room that ends, under load: the collector's queue, the disk under it, the bot's spool. Nothing is lost uncounted."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults_kit import MINUTES, Loaded, loaded, note, spans_of
from server_kit import segments_of
from stack_kit import until

from ares_otel.semconv import metrics as m

pytestmark = pytest.mark.timeout(0)
FULL = MINUTES * 60.0
LONG = 5 * 60.0  # AresTelemetryNotDelivered is said after ten minutes of a rate that outlasts failures by five
SOON = 600.0  # until the room is used up, and then two minutes of patience
RESOLVED = 900.0  # rates over five minutes, and ten that an alert is kept
BOUND = 6 << 20
DISK = 12 << 20
SPOOL = 1 << 20
LARGE = 2 << 30  # more than AresStoreDiskLow asks for
ROOM = 1 << 18
KEPT = 600.0  # so long an alert on losses goes on after the last one
CUT = 15  # the first decision that is lost may be lost in part
OVERLAY = f"""\
exporters:
  otlp_grpc/tempo: {{sending_queue: {{queue_size: {BOUND}}}}}
"""


@contextmanager
def own_disk(directory: Path, size: int) -> Iterator[Path]:
    """Mount a file system of so many bytes.

    Raises:
        RuntimeError: this user may not mount.
    """
    if os.geteuid() != 0:
        raise RuntimeError("a disk that is full needs the right to mount one: run this as root")
    directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def resized(disk: Path, size: int) -> None:
    """Give a disk another size, not below what is used of it."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def overlay(directory: Path) -> str:
    """Write the bound of Tempo's queue that a test can reach, as a file beside the committed ones."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "small.yaml").write_text(OVERLAY)
    return str(directory / "small")


def filled(running: Loaded, reason: str) -> float:
    """End Tempo and wait until the collector sends back what the bot sends; return when Tempo ended."""
    started = time.monotonic()
    running.tempo.stop()
    note("Tempo is down")
    until(lambda: running.load.metric(m.SPOOL_BYTES) > 0, what="the collector sends spans back", seconds=SOON)
    until(lambda: reason in running.collector.log.read_text(errors="replace"), what=f"its log says: {reason}")
    note(f"no room after {time.monotonic() - started:.0f} s; {running.waiting():,.0f} bytes wait in the collector")
    return started


def refused_for_long(running: Loaded, started: float, since: float) -> set[str]:
    """Let the bot be refused for the length of an outage; return the alerts that this has to be told by."""
    running.alerts.wait("AresCollectorFull", over=False, since=started, seconds=SOON)
    running.stand(
        since + FULL - time.monotonic(), lambda: f"{running.load.metric(m.SPOOL_BYTES):,.0f} bytes in the bot's spool"
    )
    expected = {"AresServerDown", "AresCollectorNotDelivering", "AresCollectorQueueFilling", "AresCollectorFull"}
    if FULL >= LONG:
        running.alerts.wait("AresTelemetryNotDelivered", over=False, since=started, seconds=SOON)
        expected |= {"AresTelemetryNotDelivered"}
    return expected


def stored_meanwhile(running: Loaded) -> None:
    """Wait until the ares server has all that was decided until now, though there is no room for Tempo."""
    started = time.monotonic()
    made = running.load.made()
    until(lambda: made.keys() <= running.stored().keys(), what="the ares server lacks nothing")
    note(f"the ares server has all {len(made)} decisions {time.monotonic() - started:.0f} s after the newest")


def recovered(running: Loaded) -> float:
    """Start Tempo, wait until all that waited is worked off; return when Tempo started."""
    back = time.monotonic()
    running.tempo.start_again()
    until(running.tempo.ready, what="Tempo is ready again")
    until(lambda: running.load.metric(m.SPOOL_BYTES) == 0, what="the spool is worked off", seconds=RESOLVED)
    note(f"the spool is worked off {time.monotonic() - back:.0f} s after Tempo's start")
    return back


def ended(running: Loaded, names: set[str], back: float) -> None:
    """Wait until the end of each alert was told."""
    for name in sorted(names):
        running.alerts.wait(name, over=True, since=back, seconds=RESOLVED)


def test_queue_is_full(tmp_path: Path) -> None:
    """Tempo's queue reaches its bound: bots keep what is sent back; the ares server has it at once, Tempo later."""
    with loaded(tmp_path, overlay(tmp_path / "overlay")) as running:
        started = filled(running, "sending queue is full")
        expected = refused_for_long(running, started, time.monotonic())
        stored_meanwhile(running)
        back = recovered(running)
        made = running.load.made()
        running.settled(made)
        assert running.load.dropped() == {}
        ended(running, expected, back)
        assert running.alerts.names() == expected


def test_disk_is_full(tmp_path: Path) -> None:
    """The disk under the queues is full before their bounds: bots keep what is sent back; with room again it goes on.

    The room comes before Tempo does: what a collector reads from its queue while its disk is full may be lost to it.
    """
    with own_disk(tmp_path / "disk", DISK) as disk, loaded(tmp_path, queue=disk) as running:
        started = filled(running, "no space left on device")
        expected = refused_for_long(running, started, time.monotonic()) - {"AresCollectorQueueFilling"}
        again = time.monotonic()
        resized(disk, LARGE)
        until(lambda: running.load.metric(m.SPOOL_BYTES) == 0, what="the spool is worked off", seconds=RESOLVED)
        note(f"the spool is worked off {time.monotonic() - again:.0f} s after there is room")
        back = recovered(running)
        made = running.load.made()
        running.settled(made)
        assert running.load.dropped() == {}
        ended(running, expected, again)
        note(f"the last alert ended {time.monotonic() - back:.0f} s after Tempo's start")
        assert running.alerts.names() == expected


def test_spool_is_full(tmp_path: Path) -> None:
    """The queue is full, and then the bot's spool: for Tempo the oldest spans go, counted; the ares server has all."""
    with loaded(tmp_path, overlay(tmp_path / "overlay"), ARES_OTEL_SPOOL_CAP_BYTES=str(SPOOL)) as running:
        started = filled(running, "sending queue is full")
        until(running.load.dropped, what="the bot gives spans up", seconds=SOON)
        note(f"the spool is full {time.monotonic() - started:.0f} s after Tempo's end")
        running.alerts.wait("AresTelemetryLosing", over=False, since=started, seconds=SOON)
        running.stand(FULL / 5)
        back = recovered(running)
        dropped = running.load.dropped()
        note(f"the bot counts {dropped} as lost")
        assert set(dropped) == {"spool_full"}
        made = running.load.made()
        until(lambda: next(reversed(made)) in running.stored(), what="the newest decision is stored", seconds=RESOLVED)
        held = Counter((trace.hex(), span) for _, part in segments_of(running.database) for trace, span, _, _ in part)
        assert max(held.values()) == 1
        assert sum(trace in made for trace, _ in held) == spans_of(made)
        note(f"each of {spans_of(made)} spans of {len(made)} decisions is in the store once")
        lost = {trace: made[trace] for trace in running.lacking(made)}
        note(f"of a thousand decisions {len(lost)} with {spans_of(lost)} spans are not in Tempo")
        assert 0 < spans_of(lost) <= dropped["spool_full"] + CUT
        running.alerts.wait("AresTelemetryLosing", over=True, since=back, seconds=RESOLVED + KEPT)


def test_disk_of_the_store_is_full(tmp_path: Path) -> None:
    """The disk of the ares server is full: what cannot be stored waits in the collector, and is stored later, once."""
    with own_disk(tmp_path / "disk", LARGE) as disk, loaded(tmp_path, store=disk) as running:
        started = time.monotonic()
        resized(disk, shutil.disk_usage(disk).used + ROOM)
        note("the disk of the ares server is full")
        expected = {"AresStoreFailing", "AresStoreDiskLow", "AresCollectorNotDelivering"}
        for name in sorted(expected):
            running.alerts.wait(name, over=False, since=started, seconds=SOON)
        running.stand(started + FULL - time.monotonic())
        assert running.load.made().keys() - running.stored().keys()

        back = time.monotonic()
        resized(disk, LARGE)
        made = running.load.made()
        running.settled(made)
        note(f"all is stored {time.monotonic() - back:.0f} s after there is room again")
        assert running.load.dropped() == {}
        ended(running, expected, back)
        assert running.alerts.names() == expected

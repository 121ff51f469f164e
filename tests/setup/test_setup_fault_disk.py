"""A disk that is full, read-only, wiped or damaged: the bot notices nothing, and every span is accounted for."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from balance import watched
from fault_kit import SPANS, complaints, settled, trade, within
from setup_kit import Begin, Bot, named, span_ids
from sink import Sink, eventually, free_port, reply

import ares_otel as ares

NAMES = [f"s{number}" for number in range(40)]
MANY = 1_000
MEMORY_KIB = 300 << 10
MOUNTED = ("unshare", "--mount", "--map-root-user", "sh", "-c")
"""A mount that only this process sees: needs root, or a system that gives its users namespaces."""


@pytest.fixture
def disk(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """Return what starts a bot whose state lies on a small disk of its own.

    Where nobody may mount one, a limit on the size of files stands in for a full disk, and bits of mode for one that is
    read-only: writing fails in the same calls.
    """
    state = tmp_path / "ares-otel"
    state.mkdir()
    able = (
        shutil.which("unshare") and not subprocess.run([*MOUNTED, "mount -t tmpfs none /mnt"], check=False).returncode
    )

    def prepared(how: str) -> tuple[str, ...]:
        if able:
            return (*MOUNTED, f'mount -t tmpfs -o {how} none "{state}" && exec "$@"', "bot")
        if how == "ro":
            state.chmod(0o500)
            return ()
        return ("sh", "-c", 'ulimit -f 512 && exec "$@"', "bot")

    return prepared


FULL = """
handle = ares.setup()
say(handle.metrics_url)
answers = 0
for batch in range(60):
    for number in range(100):
        with ares.decision(symbol="BTC", strategy="full") as d:
            for stage in range(9):
                d.did("analyst", {"note": os.urandom(300).hex()})
    answers += ares.flush(0.05)
say(answers)
sys.stdin.readline()
say(ares.flush(60.0), int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) if
    os.path.exists("/proc/self/status") else 0)
sys.stdin.readline()
"""
DECIDED = 60_000


@pytest.mark.parametrize("how", ["size=1m", "ro"], ids=["full", "read-only"])
def test_a_disk_that_takes_nothing(tmp_path: Path, disk: Callable[[str], tuple[str, ...]], how: str) -> None:
    """What memory can hold arrives, what was too much for it is counted, and each reason is said once."""
    port = free_port()
    bot = Bot(FULL, tmp_path, f"http://127.0.0.1:{port}/v1/traces", before=disk(how))
    (url,) = bot.next()
    with watched(url):
        assert bot.next() == [0]
        with Sink(port=port) as sink:
            bot.go_on()
            _, memory = bot.next()
            found = settled(url)
            received = [span for request in sink.requests for span in span_ids(request.body)]
    bot.go_on()
    ended = bot.end()
    assert ended.status == 0
    assert found.dropped.keys() == {"memory_full"}
    assert found.recorded >= DECIDED
    assert len(received) == len({*received}) == found.exported == found.recorded - found.lost
    assert memory < MEMORY_KIB
    said = ended.errors.splitlines()
    assert len([line for line in said if line.startswith("spool:")]) == 1, ended.errors
    assert len(said) == len({*said}), ended.errors


def test_a_spool_that_somebody_deletes(
    begin: Begin, sink: Sink, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was in it is lost, counted and said; what comes afterwards is kept and arrives."""
    sink.script.extend([reply(503)] * MANY)
    with begin(sink) as handle, watched(handle.metrics_url):
        for start in range(0, 20, 5):
            trade(NAMES[start : start + 5])
            assert not ares.flush(0.1)
        eventually(lambda: list((tmp_path / "state").rglob("*.seg")))
        (spool,) = (tmp_path / "state").rglob("spool")
        shutil.rmtree(spool)
        with within(0.3):
            trade(NAMES[20:])
            assert not ares.flush(0.3)
        sink.script.clear()
        assert ares.flush(20.0)  # the one before has told of the loss
        found = settled(handle.metrics_url)
        assert found.exported + found.lost == found.recorded == SPANS * len(NAMES)
        assert found.dropped.keys() == {"spool_error"}
        assert found.lost < SPANS * 20  # the oldest was on its way, however little was in it
    assert {*NAMES[20:]} <= {*named(sink)}
    assert len(complaints(caplog)) == len({*complaints(caplog)}) <= 3


def left_behind(begin: Begin, tmp_path: Path) -> list[Path]:
    """Let a process leave six requests in the spool, and return its segments."""
    where = f"http://127.0.0.1:{free_port()}/v1/traces"
    begin(exporter__enabled=True, exporter__traces_endpoint=where)
    for start in range(0, 30, 5):
        trade(NAMES[start : start + 5])
        assert not ares.flush(0.1)
    assert not ares.shutdown(0.3)
    return sorted((tmp_path / "state").rglob("*.seg"))


@pytest.mark.parametrize("damage", ["torn", "flipped", "garbage"])
def test_segments_that_are_damaged(
    begin: Begin, sink: Sink, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """The next start delivers what is sound; what is not is counted as far as anybody can know it, and said once."""
    (segment,) = left_behind(begin, tmp_path)
    caplog.clear()
    data = bytearray(segment.read_bytes())
    if damage == "torn":
        del data[-20:]
    elif damage == "flipped":
        data[len(data) // 2] ^= 0x10
    else:
        data[:] = os.urandom(len(data))
    segment.write_bytes(data)

    with begin(sink) as handle, watched(handle.metrics_url):
        trade(NAMES[30:])
        ares.flush(20.0)
        found = settled(handle.metrics_url)
        assert found.recorded == SPANS * 10
        assert found.exported + found.lost == found.recorded + found.adopted
        assert found.dropped.keys() <= {"corrupt"}
        assert (damage == "garbage") == (found.adopted == 0)
        assert found.lost == (0 if damage == "garbage" else SPANS * 5)
    assert named(sink)[-1] == "s9" or damage == "garbage"
    assert {*NAMES[30:]} <= {*named(sink)}
    assert len(complaints(caplog)) <= 1


def test_an_end_waits_for_no_disk(begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for a slow disk holds up the death of its process: the end of a bot asks none to force data.

    What it wrote outlives it all the same, in the memory of the system.
    """
    nowhere = f"http://127.0.0.1:{free_port()}/v1/traces"
    begin(exporter__enabled=True, exporter__traces_endpoint=nowhere, ledger__enabled=False)
    trade(NAMES)
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", forced.append)
    with within(0.3):
        assert not ares.shutdown(0.3)
    eventually(lambda: not any(thread.name == "ares-otel-sender-close" for thread in threading.enumerate()))
    assert forced == []
    assert list((tmp_path / "state").rglob("*.seg"))
    with Sink() as sink, begin(sink):
        assert ares.flush(20.0)
        assert named(sink) == sorted(NAMES)

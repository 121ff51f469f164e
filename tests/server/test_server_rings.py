"""What a killed bot has left in its ring, stored by the server of its host; a bot that starts again only books it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from server_kit import rows, until
from setup_kit import Bot as Process
from setup_kit import named
from sink import Sink, free_port

from ares_otel.config import Config, load
from ares_otel.guard import GUARD
from ares_otel.pipeline.leftovers import claim, lock
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.keep.rings import Rings
from ares_otel.server.store.writer import Answer, Job

STORED = Answer(200)
KILLED = """
from ares_otel import OrderUpdate
ares.setup(overrides={"recorder.ring": sys.argv[1], "recorder.drain_interval": 60})
decide(1)
with ares.decision(symbol="BTC", strategy="open") as d:
    with d.order("o-1", side="buy", type="market", quantity=2.0):
        ares.record(OrderUpdate("o-1", "filled", quantity=2.0, price=3.0, trade_id="t-1"))
    os.kill(os.getpid(), signal.SIGKILL)
"""
AGAIN = """
handle = ares.setup(overrides={"recorder.ring": sys.argv[1]})
assert ares.flush(20)
import urllib.request
page = urllib.request.urlopen(handle.metrics_url, timeout=20).read().decode()
say([line for line in page.splitlines() if line.startswith("ares_filled_notional_total{")])
say(ares.flush(20), ares.shutdown(20))
"""


@pytest.fixture
def ring(tmp_path: Path) -> Path:
    """Return the ring of a bot that was killed, in a folder of its own."""
    path = tmp_path / "rings" / "bot.ring"
    nowhere = f"http://127.0.0.1:{free_port()}/v1/traces"
    ended = Process(KILLED, tmp_path / "bot", nowhere, str(path)).end()
    assert ended.status == -signal.SIGKILL, ended.errors
    return path


def configured(*where: Path) -> Config:
    """Return a configuration that names places of rings."""
    return load(environ={}, overrides={"server.rings": [str(each) for each in where]}).config


def taking(answer: Answer = STORED) -> tuple[list[Job], Callable[[Job], bool]]:
    """Return what a store was given, and a store that says the same to all."""
    jobs: list[Job] = []

    def submit(job: Job) -> bool:
        jobs.append(job)
        job.answer(answer)
        return True

    return jobs, submit


def left(ring: Path) -> list[str]:
    """Return the suffixes of what is left at a place."""
    return sorted(file.name.partition(".left-")[2].lstrip("0123456789") for file in ring.parent.glob("*.left-*"))


def test_a_place_that_has_been_free_for_long_enough(ring: Path, tmp_path: Path) -> None:
    """It is stored once, and stays for the bot; before its time is over, nobody touches it."""
    now = [0.0]
    jobs, submit = taking()
    rings = Rings(configured(ring.parent, tmp_path / "nothing"), submit, now=lambda: now[0])
    for moment in (0.0, 10.0, 29.0):
        now[0] = moment
        assert rings.look() == 0
    assert ring.exists()
    now[0] = 31.0
    assert rings.look() == 1
    assert (left(ring), ring.exists()) == ([".sent"], False)
    assert rings.look() == 0
    assert len(jobs) == 1


def test_a_bot_that_runs_is_left_alone(ring: Path) -> None:
    """The time begins anew when it has ended; what another process is just reading is its own."""
    now = [0.0]
    jobs, submit = taking()
    rings = Rings(configured(ring), submit, now=lambda: now[0])
    assert rings.look() == 0
    now[0] = 20.0
    held = lock(ring)
    assert held is not None
    assert rings.look() == 0
    os.close(held)
    now[0] = 40.0
    assert rings.look() == 0
    now[0] = 71.0
    assert rings.look() == 1
    assert jobs


def test_another_one_reads_it(ring: Path) -> None:
    """A ring that is claimed is left to whoever has it."""
    jobs, submit = taking()
    rings = Rings(configured(ring), submit, free_seconds=0.0)
    ring.rename(ring.with_name("bot.ring.left-1"))
    claimed = claim(ring.with_name("bot.ring.left-1"))
    assert claimed is not None
    assert rings.look() == 0
    os.close(claimed)
    assert rings.look() == 1
    assert jobs


@pytest.mark.parametrize("refuses", [True, False])
def test_a_store_that_takes_nothing_now(ring: Path, *, refuses: bool) -> None:
    """It is tried again; nothing is marked as sent before it is stored."""
    jobs, submit = taking(Answer(503, "full"))
    rings = Rings(configured(ring), (lambda job: not job) if refuses else submit, free_seconds=0.0)
    assert rings.look() == 0
    assert left(ring) == [""]
    rings._submit = taking()[1]
    assert rings.look() == 1
    assert left(ring) == [".sent"]
    assert refuses or jobs


def test_what_is_no_ring(tmp_path: Path) -> None:
    """It is moved aside and said once; a place that cannot be read is said, too."""
    ring = tmp_path / "bot.ring"
    ring.write_bytes(b"not a ring")
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.ring").mkdir()
    (tmp_path / "folder.ring.lock").mkdir()
    jobs, submit = taking()
    rings = Rings(configured(ring, tmp_path / "folder.ring" / "x", tmp_path), submit, free_seconds=0.0)
    assert rings.look() == 0
    assert [path.read_bytes() for path in tmp_path.glob("bot.ring.damaged-*")] == [b"not a ring"]
    assert GUARD.counts().keys() <= {"ring", "rings"}
    assert not jobs


def test_the_server_stores_and_the_bot_books(ring: Path, tmp_path: Path) -> None:
    """Each span is stored once; the next start of the bot counts the fill and sends nothing of it again."""
    config = configured(ring)
    with EmbeddedServer(tmp_path / "ares.db") as server, Rings(config, server.writer.submit, free_seconds=0.0):
        until(lambda: server.stored)
        until(lambda: left(ring) == [".sent"])
        stored = server.stored
    assert stored >= 3
    assert rows(tmp_path / "ares.db", "SELECT COUNT(*) FROM decision") == [(2,)]
    with Sink() as sink:
        fills, ended = Process(AGAIN, tmp_path / "bot", sink, str(ring)).end().well
        assert named(sink) == []
    assert ended == [True, True]
    assert len(fills) == 1
    assert left(ring) == []


def test_nothing_is_asked_for() -> None:
    """Without places there is no thread."""
    before = threading.active_count()
    with Rings(Config(), lambda _: True):
        assert threading.active_count() == before

"""The server is killed under load, again and again: what was acknowledged is there, each span once."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from server_kit import content, fresh, rows, send, until
from spans import Bot, body

KILLS = 10
SENDERS = 3
NURSERY = """
import os, signal, sys
from pathlib import Path
from ares_otel.server.http.serve import EmbeddedServer
for line in sys.stdin:
    child = os.fork()
    if not child:
        server = EmbeddedServer(Path(sys.argv[1])).start()
        print(os.getpid(), server.url, flush=True)
        signal.pause()
    os.waitpid(child, 0)
"""
"""Starts a server for each line, without the second that Python needs for its imports."""


class Load:
    """Senders that repeat a request until it is acknowledged, as the library does."""

    def __init__(self) -> None:
        self.url = ""
        self.acknowledged: Counter[bytes] = Counter()
        self.repeated = 0
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._bots = [Bot(seed=seed, start=1_700_000_000_000_000_000 + seed * 10**12) for seed in range(SENDERS)]
        self._threads = [threading.Thread(target=self._work, args=(bot,)) for bot in self._bots]

    def start(self) -> None:
        """Begin to send."""
        for thread in self._threads:
            thread.start()

    def advance(self) -> None:
        """Wait until something more is acknowledged."""
        before = self.acknowledged.total()
        until(lambda: self.acknowledged.total() > before)

    def join(self) -> None:
        """End after the request at hand is acknowledged."""
        self.over.set()
        for thread in self._threads:
            thread.join(60)

    def _work(self, bot: Bot) -> None:
        while not self.over.is_set():
            made = [bot.decision(order=bot.made % 2 == 0) for _ in range(5)]
            spans = [span for each in made for span in each.all]
            self._deliver(body(spans))
            with self._lock:
                self.acknowledged.update(span.span_id for span in spans)

    def _deliver(self, data: bytes) -> None:
        while not self._sent(data):
            self.repeated += 1
            self.over.wait(0.02)

    def _sent(self, data: bytes) -> bool:
        try:
            return send(self.url, data).status == 200
        except (OSError, http.client.HTTPException):
            return False


@contextlib.contextmanager
def serving(nursery: subprocess.Popen[str], load: Load) -> Iterator[None]:
    """Run the server in a process of its own until the end of the block, then kill it."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write("start\n")
    nursery.stdin.flush()
    number, load.url = nursery.stdout.readline().split()
    yield
    os.kill(int(number), signal.SIGKILL)


def killed(directory: Path, kills: int) -> Path:
    """Kill a server under load so many times; return the database after all that was asked is acknowledged.

    Every acknowledged span is stored once, the file passes SQLite's own check, and the sums equal the rows.
    """
    database, load, chance = fresh(directory), Load(), random.Random(5)  # noqa: S311  the same pauses in each run
    command = [sys.executable, "-c", NURSERY, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as nursery:
        for attempt in range(kills):
            with serving(nursery, load):
                if attempt == 0:
                    load.start()
                load.advance()
                load.over.wait(chance.random() / 5)
        with serving(nursery, load):
            load.join()
        nursery.communicate()

    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    stored = Counter(span for _, span, _, _ in content(database)["span"])
    assert max(stored.values()) == 1
    assert load.acknowledged.keys() <= stored.keys()
    assert load.repeated >= kills
    spans = rows(database, "SELECT (SELECT count(*) FROM decision) * 5 + (SELECT count(*) FROM orders) * 3")
    assert spans == [(len(stored),)]
    for sums, counted in SUMS.items():
        assert rows(database, f"SELECT sum(n) FROM {sums}") == rows(database, counted), sums  # noqa: S608  own names
    return database


SUMS = {
    "hourly": "SELECT count(*) FROM decision",
    "regime_hourly": "SELECT count(*) FROM decision",
    "regime_episode": "SELECT count(*) FROM decision",
    "stage_hourly": "SELECT count(*) * 4 FROM decision",
    "check_hourly": "SELECT count(*) FROM decision",
    "vote_daily": "SELECT sum(length(votes) - length(replace(votes, ' ', ''))) FROM decision",
}
"""What each sum counts: decisions with a regime and one check, three stages and the whole."""


def test_killed_under_load(tmp_path: Path) -> None:
    """After ten kills and restarts every acknowledged span is stored once, and the database is sound."""
    killed(tmp_path, KILLS)

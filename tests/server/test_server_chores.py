"""What the writer's thread does besides storing: in turns, never at the cost of a request, and not after the end."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import cast

import pytest
from server_kit import fresh, rows, until
from spans import Bot, body

from ares_otel.guard import GUARD
from ares_otel.server.otlp.wire import PROTOBUF
from ares_otel.server.store.chores import RETRY_SECONDS, Chores
from ares_otel.server.store.store import Store
from ares_otel.server.store.writer import Answer, Job, Writer

STORE = cast("Store", None)
NAME = "INSERT INTO name(kind, value) VALUES ('test', 'x')"


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time


def test_turns() -> None:
    """What has been due for longest comes first; the pause that a step asks for is kept."""
    clock, done = Clock(), []

    def often(_: Store) -> float:
        done.append("often")
        return 1.0

    def seldom(_: Store) -> float:
        done.append("seldom")
        return 2.5

    chores = Chores([often, seldom], clock)
    waits = []
    for _ in range(8):
        waits.append(chores.wait())
        chores.step(STORE)
        clock.time += 0.5

    assert done == ["often", "seldom", "often", "often", "often", "seldom"]
    assert waits == [0.0, 0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0]


def test_without_chores_there_is_nothing_to_do() -> None:
    """Then the thread sleeps until a request comes."""
    chores = Chores()
    chores.step(STORE)

    assert chores.wait() is None


def test_a_chore_that_fails_comes_again() -> None:
    """It is counted and does not take the thread with it."""
    clock, tries = Clock(), []

    def broken(_: Store) -> float:
        tries.append(clock())
        raise ValueError("no")

    chores = Chores([broken], clock)
    chores.step(STORE)
    assert chores.wait() == RETRY_SECONDS
    clock.time += RETRY_SECONDS
    chores.step(STORE)

    assert len(tries) == 2
    assert GUARD.counts()["store chore"] == 2


def test_chores_and_requests_share_the_thread(tmp_path: Path) -> None:
    """Chores run while nothing comes and between requests, with the store and in its thread, and end with it."""
    database, threads, answers = fresh(tmp_path), set[str](), SimpleQueue[Answer]()
    count = 0

    def chore(store: Store) -> float:
        nonlocal count
        threads.add(threading.current_thread().name)
        with store.transaction() as db:
            db.execute("INSERT OR REPLACE INTO name(kind, value) VALUES ('test', ?)", (str(count),))
        count += 1
        return 0.001

    writer = Writer(database, 1 << 20, [chore])
    writer.start()
    until(lambda: count >= 3)
    before = count
    assert writer.submit(Job(body(Bot().decision().all), PROTOBUF, packed=False, answer=answers.put))
    assert answers.get(timeout=20).status == 200
    until(lambda: count > before)
    assert writer.stop(20)

    assert threads == {"ares-store"}
    assert rows(database, "SELECT count(*) FROM name WHERE kind = 'test'") == [(count,)]


def test_a_transaction_that_fails_is_undone(tmp_path: Path) -> None:
    """Nothing of it stays, and the store goes on."""
    database = fresh(tmp_path)
    with closing(Store(database)) as store:
        with pytest.raises(ValueError, match="no"), store.transaction() as db:
            db.execute(NAME)
            raise ValueError("no")
        with store.transaction() as db:
            db.execute(NAME)

    assert rows(database, "SELECT kind, value FROM name") == [("test", "x")]

"""Questions are answered off the event loop, each thread with a reader of its own."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from server_kit import fresh, store_all
from spans import Bot
from sqlalchemy.exc import OperationalError

from ares_otel.server.query.pool import Pool
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.story.leash import TooLongError
from ares_otel.server.story.reader import Reader


def test_questions_at_the_same_time(tmp_path: Path) -> None:
    """Two that wait for each other are answered: they have threads and readers of their own, kept for the next ones."""
    database = fresh(tmp_path)
    store_all(database, [Bot().decision().all])
    pool, together = Pool(database, threads=2), threading.Barrier(2, timeout=20.0)

    def count(reader: Reader) -> tuple[int, int]:
        together.wait()
        return id(reader), reader.counts().decisions

    async def both() -> set[tuple[int, int]]:
        return {*await asyncio.gather(pool.ask(count), pool.ask(count))}

    first, second = asyncio.run(both()), asyncio.run(both())
    pool.close()

    assert first == second
    assert [decisions for _, decisions in first] == [1, 1]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """Without a database the question fails, and the next one after it was made does not."""
    pool = Pool(tmp_path / "ares.db", threads=1)
    with pytest.raises(DatabaseError, match="there is no database"):
        asyncio.run(pool.ask(Reader.counts))
    fresh(tmp_path)

    assert asyncio.run(pool.ask(Reader.counts)).decisions == 0
    pool.close()


FOREVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"


def test_a_question_without_end_does_not_hold_the_stop(tmp_path: Path) -> None:
    """A question that runs too long is broken off when the pool closes; whoever asked it gets an error."""
    pool, begun = Pool(fresh(tmp_path), threads=2), threading.Event()

    def ask(reader: Reader) -> None:
        begun.set()
        reader.db.exec_driver_sql(FOREVER)

    found: list[object] = []

    def run() -> None:
        try:
            asyncio.run(pool.ask(ask))
        except TooLongError as error:
            found.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(20)

    assert pool.close(timeout=0.2)
    thread.join(20)
    assert found == ["the question was broken off"]


def test_what_cannot_be_broken_off(tmp_path: Path) -> None:
    """A question that does not look at its time is waited for no longer than is said."""
    pool, begun, go = Pool(fresh(tmp_path), threads=1), threading.Event(), threading.Event()

    def ask(reader: Reader) -> None:
        del reader
        begun.set()
        go.wait(20)

    thread = threading.Thread(target=lambda: asyncio.run(pool.ask(ask)))
    thread.start()
    assert begun.wait(20)

    assert not pool.close(timeout=0.1)
    go.set()
    thread.join(20)
    assert pool.close()


def walk_for_ever(reader: Reader) -> None:
    """Walk rows in Python without end."""
    for _ in reader.walk(itertools.count()):
        pass


def ask_for_ever(reader: Reader) -> None:
    """Ask one short question after another without end."""
    while True:
        reader.counts()


@pytest.mark.parametrize(
    "question",
    [walk_for_ever, ask_for_ever, lambda reader: reader.db.exec_driver_sql(FOREVER)],
    ids=["walk", "ask", "sql"],
)
def test_a_question_has_its_time(tmp_path: Path, question: Callable[[Reader], Any]) -> None:
    """One that takes too long is broken off, whether in Python, between statements or in one; its reader is free."""
    pool = Pool(fresh(tmp_path), threads=1, seconds=0.2)
    with pytest.raises(TooLongError, match=r"this takes longer than 0\.2 s"):
        asyncio.run(pool.ask(question))
    pool.seconds = 20.0

    assert asyncio.run(pool.ask(Reader.counts)).decisions == 0
    assert pool.close()


def test_nobody_waits_any_more(tmp_path: Path) -> None:
    """A question whose caller is cancelled ends, and one of them that had not begun does not begin."""
    pool, begun = Pool(fresh(tmp_path), threads=1), threading.Event()

    def walk(reader: Reader) -> None:
        begun.set()
        walk_for_ever(reader)

    async def leave() -> list[object]:
        asked = [asyncio.ensure_future(pool.ask(walk)) for _ in range(2)]
        await asyncio.to_thread(begun.wait, 20)
        begun.clear()
        for each in asked:
            each.cancel()
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(leave())

    assert [type(each) for each in found] == [asyncio.CancelledError] * 2
    assert asyncio.run(pool.ask(Reader.counts)).decisions == 0
    assert not begun.is_set()
    assert pool.close()


def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    """An error of the database within the time is the database's."""
    pool = Pool(fresh(tmp_path), threads=1)
    with pytest.raises(OperationalError, match="no such table"):
        asyncio.run(pool.ask(lambda reader: reader.db.exec_driver_sql("SELECT 1 FROM nowhere")))
    assert pool.close()

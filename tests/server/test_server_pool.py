"""Questions are answered off the event loop, each thread with a reader of its own."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from server_kit import fresh, store_all
from spans import Bot

from ares_otel.server.query.pool import Pool
from ares_otel.server.store.migrate import DatabaseError
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

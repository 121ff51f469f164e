"""What cannot be stored yet is not asked for, and what can be always is."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import fresh, put, rows
from spans import span

from ares_otel.server.store import fresh as fresh_module
from ares_otel.server.store.store import Store

HOUR = 3_600_000
TIMES = (-HOUR, -3, -2, -1, 0, 1, HOUR // 2, HOUR + 5, 3 * HOUR, 1 << 46)
"""In milliseconds from now; the last is no time."""


def made(offset: int, number: int) -> Span:
    """Return a span whose trace id begins with a time."""
    moment = max(time.time_ns() // 10**9 * 1_000 + offset, 1)
    return span("tick", trace=moment.to_bytes(6, "big") + bytes(9) + b"t", own=bytes([1 + number]) * 8)


put_one = st.tuples(st.sampled_from(TIMES), st.integers(0, 2))
steps = st.lists(put_one | st.sampled_from(("restart", "fail")), min_size=1, max_size=25)


@given(steps)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_span_is_stored_once(tmp_path_factory: pytest.TempPathFactory, taken: Sequence[Any]) -> None:
    """Whatever the order of ids, after restarts and failures, a span is new exactly the first time."""
    database = fresh(tmp_path_factory.mktemp("fresh"))
    known: set[tuple[bytes, bytes]] = set()
    with mock.patch.object(fresh_module, "REMEMBERED", 3):
        store = Store(database)
        for step in taken:
            if step == "restart":
                store.close()
                store = Store(database)
            elif step == "fail":
                store.db.execute("CREATE TEMP TRIGGER no BEFORE INSERT ON segment BEGIN SELECT RAISE(ABORT, 'no'); END")
                with pytest.raises(sqlite3.IntegrityError):
                    put(store, [made(7, 9)])
                store.db.execute("DROP TRIGGER no")
            else:
                one = made(*step)
                key = (one.trace_id, one.span_id)
                assert put(store, [one]) == int(key not in known)
                known.add(key)
        store.close()
    assert rows(database, "SELECT count(*) FROM segment")[0][0] == len(known)


def test_newer_ids_are_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that are newer than all others cost no question; those that can be stored cost one."""
    asked: list[str] = []
    database = fresh(tmp_path)
    with closing(Store(database)) as store:
        put(store, [made(-5, 0)])
    with closing(Store(database)) as store:
        monkeypatch.setattr(type(store.db), "pick", _noted(type(store.db).pick, asked))

        for late in range(4):
            assert put(store, [made(late, 0)]) == 1
        assert not asked

        assert put(store, [made(1, 1)]) == 1
        assert put(store, [made(-HOUR, 1)]) == 1
    assert sum("lookup" in query for query in asked) == 2


def _noted(pick: Any, asked: list[str]) -> Any:
    def noted(driver: Any, query: str, keys: Sequence[int]) -> Any:
        asked.append(query)
        return pick(driver, query, keys)

    return noted

"""Packing: segments share frames while there is time, and nothing that is asked of the store is answered otherwise."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from server_kit import content, fresh, put, rows
from spans import START, Bot, Whole, body

from ares_otel.config import Retention
from ares_otel.server.keep.groups import DAY
from ares_otel.server.keep.retention import BETWEEN_RUNS, Pruner
from ares_otel.server.otlp.decode import decode
from ares_otel.server.store import packing
from ares_otel.server.store.packing import LONG_AGO, PAUSE, SETTLED, Packer
from ares_otel.server.store.store import Store
from ares_otel.server.story.explain import explain
from ares_otel.server.story.reader import Reader

MICROSECOND = 1_000
LATER = (SETTLED + 1_000_000) * MICROSECOND
APART = "SELECT count(*) FROM segment WHERE pack IS NULL"
PACKS = "SELECT count(*) FROM pack"
SIZE = "SELECT (SELECT coalesce(sum(length(data)), 0) FROM segment) + (SELECT coalesce(sum(length(data)), 0) FROM pack)"


@contextmanager
def opened(directory: Path) -> Iterator[tuple[Store, Path]]:
    """Give the writing side of a new database where a pack is full after some decisions, and no writer in a hurry."""
    database = fresh(directory)
    with pytest.MonkeyPatch.context() as patched, closing(Store(database)) as store:
        patched.setattr(packing, "PACK_BYTES", 50_000)
        patched.setattr(packing, "HURRIED", 1_000_000_000)
        yield store, database


def decide(store: Store, number: int, seed: int = 1) -> list[Whole]:
    """Store decisions in a transaction each; return them."""
    bot = Bot(seed=seed)
    made = [bot.decision() for _ in range(number)]
    for each in made:
        put(store, each.all)
    return made


def pack(store: Store, packer: Packer | None = None, after: int = LATER) -> Packer:
    """Pack all that can be packed some time from now."""
    packer = packer or Packer(lambda: time.time_ns() + after)
    for _ in range(100):
        packer(store)
    return packer


def test_it_takes_less_room_and_says_the_same(tmp_path: Path) -> None:
    """Everything in the database, found by every key, is what it was."""
    with opened(tmp_path) as (store, database):
        decide(store, 150)
        before, size = content(database), rows(database, SIZE)[0][0]

        pack(store)

        assert content(database) == before
        assert rows(database, PACKS)[0][0] >= 3
        assert rows(database, APART)[0][0] < 20
        assert rows(database, SIZE)[0][0] < 0.8 * size


def test_stories_exports_and_walks_are_what_they_were(tmp_path: Path) -> None:
    """A decision is told in the same words, segments come in the same order with the same ids."""
    with opened(tmp_path) as (store, database):
        made = decide(store, 60)

        def told() -> tuple[object, ...]:
            shown = io.StringIO()
            with Reader(database) as reader:
                for each in made[::9]:
                    explain(database, each.ids.correlation, shown)
                (newest,) = rows(database, "SELECT max(id) FROM segment")[0]
                walked = [content for _, content in reader.segments_after(0, 1_000)]
                return shown.getvalue(), [*reader.segments()], walked, reader.in_segment(newest, lambda *_: True)

        before = told()
        pack(store)
        assert rows(database, PACKS)[0][0] > 0
        assert told() == before


def test_what_comes_again_is_known(tmp_path: Path) -> None:
    """A bot that sends decisions again, and the rest of one, finds them in packs."""
    with opened(tmp_path) as (store, database):
        bot = Bot(seed=1)
        made = [bot.decision() for _ in range(60)]
        late = made[3].all[-1:]
        for each in made:
            put(store, each.all if each is not made[3] else each.all[:-1])
        pack(store)

        again = sum(put(store, each.all) for each in made if each is not made[3])

        assert again == 0
        assert put(store, made[3].all) == len(late)
        expected = fresh(tmp_path, "other.db")
        with closing(Store(expected)) as other:
            for each in made:
                put(other, each.all)
        assert content(database) == content(expected)


def test_each_bot_has_packs_of_its_own(tmp_path: Path) -> None:
    """Frames of two resources are never in one, since a frame belongs to one."""
    with opened(tmp_path) as (store, database):
        bots = [Bot(seed=seed) for seed in (1, 2)]
        for _ in range(60):
            for number, bot in enumerate(bots):
                resource = {"service.name": f"bot-{number}"}
                store.write([decode(body(bot.decision().all, resource=resource)).traces])
        before = content(database)

        pack(store)

        assert content(database) == before
        shared = rows(database, "SELECT count(DISTINCT resource) FROM segment WHERE pack IS NOT NULL GROUP BY pack")
        assert len(shared) >= 2
        assert {*shared} == {(1,)}


def test_what_has_just_come_waits(tmp_path: Path) -> None:
    """A moment passes before segments are packed, and those that do not fill a pack wait for an hour."""
    begun = time.time_ns()
    with opened(tmp_path) as (store, database):
        decide(store, 65)
        pack(store, Packer(lambda: begun + SETTLED * MICROSECOND))
        assert rows(database, PACKS) == [(0,)]

        pack(store)
        left = rows(database, APART)[0][0]
        assert left > 1
        later = pack(store, after=(LONG_AGO + 1_000_000) * MICROSECOND)
        pack(store, later)
        # one alone has nothing to share a frame with
        assert rows(database, APART)[0][0] <= 1


def test_a_walk_goes_on_after_a_restart(tmp_path: Path) -> None:
    """What an earlier process left is packed by the next."""
    with opened(tmp_path) as (store, database):
        decide(store, 30)
        before = content(database)
        packer = Packer(lambda: time.time_ns() + LATER)
        packer(store)
        decide(store, 30, seed=2)

        pack(store)

        assert rows(database, PACKS)[0][0] >= 2
        found = content(database)
        assert {*before["span"]} < {*found["span"]}


def test_a_writer_in_a_hurry_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While spans come fast nothing is packed."""
    with opened(tmp_path) as (store, database):
        monkeypatch.setattr(packing, "HURRIED", 0)
        packer = Packer(lambda: time.time_ns() + LATER)
        decide(store, 60)

        assert packer(store) == PAUSE
        assert rows(database, PACKS) == [(0,)]
        packer(store)
        assert rows(database, PACKS)[0][0] > 0


def test_what_goes_meanwhile_is_no_pack(tmp_path: Path) -> None:
    """Where segments are gone that were looked at, the others stay as they are."""
    with opened(tmp_path) as (store, database):
        decide(store, 60)
        packer = Packer(lambda: time.time_ns() + LATER)
        packer._look(store)
        store.db.execute("DELETE FROM lookup")
        store.db.execute("DELETE FROM segment WHERE id < (SELECT max(id) FROM segment)")

        pack(store, packer)

        assert rows(database, PACKS) == [(0,)]
        assert rows(database, APART) == [(1,)]


def test_packs_go_with_what_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruning takes packs, too; that of an order that is still open stays, and tells of it."""
    with opened(tmp_path) as (store, database):
        now = START
        monkeypatch.setattr("time.time_ns", lambda: now)
        bot = Bot(seed=1, start=now)
        lasting = bot.decision()
        waiting = [each for each in lasting.all if each.name not in {"order update", "order"}]
        put(store, waiting)
        for _ in range(40):
            put(store, bot.decision().all)
        pack(store, Packer(lambda: now + LATER))
        assert rows(database, PACKS)[0][0] > 1
        now += 40 * DAY
        young = Bot(seed=2, start=now)
        put(store, young.decision().all)

        settings = Retention(spans=30, decisions=30, outcomes=30, equity=30, rollups=30, logs=30, open_orders=0)
        for _ in range(60):
            pruner = Pruner(settings, lambda: now, first=0.0)
            pruner(store)
            while pruner(store) < BETWEEN_RUNS:
                pass

        assert rows(database, PACKS) == [(1,)]
        with Reader(database) as reader:
            assert reader.find(lasting.ids.correlation)[0].correlation_id == lasting.ids.correlation

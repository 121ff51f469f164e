"""Keeping on a real PostgreSQL: retention, back-up and restore, export and import, as on SQLite."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from postgres import PASSWORD, Cluster, cluster
from server_kit import content, fresh, put, rows, send, store_all, until
from spans import Bot, body
from test_server_delivery import word
from test_server_export import told
from test_server_influx import Fake, serving, settings
from test_server_retention import Server

from ares_otel.cli.main import main
from ares_otel.config import Retention
from ares_otel.config import Server as Settings
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.keep import standing
from ares_otel.server.keep.dump import dump, undump
from ares_otel.server.keep.exporting import Order, export, table_names
from ares_otel.server.keep.files import FileError
from ares_otel.server.keep.forward import CURSOR
from ares_otel.server.keep.groups import DAY
from ares_otel.server.keep.importing import Imported, import_files
from ares_otel.server.query.delivery import deliveries
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.store import Store
from ares_otel.server.store.version import DatabaseError
from ares_otel.server.story.reader import Reader


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """One cluster for all tests, without the disk's patience."""
    with cluster(fsync="off") as made:
        yield made


@pytest.fixture
def url(running: Cluster) -> Iterator[str]:
    """A migrated database."""
    name = running.create()
    migrate(running.url(name))
    yield running.url(name)
    running.drop(name)


@pytest.fixture
def empty(running: Cluster) -> Iterator[str]:
    """A database without tables."""
    name = running.create()
    yield running.url(name)
    running.drop(name)


def test_retention(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is what SQLite is left with; an open order keeps what belongs to it."""
    found = []
    for database in (url, fresh(tmp_path)):
        with closing(Store(database)) as store:
            server = Server(store)
            monkeypatch.setattr("time.time_ns", lambda server=server: server.now)
            bot = server.bot()
            server.put(*(bot.decision().all for _ in range(40)), bot.decision(statuses=("new",)).all)
            server.now += 40 * DAY
            bot.start = server.now - bot.made * bot.gap
            server.put(*(bot.decision().all for _ in range(5)))
            pruner = server.prune(Retention(spans=30, decisions=30, outcomes=30, equity=30, rollups=30, logs=30))
            assert pruner.last == standing.read(store.db, "retention")
            found.append((pruner.pruned, {table: kept for table, kept in content(database).items() if table != "meta"}))

    assert found[0] == found[1]
    assert found[0][0]["decision"] == 40
    assert len(found[0][1]["orders"]) == 6


def test_what_processes_say(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest word of each process is there, until it has been silent for as long as spans are kept."""
    with closing(Store(url)) as store:
        server = Server(store)
        monkeypatch.setattr("time.time_ns", lambda: server.now)
        server.put([word("one", 5, 0, server.now), word("two", 1, 0, server.now)])
        server.now += 20 * DAY
        server.put([word("one", 9, 2, server.now)])
        with Reader(url) as reader:
            before = [(each.instance, each.recorded, each.lost) for each in deliveries(reader)]
        server.now += 20 * DAY
        server.put([word("three", 1, 0, server.now)])
        server.settle(Retention(spans=30))
        with Reader(url) as reader:
            after = [each.instance for each in deliveries(reader)]

    assert before == [("one", 9, 2), ("two", 1, 0)]
    assert after == ["three", "one"]


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_export_and_import(url: str, tmp_path: Path, format_: str) -> None:
    """Spans go from PostgreSQL to SQLite and back; every table can be exported."""
    bot = Bot()
    store_all(url, [bot.decision().all for _ in range(3)])
    file, again = tmp_path / f"x.{format_}", tmp_path / f"y.{format_}"
    given = ["--format", format_]
    assert main(["export", "--database", url, *given, str(file)]) == 0
    assert import_files(tmp_path / "x.db", [file]) == Imported(24, 24)
    assert main(["export", "--database", str(tmp_path / "x.db"), *given, str(again)]) == 0
    assert main(["import", "--database", url, str(again)]) == 0

    assert told(url) == told(tmp_path / "x.db")  # type: ignore[arg-type]
    assert len(content(url)["span"]) == 24
    for table in table_names():
        with Reader(url) as reader:
            export(reader, Order(table=table, format="jsonl"), tmp_path / f"{table}.jsonl")


def stable(database: str) -> dict[str, list[tuple[object, ...]]]:
    """Return everything but notes and the accounts, which a server goes on keeping while it is copied."""
    return {name: found for name, found in content(database).items() if name not in {"checkpoint", "meta", "trade"}}


def test_back_up_and_restore(url: str, empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A back-up of a database that is served goes into another one, and over one, whose content is kept."""
    bot, copy = Bot(), tmp_path / "copy.dump"
    with EmbeddedServer(url) as server:
        assert send(server.url, body(bot.decision().all)).status == 200
        assert main(["backup", "--database", url, str(copy)]) == 0
        assert standing.tell(rows(url, "SELECT value FROM meta WHERE key = 'standing.backup'")[0][0]).problem is None
        assert main(["restore", "--database", url, str(copy)]) == 1
    assert "is served already" in capsys.readouterr().err
    before = stable(url)

    assert undump(copy, empty) is None
    assert stable(empty) == before
    with closing(Store(url)) as store:
        put(store, bot.decision().all)
    after = stable(url)
    assert main(["restore", "--database", url, str(copy)]) == 0
    assert PASSWORD not in "".join(capsys.readouterr())
    assert stable(url) == before
    (kept,) = tmp_path.glob("*.before-*.dump")
    assert undump(kept, url) is not None
    assert stable(url) == after
    with closing(Store(url)) as store:
        assert put(store, bot.decision().all) == 8


def test_what_cannot_be_restored(url: str, empty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed, nothing is replaced, and no message has the password."""
    store_all(url, [Bot().decision().all])
    before = content(url)
    copy = tmp_path / "copy"
    dump(url, copy)
    with pytest.raises(FileError, match="exists already"):
        dump(url, copy)
    with pytest.raises(DatabaseError, match=r"older schema"):
        dump(empty, tmp_path / "nothing")
    (tmp_path / "text").write_text("text")
    cut = tmp_path / "cut"
    cut.write_bytes(copy.read_bytes()[:-2_000])
    for name, problem in (("none", "there is no file"), ("text", "pg_restore failed"), ("cut", "pg_restore failed")):
        with pytest.raises(DatabaseError, match=problem) as error:
            undump(tmp_path / name, url)
        assert PASSWORD not in str(error.value)
    assert content(url) == before
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(DatabaseError, match="pg_dump is not installed"):
        dump(url, tmp_path / "other")


def test_forwarding(url: str) -> None:
    """The cursor is noted in PostgreSQL, too."""
    fake = Fake()
    with serving(fake) as place, EmbeddedServer(url, settings=Settings(influx=settings(place))) as server:
        assert send(server.url, body(Bot().decision().all)).status == 200
        until(lambda: len(fake.points) >= 9)
        until(lambda: rows(url, f"SELECT value FROM meta WHERE key = '{CURSOR}' AND value > '0'"))  # noqa: S608

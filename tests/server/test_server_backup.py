"""Back-ups are complete, sound and never replace anything; a restore loses neither the old database nor its log."""

from __future__ import annotations

import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from server_kit import content, fresh, put, rows, send, store_all
from spans import Bot, body

from ares_otel.cli.main import main
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.keep import copying, standing
from ares_otel.server.keep.backup import backup, inspect, restore
from ares_otel.server.keep.copying import back_up
from ares_otel.server.keep.files import FileError
from ares_otel.server.keep.standing import Standing
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.store.store import Store


def test_there_and_back(tmp_path: Path) -> None:
    """A back-up holds everything; a restore brings it back and keeps what was there, with its log."""
    database, copy = fresh(tmp_path), tmp_path / "copies" / "ares.backup"
    bot = Bot()
    store_all(database, [bot.decision().all for _ in range(20)])
    before = content(database)

    assert backup(database, copy) == copy.stat().st_size
    assert content(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600

    with closing(sqlite3.connect(database)) as writer:
        writer.execute("DELETE FROM decision")
        writer.commit()
        kept = restore(copy, database)
    assert content(database) == before
    assert kept is not None
    assert rows(kept, "SELECT count(*) FROM decision") == [(0,)]
    assert not [path.name for path in tmp_path.iterdir() if "restoring" in path.name]


def test_while_the_server_writes(tmp_path: Path) -> None:
    """The copy is of one moment, however much comes meanwhile."""
    database, over = tmp_path / "ares.db", threading.Event()
    with EmbeddedServer(database) as server:

        def load() -> None:
            bot = Bot()
            while not over.is_set():
                assert send(server.url, body(bot.decision().all)).status == 200

        assert send(server.url, body(Bot(seed=2).decision().all)).status == 200
        thread = threading.Thread(target=load)
        thread.start()
        for number in range(3):
            backup(database, tmp_path / f"{number}.db")
        over.set()
        thread.join()

    for number in range(3):
        found = content(tmp_path / f"{number}.db")
        assert len(found["span"]) == 8 * len(found["decision"]) > 0
        assert sum(row[-1] for row in found["hourly"]) == len(found["decision"])


def test_a_server_can_go_on_with_it(tmp_path: Path) -> None:
    """What is restored is a database like any other."""
    database, copy, bot = fresh(tmp_path), tmp_path / "copy", Bot()
    store_all(database, [bot.decision().all])
    backup(database, copy)
    assert restore(copy, tmp_path / "new" / "ares.db") is None
    with closing(Store(tmp_path / "new" / "ares.db")) as store:
        put(store, bot.decision().all)

    assert rows(tmp_path / "new" / "ares.db", "SELECT count(*) FROM decision") == [(2,)]


def test_nothing_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a file that is there, nor one that comes while the copy is made."""
    database, copy = fresh(tmp_path), tmp_path / "copy"
    copy.write_text("mine")
    with pytest.raises(FileError, match="copy exists already"):
        backup(database, copy)
    assert copy.read_text() == "mine"

    def late(path: Path) -> str:
        (tmp_path / "late").write_text("theirs")
        return inspect(path)

    monkeypatch.setattr("ares_otel.server.keep.backup.inspect", late)
    with pytest.raises(FileError, match="late exists already"):
        backup(database, tmp_path / "late")
    assert (tmp_path / "late").read_text() == "theirs"
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_backed_up(tmp_path: Path) -> None:
    """It says why, and leaves nothing."""
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE mine(x)")
    text = tmp_path / "text.db"
    text.write_text("no database at all" * 100)
    (tmp_path / "directory").write_text("")

    with pytest.raises(DatabaseError, match="there is no database"):
        backup(tmp_path / "none.db", tmp_path / "copy")
    with pytest.raises(DatabaseError, match="something else"):
        backup(other, tmp_path / "copy")
    with pytest.raises(DatabaseError, match=r"text\.db cannot be backed up"):
        backup(text, tmp_path / "copy")
    with pytest.raises(FileError, match=r"directory/copy cannot be written"):
        backup(fresh(tmp_path), tmp_path / "directory" / "copy")
    assert not (tmp_path / "copy").exists()


def test_what_cannot_be_restored(tmp_path: Path) -> None:
    """A damaged back-up, one of something else, a newer one: nothing is changed."""
    database, copy = fresh(tmp_path), tmp_path / "copy"
    store_all(database, [Bot().decision().all for _ in range(300)])
    backup(database, copy)
    before = content(database)
    newer = tmp_path / "newer"
    newer.write_bytes(copy.read_bytes())
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    damaged = bytearray(copy.read_bytes())
    damaged[9_000:30_000] = bytes(21_000)
    (tmp_path / "damaged").write_bytes(damaged)
    (tmp_path / "text").write_text("text" * 1_000)
    (tmp_path / "empty").write_bytes(b"")

    for name, problem in (
        ("newer", "newer version"),
        ("damaged", "is damaged|cannot be read"),
        ("text", "cannot be read as a database"),
        ("empty", "no database of the ares server"),
        ("none", "there is no file"),
    ):
        with pytest.raises(DatabaseError, match=problem):
            restore(tmp_path / name, database)
    assert content(database) == before


def test_refused_while_a_server_runs(tmp_path: Path) -> None:
    """A database is never replaced under a server."""
    database, copy = fresh(tmp_path), tmp_path / "copy"
    backup(database, copy)
    with EmbeddedServer(database), pytest.raises(DatabaseError, match="is served already"):
        restore(copy, database)

    restore(copy, database)


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each says what it did; twice in one second keeps both old databases."""
    database, copy = fresh(tmp_path), tmp_path / "copy"
    monkeypatch.setattr("time.strftime", lambda *_: "20261126T010203Z")
    assert main(["backup", str(copy), "--database", str(database)]) == 0
    assert "bytes, checked" in capsys.readouterr().out
    assert main(["backup", str(copy), "--database", str(database)]) == 1
    assert "exists already" in capsys.readouterr().err
    for kept in ("ares.db.before-20261126T010203Z", "ares.db.before-20261126T010203Z-1"):
        assert main(["restore", str(copy), "--database", str(database)]) == 0
        assert capsys.readouterr().out.strip().endswith(kept)
        assert (tmp_path / kept).exists()
    assert main(["restore", str(tmp_path / "no"), "--database", str(database)]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_the_database_notes_how_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A back-up leaves a note in the database, for those who watch the server; one that fails says why there."""
    database, copy = fresh(tmp_path), tmp_path / "copy"
    size = back_up(database, copy)
    made = noted(database)
    with pytest.raises(FileError):
        back_up(database, copy)
    failed = noted(database)
    back_up(str(database), tmp_path / "second")

    assert (made.amount, made.failures, made.problem) == (size, 0, None)
    assert made.ended is not None
    assert made.seconds is not None
    assert (failed.ended, failed.amount, failed.failures) == (made.ended, size, 1)
    assert "exists already" in str(failed.problem)
    assert (noted(database).failures, noted(database).problem) == (1, None)

    monkeypatch.setattr(copying, "BUSY_SECONDS", 0.0)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert back_up(database, tmp_path / "third")
        other.execute("ROLLBACK")
    with pytest.raises(DatabaseError):
        back_up(tmp_path / "none.db", tmp_path / "fourth")


def noted(database: Path) -> Standing:
    """Return what the database says of back-ups."""
    with closing(Store(database)) as store:
        return standing.read(store.db, "backup")


def test_a_note_of_another_version() -> None:
    """What cannot be read says nothing."""
    assert standing.tell('{"ended": "yesterday"}') == Standing()
    assert standing.tell(None) == Standing()

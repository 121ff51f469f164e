"""Databases from nothing, from the first version, from the future, and from somebody else."""

from __future__ import annotations

import importlib
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from server_kit import connected, content, fresh, rows, store_all
from spans import Bot

from ares_otel.correlation.ids import IdSource
from ares_otel.server.store import version as version_module
from ares_otel.server.store.driver import Location
from ares_otel.server.store.ids import lookup_key, text_key, trace_key
from ares_otel.server.store.migrate import MIGRATIONS, DatabaseError, migrate
from ares_otel.server.store.packed import Ballot, Judgment, ballots, judgments
from ares_otel.server.store.schema import METADATA, REVISION
from ares_otel.server.store.sqlite import SqliteFile
from ares_otel.server.story.reader import Reader

NEXT = '''"""A later version."""
from alembic import op
import sqlalchemy as sa
revision, down_revision = "{next}", "{last}"
def upgrade():
    op.add_column("decision", sa.Column("note", sa.Text))
    op.create_table("added", sa.Column("id", sa.Integer, primary_key=True))
    {more}
'''
LATER = f"{int(REVISION) + 1:04d}"


def later(more: str = "") -> str:
    """Return the script of a later version."""
    return NEXT.format(next=LATER, last=REVISION, more=more)


def declared(database: Path) -> dict[str, str]:
    """Return the statements that made a database, without spaces."""
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
    with closing(sqlite3.connect(database)) as connection:
        return {name: "".join(text.split()) for name, text in connection.execute(query)}


def found(database: Path) -> str:
    """Return the version of a database."""
    ((revision,),) = rows(database, "SELECT version_num FROM alembic_version")
    return str(revision)


def scripts_until(directory: Path, version: int) -> Path:
    """Return a copy of the migrations without those after a version."""
    scripts = directory / f"version {version}"
    later = [f"v{number:04d}_*" for number in range(version + 1, int(REVISION) + 1)]
    shutil.copytree(MIGRATIONS, scripts, ignore=shutil.ignore_patterns(*later))
    return scripts


def older(directory: Path, version: int) -> Path:
    """Return a database of an older version, without rows."""
    database = directory / "old.db"
    SqliteFile(database).upgrade(scripts_until(directory, version))
    return database


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Migrations of a later version of this code."""
    scripts = tmp_path / "later 100%" / "migrations"
    shutil.copytree(MIGRATIONS, scripts)
    (scripts / "versions" / f"v{LATER}_next.py").write_text(later())
    monkeypatch.setattr(version_module, "REVISION", LATER)
    return scripts


def test_an_empty_database_is_made(tmp_path: Path) -> None:
    """Migrations make exactly the tables and indexes that the code declares, and the file is its user's own."""
    database, plain = tmp_path / "new" / "a b.db", tmp_path / "plain.db"
    migrate(database)
    engine = sa.create_engine(f"sqlite:///{plain}")
    METADATA.create_all(engine)
    engine.dispose()

    assert declared(database) == declared(plain)
    assert found(database) == REVISION
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_newest_revision_is_the_declared_one() -> None:
    """The last migration is the one that the code names."""
    names = sorted(path.stem for path in (MIGRATIONS / "versions").glob("v*.py"))

    assert names[-1].startswith(f"v{REVISION}_")


def test_a_database_of_this_version_is_left_alone(tmp_path: Path) -> None:
    """Starting again changes nothing, and needs no Alembic."""
    database = fresh(tmp_path)
    store_all(database, [Bot().decision().all])
    before = content(database)

    migrate(database, scripts=tmp_path / "missing")

    assert content(database) == before


def test_an_older_database_is_migrated(tmp_path: Path, newer: Path) -> None:
    """What a database of the first version holds is kept when a later version changes its tables."""
    database = fresh(tmp_path)
    store_all(database, [Bot().decision().all])
    before = content(database)

    migrate(database, newer)

    after = content(database)
    assert found(database) == LATER
    assert [row[:-1] for row in after.pop("decision")] == before.pop("decision")
    assert rows(database, "SELECT note FROM decision") == [(None,)]
    assert after == before


def test_a_migration_is_done_whole_or_not_at_all(tmp_path: Path, newer: Path) -> None:
    """A migration that fails in its middle leaves the database as it was."""
    (newer / "versions" / f"v{LATER}_next.py").write_text(later("op.execute('nonsense')"))
    database = fresh(tmp_path)
    before = declared(database)

    with pytest.raises(sa.exc.OperationalError, match="nonsense"):
        migrate(database, newer)

    assert (declared(database), found(database)) == (before, REVISION)


def test_an_older_database_is_not_read(tmp_path: Path, newer: Path) -> None:
    """A reader changes nothing: it says who can migrate."""
    del newer
    with pytest.raises(DatabaseError, match="older schema; start `ares-otel serve` once"):
        Reader(fresh(tmp_path))


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    """A database of a later version is neither written nor read, and the message says what to do."""
    database = fresh(tmp_path)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")

    for use in (migrate, Reader):
        with pytest.raises(
            DatabaseError, match=rf"newer version of ares-otel \(schema 0999, this one knows {REVISION}\)"
        ):
            use(database)


@pytest.mark.parametrize("statement", ["CREATE TABLE mine(x)", "CREATE TABLE alembic_version(version_num TEXT)"])
def test_a_foreign_database_is_refused(tmp_path: Path, statement: str) -> None:
    """A database of another program is left exactly as it is."""
    database = tmp_path / "other.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)
    before = database.read_bytes()

    for use in (migrate, Reader):
        with pytest.raises(DatabaseError, match="not of the ares server"):
            use(database)

    assert database.read_bytes() == before


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A text file, a directory and an absent file give a message with their name."""
    text = tmp_path / "text.db"
    text.write_text("this is no database, but long enough to look at " * 40)

    for use, what in ((migrate, text), (migrate, tmp_path), (Reader, text)):
        with pytest.raises(DatabaseError, match=r"cannot be (used|read)"):
            use(what)
    with pytest.raises(DatabaseError, match=r"there is no database .*absent\.db; `ares-otel serve` makes one"):
        Reader(tmp_path / "absent.db")


def test_the_first_version_is_migrated(tmp_path: Path) -> None:
    """Rows of the first version stay; what was not kept then is unknown, not zero."""
    database = older(tmp_path, 1)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO name VALUES (1, 'strategy', 'swing')")
        connection.execute("INSERT INTO resource VALUES (1, x'00', x'')")
        columns = "id, trace, span, resource, strategy, duration_us"
        connection.execute(f"INSERT INTO decision({columns}) VALUES (1024, x'01', x'02', 1, 1, 12)")  # noqa: S608
        connection.execute("INSERT INTO orders(id, client_id, trace, submitted) VALUES (2048, 'C-1', x'01', 1)")

    migrate(database)
    store_all(database, [Bot().decision().all])

    assert declared(database) == declared(fresh(tmp_path))
    old, new = rows(database, "SELECT price, event_time, agreement, regime_confidence, error FROM decision ORDER BY id")
    assert (old, new) == ((None, None, None, None, 0), (1_431.2, 1_173_052_800 * 10**9, 0.8, 0.81, 0))
    old, new = rows(database, "SELECT arrival_mid, currency, multiplier FROM orders ORDER BY id")
    assert (old, new[0]) == ((None, None, None), 1_431.2283)


def test_funding_of_older_trades(tmp_path: Path) -> None:
    """It was zero for strategies without any, and is unknown for those that have some."""
    database = older(tmp_path, 4)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO funding(id, strategy, amount) VALUES (1024, 2, -0.5)")
        values = "(1, 1, 1, 1, 2), (2, 2, 1, 1, 2), (3, NULL, 1, 1, 2)"
        connection.execute(f"INSERT INTO trade(id, strategy, direction, entry_time, exit_time) VALUES {values}")  # noqa: S608

    migrate(database)

    assert rows(database, "SELECT funding FROM trade ORDER BY id") == [("0",), (None,), ("0",)]


def test_keys_of_64_bits_are_shortened(tmp_path: Path) -> None:
    """Segments that were found under 64 bits are found under 48; keys that are the same then are one row."""
    database, made = older(tmp_path, 5), Bot().decision()
    trace, correlation = trace_key(made.ids.trace), text_key(made.ids.correlation)
    keys = [(trace, 7), (trace ^ 1, 7), (trace, 8), (correlation, 7), (-(1 << 63) + 1, 7)]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("INSERT INTO lookup VALUES (?, ?)", keys)

    migrate(database)

    expected = {(lookup_key(key), segment) for key, segment in keys}
    assert rows(database, "SELECT key, segment FROM lookup") == sorted(expected)
    assert (-(1 << 47), 7) in expected


def test_votes_and_outcomes_are_put_together(tmp_path: Path) -> None:
    """Rows of votes and outcomes are the same when they are read, also those that a slice would tear apart."""
    database = older(tmp_path, 8)

    put_together(database)

    assert declared(database) == declared(fresh(tmp_path))


def put_together(database: Location) -> None:
    """Fill a database of version 8, migrate it, and look at what became of the rows."""
    made = IdSource(7).take(1)
    trace, own = made[0].to_bytes(16, "big"), made[1].to_bytes(8, "big")
    votes = [
        *((1, position, position % 3, 7, 10_000 - position, position, 0) for position in range(2_500)),
        (2, 0, None, None, None, None, 1),
        (2, 1, 40, 5, -5_000, 1 << 40, 0),
    ]
    shared = (-9, 0.25, 3, 6, 1, 2)
    outcomes = [
        (10, 1, 4, 5, *shared),
        (11, 2, None, None, *shared),
        (12, 2, 4, 5, None, *shared[1:]),
        (10**6, 1, 4, 5, *shared),
    ]
    decided = [(1, trace, own, ""), (2, trace, b"12345678", "x"), (3, trace, own, None)]
    decision = sa.table("decision", *map(sa.column, ("id", "trace", "span", "correlation", "resource", "duration_us")))
    vote = sa.table("vote", *map(sa.column, ("decision", "position", *Ballot._fields)))
    names = ("id", *Judgment._fields, "key", "realized_return", "regime", "actual", "strategy", "symbol")
    outcome = sa.table("outcome", *map(sa.column, names))
    with connected(database) as connection, connection.begin():
        for table, given in ((decision, [(*each, 1, 1) for each in decided]), (vote, votes), (outcome, outcomes)):
            connection.execute(table.insert(), [dict(zip(table.c.keys(), row, strict=True)) for row in given])

    migrate(database)

    told: dict[int, str | None] = dict(rows(database, "SELECT id, votes FROM decision"))
    assert [(1, place, *vote) for place, vote in enumerate(ballots(told[1]))] == votes[:2_500]
    assert [(2, place, *vote) for place, vote in enumerate(ballots(told[2]))] == votes[2_500:]
    assert told[3] is None
    kept = rows(database, "SELECT span, correlation FROM decision ORDER BY id")
    assert [(bytes(span), correlation) for span, correlation in kept] == [
        (b"", None),
        (b"12345678", "x"),
        (b"", None),
    ]
    kept = rows(database, "SELECT id, judgments FROM outcome ORDER BY id")
    assert [(row, [*map(tuple, judgments(text))]) for row, text in kept] == [
        (10, [(1, 4, 5), (2, None, None)]),
        (12, [(2, 4, 5)]),
        (10**6, [(1, 4, 5)]),
    ]
    assert rows(database, "SELECT key, realized_return, regime, actual, strategy, symbol FROM outcome")[0] == shared


def test_there_is_no_way_back() -> None:
    """No migration can be undone, and each says so."""
    package = "ares_otel.server.store.migrations.versions"
    names = sorted(path.stem for path in (MIGRATIONS / "versions").glob("v*.py"))
    with pytest.raises(NotImplementedError, match="0001 is the first version"):
        importlib.import_module(f"{package}.{names[0]}").downgrade()
    for name in names[1:]:
        with pytest.raises(NotImplementedError, match="restore a back-up"):
            importlib.import_module(f"{package}.{name}").downgrade()

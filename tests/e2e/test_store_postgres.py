"""The store on a real PostgreSQL: the laws that hold on SQLite, and what is PostgreSQL's own."""

from __future__ import annotations

import http.client
import io
import random
import signal
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import FunctionType, ModuleType

import pytest
import server_kit
import sqlalchemy as sa
import test_server_accounts
import test_server_drift
import test_server_drift_then
import test_server_packing
import test_server_performance
import test_server_rows
import test_server_store
from postgres import PASSWORD, Cluster, cluster
from server_kit import connected, content, fresh, put, rows, send, store_all, until
from spans import Bot, body, span
from test_server_migrations import put_together, scripts_until

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.http.serve import EmbeddedServer, StartError
from ares_otel.server.store.databases import database_of
from ares_otel.server.store.migrate import DatabaseError, migrate
from ares_otel.server.store.schema import METADATA, REVISION
from ares_otel.server.store.store import Store
from ares_otel.server.story.explain import explain
from ares_otel.server.story.reader import Reader

SQLITE_ALONE = {
    *("test_a_failed_transaction_leaves_nothing", "test_compare_from_the_store"),
    "test_a_step_that_fails_is_done_again",
}
"""Tests that look into an SQLite file, or name one."""


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    """One cluster for all tests, without the disk's patience."""
    with cluster(fsync="off") as made:
        yield made


@pytest.fixture(scope="module")
def template(running: Cluster) -> str:
    """A migrated database that others are copied from."""
    name = running.create()
    migrate(running.url(name))
    return name


@pytest.fixture(autouse=True)
def _databases(running: Cluster, template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the laws make their databases in PostgreSQL."""
    made: dict[str, str] = {}

    def fresh(_: Path, name: str) -> str:
        if name in made:
            running.drop(made[name])
        made[name] = running.create(template=template)
        return running.url(made[name])

    monkeypatch.setattr(server_kit.Where, "make", staticmethod(fresh))
    yield
    for name in made.values():
        running.drop(name)


def laws(*modules: ModuleType) -> dict[str, FunctionType]:
    """Return the tests of modules by name."""
    found = {name: each for module in modules for name, each in vars(module).items() if name.startswith("test_")}
    functions = {name: each for name, each in found.items() if isinstance(each, FunctionType)}
    # fixtures stay with their module
    return {name: each for name, each in functions.items() if name not in SQLITE_ALONE and not _is_of_reader(each)}


def _is_of_reader(test: FunctionType) -> bool:
    return "reader" in test.__code__.co_varnames[: test.__code__.co_argcount]


globals().update(
    laws(test_server_store, test_server_rows, test_server_performance, test_server_accounts, test_server_packing)
    | laws(test_server_drift, test_server_drift_then)
)


def test_migrations_make_the_declared_tables(running: Cluster) -> None:
    """Migrations make exactly the tables, columns, keys and indexes that the code declares."""
    made, declared = running.create(), running.create()
    migrate(running.url(made))
    engine = sa.create_engine(running.url(declared))
    METADATA.create_all(engine)
    engine.dispose()

    assert _shape(running.url(made)) == _shape(running.url(declared))
    assert rows(running.url(made), "SELECT version_num FROM alembic_version") == [(REVISION,)]
    with connected(running.url(made)) as connection:
        kinds = connection.exec_driver_sql(
            "SELECT attstorage FROM pg_attribute WHERE attrelid = 'segment'::regclass AND attname = 'data'"
        ).all()
    assert kinds == [("e",)]


def test_votes_and_outcomes_are_put_together(running: Cluster, tmp_path: Path) -> None:
    """The rows of version 8 are the same when they are read, as they are on SQLite."""
    database = running.url(running.create())
    database_of(database).migrate(scripts_until(tmp_path, 8))

    put_together(database)


def _shape(url: str) -> object:
    with connected(url) as connection:
        seen = sa.inspect(connection)
        return {
            table: (
                [(column["name"], repr(column["type"]), column["nullable"]) for column in seen.get_columns(table)],
                seen.get_pk_constraint(table)["constrained_columns"],
                sorted((str(index["name"]), index["column_names"]) for index in seen.get_indexes(table)),
            )
            for table in seen.get_table_names()
            if table != "alembic_version"
        }


def test_both_databases_hold_the_same(tmp_path: Path) -> None:
    """The same spans give the same content on SQLite and on PostgreSQL, value for value."""
    file = server_kit._file(tmp_path, "ares.db")
    url = fresh(tmp_path)
    for database in (file, url):
        store_all(database, [test_server_store.VARIED[:30]], [test_server_store.VARIED[20:]])

    assert content(url) == content(file)


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    """After a write that failed, names are known again from the database, and the same spans can be stored."""
    database, made = fresh(tmp_path), Bot().decision()
    with closing(Store(database)) as store:
        store.db.execute("ALTER TABLE segment ADD CONSTRAINT none CHECK (id < 0)")
        with pytest.raises(Exception, match="none") as failed:
            put(store, made.all)
        assert not store.passing(failed.value)
        store.db.execute("ALTER TABLE segment DROP CONSTRAINT none")
        assert store.db.execute("SELECT count(*) FROM name").fetchone() == (0,)

        assert put(store, made.all) == len(made.all)

    assert len(content(database)["decision"]) == 1


@pytest.mark.parametrize("seed", range(4))
def test_arrival_does_not_matter(tmp_path: Path, seed: int) -> None:
    """Shuffled and in small transactions, some of it twice: the content is the same."""
    plain, mixed = fresh(tmp_path, "plain.db"), fresh(tmp_path, "mixed.db")
    store_all(plain, [test_server_store.VARIED])
    chance = random.Random(seed)  # noqa: S311  the same order in each run
    spans = [*test_server_store.VARIED, *test_server_store.VARIED[:20]]
    chance.shuffle(spans)

    store_all(mixed, *([spans[at : at + 5]] for at in range(0, len(spans), 5)))

    assert content(mixed) == content(plain)


def test_large_groups_are_copied(tmp_path: Path) -> None:
    """Many rows at once come by COPY, few by one statement; both keep every kind of value, and none."""
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision() for _ in range(60)]
    store_all(database, [each.all for each in made[:50]], *([each.all] for each in made[50:]))

    assert rows(database, "SELECT count(*), count(decision_id), min(price) FROM decision") == [(60, 0, 1_431.2)]
    assert rows(database, "SELECT count(*), count(DISTINCT trace) FROM orders") == [(60, 60)]


def test_one_server_writes(tmp_path: Path) -> None:
    """A second server is refused while the first one has the database, and may come after its end."""
    database = fresh(tmp_path)
    with EmbeddedServer(database) as first:
        assert send(first.url, body(Bot().decision().all)).status == 200
        with pytest.raises(StartError, match="is served already") as refused:
            EmbeddedServer(database).start()
        assert PASSWORD not in str(refused.value)
    with EmbeddedServer(database) as second:
        assert send(second.url, path="/readyz", method="GET").status == 200


def test_a_reader_only_reads(tmp_path: Path) -> None:
    """A reader's connection refuses every change."""
    with Reader(fresh(tmp_path)) as reader, pytest.raises(sa.exc.InternalError, match="read-only"):
        reader.db.exec_driver_sql("DELETE FROM decision")


def test_explain_reads_it(tmp_path: Path) -> None:
    """`ares-otel explain` takes the URL of a database."""
    database, made = fresh(tmp_path), Bot().decision()
    store_all(database, [made.all])
    out = io.StringIO()

    assert explain(database, "C-1", out) == 0
    assert "C-1" in out.getvalue()
    command = [sys.executable, "-m", "ares_otel.cli.main", "explain", "C-1", "--database", str(database)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_tables_of_somebody_else(running: Cluster) -> None:
    """Tables of another program stay, unless they bear our names; then the database is refused."""
    theirs, ours, newer = (running.url(running.create()) for _ in range(3))
    _run(theirs, "CREATE TABLE trades_of_mine(x int)")
    migrate(theirs)
    assert rows(theirs, "SELECT count(*) FROM trades_of_mine") == [(0,)]
    _run(ours, "CREATE TABLE orders(x int)")
    migrate(newer)
    _run(newer, "UPDATE alembic_version SET version_num = '0999'")

    for use in (migrate, Reader):
        with pytest.raises(DatabaseError, match="not of the ares server"):
            use(ours)
        with pytest.raises(DatabaseError, match="newer version"):
            use(newer)
    with pytest.raises(DatabaseError, match="older schema"):
        Reader(running.url(running.create()))


def _run(url: str, statement: str) -> None:
    with connected(url) as connection, connection.begin():
        connection.exec_driver_sql(statement)


def test_passwords_stay_secret(running: Cluster) -> None:
    """Whatever goes wrong, no message and no log holds the password."""
    wrong = running.url("absent").replace(PASSWORD, "not-the-pass%20word")
    unreachable = f"postgresql+psycopg://ares:{PASSWORD}@127.0.0.1:1/ares?application_name={PASSWORD}"
    unreadable = f"postgresql+psycopg://ares:{PASSWORD}@[/ares"
    for url in (wrong, unreachable, unreadable, running.url("absent")):
        for use in (migrate, Store, Reader, lambda it: EmbeddedServer(it).start()):
            with pytest.raises((DatabaseError, StartError)) as failed:
                use(url)
            seen = "".join(traceback.format_exception(failed.value)[-1:]) + repr(failed.value.__cause__)
            assert PASSWORD not in seen
            assert "not-the-pass" not in seen
    assert database_of(wrong).label == f"postgresql://ares:***@127.0.0.1:{running.port}/absent"


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite+aiosqlite:///x", "nonsense://", "://"])
def test_other_databases_are_refused(url: str) -> None:
    """A URL of another kind of database is refused with words."""
    with pytest.raises(DatabaseError, match=r"it knows SQLite and PostgreSQL|cannot be read"):
        database_of(url)


def test_the_database_restarts(tmp_path: Path) -> None:
    """While the database is away senders are asked to keep their data; afterwards all of it is stored, once."""
    del tmp_path
    with cluster() as own:
        url = own.url(own.create())
        bot = Bot()
        made = [bot.decision() for _ in range(40)]
        acknowledged: list[int] = []
        with EmbeddedServer(url) as server:
            assert send(server.url, body(made[0].all)).status == 200
            own.stop(signal.SIGQUIT)
            refused = send(server.url, body(made[1].all))
            assert refused.status == 503
            assert "retry-after" in refused.headers
            assert PASSWORD.encode() not in refused.body
            own.start()
            for each in made[1:]:
                until(lambda each=each: send(server.url, body(each.all)).status == 200)  # type: ignore[misc]
                acknowledged.append(len(each.all))
        stored = content(url)["span"]
    assert len(stored) == len({span_id for _, span_id, *_ in stored}) == len(made[0].all) + sum(acknowledged)


def test_killed_under_load(running: Cluster, tmp_path: Path) -> None:
    """A server that is killed at once, again and again, loses nothing that it acknowledged and stores nothing twice."""
    del running
    database = fresh(tmp_path)
    told: Counter[bytes] = Counter()
    bot = Bot()
    for _ in range(5):
        command = [sys.executable, "-c", SERVING, str(database)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            end = threading.Timer(0.4, process.kill)
            end.start()
            try:
                while True:
                    made = bot.decision().all
                    if send(url, body(made)).status == 200:
                        told.update(each.span_id for each in made)
            except (OSError, http.client.HTTPException):
                end.join()

    stored = Counter(span_id for _, span_id, *_ in content(database)["span"])
    assert max(stored.values()) == 1
    assert told.keys() <= stored.keys()
    assert rows(database, "SELECT sum(n) FROM hourly") == rows(database, "SELECT count(*) FROM decision")


SERVING = """
import signal, sys
from ares_otel.server.http.serve import EmbeddedServer
print(EmbeddedServer(sys.argv[1]).start().url, flush=True)
signal.pause()
"""


def test_hostile_texts(tmp_path: Path) -> None:
    """A text with NUL, one of a megabyte and one with every kind of quote are stored."""
    database = fresh(tmp_path)
    words = ("nul \0 inside", "x" * 1_000_000, "';--\"\\%s ? {some} $1", "\u2028\U0001f4a5")
    spans = [
        span(s.DECISION, {a.STRATEGY: word, a.CORRELATION_ID: word, a.DECISION_ID: word}, own=bytes([at + 1]) * 8)
        for at, word in enumerate(words)
    ]
    store_all(database, [spans])

    assert len(content(database)["decision"]) == len(words)
    with Reader(database) as reader:
        assert len(reader.find(words[2])) == 1

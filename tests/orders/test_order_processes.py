from __future__ import annotations

import itertools
import os
import sqlite3
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from orders_kit import ORIGIN, SECOND, WALL, known, opened, order, plain, run, sent, start, told, update

from ares_otel.guard import GUARD
from ares_otel.orders import Ledger
from ares_otel.orders.connection import ABANDONED, Connection
from ares_otel.orders.presence import Presence


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file of a ledger will be."""
    return tmp_path / "orders.db"


def is_sound(path: Path) -> bool:
    """Tell whether SQLite finds no fault in a file."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()


# --- several processes at once -------------------------------------------------------------------------------------


def test_an_update_may_come_in_another_process(path: Path) -> None:
    """What one process has sent another finds, and its report reaches the first one and its gauges."""
    with opened(path, "first") as first, opened(path, "second") as second:
        sent(first)
        first.commit()
        facts = told(second, "new", at=2)
        second.commit()
        during = (first.unanswered(WALL + 99 * SECOND), first.open_orders(), second.open_orders())
        first.commit()
        after = (first.unanswered(WALL + 99 * SECOND), first.open_orders())
        end = told(first, "filled", quantity=10, price=100, at=3)

    assert (facts.origin.span_id, facts.ack_seconds) == (ORIGIN.span_id, 1.0)
    assert during == ({"binance": 1}, {("momentum", "ETHUSDT"): 1}, {})
    assert after == ({"binance": 0}, {("momentum", "ETHUSDT"): 1})
    assert (end.prior, end.ack_seconds, end.fill_seconds) == ("new", None, 2.0)


def test_both_count_in_the_same_moment(path: Path) -> None:
    """Fills that two processes report between their commits are all in the file, each once."""
    with opened(path, "first") as first, opened(path, "second") as second:
        sent(first)
        first.commit()
        for number, ledger in enumerate((first, second, first, second)):
            told(ledger, "partially_filled", quantity=1, price=100, trade_id=f"t{number}")
        told(second, "partially_filled", quantity=1, price=100, trade_id="t0")
        results = [first.commit(), second.commit(), first.commit()]
        sums = [known(ledger).sums.quantity for ledger in (first, second)]
        again = told(first, "partially_filled", quantity=1, price=100, trade_id="t3")

    assert results == [True] * 3
    assert sums == [4, 4]
    assert again.duplicate


def test_a_report_may_be_faster_than_the_order(path: Path) -> None:
    """A report that another process writes before the order is written is not lost, whoever commits first."""
    for name, order_first in (("a", True), ("b", False), ("c", None)):
        with opened(path, "first") as first, opened(path, "second") as second:
            if order_first is not None:
                sent(first, name)
            told(second, "partially_filled", name, quantity=4, price=100)
            for ledger in (first, second) if order_first else (second, first):
                ledger.commit()
            if order_first is None:
                sent(first, name)
            first.commit()
            second.commit()
            found = [known(ledger, name) for ledger in (first, second)]

        assert [plain(each.status, each.sums.quantity) for each in found] == [("partially_filled", 4)] * 2
        assert [each.origin.trace_id for each in found] == [ORIGIN.trace_id] * 2


ACTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["submit", "fill", "fill", "commit", "restart"]),
        st.integers(0, 1),
        st.integers(0, 5),
    ),
    max_size=30,
)


@settings(max_examples=50)
@given(ACTS)
@example([(1, "submit", 0, 0), (1, "fill", 0, 0), (1, "commit", 0, 0), (0, "submit", 0, 0)])
@example([(0, "fill", 0, 0), (1, "submit", 0, 0), (1, "commit", 0, 0), (0, "restart", 0, 0)])
def test_whatever_processes_do_each_fill_counts_once(acts: list[tuple[int, str, int, int]]) -> None:
    """Three processes send, report, commit and restart in any order; in the end all know the same, and all of it."""
    with tempfile.TemporaryDirectory() as directory:
        path, names = Path(directory, "orders.db"), itertools.count()
        ledgers = [Ledger(path, process=f"p{next(names)}") for _ in range(3)]
        told_fills: set[tuple[int, int]] = set()
        for who, act, number, fill in acts:
            if act == "submit":
                sent(ledgers[who], f"c{number}")
            elif act == "fill":
                told(ledgers[who], "partially_filled", f"c{number}", quantity=1, price=100, trade_id=f"t{fill}")
                told_fills.add((number, fill))
            elif act == "commit":
                assert ledgers[who].commit()
            else:
                assert ledgers[who].close()
                ledgers[who] = Ledger(path, process=f"p{next(names)}")
        for ledger in ledgers * 2:
            assert ledger.commit()
        sent_orders = {number for _, act, number, _ in acts if act == "submit"}
        for ledger, number in itertools.product(ledgers, range(2)):
            found = ledger._shelf.find(f"c{number}")
            counted = (found is not None and found.order is not None, int(found.sums.quantity) if found else 0)
            assert counted == (number in sent_orders, sum(order == number for order, _ in told_fills))
        for ledger in ledgers:
            ledger.close()


WRITER = """
import sys
from pathlib import Path
from orders_kit import told
from ares_otel.orders import Ledger

path, name, orders, fills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ledger = Ledger(path, process=name)
ledger.open()
print("ready", flush=True)
sys.stdin.readline()
for number in range(fills):
    for order in range(orders):
        told(ledger, "partially_filled", f"c{order}", quantity=1, price=100, trade_id=f"{name}-{number}")
        told(ledger, "partially_filled", f"c{order}", quantity=1, price=100, trade_id=f"both-{number}")
    if number % 3 == 0:
        ledger.commit()
while not ledger.commit():
    pass
ledger.close()
"""


def test_two_processes_count_each_fill_once(path: Path) -> None:
    """Two processes that report at full speed, partly the same fills, lose none and count none twice."""
    with opened(path, "owner") as ledger:
        for number in range(4):
            sent(ledger, f"c{number}", quantity=1_000)
    writers = [start(WRITER, path, name, 4, 60) for name in ("left", "right")]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
    with opened(path, "reader") as ledger:
        sums = [known(ledger, f"c{number}").sums for number in range(4)]

    assert [writer.returncode for writer in writers] == [0, 0]
    assert [each.quantity for each in sums] == [180] * 4
    assert [each.money for each in sums] == [18_000] * 4
    assert is_sound(path)


KILLED = """
import sys
from pathlib import Path
from orders_kit import sent, told
from ares_otel.orders import Ledger

path, process, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
ledger = Ledger(path, process=process)
for drain in range(100_000):
    for number in range(size):
        name = f"{process}-{drain}-{number}"
        sent(ledger, name)
        told(ledger, "partially_filled", name, quantity=1, price=100)
    if sys.argv[4] == "stop" and drain == 3:
        print("stopped", flush=True)
        sys.stdin.readline()
    if not ledger.commit():
        break
    print(drain, flush=True)
"""


@pytest.mark.parametrize("kill_after", [1, 7, 20])
def test_kill_loses_only_what_was_not_committed(path: Path, kill_after: int) -> None:
    """After `kill -9` at any moment each committed drain is whole, no drain is there in part, and the file is sound."""
    size = 23
    with start(KILLED, path, "victim", size, "run") as process:
        assert process.stdout is not None
        for _ in range(kill_after):
            process.stdout.readline()
        process.kill()
        finished = kill_after + len([line for line in process.stdout.read().split("\n") if line.isdigit()])
    with opened(path, "next") as ledger:
        found = ledger.orders_known
        for drain in range(finished):
            for number in range(size):
                assert known(ledger, f"victim-{drain}-{number}").sums.quantity == 1
        shown = ledger.open_orders()

    assert is_sound(path)
    # the last commit may have ended in the moment before the kill, untold
    assert found in {finished * size, (finished + 1) * size}
    assert shown == {("momentum", "ETHUSDT"): found}


def test_an_uncommitted_drain_is_lost(path: Path) -> None:
    """What a killed process had not committed is not there; what it had is, and a new process may take its name."""
    with start(KILLED, path, "victim", 5, "stop") as process:
        assert process.stdout is not None
        assert [process.stdout.readline().strip() for _ in range(4)] == ["0", "1", "2", "stopped"]
        process.kill()
    with opened(path, "victim") as ledger:
        assert ledger.orders_known == 15
        assert ledger.open_orders() == {("momentum", "ETHUSDT"): 15}
        assert GUARD.counts() == {}


# --- who shows what ------------------------------------------------------------------------------------------------


def test_open_orders_are_shown_by_one_process(path: Path) -> None:
    """A process that starts beside another leaves it its orders, and takes them over when it has ended."""
    with opened(path, "second") as second:
        with opened(path, "first") as first:
            sent(first)
            first.commit()
            with opened(path, "third") as third:
                told(third, "new")
                third.commit()
                assert third.open_orders() == {}
            first.commit()
            assert first.open_orders() == {("momentum", "ETHUSDT"): 1}
        second.commit()
        assert second.open_orders() == {}
    with opened(path, "fourth") as fourth:
        assert fourth.open_orders() == {("momentum", "ETHUSDT"): 1}


def test_two_heirs_share_nothing(path: Path) -> None:
    """Of two processes that take over the same orders at the same time one shows them."""
    with opened(path, "first") as first:
        sent(first)
    with opened(path, "second") as second, opened(path, "third") as third:
        for ledger in (second, third, second):
            ledger.commit()
        shown = [sum(ledger.open_orders().values()) for ledger in (second, third)]

    assert sorted(shown) == [0, 1]


def test_presence(path: Path) -> None:
    """A process is there as long as it holds its lock; files of dead ones are removed."""
    mine, other = Presence(path, "mine"), Presence(path, "other")
    mine.take()
    mine.take()
    seen = other.has_ended("mine")
    with pytest.raises(BlockingIOError):
        Presence(path, "mine").take()
    mine.abandon()
    left = len(list(path.parent.iterdir()))
    other.take()
    ended = other.has_ended("mine")
    other.release()
    other.release()

    assert (seen, left, ended) == (False, 1, True)
    assert list(path.parent.iterdir()) == []


def test_presence_that_is_taken_for_dead(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that another process removes before it is locked is made again."""
    import ares_otel.orders.presence as module  # noqa: PLC0415  # its lock is replaced

    lock, calls = module._lock, iter(range(9))
    presence = Presence(path, "mine")

    def slow(descriptor: int) -> None:
        if next(calls) == 0:
            presence._place("mine").unlink()
        lock(descriptor)

    monkeypatch.setattr(module, "_lock", slow)
    presence.take()
    monkeypatch.undo()
    seen = Presence(path, "other").has_ended("mine")
    presence.release()

    assert seen is False


def test_a_process_id_that_is_taken(path: Path) -> None:
    """Two processes with one id are a mistake that is complained of; both go on."""
    with opened(path, "same") as first, opened(path, "same") as second:
        sent(first)
        first.commit()
        assert told(second, "new").origin == ORIGIN

    assert GUARD.counts() == {"orders.file": 1}


# --- fork ----------------------------------------------------------------------------------------------------------

FORK = """
import os, sys
from pathlib import Path
from orders_kit import known, sent, told
from ares_otel.guard import GUARD
from ares_otel.orders import Ledger

path = Path(sys.argv[1])
ledger = Ledger(path, process="parent")
sent(ledger, "written")
ledger.commit()
sent(ledger, "pending")
reader, writer = os.pipe()
told_reader, told_writer = os.pipe()
child = os.fork()
if not child:
    os.close(writer)
    ledger.after_fork("child")
    assert ledger.open_orders() == {}
    facts = told(ledger, "partially_filled", "written", quantity=4, price=100, at=3)
    assert facts.ack_seconds == 2.0, facts
    sent(ledger, "of child")
    assert ledger.commit()
    assert ledger.open_orders() == {("momentum", "ETHUSDT"): 1}
    print("child", flush=True)
    os.write(told_writer, b"!")
    os.read(reader, 1)
    # the parent is gone, and with it its connection
    told(ledger, "filled", "written", quantity=6, price=100)
    assert ledger.commit() and ledger.close() and GUARD.counts() == {}, GUARD.counts()
    print("child again", flush=True)
    os._exit(0)
os.close(reader)
told(ledger, "new", "pending")
assert ledger.commit()
os.read(told_reader, 1)
if sys.argv[2] == "die":
    os.kill(os.getpid(), 9)
assert ledger.close() and GUARD.counts() == {}, GUARD.counts()
os.close(writer)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("parent", ["close", "die"])
def test_a_forked_child_has_its_own_connection(path: Path, parent: str) -> None:
    """Parent and child use the file after a fork, also when the parent ends first; what was pending is the parent's."""
    with start(FORK, path, parent) as process:
        output, _ = process.communicate(timeout=60)
    with opened(path, "reader") as ledger:
        states = {name: known(ledger, name).status for name in ("written", "pending", "of child")}
        owners = {name: known(ledger, name).process for name in ("written", "pending", "of child")}

    assert output.split("\n") == ["child", "child again", ""]
    assert process.returncode == (0 if parent == "close" else -9)
    assert states == {"written": "filled", "pending": "new", "of child": None}
    assert owners == {"written": "parent", "pending": "parent", "of child": "child"}
    assert is_sound(path)


def test_connections_are_closed_before_a_fork(path: Path) -> None:
    """After a fork the parent connects again by itself, and sees what others wrote meanwhile."""
    with opened(path, "first") as ledger, opened(path, "second") as other:
        sent(ledger)
        ledger.commit()
        assert ledger._shelf._keeper is not None
        connection = ledger._shelf._keeper._disk.connection
        connection.before_fork()
        assert connection._sqlite is None
        told(other, "new")
        other.commit()
        connection.after_fork_in_parent()
        connection.after_fork_in_parent()
        ledger.commit()

        assert known(ledger).status == "new"
        assert ledger.unanswered(WALL + 99 * SECOND) == {"binance": 0}


def test_a_child_that_was_forked_in_the_middle_of_a_call(path: Path) -> None:
    """Such a child must not touch the file: it goes on in memory and says so."""
    ledger = Ledger(path, process="parent")
    sent(ledger)
    ledger.commit()
    assert ledger._shelf._keeper is not None
    connection = ledger._shelf._keeper._disk.connection
    with connection.use():
        connection.before_fork()
    connection.after_fork_in_child()
    ABANDONED.pop().close()
    with pytest.raises(sqlite3.OperationalError, match="forked"):
        connection.open()
    ledger.after_fork()
    facts = told(ledger, "new")
    sent(ledger, "c2")

    assert facts.order is None
    assert ledger.commit() is False
    assert ledger.close() is False
    assert GUARD.counts() == {"orders.file": 1}


def test_a_file_that_is_replaced_while_closed_for_a_fork(path: Path) -> None:
    """A connection never opens another file than it had."""
    connection = Connection(path)
    connection.open()
    connection.before_fork()
    connection.after_fork_in_parent()
    path.unlink()
    with pytest.raises(sqlite3.OperationalError, match="moved"), connection.use():
        pass
    connection.close()
    with pytest.raises(sqlite3.OperationalError, match="not open"), connection.use():
        pass


def test_a_fork_without_a_file() -> None:
    """In memory the child keeps what the parent knew; its gauges are its own."""
    with opened(None, "parent") as ledger:
        sent(ledger)
        ledger.after_fork()
        facts = ledger.update(update("new"), 0, WALL + SECOND)
        sent(ledger, "c2")

        assert (facts.origin, facts.ack_seconds) == (ORIGIN, 1.0)
        assert ledger.open_orders() == {("momentum", "ETHUSDT"): 1}


# --- threads -------------------------------------------------------------------------------------------------------


def test_gauges_are_read_while_the_worker_writes(path: Path) -> None:
    """A scrape in another thread sees only whole states."""
    seen: set[int] = set()
    stop = threading.Event()
    with opened(path) as ledger:

        def scrape() -> None:
            while not stop.is_set():
                seen.update(ledger.open_orders().values(), ledger.unanswered(WALL + 99 * SECOND).values())

        threads = [threading.Thread(target=scrape) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(300):
            sent(ledger, f"c{number}")
            told(ledger, "filled", f"c{number}")
            ledger.commit()
        stop.set()
        for thread in threads:
            thread.join()

    assert seen <= {0, 1}


def test_gauges_by_strategy_symbol_and_venue() -> None:
    """The order's own words go before those of its decision; what nobody told is None."""
    with opened(None) as ledger:
        sent(ledger, "a", strategy="s", symbol="X", venue="v")
        sent(ledger, "b", symbol="X")
        ledger.submit(order("c"), ORIGIN.__class__(), 0, WALL)
        ledger.submit(order("d"), ORIGIN.__class__(), 0, WALL + 40 * SECOND)

        assert ledger.open_orders() == {("s", "X"): 1, ("momentum", "X"): 1, (None, None): 2}
        assert ledger.unanswered(WALL + 31 * SECOND) == {"v": 1, "binance": 1, None: 1}
        told(ledger, "denied", "a")
        told(ledger, "new", "b")
        assert ledger.open_orders() == {("s", "X"): 0, ("momentum", "X"): 1, (None, None): 2}
        assert ledger.unanswered(WALL + 99 * SECOND) == {"v": 0, "binance": 0, None: 2}


def test_gauges_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many strategies, symbols and venues are shown at zero when their orders have ended."""
    monkeypatch.setattr("ares_otel.orders.gauges.KEYS", 2)
    with opened(None) as ledger:
        for number in range(4):
            sent(ledger, f"c{number}", symbol=f"S{number}", venue=f"V{number}")
        during = len(ledger.open_orders())
        for number in range(4):
            told(ledger, "filled", f"c{number}")

        assert (during, len(ledger.open_orders()), len(ledger.unanswered(WALL))) == (4, 2, 2)


def test_importing_orders_needs_no_database(tmp_path: Path) -> None:
    """SQLite is loaded with the first file, not before; Prometheus and the SDK never."""
    code = """
import sys
from pathlib import Path
from ares_otel.orders import Ledger
names = {"ares_otel.orders.disk", "opentelemetry.sdk", "prometheus_client"}
ledger = Ledger(Path(sys.argv[1]), process="p")
print(*names & set(sys.modules))
ledger.open()
ledger.close()
print(*names & set(sys.modules))
"""
    assert run(code, tmp_path / "orders.db") == "ares_otel.orders.disk"

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orders_kit import ORIGIN, SECOND, WALL, known, opened, order, sent, told, update

from ares_otel.guard import GUARD
from ares_otel.orders import Ledger, keeper
from ares_otel.orders.known import Known, decode, encode
from ares_otel.records.facts import Origin, UpdateFacts
from ares_otel.semconv.enums import OrderStatus, Side

DAY = 86_400 * SECOND


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the file of a ledger will be."""
    return tmp_path / "state" / "orders.db"


def rows(path: Path, sql: str = "SELECT client_id FROM orders ORDER BY change") -> list[Any]:
    """Return the first column of a query, as any other program sees it."""
    connection = sqlite3.connect(path)
    try:
        return [first for first, *_ in connection.execute(sql)]
    finally:
        connection.close()


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# --- restarts ------------------------------------------------------------------------------------------------------


def test_an_order_outlives_its_process(path: Path) -> None:
    """After a restart an update has the order, its decision, and latencies by the wall clock."""
    with opened(path) as ledger:
        given_order = sent(ledger, time_in_force="gtc")
        told(ledger, "partially_filled", quantity=4, price=101, fee=0.1, trade_id="a")
    with opened(path, "second") as ledger:
        ledger.mark("ETHUSDT", 100.0)
        facts = ledger.update(update("filled", quantity=6, price=101), 7, WALL + 3 * SECOND)
        again = told(ledger, "partially_filled", quantity=4, price=101, trade_id="a")

    assert facts == UpdateFacts(
        update=update("filled", quantity=6, price=101),
        origin=msgspec.structs.replace(ORIGIN, started=None),
        order=given_order,
        prior=OrderStatus.PARTIALLY_FILLED,
        fill_quantity=6.0,
        cum_quantity=10.0,
        avg_price=101.0,
        leaves_quantity=0.0,
        fill_seconds=3.0,
        slippage_bps=100.0,
        slippage_cost=6.0,
        shortfall_bps=101.0,
        done=True,
    )
    assert facts.order is not None
    assert isinstance(facts.order.side, Side)
    assert again.duplicate


REPORTS = st.lists(
    st.fixed_dictionaries(
        {"status": st.sampled_from([*map(str, OrderStatus)]), "client_id": st.sampled_from(["c1", "c2", "c3"])},
        optional={
            "quantity": st.integers(1, 5),
            "price": st.integers(90, 110),
            "cum_quantity": st.integers(0, 12),
            "avg_price": st.integers(90, 110),
            "fee": st.integers(-3, 3),
            "trade_id": st.sampled_from(["t1", "t2", "t3"]),
            "event_time": st.integers(WALL, WALL + 3),
        },
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(REPORTS, st.integers(0, 12), st.booleans())
def test_a_restart_changes_nothing(reports: list[dict[str, Any]], cut: int, early: bool) -> None:  # noqa: FBT001
    """Closed and opened in the middle, the ledger says and knows what it would have without."""
    with tempfile.TemporaryDirectory() as directory, opened(None, "same") as steady:
        path = Path(directory, "orders.db")
        facts: list[list[UpdateFacts]] = [[], []]
        for half, part in enumerate((reports[:cut], reports[cut:])):
            with opened(path, "same") as broken:
                for ledger, told_facts in ((steady, facts[0]), (broken, facts[1])):
                    if half == (0 if early else 1):
                        sent(ledger)
                        sent(ledger, "c2", side="sell")
                    told_facts += [told(ledger, at=2 + number, **fields) for number, fields in enumerate(part)]
        with opened(path, "same") as broken:
            ids = {"c1", "c2", *(fields["client_id"] for fields in reports)}
            assert {name: known(broken, name) for name in ids} == {name: known(steady, name) for name in ids}
        assert facts[0] == facts[1]


def test_open_orders_of_earlier_processes_are_shown(path: Path) -> None:
    """What was open stays in the gauges after a restart, answered or not; what had ended does not."""
    with opened(path) as ledger:
        for name in ("c1", "c2", "c3"):
            sent(ledger, name, strategy="other" if name == "c3" else None)
        told(ledger, "new", "c2")
        told(ledger, "filled", "c3")
        told(ledger, "new", "unknown")
    with opened(path, "second") as ledger:
        assert ledger.open_orders() == {("momentum", "ETHUSDT"): 2}
        assert ledger.unanswered(WALL + 31 * SECOND) == {"binance": 1}
        assert ledger.unanswered(WALL + 29 * SECOND) == {"binance": 0}
        assert ledger.orders_known == 4
        told(ledger, "filled", "c1")
        told(ledger, "filled", "c2")
        assert ledger.open_orders() == {("momentum", "ETHUSDT"): 0}
    with opened(path, "third") as ledger:
        assert ledger.open_orders() == {}


def test_known_orders_round_trip() -> None:
    """What is written is read again, whole; a decision's monotonic start only in its own process."""
    ledger = Ledger(None, process="first")
    sent(ledger, type="stop_limit", stop_price=99.5, event_time=WALL, time_in_force="ioc", account="a", venue_id="v")
    told(ledger, "partially_filled", quantity=0.1, price=0.2, fee=-0.3, trade_id="ü", cum_quantity=0.5)
    before = known(ledger)

    assert decode(encode(before), "first", "first") == before
    assert decode(encode(before), "x", "second") == msgspec.structs.replace(
        before, owner="x", origin=msgspec.structs.replace(ORIGIN, started=None)
    )
    assert decode(encode(Known()), "", "p") == Known()


def test_later_versions_may_add_fields() -> None:
    """Fields that this version does not know are left out; fields that are gone are errors."""
    data = msgspec.json.decode(encode(Known(order=order(), origin=ORIGIN)))
    data["new"] = data["order"]["new"] = data["origin"]["new"] = 1
    read = decode(msgspec.json.encode(data), "", "")
    del data["order"]["client_id"]

    assert (read.order, read.origin) == (order(), ORIGIN)
    with pytest.raises(ValueError, match="client_id"):
        decode(msgspec.json.encode(data), "", "")


# --- bounds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_disk", [True, False])
def test_the_oldest_ended_orders_go_first(path: Path, on_disk: bool) -> None:  # noqa: FBT001
    """Over the limit what was never sent and what ended goes, oldest first, then what is open."""
    with opened(path if on_disk else None, limit=4) as ledger:
        for name in ("open1", "open2", "done1", "done2"):
            sent(ledger, name)
        told(ledger, "filled", "done2")
        told(ledger, "filled", "done1")
        ledger.commit()
        steps: list[set[str]] = []
        for name in ("a", "b", "c"):
            sent(ledger, name)
            ledger.commit()
            names = ("open1", "open2", "done1", "done2", "a", "b", "c")
            steps.append({name for name in names if ledger._shelf.find(name)})
        counts = (ledger.orders_known, ledger.open_orders())

    assert steps == [{"open1", "open2", "done1", "a"}, {"open1", "open2", "a", "b"}, {"open2", "a", "b", "c"}]
    assert counts == (4, {("momentum", "ETHUSDT"): 4})
    assert GUARD.counts() == {"orders.ledger": 1}


def test_memory_holds_few_ended_orders(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the file need not be in memory; it is found there."""
    monkeypatch.setattr("ares_otel.orders.shelf.ENDED", 3)
    with opened(path) as ledger:
        for number in range(10):
            sent(ledger, f"c{number}")
            told(ledger, "filled", f"c{number}", quantity=10, price=100)
        ledger.commit()

        assert len(ledger._shelf._memory) == 3
        assert ledger.orders_known == 10
        assert told(ledger, "filled", "c0", quantity=10, price=100, cum_quantity=10).origin == ORIGIN


def test_the_file_is_bounded(path: Path) -> None:
    """The number of orders in the file never exceeds the limit after a commit."""
    with opened(path, limit=100) as ledger:
        for number in range(1_000):
            sent(ledger, f"c{number}")
            if number % 37 == 0:
                ledger.commit()
                assert len(rows(path)) <= 100

    assert len(rows(path)) <= 100
    assert rows(path)[-1] == "c999"


def test_old_orders_are_removed_at_start(path: Path) -> None:
    """What had no report for so many days is gone; an old order that was reported lately stays."""
    with opened(path) as ledger:
        for name, days in (("old", 31), ("young", 29), ("touched", 60)):
            ledger.submit(order(name), ORIGIN, 1, WALL - days * DAY)
        told(ledger, "new", "touched")
    with opened(path, "second", days=30) as ledger:
        assert ledger.orders_known == 2

    assert sorted(rows(path)) == ["touched", "young"]


# --- faults --------------------------------------------------------------------------------------------------------


def test_nothing_is_opened_by_construction(path: Path) -> None:
    """Making a ledger touches no file: that is for the worker."""
    ledger = Ledger(path, process="p")

    assert ledger.open_orders() == {}
    assert ledger.orders_known == 0
    assert not path.parent.exists()


def test_the_file_is_private(path: Path) -> None:
    """Orders are nobody else's business."""
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_cannot_be_made(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a file the ledger works in memory, says so once, and commits nothing."""
    (tmp_path / "file").write_text("no directory")
    with opened(tmp_path / "file" / "orders.db") as ledger:
        sent(ledger)
        results = [ledger.commit() for _ in range(3)]
        facts = told(ledger, "new")

    assert results == [False] * 3
    assert facts.origin == ORIGIN
    assert len(complaints(caplog)) == 1
    assert "kept in memory" in complaints(caplog)[0]


def test_a_file_that_can_be_made_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger tries again, and then writes all that it has in memory."""
    monkeypatch.setattr(keeper, "RETRY", 0.0)
    (tmp_path / "d").write_text("no directory")
    path = tmp_path / "d" / "orders.db"
    with opened(path) as ledger:
        sent(ledger)
        told(ledger, "filled", "c2")
        before = ledger.commit()
        (tmp_path / "d").unlink()
        after = ledger.commit()

        assert (before, after) == (False, True)
        assert rows(path) == ["c1", "c2"]


def test_memory_and_a_file_that_was_found_late_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was reported while the file was away joins the orders in it; what others wrote later counts."""
    monkeypatch.setattr(keeper, "RETRY", 0.0)
    (tmp_path / "d").write_text("no directory")
    path = tmp_path / "d" / "orders.db"
    with opened(path) as ledger:
        told(ledger, "partially_filled", "theirs", quantity=4, price=100)
        sent(ledger, "ours")
        sent(ledger, "both")
        (tmp_path / "d").unlink()
        with opened(path, "second") as other:
            sent(other, "theirs")
            told(other, "new", "ours")
            sent(other, "both")
            told(other, "new", "both", at=9)
        assert ledger.commit()
        found = {name: known(ledger, name) for name in ("theirs", "ours", "both")}

    assert [each.order is not None for each in found.values()] == [True] * 3
    assert [str(each.status) for each in found.values()] == ["partially_filled", "new", "new"]
    assert found["theirs"].sums.quantity == 4


def test_an_order_is_not_lost_to_one_who_does_not_know_it(path: Path) -> None:
    """When the file is begun anew by a process that has only reports of an order, the order stays."""
    with opened(path, "first") as first, opened(path, "second") as second:
        sent(first)
        first.commit()
        path.unlink()
        second.commit()
        unknown = told(second, "new")
        second.commit()
        first.commit()
        second.commit()
        facts = told(second, "filled")

        assert unknown.order is None
        assert known(first).order is not None
        assert facts.origin.trace_id == ORIGIN.trace_id


def test_it_does_not_try_all_the_time(tmp_path: Path) -> None:
    """A file that could not be opened is left alone for a while."""
    (tmp_path / "d").write_text("no directory")
    with opened(tmp_path / "d" / "orders.db") as ledger:
        (tmp_path / "d").unlink()
        sent(ledger)

        assert ledger.commit() is False
        assert GUARD.counts() == {"orders.file": 1}


def test_a_locked_file(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While another process holds the file, orders stay in memory; afterwards they are written, none is lost."""
    with opened(path) as ledger:
        sent(ledger, "before")
        ledger.commit()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sent(ledger)
        held = [ledger.commit() for _ in range(2)]
        facts = [told(ledger, "new", name) for name in ("before", "c1")]
        other.execute("ROLLBACK")
        other.close()
        free = ledger.commit()

        assert (held, free) == ([False, False], True)
        assert [each.origin for each in facts] == [ORIGIN, ORIGIN]
        assert rows(path) == ["before", "c1"] or rows(path) == ["c1", "before"]
    assert len(complaints(caplog)) == 1


def test_a_full_disk(path: Path) -> None:
    """What cannot be written now is written when there is room again."""
    with opened(path) as ledger:
        sent(ledger, "first")
        ledger.commit()
        assert ledger._shelf._keeper is not None
        connection = ledger._shelf._keeper._disk.connection
        with connection.use() as sqlite:
            (pages,) = sqlite.execute("PRAGMA page_count").fetchone()
            sqlite.execute(f"PRAGMA max_page_count = {pages}")
        for number in range(50):
            sent(ledger, f"c{number}")
        full = ledger.commit()
        with connection.use() as sqlite:
            sqlite.execute("PRAGMA max_page_count = 1000000")
        room = ledger.commit()

        assert (full, room) == (False, True)
        assert len(rows(path)) == 51


def garbage(path: Path) -> None:
    """Make a file that is no database."""
    path.write_bytes(b"no database at all, but long enough to be read as one" * 100)


def torn(path: Path) -> None:
    """Destroy a page in the middle of a database."""
    data = bytearray(path.read_bytes())
    data[4096 * 2 : 4096 * 3] = b"\xff" * 4096
    path.write_bytes(data)


def shortened(path: Path) -> None:
    """Cut a database off."""
    os.truncate(path, 4096 * 3)


@pytest.mark.parametrize("damage", [garbage, torn, shortened])
def test_a_damaged_file_is_moved_aside(path: Path, damage: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is found damaged at the start is kept under another name; a new one is used at once."""
    with opened(path) as ledger:
        for number in range(50):
            sent(ledger, f"c{number}")
    damage(path)
    damaged = path.read_bytes()
    with opened(path, "second") as ledger:
        sent(ledger, "after")
        assert ledger.commit()

    (aside,) = [each for each in path.parent.glob("*.corrupt-*") if each.suffix not in {".db-wal", ".db-shm"}]
    assert aside.read_bytes() == damaged
    assert rows(path) == ["after"]
    assert [str(aside) in text for text in complaints(caplog)] == [True]


def test_a_file_that_is_damaged_under_way(path: Path) -> None:
    """What is in memory goes into the new file, with the drain that found the damage."""
    with opened(path) as ledger:
        for number in range(50):
            sent(ledger, f"c{number}")
        ledger.commit()
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            # a change of another process makes the ledger's connection read its pages again
            other.execute("UPDATE orders SET rank = rank WHERE client_id = 'c1'")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        other.close()
        torn(path)
        for number in range(20):
            told(ledger, "filled", f"c{number}", quantity=10, price=100)
        written = [ledger.commit() for _ in range(2)]

        assert written[-1]
        assert len(rows(path)) == 50
        assert len(list(path.parent.glob("*.corrupt-*"))) >= 1
        assert len(rows(path, "SELECT 1 FROM orders WHERE rank = 1")) == 20


def test_a_disk_that_damages_every_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few new files the ledger gives up on the disk, and leaves no more damaged files behind."""
    monkeypatch.setattr(keeper, "RETRY", 0.0)
    with opened(path) as ledger:
        for number in range(10):
            sent(ledger, f"c{number}")
            ledger.commit()
            for suffix in ("", "-wal", "-shm"):
                name = path.with_name(path.name + suffix)
                if name.exists():
                    garbage(name)
            assert ledger._shelf._keeper is not None
            ledger._shelf._keeper._disk.connection.close()
        facts = told(ledger, "new", "c0")

    assert facts.origin == ORIGIN
    assert len([each for each in path.parent.glob("*.corrupt-*") if "-wal" not in each.name]) <= keeper.REPAIRS * 2
    assert GUARD.counts()["orders.file"] >= keeper.REPAIRS


@pytest.mark.parametrize("remove", [True, False])
def test_a_file_that_is_taken_away(path: Path, remove: bool) -> None:  # noqa: FBT001
    """When somebody removes or renames the file, a new one is begun with all that is in memory."""
    with opened(path) as ledger:
        sent(ledger)
        ledger.commit()
        if remove:
            path.unlink()
        else:
            path.rename(path.with_name("elsewhere"))
        told(ledger, "new")
        assert ledger.commit()

        assert rows(path) == ["c1"]
    assert GUARD.counts() == {"orders.file": 1}


def test_a_file_of_a_later_version(path: Path) -> None:
    """A file whose shape is not known is neither read nor changed."""
    with opened(path) as ledger:
        sent(ledger)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with opened(path, "second") as ledger:
        facts = told(ledger, "new")
        assert ledger.commit() is False

    assert facts.order is None
    assert path.read_bytes() == before
    assert GUARD.counts() == {"orders.file": 1}


def test_a_row_that_cannot_be_read(path: Path) -> None:
    """An order whose facts are no longer readable is unknown; the others are not."""
    with opened(path) as ledger:
        for name in ("bad", "worse", "good"):
            sent(ledger, name)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE orders SET facts = '{' WHERE client_id = 'bad'")
    connection.execute("""UPDATE orders SET facts = '{"origin": {}}' WHERE client_id = 'worse'""")
    connection.commit()
    connection.close()
    with opened(path, "second") as ledger:
        orders = [told(ledger, "new", name).order for name in ("bad", "worse", "good")]

    assert [each is not None for each in orders] == [False, False, True]


def test_ids_that_no_file_can_hold(path: Path) -> None:
    """Orders with lone surrogates are kept in memory; they do not hold up the others."""
    with opened(path) as ledger:
        sent(ledger, "c\ud800")
        sent(ledger, "text", account="a\ud800")
        sent(ledger)
        written = ledger.commit()
        unknown = told(ledger, "new", "x\ud800")
        facts = told(ledger, "new", "c\ud800")

    assert written
    assert rows(path) == ["c1"]
    assert (facts.origin, unknown.order) == (ORIGIN, None)


def test_after_the_end_orders_stay_in_memory(path: Path) -> None:
    """A closed ledger still joins what it knows, and opens nothing."""
    ledger = Ledger(path, process="p")
    sent(ledger)
    assert ledger.close()
    facts = told(ledger, "new")
    sent(ledger, "c2")

    assert facts.origin == ORIGIN
    assert ledger.commit()
    assert ledger.close()
    assert rows(path) == ["c1"]
    assert sorted(each.name for each in path.parent.iterdir()) == ["orders.db"]


def test_a_last_commit_waits_longer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end a lock that is soon released does not cost the last drain."""
    monkeypatch.setattr("ares_otel.orders.disk.LAST_BUSY", 60)
    ledger = Ledger(path, process="p")
    ledger.open()
    sent(ledger)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, other.execute, ["ROLLBACK"])
    timer.start()
    written = ledger.close()
    timer.join()
    other.close()

    assert written
    assert rows(path) == ["c1"]


def test_nobody_else_s_context_is_kept(path: Path) -> None:
    """An unknown order is written down as such, without the context of its reports, and found after a restart."""
    with opened(path) as ledger:
        ledger.update(update("partially_filled", cum_quantity=5, avg_price=10), 1, WALL, Origin(trace_id=7))
    with opened(path, "second") as ledger:
        facts = told(ledger, "filled", cum_quantity=7, avg_price=10)

    assert (facts.order, facts.origin, facts.fill_quantity) == (None, Origin(), 2.0)
    assert rows(path, "SELECT rank FROM orders") == [2]


def test_commits_without_changes_write_nothing(path: Path) -> None:
    """An idle bot leaves the disk alone."""
    with opened(path) as ledger:
        sent(ledger)
        ledger.commit()
        wal = path.with_name(path.name + "-wal")
        before = (wal.stat().st_size, wal.stat().st_mtime_ns)
        time.sleep(0.02)
        assert all(ledger.commit() for _ in range(5))

        assert (wal.stat().st_size, wal.stat().st_mtime_ns) == before

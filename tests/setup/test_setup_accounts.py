"""Accounts over restarts of a whole bot: the file, its lock, and what is said when nothing is known."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from setup_kit import Begin, Bot, shown

import ares_otel as ares
from ares_otel.guard import GUARD
from ares_otel.setup.vault import Vault


def trade(client: str, side: str, quantity: float, price: float) -> None:
    """Send an order that is filled whole."""
    with ares.decision(symbol="BTC", strategy="s", venue="okx") as d:
        d.order(client, side=side, type="market", quantity=quantity, currency="USDT")
    ares.record(ares.OrderUpdate(client, "filled", quantity=quantity, price=price, cum_quantity=quantity))


def quantity(page: str | None) -> float | None:
    """Return the position that is shown."""
    return shown(page, "ares_position_quantity", strategy="s", symbol="BTC")


def file(directory: Path) -> Path:
    """Return the file of the accounts."""
    (found,) = directory.rglob("accounts.json")
    return found


def test_a_bot_goes_on_with_its_accounts(begin: Begin) -> None:
    """Bought in one run, sold in the next: one trade, and the position in between is known."""
    with begin() as handle:
        trade("c1", "buy", 2, 100)
        assert quantity(handle.metrics_url) == 2.0
    with begin() as handle:
        assert quantity(handle.metrics_url) == 2.0
        trade("c2", "sell", 2, 110)
        assert quantity(handle.metrics_url) == 0.0
        found = shown(handle.metrics_url, "ares_trades_total", strategy="s", symbol="BTC", trade_outcome="win")
        assert found == 1.0


def test_a_damaged_file_is_moved_aside(begin: Begin, tmp_path: Path) -> None:
    """The position is unknown, then and after the next restart: it is not taken for flat."""
    with begin():
        trade("c1", "buy", 2, 100)
    file(tmp_path).write_text("{", encoding="utf-8")
    for client in ("c2", "c3"):
        with begin() as handle:
            trade(client, "sell", 1, 110)
            assert quantity(handle.metrics_url) is None
    assert len(list(tmp_path.rglob("accounts.json.corrupt-*"))) == 1


def test_orders_of_before_there_were_accounts(begin: Begin, tmp_path: Path) -> None:
    """A bot with a ledger and no accounts has a past that nobody knows."""
    with begin():
        trade("c1", "buy", 2, 100)
    file(tmp_path).unlink()
    with begin() as handle:
        trade("c2", "sell", 1, 110)
        assert quantity(handle.metrics_url) is None


def test_a_backtest_has_no_past(begin: Begin, tmp_path: Path) -> None:
    """It begins flat each time and leaves nothing behind."""
    for number in range(2):
        with begin(mode="backtest") as handle:
            trade(f"c{number}", "buy", 2, 100)
            assert quantity(handle.metrics_url) == 2.0
    assert list(tmp_path.rglob("accounts.json")) == []


def test_without_a_directory_nothing_is_known_of_before(begin: Begin) -> None:
    """A bot that may not remember cannot know what it held; its own report says it."""
    with begin(ledger__enabled=False) as handle:
        trade("c1", "buy", 2, 100)
        assert quantity(handle.metrics_url) is None
        ares.record(ares.Position("BTC", 5, strategy="s"))
        assert quantity(handle.metrics_url) == 5.0


def test_two_processes_do_not_share_an_account(begin: Begin, tmp_path: Path) -> None:
    """The first one keeps it; the other one says nothing of positions that it cannot know."""
    script = """
handle = ares.setup()
with ares.decision(symbol="BTC", strategy="s") as d:
    d.order("c9", side="buy", type="market", quantity=1)
ares.record(ares.OrderUpdate("c9", "filled", quantity=1, price=1, cum_quantity=1))
from urllib.request import urlopen
say("ares_position_quantity" in urlopen(handle.metrics_url).read().decode())
"""
    with begin() as handle:
        trade("c1", "buy", 2, 100)
        assert quantity(handle.metrics_url) == 2.0
        environ = {"ARES_OTEL_LEDGER_DIRECTORY": str(file(tmp_path).parent)}
        (said,) = Bot(script, tmp_path / "other", None, **environ).end().well
        assert said == [False]
        assert quantity(handle.metrics_url) == 2.0


def test_a_kept_file_is_whole_and_private(tmp_path: Path) -> None:
    """Saving replaces it; nothing half written is ever seen; nobody but its owner may look at the lock."""
    vault = Vault(tmp_path / "deep" / "accounts.json")
    assert vault.open()
    assert vault.load() is None
    vault.save(b"1")
    vault.save(json.dumps([2]).encode())

    assert vault.load() == b"[2]"
    assert [each.name for each in sorted(vault.path.parent.iterdir())] == ["accounts.json", "accounts.json.lock"]
    assert not Vault(vault.path).open()
    vault.close()
    vault.close()
    assert Vault(vault.path).open()


def test_a_file_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """A directory in its place, or one that cannot be made: the bot goes on and the guard knows."""
    vault = Vault(tmp_path / "accounts.json")
    assert vault.open()
    (tmp_path / "accounts.json.new").mkdir()
    vault.save(b"1")
    vault.move_aside()
    (tmp_path / "file").write_bytes(b"")

    assert not Vault(tmp_path / "file" / "accounts.json").open()
    assert GUARD.counts() == {"accounts.file": 3}
    vault.close()
    vault.save(b"2")
    assert vault.load() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_the_accounts_to_its_parent(tmp_path: Path) -> None:
    """The child's own fills change nothing of the parent's account."""
    script = """
handle = ares.setup()
def trade(client, quantity):
    with ares.decision(symbol="BTC", strategy="s") as d:
        d.order(client, side="buy", type="market", quantity=quantity)
    ares.record(ares.OrderUpdate(client, "filled", quantity=quantity, price=1, cum_quantity=quantity))
    ares.flush(5.0)
trade("c1", 1)
child = os.fork()
if child == 0:
    trade("c2", 5)
    ares.shutdown()
    os._exit(0)
os.waitpid(child, 0)
trade("c3", 1)
from urllib.request import urlopen
page = urlopen(handle.metrics_url).read().decode()
say([line for line in page.splitlines() if line.startswith("ares_position_quantity{")])
"""
    (said,) = Bot(script, tmp_path / "bot", None).end().well
    assert said == [['ares_position_quantity{strategy="s",symbol="BTC"} 2.0']]

"""Lists stay fast and complete: indexes are used, what arrives between two pages moves nothing, work is bounded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from api_kit import plans
from server_kit import fresh, put, store_all
from spans import Bot

from ares_otel.server.query import listing, searching
from ares_otel.server.query.control import BreachesAsked, breaches
from ares_otel.server.query.decisions import DecisionsAsked, decisions
from ares_otel.server.query.features import BehaviorsAsked, ImportanceAsked, behaviors, importances
from ares_otel.server.query.notes import LogsAsked, logs
from ares_otel.server.query.searching import AttributesAsked, attributes
from ares_otel.server.query.trading import OrdersAsked, orders
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader

MADE = 60


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with some decisions and orders, each in a frame of its own."""
    made, bot = fresh(tmp_path), Bot()
    store_all(made, *([bot.decision(order=at % 3 == 0).all] for at in range(MADE)))
    return made


@pytest.fixture
def reader(database: Path) -> Iterator[Reader]:
    """A reader of it."""
    with Reader(database) as opened:
        yield opened


@pytest.mark.parametrize(
    "question",
    [
        lambda reader: decisions(reader, DecisionsAsked()),
        lambda reader: decisions(reader, DecisionsAsked(symbol="SP500")),
        lambda reader: decisions(
            reader, DecisionsAsked(symbol="SP500", strategy="swing", action="buy", regime="bull_trend")
        ),
        lambda reader: decisions(reader, DecisionsAsked(strategy="swing", action="buy")),
        lambda reader: decisions(reader, DecisionsAsked(rejected=True)),
        lambda reader: decisions(reader, DecisionsAsked(ordered=True, filled=False, order_side="buy")),
        lambda reader: orders(reader, OrdersAsked()),
        lambda reader: orders(reader, OrdersAsked(symbol="SP500", open=True)),
        lambda reader: logs(reader, LogsAsked(correlation_id="x")),
        lambda reader: logs(reader, LogsAsked(severity_min=9)),
        lambda reader: breaches(reader, BreachesAsked()),
        lambda reader: importances(reader, ImportanceAsked()),
        lambda reader: behaviors(reader, BehaviorsAsked()),
        lambda reader: attributes(reader, AttributesAsked(attribute="ares.symbol", value="SP500")),
    ],
)
def test_lists_use_indexes(reader: Reader, question: Callable[[Reader], Any]) -> None:
    """Every table is searched by a key in the order that is wanted: no scan of a whole table, no sort."""
    found = plans(reader, question)

    assert found
    assert [each for each in found if re.match(r"SCAN (?!CONSTANT)|USE TEMP B-TREE", each)] == []


def test_a_symbol_has_its_own_index(reader: Reader) -> None:
    """Filters with a symbol read the covering index alone to find the rows."""
    asked = DecisionsAsked(symbol="SP500", strategy="swing", action="buy")

    assert any("COVERING INDEX decision_filter" in each for each in plans(reader, lambda one: decisions(one, asked)))


def test_orders_are_found_by_their_decision(reader: Reader) -> None:
    """However many orders others sent in the same minute: those of a decision have an index of their own."""
    looked = plans(reader, lambda one: decisions(one, DecisionsAsked(ordered=True, outcomes=True)))
    of_orders = [each for each in looked if " orders" in each]

    assert len(of_orders) > 1
    assert {"INDEX orders_decision (decision=?" in each for each in of_orders} == {True}


def test_what_arrives_moves_no_page(database: Path) -> None:
    """While new decisions come, all pages together hold each older one once."""
    bot = Bot(seed=2, start=1_800_000_000_000_000_000)
    with closing(Store(database)) as store, Reader(database) as reader:
        before = {row.decision_id for row in decisions(reader, DecisionsAsked(limit=500)).items}
        found, cursor = [], None
        while True:
            page = decisions(reader, DecisionsAsked(limit=7, cursor=cursor))
            found += [row.decision_id for row in page.items]
            put(store, bot.decision().all)
            if page.next is None:
                break
            cursor = page.next

    assert len(before) == MADE
    assert sorted(found) == sorted(before)


def test_a_page_looks_at_so_much_and_no_more(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that matches little gives short pages that go on, and all of them together miss nothing."""
    monkeypatch.setattr(listing, "GLANCED", 2)
    monkeypatch.setattr(listing, "SCANNED", 3)
    every = decisions(reader, DecisionsAsked(limit=500)).items
    wanted = [row.decision_id for row in every if row.rejected == 0]
    sent = [row.client_id for row in orders(reader, OrdersAsked(limit=500)).items]

    found: list[str] = []
    lengths: list[int] = []
    cursor = None
    while lengths == [] or cursor is not None:
        page = decisions(reader, DecisionsAsked(rejected=False, cursor=cursor))
        found += [row.decision_id for row in page.items]
        lengths.append(len(page.items))
        cursor = page.next
    assert found == wanted
    assert max(lengths) <= 3

    told, pages, cursor = [], 0, None
    while pages == 0 or cursor is not None:
        listed = orders(reader, OrdersAsked(side="buy", cursor=cursor))
        told += [row.client_id for row in listed.items]
        pages, cursor = pages + 1, listed.next
    assert told == sent
    assert pages > len(sent) // 3


def test_a_search_looks_at_so_much_and_no_more(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search for an attribute that nothing has ends, page by page."""
    monkeypatch.setattr(searching, "SEGMENTS", 5)
    monkeypatch.setattr(searching, "BATCH", 2)
    pages, cursor = 0, None
    while pages == 0 or cursor is not None:
        page = attributes(reader, AttributesAsked(attribute="ares.action", value="nothing", cursor=cursor))
        assert page.items == ()
        pages, cursor = pages + 1, page.next

    assert pages > MADE // 10


@pytest.mark.parametrize(
    "asked",
    [
        DecisionsAsked(strategy="nobody"),
        DecisionsAsked(symbol="'; DROP TABLE decision; --"),
        DecisionsAsked(symbol="<script>", confidence_min=0.0, confidence_max=1.0, status="ok"),
        DecisionsAsked(cursor="9999999999999999999"),
        DecisionsAsked(cursor="0"),
    ],
)
def test_hostile_values_are_only_values(reader: Reader, asked: DecisionsAsked) -> None:
    """Whatever a filter says, it is compared and nothing else; the table is there afterwards."""
    page = decisions(reader, asked)

    assert len(page.items) in {0, 50}
    assert len(decisions(reader, DecisionsAsked(limit=500)).items) == MADE


def test_an_empty_database(tmp_path: Path) -> None:
    """Where nothing is stored, every list is empty."""
    with Reader(fresh(tmp_path)) as empty:
        pages = (
            decisions(empty, DecisionsAsked(rejected=False)),
            orders(empty, OrdersAsked(open=True)),
            logs(empty, LogsAsked(severity_min=1)),
            attributes(empty, AttributesAsked(attribute="a", value="b")),
        )

    assert [(page.items, page.next) for page in pages] == [((), None)] * 4

"""What records, stages, checks and calls become: rows over time, sums by hour and day, newest states."""

from __future__ import annotations

import itertools
import math
import random
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from server_kit import Row, content, fresh, put, rows, store_all
from spans import MARKET, START, Bot, drifts, event, records, span

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.otlp.decode import decode
from ares_otel.server.store import episodes
from ares_otel.server.store.store import Store

HOUR, DAY, SECOND = 3_600_000_000_000, 86_400_000_000_000, 1_000_000_000
SWING, SP500, USD = ("strategy", "swing"), ("symbol", "SP500"), ("currency", "USD")
PAPER, BOOSTING, BULL = ("venue", "paper"), ("model", "boosting"), ("regime", "bull_trend")
HOSTILE = (math.nan, math.inf, -math.inf, 2**63 - 1, -(2**63), "text", b"bytes", True, None, [1, "x"], {"a": {"b": 1}})


def told(directory: Path, *spans: Span) -> dict[str, list[Row]]:
    """Return what is stored of some spans."""
    database = fresh(directory)
    store_all(database, [spans])
    return content(database)


def test_records_become_rows(tmp_path: Path) -> None:
    """Each record outside of a decision has its row, with its time, and what was not said is unknown."""
    found = told(tmp_path, *records(Bot().decision()))

    assert [row[1:] for row in found["equity"]] == [
        (SWING, USD, 1_000.5, 900.0, 0.5, MARKET, None, None),
        (SWING, USD, 990.25, None, None, MARKET + SECOND, None, None),
    ]
    assert [row[1:] for row in found["position"]] == [
        (SWING, SP500, USD, None, -3.0, None, 100.0, 99.0, None, 3.0, MARKET),
        (SWING, SP500, None, None, 0.0, *(None,) * 5, MARKET + SECOND),
    ]
    assert found["bar"] == [(SP500, PAPER, ("channel", "trades"), MARKET, None, None, None, 99.0, None)]
    assert [row[1:] for row in found["mark"]] == [(SP500, USD, 99.0, None)]
    kind = ("funding", "funding")
    assert [row[1:] for row in found["funding"]] == [(SWING, SP500, USD, None, -1.25, kind, None)]
    assert [row[1:] for row in found["model"]] == [(BOOSTING, "7", "lgbm", START, 9, 3)]
    assert [row[1:] for row in found["importance"]] == [(BOOSTING, "gain", '{"rsi":0.75,"volume":0.25}')]
    assert [row[1:] for row in found["behavior"]] == [(BOOSTING, 0.9, 0.8, 0.1, "[0.5,0.75]")]
    assert [round((row[0] - START) / SECOND) for row in found["equity"]] == [1, 2]


def test_drift_becomes_rows(tmp_path: Path) -> None:
    """A check with its quantities, both ends of an episode with what it is linked to, a card, a window, bin by bin."""
    made = Bot().decision()
    found = told(tmp_path, *drifts(made))
    data, own, decided = ("drift", "data"), ("reference", "f00d"), made.ids.decision

    ares, warning = ("detector", "ares"), ("severity", "warning")
    (check,) = found["drift_check"]
    names = (BOOSTING, data, ares, ("drifted", "drift"), warning, own)
    assert check[1:] == (*names, 1.25, -0.75, None, None, None, 0.125, 2, 900, MARKET, 3, 1, "7", decided, None)
    assert {row[3:] for row in found["drift_evidence"]} == {
        (("quantity", "rsi:scale"), 12_500, -7_500),
        (("quantity", "volume:location"), 5_000, None),
    }
    ended, began = sorted(found["drift_episode"], key=lambda row: repr(row[3]))
    moved = '{"rsi:scale":[-0.75,1.25,128.0],"volume:location":[null,0.5,null]}'
    assert began[3:10] == (("state", "started"), warning, None, own, 2, MARKET - 9 * SECOND, 812)
    assert began[10:17] == (900, None, 0.75, 1.25, "7", moved, "it moved")
    assert began[17:] == (f'["{decided}"]', b"T" * 16, b"drifted\x02")
    assert (ended[3], ended[10:12], ended[17]) == (("state", "cleared"), (990, MARKET), None)
    (card,) = found["drift_card"]
    line = '"rsi:scale":{"n_eff":240.0,"tau":2.0,"mde":0.5,"share":0.25,"tests":{"128":0.25}}'
    assert card[1:] == (
        BOOSTING,
        data,
        own,
        500,
        4_000,
        0.05,
        "7",
        f'{{{line},"vol:scale":{{"reason":"n_eff 6 < 24"}}}}',
        *(21.0, 0.5),
    )
    (window,) = found["drift_window"]
    bins = "[[-1.0,0.25,0.5],[2.5,0.75,0.5],[null,0.0,0.0]]"
    against = ("against", "reference")
    assert window[1:] == (BOOSTING, data, own, ("feature", "rsi"), 900, 2, None, 80, 88, "7", bins, against)


def test_drift_that_is_odd(tmp_path: Path) -> None:
    """Links that are none, ends of bins that are no numbers, evidence without bound: left out, and the rest is kept."""
    ends = {"x": 1.0, "nan": 1.0, "-inf": 1.0, "1": 0.5}
    spans = [
        span(s.DRIFT_CHECK, {a.MODEL_NAME: "m", a.DRIFT_EVIDENCES: {"a": 1e9, "b": True, "c": 2}, a.DRIFT_BAR: "x"}),
        span(s.DRIFT_EPISODE, {a.DRIFT_EVIDENCES: 3, a.DRIFT_TESTED: 1 << 40}, own=b"E" * 8),
        span(s.DRIFT_WINDOW, {a.DRIFT_EXPECTED: ends, a.DRIFT_VALUES: 1 << 40}, own=b"W" * 8),
        span(s.DRIFT_CARD, {a.DRIFT_REASONS: {"a": 3}, a.DRIFT_TESTS: {"x": 1.0, "y@64": 1.0}}, own=b"C" * 8),
    ]
    found = told(tmp_path, *spans)

    assert {row[3:] for row in found["drift_evidence"]} == {
        (("quantity", "a"), None, None),
        (("quantity", "c"), 20_000, None),
    }
    assert found["drift_episode"][0][15:18] == (None, None, None)
    assert found["drift_window"][0][-5:] == (None, None, None, "[[1.0,0.5,null]]", None)
    assert found["drift_card"][0][-3:] == (None, None, None)


def test_links_that_cannot_be_read(tmp_path: Path) -> None:
    """A check of another program with links that are no links is stored all the same, without them."""
    database, raw = fresh(tmp_path), span(s.DRIFT_CHECK, {a.MODEL_NAME: "m"}).SerializeToString() + b"\x6a\x01\xff"
    scope = b"\x12" + bytes([len(raw)]) + raw
    resource = b"\x12" + bytes([len(scope)]) + scope
    with closing(Store(database)) as store:
        store.write([decode(b"\x0a" + bytes([len(resource)]) + resource).traces])

    assert rows(database, "SELECT detector, decision_id FROM drift_check") == [(None, None)]


def test_newest_states_and_hours(tmp_path: Path) -> None:
    """Newest states are so by time, sums hold all, an hour of equity knows its ends and its bounds."""
    found = told(tmp_path, *reversed(records(Bot().decision())))

    (hour,) = found["equity_hourly"]
    assert hour[:7] == (SWING, USD, MARKET // HOUR, 1_000.5, 990.25, 990.25, 1_000.5)
    assert hour[9] == 2
    (position,) = found["position_now"]
    assert position[:4] == (SWING, SP500, "", None)
    assert position[5:] == (0.0, *(None,) * 5, MARKET + SECOND)
    (feed,) = found["feed_now"]
    assert feed[:3] == (PAPER, SP500, ("channel", "trades"))
    assert feed[4:] == (0.5, 2, 15)


def test_states_over_commits(tmp_path: Path) -> None:
    """Sums and newest states come out the same in one commit and in many, in any order."""
    spans, whole, parts = records(Bot().decision()), fresh(tmp_path, "whole.db"), fresh(tmp_path, "parts.db")
    store_all(whole, [spans])
    random.Random(3).shuffle(spans)  # noqa: S311  the same order in each run

    store_all(parts, *([[each]] for each in spans))

    tables = ("equity_hourly", "position_now", "feed_now", "call_hourly", "regime_hourly", "regime_episode", "bar")
    assert {table: content(parts)[table] for table in tables} == {table: content(whole)[table] for table in tables}


def test_work_of_a_decision(tmp_path: Path) -> None:
    """Stages, checks and calls are counted with the strategy of their decision, also if they came before it."""
    made = Bot().decision()
    checks = records(made)[-2:]
    database = fresh(tmp_path)
    store_all(database, [checks], [made.spans[:2]], [made.spans[2:]], [checks])
    found, hour = content(database), START // HOUR

    stage = ("component", "analyst"), round(8 * math.log2(1_500)), 1, 0, 1_500
    assert (hour, SWING, *stage) in found["stage_hourly"]
    assert (hour, SWING, ("component", "decision"), 109, 1, 0, 12_400) in found["stage_hourly"]
    assert len(found["stage_hourly"]) == 4
    order, position = ("check", "max_order"), ("check", "max_position")
    assert found["check_hourly"] == [
        (hour, SWING, order, ("outcome", "blocked"), 1),
        (hour, SWING, position, ("outcome", "passed"), 1),
    ]
    (breach,) = found["breach"]
    nasdaq = ("symbol", "NASDAQ")
    assert breach[1:] == (
        *(SWING, nasdaq, order, ("limit", "max_order")),
        *(12.0, 10.0, ("outcome", "blocked"), made.ids.trace),
    )
    assert [row[1] for row in found["limit_now"]] == [order, position]
    call = ("operation", "create_order"), 80, 1, 1, 1_000
    assert found["call_hourly"] == [(hour, PAPER, *call)]


def test_votes_of_a_day(tmp_path: Path) -> None:
    """Votes are counted by model, action and regime, and those for what was decided, with exact sums."""
    bot = Bot()
    found = told(tmp_path, *bot.decision().all, *bot.decision().all)

    days = {row[1][1]: row for row in found["vote_daily"]}
    assert days["logistic"] == (
        *(START // DAY, ("model", "logistic"), ("action", "buy"), BULL),
        *(2, 2, 11_000, 2, 6_000, 2),
    )
    assert days["reversion"][2:] == (("action", "sell"), BULL, 2, 2, 14_200, 2, 2_000, 0)


def test_outcomes_of_a_day(tmp_path: Path) -> None:
    """Outcomes are summed by model, result and regime; classes are kept, measured numbers and long texts are not."""
    said = {a.MODEL_NAME: "boosting", a.RESULT: "correct", a.REALIZED_RETURN: 0.5, a.ACTUAL: "up"}
    outcomes = [
        event(s.OUTCOME, START, {**said, a.PREDICTION: word}) for word in ("up", "1", "0.0123", "long" * 9, "nan")
    ]
    found = told(tmp_path, span(s.DECISION, {a.STRATEGY: "swing", a.SYMBOL: "SP500"}, events=outcomes))

    assert found["outcome_daily"] == [(START // DAY, BOOSTING, ("result", "correct"), 0, 5, 5, 2.5, 1.25)]
    words = [row[6] for row in found["outcome"]]
    assert {*words} == {("class", "up"), ("class", "1"), None}
    assert {row[7:] for row in found["outcome"]} == {(("class", "up"), SWING, SP500)}


def test_events_take_the_place_of_their_decision(tmp_path: Path) -> None:
    """Records inside a decision are of its strategy, symbol, venue and market time unless they say others."""
    place = {a.STRATEGY: "swing", a.SYMBOL: "SP500", a.VENUE: "paper", a.EVENT_TIME: MARKET}
    events = [
        event(s.EQUITY, START, {a.EQUITY: 7.0}),
        event(s.POSITION, START, {a.POSITION_QUANTITY: 1.0, a.SYMBOL: "NASDAQ", a.POSITION_ID: "p-1"}),
        event(s.MARKET_DATA, 0, {a.MARKET_CLOSE: 9.0}),
    ]
    found = told(tmp_path, span(s.DECISION, place, events=events))

    assert found["equity"][0][1:] == (SWING, None, 7.0, None, None, MARKET, None, None)
    assert found["position"][0][1:5] == (SWING, ("symbol", "NASDAQ"), None, "p-1")
    assert found["bar"] == [(SP500, PAPER, 0, MARKET, None, None, None, 9.0, None)]
    assert found["feed_now"] == []


def test_errors_are_counted(tmp_path: Path) -> None:
    """A failed span, one with an error's type and one that swallowed an error count as errors; a clean one does not."""
    stage = {a.COMPONENT: "analyst"}
    more: tuple[dict[Attribute, Any], ...] = ({}, {}, {a.ERROR_TYPE: "ValueError"}, {a.ERROR_SWALLOWED: True})
    spans = [span("analyst", stage | each, own=bytes([at + 1]) * 8) for at, each in enumerate(more)]
    decision = span(s.DECISION, {a.STRATEGY: "swing"})
    for each in (spans[0], decision):
        each.status.code = Status.STATUS_CODE_ERROR
    found = told(tmp_path, *spans, decision)

    assert found["decision"][0][-1] == 1
    assert {row[2]: row[4:6] for row in found["stage_hourly"]} == {
        ("component", "analyst"): (4, 3),
        ("component", "decision"): (1, 1),
    }


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_hostile_values(tmp_path: Path, value: Any) -> None:
    """Whatever an attribute holds, the span is stored and its row has what a column can hold."""
    keys = [attribute.key for attribute in a.ATTRIBUTES]
    names = [each.name for each in (*s.RECORDS, s.RISK_CHECK, s.MODEL_BEHAVIOR, s.ORDER_SUBMIT, s.ORDER_UPDATE)]
    names += ["exchange ", "exchange x", "decision", "other"]
    facts = dict.fromkeys(keys, value)
    known = {a.STRATEGY.key: "x", a.CLIENT_ID.key: "C-1"} | {a.COMPONENT.key: "analyst"}
    spans = [
        span(name, facts | more, own=bytes([at, number]) * 4, trace=bytes([at + 1]) * 16, start=START + at * SECOND)
        for at, name in enumerate(names)
        for number, more in ((1, {}), (2, known))
    ]
    events = [event(name, START, facts) for name in names]
    spans.append(span(s.DECISION, {a.STRATEGY: "x"}, own=b"decided1", events=events))

    found = told(tmp_path, *spans)

    assert len(found["span"]) == len(spans)
    assert len(found["equity"]) == 3


# --- episodes of regimes -----------------------------------------------------------------------------------------


def seen(at: int, regime: str, number: int = 0) -> Span:
    """Return a decision that saw a regime at a second of market time."""
    facts = {a.STRATEGY: "swing", a.SYMBOL: "SP500", a.REGIME: regime, a.EVENT_TIME: MARKET + at * SECOND}
    own = (at + 1).to_bytes(4, "big") + number.to_bytes(4, "big")
    return span(s.DECISION, facts, trace=own * 2, own=own, start=START + (at * 100 + number) * 1_000_000)


def episodes_of(database: Path) -> list[tuple[int, str, int, int]]:
    """Return start, regime, end and number of sightings of each episode."""
    query = (
        f"SELECT (started - {MARKET}) / {SECOND}, value, (ended - {MARKET}) / {SECOND}, n "  # noqa: S608  own numbers
        "FROM regime_episode JOIN name ON name.id = regime ORDER BY started"
    )
    return [(int(start), str(word), int(end), int(n)) for start, word, end, n in rows(database, query)]


def test_episodes_of_regimes(tmp_path: Path) -> None:
    """Equal regimes in market time are one episode, over commits and restarts."""
    database = fresh(tmp_path)
    words = ("bull_trend", "bull_trend", "sideways", "bull_trend", "bull_trend", "bull_trend")
    made = [seen(at, word) for at, word in enumerate(words)]
    store_all(database, [made[:3]], [made[3:5]])
    store_all(database, [made[5:]])

    assert episodes_of(database) == [(0, "bull_trend", 1, 2), (2, "sideways", 2, 1), (3, "bull_trend", 5, 3)]
    first, last = rows(database, "SELECT first_decision, last_decision FROM regime_episode ORDER BY started")[-1]
    assert [round((row - START) / SECOND, 1) for row in (first, last)] == [0.3, 0.5]


@pytest.mark.parametrize("order", [*itertools.permutations(range(5))], ids=str)
def test_late_decisions_do_not_tear_episodes(tmp_path: Path, order: tuple[int, ...]) -> None:
    """In whatever order the decisions come, none is lost and episodes stay in the order of the market."""
    made = [seen(at, word) for at, word in enumerate(("up", "up", "down", "up", "up"))]
    database = fresh(tmp_path)
    store_all(database, *([[made[at]]] for at in order))

    found = episodes_of(database)

    assert sum(n for *_, n in found) == 5
    assert all(start <= end for start, _, end, _ in found)
    assert all(one[2] < two[0] for one, two in itertools.pairwise(found))


def test_a_decision_that_disagrees_is_only_counted(tmp_path: Path) -> None:
    """Inside an episode of another regime, or at its very moment, a sighting changes no bound."""
    database = fresh(tmp_path)
    store_all(database, [[seen(0, "up"), seen(9, "up")]], [[seen(5, "down")]], [[seen(9, "down", 1)]])
    store_all(database, [[seen(20, "down"), seen(7, "down")]])

    assert episodes_of(database) == [(0, "up", 9, 5), (20, "down", 20, 1)]


def test_episodes_of_the_past(tmp_path: Path) -> None:
    """What lies before or between the known episodes joins its neighbor of the same regime, or stands by itself."""
    database = fresh(tmp_path)
    store_all(database, [[seen(10, "up"), seen(20, "down"), seen(30, "up")]])
    store_all(database, [[seen(8, "up")]], [[seen(5, "down")]], [[seen(18, "down")]], [[seen(28, "calm")]])
    store_all(database, [[seen(29, "up")]])

    assert episodes_of(database) == [
        *((5, "down", 5, 1), (8, "up", 10, 2), (18, "down", 20, 2), (28, "calm", 28, 1), (29, "up", 30, 2)),
    ]


def test_episodes_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many symbols there are, memory holds a limited number of their episodes; a rollback forgets them."""
    monkeypatch.setattr(episodes, "CACHE_LIMIT", 2)
    database = fresh(tmp_path)
    many = [
        span(s.REGIME, {a.SYMBOL: f"S{at % 5}", a.REGIME: "up", a.EVENT_TIME: MARKET + at}, trace=bytes([at + 1]) * 16)
        for at in range(20)
    ]
    with closing(Store(database)) as store:
        put(store, many[:10])
        with pytest.raises(ZeroDivisionError), store.transaction():
            raise ZeroDivisionError
        put(store, many[10:])

    assert rows(database, "SELECT count(*), sum(n) FROM regime_episode") == [(5, 20)]

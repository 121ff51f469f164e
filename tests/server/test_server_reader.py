"""Reading: a decision by any of its ids, with everything that was said of it elsewhere, and exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import fresh, put, store_all
from spans import MODELS, START, Bot, Whole, body, event, span

from ares_otel.orders import make_client_id
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import OrderStatus
from ares_otel.server.otlp.decode import decode
from ares_otel.server.store import frames
from ares_otel.server.store.store import Store
from ares_otel.server.story import finding
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.stories import SpanStory, Story

SECOND = 10**9


def find(database: Path, text: str) -> list[Story]:
    """Return what an id means."""
    with Reader(database) as reader:
        return reader.find(text)


def one(database: Path, text: str) -> Story:
    """Return the one story that an id means."""
    (story,) = find(database, text)
    return story


def names(spans: Sequence[SpanStory]) -> list[object]:
    """Return a tree of spans as names in nested lists."""
    return [[span.name, *names(span.children)] if span.children else span.name for span in spans]


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, list[Whole]]:
    """A database with three decisions."""
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision(), bot.decision(statuses=("rejected",)), bot.decision(order=False)]
    store_all(database, [each.all for each in made])
    return database, made


# --- by any id ---------------------------------------------------------------------------------------------------


def test_every_id_finds_the_decision(stored: tuple[Path, list[Whole]]) -> None:
    """Correlation id with and without dashes and in capitals, trace id, decision id, client order id: one story.

    The trace id may be without the zeros that it begins with: so Tempo shows it, in searches and in its exemplars.
    """
    database, made = stored
    ids = made[0].ids
    texts = [ids.correlation, ids.correlation.replace("-", ""), ids.correlation.upper(), ids.trace.hex()]
    texts += [ids.trace.hex().upper(), ids.decision, made[0].client_id, f"  {ids.correlation}\n"]
    assert ids.trace.hex().startswith("0")
    texts.append(ids.trace.hex().lstrip("0"))

    found = [one(database, text) for text in texts]

    assert {story.decision_id for story in found} == {ids.decision}
    assert all(story == found[0] for story in found)


@pytest.mark.parametrize("text", ["", "nope", "C-3", "0" * 32, "f" * 28, "\ud800", "'; DROP TABLE segment; --", "%"])
def test_unknown_ids_find_nothing(stored: tuple[Path, list[Whole]], text: str) -> None:
    """A text that no decision carries finds nothing, whatever it is."""
    assert find(stored[0], text) == []


def test_foreign_ids(tmp_path: Path) -> None:
    """Ids that are any text are found exactly as they are."""
    database = fresh(tmp_path)
    facts = {a.DECISION_ID: "order desk/7", a.CORRELATION_ID: "Batch 12", a.STRATEGY: "x"}
    store_all(database, [[span(s.DECISION, facts)]])

    assert one(database, "order desk/7").decision_id == one(database, "Batch 12").decision_id == "order desk/7"
    assert find(database, "batch 12") == []


def test_a_client_id_that_carries_its_trace(tmp_path: Path) -> None:
    """An order whose submission was never stored is found by the trace id in its client order id."""
    database, made = fresh(tmp_path), Bot().decision(order=False)
    store_all(database, [made.all])
    client = make_client_id(int.from_bytes(made.ids.trace, "big"), 0)

    assert one(database, client).decision_id == made.ids.decision


def test_several_decisions_of_one_correlation(tmp_path: Path) -> None:
    """A correlation id of several decisions finds them all, newest first; their own ids find one each."""
    database, bot = fresh(tmp_path), Bot()
    outer = bot.decision()
    inner = bot.decision(around=outer)
    other = bot.decision()
    store_all(database, [outer.all, inner.all, other.all])

    found = find(database, outer.ids.correlation)

    assert [story.decision_id for story in found] == [inner.ids.decision, outer.ids.decision]
    assert [order.client_id for story in found for order in story.orders] == ["C-2", "C-1"]
    assert names(found[1].spans)[0] == names(one(database, other.ids.trace.hex()).spans)[0]
    for made in (outer, inner):
        assert one(database, made.ids.decision).decision_id == made.ids.decision
        assert one(database, made.client_id).decision_id == made.ids.decision
    assert len(find(database, outer.ids.trace.hex())) == 2


def test_the_same_client_id_again(tmp_path: Path) -> None:
    """A client order id that two runs of a bot used finds both decisions."""
    database, first, second = fresh(tmp_path), Bot(seed=1).decision(), Bot(seed=2, start=START + SECOND).decision()
    store_all(database, [first.all], [second.all])

    assert [story.decision_id for story in find(database, "C-1")] == [second.ids.decision, first.ids.decision]


def test_no_more_stories_than_one_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that thousands share is answered with the newest, and takes no place from the other ids of a decision."""
    monkeypatch.setattr(finding, "SEGMENTS", 3)
    database, bot = fresh(tmp_path), Bot()
    with closing(Store(database)) as store:
        for _ in range(5):
            made = bot.decision(order=False)
            for each in made.all:
                each.attributes[0].value.string_value = "session 1"
            put(store, made.all)

    found = find(database, "session 1")

    assert [(story.start.microsecond) for story in found] == [0, 750_000, 500_000]
    assert one(database, made.ids.trace.hex()).start.microsecond == 0


def test_frames_with_a_dictionary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions before and after the dictionary was trained are told alike, also by a reader that was open before."""
    monkeypatch.setattr(frames, "TRAIN_AFTER", 100_000)
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision() for _ in range(100)]
    with closing(Store(database)) as store, Reader(database) as reader:
        for each in made:
            put(store, each.all)

        found = [reader.find(each.client_id)[0].decision_id for each in (made[0], made[-1])]

    assert found == [made[0].ids.decision, made[-1].ids.decision]


# --- the whole story ---------------------------------------------------------------------------------------------


def test_the_decision(stored: tuple[Path, list[Whole]]) -> None:
    """What the decision knew, heard and said comes back as the records that the bot made."""
    story = one(stored[0], "C-1")
    decision = story.decision

    assert decision is not None
    assert (story.service, story.mode, story.duration_seconds) == ("ares-bot", "paper", 0.0124)
    assert (decision.strategy, decision.symbol, decision.action, decision.threshold) == ("swing", "NASDAQ", "buy", 0.6)
    assert decision.event_time is not None
    assert str(decision.event_time) == "2007-03-05 00:00:00+00:00"
    assert (decision.market[0].close, decision.market[0].age) == (1_430.9, 2.1)
    assert decision.regime is not None
    assert (decision.regime.name, decision.regime.probabilities) == (
        "bull_trend",
        {"bull_trend": 0.81, "sideways": 0.15, "bear_trend": 0.04},
    )
    assert [(vote.model, vote.weight) for vote in decision.votes] == [
        *zip(MODELS, (0.3, 0.25, 0.2, 0.15, 0.1), strict=True)
    ]
    assert [(step.step, step.passed) for step in decision.path] == [("weighted vote", True)]
    assert [(check.check, check.limit, check.outcome) for check in decision.checks] == [
        ("max_position", 100.0, "passed")
    ]
    assert [features.values for features in decision.features] == [
        {"rsi": 61.25, "return_5": 0.0125, "volatility": 0.008}
    ]
    assert names(story.spans) == [
        [
            "decision",
            "analyst",
            "strategist",
            "tactician",
            "risk check",
            ["order submit", "order update", "order update"],
        ]
    ]


def test_the_order(stored: tuple[Path, list[Whole]]) -> None:
    """An order tells its acknowledgement, its fills, and what they cost."""
    (order,) = one(stored[0], "C-1").orders

    assert (order.side, order.type, order.quantity, order.price) == ("buy", "limit", 12.0, 1_432.0)
    assert (order.status, order.cum_quantity, order.avg_price) == ("filled", 12.0, 1_431.4)
    assert (order.offset_seconds, order.acknowledged_after_seconds, order.filled_after_seconds) == (0.009, 0.106, 0.212)
    assert (order.slippage_bps, order.shortfall_bps, order.fees) == (1.2, 1.5, {"USD": Decimal("0.1")})
    new, filled = order.updates
    assert (new.status, new.after_seconds, new.quantity) == ("new", 0.106, None)
    assert (filled.trade_id, filled.quantity, filled.price, filled.liquidity) == ("F-C-1-2", 12.0, 1_431.4, "taker")


def test_a_refused_order(stored: tuple[Path, list[Whole]]) -> None:
    """A rejection tells its reason and the venue's words."""
    (order,) = one(stored[0], "C-2").orders

    assert (order.status, order.done_after_seconds, order.filled_after_seconds) == ("rejected", 0.106, None)
    assert (order.updates[0].reject_reason, order.updates[0].text) == ("insufficient_funds", "margin is insufficient")


def test_slippage_from_prices(tmp_path: Path) -> None:
    """Where no update tells the slippage it follows from average price and arrival mid; a sale's has the other sign."""
    database = fresh(tmp_path)
    for client, side in (("B", "buy"), ("S", "sell"), ("N", None)):
        facts = {a.CLIENT_ID: client, a.ARRIVAL_MID: 100.0} | ({} if side is None else {a.SIDE: side})
        update = {a.CLIENT_ID: client, a.STATUS: "filled", a.AVG_PRICE: 100.5, a.CUM_QUANTITY: 1.0}
        trace = client.encode() * 16
        sent = span(s.ORDER_SUBMIT, facts, trace=trace)
        store_all(database, [[sent, span(s.ORDER_UPDATE, update, trace=trace, own=b"update01", start=START + SECOND)]])

    found = [one(database, client).orders[0].slippage_bps for client in "BSN"]

    assert found == [pytest.approx(50.0), pytest.approx(-50.0), None]


def test_calls_and_exceptions(tmp_path: Path) -> None:
    """Calls of the venue and exceptions anywhere in the decision are told with their times."""
    database, made = fresh(tmp_path), Bot().decision(order=False)
    broke = event(s.EXCEPTION, START + 5_000_000, {a.EXCEPTION_TYPE: "ValueError", a.EXCEPTION_MESSAGE: "no price"})
    call = span(
        "exchange create_order",
        {a.HTTP_STATUS: 429, a.RATE_LIMIT_WAIT: 0.25},
        trace=made.ids.trace,
        own=b"exchange",
        parent=made.ids.root,
        start=START + 3_000_000,
        seconds=0.04,
        events=[broke],
    )
    store_all(database, [[*made.all, call]])

    story = one(database, made.ids.decision)

    assert [(each.operation, each.status, each.duration, each.offset_seconds) for each in story.calls] == [
        ("create_order", 429, 0.04, 0.003)
    ]
    assert [(each.span, each.type, each.message, each.offset_seconds) for each in story.exceptions] == [
        ("exchange create_order", "ValueError", "no price", 0.005)
    ]


def test_foreign_spans_around_and_inside(tmp_path: Path) -> None:
    """Spans of other instrumentations stand in the tree where they belong, with the library that made them."""
    database, made = fresh(tmp_path), Bot().decision(order=False)
    above = span("POST /tick", trace=made.ids.trace, own=b"above001", start=START - 10**6, seconds=1)
    inside = span("GET", trace=made.ids.trace, own=b"inside01", parent=made.spans[0].span_id, start=START + 1)
    made.spans[-1].parent_span_id = above.span_id
    with closing(Store(database)) as store:
        foreign = body([above, inside], scope="opentelemetry.instrumentation.requests")
        store.write([decode(body(made.all)).traces, decode(foreign).traces])

    story = one(database, made.ids.trace.hex())

    (root,) = story.spans
    assert (root.name, root.offset_seconds) == ("POST /tick", -0.001)
    assert root.children[0].children[0].children[0].scope == "opentelemetry.instrumentation.requests"
    assert story.start == one(database, made.ids.decision).start


def test_outcomes_wherever_they_were_said(tmp_path: Path) -> None:
    """Outcomes in a trace of their own, within a later decision, and within the decision itself all belong to it."""
    database, bot = fresh(tmp_path), Bot()
    made, later = bot.decision(order=False), bot.decision(order=False)

    def outcome(model: str, key: str | None) -> dict[str, object]:
        facts = {a.MODEL_NAME.key: model, a.ACTUAL.key: "up", a.RESULT.key: "correct", a.MODEL_KEY.key: key}
        return {name: value for name, value in facts.items() if value is not None}

    key = made.ids.correlation
    alone = span(s.OUTCOME, outcome("alone", key), trace=b"alone" + bytes(11), start=START + SECOND)
    joined = {a.CORRELATION_ID.key: key, **outcome("joined", None)}
    told = span(s.OUTCOME, joined, trace=b"joined" + bytes(10), start=START + 2 * SECOND)
    predicted = event(s.PREDICTION, START, {a.MODEL_NAME: "own", a.MODEL_KEY: "key 7", a.PREDICTION: "up"})
    keyed = span(s.OUTCOME, outcome("keyed", "key 7"), trace=b"keyed" + bytes(11), start=START + 3 * SECOND)
    made.spans[-1].events.extend([predicted, event(s.OUTCOME, START, outcome("own", None))])
    within = [event(s.OUTCOME, START + 4 * SECOND, outcome(name, key)) for name in ("within", "within too")]
    later.spans[-1].events.extend([*within, event(s.OUTCOME, START, outcome("of another", "key 8"))])
    store_all(database, [made.all, later.all, [alone, told, keyed]])

    story = one(database, key)

    assert [each.model for each in story.outcomes] == ["own", "alone", "joined", "keyed", "within", "within too"]
    assert {each.result for each in story.outcomes} == {"correct"}
    assert one(database, later.ids.decision).outcomes == ()
    assert [prediction.key for prediction in story.decision.predictions] == ["key 7"] if story.decision else False


def test_an_update_without_its_decision(tmp_path: Path) -> None:
    """An update that came in a trace of its own, after a lost ledger, is part of its order's story."""
    database, made = fresh(tmp_path), Bot().decision(statuses=("new",))
    facts = {a.CLIENT_ID: "C-1", a.STATUS: "filled", a.CUM_QUANTITY: 12.0, a.AVG_PRICE: 1_431.0}
    stray = span(s.ORDER_UPDATE, facts, trace=b"stray" + bytes(11), start=START + SECOND)
    early = span(s.ORDER_UPDATE, facts, trace=b"early" + bytes(11), start=START - SECOND)
    store_all(database, [made.all, [stray], [early]])

    story = one(database, "C-1")

    assert (story.decision_id, story.orders[0].status) == (made.ids.decision, OrderStatus.FILLED)
    assert [update.status for update in story.orders[0].updates] == ["new", "filled"]


def test_a_trace_without_a_decision(tmp_path: Path) -> None:
    """Spans of which no decision is stored are told as they are; an order among them is still found."""
    database = fresh(tmp_path)
    facts = {a.CLIENT_ID: "L-1", a.SIDE: "sell", a.QUANTITY: 2.0, a.SYMBOL: "X", a.CORRELATION_ID: "lonely"}
    store_all(database, [[span(s.ORDER_SUBMIT, facts), span("GET", own=b"foreign1")]])

    by_order, by_trace, by_text = (one(database, text) for text in ("L-1", (b"T" * 16).hex(), "lonely"))

    assert by_order == by_trace == by_text
    assert (by_order.decision, by_order.decision_id) == (None, None)
    assert names(by_order.spans) == ["order submit", "GET"]


def test_spans_that_no_decision_owns(tmp_path: Path) -> None:
    """With several decisions in a trace each takes what names it or stands below it, and nothing is taken twice."""
    database, bot = fresh(tmp_path), Bot()
    outer = bot.decision(order=False)
    inner = bot.decision(order=False, around=outer)
    deep = span("deep", trace=outer.ids.trace, own=b"deep0001", parent=inner.ids.root)
    lost = span("lost", trace=outer.ids.trace, own=b"lost0001", parent=b"nobody!!")
    store_all(database, [[*outer.all, *inner.all, deep, lost]])

    stories = {story.decision_id: names(story.spans) for story in find(database, outer.ids.trace.hex())}

    stages = ["analyst", "strategist", "tactician", "risk check"]
    assert stories == {
        outer.ids.decision: [["decision", *stages]],
        inner.ids.decision: [["decision", "deep", *stages]],
    }


# --- hostile content ---------------------------------------------------------------------------------------------


def test_hostile_values(tmp_path: Path) -> None:
    """NaN, huge numbers, wrong types and unknown words are left out of the records; everything else is told."""
    database = fresh(tmp_path)
    facts = {
        a.CORRELATION_ID: "hostile",
        a.STRATEGY: 7,
        a.SYMBOL: "<script>",
        a.CONFIDENCE: float("nan"),
        a.THRESHOLD: "high",
        a.ACTION: "panic",
        a.MARKET_PRICE: -5.0,
        a.MARKET_DATA_AGE: float("inf"),
        a.EVENT_TIME: -(2**63),
        a.REGIME: ["x"],
    }
    vote = {a.MODEL_NAME: b"bytes", a.ACTION: True, a.CONFIDENCE: 1e308, a.WEIGHT: -1, a.PROBABILITIES: {"x": "y"}}
    order = {a.CLIENT_ID: "H-1", a.QUANTITY: 2**62, a.PRICE: float("-inf"), a.SIDE: "up"}
    update = {a.CLIENT_ID: "H-1", a.STATUS: "exploded", a.FEE: float("nan"), a.FILL_QUANTITY: "many"}
    decision = span(s.DECISION, facts, events=[event(s.VOTE, 2**64 - 1, vote), event(s.OUTCOME, 2**64 - 1, {})])
    decision.end_time_unix_nano = 1
    sent = span(s.ORDER_SUBMIT, order, own=b"order001", parent=b"S" * 8)
    late = span(s.ORDER_UPDATE, update, own=b"update01", parent=b"order001")
    store_all(database, [[decision, sent, late]])

    story = msgspec.to_builtins(one(database, "hostile"))

    decision, (told,) = story["decision"], story["orders"]
    assert [decision[name] for name in ("symbol", "confidence", "threshold", "action")] == ["<script>", *[None] * 3]
    assert [decision[name] for name in ("price", "data_age", "event_time", "regime")] == [None] * 4
    assert [(each["model"], each["action"], each["weight"]) for each in decision["votes"]] == [(None, None, None)]
    assert [told[name] for name in ("quantity", "price", "side", "status", "fees")] == [2.0**62, None, None, None, {}]
    assert story["duration_seconds"] == 0.0


def test_parents_in_a_circle_and_very_deep(tmp_path: Path) -> None:
    """Spans whose parents run in a circle, or nest a thousand deep, or are very many, are told once each."""
    database = fresh(tmp_path)
    ring = [span("ring", own=bytes([at]) * 8, parent=bytes([at % 3 + 1]) * 8, start=START + at) for at in (1, 2, 3)]
    ids = [b"deep" + at.to_bytes(4, "big") for at in range(2_500)]
    deep = [span("deep", own=own, parent=above, start=START + 10) for own, above in zip(ids, [b"", *ids], strict=False)]
    store_all(database, [[*ring, *deep]])

    story = one(database, (b"T" * 16).hex())

    def count(spans: Sequence[SpanStory], depth: int = 1) -> tuple[int, int]:
        below = [count(each.children, depth + 1) for each in spans]
        deepest = max((level for _, level in below), default=depth)
        return len(spans) + sum(number for number, _ in below), deepest

    total, deepest = count(story.spans)
    assert (total, story.left_out) == (2_000, 503)
    assert deepest < 80


# --- counts ------------------------------------------------------------------------------------------------------


def repeat(update: Span, **flags: bool) -> Span:
    """Return an update again, a second later."""
    made = Span()
    made.CopyFrom(update)
    made.span_id = bytes(reversed(update.span_id))
    made.start_time_unix_nano += SECOND
    for name, value in flags.items():
        made.attributes.add(key=f"ares.order.{name}").value.bool_value = value
    return made


def test_counts_are_exact(tmp_path: Path) -> None:
    """Counts of everything; repeated updates count as duplicates only, and tenths add up to whole numbers."""
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision(statuses=("new", "partially_filled", "filled")) for _ in range(10)]
    refused = bot.decision(statuses=("denied",))
    again = repeat(made[0].updates[2], duplicate=True)
    facts = {a.CLIENT_ID: "R-1", a.STATUS: "filled", a.FEE: -0.3, a.FEE_CURRENCY: "BTC", a.FILL_QUANTITY: 1.0}
    rebate = span(s.ORDER_UPDATE, facts, trace=b"rebate" + bytes(10))
    nameless = span(s.ORDER_UPDATE, {a.CLIENT_ID: "R-2", a.FEE: 1e-9}, trace=b"nothing" + bytes(9))
    outcome = span(s.OUTCOME, {a.MODEL_NAME: "m"}, trace=b"outcome" + bytes(9))
    store_all(database, [each.all for each in [*made, refused]], [[again, rebate, nameless, outcome]])

    with Reader(database) as reader:
        counts = reader.counts()

    assert (counts.decisions, counts.votes, counts.orders, counts.outcomes) == (11, 55, 11, 1)
    assert counts.updates == {"": 1, "denied": 1, "filled": 11, "new": 10, "partially_filled": 10}
    assert (counts.duplicates, counts.fills) == (1, 21)
    assert counts.fees == {"": Decimal("1E-9"), "USD": Decimal("2.0")}
    assert counts.rebates == {"BTC": Decimal("0.3")}


def test_reading_while_it_is_written(tmp_path: Path) -> None:
    """A reader sees what is committed, at once, and cannot write itself."""
    database, bot = fresh(tmp_path), Bot()
    with Reader(database) as reader, closing(Store(database)) as store:
        for number in range(1, 4):
            made = bot.decision()
            put(store, made.all)

            assert reader.counts().decisions == number
            assert reader.find(made.client_id)[0].decision_id == made.ids.decision
        with pytest.raises(Exception, match="attempt to write a readonly database"):
            reader.db.exec_driver_sql("DELETE FROM segment")

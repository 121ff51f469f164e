"""The store: typed rows, each span once, the same content in whatever order it came."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import Row, content, fresh, put, rows, segments_of, store_all
from spans import MARKET, START, Bot, Whole, body, event, records, span

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import decode
from ares_otel.server.store import frames, known
from ares_otel.server.store import store as store_module
from ares_otel.server.store.ids import bounded, lookup_key, text_key, trace_key
from ares_otel.server.store.store import Store


def test_a_decision_becomes_rows(tmp_path: Path) -> None:
    """A whole decision gives one row of a decision and an order, its votes and updates, and the hour's count."""
    database, made = fresh(tmp_path), Bot().decision()
    store_all(database, [made.all])

    found = content(database)

    trace, root = made.ids.trace, made.ids.root
    place = (("strategy", "swing"), ("symbol", "NASDAQ"), ("venue", "paper"))
    (decision,) = found["decision"]
    assert decision[1:5] == (trace, root, made.ids.correlation, None)
    assert decision[6:14] == (*place, ("action", "buy"), ("regime", "bull_trend"), 0.66, 12_400, 0)
    assert decision[14:] == (1_431.2, MARKET, 0.8, 0.81, 0)
    assert found["vote"][0] == ((trace, root), 0, ("model", "logistic"), ("action", "buy"), 5_500, 3_000, 0)
    assert len(found["vote"]) == 5
    (order,) = found["orders"]
    assert order[1:4] == ("C-1", trace, (trace, root))
    assert order[4:] == (
        *(1, *place, ("side", "buy"), ("type", "limit"), 12.0, 1_432.0),
        *(("status", "filled"), 12.0, 1_431.4, START + 221_000_000),
        *(1_431.2283, ("currency", "USD"), None, None, None),
    )
    new, filled = sorted(found["order_update"])
    assert new[1:] == (("C-1", trace), ("status", "new"), *(None,) * 9, 0, 1, *(None,) * 4)
    assert filled[1:] == (
        *(("C-1", trace), ("status", "filled"), 12.0, 1_431.4, 12.0, 1_431.4),
        *(0.1, ("currency", "USD"), ("liquidity", "taker"), "F-C-1-2", None, 0, 1),
        *(1.2, 1.5, None, None),
    )
    assert found["hourly"] == [(START // 3_600_000_000_000, *place[:2], ("action", "buy"), 1)]
    keys = trace_key(trace), text_key(made.ids.correlation)
    assert {key for key, *_ in found["lookup"]} == {*map(lookup_key, keys)}


def test_row_ids_are_times(tmp_path: Path) -> None:
    """Row ids tell the start of their span to about a microsecond, so that their order is that of time."""
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision() for _ in range(3)]
    store_all(database, [each.all for each in reversed(made)])

    found = [row[0] for row in rows(database, "SELECT id FROM decision ORDER BY id")]

    assert [round((row - START) / 1e6) for row in found] == [0, 250, 500]


def test_spans_are_kept_as_they_came(tmp_path: Path) -> None:
    """Every span comes back byte for byte, with its resource, whatever scope it was of."""
    database, made = fresh(tmp_path), Bot().decision()
    foreign = span("GET", {"http.request.method": "GET"}, trace=made.ids.trace, own=b"foreign1", parent=made.ids.root)
    with closing(Store(database)) as store:
        requests = [body(made.all), body([foreign], scope="opentelemetry.instrumentation.requests")]
        store.write([decode(data).traces for data in requests])

    found = {(trace, own): raw for trace, own, raw, _ in content(database)["span"]}

    assert found == {(each.trace_id, each.span_id): each.SerializeToString() for each in [*made.all, foreign]}


def test_two_resources_of_one_trace(tmp_path: Path) -> None:
    """Spans of two processes in one trace keep their own resource."""
    database, made = fresh(tmp_path), Bot().decision()
    with closing(Store(database)) as store:
        other = body(made.updates, resource={"service.name": "other"})
        store.write([decode(body(made.spans)).traces, decode(other).traces])

    found = content(database)["span"]

    by_resource: dict[bytes, int] = {}
    for *_, resource in found:
        by_resource[resource] = by_resource.get(resource, 0) + 1
    assert sorted(by_resource.values()) == [2, len(made.spans)]


# --- each span once ----------------------------------------------------------------------------------------------


def test_a_span_twice_is_stored_once(tmp_path: Path) -> None:
    """A span that comes again, in its request, its group or later, changes nothing."""
    made = Bot().decision()
    once, often = fresh(tmp_path, "once.db"), fresh(tmp_path, "often.db")
    store_all(once, [made.all])
    with closing(Store(often)) as store:
        stored = [put(store, [*made.all, *made.all], made.all), put(store, made.spans), put(store, made.updates)]

    assert stored == [len(made.all), 0, 0]
    assert content(often) == content(once)


def test_traces_share_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces of one resource are stored together, each found under its ids and told from those that repeat."""
    monkeypatch.setattr(store_module, "SEGMENT_BYTES", 2_000)
    database = fresh(tmp_path)
    spans = [
        span(s.MARK, {a.CORRELATION_ID: f"mark {at}", a.MARK_PRICE: at * 1.5}, trace=bytes([1 + at]) * 16)
        for at in range(100)
    ]
    other = span(s.MARK, {a.MARK_PRICE: 1.0}, trace=b"other resource16")
    with closing(Store(database)) as store:
        data = [body(spans), body([other], resource={"service.name": "other"})]
        first = store.write([decode(each).traces for each in data])
        again = put(store, spans[40:60])

    segments = [len(found) for _, found in segments_of(database)]

    assert (first, again) == (101, 0)
    assert (sum(segments), segments.count(1)) == (101, 1)
    assert 5 < len(segments) < 12
    assert len(content(database)["lookup"]) == 201


def test_a_trace_without_end_stays_quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a trace with very many segments only the newest are looked through for a span that comes again."""
    monkeypatch.setattr(known, "KNOWN_SEGMENTS", 2)
    monkeypatch.setattr(known, "MANY", 3)
    monkeypatch.setattr(known, "FIND_MANY", known.FIND_MANY.replace("LIMIT 102400", "LIMIT 3"))
    database = fresh(tmp_path)
    spans = [span("tick", own=bytes([1 + at]) * 8, start=START + at) for at in range(5)]
    with closing(Store(database)) as store:
        for each in spans:
            put(store, [each])

        again = [put(store, [spans[at]]) for at in (4, 3)]

        assert again == [0, 0]
        assert put(store, [span("tick", own=b"new span")]) == 1


def test_ids_that_share_a_key_are_told_apart(tmp_path: Path) -> None:
    """Two traces whose first 64 bits agree, with equal span ids, are both stored."""
    database = fresh(tmp_path)
    one, two = (span(s.DECISION, {a.STRATEGY: "x"}, trace=b"sameleft" + tail) for tail in (b"11111111", b"22222222"))
    with closing(Store(database)) as store:
        assert put(store, [one]) == 1
        assert put(store, [two]) == 1
        assert put(store, [one, two]) == 0

    found = rows(database, "SELECT id, trace FROM decision ORDER BY id")

    assert [trace for _, trace in found] == [one.trace_id, two.trace_id]
    assert found[1][0] == found[0][0] + 1


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    """After a write that failed, names are known again from the database, and the same spans can be stored."""
    database, made = fresh(tmp_path), Bot().decision()
    with closing(Store(database)) as store:
        store.db.execute("CREATE TEMP TRIGGER no BEFORE INSERT ON segment BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(sqlite3.IntegrityError, match="no"):
            put(store, made.all)
        store.db.execute("DROP TRIGGER no")
        assert store.db.execute("SELECT count(*) FROM name").fetchone() == (0,)

        assert put(store, made.all) == len(made.all)

    assert len(content(database)["decision"]) == 1


# --- in whatever order -------------------------------------------------------------------------------------------


def _varied() -> list[Span]:
    """Return decisions of many kinds: refused, unanswered, one inside another, with repeated and illegal updates."""
    bot = Bot(seed=7)
    outer = bot.decision(statuses=("new", "partially_filled", "filled"))
    inner = bot.decision(statuses=("denied",), around=outer)
    refused, silent, bare = bot.decision(statuses=("rejected",)), bot.decision(statuses=()), bot.decision(order=False)
    made = [each for whole in (outer, inner, refused, silent, bare) for each in whole.all]
    late, repeated = (_later(outer, place) for place in (3, 4))
    late.attributes.add(key=a.TRANSITION_VALID.key).value.bool_value = False
    repeated.attributes.add(key=a.DUPLICATE.key).value.bool_value = True
    outcome = {a.MODEL_NAME: "momentum", a.MODEL_KEY: bare.ids.correlation, a.RESULT: "correct", a.REALIZED_RETURN: 0.1}
    told = span(s.OUTCOME, outcome, trace=b"outcome trace 16", own=b"outcome1", start=START + 10**9)
    unknown = {a.CLIENT_ID: "X-1", a.STATUS: "filled", a.FEE: 0.25, a.CURRENCY: "EUR"}
    stray = span(s.ORDER_UPDATE, unknown, trace=b"stray trace 1616", own=b"stray001", start=START + 10**9)
    earlier = span(s.ORDER_UPDATE, unknown, trace=b"stray trace 1616", own=b"stray002", start=START + 10**8)
    foreign = span("GET", {a.CORRELATION_ID: "request 7"}, trace=bare.ids.trace, own=b"foreign1")
    return [*made, late, repeated, told, stray, earlier, foreign, *records(bare)]


def _later(whole: Whole, place: int) -> Span:
    """Return a further update of an order: `new`, after it was filled."""
    made = Span()
    made.CopyFrom(whole.updates[0])
    made.span_id = bytes([place]) * 8
    made.start_time_unix_nano += place * 10**9
    return made


VARIED = _varied()


@given(chance=st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_arrival_does_not_matter(tmp_path: Path, chance: random.Random) -> None:
    """Shuffled, sent twice, split into requests and transactions of any size: the content is the same."""
    plain, mixed = fresh(tmp_path, "plain.db"), fresh(tmp_path, "mixed.db")
    store_all(plain, [VARIED])
    spans = [*VARIED, *chance.sample(VARIED, k=chance.randint(0, len(VARIED)))]
    chance.shuffle(spans)
    cuts = sorted(chance.sample(range(1, len(spans)), k=chance.randint(0, 12)))
    requests = [spans[start:end] for start, end in zip([0, *cuts], [*cuts, len(spans)], strict=True)]
    groups = [requests[at : at + 2] for at in range(0, len(requests), 2)]

    store_all(mixed, *groups)

    assert content(mixed) == content(plain)


def test_the_varied_content_is_what_it_should_be(tmp_path: Path) -> None:
    """The states that the law above compares are the right ones."""
    database = fresh(tmp_path)
    store_all(database, [VARIED])

    found = content(database)

    states = {order[1]: (order[12], order[4], order[3] is not None) for order in found["orders"]}
    filled, denied, rejected = (("status", word) for word in ("filled", "denied", "rejected"))
    assert states == {
        "C-1": (filled, 1, True),
        "C-2": (denied, 1, True),
        "C-3": (rejected, 1, True),
        "C-4": (None, 1, True),
        "X-1": (filled, 0, False),
    }
    assert [row[13] for row in sorted(found["decision"])] == [0, 1, 1, 0, 0]
    flags = [row[12:14] for row in found["order_update"] if row[1][0] == "C-1"]
    assert sorted(flags) == [(0, 0), (0, 1), (0, 1), (0, 1), (1, 1)]
    (outcome,) = found["outcome"]
    assert outcome[2:] == (("model", "momentum"), ("result", "correct"), 0.1, *(None,) * 5)


def test_rejected_before_its_decision(tmp_path: Path) -> None:
    """A decision counts a rejection that came before it, and one that comes long after."""
    database, bot = fresh(tmp_path), Bot()
    early, late = (bot.decision(statuses=("rejected",)) for _ in range(2))
    store_all(database, [early.updates], [early.spans, late.spans], [late.updates])

    assert rows(database, "SELECT rejected FROM decision") == [(1,), (1,)]
    assert rows(database, "SELECT count(*) FROM decision WHERE rejected > 0") == [(2,)]


def test_newest_state_by_time(tmp_path: Path) -> None:
    """An order's state is that of its newest update by time, not of the one that came last."""
    database, made = fresh(tmp_path), Bot().decision(statuses=("new", "partially_filled", "filled"))
    new, part, filled = made.updates
    store_all(database, [made.spans], [[filled]], [[new]], [[part]])

    assert rows(database, "SELECT n.value FROM orders o JOIN name n ON n.id = o.status") == [("filled",)]


def test_an_order_whose_row_is_gone(tmp_path: Path) -> None:
    """An update of an order whose row was removed makes it anew from the spans that are there."""
    database, made = fresh(tmp_path), Bot().decision()
    with closing(Store(database)) as store:
        put(store, [*made.spans, made.updates[0]])
        store.db.execute("DELETE FROM orders")
        put(store, [made.updates[1]])

    (order,) = content(database)["orders"]

    assert (order[1], order[3], order[4], order[12]) == (
        *("C-1", (made.ids.trace, made.ids.root), 1),
        ("status", "filled"),
    )


def test_one_client_id_in_two_traces(tmp_path: Path) -> None:
    """A bot that numbers its orders anew at each start loses no order of the run before."""
    database = fresh(tmp_path)
    store_all(database, [Bot(seed=1).decision().all], [Bot(seed=2).decision(statuses=("new",)).all])

    found = rows(database, "SELECT o.client_id, n.value FROM orders o JOIN name n ON n.id = o.status ORDER BY n.value")

    assert found == [("C-1", "filled"), ("C-1", "new")]


# --- what repeats, what is long ----------------------------------------------------------------------------------


def test_a_dictionary_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After enough segments frames get smaller; all of them can be read, also by a store that was opened later."""
    monkeypatch.setattr(frames, "TRAIN_AFTER", 300_000)
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision() for _ in range(300)]
    with closing(Store(database)) as store:
        for at in range(0, 200, 50):
            put(store, *(each.all for each in made[at : at + 50]))
    store_all(database, [each.all for each in made[200:]], [made[0].all, made[150].all, made[299].all])

    sizes = [size for (size,) in rows(database, "SELECT length(data) FROM segment ORDER BY id")]

    assert rows(database, "SELECT id FROM dictionary") == [(1,)]
    assert sizes[-1] < 0.75 * sum(sizes[:2])
    assert len(content(database)["span"]) == sum(len(each.all) for each in made)


def test_a_dictionary_that_cannot_be_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little to learn from is no reason to stop storing."""
    monkeypatch.setattr(frames, "TRAIN_AFTER", 1)
    database, bot = fresh(tmp_path), Bot()

    store_all(database, [[span("tick")]], [bot.decision().all])

    assert rows(database, "SELECT count(*) FROM dictionary") == [(0,)]
    assert rows(database, "SELECT count(*) FROM segment") == [(2,)]


def test_caches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many names come, memory holds a limited number, and each has one row."""
    monkeypatch.setattr("ares_otel.server.store.numbers.CACHE_LIMIT", 3)
    database = fresh(tmp_path)
    made = [
        span(s.DECISION, {a.STRATEGY: f"s{at % 7}"}, trace=bytes([1 + at]) * 16, start=START + at * 10**7)
        for at in range(50)
    ]
    store_all(database, [made])

    assert rows(database, "SELECT count(*), count(DISTINCT value) FROM name WHERE kind = 'strategy'") == [(7, 7)]


def test_votes_and_outcomes_of_one_moment(tmp_path: Path) -> None:
    """Votes of one model and outcomes of one moment are all kept."""
    vote = {a.MODEL_NAME: "same", a.ACTION: "buy", a.META_LEARNER: True}
    outcome = {a.MODEL_NAME: "same", a.MODEL_KEY: "k", a.RESULT: "wrong"}
    events = [event(s.VOTE, START, vote)] * 3 + [event(s.OUTCOME, START, outcome)] * 1_100
    database = fresh(tmp_path)
    store_all(database, [[span(s.DECISION, {a.STRATEGY: "x"}, events=events)]])

    found = content(database)
    assert [vote[-1] for vote in found["vote"]] == [1, 1, 1]
    assert len(found["outcome"]) == 1_100
    assert rows(database, "SELECT count(*) FROM outcome") == [(1,)]
    assert rows(database, f"SELECT count(*) FROM lookup WHERE key = {lookup_key(text_key('k'))}") == [(1,)]  # noqa: S608


def test_regime_from_its_event(tmp_path: Path) -> None:
    """The regime is that of the decision, or of its last regime event where the decision does not say."""
    events = [event(s.REGIME, START, {a.REGIME: word}) for word in ("sideways", "breakout")]
    said = {a.STRATEGY: "x", a.REGIME: "bear_trend"}
    spans = [
        span(s.DECISION, {a.STRATEGY: "x"}, events=events),
        span(s.DECISION, said, own=b"another1", start=START + 10**9, events=events),
    ]
    database = fresh(tmp_path)
    store_all(database, [spans])

    found: list[Row] = content(database)["decision"]

    assert [row[10] for row in found] == [("regime", "breakout"), ("regime", "bear_trend")]


def test_foreign_ids_and_names(tmp_path: Path) -> None:
    """A decision id of somebody else is kept and found; a foreign span named `decision` is no decision of ours."""
    database = fresh(tmp_path)
    ours = span(s.DECISION, {a.DECISION_ID: "order-desk/7", a.CORRELATION_ID: "batch 12"})
    store_all(database, [[ours, span(s.DECISION, {"policy": "allow"}, own=b"another1")]])

    assert rows(database, "SELECT correlation, decision_id FROM decision") == [("batch 12", "order-desk/7")]
    keys = {key for key, *_ in content(database)["lookup"]}
    assert {lookup_key(text_key(text)) for text in ("order-desk/7", "batch 12")} < keys


def test_long_texts_fit_their_columns(tmp_path: Path) -> None:
    """Names of a megabyte are cut with their hash, so that two of them stay two; the span keeps all of it."""
    database = fresh(tmp_path)
    long = "x" * 1_000_000
    spans = [
        span(s.DECISION, {a.STRATEGY: long + end}, own=end.encode() * 8, start=START + at * 10**7)
        for at, end in enumerate("ab")
    ]
    store_all(database, [spans], [spans[:1]])

    stored = [value for (value,) in rows(database, "SELECT value FROM name WHERE kind = 'strategy'")]

    assert stored == [bounded(long + "a"), bounded(long + "b")]
    assert len({*stored}) == 2
    assert max(map(len, stored)) <= 256
    assert {raw for _, _, raw, _ in content(database)["span"]} == {each.SerializeToString() for each in spans}

"""Decisions that are written straight to bytes say what they would have said the long way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

import ares_otel as ares
from ares_otel import Order, PathStep, Regime, RiskCheck, Vote
from ares_otel.decision.deciding import LiveDecision, LiveOrder
from ares_otel.decision.places import place_of
from ares_otel.decision.telling import Teller, tell
from ares_otel.decision.writing import Scribe, Writer
from ares_otel.guard import GUARD
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.records import Record
from ares_otel.records.facts import DecisionFacts
from ares_otel.semconv.enums import Action, Component
from ares_otel.setup.outbox import encoded
from ares_otel.testing import Capture

LIMIT = 128
OFFSET = 1_000
SEEN = 4
"""How often a shape is told until a function was compiled for it."""

Act: TypeAlias = Callable[[LiveDecision], object]
Sight: TypeAlias = tuple[list[bytes], DecisionFacts, list[tuple[Record, int]], list[object]]


class Ways:
    """The long way and the straight one, each with an encoder of its own."""

    def __init__(self, limit: int = LIMIT, length: int = 65_536) -> None:
        self.limit = limit
        self.encoder = Encoder({}, attribute_length_limit=length)
        self.writer = Writer(Encoder({}, attribute_length_limit=length), limit)

    def long(self, live: LiveDecision) -> Sight:
        """Tell a decision as spans, and encode those."""
        place = place_of(live)
        teller = Teller(live, place, OFFSET, itertools.count(1).__next__, True, live.start)
        facts, attributes = tell(teller, kept=True)
        return (
            encoded(teller.finish(facts, attributes), self.encoder, self.limit),
            facts,
            teller.records,
            teller.foreign,
        )

    def straight(self, live: LiveDecision) -> Sight:
        """Write a decision."""
        assert self.writer.takes(live)
        scribe: Scribe = self.writer.scribe(place_of(live), OFFSET)
        scribe.number, scribe.is_ringed = itertools.count(1).__next__, True
        facts, attributes = tell(scribe, kept=True)
        return list(scribe.write(facts, attributes)), facts, scribe.records, scribe.foreign


def made(acts: list[Act], **facts: Any) -> LiveDecision:
    """Return an ended decision in which all of it was done."""
    with Capture(strict=False, check=False):
        live = LiveDecision(facts=ares.Decision(**facts))
        with live:
            for act in acts:
                act(live)
        RECORDER.queue.clear()
    return live


def decoded(spans: list[bytes]) -> list[Span]:
    """Return decoded spans."""
    return list(ScopeSpans.FromString(b"".join(spans)).spans)


def shown(sight: Sight) -> tuple[str, str, str, str]:
    """Return all that was seen as text: NaN is not equal to itself."""
    spans, facts, records, foreign = sight
    return "\n".join(map(str, decoded(spans))), repr(facts), repr(records), repr(foreign)


def complaints(look: Callable[[], Sight]) -> tuple[Sight, dict[tuple[str, str], int]]:
    """Return what is seen, and of what the guard was told meanwhile."""
    GUARD.reset()
    sight = look()
    found = GUARD.bad_values()
    GUARD.reset()
    return sight, found


# --- the common kinds of decisions ---------------------------------------------------------------------------------


def rows(live: LiveDecision) -> None:
    """Vote by rows."""
    live.votes([("a", "buy", 0.7, 0.5), ("b", "sell", 0.6, 0.25), ("c", Action.BUY, 0.5, 0.25)])


def terse(live: LiveDecision) -> None:
    """Do what costs least."""
    live.did("analyst", {"signal": 0.4, "features": 120, "regime": "bull", "flag": True})
    live.did("strategist", {"bias": 0.1, "horizon": 15})
    live.did("tactician")
    rows(live)
    live.resolve("buy", confidence=0.7)
    live.order("c-1", side="buy", type="limit", quantity=0.1, price=10.0)


def usual(live: LiveDecision) -> None:
    """Do as the README does."""
    with live.stage("analyst", {"rows": 100}):
        pass
    with live.stage(Component.STRATEGIST, name="think"), ares.span("inner", {"depth": 2}):
        pass
    live.regime(Regime("bull_trend", confidence=0.81))
    live.votes([Vote("a", "buy", 0.7, 0.5), Vote("b", "sell", 0.6, 0.25), Vote("m", "buy", 0.5, meta_learner=True)])
    live.path(PathStep("gate", 0.66, 0.6, passed=True))
    live.risk(RiskCheck("notional", 10.0, 100.0))
    live.resolve("BUY", confidence=0.66, threshold=0.6, reason="weighted vote")
    with live.order("c-1", side="long", type="market", quantity=1.0, venue="kraken", account="secret"):
        pass


FACTS = {"symbol": "ETHUSDT", "strategy": "momentum", "venue": "binance", "price": 10.5, "data_age": 0.2}


@pytest.mark.parametrize("act", [terse, usual])
@pytest.mark.parametrize("facts", [FACTS, {}, {**FACTS, "account": "hidden", "event_time": 7}])
def test_bytes_are_the_same(act: Act, facts: dict[str, Any]) -> None:
    """Once all shapes are compiled, the bytes of both ways are the same."""
    ways, live = Ways(), made([act], **facts)
    for _ in range(SEEN):
        long, straight = ways.long(live), ways.straight(live)
        assert shown(straight) == shown(long)
    assert straight[0] == long[0]


ODD: list[list[Any]] = [
    [("a", "buy", 1, 0.5)],
    [("a", "buy", 0.5, True), ("b", "sell", 0.5, 0.5)],
    [("a", "buy", math.nan, 0.5), ("b", "sell", 0.5, 0.5)],
    [("a", "buy", 0.5, math.inf), ("b", "SELL", 0.5, 0.5)],
    [("a", ["buy"], 0.5, 0.5), ("b", "??", 0.5, 0.5), ("c", None, 0.5, 0.5)],
    [("a", "buy", 0.5, 0.5), Vote("b", "sell", 0.5, 0.5), Vote("m", "buy", 0.5, 0.5, meta_learner=True), None],
    [("a", "buy", 0.5, 0.5), ("b", "sell", 0.5), ("c", "sell"), ("d",)],
    [Vote("a", "buy", 0.5, 0.5), Vote("b", "buy", 0.5, 0.5, version="2")],
    [],
]


@pytest.mark.parametrize("votes", ODD)
def test_odd_votes_are_told_the_same(votes: list[Any]) -> None:
    """Votes of several kinds and votes that are not good are told one by one, none of them twice."""
    ways, live = Ways(), made([lambda live: live.votes(votes), lambda live: live.resolve("buy")])
    for _ in range(SEEN):
        straight, complained = complaints(lambda: ways.straight(live))
        long, expected = complaints(lambda: ways.long(live))
        assert shown(straight) == shown(long)
        assert complained == expected


def test_times_before_1970_are_told_the_same() -> None:
    """A clock that is wrong by decades costs no vote and no span."""
    ways, live = Ways(), made([terse], **FACTS)
    live.items = [(-OFFSET - 1, *item[1:]) if isinstance(item, tuple) else item for item in live.items]
    for _ in range(SEEN):
        assert shown(ways.straight(live)) == shown(ways.long(live))


# --- any decision --------------------------------------------------------------------------------------------------


class Broken:
    """A value that has no text."""

    def __str__(self) -> str:
        raise RuntimeError


WORDS = st.sampled_from(["a", "b", "", "ares.component", "ares.correlation.id", "ärger", "\ud800", "x" * 300])
VALUES = st.one_of(
    st.floats(),
    st.integers(-(1 << 70), 1 << 70),
    st.booleans(),
    WORDS,
    st.none(),
    st.binary(max_size=4),
    st.sampled_from([Action.BUY, Decimal("0.1"), [1, "x"], {"k": 1.5}, Broken(), Component.GUI]),
)
ATTRIBUTES = st.none() | st.dictionaries(WORDS, VALUES, max_size=4) | st.sampled_from([[("k", 1)], "text"])
COMPONENTS = st.sampled_from(["analyst", "mine", "", Component.ANALYST, Component.TACTICIAN])
ACTIONS = st.sampled_from(["buy", "SELL", "hold", "long", "none", "??", Action.BUY, None, 3, ["buy"]])
SHARES = st.one_of(st.floats(0, 1), st.sampled_from([None, 0, 1, math.nan, 2.0, -0.5, Decimal("0.5"), "x", True]))
MODELS = st.sampled_from(["m1", "m2", "", "long name " * 20, 7, None, Component.ANALYST])
VOTES = st.one_of(
    st.tuples(MODELS, ACTIONS, SHARES, SHARES),
    st.tuples(MODELS, ACTIONS, SHARES),
    st.tuples(MODELS, ACTIONS),
    st.tuples(MODELS),
    st.builds(Vote, MODELS, ACTIONS, SHARES, SHARES),
    st.builds(Vote, MODELS, ACTIONS, SHARES, SHARES, version=st.none() | st.just("2"), meta_learner=st.booleans()),
    st.sampled_from([None, "vote", Regime("bull_trend")]),
)
RECORDS = st.one_of(
    st.builds(Regime, st.sampled_from(["bull_trend", "??", None]), confidence=SHARES),
    st.builds(PathStep, WORDS, SHARES),
    st.builds(RiskCheck, WORDS, SHARES, SHARES),
)
TEXTS = st.sampled_from([None, "ETHUSDT", "", 5])


def _block(component: Any, attributes: Any, record: Any) -> Act:
    def act(live: LiveDecision) -> None:
        with live.stage(component, attributes) as inner:
            ares.record(record)
            if attributes:
                inner.set_attribute("later", 1)

    return act


def _span(name: str, attributes: Any) -> Act:
    def act(live: LiveDecision) -> None:
        with live.stage("analyst"), ares.span(name, attributes) as inner:
            inner.add_event("e", {"n": 1})

    return act


def _send(order: Order) -> Act:
    def act(live: LiveDecision) -> None:
        with live.send(order):
            pass

    return act


ORDERS = st.builds(
    Order, WORDS, st.sampled_from(["buy", "??", "S"]), st.just("limit"), SHARES, symbol=TEXTS, account=TEXTS
)
ACTS: st.SearchStrategy[Act] = st.one_of(
    st.builds(lambda name, said: lambda live: live.did(name, said), COMPONENTS, ATTRIBUTES),
    st.builds(lambda votes: lambda live: live.votes(votes), st.lists(VOTES, max_size=4)),
    st.builds(lambda record: lambda live: live._say(record), RECORDS),
    st.builds(_block, COMPONENTS, st.none() | st.dictionaries(WORDS, VALUES, max_size=3), RECORDS),
    st.builds(_span, WORDS, ATTRIBUTES),
    st.builds(lambda action, sure: lambda live: live.resolve(action, confidence=sure), ACTIONS, SHARES),
    st.builds(
        _send,
        st.builds(
            Order, WORDS, st.sampled_from(["buy", "??", "S"]), st.just("limit"), SHARES, symbol=TEXTS, account=TEXTS
        ),
    ),
)
PLACES = st.fixed_dictionaries(
    {},
    optional={"symbol": TEXTS, "strategy": TEXTS, "venue": TEXTS, "price": SHARES, "account": TEXTS, "action": ACTIONS},
)


@pytest.fixture(scope="module")
def ways() -> Ways:
    """Both ways, which get to know more and more shapes."""
    return Ways()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=st.lists(ACTS, max_size=6), facts=PLACES)
def test_anything_is_told_the_same(ways: Ways, acts: list[Act], facts: dict[str, Any]) -> None:
    """Whatever a decision holds, both ways say the same of it and complain of the same, however often it comes."""
    live = made(acts, **facts)
    if not ways.writer.takes(live):
        return
    for _ in range(SEEN):
        for item in live.items:
            if isinstance(item, LiveOrder):
                item.told = None
        straight, complained = complaints(lambda: ways.straight(live))
        for item in live.items:
            if isinstance(item, LiveOrder):
                item.told = None
        long, expected = complaints(lambda: ways.long(live))
        assert shown(straight) == shown(long)
        assert complained == expected


@pytest.mark.parametrize("limit", [0, 3, 7, 8, 9, 11, 15, 20])
def test_limits_hold(limit: int) -> None:
    """Spans and events written straight have no more attributes than others."""
    ways, live = Ways(limit, length=5), made([terse, usual], **FACTS)
    for _ in range(SEEN if ways.writer.takes(live) else 0):
        assert shown(ways.straight(live)) == shown(ways.long(live))

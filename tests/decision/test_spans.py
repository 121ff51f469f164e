"""Golden telemetry: whole spans, compared whole, with a clock and ids that are the same in every run."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

import ares_otel as ares
from ares_otel import (
    ExchangeRequest,
    FeatureVector,
    MarketData,
    Order,
    OrderUpdate,
    Outcome,
    PathStep,
    Regime,
    RiskCheck,
    Stage,
    Vote,
)
from ares_otel.decision.deciding import LiveDecision, LiveOrder, OpenDecision
from ares_otel.decision.live import LiveSpan
from ares_otel.guard import GUARD, BadValueError
from ares_otel.orders import trace_of
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.records.rows import VoteRow
from ares_otel.testing import Capture, OpenDecisionError, UndeclaredError

PRIVATE = {"trace_id", "span_id", "parent_id"}


def shown(span: dict[str, Any]) -> dict[str, Any]:
    """Return a span without ids, which another test compares."""
    attributes = {key: value for key, value in span["attributes"].items() if not key.endswith(("tion.id", "sion.id"))}
    return {**{key: value for key, value in span.items() if key not in PRIVATE}, "attributes": attributes}


PLACE = {"ares.symbol": "ETHUSDT", "ares.strategy": "momentum", "ares.venue": "binance"}
EVENTS = [
    ("regime", 3.0, {"ares.regime": "bull_trend", "ares.regime.confidence": 0.81, "ares.regime.raw": "BULL"}),
    *(
        ("vote", 4.0, {"ares.model.name": name, "ares.action": action, "ares.confidence": sure, **more})
        for name, action, sure, more in (
            ("a", "buy", 0.7, {"ares.model.weight": 0.6}),
            ("b", "sell", 0.6, {"ares.model.weight": 0.4}),
            ("meta", "buy", 0.8, {"ares.model.meta_learner": True}),
        )
    ),
    (
        "decision_path",
        5.0,
        {"ares.path.step": "gate", "ares.path.value": 0.66, "ares.threshold": 0.6, "ares.path.passed": True},
    ),
]
GOLDEN = {
    "decision": {
        "start_ms": 0.0,
        "end_ms": 8.0,
        "attributes": {
            **PLACE,
            "ares.market.price": 3031.4,
            "ares.event.time": 7,
            "ares.action": "buy",
            "ares.confidence": 0.66,
            "ares.threshold": 0.6,
            "ares.decision.reason": "weighted vote 0.66 > 0.60",
            "ares.ensemble.agreement": 0.5,
            "ares.ensemble.entropy": 1.0,
            "ares.regime": "bull_trend",
            "ares.regime.confidence": 0.81,
        },
        "events": EVENTS,
    },
    "analyst": {"start_ms": 1.0, "end_ms": 2.0, "attributes": {"rows": 100, "ares.component": "analyst"}},
    "risk check": {
        "start_ms": 6.0,
        "end_ms": 6.0,
        "attributes": {
            "ares.check": "max_order",
            "ares.check.value": 60.6,
            "ares.limit.value": 100.0,
            "ares.outcome": "passed",
        },
    },
    "order submit": {
        "kind": 3,
        "start_ms": 7.0,
        "end_ms": 7.0,
        "attributes": {
            **PLACE,
            "ares.order.client_id": "c1",
            "ares.order.side": "buy",
            "ares.order.type": "limit",
            "ares.order.quantity": 0.02,
            "ares.order.price": 3031.4,
            "ares.account": "cf9df9b99fc0a24b",
            "ares.event.time": 7,
            "peer.service": "binance",
        },
    },
}


def test_a_whole_decision(ares_capture: Capture) -> None:
    """Every span of a decision with all its attributes, events, times and status."""
    with ares.decision(symbol="ETHUSDT", strategy="momentum", venue="binance", price=3031.4, event_time=7) as d:
        with d.stage("analyst", {"rows": 100}):
            pass
        d.regime(Regime("BULL", confidence=0.81))
        d.votes([Vote("a", "buy", 0.7, 0.6), Vote("b", "sell", 0.6, 0.4), Vote("meta", "buy", 0.8, meta_learner=True)])
        d.path(PathStep("gate", 0.66, 0.6, passed=True))
        d.risk(RiskCheck("max_order", 60.6, 100.0))
        d.resolve("buy", confidence=0.66, threshold=0.6, reason="weighted vote 0.66 > 0.60")
        d.order("c1", side="buy", type="limit", quantity=0.02, price=3031.4, account="acc-1")

    assert [shown(span) for span in ares_capture.spans()] == [
        {"name": name, "kind": 1, **expected} for name, expected in GOLDEN.items()
    ]


def test_ids_of_a_decision(ares_capture: Capture) -> None:
    """One trace; children know their parent; every span carries correlation and decision id; ids hold the time."""
    with ares.decision(strategy="s") as d:
        with d.stage("analyst"):
            pass
        d.order("c1", side="buy", type="market", quantity=1)

    spans = ares_capture.spans()
    assert {span["trace_id"] for span in spans} == {f"{d.trace_id:032x}"}
    assert [span["parent_id"] for span in spans] == [None, spans[0]["span_id"], spans[0]["span_id"]]
    assert len({span["span_id"] for span in spans}) == 3
    assert {span["attributes"]["ares.correlation.id"] for span in spans} == {d.correlation_id}
    assert {span["attributes"]["ares.decision.id"] for span in spans} == {d.decision_id}
    assert d.correlation_id.replace("-", "")[:12] == spans[0]["trace_id"][:12] == f"{1_767_225_600_000:012x}"
    assert d.correlation_id[14] == "7"


def test_an_exception_passes_unchanged_and_is_recorded(ares_capture: Capture) -> None:
    """The bot's exception is the bot's; spans it passed through are errors with type, message and stack."""
    problem = KeyError("price")
    with pytest.raises(KeyError) as caught, ares.decision(strategy="s") as d, d.stage("analyst"):
        raise problem

    assert caught.value is problem
    decision, analyst = ares_capture.spans()
    for span in (decision, analyst):
        assert span["status"] == (2, "KeyError: 'price'")
        assert span["attributes"]["error.type"] == "KeyError"
        (name, _, facts) = span["events"][-1]
        assert (name, facts["exception.type"], facts["exception.message"]) == ("exception", "KeyError", "'price'")
        assert "raise problem" in facts["exception.stacktrace"]
    assert (
        ares_capture.value("ares_stage_errors_total", component="analyst", error_type="KeyError", swallowed="false")
        == 1
    )
    assert ares_capture.value("ares_correlations_total", outcome="failed") == 1


def test_a_swallowed_exception_is_shown(ares_capture: Capture) -> None:
    """What the bot caught is no error of the span, but it is counted and marked."""
    with ares.decision(strategy="s") as d, d.stage("strategist") as stage:
        try:
            raise TimeoutError("slow")
        except TimeoutError as error:
            stage.record_exception(error)

    strategist = ares_capture.spans("strategist")[0]
    assert strategist["attributes"]["ares.error.swallowed"] is True
    assert "status" not in strategist
    assert (
        ares_capture.value(
            "ares_stage_errors_total", component="strategist", error_type="TimeoutError", swallowed="true"
        )
        == 1
    )


class UnspeakableError(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_an_exception_without_text(ares_capture: Capture) -> None:
    """Even an exception whose `__str__` raises passes and is recorded."""
    with pytest.raises(UnspeakableError), ares.decision(strategy="s"):
        raise UnspeakableError

    assert "UnspeakableError: <RuntimeError in __str__>" in ares_capture.spans()[0]["status"][1]


def test_opentelemetrys_span_interface(ares_capture: Capture) -> None:
    """Attributes, events, links, status and names behave as OpenTelemetry says, and end with the span."""
    other = SpanContext(9, 8, is_remote=False, trace_flags=TraceFlags(1))
    with ares.span("first", {"a": 1}) as span:
        span.set_attribute("b", 2)
        span.set_attributes({"c": 3})
        span.add_event("noted", {"x": 1})
        span.add_link(other)
        span.update_name("second")
        span.set_status(StatusCode.ERROR, "bad")
        span.set_status(Status(StatusCode.OK))
        span.set_status(StatusCode.ERROR, "ignored after OK")
        assert span.is_recording()
    span.set_attribute("late", 1)
    span.add_event("late")
    span.add_link(other)
    span.set_status(StatusCode.ERROR)
    span.update_name("late")
    span.end()

    assert not span.is_recording()
    assert shown(ares_capture.spans()[0]) == {
        "name": "second",
        "kind": 1,
        "start_ms": 0.0,
        "end_ms": 2.0,
        "attributes": {"a": 1, "b": 2, "c": 3},
        "events": [("noted", 1.0, {"x": 1})],
        "links": [f"{8:016x}"],
        "status": (1, ""),
    }


def test_a_span_can_be_ended_without_with(ares_capture: Capture) -> None:
    """Code that cannot use a block begins and ends by hand."""
    span = ares.span("by hand")
    span.end()
    span.__enter__()
    span.end()

    assert [each["name"] for each in ares_capture.spans()] == ["by hand"]


def test_limits_hold(ares_capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decision takes a bounded number of items, a span of events and links; what is beyond is counted."""
    monkeypatch.setattr(RECORDER, "max_items", 3)
    context = SpanContext(9, 8, is_remote=False)
    with ares.decision(strategy="s") as d:
        for _ in range(5):
            with d.stage("analyst"):
                pass
        d.votes([Vote("m", "buy")])
        for _ in range(5):
            d.add_event("e")
            d.add_link(context)

    assert len(ares_capture.spans("analyst")) == 3
    assert len(ares_capture.spans("decision")[0]["events"]) == 3
    assert RECORDER.limited == 2 + 1 + 2 + 2


def test_records_that_are_spans(ares_capture: Capture) -> None:
    """Requests and stages that were timed elsewhere end now; addresses lose user info and query."""
    with ares.decision(strategy="s", venue="okx") as d, d.stage("exchange"):
        ares.record(
            ExchangeRequest("create_order", "okx", 0.25, 200, url="https://me:pw@okx.com:8443/api?key=1&signature=2#x")
        )
        ares.record(ExchangeRequest("cancel", "okx", float("nan"), error_type="RateLimit", url="http://[bad"))
        ares.record(Stage("database", 0.5, error_type="LockError", swallowed=True))
        ares.record(MarketData("BTC", "okx", "bars", age=1.5, close=10.0))

    create, cancel, database = (
        ares_capture.spans(name)[0] for name in ("exchange create_order", "exchange cancel", "database")
    )
    stage = ares_capture.spans("exchange")[0]
    assert create["end_ms"] - create["start_ms"] == 250.0
    assert create["attributes"]["url.full"] == "https://okx.com:8443/api"
    assert create["attributes"]["peer.service"] == "okx"
    assert cancel["attributes"]["url.full"] == "invalid"
    assert cancel["status"] == (2, "RateLimit")
    assert cancel["start_ms"] == cancel["end_ms"]
    assert {span["parent_id"] for span in (create, cancel, database)} == {stage["span_id"]}
    assert "status" not in database


def test_features_are_summed_up(ares_capture: Capture) -> None:
    """Missing features are counted, known ones shown while they are few."""
    with ares.decision(strategy="s"):
        ares.record(FeatureVector({"rsi": 0.3, "gap": float("nan"), "odd": "x"}, model="m"))  # type: ignore[dict-item]
        ares.record(FeatureVector({f"f{number}": 1.0 for number in range(200)}))

    (_, _, few), (_, _, many) = ares_capture.spans()[0]["events"]
    assert few["ares.feature.values"] == {"rsi": 0.3}
    assert (few["ares.feature.count"], few["ares.feature.missing"]) == (3, 2)
    assert "ares.feature.values" not in many
    assert many["ares.feature.count"] == 200


def test_funding_is_said(ares_capture: Capture) -> None:
    """Inside a decision it is an event, outside a span; other people's words for its kind are ours."""
    with ares.decision(strategy="s"):
        ares.record(ares.Funding(-0.5, "USDT", "BTC", kind="funding_fee"))
    ares.record(ares.Funding(2, "USDT", "BTC", "s", kind="swap"))

    inside = ares_capture.spans("decision")[0]["events"][0]
    alone = ares_capture.spans("funding")[0]["attributes"]
    assert inside[0] == "funding"
    assert (inside[2]["ares.funding.amount"], inside[2]["ares.funding.kind"]) == (-0.5, "funding")
    assert (alone["ares.funding.amount"], alone["ares.funding.kind"]) == (2.0, "interest")


def test_an_update_says_the_price_of_its_own_fill(ares_capture: Capture) -> None:
    """Where the venue tells cumulative figures only, quantity and price of what came now are both derived."""
    with ares.decision(symbol="BTC", strategy="s") as d:
        d.order("c1", side="buy", type="limit", quantity=4, multiplier=5)
    ares.record(OrderUpdate("c1", "partially_filled", cum_quantity=1, avg_price=100))
    ares.record(OrderUpdate("c1", "filled", cum_quantity=4, avg_price=103))

    fills = [update["attributes"] for update in ares_capture.spans("order update")]
    assert [(each["ares.fill.quantity"], each["ares.fill.price"]) for each in fills] == [(1.0, 100.0), (3.0, 104.0)]
    assert ares_capture.spans("order submit")[0]["attributes"]["ares.multiplier"] == 5.0


def test_a_fee_is_said_once(ares_capture: Capture) -> None:
    """A new state that repeats the last fill is without its fee, so that the fees of all updates add up."""
    with ares.decision(symbol="BTC", strategy="s") as d:
        d.order("c1", side="buy", type="limit", quantity=1)
    ares.record(OrderUpdate("c1", "partially_filled", quantity=1, price=10, fee=0.5, trade_id="t1"))
    ares.record(OrderUpdate("c1", "filled", quantity=1, price=10, fee=0.5, trade_id="t1"))

    fees = [update["attributes"].get("ares.fill.fee") for update in ares_capture.spans("order update")]
    assert fees == [0.5, None]


def test_an_order_update_joins_its_order(ares_capture: Capture) -> None:
    """Hours later and outside of any context it is a child of the order, linked to the decision."""
    with ares.decision(symbol="BTC", strategy="s", venue="okx") as d:
        d.order("c1", side="buy", type="market", quantity=1, arrival_mid=100.0, currency="USDT")
    ares.record(OrderUpdate("c1", "new"))
    ares.record(OrderUpdate("c1", "filled", quantity=1, price=100.1, fee=0.05, fee_currency="USDT", trade_id="t1"))
    ares.record(OrderUpdate("c1", "rejected", reject_reason="too_late", text="already done"))
    ares.record(OrderUpdate("c9", "new"))

    order = ares_capture.spans("order submit")[0]
    new, filled, late, unknown = ares_capture.spans("order update")
    assert {span["parent_id"] for span in (new, filled, late)} == {order["span_id"]}
    assert filled["links"] == [order["parent_id"]]
    assert filled["trace_id"] == order["trace_id"] == f"{d.trace_id:032x}"
    assert filled["attributes"]["ares.order.prior_status"] == "new"
    assert filled["attributes"]["ares.fill.slippage"] == pytest.approx(10.0)
    assert filled["attributes"]["ares.correlation.id"] == d.correlation_id
    assert late["attributes"]["ares.order.transition_valid"] is False
    assert late["status"] == (2, "already done")
    assert unknown["trace_id"] != order["trace_id"]
    assert ares_capture.value("ares_fees_total", strategy="s", venue="okx", currency="USDT") == 0.05


def test_an_order_outside_of_a_decision(ares_capture: Capture) -> None:
    """Orders that no decision made are kept, too; one that comes after the decision has ended joins its trace."""
    ares.record(Order("c0", "sell", "limit", 1.0, 10.0, strategy="s", symbol="BTC", venue="okx"))
    with ares.decision(strategy="s") as d:
        ares.record(Order("c1", "sell", "limit", 1.0, 10.0))
    d.order("c2", side="sell", type="limit", quantity=1, price=10)

    alone, inside, late = sorted(
        ares_capture.spans("order submit"), key=lambda span: span["attributes"]["ares.order.client_id"]
    )
    assert alone["trace_id"] != inside["trace_id"] == late["trace_id"]
    assert "ares.correlation.id" not in alone["attributes"]


def test_a_submission_can_be_timed(ares_capture: Capture) -> None:
    """As a block around the venue's call the order's span lasts as long as the call, and what happens is below it."""
    with pytest.raises(ConnectionError), ares.decision(strategy="s") as d:
        with d.order("c1", side="buy", type="market", quantity=1) as order:
            assert order.client_id == "c1"
            with ares.span("http"):
                pass
        with d.order("c2", side="buy", type="market", quantity=1):
            raise ConnectionError("gone")

    assert ares_capture.tree() == ["decision", "  order submit", "    http", "  order submit"]
    first, second = ares_capture.spans("order submit")
    assert first["end_ms"] > first["start_ms"]
    assert second["status"] == (2, "ConnectionError: gone")


def test_a_decision_told_afterwards(ares_capture: Capture) -> None:
    """A record makes the same trace as the block."""
    ares.record(ares.Decision("BTC", "s", action="sell", confidence=0.7))

    span = ares_capture.spans()[0]
    assert (span["name"], span["attributes"]["ares.action"]) == ("decision", "sell")
    assert ares_capture.value("ares_decisions_total", strategy="s", symbol="BTC", action="sell") == 1


def test_an_order_of_an_open_decision(ares_capture: Capture) -> None:
    """It is counted and answered while the decision goes on, once, and its span comes with the decision's."""
    placed = {"strategy": "s", "symbol": "BTC", "venue": "okx"}
    with ares.decision(strategy="s", symbol="BTC", venue="okx") as d:
        d.order("c-1", side="buy", type="market", quantity=1)
        assert ares_capture.value("ares_orders_submitted_total", **placed, order_side="buy", order_type="market") == 1
        d.order("c-2", side="sell", type="market", quantity=1)
        ares.record(OrderUpdate("c-2", "filled", quantity=1, price=2, trade_id="t-1"))
        assert ares_capture.value("ares_order_updates_total", **placed, order_status="filled") == 1
        assert [span["name"] for span in ares_capture.spans()] == ["order update"]

    for side in ("buy", "sell"):
        assert ares_capture.value("ares_orders_submitted_total", **placed, order_side=side, order_type="market") == 1
    assert [span["name"] for span in ares_capture.spans()] == ["order update", "decision", *["order submit"] * 2]


def test_a_full_queue_at_the_start(ares_capture: Capture) -> None:
    """A decision that found no place in the queue is told if there is one when it ends, with its order counted once."""
    RECORDER.limit = 0
    placed = {"strategy": "s", "symbol": "BTC", "venue": "okx"}
    with ares.decision(strategy="s", symbol="BTC", venue="okx") as d:
        RECORDER.limit = 2
        d.order("c-1", side="buy", type="market", quantity=1)

    assert [span["name"] for span in ares_capture.spans()] == ["decision", "order submit"]
    assert ares_capture.value("ares_orders_submitted_total", **placed, order_side="buy", order_type="market") == 1
    assert RECORDER.refused == 0


def test_votes_as_rows(ares_capture: Capture) -> None:
    """Plain tuples are the same votes, also beside records and after the end; what a list may change later is kept."""
    said: list[Vote | VoteRow] = [("a", "buy", 0.7, 0.6), ("b", "sell", 0.6), ("c", "hold"), Vote("d", "buy", 0.5)]
    with ares.decision(strategy="s") as d:
        d.votes(said)
        said.clear()
        d.resolve("buy")
    with ares.decision(strategy="s") as same:
        same.votes([Vote("a", "buy", 0.7, 0.6), Vote("b", "sell", 0.6), Vote("c", "hold"), Vote("d", "buy", 0.5)])
        same.resolve("buy")
    d.votes([("late", "sell", 0.9)])

    rows, records, late = ares_capture.spans()
    assert [facts for _, _, facts in rows["events"]] == [facts for _, _, facts in records["events"]]
    assert rows["attributes"]["ares.ensemble.agreement"] == 0.5
    assert (late["name"], late["attributes"]["ares.model.name"]) == ("vote", "late")
    assert late["attributes"]["ares.correlation.id"] == d.correlation_id


def test_a_row_that_is_no_vote() -> None:
    """It is left out and counted; the others stay."""
    with Capture(strict=False) as capture:
        with ares.decision(strategy="s") as d:
            d.votes([("a", "buy"), ("alone",), ("b", "sell", 0.6, 0.4, "more")])  # type: ignore[list-item]
        (span,) = capture.spans()
        assert GUARD.bad_values() == {("Vote", "row"): 2}
    assert [facts["ares.model.name"] for _, _, facts in span["events"]] == ["a"]


def test_strict_raises_at_the_call(ares_capture: Capture) -> None:
    """In the test kit a bad value raises where it was said."""
    with ares.decision(strategy="s") as d:
        with pytest.raises(BadValueError, match=r"Vote\.confidence"):
            d.votes([Vote("m", "buy", confidence=1.4)])
        with pytest.raises(BadValueError, match=r"Regime\.confidence"):
            d.regime(Regime("bull_trend", confidence=2))
        with pytest.raises(BadValueError, match=r"PathStep\.value"):
            d.path([PathStep("x", value=float("nan"))])
        with pytest.raises(BadValueError, match=r"RiskCheck\.outcome"):
            d.risk(RiskCheck("x", outcome="odd"))
        with pytest.raises(BadValueError, match=r"Resolution\.action"):
            d.resolve("perhaps")
        with pytest.raises(BadValueError, match=r"Order\.quantity"):
            d.order("c", side="buy", type="market", quantity=-1)
        with pytest.raises(BadValueError, match="expected a Vote"):
            d.votes([{"model": "m"}])  # type: ignore[list-item]
        with pytest.raises(BadValueError, match=r"Vote\.confidence"):
            d.votes([("m", "buy", 1.4)])
        with pytest.raises(BadValueError, match=r"Vote\.row: expected \(model, action, confidence, weight\)"):
            d.votes([("m",)])  # type: ignore[list-item]
        with pytest.raises(BadValueError, match="a record of ares_otel"):
            ares.record({"model": "m"})  # type: ignore[arg-type]
        d.resolve("hold")
    with pytest.raises(BadValueError, match=r"Decision\.price"):
        ares.decision(price=-1)
    assert len(ares_capture.spans()) == 1


def test_nothing_raises_into_a_bot() -> None:
    """What raises in the test kit is counted in production, and the rest of the decision is kept."""
    with Capture(strict=False) as capture:
        with ares.decision(strategy="s", price=-1) as d:
            d.votes([Vote("m", "buy", confidence=1.4), {"model": "m"}])  # type: ignore[list-item]
            d.resolve("perhaps", confidence=0.5)
            ares.record("nonsense")  # type: ignore[arg-type]
            d.order(None, side="buy", type="market")  # type: ignore[arg-type]
            ares.record(OrderUpdate(None, "new"))  # type: ignore[arg-type]
        spans = capture.spans()

        assert [span["name"] for span in spans] == ["decision", "order submit"]
        assert spans[0]["attributes"]["ares.confidence"] == 0.5
        assert set(GUARD.bad_values()) == {
            ("Decision", "price"),
            ("Decision", "action"),
            ("Vote", "confidence"),
            ("record()", "record"),
            ("Order", "client_id"),
            ("OrderUpdate", "client_id"),
        }
        assert capture.value("ares_decisions_total", strategy="s", symbol="", action="none") == 1


def test_the_kit_finds_a_decision_left_open() -> None:
    """A test that begins a decision and never ends it fails."""
    with pytest.raises(OpenDecisionError, match="never ended"), Capture():
        ares.decision(strategy="s").__enter__()


def test_the_kit_finds_what_is_not_declared() -> None:
    """An attribute under our prefix that nobody declared fails the test."""
    with pytest.raises(UndeclaredError, match=r"ares\.made\.up"), Capture(), ares.span("x", {"ares.made.up": 1}):
        pass


def test_an_error_in_a_test_is_shown_as_it_is() -> None:
    """The kit does not hide the failure of a test behind its own complaints."""
    with pytest.raises(ZeroDivisionError), Capture():
        ares.decision(strategy="s").__enter__()
        raise ZeroDivisionError


def test_stages_that_follow_each_other(ares_capture: Capture) -> None:
    """`did()` ends a stage where it is called; it began where the one before ended."""
    with ares.decision(strategy="s") as d:
        d.did("analyst", {"rows": 3})
        with d.stage("strategist"):
            pass
        d.did("tactician")
    d.did("exchange")

    times = {span["name"]: (span["start_ms"], span["end_ms"]) for span in ares_capture.spans()}
    assert times == {"decision": (0, 5), "analyst": (0, 1), "strategist": (2, 3), "tactician": (3, 4)}
    assert ares_capture.tree() == ["decision", "  analyst", "  strategist", "  tactician"]
    assert ares_capture.value("ares_stage_duration_seconds_count", strategy="s", component="tactician") == 1
    assert RECORDER.limited == 1


def test_an_outcome_is_judged(ares_capture: Capture) -> None:
    """Where prediction and truth are both known, whether the model was right is known, too; it joins its decision."""
    with ares.decision(strategy="s") as d:
        pass
    ares.record(Outcome("a", actual="buy", prediction="buy", key=d.correlation_id))
    ares.record(Outcome("a", actual="buy", prediction="sell", key="4711"))
    ares.record(Outcome("a", actual="buy"))
    ares.record(Outcome("a", actual="buy", prediction="buy", result="wrong"))

    right, wrong, unknown, told = ares_capture.spans("outcome")
    assert [each["attributes"].get("ares.result") for each in (right, wrong, unknown, told)] == [
        "correct",
        "wrong",
        None,
        "wrong",
    ]
    assert right["attributes"]["ares.correlation.id"] == d.correlation_id
    assert "ares.correlation.id" not in wrong["attributes"]
    assert ares_capture.value("ares_model_outcomes_total", model_name="a", result="wrong") == 2


def test_client_order_ids_are_made_here(ares_capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """By choice they carry the trace id, so that an exchange's export finds the trace; they are unique all the same."""
    with ares.decision(strategy="s") as d:
        plain = {d.client_id() for _ in range(5)}
        monkeypatch.setattr(RECORDER, "ids_carry_trace", True)
        carrying = [d.client_id("bot") for _ in range(5)]
        with ares.decision(strategy="s") as inner:
            carrying += [inner.client_id("bot") for _ in range(5)]

    assert len(plain) == 5
    assert len(set(carrying)) == 10
    assert {trace_of(client_id, "bot") for client_id in carrying} == {d.trace_id}
    assert max(map(len, {*plain, *carrying})) <= 36
    assert len(ares_capture.spans()) == 2


def test_fields_are_written_the_short_way() -> None:
    """A struct's own way would cost every decision a tenth more; a class of spans has to say so for itself."""
    kinds: list[type] = [LiveSpan, *LiveSpan.__subclasses__(), *OpenDecision.__subclasses__()]
    assert {LiveOrder, OpenDecision, LiveDecision} < {*kinds}
    assert [kind for kind in kinds if getattr(kind, "__setattr__", None) is not object.__setattr__] == []

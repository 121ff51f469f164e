"""Bad values are left out, counted and said once; the rest of a record is kept."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ares_otel.guard import GUARD, BadValueError
from ares_otel.records import (
    Decision,
    FeatureImportance,
    MarketData,
    ModelInfo,
    Order,
    OrderUpdate,
    Outcome,
    PathStep,
    Position,
    Record,
    Regime,
    RiskCheck,
    Vote,
    examine,
    require,
)
from ares_otel.records.check import plan
from ares_otel.semconv.enums import Action, OrderStatus, RegimeName, RejectReason, Side

BAD: list[tuple[Record, str]] = [
    (Vote("lgbm", "buy", confidence=math.nan), "confidence"),
    (Vote("lgbm", "buy", confidence=1.4), "confidence"),
    (Vote("lgbm", "buy", confidence=-0.1), "confidence"),
    (Vote("lgbm", "buy", confidence="high"), "confidence"),  # type: ignore[arg-type]
    (Vote("lgbm", "buy", confidence=True), "confidence"),
    (Vote("lgbm", "perhaps"), "action"),
    (Vote("", "buy"), "model"),
    (Vote("lgbm", "buy", probabilities={"buy": 1.2}), "probabilities"),
    (Vote("lgbm", "buy", probabilities=[0.5]), "probabilities"),  # type: ignore[arg-type]
    (Vote("lgbm", "buy", meta_learner="yes"), "meta_learner"),  # type: ignore[arg-type]
    (Order("c1", "buy", "limit", quantity=-1.0), "quantity"),
    (Order("c1", "up", "limit"), "side"),
    (Order("c1", "buy", "limit", quantity=math.inf), "quantity"),
    (Order("c1", "buy", "limit", quantity=Decimal("NaN")), "quantity"),
    (Order("c1", "buy", "limit", quantity=10**400), "quantity"),
    (OrderUpdate("c1", "vanished"), "status"),
    (OrderUpdate("c1", 3), "status"),  # type: ignore[arg-type]
    (Decision("BTC", "x", event_time=datetime(2026, 1, 1)), "event_time"),  # noqa: DTZ001
    (Decision("BTC", "x", event_time=1.5), "event_time"),  # type: ignore[arg-type]
    (Decision("BTC", "x", data_age=-1), "data_age"),
    (MarketData("BTC", gaps=-1), "gaps"),
    (MarketData("BTC", gaps=1.5), "gaps"),  # type: ignore[arg-type]
    (ModelInfo("m", rows=2**70), "rows"),
    (PathStep("gate", passed=1), "passed"),  # type: ignore[arg-type]
    (RiskCheck("size", outcome="maybe"), "outcome"),
    (Outcome("m", actual=[1]), "actual"),  # type: ignore[arg-type]
    (Decision({"symbol": "BTC"}), "symbol"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("record", "field"), BAD)
def test_a_bad_value_is_left_out_and_counted(record: Record, field: str, caplog: pytest.LogCaptureFixture) -> None:
    """The field becomes None, the guard counts it by record and field, and says once what was expected."""
    with caplog.at_level(logging.WARNING, "ares_otel"):
        clean, attributes = examine(record)
        examine(record)

    name = type(record).__name__
    key = next(each.key for each in plan(type(record)) if each.field == field)
    assert getattr(clean, field) is None
    assert key not in attributes
    assert GUARD.bad_values() == {(name, field): 2}
    assert [line for line in caplog.messages if f"{name}.{field}: expected" in line] == [caplog.messages[0]]


@pytest.mark.parametrize(("record", "field"), BAD)
def test_strict_raises_for_the_same_values(record: Record, field: str) -> None:
    """What is counted in production raises in the test kit, with record, field and what was expected."""
    with pytest.raises(BadValueError, match=f"{type(record).__name__}.{field}: expected"):
        require(record)


def test_the_rest_of_a_record_is_kept() -> None:
    """One bad field costs that field only."""
    clean, attributes = examine(Vote("lgbm", "buy", confidence=1.4, weight=0.2, version="3"))

    assert clean == Vote("lgbm", Action.BUY, None, 0.2, "3")
    assert attributes == {
        "ares.model.name": "lgbm",
        "ares.action": "buy",
        "ares.model.weight": 0.2,
        "ares.model.version": "3",
    }


def test_values_become_canonical() -> None:
    """Numbers become float, times Unix ns, words members of their vocabulary, ids text."""
    moment = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    order, _ = examine(
        Order(
            UUID(int=7),  # type: ignore[arg-type]
            "BUY",
            "STOP_MARKET",
            quantity=Decimal("0.02"),
            price=np.float32(0.5),  # type: ignore[arg-type]
            event_time=moment,
        )
    )

    assert order.client_id == "00000000-0000-0000-0000-000000000007"
    assert (order.side, order.type) == ("buy", "stop")
    assert (type(order.quantity), order.quantity, order.price) == (float, 0.02, 0.5)
    assert order.event_time == int(moment.astimezone(UTC).timestamp() * 1_000_000) * 1_000


@pytest.mark.parametrize(("value", "expected"), [(np.bool_(True), True), (False, False)])
def test_booleans_of_numpy_are_booleans(value: Any, expected: bool) -> None:  # noqa: FBT001
    """Numpy's own boolean is taken for what it is, and never for a number."""
    clean, _ = examine(PathStep("gate", passed=value))
    vote, _ = examine(Vote("m", "buy", confidence=value))

    assert clean.passed is expected
    assert vote.confidence is None


@pytest.mark.parametrize(
    ("word", "name", "raw"),
    [
        ("bull_trend", RegimeName.BULL_TREND, None),
        ("BULL_TREND", RegimeName.BULL_TREND, None),
        ("BULL", RegimeName.BULL_TREND, "BULL"),
        ("SIDEWAYS_RANGE", RegimeName.SIDEWAYS, "SIDEWAYS_RANGE"),
        ("VOLATILE_REGIME", RegimeName.HIGH_VOLATILITY, "VOLATILE_REGIME"),
        ("accumulation", RegimeName.UNKNOWN, "accumulation"),
    ],
)
def test_regimes_of_other_vocabularies_are_mapped(word: str, name: RegimeName, raw: str | None) -> None:
    """The bot's own word is kept; one that nobody knows is `unknown` and counted."""
    clean, _ = examine(Regime(word))

    assert (clean.name, clean.raw) == (name, raw)
    assert bool(GUARD.bad_values()) is (name is RegimeName.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "cum", "expected"),
    [
        ("closed", 0, OrderStatus.CANCELED),
        ("closed", 1.0, OrderStatus.FILLED),
        ("closed", None, OrderStatus.FILLED),
        ("open", None, OrderStatus.NEW),
        ("cancelled", None, OrderStatus.CANCELED),
        ("Margin", None, OrderStatus.REJECTED),
    ],
)
def test_words_of_other_libraries_are_mapped(status: str, cum: float | None, expected: OrderStatus) -> None:
    """A ccxt `closed` with nothing filled is not filled."""
    clean, _ = examine(OrderUpdate("c", status, cum_quantity=cum))

    assert clean.status is expected


def test_reasons_and_sides_of_other_libraries_are_mapped() -> None:
    """Exceptions of ccxt and words of others become FIX's."""
    update, _ = examine(OrderUpdate("c", "rejected", reject_reason="InsufficientFunds"))
    order, _ = examine(Order("c", "short", "market"))

    assert update.reject_reason is RejectReason.INSUFFICIENT_FUNDS
    assert order.side is Side.SELL_SHORT


def test_a_map_that_is_too_large_is_refused() -> None:
    """A map has a bound, as everything has."""
    clean, _ = examine(FeatureImportance("m", {f"f{i}": 0.1 for i in range(1_000)}))

    assert clean.values is None


class Hostile:
    """Raises wherever it is asked."""

    shape = ()

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def item(self) -> float:
        """Return what no number is."""
        return math.nan


def test_a_value_that_cannot_be_shown_costs_nothing_more() -> None:
    """Even its `repr` may raise."""
    clean, _ = examine(Position("BTC", Hostile()))  # type: ignore[arg-type]

    assert clean.quantity is None


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.datetimes(),
    st.decimals(),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=3),
    st.lists(st.integers(), max_size=3),
)


@given(st.lists(junk, min_size=8, max_size=8))
def test_examine_never_raises(values: list[Any]) -> None:
    """Whatever stands in a record, it comes back examined, and examining it again changes nothing."""
    for kind in (Vote, Order, OrderUpdate, Regime, RiskCheck, Position, MarketData, Decision, Outcome):
        record = kind(*values[: len(kind.__struct_fields__)])
        clean, attributes = examine(record)

        assert examine(clean) == (clean, attributes)

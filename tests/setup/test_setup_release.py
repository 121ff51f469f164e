"""Decisions are not the garbage collector's business, so nothing may hold one when it is over."""

from __future__ import annotations

import sys

import pytest
from setup_kit import Begin
from sink import Sink, eventually

import ares_otel as ares
from ares_otel import OrderUpdate, Vote
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup import active


def decided() -> list[object]:
    """Make a decision with parts that know it; return the decision, a stage and an order of it."""
    with ares.decision(symbol="BTC", strategy="s1") as d:
        with d.stage("analyst") as stage, ares.span("inner"):
            d.votes([Vote("lgbm", "buy", confidence=0.5)])
        order = d.order("o-1", side="buy", type="market", quantity=1)
    ares.record(OrderUpdate("o-1", "filled", quantity=1, price=2.0))
    return [d, stage, order]


def held(parts: list[object]) -> list[int]:
    """Return how many others hold each of some objects: the order holds its decision, and so does the stage."""
    counts = []
    while parts:
        # the caller's list gave it up, so one reference is this variable's and one the call's
        part = parts.pop()
        counts.append(sys.getrefcount(part) - 2)
    return counts


def test_a_told_decision_is_let_go(begin: Begin, sink: Sink) -> None:
    """The worker cuts the cycle between a decision and its parts, so that all of it is freed at once."""
    with begin(sink):
        parts = decided()
        assert ares.flush(10.0)

        assert held(parts) == [0, 0, 0]


@pytest.mark.parametrize("why", ["no set-up", "a full queue"])
def test_a_decision_that_nobody_takes_is_let_go(begin: Begin, why: str) -> None:
    """The same where telemetry is off, or has no room."""
    if why == "a full queue":
        begin(recorder__queue_limit=100)
        RECORDER.queue.extend([None] * 100)

    assert held(decided()) == [0, 0, 0]


def test_a_decision_that_was_not_worked_through_is_let_go(begin: Begin, sink: Sink) -> None:
    """The same where the end came too early for it."""
    begin(sink)
    parts = decided()
    telemetry = active()
    assert telemetry is not None
    telemetry._work_until = 0.0
    assert not ares.flush(10.0)

    assert held(parts) == [0, 0, 0]


def test_an_abandoned_decision_is_let_go(begin: Begin, sink: Sink) -> None:
    """The same where the time limit ended it, whatever the bot does with it later."""
    with begin(sink, correlation__timeout=0.01):
        with ares.decision(strategy="slow") as d:
            d.order("o-2", side="buy", type="market", quantity=1)
            parts: list[object] = [d]
            del d
            eventually(lambda: ares.flush(10.0) and not RECORDER.open)
        assert ares.flush(10.0)

        assert held(parts) == [0]

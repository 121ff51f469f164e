"""What a bot tells of a watched model: kept as it was when it was told, bounded, counted, never raising."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ares_otel as ares
from ares_otel.decision.watched import Observed, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.semconv.enums import DriftDrop


def told(model: WatchedModel) -> Observed:
    """Return the one observation that waits."""
    (found,) = model.take()
    assert isinstance(found, Observed)
    return found


def changed(value: Any) -> None:
    """Change a value in place."""
    value["a" if isinstance(value, dict) else 0] = 9.0


@pytest.mark.parametrize("x", [[1.0, 2.0], {"a": 1.0}, np.array([1.0, 2.0]), np.eye(3)[1]])
def test_what_the_bot_changes_afterwards_is_not_seen(x: Any) -> None:
    """A buffer that is used again for the next bar was another bar when it was told."""
    model, before = WatchedModel("m"), repr(x)
    model.observe(x, prediction=x)
    changed(x)
    found = told(model)

    assert repr(x) != before
    for kept in (found.x, found.prediction):
        assert repr(list(kept) if isinstance(kept, tuple) else kept) == before


def test_a_row_does_not_keep_its_table_alive() -> None:
    """A view of a large array is copied."""
    model = WatchedModel("m")
    model.observe(np.zeros((1_000, 3))[5])

    assert told(model).x.base is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("x", [(1.0, 2.0), None, "text", 1.5])
def test_what_cannot_change_is_kept_as_it_is(x: object) -> None:
    """No copy of a tuple or a number."""
    model = WatchedModel("m")
    model.observe(x)

    assert told(model).x is x


def test_the_queue_is_bounded_and_drops_are_counted() -> None:
    """What finds it full is counted, of observations and of outcomes; when it has room again, it takes."""
    model = WatchedModel("m", limit=3)
    for place in range(5):
        model.observe((1.0,))
        model.outcome(place, 1)

    assert (len(model.queue), model.drops()) == (3, {DriftDrop.QUEUE_FULL: 7})
    assert len(model.take()) == 3
    model.observe((1.0,))
    assert len(model.take()) == 1


def test_a_closed_model_takes_nothing() -> None:
    """Why it is closed is the reason of what is dropped then."""
    model = WatchedModel("m", limit=1)
    model.observe((1.0,))
    model.observe((1.0,))
    model.close(DriftDrop.SHUTDOWN)
    model.observe((1.0,))
    model.outcome("k", 1)

    assert model.drops() == {DriftDrop.QUEUE_FULL: 1, DriftDrop.SHUTDOWN: 2}


def test_the_decision_is_remembered(ares_capture: object) -> None:
    """In a decision it is known in which one; outside there is none."""
    del ares_capture
    model = WatchedModel("m")
    with ares.decision(symbol="BTC") as d:
        model.observe((1.0,), prediction=1, key=d.correlation_id)
    assert told(model).decision is d
    model.observe((1.0,))
    assert told(model).decision is None


def test_an_object_that_cannot_be_copied_costs_itself_alone() -> None:
    """Whatever it raises is counted; the prediction is kept."""

    class Broken:
        def copy(self) -> None:
            raise MemoryError("no")

    model = WatchedModel("m")
    model.observe(Broken(), prediction=1, key="k")
    found = told(model)

    assert (found.x, found.prediction, found.key) == (None, 1, "k")
    assert GUARD.counts() == {"model.observe()": 1}


def test_callbacks_may_be_given_as_a_decorator() -> None:
    """What is decorated stays what it is."""
    model = WatchedModel("m")

    @model.on_drift
    def told_of(event: object) -> object:
        return event

    assert model.callbacks == [told_of]
    assert told_of(1) == 1

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ares_otel.ml.concept import LOSSES, ConceptMonitor, LossName, Metric
from ares_otel.ml.events import DriftKind
from ares_otel.ml.labels import Counts
from ares_otel.ml.pnl import PnlCusum


def test_from_prediction_to_verdict(tmp_path: Path) -> None:
    """A model that loses what it knew is told, from labels that come later, across a restart."""
    draw = np.random.default_rng(1)
    watch, other = ConceptMonitor(5, capacity=50), ConceptMonitor(5, capacity=50)
    labels, events = [int(value) for value in draw.integers(0, 2, 3000)], []
    for bar in range(3000):
        right = draw.random() < (0.75 if bar < 2000 else 0.45)
        prediction = labels[bar] if right else 1 - labels[bar]
        for each in (watch, other):
            each.predicted(f"{bar}", prediction, at=bar)
        if bar >= 5:
            found = watch.outcome(f"{bar - 5}", labels[bar - 5], at=bar)
            assert found == other.outcome(f"{bar - 5}", labels[bar - 5], at=bar)
            events += found
        if bar == 2010:
            other.save(tmp_path / "state.json")
            other = ConceptMonitor.load(tmp_path / "state.json")

    assert events[0].kind is DriftKind.CONCEPT
    assert 2000 < events[0].bar < 2150
    assert watch.metric() == other.metric()
    metric = watch.metric()
    assert metric.low is not None
    assert metric.high is not None
    assert metric.low < 0.55 < metric.high
    assert (metric.counts.recorded, metric.counts.matured, metric.counts.pending) == (3000, 2995, 5)
    assert watch.card() == watch.monitor.card()


@pytest.mark.parametrize(
    ("loss", "prediction", "actual", "expected"),
    [
        ("error", "up", "down", 1.0),
        ("error", 1, True, 0.0),
        ("absolute", 1.5, 1.0, 0.5),
        ("squared", 1.5, 1.0, 0.25),
        ("log", 0.25, 1, -math.log(0.25)),
        ("log", 0.25, 0, -math.log(0.75)),
        ("log", 1.0, 0, -math.log(1e-12)),
    ],
)
def test_losses(loss: LossName, prediction: float | str, actual: float | str, expected: float) -> None:
    """Each loss is what its name says, at the ends of its range too."""
    assert LOSSES[loss](prediction, actual) == pytest.approx(expected)


@pytest.mark.parametrize(("prediction", "broken"), [(1, "n/a"), ("up", 1.0)])
def test_an_outcome_of_another_type_is_no_error(prediction: float | str, broken: float | str) -> None:
    """It matures and is counted, and leaves the mean loss and the evidence as they were."""
    watch, other = ConceptMonitor(5), ConceptMonitor(5)
    for bar in range(100):
        actual = broken if bar % 10 == 0 else prediction
        watch.predicted(f"{bar}", prediction, at=bar)
        watch.outcome(f"{bar}", actual, at=bar)
        if bar % 10:
            other.predicted(f"{bar}", prediction, at=bar)
            other.outcome(f"{bar}", actual, at=bar)

    assert watch.metric().mean == 0.0
    assert watch.metric().n == other.metric().n == 90
    assert watch.metric().counts.matured == 100
    assert [(each.feature, each.evidence) for each in watch.monitor.standing()] == [
        (each.feature, each.evidence) for each in other.monitor.standing()
    ]


def test_little_is_known() -> None:
    """Without labels there is no metric but the counts; of few there is no interval; what has no loss is counted."""
    watch = ConceptMonitor(10, loss="absolute")
    watch.predicted("a", 1.0, at=0)
    watch.predicted("b", "up", at=0)

    assert watch.metric() == Metric(None, None, None, 0, None, Counts(recorded=2, pending=2))
    assert watch.outcome("nobody", 1.0, at=1) == []
    assert watch.outcome("b", 1.0, at=1) == []
    assert watch.monitor.invalid == 1
    assert watch.outcome("a", 3.0, at=1) == []
    assert (watch.metric().mean, watch.metric().low, watch.metric().n) == (2.0, None, 1)


def test_numbers_of_numpy_can_be_written(tmp_path: Path) -> None:
    """Keys, times, predictions and labels may be numpy's, alone or in what has happened since."""
    watch, draw = ConceptMonitor(10, loss="absolute", reference=[np.float64(0.1)] * 500), np.random.default_rng(4)
    for bar in range(700):
        watch.predicted(np.str_(f"{bar}"), np.float64(draw.normal()), np.int64(bar))  # type: ignore[arg-type]
        watch.outcome(f"{bar - 5}", np.float32(draw.normal()), np.int64(bar))  # type: ignore[arg-type]
    profits = PnlCusum(2.0, 0.01)
    told = [event for profit in draw.normal(-0.01, 0.01, 400) for event in profits.update(profit, at=np.int64(5))]  # type: ignore[arg-type]
    watch.save(tmp_path / "concept")
    profits.save(tmp_path / "profits")

    assert ConceptMonitor.load(tmp_path / "concept").metric() == watch.metric()
    assert told
    assert PnlCusum.load(tmp_path / "profits").standing() == profits.standing()


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_a_loss_that_cannot_be_squared_is_none(loss: LossName) -> None:
    """Of the largest numbers that there are it is counted as invalid, and the mean of the others stays a number."""
    watch = ConceptMonitor(10, loss=loss)
    for bar in range(40):
        watch.predicted(f"{bar}", 0.0, at=bar)
        watch.outcome(f"{bar}", -1.7e308 if bar % 4 == 0 else 1.0, at=bar)

    assert (watch.metric().mean, watch.metric().low, watch.metric().n) == (1.0, 1.0, 30)
    assert watch.monitor.invalid == 10

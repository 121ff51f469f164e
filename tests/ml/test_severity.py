from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ares_otel.ml import DriftMonitor
from ares_otel.ml.events import DriftEvent, Moment, Moved, Severity
from ares_otel.ml.severity import importances_of, severest, severity


@pytest.mark.parametrize(
    ("evidence", "effect", "importance", "expected"),
    [
        (0.99, 9.0, None, Severity.INFO),
        (math.nan, 9.0, None, Severity.INFO),
        (1.0, math.nan, None, Severity.INFO),
        (1.0, 0.05, None, Severity.INFO),
        (1.0, 0.2, None, Severity.WATCH),
        (1.0, -0.7, None, Severity.WARNING),
        (1.0, -0.7, math.nan, Severity.WARNING),
        (1.0, 1.2, None, Severity.CRITICAL),
        (2.0, 0.05, None, Severity.INFO),
        (2.0, 0.2, None, Severity.WARNING),
        (2.0, 1.2, None, Severity.CRITICAL),
        (1.0, 0.7, 0.0, Severity.WATCH),
        (1.0, 0.7, 100.0, Severity.CRITICAL),
    ],
)
def test_levels(evidence: float, effect: float, importance: float | None, expected: Severity) -> None:
    """Effect and importance decide, strong evidence raises, and what is not shown or not known is info."""
    assert severity(evidence, effect, importance) is expected


def test_what_the_model_lives_by_decides() -> None:
    """A small effect on the feature that weighs most is worse than a large one on what the model hardly uses."""
    small = Moved("signal", Moment.LOCATION, 64, 0.3, 1.1, 900.0)
    large = Moved(("noise", "hour"), Moment.DEPENDENCE, 64, 0.9, 1.1, 900.0)
    weights = importances_of({"signal": 8.0, "noise": 1.0}, ["signal", "noise", "hour"])

    assert weights == {"signal": pytest.approx(8 / 3), "noise": pytest.approx(1 / 3), "hour": 0.0}
    assert severest(1.1, [small], {}) is Severity.WATCH
    assert severest(1.1, [large], {}) is Severity.WARNING
    assert severest(1.1, [small], weights) is Severity.WARNING
    assert severest(1.1, [large], weights) is Severity.WATCH
    assert severest(1.1, [large, small], weights) is Severity.WARNING


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"f9": 1.0}, "'f9', which the reference does not have"),
        ({"f0": -1.0}, "from 0 on, not -1.0 of 'f0'"),
        ({"f0": math.nan}, "from 0 on, not nan of 'f0'"),
        ({"f0": 0.0}, "no feature has an importance above 0"),
        ({}, "no feature has an importance above 0"),
    ],
)
def test_what_are_no_importances(shares: dict[str, float], said: str) -> None:
    """The error names the feature and what was expected."""
    with pytest.raises(ValueError, match=said):
        importances_of(shares, ["f0", "f1"])


def _alarm(monitor: DriftMonitor, rows: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> DriftEvent:
    return next(event for row in rows for event in monitor.update(row))


def test_an_alarm_is_as_severe_as_its_feature_is_important(tmp_path: Path) -> None:
    """The same drift is told at the same bar, and matters more or less; a restart does not forget it."""
    draw = np.random.default_rng(1)
    reference, rows = draw.normal(size=(1000, 3)), draw.normal(size=(600, 3))
    rows[100:, 0] += 0.8
    plain = _alarm(DriftMonitor(reference), rows)
    idle = _alarm(DriftMonitor(reference, importances={"f1": 3, "f2": 1}), rows)
    vital = DriftMonitor(reference, importances={"f0": 30, "f1": 1})
    vital.save(tmp_path / "state")

    assert (plain.features, plain.bar) == (idle.features, idle.bar)
    assert [plain.severity, idle.severity] == [Severity.WARNING, Severity.WATCH]
    assert _alarm(DriftMonitor.load(tmp_path / "state"), rows).severity is Severity.CRITICAL


def test_the_importance_of_categories_is_that_of_their_feature() -> None:
    """A column of texts is watched by its categories, and weighed as what it was given as."""
    draw = np.random.default_rng(2)
    size = draw.normal(size=1000)
    reference = {"side": draw.choice(["buy", "sell", "flat"], 1000), "size": size}
    rows = [{"side": "buy", "size": value} for value in size[:400].tolist()]
    found = {}
    for side, other in ((1, 100), (100, 1)):
        monitor = DriftMonitor(reference, importances={"side": side, "size": other})
        found[side] = next(event for row in rows for event in monitor.update(row))

    assert found[1].features == found[100].features
    assert str(found[1].features[0].feature).startswith("side=")
    levels = list(Severity)
    assert levels.index(found[100].severity) > levels.index(found[1].severity)

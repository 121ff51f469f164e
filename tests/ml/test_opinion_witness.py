"""The second opinion of a bot's model: rows go to both sides, and what both say stands in the same records."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_detectors import installed

import ares_otel as ares
from ares_otel.config.detectors import DETECTORS
from ares_otel.guard import GUARD
from ares_otel.ml.opinion.member import KNOWN
from ares_otel.semconv import metrics as m
from ares_otel.setup import companions
from ares_otel.setup.drifting import Drifting
from ares_otel.testing import Capture

RNG = np.random.default_rng(12)
REFERENCE = RNG.normal(size=(800, 3))
MOVED = np.concatenate([RNG.normal(size=(480, 3)), RNG.normal(size=(480, 3)) + np.array([3.0, 0.0, 0.0])])
NAMES = ("ret", "range", "volume")


@pytest.fixture(autouse=True)
def _fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", installed(tmp_path / "path"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def up() -> dict[str, float]:
    """Return which detectors are up, as the page of metrics has it."""
    found = (reading for each in companions.COMPANIONS for reading in each.readings())
    return {str(labels[1]): value for metric, labels, value in found if metric is m.DETECTOR_UP}


def watched(capture: Capture, *opinions: Any, rows: Any = MOVED) -> None:
    """Let a bot's model see rows."""
    assert capture
    model = ares.model("lgbm", version="3", reference=REFERENCE, names=NAMES, opinions=opinions)
    for place, row in enumerate(rows, 1):
        model.observe(row, at=place * 1_000)
    model.observe(["x"])  # no row: ours counts it, theirs are not asked
    model.observe(None, prediction=0.5)
    ares.flush()


def test_both_sides_stand_in_the_records(ares_capture: Capture, caplog: pytest.LogCaptureFixture) -> None:
    """Checks of theirs are beside ours under their names; an alarm is one line that says what ours says."""
    GUARD.strict = False
    with caplog.at_level(logging.INFO, "ares.drift"):
        watched(ares_capture, "KSDrift")

    checks = [span["attributes"] for span in ares_capture.spans("drift check")]
    theirs = [each for each in checks if each["ares.detector"] == "KSDrift"]
    assert {each["ares.result"] for each in theirs} == {"no_drift", "drift"}
    assert {"KSDrift", "ares"} == {each["ares.detector"] for each in checks}
    assert up() == {"KSDrift": 1.0, "ares": 1.0}
    (line,) = [record.getMessage() for record in caplog.records if "second opinion on lgbm" in record.getMessage()]
    assert "KSDrift says ret moved; ours: episode 1 is open" in line


def test_missing_detector_is_down(ares_capture: Capture, caplog: pytest.LogCaptureFixture) -> None:
    """A detector that is not there is down in the metrics and said in the log, and ours goes on."""
    GUARD.strict = False
    watched(ares_capture, "no_such:Thing", "Oracle", rows=MOVED[:30])

    assert up() == {"Thing": 0.0, "Oracle": 0.0, "ares": 1.0}
    said = " ".join(caplog.messages)
    assert "Thing does not judge: No module named 'no_such'" in said
    assert "Oracle does not judge: no such detector" in said


def test_opinion_that_cannot_be_made_costs_no_monitor(ares_capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong while it is made is counted, and the model is watched."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("ares_otel.ml.opinion.witness.Panel", fails)
    GUARD.strict = False
    watched(ares_capture, "KSDrift", rows=MOVED[:30])

    assert up() == {"ares": 1.0}
    assert GUARD.counts()["model() opinions"] == 1


def test_detectors_may_be_asked_by_the_configuration(ares_capture: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """For models that name none themselves; the names that a configuration knows are those that can be asked."""
    GUARD.strict = False
    monkeypatch.setenv("ARES_OTEL_DRIFT_OPINIONS", "CVMDrift")
    watched(ares_capture, rows=MOVED[:30])
    (drifting,) = [each for each in companions.COMPANIONS if isinstance(each, Drifting)]
    witness = drifting.kept["lgbm"].witness

    assert witness is not None
    assert [each.detector for each in witness.health()] == ["CVMDrift"]
    assert set(KNOWN) == DETECTORS


def test_detectors_end_with_the_model(ares_capture: Capture) -> None:
    """When a model makes way for another one its detectors end."""
    GUARD.strict = False
    watched(ares_capture, "KSDrift", rows=MOVED[:30])
    (drifting,) = [each for each in companions.COMPANIONS if isinstance(each, Drifting)]
    witness = drifting.kept["lgbm"].witness
    assert witness is not None
    assert [each.detector for each in witness.health()] == ["KSDrift"]
    watched(ares_capture, rows=MOVED[:30])

    assert drifting.kept["lgbm"].witness is None
    assert witness._second._closed
    assert up() == {"ares": 1.0}

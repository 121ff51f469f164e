"""What a bot keeps of a model: whole, in its order, and readable after a crash."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

import ares_otel as ares
from ares_otel.cli.main import main
from ares_otel.config.drift import Drift
from ares_otel.decision.watched import Matured, Observed, Realized, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.ml.making import Plan
from ares_otel.ml.outcomes import class_of
from ares_otel.ml.tables import TableError
from ares_otel.ml.tape import Tape, stretches
from ares_otel.ml.watching import Watch
from ares_otel.testing import Capture

FRAME = {"ret": [0.5], "side": ["a"]}


def begun(path: Path) -> tuple[Tape, Watch]:
    """Return a tape on which a model has begun to be watched."""
    tape = Tape(path, 1 << 20)
    watch = Plan(WatchedModel("m"), Drift(), "bot", None).make(quiet=True)
    tape.begin(watch.begun)
    return tape, watch


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ((1.0, None, "a"), [1.0, None, "a"]),
        (np.array([0.1, 2.0], np.float32), [float(np.float32(0.1)), 2.0]),
        (np.array([[1.0, 2.0]]), [1.0, 2.0]),
        ({1: Decimal("0.5"), "b": np.int64(3)}, {"1": 0.5, "b": 3}),
        (pd.Series({"ret": 0.5, "side": "a"}), {"ret": 0.5, "side": "a"}),
        (pd.DataFrame(FRAME), {"ret": 0.5, "side": "a"}),
        ({"side": pd.NA, "size": np.float32(0.5)}, {"side": None, "size": 0.5}),
        (np.array([(1.0, 2.0)], [("b", float), ("a", float)])[0], {"b": 1.0, "a": 2.0}),
    ],
)
def test_rows_of_all_kinds_come_back(tmp_path: Path, x: Any, expected: object) -> None:
    """In order or by name, as numbers and texts."""
    tape, _ = begun(tmp_path / "m.jsonl")
    tape.write(Observed(x, None, None, None, 0, None), 5)
    ((_, told),), _ = stretches(tmp_path / "m.jsonl")

    assert told == [Observed(expected, None, None, 5, 0, None)]


def test_all_that_is_told_comes_back(tmp_path: Path) -> None:
    """Keys as the texts that join, nothing where there was nothing."""
    tape, _ = begun(tmp_path / "m.jsonl")
    tape.write(Observed(None, {"buy": np.float64(0.7)}, ("a", 1), None, 0, None, np.float64(2.0)), 1)
    tape.write(Matured(("a", 1), None, None, 0), 2)
    tape.write(Realized(np.float64(0.25), None, 0), 3)
    ((_, told),), before = stretches(tmp_path / "m.jsonl")

    assert told == [
        Observed(None, {"buy": 0.7}, "('a', 1)", 1, 0, None, "2"),
        Matured("('a', 1)", None, 2, 0),
        Realized(0.25, 3, 0),
    ]
    assert before == 0


def test_a_regime_is_the_one_that_was_known_then(ares_capture: Capture) -> None:
    """Of a decision the last one before the bar was told, whenever somebody looks; what the bar says comes first."""
    del ares_capture
    model = WatchedModel("m")
    with ares.decision(symbol="BTC") as d:
        model.observe((1.0,))
        d.regime(ares.Regime("bull_trend"))
        d.regime(ares.Regime("sideways"))
        model.observe((1.0,))
        model.observe((1.0,), regime="own")
        d.regime(ares.Regime("bear_trend"))
    model.observe((1.0,))
    found = [item.in_regime() for item in model.take() if isinstance(item, Observed)]

    assert found == [None, ares.Regime("sideways"), "own", None]


def test_half_a_line_of_a_crash_costs_itself_alone(tmp_path: Path) -> None:
    """At the end of the file, and before the next beginning; anywhere else the file is damaged."""
    path = tmp_path / "m.jsonl"
    tape, watch = begun(path)
    tape.write(Matured("a", 1, None, 0), 1)
    with path.open("a") as file:
        file.write('{"at": 1, "x": [0.')
    assert [len(stretch.told) for stretch in stretches(path)[0]] == [1]
    tape.begin(watch.begun)
    tape.write(Matured("b", 1, None, 0), 2)
    assert [len(stretch.told) for stretch in stretches(path)[0]] == [1, 1]
    with path.open("a") as file:
        file.write("{\n")
    tape.write(Matured("c", 1, None, 0), 2)
    with pytest.raises(TableError, match=r"m.jsonl:\d+: no JSON"):
        stretches(path)


def test_lines_of_before_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a former version has kept does not say how the model was watched."""
    (tmp_path / "m.jsonl").write_text('{"at": 1, "key": "a", "actual": 1}\n\n{"at": 2, "key": "b", "actual": 1}\n')
    tape, _ = begun(tmp_path / "m.jsonl")
    tape.write(Matured("c", 1, None, 0), 1)

    assert main(["drift", "replay", str(tmp_path / "m.jsonl")]) == 0
    assert "2 lines of before it was kept how the model was watched" in capsys.readouterr().out


def test_another_version_s_words_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line, and what can be done."""
    (tmp_path / "m.jsonl").write_text(json.dumps({"begin": {"all": 1}}))

    assert main(["drift", "replay", str(tmp_path / "m.jsonl")]) == 2
    assert "m.jsonl:1: says how a model was watched in another way" in capsys.readouterr().err


def test_a_tape_that_cannot_be_begun_is_counted(tmp_path: Path) -> None:
    """The bot, and the monitors, go on."""
    begun(tmp_path)

    assert GUARD.counts() == {"drift.tape": 1}


@pytest.mark.parametrize(("given", "expected"), [([[0.2, 0.8]], 1), ([0.7], 0.7), ([], []), ("a", "a")])
def test_a_list_of_one_prediction_is_that_prediction(given: object, expected: object) -> None:
    """As libraries return for one row: probabilities of its classes, or its one value."""
    assert class_of(given) == expected

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fake_detectors import Batch, Classifier, Level, Online, Outlier, Residual

from ares_otel.ml.opinion.child import batches, frames, loop, multivariate, outliers, streams
from ares_otel.ml.opinion.child.detectors import Made, MissingError, Rows, made

CHANCE = np.random.default_rng(0)
REFERENCE = CHANCE.normal(size=(60, 3))
NAN = math.nan


def parts(kind: Any, reference: Rows = REFERENCE, cache: str = "", **settings: Any) -> Made:
    """Return what a detector is made of."""
    return Made(kind, reference, settings, level=0.05, seed=7, cache=cache, version="0.13.0")


def moved(*columns: int, rows: int = 40) -> Rows:
    """Return a window in which some columns moved by 5."""
    window = np.random.default_rng(1).normal(size=(rows, 3))
    window[:, columns] += 5
    return window


def test_message_comes_as_it_went() -> None:
    """Header and numbers survive the pipe; its end is no message."""
    pipe = io.BytesIO()
    frames.write(pipe, {"id": 1, "name": "µ"}, b"\x00" * 16)
    frames.write(pipe, {"id": 2})
    pipe.seek(0)

    assert frames.read(pipe) == ({"id": 1, "name": "µ"}, b"\x00" * 16)
    assert frames.read(pipe) == ({"id": 2}, b"")
    assert frames.read(pipe) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"hello, world", "no message begins"),
        (b"ARES", "ended within"),
        (frames.HEAD.pack(b"ARES", 1 << 25, 0), "no message begins"),
        (frames.HEAD.pack(b"ARES", 5, 0) + b"{", "ended 4 bytes early"),
        (frames.HEAD.pack(b"ARES", 2, 0) + b"{x", "no JSON"),
        (frames.HEAD.pack(b"ARES", 2, 0) + b"[]", "no object"),
        (frames.HEAD.pack(b"ARES", 2, 9) + b"{}12", "ended 7 bytes early"),
    ],
)
def test_garbage_is_found(text: bytes, said: str) -> None:
    """What is no message is an error that says what came."""
    with pytest.raises(frames.GarbageError, match=said):
        frames.read(io.BytesIO(text))


def test_missing_value_mutes_no_column() -> None:
    """One NaN in each column of window and reference costs each column that value, and no alarm."""
    reference, window = REFERENCE.copy(), moved(0, 2)
    reference[range(3), range(3)], window[range(3), range(3)] = NAN, [NAN, math.inf, NAN]

    found = batches.Columns(parts(Batch, reference)).check(window)

    assert [each["drifted"] for each in found["columns"]] == [True, False, True]
    assert [each["n"] for each in found["columns"]] == [39, 39, 39]
    assert found["drifted"]
    assert found["p_value"] == pytest.approx(3e-9)  # of three columns


def test_column_without_values_is_not_tested() -> None:
    """The others are, and the correction is for these alone."""
    window = moved(2)
    window[5:, 0] = NAN

    found = batches.Columns(parts(Batch)).check(window)

    assert [each["column"] for each in found["columns"]] == [1, 2]
    assert found["p_value"] == pytest.approx(2e-9)
    nothing = batches.Columns(parts(Batch)).check(window[:3])
    assert (nothing["drifted"], nothing["p_value"], nothing["columns"], nothing["n"]) == (False, None, [], 0)


def test_reference_without_values_is_said() -> None:
    """A column that the reference has not is no column that does not drift."""
    with pytest.raises(ValueError, match="column 0 of the reference has 0 values"):
        batches.Columns(parts(Batch, np.full((60, 3), NAN))).check(moved())


def test_unknown_category_is_one_more() -> None:
    """A category that the reference never had is shown as one, whatever its number."""
    reference = np.array([[0.0], [1.0], [2.0]] * 10)
    detector = batches.Columns(parts(Batch, reference, categorical=[0]))

    detector.check(np.array([[99.0], [1.0]] * 8))

    assert detector._made[0, True].settings == {"categories_per_feature": {0: [0.0, 1.0, 2.0, 3.0]}}
    assert set(np.unique(Batch.shown[-1])) == {1.0, 3.0}
    detector.check(np.array([[0.0], [1.0]] * 8))
    assert detector._made[0, False].settings == {"categories_per_feature": {0: [0.0, 1.0, 2.0]}}


def test_whole_rows_lose_no_alarm_to_gaps() -> None:
    """A column that is mostly missing is left out, then rows that are not complete; too few rows are said."""
    window = moved(2)
    window[3:, 0], window[4, 1] = NAN, NAN
    detector = multivariate.Whole(parts(Batch))

    found = detector.check(window)

    assert found["drifted"]
    assert [each["column"] for each in found["columns"]] == [1, 2]
    assert found["n"] == 39
    window[5:, 1:] = NAN
    assert detector.check(window) == {"drifted": False, "n": 0, "note": "0 complete rows, needed are 12"}


def test_detectors_of_few_sets_of_columns_are_kept() -> None:
    """Changing gaps make no detector for ever."""
    detector = multivariate.Whole(parts(Batch, CHANCE.normal(size=(60, 8))))
    for gap in range(8):
        window = CHANCE.normal(size=(30, 8))
        window[:, gap] = NAN
        detector.check(window)

    assert len(detector._made) == multivariate.KEPT


def test_reference_of_incomplete_rows_is_said() -> None:
    """It cannot be tested against."""
    reference = REFERENCE.copy()
    reference[np.arange(60), np.arange(60) % 3] = NAN
    with pytest.raises(ValueError, match="the reference has 0 complete rows"):
        multivariate.Whole(parts(Batch, reference)).check(moved())


def test_classifier_has_model_and_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classifier is one of scikit-learn with the seed of the panel; columns are standardized."""
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", SimpleNamespace(LogisticRegression=dict))
    detector = multivariate.WAYS["classifier"](parts(Classifier, REFERENCE * 1e6))
    found = detector.check(moved(1) * 1e6)
    (inner,) = detector._made.values()

    assert found["drifted"]
    assert inner.settings["seed"] == 7
    assert (inner.settings["backend"], inner.settings["model"]) == ("sklearn", {"max_iter": 1_000})
    assert inner.x_ref.std(axis=0) == pytest.approx(1.0)


def test_uncertainty_is_of_probabilities() -> None:
    """The rows are the model's predictions: they are not standardized, and one column gets its complement."""
    probabilities = np.random.default_rng(2).uniform(size=(40, 1))
    detector = multivariate.WAYS["uncertainty"](parts(Classifier, probabilities))
    detector.check(probabilities)
    (inner,) = detector._made.values()

    assert (inner.x_ref == probabilities).all()
    assert inner.settings["uncertainty_type"] == "entropy"
    assert inner.settings["model"](np.array([[0.25]])).tolist() == [[0.25, 0.75]]
    assert inner.settings["model"](np.array([[0.25, 0.75]])).tolist() == [[0.25, 0.75]]


def test_kernels_need_a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PyTorch or TensorFlow it says what to install; with one it takes that."""
    there: set[str] = set()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in there else None)
    with pytest.raises(MissingError, match=r"pip install 'alibi-detect\[torch\]'"):
        multivariate.WAYS["kernel"](parts(Classifier))
    seeded: list[int] = []
    libraries = {
        "torch": SimpleNamespace(manual_seed=seeded.append),
        "tensorflow": SimpleNamespace(random=SimpleNamespace(set_seed=seeded.append)),
    }
    for module, backend in (("torch", "pytorch"), ("tensorflow", "tensorflow")):
        monkeypatch.setitem(sys.modules, module, libraries[module])
        there.clear()
        there.add(module)
        detector = multivariate.WAYS["kernel"](parts(Classifier))
        detector.check(moved())
        (inner,) = detector._made.values()
        assert inner.settings["backend"] == backend
        assert 1 / (inner.settings["n_permutations"] + 1) <= detector._parts.level
    assert seeded == [detector._parts.seed] * 2


def online(cache: str = "", **more: Any) -> streams.Online:
    """Return an online detector."""
    return streams.Online(parts(Online, cache=cache, ert=100.0, window_sizes=[5, 10], **more))


def test_online_state_does_not_grow() -> None:
    """Of what grows with every row only the end stays, so that a row costs as much after a year."""
    detector = online()
    held = [detector.check(REFERENCE[:20])["held"] for _ in range(10)]

    assert held == [10] * 10


def test_online_alarm_begins_anew() -> None:
    """After an alarm the state is reset; the alarm is of its row."""
    rows = REFERENCE[:20].copy()
    rows[[4, 15], 1] = 9.0
    found = online().check(rows)

    assert found["alarms"] == [4, 15]
    assert found["threshold"] == 3.0  # of the windows that are full
    assert found["held"] == 4


def test_online_gap_is_neutral() -> None:
    """A value that is missing is one of the reference: it neither alarms nor mutes the columns beside it."""
    rows = np.full((30, 3), NAN)
    rows[20, 2] = 8.0
    found = online().check(rows)

    assert found["alarms"] == [20]


def test_thresholds_are_simulated_once(tmp_path: Path) -> None:
    """They are read from the cache by everything that decides on them; broken seeds would change them."""
    Online.simulated = 0
    first = online(str(tmp_path))
    again = online(str(tmp_path))

    assert Online.simulated == 1
    assert (first._detector.thresholds == again._detector.thresholds).all()
    assert len(list(tmp_path.iterdir())) == 1
    online(str(tmp_path), n_bootstraps=10)
    assert Online.simulated == 2

    class Strange(Online):
        def _configure_thresholds(self) -> None:
            super()._configure_thresholds()
            self.more = object()

    for _ in range(2):  # what no JSON can hold is simulated each time
        streams.Online(parts(Strange, cache=str(tmp_path), ert=100.0, window_sizes=[5, 10]))
    assert Online.simulated == 4


def test_thresholds_of_shares_follow_the_shares(tmp_path: Path) -> None:
    """Those of Fisher's test depend on how often the reference has a one."""

    class FETOnline(Online):
        pass

    for share in (0.2, 0.2, 0.7):
        reference = (np.arange(60)[:, None] < 60 * share).astype(float)
        made_of = parts(FETOnline, reference, cache=str(tmp_path), ert=100.0, window_sizes=[5])
        streams.Online(made_of)

    assert len(list(tmp_path.iterdir())) == 2


def test_updated_detector_is_one_a_column() -> None:
    """Each column has its own; a missing value is not told; after an alarm there is a new one."""
    detector = streams.Updated(parts(Level, level=6.0))
    rows = moved(1)[:10]
    rows[:, 0], rows[3, 1] = NAN, 99.0
    found = detector.check(rows)

    assert found["drifted"]
    assert found["alarms"][0] <= 3
    assert found["columns"] == [{"column": 1, "drifted": True}]
    assert detector._each[0].updates == 60  # of the reference alone


def test_outliers_are_counted_against_the_reference() -> None:
    """The detector does not learn from window after window, and its threshold is of rows that it was not fitted on."""
    detector = outliers.Outliers(parts(Outlier, percentile=90.0))
    counts = [detector.check(moved(1))["outliers"] for _ in range(3)]

    assert counts == [[40, 40, 3, 30]] * 3
    assert detector.check(moved()[:3])["note"] == "3 complete rows, needed are 12"
    with pytest.raises(ValueError, match="needed are 24"):
        outliers.Outliers(parts(Outlier, REFERENCE[:5]))


def test_outlier_detector_that_learns_by_scoring() -> None:
    """Mahalanobis learns from what it scores, with no more components than there are columns."""

    class Mahalanobis(Outlier):
        def fit(self, rows: Rows) -> None:
            raise AssertionError(rows)

        def score(self, rows: Rows) -> None:
            self.scored += len(rows)

    detector = outliers.Outliers(parts(Mahalanobis, REFERENCE[:, :2]))
    assert detector.check(moved(1)[:, :2])["n"] == 40
    assert detector._detector.settings == {"n_components": 2}


def test_series_is_filled_not_thinned() -> None:
    """Each column is scored in its order; gaps repeat the value before; a column without values is left out."""
    window = moved(2)
    window[0, 2], window[7, 2], window[:, 1] = NAN, NAN, NAN
    found = outliers.Series(parts(Residual)).check(window)

    assert [each["column"] for each in found["columns"]] == [0, 2]
    assert found["columns"][1]["outliers"] == [39, 39, 1, 60]


def answers(*messages: tuple[dict[str, Any], Rows]) -> list[dict[str, Any]]:
    """Return what the loop answers."""
    questions, pipe = io.BytesIO(), io.BytesIO()
    for number, (header, rows) in enumerate(messages):
        frames.write(questions, {"id": number, "seed": 0, "shape": rows.shape, **header}, rows.astype("<f8").tobytes())
    questions.seek(0)
    loop.serve(questions, pipe)
    pipe.seek(0)
    return [message[0] for _ in messages if (message := frames.read(pipe))]


def test_loop_answers_what_goes_wrong() -> None:
    """A missing library, a missing class, a detector that raises: each is an answer, and the next message has one."""
    make = {"do": "make", "settings": {}, "level": 0.05, "cache": ""}
    said = answers(
        ({**make, "name": "a", "detector": "no_such_library:Thing"}, REFERENCE),
        ({**make, "name": "b", "detector": "json:Thing"}, REFERENCE),
        ({**make, "name": "c", "detector": "fake_detectors:Level", "settings": {"x": 1}}, REFERENCE),
        ({**make, "name": "d", "detector": "fake_detectors:Level"}, REFERENCE),
        ({"do": "check", "name": "d"}, moved(1)),
        ({"do": "check", "name": "e"}, moved(1)),
    )

    assert said[0]["missing"] == "No module named 'no_such_library'"
    assert said[1]["missing"] == "json has no Thing"
    assert "TypeError" in said[2]["broken"]
    assert said[3]["about"] == {"library": "fake-detectors", "version": ""}
    assert said[4]["found"]["drifted"]
    assert said[5]["broken"] == "KeyError: 'e'"
    assert json.dumps(said)


def test_same_seed_same_answer() -> None:
    """What a detector draws from the common generator is the same in every run."""
    make = {"do": "make", "settings": {}, "level": 0.05, "cache": "", "name": "a", "detector": "fake_detectors:Drawing"}
    check = {"do": "check", "name": "a"}
    first, second, other = (
        answers((make, REFERENCE), ({**check, "seed": seed}, moved()))[1]["found"] for seed in (1, 1, 2)
    )

    assert first == second != other


def test_made_of_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """A detector of alibi-detect is found by its name, with the version of what is installed."""
    monkeypatch.setattr("ares_otel.ml.opinion.child.detectors._imported", lambda *_: Batch)
    header = {"detector": "KSDrift", "settings": {}, "level": 0.1, "seed": 1, "cache": ""}

    detector, about = made(header, REFERENCE)

    assert isinstance(detector, batches.Columns)
    assert about["library"] == "alibi-detect"

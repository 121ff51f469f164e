"""The second opinion with the real alibi-detect and River: `make check-drift` runs it in an environment of its own."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ares_otel.ml import pvalues
from ares_otel.ml.opinion import LICENSE, Asked, OpinionState, Panel, Verdict
from ares_otel.ml.opinion.member import KNOWN
from ares_otel.ml.opinion.panel import cache_dir

NAMES = ("return", "range", "up", "weekday")
KERNELS = {"MMDDrift", "LSDDDrift"}
ONLINE = {"n_bootstraps": 1_000, "ert": 150}
RIVER = ("ADWIN", "PageHinkley", "KSWIN")
BARS = 960
SHIFTED = 480

Rows = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def rows(count: int, seed: int, shift: float = 0.0) -> Rows:
    """Return rows of two numbers, a sign and a category."""
    chance = np.random.default_rng(seed)
    found = chance.normal(size=(count, 4))
    found[:, 0] += shift
    found[:, 2] = chance.random(count) < 0.5 + 0.2 * bool(shift)
    found[:, 3] = chance.integers(0, 3, count)
    return found


def asked() -> list[Asked]:
    """Return every detector, with thresholds that are simulated in seconds."""
    found = [
        Asked(name, dict(ONLINE) if name.endswith("Online") else {})
        for name in KNOWN
        if name != "ClassifierUncertaintyDrift"
    ]
    found.append(Asked("ClassifierUncertaintyDrift", columns=("up",)))
    return found + [Asked(f"river.drift:{name}", {"seed": 1} if name == "KSWIN" else {}) for name in RIVER]


def judged(panel: Panel, bars: Rows) -> list[Verdict]:
    """Return all verdicts."""
    return [verdict for row in bars for verdict in panel.update(row)]


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    """Return a panel of all of them, with a cache of thresholds of its own."""
    made = Panel(
        rows(1_000, 1),
        asked(),
        names=NAMES,
        categorical=("weekday",),
        window=240,
        every=60,
        times=[1, 1, 1, 1],
        timeout=120.0,
        cache=str(tmp_path_factory.mktemp("thresholds")),
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def verdicts(panel: Panel) -> list[Verdict]:
    """Return what all say of bars whose second half is shifted by two standard deviations, with gaps everywhere."""
    bars = np.concatenate([rows(SHIFTED, 2), rows(BARS - SHIFTED, 3, 2.0)])
    bars[::7, 0], bars[3::7, 1], bars[5::7, 3] = math.nan, math.inf, math.nan
    return judged(panel, bars)


def test_all_work(panel: Panel, verdicts: list[Verdict]) -> None:
    """Each is up and has judged; only what needs a deep learning library says so."""
    down = {each.detector: each.reason for each in panel.health() if not each.up}
    assert set(down) == KERNELS
    assert all("pip install 'alibi-detect[torch]'" in reason for reason in down.values())
    assert {each.detector for each in verdicts} == {each.name for each in asked()} - KERNELS
    versions = {each.library for each in verdicts}
    assert versions == {"alibi-detect 0.13.0", "river 0.23.0"}


def test_shift_is_found_once_in_spite_of_gaps(verdicts: list[Verdict]) -> None:
    """With a gap in every second row, the tests of batches find it within a window, and once."""
    for name in ("KSDrift", "CVMDrift", "TabularDrift", "ClassifierDrift", "IForest", "Mahalanobis", "FETDrift"):
        states = [each.state for each in verdicts if each.detector == name]
        bars = [each.bar for each in verdicts if each.detector == name and each.state is OpinionState.STARTED]
        assert states.count(OpinionState.STARTED) == 1, name
        assert SHIFTED < bars[0] <= SHIFTED + 240, name
    for name in ("CVMDriftOnline", "ADWIN"):
        first = min(each.bar for each in verdicts if each.detector == name and each.drifted and each.bar > SHIFTED)
        assert first < SHIFTED + 100, name


def test_nobody_alarms_at_one_gap() -> None:
    """What the library does with one NaN in a batch is silence: the reason for masking, seen here."""
    from alibi_detect.cd import KSDrift  # type: ignore[import-not-found]  # noqa: PLC0415

    reference, window = rows(500, 4)[:, :2], rows(200, 5, 5.0)[:, :2]
    detector = KSDrift(reference)
    assert detector.predict(window)["data"]["is_drift"] == 1
    window[0] = math.nan
    assert detector.predict(window)["data"]["is_drift"] == 0

    assert pvalues.KsReference(reference).test(window)[1].min() < 1e-30


def test_thresholds_are_read_again(tmp_path: Path) -> None:
    """A second panel simulates nothing, and gives the same verdicts bit for bit."""
    found = []
    for _ in range(2):
        online = [Asked(name, dict(ONLINE)) for name in ("CVMDriftOnline", "FETDriftOnline")]
        made = Panel(rows(600, 6), online, names=NAMES, every=60, window=240, times=[1] * 4, cache=str(tmp_path))
        found.append(judged(made, rows(600, 7)))
        made.close()
        kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert len(kept) == 2
    assert found[0] == found[1]
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept


def test_unknown_category_is_an_alarm(panel: Panel) -> None:
    """A category that the reference never had is tested, not an error."""
    bars = rows(240, 8)
    bars[:, 3] = np.where(np.arange(240) % 4 == 0, 9.0, bars[:, 3])
    made = Panel(rows(1_000, 1), ("ChiSquareDrift",), names=NAMES, categorical=("weekday",), window=240, every=240)
    (found,) = judged(made, bars)
    made.close()
    assert panel.names == NAMES
    assert found.drifted
    assert [each.name for each in found.columns if each.drifted] == ["weekday"]


def test_p_values_are_those_of_the_library() -> None:
    """Ours, rounded to the single precision in which it keeps them."""
    from alibi_detect.cd import ChiSquareDrift, CVMDrift, FETDrift, KSDrift  # noqa: PLC0415

    for seed in range(25):
        reference, window = rows(300, seed), rows(60, seed + 500, 0.1 * (seed % 5))
        theirs = (
            KSDrift(reference[:, :2]).predict(window[:, :2])["data"]["p_val"],
            CVMDrift(reference[:, :2]).predict(window[:, :2])["data"]["p_val"],
            ChiSquareDrift(reference[:, 3:]).predict(window[:, 3:])["data"]["p_val"],
            FETDrift(reference[:, 2:3], alternative="two-sided").predict(window[:, 2:3])["data"]["p_val"],
        )
        table = [np.bincount(each[:, 3].astype(int), minlength=3) for each in (reference, window)]
        ones = [[int(each[:, 2].sum()), len(each) - int(each[:, 2].sum())] for each in (window, reference)]
        ours = (
            pvalues.KsReference(reference[:, :2]).test(window[:, :2])[1],
            [pvalues.cramer_von_mises(reference[:, j], window[:, j]).p_value for j in (0, 1)],
            [pvalues.chi_square(table).p_value],
            [pvalues.fisher_exact(ones)],
        )
        for own, other in zip(ours, theirs, strict=True):
            assert np.asarray(own) == pytest.approx(np.asarray(other, dtype=float), rel=2e-7, abs=1e-9)


def test_doctor_names_the_license() -> None:
    """Who has it installed is told by `ares-otel doctor`, too."""
    from ares_otel.cli.checks.bot import second_opinion  # noqa: PLC0415

    (found,) = second_opinion()
    assert found.state == "note"
    assert LICENSE in found.detail


def test_no_detector_in_this_process() -> None:
    """What the tests before imported they imported themselves: a panel alone brings nothing."""
    code = "import sys, ares_otel.ml.opinion as o; o.Panel([[0.0], [1.0]], ()); print('alibi_detect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"False\n"
    assert cache_dir().name == "drift"

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_detectors import installed

from ares_otel.ml.events import DriftEvent, DriftState, Severity
from ares_otel.ml.opinion import LICENSE, Asked, Opinions, Panel, SecondOpinion, Verdict, process, terms
from ares_otel.ml.opinion.member import KNOWN
from ares_otel.ml.opinion.panel import cache_dir
from ares_otel.ml.opinion.thinning import autocorrelation_time, steps, thinned
from ares_otel.semconv.enums import DriftKind

REFERENCE = np.random.default_rng(0).normal(size=(400, 3))
REFERENCE[:, 2] = REFERENCE[:, 2] > 0
NAMES = ("return", "range", "up")
KILLED = "its process ended with status -9"


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a package in place of alibi-detect on the path of the child, and the cache of thresholds beside it."""
    home = tmp_path / "path"
    monkeypatch.setenv("PYTHONPATH", installed(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return home


@pytest.fixture
def panel(fakes: Path) -> Iterator[Callable[..., Panel]]:
    """Return what makes panels, which are closed afterwards."""
    made: list[Panel] = []

    def make(*detectors: Asked | str, **more: Any) -> Panel:
        assert fakes.exists()
        settings = {"names": NAMES, "window": 40, "every": 20, "timeout": 30.0, "times": [1, 1, 1], **more}
        made.append(Panel(REFERENCE, detectors, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def bars(count: int, shift: float = 0.0, seed: int = 1) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return rows as those of the reference, with the first column shifted."""
    rows = np.random.default_rng(seed).normal(size=(count, 3))
    rows[:, 2] = rows[:, 2] > 0
    rows[:, 0] += shift
    return rows


def judged(panel: Panel, rows: np.ndarray[Any, np.dtype[np.float64]], start: int = 1) -> list[Verdict]:
    """Return the verdicts while a panel sees rows."""
    return [each for at, row in enumerate(rows, start) for each in panel.update(row, at * 10)]


def test_alarm_is_one_until_it_is_cleared(panel: Callable[..., Panel]) -> None:
    """An alarm starts once, goes on while windows overlap, and is cleared when all bars of the window are new."""
    found = judged(panel("KSDrift"), np.concatenate([bars(60), bars(60, 5.0), bars(120)]))

    states = [each.state for each in found]
    assert states == ["quiet", "quiet", *["started"], *["ongoing"] * 4, *["cleared"], *["quiet"] * 3][: len(states)]
    assert [each.bar for each in found[:3]] == [40, 60, 80]
    started = found[2]
    assert started.at == 800
    assert started.detector == "KSDrift"
    assert started.library.startswith("alibi-detect")
    assert [(each.name, each.drifted) for each in started.columns] == [("return", True), ("range", False)]
    assert (started.n_reference, started.n, started.step) == (400, 40, 1)


def test_every_detector_of_the_list(panel: Callable[..., Panel]) -> None:
    """Each gets the columns that suit it, its settings, and gives its verdict; health says that they work."""
    asked = [Asked(name) for name in KNOWN if name not in ("ClassifierUncertaintyDrift", "MMDDrift", "LSDDDrift")]
    asked += [Asked("ClassifierUncertaintyDrift", columns=("up",)), Asked("fake_detectors:Level", {"level": 9.0})]
    made = panel(*asked, timeout=60.0)
    found = {each.detector: each for each in judged(made, bars(40))}

    assert [each.detector for each in made.health() if not each.up] == []
    assert set(found) == {each.name for each in asked}
    assert [each.name for each in found["FETDrift"].columns] == ["up"]
    assert [each.name for each in found["TabularDrift"].columns] == list(NAMES)
    assert found["IForest"].p_value is not None
    assert found["SpectralResidual"].columns[0].p_value is not None
    assert not any(each.drifted for each in found.values())


def test_missing_values_mute_no_detector(panel: Callable[..., Panel]) -> None:
    """With a NaN in every row somewhere, a shift is found by those who judge columns, rows of them, and streams."""
    rows = bars(40, 5.0)
    rows[range(40), [1] * 40] = math.nan
    found = judged(panel("KSDrift", "ClassifierDrift", "CVMDriftOnline"), rows)

    assert {each.detector: each.drifted for each in found if each.bar > 20 or each.drifted} == {
        "KSDrift": True,
        "ClassifierDrift": True,
        "CVMDriftOnline": True,
    }


def test_slow_columns_are_untestable(panel: Callable[..., Panel]) -> None:
    """A column of which a window has too few independent values is not shown, and that is said."""
    made = panel("KSDrift", Asked("CVMDrift", columns=("range",)), times=[1, 20, 1])
    judged(made, bars(40))
    first, second = made.health()

    assert first.untested == (("range", "untestable: 2 independent values in 40 bars, needed are 12"),)
    assert first.up
    assert not second.up
    assert second.reason == "range: untestable: 2 independent values in 40 bars, needed are 12"


def test_thinned_values_are_used(panel: Callable[..., Panel]) -> None:
    """Of a column with memory only every so many values are used, of reference and window."""
    (found,) = judged(panel("KSDrift", times=[3, 2, 1]), bars(40))

    assert [each.n for each in found.columns] == [13, 20]
    assert found.step == 2


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("die", "its process ended with status 7: last words"),
        ("kill", KILLED),
        ("hang", "no answer within 0.3 s"),
        ("garbage", "it answered no message"),
    ],
)
def test_lost_process_is_started_again(panel: Callable[..., Panel], behave: str, reason: str) -> None:
    """Whatever ends the process: the reason is said, the others go on in a new one, later and later, not for ever."""
    now = [0.0]
    bad = Asked("CVMDrift", {"behave": behave})
    made = panel("KSDrift", bad, every=40, clock=lambda: now[0], timeout=30.0)
    if behave == "hang":
        judged(made, bars(40)[:39])
        made._members[0].reason = ""
        made._timeout = 0.3
    found = judged(made, bars(40))
    assert {each.detector for each in found} <= {"KSDrift"}
    health = {each.detector: each for each in made.health()}
    assert not health["CVMDrift"].up
    assert reason in health["CVMDrift"].reason

    judged(made, bars(40))
    assert "is tried again in 1 s" in {each.detector: each for each in made.health()}["KSDrift"].reason
    if behave == "kill":
        for _ in range(4):
            now[0] += 400.0
            judged(made, bars(40))
        health = {each.detector: each for each in made.health()}
        assert health["CVMDrift"].reason.startswith("asked no more, its process was lost 3 times in a row")
        assert health["KSDrift"].up


def test_detector_that_raises_is_down(panel: Callable[..., Panel]) -> None:
    """Its error is the reason, and the others do not notice."""
    made = panel("KSDrift", Asked("CVMDrift", {"behave": "raise"}))
    found = judged(made, bars(40))

    assert [each.detector for each in found] == ["KSDrift"]
    assert [(each.up, each.reason) for each in made.health()] == [(True, ""), (False, "RuntimeError: no way")]


def test_missing_extra_says_what_to_install(panel: Callable[..., Panel], fakes: Path) -> None:
    """Without alibi-detect every detector says how to get it and under which license, and nobody is quiet about it."""
    (fakes / "alibi_detect" / "cd.py").unlink()
    made = panel("KSDrift", "ClassifierDrift", "no_such:Thing")
    assert judged(made, bars(40)) == []

    first, second, third = made.health()
    for each in (first, second):
        assert not each.up
        assert "pip install 'ares-otel[drift]'" in each.reason
        assert LICENSE in each.reason
    assert third.reason == "No module named 'no_such'"


def test_newer_python_is_the_reason(panel: Callable[..., Panel], fakes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where alibi-detect has no release for the bot's Python, that is said."""
    (fakes / "alibi_detect" / "cd.py").unlink()
    monkeypatch.setattr("ares_otel.ml.opinion.panel.NEWEST", (3, 10))
    made = panel("KSDrift")
    judged(made, bars(40))

    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"no release for Python {version}" in made.health()[0].reason


@pytest.mark.parametrize("python", ["/nowhere/python", sys.executable])
def test_python_of_another_environment(panel: Callable[..., Panel], python: str) -> None:
    """The interpreter may be any that has the detectors; one that is not there is the reason."""
    made = panel("KSDrift", python=python)
    judged(made, bars(40))

    assert made.health()[0].up == (python == sys.executable)
    assert made.health()[0].up or "/nowhere/python" in made.health()[0].reason


def test_what_suits_nothing_is_down(panel: Callable[..., Panel]) -> None:
    """An unknown detector, unknown columns, the same one twice, no column of its kind: each with its reason."""
    made = panel(
        "KSDrift",
        "KSDrift",
        "Oracle",
        Asked("CVMDrift", columns=("nothing",)),
        "ClassifierUncertaintyDrift",
        Asked("FETDrift", label="fisher", columns=("up",)),
        categorical=("up",),
    )
    said = {(each.detector, each.reason) for each in made.health()}

    assert ("KSDrift", "asked twice: give one a label") in said
    assert ("CVMDrift", "unknown columns: nothing") in said
    assert ("ClassifierUncertaintyDrift", "needs columns=: those of the class probabilities") in said
    assert ("fisher", "not asked yet") in said
    assert any(name == "Oracle" and reason.startswith("no such detector") for name, reason in said)
    made = panel("FETDrift", categorical=("up",))
    assert made.health()[0].reason == "no column suits it"


def test_license_is_the_first_line(panel: Callable[..., Panel], caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, when a detector of alibi-detect is asked for, and not for others."""
    terms._told.clear()
    with caplog.at_level(logging.INFO, "ares_otel"):
        panel("fake_detectors:Level")
        assert caplog.records == []
        panel("KSDrift", "CVMDrift")
        panel("KSDrift")

    assert [record.getMessage() for record in caplog.records] == [f"second opinion: {LICENSE}"]


def test_bot_imports_no_detector(panel: Callable[..., Panel]) -> None:
    """After verdicts of it, alibi-detect is not among the modules of this process."""
    assert judged(panel("KSDrift"), bars(40))
    assert "alibi_detect" not in sys.modules


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"names": ("a", "b")}, "expected 3 different names"),
        ({"names": ("a", "b", "a")}, "expected 3 different names"),
        ({"categorical": ("x",)}, "unknown columns: x"),
    ],
)
def test_wrong_columns_are_refused(more: dict[str, Any], message: str) -> None:
    """Names have to be those of the columns."""
    with pytest.raises(ValueError, match=message):
        Panel(REFERENCE, (), **more)


def test_wrong_shapes_are_refused() -> None:
    """A reference has rows and columns, a row its columns; a frame brings its names."""

    class Frame:
        columns = ("a", "b", "c")

        def __array__(self, *_: Any, **__: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
            return REFERENCE

    with pytest.raises(ValueError, match="rows and columns, got 1"):
        Panel(REFERENCE[0], ())
    made = Panel(Frame(), ())
    assert made.names == ("a", "b", "c")
    with pytest.raises(ValueError, match="expected 3 values"):
        made.update([1.0])


def test_rows_go_in_without_waiting(panel: Callable[..., Panel]) -> None:
    """The thread judges what was handed over in order; verdicts are those of a panel that is asked directly."""
    rows = np.concatenate([bars(40), bars(40, 5.0)])
    opinion = SecondOpinion(panel("KSDrift"))
    for at, row in enumerate(rows, 1):
        opinion.observe(row, at * 10)
    assert opinion.settle(30)
    found = opinion.verdicts()
    opinion.close()

    assert found == judged(panel("KSDrift"), rows)
    assert opinion.verdicts() == []
    assert opinion.health()[0].up
    opinion.observe(rows[0])  # after its end nothing happens
    assert opinion.settle()


def test_too_many_rows_are_counted(panel: Callable[..., Panel]) -> None:
    """What the detectors cannot keep up with is lost and counted; a broken row harms nobody."""
    opinion = SecondOpinion(panel("KSDrift"), waiting=0)
    opinion.observe([1.0, 2.0, 3.0])
    opinion.observe(["x"])

    assert opinion.lost == 1
    opinion._limit = 5
    opinion.observe([1.0])  # too short: the thread goes on
    assert opinion.settle(10)
    opinion.observe([1.0, 2.0, 3.0])
    assert opinion.settle(10)
    opinion.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_child_has_its_own(panel: Callable[..., Panel]) -> None:
    """After a fork the child starts a process of its own; that of the parent goes on."""
    opinion = SecondOpinion(panel("KSDrift"))
    for row in bars(40):
        opinion.observe(row)
    assert opinion.settle(30)
    if not (child := os.fork()):
        status = 1
        try:
            opinion.verdicts()
            for row in bars(40):
                opinion.observe(row)
            status = 0 if opinion.settle(30) and opinion.verdicts() else 2
            opinion.close()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for row in bars(20):
        opinion.observe(row)
    assert opinion.settle(30)
    assert len(opinion.verdicts()) == 2
    opinion.close()


def test_keeper_gives_up() -> None:
    """Eight failures in a row are enough; each time it waits twice as long, five minutes at most."""
    now, waits = [0.0], []

    def fails() -> process.Process:
        raise OSError("no room")

    keeper = process.Keeper(fails, lambda: now[0])
    for _ in range(process.TRIES):
        with pytest.raises(process.DownError, match="no room"):
            keeper.process()
        waits.append(keeper._not_before - now[0])
        now[0] += 1000
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128]
    with pytest.raises(process.DownError, match="given up after 8 failures in a row, the last: no room"):
        keeper.process()
    keeper.worked()
    with pytest.raises(process.DownError, match=r"^no room$"):
        keeper.process()


def test_instrumentation_stays_out(tmp_path: Path) -> None:
    """A bot under `opentelemetry-instrument` does not instrument the child."""
    found = process._plain({"PYTHONPATH": f"/opentelemetry/instrumentation/auto_instrumentation:{tmp_path}", "A": "1"})

    assert found == {"PYTHONPATH": str(tmp_path), "A": "1"}


def test_child_ends_with_the_bot(panel: Callable[..., Panel]) -> None:
    """Closing the panel ends the process."""
    made = panel("KSDrift")
    judged(made, bars(40))
    pid = made._keeper.process().pid
    made.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    judged(made, bars(20))
    assert made.health()[0].reason == "closed"  # and no process came after it


def event(state: DriftState, bar: int, kind: DriftKind = DriftKind.DATA, evidence: float = 2.0) -> DriftEvent:
    """Return an event of ours."""
    return DriftEvent(kind, state, bar, None, (), None, 1.0, evidence, Severity.WARNING, 1)


def verdict(detector: str, state: str, bar: int, note: str = "") -> Verdict:
    """Return a verdict of theirs."""
    from ares_otel.ml.opinion import OpinionState  # noqa: PLC0415

    drifted = state == "started"
    return Verdict(detector, "x 1", OpinionState(state), drifted, bar, None, None, None, None, (), 9, 9, 1, note)


def test_both_stand_beside_each_other() -> None:
    """What each side said last, and whether they agree; who could not test does not vote."""
    opinions = Opinions()
    assert opinions.heard().agree is None
    assert opinions.heard(verdicts=[verdict("a", "quiet", 10), verdict("b", "quiet", 10, "few rows")]).agree is True
    both = opinions.heard([event(DriftState.STARTED, 15), event(DriftState.STARTED, 16, DriftKind.LABEL, 3.0)])
    assert (both.bar, both.agree) == (16, False)
    assert both.ours is not None
    assert both.ours.kind is DriftKind.LABEL
    both = opinions.heard(verdicts=[verdict("a", "started", 20)])
    assert (both.bar, both.agree, both.alarmed) == (20, True, ("a",))
    ended = opinions.heard([event(DriftState.CLEARED, 30), event(DriftState.CLEARED, 30, DriftKind.LABEL)])
    assert (ended.ours, ended.agree) == (None, False)


def test_autocorrelation_time_is_an_upper_bound() -> None:
    """Of AR(1) it is at least (1 + phi) / (1 - phi) in nearly all cases, and not far above; of noise it is 1."""
    chance = np.random.default_rng(3)
    noise = chance.normal(size=(40, 2_000))
    found = []
    for row in noise:
        series = np.empty(2_000)
        series[0] = row[0]
        for i in range(1, 2_000):
            series[i] = 0.9 * series[i - 1] + row[i]
        found.append(autocorrelation_time(series))
    assert np.quantile(found, 0.1) >= 19
    assert np.median(found) < 45
    assert np.median([autocorrelation_time(row) for row in noise]) == pytest.approx(1.0, abs=0.2)


def test_thinning() -> None:
    """Windows that overlap use the same values; a constant is worth each of its values, an empty column none."""
    rows = np.arange(20.0).reshape(10, 2)
    left = thinned(rows, 5, np.array([1.0, 3.0]))
    assert np.flatnonzero(np.isfinite(left[:, 1])).tolist() == [1, 4, 7]  # bars 6, 9, 12
    empty = np.column_stack([np.ones(50), np.full(50, math.nan)])
    assert steps(empty).tolist() == [1.0, math.inf]


def test_place_of_thresholds(tmp_path: Path) -> None:
    """In the user's cache; a relative one does not count."""
    assert cache_dir({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "ares-otel" / "drift"
    assert cache_dir({"XDG_CACHE_HOME": "x", "HOME": str(tmp_path)}) == tmp_path / ".cache" / "ares-otel" / "drift"


def test_observing_takes_no_time(panel: Callable[..., Panel]) -> None:
    """A row is handed over while a detector hangs."""
    opinion = SecondOpinion(panel(Asked("KSDrift", {"behave": "hang"}), timeout=600.0))
    for row in bars(60):
        opinion.observe(row)
    deadline = time.monotonic() + 30
    while opinion._rows and time.monotonic() < deadline and len(opinion._rows) > 20:
        time.sleep(0.01)
    opinion.close()
    assert not opinion.verdicts()

from __future__ import annotations

import copy
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from ares_otel.ml import DriftMonitor, DriftState, Moment, Reference
from ares_otel.ml.archive import ArchiveError
from ares_otel.ml.scores import Floats

START = datetime(2026, 1, 5, tzinfo=UTC)


def data(bars: int, columns: int = 6, seed: int = 1) -> Floats:
    """Return independent normal columns; the last two are correlated by .6."""
    values = np.random.default_rng(seed).normal(size=(bars, columns))
    values[:, -1] = 0.6 * values[:, -2] + 0.8 * values[:, -1]
    return values


REFERENCE = data(2000)


def watched(rows: Floats) -> tuple[DriftMonitor, list[object]]:
    """Return a monitor after some rows, and what it said of them."""
    monitor = DriftMonitor(REFERENCE)
    return monitor, [event for row in rows for event in monitor.update(row)]


def test_silent_without_change() -> None:
    """Nothing is said of 4,000 bars like those of the reference."""
    monitor, events = watched(data(4000, seed=2))

    assert events == []
    assert (monitor.bars, monitor.is_drifting) == (4000, False)


@pytest.mark.parametrize("size", [0.8, -0.8, 1.5])
def test_shifted_mean(size: float) -> None:
    """A shift is found once, with its feature, size and time; it is over when the values are as before."""
    rows = data(1500, seed=3)
    rows[300:700, 2] += size

    _, events = watched(rows)

    assert [event.state for event in events] == [DriftState.STARTED, DriftState.CLEARED]  # type: ignore[attr-defined]
    started, cleared = events
    moved = started.features[0]  # type: ignore[attr-defined]
    assert (moved.feature, moved.moment) == ("f2", Moment.LOCATION)
    assert 0.4 < moved.effect / size < 1.6
    assert abs(started.since.bar - 301) < 40  # type: ignore[attr-defined]
    assert 301 < started.bar < 450  # type: ignore[attr-defined]
    assert cleared.bar > 701  # type: ignore[attr-defined]
    assert started.evidence > 1  # type: ignore[attr-defined]
    assert (started.episode, cleared.episode) == (1, 1)  # type: ignore[attr-defined]


def test_doubled_spread() -> None:
    """A sigma that doubles is an effect of 1 reference sigma on the scale."""
    rows = data(900, seed=4)
    rows[200:, 1] *= 2

    _, events = watched(rows)

    moved = events[0].features[0]  # type: ignore[attr-defined]
    assert (moved.feature, moved.moment) == ("f1", Moment.SCALE)
    assert abs(moved.effect - 1) < 0.4


def test_broken_dependence() -> None:
    """A pair whose margins stay what they were is found by its correlation."""
    rows = data(700, seed=5)
    rows[200:, -1] = np.random.default_rng(6).normal(size=500)

    _, events = watched(rows)

    moved = events[0].features[0]  # type: ignore[attr-defined]
    assert (moved.feature, moved.moment) == (("f4", "f5"), Moment.DEPENDENCE)
    assert moved.effect < 0


def test_all_that_moved_is_in_the_end() -> None:
    """Features that follow later belong to the same episode and are ranked by their effect when it is over."""
    rows = data(2500, seed=7)
    rows[100:900, 0] += 0.5
    rows[300:900, 1] += 1.5

    monitor, events = watched(rows)

    names = [moved.feature for moved in events[-1].features]  # type: ignore[attr-defined]
    assert len(events) == 2
    assert names[0] == "f1"
    assert "f0" in names
    assert monitor.account().alarms == 1


def test_restart_goes_on(tmp_path: Path) -> None:
    """A monitor that was written and read in the middle of an episode gives the same answers to the last bit."""
    rows = data(1600, seed=8)
    rows[200:900, 3] += 1
    rows[::7, 1] = np.nan
    whole, part = DriftMonitor(REFERENCE), DriftMonitor(REFERENCE)
    said = []
    for number, row in enumerate(rows):
        at = START + timedelta(hours=number)
        if number % 190 == 0:
            part.save(tmp_path / "state.npz")
            part = DriftMonitor.load(tmp_path / "state.npz")
        expected = whole.update(row, at)
        said += expected
        assert part.update(row, at) == expected
    assert len(said) == 2
    assert part.standing() == whole.standing()
    assert part.card() == whole.card()
    assert part.quality() == whole.quality()
    assert part.account() == whole.account()
    assert (part.made.names, part.names) == (whole.made.names, whole.names)
    assert (tmp_path / "state.npz").stat().st_size < 32_768


def test_a_test_that_sees_nothing_says_so() -> None:
    """Where no effect would cross the threshold nine of ten times there is no smallest one, and the card says why."""
    values = data(600, 2, seed=3)
    for bar in range(1, 600):
        values[bar, 0] += 0.75 * values[bar - 1, 0]
    slow, fast = DriftMonitor(values).card()[:2]

    assert (slow.testable, slow.mde, slow.reason) == (True, None, "")
    assert "no effect of any size" in slow.note
    assert (fast.testable, fast.note) == (True, "")


def test_copy_is_apart() -> None:
    """A deep copy goes on by itself."""
    monitor = DriftMonitor(REFERENCE)
    other = copy.deepcopy(monitor)
    for row in data(300, seed=9) + 1:
        other.update(row)

    assert other.is_drifting
    assert not monitor.is_drifting
    assert monitor.update(REFERENCE[0]) == []


def test_damage_is_found(tmp_path: Path) -> None:
    """Another file, another version and changed numbers are refused in words."""
    path = tmp_path / "state.npz"
    DriftMonitor(REFERENCE).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["average"] = arrays["average"] + 1
    np.savez(path, **arrays)
    with pytest.raises(ArchiveError, match="damaged"):
        DriftMonitor.load(path)
    arrays["header"] = np.frombuffer(arrays["header"].tobytes().replace(b'"version":2', b'"version":9'), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(ArchiveError, match="monitor 9, not ares_otel drift monitor 2"):
        DriftMonitor.load(path)
    path.write_text("no archive", encoding="utf-8")
    with pytest.raises(ArchiveError, match="no ares_otel drift monitor"):
        DriftMonitor.load(path)
    with pytest.raises(OSError, match="missing"):
        DriftMonitor.load(tmp_path / "missing.npz")


def test_turned_bytes_are_found(tmp_path: Path) -> None:
    """A file with a byte that is another one, or that ends too soon, says so in the one way that callers expect."""
    path, generator = tmp_path / "state.npz", np.random.default_rng(12)
    monitor = DriftMonitor(REFERENCE)
    monitor.save(path)
    whole, refused = path.read_bytes(), 0
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole))] = generator.integers(256)
        path.write_bytes(damaged[: generator.integers(len(whole))] if generator.random() < 0.2 else damaged)
        try:
            assert DriftMonitor.load(path).card() == monitor.card()
        except ArchiveError:
            refused += 1

    assert refused > 300


def test_reference_keeps_its_names() -> None:
    """Names and times beside a reference that was made before would be ignored, and are refused."""
    with pytest.raises(TypeError, match="made before"):
        DriftMonitor(Reference.of(REFERENCE), names=["a", "b", "c", "d", "e", "f"])


def test_no_growth() -> None:
    """Bars leave nothing behind."""
    monitor, rows = DriftMonitor(REFERENCE), data(600, seed=10)
    for row in rows:
        monitor.update(row)
    tracemalloc.start()
    for _ in range(3):
        for row in rows:
            monitor.update(row)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert grown < 2_000


def test_times() -> None:
    """Events carry times; bars that come twice are left out, late ones are counted, ancient ones are left out."""
    monitor = DriftMonitor(REFERENCE)
    rows = data(400, seed=11) + 1
    events = [event for n, row in enumerate(rows) for event in monitor.update(row, START + timedelta(hours=n))]
    bars = monitor.bars
    for hours in (399, 398.5, 399, 10):
        monitor.update(rows[0], START + timedelta(hours=hours))

    assert events[0].at == int((START + timedelta(hours=events[0].bar - 1)).timestamp()) * 10**9
    assert events[0].since is not None
    assert events[0].since.at is None or events[0].since.at <= events[0].at
    assert monitor.bars == bars + 1
    assert {issue.problem: issue.count for issue in monitor.quality() if not issue.feature} == {
        "duplicate": 2,
        "late": 2,
    }


def test_what_is_no_time_is_counted() -> None:
    """A time that is none does not cost the bar."""
    monitor = DriftMonitor(REFERENCE)
    monitor.update(REFERENCE[0], "yesterday")  # type: ignore[arg-type]

    assert monitor.bars == 1
    assert monitor.quality()[-1].problem == "invalid"


def test_budget_is_kept() -> None:
    """More allowed false alarms mean lower thresholds; the account adds up."""
    strict, loose = DriftMonitor(REFERENCE, false_alarms=0.01), DriftMonitor(REFERENCE, false_alarms=0.2, horizon=1000)

    for now, then in zip(loose.card(), strict.card(), strict=True):
        assert now.mde is None or then.mde is None or now.mde <= then.mde
    account = loose.account()
    assert sum(line.share for line in account.lines) == pytest.approx(1)
    assert account.expected == 0
    assert sum(quantity.budget for quantity in loose.card()) == pytest.approx(1)

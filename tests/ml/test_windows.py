"""The last bars beside their reference: shares in bins of the reference's quantiles."""

from __future__ import annotations

import numpy as np
import pytest

from ares_otel.ml import DriftMonitor
from ares_otel.ml.memory import LAST, STRIDE, Memory, no_times
from ares_otel.ml.windows import Window

NAMES = ["wide", "flag", "level", "still", "gone"]


def table(bars: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return bars of a measured value, a rare flag, five levels, a constant, and one that is there at first."""
    made = np.random.default_rng(seed)
    columns = (
        made.normal(size=bars),
        made.random(bars) < 0.25,
        made.integers(0, 5, bars),
        np.ones(bars),
        np.ones(bars),
    )
    return np.column_stack(columns).astype(np.float64)


@pytest.fixture(scope="module")
def monitor() -> DriftMonitor:
    """Have a monitor that saw 200 bars, in the last 80 of which one feature is twice as wide and has gaps."""
    reference = table(1_500, 1)
    reference[:, 4] = np.arange(1_500) % 7
    live = table(200, 2)
    live[120:, 0] *= 2
    live[120:130, 0] = live[:, 4] = np.nan
    made = DriftMonitor(reference, names=NAMES)
    for row in live:
        made.update(row)
    return made


def by_name(monitor: DriftMonitor, bars: int) -> dict[str, Window]:
    """Return windows by feature."""
    return {each.feature: each for each in monitor.windows(NAMES, bars)}


def test_bins_are_those_of_the_reference(monitor: DriftMonitor) -> None:
    """Shares of the reference follow from its quantiles, those of the window from its values, and both sum to 1."""
    wide = by_name(monitor, 80)["wide"]
    live = table(200, 2)[130:, 0] * 2

    assert (wide.n, wide.bars) == (70, 80)
    assert (len(wide.edges), wide.edges[-1]) == (18, np.inf)
    assert wide.expected[:4] == pytest.approx((0, 0.01, 0.03, 0.06))
    assert sum(wide.expected) == pytest.approx(1) == sum(wide.observed)
    counted = np.bincount(np.searchsorted(wide.edges, live), minlength=18)
    assert wide.observed == pytest.approx(counted / 70)
    # what is twice as wide leaves the middle
    assert wide.observed[0] + wide.observed[-1] > 0.02


def test_two_values_are_counted_exactly(monitor: DriftMonitor) -> None:
    """The share of a flag in the reference is its own, not the nearest quantile's."""
    flag = by_name(monitor, 512)["flag"]
    share = table(1_500, 1)[:, 1].mean()

    assert flag.bars == 200
    assert flag.expected[1:] == pytest.approx((1 - share, share, 0), abs=1e-6)
    assert flag.observed[1:] == pytest.approx((1 - table(200, 2)[:, 1].mean(), table(200, 2)[:, 1].mean(), 0))


def test_levels_have_a_bin_each(monitor: DriftMonitor) -> None:
    """Few values are no quantiles in between; their shares are within those of the knots."""
    level = by_name(monitor, 200)["level"]

    assert level.edges[1:] == (0, 1, 2, 3, 4, np.inf)
    assert level.expected[1:6] == pytest.approx([0.2] * 5, abs=0.05)
    assert level.observed[1:6] == pytest.approx(np.bincount(table(200, 2)[:, 2].astype(int)) / 200)


def test_what_has_no_picture_is_left_out(monitor: DriftMonitor) -> None:
    """A constant and what is missing throughout have none, nor has anything before the first bar."""
    assert set(by_name(monitor, 100)) == {"wide", "flag", "level"}
    assert [each.feature for each in monitor.windows({"flag"}, 10)] == ["flag"]
    assert DriftMonitor(table(600, 3)).windows({"f0"}, 10) == ()


def test_a_rare_flag_keeps_its_share() -> None:
    """Less than the smallest quantile is not nothing."""
    values = np.zeros((1_000, 1))
    values[::400] = 1.0
    made = DriftMonitor(values, names=["rare"])
    made.update([1.0])
    (rare,) = made.windows({"rare"}, 1)

    assert rare.expected[1:3] == pytest.approx((0.997, 0.003), abs=1e-4)
    assert rare.observed[1:3] == (0.0, 1.0)


def test_the_first_bars_have_a_time() -> None:
    """A change among the first bars, before a stride of them is full, is placed at the first one."""
    memory, bins = Memory(np.zeros((LAST, 1), np.uint8), no_times()), np.zeros(1, np.uint8)
    for bar in range(1, 10):
        memory.put(bar, bins, 100 * bar)

    assert [memory.time(bar, 9) for bar in (0, 1, 5, 8, 9)] == [None, 100, 100, 800, 800]


def test_every_remembered_bar_has_a_time() -> None:
    """The oldest one, too, wherever strides begin: a change as old as memory reaches is dated like any other."""
    memory, bins = Memory(np.zeros((LAST, 1), np.uint8), no_times()), np.zeros(1, np.uint8)
    for now in range(1, 2 * LAST):
        memory.put(now, bins, now)
        for bar in (max(1, now - LAST + 1), max(1, now - LAST + 2), now):
            time = memory.time(bar, now)
            assert time is not None, (bar, now)
            assert max(1, bar - STRIDE) < time + 1 <= bar + 1

    assert memory.time(now - LAST - STRIDE, now) is None

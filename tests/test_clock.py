"""One clock: durations are monotonic, wall time has one anchor, and a corrected system time is followed."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from ares_otel.clock import Clock

MILLISECOND = 1_000_000


class Hands:
    """Two clocks that are set by hand."""

    def __init__(self) -> None:
        self.monotonic = 1_000
        self.wall = 1_767_225_600_000_000_000

    def clock(self) -> Clock:
        """Return a clock that reads them."""
        return Clock(monotonic=lambda: self.monotonic, wall=lambda: self.wall)


@given(st.lists(st.integers(0, 10**15), min_size=2, max_size=20).map(sorted))
def test_order_is_kept(readings: list[int]) -> None:
    """Spans of one decision keep order and durations in wall time, whatever the system time did meanwhile."""
    hands = Hands()
    clock = hands.clock()
    hands.wall -= 3_600_000 * MILLISECOND
    walls = [clock.wall(reading) for reading in readings]

    assert [later - walls[0] for later in walls] == [reading - readings[0] for reading in readings]


def test_now_is_the_anchored_time() -> None:
    """The anchor joins both clocks at construction."""
    hands = Hands()
    clock = hands.clock()
    hands.monotonic += 5
    assert clock.now() == hands.wall + 5 == clock.wall(hands.monotonic)


def test_a_small_drift_is_not_followed() -> None:
    """Up to 50 ms either way the anchor stays, for times must not jump within a decision for nothing."""
    hands = Hands()
    clock = hands.clock()
    offset = clock.offset
    for moved in (50 * MILLISECOND, -100 * MILLISECOND):
        hands.wall += moved
        clock.follow()
    assert (clock.offset, clock.jumps) == (offset, 0)


def test_a_jump_is_followed() -> None:
    """A corrected system time, and a host that slept, move the anchor, once each."""
    hands = Hands()
    clock = hands.clock()
    for count, moved in enumerate((3_600_000 * MILLISECOND, -51 * MILLISECOND), 1):
        hands.wall += moved
        clock.follow()
        clock.follow()
        assert (clock.now(), clock.jumps) == (hands.wall, count)


def test_the_real_clocks() -> None:
    """By default it is the time of this host, and it does not run backwards."""
    clock = Clock()
    before, now, after = time.time_ns(), clock.now(), time.time_ns()
    readings = [clock.monotonic() for _ in range(1_000)]

    assert before - 50 * MILLISECOND <= now <= after + 50 * MILLISECOND
    assert readings == sorted(readings)

"""One clock: durations by the monotonic clock, wall time by one anchor."""

from __future__ import annotations

import time

from ares_otel.clock import Clock


def test_wall_time_follows_the_anchor() -> None:
    """A monotonic reading has its place in Unix time."""
    clock = Clock(monotonic=lambda: 1_000, wall=lambda: 5_000)

    assert clock.offset == 4_000
    assert clock.wall(1_500) == 5_500
    assert clock.now() == 5_000


def test_a_small_drift_keeps_the_order_and_a_jump_is_followed() -> None:
    """Slewing by NTP does not move the anchor; an hour does, and is counted."""
    wall = [10_000_000_000]
    clock = Clock(monotonic=lambda: 0, wall=lambda: wall[0])
    wall[0] += 10_000_000
    clock.follow()
    assert (clock.offset, clock.jumps) == (10_000_000_000, 0)
    wall[0] += 3_600_000_000_000
    clock.follow()
    assert (clock.offset, clock.jumps) == (wall[0], 1)
    wall[0] -= 7_200_000_000_000
    clock.follow()
    assert (clock.offset, clock.jumps) == (wall[0], 2)


def test_the_real_clock_is_close() -> None:
    """By default it is the system's time."""
    assert abs(Clock().now() - time.time_ns()) < 1_000_000_000

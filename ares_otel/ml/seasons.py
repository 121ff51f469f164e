"""What a feature is like by hour of the day and by day of the week, to be shown beside what it is like now.

Tests do not use it: the part of a variance that comes from periods below 24 bars is taken from the periodogram,
whatever season it holds, and on hourly bars scores without their daily season had no lower thresholds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from ares_otel.ml.scores import Bins, Floats

__all__ = ["Seasons", "seasons_of"]

HOURS: Final = 24
DAYS: Final = 7
HOUR: Final = 3_600 * 10**9
MONDAY: Final = 3
"""Day of the week of the first day of Unix time, from Monday as 0."""


class Seasons(NamedTuple):
    """Means and how many bars they rest on, in UTC; NaN where no bar had a value.

    Attributes:
        hour: mean by hour of the day: 24 x columns.
        hour_count: values by hour of the day.
        day: mean by day of the week, from Monday: 7 x columns.
        day_count: values by day of the week.
    """

    hour: Floats
    hour_count: Bins
    day: Floats
    day_count: Bins


def seasons_of(values: Floats, times: np.ndarray[tuple[int], np.dtype[np.int64]] | None) -> Seasons | None:
    """Return the seasons of columns; None without times."""
    if times is None:
        return None
    hours = times // HOUR
    return Seasons(*_means(values, hours % HOURS, HOURS), *_means(values, (hours // HOURS + MONDAY) % DAYS, DAYS))


def _means(values: Floats, season: Bins, count: int) -> tuple[Floats, Bins]:
    known = ~np.isnan(values)
    found = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]), np.intp)
    np.add.at(found[0], season, np.where(known, values, 0))
    np.add.at(found[1], season, known)
    return np.where(found[1] > 0, found[0] / np.maximum(found[1], 1), np.nan), found[1]

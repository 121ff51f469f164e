"""Walk-forward training: a member is only ever asked about bars later than all it was trained on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from ares_otel.demo.features import FEATURES, LOOKBACK
from ares_otel.demo.market import Market
from ares_otel.demo.members import Member, Prediction, labels, prediction

__all__ = ["MIN_ROWS", "REFIT", "WINDOW", "Training", "WalkForward", "first_row", "training_rows"]

# Bars to learn from: three years of days.
WINDOW = 756
# Bars between two fits: half a year of days.
REFIT = 126
# Labeled bars needed for the first fit: one year of days.
MIN_ROWS = 250

FloatArray = NDArray[np.float64]


class Training(msgspec.Struct, frozen=True):
    """One fit of all members.

    Attributes:
        name: whose models, for example `swing/SP500`.
        version: the bar at which they were fitted, as a name: the same bars and seed give the same version.
        time: the bar at which they were fitted.
        first: time of the first bar in the training set.
        last: time of the last bar in the training set; its label was known at `time`.
        rows: bars in the training set.
        importances: by member, the share of each feature, zero or more, sum 1.
    """

    name: str
    version: str
    time: datetime
    first: datetime
    last: datetime
    rows: int
    importances: dict[str, dict[str, float]]


def first_row(horizon: int) -> int:
    """Return the first row that can be predicted: enough rows with features lie before it whose label is known."""
    return LOOKBACK + MIN_ROWS + horizon


def training_rows(now: int, horizon: int) -> range:
    """Return the rows that a fit at row `now` may learn from.

    The label of row i is known at row i + horizon. Rows whose horizon reaches past `now` are left out ("purged"):
    their labels would tell the future.
    """
    end = now - horizon + 1
    return range(max(LOOKBACK, end - WINDOW), end)


class WalkForward:
    """The members of one strategy on one symbol, refitted every `REFIT` bars on the last `WINDOW` bars.

    Nothing is fitted before it is asked for. The same seed gives the same models, also after a restart in the middle
    of a block: a block is always fitted at its first row.
    """

    def __init__(self, name: str, market: Market, members: Sequence[Member], horizon: int, seed: int) -> None:
        self.name = name
        self.training: Training | None = None
        self._market = market
        self._members = members
        self._horizon = horizon
        self._seed = seed
        self._block = -1
        self._start = 0
        self._tables: dict[str, FloatArray] = {}

    def predict(self, row: int) -> tuple[Prediction, ...]:
        """Return what each member says about the bar of this row.

        Raises:
            ValueError: the row lies before `first_row(horizon)`.
        """
        block = (row - first_row(self._horizon)) // REFIT
        if block < 0:
            raise ValueError(f"row {row} comes too early, {first_row(self._horizon)} is the first to be predicted")
        if block != self._block:
            self._fit(block)
        if row - self._start >= self._known():
            self._look_ahead()
        return tuple(prediction(m.name, self._tables[m.name][row - self._start].tolist()) for m in self._members)

    def _fit(self, block: int) -> None:
        self._block = block
        self._start = first_row(self._horizon) + block * REFIT
        rows = training_rows(self._start, self._horizon)
        known = labels(self._market.close[: self._start + 1], self._market.volatility[: self._start + 1], self._horizon)
        x, y = self._market.features[rows.start : rows.stop], known[rows.start : rows.stop]
        for member in self._members:
            member.fit(x, y, self._seed_of(member))
        self._tables = {member.name: np.empty((0, 3)) for member in self._members}
        self.training = self._describe(rows)

    def _look_ahead(self) -> None:
        """Predict all known rows of the block at once, a few times faster than one by one.

        This is no look into the future: the models are fitted already, and the features of a row are made of that row
        and earlier ones. The answer for each row is the same as if it were asked for alone, at its time.
        """
        done = self._start + self._known()
        ahead = self._market.features[done : self._start + REFIT]
        for member in self._members:
            self._tables[member.name] = np.vstack([self._tables[member.name], member.probabilities(ahead)])

    def _known(self) -> int:
        return len(self._tables[self._members[0].name])

    def _seed_of(self, member: Member) -> int:
        place = zlib.crc32(f"{self.name}/{member.name}".encode())
        return int(np.random.SeedSequence([self._seed, place, self._block]).generate_state(1)[0])

    def _describe(self, rows: range) -> Training:
        bars = self._market.bars
        return Training(
            name=self.name,
            version=f"{bars[self._start].time:%Y%m%dT%H%M}",
            time=bars[self._start].time,
            first=bars[rows.start].time,
            last=bars[rows.stop - 1].time,
            rows=len(rows),
            importances={m.name: dict(zip(FEATURES, m.importances().tolist(), strict=True)) for m in self._members},
        )

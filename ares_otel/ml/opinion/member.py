"""One detector of a panel: what it is shown, what it answers, and when an alarm of it is a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ares_otel.ml.kolmogorov import FloatArray
from ares_otel.ml.opinion.model import Asked, Column, Health, OpinionState, Verdict
from ares_otel.ml.opinion.thinning import thinned
from ares_otel.ml.pvalues import fisher_exact

__all__ = ["Batch", "Member", "Seen", "Settled"]

FEW: Final = 12
"""Values in a window below which a column is not shown to a detector."""

NOT_YET: Final = "not asked yet"
STREAMS: Final = ("CVMDriftOnline", "FETDriftOnline")
SERIES: Final = ("SpectralResidual",)
SINGLE: Final = ("KSDrift", "CVMDrift", "FETDrift", "ChiSquareDrift", "TabularDrift")
WHOLE: Final = ("ClassifierDrift", "ClassifierUncertaintyDrift", "MMDDrift", "LSDDDrift", "IForest", "Mahalanobis")
KNOWN: Final = (*STREAMS, *SERIES, *SINGLE, *WHOLE)
FISHER: Final = "FETDrift"
BINARY: Final = (FISHER, "FETDriftOnline")
COUNTED: Final = ("ChiSquareDrift",)
ANY: Final = ("TabularDrift",)
ONLINE: Final[Mapping[str, Any]] = {"window_sizes": [20, 40], "n_bootstraps": 5_000}
REFERENCE: Final = 500
"""Rows of the reference that an online detector gets: its thresholds are simulated, for minutes with more."""


class Seen(NamedTuple):
    """What a panel knows of its columns.

    Attributes:
        names: of all of them.
        reference: all rows.
        step: bars from one value that is used to the next, by column.
        categorical: which are categories.
        binary: which are 0 and 1.
    """

    names: tuple[str, ...]
    reference: FloatArray
    step: NDArray[np.float64]
    categorical: NDArray[np.bool_]
    binary: NDArray[np.bool_]


class Settled(NamedTuple):
    """How often it is asked, and how strictly.

    Attributes:
        window: bars of a batch.
        level: chance of a false alarm in one check.
        alarm: bars until a false alarm is expected.
        seed: of everything random.
        cache: where thresholds are kept.
    """

    window: int
    level: float
    alarm: float
    seed: int
    cache: str


class Batch(NamedTuple):
    """Rows of consecutive bars.

    Attributes:
        rows: the rows, with all columns.
        first: number of the first.
        times: of each, where known.
    """

    rows: FloatArray
    first: int
    times: Sequence[int | None]


class Member:
    """A detector, the columns that it sees, and its alarm.

    Raises:
        ValueError: nothing can be shown to it; the message says why.
    """

    def __init__(self, asked: Asked, seen: Seen, settled: Settled) -> None:
        self.asked, self.name, self._kind = asked, asked.name, asked.kind
        self._seen, self._settled = seen, settled
        self.stream = self._kind in STREAMS or asked.detector not in KNOWN
        chosen = _chosen(asked, seen)
        slow = {} if self._kind in SERIES else _too_slow(chosen, seen, settled.window)
        self._columns = np.array([j for j in chosen if j not in slow], dtype=np.intp)
        self._untested = tuple((seen.names[j], reason) for j, reason in slow.items())
        if not self._columns.size:
            why = "; ".join(f"{name}: {reason}" for name, reason in self._untested)
            raise ValueError(why or "no column suits it")
        self._step = self._steps()
        self._reference = self._of_reference()
        self.generation = 0
        self.losses = 0
        self.reason = NOT_YET
        self.library = ""
        self.since = 1
        self._checks, self._alarms, self._alarmed, self._moved = 0, 0, 0, False

    def _steps(self) -> NDArray[np.float64]:
        """Return bars from one value to the next: the slowest column's for whole rows, none for a series."""
        if self._kind in SERIES:
            return np.ones(len(self._columns))
        own = self._seen.step[self._columns]
        if self._kind in (*WHOLE, *STREAMS):
            own = np.full(len(own), own.max())
        return own

    def _of_reference(self) -> FloatArray:
        step = self._step
        if self._kind in STREAMS:
            step = step * np.ceil(len(self._seen.reference) / step / REFERENCE)
        return _without_empty(thinned(self._seen.reference[:, self._columns], 0, step))

    def header(self) -> dict[str, Any]:
        """Return what makes it."""
        settings = dict(self.asked.settings)
        if self._kind in STREAMS:
            settings = {**ONLINE, **settings}
            # fewer simulated runs than that cannot tell so rare an alarm
            known = settings["n_bootstraps"] / (2 * len(self._columns))
            settings.setdefault("ert", int(max(20, min(self._settled.alarm / self._step.max(), known))))
        if self._kind == FISHER:
            settings.setdefault("alternative", "two-sided")  # its own default sees no share that falls
        if self._kind in (*COUNTED, *ANY):
            counted = (self._seen.categorical | self._seen.binary)[self._columns]
            settings["categorical"] = np.flatnonzero(counted | (self._kind in COUNTED)).tolist()
        detector, settled = self.asked.detector, self._settled
        more = {"detector": detector, "settings": settings, "level": settled.level, "cache": settled.cache}
        return {"do": "make", **self._about(self._reference), **more}

    def _about(self, rows: FloatArray) -> dict[str, Any]:
        return {"name": self.name, "seed": self._settled.seed, "shape": list(rows.shape)}

    def body(self) -> bytes:
        """Return the reference as bytes."""
        return self._reference.astype("<f8").tobytes()

    def question(self, batch: Batch) -> tuple[dict[str, Any], bytes, NDArray[np.intp]]:
        """Return what asks it about a window, and which rows of that it is shown."""
        rows = thinned(batch.rows[:, self._columns], batch.first, self._step)
        if self._kind in SERIES:
            used = np.arange(len(rows))
        else:
            bars = np.arange(batch.first, batch.first + len(rows))
            used = np.flatnonzero((bars[:, None] % self._step == 0).any(axis=1))
        shown = rows[used]
        return {"do": "check", **self._about(shown)}, shown.astype("<f8").tobytes(), used

    def verdict(self, found: Mapping[str, Any], batch: Batch, used: NDArray[np.intp]) -> Verdict:
        """Return what it found, in words of ours; an alarm that goes on is no new one."""
        found = _counted(found, self._settled.level)
        drifted = bool(found.get("drifted"))
        at = int(used[found["alarms"][0]]) if found.get("alarms") else len(batch.rows) - 1
        bar = batch.first + at
        self._checks += 1
        return Verdict(
            self.name,
            self.library,
            self._state(bar, drifted=drifted),
            drifted,
            bar,
            batch.times[at],
            _optional(found.get("p_value")),
            _optional(found.get("statistic")),
            _optional(found.get("threshold")),
            tuple(self._column(each) for each in found.get("columns", ())),
            len(self._reference),
            int(found.get("n", 0)),
            int(self._step.min()),
            str(found.get("note", "")),
        )

    def _column(self, found: Mapping[str, Any]) -> Column:
        name = self._seen.names[self._columns[found["column"]]]
        return Column(name, *(found.get(key) for key in ("p_value", "statistic", "n", "drifted")))

    def _state(self, bar: int, *, drifted: bool) -> OpinionState:
        """Return what becomes of the alarm: it ends when no window has any bar of one that alarmed."""
        if drifted:
            begins = not self._moved
            self._moved, self._alarmed = True, bar
            self._alarms += begins
            return OpinionState.STARTED if begins else OpinionState.ONGOING
        if self._moved and bar - self._alarmed < self._settled.window:
            return OpinionState.ONGOING
        ended, self._moved = self._moved, False
        return OpinionState.CLEARED if ended else OpinionState.QUIET

    def health(self) -> Health:
        """Return whether it works."""
        asked = self.reason != NOT_YET
        return Health(self.name, not self.reason, self.reason, self._checks, self._alarms, self._untested, asked)


def _chosen(asked: Asked, seen: Seen) -> list[int]:
    """Return the columns that suit a detector, or those that it was given."""
    if asked.columns:
        if unknown := set(asked.columns) - set(seen.names):
            raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
        return [seen.names.index(name) for name in asked.columns]
    if asked.kind == "ClassifierUncertaintyDrift":
        raise ValueError("needs columns=: those of the class probabilities")
    suits = ~(seen.categorical | seen.binary)
    if asked.kind in BINARY:
        suits = seen.binary
    elif asked.kind in COUNTED:
        suits = seen.categorical | seen.binary
    elif asked.kind in ANY:
        suits = np.ones(len(seen.names), dtype=np.bool_)
    found: list[int] = np.flatnonzero(suits).tolist()
    return found


def _too_slow(chosen: list[int], seen: Seen, window: int) -> dict[int, str]:
    """Return columns of which a window has too few independent values, with the reason."""
    found = {}
    for j in chosen:
        worth = 0 if np.isinf(seen.step[j]) else int(window // seen.step[j])
        if worth < FEW:
            found[j] = f"untestable: {worth} independent values in {window} bars, needed are {FEW}"
    return found


def _without_empty(rows: FloatArray) -> FloatArray:
    return rows[np.isfinite(rows).any(axis=1)]


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _counted(found: Mapping[str, Any], level: float) -> dict[str, Any]:
    """Return what was found; where outliers were counted, with the chance of so many by that of the reference."""
    columns = [{**each, **_outlying(each)} for each in found.get("columns", ())]
    known = {**found, **_outlying(found), "columns": columns}
    tested = [each for each in columns if "outliers" in each]
    if tested:
        for each in tested:
            each["drifted"] = each["p_value"] <= level / len(tested)
        known["p_value"] = min(1.0, min(each["p_value"] for each in tested) * len(tested))
    if tested or "outliers" in found:
        known |= {"threshold": level, "drifted": known["p_value"] <= level}
    return known


def _outlying(found: Mapping[str, Any]) -> dict[str, float]:
    if "outliers" not in found:
        return {}
    outliers, n, usual, size = found["outliers"]
    return {"p_value": fisher_exact([[outliers, n - outliers], [usual, size - usual]], "greater")}

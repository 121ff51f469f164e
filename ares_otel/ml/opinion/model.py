"""What a second opinion is asked for, and what it says."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

__all__ = ["DEFAULT", "Asked", "Column", "Health", "OpinionState", "Verdict"]


class OpinionState(StrEnum):
    """What a verdict says of an alarm; one shift is one alarm, however often a detector repeats it."""

    QUIET = "quiet"
    STARTED = "started"
    ONGOING = "ongoing"
    CLEARED = "cleared"


class Asked(msgspec.Struct, frozen=True):
    """A detector that is to give its opinion.

    Attributes:
        detector: one of alibi-detect by its name (`KSDrift`), or any class with `update(x)` and `drift_detected` as
            `module:Class` (`river.drift:ADWIN`).
        settings: for its constructor, as its own documentation has them.
        columns: names of what it sees; all that suit it, if empty. `ClassifierUncertaintyDrift` has to be told the
            columns of class probabilities.
        label: what it is called, where the same detector is asked twice.
    """

    detector: str
    settings: dict[str, Any] = {}
    columns: tuple[str, ...] = ()
    label: str = ""

    @property
    def kind(self) -> str:
        """The detector without its module."""
        return self.detector.rpartition(":")[2]

    @property
    def name(self) -> str:
        """What it is called in verdicts."""
        return self.label or self.kind


DEFAULT: Final = (Asked("KSDrift"), Asked("CVMDrift"), Asked("ClassifierDrift"))


class Column(msgspec.Struct, frozen=True):
    """What a detector says of one column.

    Attributes:
        name: the column.
        p_value: None where the detector has none for a single column.
        statistic: the same.
        n: values of the window that it used, None where it tested whole rows.
        drifted: whether it says that this column moved; None where it says nothing of single columns.
    """

    name: str
    p_value: float | None = None
    statistic: float | None = None
    n: int | None = None
    drifted: bool | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What a detector says of a window.

    Attributes:
        detector: its name.
        library: where it comes from, with its version.
        state: whether an alarm starts, goes on, or ends with it.
        drifted: what the detector itself says.
        bar: number of the last bar that it saw; where an alarm is of a single bar, that bar. The first bar is 1.
        at: time of that bar, Unix ns; None if bars came without times.
        p_value: of all columns together; None for detectors without.
        statistic: the largest, as the detector defines it; None without.
        threshold: of `statistic`, or, where there is a p-value, of that.
        columns: what it says of each column that it tested.
        n_reference: rows of the reference that it compares with, after thinning.
        n: rows or values of the window that it used, after thinning.
        step: bars from one used row to the next; the least, where each column has its own.
        note: why it could not test, if it could not.
    """

    detector: str
    library: str
    state: OpinionState
    drifted: bool
    bar: int
    at: int | None
    p_value: float | None
    statistic: float | None
    threshold: float | None
    columns: tuple[Column, ...]
    n_reference: int
    n: int
    step: int
    note: str = ""


class Health(msgspec.Struct, frozen=True):
    """Whether a detector works (`ares_detector_up`).

    Attributes:
        detector: its name.
        up: whether it is made and its last check came to an end.
        reason: why not, and what helps; "" while it is up.
        checks: verdicts so far.
        alarms: alarms so far, each shift once.
        untested: columns that it is never shown, each with the reason.
        asked: whether it was asked for anything yet; until then nobody knows whether it works.
    """

    detector: str
    up: bool
    reason: str
    checks: int
    alarms: int
    untested: tuple[tuple[str, str], ...] = ()
    asked: bool = True

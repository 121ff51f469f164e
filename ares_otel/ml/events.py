"""What monitors say: an episode of drift began or ended, and what each monitored quantity can show at all."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from ares_otel.semconv.enums import DriftKind, DriftState
from ares_otel.semconv.enums import DriftSeverity as Severity

__all__ = ["DriftEvent", "DriftKind", "DriftState", "Moment", "Moved", "Quantity", "Severity", "Since"]

Feature: TypeAlias = str | tuple[str, str]
"""A feature by its name, or a pair of them whose dependence is watched."""


class Moment(StrEnum):
    """What of a quantity may move."""

    LOCATION = "location"
    SCALE = "scale"
    SHARE = "share"
    DEPENDENCE = "dependence"
    LOSS = "loss"
    PROFIT = "profit"


class Moved(msgspec.Struct, frozen=True):
    """A quantity that left its reference.

    Attributes:
        feature: its name, or both names of a pair.
        moment: what of it moved.
        window: length in bars of the memory in which it was seen best.
        effect: signed difference from the reference, in standard deviations of a single bar there.
        evidence: its statistic divided by its threshold; above 1 it has crossed.
        n_eff: independent values that the reference is worth for it.
        p_value: of its feature, where features are named; None in an alarm.
    """

    feature: Feature
    moment: Moment
    window: int
    effect: float
    evidence: float
    n_eff: float
    p_value: float | None = None


class Since(msgspec.Struct, frozen=True):
    """An estimated change point.

    Attributes:
        bar: number of the first bar after it; the first bar that a monitor sees is 1.
        at: time of that bar, Unix ns; None if bars came without times, or if its time is no longer kept.
    """

    bar: int
    at: int | None = None


class DriftEvent(msgspec.Struct, frozen=True):
    """The start or the end of an episode, or, of the kind `feature`, the names of the features that moved in one.

    An alarm says what has crossed its threshold. Names follow while the episode of data is open, are no alarm, and come
    at a bounded share of wrong ones; they may be none.

    Attributes:
        kind: what drifted.
        state: whether the episode started or was cleared, or features of it are named.
        bar: number of the bar at which that was seen; the first bar that a monitor sees is 1.
        at: time of that bar, Unix ns; None if bars come without times.
        features: what moved, the largest effect first, each as it was when it crossed its threshold; when an episode is
            cleared, all that crossed within it.
        since: estimated change point; None where a monitor cannot tell.
        effect: the largest effect among the features, without its sign.
        evidence: the largest evidence among the features; when cleared, the largest within the episode.
        severity: how much it matters.
        episode: number of the episode, from 1.
    """

    kind: DriftKind
    state: DriftState
    bar: int
    at: int | None
    features: tuple[Moved, ...]
    since: Since | None
    effect: float
    evidence: float
    severity: Severity
    episode: int

    @property
    def names(self) -> tuple[str, ...]:
        """What moved, the largest effect first, each name once, both of a pair."""
        listed = ((each.feature,) if isinstance(each.feature, str) else each.feature for each in self.features)
        return tuple(dict.fromkeys(name for names in listed for name in names))


class Quantity(msgspec.Struct, frozen=True):
    """A line of the detectability card: what can be seen of one moment of one feature.

    Attributes:
        feature: its name, or both names of a pair.
        moment: what of it is watched.
        testable: whether any test of it exists.
        reason: why not; "" if it is testable.
        n_eff: independent values that the reference is worth for it; None if unknown.
        tau: bars that one independent value takes, the integrated autocorrelation time; None if unknown.
        mde: smallest lasting effect, in standard deviations of a single bar, that nine of ten times is found; None if
            untestable, or if none is, which `note` says.
        delay: bars until a shift of one standard deviation is expected to be found; None if it never is.
        budget: share of the allowed false alarms that its tests may use, 0 if untestable.
        cycles: how often the slowest regime seen in the reference passed there; None if none was seen.
        tau_high: upper end of what tau may be (95 %); None if unknown.
        note: what else has to be known: which regimes have no slot of their own, that no effect is large enough to be
            found nine of ten times; "" if nothing has.
    """

    feature: Feature
    moment: Moment
    testable: bool
    reason: str
    n_eff: float | None
    tau: float | None
    mde: float | None
    delay: float | None
    budget: float
    cycles: float | None = None
    tau_high: float | None = None
    note: str = ""

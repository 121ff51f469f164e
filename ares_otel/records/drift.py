"""Records of a drift monitor: what a check found, episodes, what can be detected at all, the last bars beside them.

A monitored quantity is named `feature:moment` (`return:location`, `volume:scale`, `a & b:dependence`). Evidence is a
statistic in thresholds of its own test, so that all kinds of tests share one axis: above 1 it has crossed. Effects are
in standard deviations of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from ares_otel.records.model import Number, Record, Time
from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import DriftAgainst, DriftKind, DriftResult, DriftSeverity, DriftState

__all__ = ["DriftCard", "DriftCheck", "DriftEpisode", "DriftWindow"]


class DriftCheck(Record, frozen=True):
    """What a check of a model found; `duration`: computing seconds of its bars.

    A check of the kind `feature` is no alarm: it says which `features` moved in an episode, each with its `p_values`.
    `decisions` holds W3C `traceparent`s of decisions on its bars, to which its span is linked.
    """

    model: Annotated[str, a.MODEL_NAME]
    kind: Annotated[DriftKind | str, a.DRIFT_KIND]
    result: Annotated[DriftResult | str, a.DRIFT_RESULT] = DriftResult.NO_DRIFT
    detector: Annotated[str, a.DETECTOR] = "ares"
    evidence: Annotated[Number | None, a.DRIFT_EVIDENCE] = None
    effect: Annotated[Number | None, a.DRIFT_EFFECT] = None
    statistic: Annotated[Number | None, a.DRIFT_STATISTIC] = None
    p_value: Annotated[Number | None, a.DRIFT_P_VALUE] = None
    threshold: Annotated[Number | None, a.THRESHOLD] = None
    severity: Annotated[DriftSeverity | str | None, a.DRIFT_SEVERITY] = None
    episode: Annotated[int | None, a.DRIFT_EPISODE] = None
    evidences: Annotated[Mapping[str, float] | None, a.DRIFT_EVIDENCES] = None
    effects: Annotated[Mapping[str, float] | None, a.DRIFT_EFFECTS] = None
    p_values: Annotated[Mapping[str, float] | None, a.DRIFT_P_VALUES] = None
    features: Annotated[str | None, a.DRIFT_FEATURES] = None
    tested: Annotated[int | None, a.DRIFT_TESTED] = None
    untestable: Annotated[int | None, a.DRIFT_UNTESTABLE] = None
    spent: Annotated[Number | None, a.DRIFT_SPENT] = None
    bar: Annotated[int | None, a.DRIFT_BAR] = None
    version: Annotated[str | None, a.MODEL_VERSION] = None
    reference: Annotated[str | None, a.DRIFT_REFERENCE] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None
    duration: float = 0.0
    decisions: tuple[str, ...] = ()


class DriftEpisode(Record, frozen=True):
    """Drift that began or is over: one alarm, however many quantities moved.

    `memories` says by quantity how many bars the test remembers that saw it best. `decisions` holds W3C `traceparent`s
    of decisions between the change and the alarm, to which its span is linked.
    """

    model: Annotated[str, a.MODEL_NAME]
    kind: Annotated[DriftKind | str, a.DRIFT_KIND]
    state: Annotated[DriftState | str, a.DRIFT_STATE]
    episode: Annotated[int | None, a.DRIFT_EPISODE] = None
    severity: Annotated[DriftSeverity | str | None, a.DRIFT_SEVERITY] = None
    detector: Annotated[str, a.DETECTOR] = "ares"
    effect: Annotated[Number | None, a.DRIFT_EFFECT] = None
    evidence: Annotated[Number | None, a.DRIFT_EVIDENCE] = None
    since: Annotated[Time | None, a.DRIFT_SINCE] = None
    since_bar: Annotated[int | None, a.DRIFT_SINCE_BAR] = None
    bar: Annotated[int | None, a.DRIFT_BAR] = None
    evidences: Annotated[Mapping[str, float] | None, a.DRIFT_EVIDENCES] = None
    effects: Annotated[Mapping[str, float] | None, a.DRIFT_EFFECTS] = None
    memories: Annotated[Mapping[str, float] | None, a.DRIFT_MEMORIES] = None
    features: Annotated[str | None, a.DRIFT_FEATURES] = None
    version: Annotated[str | None, a.MODEL_VERSION] = None
    reference: Annotated[str | None, a.DRIFT_REFERENCE] = None
    summary: Annotated[str | None, a.DRIFT_SUMMARY] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None
    decisions: tuple[str, ...] = ()


class DriftCard(Record, frozen=True):
    """What can be detected in a model at all, by quantity; said once for each reference.

    `reasons` says why a quantity cannot be tested; such a one has no entry in `shares`. `tests` divides the share of a
    quantity among its tests, by `quantity@bars` of their memory. `month` is how many bars a month was taken to have;
    `ends` the evidence below which an episode is over, where that is how it ends.
    """

    model: Annotated[str, a.MODEL_NAME]
    kind: Annotated[DriftKind | str, a.DRIFT_KIND]
    reference: Annotated[str | None, a.DRIFT_REFERENCE] = None
    rows: Annotated[int | None, a.DRIFT_ROWS] = None
    false_alarms: Annotated[Number | None, a.DRIFT_ALARMS] = None
    horizon: Annotated[int | None, a.DRIFT_HORIZON] = None
    samples: Annotated[Mapping[str, float] | None, a.DRIFT_SAMPLES] = None
    times: Annotated[Mapping[str, float] | None, a.DRIFT_TIMES] = None
    detectable: Annotated[Mapping[str, float] | None, a.DRIFT_DETECTABLE] = None
    delays: Annotated[Mapping[str, float] | None, a.DRIFT_DELAYS] = None
    shares: Annotated[Mapping[str, float] | None, a.DRIFT_SHARES] = None
    reasons: Annotated[Mapping[str, str] | None, a.DRIFT_REASONS] = None
    tests: Annotated[Mapping[str, float] | None, a.DRIFT_TESTS] = None
    month: Annotated[Number | None, a.DRIFT_MONTH] = None
    ends: Annotated[Number | None, a.DRIFT_ENDS] = None
    version: Annotated[str | None, a.MODEL_VERSION] = None


class DriftWindow(Record, frozen=True):
    """The last bars of a feature beside its reference.

    `expected` and `observed` are shares by the upper end of a bin, as text. Bins are those of the reference's
    quantiles; the first holds what is below its least value, the last (`inf`) what is above its largest. `n` values are
    among the `bars`; those of an episode that begins are the bars since its change.

    Of the kind `concept`, `loss` is the loss of matured predictions: `against` that of the reference, or, where that is
    not known, the losses before (`earlier`, of the last 1,000).
    """

    model: Annotated[str, a.MODEL_NAME]
    kind: Annotated[DriftKind | str, a.DRIFT_KIND]
    feature: Annotated[str, a.FEATURE_NAME]
    expected: Annotated[Mapping[str, float] | None, a.DRIFT_EXPECTED]
    observed: Annotated[Mapping[str, float] | None, a.DRIFT_OBSERVED] = None
    n: Annotated[int | None, a.DRIFT_VALUES] = None
    bars: Annotated[int | None, a.DRIFT_WINDOW] = None
    bar: Annotated[int | None, a.DRIFT_BAR] = None
    episode: Annotated[int | None, a.DRIFT_EPISODE] = None
    version: Annotated[str | None, a.MODEL_VERSION] = None
    reference: Annotated[str | None, a.DRIFT_REFERENCE] = None
    event_time: Annotated[Time | None, a.EVENT_TIME] = None
    against: Annotated[DriftAgainst | str | None, a.DRIFT_AGAINST] = None

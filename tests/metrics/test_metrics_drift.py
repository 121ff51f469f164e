"""The metrics of the group "drift": what checks, episodes and cards leave on the page."""

from __future__ import annotations

from metrics_story import T0, TRACE, metrics, noted, parsed, series, value

from ares_otel.metrics.drift import feature_of
from ares_otel.records import DriftCard, DriftCheck, DriftEpisode
from ares_otel.semconv.enums import DriftKind, DriftResult, DriftSeverity, DriftState

DATA = {"model_name": "m", "drift_kind": "data"}
SOME = DriftCheck(
    "m",
    DriftKind.DATA,
    DriftResult.NO_DRIFT,
    evidence=0.4,
    effect=-0.2,
    evidences={"ret:location": 0.4, "ret:scale": 0.1, "a:b:location": 0.3},
    effects={"ret:location": -0.2},
    tested=3,
    untestable=1,
    spent=0.01,
    duration=0.002,
)
STARTED = DriftEpisode("m", DriftKind.DATA, DriftState.STARTED, 1, DriftSeverity.WARNING)
CLEARED = DriftEpisode("m", DriftKind.DATA, DriftState.CLEARED, 1, DriftSeverity.WARNING)


def test_a_check_is_counted_and_shown() -> None:
    """Count, evidence, effect, account, quantities, time and duration of the last check."""
    target = metrics()
    target.record(noted(SOME))

    assert value(target, "ares_drift_checks_total", **DATA, detector="ares", result="no_drift") == 1.0
    assert value(target, "ares_drift_evidence", **DATA) == 0.4
    assert value(target, "ares_drift_effect_size", **DATA) == -0.2
    assert value(target, "ares_drift_alpha_spent_ratio", model_name="m") == 0.01
    assert value(target, "ares_drift_quantities", **DATA, drift_testable="true") == 3.0
    assert value(target, "ares_drift_quantities", **DATA, drift_testable="false") == 1.0
    assert value(target, "ares_drift_last_check_timestamp_seconds", model_name="m") == T0 / 1e9
    assert value(target, "ares_drift_check_duration_seconds_sum", model_name="m") == 0.002
    assert value(target, "ares_drift_active", **DATA) == 0.0
    assert value(target, "ares_drift_p_value", **DATA) is None


def test_a_check_leads_to_its_trace() -> None:
    """The counter of checks and their times carry the check's trace as exemplar."""
    target = metrics()
    target.record(noted(SOME))
    target.record(noted(STARTED))
    samples = [each for family in parsed(target.render().decode()) for each in family.samples]
    found = {each.name for each in samples if each.exemplar and each.exemplar.labels == {"trace_id": TRACE}}

    assert {"ares_drift_checks_total", "ares_drift_episodes_total", "ares_drift_check_duration_seconds_bucket"} <= found


def test_an_episode_is_open_until_it_is_cleared() -> None:
    """One alarm is one episode; it shows how bad it is and, when it is over, that it is."""
    target = metrics()
    target.record(noted(STARTED))

    assert value(target, "ares_drift_episodes_total", **DATA, drift_severity="warning") == 1.0
    assert value(target, "ares_drift_active", **DATA) == 1.0
    assert value(target, "ares_drift_severity", **DATA) == 3.0

    target.record(noted(CLEARED))

    assert value(target, "ares_drift_episodes_total", **DATA, drift_severity="warning") == 1.0
    assert value(target, "ares_drift_active", **DATA) == 0.0
    assert value(target, "ares_drift_severity", **DATA) == 0.0


def test_an_episode_of_an_earlier_process_is_open() -> None:
    """After a restart the next check says that an episode is open; it is not counted again."""
    target = metrics()
    check = DriftCheck("m", DriftKind.DATA, DriftResult.DRIFT, severity=DriftSeverity.CRITICAL, episode=4, evidence=1.2)
    target.record(noted(check))

    assert value(target, "ares_drift_active", **DATA) == 1.0
    assert value(target, "ares_drift_severity", **DATA) == 4.0
    assert series(target, "ares_drift_episodes_total") == {}


def test_a_second_opinion_does_not_hide_the_first() -> None:
    """Another detector has its count, p-value and statistic; evidence and episode stay our monitor's."""
    target = metrics()
    target.record(noted(SOME))
    target.record(noted(STARTED))
    other = DriftCheck("m", DriftKind.DATA, DriftResult.NO_DRIFT, "KSDrift", statistic=0.3, p_value=0.04)
    target.record(noted(other))

    assert value(target, "ares_drift_checks_total", **DATA, detector="KSDrift", result="no_drift") == 1.0
    assert value(target, "ares_drift_p_value", **DATA) == 0.04
    assert value(target, "ares_drift_statistic", **DATA) == 0.3
    assert value(target, "ares_drift_evidence", **DATA) == 0.4
    assert value(target, "ares_drift_active", **DATA) == 1.0


def test_features_are_shown_by_their_strongest_moment() -> None:
    """A feature's evidence is the largest of its moments, with the effect of that one."""
    target = metrics()
    target.record(noted(SOME))

    assert series(target, "ares_feature_drift_statistic") == {("a:b", "m"): 0.3, ("ret", "m"): 0.4}
    assert series(target, "ares_feature_drift_effect_size") == {("ret", "m"): -0.2}
    assert feature_of("bare") == "bare"


def test_only_the_first_features_are_shown() -> None:
    """The features with most evidence have series; one that falls behind loses all of its own."""
    target = metrics(features_shown=2)
    target.record(
        noted(DriftCard("m", "data", samples={"a:scale": 3.0, "a:location": 9.0, "b:location": 7.0, "c": 5.0}))
    )
    target.record(noted(DriftCard("m", "data", detectable={"a:location": 0.5})))

    assert series(target, "ares_feature_drift_n_eff") == {("a", "m"): 9.0, ("b", "m"): 7.0}
    assert series(target, "ares_feature_drift_mde") == {("a", "m"): 0.5}

    target.record(noted(DriftCheck("m", "data", evidences={"a:location": 0.1, "b:location": 0.9, "c": 0.5})))

    assert series(target, "ares_feature_drift_statistic") == {("b", "m"): 0.9, ("c", "m"): 0.5}
    assert series(target, "ares_feature_drift_n_eff") == {("b", "m"): 7.0, ("c", "m"): 5.0}
    assert series(target, "ares_feature_drift_mde") == {}


def test_predictions_and_outcomes_are_no_features() -> None:
    """What is said of them leaves the series of features as they are."""
    target = metrics()
    target.record(noted(DriftCard("m", "data", samples={"ret:location": 9.0})))
    target.record(noted(SOME))
    target.record(noted(DriftCard("m", "prediction", samples={"up:location": 40.0})))
    target.record(noted(DriftCheck("m", DriftKind.PREDICTION, evidences={"up:location": 0.9})))

    assert series(target, "ares_feature_drift_statistic") == {("a:b", "m"): 0.3, ("ret", "m"): 0.4}
    assert series(target, "ares_feature_drift_n_eff") == {("ret", "m"): 9.0}
    assert value(target, "ares_drift_evidence", model_name="m", drift_kind="prediction") is None


def test_what_all_kinds_have_spent() -> None:
    """Each kind has its own part of a model's budget: the chance of any false alarm is that of all of them."""
    target = metrics()
    for kind, spent in ((DriftKind.DATA, 0.1), (DriftKind.CONCEPT, 0.2), (DriftKind.DATA, 0.5)):
        target.record(noted(DriftCheck("m", kind, spent=spent)))

    assert value(target, "ares_drift_alpha_spent_ratio", model_name="m") == 0.6

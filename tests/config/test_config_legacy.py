from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ares_otel.config import Loaded, load
from ares_otel.config.keys import FIELDS
from ares_otel.config.legacy import LEGACY
from ares_otel.config.render import value_of

HOME = {"HOME": "/home/bot"}
# Every key that the old package documented, read or not, and those of its test script, with the documented value.
DOCUMENTED = """
metrics_dashboard:
  update_interval: 5
  max_metric_history: 1000
  enable_real_time_updates: true
  enable_websocket_broadcast: true
  aggregation_windows: {1m: 60, 5m: 300, 15m: 900, 1h: 3600, 1d: 86400}
  enable_dashboard: true
  max_metrics_history: 1000
advanced_tracer:
  enable_tracing: true
  correlation_id_header: X-Correlation-ID
  trace_sampling_rate: 1.0
  max_trace_history: 10000
  enable_performance_tracing: true
  enable_error_tracing: true
  component_types: [analyst, strategist, tactician, supervisor, exchange, database, gui, monitoring]
  trace_storage: memory
correlation_manager:
  enable_correlation_tracking: true
  correlation_timeout: 300
  max_correlation_history: 10000
  enable_performance_analysis: true
  enable_debug_aggregation: true
ml_monitor:
  enable_online_learning: true
  drift_detection_enabled: true
  feature_importance_tracking: true
  auto_retraining_enabled: true
  drift_threshold: 0.1
  drift_check_interval: 300
  performance_check_interval: 60
  feature_analysis_interval: 600
  drift_detection_methods: [statistical_test, distribution_comparison, performance_degradation, feature_drift]
  auto_retraining_triggers:
    critical_drift_threshold: 0.3
    performance_degradation_threshold: 0.2
    consecutive_failures: 5
report_scheduler:
  enable_automated_reports: true
  default_schedule: daily
  email_distribution: false
  report_formats: [json]
  default_recipients: [admin]
  reports:
    performance_summary: {schedule: daily, format: pdf, recipients: [admin, trading], enabled: true}
  email:
    smtp_server: smtp
    smtp_port: 587
    username: me
    password: SECRET
    use_tls: true
    from_address: a
    reply_to: b
tracking_system:
  enable_ensemble_tracking: true
  enable_regime_tracking: true
  enable_feature_tracking: true
  enable_decision_tracking: true
  enable_behavior_tracking: true
  ensemble_tracking_interval: 60
  regime_tracking_interval: 300
  feature_tracking_interval: 600
  behavior_tracking_interval: 300
  enable_correlation_tracking: true
  enable_decision_path_tracking: true
  max_tracking_history: 50000
  correlation_update_interval: 10
  ensemble_update_interval: 30
  regime_update_interval: 60
  decision_update_interval: 30
  ensemble_tracking:
    track_individual_predictions: true
    track_ensemble_weights: true
    track_meta_learner: true
    track_confidence_scores: true
  regime_tracking:
    track_regime_probabilities: true
    track_regime_features: true
    track_regime_indicators: true
    track_regime_transitions: true
    track_regime_duration: true
  feature_tracking:
    track_importance_scores: true
    track_stability_scores: true
    track_drift_scores: true
    track_rankings: true
monitoring_integration:
  enable_unified_monitoring: true
  enable_cross_component_tracking: true
  enable_performance_correlation: true
  enable_integration: true
  integration_interval: 30
  cross_component_tracking: true
"""


def leaves(tree: object, prefix: str = "") -> dict[str, object]:
    """Return the innermost keys with their values."""
    if not isinstance(tree, dict):
        return {prefix: tree}
    found: dict[str, object] = {}
    for name, value in tree.items():
        found |= leaves(value, f"{prefix}.{name}" if prefix else str(name))
    return found


LEAVES = leaves(yaml.safe_load(DOCUMENTED))


def load_tree(tmp_path: Path, key: str, value: object, parent: str = "") -> Loaded:
    """Load a file that holds one documented key."""
    names = ([parent] if parent else []) + key.split(".")
    tree: object = value
    for name in reversed(names):
        tree = {name: tree}
    path = tmp_path / "ares.yaml"
    path.write_text(yaml.safe_dump(tree))
    return load(path, HOME)


@pytest.mark.parametrize("parent", ["", "monitoring"])
@pytest.mark.parametrize("key", LEAVES)
def test_every_documented_key_has_an_answer(tmp_path: Path, key: str, parent: str) -> None:
    """It sets keys of ours, or says why it need not, or is refused with the reason; it is never unknown."""
    loaded = load_tree(tmp_path, key, LEAVES[key], parent)
    from_file = [name for name, origin in loaded.origins.items() if origin.kind == "file"]
    assert all("unknown" not in problem.message for problem in loaded.problems)
    if from_file:
        assert loaded.problems == []
    else:
        assert [problem.key for problem in loaded.problems] == [key]
        assert loaded.problems[0].message.startswith(("nothing to set: ", "is off here: ", "refused: "))


def test_the_whole_documented_file_is_answered_key_by_key(tmp_path: Path) -> None:
    """Pasted as it stood in the documents: refused are drift thresholds, retraining, reports, statistics."""
    path = tmp_path / "ares.yaml"
    path.write_text(DOCUMENTED)
    loaded = load(path, HOME)
    refused = [problem.key for problem in loaded.problems if problem.severity == "error"]
    assert {key.partition(".")[0] for key in refused} == {
        "ml_monitor",
        "report_scheduler",
        "monitoring_integration",
    }
    assert [key for key in refused if key.startswith(("track", "monit"))] == [
        "monitoring_integration.enable_performance_correlation",
    ]
    assert "SECRET" not in str(loaded.problems)
    assert sum("password_file" in problem.message for problem in loaded.problems) == 1
    defaults = load(environ=HOME).config
    assert loaded.config.exporter == defaults.exporter
    assert loaded.config.correlation == defaults.correlation


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("metrics_dashboard.update_interval", 10, {"metrics.system_interval": 10.0}),
        ("metrics_dashboard.enable_dashboard", False, {"metrics.enabled": False}),
        ("advanced_tracer.enable_tracing", False, {"exporter.enabled": False}),
        ("advanced_tracer.correlation_id_header", "X-Id", {"correlation.header": "X-Id"}),
        (
            "advanced_tracer.trace_sampling_rate",
            0.25,
            {"sampling.ratio": 0.25, "sampling.sampler": "parentbased_traceidratio"},
        ),
        ("advanced_tracer.enable_error_tracing", False, {"sampling.keep_errors": False}),
        ("correlation_manager.correlation_timeout", "5m", {"correlation.timeout": 300.0}),
        ("correlation_manager.max_correlation_history", 5, {"correlation.limit": 5}),
        ("ml_monitor.drift_detection_enabled", False, {"drift.enabled": False}),
        ("ml_monitor.drift_check_interval", 300, {"drift.check_interval": 300.0}),
    ],
)
def test_keys_with_a_counterpart_set_it(tmp_path: Path, key: str, value: object, expected: dict[str, object]) -> None:
    """What the old key meant happens, and its line is the origin."""
    loaded = load_tree(tmp_path, key, value)
    assert {name: value_of(loaded, name) for name in expected} == expected
    assert all(loaded.origins[name].line == 2 for name in expected)
    assert loaded.problems == []


def test_a_bad_old_value_is_reported_under_its_old_name(tmp_path: Path) -> None:
    """With what the key of ours expects; nothing else is set by it."""
    loaded = load_tree(tmp_path, "advanced_tracer.trace_sampling_rate", 7)
    assert [(problem.key, problem.message) for problem in loaded.problems] == [
        ("advanced_tracer.trace_sampling_rate", "expected a number from 0 to 1, got '7'")
    ]
    assert loaded.config.sampling.sampler == "parentbased_always_on"


def test_our_own_keys_outrank_the_old_ones(tmp_path: Path) -> None:
    """In the same file, whatever their order."""
    path = tmp_path / "ares.yaml"
    path.write_text("correlation: {timeout: 7}\ncorrelation_manager: {correlation_timeout: 9}\n")
    assert load(path, HOME).config.correlation.timeout == 7


@pytest.mark.parametrize(
    ("key", "severity"),
    [
        ("advanced_tracer.enable_performance_tracing", "warning"),
        ("report_scheduler.enable_automated_reports", "note"),
        ("ml_monitor.auto_retraining_enabled", "note"),
    ],
)
def test_switching_off_is_honored_or_contradicted(tmp_path: Path, key: str, severity: str) -> None:
    """What cannot be switched off warns; what does not exist here is off anyway."""
    loaded = load_tree(tmp_path, key, value=False)
    assert [problem.severity for problem in loaded.problems] == [severity]


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("advanced_tracer: {enable_tracin: 1}", "advanced_tracer.enable_tracin", "advanced_tracer.enable_tracing"),
        ("monitoring: {advanced_trace: {}}", "monitoring.advanced_trace", "monitoring.advanced_tracer"),
        ("advanced_trace: {}", "advanced_trace", "advanced_tracer"),
    ],
)
def test_mistyped_old_keys_name_the_nearest(tmp_path: Path, text: str, key: str, message: str) -> None:
    """The same courtesy as for our own."""
    path = tmp_path / "ares.yaml"
    path.write_text(text)
    loaded = load(path, HOME)
    assert [(problem.key, problem.message) for problem in loaded.problems] == [
        (key, f"unknown key; did you mean {message}?")
    ]


def test_old_keys_that_stand_twice_or_wrong_are_reported(tmp_path: Path) -> None:
    """At the top and below `monitoring`, a section that is no map, a variable that is missing."""
    path = tmp_path / "ares.yaml"
    path.write_text(
        "correlation_manager: {correlation_timeout: 7}\n"
        "monitoring: {correlation_manager: {correlation_timeout: 8}, ml_monitor: 5}\n"
        "metrics_dashboard: {update_interval: '${NONE}', enable_dashboard: '${NONE:-}', max_metric_history: [[a]]}\n"
        "advanced_tracer: {correlation_id_header: A, correlation_id_header: B}\n"
    )
    loaded = load(path, HOME)
    assert loaded.config.correlation.timeout == 7
    assert loaded.config.correlation.header == "A"
    assert [(problem.line, problem.key) for problem in loaded.problems] == [
        (2, "correlation_manager"),
        (2, "ml_monitor"),
        (3, "metrics_dashboard.update_interval"),
        (3, "metrics_dashboard.max_metric_history"),
        (4, "advanced_tracer.correlation_id_header"),
    ]


def test_the_table_is_sound() -> None:
    """No key twice, every target exists, every other verdict has its reason."""
    assert len({rule.key for rule in LEGACY}) == len(LEGACY)
    for rule in LEGACY:
        assert set(rule.targets) | {key for key, _ in rule.fixed} <= set(FIELDS)
        assert bool(rule.targets) is (rule.verdict == "maps")
        assert bool(rule.reason) is (rule.verdict != "maps")

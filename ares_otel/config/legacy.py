"""The configuration keys that the old monitoring package documented, and what does their job here."""

from __future__ import annotations

from typing import Literal

import msgspec

from ares_otel.config.layers import Layer
from ares_otel.config.problems import Origin, Problems

__all__ = ["COMPONENTS", "LEGACY", "PARENT", "Legacy", "apply", "find", "is_block", "known_keys"]

PARENT = "monitoring"
"""The old sections may stand at the top or under this key."""

OFF = frozenset({"false", "no", "off"})


class Legacy(msgspec.Struct, frozen=True):
    """What becomes of one documented key.

    Attributes:
        key: dotted, without the parent; `*` stands for any name.
        verdict: "maps" to keys of ours; "always" on, a boolean that cannot be switched off; "ignored", because
            nothing here needs it; "refused", except where it switches the thing off.
        reason: why, or what does that job here.
        targets: keys of ours that take the value.
        fixed: keys of ours that it sets to a fixed value besides.
    """

    key: str
    verdict: Literal["maps", "always", "ignored", "refused"]
    reason: str = ""
    targets: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()


def _maps(key: str, *targets: str, fixed: tuple[tuple[str, str], ...] = ()) -> tuple[Legacy, ...]:
    return (Legacy(key, "maps", targets=targets, fixed=fixed),)


def _rules(
    verdict: Literal["always", "ignored", "refused"], reason: str, component: str, *names: str
) -> tuple[Legacy, ...]:
    return tuple(Legacy(f"{component}.{name}", verdict, reason) for name in names)


PROMETHEUS = "Prometheus keeps the history and aggregates it over any window when it is asked"
EXACT = "a scrape first takes in everything recorded, so it is exact"
STORE = "the store behind the exporter keeps what was sent; memory here is bounded by recorder.queue_limit"
WITHIN = "part of every decision's trace"
AT_ONCE = "nothing is polled here; what the bot records counts at once"
THRESHOLD = "no threshold of a score says how often it is wrong: drift.false_alarms says that"
MOMENTS = "all moments and kinds are watched within one budget of false alarms"
ONLINE = "models learn in the bot; `ares.model()` with a new version begins its monitors anew"
RETRAIN = "retraining comes with the model monitor, which this version does not have"
REPORTS = "reports come with the report server, which this version does not have"
PASSWORD = "no password belongs in this file: with the report server, give it by password_file"  # noqa: S105  # no secret

LEGACY: tuple[Legacy, ...] = (
    *_maps("metrics_dashboard.update_interval", "metrics.system_interval", "server.push_interval"),
    *_maps("metrics_dashboard.enable_dashboard", "metrics.enabled"),
    *_rules("always", EXACT, "metrics_dashboard", "enable_real_time_updates"),
    *_maps("metrics_dashboard.enable_websocket_broadcast", "server.push"),
    *_rules(
        "ignored",
        PROMETHEUS,
        "metrics_dashboard",
        "max_metric_history",
        "max_metrics_history",
        "aggregation_windows",
        "aggregation_windows.*",
    ),
    *_maps("advanced_tracer.enable_tracing", "exporter.enabled"),
    *_maps("advanced_tracer.correlation_id_header", "correlation.header"),
    *_maps(
        "advanced_tracer.trace_sampling_rate",
        "sampling.ratio",
        fixed=(("sampling.sampler", "parentbased_traceidratio"),),
    ),
    *_maps("advanced_tracer.enable_error_tracing", "sampling.keep_errors"),
    *_rules("always", "every span has its duration", "advanced_tracer", "enable_performance_tracing"),
    *_rules("ignored", STORE, "advanced_tracer", "max_trace_history", "trace_storage"),
    *_rules("ignored", "a stage takes any component's name", "advanced_tracer", "component_types"),
    *_maps("correlation_manager.correlation_timeout", "correlation.timeout"),
    *_maps("correlation_manager.max_correlation_history", "correlation.limit"),
    *_rules("always", WITHIN, "correlation_manager", "enable_correlation_tracking"),
    *_rules("always", "durations and outcomes are metrics", "correlation_manager", "enable_performance_analysis"),
    *_rules(
        "always", "ares-otel explain joins all by correlation id", "correlation_manager", "enable_debug_aggregation"
    ),
    *_rules("always", AT_ONCE, "ml_monitor", "feature_importance_tracking"),
    *_rules("ignored", AT_ONCE, "ml_monitor", "performance_check_interval", "feature_analysis_interval"),
    *_maps("ml_monitor.drift_detection_enabled", "drift.enabled"),
    *_maps("ml_monitor.drift_check_interval", "drift.check_interval"),
    *_rules("refused", THRESHOLD, "ml_monitor", "drift_threshold"),
    *_rules("ignored", MOMENTS, "ml_monitor", "drift_detection_methods"),
    *_rules("refused", ONLINE, "ml_monitor", "enable_online_learning"),
    *_rules(
        "refused",
        RETRAIN,
        "ml_monitor",
        "auto_retraining_enabled",
        "auto_retraining_triggers",
        "auto_retraining_triggers.critical_drift_threshold",
        "auto_retraining_triggers.performance_degradation_threshold",
        "auto_retraining_triggers.consecutive_failures",
    ),
    *_rules(
        "refused",
        REPORTS,
        "report_scheduler",
        "enable_automated_reports",
        "default_schedule",
        "email_distribution",
        "report_formats",
        "default_recipients",
        "reports",
        "reports.*",
        "reports.*.schedule",
        "reports.*.format",
        "reports.*.recipients",
        "reports.*.enabled",
        "email",
        "email.smtp_server",
        "email.smtp_port",
        "email.username",
        "email.use_tls",
        "email.from_address",
        "email.reply_to",
    ),
    *_rules("refused", PASSWORD, "report_scheduler", "email.password"),
    *_rules(
        "always",
        WITHIN,
        "tracking_system",
        "enable_ensemble_tracking",
        "enable_regime_tracking",
        "enable_feature_tracking",
        "enable_decision_tracking",
        "enable_behavior_tracking",
        "enable_correlation_tracking",
        "enable_decision_path_tracking",
        "ensemble_tracking",
        "ensemble_tracking.track_individual_predictions",
        "ensemble_tracking.track_ensemble_weights",
        "ensemble_tracking.track_meta_learner",
        "ensemble_tracking.track_confidence_scores",
        "regime_tracking",
        "regime_tracking.track_regime_probabilities",
        "regime_tracking.track_regime_features",
        "regime_tracking.track_regime_indicators",
        "regime_tracking.track_regime_transitions",
        "regime_tracking.track_regime_duration",
        "feature_tracking",
        "feature_tracking.track_importance_scores",
        "feature_tracking.track_stability_scores",
        "feature_tracking.track_rankings",
    ),
    *_rules("always", MOMENTS, "tracking_system", "feature_tracking.track_drift_scores"),
    *_rules(
        "ignored",
        AT_ONCE,
        "tracking_system",
        "ensemble_tracking_interval",
        "regime_tracking_interval",
        "feature_tracking_interval",
        "behavior_tracking_interval",
        "correlation_update_interval",
        "ensemble_update_interval",
        "regime_update_interval",
        "decision_update_interval",
    ),
    *_rules("ignored", STORE, "tracking_system", "max_tracking_history"),
    *_rules(
        "always",
        "all parts are one here; to switch all of them off, say disabled: true",
        "monitoring_integration",
        "enable_unified_monitoring",
        "enable_integration",
    ),
    *_rules(
        "always",
        "one trace goes through all components",
        "monitoring_integration",
        "enable_cross_component_tracking",
        "cross_component_tracking",
    ),
    *_rules(
        "refused",
        "statistics across components come with the server's API, which this version does not have",
        "monitoring_integration",
        "enable_performance_correlation",
    ),
    *_rules("ignored", AT_ONCE, "monitoring_integration", "integration_interval"),
)
"""Every documented key, those in documents alone and those of the old test script included."""

RULES = {rule.key: rule for rule in LEGACY}
COMPONENTS: dict[str, None] = dict.fromkeys(rule.key.partition(".")[0] for rule in LEGACY)


def _pattern(key: str) -> str | None:
    """Return the key of the rule for a key, where any name may stand for `*`."""
    parts = key.split(".")
    wild = [".".join((*parts[:2], "*", *parts[3:]))] if len(parts) > 2 else []  # noqa: PLR2004  # component.block.name
    return next((name for name in (key, *wild) if name in RULES), None)


def find(key: str) -> Legacy | None:
    """Return what becomes of a documented key."""
    name = _pattern(key)
    return RULES[name] if name else None


def is_block(key: str) -> bool:
    """Tell whether documented keys stand below a key."""
    name = _pattern(key)
    return name is not None and any(other.startswith(f"{name}.") for other in RULES)


def known_keys(key: str) -> list[str]:
    """Return the documented keys of the component that a key belongs to."""
    component = key.partition(".")[0]
    return [name for name in RULES if name.startswith(f"{component}.")]


def apply(key: str, raw: object, origin: Origin, layer: Layer, problems: Problems) -> None:
    """Put what a documented key means into the layer, and say what became of it where that is nothing."""
    rule = RULES[_pattern(key) or key]
    off = isinstance(raw, str) and raw.lower() in OFF
    if rule.verdict == "maps":
        for target in rule.targets:
            layer.put(target, raw, origin, key)
            if target in layer.settings:
                for other, value in rule.fixed:
                    layer.put(other, value, origin, key)
    elif rule.verdict == "refused":
        message = f"is off here: {rule.reason}" if off else f"refused: {rule.reason}"
        problems.add(origin, key, message, "note" if off else "error")
    elif rule.verdict == "always" and off:
        problems.add(origin, key, f"cannot be switched off: {rule.reason}", "warning")
    else:
        problems.add(origin, key, f"nothing to set: {rule.reason}", "note")

"""The catalogue of names keeps its own rules."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from ares_otel.semconv import attributes, metrics, spans, thresholds
from ares_otel.semconv.attributes import ATTRIBUTES
from ares_otel.semconv.metrics import METRICS
from ares_otel.semconv.model import Attribute, Metric
from ares_otel.semconv.spans import EVENTS, SPANS
from ares_otel.semconv.thresholds import THRESHOLDS
from ares_otel.stack import telemetry_reference

PROMISED = """
ares_decisions_total{strategy,symbol,action} ares_decision_duration_seconds{strategy}
ares_stage_duration_seconds{strategy,component} ares_stage_errors_total{component,error_type,swallowed}
ares_decision_confidence{strategy,action} ares_last_decision_timestamp_seconds{strategy,symbol}
ares_orders_submitted_total{strategy,symbol,venue,order_side,order_type}
ares_order_updates_total{strategy,symbol,venue,order_status}
ares_order_rejections_total{strategy,venue,order_reject_reason} ares_orders_open{strategy,symbol}
ares_orders_unacknowledged{venue} ares_order_ack_duration_seconds{venue,order_type}
ares_tick_to_order_seconds{strategy} ares_filled_notional_total{strategy,symbol,order_side,liquidity,currency}
ares_slippage_bps{strategy,venue,direction} ares_slippage_cost{strategy,currency} ares_equity{strategy,currency}
ares_unrealized_pnl{strategy,symbol,currency} ares_position_quantity{strategy,symbol}
ares_trades_total{strategy,symbol,trade_outcome} ares_sharpe_ratio{strategy,window}
ares_value_at_risk_ratio{strategy,method,level} ares_performance_convention_info{periods,basis,returns}
ares_risk_checks_total{check,outcome} ares_limit_value{strategy,limit} ares_limit_utilization_ratio{strategy,limit}
ares_limit_breaches_total{limit} ares_kill_switch_trips_total{reason}
ares_ensemble_votes_total{strategy,model_name,action} ares_ensemble_agreement_ratio{strategy}
ares_ensemble_weight{strategy,model_name} ares_ensemble_dissent_total{strategy,model_name}
ares_model_predictions_total{model_name} ares_model_outcomes_total{model_name,result}
ares_model_score{model_name,score,window} ares_model_info{model_name,model_version}
ares_drift_checks_total{model_name,drift_kind,detector,result} ares_drift_active{model_name,drift_kind}
ares_feature_drift_statistic{model_name,feature_name} ares_feature_importance{model_name,feature_name}
ares_feature_importance_stability{model_name} ares_detector_up{model_name,detector}
ares_retrain_requests_total{model_name,reason} ares_regime_active{strategy,symbol,regime}
ares_regime_transitions_total{strategy,symbol,from,to} ares_market_data_age_seconds{venue,symbol,channel}
ares_exchange_request_duration_seconds{venue,operation} ares_exchange_errors_total{venue,operation,error_type}
ares_telemetry_dropped_total{reason} ares_telemetry_export_failures_total{reason} ares_telemetry_errors_total{where}
ares_correlations_total{outcome} ares_report_runs_total{report,status} ares_report_duration_seconds{report}
"""


@pytest.mark.parametrize("promise", PROMISED.split())
def test_a_promised_metric_has_its_labels(promise: str) -> None:
    """Names and labels are those of the design, because boards and rules are written against them."""
    name, _, labels = promise.rstrip("}").partition("{")
    found = {metric.name: metric.label_names for metric in METRICS}

    assert set(found[name]) == set(labels.split(","))


def test_names_are_declared_once() -> None:
    """No metric, span or event comes twice; an attribute may, with another vocabulary."""
    for names in (
        [metric.name for metric in METRICS],
        [span.name for span in SPANS],
        [event.name for event in EVENTS],
        [threshold.name for threshold in THRESHOLDS],
        [(attribute.key, attribute.enum) for attribute in ATTRIBUTES],
    ):
        assert [name for name, times in Counter(names).items() if times > 1] == []


def test_our_prefix_is_ours() -> None:
    """Metrics begin with `ares_`, attributes with `ares.` or are OpenTelemetry's own."""
    borrowed = {attribute.key for attribute in ATTRIBUTES if not attribute.key.startswith("ares.")}

    assert all(metric.name.startswith("ares_") for metric in METRICS)
    assert borrowed == {
        "code.file.path",
        "code.function.name",
        "code.line.number",
        "error.type",
        "exception.message",
        "exception.stacktrace",
        "exception.type",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "peer.service",
        "service.instance.id",
        "service.name",
        "service.version",
        "thread.id",
        "thread.name",
        "url.full",
    }


def test_every_label_and_span_attribute_is_declared() -> None:
    """Whatever a metric, span or event uses stands in the catalogue."""
    declared = set(map(id, ATTRIBUTES))
    used: list[Attribute] = []
    for metric in METRICS:
        used += metric.labels
    for span in SPANS:
        used += span.attributes
    for event in EVENTS:
        used += event.attributes

    assert [attribute.key for attribute in used if id(attribute) not in declared] == []


def test_every_module_lists_its_names() -> None:
    """`__all__` of the catalogues holds every constant."""
    for module in (attributes, metrics, spans, thresholds):
        constants = {name for name in vars(module) if re.fullmatch(r"[A-Z][A-Z0-9_]+", name)}
        declared = {name for name in constants if isinstance(getattr(module, name), (Attribute, Metric))}

        assert declared <= set(module.__all__)
        assert module.__all__ == sorted(module.__all__)


def test_the_reference_names_everything_and_is_up_to_date() -> None:
    """docs/telemetry.md is what the declarations give."""
    text = telemetry_reference()

    for name in [*(metric.name for metric in METRICS), *(attribute.key for attribute in ATTRIBUTES)]:
        assert f"`{name}`" in text
    assert Path("docs/telemetry.md").read_text(encoding="utf-8") == text

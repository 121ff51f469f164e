"""What the old documents promised: every endpoint and operation, with each of its fields, on what the demo did."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from api_kit import demo_server, get, told
from server_kit import until

from ares_otel.cli.main import main
from ares_otel.server.api.problems import MEDIA_TYPE
from ares_otel.server.http.serve import EmbeddedServer

__all__ = ["demo_server"]

PERFORMANCE = (
    "total_pnl daily_pnl win_rate profit_factor sharpe_ratio max_drawdown total_trades winning_trades losing_trades "
    "avg_trade_duration best_trade worst_trade"
)
BEHAVIOR = (
    "model_accuracy prediction_confidence feature_importance_stability concept_drift_score data_drift_score "
    "model_performance_trend last_retraining"
)
HEALTH = "cpu_usage memory_usage disk_usage network_latency error_rate uptime active_connections"
ANALYTICS = "active_positions total_exposure portfolio_value margin_usage leverage risk_per_trade correlation_matrix"
DASHBOARD = (
    "timestamp performance_metrics model_behavior_metrics system_health_metrics trading_analytics current_metrics"
)
METRIC = "metric_name metric_type value timestamp metadata unit"
SPAN = (
    "span_id correlation_id component_type operation_name start_time end_time duration_ms status error_message "
    "metadata parent_span_id child_span_ids"
)
REQUEST = (
    "correlation_id request_timestamp component_path spans response_timestamp total_duration_ms status error_info "
    "performance_metrics metadata request_data response_data"
)
TIMES = "total_duration_ms component_durations bottleneck_component throughput_ops_per_sec error_rate success_rate"
STATISTICS = (
    "total_requests active_requests active_spans completed_requests failed_requests success_rate average_duration_ms "
    "tracing_enabled correlation_tracking_enabled"
)
ENSEMBLE = (
    "decision_id timestamp ensemble_models individual_predictions ensemble_prediction confidence_score consensus_level "
    "disagreement_score final_decision metadata ensemble_weights"
)
REGIME = (
    "analysis_id current_regime regime_confidence regime_duration regime_transition_probability market_conditions "
    "volatility_level trend_strength"
)
FEATURES = "model_id feature_importance importance_stability feature_drift_scores top_features"
PATH = "components weights thresholds sequence final_decision confidence_level"
MODEL_BEHAVIOR = "prediction_bias prediction_variance adaptation_speed performance_trend error_patterns"
MODEL = (
    "model_id model_type accuracy precision recall f1_score auc_score prediction_confidence "
    "feature_importance_stability concept_drift_score data_drift_score"
)
IMPORTANCE = "feature_name importance_score importance_rank stability_score drift_score"
ONLINE = "learning_rate adaptation_speed knowledge_retention forgetting_curve performance_trend last_update"
ML_SUMMARY = "total_models total_alerts critical_alerts average_performance"
UNIFIED = (
    "timestamp integration_status cross_component_metrics performance_correlations metrics_dashboard tracer "
    "correlation ml_monitor report_scheduler tracking"
)
STATUS = "is_integrated components cross_component_tracking performance_correlation"
COMPONENTS = "metrics_dashboard advanced_tracer correlation_manager ml_monitor report_scheduler tracking_system"
SCHEDULER = "is_scheduling total_configs enabled_configs total_history email_distribution"
CURRENT = "metric_name metric_type current_value previous_value change_percentage trend last_updated unit metadata"

DOCUMENTED = [
    ("/api/metrics/dashboard", (), DASHBOARD),
    ("/api/metrics/dashboard", ("performance_metrics",), PERFORMANCE),
    ("/api/metrics/dashboard", ("model_behavior_metrics", "momentum"), BEHAVIOR),
    ("/api/metrics/dashboard", ("system_health_metrics",), HEALTH),
    ("/api/metrics/dashboard", ("trading_analytics",), ANALYTICS),
    ("/api/metrics/dashboard", ("current_metrics", "total_pnl"), CURRENT),
    ("/api/metrics/history/total_pnl?window=1d", (0,), METRIC),
    ("/api/metrics/performance", (), PERFORMANCE),
    ("/api/metrics/system-health", (), HEALTH),
    ("/api/tracing/correlation/{id}", (), REQUEST),
    ("/api/tracing/correlation/{id}", ("spans", 0), SPAN),
    ("/api/tracing/correlation/{id}", ("performance_metrics",), "total_duration_ms component_count"),
    ("/api/tracing/performance", (), TIMES),
    ("/api/tracing/errors", (), "items next by_component error_rate"),
    ("/api/tracing/statistics", (), STATISTICS),
    ("/api/correlations/{id}", (), REQUEST),
    ("/api/correlations/statistics", (), "total active completed failed timeout success_rate average_duration_ms"),
    ("/api/export?correlation_id={id}", (), "correlation_id stories requests"),
    ("/api/tracking/ensembles", ("items", 0), ENSEMBLE),
    ("/api/tracking/regimes", ("items", 0), REGIME),
    ("/api/tracking/regimes", ("items", 0, "market_conditions"), "volatility trend_strength momentum"),
    ("/api/tracking/features", ("items", 0), FEATURES),
    ("/api/tracking/decisions", ("items", 0), PATH),
    ("/api/tracking/behaviors", (0,), MODEL_BEHAVIOR),
    ("/api/tracking/behaviors", (0, "error_patterns"), "false_positive false_negative prediction_error"),
    ("/api/tracking/summary", (), "decisions votes regime_episodes importances behaviors"),
    ("/api/integration/status", (), STATUS),
    ("/api/integration/status", ("components",), COMPONENTS),
    ("/api/integration/metrics", (), "workflows components"),
    ("/api/integration/correlations", (), "pairs tests correction"),
    ("/api/integration/dashboard", (), UNIFIED),
    ("/api/integration/dashboard", ("report_scheduler",), SCHEDULER),
    ("/api/ml/models", (0,), MODEL),
    ("/api/ml/drift", (), "items reason"),
    ("/api/ml/features", ("items", 0), IMPORTANCE),
    ("/api/ml/ensembles", ("items", 0), ENSEMBLE),
    ("/api/ml/summary", (), ML_SUMMARY),
    ("/api/ml/online/momentum", (), ONLINE),
    ("/api/ml/retraining", (), "items reason"),
    ("/api/monitoring/drift-alerts", (), "items reason"),
    ("/api/monitoring/feature-importance/momentum", (), "items next"),
    ("/api/monitoring/online-learning/momentum", (), ONLINE),
    ("/api/monitoring/ml-tracker-stats", (), ML_SUMMARY),
    ("/api/monitoring/retraining-recommendations", (), "items reason"),
    ("/api/monitoring/model-comparison", (0,), MODEL),
    ("/api/monitoring/regime-performance", (0,), "model regime hit_rate"),
    ("/api/monitoring/dashboard", (), UNIFIED),
    ("/api/reports/schedule", (), "items reason"),
    ("/api/reports/history", (), "items next"),
]
"""Path, way into the answer, and the fields there."""


@pytest.fixture(scope="module")
def order(demo_server: EmbeddedServer) -> Any:
    """An order of the demo that was filled."""
    return told(demo_server, "/api/v1/orders?status=filled&limit=1")["items"][0]


@pytest.mark.parametrize(("path", "way", "fields"), DOCUMENTED, ids=lambda value: str(value)[:50])
def test_documented_fields(
    demo_server: EmbeddedServer, order: Any, path: str, way: tuple[Any, ...], fields: str
) -> None:
    """Each documented field is there; what is null has a reason where reasons are given."""
    answer = told(demo_server, path.format(id=order["correlation_id"]))
    for step in way:
        answer = answer[step]

    assert set(fields.split()) - answer.keys() == set()


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/api/metrics/performance", PERFORMANCE),
        ("/api/metrics/system-health", HEALTH),
        ("/api/metrics/trading", ANALYTICS),
        ("/api/tracing/statistics", STATISTICS),
        ("/api/ml/summary", ML_SUMMARY),
        ("/api/ml/online/momentum", ONLINE),
    ],
)
def test_what_is_null_has_a_reason(demo_server: EmbeddedServer, path: str, fields: str) -> None:
    """No field is without value and without a word about it."""
    answer = told(demo_server, path)

    assert [name for name in fields.split() if answer[name] is None and not answer["reasons"].get(name)] == []


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/api/ml/models", MODEL), ("/api/ml/features", IMPORTANCE), ("/api/monitoring/model-comparison", MODEL)],
)
def test_what_is_null_in_a_list_has_a_reason(demo_server: EmbeddedServer, path: str, fields: str) -> None:
    """No field of an item is without value and without a word about it."""
    answer = told(demo_server, path)
    items = answer["items"] if isinstance(answer, dict) else answer
    said = {**dict.fromkeys(("model_type", "model_id"), "what the bot did not say of its model")}

    assert items
    for item in items:
        assert [name for name in fields.split() if item[name] is None and not (item["reasons"] | said).get(name)] == []


@pytest.mark.parametrize("path", ["/api/reports/generate", "/api/v1/reports/generate"])
def test_reports_are_not_made_yet(demo_server: EmbeddedServer, path: str) -> None:
    """Who asks for a report hears that none is made, and where its contents are; no schedule has a reason, too."""
    place = urlsplit(demo_server.url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:
        connection.request("POST", path, b'{"report": "performance_summary"}', {"content-type": "application/json"})
        answer = connection.getresponse()
        problem = json.loads(answer.read())
    other = get(demo_server, path)
    places = re.findall(r"/api/v1/[a-z/-]+[a-z]", problem["detail"])

    assert (answer.status, answer.headers["content-type"], problem["status"]) == (501, MEDIA_TYPE, 501)
    assert problem["detail"].startswith("this server makes no reports yet")
    assert {get(demo_server, each).status for each in places} == {200}
    assert (other.status, other.headers["allow"], other.headers["content-type"]) == (405, "POST", MEDIA_TYPE)
    assert told(demo_server, "/api/reports/schedule")["reason"] == "this server schedules no reports"


def test_models_that_there_are_not(demo_server: EmbeddedServer) -> None:
    """Of a model that was never heard of nothing is said, not even that nothing is known."""
    for path in ("/api/ml/online/nobody", "/api/monitoring/feature-importance/nobody"):
        assert json.loads(get(demo_server, path).body)["detail"] == "there is no model nobody"


def test_values_are_those_of_the_account(demo_server: EmbeddedServer) -> None:
    """Profit, equity and exposure are sums of what the bot reported, in one currency."""
    held = told(demo_server, "/api/v1/accounts")
    found = told(demo_server, "/api/v1/metrics/performance")
    analytics = told(demo_server, "/api/v1/metrics/trading")

    assert found["currency"] == analytics["currency"] == "USD"
    assert found["total_pnl"] == pytest.approx(sum(each["total_pnl"] for each in held))
    assert analytics["portfolio_value"] == pytest.approx(sum(each["equity"] for each in held))
    one = told(demo_server, "/api/v1/metrics/performance?strategy=swing")
    assert one["total_pnl"] == pytest.approx(next(each["total_pnl"] for each in held if each["strategy"] == "swing"))


def test_a_request_as_it_was(demo_server: EmbeddedServer, order: Any) -> None:
    """A correlation has its spans linked, components in their order, a status and a bottleneck that took most."""
    found = told(demo_server, f"/api/tracing/correlation/{order['correlation_id']}")
    spans = {span["span_id"]: span for span in found["spans"]}

    assert found["status"] == "completed"
    assert found["component_path"] == ["analyst", "strategist", "tactician", "supervisor", "exchange"]
    assert all(child in spans for span in found["spans"] for child in span["child_span_ids"])
    assert all(spans[span["parent_span_id"]] for span in found["spans"] if span["parent_span_id"])
    durations = found["performance_metrics"]["component_durations"]
    assert found["performance_metrics"]["bottleneck_component"] == max(durations, key=durations.__getitem__)
    assert found["response_timestamp"] > found["request_timestamp"]


def test_statistics_add_up(demo_server: EmbeddedServer) -> None:
    """Each correlation is one of active, completed, failed or timed out; active ones do not count for success."""
    found = told(demo_server, "/api/correlations/statistics")
    ended = found["completed"] + found["failed"] + found["timeout"]

    assert found["total"] == told(demo_server, "/api/v1/tracking/summary")["decisions"] == ended + found["active"]
    assert found["success_rate"]["n"] == ended
    late = told(demo_server, "/api/correlations/statistics?timeout_seconds=0.001")
    assert late["active"] == 0
    assert late["timeout"] == found["active"] + found["timeout"]


def test_ensembles_add_up(demo_server: EmbeddedServer) -> None:
    """The ensemble's prediction is the weighted mean of its members', agreement and disagreement make one."""
    for each in told(demo_server, "/api/tracking/ensembles?limit=50")["items"]:
        weights, said = each["ensemble_weights"], each["individual_predictions"]
        total = sum(weights.values())
        assert set(said) == set(each["ensemble_models"]) == set(each["individual_actions"])
        if total:
            mean = sum(said[name] * weight for name, weight in weights.items()) / total
            assert each["ensemble_prediction"] == pytest.approx(mean)
        assert each["consensus_level"] + each["disagreement_score"] == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["total_pnl", "error_rate", "active_positions", "total_exposure", "memory_usage"])
def test_histories(demo_server: EmbeddedServer, name: str) -> None:
    """A history is in the order of time, and the newest change is against the value before in the same series."""
    points = told(demo_server, f"/api/metrics/history/{name}?window=30d")
    current = told(demo_server, "/api/metrics/dashboard")["current_metrics"][name]

    assert [point["timestamp"] for point in points] == sorted(point["timestamp"] for point in points)
    assert {point["metric_type"] for point in points} == {current["metric_type"]}
    if name != "memory_usage":
        assert points[-1]["value"] == current["current_value"]
    if len(points) > 1:
        assert current["trend"] in {"up", "down", "stable"}


def test_unknown_metric(demo_server: EmbeddedServer) -> None:
    """A metric without history is no empty list but an error."""
    reply = get(demo_server, "/api/metrics/history/nothing")

    assert reply.status == 400
    assert json.loads(reply.body)["invalid_parameters"][0]["place"] == "path"


def test_trades_are_those_of_the_fills(demo_server: EmbeddedServer) -> None:
    """Closed trades come newest first over all pages; what is told of them in sum follows from them."""
    until(lambda: told(demo_server, "/api/v1/metrics/performance")["total_trades"])
    page = told(demo_server, "/api/v1/trades?limit=7")
    trades = page["items"]
    while page["next"] is not None:
        page = told(demo_server, f"/api/v1/trades?limit=7&cursor={page['next']}")
        trades += page["items"]
    found = told(demo_server, "/api/v1/metrics/performance")
    gains = [float(trade["net"]) for trade in trades]

    assert found["total_trades"] == len(trades)
    assert found["winning_trades"] == sum(gain > 0 for gain in gains)
    assert float(found["best_trade"]) == max(gains)
    assert found["avg_trade_duration"] == pytest.approx(sum(t["holding_seconds"] for t in trades) / len(trades))
    assert [trade["exited"] for trade in trades] == sorted((trade["exited"] for trade in trades), reverse=True)


def test_compare_has_the_trades_of_the_store(demo_server: EmbeddedServer, capsys: pytest.CaptureFixture[str]) -> None:
    """`ares-otel compare --strategy` takes the closed trades of the store, after fees, beside its curve."""
    until(lambda: told(demo_server, "/api/v1/metrics/performance")["total_trades"])
    gains = [float(each["net"]) for each in told(demo_server, "/api/v1/trades?strategy=swing&limit=500")["items"]]
    assert main(["compare", "--strategy", "swing", "--database", str(demo_server.database), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["library"].partition(" (periods")[0]: row["values"] for row in found["rows"]}
    factor = sum(gain for gain in gains if gain > 0) / -sum(gain for gain in gains if gain < 0)

    assert found["trades"] == len(gains) > 10
    assert rows["ares-otel"]["profit_factor"] == pytest.approx(factor)
    assert rows["freqtrade (closed trades)"]["profit_factor"] == pytest.approx(factor)
    assert rows["backtesting.py"]["profit_factor"] is not None

"""Metrics of the servers around the bot that rules and boards ask for, declared once like our own."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "COLLECTOR_CAPACITY",
    "COLLECTOR_ENQUEUE_FAILED",
    "COLLECTOR_LOGS_ENQUEUE_FAILED",
    "COLLECTOR_LOGS_SEND_FAILED",
    "COLLECTOR_QUEUE",
    "COLLECTOR_REFUSED",
    "COLLECTOR_SEND_FAILED",
    "COLLECTOR_SENT",
    "EXEMPLARS",
    "FOREIGN",
    "NOTIFICATIONS_FAILED",
    "NOTIFICATIONS_SENT",
    "PROCESS_START",
    "RULE_DURATION",
    "RULE_FAILURES",
    "SAMPLES",
    "SERIES_IN_HEAD",
    "TEMPO_DISCARDED",
    "TEMPO_SPANS",
    "UP",
    "Foreign",
]


@dataclass(frozen=True, slots=True)
class Foreign:
    """A metric of somebody else: its name, what it says, whose it is, and the labels that we ask for.

    Attributes:
        comes_with: the job that exposes it, or "" for what Prometheus makes itself of every target.
    """

    name: str
    brief: str
    comes_with: str
    label_names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


UP = Foreign("up", "1 while the last scrape of a target worked", "")
PROCESS_START = Foreign("process_start_time_seconds", "Unix time at which the process started", "ares-bot")

COLLECTOR_QUEUE = Foreign(
    "otelcol_exporter_queue_size", "batches or bytes waiting", "otel-collector", ("exporter", "data_type")
)
COLLECTOR_CAPACITY = Foreign("otelcol_exporter_queue_capacity", "room of the queue", "otel-collector", ("exporter",))
COLLECTOR_SENT = Foreign("otelcol_exporter_sent_spans", "spans delivered", "otel-collector", ("exporter",))
COLLECTOR_SEND_FAILED = Foreign("otelcol_exporter_send_failed_spans", "spans given up", "otel-collector", ("exporter",))
COLLECTOR_ENQUEUE_FAILED = Foreign(
    "otelcol_exporter_enqueue_failed_spans", "spans that found no room in the queue", "otel-collector", ("exporter",)
)
COLLECTOR_LOGS_SEND_FAILED = Foreign(
    "otelcol_exporter_send_failed_log_records", "log records given up", "otel-collector", ("exporter",)
)
COLLECTOR_LOGS_ENQUEUE_FAILED = Foreign(
    *("otelcol_exporter_enqueue_failed_log_records", "log records that found no room in the queue", "otel-collector"),
    ("exporter",),
)
COLLECTOR_REFUSED = Foreign(
    "otelcol_receiver_refused_spans", "spans sent back to the bot", "otel-collector", ("receiver",)
)
TEMPO_SPANS = Foreign("tempo_distributor_spans_received_total", "spans received", "tempo", ("tenant",))
TEMPO_DISCARDED = Foreign("tempo_discarded_spans_total", "spans thrown away", "tempo", ("reason", "tenant"))
EXEMPLARS = Foreign("prometheus_tsdb_exemplar_exemplars_in_storage", "exemplars kept in memory", "prometheus")
SERIES_IN_HEAD = Foreign("prometheus_tsdb_head_series", "series in memory", "prometheus")
SAMPLES = Foreign("prometheus_tsdb_head_samples_appended_total", "samples written", "prometheus", ("type",))
RULE_DURATION = Foreign(
    "prometheus_rule_group_last_duration_seconds", "time of the last evaluation", "prometheus", ("rule_group",)
)
RULE_FAILURES = Foreign(
    "prometheus_rule_evaluation_failures_total", "rules that could not be evaluated", "prometheus", ("rule_group",)
)
NOTIFICATIONS_SENT = Foreign(
    "alertmanager_notifications_total", "messages sent", "alertmanager", ("integration", "receiver_name")
)
NOTIFICATIONS_FAILED = Foreign(
    "alertmanager_notifications_failed_total",
    "messages that nobody got",
    "alertmanager",
    ("integration", "receiver_name", "reason"),
)

FOREIGN: tuple[Foreign, ...] = tuple(value for value in vars().values() if isinstance(value, Foreign))

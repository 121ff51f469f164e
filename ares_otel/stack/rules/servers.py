"""Alerts on the servers around the bot: collector, Tempo, the ares server, Prometheus and Alertmanager themselves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from ares_otel.semconv import serving
from ares_otel.semconv import thresholds as t
from ares_otel.stack import foreign as f
from ares_otel.stack.promql import among, grown, is_, select
from ares_otel.stack.rules.model import Alert, Domain, Severity, Team

__all__ = ["STACK"]

FULL: Final = (f.COLLECTOR_ENQUEUE_FAILED, f.COLLECTOR_LOGS_ENQUEUE_FAILED)
LOST: Final = (f.COLLECTOR_SEND_FAILED, f.COLLECTOR_LOGS_SEND_FAILED)
UPKEEP: Final = {
    "backup": serving.BACKUP_FAILURES,
    "deletion of what is old": serving.PRUNE_FAILURES,
    "forwarding to InfluxDB": serving.FORWARD_FAILURES,
}
SERVERS: Final = among("job", "ares-server|tempo|alertmanager|grafana|loki")


def _any(counters: Iterable[f.Foreign]) -> str:
    return " or ".join(f"sum by (instance, exporter) (rate({select(each)}[5m])) > 0" for each in counters)


STACK: Final = (
    Alert(
        "Watchdog",
        "vector(1)",
        Severity.NONE,
        Team.PLATFORM,
        Domain.STACK,
        "Dead man's switch; always fires",
        "Whoever receives it has to alert when it stops coming: then Prometheus or Alertmanager is down.",
        "ares-telemetry",
    ),
    Alert(
        "AresCollectorDown",
        f"{select(f.UP, is_('job', 'otel-collector'))} == 0",
        Severity.CRITICAL,
        Team.PLATFORM,
        Domain.STACK,
        "The collector at {{ $labels.instance }} does not answer",
        "Bots keep their spans on disk meanwhile; nothing new is in Tempo and in the ares server.",
        "ares-telemetry",
        hold="2m",
    ),
    Alert(
        "AresServerDown",
        f"{select(f.UP, SERVERS)} == 0",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.STACK,
        "{{ $labels.job }} at {{ $labels.instance }} does not answer",
        "What it does is missing; the others go on, and queues keep what is meant for it.",
        "ares-telemetry",
        hold="2m",
    ),
    Alert(
        "AresCollectorQueueFilling",
        f"max by (instance, exporter) ({select(f.COLLECTOR_QUEUE)} / {select(f.COLLECTOR_CAPACITY)}) "
        f"> {t.QUEUE_FILLING.value:g}",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.STACK,
        "The collector's queue of {{ $labels.exporter }} is {{ $value | humanizePercentage }} full",
        "What it sends to is slow or down; at the end of the queue spans are refused.",
        "ares-telemetry",
        hold="5m",
    ),
    Alert(
        "AresCollectorNotDelivering",
        f"max by (instance, exporter) ({select(f.COLLECTOR_QUEUE, is_('data_type', 'traces'))}) > 0 unless "
        f"sum by (instance, exporter) (rate({select(f.COLLECTOR_SENT)}[2m])) > 0",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.STACK,
        "The collector delivers nothing to {{ $labels.exporter }}, though {{ $value | humanize1024 }}B wait",
        "Nothing is lost before the queue is full: it keeps what waits and tries again.",
        "ares-telemetry",
        hold="3m",
    ),
    Alert(
        "AresCollectorFull",
        _any(FULL),
        Severity.CRITICAL,
        Team.PLATFORM,
        Domain.STACK,
        "The collector has no room for {{ $value | humanize }} spans or records a second for {{ $labels.exporter }}",
        "It sends them back: bots keep them on disk, as much as fits there; the other receivers get all the same.",
        "ares-telemetry",
        hold="2m",
    ),
    Alert(
        "AresCollectorLosing",
        _any(LOST),
        Severity.CRITICAL,
        Team.PLATFORM,
        Domain.STACK,
        "The collector loses {{ $value | humanize }} spans or records a second on the way to {{ $labels.exporter }}",
        "The receiver refuses them for good.",
        "ares-telemetry",
        hold="5m",
    ),
    Alert(
        "AresStoreFailing",
        grown(select(serving.COMMIT_FAILURES), "5m", "by (instance)"),
        Severity.CRITICAL,
        Team.PLATFORM,
        Domain.STACK,
        "The ares server at {{ $labels.instance }} could not store {{ $value | humanize }} times",
        "Senders keep what was not stored and try again; decisions and reports are behind meanwhile.",
        "ares-telemetry",
        keep="10m",
    ),
    Alert(
        "AresStoreDiskLow",
        f"min by (instance) ({select(serving.DISK_FREE)}) < {t.STORE_DISK_LOW.value:.0f}",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.STACK,
        "{{ $value | humanize1024 }}B are left for the database of {{ $labels.instance }}",
        "Without room the ares server stores nothing more, and senders keep what they have.",
        "ares-telemetry",
        hold="5m",
    ),
    Alert(
        "AresUpkeepFailing",
        " or ".join(
            f'label_replace({grown(select(metric), "1h", "by (instance)")}, "chore", "{chore}", "", "")'
            for chore, metric in UPKEEP.items()
        ),
        Severity.WARNING,
        Team.PLATFORM,
        Domain.STACK,
        "The {{ $labels.chore }} of the ares server at {{ $labels.instance }} failed {{ $value | humanize }} times",
        "It is tried again; until then there is no newer backup, the disk fills, or the other database is behind.",
        "ares-telemetry",
    ),
    Alert(
        "AresTempoDiscarding",
        f"sum by (instance, reason) (rate({select(f.TEMPO_DISCARDED)}[5m])) > 0",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.STACK,
        "Tempo throws {{ $value | humanize }} spans a second away ({{ $labels.reason }})",
        "A limit of Tempo's overrides is too small for what the bots send.",
        "ares-telemetry",
        hold="5m",
    ),
    Alert(
        "AresRulesFailing",
        f"increase({select(f.RULE_FAILURES)}[5m]) > 0",
        Severity.CRITICAL,
        Team.PLATFORM,
        Domain.STACK,
        "Rules of {{ $labels.rule_group }} cannot be evaluated",
        "Alerts of this group do not fire, whatever happens.",
        "ares-telemetry",
        keep="10m",
    ),
    Alert(
        "AresNotificationsFailing",
        f"sum by (instance, integration) (rate({select(f.NOTIFICATIONS_FAILED)}[5m])) > 0",
        Severity.CRITICAL,
        Team.PLATFORM,
        Domain.STACK,
        "Alertmanager cannot send by {{ $labels.integration }}",
        "Alerts fire, but nobody hears of them this way.",
        "ares-telemetry",
        hold="5m",
    ),
)

"""Alerts on what runs: the bot's process and its telemetry."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import thresholds as t
from ares_otel.semconv.enums import CorrelationOutcome
from ares_otel.stack import foreign as f
from ares_otel.stack.promql import IDENTITY, Matcher, by, grown, is_, select
from ares_otel.stack.rules.model import Alert, Domain, Group, Record, Severity, Team

__all__ = ["BOT", "INTERVAL", "RECORDS", "TELEMETRY"]

INTERVAL: Final = "ares:decision:interval_seconds"
STRATEGY: Final = by(a.STRATEGY)
BOTS: Final = is_("job", "ares-bot")
SELF: Final = by("instance")
FOLDING: Final = "metrics.series"
"""Where a bot says that labels became `other`: it keeps to its budget, and nothing failed."""
FAILING: Final = Matcher(str(a.WHERE), "!~", f"{FOLDING}|sender.*|alertmanager")
"""Who is not reached is told by alerts of its own."""
MINIMUM: Final = f"{t.EXECUTION_MINIMUM.value:g}"

RECORDS: Final = (
    Group(
        "ares-decision-interval",
        (Record(INTERVAL, f"86400 / (sum {STRATEGY} (increase({select(m.DECISIONS)}[1d])) > 1)"),),
        interval="1m",
    ),
)


def _overdue() -> str:
    silence = f"time() - max {STRATEGY} ({select(m.LAST_DECISION)})"
    usual = f"clamp_min({t.DECISION_OVERDUE.value:g} * {INTERVAL}, {t.DECISION_PATIENCE.value:g})"
    return f"{silence} > {usual}"


def _stage_errors() -> str:
    failed = f"sum {by(a.COMPONENT)} (increase({select(m.STAGE_ERRORS)}[5m]))"
    every = f"sum {by(a.COMPONENT)} (increase({select(m.STAGE_DURATION, part='_count')}[5m]))"
    return f"{failed} / ({every} >= {MINIMUM}) > {t.STAGE_ERROR_RATIO.value:g}"


def _growing() -> str:
    memory = select(m.PROCESS_MEMORY)
    old = f"(time() - {select(f.PROCESS_START, BOTS)}) > 7200"
    return f"predict_linear({memory}[1h], 14400) > 2 * {memory} and on ({', '.join(IDENTITY)}, instance) {old}"


def _p99(histogram: str, clause: str) -> str:
    return f"histogram_quantile(0.99, sum {clause} (rate({histogram}[5m])))"


BOT: Final = (
    Alert(
        "AresBotDown",
        f"{select(f.UP, BOTS)} == 0",
        Severity.CRITICAL,
        Team.TRADING,
        Domain.BOT,
        "{{ $labels.service_name }} at {{ $labels.instance }} does not answer",
        f"Nothing was scraped for {t.BOT_SILENT.value:g} s: it hangs, was killed, or cannot be reached.",
        "ares-bot",
        hold=f"{t.BOT_SILENT.value:g}s",
    ),
    Alert(
        "AresBotAbsent",
        f"absent({select(f.UP, BOTS)})",
        Severity.CRITICAL,
        Team.TRADING,
        Domain.BOT,
        "No bot is known to Prometheus",
        "There is no target left: all bots ended, or the file in which they say where they are is not there.",
        "ares-bot",
        hold="5m",
        labels={"absence": "true"},
    ),
    Alert(
        "AresBotRestarting",
        f"changes({select(f.PROCESS_START, BOTS)}[30m]) > {t.RESTARTS.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "{{ $labels.service_name }} was started {{ $value }} times in half an hour",
        "It crashes again and again; each start has to find its orders anew.",
        "ares-bot",
    ),
    Alert(
        "AresDecisionsOverdue",
        _overdue(),
        Severity.CRITICAL,
        Team.TRADING,
        Domain.BOT,
        "{{ $labels.strategy }} has decided nothing for {{ $value | humanizeDuration }}",
        f"The process answers, but its silence is more than {t.DECISION_OVERDUE.value:g} of its usual intervals "
        f"(of the last day) and more than {t.DECISION_PATIENCE.value:g} s.",
        "ares-trading",
        hold="1m",
        variables=("strategy",),
    ),
    Alert(
        "AresMarketDataStale",
        f"max {by(a.VENUE, a.SYMBOL, a.CHANNEL)} ({select(m.MARKET_DATA_AGE)}) > {t.MARKET_DATA_STALE.value:g}",
        Severity.CRITICAL,
        Team.TRADING,
        Domain.BOT,
        "{{ $labels.symbol }} of {{ $labels.venue }} is {{ $value | humanizeDuration }} old",
        f"No message of {{{{ $labels.channel }}}} for over {t.MARKET_DATA_STALE.value:g} s; decisions see the past.",
        "ares-trading",
        hold="5m",
        variables=("venue", "symbol"),
    ),
    Alert(
        "AresDecisionSlow",
        f"{_p99(select(m.DECISION_DURATION, part='_bucket'), by('le', a.STRATEGY))} > {t.DECISION_SLOW.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "Decisions of {{ $labels.strategy }} take up to {{ $value | humanizeDuration }}",
        f"The 99th percentile over 5 minutes is above {t.DECISION_SLOW.value:g} s.",
        "ares-pipeline",
        hold="5m",
        variables=("strategy",),
    ),
    Alert(
        "AresStageSlow",
        f"{_p99(select(m.STAGE_DURATION, part='_bucket'), by('le', a.STRATEGY, a.COMPONENT))} > {t.STAGE_SLOW.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "The {{ $labels.component }} stage of {{ $labels.strategy }} takes up to {{ $value | humanizeDuration }}",
        f"The 99th percentile over 5 minutes is above {t.STAGE_SLOW.value:g} s.",
        "ares-pipeline",
        hold="5m",
        variables=("strategy",),
    ),
    Alert(
        "AresDecisionsAbandoned",
        grown(select(m.CORRELATIONS, is_(a.CORRELATION_OUTCOME, CorrelationOutcome.TIMEOUT)), "15m", by()),
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "{{ $value | humanize }} decisions of {{ $labels.service_name }} never ended",
        f"They were closed after {t.CORRELATION_TIMEOUT.value:g} s: code inside hangs, or forgets the end.",
        "ares-pipeline",
    ),
    Alert(
        "AresStageErrors",
        _stage_errors(),
        Severity.CRITICAL,
        Team.TRADING,
        Domain.BOT,
        "{{ $value | humanizePercentage }} of the {{ $labels.component }} stages fail",
        f"More than {t.STAGE_ERROR_RATIO.value:.0%} of at least {MINIMUM} in 5 minutes, also what the bot swallows.",
        "ares-pipeline",
        hold="5m",
    ),
    Alert(
        "AresEventLoopSlow",
        f"{_p99(select(m.EVENT_LOOP_LAG, part='_bucket'), by('le', 'instance'))} > {t.EVENT_LOOP_SLOW.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "The event loop of {{ $labels.service_name }} is late by up to {{ $value | humanizeDuration }}",
        f"The 99th percentile is above {t.EVENT_LOOP_SLOW.value:g} s: something blocks the loop.",
        "ares-bot",
        hold="5m",
    ),
    Alert(
        "AresProcessorBusy",
        f"{select(m.PROCESS_CPU)} > {t.CPU_HIGH.value:g} or {select(m.HOST_CPU)} > {t.CPU_HIGH.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "{{ $labels.service_name }} or its host has no processor left ({{ $value | humanizePercentage }})",
        f"Above {t.CPU_HIGH.value:.0%} of one core in the process, or of all cores on the host.",
        "ares-bot",
        hold="5m",
    ),
    Alert(
        "AresMemoryGrowing",
        _growing(),
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "{{ $labels.service_name }} will need {{ $value | humanize1024 }}B in four hours",
        "At the pace of the last hour its memory doubles: something is kept that should be let go.",
        "ares-bot",
        hold="30m",
    ),
    Alert(
        "AresHostFull",
        f"{select(m.HOST_MEMORY)} > {t.MEMORY_HIGH.value:g} or {select(m.HOST_DISK)} > {t.DISK_HIGH.value:g}",
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "The host of {{ $labels.service_name }} is full ({{ $value | humanizePercentage }})",
        "Its memory, or the disk that keeps orders and undelivered spans, is nearly used up.",
        "ares-bot",
        hold="10m",
    ),
    Alert(
        "AresClockOff",
        f"abs({select(m.CLOCK_OFFSET)}) > {t.CLOCK_OFF.value:g} or {grown(select(m.NEGATIVE_LATENCY), '15m', by())}",
        Severity.WARNING,
        Team.TRADING,
        Domain.BOT,
        "Clocks of {{ $labels.service_name }} and its venues disagree",
        f"An offset above {t.CLOCK_OFF.value:g} s, or latencies below zero: ages and latencies cannot be trusted.",
        "ares-bot",
        hold="5m",
    ),
)

TELEMETRY: Final = (
    Alert(
        "AresTelemetryLosing",
        grown(select(m.DROPPED), "5m", by(a.DROP_REASON)),
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.service_name }} lost {{ $value | humanize }} spans or records ({{ $labels.reason }})",
        "Traces and reports of this time are not whole; metrics may be short as well.",
        "ares-telemetry",
        keep="10m",
    ),
    Alert(
        "AresTelemetryLosingLogs",
        grown(select(m.LOGS_DROPPED), "5m", by(a.DROP_REASON)),
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.service_name }} lost {{ $value | humanize }} log records ({{ $labels.reason }})",
        "What the bot logged in this time is not whole in Loki; its own console and files are untouched.",
        "ares-telemetry",
        keep="10m",
    ),
    Alert(
        "AresTelemetryNotDelivered",
        f"sum {by(a.CAUSE)} (rate({select(m.EXPORT_FAILURES)}[5m])) > 0",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.service_name }} cannot deliver its spans ({{ $labels.reason }})",
        "Attempts have failed for ten minutes; spans wait on disk until their room is used up.",
        "ares-telemetry",
        hold="10m",
    ),
    Alert(
        "AresTelemetrySpoolLarge",
        f"max {by()} ({select(m.SPOOL_BYTES)}) > {t.SPOOL_LARGE.value:.0f}",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $value | humanize1024 }}B of {{ $labels.service_name }} wait on disk",
        "Half of the default room; at its end the oldest spans are given up.",
        "ares-telemetry",
        hold="5m",
    ),
    Alert(
        "AresTelemetryQueueLong",
        f"max {by()} ({select(m.QUEUE_LENGTH)}) > {t.QUEUE_LONG.value:.0f}",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $value | humanize }} records of {{ $labels.service_name }} wait for its worker",
        "Half of what usually fits; beyond it records are dropped rather than the bot slowed.",
        "ares-telemetry",
        hold="1m",
    ),
    Alert(
        "AresRingRecovered",
        grown(select(m.RECOVERED), "15m", by(a.RING_STATE)),
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.service_name }} was killed: {{ $value | humanize }} ({{ $labels.ring_state }}) came from its ring",
        "It ended without an end of its own. What it had said is here; `aborted` were open, `damaged` are lost.",
        "ares-telemetry",
        keep="10m",
    ),
    Alert(
        "AresRingFull",
        grown(select(m.RING_REFUSED), "15m", by()),
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "The ring of {{ $labels.service_name }} had no room for {{ $value | humanize }} records",
        "They are delivered as ever; only a `kill -9` before that would lose them.",
        "ares-telemetry",
        keep="10m",
    ),
    Alert(
        "AresTelemetryErrors",
        grown(select(m.TELEMETRY_ERRORS, FAILING), "15m", by(a.WHERE)),
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "The telemetry of {{ $labels.service_name }} failed {{ $value | humanize }} times in {{ $labels.where }}",
        "The bot was not touched; what the place does is missing. The log has the first of each kind.",
        "ares-telemetry",
    ),
    Alert(
        "AresRecordsBad",
        grown(select(m.BAD_VALUES), "15m", by(a.RECORD, a.FIELD)),
        Severity.INFO,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.service_name }} says {{ $labels.record }}.{{ $labels.field }} wrongly",
        "{{ $value | humanize }} values were of a wrong type or out of range and were left out.",
        "ares-telemetry",
    ),
    Alert(
        "AresSeriesMany",
        f"max {SELF} ({select(m.SERIES)}) > {t.SERIES_BUDGET.value:.0f}",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.service_name }} exposes {{ $value }} series",
        f"The budget of one bot is {t.SERIES_BUDGET.value:.0f}; a label has more values than it was meant to have.",
        "ares-telemetry",
        hold="15m",
    ),
    Alert(
        "AresSeriesFolded",
        grown(select(m.TELEMETRY_ERRORS, is_(a.WHERE, FOLDING)), "15m", by()),
        Severity.INFO,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.service_name }} shows some of its symbols or strategies as `other`",
        "It trades more than its budget of series has room for. Sums stay complete; traces have every name.",
        "ares-telemetry",
    ),
    Alert(
        "AresMetricOverflow",
        f"count by (job, service_name) ({{{is_('otel_metric_overflow', 'true')}}}) > 0",
        Severity.WARNING,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "{{ $labels.job }} has more series than its OpenTelemetry SDK keeps apart",
        "Beyond the limit of an instrument the rest is one series, so sums by label are wrong. It sends by OTLP.",
        "ares-telemetry",
        hold="15m",
    ),
    Alert(
        "AresExemplarsMissing",
        f"{select(f.EXEMPLARS)} == 0 and on () sum(rate({select(m.DECISIONS)}[30m])) > 0",
        Severity.INFO,
        Team.PLATFORM,
        Domain.TELEMETRY,
        "Bots decide, but Prometheus keeps no exemplars",
        "Points on boards lead to no trace: the storage is switched off, or bots are scraped through something else.",
        "ares-telemetry",
        hold="30m",
    ),
)

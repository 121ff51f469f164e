"""Boards about observing: the health of the telemetry, and one trace found by its correlation id."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import serving, spans
from ares_otel.semconv import thresholds as t
from ares_otel.semconv.model import Attribute, Counter
from ares_otel.stack import foreign as f
from ares_otel.stack.boards import common
from ares_otel.stack.boards.model import Board, Panel, Row, Target
from ares_otel.stack.boards.panels import RED, alerts, bars, lines, stat, steps
from ares_otel.stack.boards.queries import grouped, growth, per_second, quantile, shown, total, traces
from ares_otel.stack.boards.tables import LOGS_PANEL, TRACE_PANEL, trace_table
from ares_otel.stack.promql import select

__all__ = ["TELEMETRY", "TRACE"]

FOUND: Final = (a.CORRELATION_ID, a.DECISION_ID)
STORED: Final = f"{{{{{a.SIGNAL}}}}} {{{{{a.STORED}}}}}"


RULE_GROUPS: Final = f'label_replace(max by (rule_group) ({f.RULE_DURATION}), "group", "$1", "rule_group", ".*;(.*)")'
LARGEST: Final = (
    'label_replace(topk(10, count by (__name__) ({__name__=~"ares_.+",service_name=~"$service"})), '
    '"metric", "$1", "__name__", "ares_(.+)")'
)
"""Without the path of the file, and without what all names begin with: axes and legends have little room."""
CORRELATION: Final = a.CORRELATION_ID.key.replace(".", "_")
"""Loki keeps attributes of records as metadata under names without dots."""
LOGGED: Final = (
    # all services are `.*`, and Loki refuses to look where no label has to be there
    '{service_name=~"$service", service_name=~".+"} '
    # what a record does not have equals an id that is not typed
    f'| ({CORRELATION} != "" and {CORRELATION} = "${{correlation_id:raw}}") '
    'or (trace_id != "" and trace_id = "${trace_id:raw}")'
)


def _server(metric: f.Foreign, function: str = "", *labels: str) -> str:
    inside = f"{function}({select(metric)}[$__rate_interval])" if function else select(metric)
    return grouped("sum", inside, *labels)


def _a_minute(counter: Counter, label: Attribute) -> str:
    return common.happened(f"60 * {per_second(counter, label)}", counter, label)


TELEMETRY: Final = Board(
    "ares-telemetry",
    "Telemetry health",
    "Is what we see all that happened?",
    (
        stat(
            "Lost in range",
            growth(m.DROPPED, "$__range"),
            "Spans and records that were lost. Anything above zero: traces and reports have holes.",
            limits=steps((t.ANY, RED)),
            decimals=0,
        ),
        stat(
            "Waiting on disk",
            total(m.SPOOL_BYTES),
            "Spans that could not be delivered yet.",
            "bytes",
            steps((t.SPOOL_LARGE, RED)),
        ),
        stat(
            "Waiting for the worker",
            total(m.QUEUE_LENGTH),
            "Records in the queue between the bot and its telemetry.",
            limits=steps((t.QUEUE_LONG, RED)),
            decimals=0,
        ),
        stat(
            "Delivered spans a second",
            per_second(m.EXPORTED),
            "Spans that the receiver has acknowledged.",
            decimals=1,
        ),
        stat(
            "Errors of the telemetry",
            f"{growth(m.TELEMETRY_ERRORS, '$__range')} or 0 * {total(m.QUEUE_LENGTH)}",
            "Failures of ours in range; the bot was not touched.",
            limits=steps((t.ANY, RED)),
            decimals=0,
        ),
        stat(
            "Series of the largest bot",
            grouped("max", shown(m.SERIES)),
            "Series on one metrics page; the budget is 4,000.",
            limits=steps((t.SERIES_BUDGET, RED)),
            decimals=0,
        ),
        lines(
            "Bot: delivered and failed",
            [
                (per_second(m.EXPORTED, "service_name"), "spans {{service_name}}"),
                (per_second(m.EXPORT_FAILURES, "service_name", a.CAUSE), "failed attempts {{service_name}} {{reason}}"),
            ],
            "Spans a second that were acknowledged, and attempts that failed.",
            "none",
            marked=True,
        ),
        lines(
            "Bot: waiting",
            [
                (total(m.QUEUE_LENGTH, "service_name"), "queue {{service_name}}"),
                (total(m.CORRELATIONS_OPEN, "service_name"), "open decisions {{service_name}}"),
            ],
            "Records waiting for the worker. Near the line they will be dropped rather than the bot slowed.",
            "none",
            limits=((t.QUEUE_LONG, RED),),
        ),
        alerts(8, 7, ',team="platform"'),
        lines(
            "Bot: lost by reason",
            [
                (_a_minute(m.DROPPED, a.DROP_REASON), "{{reason}}"),
                (_a_minute(m.RECOVERED, a.RING_STATE), "{{ring_state}}, from the ring of a killed process"),
            ],
            "Spans and records a minute; the runbook says what each reason asks for. What is from a ring is not lost.",
            "none",
            nothing="nothing lost",
        ),
        lines(
            "Bot: an attempt to send, 99th percentile",
            [(quantile(0.99, m.EXPORT_DURATION, "service_name"), "{{service_name}}")],
            "Time until the receiver answered.",
            "s",
        ),
        lines(
            "Ares server: records a second",
            [(grouped("sum", f"rate({select(serving.RECORDS)}[$__rate_interval])", a.SIGNAL, a.STORED), STORED)],
            "Spans and log records by what became of them. What is not stored is missing in decisions and reports.",
            "none",
        ),
        lines(
            "Collector: delivered, given up",
            [
                (_server(f.COLLECTOR_SENT, "rate", "exporter"), "delivered {{exporter}}"),
                (_server(f.COLLECTOR_SEND_FAILED, "rate", "exporter"), "given up {{exporter}}"),
                (_server(f.COLLECTOR_ENQUEUE_FAILED, "rate", "exporter"), "no room {{exporter}}"),
                (_server(f.COLLECTOR_REFUSED, "rate", "receiver"), "sent back {{receiver}}"),
            ],
            "Spans a second by receiver behind the collector.",
            "none",
        ),
        lines(
            "Collector: used room of its queues",
            [(f"max by (exporter) ({f.COLLECTOR_QUEUE} / {f.COLLECTOR_CAPACITY})", "{{exporter}}")],
            "A queue that fills names the server that is slow or down.",
            "percentunit",
            limits=((t.QUEUE_FILLING, RED),),
            highest=1.0,
        ),
        lines(
            "Tempo: received, thrown away",
            [
                (_server(f.TEMPO_SPANS, "rate"), "received"),
                (_server(f.TEMPO_DISCARDED, "rate", "reason"), "thrown away: {{reason}}"),
            ],
            "Spans a second. What is thrown away met a limit of Tempo's.",
            "none",
        ),
        lines(
            "Prometheus: series and exemplars",
            [(_server(f.SERIES_IN_HEAD), "series"), (_server(f.EXEMPLARS), "exemplars")],
            "In memory. No exemplars: points on boards lead to no trace.",
            "none",
        ),
        lines(
            "Prometheus: evaluation of rules",
            [(RULE_GROUPS, "{{group}}")],
            "Time of the last evaluation by group; it has to stay far below the interval.",
            "s",
        ),
        lines(
            "Alertmanager: messages a minute",
            [
                (f"60 * {_server(f.NOTIFICATIONS_SENT, 'rate', 'integration')} > 0", "sent {{integration}}"),
                (f"60 * {_server(f.NOTIFICATIONS_FAILED, 'rate', 'integration')} > 0", "failed {{integration}}"),
            ],
            "What alerting says, by which way. Failed: nobody hears of alerts this way.",
            "none",
        ),
        bars(
            "Largest metrics",
            LARGEST,
            "metric",
            "Metrics with the most series. A label with more values than it was meant to have shows here.",
            "none",
            *(12, 8),
        ),
        lines(
            "Values left out of records",
            [(f"60 * {per_second(m.BAD_VALUES, a.RECORD, a.FIELD)}", "{{record}}.{{field}}")],
            "Values a minute of a wrong type or out of range; the bot's code says them wrongly.",
            "none",
            *(12, 8),
            nothing="none left out",
        ),
    ),
    annotations=(common.DEPLOYED,),
)

TRACE: Final = Board(
    "ares-trace",
    "Traces by correlation id",
    "What happened in this one decision, from market data to the last fill?",
    (
        trace_table(
            "Spans of the correlation id",
            f'{{ span.{a.CORRELATION_ID.key} = "${{correlation_id:raw}}" }} | select(span.{a.CORRELATION_ID.key}, '
            f"span.{a.DECISION_ID.key}, span.{a.STRATEGY.key}, span.{a.SYMBOL.key}, name) with (most_recent=true)",
            (a.STRATEGY, a.SYMBOL),
            "Paste a correlation id above. What became of its orders later, even after a restart, is here as well.",
            *(24, 8),
            recent=False,
        ),
        trace_table(
            "Newest decisions (5 minutes)",
            traces(
                spans.DECISION,
                wanted=(*FOUND, a.STRATEGY, a.SYMBOL, a.ACTION),
                chosen=("strategy", "symbol"),
            ),
            (a.STRATEGY, a.SYMBOL, a.ACTION),
            "Something to begin with: the correlation id leads to the decision in Ares and to its trace.",
            *(12, 9),
        ),
        trace_table(
            "Newest updates of orders (5 minutes)",
            traces(
                spans.ORDER_UPDATE,
                wanted=(*FOUND, a.SYMBOL, a.VENUE, a.STATUS),
                chosen=("strategy", "symbol"),
            ),
            (a.SYMBOL, a.VENUE, a.STATUS),
            "Execution reports; each is joined to the decision that sent its order.",
            *(12, 9),
            timed=False,
        ),
    ),
    rows=(
        Row(
            "One trace",
            (
                Panel(
                    "Trace",
                    "traces",
                    "The trace whose id stands above; the links of correlation ids open it alone.",
                    (Target("${trace_id:raw}", form="traces"),),
                    *(24, 20),
                    {"unit": "none"},
                    fixed=TRACE_PANEL,
                ),
            ),
        ),
        Row(
            "Logs, where Loki runs",
            (
                Panel(
                    "Log records of the ids above",
                    "logs",
                    "What the bot logged on the way; each line leads to its trace. Needs Loki and exported logs.",
                    (Target(LOGGED, form="logs"),),
                    *(24, 12),
                    {"unit": "none"},
                    fixed=LOGS_PANEL,
                    options={
                        "showTime": True,
                        "wrapLogMessage": True,
                        "enableLogDetails": True,
                        "sortOrder": "Ascending",
                        "dedupStrategy": "none",
                    },
                ),
            ),
        ),
    ),
    texts=("correlation_id", "trace_id"),
)

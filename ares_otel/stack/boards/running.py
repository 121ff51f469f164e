"""Boards about what runs: the bot's process, and the way of a decision."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import spans
from ares_otel.semconv import thresholds as t
from ares_otel.semconv.enums import CorrelationOutcome
from ares_otel.semconv.model import Metric
from ares_otel.stack import foreign as f
from ares_otel.stack.boards import common
from ares_otel.stack.boards.model import Board, Panel, Row, Target
from ares_otel.stack.boards.panels import AMBER, GREEN, RED, alerts, heat, lines, stat, steps
from ares_otel.stack.boards.queries import grouped, growth, per_second, quantile, shown, total, traces
from ares_otel.stack.boards.tables import trace_table
from ares_otel.stack.promql import among, is_, select
from ares_otel.stack.rules.slo import BUDGET, BURNS, error_ratio

__all__ = ["BOT", "PIPELINE"]

INSTANCE: Final = "{{service_name}} {{instance}}"
UP: Final = select(f.UP, is_("job", "ares-bot"), among("service_name", "$service"))
FOUND: Final = (a.CORRELATION_ID, a.DECISION_ID)
BUSY: Final = ((t.CPU_HIGH, RED),)


def _each(metric: Metric) -> str:
    return grouped("max", shown(metric), "service_name", "instance")


def _recorded(name: str) -> str:
    return f'{name}{{deployment_environment_name=~"$env",service_name=~"$service",venue=~"$venue"}}'


BOT: Final = Board(
    "ares-bot",
    "Bot health",
    "Do the bots run, and have they got what they need?",
    (
        stat(
            "Bots up",
            f"sum({UP})",
            "Bots that answered the last scrape.",
            limits=steps((t.ANY, GREEN), good=RED),
            decimals=0,
        ),
        stat("Bots known", f"count({UP})", "Targets that Prometheus knows, whether they answer or not.", decimals=0),
        stat(
            "Up since",
            f"min(time() - {common.started()})",
            "Time since the youngest process was started.",
            "s",
            decimals=0,
        ),
        stat(
            "Starts in range",
            f"sum(changes({common.started()}[$__range]))",
            "Restarts in the chosen time; more than two in half an hour alert.",
            limits=steps((t.RESTARTS, AMBER)),
            decimals=0,
        ),
        stat(
            "Decisions open",
            total(m.CORRELATIONS_OPEN),
            "Decisions that were begun and have not ended. A number that grows: something hangs.",
            decimals=0,
        ),
        stat(
            "Errors in stages, a minute",
            f"60 * ({per_second(m.STAGE_ERRORS)} or 0 * {total(m.CORRELATIONS_OPEN)})",
            "Errors in stages, also those that the bot catches and hides.",
            decimals=1,
        ),
        lines(
            "Processor of the process",
            [(_each(m.PROCESS_CPU), INSTANCE)],
            "1 is one core, which is all that Python threads share.",
            "percentunit",
            limits=BUSY,
            marked=True,
        ),
        lines(
            "Memory of the process",
            [(_each(m.PROCESS_MEMORY), INSTANCE)],
            "Resident memory. A line that climbs for hours keeps what it should let go.",
            "bytes",
            marked=True,
        ),
        alerts(8, 7, ',domain="bot"'),
        lines(
            "Event loop, 99th percentile of its delay",
            [(quantile(0.99, m.EVENT_LOOP_LAG, "service_name"), "{{service_name}}")],
            "How late callbacks of asyncio run. Absent for bots without a loop.",
            "s",
            limits=((t.EVENT_LOOP_SLOW, RED),),
        ),
        lines(
            "Garbage collection, share of time",
            [
                (
                    per_second(m.GC_PAUSE, "service_name", a.GENERATION, part="_sum"),
                    "{{service_name}} gen {{generation}}",
                )
            ],
            "Share of the time in which the process stood still for it.",
            "percentunit",
        ),
        lines(
            "Threads, files, connections",
            [
                (total(m.PROCESS_THREADS, "service_name"), "threads {{service_name}}"),
                (total(m.PROCESS_FILES, "service_name"), "files {{service_name}}"),
                (total(m.PROCESS_CONNECTIONS, "service_name"), "connections {{service_name}}"),
            ],
            "What the process holds open. A line that only climbs is a leak.",
            "none",
        ),
        lines(
            "Read and written",
            [(per_second(m.PROCESS_IO, "service_name", a.DEVICE), "{{service_name}} {{device}}")],
            "Bytes a second of the process.",
            "Bps",
        ),
        lines(
            "Host: processor, memory, disk",
            [
                (_each(m.HOST_CPU), "processor {{instance}}"),
                (_each(m.HOST_MEMORY), "memory {{instance}}"),
                (_each(m.HOST_DISK), "disk {{instance}}"),
            ],
            "Used shares of the host, the disk being that of the state directory.",
            "percentunit",
            limits=((t.MEMORY_HIGH, RED),),
            highest=1.0,
        ),
        lines(
            "Host: network",
            [(per_second(m.HOST_NETWORK, "instance", a.DEVICE), "{{instance}} {{device}}")],
            "Bytes a second, received and sent.",
            "Bps",
        ),
        lines(
            "Errors in stages by component",
            [(f"60 * {per_second(m.STAGE_ERRORS, a.COMPONENT, a.ERROR_TYPE)}", "{{component}} {{error_type}}")],
            "Errors a minute, also those that the bot catches and hides.",
            "none",
            nothing="no errors",
        ),
        lines(
            "Clock",
            [(grouped("max", shown(m.CLOCK_OFFSET), "instance"), "{{instance}}")],
            "Offset of the clock from its source. Beyond the line ages and latencies cannot be trusted.",
            "s",
            limits=((t.CLOCK_OFF, RED),),
            lowest=None,
        ),
        lines(
            "Market data: messages a second",
            [(per_second(m.MARKET_DATA_MESSAGES, a.VENUE, a.CHANNEL), "{{venue}} {{channel}}")],
            "What comes in. Flat at zero: the subscription is lost.",
            "none",
        ),
    ),
    annotations=common.EVENTS,
)


def _burned() -> list[tuple[str, str]]:
    return [
        (grouped("max", _recorded(error_ratio(burn.long)), a.VENUE), f"{burn.long} {{{{venue}}}}") for burn in BURNS
    ]


PIPELINE: Final = Board(
    "ares-pipeline",
    "Pipeline latency and objectives",
    "Where does a decision spend its time, and is the promise on orders kept?",
    (
        stat(
            "Decision, median",
            quantile(0.5, m.DECISION_DURATION, window="5m"),
            "Half of the decisions of 5 minutes took less.",
            "s",
        ),
        stat(
            "Decision, p99",
            quantile(0.99, m.DECISION_DURATION, window="5m"),
            "Over 5 minutes.",
            "s",
            steps((t.DECISION_SLOW, RED)),
        ),
        stat(
            "Decision to order, p99",
            quantile(0.99, m.TICK_TO_ORDER, window="5m"),
            "From the start of the decision to the order that left, over 5 minutes.",
            "s",
        ),
        stat(
            "Error budget left",
            grouped("min", _recorded(BUDGET)),
            "Of answers to orders within the goal, over 30 days and the worst venue. Below zero the promise is broken.",
            "percentunit",
            steps((t.BUDGET_SPENT, AMBER), (t.BUDGET_LOW, GREEN), good=RED, lowest=-1e12),
            0,
        ),
        stat(
            "Decisions ended in range",
            growth(m.CORRELATIONS, "$__range"),
            "Completed, failed, or closed by the time limit.",
            decimals=0,
        ),
        stat(
            "Never ended",
            f"sum(increase({shown(m.CORRELATIONS, is_(a.CORRELATION_OUTCOME, CorrelationOutcome.TIMEOUT))}[$__range]))",
            "Decisions in range that the time limit closed: code inside hangs, or forgets the end.",
            limits=steps((t.ANY, RED)),
            decimals=0,
        ),
        lines(
            "Time of a decision",
            [
                (quantile(0.5, m.DECISION_DURATION), "median"),
                (quantile(0.95, m.DECISION_DURATION), "p95"),
                (quantile(0.99, m.DECISION_DURATION), "p99"),
            ],
            "From begin to end. A diamond is one decision: click for its trace.",
            "s",
            *(12, 9),
            limits=((t.DECISION_SLOW, RED),),
            exemplars=True,
            marked=True,
        ),
        heat(
            "Decisions, all of them",
            grouped("sum", f"increase({shown(m.DECISION_DURATION, part='_bucket')}[$__rate_interval])", "le"),
            "How many decisions fell into each span of time.",
        ),
        lines(
            "Stages, 99th percentile",
            [(quantile(0.99, m.STAGE_DURATION, a.COMPONENT), "{{component}}")],
            "Which part takes the time. A diamond is one stage: click for its trace.",
            "s",
            exemplars=True,
        ),
        lines(
            "Stages, share of time",
            [(per_second(m.STAGE_DURATION, a.COMPONENT, part="_sum"), "{{component}}")],
            "Seconds a second spent in each part; stacked, for they add up.",
            "percentunit",
            stacked=True,
        ),
        lines(
            "Decision to order, 99th percentile",
            [(quantile(0.99, m.TICK_TO_ORDER, a.STRATEGY), "{{strategy}}")],
            "From the start of the decision to the order that left. A diamond is one order.",
            "s",
            exemplars=True,
        ),
        lines(
            "Late answers by window",
            _burned(),
            f"Share of the orders answered later than {t.ORDER_ACK_SLO.value * 1000:g} ms, over the alerts' windows.",
            "percentunit",
            *(12, 7),
        ),
        lines(
            "Error budget left by venue",
            [(grouped("min", _recorded(BUDGET), a.VENUE), "{{venue}}")],
            "Of 30 days. It only comes back as bad days leave the window.",
            "percentunit",
            *(12, 7),
            lowest=None,
            highest=1.0,
        ),
        trace_table(
            f"Decisions above {t.DECISION_SLOW.value:g} s",
            traces(
                spans.DECISION,
                f"duration > {t.DECISION_SLOW.value:g}s",
                wanted=(*FOUND, a.STRATEGY, a.SYMBOL, a.ACTION),
                chosen=("strategy",),
            ),
            (a.STRATEGY, a.SYMBOL, a.ACTION),
            "Slow decisions in range, which are always traced; the correlation id leads to the stages.",
            recent=False,
        ),
        trace_table(
            "Decisions that failed",
            traces(
                spans.DECISION,
                "status = error",
                wanted=(*FOUND, a.STRATEGY, a.SYMBOL, a.ERROR_TYPE),
                chosen=("strategy",),
            ),
            (a.STRATEGY, a.SYMBOL, a.ERROR_TYPE),
            "Decisions in range whose code raised; the exception with its stack is on the span.",
            recent=False,
        ),
    ),
    rows=(
        Row(
            "Services and venues",
            (
                Panel(
                    "Who calls whom",
                    "nodeGraph",
                    "Bots and venues from spans, of the chosen time. Needs Tempo's service graph.",
                    (Target("{}", form="map"),),
                    *(24, 12),
                    {"unit": "none"},
                ),
            ),
        ),
    ),
    annotations=(common.DEPLOYED,),
)

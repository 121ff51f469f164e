"""Boards about trading: the overview, and execution."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import spans
from ares_otel.semconv import thresholds as t
from ares_otel.stack.boards import common
from ares_otel.stack.boards.model import Board
from ares_otel.stack.boards.panels import ACTIONS, AMBER, GREEN, RED, REGIMES, alerts, heat, lanes, lines, stat, steps
from ares_otel.stack.boards.queries import grouped, growth, per_second, quantile, shown, total, traces
from ares_otel.stack.boards.shared import EQUITY, drawdown, kill_switch, limits_used, positions, won
from ares_otel.stack.boards.tables import table, trace_table
from ares_otel.stack.promql import bound

__all__ = ["EXECUTION", "TRADING"]

BY_STRATEGY: Final = "{{strategy}}"
FOUND: Final = (a.CORRELATION_ID, a.DECISION_ID)

REFUSED: Final = common.happened(
    f"60 * {per_second(m.ORDER_REJECTIONS, a.REJECT_REASON)}", m.ORDER_REJECTIONS, a.REJECT_REASON
)


def _in_time() -> str:
    fast = f"increase({shown(m.ORDER_ACK, bound(m.ORDER_ACK, t.ORDER_ACK_SLO.value), part='_bucket')}[$__range])"
    return f"sum({fast}) / (sum(increase({shown(m.ORDER_ACK, part='_count')}[$__range])) > 0)"


TRADING: Final = Board(
    "ares-trading",
    "Trading overview",
    "Is it trading? Is it earning? Is anything wrong?",
    (
        stat(
            "Last decision",
            f"time() - max({shown(m.LAST_DECISION)})",
            "Time since any strategy decided. Longer than usual: look at market data, then at the process.",
            "s",
            steps((t.DECISION_PATIENCE, AMBER)),
            0,
        ),
        kill_switch(),
        limits_used(),
        won(),
        stat(
            "Orders refused",
            common.rejected("15m"),
            "Share of the orders of 15 minutes that venue or bot refused; absent while none is sent.",
            "percentunit",
            steps((t.ORDERS_REJECTED, RED)),
            1,
        ),
        stat(
            "Oldest market data",
            f"max({shown(m.MARKET_DATA_AGE)})",
            "Age of the newest message of the channel that is furthest behind.",
            "s",
            steps((t.MARKET_DATA_STALE, RED)),
            0,
        ),
        lines(
            "Equity by strategy",
            [(EQUITY, "{{strategy}} {{currency}}")],
            "Cash and unrealized profit or loss. Read down: drawdown and regime of the same time are below.",
            "locale",
            *(16, 8),
            lowest=None,
            marked=True,
        ),
        alerts(8, 8),
        drawdown(16, 6),
        lines(
            "Decisions a minute by action",
            [(f"60 * {per_second(m.DECISIONS, a.ACTION)}", "{{action}}")],
            "How often each action was decided. Flat at zero while data is fresh: the strategy hangs.",
            "none",
            *(8, 6),
            colors=ACTIONS,
        ),
        lanes(
            "Regime by strategy and symbol",
            common.REGIME_LANES,
            "The market regime that each strategy sees; read it below equity.",
            REGIMES,
            *(16, 7),
        ),
        lines(
            "Agreement of the ensemble",
            [(common.AGREEMENT, BY_STRATEGY)],
            "Share of members that voted for the decided action, mean of 5 minutes. Below the line decisions hang on "
            "few members, unless members only buy or sell and most decisions are to hold.",
            "percentunit",
            *(8, 7),
            limits=((t.AGREEMENT_LOW, AMBER),),
            highest=1.0,
        ),
        positions(10, 9),
        trace_table(
            "Newest decisions (5 minutes)",
            traces(
                spans.DECISION,
                wanted=(*FOUND, a.STRATEGY, a.SYMBOL, a.ACTION, a.CONFIDENCE),
                chosen=("strategy", "symbol"),
            ),
            (a.STRATEGY, a.SYMBOL, a.ACTION, a.CONFIDENCE),
            "Decisions that became traces. The correlation id leads to the decision in Ares and to its trace.",
            *(14, 9),
        ),
    ),
    annotations=common.EVENTS,
)

EXECUTION: Final = Board(
    "ares-execution",
    "Execution quality",
    "Do venues answer fast, do orders pass, what do they cost?",
    (
        stat(
            f"Answered within {t.ORDER_ACK_SLO.value * 1000:g} ms",
            _in_time(),
            "Share of the orders in range whose first answer came in time; the goal is 99 %.",
            "percentunit",
            steps((t.ORDER_ACK_OBJECTIVE, GREEN), good=AMBER),
            2,
        ),
        stat(
            "First answer, p99",
            quantile(0.99, m.ORDER_ACK, window="5m"),
            "From submission to the first answer, over 5 minutes.",
            "s",
            steps((t.ORDER_ACK_SLO, AMBER)),
        ),
        stat(
            "Orders a minute",
            f"60 * {per_second(m.ORDERS_SUBMITTED)}",
            "Orders sent, over all that is chosen above.",
            decimals=1,
        ),
        stat(
            "Refused",
            common.rejected("15m"),
            "Share of the orders of 15 minutes that were refused; absent while none is sent.",
            "percentunit",
            steps((t.ORDERS_REJECTED, RED)),
            1,
        ),
        stat(
            "Without answer",
            total(m.ORDERS_UNACKNOWLEDGED),
            f"Orders without any answer for more than {t.ORDER_UNANSWERED.value:g} s. Ask the venue; never send again.",
            limits=steps((t.ANY, RED)),
        ),
        stat(
            "Slippage, net",
            common.net_slippage("1h"),
            "Mean over an hour against the mid price at the decision to trade; positive is a cost.",
            "suffix:bp",
            steps((t.SLIPPAGE_HIGH, RED), lowest=-1e12),
            1,
        ),
        lines(
            "Time to the first answer",
            [
                (quantile(0.5, m.ORDER_ACK), "median"),
                (quantile(0.95, m.ORDER_ACK), "p95"),
                (quantile(0.99, m.ORDER_ACK), "p99"),
            ],
            "From submission to new, refused or filled. Dashed: the goal. A diamond is one order: click for its trace.",
            "s",
            *(12, 9),
            limits=((t.ORDER_ACK_SLO, RED),),
            exemplars=True,
            marked=True,
        ),
        heat(
            "First answers, all of them",
            grouped("sum", f"increase({shown(m.ORDER_ACK, part='_bucket')}[$__rate_interval])", "le"),
            "How many answers fell into each span of time; two bands are two ways that answers take.",
        ),
        lines(
            "Answer by venue, 99th percentile",
            [(quantile(0.99, m.ORDER_ACK, a.VENUE), "{{venue}}")],
            "Which venue is slow? All at once: it is us or the network.",
            "s",
            limits=((t.ORDER_ACK_SLO, RED),),
        ),
        lines(
            "Refused orders a minute by reason",
            [(REFUSED, "{{order_reject_reason}}")],
            "Funds and limits are the bot's; price bands are stale prices; rate limits are too many calls.",
            "none",
            nothing="nothing refused",
        ),
        lines(
            "Net slippage by venue",
            [(common.net_slippage("1h", a.VENUE), "{{venue}}")],
            "Mean over an hour in bp against the arrival mid; positive is a cost. Above the line: size and hour.",
            "suffix:bp",
            limits=((t.SLIPPAGE_HIGH, RED),),
            lowest=None,
        ),
        table(
            "Venues in range",
            [
                (f"round({growth(m.ORDERS_SUBMITTED, '$__range', a.VENUE)})", "Orders", "none"),
                (common.rejected("$__range", a.VENUE), "Refused", "percentunit"),
                (quantile(0.5, m.ORDER_ACK, a.VENUE, window="$__range"), "Answer, median", "s"),
                (quantile(0.99, m.ORDER_ACK, a.VENUE, window="$__range"), "Answer, p99", "s"),
                (common.net_slippage("$__range", a.VENUE), "Slippage", "suffix:bp"),
                (growth(m.FEES, "$__range", a.VENUE), "Fees", "locale"),
            ],
            {"venue": "Venue"},
            "The whole of the chosen time; counts are extrapolated where data is shorter than that.",
            *(24, 5),
        ),
        lines(
            "Calls of the venues, 99th percentile",
            [(quantile(0.99, m.EXCHANGE_DURATION, a.VENUE, a.OPERATION), "{{venue}} {{operation}}")],
            "Time of the calls of the venue's API. One operation: its endpoint; all: the network or the venue.",
            "s",
            limits=((t.VENUE_SLOW, RED),),
        ),
        lines(
            "Request weight used",
            [(grouped("max", shown(m.RATE_LIMIT_USED), a.VENUE), "{{venue}}")],
            "Used share of the venue's rate limit; at its end cancels are refused, too.",
            "percentunit",
            limits=((t.RATE_LIMIT_NEAR, RED),),
            highest=1.0,
        ),
        lines(
            "Filled value a minute by liquidity",
            [(f"60 * {per_second(m.FILLED_NOTIONAL, a.LIQUIDITY_LABEL)}", "{{liquidity}}")],
            "Value of the fills; takers pay the spread and the higher fee. Choose strategies of one currency.",
            "locale",
        ),
        trace_table(
            "Orders that took longer than the goal (5 minutes)",
            traces(
                spans.ORDER_UPDATE,
                f"span.{a.ACK_DURATION.key} > {t.ORDER_ACK_SLO.value:g}",
                wanted=(*FOUND, a.SYMBOL, a.VENUE, a.ACK_DURATION),
                chosen=("strategy", "venue"),
            ),
            (a.SYMBOL, a.VENUE, a.ACK_DURATION),
            "First answers that came too late; the correlation id leads to the decision and its trace.",
            timed=False,
        ),
        trace_table(
            "Refused orders (5 minutes)",
            traces(
                spans.ORDER_UPDATE,
                f"span.{a.REJECT_REASON.key} != nil",
                wanted=(*FOUND, a.SYMBOL, a.VENUE, a.REJECT_REASON),
                chosen=("strategy", "venue"),
            ),
            (a.SYMBOL, a.VENUE, a.REJECT_REASON),
            "What was refused and why; the correlation id leads to the decision that sent it.",
            timed=False,
        ),
    ),
    annotations=(common.KILLED, common.DEPLOYED),
)

"""The board about money: what is at risk, what was won, how near the limits are."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import thresholds as t
from ares_otel.stack.boards import common
from ares_otel.stack.boards.model import Board
from ares_otel.stack.boards.panels import AMBER, TRADES, alerts, bars, lines, stat, steps
from ares_otel.stack.boards.queries import grouped, growth, per_second, shown, total
from ares_otel.stack.boards.shared import EQUITY, drawdown, kill_switch, limits_used, positions, won
from ares_otel.stack.boards.tables import table
from ares_otel.stack.promql import is_

__all__ = ["PORTFOLIO"]

WORST: Final = is_(a.LEVEL, "0.99")

PORTFOLIO: Final = Board(
    "ares-portfolio",
    "Portfolio and risk",
    "What is at risk, what was won with it, and how near are the limits?",
    (
        limits_used(),
        kill_switch(),
        won(),
        stat(
            "Deepest drawdown now",
            grouped("max", shown(m.DRAWDOWN)),
            "Loss since its peak of the strategy that is furthest below it.",
            "percentunit",
            steps((t.DRAWDOWN_WARNING, AMBER)),
            1,
        ),
        stat(
            "Leverage",
            grouped("max", shown(m.LEVERAGE)),
            "Gross exposure by equity, of the strategy with the most.",
            decimals=2,
        ),
        stat(
            "Trades won",
            f"sum(increase({shown(m.TRADES, is_(a.TRADE_OUTCOME, 'win'))}[$__range])) "
            f"/ (sum(increase({shown(m.TRADES)}[$__range])) > 0)",
            "Share of the trades from entry to flat in range that ended with a profit; absent while none ended.",
            "percentunit",
            decimals=0,
        ),
        lines(
            "Equity by strategy",
            [(EQUITY, "{{strategy}} {{currency}}")],
            "Cash and unrealized profit or loss.",
            "locale",
            *(16, 8),
            lowest=None,
            marked=True,
        ),
        bars(
            "Limits used",
            f"max by (limit) ({shown(m.LIMIT_UTILIZATION)})",
            a.LIMIT,
            "Used share of each limit, of the strategy that uses most of it.",
            "percentunit",
            *(8, 8),
        ),
        drawdown(16, 7),
        lines(
            "Exposure",
            [
                (total(m.GROSS_EXPOSURE, a.CURRENCY), "gross {{currency}}"),
                (total(m.NET_EXPOSURE, a.CURRENCY), "net {{currency}}"),
            ],
            "Value of all positions: gross adds them up, net takes short ones off.",
            "locale",
            *(8, 7),
            lowest=None,
        ),
        lines(
            "Realized and unrealized",
            [
                (total(m.REALIZED_PNL, a.STRATEGY, a.CURRENCY), "realized {{strategy}} {{currency}}"),
                (total(m.UNREALIZED_PNL, a.STRATEGY, a.CURRENCY), "unrealized {{strategy}} {{currency}}"),
            ],
            "Realized profit or loss with fees paid, and what closing at the mark would add.",
            "locale",
            lowest=None,
        ),
        lines(
            "Fees and slippage",
            [
                (total(m.FEES, a.STRATEGY, a.CURRENCY), "fees {{strategy}} {{currency}}"),
                (total(m.SLIPPAGE_COST, a.STRATEGY, a.CURRENCY), "slippage {{strategy}} {{currency}}"),
            ],
            "What trading has cost so far in this process: fees paid, and money lost against the arrival mid.",
            "locale",
            lowest=None,
        ),
        lines(
            "A bad day, 99 %",
            [
                (grouped("max", shown(m.VALUE_AT_RISK, WORST), a.STRATEGY, a.METHOD), "VaR {{strategy}} {{method}}"),
                (
                    grouped("max", shown(m.EXPECTED_SHORTFALL, WORST), a.STRATEGY, a.METHOD),
                    "ES {{strategy}} {{method}}",
                ),
            ],
            "Value at risk and expected shortfall, as shares of equity; absent while observations are too few.",
            "percentunit",
        ),
        table(
            "Performance",
            [
                (grouped("max", shown(m.SHARPE), a.STRATEGY, a.WINDOW), "Sharpe", "short"),
                (grouped("max", shown(m.SORTINO), a.STRATEGY, a.WINDOW), "Sortino", "short"),
                (grouped("max", shown(m.CALMAR), a.STRATEGY, a.WINDOW), "Calmar", "short"),
                (grouped("max", shown(m.MAX_DRAWDOWN), a.STRATEGY), "Max drawdown", "percentunit"),
            ],
            {"strategy": "Strategy", "window": "Window"},
            "Ratios by the published convention, absent where observations are too few. Reports say n and interval.",
            *(12, 7),
        ),
        positions(12, 7),
        table(
            "Pre-trade checks in range",
            [(f"round({growth(m.RISK_CHECKS, '$__range', a.CHECK, a.CHECK_OUTCOME)})", "Orders", "none")],
            {"check": "Check", "outcome": "Outcome"},
            "What the bot's own checks said of its orders. Many blocked: a strategy keeps sending what it may not.",
            *(8, 7),
        ),
        lines(
            "Trades an hour by outcome",
            [(f"3600 * {per_second(m.TRADES, a.TRADE_OUTCOME)}", "{{trade_outcome}}")],
            "Trades from entry to flat.",
            "none",
            colors=TRADES,
        ),
        alerts(8, 7, ',domain="risk"'),
    ),
    annotations=common.EVENTS,
)

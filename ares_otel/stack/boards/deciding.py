"""Boards about deciding: the ensemble, and the market's regimes."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import spans
from ares_otel.semconv import thresholds as t
from ares_otel.semconv.enums import OutcomeResult
from ares_otel.semconv.model import Attribute
from ares_otel.stack.boards import common
from ares_otel.stack.boards.model import Board
from ares_otel.stack.boards.panels import ACTIONS, AMBER, GREEN, RED, REGIMES, lanes, lines, stat, steps
from ares_otel.stack.boards.queries import grouped, growth, per_second, quantile, shown, total, traces
from ares_otel.stack.boards.tables import table, trace_table
from ares_otel.stack.promql import ONE_SYMBOL, is_

__all__ = ["ENSEMBLE", "REGIME"]

BY_MODEL: Final = "{{model_name}}"
ACCURACY: Final = shown(m.MODEL_SCORE, is_(a.SCORE, "accuracy"))


def _right(window: str, *labels: Attribute) -> str:
    correct = f"increase({shown(m.OUTCOMES, is_(a.RESULT, OutcomeResult.CORRECT))}[{window}])"
    return f"{grouped('sum', correct, *labels)} / ({growth(m.OUTCOMES, window, *labels)} > 0)"


def _share_of_time() -> str:
    """Return the share of time by regime: a series begins with the first time of its regime, its mean is no share."""
    samples = f"sum_over_time({shown(m.REGIME_ACTIVE)}[$__range])"
    return f"{grouped('sum', samples, a.REGIME)} / on () group_left () (sum({samples}) > 0)"


def _changes() -> str:
    changes = f"increase({shown(m.REGIME_TRANSITIONS, ONE_SYMBOL)}[1h])"
    return grouped("sum", changes, a.STRATEGY, a.SYMBOL)


ENSEMBLE: Final = Board(
    "ares-ensemble",
    "Ensemble decisions",
    "Who decides, do they agree, and are they right?",
    (
        stat(
            "Decisions a minute",
            f"60 * {per_second(m.DECISIONS)}",
            "Of all strategies that are chosen above.",
            decimals=1,
        ),
        stat(
            "Agreement",
            grouped("avg", shown(m.AGREEMENT)),
            "Share of members that voted for the decided action, mean over strategies. "
            "Low by nature where members only buy or sell and most decisions are to hold.",
            "percentunit",
            steps((t.AGREEMENT_LOW, GREEN), good=AMBER),
            0,
        ),
        stat(
            "Entropy of the votes",
            grouped("avg", shown(m.ENTROPY)),
            "0 bit: all say the same; 1 bit: half buy, half sell. Above that there are three sides and more.",
            "suffix:bit",
            steps((t.ENTROPY_HIGH, AMBER)),
            2,
        ),
        stat(
            "Weight of the heaviest",
            grouped("max", shown(m.WEIGHT)),
            "Largest weight of a member; near 1 the ensemble is one model.",
            "percentunit",
            decimals=0,
        ),
        stat(
            "Right in range",
            _right("$__range"),
            "Share of the predictions that matured in range and were right, over all members.",
            "percentunit",
            decimals=1,
        ),
        stat(
            "Prediction, p99",
            quantile(0.99, m.INFERENCE, window="5m"),
            "Time of a member's prediction over 5 minutes.",
            "s",
        ),
        lines(
            "Decisions a minute by action",
            [(f"60 * {per_second(m.DECISIONS, a.ACTION)}", "{{action}}")],
            "What was decided.",
            "none",
            colors=ACTIONS,
        ),
        lines(
            "Votes a minute by action",
            [(f"60 * {per_second(m.VOTES, a.ACTION)}", "{{action}}")],
            "What the members voted for; compare with what was decided.",
            "none",
            colors=ACTIONS,
        ),
        lines(
            "Agreement by strategy",
            [(common.AGREEMENT, "{{strategy}}")],
            "Share of members that voted for the decided action, mean of 5 minutes. Below the line decisions hang on "
            "few members, unless members only buy or sell and most decisions are to hold.",
            "percentunit",
            limits=((t.AGREEMENT_LOW, AMBER),),
            highest=1.0,
        ),
        lines(
            "Weights",
            [(grouped("avg", shown(m.WEIGHT), a.MODEL_NAME), BY_MODEL)],
            "Weight of each member, mean over strategies; stacked, for weights add up.",
            "percentunit",
            stacked=True,
        ),
        lines(
            "Concentration of the weights",
            [(grouped("max", shown(m.CONCENTRATION), a.STRATEGY), "{{strategy}}")],
            "Herfindahl index: 1 divided by it is the number of members that count.",
            "percentunit",
            highest=1.0,
        ),
        lines(
            "Dissent by member",
            [(f"{per_second(m.DISSENT, a.MODEL_NAME)} / ({per_second(m.VOTES, a.MODEL_NAME)} > 0)", BY_MODEL)],
            "Share of a member's votes against what was decided. One that always dissents is broken, or alone right.",
            "percentunit",
            highest=1.0,
        ),
        lines(
            "Accuracy by member",
            [(grouped("max", ACCURACY, a.MODEL_NAME), BY_MODEL)],
            f"Over the last {t.SCORE_WINDOW.value:g} matured predictions; absent below {t.SCORE_MINIMUM.value:g}.",
            "percentunit",
            limits=((t.ACCURACY_LOW, RED),),
            highest=1.0,
            marked=True,
        ),
        lines(
            "Confidence of decisions by action, median",
            [(quantile(0.5, m.DECISION_CONFIDENCE, a.ACTION), "{{action}}")],
            "What the decisions claim; compare with how often members are right.",
            "percentunit",
            colors=ACTIONS,
            highest=1.0,
        ),
        lines(
            "Calibration error by member",
            [
                (grouped("max", shown(m.CALIBRATION), a.MODEL_NAME), "error {{model_name}}"),
                (grouped("max", shown(m.BRIER), a.MODEL_NAME), "Brier {{model_name}}"),
            ],
            "How far stated probabilities are from what came true; lower is better. Needs probabilities of the models.",
            "percentunit",
        ),
        table(
            "Members",
            [
                (f"round({growth(m.PREDICTIONS, '$__range', a.MODEL_NAME)})", "Predictions", "none"),
                (f"round({growth(m.VOTES, '$__range', a.MODEL_NAME)})", "Votes", "none"),
                (_right("$__range", a.MODEL_NAME), "Right", "percentunit"),
                (f"round({growth(m.OUTCOMES, '$__range', a.MODEL_NAME)})", "of matured", "none"),
                (f"time() - max by (model_name) ({shown(m.MODEL_TRAINED)})", "Age", "s"),
            ],
            {"model_name": "Model"},
            "The chosen time by member. Read Right with its number of matured predictions.",
            *(24, 8),
        ),
        trace_table(
            "Newest decisions (5 minutes)",
            traces(
                spans.DECISION,
                wanted=(a.CORRELATION_ID, a.DECISION_ID, a.STRATEGY, a.SYMBOL, a.ACTION, a.CONFIDENCE, a.AGREEMENT),
                chosen=("strategy", "symbol"),
            ),
            (a.STRATEGY, a.SYMBOL, a.ACTION, a.CONFIDENCE, a.AGREEMENT),
            "Decisions with their agreement; the correlation id leads to the votes in Ares and to the trace.",
            *(24, 9),
        ),
    ),
    annotations=(common.KILLED, common.RETRAINED),
)

REGIME: Final = Board(
    "ares-regimes",
    "Regimes",
    "What is the market like, since when, and how sure is that?",
    (
        stat(
            "Most changes in an hour",
            f"max({_changes()})",
            "Of one strategy in one symbol, among those that are chosen above.",
            limits=steps((t.REGIME_FLAPPING, RED)),
            decimals=0,
        ),
        stat(
            "Least sure",
            f"min(max by (strategy, symbol) ({shown(m.REGIME_PROBABILITY)}))",
            "Probability of the likeliest regime, where it is lowest.",
            "percentunit",
            decimals=0,
        ),
        stat(
            "Pairs with a regime",
            f"count(max by (strategy, symbol) ({shown(m.REGIME_ACTIVE)}) == 1)",
            "Pairs of strategy and symbol that report one.",
        ),
        stat(
            "Lasts, median",
            quantile(0.5, m.REGIME_DURATION, window="$__range"),
            "How long regimes lasted that ended in range.",
            "s",
            decimals=0,
        ),
        stat(
            "Lasts, 90th percentile",
            quantile(0.9, m.REGIME_DURATION, window="$__range"),
            "How long the longest tenth lasted at least.",
            "s",
            decimals=0,
        ),
        stat(
            "Won or lost in range",
            f"sum(delta({shown(m.EQUITY)}[$__range]))",
            "Change of equity over the chosen time, to be read with what regimes it had.",
            "locale",
            decimals=0,
        ),
        lanes(
            "Regime by strategy and symbol",
            common.REGIME_LANES,
            "The regime that each strategy sees in each symbol.",
            REGIMES,
            *(24, 8),
        ),
        lines(
            "Equity by strategy",
            [(total(m.EQUITY, a.STRATEGY, a.CURRENCY), "{{strategy}} {{currency}}")],
            "What was earned in the regimes above.",
            "locale",
            *(12, 7),
            lowest=None,
            marked=True,
        ),
        lines(
            "Probability of each regime",
            [(grouped("avg", shown(m.REGIME_PROBABILITY), a.REGIME), "{{regime}}")],
            "Mean over what is chosen above; choose one symbol to see one market. Stacked, for they add up to 1.",
            "percentunit",
            *(12, 7),
            colors=REGIMES,
            stacked=True,
            highest=1.0,
            marked=True,
        ),
        table(
            "Share of time in range",
            [(_share_of_time(), "Share", "percentunit")],
            {"regime": "Regime"},
            "How much of the chosen time each regime had, over all strategies and symbols together.",
            *(8, 8),
        ),
        table(
            "Changes in range",
            [(f"round({growth(m.REGIME_TRANSITIONS, '$__range', a.FROM, a.TO)}) > 0", "Times", "none")],
            {"from": "From", "to": "To"},
            "Which regime followed which, extrapolated where data is shorter than the chosen time.",
            *(8, 8),
        ),
        lines(
            "Changes an hour by symbol",
            [(f"max by (symbol) ({_changes()})", "{{symbol}}")],
            "As the strategy sees it that sees most. Above the line it flaps: what switches by it trades on noise.",
            "none",
            *(8, 8),
            limits=((t.REGIME_FLAPPING, RED),),
        ),
    ),
    annotations=(common.KILLED, common.SWITCHED),
)

"""What the boards of drift say beside drift: how many alarms the budget allows for, outcomes, values that are wrong."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DriftFate
from ares_otel.semconv.model import Metric
from ares_otel.stack.boards.panels import lines
from ares_otel.stack.boards.queries import grouped, shown
from ares_otel.stack.boards.tables import table
from ares_otel.stack.promql import is_

__all__ = ["OUTCOMES", "VALUES", "alarms_allowed", "alarms_began"]

OF_PROBLEM: Final = (a.MODEL_NAME, a.DRIFT_KIND, a.FEATURE_NAME, a.DRIFT_PROBLEM)


def alarms_began() -> str:
    """Return the episodes by model that began in range, also those with which their series was born; zero for none."""
    began = shown(m.DRIFT_EPISODES)
    grown = f"increase({began}[$__range])"
    born = f"(min_over_time({began}[$__range]) unless {began} offset $__range)"
    counted = grouped("sum", f"{grown} + {born} or {grown}", a.MODEL_NAME)
    return f"round({counted}) or 0 * {_largest(m.DRIFT_OBSERVED)}"


def alarms_allowed() -> str:
    """Return the false alarms by model that the budget allowed for in range, from the chance of any until now."""
    spent = shown(m.DRIFT_SPENT)
    last, first = (grouped("max", f"{which}_over_time({spent}[$__range])", a.MODEL_NAME) for which in ("max", "min"))
    return f"ln(1 - {first}) - ln(1 - {last})"


def _largest(metric: Metric) -> str:
    return grouped("max", shown(metric), a.MODEL_NAME)


def _settled(fate: DriftFate) -> str:
    return grouped("sum", shown(m.DRIFT_SETTLED, is_(a.DRIFT_FATE, fate)), a.MODEL_NAME)


OUTCOMES: Final = (
    table(
        "Predictions and their outcomes",
        [
            (_largest(m.DRIFT_PREDICTIONS), "Predictions", "locale"),
            (_settled(DriftFate.MATURED), "Matured", "locale"),
            (_largest(m.DRIFT_PENDING), "Pending", "locale"),
            (_settled(DriftFate.MISSING), "Missing", "locale"),
            (_settled(DriftFate.DROPPED), "Dropped", "locale"),
            (_largest(m.DRIFT_LATE), "Late", "locale"),
            (grouped("sum", shown(m.DRIFT_REFUSED), a.MODEL_NAME), "Refused", "locale"),
            (_largest(m.DRIFT_LOSS), "Mean loss", "short"),
            (_largest(m.DRIFT_LOSS_LOW), "from", "short"),
            (_largest(m.DRIFT_LOSS_HIGH), "to", "short"),
            (_largest(m.DRIFT_LOSS_N), "Losses", "locale"),
        ],
        {"model_name": "Model"},
        "Since the monitors began. Predictions = matured + pending + missing + dropped; the loss is that of the last "
        "1,000 matured ones at most, with its 95 % interval. Refused: said twice, no value, or gone with none.",
        *(24, 7),
    ),
)

VALUES: Final = (
    table(
        "Values that are wrong now",
        [(grouped("max", shown(m.FEATURE_PROBLEM), *OF_PROBLEM), "Bars", "locale")],
        {"feature_name": "Feature", "drift_problem": "What is wrong", "drift_kind": "Of", "model_name": "Model"},
        "Bars of the last 512 in which values are missing more often than in the reference, or beyond what it saw; or "
        "bars in a row without a change. It is told apart from drift and spends nothing of its budget.",
        *(12, 8),
    ),
    lines(
        "Quantities with values that are wrong",
        [
            (
                grouped("sum", shown(m.DRIFT_PROBLEM_QUANTITIES), a.MODEL_NAME, a.DRIFT_PROBLEM),
                "{{model_name}} {{drift_problem}}",
            )
        ],
        "Features, predictions and outcomes of each model by what is wrong with them now.",
        "none",
        *(12, 8),
    ),
)

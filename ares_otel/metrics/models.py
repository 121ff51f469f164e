"""Models: what they predicted, how fast, and whether it came true."""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import ModelInfo, Outcome, Prediction
from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import OutcomeResult
from ares_otel.semconv.thresholds import SCORE_MINIMUM, SCORE_WINDOW

__all__ = ["Models", "brier", "judged"]

PENDING_LIMIT: Final = 10_000
WINDOW: Final = int(SCORE_WINDOW.value)
MINIMUM: Final = int(SCORE_MINIMUM.value)
Value: TypeAlias = "str | float | int"


@dataclass(slots=True)
class _Pending:
    """A prediction that waits for its outcome."""

    value: Value | None
    probability: float | None
    probabilities: Mapping[str, float] | None


@dataclass(slots=True)
class _Record:
    """The last matured predictions of a model."""

    hits: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))
    losses: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))


class Models:
    """Group "models" of the reference: counts, times, hit rate and Brier score.

    An outcome is joined with the prediction of the same model and key (without a key: of the same correlation); 10,000
    predictions wait, then the oldest is forgotten. Scores are over the last 200 matured predictions and absent below
    30. Calibration error and information coefficient are not computed yet, so they are absent.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._predictions = instruments.counter(m.PREDICTIONS)
        self._inference = instruments.histogram(m.INFERENCE)
        self._outcomes = instruments.counter(m.OUTCOMES)
        self._score = instruments.gauge(m.MODEL_SCORE)
        self._brier = instruments.gauge(m.BRIER)
        self._trained = instruments.gauge(m.MODEL_TRAINED)
        self._info = instruments.gauge(m.MODEL_INFO, exempt=frozenset({a.MODEL_VERSION.key}))
        self._pending: OrderedDict[tuple[str, str], _Pending] = OrderedDict()
        self._records: dict[str, _Record] = {}
        self._versions: dict[str, str] = {}

    def prediction(self, prediction: Prediction, facts: RecordFacts) -> None:
        """Count a prediction and keep it until its outcome is known."""
        self._predictions.cell((prediction.model,)).inc()
        if prediction.duration is not None:
            self._inference.cell((prediction.model,)).observe(float(prediction.duration))
        key = prediction.key or facts.origin.correlation_id
        if key is None:
            return
        probability = None if prediction.probability is None else float(prediction.probability)
        self._pending[prediction.model, key] = _Pending(prediction.value, probability, prediction.probabilities)
        if len(self._pending) > PENDING_LIMIT:
            self._pending.popitem(last=False)

    def outcome(self, outcome: Outcome, facts: RecordFacts) -> None:
        """Count whether a model was right, if that can be told, and score it."""
        key = outcome.key or facts.origin.correlation_id
        pending = None if key is None else self._pending.pop((outcome.model, key), None)
        predicted = outcome.prediction
        if predicted is None and pending is not None:
            predicted = pending.value
        result = outcome.result or judged(predicted, outcome.actual)
        if result is None:
            return
        self._outcomes.cell((outcome.model, result)).inc()
        labels = self._brier.labels((outcome.model,))
        if labels is not None:
            right = result == OutcomeResult.CORRECT
            loss = None if pending is None else brier(pending.probability, pending.probabilities, outcome.actual, right)
            self._scored(labels[0], right, loss)

    def info(self, info: ModelInfo, _: RecordFacts) -> None:
        """Show the version of a model in use, in place of the one before, and when it was trained."""
        labels = self._info.labels((info.model, info.version))
        if labels is None:
            return
        model, version = labels
        if self._versions.get(model, version) != version:
            self._info.remove((model, self._versions[model]))
            self._trained.cell((model,)).clear()
        self._versions[model] = version
        self._info.cell(labels).set(1.0)
        if isinstance(info.trained_at, int):
            self._trained.cell((model,)).set(info.trained_at / 1e9)

    def _scored(self, model: str, right: bool, loss: float | None) -> None:  # noqa: FBT001  private
        record = self._records.setdefault(model, _Record())
        record.hits.append(right)
        if len(record.hits) >= MINIMUM:
            accuracy = sum(record.hits) / len(record.hits)
            self._score.cell((model, "accuracy", str(WINDOW))).set(accuracy)
        if loss is not None:
            record.losses.append(loss)
            if len(record.losses) >= MINIMUM:
                self._brier.cell((model,)).set(sum(record.losses) / len(record.losses))


def judged(predicted: Value | None, actual: Value | None) -> OutcomeResult | None:
    """Return whether a prediction came true, None where that cannot be told.

    Classes and whole numbers have to be equal; a class and a number cannot be compared. Other numbers are forecasts of
    a return: they are right when the direction is, and a return of exactly zero has none.
    """
    if predicted is None or actual is None:
        return None
    first, second = _number(predicted), _number(actual)
    if first is None and second is None:
        right = str(predicted).casefold() == str(actual).casefold()
    elif first is None or second is None:
        return None
    elif first.is_integer() and second.is_integer():
        right = first == second
    elif second == 0.0:
        return None
    else:
        right = (first > 0.0) == (second > 0.0) and first != 0.0
    return OutcomeResult.CORRECT if right else OutcomeResult.WRONG


def brier(
    probability: float | None,
    probabilities: Mapping[str, float] | None,
    actual: Value | None,
    right: bool,  # noqa: FBT001  one of two facts of the outcome
) -> float | None:
    """Return the Brier score of one prediction, 0 (certain and right) to 1 (certain and wrong).

    Half the squared distance between the probabilities of all classes and what came true (Brier 1950, halved as in
    scikit-learn's `scale_by_half`), which for two classes is (p - y)². With the predicted class' probability alone:
    (p - 1)² if it came true, else p². None where there is no probability of what came true.
    """
    if probabilities is not None and str(actual) in probabilities:
        return sum((share - (name == str(actual))) ** 2 for name, share in probabilities.items()) / 2.0
    return None if probability is None else (probability - right) ** 2


def _number(value: Value) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None

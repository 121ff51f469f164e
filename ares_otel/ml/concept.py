"""A model's outcomes from prediction to verdict: the ledger of what waits, and the monitor of what has matured."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Self, TypeAlias

import msgspec
import numpy as np

from ares_otel.ml.archive import read_state, write_state
from ares_otel.ml.contrasts import noise_of
from ares_otel.ml.events import DriftEvent, Quantity
from ares_otel.ml.labels import Counts, Ledger, LedgerState, Value
from ares_otel.ml.loss import LossMonitor, LossState
from ares_otel.ml.memory import LAST
from ares_otel.ml.windows import Window, window_of
from ares_otel.semconv.enums import DriftAgainst

__all__ = ["LOSS", "LOSSES", "ConceptMonitor", "LossName", "Metric", "loss_of"]

LossName: TypeAlias = Literal["error", "absolute", "squared", "log"]
OF, VERSION = "concept", 1
RECENT: Final = 1000
NORMAL: Final = 1.959964
SMALLEST: Final = 1e-12
LARGEST: Final = 1e100
LOSS: Final = "loss"
"""What a window of losses is called."""
LEAST: Final = 64
"""Losses before, at least, where those of training are not known."""


def _error(prediction: Value, actual: Value) -> float:
    if isinstance(prediction, str) is not isinstance(actual, str):  # "n/a" among 0 and 1 is no class that came true
        return math.nan
    return float(prediction != actual)


def _absolute(prediction: Value, actual: Value) -> float:
    return abs(float(actual) - float(prediction))


def _squared(prediction: Value, actual: Value) -> float:
    return (float(actual) - float(prediction)) ** 2


def _log(prediction: Value, actual: Value) -> float:
    chance = float(prediction) if float(actual) >= 0.5 else 1.0 - float(prediction)  # noqa: PLR2004  of two classes
    return -math.log(min(max(chance, SMALLEST), 1.0))


LOSSES: Final[Mapping[LossName, Callable[[Value, Value], float]]] = {
    "error": _error,
    "absolute": _absolute,
    "squared": _squared,
    "log": _log,
}
"""Loss of a prediction: 1 for a wrong class; absolute or squared difference; minus log of the chance of a class.

A text where classes are numbers, or the other way round, has none.
"""


def loss_of(name: LossName, prediction: object, actual: object) -> float:
    """Return the loss of a prediction, NaN where there is none, or none that could be added and squared."""
    if prediction is None or actual is None:
        return math.nan
    try:
        loss = float(LOSSES[name](prediction, actual))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return loss if loss <= LARGEST else math.nan


class Metric(msgspec.Struct, frozen=True):
    """The mean loss of predictions that have their label, and how many have none.

    Attributes:
        mean: of the last matured losses, at most 1,000; None without any.
        low: lower end of its 95 % interval, which counts dependent losses for what they are worth; None below 30.
        high: upper end.
        n: losses in it.
        n_eff: independent ones that they are worth.
        counts: what became of predictions since the start; `pending` are those the mean does not know yet.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    n_eff: float | None
    counts: Counts


class _State(msgspec.Struct):
    loss: LossName
    ledger: LedgerState
    monitor: LossState
    recent: list[float]


class ConceptMonitor:
    """Predictions in, outcomes in, drift out.

    Args:
        horizon: time from a prediction to its label, in the unit of the times given.
        loss: how a prediction is measured: `error` for classes, `absolute` or `squared` for numbers, `log` for chances.
        grace: time after that in which a label may still come.
        capacity: predictions that may wait at once.
        false_alarms: chance of any false alarm within so many outcomes.
        outcomes: the horizon of that budget.
        reference: losses of training or validation in their order.
        overlap: outcomes that share a label's span.
    """

    def __init__(
        self,
        horizon: int,
        *,
        loss: LossName = "error",
        grace: int | None = None,
        capacity: int = 100_000,
        false_alarms: float = 0.05,
        outcomes: int = 4000,
        reference: Sequence[float] | None = None,
        overlap: float = 1.0,
    ) -> None:
        self._use(
            loss,
            Ledger(horizon, grace=grace, capacity=capacity),
            LossMonitor(false_alarms=false_alarms, horizon=outcomes, reference=reference, overlap=overlap),
        )

    def _use(self, loss: LossName, ledger: Ledger, monitor: LossMonitor) -> None:
        self._name = loss
        self.ledger, self.monitor = ledger, monitor
        self._recent: array[float] = array("d")

    def predicted(self, key: str, prediction: Value, at: int, due: int | None = None) -> bool:
        """Let a prediction wait for its label; return whether it was taken."""
        return self.ledger.record(str(key), prediction, int(at), due)

    def outcome(self, key: str, actual: Value, at: int) -> list[DriftEvent]:
        """Take the label of a prediction and return what it showed; one that goes with none is counted."""
        at = int(at)
        matured = self.ledger.outcome(str(key), actual, at)
        if matured is None:
            return []
        number, label = _number(matured.prediction), _number(actual)
        loss = loss_of(self._name, matured.prediction, actual)
        if math.isfinite(loss):
            self._recent.append(loss)
            if len(self._recent) > RECENT:
                del self._recent[0]
        signed = None if number is None or label is None else label - number
        return self.monitor.update(loss, signed=signed, label=label, at=at)

    def metric(self) -> Metric:
        """Return the mean of the last matured losses with its interval."""
        values = np.array(self._recent)
        n, counts = len(values), self.ledger.counts
        if not n:
            return Metric(None, None, None, 0, None, counts)
        mean = float(values.mean())
        if n < 30:  # noqa: PLR2004  an interval of fewer says nothing
            return Metric(mean, None, None, n, None, counts)
        n_eff = min(float(n), noise_of(values).worth) if values.min() < values.max() else float(n)
        half = NORMAL * math.sqrt(float(values.var(ddof=1)) / n_eff)
        return Metric(mean, mean - half, mean + half, n, n_eff, counts)

    def windows(self, bars: int) -> tuple[Window, ...]:
        """Return the last losses beside those of training, or, where these are not known, beside those before."""
        recent = np.array(self._recent)
        length = min(bars, LAST, len(recent))
        known = np.array(self.monitor.reference)
        against = DriftAgainst.REFERENCE if len(known) else DriftAgainst.EARLIER
        before = known if len(known) else recent[: len(recent) - length]
        found = window_of(LOSS, before, recent[len(recent) - length :], against)
        return () if found is None or len(before) < LEAST else (found,)

    def card(self) -> tuple[Quantity, ...]:
        """Return what can be seen of the outcomes."""
        return self.monitor.card()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all state into one file; a loaded monitor goes on with the same bits."""
        state = _State(self._name, self.ledger.state(), self.monitor.state(), self._recent.tolist())
        write_state(path, OF, VERSION, state)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Return the monitor that `save` wrote."""
        state = read_state(path, OF, VERSION, _State)
        made = cls.__new__(cls)
        made._use(state.loss, Ledger.of(state.ledger), LossMonitor.of(state.monitor))  # noqa: SLF001  of the same class
        made._recent.extend(state.recent)  # noqa: SLF001  of the same class
        return made


def _number(value: Value) -> float | None:
    """Return a value as a number; None for the name of a class."""
    return None if isinstance(value, str) else float(value)

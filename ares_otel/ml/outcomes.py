"""Outcomes of a watched model in the form of a monitor: `(key, actual)` is its bar."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from ares_otel.ml.budget import Account
from ares_otel.ml.concept import LOSS, ConceptMonitor
from ares_otel.ml.events import DriftEvent, Moved, Quantity
from ares_otel.ml.frames import is_missing
from ares_otel.ml.windows import Window

__all__ = ["Outcomes", "class_of", "plain"]


OWN: Final = frozenset({type(None), bool, int, float, str})
"""Numbers and texts of numpy are no less instances of these, but no file of state can hold them."""


class Outcomes:
    """Hands predictions and outcomes to a monitor of what has matured.

    Args:
        concept: the monitor.
    """

    def __init__(self, concept: ConceptMonitor) -> None:
        self.concept = concept

    def predicted(self, key: object, prediction: object, at: int) -> None:
        """Let a prediction wait for its outcome."""
        value = class_of(plain(prediction))
        if isinstance(value, (bool, int, float, str)):
            self.concept.predicted(str(key), value, at)

    def update(self, row: Any, at: int | None = None) -> list[DriftEvent]:
        """Take an outcome, `(key, actual)`; one without a prediction tells nothing."""
        key, actual = row
        actual = plain(actual)
        if at is None or not isinstance(actual, (bool, int, float, str)):
            raise ValueError(f"expected an outcome that is a number or a class, got {actual!r}")
        return self.concept.outcome(str(key), actual, at)

    def windows(self, features: Collection[str], bars: int) -> tuple[Window, ...]:
        """Return the last losses beside those of training or those before, if losses are asked for."""
        return self.concept.windows(bars) if LOSS in features else ()

    def card(self) -> tuple[Quantity, ...]:
        """Return what can be detected."""
        return self.concept.card()

    def standing(self) -> Sequence[Moved]:
        """Return how losses, errors and labels stand."""
        return self.concept.monitor.standing()

    def account(self) -> Account:
        """Return what of the budget is used."""
        return self.concept.monitor.account()

    @property
    def matured(self) -> int:
        """Outcomes so far that found their prediction: the bars of its events."""
        return self.concept.monitor.outcomes

    def save(self, path: Path) -> None:
        """Write the state."""
        self.concept.save(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote."""
        return cls(ConceptMonitor.load(path))


def class_of(prediction: Any) -> Any:
    """Return the most probable class of probabilities by class; of a list of one, that one; else what is given.

    >>> class_of({"buy": 0.2, "sell": 0.8})
    'sell'
    >>> class_of([[0.2, 0.8]]), class_of([0.7])
    (1, 0.7)
    """
    if isinstance(prediction, Mapping) and prediction:
        return max(prediction, key=lambda name: (prediction[name], name))
    if isinstance(prediction, list) and len(prediction) == 1:
        return class_of(prediction[0])
    if isinstance(prediction, list) and prediction:
        return max(range(len(prediction)), key=prediction.__getitem__)
    return prediction


def plain(value: Any) -> Any:
    """Return a value of numpy's or a frame's as one of Python's own; NA of pandas is None.

    >>> import numpy as np
    >>> plain(np.float64(0.5)), plain((np.str_("buy"), None)), plain({"buy": np.float32(0.5)})
    (0.5, ['buy', None], {'buy': 0.5})
    """
    if type(value) in OWN:
        return value
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    for name in ("tolist", "item"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return None if is_missing(value) else value

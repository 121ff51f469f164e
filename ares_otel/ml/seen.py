"""Reads what the statistics of a stream stand for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ares_otel.ml.effects import Shape, effect_of, mean_of
from ares_otel.ml.events import Feature, Moment, Moved
from ares_otel.ml.memory import change_of
from ares_otel.ml.scores import Floats
from ares_otel.ml.stream import Stream

__all__ = ["Seen"]


class Seen(NamedTuple):
    """Reads the statistics of a stream.

    Attributes:
        stream: what is read.
        named: what each score is of.
        worth: independent values in the reference, by score.
    """

    stream: Stream
    named: list[tuple[Feature, Moment]]
    worth: Floats

    def squares(self) -> Floats:
        """Return the square of the evidence of each test."""
        stream = self.stream
        return np.asarray(stream.average**2 / np.maximum(1, stream.square) / stream.threshold, np.float64)

    def evidence(self) -> Floats:
        """Return statistic / threshold of each test."""
        return np.sqrt(self.squares())

    def length(self, score: int) -> int:
        """Return for how many of the last bars a score has been away from its reference."""
        return change_of(self.stream.scores(score))

    def moved(self, test: int, square: float, length: int) -> Moved:
        """Return how the quantity of a test stands, its effect averaged over the last bars; over its window for 0."""
        score = int(self.stream.score[test])
        average = self.stream.average[test] * self.stream.unit(score)
        mean = self.stream.scores(score)[-length:].mean() if length else average
        return Moved(
            feature=self.named[score][0],
            moment=self.named[score][1],
            window=int(self.stream.window[test]),
            effect=self.effect(score, float(mean)),
            evidence=float(np.sqrt(square)),
            n_eff=float(self.worth[score]),
        )

    def effect(self, score: int, mean: float) -> float:
        """Return what a mean score stands for, in reference sigmas."""
        shape = self._shape(score)
        return mean if shape is None else effect_of(shape, mean)

    def mean(self, score: int, effect: float) -> float:
        """Return the mean score under an effect."""
        shape = self._shape(score)
        return effect if shape is None else mean_of(shape, effect)

    def _shape(self, score: int) -> Shape | None:
        """Return what maps effects to scores; None where a score is its own effect."""
        moment = self.named[score][1]
        if moment not in {Moment.LOCATION, Moment.SCALE}:
            return None
        stream = self.stream
        column = score % stream.knots.shape[1]
        sigma = 0.0 if moment is Moment.SCALE else float(stream.deviation[column])
        return Shape(stream.knots[:, column], stream.table(score), sigma)

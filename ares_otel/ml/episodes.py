"""Episodes: one alarm when evidence crosses a threshold, one word when all of it has gone again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moved, Since
from ares_otel.ml.scores import Bins, Floats
from ares_otel.ml.seen import Seen
from ares_otel.ml.severity import severest

__all__ = ["CLEARED", "Episodes", "Open"]

CLEARED: Final = 0.5
"""Evidence below which that of every test has to be for an episode to be over."""


class Open(msgspec.Struct):
    """An episode that goes on.

    Attributes:
        since: estimated change point.
        moved: everything that crossed a threshold so far.
        evidence: the largest so far.
    """

    since: Since
    moved: list[Moved]
    evidence: float


class Episodes:
    """Turns statistics into events.

    Attributes:
        seen: reads the statistics.
        count: episodes so far.
        open: the one that goes on, None if there is none.
        importances: of features, 1 for an average one; empty where they are not known.
    """

    def __init__(
        self, kind: DriftKind, seen: Seen, count: int, is_open: Open | None, importances: Mapping[str, float]
    ) -> None:
        self.kind, self.seen, self.count, self.open = kind, seen, count, is_open
        self.importances = importances

    def judge(self, squares: Floats, at: int | None) -> list[DriftEvent]:
        """Take the squared evidence of all tests after a bar; return what began or is over."""
        most = squares.max(initial=0.0)
        if self.open is None:
            return [self._begin(squares, at)] if most > 1 else []
        if most < CLEARED**2:
            return [self._end(at)]
        if most > 1:
            self._go_on(self.open, squares)
        return []

    def standing(self) -> list[Moved]:
        """Return how each tested quantity stands."""
        squares = self.seen.squares()
        return [self.seen.moved(test, squares[test], 0) for test in _best(self.seen.stream.score, squares)]

    def _begin(self, squares: Floats, at: int | None) -> DriftEvent:
        stream, seen = self.seen.stream, self.seen
        self.count += 1
        length = seen.length(int(stream.score[squares.argmax()]))
        first = max(1, stream.bar - length + 1)
        self.open = Open(Since(first, stream.memory.time(first, stream.bar)), [], 0.0)
        self._go_on(self.open, squares)
        return self._event(DriftState.STARTED, at, self.open)

    def _go_on(self, is_open: Open, squares: Floats) -> None:
        """Note what else has crossed its threshold."""
        is_open.evidence = max(is_open.evidence, float(np.sqrt(squares.max())))
        known = {(moved.feature, moved.moment) for moved in is_open.moved}
        for test in _best(self.seen.stream.score, np.where(squares > 1, squares, 0)):
            score = int(self.seen.stream.score[test])
            if squares[test] > 1 and self.seen.named[score] not in known:
                is_open.moved.append(self.seen.moved(test, squares[test], self.seen.length(score)))

    def _end(self, at: int | None) -> DriftEvent:
        assert self.open is not None
        event = self._event(DriftState.CLEARED, at, self.open)
        self.open = None
        return event

    def _event(self, state: DriftState, at: int | None, is_open: Open) -> DriftEvent:
        moved = tuple(sorted(is_open.moved, key=lambda each: -abs(each.effect)))
        effect = abs(moved[0].effect)
        return DriftEvent(
            kind=self.kind,
            state=state,
            bar=self.seen.stream.bar,
            at=at,
            features=moved,
            since=is_open.since,
            effect=effect,
            evidence=is_open.evidence,
            severity=severest(is_open.evidence, moved, self.importances),
            episode=self.count,
        )


def _best(score: Bins, squares: Floats) -> list[int]:
    """Return for each score with tests the one with most evidence."""
    order = np.argsort(squares, kind="stable")
    best = dict(zip(score[order].tolist(), order.tolist(), strict=True))
    return sorted(best.values())

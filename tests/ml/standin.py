"""A monitor that is simple enough to know what it must say: the mean of the last bars against that of a reference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ares_otel.ml import DriftEvent, DriftKind, DriftState, Moment, Moved, Quantity, Severity, Since

__all__ = ["MeanMonitor"]

SPAN = 8


class MeanMonitor:
    """Alarms when the mean of the last eight values is more than one above the reference's, clears below a half."""

    def __init__(self, mean: float = 0.0, kind: DriftKind = DriftKind.DATA) -> None:
        self.mean = mean
        self.kind = kind
        self.last: list[float] = []
        self.bars = self.episodes = 0
        self.is_open = False

    def update(self, row: object, at: int | None = None) -> list[DriftEvent]:
        """Take a bar; a row that holds no number is refused."""
        first = next(iter(row.values())) if isinstance(row, dict) else row[0] if isinstance(row, Sequence) else row
        self.last = [*self.last, float(first)][-SPAN:]  # type: ignore[arg-type]
        self.bars += 1
        if self.is_open and self.effect < 0.5:
            self.is_open = False
            return [self._event(DriftState.CLEARED, at)]
        if not self.is_open and self.effect > 1.0 and len(self.last) == SPAN:
            self.is_open = True
            self.episodes += 1
            return [self._event(DriftState.STARTED, at)]
        return []

    @property
    def effect(self) -> float:
        """How far the mean has moved."""
        return sum(self.last) / max(len(self.last), 1) - self.mean

    def standing(self) -> tuple[Moved, ...]:
        """Return how it stands."""
        return (Moved("a", Moment.LOCATION, SPAN, self.effect, abs(self.effect), 50.0),)

    def card(self) -> tuple[Quantity, ...]:
        """Return two lines, one of them untestable."""
        return (
            Quantity("a", Moment.LOCATION, True, "", 50.0, 2.0, 0.5, 9.0, 1.0),
            Quantity(("a", "b"), Moment.DEPENDENCE, False, "n_eff 6 < 24", 6.0, 80.0, None, None, 0.0),
        )

    def save(self, path: Path) -> None:
        """Write the state."""
        state = [self.mean, self.kind, self.last, self.bars, self.episodes, self.is_open]
        Path(path).write_text(json.dumps(state), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote."""
        mean, kind, last, bars, episodes, is_open = json.loads(Path(path).read_text(encoding="utf-8"))
        made = cls(mean, DriftKind(kind))
        made.last, made.bars, made.episodes, made.is_open = last, bars, episodes, is_open
        return made

    def _event(self, state: DriftState, at: int | None) -> DriftEvent:
        severity = Severity.WARNING if self.effect < 2.0 else Severity.CRITICAL
        since = Since(self.bars - SPAN + 1)
        moved = self.standing()
        return DriftEvent(
            self.kind, state, self.bars, at, moved, since, abs(self.effect), moved[0].evidence, severity, self.episodes
        )

"""Both verdicts beside each other: what our monitor says, and what the detectors of others say of the same bars."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ares_otel.ml.events import DriftEvent, DriftState
from ares_otel.ml.opinion.model import Verdict

__all__ = ["Beside", "Opinions"]


class Beside(msgspec.Struct, frozen=True):
    """Two opinions of one moment.

    Attributes:
        bar: number of the last bar that anybody judged.
        ours: the event that started our open episode; None while there is none.
        theirs: the last verdict of each detector, by name.
        alarmed: the detectors whose alarm goes on.
        agree: whether ours and at least half of theirs say the same; None while no detector could test.
    """

    bar: int
    ours: DriftEvent | None
    theirs: tuple[Verdict, ...]
    alarmed: tuple[str, ...]
    agree: bool | None


class Opinions:
    """Keeps the last word of each side."""

    def __init__(self) -> None:
        self._ours: dict[str, DriftEvent] = {}
        self._theirs: dict[str, Verdict] = {}
        self._bar = 0

    def heard(self, events: Iterable[DriftEvent] = (), verdicts: Iterable[Verdict] = ()) -> Beside:
        """Take what is new of both sides; return how they stand.

        Args:
            events: of our monitor.
            verdicts: of detectors.
        """
        for event in events:
            self._bar = max(self._bar, event.bar)
            if event.state is DriftState.STARTED:
                self._ours[event.kind] = event
            else:
                self._ours.pop(event.kind, None)
        for verdict in verdicts:
            self._bar = max(self._bar, verdict.bar)
            self._theirs[verdict.detector] = verdict
        return self._beside()

    def _beside(self) -> Beside:
        ours = max(self._ours.values(), key=lambda event: event.evidence, default=None)
        theirs = tuple(verdict for _, verdict in sorted(self._theirs.items()))
        able = [verdict for verdict in theirs if not verdict.note]
        alarmed = tuple(verdict.detector for verdict in theirs if verdict.state in ("started", "ongoing"))
        agree = None if not able else (2 * len(alarmed) >= len(able)) == (ours is not None)
        return Beside(self._bar, ours, theirs, alarmed, agree)

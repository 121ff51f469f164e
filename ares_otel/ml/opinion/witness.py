"""The second opinion of a watched model: its rows go to detectors of others, too, what they say stands beside ours."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

from ares_otel.decision.deciding import Note
from ares_otel.decision.watched import Observed, Told
from ares_otel.guard import GUARD
from ares_otel.ml.cloudevents import About
from ares_otel.ml.frames import Table
from ares_otel.ml.opinion.model import Asked, Health, OpinionState, Verdict
from ares_otel.ml.opinion.panel import Panel
from ares_otel.ml.opinion.second import SecondOpinion
from ares_otel.ml.rows import Rows
from ares_otel.ml.watching import Watch, moment_of
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.records import DriftCheck
from ares_otel.semconv.enums import DriftKind, DriftResult

__all__ = ["Witness"]

LOG = logging.getLogger("ares.drift")


class Witness:
    """Asks detectors of other libraries about the rows of a model; used by the thread that watches.

    Args:
        about: the model.
        reference: its features.
        detectors: whom to ask.
        false_alarms: chance of a false alarm of each detector within the horizon.
        horizon: in bars.
    """

    def __init__(
        self,
        about: About,
        reference: Table,
        detectors: Sequence[Asked | str],
        *,
        false_alarms: float,
        horizon: int,
    ) -> None:
        self._about = about
        self._rows = Rows(reference.columns)
        panel = Panel(reference.values, detectors, names=reference.names, false_alarms=false_alarms, horizon=horizon)
        self._second = SecondOpinion(panel)

    def feed(self, items: Iterable[Told]) -> None:
        """Hand rows over; what is no row was counted by our monitor already."""
        for item in items:
            if isinstance(item, Observed) and item.x is not None:
                try:
                    row = self._rows.read(item.x)
                except (TypeError, ValueError):
                    continue
                self._second.observe(row, moment_of(item.at))

    def tell(self, watch: Watch) -> None:
        """Say what was found since the last call, with what ours says beside it."""
        for verdict in self._second.verdicts():
            with GUARD.shield("drift.opinion"):
                R.put(Note(self._check(verdict), R.now(), None, None))
                self._log(verdict, watch)

    def settle(self, timeout: float) -> bool:
        """Wait until all rows are judged; return whether they are."""
        return self._second.settle(timeout)

    def health(self) -> tuple[Health, ...]:
        """Return which detectors work, and why the others do not."""
        return self._second.health()

    def up(self) -> Iterator[tuple[str, float]]:
        """Yield 1 for each detector that works, 0 for each that does not, none for one that was not asked yet."""
        for health in self._second.health():
            if health.asked:
                yield health.detector, float(health.up)

    def close(self) -> None:
        """End the detectors."""
        self._second.close()

    def _check(self, verdict: Verdict) -> DriftCheck:
        result = DriftResult.DRIFT if verdict.drifted else DriftResult.NO_DRIFT
        return DriftCheck(
            self._about.model,
            DriftKind.DATA,
            DriftResult.UNTESTABLE if verdict.note else result,
            verdict.detector,
            statistic=verdict.statistic,
            p_value=verdict.p_value,
            threshold=verdict.threshold,
            bar=verdict.bar,
            version=self._about.version,
            reference=self._about.reference,
            event_time=verdict.at,
        )

    def _log(self, verdict: Verdict, watch: Watch) -> None:
        if verdict.state not in (OpinionState.STARTED, OpinionState.CLEARED):
            return
        moved = ", ".join(column.name for column in verdict.columns if column.drifted)[:200] or "rows"
        said = f"{moved} moved" if verdict.state is OpinionState.STARTED else "what moved is back"
        part = watch.parts.get(DriftKind.DATA)
        ours = part.open.get(DriftKind.DATA) if part is not None else None
        beside = f"ours: episode {ours.episode} is open" if ours is not None else "ours: no episode is open"
        who = f"{verdict.detector} says {said}"
        LOG.info("second opinion on %s, bar %d: %s; %s", self._about.model, verdict.bar, who, beside)

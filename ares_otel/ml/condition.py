"""What a watched model is told, apart from drift, as metrics: values that are wrong, predictions without an outcome.

All of it is read in the thread that watches, and handed out as a whole: a scrape sees the ledger's sums add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from ares_otel.ml.concept import Metric
from ares_otel.ml.events import DriftKind
from ares_otel.ml.labels import Counts
from ares_otel.ml.outcomes import Outcomes
from ares_otel.ml.parts import Part
from ares_otel.ml.quality import Issue, Problem
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DriftFate, DriftRefusal

if TYPE_CHECKING:
    from ares_otel.metrics import Reading

__all__ = ["Condition", "issues_of_parts"]

NOW: Final = (Problem.MISSING, Problem.OUT_OF_RANGE, Problem.MOVES, Problem.STALE)
"""Problems that pass; all others are counted since the start."""
OTHER: Final = "other"


class Condition:
    """Keeps what is to be shown of one model until the next look.

    Args:
        model: its name.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._values: tuple[Reading, ...] = ()
        self._losses: tuple[Reading, ...] = ()
        self._ledger: tuple[Reading, ...] = ()

    def look(self, parts: Iterable[Part]) -> None:
        """Read what takes time: the state of values, and the mean loss with its interval."""
        listed = list(parts)
        self._values = tuple(self._of_values(issues_of_parts(listed)))
        for ledger in _ledgers(listed):
            self._losses = tuple(self._of_losses(ledger.concept.metric()))
        self.count(listed)

    def count(self, parts: Iterable[Part]) -> None:
        """Read what is counted anyway."""
        for ledger in _ledgers(parts):
            self._ledger = tuple(self._of_ledger(ledger.concept.ledger.counts))

    def readings(self) -> Iterator[Reading]:
        """Yield what a scrape shows."""
        yield from self._values
        yield from self._losses
        yield from self._ledger

    def _of_values(self, issues: dict[DriftKind, tuple[Issue, ...]]) -> Iterator[Reading]:
        for kind, found in issues.items():
            wrong = Counter(issue.problem for issue in found if issue.problem in NOW)
            for problem in NOW:
                yield m.DRIFT_PROBLEM_QUANTITIES, (self._model, kind, problem), wrong[problem]
            for issue in found:
                # whatever a row may hold beyond the features is no name of ours, and must not take the place of one
                name = OTHER if issue.problem is Problem.UNKNOWN else issue.feature or None
                metric = m.FEATURE_PROBLEM if issue.problem in NOW else m.FEATURE_PROBLEMS
                yield metric, (self._model, kind, name, issue.problem), issue.count

    def _of_losses(self, found: Metric) -> Iterator[Reading]:
        values = (
            (m.DRIFT_LOSS, found.mean),
            (m.DRIFT_LOSS_LOW, found.low),
            (m.DRIFT_LOSS_HIGH, found.high),
            (m.DRIFT_LOSS_N, found.n),
            (m.DRIFT_LOSS_WORTH, found.n_eff),
        )
        for metric, value in values:
            if value is not None:
                yield metric, (self._model,), value

    def _of_ledger(self, counts: Counts) -> Iterator[Reading]:
        model = self._model
        yield m.DRIFT_PREDICTIONS, (model,), counts.recorded
        yield m.DRIFT_PENDING, (model,), counts.pending
        yield m.DRIFT_LATE, (model,), counts.late
        for fate in DriftFate:
            yield m.DRIFT_SETTLED, (model, fate), getattr(counts, fate)
        for refusal in DriftRefusal:
            yield m.DRIFT_REFUSED, (model, refusal), getattr(counts, refusal)


def issues_of_parts(parts: Iterable[Part]) -> dict[DriftKind, tuple[Issue, ...]]:
    """Return what is wrong with the values of each kind, where its monitor looks at values."""
    found = {part.kind: getattr(part.monitor, "quality", None) for part in parts}
    return {kind: quality() for kind, quality in found.items() if quality is not None}


def _ledgers(parts: Iterable[Part]) -> Iterator[Outcomes]:
    return (part.monitor for part in parts if isinstance(part.monitor, Outcomes))

"""Makes the monitors of a watched model out of its reference and the user's budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import WatchedModel
from ares_otel.ml import keeping
from ares_otel.ml.budget import Budget
from ares_otel.ml.cloudevents import About, Outbox
from ares_otel.ml.concept import LOSSES, ConceptMonitor, LossName, loss_of
from ares_otel.ml.events import DriftKind, Quantity
from ares_otel.ml.frames import Table as Matrix
from ares_otel.ml.given import Data, bars_per_month, fingerprint, gathered
from ares_otel.ml.monitor import DriftMonitor
from ares_otel.ml.outcomes import Outcomes, class_of, plain
from ares_otel.ml.parts import PROFITS, Cadence, Monitor, Part, Promise
from ares_otel.ml.profits import Edge, Profits
from ares_otel.ml.reference import Reference, checked
from ares_otel.ml.severity import importances_of
from ares_otel.ml.spectra import HAZARD
from ares_otel.ml.tape import Tape
from ares_otel.ml.telling import Quiet, Teller
from ares_otel.ml.watching import Watch

if TYPE_CHECKING:
    from ares_otel.ml.opinion.witness import Witness

__all__ = ["READ", "Outcome", "Plan", "cards_of_state", "part_of"]

FOREVER: Final = timedelta(days=3_650)
CLASSES: Final = 10
"""Whole numbers up to here are classes, larger ones are measured."""
LEAST_LOSSES: Final = 500
SHARES: Final = {DriftKind.DATA: 3.0, DriftKind.PREDICTION: 1.0, DriftKind.LABEL: 1.0, DriftKind.CONCEPT: 1.0}
"""How the budget is divided: features are many, all else is one."""

Read = Callable[[Path], Monitor]
READ: Final[Mapping[str, Read]] = {
    DriftKind.DATA.value: DriftMonitor.load,
    DriftKind.PREDICTION.value: DriftMonitor.load,
    DriftKind.LABEL.value: DriftMonitor.load,
    DriftKind.CONCEPT.value: Outcomes.load,
    PROFITS: Profits.load,
}
"""By the name of the part."""


class Outcome(NamedTuple):
    """What outcomes are like.

    Attributes:
        horizon: how long after a prediction one is known; None where nothing says so.
        loss: how a prediction is measured; None: as its values are.
    """

    horizon: timedelta | None = None
    loss: LossName | None = None


TOLD: Final = Outcome()


class Plan:
    """How a model is to be watched. What is given is checked and copied here; it is learned when it is first made.

    Args:
        model: the bot's side.
        settings: of drift.
        service: name of the bot.
        reference: an array, a frame, columns by name, a table, or the path of one.
        names: of the features.
        predictions: of the reference's bars.
        actuals: what came true of them.
        opinions: detectors of other libraries that are to judge the features, too.
        outcome: what outcomes will be like; None if none will be told.
        edge: what the model earns; None for what the settings promise, if anything.
        regimes: of the reference's bars, or the name of its column of them; None if no bar is said to be in any.
        importances: how much each feature weighs in the model; None if all weigh the same.

    Raises:
        TypeError, ValueError: no monitor can be made of that.
    """

    def __init__(
        self,
        model: WatchedModel,
        settings: Drift,
        service: str,
        reference: Any,
        *,
        names: Sequence[str] | None = None,
        predictions: Any = None,
        actuals: Any = None,
        opinions: Sequence[Any] = (),
        outcome: Outcome | None = TOLD,
        edge: Edge | None = None,
        regimes: Any = None,
        importances: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self._settings = settings
        edge = edge if edge is not None else Edge.configured(settings.edge, model.name)
        data = gathered(reference, names, predictions, actuals, regimes)
        month = settings.bars_per_month or bars_per_month(data.times)
        budget = Budget.monthly(settings.false_alarms, month)
        self._promise = Promise(budget.false_alarms, budget.horizon, data.rows, month)
        self._ready: _Ready | None = _ready(data, outcome, edge, importances)
        self._saved: dict[str, bytes] = {}
        more = edge, None if outcome in {None, TOLD} else outcome, importances
        reference_hash = fingerprint(data, self._promise, settings.hazard, *more)
        self.about = About(service, model.name, model.version, reference_hash)
        self._features = self._ready.known.get(DriftKind.DATA) if opinions else None
        self._detectors = tuple(opinions)

    def make(self, *, quiet: bool = False) -> Watch:
        """Return a watch with monitors that have seen nothing yet; the reference is learned at the first call.

        Args:
            quiet: it says nothing to the world and keeps no file: for a replay.
        """
        settings, model = self._settings, self.model
        if self._ready is not None:
            monitors = _monitors(self._ready, settings, Budget(self._promise.false_alarms, self._promise.horizon))
            self._saved, self._ready = {name: keeping.saved(monitor) for name, monitor in monitors}, None
        folder = Path(settings.directory)
        path = Path(settings.outbox) if settings.outbox else folder / "events.jsonl"
        outbox = Outbox(path, settings.outbox_bytes) if settings.directory or settings.outbox else None
        teller = Quiet(self.about) if quiet else Teller(self.about, outbox)
        parts = [part_of(name, keeping.restored(saved, READ[name])) for name, saved in self._saved.items()]
        watch = Watch(model, parts, teller, self._promise, Cadence(settings.check_bars, settings.check_interval))
        watch.calls = settings.callbacks
        if settings.record and settings.directory and not quiet:
            watch.tape = Tape(folder / f"{keeping.safe(model.name)}.jsonl", settings.record_bytes)
        return watch

    def witness(self) -> Witness | None:
        """Return the second opinion on the features; None if nobody is asked for one."""
        if self._features is None:
            return None
        from ares_otel.ml.opinion.witness import Witness  # noqa: PLC0415  nobody else needs it

        alarms, horizon = self._promise.false_alarms, self._promise.horizon
        return Witness(self.about, self._features, self._detectors, false_alarms=alarms, horizon=horizon)


def cards_of_state(path: Path) -> Iterator[Quantity]:
    """Yield the card of a bot's state.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none.
    """
    with keeping.read(path) as (_, files):
        for name, file in files.items():
            yield from READ[name](file).card()


class _Ready(NamedTuple):
    """What monitors will be made of."""

    known: dict[DriftKind, Matrix]
    regimes: dict[DriftKind, list[str] | None]
    outcome: Outcome | None
    loss: LossName
    losses: list[float] | None
    edge: Edge | None
    importances: Mapping[str, float] | None


def _ready(data: Data, told: Outcome | None, edge: Edge | None, importances: Mapping[str, float] | None) -> _Ready:
    """Check all that was given, so that learning it later cannot fail for what the caller did."""
    times = None if data.times is None or None in data.times else data.times
    given = {
        DriftKind.DATA: (data.features, data.names, times) if data.features is not None else None,
        DriftKind.PREDICTION: _columns("prediction", data.predictions) if data.predictions is not None else None,
        DriftKind.LABEL: _columns("outcome", data.actuals) if data.actuals is not None else None,
    }
    known = {kind: checked(*values) for kind, values in given.items() if values is not None}
    by_regime: dict[DriftKind, list[str] | None] = {
        kind: data.labels(len(table.values)) for kind, table in known.items() if kind is not DriftKind.LABEL
    }
    loss: LossName = (told.loss if told is not None else None) or _loss_for(data)
    if loss not in LOSSES:
        raise ValueError(f"a loss is one of {', '.join(LOSSES)}, not {loss!r}")
    if told is not None and told.horizon is not None and told.horizon < timedelta(0):
        raise ValueError(f"a horizon is not negative: {told.horizon}")
    if edge is not None:
        edge.watched()
    if importances is not None:
        if DriftKind.DATA not in known:
            raise ValueError("importances are those of a reference's features, and there is no reference")
        importances = importances_of(importances, [column.name for column in known[DriftKind.DATA].columns])
    losses = _losses(loss, data) if told is not None else None
    return _Ready(known, by_regime, told, loss, losses, edge, importances)


def _monitors(ready: _Ready, settings: Drift, budget: Budget) -> Iterator[tuple[str, Monitor]]:
    whole = sum(SHARES[kind] for kind in ready.known)
    whole += SHARES[DriftKind.CONCEPT] if ready.outcome is not None else 0
    hazard, horizon = HAZARD if settings.hazard is None else settings.hazard, budget.horizon
    for kind, table in ready.known.items():
        chance, learned = _share_of(budget, SHARES[kind] / whole), Reference.learned(table, ready.regimes.get(kind))
        weighed = ready.importances if kind is DriftKind.DATA else None
        yield (
            kind.value,
            DriftMonitor(learned, false_alarms=chance, horizon=horizon, kind=kind, hazard=hazard, importances=weighed),
        )
    if ready.outcome is not None:
        concept = _concept(ready, ready.outcome, budget, SHARES[DriftKind.CONCEPT] / whole)
        yield DriftKind.CONCEPT.value, Outcomes(concept)
    if ready.edge is not None:
        yield PROFITS, Profits(ready.edge.watched())


def part_of(name: str, monitor: Monitor) -> Part:
    """Return the part of a name with its monitor."""
    return Part(DriftKind.CONCEPT if name == PROFITS else DriftKind(name), monitor, READ[name], name)


def _share_of(budget: Budget, share: float) -> float:
    """Return the chance that a part of a budget allows."""
    return -math.expm1(share * math.log1p(-budget.false_alarms))


def _concept(ready: _Ready, told: Outcome, budget: Budget, share: float) -> ConceptMonitor:
    span = FOREVER if told.horizon is None else told.horizon
    return ConceptMonitor(
        int(span.total_seconds() * 1e9),
        loss=ready.loss,
        false_alarms=_share_of(budget, share),
        outcomes=budget.horizon,
        reference=ready.losses,
    )


def _loss_for(data: Data) -> LossName:
    """Return how predictions are measured: classes are right or wrong, numbers are off by a distance."""
    for values in (data.actuals, data.predictions):
        known = [class_of(plain(each)) for each in values or ()]
        if known:
            whole = all(isinstance(each, (str, bool)) or _is_class(each) for each in known)
            return "error" if whole else "absolute"
    return "error"


def _is_class(value: object) -> bool:
    return isinstance(value, (int, float)) and float(value).is_integer() and abs(value) <= CLASSES


def _losses(loss: LossName, data: Data) -> list[float] | None:
    if data.predictions is None or data.actuals is None or len(data.predictions) != len(data.actuals):
        return None
    pairs = zip(data.predictions, data.actuals, strict=True)
    found = [loss_of(loss, class_of(plain(prediction)), plain(actual)) for prediction, actual in pairs]
    known = [each for each in found if math.isfinite(each)]
    return known if len(known) >= LEAST_LOSSES else None


def _columns(name: str, values: Sequence[Any]) -> tuple[Any, list[str] | None]:
    first = plain(values[0]) if len(values) else None
    if isinstance(first, dict):
        return {key: [plain(each)[key] for each in values] for key in first}, None
    table = np.asarray(values)
    if table.ndim > 1:
        return table, [f"{name}_{place}" for place in range(table.shape[1])]
    return {name: values}, None

"""Makes the monitors of a watched model out of its reference and the user's budget."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import numpy as np

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import WatchedModel
from ares_otel.ml import keeping
from ares_otel.ml.budget import Budget
from ares_otel.ml.cloudevents import About, Outbox
from ares_otel.ml.concept import LOSSES, ConceptMonitor, LossName
from ares_otel.ml.events import DriftKind, Quantity
from ares_otel.ml.frames import Table as Matrix
from ares_otel.ml.monitor import DriftMonitor
from ares_otel.ml.outcomes import Outcomes, class_of, plain
from ares_otel.ml.parts import PROFITS, Cadence, Monitor, Part, Promise
from ares_otel.ml.plan import HAZARD
from ares_otel.ml.profits import Edge, Profits
from ares_otel.ml.reference import Reference, checked
from ares_otel.ml.tables import Table, Tape, read_table
from ares_otel.ml.telling import Quiet, Teller
from ares_otel.ml.watching import Watch

if TYPE_CHECKING:
    from ares_otel.ml.opinion.witness import Witness

__all__ = ["BARS_PER_MONTH", "Data", "Outcome", "Plan", "cards_of_state"]

BARS_PER_MONTH: Final = 730.0
"""Of hours, where nothing says how long a bar is."""
MONTH: Final = 365.25 / 12 * 86_400e9
FOREVER: Final = timedelta(days=3_650)
CLASSES: Final = 10
"""Whole numbers up to here are classes, larger ones are measured."""
LEAST_LOSSES: Final = 500
SHARES: Final = {DriftKind.DATA: 3.0, DriftKind.PREDICTION: 1.0, DriftKind.LABEL: 1.0, DriftKind.CONCEPT: 1.0}
"""How the budget is divided: features are many, all else is one."""
DIGITS: Final = 16

Read = Callable[[Path], Monitor]
READ: Final[Mapping[str, Read]] = {
    DriftKind.DATA.value: DriftMonitor.load,
    DriftKind.PREDICTION.value: DriftMonitor.load,
    DriftKind.LABEL.value: DriftMonitor.load,
    DriftKind.CONCEPT.value: Outcomes.load,
    PROFITS: Profits.load,
}
"""By the name of the part."""


class Data(NamedTuple):
    """What a reference is made of.

    Attributes:
        features: bars by features, or whatever the monitor takes for that; None without any.
        names: of the features, None where they are in the features.
        predictions: of these bars.
        actuals: of these predictions.
        times: Unix ns of each bar.
        rows: how many bars.
    """

    features: Any
    names: Sequence[str] | None
    predictions: Sequence[Any] | None
    actuals: Sequence[Any] | None
    times: Sequence[int | None] | None
    rows: int | None


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
        edge: what the model earns; None if no profits will be told.

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
    ) -> None:
        self.model = model
        self._settings = settings
        data = _gathered(reference, names, predictions, actuals)
        month = settings.bars_per_month or _bars_per_month(data.times)
        budget = Budget.monthly(settings.false_alarms, month)
        self._promise = Promise(budget.false_alarms, budget.horizon, data.rows, month)
        self._ready: _Ready | None = _ready(data, outcome, edge)
        self._saved: dict[str, bytes] = {}
        self.about = About(service, model.name, model.version, _fingerprint(data, self._promise, settings.hazard, edge))
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
        parts = [_part(name, keeping.restored(saved, READ[name])) for name, saved in self._saved.items()]
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
    outcome: Outcome | None
    loss: LossName
    losses: list[float] | None
    edge: Edge | None


def _ready(data: Data, told: Outcome | None, edge: Edge | None) -> _Ready:
    """Check all that was given, so that learning it later cannot fail for what the caller did."""
    given = {
        DriftKind.DATA: (data.features, data.names) if data.features is not None else None,
        DriftKind.PREDICTION: _columns("prediction", data.predictions) if data.predictions is not None else None,
        DriftKind.LABEL: _columns("outcome", data.actuals) if data.actuals is not None else None,
    }
    known = {kind: checked(*values) for kind, values in given.items() if values is not None}
    loss: LossName = (told.loss if told is not None else None) or _loss_for(data)
    if loss not in LOSSES:
        raise ValueError(f"a loss is one of {', '.join(LOSSES)}, not {loss!r}")
    if told is not None and told.horizon is not None and told.horizon < timedelta(0):
        raise ValueError(f"a horizon is not negative: {told.horizon}")
    if edge is not None:
        edge.watched()
    return _Ready(known, told, loss, _losses(loss, data) if told is not None else None, edge)


def _monitors(ready: _Ready, settings: Drift, budget: Budget) -> Iterator[tuple[str, Monitor]]:
    whole = sum(SHARES[kind] for kind in ready.known)
    whole += SHARES[DriftKind.CONCEPT] if ready.outcome is not None else 0
    hazard, horizon = HAZARD if settings.hazard is None else settings.hazard, budget.horizon
    for kind, table in ready.known.items():
        chance, learned = _part_of(budget, SHARES[kind] / whole), Reference.learned(table)
        yield kind.value, DriftMonitor(learned, false_alarms=chance, horizon=horizon, kind=kind, hazard=hazard)
    if ready.outcome is not None:
        concept = _concept(ready, ready.outcome, budget, SHARES[DriftKind.CONCEPT] / whole)
        yield DriftKind.CONCEPT.value, Outcomes(concept)
    if ready.edge is not None:
        yield PROFITS, Profits(ready.edge.watched())


def _part(name: str, monitor: Monitor) -> Part:
    return Part(DriftKind.CONCEPT if name == PROFITS else DriftKind(name), monitor, READ[name], name)


def _part_of(budget: Budget, share: float) -> float:
    """Return the chance that a part of a budget allows."""
    return -math.expm1(share * math.log1p(-budget.false_alarms))


def _concept(ready: _Ready, told: Outcome, budget: Budget, share: float) -> ConceptMonitor:
    span = FOREVER if told.horizon is None else told.horizon
    return ConceptMonitor(
        int(span.total_seconds() * 1e9),
        loss=ready.loss,
        false_alarms=_part_of(budget, share),
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
    found = [LOSSES[loss](class_of(plain(prediction)), plain(actual)) for prediction, actual in pairs]
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


# --- what users give -----------------------------------------------------------------------------------------------


def _gathered(reference: Any, names: Sequence[str] | None, predictions: Any, actuals: Any) -> Data:
    if isinstance(reference, (str, Path)):
        reference = read_table(Path(reference))
    times: Sequence[int | None] | None = None
    if isinstance(reference, Table):
        times = reference.times
        predictions = reference.own.get("prediction") if predictions is None else predictions
        actuals = reference.own.get("actual") if actuals is None else actuals
        reference = reference.features or None
    elif reference is not None:
        times = _index(reference)
    rows = None if reference is None else _length(reference)
    return Data(reference, names, _listed(predictions), _listed(actuals), times, rows)


def _listed(values: Any) -> Sequence[Any] | None:
    """Return values as a list; None for nothing, or where not one is known."""
    if values is None:
        return None
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    return found if any(each is not None for each in found) else None


def _index(frame: Any) -> list[int] | None:
    """Return the times of a frame's index, None where that holds none."""
    index = getattr(frame, "index", None)
    dtype = getattr(index, "dtype", None)
    if getattr(dtype, "kind", "") != "M":
        return None
    return [int(each) for each in np.asarray(index, "datetime64[ns]").astype(np.int64)]


def _length(reference: Any) -> int:
    return len(next(iter(reference.values()), ())) if isinstance(reference, Mapping) else len(reference)


def _bars_per_month(times: Sequence[int | None] | None) -> float:
    known = [each for each in times or () if each is not None]
    span = max(known) - min(known) if known else 0
    return (len(known) - 1) * MONTH / span if span > 0 else BARS_PER_MONTH


def _fingerprint(data: Data, promise: Promise, hazard: float | None, edge: Edge | None) -> str:
    """Return a hash of everything that a verdict depends on."""
    # what a month is taken for is in the horizon
    told = msgspec.structs.replace(promise, month=None)
    found = hashlib.sha256(repr((told, hazard, list(data.names or ()))).encode())
    for name, values in _hashed(data.features):
        found.update(name.encode(errors="surrogatepass"))
        array = np.asarray(values)
        found.update(repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes())
    found.update(msgspec.json.encode([plain(data.predictions), plain(data.actuals)]))
    if edge is not None:
        found.update(repr(edge).encode())
    return found.hexdigest()[:DIGITS]


def _hashed(features: Any) -> Iterator[tuple[str, Any]]:
    columns = getattr(features, "columns", None)
    if columns is None and not isinstance(features, Mapping):
        yield "", features
        return
    for name in columns if columns is not None else features:
        yield str(name), features[name]

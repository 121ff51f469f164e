"""A recorded history looked at again, by the monitors and in the order of a live bot; and what is told afterwards.

What a bot has kept says itself how the model was watched (`ml/tape.py`). Any other history, and one that is to be seen
in another way, is looked at as the caller says.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import Observed, Told, WatchedModel
from ares_otel.ml import keeping
from ares_otel.ml.beside import State
from ares_otel.ml.concept import LossName
from ares_otel.ml.condition import issues_of_parts
from ares_otel.ml.events import DriftEvent, DriftKind, Quantity, Since
from ares_otel.ml.making import READ, Outcome, Plan, cards_of_state, part_of
from ares_otel.ml.monitor import DriftMonitor
from ares_otel.ml.parts import Cadence
from ares_otel.ml.profits import Edge
from ares_otel.ml.quality import Issue
from ares_otel.ml.segments import changes
from ares_otel.ml.tables import TableError, read_table, told
from ares_otel.ml.tape import Begun, stretches
from ares_otel.ml.telling import Quiet, summary
from ares_otel.ml.watching import Watch

__all__ = ["Asked", "Replayed", "card_of_file", "replay", "replay_kept"]

MODEL = "model"
LINES = {".jsonl", ".ndjson"}
DATED = 10
"""Features of which changes are dated at most, those of the first alarms: it takes a second or more for each."""


class Asked(msgspec.Struct, frozen=True):
    """What a bot says at `ares.model()` beside its reference.

    Attributes:
        horizon: seconds from a prediction to its outcome; None: whenever it is told.
        loss: how a prediction is measured; None: as its values are.
        edge: what the model earns; None: profits are not looked at.
        outcomes: whether outcomes are told: without them the whole budget is for the rest.
        regimes: column of both tables that says the regime of a bar; None: that of JSON lines, if they have one.
    """

    horizon: float | None = None
    loss: LossName | None = None
    edge: Edge | None = None
    outcomes: bool = True
    regimes: str | None = None


BARE = Asked()


class Replayed(msgspec.Struct, frozen=True):
    """What monitors said of a history.

    Attributes:
        model: name of the model.
        events: in their order.
        bars: that each kind of monitor was given.
        invalid: what could not be looked at.
        is_open: an episode was open at the end.
        changes: of features in alarms, when they changed, as can be told afterwards.
        issues: what was wrong with values at the end, by kind.
        skipped: lines of before the history says how the model was watched: nothing can be said of them.
    """

    model: str
    events: list[DriftEvent]
    bars: dict[str, int]
    invalid: int
    is_open: bool
    changes: dict[str, list[Since]]
    issues: dict[str, list[Issue]]
    skipped: int = 0

    def says(self, event: DriftEvent) -> str:
        """Return an event in one sentence."""
        return summary(event, self.model)


def replay_kept(file: Path) -> Replayed | None:
    """Look at what a bot has kept of a model, which says itself how that was watched; None for any other table.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or in words of another version.
    """
    # the one before has another ending behind its own
    kept, skipped = stretches(file) if LINES & {each.lower() for each in file.suffixes} else ([], 0)
    looking = _Looking()
    for stretch in kept:
        looking.go_on(_resumed(stretch.begun), stretch.told)
    return looking.found(skipped) if kept else None


def replay(file: Path, reference: Path | None, rows: int | None, settings: Drift, asked: Asked = BARE) -> Replayed:
    """Look at a history as the caller says.

    Args:
        file: table of what a model was told.
        reference: table of training rows.
        rows: without it, how many bars at the beginning of the history are the reference; a history without features
            needs none.
        settings: of drift.
        asked: what else was said of the model.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file, or the reference, is none.
    """
    known = read_table(reference) if reference is not None else None
    table = read_table(file, known.features if known is not None else ())
    if asked.regimes is not None:
        table = table.by_regime(asked.regimes)
        known = known.by_regime(asked.regimes) if known is not None else None
    if known is None and (rows is not None or table.features):
        if rows is None or not 0 < rows < table.length:
            raise TableError("give --reference FILE, or --rows N with fewer bars than the history has")
        known, table = table.part(0, rows), table.part(rows, table.length)
    model = WatchedModel(file.stem.partition(".")[0] or MODEL)
    horizon = None if asked.horizon is None else timedelta(seconds=asked.horizon)
    outcome = Outcome(horizon, asked.loss) if asked.outcomes else None
    looking = _Looking(timed=table.timed)
    looking.go_on(Plan(model, settings, MODEL, known, outcome=outcome, edge=asked.edge).make(quiet=True), told(table))
    return looking.found()


def _resumed(begun: Begun) -> Watch:
    """Return what looks at a history as it was looked at live."""
    with keeping.read(io.BytesIO(begun.whole)) as (header, files):
        state = msgspec.json.decode(header, type=State)
        about = state.about
        monitors = {part.title: READ[part.title](files[part.title]) for part in state.parts}
        parts = [part_of(name, monitor) for name, monitor in monitors.items()]
        watch = Watch(WatchedModel(about.model, about.version), parts, Quiet(about), begun.promise, Cadence())
        watch.resume(state, monitors)
    return watch


class _Looking:
    """Looks at a history, one stretch after the other, and keeps what was said.

    Args:
        timed: whether it says the times of its bars; else nothing that is said of it has one.
    """

    def __init__(self, *, timed: bool = True) -> None:
        self._timed = timed
        self._events: list[DriftEvent] = []
        self._bars: dict[str, int] = {}
        self._dated: dict[str, list[Since]] = {}
        self._invalid = self._before = 0
        self._seen: list[tuple[int, Observed]] = []
        self._watch: Watch | None = None

    def go_on(self, watch: Watch, items: Iterable[Told]) -> None:
        """Look at what was told of a model that is watched like this."""
        before = self._watch
        if before is not None and before.teller.about != watch.teller.about:
            self._date(before)
            before.end()
        self._watch = watch
        watch.on_event = self._events.append
        listed, started = list(items), {name: part.bars for name, part in watch.parts.items()}
        watch.feed(listed)
        self._invalid += watch.invalid
        for name, part in watch.parts.items():
            self._bars[name] = self._bars.get(name, 0) + part.bars - started[name]
        seen = (item for item in listed if isinstance(item, Observed) and item.x is not None)
        self._seen.extend(enumerate(seen, started.get(DriftKind.DATA, 0) + 1))

    def _date(self, watch: Watch) -> None:
        """Date the changes of features in alarms, over all that was told of a model with one reference."""
        monitor = watch.parts[DriftKind.DATA].monitor if DriftKind.DATA in watch.parts else None
        if isinstance(monitor, DriftMonitor):
            for name, dates in _dated(self._seen, monitor.names, self._events[self._before :]).items():
                self._dated[name] = [*self._dated.get(name, []), *dates]
        self._seen, self._before = [], len(self._events)

    def found(self, skipped: int = 0) -> Replayed:
        """Return all that was said."""
        watch = self._watch
        assert watch is not None
        self._date(watch)
        parts = watch.parts.values()
        issues = {kind.value: list(issues) for kind, issues in issues_of_parts(parts).items() if issues}
        is_open = any(part.open for part in parts)
        return Replayed(
            watch.model.name,
            self._events if self._timed else [_untimed(event) for event in self._events],
            self._bars,
            self._invalid,
            is_open,
            self._dated,
            issues,
            skipped,
        )


def _untimed(event: DriftEvent) -> DriftEvent:
    since = None if event.since is None else Since(event.since.bar)
    return msgspec.structs.replace(event, at=None, since=since)


def _dated(
    seen: Sequence[tuple[int, Observed]], names: Sequence[str], events: Sequence[DriftEvent]
) -> dict[str, list[Since]]:
    """Return when features in alarms changed, by name; what was seen comes with the numbers of its bars."""
    alarmed = [moved.feature for event in events if event.kind is DriftKind.DATA for moved in event.features]
    singles = [name for feature in alarmed for name in ([feature] if isinstance(feature, str) else feature)]
    found = {}
    for name in [each for each in dict.fromkeys(singles) if each in names][:DATED]:
        values = [_value(item.x, name, names.index(name)) for _, item in seen]
        try:
            numbers = np.array([np.nan if each is None else each for each in values], np.float64)
        except (TypeError, ValueError):  # a category
            continue
        found[name] = [Since(bar, _time(item)) for bar, item in (seen[place] for place in changes(numbers))]
    return found


def _value(x: Any, name: str, place: int) -> Any:
    if isinstance(x, Mapping):
        return x.get(name)
    return x[place] if hasattr(x, "__len__") and place < len(x) else None


def _time(seen: Observed) -> int | None:
    return seen.at if isinstance(seen.at, int) else None


def card_of_file(file: Path, settings: Drift) -> list[Quantity]:
    """Return the card of a table of training rows, or of a bot's state.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none of both.
    """
    if keeping.is_state(file):
        return list(cards_of_state(file))
    watch = Plan(WatchedModel(MODEL), settings, MODEL, read_table(file)).make(quiet=True)
    return [line for part in watch.parts.values() for line in part.monitor.card()]

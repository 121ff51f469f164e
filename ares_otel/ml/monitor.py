"""The drift monitor of a model's features, predictions or labels.

    monitor = DriftMonitor(frame)                      # training data; a chance of 5 % of any false alarm in 4,000 bars
    for event in monitor.update(row, at=time): ...     # each bar
    monitor.card()                                     # what it can see of what, and how soon

The method is in docs/drift.md. It promises no more than was measured there.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from ares_otel.ml import archive, card
from ares_otel.ml.budget import Account, Budget, Line, account_of
from ares_otel.ml.episodes import CLEARED, Episodes, Open
from ares_otel.ml.events import DriftEvent, DriftKind, Moved, Quantity
from ares_otel.ml.frames import Column, Time, nanoseconds, titles_of
from ares_otel.ml.plan import believed, planned
from ares_otel.ml.quality import Issue, Limits, issues_of
from ares_otel.ml.reference import Made, Reference
from ares_otel.ml.regimes import NOWHERE, Places, label_of
from ares_otel.ml.rows import Rows
from ares_otel.ml.seen import Seen
from ares_otel.ml.severity import importances_of
from ares_otel.ml.spectra import HAZARD
from ares_otel.ml.stream import Stream
from ares_otel.ml.windows import Window, windows

__all__ = ["DriftMonitor"]

OF: Final = "ares_otel drift monitor"
VERSION: Final = 2
OLDEST: Final = 1
"""Of the versions that are read: it has no weights."""
TIMES: Final = 64
"""Times that are remembered, to know a bar that comes twice."""


class _Facts(msgspec.Struct):
    """What of a monitor's state is no array."""

    made: Made
    columns: tuple[Column, ...]
    limits: Limits
    budget: Budget
    kind: DriftKind
    bar: int
    times: list[int]
    latest: int | None
    duplicates: int
    late: int
    counts: dict[str, dict[str, int]]
    episodes: int
    open: Open | None
    places: Places | None = None
    nowhere: int = 0
    importances: dict[str, float] = {}


class DriftMonitor:
    """Watches for drift, bar after bar; needs the same time and memory for each, and is not made for several threads.

    Args:
        reference: at least 500 bars of what the model was trained on: an array (bars x features), NaN where missing, a
            frame of pandas or polars, or a mapping of columns; or a `Reference` that was made of such before. A column
            of texts is watched by its categories.
        false_alarms: chance of any false alarm within the horizon.
        horizon: in bars.
        names: which columns of a frame, in what order, or what those of an array are called; else all, else f0, f1, …
        times: of the reference's bars, in their order; else the index of a pandas frame, if it has times.
        hazard: prior rate per bar at which it is believed that volatility has slow regimes. Less finds changes of
            volatility sooner, and is less honest where a reference shows too few of its regimes.
        kind: what is watched.
        importances: what each feature weighs in the model, on any scale, for how severe an alarm is; else all alike.

    Raises:
        TypeError, ValueError: what is wrong with the reference, the budget or the importances, in words.
    """

    ends: Final = CLEARED
    """Evidence below which an episode is over."""

    def __init__(
        self,
        reference: object,
        *,
        false_alarms: float = 0.05,
        horizon: int = 4000,
        names: Sequence[str] | None = None,
        times: object = None,
        hazard: float = HAZARD,
        kind: DriftKind = DriftKind.DATA,
        importances: Mapping[str, float] | None = None,
    ) -> None:
        self._budget = Budget(float(false_alarms), int(horizon))
        if not 0 <= hazard <= 1:
            raise ValueError(f"hazard is a rate from 0 to 1, not {hazard}")
        learned = _learned(reference, names, times)
        belief = believed(learned, hazard)
        plan = planned(learned, belief, self._budget.false_alarms, self._budget.horizon)
        self._kind, self._made = DriftKind(kind), learned.made
        self._limits = _limits(learned)
        self._stream = Stream.of(learned, plan)
        self._card, self._sigma, self._spent = card.card_of(learned, belief), plan.sigma, plan.spent
        self._rows = Rows(learned.source)
        self._importances = importances_of(importances, self.names) if importances is not None else {}
        self._times: deque[int] = deque(maxlen=TIMES)
        self._latest: int | None = None
        self._duplicates = self._late = self._nowhere = 0
        self._finish(learned.slots.places if learned.slots else None, 0, None)

    def _finish(self, places: Places | None, episodes: int, is_open: Open | None) -> None:
        """Derive what the state does not hold."""
        self._places = places
        self._slots = {} if places is None else dict(zip(places.labels, places.slot, strict=True))
        named = card.titles(self._made, self._stream.pairs)
        seen = Seen(self._stream, named, self._card.worth)
        self._episodes = Episodes(self._kind, seen, episodes, is_open, _by_title(self._rows.columns, self._importances))

    def update(self, row: Any, at: Time | None = None, regime: object = None) -> list[DriftEvent]:
        """Take the next bar; return what began or is over with it.

        Missing values (None, NaN), infinities and values of wrong types are no evidence of drift, and are counted
        (`quality`), as are bars that come late. A bar with a time that was seen already, or older than those
        remembered, is left out.

        Args:
            row: the features in order, or by name: a mapping, a row of a frame.
            at: time of the bar.
            regime: which one the bar is in, by name or number or as a `Regime`, where the reference was made with
                regimes. A bar in none of those is no evidence, and is counted.

        Raises:
            ValueError: the row has another number of values than the reference has features.
        """
        numbers = self._rows.read(row)
        when = None if at is None else self._time(at)
        if when is not None and not self._is_new(when):
            return []
        squares = self._stream.put(numbers, when, self._slot(regime) if self._slots else None)
        return self._episodes.judge(squares, when)

    def _slot(self, regime: object) -> int | None:
        slot = NOWHERE if regime is None else self._slots.get(label_of(regime), NOWHERE)
        if slot == NOWHERE:
            self._nowhere += 1
            return None
        return slot

    def _time(self, at: object) -> int | None:
        try:
            return nanoseconds(at)
        except (TypeError, ValueError):
            self._rows.invalid["at"] += 1
            return None

    def _is_new(self, when: int) -> bool:
        times = self._times
        if self._latest is not None and when <= self._latest:
            if when in times:
                self._duplicates += 1
                return False
            self._late += 1
            if len(times) == TIMES and when < min(times):
                return False
        else:
            self._latest = when
        times.append(when)
        return True

    @property
    def bars(self) -> int:
        """How many bars were seen."""
        return self._stream.bar

    @property
    def names(self) -> tuple[str, ...]:
        """The features."""
        return tuple(column.name for column in self._rows.columns)

    @property
    def made(self) -> Made:
        """Where the reference comes from."""
        return self._made

    @property
    def is_drifting(self) -> bool:
        """Whether an episode is open."""
        return self._episodes.open is not None

    def standing(self) -> list[Moved]:
        """Return how each tested quantity stands, by its window with most evidence."""
        return self._episodes.standing()

    def card(self) -> tuple[Quantity, ...]:
        """Return what can be seen of each moment of each feature, and why what cannot."""
        stream = self._stream
        tests = card.Tests(stream.score, stream.window, np.sqrt(stream.threshold), self._sigma, self._spent)
        return card.lines(self._card, tests, self._episodes.seen, self._places.note if self._places else "")

    def windows(self, features: Collection[str], bars: int) -> tuple[Window, ...]:
        """Return the last bars of some features beside their reference, at most as many as are remembered."""
        named = ((column, name) for column, name in enumerate(self._made.names) if name in features)
        return windows(self._stream, named, bars)

    def quality(self) -> tuple[Issue, ...]:
        """Return what is wrong with the data themselves."""
        bars = self._duplicates, self._late, self._nowhere
        return issues_of(self._stream, self._rows, self._limits, self._made.names, bars)

    def account(self) -> Account:
        """Return how the budget is divided, and what of it time has used."""
        stream, named = self._stream, self._episodes.seen.named
        evidence = self._episodes.seen.evidence()
        tests = zip(stream.score.tolist(), stream.window.tolist(), self._spent.tolist(), evidence.tolist(), strict=True)
        lines = [Line(named[score][0], named[score][1], window, share, ratio) for score, window, share, ratio in tests]
        return account_of(self._budget, stream.bar, self._episodes.count, lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that is needed to go on as if nothing had happened; OSError if that fails."""
        rows = self._rows
        facts = _Facts(
            made=self._made,
            columns=rows.columns,
            limits=self._limits,
            budget=self._budget,
            kind=self._kind,
            bar=self._stream.bar,
            times=list(self._times),
            latest=self._latest,
            duplicates=self._duplicates,
            late=self._late,
            counts={name: dict(getattr(rows, name)) for name in COUNTS},
            episodes=self._episodes.count,
            open=self._episodes.open,
            places=self._places,
            nowhere=self._nowhere,
            importances=self._importances,
        )
        own = {"sigma": self._sigma, "spent": self._spent}
        arrays = self._stream.arrays() | {f"card_{name}": each for name, each in self._card._asdict().items()} | own
        archive.write(path, OF, VERSION, facts, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> DriftMonitor:
        """Return the monitor that was written; `archive.ArchiveError`, a ValueError, if a file holds something else."""
        facts, arrays = archive.read(path, OF, VERSION, _Facts, OLDEST)
        self = cls.__new__(cls)
        self._budget, self._kind, self._made, self._limits = facts.budget, facts.kind, facts.made, facts.limits
        self._stream, self._importances = Stream(arrays, facts.bar), facts.importances
        self._card = card.Card(*(arrays[f"card_{name}"] for name in card.Card._fields))
        self._sigma, self._spent = arrays["sigma"], arrays["spent"]
        self._rows = Rows(facts.columns)
        for name in COUNTS:
            setattr(self._rows, name, Counter(facts.counts[name]))
        self._times, self._latest = deque(facts.times, TIMES), facts.latest
        self._duplicates, self._late, self._nowhere = facts.duplicates, facts.late, facts.nowhere
        self._finish(facts.places, facts.episodes, facts.open)
        return self


COUNTS: Final = ("invalid", "absent", "unknown", "unseen")


def _learned(reference: object, names: Sequence[str] | None, times: object) -> Reference:
    if not isinstance(reference, Reference):
        return Reference.of(reference, names, times)
    if names is not None or times is not None:
        raise TypeError("names and times are those of the reference that was made before")
    return reference


def _by_title(columns: Iterable[Column], importances: Mapping[str, float]) -> dict[str, float]:
    """Return the importance of each number by its name, where those of features are known."""
    known = [column for column in columns if column.name in importances]
    return {title: importances[column.name] for column in known for title in titles_of(column)}


def _limits(reference: Reference) -> Limits:
    scored = reference.scored
    return Limits(
        tuple(scored.present.tolist()),
        tuple(int(longest) for longest in scored.longest),
        tuple((~(scored.low < scored.high)).tolist()),
    )

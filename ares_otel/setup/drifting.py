"""The thread that watches models for drift.

It is not the worker's: a scrape and a flush wait for a round of the worker, and a model that comes with a day of bars
at once, or a callback that takes its time, must not hold up spans, metrics and orders. There is one for all models,
because what they cost is far below one core, and it lets the bot's thread have the interpreter every few bars.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ares_otel.config.drift import Drift
from ares_otel.correlation import context as ctx
from ares_otel.decision.watched import Told, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.pipeline.worker import Worker
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DriftDrop
from ares_otel.semconv.model import Counter as Counted
from ares_otel.semconv.model import Metric
from ares_otel.setup.vault import Vault

if TYPE_CHECKING:
    from ares_otel.metrics import Reading
    from ares_otel.ml.making import Plan
    from ares_otel.ml.opinion.witness import Witness
    from ares_otel.ml.watching import Watch

__all__ = ["Drifting", "Kept"]

LOG = logging.getLogger("ares.drift")
INTERVAL: Final = 1.0
PART: Final = 8
TURN: Final = 1e-3
BREATH: Final = 50e-6
"""After so many seconds of work so many of rest: the bot's thread, which may wait for the interpreter, goes on."""
OWN: Final = "ares"
NEVER: Final = math.inf
GRACE: Final = 0.1
PATIENCE: Final = 60.0
"""Seconds for a second opinion, where somebody stands in for telemetry and waits for it."""


class Kept:
    """A watched model and where its state is kept; used by the thread that watches, once it is made.

    Its reference is learned by that thread, too: what the bot says meanwhile waits in the model's queue.

    Args:
        plan: how it is to be watched.
        path: of its state; None where nothing is kept.

    Attributes:
        watch: of the model; None until its reference is learned, and where that failed.
        witness: gives a second opinion, if anybody does.
    """

    def __init__(self, plan: Plan, path: Path | None) -> None:
        self.plan = plan
        self.model = plan.model
        self.watch: Watch | None = None
        self.witness: Witness | None = None
        self._path = path
        self._vault: Vault | None = None
        self._begun = False
        self._saved = 0, time.monotonic()

    @property
    def is_down(self) -> bool:
        """Whether nothing can be made of the reference."""
        return self._begun and self.watch is None

    def begin(self) -> Watch | None:
        """Return the watch; at the first call learn the reference, and go on where another process has ended."""
        if self._begun:
            return self.watch
        try:
            watch = self.plan.make()
        except Exception as error:  # noqa: BLE001  whatever it is, other models are to be watched
            self._begun = True
            GUARD.failed(f"model() {self.model.name}", error)
            self.model.close(DriftDrop.UNWATCHED)
            return None
        if self.witness is None:
            with GUARD.shield("model() opinions"):
                self.witness = self.plan.witness()
        with GUARD.shield("drift.state"):
            if self._path is not None:
                self._go_on(self._path, watch)
        if self._vault is None:
            watch.tape = None  # whoever keeps the state keeps the history
        self.watch, self._begun = watch, True
        watch.begin()
        return watch

    def _go_on(self, path: Path, watch: Watch) -> None:
        vault, name = Vault(path, "drift.state", "monitors"), self.model.name
        if not vault.open():
            message = f"{path} belongs to another process that watches {name}; this one keeps no state of its own"
            GUARD.complain("drift.state", path.name, message)
            return
        self._vault = vault
        try:
            if path.exists() and not watch.load(path):
                LOG.info("%s has another version or reference than before: its monitors begin anew", name)
        except (OSError, ValueError) as error:
            message = f"{path} cannot be used ({error}); the monitors of {name} begin anew"
            GUARD.complain("drift.state", "unreadable", message)
            vault.move_aside()

    def save_if_due(self, interval: float) -> None:
        """Save what is new, if that was not done for so many seconds."""
        bars, at = self._saved
        if self.watch is not None and self.watch.observed > bars and time.monotonic() - at >= interval:
            self.save()

    def save(self) -> None:
        """Save the state, if it is ours to keep."""
        if self._path is None or self._vault is None or self.watch is None:
            return
        self._saved = self.watch.observed, time.monotonic()
        try:
            self.watch.save(self._path)
        except OSError as error:
            GUARD.complain("drift.state", type(error).__name__, f"{self._path}: {error}; monitors would begin anew")

    def leave(self, other: Kept | None) -> None:
        """Make way for a model of the same name: what is open ends here, unless that one goes on with it."""
        if self.watch is not None and (other is None or other.plan.about != self.plan.about):
            with GUARD.shield("drift.event"):
                self.watch.end()
        self.close()

    def close(self) -> None:
        """Save, and let others have the file."""
        with GUARD.shield("drift.state"):
            self.save()
        if self._vault is not None:
            self._vault.close()
            self._vault = None
        if self.witness is not None:
            with GUARD.shield("drift.opinion"):
                if self.watch is not None:
                    self.witness.tell(self.watch)
                self.witness.close()

    def look(self, watch: Watch, items: Sequence[Told]) -> None:
        """Look at what was handed over; the second opinion has a thread of its own for it."""
        watch.feed(items)
        if self.witness is not None:
            self.witness.feed(items)

    def after_fork(self) -> None:
        """Leave to the parent what it was told and what it keeps, and begin anew: it may have been halfway in a bar."""
        self.model.queue.clear()
        if self._vault is not None:
            self._vault.close()
        self._vault = self._path = None
        self.watch, self._begun = None, False

    def readings(self) -> Iterator[Reading]:
        """Yield what a scrape shows of it; of a reference that is not learned yet nobody knows whether it can be."""
        name, watch = self.model.name, self.watch
        if watch is not None:
            yield m.DETECTOR_UP, (name, OWN), 1.0
            yield from _counts(watch)
            yield from watch.condition.readings()
        else:
            if self.is_down:
                yield m.DETECTOR_UP, (name, OWN), 0.0
            yield from _drops(self.model)
        for detector, up in self.witness.up() if self.witness is not None else ():
            yield m.DETECTOR_UP, (name, detector), up

    def left(self, other: Kept | None) -> Iterator[Reading]:
        """Yield the counters that outlive it; those that a state keeps are counted on by whoever goes on with that."""
        if self.watch is None:
            yield from _drops(self.model)
            return
        yield from _counts(self.watch)
        if other is None or other.plan.about != self.plan.about:
            yield from (each for each in self.watch.condition.readings() if isinstance(each[0], Counted))


class Drifting:
    """Watches all models of a process.

    Args:
        settings: of drift.
        by_hand: nobody but `drain` works: for tests that stand in for telemetry.
    """

    def __init__(self, settings: Drift, *, by_hand: bool = False) -> None:
        self.settings = settings
        self.kept: dict[str, Kept] = {}
        self.unwatched: dict[str, WatchedModel] = {}
        self._by_hand = by_hand
        self._leaving: deque[Kept] = deque()
        self._gone: Counter[tuple[Metric, tuple[str | None, ...]]] = Counter()
        self._worker = Worker(self._work, self._end, INTERVAL, "ares-otel-drift")
        self._is_running = False
        self._work_until = NEVER

    def add(self, kept: Kept) -> None:
        """Watch a model from now on, in place of one of the same name."""
        name = kept.model.name
        self._forget(name)
        self.kept = {**self.kept, name: kept}
        if not self._is_running and not self._by_hand:
            with ctx.outside():
                self._worker.start()
            self._is_running = True

    def leave(self, model: WatchedModel, *, wanted: bool) -> None:
        """Do not watch a model; where that was `wanted`, it is no silence: its detector is down."""
        model.close(DriftDrop.UNWATCHED)
        self._forget(model.name)
        if wanted:
            self.unwatched = {**self.unwatched, model.name: model}

    def _forget(self, name: str) -> None:
        """Watch a model of this name no longer, once what it was told so far has been looked at."""
        found = self.kept.get(name)
        self.kept = {key: each for key, each in self.kept.items() if key != name}
        self.unwatched = {key: each for key, each in self.unwatched.items() if key != name}
        if found is not None:
            found.model.close(DriftDrop.UNWATCHED)
            self._leaving.append(found)

    # --- as a companion of the telemetry -----------------------------------------------------------------------

    def drain(self, timeout: float) -> bool:
        """See `Companion.drain`."""
        if self._by_hand:
            self._work()
            return True
        return not self._is_running or self._worker.round(timeout)

    def stop(self, timeout: float) -> None:
        """See `Companion.stop`; what could not be looked at in time is dropped and counted."""
        self._work_until = time.monotonic() + timeout
        if self._by_hand:
            self._work()
            self._end()
        elif self._is_running:
            self._worker.stop(timeout + GRACE)
            self._is_running = False

    def after_fork(self) -> None:
        """See `Companion.after_fork`: what was handed over before is the parent's, and so are the files."""
        self._leaving.clear()
        for kept in self.kept.values():
            kept.after_fork()
        if self._is_running:
            with ctx.outside():
                self._worker.start()

    def readings(self) -> Iterator[Reading]:
        """See `Companion.readings`."""
        for kept in self.kept.values():
            yield from kept.readings()
        for (metric, labels), number in list(self._gone.items()):
            yield metric, labels, number
        for name, model in self.unwatched.items():
            yield m.DETECTOR_UP, (name, OWN), 0.0
            yield from _drops(model)

    # --- in the thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._leaving:
            leaving = self._leaving.popleft()
            other = self.kept.get(leaving.model.name)
            self._look(leaving)
            leaving.leave(other)
            self._gone.update({(metric, labels): number for metric, labels, number in leaving.left(other)})
        for kept in self.kept.values():
            self._look(kept)
            kept.save_if_due(self.settings.save_interval)

    def _look(self, kept: Kept) -> None:
        watch = kept.begin()
        items = kept.model.take()
        if watch is None:
            kept.model.dropped += len(items)
            return
        episodes, rested = watch.episodes, time.monotonic()
        for start in range(0, len(items), PART):
            if time.monotonic() > self._work_until:
                kept.model.dropped += len(items) - start
                message = f"{len(items) - start} observations could not be looked at in time; they are dropped"
                GUARD.complain("drift", "late", message)
                break
            kept.look(watch, items[start : start + PART])
            if watch.episodes != episodes:  # whoever is killed now must not tell of it again
                kept.save()
                episodes = watch.episodes
            if not self._by_hand and time.monotonic() - rested > TURN:
                time.sleep(BREATH)
                rested = time.monotonic()
        if kept.witness is not None:
            if self._by_hand:
                kept.witness.settle(PATIENCE)
            kept.witness.tell(watch)

    def _end(self) -> None:
        for kept in self.kept.values():
            kept.model.close(DriftDrop.SHUTDOWN)
            kept.close()


def _counts(watch: Watch) -> Iterator[Reading]:
    """Yield what has been counted of a watch in this process."""
    name = watch.model.name
    yield m.DRIFT_OBSERVED, (name,), watch.observed
    yield m.DRIFT_CALLBACK_ERRORS, (name,), watch.failed
    yield m.DRIFT_DROPPED, (name, DriftDrop.INVALID), watch.invalid
    yield from _drops(watch.model)


def _drops(model: WatchedModel) -> Iterator[Reading]:
    for reason, number in model.drops().items():
        yield m.DRIFT_DROPPED, (model.name, reason), number

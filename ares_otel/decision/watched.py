"""A model that is watched for drift, as the bot sees it: two calls that append to a bounded queue, and nothing else.

What is handed over is copied where it can change: a bot that fills one buffer again for each bar would otherwise have
its monitors look at the next bar, or keep a whole table alive by one row of it. Fifty features cost a tenth of a
microsecond, and the array would have to be held anyway. Tuples, numbers and texts cannot change and are not copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from ares_otel.correlation.context import DECISION_KEY, get
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.records import Regime
from ares_otel.records.model import Time
from ares_otel.semconv.enums import DriftDrop, DriftState

if TYPE_CHECKING:
    from ares_otel.decision.deciding import OpenDecision

__all__ = ["Matured", "Observed", "Realized", "Told", "WatchedModel"]

QUEUE_LIMIT: Final = 10_000
Callback: TypeAlias = "Callable[[Any], object]"
C = TypeVar("C", bound=Callback)


class Observed(NamedTuple):
    """What a model saw and said.

    Attributes:
        x: its features, the bot cannot change them any more; None if only a prediction was told.
        prediction: what it predicted, None if nothing was told.
        key: joins it with its outcome.
        at: the time of the bar that the bot gave.
        seen: when it was handed over (monotonic ns).
        decision: in which it was.
        regime: in which the bar was, if the bot said so here.
    """

    x: object
    prediction: object
    key: object
    at: Time | None
    seen: int
    decision: OpenDecision | None
    regime: object = None

    def in_regime(self) -> object:
        """Return the regime of the bar: the one that was said with it, else the last one its decision had said."""
        if self.regime is not None or self.decision is None:
            return self.regime
        said = None
        for item in self.decision.items:
            # what was said later must not count: whoever watches may look at any time
            if isinstance(item, tuple) and item[0] <= self.seen:
                for record in item[1] if isinstance(item[1], tuple) else (item[1],):
                    said = record if isinstance(record, Regime) else said
        return said


class Matured(NamedTuple):
    """What came true.

    Attributes:
        key: of the prediction.
        actual: what came true.
        at: when it did, if the bot says so.
        seen: when it was handed over (monotonic ns).
    """

    key: object
    actual: object
    at: Time | None
    seen: int


class Realized(NamedTuple):
    """What a period has earned.

    Attributes:
        profit: of the period.
        at: its end, if the bot says so.
        seen: when it was handed over (monotonic ns).
    """

    profit: object
    at: Time | None
    seen: int


Told: TypeAlias = Observed | Matured | Realized


def _copied(value: Any) -> object:
    copy = getattr(value, "copy", None)
    return copy() if callable(copy) else value


_TAKE: Final[Mapping[type, Callable[[Any], object]]] = {list: tuple, dict: dict.copy}
_KEEP: Final = frozenset({tuple, float, int, str, bool, bytes, type(None)})


class WatchedModel:
    """What `ares.model()` returns.

    Nothing here raises, blocks or looks into what it is given: that is done in a thread of its own.

    Attributes:
        name: of the model.
        version: of the model.
        queue: what waits to be looked at.
        limit: greatest length of the queue; what comes beyond is dropped, counted.
        refused: what found the queue full.
        closed: why nothing is taken any more; None while it is.
        dropped: what came after that.
        callbacks: are called when drift begins and when it is over.
        namings: are called when features are named that moved.
    """

    __slots__ = ("callbacks", "closed", "dropped", "limit", "name", "namings", "queue", "refused", "version")

    def __init__(self, name: str, version: str | None = None, limit: int = QUEUE_LIMIT) -> None:
        self.name = name
        self.version = version
        self.limit = limit
        self.queue: deque[Told] = deque()
        self.refused = 0
        self.closed: DriftDrop | None = None
        self.dropped = 0
        self.callbacks: list[Callback] = []
        self.namings: list[Callback] = []

    def observe(
        self, x: object, prediction: object = None, key: object = None, at: Time | None = None, regime: object = None
    ) -> None:
        """Say what the model saw and predicted.

        Args:
            x: its features: an array in the order of the reference, or a mapping by name; None for a prediction alone.
            prediction: what it predicted: a number, a class, or the probabilities of classes.
            key: joins the prediction with its outcome: the correlation id of the decision, an order's id, …
            at: time of the bar, aware `datetime` or Unix ns; without it that of the current decision, else now.
            regime: which one the bar is in, where the reference has regimes: a name, a number or a `Regime`; without
                it the last one that the current decision has said by then.
        """
        if len(self.queue) >= self.limit or self.closed is not None:
            self._refuse()
            return
        try:
            if type(x) not in _KEEP:
                x = _TAKE.get(type(x), _copied)(x)
            if type(prediction) not in _KEEP:
                prediction = _TAKE.get(type(prediction), _copied)(prediction)
        except Exception as error:  # noqa: BLE001  a user's object may raise anything when it is copied
            GUARD.failed("model.observe()", error)
            x = None
        self.queue.append(Observed(x, prediction, key, at, R.now(), get().get(DECISION_KEY), regime))

    def outcome(self, key: object, actual: object, at: Time | None = None) -> None:
        """Say what came true of a prediction, whenever that is known.

        Args:
            key: the one that was given with the prediction.
            actual: what came true, in the words or numbers of the predictions.
            at: when it did, aware `datetime` or Unix ns.
        """
        if len(self.queue) >= self.limit or self.closed is not None:
            self._refuse()
            return
        self.queue.append(Matured(key, actual, at, R.now()))

    def pnl(self, profit: object, at: Time | None = None) -> None:
        """Say what a period (a bar, a day) has earned by this model, each period once, whether it traded or not.

        It is looked at where `ares.model()` was told the `edge` that the model has.

        Args:
            profit: realized profit, or return, in the unit of that edge's volatility.
            at: end of the period, aware `datetime` or Unix ns.
        """
        if len(self.queue) >= self.limit or self.closed is not None:
            self._refuse()
            return
        self.queue.append(Realized(profit, at, R.now()))

    def on_drift(self, callback: C) -> C:
        """Call a function with each `ares_otel.ml.DriftEvent`, when drift begins and when it is over; a decorator, too.

        It is called in the thread that watches, which waits for it; what it raises is counted and logged. One that is
        `async` runs on a loop of that thread, ten seconds at most: it must not use what belongs to the bot's loop.
        """
        self.callbacks.append(callback)
        return callback

    def on_named(self, callback: C) -> C:
        """Call a function with each event that names the features of an open episode, as `on_drift` does; no alarm."""
        self.namings.append(callback)
        return callback

    def interested(self, state: DriftState) -> list[Callback]:
        """Return whom to call with an event of this state."""
        return list(self.namings if state is DriftState.NAMED else self.callbacks)

    def take(self) -> list[Told]:
        """Take what waits now, and not what is appended meanwhile."""
        pop = self.queue.popleft
        return [pop() for _ in range(len(self.queue))]

    def close(self, why: DriftDrop) -> None:
        """Take nothing any more."""
        self.closed = why

    def drops(self) -> dict[DriftDrop, int]:
        """Return how much was dropped in the bot's thread, by reason."""
        found = {DriftDrop.QUEUE_FULL: self.refused}
        if self.closed is not None:
            found[self.closed] = self.dropped
        return found

    def _refuse(self) -> None:
        if self.closed is None:
            self.refused += 1
        else:
            self.dropped += 1

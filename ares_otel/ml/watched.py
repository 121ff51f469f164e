"""A stream of outcomes that is scanned: raw where it is 0 or 1, else as ranks among the first ones seen.

Ranks bound what one outlier can do, and need no model of how losses are distributed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

import msgspec

from ares_otel.ml.contrasts import WINDOWS
from ares_otel.ml.events import Moment, Moved, Quantity
from ares_otel.ml.scan import (
    LEARNED,
    LONGEST,
    RANKS,
    Channel,
    ChannelState,
    Crossing,
    Side,
)

__all__ = ["Watched", "WatchedState", "ranked"]

EACH: Final = 256
"""Values between two estimates of tau."""


def ranked(ordered: Sequence[float], value: float) -> float:
    """Return the rank of a value in 0 to 1 among ordered ones, in the middle of its equals."""
    return (bisect_left(ordered, value) + bisect_right(ordered, value)) / 2.0 / len(ordered)


class WatchedState(msgspec.Struct):
    """What a stream remembers: its first values until there are enough, what ranks are taken from, its channel."""

    first: list[float]
    ordered: list[float]
    channel: ChannelState | None = None


class Watched:
    """A named stream and its scan; constant time a value.

    Args:
        name: what it is called in events.
        moment: what of it is watched.
        sides: directions, each with the chance of a false alarm within the horizon.
        horizon: in values.
        tau: values that one independent one takes at least, for labels that overlap.
    """

    def __init__(self, name: str, moment: Moment, sides: tuple[Side, ...], horizon: int, tau: float) -> None:
        self.name, self.moment = name, moment
        self._sides, self._horizon, self._tau = sides, horizon, tau
        self._first: list[float] = []
        self._ordered: list[float] = []
        self.channel: Channel | None = None

    @property
    def ready(self) -> bool:
        """Whether enough values were seen to test anything."""
        return self.channel is not None

    def add(self, value: float) -> tuple[int, int, float] | None:
        """Take a finite value; return window, sign and evidence of a window that has crossed."""
        channel = self.channel
        if channel is None:
            self._first.append(value)
            if len(self._first) >= LEARNED:
                self.begin(self._first)
            return None
        channel.add(self.scored(value))
        if not channel.seen % EACH:
            channel.learn()
        return channel.look()

    def begin(self, values: Sequence[float]) -> Channel:
        """Begin to scan, with what came before."""
        shares = all(value in {0.0, 1.0} for value in values)
        self._ordered = [] if shares else sorted(values)
        self._first = []
        self.channel = self._made()
        for value in values:
            self.channel.add(self.scored(value))
        self.channel.learn()
        return self.channel

    def _made(self) -> Channel:
        return Channel(self._sides, self._horizon, ranks=bool(self._ordered), tau=self._tau)

    def scored(self, value: float) -> float:
        """Return what is scanned for a value."""
        if self._ordered:
            return ranked(self._ordered, value)
        # a share that is none after all: what lies between counts in part
        return min(max(value, 0.0), 1.0)

    def moved(self, crossing: Crossing) -> Moved:
        """Return a crossing as it is told."""
        before, channel = crossing.before, self.channel
        variance = RANKS if channel is None else channel.variance
        if not self._ordered:
            n = crossing.n_eff
            share = (before * n + 0.5) / (n + 1.0)
            variance = share * (1.0 - share)
        effect = (crossing.after - before) / variance**0.5
        return Moved(self.name, self.moment, crossing.window, effect, crossing.evidence, crossing.n_eff)

    def standing(self) -> Moved | None:
        """Return how it stands now; None where nothing can be tested yet."""
        strongest = None if self.channel is None else self.channel.strongest()
        return None if strongest is None else self.moved(strongest)

    def quantity(self, budget: float, lacking: str) -> Quantity:
        """Return the line of the card; `lacking` says why there may be no value of it at all."""
        channel = self.channel
        reach = None if channel is None else channel.reach()
        if channel is None or reach is None:
            tau = None if channel is None else channel.tau
            return Quantity(self.name, self.moment, False, self._why(lacking), None, tau, None, None, 0.0)
        n_eff = min(channel.seen - channel.start, LONGEST) / channel.tau
        return Quantity(self.name, self.moment, True, "", n_eff, channel.tau, *reach, budget)

    def _why(self, lacking: str) -> str:
        """Return why it cannot be tested."""
        if self.channel is not None:
            enough = self.channel.independent
            return f"untestable: {WINDOWS[-1]} outcomes hold fewer than {enough:g} independent ones"
        few = f"{len(self._first)} outcomes < {LEARNED}"
        return f"untestable: {few if self._first else lacking or few}"

    def state(self) -> WatchedState:
        """Return all that it remembers."""
        return WatchedState(list(self._first), self._ordered, self.channel.state() if self.channel else None)

    def restore(self, state: WatchedState) -> None:
        """Go on from what another one remembered."""
        self._first, self._ordered = state.first, state.ordered
        self.channel = None
        if state.channel is not None:
            self.channel = self._made()
            self.channel.restore(state.channel)

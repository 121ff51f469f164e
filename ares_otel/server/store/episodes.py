"""Episodes of regimes: runs of one regime in market time, whatever the order in which decisions arrive.

A sighting prolongs the episode that it falls into or follows, if that is of the same regime; between two episodes it
prolongs the next one backwards, or makes one of its own. Inside an episode of another regime it is only counted: two
decisions of one moment that disagree must not tear a run apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from ares_otel.server.store.driver import Connection
from ares_otel.server.store.rows import Rows

__all__ = ["Episode", "Episodes"]

COLUMNS = "started, regime, ended, n, first_decision, last_decision"
BEFORE = (
    f"SELECT {COLUMNS} FROM regime_episode WHERE strategy = ? AND symbol = ? AND started <= ? "  # noqa: S608  own names
    "ORDER BY started DESC LIMIT 1"
)
AFTER = (
    f"SELECT {COLUMNS} FROM regime_episode WHERE strategy = ? AND symbol = ? AND started > ? "  # noqa: S608  own names
    "ORDER BY started LIMIT 1"
)
REMOVE = "DELETE FROM regime_episode WHERE strategy = ? AND symbol = ? AND started = ?"
LATEST = (1 << 63) - 1
CACHE_LIMIT = 10_000


class Episode(NamedTuple):
    """A run of one regime."""

    started: int
    regime: int
    ended: int
    n: int
    first: int | None
    last: int | None

    def joined(self, moment: int, decision: int | None) -> Episode:
        """Return it with one more sighting of its regime."""
        if moment > self.ended:
            return Episode(self.started, self.regime, moment, self.n + 1, self.first, decision)
        return Episode(
            min(self.started, moment),
            self.regime,
            max(self.ended, moment),
            self.n + 1,
            _chosen(min, decision, self.first, ahead=moment < self.started, level=moment == self.started),
            _chosen(max, decision, self.last, ahead=moment > self.ended, level=moment == self.ended),
        )


def _chosen(
    choose: Callable[[Iterable[int]], int], new: int | None, old: int | None, *, ahead: bool, level: bool
) -> int | None:
    """Return the decision at an end of an episode; of those of one moment always the same."""
    if ahead:
        return new
    return choose(each for each in (old, new) if each is not None) if level and (new or old) else old


class Episodes:
    """Keeps the table `regime_episode` within transactions; the newest episodes are remembered between them."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._newest: dict[tuple[int, int], Episode] = {}
        self._changed: dict[tuple[int, int], dict[int, Episode]] = {}

    def forget(self) -> None:
        """Forget what a transaction that was rolled back has told."""
        self._newest.clear()
        self._changed.clear()

    def book(self, rows: Rows) -> None:
        """Take the sightings of a transaction, in market time; add the rows of episodes that change."""
        for strategy, symbol, moment, regime, decision in sorted(rows.sightings, key=_by_time):
            self._see((strategy, symbol), moment, regime, decision)
        for where, episodes in self._changed.items():
            for started, episode in episodes.items():
                rows.tally.add("regime_episode", (*where, started), *episode[1:])
        self._changed.clear()

    def _see(self, where: tuple[int, int], moment: int, regime: int, decision: int | None) -> None:
        newest = self._latest(where)
        if newest is not None and moment >= newest.started:
            if newest.regime == regime:
                self._put(where, newest.joined(moment, decision))
            elif moment > newest.ended:
                self._put(where, Episode(moment, regime, moment, 1, decision, decision))
            else:
                self._put(where, newest._replace(n=newest.n + 1))
        else:
            self._late(where, Episode(moment, regime, moment, 1, decision, decision))

    def _latest(self, where: tuple[int, int]) -> Episode | None:
        newest = self._newest.get(where)
        if newest is None:
            newest = self._before(where, LATEST)
            if newest is not None:
                self._keep(where, newest)
        return newest

    def _late(self, where: tuple[int, int], seen: Episode) -> None:
        """Take a sighting from before the newest episode."""
        found, moment = self._before(where, seen.started), seen.started
        if found is not None and (found.regime == seen.regime or moment <= found.ended):
            same = found.regime == seen.regime
            self._put(where, found.joined(moment, seen.first) if same else found._replace(n=found.n + 1))
            return
        following = self._after(where, moment)
        if following is not None and following.regime == seen.regime:
            self._db.execute(REMOVE, (*where, following.started))
            self._of(where).pop(following.started, None)
            if self._newest.get(where) == following:
                del self._newest[where]
            seen = following.joined(moment, seen.first)
        self._put(where, seen)

    def _put(self, where: tuple[int, int], episode: Episode) -> None:
        self._of(where)[episode.started] = episode
        newest = self._newest.get(where)
        if newest is None or episode.started >= newest.started:
            self._keep(where, episode)

    def _keep(self, where: tuple[int, int], episode: Episode) -> None:
        if len(self._newest) >= CACHE_LIMIT and where not in self._newest:
            self._newest.clear()
        self._newest[where] = episode

    # --- what is stored, and what has changed since ------------------------------------------------------------

    def _before(self, where: tuple[int, int], moment: int) -> Episode | None:
        found = self._db.execute(BEFORE, (*where, moment)).fetchone()
        stored = [Episode(*found)] if found else []
        mine = (each for each in self._of(where).values() if each.started <= moment)
        # what changed here stands for what is stored
        return max((*stored, *mine), key=lambda each: (each.started, each.n), default=None)

    def _after(self, where: tuple[int, int], moment: int) -> Episode | None:
        found = self._db.execute(AFTER, (*where, moment)).fetchone()
        stored = [Episode(*found)] if found else []
        mine = (each for each in self._of(where).values() if each.started > moment)
        return min((*stored, *mine), key=lambda each: (each.started, -each.n), default=None)

    def _of(self, where: tuple[int, int]) -> dict[int, Episode]:
        """Return what changed of a strategy and a symbol, by start."""
        return self._changed.setdefault(where, {})


def _by_time(sighting: tuple[int, int, int, int, int | None]) -> tuple[int, int]:
    return sighting[2], sighting[4] or 0

"""Detectors of other libraries that judge the rows of a model, in a process of their own."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from ares_otel.guard import GUARD
from ares_otel.ml.kolmogorov import FloatArray
from ares_otel.ml.opinion.member import KNOWN, Batch, Member, Seen, Settled
from ares_otel.ml.opinion.model import DEFAULT, Asked, Health, Verdict
from ares_otel.ml.opinion.process import DownError, Keeper, LostError, Process
from ares_otel.ml.opinion.terms import LIBRARY, LICENSE, MISSING, tell
from ares_otel.ml.opinion.thinning import steps

__all__ = ["Panel", "cache_dir"]

NEWEST: Final = (3, 12)
KIND: Final = 80
LOSSES: Final = 3
"""How often the process may die under a detector before that detector is asked no more."""


class Panel:
    """Detectors that are asked about each window of rows. A call may wait for them: call it off the bot's thread.

    Args:
        reference: rows by columns, of the model's training; NaN is a value that is not there.
        detectors: which, by name or with settings.
        names: of the columns; those of a frame, else `0`, `1`, …
        categorical: names of the columns that hold categories, as numbers.
        false_alarms: chance that a detector raises any false alarm within `horizon` bars, as far as it can be told.
        horizon: in bars.
        window: bars that a check looks at.
        every: bars from one check to the next.
        times: bars that one independent value of each column takes; found in the reference, if not given.
        seed: of everything random.
        python: the interpreter that has the detectors; that of the bot, if not given.
        cache: directory of simulated thresholds; in the user's cache, if not given.
        timeout: seconds for a check.
        patience: seconds to make a detector; some simulate their thresholds for minutes.
    """

    def __init__(
        self,
        reference: ArrayLike,
        detectors: Iterable[Asked | str] = DEFAULT,
        *,
        names: Sequence[str] | None = None,
        categorical: Iterable[str] = (),
        false_alarms: float = 0.05,
        horizon: int = 4_000,
        window: int = 480,
        every: int = 120,
        times: ArrayLike | None = None,
        seed: int = 0,
        python: str | None = None,
        cache: str | None = None,
        timeout: float = 60.0,
        patience: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        rows, found = _table(reference, names)
        self._every, self._timeout, self._patience = every, timeout, patience
        self._python = python or sys.executable
        level = min(1.0, false_alarms * every / horizon)
        place = cache_dir() if cache is None else Path(cache)
        settled = Settled(window, level, horizon / false_alarms, seed, str(place))
        seen = _seen(rows, found, frozenset(categorical), times)
        self.names = found
        self._width = len(found)
        self._bars = 0
        self._rows: deque[tuple[FloatArray, int | None]] = deque(maxlen=window)
        self._members: list[Member] = []
        self._unsuited: list[Health] = []
        for asked in (Asked(each) if isinstance(each, str) else each for each in detectors):
            self._admit(asked, seen, settled)
        self._keeper = Keeper(lambda: Process(self._python), clock)

    def _admit(self, asked: Asked, seen: Seen, settled: Settled) -> None:
        if asked.detector in KNOWN:
            tell()
        try:
            if asked.detector not in KNOWN and ":" not in asked.detector:
                raise ValueError(f"no such detector; known are {', '.join(KNOWN)}, and module:Class")  # noqa: TRY301
            if asked.name in {each.name for each in self._members}:
                raise ValueError("asked twice: give one a label")  # noqa: TRY301
            member = Member(asked, seen, settled)
        except ValueError as error:
            self._unsuited.append(Health(asked.name, up=False, reason=str(error), checks=0, alarms=0))
            self._down(asked.name, str(error))
            return
        self._members.append(member)

    def update(self, row: ArrayLike, at: int | None = None) -> list[Verdict]:
        """Take the row of the next bar; return the verdicts, if it is time for some.

        Args:
            row: a value for each column.
            at: time of the bar, Unix ns.

        Raises:
            ValueError: it has not the columns of the reference.
        """
        values = np.asarray(row, dtype=np.float64)
        if values.shape != (self._width,):
            raise ValueError(f"expected {self._width} values, got {values.shape}")
        self._bars += 1
        self._rows.append((values, at))
        if self._bars > 1 and self._bars % self._every:
            return []  # all are made with the first bar, so that what is missing is said then
        return [verdict for member in self._members for verdict in self._asked(member)]

    def health(self) -> tuple[Health, ...]:
        """Return which detectors work, and why the others do not."""
        return (*(member.health() for member in self._members), *self._unsuited)

    def close(self) -> None:
        """End the process, for good."""
        self._keeper.end()

    def leave(self) -> None:
        """Leave the process to another user of it: the parent of a fork, whose pipes it is at the end of."""
        self._keeper.leave()

    def _asked(self, member: Member) -> list[Verdict]:
        """Return the verdict of a detector, none if it has not enough rows or does not work."""
        if member.losses >= LOSSES:
            return []
        try:
            return self._judged(member, self._batch(member))
        except DownError as error:
            member.reason = str(error)
        except LostError as error:
            self._keeper.failed(str(error))
            member.losses += 1
            given_up = f"asked no more, its process was lost {LOSSES} times in a row: "
            self._down(member.name, f"{given_up if member.losses >= LOSSES else ''}{error}", member)
        return []

    def _down(self, name: str, reason: str, member: Member | None = None) -> None:
        """Say why a detector does not work: a second opinion that is missing is no agreement."""
        GUARD.complain("second opinion", f"{name}: {reason}"[:KIND], f"{name} does not judge: {reason}")
        if member is not None:
            member.reason = reason

    def _judged(self, member: Member, batch: Batch) -> list[Verdict]:
        process = self._keeper.process()
        if member.generation != self._keeper.generation:
            if reason := self._made(member, process):
                self._down(member.name, reason, member)
                return []
            member.generation, member.reason = self._keeper.generation, ""
        if not batch.rows.size or self._bars % self._every:
            return []
        header, body, used = member.question(batch)
        answer = process.ask(header, body, self._timeout) if len(used) else {"found": {"note": "no row to use"}}
        self._keeper.worked()
        member.losses = 0
        if "found" not in answer:
            self._down(member.name, str(answer.get("broken", answer)), member)
            return []
        member.since, member.reason = self._bars + 1, ""
        return [member.verdict(answer["found"], batch, used)]

    def _made(self, member: Member, process: Process) -> str:
        """Make a detector; return why that failed, "" if it did not."""
        answer = process.ask(member.header(), member.body(), self._patience)
        if "about" in answer:
            member.library = f"{answer['about']['library']} {answer['about']['version']}".strip()
            return ""
        self._keeper.worked()
        if "missing" in answer:
            return self._missing(member, str(answer["missing"]))
        return str(answer.get("broken", answer))

    def _missing(self, member: Member, reason: str) -> str:
        """Return what is missing, and how to get it."""
        if member.asked.detector not in KNOWN or "pip install" in reason:
            return reason
        own = self._python == sys.executable and sys.version_info[:2] > NEWEST
        newer = f"; it has no release for Python {sys.version_info[0]}.{sys.version_info[1]}" if own else ""
        return f"{LIBRARY} is not installed ({reason}){newer}: {MISSING}. {LICENSE}"

    def _batch(self, member: Member) -> Batch:
        """Return the rows that a detector is shown: the whole window, or those since it was asked."""
        held = len(self._rows)
        first = self._bars - held + 1
        start = max(first, member.since) if member.stream else first
        if not member.stream and held < (self._rows.maxlen or 0):
            start = self._bars + 1
        chosen = list(islice(self._rows, start - first, None))
        rows = np.array([row for row, _ in chosen]).reshape(len(chosen), self._width)
        return Batch(rows, start, [at for _, at in chosen])


def _table(reference: ArrayLike, names: Sequence[str] | None) -> tuple[FloatArray, tuple[str, ...]]:
    rows = np.asarray(reference, dtype=np.float64)
    if rows.ndim != 2:  # noqa: PLR2004
        raise ValueError(f"expected rows and columns, got {rows.ndim} dimensions")
    found = names if names is not None else getattr(reference, "columns", range(rows.shape[1]))
    known = tuple(str(name) for name in found)
    if len(known) != rows.shape[1] or len(set(known)) != len(known):
        raise ValueError(f"expected {rows.shape[1]} different names, got {', '.join(known)}")
    return rows, known


def _seen(rows: FloatArray, names: tuple[str, ...], categorical: frozenset[str], times: ArrayLike | None) -> Seen:
    if unknown := categorical - set(names):
        raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
    binary = np.array([set(np.unique(column[np.isfinite(column)])) == {0.0, 1.0} for column in rows.T])
    named = np.array([name in categorical for name in names])
    known = None if times is None else np.asarray(times, dtype=np.float64)
    return Seen(names, rows, steps(rows, known), named, binary & ~named)


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where simulated thresholds are kept; relative values of XDG_CACHE_HOME do not count."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return base / "ares-otel" / "drift"

"""Fail open, loudly: what goes wrong in the telemetry is counted and logged once, and never reaches the bot."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["GUARD", "BadValueError", "Guard", "Shield", "shown"]

LOG = logging.getLogger("ares_otel")
SHOWN = 120
KNOWN_LIMIT = 1_000


class BadValueError(ValueError):
    """A record holds a value outside its declared type, range or vocabulary (raised in strict mode only)."""


class Shield:
    """Context manager that keeps an exception of the telemetry from the bot; it counts and logs it instead."""

    __slots__ = ("guard", "where")

    def __init__(self, guard: Guard, where: str) -> None:
        self.guard = guard
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self.guard.failed(self.where, error)
        return True


class Guard:
    """Counts the telemetry's own errors by place, logs each kind once.

    Attributes:
        strict: raise `BadValueError` at the call for a bad value (test kit, configuration); internal errors are
            swallowed in either mode, because a broken exporter is no fault of the caller.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        # one that its own thread may take again: a signal handler can come while it is held
        self._lock = threading.RLock()
        self._errors: Counter[str] = Counter()
        self._bad: Counter[tuple[str, str]] = Counter()
        self._logged: set[tuple[str, str]] = set()

    def shield(self, where: str) -> Shield:
        """Return a context manager that swallows and counts any `Exception` under the name of the place."""
        return Shield(self, where)

    def failed(self, where: str, error: BaseException) -> None:
        """Count an exception of the telemetry at a place; log it once per place and type, with its traceback."""
        message = "telemetry failed in %s (%s); the bot runs on with less telemetry"
        if self._first(where, type(error).__name__):
            self._log(message, where, shown(error, str), error=error)

    def complain(self, where: str, kind: str, message: str) -> None:
        """Count something wrong that is no exception; log it once per place and kind."""
        if self._first(where, kind):
            self._log("%s: %s", where, message)

    def bad_value(self, record: str, field: str, expected: str, got: object) -> None:
        """Count a bad value by record and field; log the first with what was expected, or raise when strict."""
        message = f"{record}.{field}: expected {expected}, got {shown(got)}"
        if self.strict:
            raise BadValueError(message)
        with self._lock:
            self._bad[record, field] += 1
        if self._first(f"{record}.{field}", "bad value"):
            self._log("%s; this value is left out, the rest of the record is kept", message)

    def _log(self, message: str, *args: object, error: BaseException | None = None) -> None:
        try:
            LOG.warning(message, *args, exc_info=error)
        except Exception:  # noqa: BLE001  a filter or handler of the bot's raises into whoever logs
            with self._lock:
                self._errors["logging"] += 1

    def _first(self, where: str, kind: str) -> bool:
        with self._lock:
            self._errors[where] += 1
            known = (where, kind) in self._logged or len(self._logged) >= KNOWN_LIMIT
            if not known:
                self._logged.add((where, kind))
            return not known

    def counts(self) -> dict[str, int]:
        """Return the number of errors so far by place."""
        with self._lock:
            return dict(self._errors)

    def bad_values(self) -> dict[tuple[str, str], int]:
        """Return the number of bad values so far by record and field."""
        with self._lock:
            return dict(self._bad)

    def after_fork(self) -> None:
        """Begin anew in a forked child: a lock that another thread held stays locked, and counts are the parent's."""
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget all counts and what was logged (test kit)."""
        with self._lock:
            self._errors.clear()
            self._bad.clear()
            self._logged.clear()


def shown(value: object, show: Callable[[object], str] = repr) -> str:
    """Return a value as text of bounded length, whatever its class does when it is asked for one."""
    try:
        text = show(value)
    except Exception as error:  # noqa: BLE001  a user's __repr__ may raise anything
        text = f"<{type(value).__name__}: {type(error).__name__} in {show.__name__}>"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


GUARD = Guard()
if hasattr(os, "register_at_fork"):  # pragma: no branch  # there is no fork where it is missing
    os.register_at_fork(after_in_child=GUARD.after_fork)

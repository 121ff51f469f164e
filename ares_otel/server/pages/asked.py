"""What was asked for: one search field, filters in the address, Grafana's spelling of both."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

import msgspec

from ares_otel.server.query.asking import last_row
from ares_otel.server.query.listing import Bound, Filter

__all__ = ["FIELDS", "HAS", "AskError", "Asked", "asked", "link"]

FIELDS: Final = ("strategy", "symbol", "venue", "action", "regime", "status", "side", "model")
"""Filters by name."""

IDS: Final = ("trace", "correlation", "order", "decision")
HAS: Final = ("order", "rejected", "error", "fill")
KEYS: Final = (*FIELDS, "confidence", "agreement", "has", "from", "to", "id", *IDS)
ALL: Final = frozenset({"", "$__all", "All", "all", ".*"})
RATIO = re.compile(r"(<=|>=|<|>|=)?\s*([0-9]*\.?[0-9]+)(%?)")
AGO = re.compile(r"now(?:-(\d+)([smhdwMy]))?")
UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "M": 2_592_000, "y": 31_536_000}
SECOND: Final = 1_000_000_000
MILLISECOND: Final = 1_000_000
HUNDRED: Final = 100.0
DIGITS: Final = 10
LONGEST: Final = 500


class AskError(ValueError):
    """What was asked for cannot be understood; `field` is what it was said of."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Asked(Filter, frozen=True, kw_only=True):
    """A question: filters, and further words (ids, symbols, strategies)."""

    words: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The filters as they stand in the search field."""
        parts = [f"{field}:{_quoted(value)}" for field, values in self.names.items() for value in values]
        parts += [f"{field}:{bound.relation}{bound.value:g}" for field, each in self.bounds.items() for bound in each]
        parts += [f"has:{each}" for each in self.has]
        return " ".join((*parts, *map(_quoted, self.words)))

    @property
    def empty(self) -> bool:
        """Whether nothing but a time was asked for."""
        return not (self.names or self.bounds or self.has or self.words)

    def without(self, field: str, value: str | None = None) -> str:
        """Return the query string without a filter, or one of its values."""
        names = {
            name: left
            for name, values in self.names.items()
            if (left := tuple(each for each in values if (name, each) != (field, value)))
        }
        bounds = {name: bound for name, bound in self.bounds.items() if name != field}
        has = tuple(each for each in self.has if (field, each) != ("has", value))
        return msgspec.structs.replace(self, names=names, bounds=bounds, has=has).query()

    def one(self, field: str) -> str | None:
        """Return the only value of a field, None when there is none or a choice."""
        values = self.names.get(field, ())
        return values[0] if len(values) == 1 else None

    def query(self, **changes: object) -> str:
        """Return the query string of the same question; `changes` set or, by None, take away parameters."""
        given: dict[str, object] = {"q": self.text, "from": _millis(self.start), "to": _millis(self.end)}
        return urlencode({key: value for key, value in (given | changes).items() if value not in {None, ""}})


def link(path: str, **params: object) -> str:
    """Return an address with those parameters that have a value."""
    query = urlencode({key: value for key, value in params.items() if value not in {None, ""}})
    return f"{path}?{query}" if query else path


def asked(params: Sequence[tuple[str, str]]) -> Asked:
    """Return the question of an address.

    Raises:
        AskError: a value cannot be understood.
    """
    made = _Reading()
    for key, value in params:
        if len(value) > LONGEST:
            raise AskError(key, f"{key} is longer than {LONGEST} characters")
        if key == "q":
            made.text(value)
        else:
            made.take(key.removeprefix("var-"), value.strip(), typed=False)
    return made.done()


class _Reading:
    """Gathers filters one after another."""

    def __init__(self) -> None:
        self._names: dict[str, dict[str, None]] = {}
        self._bounds: dict[str, tuple[Bound, ...]] = {}
        self._has: dict[str, None] = {}
        self._words: dict[str, None] = {}
        self._times: dict[str, int] = {}
        self._cursor: int | None = None

    def text(self, text: str) -> None:
        """Take what was typed into the search field."""
        try:
            tokens = shlex.split(text, posix=True)
        except ValueError as error:
            raise AskError("q", "a quotation mark is not closed") from error
        for token in tokens:
            key, colon, value = token.partition(":")
            if colon and key.lower() in KEYS:
                self.take(key.lower(), value.strip(), typed=True)
            elif colon and key.isalpha() and value and key.islower():
                raise AskError(key, f"there is no filter {key}; there are {', '.join(KEYS)}")
            else:
                self._words[token] = None

    def take(self, key: str, value: str, *, typed: bool) -> None:
        """Take one filter; one that means everything, or that another program put into an address, is left out."""
        if value in ALL:
            if typed:
                raise AskError(key, f"{key}: says nothing; write for instance {_example(key)}")
            return
        if key in FIELDS:
            self._names.setdefault(key, {})[value] = None
        elif key in {"confidence", "agreement"}:
            self._bounds[key] = (*self._bounds.get(key, ()), _bound(key, value))
        elif key == "has":
            self._has[_one_of("has", value, HAS)] = None
        elif key in {"from", "to"}:
            self._times[key] = _time(key, value)
        elif key == "before":
            self._cursor = _whole(key, value)
        elif key == "id" or key in IDS:
            self._words[value] = None

    def done(self) -> Asked:
        """Return the whole question."""
        start, end = self._times.get("from"), self._times.get("to")
        if start is not None and end is not None and start > end:
            raise AskError("from", "from is later than to")
        return Asked(
            names={field: tuple(self._names[field]) for field in FIELDS if self._names.get(field)},
            bounds=self._bounds,
            has=tuple(self._has),
            words=tuple(self._words),
            start=start,
            end=None if end is None else last_row(end) + 1,
            cursor=self._cursor,
        )


def _example(key: str) -> str:
    examples = {
        "confidence": "confidence:<0.55",
        "agreement": "agreement:>0.8",
        "has": "has:rejected",
        "from": "from:now-1d",
    }
    return examples.get(key, f"{key}:{'buy' if key in {'action', 'side'} else '…'}")


def _bound(key: str, value: str) -> Bound:
    found = RATIO.fullmatch(value)
    if found is None:
        raise AskError(key, f"{key} is a number from 0 to 1 after <, <=, >, >= or =, as in {key}:<0.55, not {value!r}")
    number = float(found[2]) / (HUNDRED if found[3] else 1.0)
    return Bound(found[1] or "=", number)


def _one_of(key: str, value: str, known: Iterable[str]) -> str:
    if value not in known:
        raise AskError(key, f"{key} knows {', '.join(known)}, not {value!r}")
    return value


def _whole(key: str, value: str) -> int:
    if not value.isascii() or not value.lstrip("-").isdigit() or len(value) > 2 * DIGITS:
        raise AskError(key, f"{key} is the number that a page before gave, not {value!r}")
    return int(value)


def _time(key: str, value: str) -> int:
    """Return Unix ns of milliseconds (as Grafana writes them), `now-6h`, or a date with or without a time."""
    ago = AGO.fullmatch(value)
    if ago is not None:
        past = int(ago[1]) * UNITS[ago[2]] if ago[1] else 0
        return max(time.time_ns() - past * SECOND, 0)
    readers: tuple[Callable[[str], int], ...] = (_of_number, _of_date)
    for read in readers:
        try:
            return read(value)
        except (ValueError, OverflowError):
            continue
    raise AskError(key, f"{key} is a date (2026-11-26, 2026-11-26T20:15), ms since 1970 or now-6h, not {value!r}")


def _of_number(value: str) -> int:
    found = int(value) * MILLISECOND
    if not 0 <= found < 1 << 63:
        raise ValueError(value)
    return found


def _of_date(value: str) -> int:
    at = datetime.fromisoformat(value)
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max(int(at.timestamp()) * SECOND, 0)


def _quoted(value: str) -> str:
    return shlex.quote(value) if re.search(r"[\s'\"\\]", value) else value


def _millis(ns: int | None) -> int | None:
    return None if ns is None else ns // MILLISECOND

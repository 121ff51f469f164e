"""Reads equity curves and lists of trades from files: CSV, or one JSON object a line."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn

from ares_otel.portfolio.libraries import ClosedTrade

__all__ = ["CurveError", "read_curve", "read_trades"]

CURVE: Final = ("time", "equity")
TRADES: Final = ("closed", "pnl", "return")
JSON_LINES: Final = (".jsonl", ".ndjson")
UNITS: Final = ((1e17, 1), (1e14, 1_000), (1e11, 1_000_000), (0.0, 1_000_000_000))
"""From which number of units since 1970 on a time is in ns, µs, ms or s, and the ns of a unit."""


class CurveError(ValueError):
    """A file cannot be understood; the message has file, line and what was expected."""


class _Row:
    """One line of a file: its fields by position or by name."""

    def __init__(self, where: str, fields: dict[str, object], example: str) -> None:
        self.where = where
        self.fields = fields
        self.example = example

    def time(self, name: str) -> int:
        """Return a time as Unix ns: ISO 8601 (UTC unless it has an offset) or Unix s, ms, µs or ns."""
        text = str(self.fields.get(name, "")).strip()
        try:
            return _unix(float(text))
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{name} {text!r} is no time")
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1_000_000) * 1_000

    def number(self, name: str) -> float:
        """Return a finite number."""
        text = str(self.fields.get(name, "")).strip()
        try:
            value = float(text)
        except ValueError:
            self.fail(f"{name} {text!r} is no number")
        if not math.isfinite(value):
            self.fail(f"{name} {text!r} is not finite")
        return value

    def fail(self, what: str) -> NoReturn:
        raise CurveError(f"{self.where}: {what}; expected a line such as {self.example}")


def read_curve(path: Path) -> tuple[tuple[int, float], ...]:
    """Return the points of an equity curve by time: Unix ns and equity.

    Raises:
        CurveError: a line is wrong, or fewer than two are there.
    """
    rows = _rows(path, CURVE, "2026-01-31T16:00:00Z,10250.5")
    points = sorted(((row.time("time"), row.number("equity")) for row in rows), key=lambda point: point[0])
    if len(points) < 2:  # noqa: PLR2004  a return has two ends
        raise CurveError(f"{path}: {len(points)} points; expected at least two lines of time,equity")
    return tuple(points)


def read_trades(path: Path) -> tuple[ClosedTrade, ...]:
    """Return closed trades; their return (a fraction of what they cost) may be missing.

    Raises:
        CurveError: a line is wrong.
    """
    rows = _rows(path, TRADES, "2026-01-31T16:00:00Z,125.4,0.0123")
    return tuple(
        ClosedTrade(row.time("closed"), row.number("pnl"), row.number("return") if row.fields.get("return") else None)
        for row in rows
    )


def _rows(path: Path, names: tuple[str, ...], example: str) -> Iterator[_Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CurveError(f"{path} cannot be read: {error}") from error
    lines = _objects(path, text, names, example) if path.suffix in JSON_LINES else _columns(text, names)
    for number, fields in lines:
        yield _Row(f"{path}:{number}", fields, example)


def _columns(text: str, names: tuple[str, ...]) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield number and fields of each line; a first line of words names the columns, else they stand in our order."""
    columns = names
    reader = csv.reader(text.splitlines())
    for line in reader:
        cells = [cell.strip() for cell in line]
        if reader.line_num == 1 and cells and cells[-1].lower() in names:
            columns = tuple(cell.lower() for cell in cells)
        elif any(cells):
            yield reader.line_num, dict(zip(columns, cells, strict=False))


def _objects(path: Path, text: str, names: tuple[str, ...], example: str) -> Iterator[tuple[int, dict[str, object]]]:
    shape = f"expected an object with {', '.join(names)}, as in {example}"
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found = json.loads(line) if line.strip() else None
        except ValueError as error:
            raise CurveError(f"{path}:{number}: no JSON ({error}); {shape}") from error
        if found is not None and not isinstance(found, dict):
            raise CurveError(f"{path}:{number}: {line.strip()[:40]!r}; {shape}")
        if found is not None:
            yield number, found


def _unix(value: float) -> int:
    if not math.isfinite(value):
        raise ValueError(value)
    return round(value) * next(unit for least, unit in UNITS if abs(value) >= least)

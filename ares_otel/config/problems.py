"""Where a value came from, and what was wrong with one that was not used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

__all__ = ["ConfigError", "Origin", "Problem", "Problems", "Severity", "printable"]

Severity: TypeAlias = Literal["error", "warning", "note"]
"""error: the value is not used; warning: it is used, or cannot be honored in full; note: nothing to do."""

LIMIT = 100
LONGEST = 120


class Origin(msgspec.Struct, frozen=True):
    """Where a value came from.

    Attributes:
        kind: default, file, environment or argument (of `load`).
        name: path of the file or name of the variable.
        line: line in the file, from 1; 0 where there is none.
    """

    kind: Literal["default", "file", "environment", "argument"] = "default"
    name: str = ""
    line: int = 0

    def __str__(self) -> str:
        if self.kind == "file":
            return printable(self.name) + (f":{self.line}" if self.line else "")
        return f"{self.kind} {printable(self.name)}".rstrip()


class Problem(msgspec.Struct, frozen=True):
    """Something wrong with the configuration, in words that help to mend it; holds no secret.

    Attributes:
        key: dotted key, as written; "" where a whole source is concerned.
        message: what was expected, what was found, the nearest known key.
        severity: "error" (the value is not used), "warning" or "note".
        origin: where it stands.
    """

    key: str
    message: str
    severity: Severity
    origin: Origin

    @property
    def file(self) -> str | None:
        """Path of the file, if it stands in one."""
        return self.origin.name if self.origin.kind == "file" else None

    @property
    def line(self) -> int | None:
        """Line in the file, from 1, if it stands in one."""
        return self.origin.line or None

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.origin), self.key, self.message) if part)


class ConfigError(ValueError):
    """The configuration has errors.

    Attributes:
        problems: all of them, warnings and notes included.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        errors = sum(problem.severity == "error" for problem in self.problems)
        lines = (f"  {problem.severity}: {problem}" for problem in self.problems)
        super().__init__("\n".join((f"configuration: {errors} error(s)", *lines)))


class Problems:
    """Collects problems, at most `LIMIT` of them: a file of the wrong kind shall not flood the log."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    @property
    def full(self) -> bool:
        """Whether further problems are left out."""
        return len(self.found) > LIMIT

    def add(self, origin: Origin, key: str, message: str, severity: Severity = "error") -> None:
        """Keep a problem, unless there are too many."""
        if len(self.found) == LIMIT:
            self.found.append(Problem("", "more problems than are listed here", "error", origin))
        if not self.full:
            self.found.append(Problem(printable(key), message, severity, origin))


def printable(text: str) -> str:
    """Return a text on one line of bounded length, in characters that any terminal and log takes."""
    short = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return short if short.isprintable() else short.encode("unicode_escape", "backslashreplace").decode("ascii")

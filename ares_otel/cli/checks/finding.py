"""What a check found, and checks that are asked again until they are content or time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

__all__ = ["Check", "Finding", "absent", "failed", "fine", "note", "settled"]

State: TypeAlias = Literal["ok", "note", "failed", "not configured"]
PAUSE: Final = 0.5


class Finding(msgspec.Struct, frozen=True):
    """What one check found.

    Attributes:
        check: what was looked at.
        state: `note` is worth knowing and in order; what is `not configured` was not looked at.
        detail: what was seen, or the cause.
        remedy: what mends a failure.
    """

    check: str
    state: State
    detail: str
    remedy: str = ""


def fine(check: str, detail: str) -> Finding:
    """Return that something is in order."""
    return Finding(check, "ok", detail)


def note(check: str, detail: str) -> Finding:
    """Return what is in order and worth knowing."""
    return Finding(check, "note", detail)


def failed(check: str, detail: str, remedy: str) -> Finding:
    """Return that something is not in order."""
    return Finding(check, "failed", detail, remedy)


def absent(check: str, detail: str) -> Finding:
    """Return that something is not part of this deployment, and was not looked at."""
    return Finding(check, "not configured", detail)


class Check(msgspec.Struct, frozen=True):
    """Something to look at.

    Attributes:
        ask: looks, and returns what it found.
        patience: returns the seconds since the start for which a failure may only mean "not yet".
    """

    ask: Callable[[], Iterable[Finding]]
    patience: Callable[[], float] = float


def settled(
    checks: Sequence[Check],
    wait: float = 0.0,
    waiting: Callable[[list[Finding]], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Finding]:
    """Return what all checks found; those that fail are asked again for `wait` seconds, or for as long as they take.

    `waiting` is told the failures of the first round if there will be a second one.
    """
    start = clock()
    found: list[list[Finding]] = [[] for _ in checks]
    left = list(range(len(checks)))
    told = False
    while left:
        for at in left:
            found[at] = list(checks[at].ask())
        passed = clock() - start
        left = [
            at
            for at in left
            if any(each.state == "failed" for each in found[at]) and passed < max(wait, checks[at].patience())
        ]
        if left and not told:
            told = True
            waiting([each for at in left for each in found[at] if each.state == "failed"])
        if left:
            sleep(PAUSE)
    return [each for one in found for each in one]

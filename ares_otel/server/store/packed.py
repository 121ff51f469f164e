"""Votes of a decision, and outcomes of one key and moment, as one text in a row.

A row of their own for each costs three times the bytes and twice the time. A part is a space and then numbers, that of
the model first, so that SQL can count the parts and find the rows of a model. A number is written to the base of 32,
with other digits for its last place than for those before, so that nothing has to stand between two numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, or_

__all__ = ["Ballot", "Judgment", "Stand", "ballots", "judgments", "number_of", "of_models", "pack", "pair", "stands"]

FIRST, LAST = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", "abcdefghijklmnopqrstuvwxyz6789+/"
BASE, BITS, MASK = 32, 5, 31
NOTHING, MINUS = "-", "!"
FEW = 1 << 14
NUMBER = re.compile(r"-|!?[A-Z0-5]*[a-z6-9+/]")
CACHE = 32_768


class Ballot(NamedTuple):
    """A vote: numbers of `name`, confidence and weight in units of 1e-4, `meta` 1 for that of a meta-learner."""

    model: int | None
    action: int | None
    confidence: int | None
    weight: int | None
    meta: int


class Judgment(NamedTuple):
    """What became of a prediction: numbers of `name`."""

    model: int | None
    result: int | None
    prediction: int | None


class Stand(NamedTuple):
    """How a quantity stands in a check for drift: number of `name`, evidence and effect in units of 1e-4."""

    quantity: int | None
    evidence: int | None
    effect: int | None


def pack(parts: Iterable[Sequence[int | None]]) -> str:
    """Return parts as a text."""
    # two small tables are in the processor's cache, one of all shares is not
    return "".join(
        [
            " "
            + "".join(
                [
                    HIGH[number >> BITS] + LAST[number & MASK]
                    if number is not None and 0 <= number < FEW
                    else _spelled(number)
                    for number in part
                ]
            )
            for part in parts
        ]
    )


def pair(first: int, second: int) -> str:
    """Return two numbers as they stand in a part."""
    if 0 <= first < FEW and 0 <= second < FEW:
        return f"{HIGH[first >> BITS]}{LAST[first & MASK]}{HIGH[second >> BITS]}{LAST[second & MASK]}"
    return _spelled(first) + _spelled(second)


def ballots(text: str | None) -> list[Ballot]:
    """Return the votes of a text, in their order."""
    return [Ballot(*numbers)._replace(meta=numbers[-1] or 0) for numbers in _parts(text, len(Ballot._fields))]


def judgments(text: str | None) -> list[Judgment]:
    """Return the outcomes of a text."""
    return [Judgment(*numbers) for numbers in _parts(text, len(Judgment._fields))]


def stands(text: str | None) -> list[Stand]:
    """Return the quantities of a text, those with most evidence first."""
    return [Stand(*numbers) for numbers in _parts(text, len(Stand._fields))]


def _parts(text: str | None, width: int) -> Iterable[Any]:
    for part in (text or "").split():
        yield [number for number, _ in zip_longest(map(_read, NUMBER.findall(part)), range(width))]


def _spelled(number: int | None) -> str:
    if number is None:
        return NOTHING
    if number < 0:
        return MINUS + _spelled(-number)
    digits = LAST[number % BASE]
    while number := number >> BITS:
        digits = FIRST[number % BASE] + digits
    return digits


HIGH = ["", *(_spelled(number << BITS)[:-1] for number in range(1, FEW >> BITS))]
"""All places but the last of small numbers."""


@lru_cache(CACHE)
def _read(digits: str) -> int | None:
    if digits == NOTHING:
        return None
    if digits[0] == MINUS:
        return -int(_read(digits[1:]) or 0)
    number = 0
    for digit in digits[:-1]:
        number = number << BITS | FIRST.index(digit)
    return number << BITS | LAST.index(digits[-1])


def number_of(column: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the number of parts in a column's text."""
    return func.length(column) - func.length(func.replace(column, " ", ""))


def of_models(column: ColumnElement[Any], models: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that a column's text has a part of one of some models."""
    # LIKE does not tell upper from lower case on SQLite
    return or_(*(func.replace(column, f" {_spelled(model)}", "") != column for model in models))

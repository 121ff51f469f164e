"""From the texts of a request to the struct that a question takes."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from ares_otel.server.api.problems import InvalidParameter, ProblemError

__all__ = ["parse"]

INTEGER: Final = re.compile(r"[+-]?[0-9]{1,30}")
NUMBER: Final = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([eE][+-]?[0-9]{1,3})?")
TRUTH: Final = {"true": True, "false": False}
WRONG: Final = 400


def parse(asked: type[msgspec.Struct], path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> msgspec.Struct:
    """Return the parameters of a request.

    Raises:
        ProblemError: one is unknown, missing, said twice, or not what was expected.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(asked)}
    said: dict[str, str] = dict(path)
    for name, value in query:
        if name not in fields or name in path:
            known = ", ".join(sorted(fields.keys() - path.keys())) or "none"
            raise _wrong(name, path, f"a parameter that there is: {known}")
        if name in said:
            raise _wrong(name, path, "one value")
        said[name] = value
    taken: dict[str, Any] = {}
    for name, field in fields.items():
        if name in said:
            taken[name] = _value(name, field.type, said[name], path)
        elif field.required:
            raise _wrong(name, path, "a value; it is missing")
    return msgspec.convert(taken, asked)


def _value(name: str, kind: Any, text: str, path: Mapping[str, str]) -> Any:
    reader, expected = _reading(kind)
    try:
        return msgspec.convert(reader(text), kind)
    except msgspec.ValidationError as error:
        raise _wrong(name, path, str(error).partition(" - at `$")[0]) from error
    except (ValueError, KeyError) as error:
        raise _wrong(name, path, expected) from error


def _wrong(name: str, path: Mapping[str, str], expected: str) -> ProblemError:
    place = "path" if name in path else "query"
    return ProblemError(
        WRONG, f"the parameter {name!r} of the {place}: {expected}", InvalidParameter(name, place, expected)
    )


@cache
def _reading(kind: Any) -> tuple[Callable[[str], Any], str]:
    """Return what makes a value of a text, and what it expects."""
    plain = _plain(kind)
    if plain is bool:
        return TRUTH.__getitem__, "true or false"
    if plain is int:
        return _integer, "a whole number"
    if plain is float:
        return _number, "a number"
    return _text, "text"


def _plain(kind: Any) -> Any:
    """Return the type behind `Annotated` and `| None`."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _plain(get_args(kind)[0])
    if origin in {Union, types.UnionType}:
        return _plain(next(one for one in get_args(kind) if one is not type(None)))
    return type(get_args(kind)[0]) if origin is Literal else kind


def _integer(text: str) -> int:
    if not INTEGER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _number(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text)


def _text(text: str) -> str:
    # what is no Unicode text cannot be stored either
    return text.encode("utf-8").decode()

"""Types of answers as they can be described: a union of several texts is a text, a union of several numbers a number.

A record says `Action | str` or `float | int | Decimal`; JSON Schema (and msgspec's decoder) knows one kind of each.
What a record requires of a bot may still be unknown when it is told again, for spans come from anywhere.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import FieldInfo

from ares_otel.records.model import Record

__all__ = ["shape"]

NUMBERS = {float, int, Decimal}


@cache
def shape(kind: Any) -> Any:
    """Return a type that says the same and can be described."""
    try:
        msgspec.json.schema(kind)
    except TypeError:
        return _struct(kind) if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else _plain(kind)
    return kind


def _struct(kind: type[msgspec.Struct]) -> Any:
    hints = get_type_hints(kind)
    told = issubclass(kind, Record)
    fields = [_field(field, hints[field.name], told=told) for field in msgspec.structs.fields(kind)]
    return msgspec.defstruct(kind.__name__, fields, namespace={"__doc__": kind.__doc__}, frozen=True, kw_only=True)


def _field(field: FieldInfo, hint: Any, *, told: bool) -> tuple[str, Any]:
    kind = _plain(hint)
    return field.encode_name, kind | None if told and get_origin(kind) is None else kind


def _plain(kind: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in {Union, types.UnionType}:
        return _union(inner)
    if origin is tuple:
        return tuple[shape(inner[0]), ...]  # type: ignore[misc]
    if origin is not None and issubclass(origin, Mapping):
        return dict[inner[0], _plain(inner[1])]  # type: ignore[valid-type, misc]
    return shape(kind) if isinstance(kind, type) else kind


def _union(parts: tuple[Any, ...]) -> Any:
    kept = set(parts)
    if str in kept:
        kept = {one for one in kept if not (isinstance(one, type) and issubclass(one, Enum | datetime))}
    if datetime in kept:
        kept -= NUMBERS
    if float in kept:
        kept -= {int, Decimal}
    return Union[tuple(_plain(one) for one in sorted(kept, key=str))]  # noqa: UP007  made at run time

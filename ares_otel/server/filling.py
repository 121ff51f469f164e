"""From attributes back to records: what has a wrong type or is outside its vocabulary is left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

import msgspec

from ares_otel.records.check import BAD, plan

__all__ = ["fill", "moment"]

S = TypeVar("S", bound=msgspec.Struct)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = ("event_time", "trained_at")


def fill(kind: type[S], attributes: Mapping[str, Any], **said: object) -> S:
    """Return a record filled from attributes by their declared keys; `said` are further fields."""
    found: dict[str, object] = dict.fromkeys(_required(kind))
    for field, key, check, _ in plan(kind):  # type: ignore[arg-type]  # any struct with annotated fields
        given = attributes.get(key)
        good = BAD if given is None else check(given)
        if good is not BAD:
            found[field] = good
    for field in TIMES:
        if isinstance(found.get(field), int):
            found[field] = moment(found[field])  # type: ignore[arg-type]
    return kind(**found | said)


def moment(unix_ns: int) -> datetime:
    """Return Unix ns as UTC, to the microsecond."""
    return EPOCH + timedelta(microseconds=unix_ns // 1_000)


@cache
def _required(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.name for field in msgspec.structs.fields(kind) if field.required)

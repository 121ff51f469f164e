"""From attributes back to records: what has a wrong type or is outside its vocabulary is left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from ares_otel.records.check import BAD, plan

__all__ = ["fill", "moment"]

S = TypeVar("S", bound=msgspec.Struct)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMES = ("event_time", "trained_at")


def fill(kind: type[S], attributes: Mapping[str, Any], **said: object) -> S:
    """Return a record filled from attributes by their declared keys, None where it was not said.

    A default of the record is what a bot means by saying nothing, and no more than a guess of what another one said.
    `said` are further fields.
    """
    found: dict[str, object] = {}
    for field, key, check, *_ in plan(kind):
        given = attributes.get(key)
        good = BAD if given is None else check(given)
        found[field] = None if good is BAD else good
    for field in TIMES:
        given = found.get(field)
        if isinstance(given, int):
            found[field] = moment(given)
    return kind(**found | said)


def moment(unix_ns: int) -> datetime:
    """Return Unix ns as UTC, to the microsecond."""
    return EPOCH + timedelta(microseconds=unix_ns // 1_000)

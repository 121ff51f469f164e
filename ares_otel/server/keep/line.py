"""InfluxDB's line protocol: points as text that reads back as what was meant, whatever the texts in it hold."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final, TypeAlias

__all__ = ["FieldValue", "line", "tag_text"]

FieldValue: TypeAlias = str | float | int | bool | None

SEPARATORS: Final = re.compile(r"[,= ]")
BREAKS: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
LARGEST: Final = 1 << 63


def tag_text(text: str) -> str:
    """Return a text as a tag can hold it: a tag has no way to say a line break, a control character or a backslash."""
    return BREAKS.sub(" ", text).replace("\\", "/")


def line(measurement: str, tags: Mapping[str, str | None], fields: Mapping[str, FieldValue], time_ns: int) -> bytes:
    """Return a point, without a line break; b"" for one that has no field to say.

    Tags without a value and fields that are None, not finite or beyond 64 bits are left out: a point says only what is
    known.
    """
    told = [f"{_key(name)}={text}" for name, value in fields.items() if (text := _field(value)) is not None]
    if not told:
        return b""
    named = sorted((name, value) for name, value in tags.items() if value)
    head = "".join([_key(measurement), *(f",{_key(name)}={_key(value)}" for name, value in named if value)])
    return f"{head} {','.join(told)} {time_ns}".encode("utf-8", "replace")


def _key(text: str) -> str:
    return SEPARATORS.sub(lambda found: "\\" + found[0], tag_text(text))


def _field(value: FieldValue) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}i" if -LARGEST <= value < LARGEST else None
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None
    if value is None:
        return None
    text = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'

"""All keys by their dotted names, their environment variables, and the known name nearest to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

import msgspec

from ares_otel.config.fields import Field, fields_of
from ares_otel.config.schema import Config

__all__ = ["CONFIG_VARIABLE", "FIELDS", "PREFIX", "SECTIONS", "VARIABLES", "nearest", "variable"]

PREFIX = "ARES_OTEL_"
CONFIG_VARIABLE = "ARES_OTEL_CONFIG"
LONGEST = 80


def _fields() -> Iterator[Field]:
    for field in fields_of(Config):
        if field.kind != "section":
            yield field
            continue
        for inner in fields_of(field.hint):
            yield msgspec.structs.replace(inner, key=f"{field.name}.{inner.name}")


def variable(key: str) -> str:
    """Return the environment variable of a key: `metrics.port` is read from `ARES_OTEL_METRICS_PORT`."""
    return PREFIX + key.replace(".", "_").upper()


FIELDS: dict[str, Field] = {field.key: field for field in _fields()}
"""All keys in the order of the reference."""

SECTIONS: dict[str, type[msgspec.Struct]] = {
    field.name: field.hint for field in fields_of(Config) if field.kind == "section"
}
"""The groups of keys in the order of the reference."""

VARIABLES: dict[str, str] = {variable(key): key for key in FIELDS}
"""Key by environment variable."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" with the known name most like this one, or "" where none is."""
    candidates = list(known)
    leaf = name.rpartition(".")[2]
    close = difflib.get_close_matches(name[:LONGEST], candidates, n=1, cutoff=0.7) or [
        candidate for candidate in candidates if candidate.rpartition(".")[2] == leaf
    ]
    return f"; did you mean {' or '.join(close[:3])}?" if close else ""

"""All keys by their dotted names, their environment variables, and the known name nearest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ares_otel.config.fields import Field, fields_of
from ares_otel.config.schema import Config

__all__ = ["CONFIG_VARIABLE", "FIELDS", "PREFIX", "SECTIONS", "VARIABLES", "nearest", "variable"]

PREFIX = "ARES_OTEL_"
CONFIG_VARIABLE = "ARES_OTEL_CONFIG"
LONGEST = 80


def _walk(section: type[msgspec.Struct] = Config, prefix: str = "") -> Iterator[Field]:
    """Yield all keys and groups by their dotted names; the keys of a group come before the groups inside it."""
    for field in sorted(fields_of(section), key=lambda field: field.kind == "section"):
        yield msgspec.structs.replace(field, key=f"{prefix}{field.name}")
        if field.kind == "section":
            yield from _walk(field.hint, f"{prefix}{field.name}.")


def variable(key: str) -> str:
    """Return the environment variable of a key: `metrics.port` is read from `ARES_OTEL_METRICS_PORT`."""
    return PREFIX + key.replace(".", "_").upper()


FIELDS: dict[str, Field] = {field.key: field for field in _walk() if field.kind != "section"}
"""All keys in the order of the reference."""

SECTIONS: dict[str, type[msgspec.Struct]] = {field.key: field.hint for field in _walk() if field.kind == "section"}
"""The groups of keys by dotted name, in the order of the reference; those inside a group come after it."""

VARIABLES: dict[str, str] = {variable(key): key for key in FIELDS}
"""Key by environment variable."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" with the known name most like this one, or "" where none is."""
    import difflib  # noqa: PLC0415  a quarter of a MB that only a mistake needs

    candidates = list(known)
    leaf = name.rpartition(".")[2]
    close = difflib.get_close_matches(name[:LONGEST], candidates, n=1, cutoff=0.7) or [
        candidate for candidate in candidates if candidate.rpartition(".")[2] == leaf
    ]
    return f"; did you mean {' or '.join(close[:3])}?" if close else ""

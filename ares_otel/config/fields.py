"""How a configuration key is declared, and what its declaration says: type, range, meaning, secrecy.

A key is an attribute of a `Section` annotated with one of the helpers here; everything else (conversion, messages,
environment variable, reference table) is derived from that declaration.
"""

from __future__ import annotations

import types
import typing
from functools import cache
from typing import Any, Literal

import msgspec

from ares_otel.config.masking import masked

__all__ = ["Field", "Section", "days", "fields_of", "meaning", "number", "of_kind", "path", "seconds", "size", "text"]

NOUNS = {
    "attributes": "a map of texts",
    "boolean": "true or false",
    "days": "a number of days, 0 for ever,",
    "detectors": "a list of detectors such as KSDrift or river.drift:ADWIN",
    "dsn": "a database URL such as postgresql://host/name",
    "duration": 'a duration ("500ms", "30s", "5m" or plain seconds)',
    "integer": "an integer",
    "list": "a list of texts",
    "headers": "a map of HTTP header names to texts",
    "number": "a number",
    "path": "a path",
    "propagators": "a list of propagators",
    "size": 'a size ("64MiB", "1GB" or plain bytes)',
    "text": "a text of at most 1,024 characters",
    "token": "an HTTP header name",
    "url": "an http:// or https:// URL",
    "urls": "a list of http:// or https:// URLs",
}
KIB = 1_024
KINDS = {bool: "boolean", int: "integer", float: "number", str: "text", tuple: "list", dict: "map"}


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A group of keys. Its `repr` (also that of rich) masks secrets, so that it may be logged."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field.name, field.masked(getattr(self, field.name))) for field in fields_of(type(self))]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """What the declaration of one key says.

    Attributes:
        key: dotted name, as in `metrics.port`.
        name: the last part of the key.
        hint: the annotation, for msgspec.
        kind: how texts are read: one of `NOUNS`, "choice" or "section".
        default: value where no source gives one.
        shown: the default as the reference shows it.
        description: meaning, unit.
        optional: whether None (YAML null) is a value.
        secret: whether values are masked.
        choices: the allowed words of a "choice".
        expected: what a message says was expected.
    """

    key: str
    name: str
    hint: Any
    kind: str
    default: object
    shown: str
    description: str
    optional: bool
    secret: bool
    choices: tuple[str, ...]
    expected: str

    def masked(self, value: object) -> object:
        """Return a value of this key as it may be shown."""
        return masked(value, secret=self.secret, url=self.kind in {"dsn", "url"})


def of_kind(
    kind: str, description: str, *, shown: str | None = None, secret: bool = False, pattern: str | None = None
) -> msgspec.Meta:
    """Declare a key of one of the kinds that are written as text, list or map."""
    extra = {"kind": kind, "shown": shown, "secret": secret}
    return msgspec.Meta(description=description, extra=extra, pattern=pattern)


def text(description: str) -> msgspec.Meta:
    """Declare a text of 1 to 1,024 characters."""
    return msgspec.Meta(description=description)


def path(description: str, shown: str | None = None) -> msgspec.Meta:
    """Declare a file or directory; a leading `~` becomes the home directory."""
    return of_kind("path", description, shown=shown)


def meaning(description: str, shown: str | None = None) -> msgspec.Meta:
    """Declare a key whose type says the rest: a boolean or a choice."""
    return msgspec.Meta(description=description, extra={"shown": shown})


def number(description: str, low: float, high: float) -> msgspec.Meta:
    """Declare an integer or a number between two bounds, both allowed."""
    return msgspec.Meta(description=description, ge=low, le=high)


def seconds(description: str, low: float = 0.01, high: float = 86_400, shown: str | None = None) -> msgspec.Meta:
    """Declare a duration in seconds between two bounds, both allowed."""
    return msgspec.Meta(description=description, ge=low, le=high, extra={"kind": "duration", "shown": shown})


def days(description: str) -> msgspec.Meta:
    """Declare a time to keep something: whole days, 0 for ever."""
    return msgspec.Meta(description=description, ge=0, le=36_500, extra={"kind": "days"})


def size(description: str, low: int, high: int = 1 << 40) -> msgspec.Meta:
    """Declare a number of bytes between two bounds, both allowed."""
    return msgspec.Meta(description=description, ge=low, le=high, extra={"kind": "size"})


@cache
def fields_of(section: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return the declarations of a section's keys in their order; `key` is the bare name."""
    hints = typing.get_type_hints(section, include_extras=True)
    return tuple(_field(raw, hints[raw.name]) for raw in msgspec.structs.fields(section))


def _field(raw: msgspec.structs.FieldInfo, hint: Any) -> Field:
    bare, meta, optional = _split(hint)
    extra = meta.extra or {}
    choices = typing.get_args(bare) if typing.get_origin(bare) is Literal else ()
    kind = extra.get("kind") or ("choice" if choices else _kind(bare))
    default = raw.default if raw.default_factory is msgspec.NODEFAULT else raw.default_factory()
    return Field(
        key=raw.name,
        name=raw.name,
        hint=hint,
        kind=kind,
        default=default,
        shown=extra.get("shown") or _default(kind, default),
        description=meta.description or "",
        optional=optional,
        secret=bool(extra.get("secret")),
        choices=choices,
        expected=_expected(kind, choices, meta) + (" (or null)" if optional else ""),
    )


def _split(hint: Any) -> tuple[Any, msgspec.Meta, bool]:
    """Return the bare type, what is declared of it, and whether None is a value, in whatever order they are nested."""
    meta, optional = msgspec.Meta(), False
    while (origin := typing.get_origin(hint)) in {typing.Annotated, typing.Union, types.UnionType}:
        if origin is typing.Annotated:
            hint, meta = typing.get_args(hint)[:2]
        else:
            optional = True
            hint = next(option for option in typing.get_args(hint) if option is not types.NoneType)
    return hint, meta, optional


def _kind(bare: Any) -> str:
    return KINDS.get(typing.get_origin(bare) or bare, "section")


def _expected(kind: str, choices: tuple[str, ...], meta: msgspec.Meta) -> str:
    if choices:
        return f"one of {', '.join(choices)}"
    noun = NOUNS.get(kind, "a group of keys")
    if meta.ge is None:
        return noun
    if kind == "size":
        return f"{noun} from {_size(meta.ge)} to {_size(meta.le or 0)}"
    return f"{noun} from {meta.ge:,} to {meta.le:,}{' seconds' if kind == 'duration' else ''}"


def _default(kind: str, value: object) -> str:
    if value is None or value in ("", (), {}):
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return _size(value) if kind == "size" else f"{value:.15g}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _size(value: float) -> str:
    """Return a number of bytes in the largest binary unit in which it is whole."""
    units = ["", "KiB", "MiB", "GiB", "TiB"]
    while value >= KIB and value % KIB == 0:
        value, units = value / KIB, units[1:]
    return f"{value:.15g}{units[0]}"

"""Read one value: from the text of a file or variable, or from an argument, into the type that its key declares."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import unquote

import msgspec

from ares_otel.config.detectors import is_detector
from ares_otel.config.endpoints import is_http_url, is_target, is_url
from ares_otel.config.fields import Field
from ares_otel.config.masking import mask_url
from ares_otel.config.problems import printable
from ares_otel.config.propagators import known_propagators

__all__ = ["Complain", "Mismatch", "Substituted", "convert", "pairs", "words"]

Complain: TypeAlias = Callable[[str], None]

TRUE = frozenset({"true", "yes", "on", "1"})
FALSE = frozenset({"false", "no", "off", "0"})
UNLIMITED = frozenset({"none", "unlimited", "null"})
INTEGER = re.compile(r"[+-]?\d{1,30}(?:_\d{1,30})*")
DURATION = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)(ms|s|m|h|d)")
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,18})?) ?([kmgt]i?)?b?", re.IGNORECASE)
FACTORS: dict[str, int] = {"": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("kmgt", 1)
    for suffix, base in (("", 1_000), ("i", 1_024))
}
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
MOST = 10_000
LONGEST = 1_024
HUGE = 1 << 64


class Mismatch(ValueError):  # noqa: N818  # no error of the program: a finding, turned into a Problem by who caught it
    """A value is not what its key declares; the message holds no secret."""


class Substituted(str):
    """A text that came from the environment by `${…}`: perhaps a secret, so it is never shown."""

    __slots__ = ()


def convert(field: Field, raw: object, complain: Complain) -> object:
    """Return the value that a raw one means for a key.

    Args:
        field: declaration of the key.
        raw: text, number, boolean, None, sequence or mapping.
        complain: takes a sentence for each part of a list that is left out.

    Raises:
        Mismatch: the value is not of the declared type, range or vocabulary.
    """
    try:
        if raw is None and field.optional:
            return None
        return _checked(field, READERS[field.kind](field, raw, complain))
    except (ValueError, OverflowError, TypeError) as error:
        reason = f": {error}" if isinstance(error, Mismatch) else ""
        raise Mismatch(f"expected {field.expected}, got {_shown(field, raw)}{reason}") from None


def _checked(field: Field, value: object) -> object:
    try:
        return msgspec.convert(value, field.hint)
    except msgspec.ValidationError:
        raise ValueError from None


def _shown(field: Field, raw: object) -> str:
    if raw is None or raw == "":
        return "nothing"
    if isinstance(raw, Substituted):
        return "a text from ${…}"
    if field.secret or not isinstance(raw, str | int | float):
        return _type(raw)
    if isinstance(raw, str):
        return repr(printable(mask_url(raw) if "@" in raw else raw))
    return f"{raw}" if abs(raw) < HUGE else "a huge number"


def _type(raw: object) -> str:
    if isinstance(raw, Mapping):
        return "a map"
    if isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        return "a list"
    return "a text" if isinstance(raw, str) else f"a value of type {type(raw).__name__}"


def _text(_field: Field, raw: object, _complain: Complain) -> str:
    if not isinstance(raw, str) or not 0 < len(raw) <= LONGEST or "\0" in raw:
        raise ValueError
    return str(raw)


def _boolean(_field: Field, raw: object, _complain: Complain) -> bool:
    if isinstance(raw, bool):
        return raw
    word = raw.lower() if isinstance(raw, str) else ""
    if word not in TRUE | FALSE:
        raise ValueError
    return word in TRUE


def _integer(field: Field, raw: object, _complain: Complain) -> int | None:
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    text = raw.lower() if isinstance(raw, str) else ""
    if field.optional and text in UNLIMITED:
        return None
    if INTEGER.fullmatch(text) is None:
        raise ValueError
    return int(text)


def _number(_field: Field, raw: object, _complain: Complain) -> float:
    value = float("nan") if isinstance(raw, bool) or not isinstance(raw, int | float | str) else float(raw)
    if not math.isfinite(value):
        raise ValueError
    return value


def _duration(field: Field, raw: object, complain: Complain) -> float:
    if isinstance(raw, str) and raw[-1:].isalpha():
        if re.fullmatch(f"(?:{DURATION.pattern})+", raw) is None:
            raise ValueError
        return sum(float(count) * UNITS[unit] for count, unit in DURATION.findall(raw))
    return _number(field, raw, complain)


def _size(field: Field, raw: object, complain: Complain) -> int | None:
    match = SIZE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        return _integer(field, raw, complain)
    return round(float(match[1]) * FACTORS[(match[2] or "").lower()])


def _choice(field: Field, raw: object, _complain: Complain) -> str:
    # YAML reads a choice of digits as a number
    word = str(raw).lower() if isinstance(raw, str | int) and not isinstance(raw, bool) else ""
    if word not in field.choices:
        raise ValueError
    return word


def _path(field: Field, raw: object, complain: Complain) -> str:
    return _text(field, os.fsdecode(raw) if isinstance(raw, os.PathLike) else raw, complain)


def _url(field: Field, raw: object, complain: Complain) -> str:
    url = _text(field, raw, complain)
    if not (is_http_url(url) or is_target(url)):
        raise ValueError
    return url


def _dsn(field: Field, raw: object, complain: Complain) -> str:
    url = _text(field, raw, complain)
    if not is_url(url):
        raise ValueError
    return url


def _list(_field: Field, raw: object, _complain: Complain) -> tuple[str, ...]:
    if isinstance(raw, str):
        return words(raw)
    if not isinstance(raw, Sequence) or isinstance(raw, bytes) or len(raw) > MOST:
        raise ValueError
    for place, item in enumerate(raw, 1):
        if not isinstance(item, str) or not item:
            raise Mismatch(f"item {place} is {_type(item) if item else 'empty'}")
    return tuple(dict.fromkeys(str(item) for item in raw))


def _urls(field: Field, raw: object, complain: Complain) -> tuple[str, ...]:
    found = _list(field, raw, complain)
    for place, url in enumerate(found, 1):
        if not is_http_url(url):
            raise Mismatch(f"item {place} is none")
    return found


def _propagators(field: Field, raw: object, complain: Complain) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.lower() for name in _list(field, raw, complain)))
    if "none" in names:
        return ()
    known, complaints = known_propagators(names)
    for complaint in complaints:
        complain(complaint)
    if names and not known:
        raise Mismatch("none of them is known")
    return known


def _detectors(field: Field, raw: object, complain: Complain) -> tuple[str, ...]:
    found = _list(field, raw, complain)
    for place, name in enumerate(found, 1):
        if not is_detector(name):
            raise Mismatch(f"item {place} is none")
    return found


def _attributes(_field: Field, raw: object, _complain: Complain) -> dict[str, str]:
    if isinstance(raw, str):
        return pairs(raw)
    if not isinstance(raw, Mapping) or len(raw) > MOST:
        raise ValueError
    for place, (name, value) in enumerate(raw.items(), 1):
        if not isinstance(name, str) or not name.strip() or not isinstance(value, str):
            raise Mismatch(f"member {place} is not a name with a text")
    return {name.strip(): str(value) for name, value in raw.items()}


def _headers(field: Field, raw: object, complain: Complain) -> dict[str, str]:
    headers = {name.lower(): value.strip() for name, value in _attributes(field, raw, complain).items()}
    for place, (name, value) in enumerate(headers.items(), 1):
        if HEADER_NAME.fullmatch(name) is None:
            raise Mismatch(f"member {place} has a name that no HTTP header can have")
        if not value.isascii() or not value.replace("\t", " ").isprintable():
            raise Mismatch(f"the value of {name} holds characters that no HTTP header can carry")
    return headers


def words(text: str) -> tuple[str, ...]:
    """Return the different, stripped, not empty parts between commas."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def pairs(text: str) -> dict[str, str]:
    """Return the pairs of `name=value,name=value`, percent-decoded (W3C baggage without properties).

    Raises:
        Mismatch: a member has no `=` or no name, or its escapes are no UTF-8; the message names its place alone.
    """
    found = {}
    for place, member in enumerate(text.split(","), 1):
        if not member.strip():
            continue
        name, equals, value = member.partition("=")
        try:
            name, value = unquote(name.strip(), errors="strict"), unquote(value.strip(), errors="strict")
        except UnicodeDecodeError:
            raise Mismatch(f"member {place} is not percent-encoded UTF-8") from None
        if not equals or not name:
            raise Mismatch(f"member {place} is not name=value")
        found[name] = value
    return found


READERS: dict[str, Callable[[Field, object, Complain], object]] = {
    "attributes": _attributes,
    "boolean": _boolean,
    "choice": _choice,
    "days": _integer,
    "detectors": _detectors,
    "dsn": _dsn,
    "duration": _duration,
    "headers": _headers,
    "integer": _integer,
    "list": _list,
    "number": _number,
    "path": _path,
    "propagators": _propagators,
    "size": _size,
    "text": _text,
    "token": _text,
    "url": _url,
    "urls": _urls,
}

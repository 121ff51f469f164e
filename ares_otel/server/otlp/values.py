"""Typed reading of attributes: a value of another type, or one that a column cannot hold, is an absent one."""

from __future__ import annotations

import math
from typing import Any

from ares_otel.server.otlp.views import AttributeMap, ValueView

__all__ = ["LARGEST", "PRECISION", "flag", "number", "plain", "plain_map", "scaled", "text", "whole"]

PRECISION = 10_000
LARGEST = 1e12


def text(attributes: AttributeMap, key: str) -> str | None:
    """Return a text that is not empty, or None."""
    # to ask first costs a quarter of what looking for an absent key does, and `[]` less than `get`
    return (attributes[key].string_value or None) if key in attributes else None


def number(attributes: AttributeMap, key: str) -> float | None:
    """Return a finite number, or None."""
    if key not in attributes:
        return None
    value = attributes[key]
    found = value.double_value
    if found:
        return found if -math.inf < found < math.inf else None
    kind = value.WhichOneof("value")
    return 0.0 if kind == "double_value" else float(value.int_value) if kind == "int_value" else None


def whole(attributes: AttributeMap, key: str) -> int | None:
    """Return a whole number of 64 bits, or None."""
    if key not in attributes:
        return None
    value = attributes[key]
    return value.int_value or (0 if value.WhichOneof("value") == "int_value" else None)


def scaled(attributes: AttributeMap, key: str) -> int | None:
    """Return a finite number in units of 1e-4, or None."""
    if key not in attributes:
        return None
    found = attributes[key].double_value or number(attributes, key)
    return round(found * PRECISION) if found is not None and -LARGEST < found < LARGEST else None


def flag(attributes: AttributeMap, key: str, *, default: bool) -> bool:
    """Return a yes or no."""
    if key not in attributes:
        return default
    value = attributes[key]
    return value.bool_value if value.HasField("bool_value") else default


def plain(value: ValueView) -> Any:
    """Return any attribute value as Python has it; None for one that is not set."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    return plain_map(value.kvlist_value.values) if kind == "kvlist_value" else getattr(value, kind)


def plain_map(attributes: AttributeMap) -> dict[str, Any]:
    """Return attributes as Python has them, by key in alphabetical order."""
    return {key: plain(attributes[key]) for key in sorted(attributes)}

"""Examine a record: what is wrong is left out and counted, the rest is kept.

`examine` gives the record back with canonical values (vocabularies mapped, numbers as `float`, times as Unix ns) and
None where a value was bad, together with its attributes by declared name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache, cached_property
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeAlias, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec

from ares_otel.guard import GUARD, BadValueError
from ares_otel.records.model import FeatureVector, OrderUpdate, Record, Regime
from ares_otel.records.quick import Field, Quick, compiled
from ares_otel.records.vocabulary import fold, lookup
from ares_otel.semconv.enums import OrderStatus, RegimeName
from ares_otel.semconv.model import Attribute, Kind

__all__ = ["Attributes", "Check", "FieldPlan", "Joint", "checker", "examine", "known_features", "plan", "require"]

Attributes: TypeAlias = "dict[str, str | bool | int | float | dict[str, float] | dict[str, str]]"
Check: TypeAlias = Callable[[Any], Any]
R = TypeVar("R", bound=Record)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAP_LIMIT = 512
INT64 = 2**63
BAD = object()
NORMALIZED = (FeatureVector, OrderUpdate, Regime)
"""Records that are changed before they are examined."""
_QUICK: dict[type[Record], Quick] = {}
REGIMES = frozenset(member.value for member in RegimeName)


class FieldPlan(NamedTuple):
    """How one field of a record type is examined."""

    field: str
    key: str
    check: Check
    expected: str
    required: bool
    attribute: Attribute


def examine(record: R) -> tuple[R, Attributes]:
    """Return the record with canonical values, and its attributes without those that are unknown.

    Bad values are reported to the guard by record and field and become None.
    """
    kind = type(record)
    found = (_QUICK.get(kind) or _quick(kind))(record)
    return _examined(record) if found is None else found


class Joint:
    """Examines records of one type together with another record that has values for them.

    Args:
        kind: the type of the records.
        replaced: fields whose value is the other record's.
        filled: fields whose value is the other record's where they have none.
    """

    def __init__(self, kind: type[Record], *, replaced: Sequence[str] = (), filled: Sequence[str] = ()) -> None:
        self._kind, self._replaced, self._filled = kind, replaced, filled

    @cached_property
    def _quick(self) -> Quick:
        return _compiled(self._kind, self._replaced, self._filled)

    def examine(self, record: R, other: Record) -> tuple[R, Attributes]:
        """Return what `examine` does for the record with the other's values."""
        found = self._quick(record, other)
        if found is not None:
            return found
        filled = [name for name in self._filled if getattr(record, name) is None]
        joined = {name: getattr(other, name) for name in (*self._replaced, *filled)}
        return examine(msgspec.structs.replace(record, **joined))


def _examined(record: R) -> tuple[R, Attributes]:
    record = _normalized(record)
    attributes: Attributes = {}
    changes: dict[str, object] = {}
    for field, key, check, expected, required, _ in plan(type(record)):
        value = getattr(record, field)
        if value is None and not required:
            continue
        good = check(value)
        if good is BAD:
            GUARD.bad_value(type(record).__name__, field, expected, value)
            changes[field] = None
            continue
        attributes[key] = good
        if good is not value:
            changes[field] = good
    return (msgspec.structs.replace(record, **changes) if changes else record), attributes


def require(record: Record) -> None:
    """Raise `BadValueError` for the first bad value of the record."""
    record = _normalized(record)
    for field, _, check, expected, required, _ in plan(type(record)):
        value = getattr(record, field)
        if (required or value is not None) and check(value) is BAD:
            raise BadValueError(f"{type(record).__name__}.{field}: expected {expected}, got {value!r}")


@cache
def plan(record: type[Record]) -> tuple[FieldPlan, ...]:
    """Return how each annotated field of a record type is examined."""
    plans = []
    for field, hint in get_type_hints(record, include_extras=True).items():
        attribute = next((extra for extra in get_args(hint)[1:] if isinstance(extra, Attribute)), None)
        if attribute is not None:
            required = type(None) not in get_args(get_args(hint)[0])
            made = checker(attribute), _expected(attribute)
            plans.append(FieldPlan(field, attribute.key, *made, required, attribute))
    return tuple(plans)


def _quick(kind: type[Record]) -> Quick:
    """Return what examines records of a type that are good, once made; none whose words are normalized before."""
    made: Quick = _no_record if issubclass(kind, NORMALIZED) else _compiled(kind)
    _QUICK[kind] = made
    return made


def _compiled(kind: type[Record], replaced: Sequence[str] = (), filled: Sequence[str] = ()) -> Quick:
    fields = [
        Field(
            *(each.field, each.key, each.required, each.check),
            text=each.attribute.enum is None and each.attribute.kind is Kind.STRING,
            enum=each.attribute.enum,
            bounds=(each.attribute.low, each.attribute.high) if each.attribute.kind is Kind.DOUBLE else None,
        )
        for each in plan(kind)
    ]
    return compiled(kind, kind.__struct_fields__, fields, BAD, replaced, filled)


def _no_record(record: object) -> None:
    del record


def checker(attribute: Attribute) -> Check:
    """Return a function that gives a value in canonical form, or a sentinel for one that does not fit."""
    if attribute.enum is not None:
        return _word_check(attribute.enum)
    low, high = attribute.low, attribute.high
    if attribute.kind is Kind.DOUBLE:
        return _real_check(low, high)
    if attribute.kind is Kind.INT:
        return _int_check(low, high)
    if attribute.kind is Kind.DOUBLES:
        return _map_check(_real_check(low, high))
    if attribute.kind is Kind.TEXTS:
        return _map_check(_check_text)
    return _BY_KIND[attribute.kind]


def _word_check(enum: type[StrEnum]) -> Check:
    table: dict[object, StrEnum] = {member.value: member for member in enum}

    def check(value: object) -> object:
        member = table.get(value) if isinstance(value, str) else None
        if member is None and isinstance(value, str):
            member = lookup(enum, value)
        return BAD if member is None else member

    return check


def _real_check(low: float, high: float) -> Check:
    def check(value: object) -> object:
        if type(value) is not float:
            value = _as_float(value)
        return value if isinstance(value, float) and low <= value <= high and math.isfinite(value) else BAD

    return check


def _as_float(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)):
        item = getattr(value, "item", None)
        return (
            item() if callable(item) and getattr(value, "shape", None) == () and not isinstance(item(), bool) else BAD
        )
    try:
        return float(value)
    except (OverflowError, ValueError):
        return BAD


def _int_check(low: float, high: float) -> Check:
    def check(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (Integral, float)) or value != value // 1:
            return BAD
        whole = int(value)
        return whole if low <= whole <= high and abs(whole) < INT64 else BAD

    return check


def _map_check(check_value: Check) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, Mapping) or len(value) > MAP_LIMIT:
            return BAD
        good = {str(key): check_value(each) for key, each in value.items()}
        return good if BAD not in good.values() else BAD

    return check


def _check_text(value: object) -> object:
    if type(value) is str:
        return value or BAD
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, (str, int, float, UUID)) and not isinstance(value, bool):
        return str(value)
    return BAD


def _check_bool(value: object) -> object:
    if isinstance(value, bool):
        return value
    item = getattr(value, "item", None)
    found = item() if callable(item) and getattr(value, "shape", None) == () else None
    return found if isinstance(found, bool) else BAD


def _check_time(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return BAD
        passed = value - EPOCH
        return ((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1_000
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < INT64 else BAD


_BY_KIND: dict[Kind, Check] = {Kind.STRING: _check_text, Kind.BOOLEAN: _check_bool, Kind.TIME: _check_time}


def _expected(attribute: Attribute) -> str:
    if attribute.enum is not None:
        return "one of " + ", ".join(attribute.enum)
    if attribute.kind is Kind.TIME:
        return "a datetime with a time zone, or Unix ns as int"
    if attribute.kind is Kind.STRING:
        return "text that is not empty"
    words = {Kind.DOUBLES: "finite numbers by name", Kind.TEXTS: "texts by name", Kind.BOOLEAN: "True or False"}
    what = words.get(attribute.kind, "a finite number")
    if attribute.low > -math.inf and attribute.high < math.inf:
        return f"{what} in {attribute.low:g}..{attribute.high:g}"
    return f"{what} ≥ {attribute.low:g}" if attribute.low > -math.inf else what


def _normalized(record: R) -> R:
    if isinstance(record, Regime):
        return msgspec.structs.replace(record, **_regime_words(record))
    if isinstance(record, FeatureVector) and isinstance(record.values, Mapping):
        # a feature may be missing: that is no bad value
        return msgspec.structs.replace(record, values=known_features(record.values))
    if isinstance(record, OrderUpdate) and record.status == "closed" and record.cum_quantity == 0:
        # ccxt calls an order "closed" that ended without a fill, too
        return msgspec.structs.replace(record, status=OrderStatus.CANCELED)
    return record


def known_features(values: Mapping[str, object]) -> dict[str, float]:
    """Return the features that have a finite value."""
    read = _real_check(-math.inf, math.inf)
    checked = {str(name): read(value) for name, value in values.items()}
    return {name: value for name, value in checked.items() if value is not BAD}


def _regime_words(regime: Regime) -> dict[str, str]:
    name = regime.name
    if not isinstance(name, str) or fold(name) in REGIMES:
        return {}
    known = lookup(RegimeName, name)
    if known is None:
        GUARD.bad_value("Regime", "name", "one of " + ", ".join(RegimeName), name)
    return {"name": known or RegimeName.UNKNOWN, "raw": regime.raw or name}

"""The reference of all keys, variables and legacy keys as Markdown, for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ares_otel.config.environment import OTEL, RESERVED
from ares_otel.config.fields import Field
from ares_otel.config.keys import FIELDS, SECTIONS, variable
from ares_otel.config.legacy import LEGACY, Legacy

__all__ = ["reference"]

KEYS = ("key", "type", "default", "environment variable", "meaning")


def reference() -> str:
    """Return the tables of all keys, of OpenTelemetry's variables and of the old system's keys."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("### Top level", "", *_keys(field for key, field in FIELDS.items() if "." not in key))
    for name, section in SECTIONS.items():
        summary = (section.__doc__ or "").partition("\n")[0]
        fields = (field for key, field in FIELDS.items() if key.rpartition(".")[0] == name)
        yield from ("", f"### `{name}`", "", summary, "", *_keys(fields))
    yield from ("", "### Variables of OpenTelemetry", "", *_variables())
    yield from ("", "### Keys of the old monitoring package", "", *_legacy())


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = tuple(head)
    yield _row(names)
    yield _row("---" for _ in names)
    yield from map(_row, rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _keys(fields: Iterable[Field]) -> Iterator[str]:
    rows = (
        (f"`{field.key}`", field.expected, _code(field.shown), f"`{variable(field.key)}`", field.description)
        for field in fields
    )
    return _table(KEYS, rows)


def _code(text: str) -> str:
    return text if "`" in text or " " in text else f"`{text}`"


def _variables() -> Iterator[str]:
    rows = [(f"`{item.name}`", ", ".join(f"`{key}`" for key in item.keys), item.meaning) for item in OTEL]
    rows += [(f"`{name}`", "", meaning) for name, meaning in RESERVED.items()]
    return _table(("variable", "key", "remarks"), rows)


def _legacy() -> Iterator[str]:
    return _table(("key", "here"), ((f"`{rule.key}`", _becomes(rule)) for rule in LEGACY))


def _becomes(rule: Legacy) -> str:
    if rule.verdict == "maps":
        keys = [f"`{key}`" for key in rule.targets] + [f"`{key}: {value}`" for key, value in rule.fixed]
        return " and ".join(keys)
    word = {"always": "accepted, always on", "ignored": "accepted, without effect", "refused": "refused"}[rule.verdict]
    return f"{word}: {rule.reason}"

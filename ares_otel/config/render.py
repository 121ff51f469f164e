"""Show the effective configuration: each value, where it came from, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

from ares_otel.config.fields import Field
from ares_otel.config.keys import FIELDS
from ares_otel.config.load import Loaded
from ares_otel.config.problems import Origin

__all__ = ["render", "value_of"]

COLUMN = 64


def value_of(loaded: Loaded, key: str) -> object:
    """Return the effective value of a dotted key, unmasked."""
    value: object = loaded.config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def render(loaded: Loaded, *, format: Literal["yaml", "json"] = "yaml") -> str:  # noqa: A002  # the users' word
    """Return the effective values and their origins; what is not masked loads to the same configuration.

    Args:
        loaded: what `load` returned.
        format: "yaml": a configuration file with the origins (and problems) as comments; "json": an object with
            `config`, `origins`, `problems`, `path`.
    """
    return _json(loaded) if format == "json" else "\n".join(_lines(loaded)) + "\n"


def _json(loaded: Loaded) -> str:
    config: dict[str, Any] = {}
    for key, field in FIELDS.items():
        *sections, name = key.split(".")
        place = config
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = field.masked(value_of(loaded, key))
    document = {
        "config": config,
        "origins": {key: str(origin) for key, origin in loaded.origins.items()},
        "problems": [
            {"severity": problem.severity, "at": str(problem.origin), "key": problem.key, "message": problem.message}
            for problem in loaded.problems
        ],
        "path": loaded.path,
    }
    return json.dumps(document, indent=2)


def _lines(loaded: Loaded) -> Iterator[str]:
    for problem in loaded.problems:
        yield f"# {problem.severity}: {problem}"
    group = ""
    for key, field in FIELDS.items():
        section = key.rpartition(".")[0]
        indent = "  " * key.count(".")
        if section != group:
            group = section
            yield f"{indent[2:]}{section.rpartition('.')[2]}:"
        value = field.masked(value_of(loaded, key))
        if isinstance(value, dict) and value:
            yield _commented(f"{indent}{field.name}:", loaded.origins[key])
            for name, text in value.items():
                origin = loaded.origins.get(f"{key}.{name}", loaded.origins[key])
                yield _commented(f"{indent}  {_quoted(name)}: {_scalar(text)}", origin)
        else:
            yield _commented(f"{indent}{field.name}: {_yaml(field, value)}", loaded.origins[key])


def _commented(line: str, origin: Origin) -> str:
    return f"{line:<{COLUMN}}  # {origin}"


def _yaml(field: Field, value: object) -> str:
    if isinstance(value, dict | tuple):
        if field.kind == "propagators" and not value:
            return "[none]"
        return f"[{', '.join(_scalar(item) for item in value)}]" if isinstance(value, tuple) else "{}"
    return _scalar(value)


def _scalar(value: object) -> str:
    """Return a scalar as YAML that reads back as itself; a `$` is doubled, or it would be taken for a reference."""
    return _quoted(value.replace("$", "$$")) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if " " <= char <= "~":
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"  # noqa: PLR2004  # four digits

"""Read YAML as a bounded tree with line numbers, and its scalars as texts: no objects are ever constructed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import yaml
from yaml.composer import ComposerError

from ares_otel.config.values import Mismatch, Substituted

__all__ = ["UNSET", "BoundedLoader", "DocumentError", "Entry", "compose", "entries", "raw_value"]

DEEPEST = 20
MOST_NODES = 20_000
STANDARD = "tag:yaml.org,2002:"
SCALARS = frozenset(STANDARD + name for name in ("bool", "float", "int", "null", "str", "timestamp", "value"))
REFERENCE = re.compile(r"\$\$|\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}|\$\{")
UNSET = object()
"""A reference to a variable that is not set, with an empty default: as if the key were not there."""


class DocumentError(ValueError):
    """A text is not a YAML document of the expected form.

    Attributes:
        line: where, from 1; 0 if the place is unknown.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


class Entry(NamedTuple):
    """A key of a mapping as it is written, its line and its value."""

    name: str
    line: int
    node: yaml.Node


class BoundedLoader(yaml.SafeLoader):
    """Composes a tree of bounded depth and size. Aliases are not copied, so that they cannot grow the tree."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose a node, within the bounds."""
        self.depth += 1
        self.nodes += 1
        if self.depth > DEEPEST or self.nodes > MOST_NODES:
            limit = f"deeper than {DEEPEST} levels" if self.depth > DEEPEST else f"more than {MOST_NODES} values"
            raise ComposerError(problem=limit, problem_mark=self.get_mark())
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def compose(text: str) -> yaml.MappingNode | None:
    """Return the top mapping of the only document, or None if there is none.

    Raises:
        DocumentError: no YAML, more than one document, no mapping, or too deep or large.
    """
    try:
        loader = BoundedLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise DocumentError(f"not YAML: {error.problem or error.context}", mark.line + 1 if mark else 0) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentError(f"not YAML: {str(error).partition(chr(10))[0]}") from None
    if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == STANDARD + "null"):
        return None
    if not isinstance(node, yaml.MappingNode):
        raise DocumentError("expected a map of sections", node.start_mark.line + 1)
    return node


def entries(node: yaml.MappingNode) -> Iterator[Entry]:
    """Yield the entries of a mapping; a key that is no scalar is named `?`."""
    for key, value in node.value:
        yield Entry(key.value if isinstance(key, yaml.ScalarNode) else "?", key.start_mark.line + 1, value)


def raw_value(node: yaml.Node, environ: Mapping[str, str]) -> object:
    """Return what stands at a key: a text, None, a list or map of texts, or `UNSET`.

    `${VAR}` and `${VAR:-default}` (also `${env:VAR}`) in values are replaced from the environment, `$$` means `$`.

    Raises:
        Mismatch: nested deeper, of a tag that is not plain YAML, a key twice, or a variable is missing.
    """
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node, environ)
    if isinstance(node, yaml.SequenceNode):
        items = (_item(item, f"item {place}", environ) for place, item in enumerate(node.value, 1))
        return [item for item in items if item is not UNSET]
    return _mapping(node, environ)


def _mapping(node: yaml.Node, environ: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, line, value in entries(node) if isinstance(node, yaml.MappingNode) else ():
        if name in found:
            raise Mismatch(f"the same name again in line {line}")
        if (raw := _item(value, f"the value in line {line}", environ)) is not UNSET:
            found[name] = raw
    return found


def _item(node: yaml.Node, what: str, environ: Mapping[str, str]) -> object:
    if not isinstance(node, yaml.ScalarNode):
        raise Mismatch(f"{what} is nested deeper than expected")
    return _scalar(node, environ)


def _scalar(node: yaml.ScalarNode, environ: Mapping[str, str]) -> object:
    if node.tag not in SCALARS:
        raise Mismatch(f"YAML's {node.tag.removeprefix(STANDARD)!r} has no place here")
    if node.tag == STANDARD + "null":
        return None
    if "$" not in node.value:
        return str(node.value)
    used: list[str] = []
    text = REFERENCE.sub(lambda match: _replacement(match, environ, used), node.value)
    if not used:
        return text
    return Substituted(text) if text else UNSET


def _replacement(match: re.Match[str], environ: Mapping[str, str], used: list[str]) -> str:
    name, default = match[1], match[2]
    if match[0] == "$$":
        return "$"
    if name is None:
        raise Mismatch("${ opens no reference such as ${NAME} or ${NAME:-default}; a $ itself is written $$")
    used.append(name)
    value = environ.get(name) or default
    if value is None:
        raise Mismatch(f"the environment variable {name} is not set; ${{{name}:-}} allows that")
    return value

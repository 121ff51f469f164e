"""Read the configuration file into settings and problems."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from ares_otel.config.document import UNSET, DocumentError, Entry, compose, entries, raw_value
from ares_otel.config.keys import FIELDS, SECTIONS, nearest
from ares_otel.config.layers import Layer, Setting
from ares_otel.config.legacy import COMPONENTS, PARENT, apply, find, is_block, known_keys
from ares_otel.config.problems import Origin, Problems
from ares_otel.config.source import read_text
from ares_otel.config.values import Mismatch

__all__ = ["FileReader"]


class FileReader:
    """Walks one file; keeps its own keys apart from those of the old system, which its own keys outrank."""

    def __init__(self, path: str, environ: Mapping[str, str], problems: Problems) -> None:
        self._path = path
        self._environ = environ
        self._problems = problems
        self._own = Layer(problems)
        self._legacy = Layer(problems)
        self._seen: dict[str, int] = {}

    def read(self) -> tuple[dict[str, Setting], dict[str, Setting]]:
        """Return the settings by the old system's keys, and those by our own."""
        try:
            root = compose(read_text(self._path))
        except DocumentError as error:
            self._problems.add(self._origin(error.line), "", f"{error}; the whole file is ignored")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._problems.add(self._origin(0), "", f"cannot be read: {reason}")
        else:
            for entry in entries(root) if root is not None else ():
                self._top(entry)
        return self._legacy.close(), self._own.close()

    def _origin(self, line: int) -> Origin:
        return Origin("file", self._path, line)

    def _top(self, entry: Entry) -> None:
        if entry.name in FIELDS:
            self._value(entry.name, entry)
        elif entry.name in SECTIONS:
            self._section(entry.name, entry)
        elif entry.name == PARENT:
            for inner in self._inside(PARENT, entry):
                self._component(f"{PARENT}.{inner.name}", inner)
        else:
            self._component(entry.name, entry)

    def _section(self, name: str, entry: Entry) -> None:
        for inner in self._inside(name, entry):
            self._key(f"{name}.{inner.name}", inner)

    def _key(self, key: str, entry: Entry) -> None:
        if key in FIELDS:
            self._value(key, entry)
        elif key in SECTIONS:
            self._section(key, entry)
        else:
            self._unknown(key, entry.line, FIELDS)

    def _value(self, key: str, entry: Entry) -> None:
        if self._again(key, entry.line):
            return
        raw = self._raw(key, entry)
        if not isinstance(raw, Mismatch) and raw is not UNSET:
            self._own.put(key, raw, self._origin(entry.line))

    def _raw(self, written: str, entry: Entry) -> object:
        try:
            return raw_value(entry.node, self._environ)
        except Mismatch as mismatch:
            self._problems.add(self._origin(entry.line), written, str(mismatch))
            return mismatch

    def _inside(self, name: str, entry: Entry) -> list[Entry]:
        """Return the entries of a section; an empty one has none."""
        if self._again(name, entry.line):
            return []
        if isinstance(entry.node, yaml.MappingNode):
            return list(entries(entry.node))
        if not isinstance(entry.node, yaml.ScalarNode) or entry.node.value not in {"", "~", "null"}:
            self._problems.add(self._origin(entry.line), name, "expected a map of keys")
        return []

    def _again(self, name: str, line: int) -> bool:
        if name in self._seen:
            self._problems.add(self._origin(line), name, f"stands here again; line {self._seen[name]} is used")
            return True
        self._seen[name] = line
        return False

    def _unknown(self, name: str, line: int, known: Mapping[str, object] | list[str]) -> None:
        if not self._problems.full:
            self._problems.add(self._origin(line), name, f"unknown key{nearest(name, known)}")

    def _component(self, written: str, entry: Entry) -> None:
        name = written.rpartition(".")[2]
        if name not in COMPONENTS:
            known = [*SECTIONS, *FIELDS, *COMPONENTS] if name == written else [f"{PARENT}.{key}" for key in COMPONENTS]
            self._unknown(written, entry.line, known)
            return
        for inner in self._inside(name, entry):
            self._old(f"{name}.{inner.name}", inner)

    def _old(self, key: str, entry: Entry) -> None:
        """Look a key of the old system up; below a block its keys are looked up instead."""
        rule = find(key)
        if is_block(key) and isinstance(entry.node, yaml.MappingNode):
            for inner in self._inside(key, entry):
                self._old(f"{key}.{inner.name}", inner)
        elif rule is None:
            self._unknown(key, entry.line, known_keys(key))
        elif not self._again(key, entry.line):
            raw = self._raw(key, entry)
            if not isinstance(raw, Mismatch) and raw is not UNSET:
                apply(key, raw, self._origin(entry.line), self._legacy, self._problems)

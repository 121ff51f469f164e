"""The source tree as the structure tests see it: modules with their syntax trees, and the files of the repository."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["IGNORED", "PACKAGE", "ROOT", "Import", "Module", "modules", "outside_make", "repository_files"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ares_otel"
IGNORED = frozenset(
    {
        ".git",
        ".venv",
        ".venv-bench",
        ".venv-drift",
        ".venv-oldest",
        "build",
        "dist",
        "htmlcov",
        "demo-data",
        "__pycache__",
    }
)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `target` is the module, or `module.name` for a `from` import; `lazy` inside a function."""

    target: str
    line: int
    lazy: bool
    typing: bool


@dataclass(frozen=True, slots=True)
class Module:
    """A module by its dotted name (a package by the name of the package)."""

    name: str
    path: Path
    text: str = field(repr=False)
    tree: ast.Module = field(repr=False)

    @classmethod
    def parse(cls, name: str, text: str, path: str = "") -> Module:
        """Make a module out of source text."""
        return cls(name, Path(path or f"{name.replace('.', '/')}.py"), text, ast.parse(text))

    @property
    def package(self) -> str:
        """The dotted name that relative imports start from."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def imports(self) -> Iterator[Import]:
        """Yield every import, those inside functions and under TYPE_CHECKING too."""
        yield from self._imports(self.tree, lazy=False, typing=False)

    def _imports(self, parent: ast.AST, *, lazy: bool, typing: bool) -> Iterator[Import]:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.expr) and "import_module" not in self.text:
                continue  # most of a tree, without an import
            inner = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            only_types = typing or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
            for target in self._targets(node):
                yield Import(target, node.lineno, inner, only_types)  # type: ignore[attr-defined]
            yield from self._imports(node, lazy=inner, typing=only_types)

    def _targets(self, node: ast.AST) -> list[str]:
        match node:
            case ast.Import(names=names):
                return [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                start = ".".join([*self._parents(level), *([module] if module else [])])
                return [f"{start}.{alias.name}" for alias in names]
            case ast.Call(func=ast.Attribute(attr="import_module") | ast.Name(id="import_module"), args=[first, *_]):
                return [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []
        return []

    def _parents(self, level: int) -> list[str]:
        parts = self.package.split(".")
        return parts[: len(parts) - level + 1] if level else []


@functools.cache
def modules(package: str = PACKAGE) -> tuple[Module, ...]:
    """Return all modules of the package (or of another directory of the repository), sorted by name."""
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module.parse(name, path.read_text(encoding="utf-8"), str(path)))
    return tuple(found)


def repository_files(root: Path = ROOT) -> list[str]:
    """Return the files that belong to the repository, as sorted POSIX paths: tracked, or new and not ignored.

    Outside a git checkout (an unpacked archive) it is every file except those in directories that tools make.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        names = {name for name in answer.split("\0") if name}
    except (OSError, subprocess.CalledProcessError):
        names = set(_walk(root))
    return sorted(name for name in names if (root / name).is_file())


def outside_make() -> dict[str, str]:
    """Return the environment without what would steer a make that a test runs: the make around it, and settings."""
    steering = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS", "PYTHON", "PYTHONS", "VENV"}
    return {name: value for name, value in os.environ.items() if name not in steering}


def _walk(root: Path) -> Iterator[str]:
    for directory, inner, files in os.walk(root):
        inner[:] = [name for name in inner if name not in IGNORED and not name.endswith("_cache")]
        yield from ((Path(directory) / name).relative_to(root).as_posix() for name in files)

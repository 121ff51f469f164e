"""`__all__` is the contract of a module: there, sorted, complete and true."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Iterator

import pytest
from sources import Module, modules

SCRIPTS = ("migrations",)
"""Directories whose files are run by a tool and never imported by name."""


def exporting(tree: Iterable[Module]) -> list[Module]:
    """Return the modules that others may import something from: no scripts, no packages that only have a docstring."""
    return [module for module in tree if len(module.tree.body) > 1 and not {*SCRIPTS} & {*module.name.split(".")}]


def exports(module: Module) -> list[str] | None:
    """Return the literal `__all__` of a module, None when there is none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
                return [str(name) for name in ast.literal_eval(node.value)]
    return None


def order(name: str) -> tuple[int, list[tuple[int, int, str]]]:
    """Sort key as ruff's RUF022: constants, classes, the rest; numbers inside a name by their value."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    parts = re.findall(r"\d+|\D+", name)
    return kind, [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def definitions(module: Module) -> set[str]:
    """Return the public functions and classes defined at the top of a module."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return {node.name for node in statements(module.tree) if isinstance(node, kinds) and not node.name.startswith("_")}


def statements(parent: ast.AST) -> Iterator[ast.AST]:
    """Yield what runs at the top of a module, inside `if`, `try` and `with` too."""
    for node in ast.iter_child_nodes(parent):
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler | ast.Match | ast.match_case):
            yield from statements(node)


def available(name: str) -> frozenset[str]:
    """Return the listed names that a module has once imported; lazily loaded ones are asked for."""
    found = importlib.import_module(name)
    return frozenset(attribute for attribute in found.__all__ if hasattr(found, attribute))


PUBLIC = exporting(modules())
NAMES = [module.name for module in PUBLIC]


@pytest.mark.parametrize("module", PUBLIC, ids=NAMES)
def test_all(module: Module) -> None:
    """`__all__` is there, sorted, without duplicates, and lists every public function and class of the module."""
    listed = exports(module)

    assert listed is not None, f"{module.name} has no __all__"
    assert listed == sorted(set(listed), key=order)
    assert definitions(module) - {*listed} == set()


@pytest.mark.parametrize("module", PUBLIC, ids=NAMES)
def test_listed_names_exist(module: Module) -> None:
    """Every name in `__all__` can be imported."""
    assert {*(exports(module) or ())} - available(module.name) == set()


def test_missing_all_is_found() -> None:
    """A module without `__all__` has none, whatever else it assigns."""
    assert exports(Module.parse("m", "names = ['a']\nx: int")) is None
    assert exports(Module.parse("m", "__all__: list[str] = ['a']")) == ["a"]
    assert exports(Module.parse("m", "__all__ = ('a', 'b')")) == ["a", "b"]


def test_order() -> None:
    """Constants come first, then classes, then functions; 9 comes before 10."""
    names = ["GUARD", "MAX_10", "Guard", "Shield", "X", "a9", "a10", "setup"]

    assert sorted({*names}, key=order) == names


def test_definitions() -> None:
    """Public functions and classes are found in branches too; private, nested and imported names are none of them."""
    text = """
from x import imported
constant = 1
def _private(): ...
def public():
    def nested(): ...
if constant:
    class Conditional: ...
else:
    async def other(): ...
try:
    def tried(): ...
except ImportError:
    def fallback(): ...
"""

    assert definitions(Module.parse("m", text)) == {"public", "Conditional", "other", "tried", "fallback"}


def test_scripts_and_empty_packages_export_nothing() -> None:
    """A migration is found by its file, and a docstring is nothing to import."""
    code = '"""Doc."""\nx = 1'
    tree = [Module.parse(f"ares_otel.server.{name}", code) for name in ("store", "migrations.env")]
    tree.append(Module.parse("ares_otel.server", '"""Doc."""', "ares_otel/server/__init__.py"))

    assert [module.name for module in exporting(tree)] == ["ares_otel.server.store"]

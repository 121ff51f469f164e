"""Functions, classes and modules stay small enough to be read at once (architecture.md, section 6).

How it is counted: a module by the lines of its file; a class by the lines from `class` to its end; a function by the
lines from `def` to its end without its own docstring, which is there for its callers. Decorators, comments and blank
lines count where they stand inside. A nested function counts itself and in the function around it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from statistics import median

import pytest
from sources import Module, modules

FUNCTION, CLASS, MODULE, MEDIAN = 50, 200, 400, 8

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines(node: Function | ast.ClassDef) -> int:
    """Return the size of a function or a class by the rule of this module."""
    last = node.end_lineno or node.lineno
    return last - node.lineno + 1 - (docstring_lines(node) if isinstance(node, Function) else 0)


def docstring_lines(node: Function) -> int:
    """Return how many lines the docstring of a function takes, 0 without one."""
    match node.body[0]:
        case ast.Expr(value=ast.Constant(value=str())) as found:
            return (found.end_lineno or found.lineno) - found.lineno + 1
    return 0


def sizes(module: Module, *kinds: type[Function | ast.ClassDef]) -> Iterator[tuple[str, int]]:
    """Yield place and size of each node of some kinds in a module."""
    for node in ast.walk(module.tree):
        if isinstance(node, kinds):
            yield f"{module.name}:{node.lineno} {node.name}", lines(node)


def functions(tree: Iterable[Module]) -> list[tuple[str, int]]:
    """Return place and size of each function."""
    return [size for module in tree for size in sizes(module, ast.FunctionDef, ast.AsyncFunctionDef)]


def classes(tree: Iterable[Module]) -> list[tuple[str, int]]:
    """Return place and size of each class."""
    return [size for module in tree for size in sizes(module, ast.ClassDef)]


def files(tree: Iterable[Module]) -> list[tuple[str, int]]:
    """Return name and size of each module."""
    return [(module.name, len(module.text.splitlines())) for module in tree]


def over(limit: int, sized: Iterable[tuple[str, int]]) -> list[str]:
    """Return what is larger than a limit."""
    return [f"{place}: {size} lines, at most {limit}" for place, size in sized if size > limit]


def test_functions() -> None:
    """No function is over 50 lines."""
    assert over(FUNCTION, functions(modules())) == []


def test_median_function() -> None:
    """Half of all functions have at most 8 lines."""
    assert median(size for _, size in functions(modules())) <= MEDIAN


def test_classes() -> None:
    """No class is over 200 lines."""
    assert over(CLASS, classes(modules())) == []


def test_modules() -> None:
    """No module is over 400 lines."""
    assert over(MODULE, files(modules())) == []


def test_functions_of_tests_and_tools() -> None:
    """No function is over 50 lines in the tests and tools either."""
    assert over(FUNCTION, functions((*modules("tests"), *modules("deploy")))) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def f(): ...", 1),
        ("def f():\n    return 1", 2),
        ("@cache\n@other\ndef f():\n    return 1", 2),
        ('def f():\n    """One."""\n    return 1', 2),
        ('def f():\n    """One.\n\n    Two.\n    """\n    return 1', 2),
        ('def f():\n    """Only this."""', 1),
        ("def f():\n    # why\n\n    return (\n        1\n    )", 6),
        ("async def f(\n    a,\n):\n    await a", 4),
    ],
)
def test_lines_of_a_function(text: str, expected: int) -> None:
    """Docstring and decorators do not count, everything else between `def` and the end does."""
    assert functions([Module.parse("m", text)]) == [("m:" + str(text.count("@") + 1) + " f", expected)]


def test_lines_of_a_class() -> None:
    """A class counts with docstrings and methods; methods count on their own as well."""
    text = 'class C:\n    """Doc."""\n\n    def f(self):\n        """Doc."""\n        return 1\n'
    tree = [Module.parse("m", text)]

    assert classes(tree) == [("m:1 C", 6)]
    assert functions(tree) == [("m:4 f", 2)]
    assert files(tree) == [("m", 6)]


def test_too_large_is_found() -> None:
    """One line over a limit is over it."""
    assert over(2, [("a", 2), ("b", 3)]) == ["b: 3 lines, at most 2"]

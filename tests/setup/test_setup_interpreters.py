"""Telemetry belongs to the main interpreter: others are refused, at `setup()` or, where that is too late, at import."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from setup_kit import Begin, Bot, decide, named
from sink import Sink

import ares_otel as ares
from ares_otel import interpreter
from ares_otel.guard import GUARD
from ares_otel.setup import surroundings

RUNNING = '''
try:
    import _interpreters as module
except ImportError:
    import _xxsubinterpreters as module

INSIDE = """
try:
    import ares_otel as ares
except ImportError as error:
    told = str(error)
else:
    with ares.setup() as handle:
        with ares.decision(strategy="inside") as d:
            d.resolve("buy")
    told = [handle.owner, ares.flush(), ares.shutdown()]
import json, os
os.write(1, (json.dumps([told]) + "\\\\n").encode())
"""

def run(made):
    getattr(module, "exec", getattr(module, "run_string", None))(made, INSIDE)
    module.destroy(made)

ares.setup()
decide(1)
run(module.create(*sys.argv[1:]) if hasattr(module, "exec") else module.create(isolated=sys.argv[1] == "isolated"))
say(ares.shutdown(20.0))
'''


@pytest.mark.parametrize("kind", ["isolated", "legacy"])
def test_a_sub_interpreter(tmp_path: Path, sink: Sink, kind: str) -> None:
    """It gets a plain word or an ImportError that says the same, and the main interpreter's telemetry goes on."""
    ended = Bot(RUNNING, tmp_path, sink, kind).end()
    inside, main = ended.well
    assert main == [True]
    assert named(sink) == ["s1"]
    if inside == [interpreter.REFUSED]:
        assert kind == "isolated" or sys.version_info[:2] == interpreter.EMPTY_HANDED
    else:
        assert inside == [[False, True, True]]
        assert "this is a sub-interpreter" in ended.errors


def test_the_refusal_at_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where daemon threads are not allowed the interpreter is isolated, and extension modules are not to be had."""
    with pytest.raises(ImportError, match="use a process"):
        interpreter.require_possible(lambda: False)
    interpreter.require_possible(lambda: True, (3, 13))
    interpreter.require_possible()
    monkeypatch.setattr(interpreter, "is_main", lambda: False)
    interpreter.require_possible(lambda: True, (3, 13))
    with pytest.raises(ImportError, match="use a process"):
        interpreter.require_possible(lambda: True, (3, 12))


class Interpreters:
    """The module of the interpreter, as different Pythons have it."""

    def __init__(self, current: object, main: object) -> None:
        self.get_current = lambda: current
        self.get_main = lambda: main


@pytest.mark.parametrize(
    ("current", "main", "expected"), [((0, 1), (0, 1), True), ((3, 2), (0, 1), False), (0, 0, True), (2, 0, False)]
)
def test_which_one_this_is(monkeypatch: pytest.MonkeyPatch, current: object, main: object, *, expected: bool) -> None:
    """By its number, which from Python 3.13 on comes with how the interpreter was made."""
    monkeypatch.setattr(importlib, "import_module", lambda _: Interpreters(current, main))
    assert interpreter.is_main() is expected


def test_a_python_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another implementation may know nothing of interpreters: then this is the only one."""

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    assert interpreter.is_main()


def test_set_up_in_another_interpreter(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing starts, nothing raises."""
    monkeypatch.setattr(surroundings, "is_main", lambda: False)
    assert not begin().owner
    decide(ares, "s1")
    assert GUARD.counts() == {"setup": 1}


def test_a_python_without_its_lock(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A free-threaded build is refused while it runs free-threaded: a word in the log says why, and what to do."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with begin() as handle:
        decide(ares, "s1")
        assert not handle.owner
    assert GUARD.counts() == {"setup": 1}
    assert "set PYTHON_GIL=1, or use the usual build of Python" in caplog.text
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: True, raising=False)
    assert surroundings.refusal() is None
    monkeypatch.delattr(sys, "_is_gil_enabled")
    assert surroundings.refusal() is None

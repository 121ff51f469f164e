"""In which interpreter of the process this is; importing it is refused where what follows would end the process.

An isolated sub-interpreter refuses `msgspec`, and from Python 3.12 on the process has been seen to die of that when the
interpreter is over; Python 3.12 gives any other one a `msgspec` with nothing in it. So the package looks here before it
imports anything else.
"""

from __future__ import annotations

import _thread
import importlib
import sys
from typing import Any

__all__ = ["is_main", "require_possible"]

MODULES = ("_interpreters", "_xxsubinterpreters")
EMPTY_HANDED = (3, 12)
REFUSED = (
    "ares_otel does not work in this sub-interpreter, where extension modules or daemon threads are not to be had; "
    "import it in the main interpreter, or use a process"
)


def is_main() -> bool:
    """Tell whether this code runs in the main interpreter of the process."""
    for name in MODULES:
        try:
            interpreters: Any = importlib.import_module(name)
        except ImportError:
            continue
        return _number(interpreters.get_current()) == _number(interpreters.get_main())
    return True


def _number(interpreter: Any) -> int:
    """Return the id of an interpreter; from Python 3.13 on it comes with how the interpreter was made."""
    return int(interpreter[0] if isinstance(interpreter, tuple) else interpreter)


def require_possible(allowed: Any = None, version: tuple[object, ...] = sys.version_info) -> None:
    """Refuse a sub-interpreter in which the package cannot be imported.

    Args:
        allowed: tells whether daemon threads are: not in an isolated one. Python 3.11 does not tell.
        version: of Python.

    Raises:
        ImportError: this is one.
    """
    allowed = allowed or getattr(_thread, "daemon_threads_allowed", None)
    is_isolated = allowed is not None and not allowed()
    if is_isolated or (version[:2] == EMPTY_HANDED and not is_main()):
        raise ImportError(REFUSED)


require_possible()

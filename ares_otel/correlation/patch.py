"""A function of the standard library that does something more while telemetry runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

__all__ = ["Patch"]


class Patch:
    """Replaces a method of a class, and takes that back.

    Somebody else may have replaced it in the meantime. Putting the original back would then undo what they did, so
    ours stays beneath theirs and does nothing more until it is installed again.

    Args:
        owner: the class.
        name: of the method.
        make: takes the original, returns what is called in its place while this is installed.
    """

    def __init__(self, owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self.owner = owner
        self.name = name
        self.make = make
        self.active = False
        self._original: Callable[..., Any] | None = None
        self._replacement: Callable[..., Any] | None = None

    def install(self) -> None:
        """Replace the method from now on."""
        self.active = True
        if self._replacement is not None:
            return
        original = self._original = getattr(self.owner, self.name)
        changed = self.make(original)

        @wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return (changed if self.active else original)(*args, **kwargs)

        self._replacement = replacement
        setattr(self.owner, self.name, replacement)

    def uninstall(self) -> None:
        """Take back `install()`."""
        self.active = False
        if self._replacement is not None and getattr(self.owner, self.name) is self._replacement:
            setattr(self.owner, self.name, self._original)
            self._original = self._replacement = None

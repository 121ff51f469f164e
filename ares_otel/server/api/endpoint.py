"""One declaration of an endpoint gives its route, the check of its parameters, and its documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias, get_type_hints

import msgspec

__all__ = ["Endpoint", "Nothing", "Question", "endpoint"]

PLACES: Final = re.compile(r"{(\w+)}")

Question: TypeAlias = Callable[..., Any]


class Nothing(msgspec.Struct, frozen=True):
    """No parameters."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A question that is asked by GET.

    Attributes:
        path: below `/api/v1` and `/api`; names in braces are parameters of the path.
        ask: the question; its second argument, a struct, declares the parameters, its result the answer.
        tag: group in the documentation.
        asked: what declares the parameters.
        answer: type of the answer.
    """

    path: str
    ask: Question
    tag: str
    asked: type[msgspec.Struct]
    answer: Any

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the parameters in the path."""
        return tuple(PLACES.findall(self.path))

    @property
    def name(self) -> str:
        """Unique name of the operation."""
        return re.sub(r"\W+", "_", self.path.strip("/").replace("{", "by_").replace("}", ""))

    @property
    def summary(self) -> str:
        """First sentence of what it does."""
        return self.about.partition("\n")[0]

    @property
    def about(self) -> str:
        """What it does, of several lines."""
        return re.sub(r"\n +", "\n", (self.ask.__doc__ or "").strip())


def endpoint(path: str, ask: Question, tag: str) -> Endpoint:
    """Declare an endpoint by its question, whose annotations say the rest."""
    hints = get_type_hints(ask, include_extras=True)
    answer = hints.pop("return")
    asked = [kind for name, kind in hints.items() if name != "reader"]
    return Endpoint(path=path, ask=ask, tag=tag, asked=asked[0] if asked else Nothing, answer=answer)

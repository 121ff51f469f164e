"""State of a monitor in a file: JSON with a version and a hash, never a pickle.

Numbers are written so that reading gives the same bits. A file is replaced as a whole, so a crash leaves the old one.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import msgspec

from ares_otel.ml.whole import replace_whole

__all__ = ["StateError", "read_state", "write_state"]

State = TypeVar("State", bound=msgspec.Struct)


class StateError(ValueError):
    """A file is not the state that it should be: of something else, of another version, or damaged."""


class _File(msgspec.Struct, frozen=True):
    of: str
    version: int
    sha256: str
    state: msgspec.Raw


def write_state(path: str | os.PathLike[str], of: str, version: int, state: msgspec.Struct) -> None:
    """Write a state without NaN or infinity; `of` and `version` say what it is.

    Raises:
        OSError: if the file cannot be written.
    """
    content = msgspec.json.encode(state)
    whole = msgspec.json.encode(_File(of, version, sha256(content).hexdigest(), msgspec.Raw(content)))
    replace_whole(path, whole)


def read_state(path: str | os.PathLike[str], of: str, version: int, kind: type[State]) -> State:
    """Return the state that `write_state` wrote.

    Raises:
        OSError: if the file cannot be read.
        StateError: if it holds something else.
    """
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=_File)
        if (found.of, found.version) != (of, version):
            raise StateError(f"{path}: state of {found.of} {found.version}, not of {of} {version}")
        if sha256(found.state).hexdigest() != found.sha256:
            raise StateError(f"{path}: damaged, its hash differs")
        return msgspec.json.decode(found.state, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as wrong:
        raise StateError(f"{path}: no state: {wrong}") from wrong

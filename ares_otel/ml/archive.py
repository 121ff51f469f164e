"""Arrays and their header in one file: npz with JSON, a version and a hash, never a pickle."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np

from ares_otel.ml.whole import replace_whole

__all__ = ["ArchiveError", "digest", "read", "write"]

Arrays: TypeAlias = dict[str, np.ndarray[Any, np.dtype[Any]]]
Header = TypeVar("Header", bound=msgspec.Struct)

HEADER: Final = "header"
WRONG: Final = (ValueError, KeyError, OSError, EOFError, AttributeError, zipfile.BadZipFile, msgspec.MsgspecError)
"""What numpy raises of files that are no archives, and msgspec of headers."""


class ArchiveError(ValueError):
    """A file is not what it should be: of something else, of another version, or damaged."""


class _Head(msgspec.Struct, frozen=True):
    of: str
    version: int
    sha256: str
    facts: msgspec.Raw


def digest(facts: bytes, arrays: Mapping[str, np.ndarray[Any, np.dtype[Any]]]) -> str:
    """Return the hash of a header and of arrays with their names, types and shapes."""
    found = sha256(facts)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def write(
    path: str | os.PathLike[str],
    of: str,
    version: int,
    facts: msgspec.Struct,
    arrays: Mapping[str, np.ndarray[Any, Any]],
) -> None:
    """Write a file as a whole, so that a crash leaves the old one; OSError if it cannot be written."""
    content = msgspec.json.encode(facts)
    head = msgspec.json.encode(_Head(of, version, digest(content, arrays), msgspec.Raw(content)))
    whole = io.BytesIO()
    named: dict[str, Any] = {HEADER: np.frombuffer(head, np.uint8), **arrays}
    np.savez_compressed(whole, **named)
    replace_whole(path, whole.getvalue())


def read(path: str | os.PathLike[str], of: str, version: int, kind: type[Header]) -> tuple[Header, Arrays]:
    """Return what `write` wrote; ArchiveError if a file holds something else, OSError if it cannot be read."""
    content = Path(path).read_bytes()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = msgspec.json.decode(arrays.pop(HEADER).tobytes(), type=_Head)
    except WRONG as wrong:
        raise ArchiveError(f"{path}: no {of}: {wrong}") from wrong
    if (head.of, head.version) != (of, version):
        raise ArchiveError(f"{path}: {head.of} {head.version}, not {of} {version}")
    if digest(bytes(head.facts), arrays) != head.sha256:
        raise ArchiveError(f"{path}: damaged, its hash differs")
    return msgspec.json.decode(head.facts, type=kind), arrays

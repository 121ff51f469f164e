"""Files of references and monitors: JSON where there are facts alone, npz with the same JSON where there are arrays.

Both hold what they are of, a version and a hash, and never a pickle. Numbers are written so that reading gives the same
bits. A file is replaced as a whole, so that a crash leaves the old one.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import numpy as np

from ares_otel.ml.whole import replace_whole

__all__ = ["UNZIPPED", "ArchiveError", "digest", "read", "read_state", "write", "write_state"]

Arrays: TypeAlias = dict[str, np.ndarray[Any, np.dtype[Any]]]
Header = TypeVar("Header", bound=msgspec.Struct)

HEADER: Final = "header"
UNZIPPED: Final = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, RuntimeError)
"""What is raised of a file that is no zip archive, or of which bits have turned; RuntimeError: it seems encrypted."""
WRONG: Final = (*UNZIPPED, ValueError, OSError, AttributeError, msgspec.MsgspecError)
"""The same of an archive of numpy, whose header is one of msgspec."""


class ArchiveError(ValueError):
    """A file is not what it should be: of something else, of another version, or damaged."""


class _File(msgspec.Struct, frozen=True):
    """A file of facts alone; what they are is called `state`, as such files have always had it."""

    of: str
    version: int
    sha256: str
    state: msgspec.Raw


class _Head(msgspec.Struct, frozen=True):
    of: str
    version: int
    sha256: str
    facts: msgspec.Raw


def write_state(path: str | os.PathLike[str], of: str, version: int, state: msgspec.Struct) -> None:
    """Write facts without NaN or infinity; OSError if the file cannot be written."""
    content = msgspec.json.encode(state, enc_hook=_own)
    replace_whole(path, msgspec.json.encode(_File(of, version, digest(content, {}), msgspec.Raw(content))))


def _own(value: Any) -> object:
    """Return a number of numpy, such as a time that was given as one, as one of Python's."""
    return value.item()


def read_state(path: str | os.PathLike[str], of: str, version: int, kind: type[Header]) -> Header:
    """Return what `write_state` wrote; ArchiveError if a file holds something else, OSError if it cannot be read."""
    try:
        found = msgspec.json.decode(Path(path).read_bytes(), type=_File)
        _check(path, (found.of, found.version), (of, version), digest(bytes(found.state), {}) == found.sha256)
        return msgspec.json.decode(found.state, type=kind)
    except (msgspec.DecodeError, msgspec.ValidationError) as wrong:
        raise ArchiveError(f"{path}: no {of}: {wrong}") from wrong


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


def read(
    path: str | os.PathLike[str], of: str, version: int, kind: type[Header], oldest: int | None = None
) -> tuple[Header, Arrays]:
    """Return what `write` wrote in this version, or in one from the oldest on.

    ArchiveError if a file holds something else, OSError if it cannot be read.
    """
    content = Path(path).read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(content)):  # numpy would advise to trust it
        raise ArchiveError(f"{path}: no {of}: it is no archive of numpy")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        head = msgspec.json.decode(arrays.pop(HEADER).tobytes(), type=_Head)
    except WRONG as wrong:
        raise ArchiveError(f"{path}: no {of}: {wrong}") from wrong
    is_older = oldest is not None and oldest <= head.version < version
    asked = of, head.version if is_older else version
    _check(path, (head.of, head.version), asked, digest(bytes(head.facts), arrays) == head.sha256)
    return msgspec.json.decode(head.facts, type=kind), arrays


def _check(path: object, found: tuple[str, int], asked: tuple[str, int], intact: bool) -> None:  # noqa: FBT001
    if found != asked:
        raise ArchiveError(f"{path}: {found[0]} {found[1]}, not {asked[0]} {asked[1]}")
    if not intact:
        raise ArchiveError(f"{path}: damaged, its hash differs")

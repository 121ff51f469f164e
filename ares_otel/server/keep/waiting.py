"""Requests that wait in a temporary file until all of an import has been checked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import msgspec

__all__ = ["Waiter", "Waiting"]

LENGTH: Final = 8


class Waiter(msgspec.Struct, frozen=True, array_like=True):
    """A request as protobuf, and where it stands."""

    path: str
    line: int
    body: bytes


class Waiting:
    """Keeps requests in the order in which they were added; a context manager."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="ares-otel-")  # noqa: SIM115  closed at the end of the block

    def add(self, waiter: Waiter) -> None:
        """Add one."""
        data = msgspec.msgpack.encode(waiter)
        self._file.write(len(data).to_bytes(LENGTH, "big") + data)

    def __iter__(self) -> Iterator[Waiter]:
        self._file.seek(0)
        while length := self._file.read(LENGTH):
            yield msgspec.msgpack.decode(self._file.read(int.from_bytes(length, "big")), type=Waiter)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()

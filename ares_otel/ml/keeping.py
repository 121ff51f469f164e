"""The state of a watched model in one file, so that all of its monitors go on from the same bar after a restart.

Each monitor writes a file of its own; they are put into an archive (not compressed, no times in it: the same state is
the same bytes), which replaces the one before as a whole. A crash leaves the old state or the new one.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeVar

from ares_otel.ml.archive import UNZIPPED, ArchiveError
from ares_otel.ml.whole import replace_whole

__all__ = ["HEADER", "Saved", "Saving", "is_state", "packed", "read", "restored", "safe", "saved", "write"]

M = TypeVar("M")
HEADER: Final = "watch.json"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
LONGEST: Final = 80


class Saved(Protocol):
    """What can be written to a file."""

    def save(self, path: Path, /) -> None:
        """Write the state."""


Saving = Mapping[str, Saved]
"""Monitors by name."""


def write(path: Path, header: bytes, parts: Saving) -> None:
    """Replace what is saved with a header and the states of monitors.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_whole(path, packed(header, parts))


def packed(header: bytes, parts: Saving) -> bytes:
    """Return a header and the states of monitors as one archive."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr(zipfile.ZipInfo(HEADER, EPOCH), header)
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), saved(part))
    return whole.getvalue()


def is_state(path: Path) -> bool:
    """Tell whether a file is a state of a watched model."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return HEADER in archive.namelist()


def safe(name: str) -> str:
    """Return a file name for a model: its own name if that is one, else one that is no other model's."""
    made = UNSAFE.sub("_", name)[:LONGEST].lstrip(".")
    return made if made == name else f"{made}-{zlib.crc32(name.encode(errors='surrogatepass')):08x}"


def saved(part: Saved) -> bytes:
    """Return the state of a monitor as bytes."""
    with TemporaryDirectory(prefix="ares-state-") as folder:
        file = Path(folder) / "state"
        part.save(file)
        return _only(file).read_bytes()


def restored(state: bytes, load: Callable[[Path], M]) -> M:
    """Return a monitor made of its state."""
    with TemporaryDirectory(prefix="ares-state-") as folder:
        file = Path(folder) / "state"
        file.write_bytes(state)
        return load(file)


def _only(file: Path) -> Path:
    """Return the file that was written; numpy adds an ending to a name that has none."""
    return file if file.exists() else next(file.parent.glob(f"{file.name}.*"))


@contextmanager
def read(path: Path | io.BytesIO) -> Iterator[tuple[bytes, dict[str, Path]]]:
    """Give the header and the monitors' files of a file or of what `packed` returned; they are there within the block.

    Raises:
        FileNotFoundError: nothing is saved.
        OSError: it cannot be read.
        ArchiveError: it is no such file.
    """
    with TemporaryDirectory(prefix="ares-state-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                header = archive.read(HEADER)
                names = [name for name in archive.namelist() if name != HEADER]
                for name in names:
                    (Path(folder) / Path(name).name).write_bytes(archive.read(name))
        except UNZIPPED as error:
            raise ArchiveError(f"{path}: no state of a watched model ({error})") from error
        yield header, {name: Path(folder) / Path(name).name for name in names}

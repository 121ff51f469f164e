"""Cases of a section in processes, and those of a run that was interrupted.

With `--resume` what was judged of a section before is not judged again, as long as nothing has changed that it is made
of: the module it is in and all that this one imports of ours. It is kept below build/.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

__all__ = ["PROCESSES", "RESUME", "digest", "each", "saved"]

T = TypeVar("T")
R = TypeVar("R")
ROOT: Final = Path(__file__).resolve().parents[3]
HERE: Final = Path(__file__).resolve().parent
DONE: Final = ROOT / "build" / "drift" / "done"
PROCESSES: Final = int(os.environ.get("ARES_DRIFT_PROCESSES", "2"))
RESUME: Final = "ARES_DRIFT_RESUME"
"""Set in the environment where earlier cases are to be taken."""
IMPORTED: Final = re.compile(r"^(?:from ([\w.]+) )?import ([\w., ]+)", re.MULTILINE)


class Judged(NamedTuple):
    """What came of a case, and the seconds of a processor that it took."""

    result: Any
    seconds: float


class Saved:
    """Seconds that `--resume` has saved since they were asked for last, were all processes busy all the time."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def told(self) -> float:
        """Return them, and begin anew."""
        found, self.seconds = self.seconds, 0.0
        return found


saved: Final = Saved()


def _judged(function: Callable[[T], Any], case: T) -> Judged:
    started = time.process_time()
    return Judged(function(case), time.process_time() - started)


def each(function: Callable[[T], R], cases: Iterable[T], chunk: int = 5) -> Iterator[R]:
    """Do the same for each case, in processes, and yield what comes of it in order."""
    asked = list(cases)
    if not os.environ.get(RESUME):
        yield from (judged.result for judged in _all(function, asked, chunk))
        return
    path = DONE / f"{function.__module__}.{function.__qualname__}-{digest(function.__module__)[:12]}"
    known: dict[str, Judged] = dict(_read(path))
    saved.seconds += sum(known[repr(case)].seconds for case in asked if repr(case) in known) / PROCESSES
    missing = [case for case in asked if repr(case) not in known]
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for item in known.items():  # again: what was interrupted may end anywhere
            pickle.dump(item, file)
        for case, judged in zip(missing, _all(function, missing, chunk), strict=True):
            known[repr(case)] = judged
            pickle.dump((repr(case), judged), file)
            file.flush()
    yield from (known[repr(case)].result for case in asked)


def _all(function: Callable[[T], Any], cases: list[T], chunk: int) -> Iterator[Judged]:
    judged = partial(_judged, function)
    if PROCESSES == 1 or not cases:
        yield from map(judged, cases)
        return
    with Pool(PROCESSES) as pool:
        yield from pool.imap(judged, cases, chunksize=chunk)


def _read(path: Path) -> Iterator[tuple[str, Judged]]:
    """Yield what a file holds, up to where a run was interrupted."""
    with suppress(FileNotFoundError, EOFError, pickle.UnpicklingError), path.open("rb") as file:
        while True:
            yield pickle.load(file)  # noqa: S301  this wrote it


def digest(module: str) -> str:
    """Return what changes when a module does, or anything of ours that it imports."""
    found: dict[str, bytes] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = None if name in found else _source(name)
        if path is not None:
            found[name] = path.read_bytes()
            waiting += _imported(found[name].decode())
    return hashlib.sha256(b"\0".join(found[name] for name in sorted(found))).hexdigest()


def _imported(text: str) -> Iterator[str]:
    """Yield the names of all that may be modules which a text imports."""
    for package, names in IMPORTED.findall(text):
        yield package
        yield from (f"{package}.{name.strip()}".strip(".") for name in names.split(","))


def _source(module: str) -> Path | None:
    """Return the file of a module, if it is one of ours."""
    parts = module.split(".")
    places = (HERE / f"{module}.py", ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts, "__init__.py"))
    ours = parts[0] == "ares_otel" or (HERE / f"{parts[0]}.py").exists()
    return next((place for place in places if ours and place.exists()), None)

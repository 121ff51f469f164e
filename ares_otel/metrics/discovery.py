"""The file in which Prometheus finds the bots of a host (`file_sd_configs`), shared by all of them."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil

from ares_otel.guard import GUARD, Guard

__all__ = ["Discovery"]

PID: Final = "__meta_ares_pid"
HOST: Final = "__meta_ares_host"
STARTED: Final = "__meta_ares_started"
WAIT: Final = 0.08
SAME_START: Final = 10.0
ANY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104  compared, not bound


class Discovery:
    """Keeps this process' entry in a file_sd file.

    Entries of bots on this host whose process is gone are removed; entries of others (another host or container, a
    human) are left alone. Which process an entry belongs to stands in labels beginning with `__meta_`, which Prometheus
    drops after relabeling.

    Args:
        path: the JSON file; its directory is made.
        labels: labels of the target, such as service_name, service_instance_id, mode.
        guard: counts errors; no method raises for what the file system does.
    """

    def __init__(self, path: str | os.PathLike[str], labels: Mapping[str, str], guard: Guard = GUARD) -> None:
        self._path = Path(path)
        self._labels = dict(labels)
        self._guard = guard

    def add(self, host: str, port: int) -> None:
        """Write the address as a target of Prometheus."""
        target = _target(host, port)
        own = {
            PID: str(os.getpid()),
            HOST: socket.gethostname(),
            STARTED: f"{psutil.Process().create_time():.2f}",
        }
        entry = {"targets": [target], "labels": {**self._labels, **own}}
        self._change(lambda entries: [*_without(entries, target), entry])

    def remove(self, host: str, port: int) -> None:
        """Take the address out again."""
        target = _target(host, port)
        self._change(lambda entries: _without(entries, target))

    def _change(self, change: Callable[[list[Any]], list[Any]]) -> None:
        with self._guard.shield("metrics.discovery"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self._path.with_name(f"{self._path.name}.lock")):
                before = self._read()
                after = change([entry for entry in before if _alive(entry)])
                if after != before:
                    _write(self._path, after)

    def _read(self) -> list[Any]:
        try:
            entries = json.loads(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except ValueError:
            entries = None
        if isinstance(entries, list):
            return entries
        aside = self._path.with_name(f"{self._path.name}.broken")
        self._guard.complain("metrics.discovery", "file", f"{self._path} is no list of targets; moved to {aside.name}")
        self._path.replace(aside)
        return []


def _without(entries: list[Any], target: str) -> list[Any]:
    return [entry for entry in entries if not (_ours(entry) and entry.get("targets") == [target])]


def _ours(entry: Any) -> bool:
    labels = entry.get("labels") if isinstance(entry, dict) else None
    return isinstance(labels, dict) and labels.get(HOST) == socket.gethostname()


def _alive(entry: Any) -> bool:
    """Tell whether an entry has to stay: its process lives, or it is not ours to judge."""
    if not _ours(entry):
        return True
    labels = entry["labels"]
    try:
        process = psutil.Process(int(labels[PID]))
        same = abs(process.create_time() - float(labels[STARTED])) < SAME_START
        return same and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, KeyError, ValueError):
        return False


def _target(host: str, port: int) -> str:
    name = socket.gethostname() if host in ANY_ADDRESS else host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _write(path: Path, entries: list[Any]) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fresh.write_text(json.dumps(entries, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file's lock, waiting less than a tenth of a second for it."""
    import fcntl  # noqa: PLC0415  the rest of the package works where there is no fcntl

    deadline = time.monotonic() + WAIT
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f"{path} is locked by another process") from None
                time.sleep(0.005)
        yield

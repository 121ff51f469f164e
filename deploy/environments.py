# ruff: noqa: INP001  (a script of the repository, no part of the package)
"""Fill a fresh virtual environment whose installation takes long, from the user's cache if it has been made before.

`make check-oldest` and `make check-drift` run it by the environment's own Python. What was installed is kept under the
name of the environment and a hash of all that decides on it, so a fresh checkout takes it in seconds and a changed
requirement installs anew beside the old one. Files are linked, not copied, where the disk allows: nothing writes into
installed files, tools replace them. The project itself is installed into each checkout, editable, without its
dependencies.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Environment", "Wanted", "cache_dir", "main", "requirements"]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ares_otel"
PROJECT = "ares-otel"
HASH_LENGTH = 12
FORGOTTEN = 60 * 86_400
USED = "used"
BUILDS = ("editables",)
"""What hatchling needs beside itself for an editable installation."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an environment is to hold.

    Attributes:
        name: what it is called in the cache.
        extras: those of the project.
        files: requirement files.
        constraints: files of constraints.
        imports: modules to import once before it is kept, so that they are compiled.
    """

    name: str
    extras: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    imports: tuple[str, ...] = ()

    def key(self, table: Mapping[str, Any]) -> str:
        """Return the name under which exactly this is kept, for this Python on this kind of machine."""
        needed = sorted(requirements(table, self.extras))
        found = hashlib.sha256(repr((sys.version, platform.machine(), needed, self.imports)).encode())
        for path in (*self.files, *self.constraints):
            found.update(path.read_bytes())
        return f"{self.name}-{found.hexdigest()[:HASH_LENGTH]}"


def requirements(table: Mapping[str, Any], extras: Sequence[str]) -> Iterator[str]:
    """Yield what the project and some extras of it need, with what these take from others."""
    yield from table["project"]["dependencies"]
    yield from table["build-system"]["requires"]
    yield from _of_extras(table["project"]["optional-dependencies"], extras)


def _of_extras(known: Mapping[str, Sequence[str]], extras: Sequence[str]) -> Iterator[str]:
    for line in (line for extra in extras for line in known[extra]):
        inner = re.match(rf"{PROJECT}\[([\w,-]+)\]", line)
        if inner:
            yield from _of_extras(known, inner[1].split(","))
        else:
            yield line


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of all kept environments; relative values of XDG_CACHE_HOME do not count."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return base / "ares-otel" / "environments"


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment: where packages lie in it, and where programs.

    Attributes:
        packages: its site-packages.
        programs: its bin.
    """

    packages: Path
    programs: Path

    @classmethod
    def own(cls) -> Environment:
        """Return that of the running Python."""
        return cls(Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts")))

    def keep(self, home: Path) -> None:
        """Put all but the project itself into a directory, which appears when it is complete.

        The Python itself and its ways to activate stay in it: each environment has its own.
        """
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home.parent, prefix="keep-") as scratch:
            made = Path(scratch, "made")
            for part, source in (("packages", self.packages), ("programs", self.programs)):
                for path in _files(source):
                    _link(source / path, made / part / path)
            (made / USED).touch()
            try:
                made.rename(home)
            except OSError:
                if not home.exists():  # somebody else was quicker, and has kept the same
                    raise

    def take(self, home: Path) -> None:
        """Take what was kept; programs get the Python of this environment."""
        (home / USED).touch()
        for path in _files(home / "packages"):
            _link(home / "packages" / path, self.packages / path)
        for path in _files(home / "programs"):
            self._program(home / "programs" / path, self.programs / path)

    def _program(self, source: Path, target: Path) -> None:
        if target.exists() or source.name == PROJECT:
            return
        text = source.read_bytes()
        first, end, rest = text.partition(b"\n")
        if first.startswith(b"#!") and b"python" in first:
            text = f"#!{self.programs / 'python'}".encode() + end + rest
        target.write_bytes(text)
        shutil.copymode(source, target)


def _files(directory: Path) -> Iterator[Path]:
    """Yield the files below a directory, relative to it, without those of the project."""
    for folder, inner, names in os.walk(directory):
        inner[:] = [name for name in inner if not name.startswith(f"{PACKAGE}-")]
        yield from (Path(folder, name).relative_to(directory) for name in names if PACKAGE not in name)


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


def _install(wanted: Wanted, table: Mapping[str, Any]) -> None:
    extras = f"[{','.join(wanted.extras)}]" if wanted.extras else ""
    files = [word for path in wanted.files for word in ("-r", str(path))]
    bounds = [word for path in wanted.constraints for word in ("-c", str(path))]
    _pip(*bounds, *files, *table["build-system"]["requires"], *BUILDS, "-e", f"{ROOT}{extras}")
    if wanted.imports:
        code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
        writing = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        command = [sys.executable, "-c", code, *wanted.imports]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=writing)  # noqa: S603


def _pip(*words: str) -> None:
    quiet = ("--quiet", "--disable-pip-version-check", "--no-compile")
    subprocess.run([sys.executable, "-m", "pip", "install", *quiet, *words], check=True)  # noqa: S603


def _forget(name: str, home: Path) -> None:
    """Remove what is kept under the same name and was not used for two months."""
    for other in home.parent.glob(f"{name}-*"):
        used = other / USED
        if other != home and (not used.exists() or time.time() - used.stat().st_mtime > FORGOTTEN):
            shutil.rmtree(other, ignore_errors=True)


def _fill(wanted: Wanted) -> None:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    home = cache_dir() / wanted.key(table)
    own = Environment.own()
    if home.exists():
        own.take(home)
        _pip("--no-deps", "--no-build-isolation", "-e", str(ROOT))
        return
    sys.stdout.write(f"Installing what {home.name} has to hold; a fresh checkout will find it in {home.parent}\n")
    sys.stdout.flush()
    _install(wanted, table)
    own.keep(home)
    _forget(wanted.name, home)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the environment of the Python that runs this."""
    parser = argparse.ArgumentParser(description="Fill a virtual environment, from the user's cache if it is there.")
    parser.add_argument("name")
    parser.add_argument("--extra", action="append", default=[])
    parser.add_argument("-r", "--requirements", action="append", default=[], type=Path)
    parser.add_argument("-c", "--constraints", action="append", default=[], type=Path)
    parser.add_argument("--import", action="append", default=[], dest="imports", metavar="MODULE")
    args = parser.parse_args(arguments)
    wanted = Wanted(
        args.name, tuple(args.extra), tuple(args.requirements), tuple(args.constraints), tuple(args.imports)
    )
    try:
        _fill(wanted)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"the environment {args.name} could not be installed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

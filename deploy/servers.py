# ruff: noqa: INP001  (a script of the repository, no part of the package)
"""Build the real servers that the end-to-end tests talk to, outside the repository: `make servers`.

Each is kept in the user's cache directory under its version and the hash of all that went into it, so a second run does
nothing and a changed manifest builds anew beside the old one. Needs Go (from the version in `GO_NEEDED` on) and the Go
module proxy, nothing of Python but the standard library.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

__all__ = ["SERVERS", "Collector", "MissingToolError", "Modules", "Server", "build", "cache_dir", "main"]

DEPLOY = Path(__file__).resolve().parent
GO_NEEDED = (1, 25)
BUILDER = "go.opentelemetry.io/collector/cmd/builder"
GO_FLAGS = "-mod=mod -p=2 -trimpath -buildvcs=false"
HASH_LENGTH = 12
MADE = "build"


class MissingToolError(RuntimeError):
    """A program that a build needs is missing or too old; the message says which and where it comes from."""


@dataclass(frozen=True, slots=True)
class Server(ABC):
    """What is built out of one manifest: a server, and the tools that come with it. Use a subclass.

    Attributes:
        name: what the server is called here and on the command line.
        manifest: the file that says what goes into it, and in which version.
    """

    name: str
    manifest: Path

    version_line: ClassVar[str]

    @property
    def version(self) -> str:
        """The release that the manifest asks for."""
        return self._declared(self.version_line, "version")

    @property
    @abstractmethod
    def programs(self) -> tuple[str, ...]:
        """The names of the binaries, the server's own first."""

    @abstractmethod
    def command(self, scratch: Path) -> Sequence[str]:
        """Prepare a directory and return the command that makes the binaries in its `build/`."""

    def home(self, environ: Mapping[str, str] = os.environ) -> Path:
        """Return the directory of exactly this build: by version, and by hash of manifest and flags."""
        ingredients = self.manifest.read_bytes() + GO_FLAGS.encode()
        digest = hashlib.sha256(ingredients).hexdigest()[:HASH_LENGTH]
        return cache_dir(environ) / f"{self.name}-{self.version}" / digest

    def binary(self, environ: Mapping[str, str] = os.environ) -> Path:
        """Return where the server's binary is, or will be once it is built; its tools lie beside it."""
        return self.home(environ) / self.programs[0]

    def _declared(self, line: str, key: str) -> str:
        found = re.search(rf"^{line.format(key)} (\S+)$", self.manifest.read_text(encoding="utf-8"), re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.manifest}: {key} is missing")
        return found[1]


@dataclass(frozen=True, slots=True)
class Collector(Server):
    """A collector that OpenTelemetry's builder makes out of its own kind of manifest (`dist.name`, `dist.version`)."""

    version_line: ClassVar[str] = "  {}:"

    @property
    def programs(self) -> tuple[str, ...]:
        """The one binary, by the name of the distribution."""
        return (self._declared(self.version_line, "name"),)

    def command(self, scratch: Path) -> Sequence[str]:
        """Return the call of the builder of the same release."""
        del scratch  # the builder makes all it needs
        return ["go", "run", f"{BUILDER}@v{self.version}", f"--config={self.manifest}", "--ldflags=-s -w"]


@dataclass(frozen=True, slots=True)
class Modules(Server):
    """Programs of a Go module, built in a module around it: the manifest is the go.mod of that one.

    Attributes:
        packages: the programs' packages, the server's own first.
    """

    packages: tuple[str, ...] = ()

    version_line: ClassVar[str] = "// {}:"

    @property
    def programs(self) -> tuple[str, ...]:
        """The binaries, which Go calls after the last part of their packages."""
        return tuple(package.rpartition("/")[2] for package in self.packages)

    def command(self, scratch: Path) -> Sequence[str]:
        """Put the go.mod in its place and return the build of all programs, which know their version then."""
        shutil.copyfile(self.manifest, scratch / "go.mod")
        flags = f"-ldflags=-s -w -X github.com/prometheus/common/version.Version={self.version}"
        return ["go", "build", flags, "-o", f"{MADE}/", *self.packages]


PROMETHEUS = "github.com/prometheus"
SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Collector("otelcol", DEPLOY / "collector" / "builder.yaml"),
        Modules(
            "prometheus",
            DEPLOY / "servers" / "prometheus.mod",
            (f"{PROMETHEUS}/prometheus/cmd/prometheus", f"{PROMETHEUS}/prometheus/cmd/promtool"),
        ),
        Modules(
            "alertmanager",
            DEPLOY / "servers" / "alertmanager.mod",
            (f"{PROMETHEUS}/alertmanager/cmd/alertmanager", f"{PROMETHEUS}/alertmanager/cmd/amtool"),
        ),
    )
}


def cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory that holds all built servers; relative values of XDG_CACHE_HOME do not count."""
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():
        base = Path(environ.get("HOME", "~")).expanduser() / ".cache"
    return base / "ares-otel" / "servers"


def build(server: Server, environ: Mapping[str, str] = os.environ) -> Path:
    """Build a server unless it is there already; return its binary.

    Raises:
        MissingToolError: Go is missing or too old.
        subprocess.CalledProcessError: the build failed; its output went to stderr.
    """
    binary = server.binary(environ)
    if binary.exists():
        _say(f"{server.name} {server.version}: already built, {binary}")
        return binary
    _check_go(environ)
    home = server.home(environ)
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            _build(server, home, environ)
    return binary


def _build(server: Server, home: Path, environ: Mapping[str, str]) -> None:
    version = server.version
    _say(f"{server.name} {version}: building from its Go modules (some minutes the first time) …")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="build-") as scratch:
        command = server.command(Path(scratch))
        go = {"GOFLAGS": GO_FLAGS, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        subprocess.run(command, cwd=scratch, env={**environ, **go}, stdin=subprocess.DEVNULL, check=True)  # noqa: S603
        made = Path(scratch, MADE)
        ready = Path(scratch, "ready")
        ready.mkdir()
        for program in server.programs:
            (made / program).rename(ready / program)
        shutil.rmtree(home, ignore_errors=True)
        ready.rename(home)  # all or nothing: an interrupted build leaves no binary behind
    _say(f"{server.name} {version}: built in {time.monotonic() - started:.0f} s, {home / server.programs[0]}")


def _check_go(environ: Mapping[str, str]) -> None:
    wanted = ".".join(map(str, GO_NEEDED))
    advice = f"make servers needs Go {wanted} or newer on the PATH (https://go.dev/doc/install)"
    go = shutil.which("go", path=environ.get("PATH"))
    if go is None:
        raise MissingToolError(f"{advice}; there is none")
    answer = subprocess.run([go, "env", "GOVERSION"], env={**environ}, capture_output=True, text=True, check=False)  # noqa: S603
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    if found is None or (int(found[1]), int(found[2])) < GO_NEEDED:
        raise MissingToolError(f"{advice}; {go} is {answer.stdout.strip() or answer.stderr.strip()!r}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Build the named servers (all by default), or print where their binaries belong."""
    parser = argparse.ArgumentParser(description="Build the real servers of the end-to-end tests.")
    parser.add_argument("names", nargs="*", metavar="server", help=f"of {', '.join(SERVERS)} (default: all)")
    parser.add_argument("--path", action="store_true", help="only print where the binaries belong, build nothing")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in SERVERS]
    if unknown:
        parser.error(f"unknown server {unknown[0]!r}, known: {', '.join(SERVERS)}")
    for name in chosen.names or SERVERS:
        if chosen.path:
            _say(str(SERVERS[name].binary()))
            continue
        try:
            build(SERVERS[name])
        except (MissingToolError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"{name} was not built: {error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

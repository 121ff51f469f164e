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
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SERVERS", "MissingToolError", "Server", "build", "cache_dir", "main"]

DEPLOY = Path(__file__).resolve().parent
GO_NEEDED = (1, 25)
BUILDER = "go.opentelemetry.io/collector/cmd/builder"
GO_FLAGS = "-mod=mod -p=2 -trimpath -buildvcs=false"
HASH_LENGTH = 12


class MissingToolError(RuntimeError):
    """A program that a build needs is missing or too old; the message says which and where it comes from."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that the collector builder makes out of a manifest.

    Attributes:
        name: what the server is called here and on the command line.
        manifest: the builder's manifest; its `dist.name` is the name of the binary, its `dist.version` the release.
    """

    name: str
    manifest: Path

    def declared(self, key: str) -> str:
        """Return a value of the manifest's `dist` section."""
        found = re.search(rf"^  {key}: (\S+)$", self.manifest.read_text(encoding="utf-8"), re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.manifest}: dist.{key} is missing")
        return found[1]

    def home(self, environ: Mapping[str, str] = os.environ) -> Path:
        """Return the directory of exactly this build: by version, and by hash of manifest and flags."""
        ingredients = self.manifest.read_bytes() + GO_FLAGS.encode()
        digest = hashlib.sha256(ingredients).hexdigest()[:HASH_LENGTH]
        return cache_dir(environ) / f"{self.name}-{self.declared('version')}" / digest

    def binary(self, environ: Mapping[str, str] = os.environ) -> Path:
        """Return where the binary is, or will be once it is built."""
        return self.home(environ) / self.declared("name")


SERVERS = {"otelcol": Server("otelcol", DEPLOY / "collector" / "builder.yaml")}


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
        _say(f"{server.name} {server.declared('version')}: already built, {binary}")
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
    version = server.declared("version")
    _say(f"{server.name} {version}: building from its Go modules (some minutes the first time) …")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="build-") as scratch:
        command = ["go", "run", f"{BUILDER}@v{version}", f"--config={server.manifest}", "--ldflags=-s -w"]
        go = {"GOFLAGS": GO_FLAGS, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        subprocess.run(command, cwd=scratch, env={**environ, **go}, stdin=subprocess.DEVNULL, check=True)  # noqa: S603
        made = Path(scratch, "build", server.declared("name"))
        ready = Path(scratch, "ready")
        ready.mkdir()
        made.rename(ready / made.name)
        shutil.rmtree(home, ignore_errors=True)
        ready.rename(home)  # all or nothing: an interrupted build leaves no binary behind
    _say(f"{server.name} {version}: built in {time.monotonic() - started:.0f} s, {home / server.declared('name')}")


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

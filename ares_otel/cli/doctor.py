"""`ares-otel doctor`: is everything in order on the bot's side? Each failure says the cause and the remedy."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from ares_otel.config import Config, Loaded

__all__ = ["Finding", "add_parser", "examine", "run"]

TIMEOUT: Final = 2.0


class Finding(msgspec.Struct, frozen=True):
    """What one check found: `ok`, and otherwise the cause and what to do."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("doctor", help="check configuration, exporter, state on disk")
    parser.add_argument("--json", action="store_true", help="for programs")


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Print the findings; exit code 1 when something is not in order, 2 for a configuration with errors."""
    findings = list(examine(loaded))
    if args.json:
        sys.stdout.write(json.dumps([msgspec.to_builtins(each) for each in findings], indent=1) + "\n")
    else:
        for each in findings:
            sys.stdout.write(f"{'ok  ' if each.ok else 'FAIL'}  {each.check}: {each.detail}\n")
            if not each.ok:
                sys.stdout.write(f"      → {each.remedy}\n")
    if any(problem.severity == "error" for problem in loaded.problems):
        return 2
    return 0 if all(each.ok for each in findings) else 1


def examine(loaded: Loaded) -> Iterator[Finding]:
    """Yield a finding for each check."""
    yield from _configuration(loaded)
    for check in CHECKS:
        yield from check(loaded.config)


def _configuration(loaded: Loaded) -> Iterator[Finding]:
    wrong = [problem for problem in loaded.problems if problem.severity != "note"]
    for problem in wrong:
        fatal = problem.severity == "error"
        yield Finding("configuration", not fatal, str(problem), "mend it; the key fell back" if fatal else "")
    if not wrong:
        yield Finding("configuration", ok=True, detail=loaded.path or "environment and defaults")


def _exporter(config: Config) -> Iterator[Finding]:
    if not config.exporter.enabled or config.disabled:
        yield Finding("exporter", ok=True, detail="off, as configured")
        return
    url = urlsplit(config.exporter.url if "//" in config.exporter.url else f"//{config.exporter.url}")
    default = 4317 if config.exporter.protocol == "grpc" else {"https": 443}.get(url.scheme, 80)
    address = (url.hostname or "", url.port or default)
    try:
        with socket.create_connection(address, TIMEOUT):
            yield Finding("exporter", ok=True, detail=f"{address[0]}:{address[1]} accepts connections")
    except OSError as error:
        remedy = "start the receiver (`ares-otel serve`), or set exporter.endpoint; until then spans wait in the spool"
        yield Finding("exporter", ok=False, detail=f"{address[0]}:{address[1]}: {error}", remedy=remedy)


def _extras(config: Config) -> Iterator[Finding]:
    if config.exporter.protocol != "grpc":
        return
    try:
        import opentelemetry.exporter.otlp.proto.grpc  # noqa: F401, PLC0415
    except ImportError:
        yield Finding("extra grpc", ok=False, detail="not installed", remedy="pip install 'ares-otel[grpc]'")
    else:
        yield Finding("extra grpc", ok=True, detail="installed")


def _directories(config: Config) -> Iterator[Finding]:
    for name, wanted, path in (
        ("spool", config.spool.enabled, config.spool.directory),
        ("ledger", config.ledger.enabled, config.ledger.directory),
    ):
        if wanted:
            yield _writable(name, Path(path))


def _writable(name: str, path: Path) -> Finding:
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            return Finding(name, ok=True, detail=f"{path} can be written")
    except OSError as error:
        remedy = f"let user {os.getuid() if hasattr(os, 'getuid') else ''} write there, or set {name}.directory"
        return Finding(name, ok=False, detail=f"{there}: {error.strerror}", remedy=remedy)


CHECKS: Final[tuple[Callable[[Config], Iterator[Finding]], ...]] = (_exporter, _extras, _directories)

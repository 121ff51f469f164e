"""Servers that cannot be built from Go modules, for tests that need the real ones: taken from where they are."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml
from built import ROOT

__all__ = ["image", "program"]

PULL_SECONDS = 300.0


def image(service: str) -> str:
    """Return the image that the stack uses for a service."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    return str(compose["services"][service]["image"])


@functools.cache
def program(service: str, variable: str, inside: str) -> Path | None:
    """Return a server's program; None if it is not to be had.

    Args:
        service: its name in the compose file.
        variable: environment variable that may name the program.
        inside: where the program is in the image, which Docker pulls where nothing names one.

    Raises:
        RuntimeError: the variable names what is no program.
    """
    named = os.environ.get(variable)
    if named:
        if not os.access(named, os.X_OK):
            raise RuntimeError(f"{variable}={named} is no program")
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kept = Path(cache, "ares-otel", "servers", re.sub(r"\W+", "-", image(service)), service)
    if kept.exists() or _copied(image(service), inside, kept):
        return kept
    return None


def _copied(name: str, inside: str, to: Path) -> bool:
    if shutil.which("docker") is None:
        return False
    if not (_docker("image", "inspect", name) or _docker("pull", "--quiet", name)):
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    container = f"ares-otel-copy-{os.getpid()}"
    try:
        return _docker("create", "--name", container, name) and _docker("cp", f"{container}:{inside}", str(to))
    finally:
        _docker("rm", container)


def _docker(*words: str) -> bool:
    try:
        made = subprocess.run(["docker", *words], capture_output=True, check=False, timeout=PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return made.returncode == 0

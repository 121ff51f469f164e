"""Tempo for tests that need the real one: it cannot be built from Go modules, so it is taken from where it is."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import yaml
from built import ROOT

__all__ = ["NOT_RUN", "image", "tempo_binary"]

PULL_SECONDS = 300.0
NOT_RUN = (
    "THE TEMPO PART DID NOT RUN: there is no Tempo here. Name its program (Tempo 3) in TEMPO_BIN, "
    "or have a Docker that can pull its image"
)


def image(service: str) -> str:
    """Return the image that the stack uses for a service."""
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    return str(compose["services"][service]["image"])


@functools.cache
def tempo_binary() -> Path | None:
    """Return Tempo's program: the one that TEMPO_BIN names, or that of the stack's image; None if neither is to be had.

    Raises:
        RuntimeError: TEMPO_BIN names what is no program.
    """
    named = os.environ.get("TEMPO_BIN")
    if named:
        if not os.access(named, os.X_OK):
            raise RuntimeError(f"TEMPO_BIN={named} is no program")
        return Path(named).absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    kept = Path(cache, "ares-otel", "servers", re.sub(r"\W+", "-", image("tempo")), "tempo")
    if kept.exists() or _copied(image("tempo"), kept):
        return kept
    return None


def _copied(name: str, to: Path) -> bool:
    if shutil.which("docker") is None:
        return False
    if not (_docker("image", "inspect", name) or _docker("pull", "--quiet", name)):
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    container = f"ares-otel-copy-{os.getpid()}"
    try:
        return _docker("create", "--name", container, name) and _docker("cp", f"{container}:/tempo", str(to))
    finally:
        _docker("rm", container)


def _docker(*words: str) -> bool:
    try:
        made = subprocess.run(["docker", *words], capture_output=True, check=False, timeout=PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return made.returncode == 0

# ruff: noqa: INP001  (a script of the repository, no part of the package)
"""Write constraints.txt: the versions that the newest allowed dependencies resolve to, on every supported Python.

`make constraints` runs it. It makes a virtual environment for each interpreter given, installs the project with all
its extras without any constraint, and merges the results; where Pythons differ the line carries a marker. Names and
versions only: addresses and hashes depend on where somebody installs from.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["apart", "frozen", "main", "merge"]

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = "compose,dev,live"
APART = ("drift", ROOT / "tests" / "benchmarks" / "drift" / "requirements.txt")
"""An extra that cannot be installed beside the others (its numpy is older), and where what was tested is written."""

HEADER = """\
# Versions that were tested together, on Python {pythons}. Written by `make constraints`.
"""


def frozen(python: str, scratch: Path) -> tuple[str, dict[str, str]]:
    """Install the project by an interpreter; return its `X.Y` version and the version of each distribution by name."""
    _run(python, "-m", "venv", str(scratch))
    inside = str(scratch / "bin" / "python")
    _run(inside, "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[{EXTRAS}]")
    version = _run(inside, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    lines = _run(inside, "-m", "pip", "freeze", "--exclude-editable").splitlines()
    pins = (line.partition("==") for line in lines)
    return version, {re.sub(r"[-_.]+", "-", name).lower(): pinned for name, _, pinned in pins}


def merge(by_python: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return sorted constraint lines for the versions found by each Python; markers where they differ."""
    lines = []
    for name in sorted({name for pins in by_python.values() for name in pins}):
        found = {python: pins[name] for python, pins in by_python.items() if name in pins}
        if len(set(found.values())) == 1:
            lines.append(f"{name}=={next(iter(found.values()))}")
        else:
            lines += [f'{name}=={pinned}; python_version == "{python}"' for python, pinned in sorted(found.items())]
    return lines


def apart(extra: Iterable[str], tested: Iterable[str]) -> dict[str, str]:
    """Return the tested versions of what an extra asks for, by name."""
    wanted = {re.split(r"[^\w-]", line)[0] for line in extra}
    pins = (line.strip().partition("==") for line in tested if not line.startswith("#"))
    return {name: version for name, equal, version in pins if equal and name in wanted}


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603


def main(pythons: list[str]) -> int:
    """Freeze by each interpreter and write constraints.txt at the top of the repository."""
    by_python: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number, python in enumerate(pythons):
            sys.stdout.write(f"resolving with {python} …\n")
            sys.stdout.flush()
            version, pins = frozen(python, Path(scratch, str(number)))
            by_python[version] = pins
    extra, tested = APART
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = apart(project["optional-dependencies"][extra], tested.read_text(encoding="utf-8").splitlines())
    by_python = {python: {**pinned, **pins} for python, pins in by_python.items()}
    text = HEADER.format(pythons=", ".join(sorted(by_python))) + "\n".join(merge(by_python)) + "\n"
    (ROOT / "constraints.txt").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

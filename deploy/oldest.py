# ruff: noqa: INP001  (a script of the repository, no part of the package)
"""Write constraints for the oldest versions that pyproject.toml allows, where a bot may have them.

`make check-oldest` runs it: `python deploy/oldest.py FILE`. The dependencies of a bot, and everything of OpenTelemetry,
get the lower end of their range; what tests need beside them is as in constraints.txt, unless it has to fit these.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["FREE", "constraints", "main", "oldest"]

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("grpc", "instrument")
LOWER = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?>=([\w.]+)")
FREE = ("googleapis-common-protos", "importlib-metadata", "logfire", "opentelemetry-", "protobuf", "wrapt", "zipp")
"""What OpenTelemetry decides on by its own ranges, by the beginning of its name."""


def oldest(project: dict[str, Any]) -> dict[str, str]:
    """Return the lower end of each range that a bot may meet, by name."""
    extras = project["optional-dependencies"]
    core = [*project["dependencies"], *(line for name in EXTRAS for line in extras[name])]
    theirs = [line for lines in extras.values() for line in lines if line.startswith("opentelemetry-")]
    found = (LOWER.match(line) for line in [*core, *theirs])
    return {match[1]: match[2] for match in found if match}


def constraints(pins: dict[str, str], tested: Iterable[str]) -> list[str]:
    """Return the lines of a constraints file: the pins, and what was tested together for all that they leave free."""
    kept = (line for line in tested if not line.startswith(("#", *FREE)))
    rest = [line for line in kept if re.split(r"[=;]", line)[0].strip() not in pins]
    return [f"{name}=={version}" for name, version in sorted(pins.items())] + rest


def main(path: str) -> int:
    """Write the file."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tested = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    Path(path).write_text("\n".join(constraints(oldest(project), tested)) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

"""`make bench-drift`: every figure about drift that the pages give, from data inside packages.

Each module beside this one that has `rows(quick)` is a section; naming some runs only these. Figures come with
their intervals; `--json` keeps them. The exit status is 1 if a target was missed.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rows import Row, table

__all__ = ["main"]

HERE = Path(__file__).resolve().parent


def sections() -> Iterator[str]:
    """Yield the names of the modules that have lines to print."""
    for path in sorted(HERE.glob("*.py")):
        if path != Path(__file__).resolve() and "\ndef rows(" in path.read_text(encoding="utf-8"):
            yield path.stem


def measured(name: str, *, quick: bool) -> list[Row]:
    """Run a section and print its tables."""
    started = time.monotonic()
    found: list[Row] = list(importlib.import_module(name).rows(quick))
    for title in dict.fromkeys(row.section for row in found):
        sys.stdout.write(f"\n### {title}\n\n{table([row for row in found if row.section == title])}\n")
    sys.stdout.write(f"\n{name}: {time.monotonic() - started:.0f} s\n")
    sys.stdout.flush()
    return found


def main() -> int:
    """Run the sections that were asked for, print what they found and what it had to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", help="which; all without any")
    parser.add_argument("--quick", action="store_true", help="few streams: wide intervals, minutes instead of an hour")
    parser.add_argument("--json", type=Path, help="where to keep the lines")
    asked = parser.parse_args()
    names = list(sections())
    if unknown := set(asked.sections) - set(names):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    found = [row for name in asked.sections or names for row in measured(name, quick=asked.quick)]
    if asked.json:
        asked.json.write_text(json.dumps([row._asdict() for row in found], indent=1) + "\n", encoding="utf-8")
    missed = [row for row in found if row.met is False]
    sys.stdout.write(f"\n{sum(row.met is True for row in found)} targets met, {len(missed)} missed\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make bench-drift`: every figure about drift that the pages give, from data inside packages.

Each module beside this one that has `rows(quick)` is a section; naming some runs only these. Figures come with
their intervals. `--keep` writes what was found into tests/benchmarks/drift/result.json, beside what is there of other
sections, and the tables of docs/drift.md and docs/drift-figures.md with it. The exit status is 1 if a target was
missed or a section broke. Sections take two processors where they can (ARES_DRIFT_PROCESSES).
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import re
import sys
import time
import traceback
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from kept import PAGES, RESULT, Kept, read, rewrite, write
from rows import Row, table
from working import RESUME, saved

__all__ = ["main"]

HERE = Path(__file__).resolve().parent
COMPARED = ("alibi-detect", "numpy", "river", "scipy")


def sections() -> Iterator[str]:
    """Yield the names of the modules that have lines to print."""
    for path in sorted(HERE.glob("*.py")):
        if path != Path(__file__).resolve() and "\ndef rows(" in path.read_text(encoding="utf-8"):
            yield path.stem


def about(name: str) -> str:
    """Return the first sentence of a section, which needs nothing of what the section needs."""
    text = (HERE / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    said = re.sub(r" \(ml\.md [\d.]+\)", "", " ".join(text.split("\n\n")[0].split())).removeprefix("Section: ")
    return said[0].upper() + said[1:]


def versions() -> dict[str, str]:
    """Return the versions of what is compared."""
    return {"Python": platform.python_version(), **{name: metadata.version(name) for name in COMPARED}}


def measured(name: str, *, quick: bool) -> Kept:
    """Run a section and print its tables; what breaks it is said and hinders no other."""
    started = time.monotonic()
    found: list[Row] = []
    missing = ""
    try:
        found += importlib.import_module(name).rows(quick)
    except Exception as error:  # noqa: BLE001  other sections must not be lost to one
        traceback.print_exc()
        missing = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - started + saved.told()
    for title in dict.fromkeys(row.section for row in found):
        sys.stdout.write(f"\n### {title}\n\n{table([row for row in found if row.section == title])}\n")
    sys.stdout.write(f"\n{name}: {seconds:.0f} s {missing and f'NOT MEASURED: {missing}'}\n")
    sys.stdout.flush()
    load = round(os.getloadavg()[0], 1)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return Kept(about(name), day, quick, round(seconds, 1), load, versions(), tuple(found), missing)


def times() -> str:
    """Return what each section is about and how long it took the last time it was kept."""
    before = read(RESULT)
    whole = sum(kept.seconds for kept in before.values() if not kept.quick) / 60
    lines = [f"sections, and minutes of the run that is kept (of all that are kept whole: {whole:.0f}):"]
    for name in sections():
        kept = before.get(name)
        took = "not kept" if kept is None else f"{kept.seconds / 60:.1f}{' with --quick' if kept.quick else ''}"
        took = "not timed" if kept is not None and not kept.seconds else took
        lines.append(f"  {name:<12} {took:<18} {about(name)}")
    return "\n".join(lines)


def main() -> int:
    """Run the sections that were asked for, print what they found and what it had to be."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=times(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", help="which; all without any")
    parser.add_argument("--quick", action="store_true", help="few streams, and wide intervals")
    parser.add_argument(
        "--resume", action="store_true", help="go on where a run of the same sources was interrupted, see working.py"
    )
    parser.add_argument("--json", type=Path, help="where to keep the lines, beside those of other sections")
    parser.add_argument("--keep", action="store_true", help="keep them in the repository, and write its pages")
    asked = parser.parse_args()
    names = list(sections())
    if unknown := set(asked.sections) - set(names):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    target = RESULT if asked.keep else asked.json
    if asked.resume:
        os.environ[RESUME] = "yes"
    found: dict[str, Kept] = {}
    for name in asked.sections or names:
        found[name] = measured(name, quick=asked.quick)
        if target:  # after each: a run may be interrupted
            write(target, {**read(target), name: found[name]})
    if asked.keep:
        rewrite(PAGES, read(RESULT))
    verdicts = [row.met for kept in found.values() for row in kept.rows]
    broken = [name for name, kept in found.items() if kept.missing]
    sys.stdout.write(f"\n{verdicts.count(True)} targets met, {verdicts.count(False)} missed")
    sys.stdout.write(f", broken: {', '.join(broken)}\n" if broken else "\n")
    return 1 if False in verdicts or broken else 0


if __name__ == "__main__":
    sys.exit(main())

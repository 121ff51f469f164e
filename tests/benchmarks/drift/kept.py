"""What sections of `make bench-drift` found, kept in one file, and the tables of the pages that follow from it.

    python tests/benchmarks/drift/kept.py      write the tables of the pages again, from the committed result

A run of some sections replaces theirs and leaves the others, so that each can be measured when there is time for it.
The pages hold their tables between marks; a test compares them with what this writes.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import tabled
from rows import Row, table

__all__ = ["PAGES", "RESULT", "Kept", "main", "read", "write", "written"]

ROOT: Final = Path(__file__).resolve().parents[3]
RESULT: Final = Path(__file__).with_name("result.json")
PAGES: Final = tuple(ROOT / "docs" / name for name in ("drift-figures.md", "drift.md", "second-opinion.md"))
DIGITS: Final = 6
MINUTE: Final = 60.0


class Kept(NamedTuple):
    """What a section found.

    Attributes:
        about: the section in a line.
        day: when it was measured, as in 2026-11-26.
        quick: whether it took a part of its streams only.
        seconds: how long it took, 0 if that is not known.
        load: of the machine in the minute before its end, 0 if that is not known.
        versions: of Python and of what is compared.
        rows: its lines.
        missing: why there are none, or not all; "" if nothing is missing.
    """

    about: str
    day: str
    quick: bool
    seconds: float
    load: float
    versions: Mapping[str, str]
    rows: tuple[Row, ...]
    missing: str = ""


def read(path: Path) -> dict[str, Kept]:
    """Return what a file keeps, by section; nothing if there is none."""
    if not path.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Kept(**{**section, "rows": tuple(Row(*row) for row in section["rows"])})
        for name, section in found.items()
    }


def write(path: Path, sections: Mapping[str, Kept]) -> None:
    """Keep sections in a file, a line for each row so that a change of one shows as one."""
    parts = []
    for name, section in sorted(sections.items()):
        head = {key: value for key, value in section._asdict().items() if key != "rows"}
        lines = ",\n  ".join(json.dumps([_rounded(value) for value in row], ensure_ascii=False) for row in section.rows)
        said = json.dumps(head, ensure_ascii=False)[1:-1]
        parts.append(f' {json.dumps(name)}: {{{said}, "rows": [\n  {lines}\n ]}}')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def _rounded(value: Any) -> object:
    """Return a figure to six digits, beyond which runs differ and nobody reads; what is of numpy as it is of Python."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, float) or not math.isfinite(value) or value == 0.0:
        return value
    return round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))


def _summary(sections: Mapping[str, Kept]) -> list[str]:
    """Return what was measured when, and how often targets were met."""
    lines = [
        "| section | measured | streams | minutes | load | met | missed |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, kept in sections.items():
        met, missed = (sum(row.met is verdict for row in kept.rows) for verdict in (True, False))
        share = "a part" if kept.quick else "all"
        load = f"{kept.load:.1f}" if kept.load else ""
        took = f"{kept.seconds / MINUTE:.1f}" if kept.seconds else ""
        cells = (f"[{name}](#{name})", kept.day, share, took, load, f"{met or ''}", f"{missed or ''}")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _everything(sections: Mapping[str, Kept]) -> list[str]:
    """Return all lines of all sections."""
    lines = _summary(sections)
    for name, kept in sorted(sections.items()):
        lines += ["", f"## {name}", "", kept.about]
        if kept.missing:
            lines += ["", f"NOT MEASURED: {kept.missing}"]
        for title in dict.fromkeys(row.section for row in kept.rows):
            found = [row for row in kept.rows if row.section == title]
            lines += ["", f"### {title}", "", *table(found).splitlines()]
        told = ", ".join(f"{what} {version}" for what, version in sorted(kept.versions.items()))
        lines += ["", f"With {told}."]
    return lines


def _of(name: str, made: Callable[[Sequence[Row]], list[str]]) -> Callable[[Mapping[str, Kept]], list[str]]:
    def lines(sections: Mapping[str, Kept]) -> list[str]:
        return made(sections[name].rows) if name in sections else ["Not measured."]

    return lines


def _broken(sections: Mapping[str, Kept]) -> list[str]:
    """Return what was asked of broken data and of broken outcomes."""
    names = [name for name in ("fuzz", "outcomes") if name in sections]
    asked = [(name, row) for name in names for row in sections[name].rows if row.target]
    return table([row._replace(what=f"{name}: {row.what}") for name, row in asked]).splitlines()


def _names(rows: Sequence[Row]) -> list[str]:
    """Return what is named of features that moved."""
    return _plain([row for row in rows if row.section == "Names of features"])


def _plain(rows: Sequence[Row]) -> list[str]:
    return table(list(rows)).splitlines()


TABLES: Final[Mapping[str, Callable[[Mapping[str, Kept]], list[str]]]] = {
    "everything": _everything,
    "nulls": _of("nulls", tabled.nulls),
    "broken": _broken,
    "power": _of("power", tabled.power),
    "streams": _of("streams", tabled.streams),
    "series": _of("series", _plain),
    "regimes": _of("regimes", tabled.regimes),
    "names": _of("discoveries", _names),
    "losses": _of("losses", _plain),
    "usual": _of("usual_rules", tabled.usual),
}


def written(page: str, sections: Mapping[str, Kept]) -> str:
    """Return a page with its tables as they follow from a result."""

    def put(found: re.Match[str]) -> str:
        return "\n".join([found[1], *TABLES[found[2]](sections), found[3]])

    return re.sub(r"(<!-- drift:(\w+) -->)\n.*?(<!-- end -->)", put, page, flags=re.DOTALL)


def rewrite(pages: Iterable[Path], sections: Mapping[str, Kept]) -> None:
    """Write the tables of pages again."""
    for page in pages:
        page.write_text(written(page.read_text(encoding="utf-8"), sections), encoding="utf-8")


def main() -> int:
    """Write the tables of all pages again, from the committed result."""
    rewrite(PAGES, read(RESULT))
    return 0


if __name__ == "__main__":
    sys.exit(main())

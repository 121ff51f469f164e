"""The result of `make bench` as text: for a terminal, for docs/performance.md and for the README.

    python tests/benchmarks/costs.py          write the tables of both pages again, from the committed result

The pages hold their tables between marks; a test compares them with what this writes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from targets import Found, judged, value_of

__all__ = ["NAMES", "PAGES", "RESULT", "TABLES", "main", "report", "written"]

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = Path(__file__).with_name("result.json")
NAMES = {
    "nothing": "nothing",
    "ours": "ares_otel",
    "ours-blocks": "ares_otel, stages as blocks",
    "ours-spans": "ares_otel, a span for everything",
    "ours-ring": "ares_otel with the crash-safe ring",
    "ours-blocks-ring": "the same, stages as blocks",
    "careful": "OpenTelemetry SDK, careful",
    "careful-events": "the same, votes as events",
    "usual": "OpenTelemetry SDK, usual",
    "sdk-metrics": "OpenTelemetry SDK and metrics",
    "ddtrace": "ddtrace",
    "logfire": "logfire",
    "fastotel": "fastotel",
    "pytracingx": "pytracingx",
    "ours, setup()": "ares_otel, after setup()",
    "official": "OpenTelemetry's encoder",
    "compiled": "ours, declared spans",
    "generic": "ours, generic spans",
}
Row = Sequence[str]
Result = Mapping[str, Any]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _shown(figures: Mapping[str, Any], key: str, *, interval: bool = False) -> str:
    figure = figures.get(key)
    if figure is None:
        return ""
    text = _number(value_of(figure))
    if interval and isinstance(figure, Mapping):
        text += f" ({_number(figure['low'])} to {_number(figure['high'])})"
    return text


def _table(head: Row, rows: Iterable[Row]) -> list[str]:
    body = ["| " + " | ".join(row) + " |" for row in rows]
    return ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |", *body]


def _variants(part: Mapping[str, Any], cells: Callable[[str, Mapping[str, Any]], Row]) -> list[Row]:
    return [[NAMES[name], *cells(name, part[name])] for name in NAMES if name in part]


def _target_rows(result: Result) -> list[Row]:
    def row(found: Found) -> Row:
        target, value = found.target, found.value
        bound = f"{'≥' if target.least else '≤'} {target.bound:,g}{target.unit}"
        return (
            target.group,
            target.name,
            "" if value is None else f"{_number(value)}{target.unit}",
            bound,
            found.verdict,
            "" if found.apart is None else f"{found.apart:.0%}",
        )

    return [row(found) for found in judged(result) if found.value is not None]


JUDGED = ("what", "figure", "measured", "target", "verdict", "runs differ by")


def _cost_rows(result: Result) -> list[Row]:
    def cells(name: str, hot: Mapping[str, Any]) -> Row:
        paced, flat, kept = (result.get(part, {}).get(name, {}) for part in ("paced", "flat", "beside"))
        both = f"{_shown(paced, 'p50_us')} / {_shown(paced, 'p99_us')}" if paced else ""
        return (
            *(_shown(hot, "to_ours", interval=True), _shown(hot, "us"), both),
            *(_shown(flat, "to_ours", interval=True), _shown(flat, "us"), _shown(flat, "per_second")),
            _shown(kept, "kept"),
        )

    return _variants(result.get("hot", {}), cells)


COSTS = (
    "variant",
    "hot path to ours",
    "µs",
    "at 200/s p50 / p99 µs",
    "CPU to ours",
    "µs",
    "lossless/s",
    "thread keeps",
)


def _more_rows(result: Result) -> list[Row]:
    def cells(name: str, sent: Mapping[str, Any]) -> Row:
        lag = result.get("loop", {}).get(name, {})
        late = f"{_shown(lag, 'mean_us')} / {_shown(lag, 'p99_us')}" if lag else ""
        loaded = result.get("imports", {}).get(name, {})
        counted = result.get("instructions", {}).get("by_variant", {})
        return (
            *(_shown(sent, "spans"), _shown(sent, "bytes"), late),
            *(_shown(loaded, "cpu_ms"), _shown(loaded, "resident_mib"), _shown(counted, name)),
        )

    return _variants(result.get("sent", {}), cells)


MORE = ("variant", "spans", "bytes", "loop late mean / p99 µs", "import ms", "MiB", "instructions")


def _encoder_rows(result: Result) -> list[Row]:
    part = result.get("encoder", {})
    return _variants(part, lambda _, found: (_shown(found, "us"), _shown(found, "to_official", interval=True)))


def _asleep_rows(result: Result) -> list[Row]:
    keys = ("p50_us", "p99_us")

    def cells(name: str, found: Mapping[str, Any]) -> Row:
        awake = result["paced"][name]
        ratios = (_shown(each, "to_ours", interval=True) for each in (awake, found))
        return [*(_shown(each, key) for each in (awake, found) for key in keys), *ratios]

    return _variants(result.get("asleep", {}) if "paced" in result else {}, cells)


ASLEEP = ("variant", "busy p50 µs", "p99", "idle p50 µs", "p99", "busy to ours", "idle to ours")


def _memory_rows(result: Result) -> list[Row]:
    keys = ("decisions", "first_mib", "half_mib", "end_mib", "greatest_mib")
    return _variants(result.get("memory", {}), lambda _, found: [_number(float(found[key])) for key in keys])


def _machine(result: Result) -> list[str]:
    told = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(told["versions"].items()))
    place = f"{told['system']}, {told['processors']} processors ({told['processor']})"
    return [
        f"CPython {told['python']} on {place}, load {' to '.join(told['load'])}. {versions}.",
        f"Instructions: {result['instructions']['how']}." if "instructions" in result else "Instructions: not counted.",
    ]


def _absent(result: Result) -> list[str]:
    return [f"NOT MEASURED: {name}: {why}" for name, why in result.get("missing", {}).items()]


TABLES: dict[str, Callable[[Result], list[str]]] = {
    "targets": lambda result: _table(JUDGED, _target_rows(result)),
    "costs": lambda result: _table(COSTS, _cost_rows(result)),
    "more": lambda result: _table(MORE, _more_rows(result)),
    "asleep": lambda result: _table(ASLEEP, _asleep_rows(result)),
    "encoder": lambda result: _table(("encoder", "µs a span", "times the official's speed"), _encoder_rows(result)),
    "memory": lambda result: _table(("variant", "decisions", "first", "half", "end", "greatest"), _memory_rows(result)),
    "machine": lambda result: [*_machine(result), *_absent(result)],
    "short": lambda result: _short(result),  # noqa: PLW0108  it stands below
}


def _short(result: Result) -> list[str]:
    """Return the README's table."""
    hot, flat = result["hot"], result["flat"]
    rows = [
        (NAMES[name], _shown(hot[name], "to_ours", interval=True), _shown(flat[name], "to_ours", interval=True))
        for name in ("careful", "usual", "sdk-metrics", "ddtrace", "logfire", "fastotel", "pytracingx")
        if name in hot and name in flat
    ]
    return _table(("instead of ares_otel", "in the bot's thread", "processor time in all"), rows)


def report(result: Result) -> str:
    """Return all tables for a terminal: targets first."""
    parts = []
    for name in ("targets", "costs", "more", "asleep", "encoder", "memory"):
        rows = [line.strip("| ").split(" | ") for line in TABLES[name](result)]
        del rows[1]
        if len(rows) > 1:
            widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(len(rows[0]))]
            parts += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows]
            parts.append("")
    return "\n".join([*parts, *TABLES["machine"](result)]) + "\n"


def written(page: str, result: Result) -> str:
    """Return a page with its tables as they follow from a result."""

    def table(found: re.Match[str]) -> str:
        return "\n".join([found[1], *TABLES[found[2]](result), found[3]])

    return re.sub(r"(<!-- bench:(\w+) -->)\n.*?(<!-- end -->)", table, page, flags=re.DOTALL)


PAGES = (ROOT / "docs" / "performance.md", ROOT / "README.md")


def main() -> int:
    """Write the pages."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    for page in PAGES:
        page.write_text(written(page.read_text(encoding="utf-8"), result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

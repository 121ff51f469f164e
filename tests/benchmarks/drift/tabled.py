"""Tables of docs/drift.md that have more than a figure in a cell, from the lines of their sections."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rows import Row

__all__ = ["nulls", "power", "regimes", "streams", "usual"]

LARGE: Final = 60.0
"""Figures from here on are told without decimals."""
NULLS: Final[Mapping[str, str]] = {
    "garch": "GARCH(1,1)-t of EURUSD, 13 columns",
    "eurusd": "EURUSD hourly, blocks, 15",
    "sp500": "S&P 500 daily, blocks, 15",
    "nasdaq": "NASDAQ daily, blocks, 15",
    "ar": "AR(1) from 0 to .98, 15",
    "long": "fractional integration of .1 to .4, 4",
    "gjr": "GJR-GARCH-t with persistence .985, 13",
    "iid": "*held out:* Student t3, ten pairs, 20",
    "markov": "*held out:* Markov volatility x 2, 400 and 200 bars, 13",
    "stocks": "*held out:* 20 stocks of the S&P 500 1990 to 2022, blocks, 20",
}
LENGTHS: Final = (1000, 2000, 3000)
ALPHAS: Final = (0.01, 0.05, 0.1)
SHIFTS: Final[Mapping[str, str]] = {
    "vol x1.5": "volatility x 1.5",
    "vol x2": "volatility x 2",
    "correlation": "correlation .6 → -.2",
    "fast mean": "mean of a fast feature + .5 sigma",
    "drift": "returns + .15 sigma a bar",
}
DELAYED: Final = ("median delay in bars", "found within 2,000")
WITHIN: Final = 2000
RULED: Final = "eurusd, N=3000: "
"""The lines of the usual rules that are shown."""
NONE: Final = "-"
"""In a cell that was not measured."""


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _head(cells: Sequence[str]) -> list[str]:
    return [_line(cells), _line("---" for _ in cells)]


def _share(value: float | None) -> str:
    return NONE if value is None else "1.00" if value >= 1.0 else f"{value:.3f}".removeprefix("0")


def _between(row: Row) -> str:
    return f"[{_share(row.low)}, {_share(row.high)}]"


def nulls(rows: Sequence[Row]) -> list[str]:
    """Return false alarms, a line for each null and a cell for each length, and those of three nulls together."""
    found = {row.what: row for row in rows}
    lines = _head(["null", *(f"N={bars}" for bars in LENGTHS)])
    lines += [_line([title, *(_alarms(null, bars, found) for bars in LENGTHS)]) for null, title in NULLS.items()]
    parts, streams_ = [], None
    for alpha in ALPHAS:
        for row in rows:
            if row.what.startswith(f"observed / nominal at {alpha},"):
                share, low, high = (_share(end and end * alpha) for end in (row.measured, row.low, row.high))
                parts.append(f"{alpha * 100:.0f} % → {share} [{low}, {high}]")
                streams_ = row.n
    return [*lines, "", f"The first three together ({streams_} streams): {', '.join(parts)}."]


def _alarms(null: str, bars: int, found: Mapping[str, Row]) -> str:
    """Return the shares of streams with an alarm at all three chances."""
    low, middle, high = (found.get(f"{null}, N={bars}, nominal {alpha}") for alpha in ALPHAS)
    if low is None or middle is None or high is None:
        return NONE
    return f"{_share(low.measured)} / **{_share(middle.measured)}** {_between(middle)} / {_share(high.measured)}"


def _bars(value: float | None) -> str:
    return NONE if value is None else f"> {WITHIN}" if value > WITHIN else f"{value:.0f}"


def power(rows: Sequence[Row]) -> list[str]:
    """Return delays and shares found, a line for each shift and a cell for each null and length."""
    found = {(row.section.rsplit("=", 1)[-1], row.what): row for row in rows}
    columns = [(bars, null) for bars in ("1000", "3000") for null in ("garch", "eurusd")]
    lines = _head(["change", *(f"{null.replace('eurusd', 'EURUSD')} N={bars}" for bars, null in columns)])
    for shift, title in SHIFTS.items():
        lines.append(_line([title, *(_seen(bars, f"{null}, {shift}", found) for bars, null in columns)]))
    return lines


def regimes(rows: Sequence[Row]) -> list[str]:
    """Return what is found with names of regimes and without, a line for each and length."""
    found = {row.what: row for row in rows}
    shifts = [shift for shift in SHIFTS if any(f", {shift}: " in what for what in found)]
    titles = "regimes", "false alarms at 5 %", "volatility untestable", *(SHIFTS[shift] for shift in shifts)
    lines = _head(titles)
    for case in dict.fromkeys(what.split(":")[0] for what in found if "vol x" not in what):
        alarms, blind = found[f"{case}: false alarms in 4,000 bars"], found[f"{case}: volatility untestable"]
        cells = [f"{_share(alarms.measured)} {_between(alarms)}", _share(blind.measured)]
        seen = [_delayed(*(found[f"{case}, {shift}: {what}"] for what in DELAYED)) for shift in shifts]
        lines.append(_line([case, *cells, *seen]))
    return lines


def _seen(bars: str, what: str, found: Mapping[tuple[str, str], Row]) -> str:
    """Return the delay of a shift, and how often it was seen."""
    delay, often = (found.get((bars, f"{what}: {each}")) for each in DELAYED)
    return NONE if delay is None or often is None else _delayed(delay, often)


def _delayed(delay: Row, often: Row) -> str:
    soon = f"{_bars(delay.measured)} [{_bars(delay.low)}, {_bars(delay.high)}]"
    return f"{soon} / {_share(often.measured)} {_between(often)}"


def _interval(row: Row) -> str:
    if row.measured is None:
        return ""
    half = None if row.low is None or row.high is None else (row.high - row.low) / 2.0
    digits = 0 if abs(row.measured) >= LARGE else 3
    shown = f"{row.measured:.{digits}f}"
    return shown if half is None or not math.isfinite(half) else f"{shown} ± {half:.{digits}f}"


def streams(rows: Sequence[Row]) -> list[str]:
    """Return the published streams, a line for each stream and detector."""
    lines = _head(["stream", "detector", "F1", "drifts found", "delay", "false in 1,000", "streams"])
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        who, figure = row.what.split(": ")
        stream, detector = who.split(", ", 1)
        found.setdefault((stream, detector), {})[figure] = row
    for (stream, detector), figures in found.items():
        cells = [_interval(figures[figure]) for figure in ("F1", "drifts found", "delay", "false alarms in 1,000")]
        lines.append(_line([stream, detector, *cells, f"{figures['F1'].n}"]))
    return lines


def usual(rows: Sequence[Row]) -> list[str]:
    """Return how often each rule alarms on bars of EURUSD that did not change, in streams and in checks."""
    lines = _head(["rule", "streams with an alarm", "checks with an alarm", "streams"])
    for row in rows:
        if row.what.startswith(RULED):
            alarmed = f"{_share(row.measured)} {_between(row)}"
            lines.append(_line([row.what.removeprefix(RULED), alarmed, row.note.removesuffix(" checks"), f"{row.n}"]))
    return lines

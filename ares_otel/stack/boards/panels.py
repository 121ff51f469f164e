"""The kinds of panels, each with what was seen to go wrong silently already set right (units, absence, colors)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ares_otel.semconv.enums import Action, RegimeName, TradeOutcome
from ares_otel.semconv.model import Attribute, Threshold
from ares_otel.stack.boards.model import PROMETHEUS, Panel, Target

__all__ = [
    "ACTIONS",
    "AMBER",
    "GREEN",
    "GREY",
    "RED",
    "REGIMES",
    "TRADES",
    "alerts",
    "bars",
    "heat",
    "lanes",
    "lines",
    "stat",
    "state",
    "steps",
]

GREY: Final = "#8E8E8E"
GREEN: Final = "#56A64B"
AMBER: Final = "#FF9830"
RED: Final = "#E02F44"
ACTIONS: Final = {
    str(Action.BUY): "#5794F2",
    str(Action.SELL): "#FF9830",
    str(Action.HOLD): GREY,
    str(Action.CLOSE): "#B877D9",
    str(Action.NONE): "#CCCCDC",
}
REGIMES: Final = {
    str(RegimeName.BULL_TREND): "#3D71D9",
    str(RegimeName.BEAR_TREND): "#8F3BB8",
    str(RegimeName.SIDEWAYS): GREY,
    str(RegimeName.HIGH_VOLATILITY): "#E0B400",
    str(RegimeName.LOW_VOLATILITY): "#6ED0E0",
    str(RegimeName.BREAKOUT): "#FF7383",
    str(RegimeName.UNKNOWN): "#CCCCDC",
}
TRADES: Final = {str(TradeOutcome.WIN): GREEN, str(TradeOutcome.LOSS): RED, str(TradeOutcome.FLAT): GREY}
LOWEST: Final = -1e12
ABSENT: Final = "not reported"
WATCHED: Final = ("firing", "pending", "error", "recovering")
SOFT: Final = {"percentunit": 0.01, "none": 1}
"""Axes reach at least so far: of zeros alone Grafana makes 10,000 %."""
WIDE: Final = 16
AXIS: Final = 150  # of wide panels, so that those below each other share their time; names of lanes fit into it

Series = tuple[str, str]
Limit = tuple[Threshold, str]


def steps(*limits: Limit, good: str = GREEN, absent: str = GREY, lowest: float = 0.0) -> dict[str, Any]:
    """Return colors by thresholds of the one table; what is absent is grey, never green."""
    begin = [{"color": absent, "value": None}, {"color": good, "value": lowest}]
    return {"mode": "absolute", "steps": [*begin, *({"color": color, "value": at.value} for at, color in limits)]}


def _fixed(names: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for name, color in names.items()
    )


def stat(
    title: str,
    query: str,
    says: str,
    unit: str = "none",
    limits: dict[str, Any] | None = None,
    decimals: int | None = None,
    width: int = 4,
) -> Panel:
    """Return one figure, colored by thresholds where it has some."""
    plain = steps(good="text", lowest=LOWEST)
    defaults: dict[str, Any] = {
        "unit": unit,
        "noValue": ABSENT,
        "color": {"mode": "thresholds"},
        "thresholds": limits or plain,
        **({} if decimals is None else {"decimals": decimals}),
    }
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "graphMode": "none",
        "colorMode": "value",
        "textMode": "value",
        "text": {"valueSize": 34},
        "wideLayout": True,
    }
    return Panel(title, "stat", says, (Target(query, form="instant"),), width, 4, defaults, options=options)


def state(title: str, query: str, says: str, words: Sequence[tuple[float, str, str]], width: int = 4) -> Panel:
    """Return a state as a word on its color; `words` are value, word and color."""
    mapped = {
        f"{value:g}": {"text": word, "color": color, "index": at} for at, (value, word, color) in enumerate(words)
    }
    panel = stat(title, query, says, width=width)
    defaults = {**panel.defaults, "mappings": [{"type": "value", "options": mapped}]}
    options = {**panel.options, "colorMode": "background_solid", "text": {"valueSize": 28}}
    return Panel(title, "stat", says, panel.targets, width, 4, defaults, options=options)


def lines(
    title: str,
    series: Sequence[Series],
    says: str,
    unit: str,
    width: int = 8,
    height: int = 7,
    *,
    limits: Iterable[Limit] = (),
    colors: Mapping[str, str] | None = None,
    stacked: bool = False,
    dashed: Sequence[str] = (),
    exemplars: bool = False,
    lowest: float | None = 0.0,
    highest: float | None = None,
    marked: bool = False,
    nothing: str = ABSENT,
) -> Panel:
    """Return lines over time; `limits` and what `dashed` names are drawn dashed, exemplars on the last query.

    Where there is no series at all, `nothing` is what that means.
    """
    drawn = [{"color": "transparent", "value": None}, *({"color": c, "value": at.value} for at, c in limits)]
    custom: dict[str, Any] = {"showPoints": "never", "spanNulls": 60_000, "lineWidth": 1}
    custom |= {"axisWidth": AXIS} if width >= WIDE else {}
    custom |= {"axisSoftMax": SOFT[unit]} if unit in SOFT and highest is None else {}
    custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0} if stacked else {}
    custom |= {"thresholdsStyle": {"mode": "dashed"}} if len(drawn) > 1 else {}
    defaults: dict[str, Any] = {
        "unit": unit,
        "noValue": nothing,
        "custom": custom,
        "color": {"mode": "palette-classic"},
    }
    defaults |= {"thresholds": {"mode": "absolute", "steps": drawn}} if len(drawn) > 1 else {}
    defaults |= {} if lowest is None else {"min": lowest}
    defaults |= {} if highest is None else {"max": highest}
    last = len(series) - 1
    targets = tuple(
        Target(query, legend, exemplar=exemplars and at == last) for at, (query, legend) in enumerate(series)
    )
    options = {
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    overrides = (*_fixed(colors or {}), *map(_dashed, dashed))
    return Panel(title, "timeseries", says, targets, width, height, defaults, overrides, options, marked=marked)


def _dashed(name: str) -> dict[str, Any]:
    line = {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}}
    color = {"id": "color", "value": {"mode": "fixed", "fixedColor": RED}}
    return {"matcher": {"id": "byRegexp", "options": name}, "properties": [line, color]}


def heat(title: str, query: str, says: str, unit: str = "s", width: int = 12, height: int = 9) -> Panel:
    """Return a heatmap of a histogram's buckets: each cell counts what fell into one bucket in one step."""
    options = {
        "calculate": False,
        "yAxis": {"unit": unit},
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 32, "exponent": 0.25},
        "cellGap": 1,
        "filterValues": {"le": 0.01},
        "tooltip": {"mode": "single", "yHistogram": True},
        "legend": {"show": True},
    }
    target = Target(query, "{{le}}", form="heatmap")
    return Panel(title, "heatmap", says, (target,), width, height, {"unit": unit}, options=options)


def lanes(
    title: str,
    query: str,
    says: str,
    words: Mapping[str, str],
    width: int,
    height: int = 7,
    *,
    legend: str = "{{strategy}} {{symbol}}",
    zero: tuple[str, str] = (ABSENT, "transparent"),
    names: int = AXIS,
) -> Panel:
    """Return a lane per series whose value n is the n-th of the words, and 0 that of `zero`, a word and its color.

    `names` is the room for the names of lanes, in pixels.
    """
    named = {
        str(at): {"text": word.replace("_", " "), "color": color, "index": at}
        for at, (word, color) in enumerate(words.items(), 1)
    }
    named["0"] = {"text": zero[0], "color": zero[1], "index": 0}
    custom = {"fillOpacity": 80, "lineWidth": 0, "axisWidth": names}
    defaults = {
        "color": {"mode": "palette-classic"},
        "custom": custom,
        "mappings": [{"type": "value", "options": named}],
    }
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.8,
        "perPage": height - 1,  # more of them have their names over each other
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
    }
    target = Target(query, legend)
    return Panel(
        title,
        "state-timeline",
        says,
        (target,),
        width,
        height,
        {"unit": "none", "color": {"mode": "palette-classic"}, **defaults},
        options=options,
    )


def bars(
    title: str, query: str, label: Attribute | str, says: str, unit: str, width: int = 8, height: int = 7
) -> Panel:
    """Return horizontal bars by one label, the longest on top."""
    name = str(label)
    tidy = {"excludeByName": {"Time": True}, "indexByName": {name: 0, "Value": 1}}
    options = {
        "orientation": "horizontal",
        "xField": name,
        "showValue": "always",
        "legend": {"showLegend": False},
        "tooltip": {"mode": "single"},
    }
    return Panel(
        *(title, "barchart", says, (Target(query, form="table"),), width, height),
        defaults={"unit": unit, "noValue": ABSENT, "min": 0, "color": {"mode": "fixed", "fixedColor": "#5794F2"}},
        options=options,
        transformations=(
            {"id": "organize", "options": tidy},
            {"id": "sortBy", "options": {"sort": [{"field": "Value", "desc": True}]}},
        ),
    )


def alerts(width: int = 8, height: int = 8, filtered: str = "") -> Panel:
    """Return the alerts that fire or are about to; the dead man's switch is none."""
    chosen = f'{{alertname!="Watchdog"{filtered}}}'
    options = {
        "datasource": "Prometheus",
        "alertInstanceLabelFilter": chosen,
        "groupMode": "default",
        "groupBy": [],
        "sortOrder": 3,
        "maxItems": 20,
        "viewMode": "list",
        "stateFilter": {
            "firing": True,
            "pending": True,
            "error": True,
            "noData": False,
            "normal": False,
            "recovering": True,
        },
    }
    says = "Alerts that fire or are about to. Each leads to its runbook: meaning, impact, first steps, queries."
    return Panel("Alerts", "alertlist", says, (), width, height, options=options, more={"datasource": PROMETHEUS})

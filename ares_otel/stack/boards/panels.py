"""The kinds of panels, each with what was seen to go wrong silently already set right (units, absence, colors)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import Action, RegimeName
from ares_otel.semconv.model import Attribute, Kind, Threshold
from ares_otel.stack.boards.model import PROMETHEUS, Panel, Target

__all__ = [
    "ACTIONS",
    "AMBER",
    "GREEN",
    "GREY",
    "RED",
    "REGIMES",
    "TRACE_PANEL",
    "alerts",
    "bars",
    "heat",
    "lanes",
    "lines",
    "stat",
    "state",
    "steps",
    "table",
    "trace_table",
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
LOWEST: Final = -1e12
ABSENT: Final = "not reported"
NOTHING: Final = "\N{EN DASH}"
WATCHED: Final = ("firing", "pending", "error", "recovering")
NUMBERS: Final = (Kind.DOUBLE, Kind.INT)
UNITS: Final = {"1": "percentunit", "s": "s", "bp": "suffix:bp"}
DURING: Final = "from=${__from}&to=${__to}"
PAGES: Final = {
    a.STRATEGY.label: ("Decisions of ${__value.text}", f"decisions?strategy=${{__value.text}}&{DURING}"),
    a.SYMBOL.label: ("Decisions on ${__value.text}", f"decisions?symbol=${{__value.text}}&{DURING}"),
    a.MODEL_NAME.label: ("${__value.text}", "models/${__value.text}"),
}
HIDDEN: Final = "traceIdHidden"
TRACE_PANEL: Final = 100
"""Id of the panel that draws the trace whose id is in its variable."""
AXIS: Final = 110  # the same for all, so that panels below each other share their time

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
    plain = {"mode": "absolute", "steps": [{"color": "text", "value": None}]}
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
) -> Panel:
    """Return lines over time; `limits` and what `dashed` names are drawn dashed, exemplars on the last query."""
    drawn = [{"color": "transparent", "value": None}, *({"color": c, "value": at.value} for at, c in limits)]
    custom: dict[str, Any] = {"showPoints": "never", "spanNulls": 60_000, "axisWidth": AXIS, "lineWidth": 1}
    custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0} if stacked else {}
    custom |= {"thresholdsStyle": {"mode": "dashed"}} if len(drawn) > 1 else {}
    defaults: dict[str, Any] = {"unit": unit, "noValue": ABSENT, "custom": custom, "color": {"mode": "palette-classic"}}
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
        "color": {"mode": "scheme", "scheme": "Blues", "steps": 32, "exponent": 0.5},
        "cellGap": 1,
        "filterValues": {"le": 0.01},
        "tooltip": {"mode": "single", "yHistogram": True},
        "legend": {"show": True},
    }
    target = Target(query, "{{le}}", form="heatmap")
    return Panel(title, "heatmap", says, (target,), width, height, {"unit": unit}, options=options)


def lanes(title: str, query: str, says: str, words: Mapping[str, str], width: int, height: int = 7) -> Panel:
    """Return a lane per series whose value n is the n-th of the words, and 0 that none is reported."""
    named = {
        str(at): {"text": word.replace("_", " "), "color": color, "index": at}
        for at, (word, color) in enumerate(words.items(), 1)
    }
    named["0"] = {"text": ABSENT, "color": "transparent", "index": 0}
    custom = {"fillOpacity": 80, "lineWidth": 0, "axisWidth": AXIS}
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
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom"},
    }
    target = Target(query, "{{strategy}} {{symbol}}")
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


def table(
    title: str,
    columns: Sequence[tuple[str, str, str]],
    labels: Mapping[str, str],
    says: str,
    width: int = 12,
    height: int = 8,
) -> Panel:
    """Return rows by labels; `columns` are query, heading and unit, `labels` are label and heading.

    Strategies, symbols and models lead to their decisions and pages in Ares.
    """
    targets = tuple(Target(query, form="table") for query, _, _ in columns)
    letters = [chr(ord("A") + at) for at in range(len(columns))]
    single = ["Value"] if len(columns) == 1 else [f"Value #{letter}" for letter in letters]
    renamed = {**labels, **{key: heading for key, (_, heading, _) in zip(single, columns, strict=True)}}
    order = {key: at for at, key in enumerate([*labels, *single])}
    tidy = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
    overrides = tuple(
        {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "unit", "value": unit}]}
        for _, heading, unit in columns
    )
    return Panel(
        *(title, "table", says, targets, width, height),
        defaults={"unit": "none", "noValue": NOTHING, "custom": {"minWidth": 60}},
        overrides=(*overrides, *(_page(label, heading) for label, heading in labels.items() if label in PAGES)),
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=({"id": "merge", "options": {}}, {"id": "organize", "options": tidy}),
    )


def _page(label: str, heading: str) -> dict[str, Any]:
    """Return what a column's values lead to in Ares."""
    title, path = PAGES[label]
    link = {"title": title, "url": f"${{ares:raw}}/{path}", "targetBlank": True}
    return {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "links", "value": [link]}]}


def trace_table(
    title: str,
    query: str,
    columns: Sequence[Attribute],
    says: str,
    width: int = 12,
    height: int = 9,
    *,
    recent: bool = True,
) -> Panel:
    """Return the newest spans of a search, with links to the decision and to its trace."""
    found = (*columns, a.CORRELATION_ID, a.DECISION_ID)
    names = ["Start time", *(each.key for each in columns), "Duration", a.CORRELATION_ID.key]
    order = {name: at for at, name in enumerate(names)}
    numbers = [{"targetField": each.key, "destinationType": "number"} for each in columns if each.kind in NUMBERS]
    return Panel(
        *(title, "table", says, (Target(query, form="traces"),), width, height),
        defaults={"unit": "none", "noValue": NOTHING, "custom": {"minWidth": 60}},
        overrides=(*map(_told, columns), _leading(), *(_unseen(name) for name in (HIDDEN, a.DECISION_ID.key))),
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=(
            {
                "id": "filterFieldsByName",
                "options": {"include": {"names": ["Start time", "Duration", *(each.key for each in found), HIDDEN]}},
            },
            *([{"id": "convertFieldType", "options": {"conversions": numbers}}] if numbers else ()),
            {"id": "organize", "options": {"indexByName": order}},
            {"id": "sortBy", "options": {"sort": [{"field": "Start time", "desc": True}]}},
        ),
        more={"timeFrom": "5m"} if recent else {},
    )


def _told(attribute: Attribute) -> dict[str, Any]:
    """Return how a column of an attribute is headed and written."""
    words = attribute.key.removeprefix("ares.").split(".")
    heading = " ".join(words[-1:] if attribute.key.startswith("ares.") else words).replace("_", " ").capitalize()
    properties: list[dict[str, Any]] = [{"id": "displayName", "value": heading}]
    if attribute.unit in UNITS:
        properties += [{"id": "unit", "value": UNITS[attribute.unit]}, {"id": "decimals", "value": 2}]
    return {"matcher": {"id": "byName", "options": attribute.key}, "properties": properties}


def _leading() -> dict[str, Any]:
    """Return the column that leads to the decision and to its trace."""
    decision = '${ares:raw}/decisions/${__data.fields["' + a.DECISION_ID.key + '"]}'
    trace = "/d/ares-trace?${__url_time_range}&var-trace_id=${__data.fields.traceIdHidden}&viewPanel=panel-%d"
    links = [
        {"title": "Decision in Ares", "url": decision, "targetBlank": True},
        {"title": "Trace", "url": trace % TRACE_PANEL},
    ]
    properties = [{"id": "displayName", "value": "Correlation id"}, {"id": "links", "value": links}]
    return {"matcher": {"id": "byName", "options": a.CORRELATION_ID.key}, "properties": properties}


def _unseen(name: str) -> dict[str, Any]:
    """Return a column that links need and nobody reads."""
    hidden = {"id": "custom.hideFrom.viz", "value": True}
    return {"matcher": {"id": "byName", "options": name}, "properties": [hidden]}


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

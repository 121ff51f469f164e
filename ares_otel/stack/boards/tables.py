"""Panels that are tables: of the newest values by labels, and of spans, each with links to where a row is explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Attribute, Kind
from ares_otel.stack.boards.model import Panel, Target

__all__ = ["LOGS_PANEL", "TRACE_PANEL", "table", "trace_table"]

NUMBERS: Final = (Kind.DOUBLE, Kind.INT)
UNITS: Final = {"1": "percentunit", "s": "s", "bp": "suffix:bp"}
DURING: Final = "from=${__from}&to=${__to}"
PAGES: Final = {
    a.STRATEGY.label: ("Decisions of ${__value.text}", f"decisions?strategy=${{__value.text}}&{DURING}"),
    a.SYMBOL.label: ("Decisions on ${__value.text}", f"decisions?symbol=${{__value.text}}&{DURING}"),
    a.MODEL_NAME.label: ("${__value.text}", "models/${__value.text}"),
}
LONG: Final = {a.MODEL_NAME.label: 150}
"""Names that are longer than an equal share of the width, and how wide they are, in pixels."""
WORDY: Final = {a.REJECT_REASON.key: 150, a.DRIFT_SUMMARY.key: 400}
"""The same for attributes of spans."""
HIDDEN: Final = "traceIdHidden"
TRACE_PANEL: Final = 100
"""Id of the panel that draws the trace whose id is in its variable."""
LOGS_PANEL: Final = 101
"""Id of the panel with the log records of the ids in its variables."""
DECIMALS: Final = {"locale": 2, "percentunit": 1, "short": 2}
NOTHING: Final = "\N{EN DASH}"


def table(
    title: str,
    columns: Sequence[tuple[str, str, str]],
    labels: Mapping[str, str],
    says: str,
    width: int = 12,
    height: int = 8,
    *,
    ranked: bool = False,
) -> Panel:
    """Return rows by labels; `columns` are query, heading and unit, `labels` are label and heading.

    The largest of the first column is on top where there is one column, or where they are `ranked`. Strategies, symbols
    and models lead to their decisions and pages in Ares.
    """
    targets = tuple(Target(query, form="table") for query, _, _ in columns)
    letters = [chr(ord("A") + at) for at in range(len(columns))]
    single = ["Value"] if len(columns) == 1 else [f"Value #{letter}" for letter in letters]
    renamed = {**labels, **{key: heading for key, (_, heading, _) in zip(single, columns, strict=True)}}
    order = {key: at for at, key in enumerate([*labels, *single])}
    tidy = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
    overrides = (
        *(_figure(heading, unit) for _, heading, unit in columns),
        *(_sized(labels[label], width) for label, width in LONG.items() if label in labels),
    )
    largest = {"id": "sortBy", "options": {"sort": [{"field": columns[0][1], "desc": True}]}}
    return Panel(
        *(title, "table", says, targets, width, height),
        defaults={"unit": "none", "noValue": NOTHING, "custom": {"minWidth": 60}},
        overrides=(*overrides, *(_page(label, heading) for label, heading in labels.items() if label in PAGES)),
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=(
            {"id": "merge", "options": {}},
            {"id": "organize", "options": tidy},
            *((largest,) if ranked or len(columns) == 1 else ()),
        ),
    )


def _figure(heading: str, unit: str) -> dict[str, Any]:
    """Return how a column of numbers is written."""
    properties: list[dict[str, Any]] = [{"id": "unit", "value": unit}]
    properties += [{"id": "decimals", "value": DECIMALS[unit]}] if unit in DECIMALS else []
    return {"matcher": {"id": "byName", "options": heading}, "properties": properties}


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
    timed: bool = True,
    leading: Attribute = a.CORRELATION_ID,
) -> Panel:
    """Return the newest spans of a search, with links to the decision and to its trace, on the column `leading`.

    `timed` is false for spans that mark a moment: they have no duration.
    """
    found = (*(each for each in columns if each != leading), leading)
    timing = ["Duration"] if timed else []
    names = ["Start time", *(each.key for each in columns), *timing, leading.key]
    order = {name: names.index(name) for name in names}
    numbers = [{"targetField": each.key, "destinationType": "number"} for each in columns if each.kind in NUMBERS]
    return Panel(
        *(title, "table", says, (Target(query, form="traces"),), width, height),
        defaults={"unit": "none", "noValue": NOTHING, "custom": {"minWidth": 60}},
        overrides=(
            _when(recent=recent),
            _sized("Duration", 85),
            *map(_told, columns),
            LEADING[leading.key](),
            _unseen(HIDDEN),
        ),
        options={"showHeader": True, "cellHeight": "sm"},
        transformations=(
            {
                "id": "filterFieldsByName",
                "options": {"include": {"names": ["Start time", *timing, *(each.key for each in found), HIDDEN]}},
            },
            *([{"id": "convertFieldType", "options": {"conversions": numbers}}] if numbers else ()),
            {"id": "organize", "options": {"indexByName": order}},
            {"id": "sortBy", "options": {"sort": [{"field": "Start time", "desc": True}]}},
        ),
        more={"timeFrom": "5m"} if recent else {},
    )


def _when(*, recent: bool) -> dict[str, Any]:
    """Return how the start of a span is written: without the day where all are of this hour."""
    form = "time:HH:mm:ss.SSS" if recent else "time:MM-DD HH:mm:ss"
    start = _sized("Start time", 105 if recent else 130)
    return {**start, "properties": [*start["properties"], {"id": "unit", "value": form}]}


def _sized(name: str, width: int) -> dict[str, Any]:
    """Return a column of a fixed width in pixels."""
    return {"matcher": {"id": "byName", "options": name}, "properties": [{"id": "custom.width", "value": width}]}


def _told(attribute: Attribute) -> dict[str, Any]:
    """Return how a column of an attribute is headed and written."""
    words = attribute.key.removeprefix("ares.").split(".")
    heading = " ".join(words[-1:] if attribute.key.startswith("ares.") else words).replace("_", " ").capitalize()
    properties: list[dict[str, Any]] = [{"id": "displayName", "value": heading}]
    if attribute.key in WORDY:
        properties += [{"id": "custom.width", "value": WORDY[attribute.key]}]
    if attribute.unit in UNITS:
        properties += [{"id": "unit", "value": UNITS[attribute.unit]}, {"id": "decimals", "value": 2}]
    return {"matcher": {"id": "byName", "options": attribute.key}, "properties": properties}


def _leading() -> dict[str, Any]:
    """Return the column that leads to decision, trace and log records, for whoever may look at boards."""
    decision = "${ares:raw}/decisions/${__value.raw}"  # not every span of a decision has the decision's own id
    ids = "var-correlation_id=${__value.raw}&var-trace_id=${__data.fields.traceIdHidden}"
    board = f"/d/ares-trace?${{__url_time_range}}&{ids}&viewPanel=panel-"
    links: list[dict[str, Any]] = [
        {"title": "Decision in Ares", "url": decision, "targetBlank": True},
        {"title": "Trace", "url": f"{board}{TRACE_PANEL}"},
        {"title": "Logs", "url": f"{board}{LOGS_PANEL}"},
    ]
    return _linked(a.CORRELATION_ID, "Correlation id", links, 312)


def _model() -> dict[str, Any]:
    """Return the column of models: spans about a model belong to no decision, their trace has its log records, too."""
    ids = "var-trace_id=${__data.fields.traceIdHidden}"
    board = f"/d/ares-trace?${{__url_time_range}}&{ids}&viewPanel=panel-"
    links: list[dict[str, Any]] = [
        {"title": "Trace", "url": f"{board}{TRACE_PANEL}"},
        {"title": "Logs", "url": f"{board}{LOGS_PANEL}"},
        {"title": "Model in Ares", "url": "${ares:raw}/models/${__value.raw}", "targetBlank": True},
    ]
    return _linked(a.MODEL_NAME, "Model", links, LONG[a.MODEL_NAME.label])


LEADING: Final = {a.CORRELATION_ID.key: _leading, a.MODEL_NAME.key: _model}
"""Columns that lead on, by the attribute in them."""


def _linked(attribute: Attribute, heading: str, links: list[dict[str, Any]], width: int) -> dict[str, Any]:
    properties = [
        {"id": "displayName", "value": heading},
        {"id": "links", "value": links},
        {"id": "custom.width", "value": width},
    ]
    return {"matcher": {"id": "byName", "options": attribute.key}, "properties": properties}


def _unseen(name: str) -> dict[str, Any]:
    """Return a column that links need and nobody reads."""
    hidden = {"id": "custom.hideFrom.viz", "value": True}
    return {"matcher": {"id": "byName", "options": name}, "properties": [hidden]}

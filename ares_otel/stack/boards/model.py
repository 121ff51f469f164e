"""Frozen objects that declare boards and panels, and their form in Grafana: classic JSON, which it reads from files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Metric
from ares_otel.stack.boards.queries import CHOICES
from ares_otel.stack.promql import Matcher, among, select

__all__ = ["LOKI", "PROMETHEUS", "TEMPO", "Annotation", "Board", "Panel", "Row", "Target", "render"]

PROMETHEUS: Final = {"type": "prometheus", "uid": "prometheus"}
TEMPO: Final = {"type": "tempo", "uid": "tempo"}
LOKI: Final = {"type": "loki", "uid": "loki"}
SOURCE: Final = {"traces": TEMPO, "map": TEMPO, "logs": LOKI}
"""Whom a query of a form is put to; all others go to Prometheus."""
SCHEMA: Final = 42
COLUMNS: Final = 24
ARES: Final = "http://127.0.0.1:8100"
BOT: Final = (among("deployment_environment_name", "$env"), among("service_name", "$service"))
SOURCES: Final[dict[str, tuple[Metric | Matcher, str]]] = {
    "strategy": (m.DECISIONS, "Strategy"),
    "symbol": (m.DECISIONS, "Symbol"),
    "venue": (m.ORDERS_SUBMITTED, "Venue"),
    "model": (among("__name__", f"{m.VOTES}|{m.DRIFT_OBSERVED}"), "Model"),
}
"""Which metric, or which of several, know all values of a variable, and what the variable is called."""


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel.

    Attributes:
        query: PromQL, for Tempo TraceQL, for Loki LogQL.
        legend: name of its series, with labels in double braces.
        form: `range` over time, `instant` and `table` for now, `heatmap`, `traces`, `map` of services, or `logs`.
        exemplar: whether points of single traces are drawn; for histograms only, and on one target of a panel.
    """

    query: str
    legend: str = ""
    form: str = "range"
    exemplar: bool = False

    def document(self, number: int) -> dict[str, Any]:
        """Return the query as Grafana reads it."""
        one: dict[str, Any] = {"refId": chr(ord("A") + number)}
        if self.form in {"traces", "map"}:
            kind = "serviceMap" if self.form == "map" else "traceql"
            one |= {"datasource": TEMPO, "queryType": kind, "query": self.query, "limit": 20, "spss": 1}
            return one | ({"tableType": "spans"} if self.form == "traces" else {})
        if self.form == "logs":
            return one | {"datasource": LOKI, "expr": self.query, "queryType": "range", "maxLines": 500}
        instant = self.form in {"instant", "table"}
        one |= {"datasource": PROMETHEUS, "expr": self.query, "instant": instant, "range": not instant}
        one |= {"legendFormat": self.legend} if self.legend else {}
        one |= {"exemplar": True, "interval": "15s"} if self.exemplar else {}
        formats = {"table": {"format": "table"}, "heatmap": {"format": "heatmap", "interval": "15s"}}
        return one | formats.get(self.form, {})


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; use the functions of `panels` to make one.

    Attributes:
        title: what is shown, with the unit where the unit is not drawn.
        kind: Grafana's type.
        says: how it is read and what to do; the description.
        width: of 24 columns.
        height: in rows of about 30 px.
        marked: whether annotations are drawn on it.
        fixed: its id, where links lead to it; by default ids follow the places.
    """

    title: str
    kind: str
    says: str
    targets: tuple[Target, ...]
    width: int
    height: int
    defaults: dict[str, Any] = field(default_factory=dict)
    overrides: tuple[dict[str, Any], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    transformations: tuple[dict[str, Any], ...] = ()
    more: dict[str, Any] = field(default_factory=dict)
    marked: bool = False
    fixed: int | None = None

    def document(self, number: int, x: int, y: int) -> dict[str, Any]:
        """Return the panel as Grafana reads it, at its place."""
        source = next((SOURCE[target.form] for target in self.targets if target.form in SOURCE), PROMETHEUS)
        return {
            "id": self.fixed or number,
            "type": self.kind,
            "title": self.title,
            "description": self.says,
            "datasource": source,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": self.defaults, "overrides": list(self.overrides)},
            "options": self.options,
            "targets": [target.document(place) for place, target in enumerate(self.targets)],
            **({"transformations": list(self.transformations)} if self.transformations else {}),
            **self.more,
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A closed row: what is asked for only when somebody opens it."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks of an event on the panels that are `marked`."""

    name: str
    expr: str
    color: str
    title: str


@dataclass(frozen=True, slots=True)
class Board:
    """A board that answers one question.

    Attributes:
        uid: its address in Grafana, for ever.
        title: its name after "Ares · ".
        question: what it answers; the description.
        panels: in reading order; they flow from left to right, those of a line equally high.
        rows: closed rows below.
        annotations: events that are drawn on marked panels.
        texts: variables to type into, by name.
    """

    uid: str
    title: str
    question: str
    panels: tuple[Panel, ...]
    rows: tuple[Row, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    texts: tuple[str, ...] = ()

    def every_panel(self) -> Iterator[Panel]:
        """Yield the panels, also those in closed rows."""
        yield from self.panels
        for row in self.rows:
            yield from row.panels

    def variables(self) -> list[str]:
        """Return the variables that queries use, in the order in which they are shown."""
        queries = [target.query for panel in self.every_panel() for target in panel.targets]
        asked = " ".join([*queries, *(annotation.expr for annotation in self.annotations)])
        used = set(re.findall(r"\$\{?([a-z_]+)", asked))
        return [name for name in ("env", "service", *CHOICES) if name in {"env", "service"} | used]

    def document(self, ares: str = ARES) -> dict[str, Any]:
        """Return the board as Grafana reads it; `ares` is the address of the ares server in browsers."""
        panels = list(_laid(self))
        marked = [one["id"] for one, panel in zip(panels, self.panels, strict=False) if panel.marked]
        return {
            "uid": self.uid,
            "title": f"Ares · {self.title}",
            "description": self.question,
            "tags": ["ares"],
            "schemaVersion": SCHEMA,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "timepicker": {"refresh_intervals": ["10s", "30s", "1m", "5m", "15m"]},
            "links": _links(self),
            "templating": {"list": [*map(_text, self.texts), *map(_variable, self.variables()), _constant(ares)]},
            "annotations": {"list": [_annotation(each, marked) for each in self.annotations]},
            "panels": panels,
        }


def render(board: Board, ares: str = ARES) -> str:
    """Return one file of a board; `ares` is the address of the ares server in browsers."""
    return json.dumps(board.document(ares), ensure_ascii=False, indent=2) + "\n"


def _laid(board: Board) -> Iterator[dict[str, Any]]:
    number, bottom = 0, 0
    for panel, x, y in _flow(board.panels):
        number, bottom = number + 1, y + panel.height
        yield panel.document(number, x, y)
    for row in board.rows:
        number += 1
        place = {"x": 0, "y": bottom, "w": COLUMNS, "h": 1}
        inside = [(number + index, *laid) for index, laid in enumerate(_flow(row.panels), 1)]
        panels = [panel.document(one, x, bottom + 1 + y) for one, panel, x, y in inside]
        yield {"id": number, "type": "row", "title": row.title, "collapsed": True, "gridPos": place, "panels": panels}
        number, bottom = number + len(panels), bottom + 1


def _flow(panels: tuple[Panel, ...]) -> Iterator[tuple[Panel, int, int]]:
    """Yield panels with their places: from left to right, a new line where one does not fit.

    Raises:
        ValueError: panels of one line differ in height, which would leave holes.
    """
    x = y = height = 0
    for panel in panels:
        if x + panel.width > COLUMNS:
            x, y = 0, y + height
        if x and panel.height != height:
            raise ValueError(f"panel {panel.title!r}: {panel.height} high in a line of {height}")
        yield panel, x, y
        x, height = x + panel.width, panel.height


def _links(board: Board) -> list[dict[str, Any]]:
    link = {"icon": "external link", "tooltip": "", "asDropdown": False, "includeVars": False, "tags": []}
    strategy = "${strategy:queryparam}&" if "strategy" in board.variables() else ""
    decisions = f"${{ares:raw}}/decisions?{strategy}from=${{__from}}&to=${{__to}}"
    there = {"type": "dashboards", "title": "Boards", "tags": ["ares"], "asDropdown": True, "keepTime": True}
    return [
        {**link, **there, "includeVars": True, "targetBlank": False, "url": ""},
        {
            **link,
            "type": "link",
            "title": "Find a trace",
            "url": "/d/ares-trace",
            "keepTime": True,
            "targetBlank": False,
        },
        {**link, "type": "link", "title": "Decisions", "url": decisions, "keepTime": False, "targetBlank": True},
    ]


def _variable(name: str) -> dict[str, Any]:
    known: dict[str, tuple[str, str]] = {
        "env": (f"label_values({m.DECISIONS}, deployment_environment_name)", "Env"),
        "service": (f"label_values({select(m.DECISIONS, BOT[0])}, service_name)", "Bot"),
        **{
            each: (f"label_values({_known(source)}, {CHOICES[each].label})", label)
            for each, (source, label) in SOURCES.items()
        },
    }
    query, label = known[name]
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": PROMETHEUS,
        "query": {"query": query, "refId": "V"},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
        "hide": 0,
        "options": [],
        "regex": "",
    }


def _known(source: Metric | Matcher) -> str:
    """Return the selector of the series that know all values of a variable."""
    return f"{{{','.join(map(str, (source, *BOT)))}}}" if isinstance(source, Matcher) else select(source, *BOT)


def _text(name: str) -> dict[str, Any]:
    label = name.replace("_", " ").capitalize()
    return {
        "name": name,
        "type": "textbox",
        "label": label,
        "query": "",
        "current": {"text": "", "value": ""},
        "hide": 0,
    }


def _constant(ares: str) -> dict[str, Any]:
    """Grafana fills no environment into boards: where the ares server is stands in them."""
    return {"name": "ares", "type": "constant", "hide": 2, "query": ares, "current": {"text": ares, "value": ares}}


def _annotation(annotation: Annotation, panels: list[int]) -> dict[str, Any]:
    return {
        "name": annotation.name,
        "datasource": PROMETHEUS,
        "enable": True,
        "hide": True,  # a switch for each would push the links into a second line
        "iconColor": annotation.color,
        "expr": annotation.expr,
        "step": "15s",
        "titleFormat": annotation.title,
        "filter": {"exclude": False, "ids": panels},
    }

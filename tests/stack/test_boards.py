"""Boards as they are written into files keep the rules that make Grafana show them rightly.

The rules are those of stack.md, section 4, and of boards.md: what breaks one of them is drawn wrongly or not at all,
and Grafana says nothing about it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import spans
from ares_otel.semconv.attributes import ATTRIBUTES
from ares_otel.semconv.metrics import METRICS as BOT_METRICS
from ares_otel.semconv.model import Histogram
from ares_otel.semconv.serving import SERVER_METRICS
from ares_otel.semconv.thresholds import THRESHOLDS
from ares_otel.stack.boards import BOARDS, Board, Panel, Row, Target, render
from ares_otel.stack.boards.panels import GREEN, GREY, RED, heat, lanes, lines, stat, state, steps
from ares_otel.stack.boards.queries import shown, traces
from ares_otel.stack.boards.tables import table, trace_table
from ares_otel.stack.foreign import FOREIGN
from ares_otel.stack.rules import ALERTS, FILES, Record

DASHBOARDS = Path(__file__).parents[2] / "grafana" / "dashboards"
DOCUMENTS: list[dict[str, Any]] = [board.document() for board in BOARDS]
METRICS = (*BOT_METRICS, *SERVER_METRICS)
HISTOGRAM_PARTS = ("_bucket", "_sum", "_count")
HISTOGRAMS = {metric.name for metric in METRICS if isinstance(metric, Histogram)}
KNOWN = (
    {metric.name for metric in METRICS}
    | {f"{name}{part}" for name in HISTOGRAMS for part in HISTOGRAM_PARTS}
    | {str(metric) for metric in FOREIGN}
    | {rule.name for group in FILES["recording.yaml"] for rule in group.rules if isinstance(rule, Record)}
)
NAMES = re.compile(r"\b(?:ares[_:]|otelcol_|tempo_|prometheus_|alertmanager_|process_)[\w:]*")
UNBOUNDED = {attribute.label for attribute in ATTRIBUTES if not attribute.bounded}
BUILT_IN = {"__rate_interval", "__range", "__interval", "__from", "__to", "__url_time_range", "__data", "__value"}
NO_UNIT = {"alertlist", "row"}
MOST_PANELS = 20


def each() -> pytest.MarkDecorator:
    """Parametrize by board."""
    return pytest.mark.parametrize("board", DOCUMENTS, ids=[document["uid"] for document in DOCUMENTS])


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield all panels, also closed rows and what is in them."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries(board: dict[str, Any]) -> list[str]:
    """Return the PromQL of panels and annotations."""
    asked = [
        target["expr"]
        for panel in panels(board)
        for target in panel.get("targets", [])
        if "expr" in target and target["datasource"]["type"] == "prometheus"
    ]
    return [*asked, *(annotation["expr"] for annotation in board["annotations"]["list"])]


def test_the_files_are_the_boards() -> None:
    """One file for each board, called after it; what is committed is checked by `ares-otel generate`."""
    assert {path.stem for path in DASHBOARDS.glob("*.json")} == {board.uid for board in BOARDS}
    for board in BOARDS:
        assert json.loads(render(board)) == board.document()


def test_boards_have_addresses_and_questions_of_their_own() -> None:
    """No two have the same uid or title, and each says what it answers."""
    assert len({board["uid"] for board in DOCUMENTS}) == len({board["title"] for board in DOCUMENTS}) == len(BOARDS)
    assert [board["uid"] for board in DOCUMENTS if not board["description"].endswith("?")] == []


@each()
def test_form_that_files_can_provision(board: dict[str, Any]) -> None:
    """Classic JSON with a fixed uid; nothing of the newer form, of an export, or of somebody's database."""
    text = json.dumps(board)

    assert board["schemaVersion"] == 42
    assert board["editable"] is False
    assert {"id", "__inputs", "spec", "elements", "apiVersion"} & set(board) == set()
    assert "${DS_" not in text
    assert board["tags"] == ["ares"]


@each()
def test_sources_are_fixed(board: dict[str, Any]) -> None:
    """Each query names its data source by a uid that is provisioned."""
    found = re.findall(r'"datasource": (\{[^}]*\})', json.dumps(board))

    sources = {(source["type"], source["uid"]) for source in map(json.loads, found)}
    assert sources <= {("prometheus", "prometheus"), ("tempo", "tempo"), ("loki", "loki")}
    assert sources


@each()
def test_every_name_is_declared(board: dict[str, Any]) -> None:
    """No query asks for a metric that nobody exposes."""
    assert {name for query in queries(board) for name in NAMES.findall(query)} - KNOWN - {"ares_"} == set()


@each()
def test_variables(board: dict[str, Any]) -> None:
    """Every variable that is used is declared, and every one that is shown is used."""
    declared = {variable["name"] for variable in board["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z_]\w*)", json.dumps({**board, "templating": {}}))) - BUILT_IN

    assert used - declared == set()
    assert declared - used - {"env", "service"} == set()


@each()
def test_choices_are_heard(board: dict[str, Any]) -> None:
    """Each query of ours is filtered by environment and bot: a choice that one panel ignores is a lie."""
    for query in queries(board):
        selectors = re.findall(r"\bares_(?!server_)\w+(\{[^}]*\})?", query)
        assert [one for one in selectors if "$service" not in one] == [], query


@each()
def test_no_id_is_a_label(board: dict[str, Any]) -> None:
    """Nothing is grouped or filtered by what has no bound."""
    labels = {
        label.strip()
        for query in queries(board)
        for group in re.findall(r"by \(([^)]*)\)", query)
        for label in group.split(",")
    }

    assert labels & UNBOUNDED == set()


@each()
def test_rates_follow_the_scrape(board: dict[str, Any]) -> None:
    """A drawn rate uses Grafana's interval, which never is shorter than four scrapes."""
    for panel in panels(board):
        if panel["type"] in {"timeseries", "heatmap"}:
            windows = {
                w
                for target in panel["targets"]
                for w in re.findall(r"rate\([^\[]*\[([^\]]+)\]", target.get("expr", ""))
            }
            assert windows <= {"$__rate_interval"}, panel["title"]


@each()
def test_every_panel_says_what_it_is(board: dict[str, Any]) -> None:
    """Title, description in a sentence, and a unit."""
    for panel in panels(board):
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["description"].endswith("."), panel["title"]
        assert panel["type"] in NO_UNIT or panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@each()
def test_titles_of_figures_fit(board: dict[str, Any]) -> None:
    """A figure four columns wide has room for so many letters above it; more are cut."""
    figures = [panel for panel in panels(board) if panel["type"] == "stat"]

    assert [panel["title"] for panel in figures if len(panel["title"]) > 26] == []


@each()
def test_size(board: dict[str, Any]) -> None:
    """At most twenty panels: beyond that it is two questions."""
    assert len([panel for panel in panels(board) if panel["type"] != "row"]) <= MOST_PANELS


@each()
def test_panels_lie_beside_each_other(board: dict[str, Any]) -> None:
    """Ids are unique, nothing is wider than the page or lies over another, and there are no holes to the left."""
    ids = [panel["id"] for panel in panels(board)]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


@each()
def test_exemplars(board: dict[str, Any]) -> None:
    """Exemplars are asked for histograms only, over time, and once a panel: thrice they would be drawn thrice."""
    for panel in panels(board):
        asked = [target for target in panel.get("targets", []) if target.get("exemplar")]
        assert len(asked) <= 1
        for target in asked:
            assert panel["type"] == "timeseries"
            assert "_bucket" in target["expr"]


def test_exemplars_lead_to_traces() -> None:
    """The latencies of decisions, stages and orders have them, and the checks for drift."""
    asked = [t["expr"] for board in DOCUMENTS for p in panels(board) for t in p.get("targets", []) if t.get("exemplar")]

    for histogram in (m.DECISION_DURATION, m.STAGE_DURATION, m.ORDER_ACK, m.TICK_TO_ORDER, m.DRIFT_DURATION):
        assert any(str(histogram) in query for query in asked)


@each()
def test_heatmaps(board: dict[str, Any]) -> None:
    """Without its format a heatmap draws cumulative buckets: plausible, and wrong."""
    for panel in panels(board):
        if panel["type"] == "heatmap":
            (target,) = panel["targets"]
            assert (target["format"], target["legendFormat"], target["interval"]) == ("heatmap", "{{le}}", "15s")


@each()
def test_buckets_that_are_asked_for(board: dict[str, Any]) -> None:
    """A bound is written as Prometheus 3 stores it; `le="1"` would match nothing."""
    for query in queries(board):
        assert [le for le in re.findall(r'\ble="([^"]*)"', query) if "." not in le] == []


@each()
def test_traceql_quotes_variables_in_backticks(board: dict[str, Any]) -> None:
    """Within quotation marks a symbol such as BTC/USDT would be an error; an id has no such characters."""
    for panel in panels(board):
        for target in panel.get("targets", []):
            assert not re.search(r'"\$\{(?!correlation_id)', target.get("query", "")), panel["title"]


@each()
def test_colors_come_from_the_table(board: dict[str, Any]) -> None:
    """Every threshold that is drawn is a value of the one table; what is absent is grey, never green."""
    values = {threshold.value for threshold in THRESHOLDS} | {0.0, -1e12, None}
    for panel in panels(board):
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        found = defaults.get("thresholds", {}).get("steps", [])
        assert {step["value"] for step in found} <= values, panel["title"]
        assert not found or found[0]["color"] in {GREY, "text", "transparent"}, panel["title"]


@each()
def test_annotations_are_on_named_panels(board: dict[str, Any]) -> None:
    """Marks are drawn on the panels that ask for them: elsewhere they are noise."""
    ids = {panel["id"] for panel in panels(board)}
    for annotation in board["annotations"]["list"]:
        chosen = annotation["filter"]
        assert chosen["ids"]
        assert set(chosen["ids"]) <= ids
        assert chosen["exclude"] is False


@each()
def test_links(board: dict[str, Any]) -> None:
    """From every board to the others, to the search for a trace and to the decisions, keeping the time."""
    found = {link["title"]: link for link in board["links"]}

    assert list(found) == ["Boards", "Find a trace", "Decisions"]
    assert found["Boards"]["keepTime"]
    assert found["Find a trace"]["url"] == "/d/ares-trace"
    assert found["Decisions"]["url"].endswith("from=${__from}&to=${__to}")


def test_alert_lists_leave_the_heartbeat_out() -> None:
    """The dead man's switch always fires; data sources of alert lists are named by name, not by uid."""
    for board in DOCUMENTS:
        for panel in panels(board):
            if panel["type"] == "alertlist":
                assert 'alertname!="Watchdog"' in panel["options"]["alertInstanceLabelFilter"]
                assert panel["options"]["datasource"] == "Prometheus"


def test_alerts_lead_to_boards() -> None:
    """The board of an alert exists and has the variables that its link sets."""
    boards = {board.uid: board for board in BOARDS}
    for alert in ALERTS:
        assert set(alert.variables) - set(boards[alert.board].variables()) == set(), alert.name


def board_of(*chosen: Panel, rows: tuple[Row, ...] = ()) -> Board:
    """Return a board of some panels."""
    return Board("ares-test", "Test", "Is it?", chosen, rows)


def test_layout() -> None:
    """Panels flow from left to right and wrap; rows come below, closed, with their own panels inside."""
    figure = stat("A", "1", "Says.")
    wide = lines("B", [("1", "")], "Says.", "s", width=18, height=4)
    document = board_of(figure, wide, figure, rows=(Row("More", (wide,)),)).document()

    places = [(p["id"], p["gridPos"]["x"], p["gridPos"]["y"]) for p in document["panels"]]
    assert places == [(1, 0, 0), (2, 4, 0), (3, 0, 4), (4, 0, 8)]
    (inside,) = document["panels"][3]["panels"]
    assert (inside["id"], inside["gridPos"]["y"]) == (5, 9)


def test_holes_are_refused() -> None:
    """Panels of one line are equally high."""
    with pytest.raises(ValueError, match="7 high in a line of 4"):
        board_of(stat("A", "1", "Says."), lines("B", [("1", "")], "Says.", "s", height=7)).document()


def test_targets() -> None:
    """Each form has the keys that Grafana needs, and no others: without either it would ask twice."""
    forms = {
        form: Target("q", "l", form).document(0)
        for form in ("range", "instant", "table", "heatmap", "traces", "map", "logs")
    }

    assert (forms["range"]["range"], forms["range"]["instant"]) == (True, False)
    assert (forms["instant"]["range"], forms["instant"]["instant"]) == (False, True)
    assert forms["table"]["format"] == "table"
    assert forms["heatmap"]["format"] == "heatmap"
    assert (forms["traces"]["queryType"], forms["traces"]["tableType"]) == ("traceql", "spans")
    assert forms["map"]["queryType"] == "serviceMap"
    assert (forms["logs"]["datasource"]["uid"], forms["logs"]["queryType"]) == ("loki", "range")
    assert Target("q").document(2) == {
        "refId": "C",
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "expr": "q",
        "instant": False,
        "range": True,
    }


def test_kinds() -> None:
    """A figure that is absent is grey; a limit is a line above a transparent base; a state is a word."""
    limited = stat("A", "1", "Says.", limits=steps(good=GREEN)).defaults["thresholds"]["steps"]
    assert [step["color"] for step in limited] == [GREY, GREEN]
    one = next(threshold for threshold in THRESHOLDS if threshold.name == "limit_near")
    drawn = lines("B", [("1", "")], "Says.", "s", limits=((one, RED),)).defaults
    assert [step["color"] for step in drawn["thresholds"]["steps"]] == ["transparent", RED]
    assert "thresholds" not in lines("B", [("1", "")], "Says.", "s").defaults
    words = state("C", "1", "Says.", ((0, "fine", GREEN),)).defaults["mappings"][0]["options"]
    assert words["0"]["text"] == "fine"
    assert heat("D", "q", "Says.").targets[0].form == "heatmap"


def test_selectors_of_boards() -> None:
    """A query hears the variables whose labels its metric has, and no others."""
    assert shown(m.KILL_SWITCH) == (
        'ares_kill_switch_state{deployment_environment_name=~"$env",service_name=~"$service"}'
    )
    assert 'strategy=~"$strategy",symbol=~"$symbol"' in shown(m.DECISIONS)


def test_lanes_say_what_zero_means() -> None:
    """Where zero is a state it has a word and a color; otherwise it is that nothing is reported."""
    plain = lanes("A", "q", "Says.", {"on": GREEN}, 24)
    calm = lanes("A", "q", "Says.", {"on": GREEN}, 24, legend="{{model_name}}", zero=("off", RED))

    zeros = [panel.defaults["mappings"][0]["options"]["0"] for panel in (plain, calm)]
    assert [(zero["text"], zero["color"]) for zero in zeros] == [("not reported", "transparent"), ("off", RED)]
    assert calm.targets[0].legend == "{{model_name}}"


def test_ranked_tables() -> None:
    """The largest value of the first column is on top; without being asked for only where it is the only one."""
    columns = [("q", "First", "none"), ("r", "Second", "none")]
    tables = (table("A", columns, {}, "Says."), table("A", columns, {}, "Says.", ranked=True))

    ranks = [[each for each in panel.transformations if each["id"] == "sortBy"] for panel in tables]
    assert [len(each) for each in ranks] == [0, 1]
    assert ranks[1][0]["options"]["sort"] == [{"field": "First", "desc": True}]


def test_spans_about_models_lead_to_their_trace_and_logs() -> None:
    """A check for drift belongs to no decision: its model's name leads on, and no correlation id is asked for."""
    columns = (a.DRIFT_KIND, a.DRIFT_EVIDENCE)
    panel = trace_table("A", "q", columns, "Says.", leading=a.MODEL_NAME)

    kept = panel.transformations[0]["options"]["include"]["names"]
    assert a.MODEL_NAME.key in kept
    assert a.CORRELATION_ID.key not in kept
    (links,) = [
        each["value"]
        for override in panel.overrides
        if override["matcher"]["options"] == a.MODEL_NAME.key
        for each in override["properties"]
        if each["id"] == "links"
    ]
    assert [link["title"] for link in links] == ["Trace", "Logs", "Model in Ares"]
    assert [link for link in links[:2] if "correlation_id" in link["url"]] == []


def test_models_are_those_that_vote_or_are_watched() -> None:
    """A model that is watched for drift without being a member of an ensemble can be chosen, too."""
    (board,) = [each for each in DOCUMENTS if each["uid"] == "ares-drift"]
    (model,) = [each for each in board["templating"]["list"] if each["name"] == "model"]

    assert model["definition"].startswith(
        'label_values({__name__=~"ares_ensemble_votes_total|ares_drift_observations_total",'
    )


def test_searches() -> None:
    """A search names a declared span, hears the variables, and shows attributes that such a span has."""
    asked = traces(spans.DECISION, "status = error", wanted=(a.ACTION,), chosen=("symbol",))

    assert asked == (
        '{ name = "decision" && span.ares.symbol =~ `${symbol:regex}` && status = error }'
        " | select(span.ares.action) with (most_recent=true)"
    )
    with pytest.raises(ValueError, match=r"no attribute 'ares\.fill\.id'"):
        traces(spans.DECISION, wanted=(a.FILL_ID,))


def test_log_panels_ask_for_what_loki_answers() -> None:
    """A selector of streams has a matcher that an absent label does not fit, also where all services are chosen."""
    queries = [target.query for board in BOARDS for panel in board.every_panel() for target in panel.targets]
    selectors = [
        query.partition("|")[0].replace("$service", ".*") for query in queries if "${correlation_id:raw}" in query
    ]
    matchers = [re.findall(r'=~"(.*?)"', selector) for selector in selectors if "service_name" in selector]

    assert matchers
    assert [found for found in matchers if all(re.fullmatch(each, "") for each in found)] == []

"""The API over real HTTP, on what the demo did: every endpoint answers as it is declared, and says what is wrong."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import msgspec
import pytest
from api_kit import demo_server, get, told

from ares_otel.server.api.catalog import ENDPOINTS
from ares_otel.server.api.endpoint import Endpoint
from ares_otel.server.api.problems import MEDIA_TYPE
from ares_otel.server.api.reference import api_reference
from ares_otel.server.api.shapes import shape
from ares_otel.server.http.serve import EmbeddedServer

__all__ = ["demo_server"]


def example(server: EmbeddedServer, endpoint: Endpoint) -> str:
    """Return an address of an endpoint with parameters that mean something."""
    order = told(server, "/api/v1/orders?limit=1")["items"][0]
    values = {"id": order["decision_id"], "client_id": order["client_id"], "metric_name": "total_pnl"}
    values["model_id"] = "momentum"
    wanted = {"q": order["correlation_id"], "attribute": "ares.symbol", "value": "SP500"}
    if endpoint.path.startswith("/models/drift/"):
        wanted["model"] = "boosting"
        values["id"] = told(server, "/api/v1/models/drift/episodes?model=boosting")["items"][0]["id"]
    if endpoint.path == "/export":
        wanted["correlation_id"] = order["correlation_id"]
    path = endpoint.path.format_map({name: quote(values[name]) for name in endpoint.places})
    fields = {field.encode_name for field in msgspec.structs.fields(endpoint.asked)}
    query = "&".join(f"{name}={quote(value)}" for name, value in wanted.items() if name in fields)
    return f"/api/v1{path}?{query}"


def test_every_endpoint_is_there_once() -> None:
    """No two endpoints answer at one path."""
    assert len({endpoint.path for endpoint in ENDPOINTS}) == len(ENDPOINTS)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_every_endpoint_answers_as_declared(demo_server: EmbeddedServer, endpoint: Endpoint) -> None:
    """The answer is of the declared type, and the same below `/api`."""
    address = example(demo_server, endpoint)
    reply = get(demo_server, address)

    assert (reply.status, reply.headers["content-type"]) == (200, "application/json"), reply.body
    assert msgspec.json.decode(reply.body, type=shape(endpoint.answer)) is not None
    assert get(demo_server, address.replace("/api/v1", "/api")).status == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.path)
def test_unknown_parameters_are_refused(demo_server: EmbeddedServer, endpoint: Endpoint) -> None:
    """A mistyped filter is an error that names what there is, never an answer to another question."""
    reply = get(demo_server, example(demo_server, endpoint) + "&strateggy=swing")
    problem = json.loads(reply.body)

    assert (reply.status, reply.headers["content-type"]) == (400, MEDIA_TYPE)
    (wrong,) = problem["invalid_parameters"]
    assert (wrong["name"], wrong["place"]) == ("strateggy", "query")
    assert wrong["expected"].startswith("a parameter that there is: ")


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("/decisions?limit=0", "limit", "Expected `int` >= 1"),
        ("/decisions?limit=501", "limit", "Expected `int` <= 500"),
        ("/decisions?limit=ten", "limit", "a whole number"),
        ("/decisions?limit=1&limit=2", "limit", "one value"),
        ("/decisions?confidence_min=nan", "confidence_min", "a number"),
        ("/decisions?confidence_min=1.5", "confidence_min", "Expected `float` <= 1.0"),
        ("/decisions?rejected=1", "rejected", "true or false"),
        ("/decisions?status=bad", "status", "Invalid enum value 'bad'"),
        ("/decisions?start=2026-01-01", "start", "Invalid RFC3339 encoded datetime"),
        ("/decisions?start=2026-01-01T00:00:00", "start", "Expected `datetime` with a timezone component"),
        ("/decisions?cursor=-1", "cursor", "Expected `str` matching regex '^[0-9]{1,19}$'"),
        ("/decisions?strategy=", "strategy", "Expected `str` of length >= 1"),
        ("/search", "q", "a value; it is missing"),
    ],
)
def test_wrong_parameters(demo_server: EmbeddedServer, path: str, name: str, expected: str) -> None:
    """A problem names the parameter and what was expected."""
    reply = get(demo_server, f"/api/v1{path}")
    problem = json.loads(reply.body)

    assert reply.status == problem["status"] == 400
    assert [(each["name"], each["expected"]) for each in problem["invalid_parameters"]] == [(name, expected)]
    assert name in problem["detail"]


def test_what_is_not_there(demo_server: EmbeddedServer) -> None:
    """Unknown things, paths and methods are problems, too."""
    for path, detail in (
        ("/api/v1/decisions/nobody", "nothing is stored of nobody"),
        ("/api/v1/orders/nobody", "there is no order with the client order id nobody"),
        ("/api/v1/nothing", "there is no /api/v1/nothing; /api/v1/openapi.json has all that there is"),
    ):
        reply = get(demo_server, path)
        assert (reply.status, reply.headers["content-type"]) == (404, MEDIA_TYPE)
        assert json.loads(reply.body)["detail"] == detail


def test_etag(demo_server: EmbeddedServer) -> None:
    """What has not changed is not sent again; another answer has another tag."""
    first = get(demo_server, "/api/v1/models/votes")
    tag = first.headers["etag"]
    again = get(demo_server, "/api/v1/models/votes", if_none_match=f'"other", W/{tag}')
    other = get(demo_server, "/api/v1/models/votes?model=momentum", if_none_match=tag)

    assert (again.status, again.body, again.headers["etag"]) == (304, b"", tag)
    assert (other.status, other.headers["etag"] != tag) == (200, True)


def test_gzip(demo_server: EmbeddedServer) -> None:
    """A long answer is packed for who can read it; its tag works the same."""
    plain = get(demo_server, "/api/v1/models/votes")
    packed = get(demo_server, "/api/v1/models/votes", accept_encoding="gzip")

    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert get(demo_server, "/api/v1/models/votes", if_none_match=packed.headers["etag"]).status == 304


def pages(server: EmbeddedServer, path: str) -> list[Any]:
    """Return the items of all pages of a list."""
    found, cursor = [], ""
    while True:
        page = told(server, f"{path}{cursor}")
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"


def test_pages(demo_server: EmbeddedServer) -> None:
    """All pages together hold each decision once, newest first, with any filter."""
    every = pages(demo_server, "/api/v1/decisions?limit=37")
    times = [each["time"] for each in every]
    stored = told(demo_server, "/api/v1/tracking/summary")["decisions"]

    assert len({each["decision_id"] for each in every}) == len(every) == stored
    assert times == sorted(times, reverse=True)
    for name, value in (("symbol", "SP500"), ("action", "hold"), ("regime", every[0]["regime"]), ("venue", "paper")):
        wanted = [each["decision_id"] for each in every if each[name] == value]
        found = pages(demo_server, f"/api/v1/decisions?limit=50&{name}={value}")
        assert [each["decision_id"] for each in found] == wanted


def test_filters(demo_server: EmbeddedServer) -> None:
    """Confidence, time, rejection and status narrow the list as they say."""
    every = pages(demo_server, "/api/v1/decisions?limit=500")
    middle = every[200]["time"]
    cases: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("confidence_min=0.6", lambda each: (each["confidence"] or 0) >= 0.6),
        ("confidence_max=0.5", lambda each: each["confidence"] is not None and each["confidence"] <= 0.5),
        (f"end={quote(middle)}", lambda each: each["time"] < middle),
        ("rejected=true", lambda each: each["rejected"] > 0),
        ("rejected=false", lambda each: each["rejected"] == 0),
        ("status=ok", lambda each: not each["error"]),
        ("status=error", lambda each: each["error"]),
        ("strategy=nobody", lambda _: False),
        ("symbol=sp500", lambda each: each["symbol"] == "SP500"),
        ("agreement_min=0.7&agreement_max=0.9", lambda each: 0.7 <= (each["agreement"] or 0) <= 0.9),
    )
    for query, holds in cases:
        wanted = [each["decision_id"] for each in every if holds(each)]
        found = pages(demo_server, f"/api/v1/decisions?limit=500&{query}")
        assert [each["decision_id"] for each in found] == wanted, query


def test_filters_by_orders_and_models(demo_server: EmbeddedServer) -> None:
    """Decisions are found by their orders and by who voted; with outcomes they tell both."""
    every = pages(demo_server, "/api/v1/decisions?limit=500&outcomes=true")
    sent = {each["decision_id"]: each["orders"] for each in every if each["orders"]}

    def found(query: str) -> set[str]:
        return {each["decision_id"] for each in pages(demo_server, f"/api/v1/decisions?limit=500&{query}")}

    assert found("ordered=true") == sent.keys()
    assert found("ordered=false") == {each["decision_id"] for each in every} - sent.keys()
    assert found("filled=true") == {key for key, orders in sent.items() if any(each["filled"] for each in orders)}
    assert found("order_status=filled") == {
        key for key, orders in sent.items() if any(each["status"] == "filled" for each in orders)
    }
    sides = {each["decision_id"] for each in pages(demo_server, "/api/v1/orders?limit=500&side=buy")}
    assert found("order_side=buy") == sides
    assert found("model=momentum") == {each["decision_id"] for each in every}
    assert found("model=nobody") == set()
    assert {each["later"]["bars"] for each in every} == {5}
    assert any(each["later"]["value"] for each in every)
    assert any(each["judged"] for each in every)
    assert {each["orders"] for each in told(demo_server, "/api/v1/decisions")["items"]} == {None}


def test_filters_of_other_lists(demo_server: EmbeddedServer) -> None:
    """Orders, ensembles, paths, episodes and breaches are found by what their decisions were, page by page."""
    every = {each["decision_id"]: each for each in pages(demo_server, "/api/v1/decisions?limit=500")}
    sent = {each["client_id"]: every[each["decision_id"]] for each in pages(demo_server, "/api/v1/orders?limit=500")}
    for name, value in (("action", "buy"), ("regime", "sideways")):
        found = pages(demo_server, f"/api/v1/orders?limit=7&{name}={value}")
        assert (
            {each["client_id"] for each in found} == {own for own, row in sent.items() if row[name] == value} != set()
        )
    for query in ("action=sell", "regime=bull_trend", "venue=paper", "venue=nowhere", "status=error", "strategy=swing"):
        name, _, value = query.partition("=")
        held = {own for own, row in every.items() if query == "venue=paper" or row.get(name) == value}
        for path in ("ensembles", "decisions"):
            assert {
                each["decision_id"] for each in pages(demo_server, f"/api/tracking/{path}?limit=100&{query}")
            } == held
    assert {each["regime"] for each in pages(demo_server, "/api/v1/regimes/episodes?regime=sideways")} == {"sideways"}
    broken = pages(demo_server, "/api/v1/breaches")
    for name in ("check", "outcome", "strategy"):
        wanted = broken[0][name]
        found = pages(demo_server, f"/api/v1/breaches?{name}={quote(wanted)}")
        assert found == [each for each in broken if each[name] == wanted]


def test_one_decision(demo_server: EmbeddedServer) -> None:
    """A decision is told with the prices around it, its neighbors and what the price did afterwards."""
    rows = told(demo_server, "/api/v1/decisions?symbol=SP500&strategy=swing&limit=100")["items"]
    newer, own, older = rows[59], rows[60], rows[61]
    detail = told(demo_server, f"/api/v1/decisions/{own['decision_id']}")

    assert detail["story"]["correlation_id"] == own["correlation_id"]
    assert (detail["previous"], detail["following"]) == (older["decision_id"], newer["decision_id"])
    assert detail["others"] == 0
    moves = {each["bars"]: each["value"] for each in detail["afterwards"]}
    assert moves[1] == pytest.approx(newer["price"] / own["price"] - 1)
    assert moves[20] is not None
    times = [each["time"] for each in detail["prices"]]
    assert times == sorted(times)
    assert own["market_time"] in times


def test_search_by_each_id(demo_server: EmbeddedServer) -> None:
    """Correlation, decision, trace and client order id lead to the same decision."""
    order = told(demo_server, "/api/v1/orders?limit=1")["items"][0]
    for name in ("correlation_id", "decision_id", "trace_id", "client_id"):
        found = told(demo_server, f"/api/v1/search?q={order[name]}")
        assert [each["decision_id"] for each in found] == [order["decision_id"]]
    assert told(demo_server, "/api/v1/search?q=nobody") == []


def test_search_by_attribute(demo_server: EmbeddedServer) -> None:
    """Spans are found by any attribute, all of them over all pages."""
    found = pages(demo_server, "/api/v1/search/attributes?attribute=ares.action&value=buy&limit=100")
    bought = pages(demo_server, "/api/v1/decisions?action=buy&limit=500")
    roots = {each["trace_id"] for each in found if each["attributes"].get("ares.action") == "buy"}

    assert roots == {each["trace_id"] for each in bought}


def test_openapi(demo_server: EmbeddedServer) -> None:
    """The description has every endpoint, and each reference in it leads somewhere."""
    document = told(demo_server, "/api/v1/openapi.json")
    text = json.dumps(document)
    names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert document["openapi"] == "3.1.0"
    asked = {f"/api/v1{endpoint.path}" for endpoint in ENDPOINTS}
    assert set(document["paths"]) == asked | {"/api/v1/stream", "/api/v1/reports/generate"}
    assert names == set(document["components"]["schemas"])
    operations = [each for path in document["paths"].values() for each in path.values()]
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert all(each["description"] for each in operations)


def test_openapi_tells_of_the_stream(demo_server: EmbeddedServer) -> None:
    """Server-sent events are described with their messages, the WebSocket in words; what comes is what is described."""
    document = told(demo_server, "/api/v1/openapi.json")
    schemas = document["components"]["schemas"]
    stream = document["paths"]["/api/v1/stream"]["get"]
    assert stream["responses"]["200"]["content"]["text/event-stream"]["schema"]["contentSchema"] == {
        "$ref": "#/components/schemas/StreamMessage"
    }
    assert "WebSocket at `/api/v1/ws`" in stream["description"]
    with urlopen(f"{demo_server.url}/api/v1/stream?topics=health", timeout=20) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        lines = iter(events.readline, b"")
        first = json.loads(next(line for line in lines if line.startswith(b"data: "))[6:])
    assert first["topic"] in schemas["StreamMessage"]["properties"]["topic"]["enum"]
    assert schemas["StreamDecision"]["properties"].keys() >= {"time", "decision_id", "action"}


def test_the_documentation_for_people(demo_server: EmbeddedServer) -> None:
    """A page has every operation and type, and each link within it leads somewhere."""
    page = get(demo_server, "/api/v1/docs").body.decode()
    assert get(demo_server, "/api/docs").body.decode() == page
    document = told(demo_server, "/api/v1/openapi.json")
    anchors = set(re.findall(r' id="([^"]+)"', page))

    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors
    assert anchors >= {each["operationId"] for path in document["paths"].values() for each in path.values()}
    assert anchors >= {name.lower() for name in document["components"]["schemas"]}
    tried = re.findall(r'<a href="(/api/[^"]+)">ask it', page)
    assert len(tried) > 30
    assert {get(demo_server, address).status for address in tried} == {200}
    assert not re.findall(r"`|\*\*|\]\(#", page)


def test_the_page_of_the_api(demo_server: EmbeddedServer) -> None:
    """The reference names every endpoint and parameter; its example is answered."""
    page = api_reference()
    address = page.split("GET http://127.0.0.1:4318")[1].splitlines()[0]

    assert 0 < len(told(demo_server, address)["items"]) <= 5
    for endpoint in ENDPOINTS:
        assert f"#### `GET /api/v1{endpoint.path}`" in page
        assert all(f"| `{field.encode_name}` |" in page for field in msgspec.structs.fields(endpoint.asked))

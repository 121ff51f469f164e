"""The console as HTML: every page with a history, without anything, and with names that would like to be scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pages_kit import DAYS, HOSTILE, MARKET, Taken, history, renamed
from server_kit import Reply, fresh, rows, send, store_all, until
from spans import START, Bot, body, key_values

from ares_otel import Vote
from ares_otel.config import Server
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.keep import standing
from ares_otel.server.keep.standing import Standing, Work
from ares_otel.server.store.store import Store
from ares_otel.server.story.ballots import pivots
from ares_otel.server.story.stories import DecisionStory

PAGES = ("/", "/decisions", "/orders", "/models", "/drift", "/regimes", "/system")
PATHS = (*PAGES, "/fragments/tiles", "/fragments/desk", "/fragments/decisions", "/fragments/ratios")
MOST = 250
ORDERED = "SELECT hex(trace) FROM decision WHERE id IN (SELECT decision FROM orders WHERE id % 2 >= 0) AND rejected = 0"
MINUS, SIGMA = "\N{MINUS SIGN}", "\N{GREEK SMALL LETTER SIGMA}"


class Site:
    """A server with its pages."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server

    def get(self, path: str, **headers: str) -> Reply:
        """Return the answer to a request."""
        return send(self.server.url, None, path=path, method="GET", content_type=None, **headers)

    def page(self, path: str, status: int = 200) -> Taken:
        """Return a page taken apart."""
        reply = self.get(path)
        assert reply.status == status, (path, reply.status, reply.body[:400])
        return Taken(reply.body.decode())

    def decision(self, table: str = "decision") -> str:
        """Return the trace id of the newest decision; of the newest one with an order from the table `orders`."""
        query = {"decision": "SELECT hex(trace) FROM decision", "orders": ORDERED}[table]
        return str(rows(self.server.database, query + " ORDER BY id DESC LIMIT 1")[0][0]).lower()


def _day(number: int) -> str:
    """Return a day of the history."""
    return f"{datetime.fromtimestamp(MARKET // 1_000_000_000, UTC) + timedelta(days=number):%Y-%m-%d}"


def _site(directory: Path, requests: Iterator[list[Span]] | None) -> Iterator[Site]:
    database = fresh(directory)
    if requests is not None:
        store_all(database, *([spans] for spans in requests))
    with EmbeddedServer(database) as server:
        yield Site(server)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with a history."""
    yield from _site(tmp_path_factory.mktemp("full"), history())


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server to which nothing was sent."""
    yield from _site(tmp_path_factory.mktemp("empty"), None)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server whose every name would like to be a script."""
    yield from _site(tmp_path_factory.mktemp("hostile"), renamed(history(30)))


def crawl(site: Site) -> dict[str, Taken]:
    """Return all pages that links lead to, at most `MOST`."""
    pages: dict[str, Taken] = {}
    waiting = [*PATHS]
    while waiting and len(pages) < MOST:
        path = waiting.pop(0)
        if path in pages:
            continue
        reply = site.get(path)
        if reply.status == 303:
            waiting.insert(0, reply.headers["location"])
            continue
        assert reply.status == 200, (path, reply.status, reply.body[-600:])
        if not reply.headers["content-type"].startswith("text/html"):
            continue
        pages[path] = Taken(reply.body.decode())
        waiting += [link for link in pages[path].links if link.startswith("/") and link not in pages]
    return pages


@pytest.mark.parametrize("name", ["site", "hostile"])
def test_all_that_is_linked_is_there(name: str, request: pytest.FixtureRequest) -> None:
    """Whatever the names are, each link answers, and each page is well-formed and holds no script or style."""
    pages = crawl(request.getfixturevalue(name))

    assert len(pages) > 40
    assert {path: page.unclosed for path, page in pages.items() if page.unclosed} == {}
    assert {path: page.inline for path, page in pages.items() if page.inline} == {}


def test_hostile_names_are_text(hostile: Site) -> None:
    """A name that looks like a script is shown as it is, and is nowhere part of the page's own language."""
    for path in (*PAGES, f"/decisions/{hostile.decision()}", f"/models/{quote(HOSTILE)}"):
        reply = hostile.get(path)
        page = Taken(reply.body.decode())

        assert b"<script>alert" not in reply.body
        assert {tag for tag, _ in page.tags if tag == "script"} == {"script"}
        assert [facts for tag, facts in page.tags if tag == "script" and "src" not in facts] == []
    assert HOSTILE in hostile.page("/decisions").text


@pytest.mark.parametrize("path", PAGES)
def test_empty_pages_say_how_to_fill_them(empty: Site, path: str) -> None:
    """Without data a page says what is missing and how to get it, and shows no number that nobody measured."""
    page = empty.page(path)

    assert re.search(r"No |nothing|none", page.text)
    assert re.search(r"make demo|ares\.|d\.\w+\(|Spans named", page.text)
    assert not re.search(r"\bnan\b|None(?! of)|inf\b", page.text)


def test_overview(site: Site) -> None:
    """The first page has its tiles, the curve with drawdown and regimes, strategies, decisions, orders, limits."""
    page = site.page("/")

    for said in ("Last decision", "Equity", "Drawdown", "Telemetry", "Decisions as they come", "Open orders", "Limits"):
        assert said in page.text
    chart = next(facts for _, facts in page.tags if facts.get("data-kind") == "equity")
    assert '"regimes":[[' in chart["data-chart"]
    assert '"currency":"USD"' in chart["data-chart"]
    assert f"{10_000 + 10 * ((DAYS - 1) % 9):,}.00 USD" in page.text
    assert "\N{MINUS SIGN}12.50" in page.text
    assert site.page("/?strategy=swing&days=30").text.count("swing") > 3
    assert "margin 25 %" in page.text
    assert re.search(r"33 % 23.46 %, n 60 .* no closed trade is stored", page.text)


def test_performance(site: Site) -> None:
    """Ratios come with their intervals and how many days they rest on, and with the convention they follow."""
    page = site.page("/fragments/ratios")

    assert re.search(rf"swing USD .* {DAYS - 1} Simple daily returns", page.text)
    assert "periods a year" in page.text
    assert re.search(r"What a day may cost .* value at risk 95 %, historical expected shortfall", page.text)
    assert [title for title in page.having("title") if title.startswith("95 % interval")]


def test_decision(site: Site) -> None:
    """A decision tells its sentence, votes, regime, path, checks, orders, stages, and what happened afterwards."""
    trace = site.decision("orders")
    page = site.page(f"/decisions/{trace}")

    assert re.search(
        r"swing bought 12 (SP500|NASDAQ) at 1,431.4: 4 of 5 members voted buy \(weighted 0.66 > 0.60\)", page.text
    )
    for said in (
        "Votes",
        "Regime",
        "Path to the decision",
        "Risk checks",
        "Order and fills",
        "What happened afterwards",
    ):
        assert said in page.text
    assert "✓ right" in page.text
    assert "✗ wrong" in page.text
    chart = next(facts["data-chart"] for _, facts in page.tags if facts.get("data-kind") == "candles")
    assert "arrival mid" in chart
    assert '"filled at"' in chart
    assert trace in page.having("data-copy")
    assert {facts.get("rel") for tag, facts in page.tags if tag == "a"} >= {"prev", "next"}
    assert "open the trace" not in page.text


def test_logs_of_a_decision(site: Site, tmp_path: Path) -> None:
    """The log records of a decision's correlation stand on its page by time; without any it says how to send some."""
    database, whole = fresh(tmp_path), Bot().decision()
    store_all(database, [whole.all])
    made = ExportLogsServiceRequest()
    scope = made.resource_logs.add().scope_logs.add()
    scope.scope.name = "strategy"
    for at, (severity, said, key) in enumerate(
        ((17, HOSTILE, whole.ids.correlation), (9, "spread is wide", whole.ids.correlation), (13, "not mine", "c-2"))
    ):
        note = scope.log_records.add(time_unix_nano=START + 10_000 - at * 2_000, severity_number=severity)
        note.body.string_value = said
        note.attributes.extend(key_values({"correlation_id": key}))
    with EmbeddedServer(database) as server:
        send(server.url, made.SerializeToString(), path="/v1/logs")
        reply = Site(server).get(f"/decisions/{whole.ids.decision}")
        page = Taken(reply.body.decode())

    assert re.search(rf"info strategy spread is wide .* error strategy {re.escape(HOSTILE)}", page.text)
    assert "not mine" not in page.text
    assert b"<script>alert" not in reply.body
    assert "/v1/logs" in site.page(f"/decisions/{site.decision()}").text


def test_combined_vote_of_a_step(tmp_path: Path) -> None:
    """Where a decision that holds says no confidence, its step "vote" says vote and threshold; the side, if certain."""
    database, bot = fresh(tmp_path), Bot()
    shares = {0.884: "combined leaning ▲ buy 0.88 threshold 0.95", 0.7: "combined · hold 0.70 threshold 0.95"}
    made = [bot.decision(order=False) for _ in shares]
    for whole, share in zip(made, shares, strict=True):
        root = whole.spans[-1]
        kept = [pair for pair in root.attributes if pair.key not in {a.CONFIDENCE.key, a.THRESHOLD.key, a.ACTION.key}]
        del root.attributes[:]
        root.attributes.extend([*kept, *key_values({a.ACTION.key: "hold"})])
        for said in root.events:
            if said.name == s.DECISION_PATH.name:
                del said.attributes[:]
                said.attributes.extend(key_values({a.STEP.key: "vote", a.PATH_VALUE.key: share, a.THRESHOLD.key: 0.95}))
    store_all(database, *([whole.all] for whole in made))
    with EmbeddedServer(database) as server:
        pages = [Site(server).page(f"/decisions/{whole.ids.decision}").text for whole in made]

    assert [said in page for page, said in zip(pages, shares.values(), strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("forces", "share", "threshold", "named"),
    [
        ({"a": ("buy", 0.5), "b": ("buy", 0.3), "c": ("sell", 0.2)}, 0.8, 0.6, {"a": 0.3, "b": 0.5}),
        ({"a": ("buy", 0.5), "b": ("buy", 0.3), "c": ("sell", 0.2)}, 0.8, 0.4, {"a": 0.3}),
        ({"a": ("buy", 0.3), "b": ("buy", 0.3), "c": ("buy", 0.4)}, 1.0, 0.55, {}),
        ({"a": ("buy", 0.5), "b": ("buy", 0.3), "c": ("sell", 0.2)}, 0.7, 0.6, {}),
        ({"a": ("buy", 0.5), "b": ("buy", 0.3), "c": ("sell", 0.2)}, 0.8, 0.9, {}),
        ({"a": ("sell", 1.0)}, 1.0, 0.6, {}),
        ({"a": ("buy", 1.0)}, 1.0, None, {}),
        ({}, 0.8, 0.6, {}),
    ],
)
def test_pivotal_votes(
    forces: dict[str, tuple[str, float]], share: float, threshold: float | None, named: dict[str, float]
) -> None:
    """A vote is pivotal if without it the share had not passed; none is where votes were combined by another rule."""
    votes = tuple(Vote(model, action, confidence=1.0, weight=force) for model, (action, force) in forces.items())
    decided = DecisionStory(action="buy", confidence=share, threshold=threshold, votes=votes)

    assert {each.model: pytest.approx(each.share) for each in pivots(decided)} == named


def test_logout(tmp_path: Path) -> None:
    """Who is logged in finds the way out on every page; who needs no login, or shows a token, finds none."""
    tokens = tmp_path / "tokens"
    tokens.write_text("reader-0123456789 read\n")
    tokens.chmod(0o600)
    with EmbeddedServer(fresh(tmp_path), settings=Server(token_file=str(tokens))) as server:
        form = "application/x-www-form-urlencoded"
        entered = send(server.url, b"token=reader-0123456789", path="/login", content_type=form)
        site, cookie = Site(server), entered.headers["set-cookie"].partition(";")[0]
        inside = site.get("/", cookie=cookie), site.get("/orders/nothing", cookie=cookie)
        program = site.get("/", authorization="Bearer reader-0123456789", cookie=cookie)
    with EmbeddedServer(fresh(tmp_path, "plain.db")) as server:
        plain = Site(server).get("/", cookie=cookie)

    shown = ['action="/logout"' in each.body.decode() for each in (*inside, program, plain)]
    assert shown == [True, True, False, False]


def test_link_to_the_trace(site: Site, tmp_path: Path) -> None:
    """Where the address of traces is configured, a decision links to its own; the name in it is no script."""
    database = fresh(tmp_path)
    whole = Bot().decision()
    store_all(database, [whole.all])
    address = "https://grafana.example/explore?trace={trace_id}"
    with EmbeddedServer(database, settings=Server(trace_url=address)) as server:
        page = Site(server).page(f"/decisions/{whole.ids.decision}")

    assert address.replace("{trace_id}", whole.ids.trace.hex()) in page.links
    assert not [link for link in site.page(f"/decisions/{site.decision()}").links if "grafana" in link]


def test_deep_links(site: Site) -> None:
    """Any id leads to the decision, as a filter, as a word, and as Grafana writes it."""
    trace = site.decision("orders")
    found = rows(site.server.database, "SELECT correlation, decision_id FROM decision ORDER BY id DESC")[0]
    order = rows(site.server.database, "SELECT client_id FROM orders ORDER BY id DESC")[0][0]
    expected = {site.get(f"/decisions?trace={trace}").headers["location"]}

    for query in (f"trace={trace.upper()}", f"q={trace}", f"order={order}", f"q=order:{order}", f"var-trace={trace}"):
        reply = site.get(f"/decisions?{query}")
        assert (reply.status, {reply.headers["location"]}) == (303, expected), query
    assert site.get(f"/decisions?correlation={found[0]}").status == 303
    assert site.page(expected.pop()).text


def test_filters(site: Site) -> None:
    """Filters stand in the address, in the field and as chips, and choose what they say."""

    def shown(query: str) -> int:
        return len(site.page(f"/decisions?{query}").having("data-id"))

    assert shown("") == 50
    assert shown("q=has:rejected") == len(rows(site.server.database, "SELECT 1 FROM decision WHERE rejected > 0")) > 0
    assert shown("q=has:order") == 20
    assert shown("q=has:fill+action:buy") == shown("action=buy&has=fill") == 18
    assert shown("q=regime:high_volatility") == 20
    assert shown("q=symbol:SP500+regime:bull_trend") + shown("q=symbol:nasdaq+regime:bull_trend") == 20
    assert shown("q=SP500") == shown("var-symbol=SP500") == 30
    assert shown("q=confidence:<0.55") == 0
    assert shown("q=confidence:66%25+agreement:>=0.8") == 50
    assert shown("q=model:forest+status:rejected") == shown("q=has:rejected")
    assert shown("q=side:sell") == shown("q=has:error") == 0
    assert shown("var-strategy=$__all&var-symbol=All&from=now-5m") == 0
    assert shown("from=2023-11-14T22:13:20&to=1700000003000") == 13
    chips = site.page("/decisions?q=action:buy+has:order+confidence:>0.5")
    assert [link for link in chips.links if "q=action%3Abuy+has%3Aorder&" in link + "&"]
    assert "action:buy confidence:>0.5 has:order" in chips.having("value")


def test_came_true_and_earned(site: Site, tmp_path: Path) -> None:
    """A list says how many votes of a decision were right and which, and what its order earned after fees."""
    page = site.page("/decisions")
    bot, database = Bot(), fresh(tmp_path)
    there, _, back = (bot.decision() for _ in range(3))  # of the same symbol
    for each in back.all:
        for pair in each.attributes:
            if pair.key == a.SIDE.key:
                pair.value.string_value = "sell"
            elif pair.key == a.FILL_PRICE.key:
                pair.value.double_value += 10
    with EmbeddedServer(database) as server:
        send(server.url, body([*there.all, *back.all]))
        until(lambda: rows(database, "SELECT 1 FROM trade"))
        listed = Site(server).page("/decisions")
        ((pnl, fees),) = rows(database, "SELECT pnl, fees FROM trade")

    assert "2 of 3" in page.text
    assert "right: forest, logistic; wrong: boosting" in page.having("title")
    assert float(fees) > 0
    assert listed.text.count(f"+{float(pnl) - float(fees):,.2f}") == 1
    assert "no outcome of its votes is among those that followed" in listed.having("title")


def test_pages_of_a_list(site: Site) -> None:
    """The link to older decisions leads on without gap or repetition."""
    first = site.page("/decisions")
    older = next(link for link in first.links if "before=" in link)
    second = site.page(older)

    ids = first.having("data-id") + second.having("data-id")
    assert len(ids) == len(set(ids)) == DAYS
    assert [each[:12] for each in ids] == sorted((each[:12] for each in ids), reverse=True)
    assert not [link for link in second.links if "before=" in link]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/decisions?q=confidence:high", "confidence"),
        ("/decisions?q=has:luck", "has"),
        ("/decisions?q=colour:red", "colour"),
        ("/decisions?q=action:", "action"),
        ("/decisions?q=%22open", "q"),
        ("/decisions?from=yesterday", "from"),
        ("/decisions?from=99999999999999999999", "from"),
        ("/decisions?from=2000&to=1000", "from"),
        ("/decisions?before=x", "before"),
        ("/decisions?q=" + "a" * 600, "q"),
        ("/orders?q=confidence:0.5", "confidence"),
        ("/orders?q=model:forest", "model"),
        ("/orders?q=SP500", "q"),
        ("/system?hours=7", "hours"),
    ],
)
def test_what_cannot_be_searched(site: Site, path: str, field: str) -> None:
    """A filter that cannot be understood is answered by a page that names it."""
    page = site.page(path, 400)

    assert f"{field} :" in page.text or f"{field}:" in page.text


@pytest.mark.parametrize(
    "path",
    ["/decisions/nothing", "/decisions/" + "0" * 32, "/decisions?q=nothing", "/orders/nothing", "/models/nothing",
     "/regimes?strategy=nothing", "/static/nothing", "/static/../site.py", "/decisions/%00%ff"],
)  # fmt: skip
def test_what_is_not_there(site: Site, path: str) -> None:
    """An id of nothing is answered by a page that says so, with ways out."""
    page = site.page(path, 404)

    assert "/decisions" in page.links


def test_a_name_that_is_not_known(site: Site) -> None:
    """A filter by a name that nobody has sent says which ones are known."""
    page = site.page("/decisions?q=strategy:Swing2")

    assert "strategy:swing" in page.text
    assert "symbol:SP500" in page.text


def test_orders(site: Site) -> None:
    """Orders show how well they were executed; one shows its states, its reports and the way to its decision."""
    page = site.page("/orders")
    for said in ("From order to answer", "Slippage against arrival", "insufficient funds", "Implementation shortfall"):
        assert said in page.text
    rejected = site.page("/orders?status=rejected")
    assert {"filled", "rejected"} >= set(re.findall(r"✗ (\w+)", rejected.text))
    client = rows(site.server.database, "SELECT client_id FROM orders ORDER BY id LIMIT 1")[0][0]
    order = site.page(f"/orders/{client}")
    for said in ("States", "partially filled", "why it was sent", "+1.2 bp", "delay", "opportunity", "explicit"):
        assert said in order.text
    assert site.page(f"/orders?order={client}").text == order.text


def test_models(site: Site) -> None:
    """Models show how often they came true, with interval and n; absent is said where nothing is known."""
    page = site.page("/models")
    assert "100.0 %" in page.text
    assert re.search(r"forest 60 100 % 0\.63 0\.20 100\.0 %", page.text)
    assert str(DAYS) in page.text
    forest, momentum = site.page("/models/forest"), site.page("/models/momentum")
    for said in ("rsi", "Came true by regime", "100.0 % of its 60 judged votes came true", "500 rows, 2 features"):
        assert said in forest.text
    assert re.search(
        r"It says too little: its confidence is 0\.\d\d below what comes true \(95 %: .* n 60\)", forest.text
    )
    assert "Too few judged votes with a confidence" in momentum.text
    assert "Too few outcomes" in momentum.text
    assert "No importances" in momentum.text


def test_regimes(site: Site) -> None:
    """Regimes show price with bands, how long they last, what followed, which votes came true."""
    page = site.page("/regimes?strategy=swing&symbol=SP500")
    for said in ("How long they last", "What followed", "Which votes came true", "No closed trades", "bull trend"):
        assert said in page.text
    assert next(facts for _, facts in page.tags if facts.get("data-kind") == "candles")
    assert "100 %" in page.text


def test_system(site: Site) -> None:
    """System shows components, feeds and what the database holds."""
    page = site.page("/system?hours=168")
    for said in ("analyst", "99 %", "bars", "sqlite, schema", f"decisions {DAYS}"):
        assert said in page.text


@pytest.mark.parametrize(
    ("work", "stands", "said"),
    [
        ("retention", Standing(ended=START, seconds=2.5, amount=1_234), ("1,234 rows deleted", "2.5 s", "none")),
        ("retention", Standing(failures=1, failed=START, problem="disk <full>"), ("✗ disk <full>",)),
        ("backup", Standing(ended=START, seconds=1.0, amount=12_000_000, failures=2), ("12 MB", "after 2 failures")),
        ("influx", Standing(ended=START, amount=7, lost=3), ("7 points", "3 points were refused")),
    ],
)
def test_keeping(tmp_path: Path, work: Work, stands: Standing, said: tuple[str, ...]) -> None:
    """System shows how retention, back-ups and forwarding stand; before they were tried, how to get them."""
    database = fresh(tmp_path)
    with closing(Store(database)) as store, store.transaction() as db:
        standing.write(db, work, stands)
    with EmbeddedServer(database) as server:
        page = Site(server).page("/system")
    for each in said:
        assert each in page.text
    assert ("ares-otel backup FILE" in page.text) is (work != "backup")
    assert ("server.influx.url" in page.text) is (work != "influx")


def test_times_and_absence(site: Site) -> None:
    """Times are in UTC for machines, market time is marked, and what is absent says why."""
    page = site.page("/decisions")
    times = [facts for tag, facts in page.tags if tag == "time"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", facts["datetime"]) for facts in times)
    assert [facts for facts in times if facts.get("class") == "market" and facts["title"].startswith("market time")]
    assert "4 of 5 bars have come since" in page.having("title")


def test_files(site: Site) -> None:
    """Scripts and styles come from here, with a tag that saves sending them again."""
    for name in ("ares.css", "ares.js", "charts.js", "vendor/lightweight-charts-5.2.1.mjs", "vendor/inter-5.3.0.woff2"):
        reply = site.get(f"/static/{name}")
        assert reply.status == 200
        assert site.get(f"/static/{name}", if_none_match=reply.headers["etag"]).status == 304
    for page in (site.page("/"), site.page("/regimes")):
        loaded = [facts.get("src") or facts["href"] for tag, facts in page.tags if tag in {"script", "link"}]
        assert all(urlsplit(address).path.startswith("/static/") and not urlsplit(address).netloc for address in loaded)


def test_drift_of_all_models(site: Site) -> None:
    """States, budgets, episodes with what moved, what cannot be tested and why, second opinions."""
    page = site.page("/drift")

    assert "1 of 1 watched model drifts now: forest (warning)" in page.text
    assert "What cannot be tested" in page.text
    assert "n_eff < 24 1 vol:scale" in page.text
    assert "KSDrift" in page.text
    assert "gap scale \N{MINUS SIGN}0.70 \N{GREEK SMALL LETTER SIGMA}" in page.text
    assert page.text.count("! warning") == 3
    assert {"/drift/forest?kind=data", "/drift/forest?kind=data#h-card"} <= {*page.links}


def test_drift_of_a_model(site: Site) -> None:
    """The timeline with its threshold, both distributions with n, episodes with decisions, the account, the card."""
    page = site.page("/drift/forest")

    assert "forest has data drift (warning) since" in page.text
    assert "p 0.002" in page.text
    assert page.text.count("none can be named") == 1
    assert "60 checks. Highest: 1.30 of the threshold, gap:scale" in page.text
    assert "largest difference 0.25 between both; n 15 of 20 bars" in page.text
    assert [facts.get("class") for _, facts in page.tags].count("shapes") == 2
    assert sum(facts.get("class") == "e-warning" for _, facts in page.tags) == 2
    assert "gap:scale 240" in page.text
    decisions = [link for link in page.links if link.startswith("/decisions/")]
    assert len(decisions) == 3
    assert site.get(decisions[0]).status == 200
    own = next(link for link in page.links if "episode=" in link)
    chosen = site.page(urlsplit(own)._replace(fragment="").geturl())
    assert "at the alarm of episode" in chosen.text
    one = site.page("/drift/forest?kind=data&quantity=a%20%26%20b:dependence")
    assert "Highest: 0.10 of the threshold, a & b:dependence" in one.text
    assert "Nothing of this name was tested" in site.page("/drift/forest?quantity=nothing").text


def test_the_budget_line_by_line(site: Site) -> None:
    """What a month allows and its bars have used, each alarm with its test, and what each quantity may spend."""
    text = site.page("/drift/forest").text

    assert "0.00026 false alarms a month of 20 bars may be raised for this model, all kinds together" in text
    assert "a chance of 5.0 % of any within 4,000 bars" in text
    assert (
        f"Of the budget of 2007-05 its bars have used 3.1e{MINUS}05, 0.00023 is left; 0 alarms were raised in it."
        in text
    )
    assert (
        "Since the reference began 0.01 were allowed for, 2 were raised: so many come by chance alone in less" in text
    )
    assert f"data ! warning gap:scale 64 bars 1.30 {MINUS}0.70 {SIGMA} 950" in text
    assert "data gap:scale 100.0 % 25.0 % 64 bars , 75.0 % 512 bars 0.01 1.30 2" in text
    assert "which end below the thin line at 0.50" in text


def test_a_decision_says_which_models_were_drifting(site: Site) -> None:
    """Those of an open episode stand on its page with a link, and beside their vote; where none was, nothing does."""
    days = rows(site.server.database, "SELECT hex(trace) FROM decision ORDER BY id")
    calm, unseen, known = (site.page(f"/decisions/{days[day][0].lower()}") for day in (5, 17, 25))

    assert "Models that were drifting" not in calm.text
    assert (
        f"forest voted or predicted data ! warning no, seen later {_day(15)} {_day(20)} {_day(35)} gap scale"
        in unseen.text
    )
    assert f"forest voted or predicted data ! warning yes {_day(15)} {_day(20)} {_day(35)} gap scale" in known.text
    assert ("! data drift" in unseen.text, "! data drift" in known.text) == (False, True)
    (link,) = {link for link in known.links if link.startswith("/drift/")}
    assert "at the alarm of episode 1" in site.page(link).text


def test_drift_that_there_is_not(site: Site, empty: Site) -> None:
    """Models, kinds and episodes that are not stored are said to be none; what cannot be asked is refused by name."""
    assert "No check for drift of a model nobody is stored." in site.page("/drift/nobody", 404).text
    assert "No check for label drift of forest is stored." in site.page("/drift/forest?kind=label", 404).text
    assert "No episode 12 is stored." in site.page("/drift/forest?episode=12", 404).text
    assert "kind: expected one of data, prediction" in site.page("/drift/forest?kind=odd", 400).text
    for number in ("x", "²", "9" * 30):
        assert "episode: expected the number of one" in site.page(f"/drift/forest?episode={quote(number)}", 400).text
    assert "No model is watched" in empty.page("/drift").text


def test_names_of_models_lead_to_their_drift(site: Site) -> None:
    """From the list of models and from a model's own page; a model that nobody watches says so."""
    assert "/drift/forest" in site.page("/models").links
    assert "/drift/boosting" not in site.page("/models").links
    assert "/drift/forest" in site.page("/models/forest").links
    assert "/models/forest" in site.page("/drift/forest").links

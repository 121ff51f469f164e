"""What people read: the sentence, the tree with its times, the JSON for programs, the commands."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from server_kit import fresh, store_all
from spans import START, Bot, Whole, event, span

from ares_otel.cli import main as cli
from ares_otel.cli import serve as serve_command
from ares_otel.records import Regime, Vote
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.story.explain import explain, render
from ares_otel.server.story.reader import Reader
from ares_otel.server.story.sentence import sentence
from ares_otel.server.story.stories import DecisionStory, ExceptionStory, OrderStory, Story, UpdateStory
from ares_otel.server.story.wording import amount, clean, figure, listed, seconds, shown

GOLDEN = Path(__file__).with_name("golden")


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, list[Whole]]:
    """A database with a filled order, a rejected one, and a decision that failed."""
    database, bot = fresh(tmp_path), Bot()
    made = [bot.decision(), bot.decision(statuses=("rejected",)), bot.decision(order=False)]
    root = made[2].spans[-1]
    root.status.code, root.status.message = Status.STATUS_CODE_ERROR, "ValueError: no price\x1b[31m"
    root.events.append(
        event(s.EXCEPTION, START, {a.EXCEPTION_TYPE: "ValueError", a.EXCEPTION_MESSAGE: "no price\x1b[31m"})
    )
    root.events.append(event(s.OUTCOME, START, {a.MODEL_NAME: "m", a.ACTUAL: "up", a.RESULT: "wrong"}))
    root.attributes.add(key=a.ERROR_TYPE.key).value.string_value = "ValueError"
    store_all(database, [each.all for each in made])
    return database, made


def told(database: Path, text: str, *, as_program: bool = False) -> str:
    """Return what the command writes."""
    out = io.StringIO()
    explain(database, text, out, json=as_program)
    return out.getvalue()


# --- the tree and the JSON ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["filled", "rejected", "failed"])
def test_golden_text(stored: tuple[Path, list[Whole]], name: str) -> None:
    """The whole text of a decision is exactly the one that was looked at and found good."""
    database, made = stored
    whole = made[("filled", "rejected", "failed").index(name)]

    assert told(database, whole.ids.decision) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_golden_json(stored: tuple[Path, list[Whole]]) -> None:
    """The whole JSON of a decision is the documented one: programs rely on it."""
    database, made = stored

    found = json.loads(told(database, made[0].client_id, as_program=True))

    assert found == json.loads((GOLDEN / "filled.json").read_text(encoding="utf-8"))


def test_json_has_every_documented_field(stored: tuple[Path, list[Whole]]) -> None:
    """Every field of the structs is in the JSON, known or null, and it reads back."""
    database, made = stored
    found = json.loads(told(database, made[0].client_id, as_program=True))

    (story,) = found["stories"]
    assert found["query"] == "C-1"
    for kind, part in ((Story, story), (DecisionStory, story["decision"]), (OrderStory, story["orders"][0])):
        assert set(part) == {field.name for field in msgspec.structs.fields(kind)}


def test_several_are_listed(stored: tuple[Path, list[Whole]], tmp_path: Path) -> None:
    """Several decisions under one id are listed with the ids that tell one of them."""
    del stored
    database = fresh(tmp_path, "two.db")
    bot = Bot()
    outer = bot.decision()
    inner = bot.decision(around=outer, order=False)
    store_all(database, [outer.all, inner.all])

    lines = told(database, outer.ids.correlation).splitlines()

    assert lines[0] == f"2 decisions are known by {outer.ids.correlation}, newest first:"
    assert lines[1].startswith(f"2023-11-14 22:13:20.250  {inner.ids.decision}  swing decided to buy SP500: 4 of 5")
    assert lines[2].startswith(f"2023-11-14 22:13:20.000  {outer.ids.decision}  swing bought 12 NASDAQ at 1,431.4")
    assert lines[3] == "`ares-otel explain` with one of the ids in the second column tells one of them."


def test_too_many_spans_are_counted(tmp_path: Path) -> None:
    """A trace of thousands of spans is told in part, and says how much is left out."""
    database = fresh(tmp_path)
    store_all(database, [[span("tick", own=b"tick" + at.to_bytes(4, "big")) for at in range(2_003)]])

    assert told(database, (b"T" * 16).hex()).endswith("\n… and 3 more spans\n")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Tell that it is one."""
        return True


@pytest.mark.parametrize("no_color", [False, True])
def test_color_on_a_terminal_only(
    stored: tuple[Path, list[Whole]],
    monkeypatch: pytest.MonkeyPatch,
    no_color: bool,  # noqa: FBT001
) -> None:
    """A terminal gets colors unless NO_COLOR is set, lines fit its width, and no escape of the bot's gets through."""
    database, made = stored
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    with Reader(database) as reader:
        stories = reader.find(made[2].ids.decision)
    out = Terminal()

    render("x", stories, out)

    text = out.getvalue()
    assert ("\x1b[32m" in text, "\x1b[31mValueError" in text) == (not no_color, not no_color)
    assert "price\x1b[31m" not in text
    assert "…" in text
    assert "no price\x1b" not in told(database, made[2].ids.decision)


# --- the sentence ------------------------------------------------------------------------------------------------

NOW = datetime(2024, 1, 1, tzinfo=UTC)
VOTES = tuple(Vote(model, action) for model, action in (("a", "buy"), ("b", "buy"), ("c", "hold")))
FILLED = {"side": "buy", "quantity": 12.0, "status": "filled", "cum_quantity": 12.0, "avg_price": 99.5}


def story(decision: DecisionStory | None, *orders: OrderStory, **said: Any) -> Story:
    """Return a story with little else."""
    facts: dict[str, Any] = {
        **dict.fromkeys(("correlation_id", "decision_id", "causation_id", "service", "mode")),
        **dict.fromkeys(("outcomes", "calls", "exceptions", "spans"), ()),
    }
    facts |= {"sentence": "", "trace_id": "t", "span_id": "s", "start": NOW, "duration_seconds": 0.0, **said}
    return Story(decision=decision, orders=orders, **facts)


def order(**facts: Any) -> OrderStory:
    """Return an order of X."""
    return OrderStory(**{"client_id": "c", "side": None, "type": None, "symbol": "X"} | facts)


def update(**facts: Any) -> UpdateStory:
    """Return an update."""
    return UpdateStory(**{"client_id": "c", "status": None} | facts)


BUY = DecisionStory(strategy="swing", symbol="X", action="buy")


@pytest.mark.parametrize(
    ("told_story", "expected"),
    [
        (story(DecisionStory()), "the bot ended without a decision."),
        (story(DecisionStory(symbol="X"), service="desk"), "desk ended without a decision on X."),
        (story(DecisionStory(strategy="swing", symbol="X", action="hold")), "swing held X."),
        (story(DecisionStory(strategy="swing", symbol="X", action="none")), "swing decided nothing on X."),
        (story(DecisionStory(strategy="swing", action="close")), "swing decided to close."),
        (
            story(DecisionStory(strategy="swing", symbol="X", action="sell", confidence=0.5)),
            "swing decided to sell X: confidence 0.50.",
        ),
        (
            story(msgspec.structs.replace(BUY, votes=VOTES, confidence=0.6, threshold=0.6)),
            "swing decided to buy X: 2 of 3 members voted buy (confidence 0.60 = 0.60).",
        ),
        (
            story(msgspec.structs.replace(BUY, votes=(*VOTES, Vote("meta", "sell", meta_learner=True)))),
            "swing decided to buy X: 2 of 3 members voted buy.",
        ),
        (
            story(msgspec.structs.replace(BUY, confidence=0.5, threshold=0.6)),
            "swing decided to buy X: confidence 0.50 < 0.60.",
        ),
        (
            story(msgspec.structs.replace(BUY, regime=Regime("sideways"))),
            "swing decided to buy X: in a sideways market.",
        ),
        (story(msgspec.structs.replace(BUY, regime=Regime("unknown"))), "swing decided to buy X."),
        (
            story(msgspec.structs.replace(BUY, abandoned=True)),
            "swing decided to buy X; it never ended and was closed by the time limit.",
        ),
        (
            story(msgspec.structs.replace(BUY, aborted=True)),
            "swing decided to buy X; the bot was killed before it ended.",
        ),
        (
            story(msgspec.structs.replace(BUY, error_type="KeyError")),
            "swing decided to buy X; it failed with KeyError.",
        ),
        (
            story(
                msgspec.structs.replace(BUY, error_type="KeyError"),
                exceptions=(ExceptionStory("decision", 0.0, "KeyError", "'price'"),),
            ),
            "swing decided to buy X; it failed with KeyError: 'price'.",
        ),
        (story(BUY, order(**FILLED)), "swing bought 12 X at 99.5; filled."),
        (
            story(BUY, order(**FILLED, filled_after_seconds=0.0421, slippage_bps=-0.44)),
            "swing bought 12 X at 99.5; filled after 42.1 ms, 0.4 bp better than arrival.",
        ),
        (
            story(BUY, order(**FILLED, filled_after_seconds=0.0421, slippage_bps=-0.04)),
            "swing bought 12 X at 99.5; filled after 42.1 ms, at arrival.",
        ),
        (
            story(BUY, order(side="sell_short", cum_quantity=1.5, symbol=None, slippage_bps=1.0)),
            "swing sold short 1.5 X; not answered yet, 1.0 bp worse than arrival.",
        ),
        (story(BUY, order(quantity=3.0, price=1.5)), "swing wanted to trade 3 X at 1.5; not answered yet."),
        (story(BUY, order(side="sell", status="new")), "swing wanted to sell X; still new."),
        (
            story(BUY, order(side="sell", status="pending_cancel", quantity=4.0, cum_quantity=1.0)),
            "swing sold 1 X; 1 of 4 filled so far.",
        ),
        (
            story(
                BUY,
                order(
                    side="buy", status="canceled", quantity=4.0, cum_quantity=1.0, updates=(update(status="canceled"),)
                ),
            ),
            "swing bought 1 X; canceled with 1 of 4 filled.",
        ),
        (
            story(BUY, order(side="buy", status="denied", updates=(update(reject_reason="exceeds_limit"),))),
            "swing wanted to buy X; denied by the bot's own checks (exceeds limit).",
        ),
        (
            story(BUY, order(side="buy"), order(**FILLED), order(side="buy")),
            "swing bought 12 X at 99.5; filled (2 more orders).",
        ),
        (story(BUY, order(**FILLED), order(side="buy")), "swing bought 12 X at 99.5; filled (1 more order)."),
        (story(None), "something was seen in this trace; no decision of it is stored."),
        (story(None, order(**FILLED), service="desk"), "desk bought 12 X at 99.5; filled; its decision is not stored."),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sentences(told_story: Story, expected: str) -> None:
    """The sentence says what is known and leaves out what is not."""
    assert sentence(told_story) == expected


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((0, "0"), (12.0, "12"), (1_431.4, "1,431.4"), (0.1, "0.1"), (-2.5, "-2.5"), (1 / 3, "0.33333333")),
        *((0.00001234, "0.00001234"), (1e-15, "1e-15"), (2.5e9, "2,500,000,000"), (-1e12, "-1,000,000,000,000")),
        *((float("inf"), "inf"), (Decimal("1.10"), "1.1"), (0.0001, "0.0001")),
    ],
)
def test_amounts(value: float | Decimal, expected: str) -> None:
    """Quantities and prices have the digits that they need and no more."""
    assert amount(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((0, "0"), (0.021433084, "0.021433"), (-5.0, "-5"), (3_355.56, "3,355.6"), (28_388.038, "28,388")),
        *((1_437_770_000.0, "1,437,770,000"), (1e-9, "0.000000001"), (99_999.96, "100,000")),
    ],
)
def test_figures(value: float, expected: str) -> None:
    """Measured values have five digits, and never less than their whole part."""
    assert figure(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((0, "0 ms"), (4.2e-5, "42 µs"), (0.212, "212 ms"), (-0.001, "-1 ms"), (2.1, "2.1 s"), (59.99, "60 s")),
        *((185.0, "3 min 5 s"), (7_500.0, "2.08 h"), (200_000.0, "2.31 d")),
    ],
)
def test_durations(value: float, expected: str) -> None:
    """Durations have a unit in which they are easily read."""
    assert seconds(value) == expected


def test_whatever_is_shown_is_one_harmless_line() -> None:
    """Control characters are taken out, long texts cut, and every kind of value has words."""
    assert clean("a\nb\x1b[2Jc\u202ed") == "a�b�[2Jc�d"
    assert len(clean("x" * 1_000)) == 200
    assert shown({"b": 0.25, "a": 0.75, "c": "x"}) == "a 0.75, b 0.25, c x"
    assert [shown(value) for value in (True, False, 7, 1.5, "text", b"\1\2", [1, [2.0]], None)] == [
        *("yes", "no", "7", "1.5", "text", "0102", "1, 2", "None")
    ]
    assert listed({str(at): at for at in range(20)}).endswith("9 9, 8 8, … 8 more")


def _sparse() -> list[Span]:
    """Return a decision whose records say hardly anything."""
    kinds = (s.VOTE, s.REGIME, s.DECISION_PATH, s.FEATURES, s.PREDICTION, s.MARKET_DATA, s.OUTCOME, s.EXCEPTION)
    events = [
        *(event(kind, START, {}) for kind in kinds),
        event(s.REGIME, START, {a.REGIME: "breakout", a.REGIME_RAW: "pop", a.INDICATORS: {"adx": 40.0}}),
        event(s.VOTE, START, {a.META_LEARNER: True, a.MODEL_VERSION: "2"}),
        event(s.DECISION_PATH, START, {a.STEP: "gate", a.PATH_PASSED: False}),
        event(s.FEATURES, START, {a.MODEL_NAME: "m"}),
    ]
    updates: list[dict[Attribute, Any]] = [{}, {a.STATUS: "new", a.TRANSITION_VALID: False}]
    updates.append({a.STATUS: "new", a.DUPLICATE: True})
    calls: list[dict[Attribute, Any]] = [{}, {a.HTTP_STATUS: 429, a.RATE_LIMIT_WAIT: 0.25, a.ERROR_TYPE: "RateLimit"}]
    return [
        span(s.DECISION, {a.CORRELATION_ID: "sparse"}, events=events, seconds=0),
        span(s.RISK_CHECK, {}, own=b"check001", parent=b"S" * 8),
        span(s.ORDER_SUBMIT, {a.CLIENT_ID: "c"}, own=b"order001", parent=b"S" * 8),
        *(
            span(s.ORDER_UPDATE, {a.CLIENT_ID: "c", **facts}, own=bytes([at]) * 8, parent=b"order001")
            for at, facts in enumerate(updates, start=1)
        ),
        *(
            span("exchange ping", facts, own=bytes([at]) * 8, parent=b"S" * 8, start=START + at)
            for at, facts in enumerate(calls, start=8)
        ),
    ]


def test_facts_that_are_told_sparsely(tmp_path: Path) -> None:
    """Records with hardly anything in them give short lines, not failures, and nothing that was not said."""
    database = fresh(tmp_path)
    store_all(database, [_sparse()])

    lines = [line.strip("├└─│ ") for line in told(database, "sparse").splitlines()[7:]]

    assert [line.split("  ")[0] for line in lines] == [
        "decision",
        "regime breakout, the bot's word: pop",
        "indicators adx 40",
        "features:",
        "features of m:",
        "prediction of a model: None",
        "votes",
        "?",
        "?",
        "path: a step",
        "path: gate not passed",
        "not resolved",
        "outcome of a model:",
        "risk check :",
        "order c:",
        "update",
        "new, not allowed by FIX",
        "new, a duplicate",
        "exchange ping",
        "exchange ping: HTTP 429, waited 250 ms for the rate limit, RateLimit",
        "exception:",
    ]


# --- the commands ------------------------------------------------------------------------------------------------


def test_explain_command(stored: tuple[Path, list[Whole]], capsys: pytest.CaptureFixture[str]) -> None:
    """`ares-otel explain` gives 0 for what is found, 1 for what is not, 2 without a database."""
    database, made = stored
    place = ["--database", str(database)]

    codes = [
        cli.main(["explain", made[0].client_id, *place]),
        cli.main(["explain", made[0].client_id, *place, "--json"]),
        cli.main(["explain", "nope", *place]),
        cli.main(["explain", "nope", *place, "--json"]),
        cli.main(["explain", "nope", "--database", str(database) + ".absent"]),
    ]

    out, err = capsys.readouterr()
    assert codes == [0, 0, 1, 1, 2]
    assert "nothing is stored of nope\n" in out
    assert out.endswith('{\n  "query": "nope",\n  "stories": [],\n  "drift": {}\n}\n')
    assert err.startswith("ares-otel explain: there is no database ")


def test_explain_reads_the_configured_database(
    stored: tuple[Path, list[Whole]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Without an argument the database is that of the configuration."""
    database, made = stored
    file = tmp_path / "ares.yaml"
    file.write_text(f"server:\n  database: {database}\n")
    monkeypatch.setenv("ARES_OTEL_CONFIG", str(file))

    assert cli.main(["explain", made[1].client_id]) == 0
    assert capsys.readouterr().out.startswith("swing wanted to buy 12 SP500")


def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Record the calls of the server instead of serving."""
    calls: list[tuple[Any, ...]] = []

    def serve(*args: Any, **options: Any) -> int:
        calls.append((*args, options))
        return 0

    monkeypatch.setattr(serve_command, "serve", serve)
    return calls


def test_serve_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ares-otel serve` takes its arguments, or what is configured."""
    calls = served(monkeypatch)
    given = ["--host", "::1", "--port", "0", "--database", "x.db", "--token-file", "t"]
    file = tmp_path / "ares.yaml"
    file.write_text("server:\n  database: /y.db\n  port: 9000\n  max_body_bytes: 2048\n")

    assert cli.main(["serve", *given]) == 0
    assert cli.main(["--config", str(file), "serve"]) == 0

    told = [(*call[:3], call[3]["settings"].token_file, call[3]["settings"].max_body_bytes) for call in calls]
    assert told == [(Path("x.db"), "::1", 0, "t", 8 << 20), (Path("/y.db"), "127.0.0.1", 9_000, None, 2_048)]


def test_serve_takes_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of PostgreSQL is named by a URL, as an argument or in the environment."""
    calls, url = served(monkeypatch), "postgresql+psycopg://me@host/ares"
    assert cli.main(["serve", "--database", url]) == 0
    monkeypatch.setenv("ARES_DATABASE_URL", url + "2")
    assert cli.main(["serve"]) == 0

    assert [call[0] for call in calls] == [url, url + "2"]


@pytest.mark.parametrize("command", [["backup", "x.db"], ["restore", "x.db"]], ids=" ".join)
def test_a_database_that_cannot_be_reached(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, without its password."""
    assert cli.main([*command, "--database", "postgresql://me:hidden@127.0.0.1:9/ares"]) == 1

    said = capsys.readouterr().err
    assert said.startswith(f"ares-otel {command[0]}: ")
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("server:\n  database_url: 7\n", "database_url"),
        ("server:\n  port: many\n", "port"),
    ],
)
def test_serve_with_a_configuration_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """A configuration that the server cannot follow is refused with code 2."""
    calls = served(monkeypatch)
    file = tmp_path / "ares.yaml"
    file.write_text(text)

    assert cli.main(["--config", str(file), "serve"]) == 2
    assert message in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize("port", ["-1", "65536", "many"])
def test_serve_refuses_ports_that_are_none(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A port out of range is wrong usage."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["serve", "--port", port])

    assert caught.value.code == 2
    assert "--port" in capsys.readouterr().err

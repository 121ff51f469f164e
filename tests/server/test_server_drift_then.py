"""Drift as it stood at a decision: what was open, whether that was known, and what the model has to do with it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from api_kit import statements
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import fresh, store_all
from spans import MARKET, START, Bot, Whole, span

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.query.detail import Asked, decision
from ares_otel.server.query.drift.then import DriftThen, drifting_then
from ares_otel.server.story.explain import explain
from ares_otel.server.story.reader import Reader

MINUTE = 60_000_000_000
DAY = 1_440 * MINUTE
KINDS = ("data", "prediction", "label", "concept")
MINUS = "\N{MINUS SIGN}"
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


def decided(minutes: int, *, market: int | None = None, strategy: str = "swing", symbol: str = "NASDAQ") -> Whole:
    """Return a decision so many minutes after the start, in market time where that is a replay's."""
    whole = Bot(seed=1_000 + minutes, start=START + minutes * MINUTE).decision(order=False)
    for pair in whole.spans[-1].attributes:
        if pair.key == a.EVENT_TIME.key:
            pair.value.int_value = START + minutes * MINUTE if market is None else market
        elif pair.key in {a.STRATEGY.key, a.SYMBOL.key}:
            pair.value.string_value = strategy if pair.key == a.STRATEGY.key else symbol
    return whole


def said(minutes: int, state: str, *, links: Iterable[Whole] = (), **more: Any) -> list[Span]:
    """Return the start or the end of an episode, with the check that found it."""
    known = {getattr(a, name): value for name, value in more.items()}
    about = {a.MODEL_NAME: "boosting", a.DRIFT_KIND: "data", a.DETECTOR: "ares", a.DRIFT_REFERENCE: "f00d", **known}
    facts = {a.DRIFT_EPISODE: 1, a.DRIFT_SEVERITY: "warning", **about}
    open_ = {} if state == "cleared" else facts
    effects = {a.DRIFT_EFFECTS: {"rsi:scale": -0.75}, a.DRIFT_EVIDENCES: {"rsi:scale": 1.2}}
    own, at = blake2b(repr((minutes, state, more)).encode(), digest_size=8).digest(), START + minutes * MINUTE
    check = span(s.DRIFT_CHECK, {**about, **open_, a.DRIFT_RESULT: "drift"}, own=b"c" + own[1:], start=at)
    told = span(s.DRIFT_EPISODE, {**effects, **facts, a.DRIFT_STATE: state}, own=b"e" + own[1:], start=at + 2_000)
    told.links.extend(Span.Link(trace_id=each.ids.trace, span_id=each.ids.root) for each in links)
    return [check, told]


def then(tmp_path: Path, wholes: Iterable[Whole], *others: list[Span]) -> list[tuple[DriftThen, ...]]:
    """Return what was open at each decision."""
    database, asked = fresh(tmp_path), list(wholes)
    store_all(database, [*others, *(whole.all for whole in asked)])
    with Reader(database) as reader:
        return [drifting_then(reader, reader.find(whole.ids.decision)[0]) for whole in asked]


def test_what_was_known_when_it_was_made(tmp_path: Path) -> None:
    """Nothing before the change, then a change that nobody knew of, then an episode, then nothing again."""
    began = said(20, "started", DRIFT_SINCE=START + 10 * MINUTE, EVENT_TIME=START + 20 * MINUTE)
    over = said(40, "cleared", EVENT_TIME=START + 40 * MINUTE)
    before, unseen, known, after = then(tmp_path, [decided(at) for at in (5, 15, 30, 50)], began, over)

    assert (before, after) == ((), ())
    assert [(each.known, each.part) for each in (*unseen, *known)] == [(False, "vote"), (True, "vote")]
    (one,) = known
    assert (one.episode.severity, one.episode.features[0].effect, one.page) == (
        *("warning", -0.75),
        f"/drift/boosting?kind=data&episode={one.episode.id}",
    )
    tail = f"from 2023-11-14 on: rsi scale {MINUS}0.75 {SIGMA}"
    head = "boosting was drifting since 2023-11-14 (data, warning), which was"
    assert (one.sentence, unseen[0].sentence) == (f"{head} known {tail}", f"{head} not known then, but {tail}")


def test_a_replay_goes_by_its_bars(tmp_path: Path) -> None:
    """The alarm of a bar is not known to the decision that saw this bar, however the clock on the wall stands."""
    began = said(500, "started", DRIFT_SINCE=MARKET + DAY, EVENT_TIME=MARKET + 3 * DAY)
    over = said(501, "cleared", EVENT_TIME=MARKET + 5 * DAY)
    bars = [decided(at, market=MARKET + at * DAY) for at in range(7)]
    found = then(tmp_path, bars, began, over)

    assert [[each.known for each in one] for one in found] == [[], [False], [False], [False], [True], [True], []]


def test_a_change_without_a_time(tmp_path: Path) -> None:
    """Where it is not known when it changed, the first decision that an episode is linked to tells that it had."""
    first, second = decided(10, market=MARKET + DAY), decided(11, market=MARKET + 2 * DAY)
    began = said(500, "started", links=[first], DRIFT_SINCE_BAR=1, EVENT_TIME=MARKET + 3 * DAY)
    live = said(500, "started", links=[first], MODEL_NAME="forest")
    before, after = then(tmp_path, [decided(5, market=MARKET), second], first.all, began, live)

    assert before == ()
    assert [(each.episode.model, each.known) for each in after] == [("boosting", False)]
    assert after[0].sentence.startswith("boosting was drifting since bar 1 (data, warning), which was not known then")


def test_a_change_without_a_time_goes_by_the_clock(tmp_path: Path) -> None:
    """The same of a bot that trades now: its decisions are what is known of the time."""
    linked = decided(10)
    before, after = then(
        tmp_path, [decided(5), decided(20)], linked.all, said(500, "started", links=[linked], MODEL_NAME="forest")
    )

    assert (before, [each.known for each in after]) == ((), [False])


def test_whose_drift_it_is(tmp_path: Path) -> None:
    """Who does not vote belongs to the decisions that it is observed in; features to all of its symbol."""
    seen = decided(5)
    data = said(10, "started", links=[seen], MODEL_NAME="market/NASDAQ", DRIFT_SEVERITY="info")
    outcomes = said(10, "started", links=[seen], MODEL_NAME="swing/NASDAQ", DRIFT_KIND="concept")
    mine, others, elsewhere = then(
        tmp_path,
        [decided(20), decided(21, strategy="reversion"), decided(22, symbol="SP500")],
        *(seen.all, data, outcomes),
    )

    assert [(each.episode.model, each.part) for each in mine] == [
        ("swing/NASDAQ", "observed"),
        ("market/NASDAQ", "observed"),
    ]
    assert [(each.episode.model, each.part) for each in others] == [("market/NASDAQ", "market")]
    assert elsewhere == ()


def test_an_end_that_nobody_said(tmp_path: Path) -> None:
    """A bot that was killed says no end; a check that knows of no episode, or has another reference, does."""
    began = said(10, "started")
    quiet = said(20, "cleared")[:1]
    again = said(30, "started", DRIFT_REFERENCE="beef")
    still, over, anew = then(tmp_path, [decided(at) for at in (15, 25, 35)], began, quiet, again)

    assert [each.episode.reference for each in (*still, *over, *anew)] == ["f00d", "beef"]


def test_a_number_that_is_used_again(tmp_path: Path) -> None:
    """A bot that lost its state counts episodes anew: the end of the first is not that of the second."""
    first, over, second = said(10, "started"), said(20, "cleared"), said(30, "started", DRIFT_SEVERITY="info")
    early, late = then(tmp_path, [decided(15), decided(35)], first, over, second)

    assert [(each.episode.severity, each.episode.open) for each in (*early, *late)] == [
        ("warning", False),
        ("info", True),
    ]


def test_many_models_take_as_many_statements_as_one(tmp_path: Path) -> None:
    """A page costs the same few questions, however many models are watched; each is told of."""
    names, seen = [f"model-{number}" for number in range(30)], decided(5)
    alarms = [said(10, "started", links=[seen], MODEL_NAME=name, DRIFT_KIND=kind) for name in names for kind in KINDS]
    asked = []
    for number, told in enumerate((alarms[:1], alarms)):
        database, whole = fresh(tmp_path, f"{number}.db"), decided(20)
        store_all(database, [seen.all, *told, whole.all])
        with Reader(database) as reader:
            (story,) = reader.find(whole.ids.decision)
            assert len(drifting_then(reader, story)) == len(told)
            asked.append(len(statements(reader, partial(drifting_then, story=story))))

    assert asked[0] == asked[1]


def test_ids_that_tell_no_time(tmp_path: Path) -> None:
    """Decisions with ids of the bot's own are not looked for; an episode without any belongs to who votes alone."""
    seen = decided(5)
    began = said(10, "started", MODEL_NAME="other")
    for own in ("mine", "x" * 28):
        link = began[1].links.add(trace_id=seen.ids.trace, span_id=seen.ids.root)
        link.attributes.add(key=a.DECISION_ID.key).value.string_value = own

    assert then(tmp_path, [decided(20)], seen.all, began) == [()]


def stored(tmp_path: Path) -> tuple[Path, Whole]:
    """Return a database with a decision in an episode of a model that votes, and that decision."""
    database, whole = fresh(tmp_path), decided(20)
    store_all(database, [said(10, "started", DRIFT_SINCE=START), whole.all])
    return database, whole


def test_one_answer_says_it(tmp_path: Path) -> None:
    """The API's answer of a decision has it, for programs."""
    database, whole = stored(tmp_path)
    with Reader(database) as reader:
        detail = decision(reader, Asked(id=whole.ids.decision))

    assert [(each.episode.model, each.known) for each in detail.drift] == [("boosting", True)]


def test_the_command_says_it(tmp_path: Path) -> None:
    """`explain` has a line of it below the sentence, and its JSON the same as the API."""
    database, whole = stored(tmp_path)
    text, program = io.StringIO(), io.StringIO()
    explain(database, whole.ids.decision, text)
    explain(database, whole.ids.decision, program, json=True)
    (each,) = json.loads(program.getvalue())["drift"][whole.ids.decision]

    assert text.getvalue().splitlines()[1] == each["sentence"]
    assert each["sentence"].startswith("boosting was drifting since 2023-11-14 (data, warning), which was known")

"""Drift as it is asked for: how models stand, what was found when, what can be found at all."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from api_kit import plans
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from server_kit import fresh, store_all
from spans import MARKET, START, Bot, drifts, span

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import DriftKind, DriftSeverity
from ares_otel.server.api.promised.drifted import DriftAsked, ml_drift, ml_retraining
from ares_otel.server.api.promised.learned import ml_models, ml_summary
from ares_otel.server.pages import plots
from ares_otel.server.pages.drift_leads import drift_lead, model_lead
from ares_otel.server.query import learning
from ares_otel.server.query.asking import NotFoundError
from ares_otel.server.query.drift import checks as looked
from ares_otel.server.query.drift.account import DriftAccount, DriftMonth, accounts
from ares_otel.server.query.drift.cards import CardsAsked, cards
from ares_otel.server.query.drift.checks import ChecksAsked, DriftStand, Kind, TimelineAsked, checks, timeline
from ares_otel.server.query.drift.episodes import EpisodeAsked, EpisodesAsked, Severity, episode, episodes
from ares_otel.server.query.drift.states import DriftModel, DriftState, ModelsAsked, drifting
from ares_otel.server.query.drift.windows import WindowsAsked, windows
from ares_otel.server.query.drift.wording import SIGMA, moved
from ares_otel.server.story.reader import Reader

SECOND = 1_000_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MINUS = "\N{MINUS SIGN}"
ABOUT = {a.MODEL_NAME: "lgbm", a.DRIFT_KIND: "data", a.DETECTOR: "ares", a.DRIFT_REFERENCE: "beef"}


def check(bar: int, evidence: float, **more: Any) -> Span:
    """Return a check of a model at a bar, a second after the one before."""
    known = {getattr(a, name): value for name, value in more.items()}
    facts = {**ABOUT, a.DRIFT_BAR: bar, a.DRIFT_EVIDENCE: evidence, a.DRIFT_RESULT: "no_drift", **known}
    when = {a.DRIFT_EVIDENCES: {"x:scale": evidence, "y:location": evidence / 2}, a.EVENT_TIME: MARKET + bar * SECOND}
    return span(s.DRIFT_CHECK, {**when, **facts}, own=bar.to_bytes(8, "big"), start=START + bar * SECOND)


def end(number: int, bar: int, state: str, **more: Any) -> Span:
    """Return the start or the end of an episode."""
    known = {getattr(a, name): value for name, value in more.items()}
    facts = {**ABOUT, a.DRIFT_EPISODE: number, a.DRIFT_BAR: bar, a.DRIFT_STATE: state, a.DRIFT_SEVERITY: "critical"}
    own = b"ends" + bar.to_bytes(4, "big")
    return span(s.DRIFT_EPISODE, {**facts, **known}, own=own, start=START + bar * SECOND)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader of what two models said: one with an episode that is over, one with that and one that is open."""
    database = fresh(tmp_path)
    quiet = [check(bar, bar / 100) for bar in range(1, 91)]
    loud = [check(bar, 1.5, DRIFT_EPISODE=2, DRIFT_SEVERITY="critical", DRIFT_RESULT="drift") for bar in (91, 92)]
    other = check(93, 0.5, DETECTOR="KSDrift", DRIFT_P_VALUE=0.04, DRIFT_EVIDENCES={})
    first = {"DRIFT_EVIDENCES": {"x:scale": 1.1, "y:location": 1.2}, "DRIFT_MEMORIES": {"y:location": 128}}
    ends = [
        end(1, 20, "started", DRIFT_EVIDENCE=1.2, DRIFT_EFFECTS={"x:scale": -0.5, "y:location": 0.9}, **first),
        end(1, 30, "cleared", DRIFT_EVIDENCE=1.4),
        end(2, 91, "started", DRIFT_SUMMARY="again"),
    ]
    card = {a.DRIFT_HORIZON: 100, a.DRIFT_ALARMS: 0.05, a.DRIFT_SHARES: {"x:scale": 0.7, "y:location": 0.3}}
    card |= {a.DRIFT_TESTS: {"x:scale@512": 0.2, "x:scale@64": 0.5}, a.DRIFT_MONTH: 95.0, a.DRIFT_ENDS: 0.5}
    told = span(s.DRIFT_CARD, {**ABOUT, **card, a.DRIFT_REASONS: {"z:scale": "n_eff 6 < 24"}}, own=b"lgbmcard")
    named = check(95, 0.0, DRIFT_KIND="feature", DRIFT_P_VALUES={"x": 0.001}, DRIFT_EPISODE=2, DRIFT_RESULT="drift")
    spent = check(94, 1.6, DRIFT_EPISODE=2, DRIFT_SEVERITY="critical", DRIFT_RESULT="drift", DRIFT_SPENT=0.04)
    store_all(database, [[*drifts(Bot().decision()), *quiet, *loud, other, *ends, told, spent, named]])
    with Reader(database) as opened:
        yield opened


def test_every_kind_can_be_asked_for() -> None:
    """Parameters take the words of the records."""
    assert set(get_args(Kind)) == {*DriftKind}
    assert set(get_args(Severity)) == {*DriftSeverity}


def test_the_worst_model_is_first(reader: Reader) -> None:
    """Severity and episode are those of our detector's newest check; those of others are beside it."""
    worst, other = drifting(reader, ModelsAsked())

    assert (worst.model, worst.open, worst.severity) == ("lgbm", 1, "critical")
    own, second, features = worst.states
    assert (own.detector, own.bar, own.evidence, own.episode) == ("ares", 94, 1.6, 2)
    assert (second.detector, second.p_value, second.episode) == ("KSDrift", 0.04, None)
    assert (features.kind, features.episode, features.is_open) == ("feature", 2, False)
    assert (other.model, other.states[0].tested, other.states[0].untestable) == ("boosting", 3, 1)
    assert drifting(reader, ModelsAsked(model="lgbm")) == (worst,)
    with pytest.raises(NotFoundError, match="of a model nobody is stored"):
        drifting(reader, ModelsAsked(model="nobody"))


def test_checks_come_in_pages(reader: Reader) -> None:
    """Newest first, each once, with what stood highest; other models and kinds are left out."""
    first = checks(reader, ChecksAsked(model="lgbm", kind="data", limit=60))
    rest = checks(reader, ChecksAsked(model="lgbm", kind="data", limit=60, cursor=first.next))

    assert [each.bar for each in (*first.items, *rest.items)] == list(range(94, 0, -1))
    assert rest.next is None
    assert [(one.quantity, one.evidence) for one in first.items[10].quantities] == [
        ("x:scale", 0.84),
        ("y:location", 0.42),
    ]
    assert checks(reader, ChecksAsked(model="lgbm", kind="label")).items == ()
    (named,) = checks(reader, ChecksAsked(model="lgbm", kind="feature")).items
    assert named.p_values == {"x": 0.001}
    (linked,) = checks(reader, ChecksAsked(model="boosting")).items
    assert linked.decision_id == Bot().decision().ids.decision


def test_a_timeline_keeps_the_highest(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each stretch the check with most evidence is kept, and how many there were; other detectors are not in it."""
    whole = timeline(reader, TimelineAsked(model="lgbm"))
    thin = timeline(reader, TimelineAsked(model="lgbm", points=4))

    assert (whole.n, len(whole.points), whole.whole, whole.threshold, whole.ends) == (93, 93, True, 1.0, 0.5)
    assert [(each.n, each.evidence, each.quantity) for each in thin.points] == [
        (24, 0.24, "x:scale"),
        (24, 0.48, "x:scale"),
        (24, 0.72, "x:scale"),
        (21, 1.6, "x:scale"),
    ]
    assert [each.drift for each in thin.points] == [False, False, False, True]
    one = timeline(reader, TimelineAsked(model="lgbm", quantity="y:location", points=2))
    assert [each.evidence for each in one.points] == [0.235, 0.8]
    assert timeline(reader, TimelineAsked(model="lgbm", quantity="nothing")).points == ()
    monkeypatch.setattr(looked, "LOOKED_AT", 10)
    newest = timeline(reader, TimelineAsked(model="lgbm"))
    assert (newest.n, newest.whole) == (10, False)


def test_episodes_know_their_ends(reader: Reader) -> None:
    """One is over, with its largest evidence; the other is open; the largest effect of an episode is first."""
    is_open, over = episodes(reader, EpisodesAsked(model="lgbm")).items

    assert (is_open.episode, is_open.open, is_open.cleared, is_open.summary) == (2, True, None, "again")
    assert (over.episode, over.open, over.bar, over.cleared_bar, over.highest) == (1, False, 20, 30, 1.4)
    assert [(each.quantity, each.effect) for each in over.features] == [("y:location", 0.9), ("x:scale", -0.5)]
    (worst,) = episodes(reader, EpisodesAsked(severity="warning")).items
    assert worst.model == "boosting"
    page = episodes(reader, EpisodesAsked(kind="data", limit=1))
    assert page.items == (is_open,)
    assert episodes(reader, EpisodesAsked(kind="data", cursor=page.next)).items == (over, worst)
    assert episodes(reader, EpisodesAsked(model="nobody")).items == ()


def test_one_episode(reader: Reader) -> None:
    """With decisions between change and alarm, and its features beside their reference."""
    (known,) = episodes(reader, EpisodesAsked(model="boosting")).items
    whole = episode(reader, EpisodeAsked(id=known.id))

    assert whole.episode == known
    assert known.decisions == (Bot().decision().ids.decision,)
    (window,) = whole.windows
    assert (window.feature, window.n, window.bars, window.distance) == ("rsi", 80, 88, 0.25)
    with pytest.raises(NotFoundError, match="no episode 9999999999999999999 is stored"):
        episode(reader, EpisodeAsked(id="9" * 19))


def test_windows_by_feature(reader: Reader) -> None:
    """Bins with both shares; a feature, a reference or an episode that there is not has none."""
    (window,) = windows(reader, WindowsAsked(model="boosting"))

    assert [(each.end, each.expected, each.observed) for each in window.bins] == [
        (-1.0, 0.25, 0.5),
        (2.5, 0.75, 0.5),
        (None, 0.0, 0.0),
    ]
    assert windows(reader, WindowsAsked(model="boosting", feature="rsi", reference="f00d", episode=2)) == (window,)
    for nothing in ({"feature": "x"}, {"reference": "x"}, {"episode": 3}, {"kind": "label"}):
        assert windows(reader, WindowsAsked(model="boosting", **nothing)) == ()


def test_a_card_says_what_cannot_be_tested(reader: Reader) -> None:
    """What spends most is first, what is untestable last, with the reason."""
    (card,) = cards(reader, CardsAsked(model="lgbm", kind="data"))

    assert [(each.quantity, each.share, each.reason) for each in card.lines] == [
        ("x:scale", 0.7, None),
        ("y:location", 0.3, None),
        ("z:scale", None, "n_eff 6 < 24"),
    ]
    assert (card.testable, card.untestable, card.horizon) == (2, 1, 100)
    assert cards(reader, CardsAsked(model="lgbm", kind="label")) == ()
    with pytest.raises(NotFoundError):
        cards(reader, CardsAsked(model="nobody"))


def test_the_account_of_a_model(reader: Reader) -> None:
    """What was allowed by now follows from the newest check, alarms are counted, shares are of what a bar may spend."""
    account = accounts(reader, CardsAsked(model="lgbm"))
    (spender,) = account.spenders

    assert account.allowed == spender.allowed == pytest.approx(0.0408, abs=1e-4)
    assert (spender.bars, spender.spent, spender.alarms, account.alarms) == (94, 0.04, 2, 2)
    assert account.chance == pytest.approx(1 - 0.96 * (1 + 0.0408), abs=1e-4)
    assert spender.share == pytest.approx(0.0408 / 94 * 100 / 0.0513, abs=1e-3)
    assert [(line.quantity, line.share, line.tests) for line in spender.lines] == [
        ("x:scale", 0.7, {"64": 0.5, "512": 0.2}),
        ("y:location", 0.3, {}),
    ]
    assert [line.allowed for line in spender.lines] == pytest.approx([0.7 * 0.0408, 0.3 * 0.0408], abs=1e-4)
    assert [(line.evidence, line.effect, line.alarms) for line in spender.lines] == [(1.6, None, 0), (0.8, None, 1)]


def test_the_month_of_an_account(reader: Reader) -> None:
    """A month has its budget; what its bars have used is known, and the rest is left."""
    account = accounts(reader, CardsAsked(model="lgbm"))
    (spender,), month = account.spenders, account.month

    assert account.monthly == pytest.approx(0.0513 * 0.95, abs=1e-4)
    assert account.bars_a_month == 95.0
    assert month is not None
    assert (month.start, month.alarms) == (datetime(2007, 3, 1, tzinfo=UTC), 2)
    assert month.used == spender.month == pytest.approx(0.0408, abs=1e-4)
    assert month.left == pytest.approx(month.allowed - month.used)


DAY = 86_400 * SECOND
RATE = 0.001
"""False alarms that a bar may raise in what follows."""


def run(begin: int, days: range, first: int = 1, **about: Any) -> list[Span]:
    """Return what a run says: its card and a check a day in March 2007, a second each; a bar a day, with numbers."""
    known = {getattr(a, name): value for name, value in about.items()}
    card = {**ABOUT, a.DRIFT_HORIZON: 100, a.DRIFT_ALARMS: 0.05, a.DRIFT_MONTH: 100.0, a.DRIFT_SHARES: {"x:scale": 1.0}}
    at = START + begin * SECOND
    said = [span(s.DRIFT_CARD, {**card, **known}, own=b"card" + begin.to_bytes(4, "big"), start=at)]
    for place, day in enumerate(days):
        bar = first + place
        facts = {a.DRIFT_BAR: bar, a.DRIFT_RESULT: "no_drift", a.DRIFT_SPENT: -math.expm1(-RATE * bar)}
        when = {a.EVENT_TIME: MARKET + (day - 5) * DAY}
        # the span of a check begins before the card that is said with the first one
        start = at + place * SECOND - SECOND // 1_000
        own = begin.to_bytes(4, "big") + bar.to_bytes(4, "big")
        said.append(span(s.DRIFT_CHECK, {**ABOUT, **when, **facts, **known}, own=own, start=start))
    return said


def account_of(tmp_path: Path, *told: list[Span]) -> tuple[DriftAccount, DriftMonth]:
    """Return the account of the model that has told this, and its newest month."""
    database = fresh(tmp_path)
    store_all(database, [[each for spans in told for each in spans]])
    with Reader(database) as opened:
        account = accounts(opened, CardsAsked(model="lgbm"))
    assert account.month is not None
    return account, account.month


OTHER: dict[str, Any] = {"DRIFT_REFERENCE": "f00d"}
NEXT: dict[str, Any] = {"MODEL_VERSION": "2"}


@pytest.mark.parametrize(
    ("told", "used", "before"),
    [
        # days of March, those below 1 are of February
        ([run(0, range(-9, 11))], 10, 0),
        ([run(0, range(-9, 11)), run(50, range(11, 16), **OTHER)], 15, 10),
        ([run(0, range(-9, 11)), run(50, range(11, 16), **NEXT)], 15, 10),
        ([run(0, range(-9, 0)), run(50, range(1, 16), **OTHER)], 15, 0),
        # back to what it was before
        ([run(0, range(1, 11)), run(50, range(11, 16), **OTHER), run(90, range(16, 20))], 19, 5),
        # a process that keeps no state begins anew, and may be shorter or longer than the one before
        ([run(0, range(-9, 11)), run(50, range(11, 14))], 13, 0),
        ([run(0, range(-2, 3)), run(50, range(3, 23))], 22, 0),
        # a card that is said again, in the middle of the month or before it; one without a check of its own
        ([run(0, range(-9, 4)), run(50, range(4, 9), first=14)], 8, 0),
        ([run(0, range(-9, -3)), run(50, range(-3, 9), first=7)], 8, 0),
        ([run(0, range(-9, 4)), run(13, range(0)), run(14, range(0)), run(50, range(4, 9), first=14)], 8, 0),
        # history is replayed again: what was later is no part of the month
        ([run(0, range(-9, 200)), run(500, range(1, 6), **NEXT)], 5, 0),
    ],
)
def test_a_month_is_used_with_whatever_reference(
    tmp_path: Path, told: list[list[Span]], used: float, before: float
) -> None:
    """Another reference, version or process begins anew, and all their bars are of the model's month."""
    _, month = account_of(tmp_path, *told)

    assert [month.used, month.before] == pytest.approx([RATE * used, RATE * before])


def test_alarms_of_a_month_are_the_models(tmp_path: Path) -> None:
    """They count whatever the reference was; those since the newest one began are its own, also of another version."""
    ends = [
        end(1, 3, "started", EVENT_TIME=MARKET - 8 * DAY),
        end(2, 12, "started", EVENT_TIME=MARKET + DAY),
        end(3, 53, "started", EVENT_TIME=MARKET + 8 * DAY, **NEXT),
        end(4, 54, "started", EVENT_TIME=MARKET + 9 * DAY, **NEXT, DRIFT_EVIDENCES={"profit:profit": 1.1}),
    ]
    account, month = account_of(tmp_path, run(0, range(-9, 11)), run(50, range(11, 16), **NEXT), ends)
    (spender,) = account.spenders

    assert (month.alarms, spender.month_alarms, account.alarms) == (2, 2, 1)
    assert month.used == pytest.approx(15 * RATE)
    assert (spender.bars, [each.bar for each in account.raised]) == (5, [54, 53])
    assert account.allowed == pytest.approx(5 * RATE)
    assert spender.month_before == pytest.approx(10 * RATE)


def test_without_times_of_bars_months_go_by_the_clock(tmp_path: Path) -> None:
    """A run of which the bars have no times began before the month, and another one within it."""
    told = [run(0, range(1, 61)), run(100, range(61, 81), **OTHER)]
    first = datetime(2023, 11, 30, 23, 59, 30, tzinfo=UTC)
    shift = int(first.timestamp()) * SECOND - START
    for each in (each for spans in told for each in spans):
        kept = [pair for pair in each.attributes if pair.key != a.EVENT_TIME.key]
        del each.attributes[:]
        each.attributes.extend(kept)
        each.start_time_unix_nano += shift
        each.end_time_unix_nano += shift

    _, month = account_of(tmp_path, *told)

    # the check of midnight began a moment before it
    assert [month.used, month.before] == pytest.approx([49 * RATE, 29 * RATE])


def test_what_raised_each_alarm(reader: Reader) -> None:
    """Each alarm has the quantity with most evidence, the memory of its test, and what was allowed by then."""
    newest, first = accounts(reader, CardsAsked(model="lgbm")).raised

    assert (first.quantity, first.memory, first.evidence, first.effect) == ("y:location", 128, 1.2, 0.9)
    assert (first.bar, first.count, first.budgeted) == (20, 1, True)
    assert first.allowed == pytest.approx(0.0408 / 94 * 20, abs=1e-4)
    assert (newest.quantity, newest.memory, newest.count, newest.open) == (None, None, 2, True)


def test_labels_without_a_reference_spend_the_budget_of_losses(tmp_path: Path) -> None:
    """Their alarms are counted with those of losses, unless labels have a card, and so a budget, of their own."""
    card = {**ABOUT, a.DRIFT_KIND: "concept", a.DRIFT_HORIZON: 100, a.DRIFT_ALARMS: 0.05}
    card[a.DRIFT_SHARES] = {"loss:loss": 0.6, "label:location": 0.4}
    kept = check(50, 0.5, DRIFT_KIND="concept", DRIFT_SPENT=0.02)
    alarm = end(1, 20, "started", DRIFT_KIND="label", DRIFT_EVIDENCES={"label:location": 1.1})
    told = [kept, alarm, span(s.DRIFT_CARD, card, own=b"lgbmcard")]
    own = span(s.DRIFT_CARD, {**card, a.DRIFT_KIND: "label", a.DRIFT_SHARES: {}}, own=b"ownlabel")
    found = []
    for name, spans in (("shared.db", told), ("apart.db", [*told, check(51, 0.1, DRIFT_KIND="label"), own])):
        database = fresh(tmp_path, name)
        store_all(database, [spans])
        with Reader(database) as opened:
            found.append(accounts(opened, CardsAsked(model="lgbm")))
    shared, apart = found

    assert [(each.kind, each.alarms) for each in shared.spenders] == [("concept", 1)]
    assert {(each.kind, each.alarms) for each in apart.spenders} == {("concept", 0), ("label", 1)}
    assert [[(each.kind, each.quantity) for each in account.raised] for account in found] == [
        [("label", "label:location")]
    ] * 2
    assert {line.quantity: line.alarms for line in shared.spenders[0].lines} == {"loss:loss": 0, "label:location": 1}


def test_profits_have_a_budget_of_their_own(tmp_path: Path) -> None:
    """An alarm of an edge is told, and is none of those of the monthly budget; without times months go by the clock."""
    database = fresh(tmp_path)
    about = {"DRIFT_KIND": "concept"}
    card = {**ABOUT, a.DRIFT_KIND: "concept", a.DRIFT_HORIZON: 100, a.DRIFT_ALARMS: 0.05, a.DRIFT_MONTH: 10.0}
    edge = end(1, 20, "started", **about, DRIFT_EVIDENCES={"profit:profit": 1.1})
    loss = end(2, 30, "started", **about, DRIFT_EVIDENCES={"loss:loss": 1.1})
    checks = [check(bar, 0.5, **about, DRIFT_SPENT=bar / 100) for bar in (40, 50)]
    for each in checks:
        (pair,) = (pair for pair in each.attributes if pair.key == a.EVENT_TIME.key)
        each.attributes.remove(pair)
    store_all(database, [[*checks, edge, loss, span(s.DRIFT_CARD, card, own=b"lgbmcard")]])
    with Reader(database) as opened:
        account = accounts(opened, CardsAsked(model="lgbm"))

    assert [(each.quantity, each.budgeted, each.count) for each in account.raised] == [
        ("loss:loss", True, 1),
        ("profit:profit", False, 1),
    ]
    assert (account.alarms, account.raised[1].allowed) == (1, None)
    assert account.month is not None
    assert (account.month.start, account.month.left) == (datetime(2023, 11, 1, tzinfo=UTC), 0.0)


def test_questions_use_the_index(reader: Reader) -> None:
    """What is asked of one model looks at the rows of that model alone, newest first, without sorting them."""
    for question in (
        lambda asked: checks(asked, ChecksAsked(model="lgbm")),
        lambda asked: timeline(asked, TimelineAsked(model="lgbm")),
        lambda asked: drifting(asked, ModelsAsked()),
        lambda asked: windows(asked, WindowsAsked(model="boosting", episode=2)),
        lambda asked: accounts(asked, CardsAsked(model="lgbm")),
    ):
        told = [step for step in plans(reader, question) if "drift_check" in step or "drift_window" in step]
        assert told
        assert {step for step in told if "_newest" not in step and "rowid=?" not in step} == set()


def test_the_old_names_know_of_drift(reader: Reader, tmp_path: Path) -> None:
    """Alerts are episodes, models with an open one should be trained again; where there is none a reason says why."""
    alerts = ml_drift(reader, DriftAsked())
    (high,) = ml_drift(reader, DriftAsked(severity="high")).items

    assert (alerts.reason, [each.model_id for each in alerts.items]) == (None, ["lgbm", "boosting"])
    assert (high.model_id, high.drift_type, high.drift_score, high.severity) == ("boosting", "data", 1.25, "high")
    assert ml_drift(reader, DriftAsked(severity="low")).reason == "no such episode of drift is stored"
    assert ml_retraining(reader).items == ("lgbm", "boosting")
    summary = ml_summary(reader)
    assert (summary.total_alerts, summary.critical_alerts, summary.drift_detection_enabled) == (2, 1, True)
    with Reader(fresh(tmp_path, "empty.db")) as empty:
        assert ml_retraining(empty).reason == ml_drift(empty, DriftAsked()).reason == "no drift checks are stored"
        assert ml_summary(empty).total_alerts is None


def test_scores_of_a_model(tmp_path: Path) -> None:
    """Drift is among what is said of a model that votes; a kind that nobody looked at has its reason."""
    database = fresh(tmp_path)
    store_all(database, [[*Bot().decision().all, *drifts(Bot().decision())]])
    with Reader(database) as opened:
        (model,) = ml_models(opened, learning.ModelsAsked(model="boosting"))

    assert (model.data_drift_score, model.concept_drift_score, model.status) == (1.25, None, "drifting")
    assert "data_drift_score" not in model.reasons
    assert model.reasons["concept_drift_score"] == "no drift checks are stored"


def test_a_picture_of_evidence() -> None:
    """The threshold is a level of the scale, what is above the scale stays in it, and each point says what it is."""
    shades = [plots.Shade(0.25, 0.5, "critical", "episode 1 <b>")]
    drawn = plots.timeline([(0.0, 0.5, "low"), (1.0, 9.0, "high")], shades, plots.top_of([0.5, 9.0]))

    assert (plots.top_of([]), plots.top_of([1.2]), plots.top_of([2.5]), plots.top_of([9.0])) == (2, 2, 3, 5)
    assert 'd="M0 160H1000" class="l-bound"' in drawn
    assert 'd="M0 180L1000 0" class="l-spark"' in drawn
    assert 'class="l-dot" vector-effect="non-scaling-stroke"><title>low</title>' in drawn
    assert 'class="l-crossed" vector-effect="non-scaling-stroke"><title>high</title>' in drawn
    assert '<rect x="250" y="0" width="250" height="200" class="e-critical"><title>episode 1 &lt;b&gt;</title>' in drawn
    assert "l-spark" not in plots.timeline([], [], 2)
    assert ("l-grid" in drawn, "l-grid" in plots.timeline([], [], 2, 0.5)) == (False, True)


def test_areas_are_shares() -> None:
    """Filled and drawn areas are the same where both distributions are, whether values are few or many."""
    even = [(0.0, 0.0, 0.0), *((float(end), 0.1, 0.1) for end in range(1, 11)), (None, 0.0, 0.0)]
    few = [(-0.0, 0.0, 0.0), (0.0, 0.75, 0.5), (1.0, 0.25, 0.5), (None, 0.0, 0.0)]
    for bins in (even, few, [(1.0, 0.0, 0.0)]):
        drawn = plots.shapes(bins)
        boxes = [tuple(map(float, found)) for found in re.findall(r'width="([\d.]+)" height="([\d.]+)"', drawn)]
        areas = [width * height for width, height in boxes]
        total = sum(areas) or 1.0
        expected = [share for _, share, _ in bins if share]
        assert sorted(area / total for area in areas if area) == pytest.approx(sorted(expected), abs=0.25)


def test_what_the_pages_say_first() -> None:
    """Which models drift, and of one whether, since when, and what moved; nothing that is not known."""
    state = _state()
    quiet = msgspec.structs.replace(state, episode=None, severity=None, evidence=0.25, bar=1_200)
    blind = msgspec.structs.replace(quiet, result="untestable")

    assert model_lead("lgbm", state, []) == "lgbm has data drift (critical)."
    assert model_lead("lgbm", quiet, []) == (
        "lgbm has no data drift: the largest evidence is 0.25 of its threshold after 1,200 bars."
    )
    assert model_lead("lgbm", msgspec.structs.replace(quiet, kind="concept"), []).endswith("after 1,200 outcomes.")
    assert model_lead("lgbm", blind, []).startswith(
        "Whether lgbm has data drift cannot be told: nothing of it can be tested. A longer reference helps"
    )
    unmatured = msgspec.structs.replace(blind, kind="concept")
    assert "model.outcome(key, actual)" in model_lead("lgbm", unmatured, [])
    assert drift_lead([], [], []) == ""
    models = [DriftModel(model=name, open=0, severity=None, checked=NOW, states=(blind,)) for name in "ab"]
    assert drift_lead(models, [], []).startswith(
        "Whether any of 2 watched models drifts cannot be told: nothing of them"
    )
    calm = msgspec.structs.replace(models[0], states=(quiet,))
    assert drift_lead([calm, models[1]], [], []) == (
        "None of 2 watched models drifts now; of 1 other model nothing can be tested."
    )


def _state() -> DriftState:
    facts: dict[str, Any] = dict.fromkeys(DriftState.__struct_fields__)
    known = {"kind": "data", "detector": "ares", "result": "drift", "episode": 3, "severity": "critical"}
    return DriftState(**{**facts, **known})


def test_what_is_its_own_moment_is_said_once() -> None:
    """The loss of a model and its profit have one way to move."""
    stands = [DriftStand(quantity=name, evidence=1.0, effect=None) for name in ("loss:loss", "rsi:scale", "plain")]

    assert moved(stands) == "loss, rsi scale, plain"


def test_leads_of_stored_episodes(reader: Reader) -> None:
    """An open episode says its change and its features; the worst models are named, alarms are held against budgets."""
    models = drifting(reader, ModelsAsked())
    found = episodes(reader, EpisodesAsked()).items
    (own,) = (each for each in found if each.model == "boosting")
    still = msgspec.structs.replace(own, open=True)
    told = drift_lead(models, found, [accounts(reader, CardsAsked(model="lgbm"))])

    assert told == (
        "2 of 2 watched models drift now: lgbm (critical), boosting (warning); since their references began "
        "2 alarms were raised where 0.041 false ones were allowed for."
    )
    assert model_lead("boosting", models[1].states[0], [still]) == (
        f"boosting has data drift (warning) since 2007-03-04: rsi scale {MINUS}0.75 {SIGMA}, volume location."
    )
    calm = [msgspec.structs.replace(each, open=0) for each in models]
    assert drift_lead(calm, found, []).startswith("None of 2 watched models drifts now; the newest episode, of ")
    many = [msgspec.structs.replace(models[0], model=str(number)) for number in range(5)]
    assert "and 2 more" in drift_lead(many, found, [])
    assert moved(tuple(DriftStand(quantity=f"{at}:scale", evidence=1.0, effect=None) for at in range(5)), 2) == (
        "0 scale, 1 scale, 3 more"
    )

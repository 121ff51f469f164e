"""Statistics of the API: against brute force, with intervals that hold, and silent where data are too few."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from server_kit import fresh, store_all, until
from spans import MILLISECOND, Bot, span

from ares_otel.portfolio.conventions import CONVENTION
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.query import outlook
from ares_otel.server.query.asking import NotFoundError
from ares_otel.server.query.climate import EpisodesAsked, RegimesAsked, episodes, regimes
from ares_otel.server.query.comoving import Comoving, ComovingAsked, comoving
from ares_otel.server.query.features import (
    BehaviorsAsked,
    ImportanceAsked,
    behaviors,
    importances,
    rank_correlation,
)
from ares_otel.server.query.history import Point
from ares_otel.server.query.holdings import AccountsAsked, HoldingsAsked, accounts, positions
from ares_otel.server.query.learning import ModelsAsked, models, scores
from ares_otel.server.query.machine import MACHINE, Machine
from ares_otel.server.query.outlook import backtest, seconds, trend
from ares_otel.server.query.scoring import Sums, share
from ares_otel.server.query.timing import CallsAsked, Histogram, StagesAsked, calls, stages
from ares_otel.server.query.workflows import WorkflowsAsked, workflows
from ares_otel.server.story.reader import Reader

START = 1_700_000_000_000_000_000
HOUR = 3_600_000_000_000


def reader_of(directory: Path, *spans: object) -> Reader:
    """Return a reader of a database with some spans."""
    database = fresh(directory)
    store_all(database, [spans])  # type: ignore[list-item]
    return Reader(database)


def ids(at: int) -> dict[str, Any]:
    """Return ids of a span of its own trace."""
    return {"trace": at.to_bytes(16, "big"), "own": at.to_bytes(8, "big")}


@pytest.fixture
def random_numbers() -> random.Random:
    """The same numbers in each run."""
    return random.Random(7)  # noqa: S311  the same in each run


# --- shares, means, percentiles ----------------------------------------------------------------------------------


def test_shares() -> None:
    """A share has its interval; too few observations have none, and say so."""
    found = share(30, 40, "votes")

    assert found.value == 0.75
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(0.598, abs=0.001)
    assert found.high == pytest.approx(0.858, abs=0.001)
    assert share(3, 4, "votes").value is None
    assert share(3, 4, "votes").reason == f"4 votes, at least {CONVENTION.minimum_trades} are needed"


def test_means(random_numbers: random.Random) -> None:
    """A mean from sums is that of the values, and so is its interval."""
    values = [random_numbers.gauss(0.01, 0.1) for _ in range(500)]
    sums = Sums()
    for value in values:
        sums.add(1, value, value * value)
    found = sums.mean("returns")
    middle = sum(values) / len(values)
    error = math.sqrt(sum((value - middle) ** 2 for value in values) / 499 / 500)

    assert found.value == pytest.approx(middle)
    assert found.low == pytest.approx(middle - 1.959964 * error)
    assert Sums().mean("returns").value is None


def test_percentiles(random_numbers: random.Random) -> None:
    """Percentiles from buckets are those of the values within 4.4 %."""
    values = sorted(random_numbers.lognormvariate(6.0, 1.5) for _ in range(20_000))
    histogram = Histogram()
    for value in values:
        histogram.add(round(8 * math.log2(max(value, 1.0))), 1, 0, round(value))

    for at in (0.5, 0.9, 0.95, 0.99):
        found = histogram.quantile(at)
        assert found is not None
        assert found * 1e6 == pytest.approx(values[math.ceil(at * len(values)) - 1], rel=0.045)
    assert Histogram().quantile(0.5) is None


def test_scores() -> None:
    """Accuracy, precision, recall and F1 are those of the table by hand."""
    table = {("buy", "buy"): 40, ("buy", "sell"): 10, ("sell", "sell"): 30, ("sell", "buy"): 20}
    found = scores(table)
    buy, sell = found.classes

    assert (found.n, found.accuracy.value) == (100, 0.7)
    assert buy.precision.value == 0.8
    assert buy.recall.value == pytest.approx(40 / 60)
    assert (sell.precision.value, sell.recall.value) == (0.6, 0.75)
    assert buy.f1 == pytest.approx(2 * 0.8 * (2 / 3) / (0.8 + 2 / 3))
    assert found.f1 == pytest.approx(((buy.f1 or 0) + (sell.f1 or 0)) / 2)
    assert scores({}).accuracy.value is None
    assert scores({("buy", "sell"): 3}).f1 is None


def test_rank_correlation() -> None:
    """Equal order is 1, opposite order -1, ties share their rank, too few features say nothing."""
    one = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}

    assert rank_correlation(one, {name: value * 3 for name, value in one.items()}) == pytest.approx(1.0)
    assert rank_correlation(one, {name: -value for name, value in one.items()}) == pytest.approx(-1.0)
    assert rank_correlation(one, {"a": 0.1, "b": 0.2, "c": 0.2, "d": 0.4}) == pytest.approx(0.9486833)
    assert rank_correlation(one, dict.fromkeys(one, 1.0)) is None
    assert rank_correlation(one, {"a": 1.0, "b": 2.0}) is None


# --- outlook -----------------------------------------------------------------------------------------------------


def test_trend_intervals_hold(random_numbers: random.Random) -> None:
    """The interval of a slope holds the true one about as often as it says."""
    held = 0
    for _ in range(400):
        values = [0.3 * at + random_numbers.gauss(0.0, 2.0) for at in range(60)]
        slope, half = trend(range(60), values)
        held += abs(slope - 0.3) <= half

    assert 0.88 <= held / 400 <= 0.98
    assert trend([1.0, 1.0], [1.0, 2.0]) == (0.0, math.inf)


def points(values: Sequence[float]) -> list[Point]:
    """Return values a day apart."""
    first = datetime(2026, 1, 1, tzinfo=UTC)
    return [Point(first + timedelta(days=at), value) for at, value in enumerate(values)]


def test_time_to_a_limit(random_numbers: random.Random) -> None:
    """A steady rise reaches its limit when arithmetic says; noise, falling and too few values reach nothing."""
    rising = outlook._reaching("disk", None, points([0.5 + 0.001 * at + 0.0002 * (at % 2) for at in range(60)]), 1.0)
    noise = [0.5 + random_numbers.gauss(0.0, 0.01) for _ in range(60)]
    steady = outlook._reaching("disk", None, points(noise), 1.0)
    slow = outlook._reaching("disk", None, points([0.5 + 1e-7 * at + 1e-9 * (at % 2) for at in range(60)]), 1.0)

    assert rising.reached is not None
    assert rising.earliest is not None
    assert rising.latest is not None
    assert rising.earliest <= rising.reached <= rising.latest
    assert (rising.reached - points([0.0] * 60)[-1].time).days == pytest.approx(441, abs=3)
    assert (steady.reached, steady.reason) == (None, "the interval of its trend holds zero")
    assert (slow.reached, slow.reason) == (None, "it is more than ten years away")
    assert outlook._reaching("disk", None, points([0.1] * 3), 1.0).reason == "3 values, at least 20 are needed"
    assert outlook._reaching("disk", None, points([1.0] * 30), 1.0).reason == "it is reached"


@pytest.mark.parametrize("steps", [1, 5])
def test_forecasts_hold_as_often_as_they_say(random_numbers: random.Random, steps: int) -> None:
    """On a random walk the back-test finds the coverage that was asked for, and says over how many forecasts."""
    values = [0.0]
    for _ in range(3_000):
        values.append(values[-1] + random_numbers.gauss(0.0, 1.0))
    found = backtest(values, steps, 0.8)

    assert found.n == pytest.approx((3_000 - 40) / steps, abs=5)
    assert found.value == pytest.approx(0.8, abs=0.04)
    assert backtest(values[:30], 1, 0.8).value is None


def test_windows() -> None:
    """A window has a unit."""
    assert [seconds(window) for window in ("30s", "5m", "1h", "2d", "1w")] == [30, 300, 3_600, 172_800, 604_800]


def test_the_machine(tmp_path: Path) -> None:
    """What is measured is within its bounds; the first sample has no CPU, and no second one is taken at once."""
    machine = Machine(tmp_path)
    (first,) = machine.samples

    assert first.cpu is None
    assert 0.0 < first.memory <= 1.0
    assert 0.0 < first.disk <= 1.0
    assert len(machine.samples) == 1
    machine._due = 0.0
    machine.look_at(tmp_path / "not there yet")
    assert machine.samples[-1].cpu is not None
    assert machine.samples[-1].disk == pytest.approx(first.disk, abs=0.05)
    assert machine.step() > 0.0


# --- what is stored ----------------------------------------------------------------------------------------------


def regime_span(at: int, regime: str) -> object:
    """Return a report of a regime, an hour of market time after the one before."""
    facts = {a.REGIME: regime, a.SYMBOL: "SP500", a.STRATEGY: "swing", a.EVENT_TIME: START + at * HOUR}
    return span(s.REGIME, facts, start=START + at * MILLISECOND, seconds=0.0, **ids(at + 1))


def test_regimes_by_hand(tmp_path: Path) -> None:
    """Shares, dwell times and transitions are those that counting finds."""
    seen = ["bull_trend"] * 3 + ["sideways"] * 2 + ["bull_trend"] * 4 + ["bear_trend"] + ["bull_trend"] * 2
    runs = [(name, start) for start, (before, name) in enumerate(pairwise(["", *seen])) if before != name]
    with reader_of(tmp_path, *(regime_span(at, name) for at, name in enumerate(seen))) as reader:
        found = regimes(reader, RegimesAsked(symbol="SP500", strategy="swing"))
        listed = episodes(reader, EpisodesAsked(limit=2))
        rest = episodes(reader, EpisodesAsked(limit=2, cursor=listed.next))
        last = episodes(reader, EpisodesAsked(limit=2, cursor=rest.next))

    assert {each.regime: each.decisions for each in found.shares} == {"bull_trend": 9, "sideways": 2, "bear_trend": 1}
    assert found.episodes == len(runs) == 5
    assert {(each.before, each.after): each.n for each in found.transitions} == {
        ("bull_trend", "sideways"): 1,
        ("sideways", "bull_trend"): 1,
        ("bull_trend", "bear_trend"): 1,
        ("bear_trend", "bull_trend"): 1,
    }
    dwell = {each.regime: (each.episodes, each.median_seconds) for each in found.dwell}
    assert dwell == {"bull_trend": (2, 12_600.0), "sideways": (1, 7_200.0), "bear_trend": (1, 3_600.0)}
    names = [each.regime for page in (listed, rest, last) for each in page.items]
    assert names == [name for name, _ in reversed(runs)]
    assert [each.regime for each in found.now] == ["bull_trend"]


def test_comoving_series_and_their_correction(tmp_path: Path, random_numbers: random.Random) -> None:
    """Accounts that move together are found, with n, interval and correction; too little data say why."""
    moves = [random_numbers.gauss(0.0, 0.01) for _ in range(80)]
    values = {"one": 100.0, "two": 100.0, "three": 100.0}
    told = []
    for day, move in enumerate(moves):
        own = {"one": move, "two": move + random_numbers.gauss(0.0, 0.002), "three": random_numbers.gauss(0.0, 0.01)}
        for place, name in enumerate(values):
            values[name] *= 1.0 + own[name]
            facts = {a.STRATEGY: name, a.CURRENCY: "USD", a.EQUITY: values[name], a.EVENT_TIME: START + day * 24 * HOUR}
            at = day * 3 + place
            told.append(span(s.EQUITY, facts, start=START + at * MILLISECOND, seconds=0.0, **ids(at + 1)))
    with reader_of(tmp_path, *told) as reader:
        found = comoving(reader, ComovingAsked(correction="holm"))
        held = accounts(reader, AccountsAsked())

    close = next(each for each in found.pairs if {each.first, each.second} == {"return one USD", "return two USD"})
    assert (found.tests, found.correction) == (3, "holm")
    assert close.correlation.value is not None
    assert close.correlation.value > 0.9
    assert close.correlation.n == 79
    assert close.adjusted is not None
    assert close.p is not None
    assert close.adjusted >= close.p
    assert {each.strategy: each.equity for each in held} == pytest.approx(values)
    few = comoving_of(tmp_path, 5)
    assert {each.correlation.reason for each in few.pairs} == {"4 common hours or days, at least 20 are needed"}
    assert few.tests == 0


def comoving_of(directory: Path, days: int) -> Comoving:
    """Return what is found in a few days."""
    told = []
    for at in range(days * 2):
        facts = {
            a.STRATEGY: ("one", "two")[at % 2],
            a.EQUITY: 100.0 + at,
            a.EVENT_TIME: START + at // 2 * 24 * HOUR,
        }
        told.append(span(s.EQUITY, facts, start=START + at * MILLISECOND, seconds=0.0, **ids(at + 1)))
    with reader_of(directory, *told) as reader:
        return comoving(reader, ComovingAsked())


def test_positions_and_exposure(tmp_path: Path) -> None:
    """Exposure sums what is valued, exactly; what has no value is counted and not guessed."""
    told = []
    facts: list[dict[Attribute, Any]] = [
        {a.STRATEGY: "one", a.SYMBOL: "A", a.POSITION_QUANTITY: 2.0, a.MARK_PRICE: 0.1, a.CURRENCY: "USD"},
        {a.STRATEGY: "one", a.SYMBOL: "B", a.POSITION_QUANTITY: -1.0, a.POSITION_NOTIONAL: -0.3, a.CURRENCY: "USD"},
        {a.STRATEGY: "two", a.SYMBOL: "A", a.POSITION_QUANTITY: 1.0, a.MARK_PRICE: 0.1, a.CURRENCY: "USD"},
        {a.STRATEGY: "two", a.SYMBOL: "C", a.POSITION_QUANTITY: 5.0, a.CURRENCY: "USD"},
        {a.STRATEGY: "two", a.SYMBOL: "D", a.POSITION_QUANTITY: 0.0, a.CURRENCY: "USD"},
    ]
    for at, each in enumerate(facts):
        told.append(span(s.POSITION, each, start=START + at * MILLISECOND, seconds=0.0, **ids(at + 1)))
    equity = {a.STRATEGY: "one", a.CURRENCY: "USD", a.EQUITY: 2.0, a.EVENT_TIME: START}
    told.append(span(s.EQUITY, equity, start=START, seconds=0.0, **ids(99)))
    with reader_of(tmp_path, *told) as reader:
        found = positions(reader, HoldingsAsked())
        flat = positions(reader, HoldingsAsked(strategy="two", symbol="D", flat=True))

    one, two, total = found.exposure
    assert (str(one.gross), str(one.net), one.leverage, one.concentration) == ("0.50", "-0.10", 0.25, 0.6)
    assert (two.strategy, two.positions, two.leverage) == ("two", 1, None)
    assert (total.strategy, str(total.gross), total.equity) == (None, "0.60", None)
    assert (len(found.positions), found.left_out) == (4, 1)
    assert [each.symbol for each in flat.positions] == ["D"]


def test_models_and_behaviors(tmp_path: Path) -> None:
    """What a bot says about its models comes back; a model of which nothing is known is not there."""
    info = {a.MODEL_NAME: "m", a.MODEL_VERSION: "1", a.MODEL_TYPE: "lgbm", a.MODEL_TRAINED: START, a.MODEL_ROWS: 10}
    looks = {a.MODEL_NAME: "m", a.FEATURE_IMPORTANCE: {"x": 0.5, "y": 0.3, "z": 0.2}}
    acts = {a.MODEL_NAME: "m", a.CONSISTENCY: 0.9, a.STABILITY: 0.8, a.PREDICTION_DRIFT: 0.1, a.CONFIDENCE_TREND: [0.5]}
    told = [span(s.MODEL_INFO, info, **ids(1)), span(s.MODEL_BEHAVIOR, acts, **ids(2))]
    told += [span(s.IMPORTANCE, looks, start=START + at, **ids(at)) for at in (3, 5_000)]
    with reader_of(tmp_path, *told) as reader:
        (model,) = models(reader, ModelsAsked(model="m"))
        newest, first = importances(reader, ImportanceAsked(model="m")).items
        (behavior,) = behaviors(reader, BehaviorsAsked(model="m")).items
        with pytest.raises(NotFoundError):
            models(reader, ModelsAsked(model="nobody"))

    assert (model.version, model.type, model.rows) == ("1", "lgbm", 10)
    assert model.hit_rate.reason == "no outcomes of it are stored"
    assert newest.stability == pytest.approx(1.0)
    assert first.stability is None
    assert (behavior.prediction_consistency, behavior.confidence_trend) == (0.9, (0.5,))


def test_calls_and_stages(tmp_path: Path) -> None:
    """Calls of a venue and stages of decisions come with their errors, percentiles and the bottleneck."""
    told = [
        span(
            "exchange create_order",
            {a.OPERATION: "create_order", a.VENUE: "paper"},
            seconds=0.01 * (at + 1),
            **ids(at + 1),
        )
        for at in range(20)
    ]
    bot = Bot()
    with reader_of(tmp_path, *told, *(one for _ in range(12) for one in bot.decision().all)) as reader:
        (call,) = calls(reader, CallsAsked(venue="paper", operation="create_order"))
        found = stages(reader, StagesAsked(strategy="swing"))
        none = stages(reader, StagesAsked(strategy="nobody"))

    assert call.timing.n == 20
    assert call.timing.p50_seconds == pytest.approx(0.1, rel=0.1)
    assert (found.decisions.n, found.decisions.errors) == (12, 0)
    assert {each.component for each in found.components} >= {"analyst", "strategist", "tactician"}
    assert sum(each.share or 0.0 for each in found.components) == pytest.approx(1.0)
    assert (none.decisions.n, none.bottleneck, none.decisions_per_second) == (0, None, None)


def test_workflows_end_in_every_way(tmp_path: Path) -> None:
    """Open orders make a correlation active or, when it is old, one that timed out; errors make it failed."""
    now = round(datetime.now(UTC).timestamp() * 1e9)
    old, young = Bot(), Bot(seed=2, start=now - 1_000_000_000)
    spans = [*old.decision(statuses=("new",)).all, *old.decision().all, *young.decision(statuses=("new",)).all]
    failed = old.decision(order=False).all
    failed[-1].status.code = Status.STATUS_CODE_ERROR
    with reader_of(tmp_path, *spans, *failed) as reader:
        found = workflows(reader, WorkflowsAsked())
        mine = workflows(reader, WorkflowsAsked(strategy="swing", timeout_seconds=1e7))
        nobody = workflows(reader, WorkflowsAsked(strategy="nobody"))

    assert (found.total, found.active, found.completed, found.failed, found.timeout) == (4, 1, 1, 1, 1)
    assert (mine.total, mine.active, mine.timeout) == (4, 1, 1)
    assert (nobody.total, nobody.average_duration_ms) == (0, None)
    assert found.success_rate.n == 3


def test_a_server_samples_its_machine(tmp_path: Path) -> None:
    """A running server measures without being asked, so that an outlook has a past."""
    before = len(MACHINE._samples)
    MACHINE._due = 0.0
    with EmbeddedServer(fresh(tmp_path)):
        until(lambda: len(MACHINE._samples) > before)

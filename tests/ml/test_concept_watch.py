"""Outcomes and profits of a watched model: evidence, links to the predictions, episodes of both, restarts, replays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

import ares_otel as ares
from ares_otel.config.drift import Drift, PromisedEdge
from ares_otel.decision.watched import Matured, Observed, Realized, Told, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.ml import DriftEvent, DriftKind, Edge, Severity
from ares_otel.ml.loss import LossMonitor
from ares_otel.ml.making import Outcome, Plan
from ares_otel.ml.profits import Profits
from ares_otel.ml.tables import read_table, told
from ares_otel.ml.tape import Tape
from ares_otel.ml.trail import DECISIONS, WAITING, Awaited, Trail
from ares_otel.ml.watching import Watch
from ares_otel.testing import Capture

DAY = 86_400_000_000_000
EDGE = Edge(4.0, 1.0, false_alarms=0.02)
LABELS = {"model_name": "m", "drift_kind": "concept"}


def watched(edge: Edge | None = EDGE, **more: Any) -> Watch:
    """Return a watch of outcomes and profits."""
    settings = Drift(check_bars=50, check_interval=86_400.0)
    return Plan(WatchedModel("m"), settings, "bot", None, edge=edge, **more).make(quiet=True)


def heard(watch: Watch) -> list[DriftEvent]:
    """Return a list that grows with the events of a watch."""
    found: list[DriftEvent] = []
    watch.on_event = found.append
    return found


def history(seed: int = 5) -> Iterator[Told]:
    """Yield predictions that become wrong, with their outcomes ten places later, and profits that end."""
    draw = np.random.default_rng(seed)
    edge = EDGE.sharpe / math.sqrt(EDGE.periods)
    for place in range(2_400):
        yield Observed(None, 1.0, place, place * DAY, 0, None)
        if place >= 10:
            right = draw.random() < (0.8 if place < 1_500 else 0.4)
            yield Matured(place - 10, float(right), place * DAY + 1, 0)
        yield Realized(draw.normal() + (edge if place < 900 else -edge), place * DAY + 2, 0)


def test_concept_drift_has_evidence_before_and_after_its_alarm(ares_capture: Capture) -> None:
    """The gauge is below one while nothing changes, above it at the check of the alarm, and never absent."""
    watch = Plan(WatchedModel("m"), Drift(check_bars=50), "bot", None).make()
    found = heard(watch)
    draw, seen = np.random.default_rng(3), list[float]()
    for place in range(2_400):
        right = draw.random() < (0.8 if place < 1_500 else 0.4)
        watch.feed([Observed(None, 1.0, place, place, 0, None), Matured(place, float(right), place, 0)])
        if place > 600:
            shown = ares_capture.value("ares_drift_evidence", **LABELS)
            assert shown is not None
            seen.append(shown)
        if any(event.kind is DriftKind.CONCEPT for event in found):
            break

    assert max(seen[:800]) < 1.0 <= seen[-1]
    assert ares_capture.value("ares_drift_alpha_spent_ratio", model_name="m") is not None
    assert (ares_capture.value("ares_drift_evidence", model_name="m", drift_kind="label") or 0.0) > 0.0


def test_a_small_lasting_rise_of_the_loss_is_to_be_watched() -> None:
    """Severity is by effect: an error rate of 0.40 that rises to 0.48 is no warning."""
    draw = np.random.default_rng(0)
    monitor = LossMonitor(reference=(draw.random(2_000) < 0.4).astype(float).tolist())
    found = []
    for place in range(6_000):
        found += monitor.update(float(draw.random() < (0.4 if place < 500 else 0.48)))

    assert [event.severity for event in found if event.kind is DriftKind.CONCEPT][:1] == [Severity.WATCH]


def test_standing_is_against_thresholds() -> None:
    """Each stream that can be tested stands somewhere; the CUSUM where losses of training are known."""
    draw = np.random.default_rng(1)
    monitor = LossMonitor()
    assert monitor.standing() == ()
    for _ in range(700):
        error = draw.normal()
        monitor.update(abs(error), signed=error, label=draw.normal())
    assert {moved.feature for moved in monitor.standing()} == {"loss", "over", "under", "label"}
    assert all(0.0 <= moved.evidence < 1.0 for moved in monitor.standing())
    known = LossMonitor(reference=np.abs(draw.normal(size=800)).tolist())
    assert [moved.feature for moved in known.standing()].count("loss") == 2


def test_an_episode_of_outcomes_is_linked_to_the_decisions_that_predicted(ares_capture: Capture) -> None:
    """Not to those at the time of the outcomes, which are a horizon later."""
    model = ares.model("m")
    draw, keys, spans = np.random.default_rng(3), [], []
    for place in range(2_400):
        with ares.decision(symbol="BTC", event_time=place) as d:
            model.observe(None, prediction=1.0)
            keys.append(d.correlation_id)
            spans.append(f"{d.span_id:016x}")
        if place >= 300:
            right = draw.random() < (0.8 if place < 1_800 else 0.4)
            model.outcome(keys[place - 300], float(right), at=place)
    ares.flush()
    episode = next(
        span for span in ares_capture.spans("drift_episode") if span["attributes"]["ares.drift.kind"] == "concept"
    )
    first, last = (episode["attributes"][f"ares.drift.{name}"] for name in ("since_bar", "bar"))

    assert episode["links"][0] == spans[first - 1]
    assert episode["links"][-1] == spans[last - 1]
    assert set(episode["links"]) <= set(spans[first - 1 : last])


def test_the_card_is_said_again_once_outcomes_can_be_tested(ares_capture: Capture) -> None:
    """Nothing can be tested at the beginning; what can be is said when it can, and once."""
    watch = Plan(WatchedModel("m"), Drift(check_bars=50, check_interval=86_400.0), "bot", None).make()
    watch.begin()
    for place in range(1_200):
        watch.feed([Observed(None, 1.0, place, place, 0, None), Matured(place, 1.0 * (place % 3 == 0), place, 0)])
    ares.flush()
    cards = [span["attributes"] for span in ares_capture.spans("drift_card")]

    assert len(cards) == 2
    assert "ares.drift.samples" not in cards[0]
    assert "0 outcomes" in str(cards[0])
    assert "0 outcomes" not in str(cards[1])


def test_a_dead_edge_is_an_episode_of_its_own() -> None:
    """Losses and profits each have one, numbered through; profits say what of the edge is gone."""
    watch = watched()
    found = heard(watch)
    watch.feed(history())
    started = [event for event in found if event.state == "started" and event.kind is DriftKind.CONCEPT]

    assert {event.features[0].moment for event in started} >= {"profit", "loss"}
    assert len({event.episode for event in started}) == len(started)
    profit = next(event for event in started if event.features[0].moment == "profit")
    assert profit.since is not None
    assert 800 < profit.since.bar <= 910 <= profit.bar < 1_000
    assert profit.effect < 0 or profit.features[0].effect < 0
    assert {each.features[0].moment for part in watch.parts.values() for each in part.open.values()} >= {"profit"}


def test_two_episodes_of_a_kind_are_shown_as_the_worse_one(ares_capture: Capture) -> None:
    """While one of them is open, the kind drifts; the card has what either can see."""
    watch = Plan(WatchedModel("m"), Drift(check_bars=50), "bot", None, edge=EDGE).make()
    watch.begin()
    watch.feed(history())

    assert ares_capture.value("ares_drift_active", **LABELS) == 1.0
    assert (ares_capture.value("ares_drift_severity", **LABELS) or 0) >= 2
    *_, card = ares_capture.spans("drift_card")
    assert "profit:profit" in card["attributes"]["ares.drift.mde"]


def losses(capture: Capture) -> list[dict[str, Any]]:
    """Return what was said of windows of losses."""
    found = [span["attributes"] for span in capture.spans("drift_window")]
    return [each for each in found if each["ares.drift.kind"] == "concept"]


def test_losses_are_shown_beside_those_of_training(ares_capture: Capture) -> None:
    """Once when there are some, then when an episode begins: the share of wrong ones, then and since the change."""
    draw = np.random.default_rng(4)
    predictions, right = [1.0] * 900, draw.random(900) < 0.8
    plan = Plan(
        WatchedModel("m"), Drift(check_bars=50), "bot", None, predictions=predictions, actuals=right.astype(float)
    )
    watch = plan.make()
    for place in range(900):
        actual = float(draw.random() < (0.8 if place < 500 else 0.3))
        watch.feed([Observed(None, 1.0, place, place * DAY, 0, None), Matured(place, actual, place * DAY + 1, 0)])
    first, began, *_ = losses(ares_capture)
    episode = next(
        span["attributes"]
        for span in ares_capture.spans("drift_episode")
        if span["attributes"]["ares.drift.kind"] == "concept"
    )

    assert (first["ares.feature.name"], first["ares.drift.values"]) == ("loss", first["ares.drift.bar"])
    assert first["ares.drift.against"] == "reference"
    assert first["ares.drift.expected"] == pytest.approx({"0": right.mean(), "1": 1 - right.mean(), "inf": 0.0})
    assert began["ares.drift.window"] == episode["ares.drift.bar"] - episode["ares.drift.since_bar"] + 1
    assert began["ares.drift.bar"] == episode["ares.drift.bar"]
    assert began["ares.drift.observed"]["1"] > 0.5


def test_losses_are_shown_beside_earlier_ones_where_those_of_training_are_not_known(ares_capture: Capture) -> None:
    """Absolute errors in bins of those before, as soon as there are enough of them, and when an episode begins."""
    watch = Plan(WatchedModel("m"), Drift(check_bars=10), "bot", None, outcome=Outcome(loss="absolute")).make()
    draw = np.random.default_rng(4)
    for place in range(1_500):
        error = draw.normal() * (1.0 if place < 1_000 else 3.0)
        watch.feed([Observed(None, 0.0, place, place * DAY, 0, None), Matured(place, error, place * DAY + 1, 0)])
    first, began = losses(ares_capture)

    assert 512 + 64 <= first["ares.drift.bar"] < 600
    assert [(each["ares.feature.name"], each["ares.drift.against"]) for each in (first, began)] == [
        ("loss", "earlier")
    ] * 2
    assert began["ares.drift.values"] == began["ares.drift.window"]
    assert sum(began["ares.drift.expected"].values()) == pytest.approx(1.0)
    assert began["ares.drift.observed"]["inf"] > 0.05
    assert began["ares.drift.expected"]["inf"] == 0.0


def test_a_restart_after_any_bar_changes_nothing(tmp_path: Path) -> None:
    """Ledger, scans, CUSUM, numbers of episodes, links and names: every bit of it is in the state."""
    items = list(history())
    whole = watched()
    expected = heard(whole)
    whole.feed(items)
    whole.save(tmp_path / "whole.state")
    for place in (2_000, 2_800, 5_000):
        first, second = watched(), watched()
        found = heard(first)
        first.feed(items[:place])
        first.save(tmp_path / "m.state")
        second.on_event = found.append
        assert second.load(tmp_path / "m.state")
        second.feed(items[place:])
        second.save(tmp_path / "m.state")

        assert found == expected
        assert (tmp_path / "m.state").read_bytes() == (tmp_path / "whole.state").read_bytes()


def test_a_recorded_history_of_outcomes_and_profits_gives_the_same_verdicts(tmp_path: Path) -> None:
    """Also where a prediction was joined by the id of its decision, which nobody said."""
    live = watched()
    live.tape = Tape(tmp_path / "m.jsonl", 1 << 24)
    expected = heard(live)
    with ares.decision(symbol="BTC") as d:
        live.model.observe(None, prediction=1.0, at=1)
    live.model.outcome(d.correlation_id, 1.0, at=2)
    live.feed([*live.model.take(), *history()])
    again = watched()
    found = heard(again)
    again.feed(told(read_table(tmp_path / "m.jsonl")))

    assert len(expected) >= 2
    assert found == expected
    assert [part.bar for part in again.parts.values()] == [part.bar for part in live.parts.values()]


def test_profits_without_an_edge_are_said_to_be_in_vain() -> None:
    """They are counted as what could not be looked at; so is what is no profit."""
    watch = watched(None)
    watch.feed([Realized(1.0, 1, 0)])
    assert watch.invalid == 1
    assert GUARD.counts() == {"drift of m": 1}
    other = watched()
    other.feed([Realized("a lot", 1, 0), Realized(True, 1, 0), Realized(np.float64(0.5), 2, 0)])
    assert (other.invalid, other.parts["profit"].bars) == (2, 1)


@pytest.mark.parametrize(
    "edge", [Edge(0.0, 1.0), Edge(1.0, 0.0), Edge(1.0, 1.0, false_alarms=0.0), Edge(1.0, 1.0, tau=0.5)]
)
def test_an_edge_that_is_none_is_refused_at_once(edge: Edge) -> None:
    """By whoever names the model, and not in the thread that watches."""
    with pytest.raises(ValueError, match=r"above|at least"):
        Plan(WatchedModel("m"), Drift(), "bot", None, edge=edge)


def test_an_edge_may_be_promised_by_the_configuration() -> None:
    """To all models, or to those that are named; what is said with the model counts more."""
    keys = PromisedEdge(sharpe=2.0, volatility=0.5, periods=365, false_alarms=0.1)
    named = PromisedEdge(sharpe=2.0, volatility=0.5, models=("m",))

    assert Edge.configured(keys, "m") == Edge(2.0, 0.5, 0.0, 365, 0.1)
    assert Edge.configured(named, "m") is not None
    assert Edge.configured(named, "other") is None
    assert Edge.configured(PromisedEdge(), "m") is None
    parts = Plan(WatchedModel("m"), Drift(edge=keys), "bot", None).make(quiet=True).parts
    assert "profit" in parts
    with pytest.raises(ValueError, match="above a dead one"):
        Plan(WatchedModel("m"), Drift(edge=keys), "bot", None, edge=Edge(0.0, 1.0))


def test_profits_stand_somewhere_from_the_first_one_on(tmp_path: Path) -> None:
    """Without an effect while the sum is at zero; the state keeps it."""
    profits = Profits(EDGE.watched())
    (before,) = profits.standing()
    assert before.evidence == 0.0
    assert math.isnan(before.effect)
    for _ in range(5):
        profits.update(-1.0)
    (after,) = profits.standing()
    assert (after.evidence > 0.0, after.effect < 0.0) == (True, True)
    profits.save(tmp_path / "p")
    assert Profits.load(tmp_path / "p").standing() == (after,)
    assert profits.card() == Profits.load(tmp_path / "p").card()


def test_trails_are_bounded() -> None:
    """The oldest decisions go first; a key that waits already keeps its first decision."""
    trail, awaited = Trail(), Awaited()
    for place in range(DECISIONS + 10):
        trail.add(place, str(place))
    for place in range(WAITING + 10):
        awaited.expect(str(place), str(place))
    awaited.expect("50", "another")

    assert trail.links(0, 20, 32) == tuple(str(place) for place in range(10, 21))
    assert (awaited.of("9"), awaited.of("50")) == (None, "50")
    awaited.settle("50")
    awaited.settle("50")
    assert awaited.of("50") is None


def test_numbers_of_numpy_are_kept(tmp_path: Path) -> None:
    """What models return (numbers and texts of numpy, NA of pandas) waits and goes on like Python's own values."""
    draw = np.random.default_rng(2)
    whole, other = watched(), watched()
    for place in range(600):
        value, actual, profit = np.float64(draw.normal()), np.float32(draw.normal()), np.float64(draw.normal())
        for watch, own in ((whole, float), (other, lambda each: each)):
            watch.feed([Observed(None, own(value), f"k{place}", place * DAY, 0, None)])
            watch.feed([Realized(own(profit), place * DAY, 0)])
            if place % 3:
                watch.feed([Matured(f"k{place}", own(actual), place * DAY, 0)])
    other.feed([Observed(None, pd.NA, "none", 600 * DAY, 0, None)])
    other.feed([Observed(None, {"buy": np.float64(0.4), "sell": np.float64(0.6)}, np.str_("odd"), 600 * DAY, 0, None)])
    whole.feed([Observed(None, "sell", "odd", 600 * DAY, 0, None)])
    for name, watch in (("whole", whole), ("other", other)):
        watch.save(tmp_path / name)

    assert watched().load(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("predictions", "actuals"),
    [
        (pd.array([None, *[True, False] * 300], "boolean"), pd.array([*[True, False] * 300, None], "boolean")),
        ([{"buy": np.float64(0.4), "sell": np.float64(0.6)}] * 600, ["buy", "sell"] * 300),
        (pd.array([None, *[0.5, 1.5] * 300], "Float64"), pd.Series([0.5, 1.5, 2.5] * 200 + [1.0])),
        (np.ones((600, 1)), np.ones((600, 1))),
    ],
)
def test_references_of_outcomes_as_frames_have_them(predictions: Any, actuals: Any) -> None:
    """NA, probabilities of numpy and columns of one are taken; what has no loss is left out."""
    watch = watched(predictions=predictions, actuals=actuals)

    assert DriftKind.PREDICTION in watch.parts

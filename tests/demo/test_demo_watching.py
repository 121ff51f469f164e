"""The demo's models are watched, and its history has episodes that a reader recognizes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

import ares_otel as ares
from ares_otel.demo.bars import NASDAQ, SP500, load_bars
from ares_otel.demo.ensemble import Matured, Verdict
from ares_otel.demo.market import Market
from ares_otel.demo.watching import REFERENCE, SEEN, YEAR, ModelWatch, primitives
from ares_otel.testing import Capture

VERDICT = Verdict("hold", "buy", 0.5, 0.6, 0.6, 0.1, {}, "")


@pytest.fixture(scope="module")
def market() -> Market:
    """Return the NASDAQ's history."""
    return Market(load_bars(NASDAQ))


@pytest.fixture(autouse=True)
def _as_the_demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Configure drift as the demo does."""
    monkeypatch.setenv("ARES_OTEL_DRIFT_BARS_PER_MONTH", "21")
    monkeypatch.setenv("ARES_OTEL_DRIFT_HAZARD", "0.0000033")
    yield
    ares.shutdown(1.0)


def decide(watch: ModelWatch, market: Market, first: int, last: int) -> None:
    """Make a decision on each bar of some rows."""
    for bar in market.bars[first : last + 1]:
        with ares.decision(symbol=bar.symbol, event_time=bar.time) as d:
            watch.decided(market, bar.time, VERDICT, d.correlation_id)
    ares.flush()


def test_the_crisis_of_2008_is_seen(ares_capture: Capture, market: Market) -> None:
    """Compared with the two years before, the spring of 2008 is wild; it is said with its time and its decisions."""
    first = next(row for row, bar in enumerate(market.bars) if bar.time >= datetime(2008, 1, 12, tzinfo=UTC))
    first -= (first - REFERENCE - 1) % YEAR
    decide(ModelWatch("swing", market=True), market, first, first + 100)
    (span, *_) = ares_capture.spans("drift_episode")
    said = span["attributes"]

    assert said["ares.model.name"] == "market/NASDAQ"
    assert "range:scale" in said["ares.drift.evidences"]
    seen = datetime.fromtimestamp(said["ares.event.time"] / 1e9, UTC)
    assert datetime(2008, 1, 15, tzinfo=UTC) < seen < datetime(2008, 5, 1, tzinfo=UTC)
    assert len(span["links"]) > 5


def test_each_year_has_a_reference_of_its_own(ares_capture: Capture, market: Market) -> None:
    """The same one for every bar of a year, also after a restart; before there are two years, none."""
    for rows in ((REFERENCE - 3, REFERENCE), (REFERENCE + 1, REFERENCE + 5), (REFERENCE + 9, REFERENCE + 12)):
        decide(ModelWatch("swing", market=True), market, *rows)
    decide(ModelWatch("swing", market=True), market, REFERENCE + YEAR + 1, REFERENCE + YEAR + 3)
    cards = [span["attributes"] for span in ares_capture.spans("drift_card")]
    found = [each["ares.drift.reference"] for each in cards if each["ares.drift.kind"] == "data"]

    assert len(found) == 3
    assert found[0] == found[1] != found[2]


def row_of(market: Market, year: int) -> int:
    """Return the first row of a year."""
    return next(row for row, bar in enumerate(market.bars) if bar.time >= datetime(year, 1, 1, tzinfo=UTC))


def test_what_was_trained_once_sees_what_trained_anew_takes_for_normal(ares_capture: Capture) -> None:
    """By the two calm years before 2007: that summer, the crisis, and after some calm August 2011 by itself."""
    market = Market(load_bars(SP500))
    decide(ModelWatch("swing", market=True), market, row_of(market, 2007), row_of(market, 2012) - 1)
    said = [span["attributes"] for span in ares_capture.spans("drift_episode")]
    once = [each for each in said if each["ares.model.name"] == "once/SP500"]
    found = [
        (each["ares.drift.state"], f"{datetime.fromtimestamp(each['ares.event.time'] / 1e9, UTC):%Y-%m}")
        for each in once
    ]

    assert found == [("started", "2007-08"), ("cleared", "2011-05"), ("started", "2011-08")]


def test_another_lap_through_history_begins_anew(ares_capture: Capture, market: Market) -> None:
    """Whoever was trained once is so in each lap; where history does not reach back far enough, nobody was."""
    laps, row = [1, 2], row_of(market, 2007)
    watch = ModelWatch("swing", market=True, lap=lambda: laps[0])
    decide(watch, market, row - 1, row + 1)
    laps.pop(0)
    decide(watch, market, row, row + 1)
    live = Market(market.bars[row - REFERENCE :])
    decide(ModelWatch("reversion", market=True), live, REFERENCE, REFERENCE + 2)
    cards = [span["attributes"] for span in ares_capture.spans("drift_card")]

    assert [each["ares.model.version"] for each in cards if each["ares.model.name"] == "once/NASDAQ"] == [
        "2007-01-03",
        "2007-01-03, lap 2",
    ]


def test_outcomes_of_a_lap_are_not_held_against_those_before(ares_capture: Capture, market: Market) -> None:
    """What changes with another lap is the time: no change is dated in a history that has not come yet."""
    laps = [1]
    watch = ModelWatch("swing", market=False, lap=lambda: laps[-1])
    for told in range(1_200):
        laps.append(1 + told // 900)
        time = market.bars[400 + told % 900].time
        with ares.decision(symbol=NASDAQ, event_time=time) as d:
            watch.decided(market, time, VERDICT, d.correlation_id)
        wrong = told % 10 == 0 if told < 880 else told % 2 == 0
        matured = Matured(d.correlation_id, "sell" if wrong else "buy", 0.01, {})
        watch.matured(NASDAQ, matured, time + timedelta(hours=1))
    ares.flush()
    checks = [span["attributes"] for span in ares_capture.spans("drift check")]
    episodes = [span["attributes"] for span in ares_capture.spans("drift_episode")]

    assert [each for each in episodes if each.get("ares.drift.since", 0) > each["ares.event.time"]] == []
    versions = [each.get("ares.model.version") for each in checks if each["ares.drift.kind"] == "concept"]
    assert list(dict.fromkeys(versions)) == [None, "lap 2"]
    assert all(each["ares.drift.bar"] <= 300 for each in checks if each.get("ares.model.version") == "lap 2")


def test_ensembles_are_judged_by_their_outcomes(ares_capture: Capture, market: Market) -> None:
    """What a strategy decides is joined with what came true, and markets are watched by one strategy alone."""
    watch, time = ModelWatch("reversion", market=False), market.bars[400].time
    watch.matured(NASDAQ, Matured("unknown", "buy", 0.0, {}), time)
    with ares.decision(symbol=NASDAQ, event_time=time) as d:
        watch.decided(market, time, VERDICT, d.correlation_id)
    watch.matured(NASDAQ, Matured(d.correlation_id, "buy", 0.01, {}), time + timedelta(days=2))
    ares.flush()
    checks = [span["attributes"] for span in ares_capture.spans("drift check")]

    assert {(each["ares.model.name"], each["ares.drift.kind"]) for each in checks} == {("reversion/NASDAQ", "concept")}


def test_primitives_are_of_their_bar(market: Market) -> None:
    """Returns and ranges in per cent, the change of volume as a logarithm; the first bar has none before it."""
    found = primitives(market)
    first, second = market.bars[0], market.bars[1]

    assert found.shape == (len(market.bars), len(SEEN))
    assert np.isnan(found[0, [0, 1, 3]]).all()
    assert found[1, 0] == pytest.approx(100 * np.log(second.close / first.close))
    assert found[1, 1] == abs(found[1, 0])
    assert found[1, 2] == pytest.approx(100 * np.log(second.high / second.low))

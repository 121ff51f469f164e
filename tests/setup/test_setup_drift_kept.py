"""What a bot has kept of a watched model gives its verdicts again, with nothing else at hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from setup_kit import Begin

import ares_otel as ares
from ares_otel.ml import DriftEvent, Edge
from ares_otel.ml.replaying import Replayed, replay_kept
from ares_otel.ml.tape import stretches

HOUR = 3_600_000_000_000
STORM = 300
"""Bars that a regime lasts."""


def history(bars: int, seed: int) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield rows with a category, whose spread is that of their regime, and the regime."""
    draw = np.random.default_rng(seed)
    for bar in range(bars):
        regime = "high_volatility" if bar // STORM % 2 else "low_volatility"
        size = 3.0 if regime == "high_volatility" else 1.0
        row = {"ret": draw.normal() * size, "range": abs(draw.normal()) * size, "side": "ab"[int(draw.random() < 0.3)]}
        yield row, regime


REFERENCE = pd.DataFrame([row | {"market": regime} for row, regime in history(1_200, 1)])
LIVE = list(history(900, 2))


class Live:
    """A bot that tells its model everything that can be told, over restarts."""

    def __init__(self) -> None:
        self.events: list[DriftEvent] = []
        self.bar = 0
        self._draw = np.random.default_rng(3)

    def model(self, version: str = "1", **more: Any) -> ares.WatchedModel:
        """Return the model as a process of the bot names it."""
        predictions, actuals = REFERENCE["ret"] > 0, REFERENCE["range"] > 1
        model = ares.model(
            "lgbm",
            version=version,
            reference=REFERENCE,
            regimes="market",
            predictions=predictions,
            actuals=actuals,
            horizon=timedelta(hours=5),
            loss="error",
            edge=Edge(6.0, 1.0, false_alarms=1.0),
            on_drift=self.events.append,
            **more,
        )
        model.on_named(self.events.append)
        return model

    def tell(self, model: ares.WatchedModel, until: int) -> None:
        """Tell bars: from the 450th on what it sees moves, from the 600th on it is mostly wrong."""
        for bar in range(self.bar, until):
            row, regime = LIVE[bar]
            row = row | {"ret": row["ret"] + (2.5 if bar > 450 else 0.0)}
            prediction = row["ret"] > 0
            with ares.decision(symbol="BTC", event_time=bar * HOUR) as d:
                if bar % 2:
                    d.regime(ares.Regime(regime))
                    model.observe(row, prediction=prediction)
                else:
                    model.observe(row, prediction=prediction, key=d.correlation_id, regime=regime)
                d.regime(ares.Regime("unknown"))
            if bar % 9:
                right = self._draw.random() < (0.9 if bar < 600 else 0.2)
                model.outcome(d.correlation_id, prediction if right else not prediction, at=bar * HOUR + 1)
            model.pnl(self._draw.normal() + (0.4 if bar < 300 else -0.4), at=bar * HOUR + 2)
        self.bar = until
        assert ares.flush(60)


def kept(folder: Path) -> Path:
    """Return the history that was kept."""
    (found,) = folder.rglob("lgbm.jsonl")
    return found


def looked_at(file: Path) -> Replayed:
    """Return what is said of a history."""
    found = replay_kept(file)
    assert found is not None
    return found


def test_everything_that_was_told_is_told_again(begin: Begin, tmp_path: Path) -> None:
    """Features, categories, predictions, outcomes, regimes, profits; over a restart, a crash and another version."""
    live = Live()
    for until in (200, 500):
        with begin(drift__record=True):
            live.tell(live.model(), until)
    (state,) = tmp_path.rglob("lgbm.state")
    shutil.copy(state, tmp_path / "before")
    with begin(drift__record=True):
        live.tell(live.model(), 530)
    shutil.copy(tmp_path / "before", state)  # what a crash leaves: bars that were told, and not saved
    with kept(tmp_path).open("a") as file:
        file.write('{"at": 1, "x"')
    with begin(drift__record=True):
        live.tell(live.model(), 800)
    with begin(drift__record=True):
        live.tell(live.model("2"), 900)
    found = looked_at(kept(tmp_path))

    assert {event.kind for event in live.events} >= {"data", "prediction", "concept"}
    assert {event.state for event in live.events} >= {"started", "cleared"}
    assert {event.features[0].moment for event in live.events if event.kind == "concept"} >= {"profit"}
    assert found.events == live.events
    assert found.bars["data"] == found.bars["prediction"] == 900
    assert (found.invalid, found.skipped) == (0, 0)
    assert [stretch.begun for stretch in stretches(kept(tmp_path))[0]] != []


def test_a_file_that_was_begun_in_the_middle_goes_on_there(begin: Begin, tmp_path: Path) -> None:
    """At its limit the history becomes another file, which begins with the state of that moment."""
    live = Live()
    with begin(drift__record=True, drift__record_bytes=1 << 16):
        live.tell(live.model(), 640)
    (older,) = tmp_path.rglob("lgbm.jsonl.1")
    first, second = looked_at(older), looked_at(kept(tmp_path))

    assert min(first.bars["data"], second.bars["data"]) > 100
    assert live.events[-len(second.events) :] == second.events != []
    assert all(event in live.events for event in first.events)


def test_regimes_explain_what_would_be_drift(begin: Begin, tmp_path: Path) -> None:
    """Bars of a storm are as they are in storms; without the regime they are no evidence at all, and counted."""
    live: list[DriftEvent] = []
    storm = [row for row, regime in LIVE if regime == "high_volatility"]
    with begin(drift__record=True):
        named = ares.model("lgbm", reference=REFERENCE, regimes="market", outcomes=False, on_drift=live.append)
        other = ares.model("other", reference=REFERENCE.drop(columns="market"), outcomes=False, on_drift=live.append)
        given = ares.model("given", reference=REFERENCE.drop(columns="market"), regimes=REFERENCE["market"].tolist())
        for row in storm * 3:
            named.observe(row, regime="high_volatility")
            given.observe(row)
            other.observe(row)
        assert ares.flush(60)
    (file,) = tmp_path.rglob("given.jsonl")

    assert [event.kind for event in live] in ([], ["data"])
    assert looked_at(kept(tmp_path)).events == []
    issues = looked_at(file).issues["data"]
    assert [(issue.problem, issue.count) for issue in issues if issue.problem == "regime"] == [("regime", 900)]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"reference": REFERENCE, "regimes": "weather"}, "no column 'weather' of regimes"),
        ({"reference": REFERENCE, "regimes": ["low_volatility"]}, "1 regimes for 1200 bars"),
        ({"regimes": ["low_volatility"] * 600}, "there is no reference"),
        ({"reference": REFERENCE, "importances": {"weather": 1.0}}, "'weather', which the reference does not have"),
        ({"predictions": [0.0, 1.0] * 300, "importances": {"ret": 1.0}}, "there is no reference"),
    ],
)
def test_wrong_regimes_and_importances_are_said_to_whoever_names_the_model(
    begin: Begin, more: dict[str, Any], message: str
) -> None:
    """At the call, with what is wrong."""
    with begin(strict=True), pytest.raises(ValueError, match=message):
        ares.model("lgbm", **more)

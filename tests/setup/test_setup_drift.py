"""Models that are watched in a running bot: metrics, state over restarts, what is said when it cannot be."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from setup_kit import Begin, Bot, shown, spans
from sink import Sink

import ares_otel as ares
from ares_otel.config.drift import Drift
from ares_otel.guard import GUARD, BadValueError
from ares_otel.ml import DriftEvent, DriftKind, Edge, Moved, Reference, keeping
from ares_otel.ml.frames import Table
from ares_otel.ml.making import Plan
from ares_otel.ml.monitor import DriftMonitor
from ares_otel.semconv.enums import DriftDrop
from ares_otel.setup import companions
from ares_otel.setup.drifting import Drifting, Kept
from ares_otel.testing import Capture

RNG = np.random.default_rng(11)
REFERENCE = RNG.normal(size=(800, 3))
MOVED = RNG.normal(size=(300, 3)) + np.array([2.0, 0.0, 0.0])
LABELS = {"model_name": "lgbm"}


def watched(**more: Any) -> ares.WatchedModel:
    """Return a watched model."""
    return ares.model("lgbm", version="3", reference=REFERENCE, names=["ret", "range", "volume"], **more)


def tell(model: ares.WatchedModel, rows: np.ndarray[Any, Any], first: int = 0) -> None:
    """Tell bars of hours."""
    for place, row in enumerate(rows, first):
        model.observe(row, at=place * 3_600_000_000_000)


def state(folder: Path) -> Path:
    """Return the one file of state."""
    (found,) = folder.rglob("*.state")
    return found


def standing(path: Path) -> list[Moved]:
    """Return how the monitor of a state's features stands."""
    with keeping.read(path) as (_, files):
        return DriftMonitor.load(files["data"]).standing()


def test_a_bot_sees_its_drift(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """From `observe` to callback, page, span and CloudEvent."""
    called: list[DriftEvent] = []
    with begin(sink) as handle:
        model = watched(on_drift=called.append)
        model.on_named(called.append)
        tell(model, MOVED)
        assert ares.flush(30)
        page = handle.metrics_url
        assert shown(page, "ares_drift_observations_total", **LABELS) == 300.0
        assert shown(page, "ares_detector_up", **LABELS, detector="ares") == 1.0
        assert shown(page, "ares_drift_active", **LABELS, drift_kind="data") == 1.0
        assert shown(page, "ares_drift_dropped_total", **LABELS, reason="queue_full") == 0.0
        assert (shown(page, "ares_feature_drift_statistic", **LABELS, feature_name="ret") or 0.0) > 1.0
    event, named = called

    assert (event.kind, event.state, event.names) == ("data", "started", ("ret",))
    assert (named.kind, named.state, named.names) == ("feature", "named", ("ret",))
    assert {"drift check", "drift_episode", "drift_card"} <= {span["name"] for span in spans(sink)}
    lines = [json.loads(line) for line in next(tmp_path.rglob("events.jsonl")).read_text().splitlines()]
    assert [line["type"] for line in lines] == ["io.ares.ml.drift.detected.v1", "io.ares.ml.drift.named.v1"]
    assert [line["data"]["names"] for line in lines] == [["ret"], ["ret"]]
    assert ["p_value" in line["data"]["features"][0] for line in lines] == [False, True]


def test_a_restart_goes_on(begin: Begin, tmp_path: Path) -> None:
    """Bars of before count: the episode that began then is not told again, and the state is that of one run."""
    called: list[DriftEvent] = []
    for place in range(3):
        with begin() as handle:
            model = watched(on_drift=called.append)
            tell(model, MOVED[place * 100 : place * 100 + 100], place * 100)
            ares.flush(30)
            assert shown(handle.metrics_url, "ares_drift_active", **LABELS, drift_kind="data") == 1.0
    split = standing(state(tmp_path))
    state(tmp_path).unlink()
    with begin():
        tell(watched(), MOVED)

    assert [event.state for event in called] == ["started"]
    assert standing(state(tmp_path)) == split


def test_the_state_knows_of_an_alarm_before_more_is_looked_at(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is killed in the middle of what waits does not tell of an alarm again."""
    called: list[DriftEvent] = []
    saved: list[int] = []
    save = Kept.save

    def noted(kept: Kept) -> None:
        saved.append(kept.watch.observed if kept.watch is not None else 0)
        save(kept)

    monkeypatch.setattr(Kept, "save", noted)
    with begin():
        model = watched(on_drift=called.append)
        tell(model, MOVED)
        assert ares.flush(30)
        first = saved[0]
    (event,) = called

    assert event.bar < 100
    assert event.bar <= first < event.bar + 8


def test_what_is_open_is_said_before_the_next_bar(begin: Begin) -> None:
    """After a restart an episode of before is open at once: the next bar may be a day away."""
    with begin():
        tell(watched(), MOVED)
    with begin() as handle:
        watched()
        ares.flush(30)
        assert shown(handle.metrics_url, "ares_drift_active", **LABELS, drift_kind="data") == 1.0


def test_another_reference_begins_anew(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    """It says so, and an episode of before is over."""
    called: list[DriftEvent] = []
    with begin():
        tell(watched(on_drift=called.append), MOVED)
    with caplog.at_level(logging.INFO, "ares.drift"), begin() as handle:
        ares.model("lgbm", version="4", reference=REFERENCE, on_drift=called.append)
        ares.flush(30)
        assert shown(handle.metrics_url, "ares_drift_active", **LABELS, drift_kind="data") == 0.0

    assert [event.state for event in called] == ["started", "cleared"]
    assert any("begin anew" in message for message in caplog.messages)


def test_a_model_that_is_trained_anew_takes_the_place_of_the_one_before(begin: Begin) -> None:
    """What the former one was told is looked at, its episode ends, and it takes nothing any more."""
    called: list[DriftEvent] = []
    with begin() as handle:
        first = watched(on_drift=called.append)
        tell(first, MOVED)
        second = ares.model("lgbm", version="4", reference=MOVED.repeat(2, axis=0), on_drift=called.append)
        first.observe(MOVED[0])
        second.observe(MOVED[0])
        ares.flush(30)
        assert shown(handle.metrics_url, "ares_drift_observations_total", **LABELS) == 301.0
        assert shown(handle.metrics_url, "ares_drift_dropped_total", **LABELS, reason="unwatched") == 1.0

    assert [event.state for event in called] == ["started", "cleared"]


def test_a_damaged_state_is_moved_aside(begin: Begin, tmp_path: Path) -> None:
    """The monitors begin anew, and what cannot be used is kept."""
    with begin():
        tell(watched(), MOVED)
    state(tmp_path).write_bytes(b"PK nothing")
    with begin():
        tell(watched(), MOVED)

    assert len(list(tmp_path.rglob("lgbm.state.corrupt-*"))) == 1
    assert GUARD.counts()["drift.state"] == 1
    assert state(tmp_path).stat().st_size > 1_000


def test_two_processes_do_not_share_a_state(begin: Begin, tmp_path: Path) -> None:
    """The second one watches all the same, and says that it keeps none."""
    script = """
import numpy as np
ares.setup()
model = ares.model("lgbm", version="3", reference=np.random.default_rng(11).normal(size=(800, 3)))
say(ares.flush(30))
sys.stdin.readline()
"""
    bot = Bot(script, tmp_path, None)
    assert bot.next() == [True]
    called: list[DriftEvent] = []
    with begin(state_directory=str(tmp_path / "ares-otel")):
        tell(watched(on_drift=called.append), MOVED)
        ares.flush(30)
    bot.go_on()
    bot.end()

    assert [event.state for event in called] == ["started"]
    assert GUARD.counts() == {"drift.state": 1}


@pytest.mark.parametrize("reference", [np.zeros((3, 2)), "no_such_file.csv", None, [["a"], [1]]])
def test_a_reference_that_is_none_never_reaches_the_bot(begin: Begin, reference: object) -> None:
    """It is said once; what the model is told is dropped under its reason, and its detector is down."""
    with begin() as handle:
        model = ares.model("lgbm", reference=reference)
        model.observe((1.0, 2.0))
        if reference is None:
            ares.flush(30)
            assert shown(handle.metrics_url, "ares_detector_up", **LABELS, detector="ares") == 1.0
            return
        assert shown(handle.metrics_url, "ares_detector_up", **LABELS, detector="ares") == 0.0
        assert shown(handle.metrics_url, "ares_drift_dropped_total", **LABELS, reason="unwatched") == 1.0
    assert GUARD.counts()["model() lgbm"] == 1


def test_a_reference_is_learned_by_the_thread_that_watches(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the bot's; what the bot does with its array afterwards, and says meanwhile, changes no verdict."""
    threads: list[str] = []
    learned = Reference.learned
    ready = threading.Event()

    def noted(table: Table, labels: list[str] | None) -> Reference:
        threads.append(threading.current_thread().name)
        assert ready.wait(30)
        return learned(table, labels)

    monkeypatch.setattr(Reference, "learned", noted)
    called: list[DriftEvent] = []
    given = REFERENCE.copy()
    with begin() as handle:
        model = ares.model(
            "lgbm", version="3", reference=given, names=["ret", "range", "volume"], on_drift=called.append
        )
        given[:] = 0.0
        tell(model, MOVED)
        ready.set()
        assert ares.flush(30)
        assert shown(handle.metrics_url, "ares_drift_observations_total", **LABELS) == 300.0

    assert threads == ["ares-otel-drift"]
    assert [event.names for event in called] == [("ret",)]


def test_a_reference_that_cannot_be_learned_after_all_is_a_detector_that_is_down(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said once, the other models are watched, and what this one is told is dropped under its reason."""

    def broken(table: Table, labels: list[str] | None) -> Reference:
        raise MemoryError(len(table.values), labels)

    with begin() as handle:
        other = ares.model("other")
        ares.flush(30)
        monkeypatch.setattr(Reference, "learned", broken)
        model = watched()
        tell(model, MOVED[:5])
        ares.flush(30)
        model.observe(MOVED[0])
        other.observe(None, prediction=1.0, key="k")
        ares.flush(30)
        assert shown(handle.metrics_url, "ares_detector_up", **LABELS, detector="ares") == 0.0
        assert shown(handle.metrics_url, "ares_drift_dropped_total", **LABELS, reason="unwatched") == 6.0
        assert shown(handle.metrics_url, "ares_drift_predictions_pending", model_name="other") == 1.0
        ares.model("lgbm")
        ares.flush(30)
        assert shown(handle.metrics_url, "ares_drift_dropped_total", **LABELS, reason="unwatched") == 6.0
    assert GUARD.counts() == {"model() lgbm": 1}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"reference": REFERENCE, "names": ["a", "b"]}, "2 names for 3 columns"),
        ({"reference": REFERENCE.astype("datetime64[ns]")}, "neither numbers nor categories"),
        ({"reference": REFERENCE[0]}, "shape"),
        ({"reference": REFERENCE[:40]}, "at least 500 bars, not 40"),
        ({"predictions": [1.0] * 40}, "at least 500 bars, not 40"),
        ({"loss": "mean"}, "a loss is one of error"),
        ({"horizon": timedelta(days=-1)}, "not negative"),
        ({"edge": Edge(0.0, 1.0)}, "above a dead one"),
    ],
)
def test_what_is_wrong_is_said_to_whoever_names_the_model(begin: Begin, more: dict[str, Any], message: str) -> None:
    """Names, shapes, types, lengths: at the call, though nothing is learned there."""
    with begin(strict=True), pytest.raises((ValueError, TypeError), match=message):
        ares.model("lgbm", **more)


def test_outcomes_are_accounted_for_on_the_page(begin: Begin) -> None:
    """Counts of a model that takes the place of its equal go on, those of one with another reference add up."""
    with begin() as handle:
        for version in ("1", "1", "2"):
            model = ares.model("lgbm", version=version)
            for place in range(3):
                model.observe(None, prediction=1.0, key=(version, place))
                model.outcome((version, place), 0.0)
            ares.flush(30)
        page = handle.metrics_url
        assert shown(page, "ares_drift_predictions_settled_total", **LABELS, drift_fate="matured") == 9.0
        assert shown(page, "ares_drift_predictions_total", **LABELS) == 9.0
        assert shown(page, "ares_drift_loss", **LABELS) == 1.0
        assert shown(page, "ares_drift_loss_n", **LABELS) == 3.0


def test_async_callbacks_are_awaited(begin: Begin) -> None:
    """On a loop of the thread that watches."""
    called: list[str] = []
    with begin() as handle:
        model = watched()

        @model.on_drift
        @model.on_named
        async def drifted(_: DriftEvent) -> None:
            await asyncio.sleep(0)
            called.append(threading.current_thread().name)

        tell(model, MOVED)
        assert ares.flush(30)
        assert shown(handle.metrics_url, "ares_drift_callback_errors_total", **LABELS) == 0.0

    assert called == ["ares-otel-drift"] * 2


def test_profits_are_watched_where_an_edge_is_promised(begin: Begin) -> None:
    """An edge that is dead from the start is concept drift."""
    called: list[DriftEvent] = []
    with begin():
        model = ares.model("lgbm", edge=Edge(6.0, 1.0), outcomes=False, on_drift=called.append)
        for place in range(200):
            model.pnl(-0.1, at=place)
        ares.flush(30)

    assert [(event.kind, event.state, event.features[0].moment) for event in called] == [
        ("concept", "started", "profit")
    ]


def test_without_numpy_it_says_what_is_missing(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra is a clear message and a detector that is down, never a silent nothing."""
    for name in [name for name in sys.modules if name.startswith("ares_otel.ml")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)
    with begin() as handle:
        model = ares.model("lgbm", reference=[[1.0]])
        model.observe((1.0,))
        assert shown(handle.metrics_url, "ares_detector_up", **LABELS, detector="ares") == 0.0
    assert GUARD.counts()["model()"] == 1


def test_switched_off_it_is_off(begin: Begin, tmp_path: Path) -> None:
    """No thread, no file, nothing learned; nobody is told that a detector is down."""
    with begin(drift__enabled=False) as handle:
        model = watched()
        tell(model, MOVED)
        assert shown(handle.metrics_url, "ares_detector_up", **LABELS, detector="ares") is None

    assert model.drops()[model.closed] == 300  # type: ignore[index]
    assert list(tmp_path.rglob("*.state")) == []


def test_strict_raises_for_a_bad_reference(begin: Begin) -> None:
    """In strict mode the mistake is the caller's."""
    with begin(strict=True), pytest.raises((ValueError, BadValueError)):
        ares.model("lgbm", reference=np.zeros((3, 2)))


def test_callbacks_may_be_switched_off(begin: Begin) -> None:
    """Everything else is told all the same."""
    called: list[DriftEvent] = []
    with begin(drift__callbacks=False) as handle:
        tell(watched(on_drift=called.append), MOVED)
        ares.flush(30)
        assert shown(handle.metrics_url, "ares_drift_active", **LABELS, drift_kind="data") == 1.0
    assert called == []


def test_what_comes_too_late_is_dropped_and_counted() -> None:
    """A model that is told more than can be looked at in the time of the end says how much was not."""
    model = ares.WatchedModel("lgbm")
    drifting = Drifting(Drift(), by_hand=True)
    drifting.add(Kept(Plan(model, Drift(), "bot", REFERENCE), None))
    tell(model, MOVED[:20])
    drifting.drain(30)
    tell(model, MOVED)
    drifting.stop(0.0)

    assert model.drops() == {DriftDrop.QUEUE_FULL: 0, DriftDrop.SHUTDOWN: 300}
    assert GUARD.counts()["drift"] == 1


def test_it_works_without_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback needs no set-up; the end is the process's."""
    monkeypatch.setenv("ARES_OTEL_STATE_DIRECTORY", str(tmp_path))
    called: list[DriftEvent] = []
    tell(watched(on_drift=called.append), MOVED)
    ares.flush(30)
    ares.shutdown(5)

    assert [event.state for event in called] == ["started"]
    assert len(list(tmp_path.rglob("*.state"))) == 1


def test_a_captured_bot_needs_no_thread_and_no_file(ares_capture: Capture) -> None:
    """In the test kit `flush()` looks at what was told."""
    model = watched()
    tell(model, MOVED)
    ares.flush()

    assert ares_capture.value("ares_drift_active", **LABELS, drift_kind="data") == 1.0
    assert ares_capture.spans("drift_episode")


def test_nothing_of_a_captured_bot_is_left() -> None:
    """What is watched in the test kit ends with it, and what comes afterwards begins anew."""
    with Capture():
        model = watched()
    model.observe(MOVED[0])

    assert companions.COMPANIONS == []
    assert model.drops()[DriftDrop.SHUTDOWN] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_begins_anew(tmp_path: Path) -> None:
    """What was told before is the parent's; the child watches what it is told, and leaves the files to the parent."""
    script = """
import numpy as np
ares.setup()
rng = np.random.default_rng(11)
reference, moved = rng.normal(size=(800, 3)), rng.normal(size=(300, 3)) + 2
found = []
model = ares.model("lgbm", version="3", reference=reference, on_drift=lambda event: found.append(event.bar))
for row in moved:
    model.observe(row)
child = os.fork()
if not child:
    for row in moved[:100]:
        model.observe(row)
    ares.flush(30)
    say("child", len(found), model.drops())
    os._exit(0)
os.waitpid(child, 0)
ares.flush(30)
say("parent", len(found))
"""
    said = Bot(script, tmp_path, None).end().well

    assert ["child", 1, {"queue_full": 0}] in said
    assert ["parent", 1] in said


def test_outcomes_tell_of_concept_drift(ares_capture: Capture) -> None:
    """Predictions of decisions, joined with their outcomes by the decision's id, become worse; no reference needed."""
    called: list[DriftEvent] = []
    model = ares.model("lgbm", on_drift=called.append)
    draw = np.random.default_rng(3)
    for place in range(2_200):
        right = draw.random() < (0.8 if place < 1_500 else 0.4)
        with ares.decision(symbol="BTC", event_time=place) as d:
            model.observe(None, prediction={"buy": 0.6, "sell": 0.4})
        model.outcome(d.correlation_id, "buy" if right else "sell", at=place + 1)
    ares.flush()
    (event, *_) = called

    assert (event.kind, event.state, event.features[0].moment) == ("concept", "started", "loss")
    assert event.since is not None
    assert 1_400 < event.since.bar < 1_600
    assert ares_capture.spans("drift_episode")[0]["links"]
    assert ares_capture.value("ares_drift_active", **LABELS, drift_kind="concept") == 1.0


def test_outcomes_may_be_nonsense(ares_capture: Capture) -> None:
    """What is no outcome is counted; one without a prediction tells nothing."""
    del ares_capture
    model = ares.model("lgbm")
    model.outcome("nobody", 1)
    model.outcome("k", object())
    model.observe(None, prediction=object(), key="k")
    model.observe(None, prediction=[0.1, 0.9], key="k2")
    model.outcome("k2", 1)
    ares.flush()

    assert GUARD.counts() == {"drift of lgbm": 1}


def test_labels_with_a_reference_are_compared_with_that() -> None:
    """Then outcomes, and predictions, have monitors of their own beside that of losses."""
    draw = np.random.default_rng(4)
    past = draw.choice(["buy", "sell"], 800)
    plan = Plan(ares.WatchedModel("m"), Drift(), "bot", None, predictions=past, actuals=past[::-1])
    watch = plan.make(quiet=True)

    assert set(watch.parts) == {"prediction", "label", "concept"}
    assert [line.moment for line in watch.parts[DriftKind.LABEL].monitor.card()] == ["share"]
    numbers = Plan(ares.WatchedModel("m"), Drift(), "bot", None, actuals=draw.normal(size=800))
    assert set(numbers.make(quiet=True).parts) == {"label", "concept"}


def test_frames_are_references(begin: Begin) -> None:
    """A frame that is indexed by time says how long a bar is: fewer bars a month, a shorter horizon."""
    frame = pd.DataFrame(REFERENCE, columns=["a", "b", "c"], index=pd.date_range("2024-01-01", periods=800, freq="D"))
    days = Plan(ares.WatchedModel("m"), Drift(), "bot", frame).make(quiet=True)
    hours = Plan(ares.WatchedModel("m"), Drift(), "bot", REFERENCE).make(quiet=True)

    assert (days.promise.horizon, hours.promise.horizon) == (78, 1872)
    assert days.promise.month == pytest.approx(365.25 / 12)
    assert hours.promise.month == 730.0
    assert days.teller.about.reference != hours.teller.about.reference
    with begin():
        model = ares.model("m", reference=frame)
        model.observe(frame.iloc[0])
        ares.flush(30)
        assert model.closed is None
    assert GUARD.counts() == {}

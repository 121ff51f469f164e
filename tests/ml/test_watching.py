"""A watched model: in order, bounded, told once, the same after a restart and in a replay."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from standin import MeanMonitor

import ares_otel as ares
from ares_otel.decision.watched import Matured, Observed, WatchedModel
from ares_otel.guard import GUARD
from ares_otel.ml import DriftEvent, DriftKind, DriftMonitor
from ares_otel.ml.cloudevents import About, Outbox
from ares_otel.ml.parts import Cadence, Part, Promise
from ares_otel.ml.tables import read_table, told
from ares_otel.ml.tape import Tape
from ares_otel.ml.telling import Teller
from ares_otel.ml.watching import Watch, moment_of
from ares_otel.testing import Capture

ABOUT = About("bot", "lgbm", "3", "f00d")
JUMP = [0.0] * 20 + [3.0] * 20 + [0.0] * 20
DAY = 86_400_000_000_000


def watch(about: About = ABOUT, outbox: Outbox | None = None, *kinds: DriftKind, bars: int = 1_000) -> Watch:
    """Return a watch of a model with stand-ins for monitors."""
    parts = [Part(kind, MeanMonitor(0.0, kind), MeanMonitor.load) for kind in kinds or (DriftKind.DATA,)]
    cadence = Cadence(bars, 1e9)
    return Watch(WatchedModel("lgbm", "3"), parts, Teller(about, outbox), Promise(0.05, 4_000, 100), cadence)


def bars(values: list[float], first: int = 0) -> Iterator[Observed]:
    """Yield values as bars of days."""
    for place, value in enumerate(values, first):
        yield Observed({"a": value}, None, None, place * DAY, 0, None)


def heard(target: Watch) -> list[DriftEvent]:
    """Return a list that grows with the events of a watch."""
    found: list[DriftEvent] = []
    target.on_event = found.append
    return found


def test_an_episode_is_told_everywhere(ares_capture: Capture, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Callback, span below its check, metrics, log record and CloudEvent speak of the same episode."""
    target = watch(outbox=Outbox(tmp_path / "events.jsonl", 1 << 20))
    called: list[DriftEvent] = []
    target.model.on_drift(called.append)
    with caplog.at_level(logging.INFO, "ares.drift"):
        target.feed(bars(JUMP))

    assert [event.state for event in called] == ["started", "cleared"]
    episodes = ares_capture.spans("drift_episode")
    checks = {span["span_id"]: span for span in ares_capture.spans("drift check")}
    assert [span["attributes"]["ares.drift.state"] for span in episodes] == ["started", "cleared"]
    assert all(span["parent_id"] in checks for span in episodes)
    labels = {"model_name": "lgbm", "drift_kind": "data"}
    assert ares_capture.value("ares_drift_episodes_total", **labels, drift_severity="warning") == 1.0
    assert ares_capture.value("ares_drift_active", **labels) == 0.0
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [line["type"] for line in lines] == ["io.ares.ml.drift.detected.v1", "io.ares.ml.drift.cleared.v1"]
    assert lines[0]["traceparent"].split("-")[1] == episodes[0]["trace_id"]
    assert [(record.levelname, vars(record)["event_name"]) for record in caplog.records] == [
        ("WARNING", "io.ares.ml.drift.detected.v1"),
        ("INFO", "io.ares.ml.drift.cleared.v1"),
    ]
    assert vars(caplog.records[0])["cloudevents.event_id"] == lines[0]["id"]


def test_last_bars_are_told_beside_their_reference(ares_capture: Capture) -> None:
    """Once when there are some, then when an episode begins, below its check and since its change, and when it ends."""
    made = np.random.default_rng(5)
    reference, calm = made.normal(size=(900, 2)), made.normal(size=(2_000, 2))
    calm[:, 1] = np.nan
    calm[100:160, 0] += 3.0
    monitor = DriftMonitor(reference, names=["a", "b"])
    target = Watch(
        WatchedModel("lgbm", "3"),
        [Part(DriftKind.DATA, monitor, DriftMonitor.load)],
        Teller(ABOUT, None),
        Promise(0.05, 4_000, 900),
        Cadence(10, 1e9),
    )
    target.feed(Observed(row, None, None, place * DAY, 0, None) for place, row in enumerate(calm))

    windows = [span["attributes"] for span in ares_capture.spans("drift_window")]
    checks = {span["span_id"]: span["attributes"] for span in ares_capture.spans("drift check")}
    started, cleared = (span["attributes"] for span in ares_capture.spans("drift_episode"))
    first, began, ended = windows
    assert (first["ares.drift.bar"], first["ares.drift.window"]) == (71, 71)
    assert began["ares.drift.bar"] == started["ares.drift.bar"]
    assert began["ares.drift.window"] == started["ares.drift.bar"] - started["ares.drift.since_bar"] + 1
    assert ended["ares.drift.bar"] == cleared["ares.drift.bar"]
    assert {each["ares.feature.name"] for each in windows} == {"a"}
    assert began["ares.drift.observed"]["inf"] > 0.2
    assert started["ares.drift.memory"].keys() == started["ares.drift.evidences"].keys() == {"a:scale"}
    assert started["ares.drift.memory"]["a:scale"] in {64, 128, 512}
    parents = [checks[span["parent_id"]]["ares.drift.bar"] for span in ares_capture.spans("drift_window")]
    assert parents == [each["ares.drift.bar"] for each in windows]


def test_a_card_divides_the_budget_among_tests(ares_capture: Capture) -> None:
    """Each test has its share of the whole; a month is what it was taken for, and an episode ends where it does."""
    monitor = DriftMonitor(np.random.default_rng(5).normal(size=(900, 2)), names=["a", "b"])
    parts = [Part(DriftKind.DATA, monitor, DriftMonitor.load)]
    promise = Promise(0.05, 4_000, 900, 21.0)
    Watch(WatchedModel("lgbm", "3"), parts, Teller(ABOUT, None), promise, Cadence(10, 1e9)).begin()

    (card,) = (span["attributes"] for span in ares_capture.spans("drift_card"))
    tests = card["ares.drift.test_share"]
    assert {"a:location@64", "b:scale@512"} <= tests.keys()
    assert sum(tests.values()) == pytest.approx(1.0)
    of_a = sum(share for test, share in tests.items() if test.startswith("a:location@"))
    assert of_a == pytest.approx(card["ares.drift.share"]["a:location"])
    assert (card["ares.drift.bars_per_month"], card["ares.drift.ends_below"]) == (21.0, 0.5)


def test_a_cloud_event_has_what_the_specification_asks_for(tmp_path: Path) -> None:
    """CloudEvents 1.0, structured: the required attributes, the optional ones in their form, the data."""
    target = watch(outbox=Outbox(tmp_path / "events.jsonl", 1 << 20))
    target.feed(bars(JUMP))
    event = json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])

    assert (event["specversion"], event["source"], event["subject"]) == ("1.0", "/ares-otel/bot", "lgbm")
    assert len(event["id"]) == 32
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    data = event["data"]
    assert (data["model"], data["version"], data["reference"], data["kind"]) == ("lgbm", "3", "f00d", "data")
    assert (data["state"], data["episode"], data["severity"], data["bar"]) == ("started", 1, "warning", 23)
    assert (data["at"], data["since"]) == ("1970-01-23T00:00:00Z", {"bar": 16, "at": None})
    (feature,) = data["features"]
    assert (feature["feature"], feature["moment"], feature["window"]) == ("a", "location", 8)
    assert data["names"] == ["a"]


def test_an_event_is_never_in_the_outbox_twice(tmp_path: Path) -> None:
    """Who has died between the event and the save of the state finds it again, and does not write it again."""
    for _ in range(2):
        watch(outbox=Outbox(tmp_path / "events.jsonl", 1 << 20)).feed(bars(JUMP))
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"id": "torn')
    outbox = Outbox(tmp_path / "events.jsonl", 1 << 20)
    watch(About("bot", "lgbm", "4", "f00d"), outbox).feed(bars(JUMP))
    lines = (tmp_path / "events.jsonl").read_text().splitlines()

    assert len(lines) == 5
    assert {json.loads(line)["data"]["version"] for line in lines if not line.endswith("torn")} == {"3", "4"}


def test_the_outbox_is_bounded(tmp_path: Path) -> None:
    """At its size it moves aside, and what is there still counts as told."""
    outbox = Outbox(tmp_path / "events.jsonl", 700)
    for version in "1234":
        watch(About("bot", "lgbm", version, "f00d"), outbox).feed(bars(JUMP))
    again = Outbox(tmp_path / "events.jsonl", 700)
    watch(About("bot", "lgbm", "4", "f00d"), again).feed(bars(JUMP))

    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert (len(sizes), max(sizes) <= 1_000) == (2, True)
    assert sum((tmp_path / name).read_text().count('"4"') for name in ("events.jsonl", "events.jsonl.1")) == 2


def test_an_outbox_that_cannot_be_written_costs_the_file_alone(tmp_path: Path) -> None:
    """It is counted; the callback is called all the same."""
    target = watch(outbox=Outbox(tmp_path, 1 << 20))
    found = heard(target)
    target.feed(bars(JUMP))

    assert len(found) == 2
    assert GUARD.counts()["drift.outbox"] == 2


def test_a_callback_that_raises_is_contained() -> None:
    """It is counted, the other callbacks are called, and watching goes on."""
    target = watch()
    called: list[DriftEvent] = []

    @target.model.on_drift
    def broken(event: DriftEvent) -> None:
        raise RuntimeError(str(event.episode))

    target.model.on_drift(called.append)
    target.feed(bars(JUMP))

    assert (target.failed, len(called), target.episodes) == (2, 2, 2)
    assert GUARD.counts() == {"callback of lgbm": 2}


def test_bad_bars_are_counted_and_cost_nothing_else() -> None:
    """What a monitor cannot take changes no verdict."""
    target, other = watch(), watch()
    found, expected = heard(target), heard(other)
    for bar in bars(JUMP):
        target.feed([bar, Observed("no row", None, None, bar.at, 0, None)])
    other.feed(bars(JUMP))

    assert found == expected
    assert (target.observed, target.invalid) == (120, 60)


def test_checks_come_by_bars_and_by_time(ares_capture: Capture) -> None:
    """After so many bars, or with the first bar after so many seconds; none without a bar."""
    target = watch(bars=10)
    target.feed(bars([0.0] * 35))
    assert [span["attributes"]["ares.drift.bar"] for span in ares_capture.spans("drift check")] == [1, 11, 21, 31]

    hurried = Watch(target.model, target.parts.values(), target.teller, target.promise, Cadence(1_000, 0.0))
    hurried.feed(bars([0.0] * 3))
    assert len(ares_capture.spans("drift check")) == 7


def test_a_check_says_how_it_stands(ares_capture: Capture) -> None:
    """Evidence and effect of what is tested, and how many quantities are not."""
    target = watch(bars=1)
    target.feed(bars([0.4]))
    said = ares_capture.spans("drift check")[0]["attributes"]

    assert said["ares.drift.evidences"] == {"a:location": 0.4}
    assert said["ares.drift.effect"] == said["ares.drift.evidence"] == 0.4
    assert (said["ares.result"], said["ares.drift.tested"], said["ares.drift.untestable"]) == ("no_drift", 1, 1)


def test_the_card_is_said_at_the_beginning(ares_capture: Capture) -> None:
    """What can be detected, and what cannot be tested and why."""
    watch().begin()
    said = ares_capture.spans("drift_card")[0]["attributes"]

    assert said["ares.drift.mde"] == {"a:location": 0.5}
    assert said["ares.drift.share"] == {"a:location": 1.0}
    assert said["ares.drift.untestable_because"] == {"a & b:dependence": "n_eff 6 < 24"}
    assert (said["ares.drift.false_alarms"], said["ares.drift.horizon"]) == (0.05, 4_000)
    assert ares_capture.value("ares_feature_drift_n_eff", model_name="lgbm", feature_name="a") == 50.0


def test_an_episode_links_to_decisions_of_its_bars(ares_capture: Capture) -> None:
    """Those from the change to the alarm, the first and the last among them, and never too many."""
    target, spans = watch(), []
    for place, value in enumerate([0.0] * 100 + [3.0] * 9):
        with ares.decision(symbol="BTC", event_time=place * DAY) as d:
            target.model.observe({"a": value})
            spans.append(f"{d.span_id:016x}")
    target.feed(target.model.take())
    (span,) = ares_capture.spans("drift_episode")
    attributes = span["attributes"]

    assert attributes["ares.event.time"] == (attributes["ares.drift.bar"] - 1) * DAY
    first, last = attributes["ares.drift.since_bar"], attributes["ares.drift.bar"]
    assert span["links"] == spans[first - 1 : last]
    trail = target.parts[DriftKind.DATA].trail
    assert len(trail.links(1, 109, 32)) == 32
    assert trail.links(1, 109, 32)[-1].split("-")[2] == spans[-1]


def test_a_restart_changes_nothing(tmp_path: Path) -> None:
    """Stopped after any bar and gone on, the verdicts are those of one run, and so are the bits of the state."""
    whole = watch()
    expected = heard(whole)
    whole.feed(bars(JUMP))
    whole.save(tmp_path / "whole.state")
    for place in (1, 23, 30, 45):
        first, second = watch(), watch()
        found = heard(first)
        first.feed(bars(JUMP[:place]))
        first.save(tmp_path / "m.state")
        second.on_event = found.append
        assert second.load(tmp_path / "m.state")
        second.feed(bars(JUMP[place:], place))
        second.save(tmp_path / "m.state")

        assert found == expected
        assert (tmp_path / "m.state").read_bytes() == (tmp_path / "whole.state").read_bytes()


@pytest.mark.parametrize(
    "other", [About("bot", "lgbm", "4", "f00d"), About("bot", "lgbm", "3", "beef"), About("bot", "lgbm", "3", "f00d")]
)
def test_another_version_or_reference_begins_anew(tmp_path: Path, other: About) -> None:
    """State is of one model, version and reference with the same monitors; of any other nothing is taken."""
    target = watch()
    target.feed(bars(JUMP[:30]))
    target.save(tmp_path / "m.state")
    kinds = (DriftKind.DATA, DriftKind.LABEL) if other == ABOUT else ()
    fresh = watch(other, None, *kinds)

    assert not fresh.load(tmp_path / "m.state")
    assert fresh.parts[DriftKind.DATA].bars == 0


@pytest.mark.parametrize("content", [b"", b"PK nothing", b"{}"])
def test_a_damaged_state_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is none raises what says so."""
    (tmp_path / "m.state").write_bytes(content)
    with pytest.raises(ValueError, match="no state of a watched model"):
        watch().load(tmp_path / "m.state")


def test_turned_bytes_of_a_state_are_found(tmp_path: Path) -> None:
    """Whatever byte of a state is another one, it is read as before or refused as what it is: no state, unreadable."""
    path, generator = tmp_path / "m.state", np.random.default_rng(12)
    watch().save(path)
    whole, refused = path.read_bytes(), 0
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[generator.integers(len(whole) - 200, len(whole))] = generator.integers(256)
        path.write_bytes(damaged)
        try:
            assert watch().load(path)
        except (OSError, ValueError):
            refused += 1

    assert refused > 50


def test_predictions_and_outcomes_have_monitors_of_their_own() -> None:
    """Each kind counts its own bars; an outcome is no observation."""
    target = watch(ABOUT, None, DriftKind.DATA, DriftKind.PREDICTION, DriftKind.LABEL)
    found = heard(target)
    for place in range(40):
        value = 3.0 if place >= 20 else 0.0
        target.feed([Observed({"a": 0.0}, [value], place, place, 0, None), Matured(place, [value], place + 1, 0)])

    assert [(event.kind, event.state) for event in found] == [("prediction", "started"), ("label", "started")]
    assert {kind: part.bars for kind, part in target.parts.items()} == {"data": 40, "prediction": 40, "label": 40}


def test_a_recorded_history_gives_the_same_verdicts(tmp_path: Path) -> None:
    """What was told is written down to the last digit; looked at again, the events are the same."""
    rng = np.random.default_rng(3)
    live = watch(ABOUT, None, DriftKind.DATA, DriftKind.LABEL)
    live.tape = Tape(tmp_path / "m.jsonl", 1 << 20)
    expected = heard(live)
    for place, level in enumerate(JUMP):
        x: Any = {"a": level + float(rng.normal()) / 3, "b": np.float64("nan")}
        live.model.observe(x, key=str(place), at=place * DAY)
        live.model.outcome(str(place), x["a"], at=place * DAY + 1)
    live.feed(live.model.take())

    again = watch(ABOUT, None, DriftKind.DATA, DriftKind.LABEL)
    found = heard(again)
    again.feed(told(read_table(tmp_path / "m.jsonl")))

    assert len(expected) == 4
    assert found == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), 1_000_005_000),
        (datetime(1970, 1, 1), None),  # noqa: DTZ001
        (7, 7),
        (True, None),
        (1.5, None),
        (None, None),
    ],
)
def test_moments(given: object, expected: int | None) -> None:
    """A time is an aware `datetime` or Unix ns; anything else is none."""
    assert moment_of(given) == expected

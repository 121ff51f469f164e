"""`ares-otel drift`: cards of references and states, verdicts of recorded histories."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import ares_otel as ares
from ares_otel.cli.main import main
from ares_otel.ml import DriftEvent, Edge

RNG = np.random.default_rng(5)
REFERENCE = RNG.normal(size=(800, 2))
LIVE = np.concatenate([RNG.normal(size=(100, 2)), RNG.normal(size=(200, 2)) + np.array([2.0, 0.0])])


def table(path: Path, rows: np.ndarray[Any, Any]) -> Path:
    """Write a table of hours and return its path."""
    lines = [f"{place * 3_600},{','.join(map(repr, row))}" for place, row in enumerate(rows.tolist(), 1)]
    path.write_text("\n".join(["time,ret,vol", *lines]))
    return path


@pytest.mark.parametrize("name", ["timestamp", "Date"])
def test_the_time_of_a_history_may_have_another_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What others export is replayed as it is: the same events at the same times, and no feature of that name."""
    found = []
    for title in ("time", name):
        ref, live = table(tmp_path / "ref.csv", REFERENCE), table(tmp_path / "live.csv", LIVE)
        for file in (ref, live):
            file.write_text(file.read_text().replace("time,", f"{title},"))
        assert main(["drift", "replay", str(live), "--reference", str(ref)]) == 1
        found.append(capsys.readouterr().out)

    assert found[0] == found[1]
    assert "1970-01-0" in found[0]


def test_a_history_without_times_is_looked_at_in_its_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same bars raise the same alarms, which have numbers in place of times."""
    found = []
    for timed in (True, False):
        ref, live = table(tmp_path / "ref.csv", REFERENCE), table(tmp_path / "live.csv", LIVE)
        if not timed:
            live.write_text("\n".join(line.partition(",")[2] for line in live.read_text().splitlines()))
        assert main(["drift", "replay", str(live), "--reference", str(ref), "--json"]) == 1
        found.append(json.loads(capsys.readouterr().out))
    known, plain = found

    assert [(each["bar"], each["at"], each["since"]) for each in plain["events"]] == [
        (each["bar"], None, {"bar": each["since"]["bar"], "at": None}) for each in known["events"]
    ]
    assert plain["issues"] == known["issues"]
    assert main(["drift", "replay", str(live), "--reference", str(ref)]) == 1
    assert capsys.readouterr().out.startswith(f"bar {known['events'][0]['bar']}")


def test_what_the_reference_calls_a_feature_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is no reason to take it for the time; times without a name that is known are a clear message."""
    ref, live = table(tmp_path / "ref.csv", REFERENCE), table(tmp_path / "live.csv", LIVE)
    ref.write_text(ref.read_text().replace("ret,", "date,"))
    rising = [f"{value},{value}" for value in np.arange(1.0, 301.0).tolist()]
    live.write_text("\n".join(["date,vol", *rising]))
    assert main(["drift", "replay", str(live), "--reference", str(ref)]) == 1
    assert "data drift" in (out := capsys.readouterr().out)
    assert "date:scale" in out
    live.write_text("date,timestamp,vol\n2026-01-01,2026-01-01,1\n")
    assert main(["drift", "replay", str(live), "--rows", "1"]) == 2
    assert "live.csv: 'date' and 'timestamp' may each be the times of the bars" in capsys.readouterr().err


def test_the_card_of_a_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each quantity with what can be seen of it, and a reason where that is nothing."""
    wide = np.column_stack([REFERENCE, np.cumsum(REFERENCE[:, 0])])
    lines = ["ret,vol,slow", *(",".join(map(repr, row)) for row in wide.tolist())]
    (tmp_path / "ref.csv").write_text("\n".join(lines))
    assert main(["drift", "card", str(tmp_path / "ref.csv")]) == 0
    out = capsys.readouterr().out.splitlines()

    assert out[0].split() == ["quantity", "moment", "n_eff", "tau", "mde", "(sd)", "delay", "budget"]
    assert any(line.startswith("ret ") and "location" in line and "%" in line for line in out)
    assert any(line.startswith("slow ") and "untestable: " in line for line in out)


def test_the_card_fits_its_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Values that alternate need next to no time each; what has a test that sees nothing has a note."""
    slow = REFERENCE[:600, 0].copy()
    for bar in range(1, 600):
        slow[bar] += 0.8 * slow[bar - 1]
    lines = ["side,slow", *(f"{'buy' if bar % 2 else 'sell'},{value!r}" for bar, value in enumerate(slow.tolist()))]
    (tmp_path / "ref.csv").write_text("\n".join(lines))
    assert main(["drift", "card", str(tmp_path / "ref.csv")]) == 0
    side, other = capsys.readouterr().out.splitlines()[1:3]

    assert "600 < 0.001" in side
    assert other.endswith("  no effect of any size is found nine of ten times")


def test_a_reference_out_of_order_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bars that go back in time have another memory than they seem to."""
    file = table(tmp_path / "ref.csv", REFERENCE)
    head, *lines = file.read_text().splitlines()
    file.write_text("\n".join([head, *reversed(lines)]))

    assert main(["drift", "card", str(file)]) == 2
    assert "in the order of time" in capsys.readouterr().err


def test_the_card_of_a_state_is_that_of_its_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a running bot keeps says the same as what it was made of."""
    with ares.setup(overrides={"state_directory": str(tmp_path), "exporter.enabled": False, "metrics.enabled": False}):
        ares.model("m", reference=table(tmp_path / "ref.csv", REFERENCE))
    (state,) = tmp_path.rglob("m.state")
    found = []
    for file in (state, tmp_path / "ref.csv"):
        assert main(["drift", "card", str(file), "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))

    assert found[0] == found[1]
    assert {(line["feature"], line["moment"]) for line in found[0]} >= {("ret", "location"), ("vol", "scale")}


def test_a_replay_says_what_the_bot_has_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told live and recorded, then replayed from the file alone, or as the caller says: the same events, all digits."""
    live: list[DriftEvent] = []
    overrides = {"state_directory": str(tmp_path), "exporter.enabled": False, "metrics.enabled": False}
    with ares.setup(overrides=overrides | {"drift.record": True, "recorder.shutdown_timeout": 60}):
        model = ares.model("m", reference=table(tmp_path / "ref.csv", REFERENCE), on_drift=live.append)
        model.on_named(live.append)
        for place, row in enumerate(LIVE):
            model.observe({"ret": row[0], "vol": row[1]}, prediction=int(row[0] > 0), key=place, at=place * 3_600)
            model.outcome(place, int(row[1] > 0), at=place * 3_600 + 1)
    (tape,) = tmp_path.rglob("m.jsonl")
    for more in ([], ["--reference", str(tmp_path / "ref.csv")]):
        capsys.readouterr()
        assert main(["drift", "replay", str(tape), *more, "--json"]) == 1
        said = json.loads(capsys.readouterr().out)

        assert [event["kind"] for event in said["events"]] == [event.kind for event in live] != []
        assert said["events"] == json.loads(json.dumps([json_of(event) for event in live]))
        assert said["bars"] == {"data": 300, "concept": 300}
        assert [each["bar"] for each in said["changes"]["ret"]] == [101]


def test_a_replay_reports_names_dates_and_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which features moved, when they changed as seen afterwards, and what is wrong with values at the end."""
    rows = np.concatenate([LIVE, RNG.normal(size=(100, 2)) + np.array([2.0, 0.0])])
    rows[-40:, 1] = 0.5
    file, known = table(tmp_path / "h.csv", rows), table(tmp_path / "ref.csv", REFERENCE)
    assert main(["drift", "replay", str(file), "--reference", str(known)]) == 1
    out = capsys.readouterr().out

    assert "features of h that moved in episode 1: ret:" in out
    (dated,) = [line for line in out.splitlines() if line.startswith("ret changed, as seen afterwards: ")]
    assert "1970-01-05 0" in dated or "1970-01-05 " in dated
    assert "values of data: vol stale, 39 bars" in out
    assert main(["drift", "replay", str(file), "--reference", str(known), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert [event["state"] for event in said["events"]] == ["started", "named"]
    assert [each["feature"] for each in said["events"][1]["features"]] == ["ret"]
    assert [each["bar"] for each in said["changes"]["ret"]] == [101]
    assert "stale" in [issue["problem"] for issue in said["issues"]["data"]]


def test_a_replay_is_told_what_the_bot_has_told_of_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Horizon, loss and edge: the same episodes of losses and profits as live."""
    live: list[DriftEvent] = []
    overrides = {"state_directory": str(tmp_path), "exporter.enabled": False, "metrics.enabled": False}
    edge, draw = Edge(6.0, 0.5, periods=365, false_alarms=0.1), np.random.default_rng(2)
    with ares.setup(overrides=overrides | {"drift.record": True}):
        horizon = timedelta(seconds=50)
        model = ares.model("m", edge=edge, on_drift=live.append, horizon=horizon, loss="absolute")
        for place in range(2_000):
            model.observe(None, prediction=0.0, key=place, at=place * 10**9)
            if place >= 50:
                error = draw.normal() * (1.0 if place < 1_400 else 2.0)
                model.outcome(place - 50, error, at=place * 10**9 + (30 * 10**9 if place % 100 == 0 else 0))
            model.pnl(draw.normal() * 0.5 + (0.15 if place < 900 else -0.1), at=place * 10**9)
        assert ares.flush(60)
    (tape,) = tmp_path.rglob("m.jsonl")
    asked = ["--horizon", "50", "--loss", "absolute", "--sharpe", "6", "--volatility", "0.5", "--periods", "365"]
    for more in ([], ["--pnl-alarms", "0.1", *asked]):
        assert main(["drift", "replay", str(tape), *more, "--json"]) == 1
        said = json.loads(capsys.readouterr().out)

        moments = {event.features[0].moment for event in live}
        assert moments >= {"loss", "profit"}
        assert said["events"] == json.loads(json.dumps([json_of(event) for event in live]))


def test_a_replay_takes_regimes_from_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the reference and of the history; the column is no feature then, and has to be there."""
    file, known = table(tmp_path / "h.csv", LIVE[:100]), table(tmp_path / "ref.csv", REFERENCE)
    for path in (file, known):
        first, *rows = path.read_text().splitlines()
        sides = "\n".join(f"{row},{place // 400}" for place, row in enumerate(rows))
        path.write_text(f"{first},side\n{sides}")
    assert main(["drift", "replay", str(file), "--reference", str(known), "--regimes", "side"]) == 0
    assert "regime" not in capsys.readouterr().out
    file.write_text(file.read_text().replace(",0\n", ",5\n"))
    assert main(["drift", "replay", str(file), "--reference", str(known), "--regimes", "side"]) == 0
    assert "values of data: bars regime, 99 bars" in capsys.readouterr().out
    assert main(["drift", "replay", str(file), "--reference", str(known), "--regimes", "weather"]) == 2
    assert "expected a column 'weather' of regimes, there are ret, vol, side" in capsys.readouterr().err


def json_of(event: DriftEvent) -> Any:
    """Return an event as JSON has it."""
    return msgspec.to_builtins(event)


def test_a_replay_can_take_its_reference_from_the_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first rows are the reference, the others are looked at; without drift at the end the exit code is 0."""
    file = table(tmp_path / "all.csv", np.concatenate([REFERENCE, LIVE]))
    assert main(["drift", "replay", str(file), "--rows", "800"]) == 1
    out = capsys.readouterr().out
    assert "data drift of all (episode 1, " in out
    assert out.splitlines()[-1].startswith(
        "300 bars of data, 0 outcomes of concept; 0 could not be looked at; 2 events"
    )
    calm = table(tmp_path / "calm.csv", RNG.normal(size=(900, 2)))
    assert main(["drift", "replay", str(calm), "--rows", "800", "--false-alarms", "0.001"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "HISTORY"], "give --reference FILE, or --rows N"),
        (["replay", "HISTORY", "--rows", "5000"], "give --reference FILE, or --rows N"),
        (["replay", "HISTORY", "--rows", "20"], "at least 500 bars"),
        (["card", "nothing.csv"], "nothing.csv"),
        (["card", "HISTORY", "--false-alarms", "-1"], "above 0"),
    ],
)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Exit code 2 and one line."""
    file = table(tmp_path / "h.csv", LIVE)
    given = [str(file) if each == "HISTORY" else each for each in arguments]

    assert main(["drift", *given]) == 2
    assert message in capsys.readouterr().err


def test_without_numpy_it_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing extra is a message with the remedy."""
    for name in [name for name in sys.modules if name.startswith("ares_otel.ml")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numpy", None)

    assert main(["drift", "card", str(tmp_path / "ref.csv")]) == 2
    assert "pip install 'ares-otel[ml]'" in capsys.readouterr().err

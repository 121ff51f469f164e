from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest

from ares_otel.ml import DriftMonitor, Moment
from ares_otel.ml.budget import Budget
from ares_otel.ml.frames import nanoseconds, number
from ares_otel.ml.quality import Problem
from ares_otel.ml.scores import Floats

GENERATOR = np.random.default_rng(1)
VALUES = GENERATOR.normal(size=(600, 3))
FRAME = pd.DataFrame(
    VALUES, columns=["spread", "volume", "return"], index=pd.date_range("2026-01-05", periods=600, freq="h")
)


class Polars:
    """What of a frame of polars is used: names as a list, columns with `to_numpy`."""

    columns = ("spread", "volume")

    def __getitem__(self, name: str) -> object:
        """Return a column."""
        return FRAME[name]


def test_frames_give_names_and_times() -> None:
    """Arrays, frames and mappings are understood; the reference keeps what it was made of and when."""
    monitor = DriftMonitor(FRAME)

    assert monitor.names == ("spread", "volume", "return")
    assert (monitor.made.bars, monitor.made.first) == (600, int(FRAME.index[0].value))
    assert DriftMonitor(VALUES, names=["a", "b", "c"]).names == ("a", "b", "c")
    assert DriftMonitor(VALUES).names == ("f0", "f1", "f2")
    assert DriftMonitor(Polars()).names == ("spread", "volume")
    assert DriftMonitor({"a": VALUES[:, 0], "b": list(VALUES[:, 1])}, times=list(range(600))).made.last == 599


def test_names_pick_columns() -> None:
    """Names of a frame's columns say which ones, in which order rows come; they are not pinned on others."""
    one, other = DriftMonitor(FRAME, names=["return", "spread"]), DriftMonitor(VALUES[:, [2, 0]])
    for row in VALUES[:40]:
        one.update([row[2], row[0]])
        other.update([row[2], row[0]])

    assert one.names == ("return", "spread")
    assert [each.evidence for each in one.standing()] == [each.evidence for each in other.standing()]
    assert DriftMonitor(FRAME, names=["a", "b", "c"]).names == ("a", "b", "c")
    with pytest.raises(ValueError, match="no column 'high', only spread, volume, return"):
        DriftMonitor(FRAME, names=["spread", "high"])


def matrix(shape: tuple[int, ...]) -> Floats:
    """Return a matrix of some shape."""
    return np.zeros(shape)


@pytest.mark.parametrize(
    ("reference", "more", "said"),
    [
        (matrix((499, 2)), {}, "at least 500 bars, not 499"),
        (matrix((600,)), {}, r"shape \(bars, features\), not of shape \(600,\)"),
        (matrix((600, 0)), {}, "not of shape"),
        ({}, {}, "at least one column"),
        ({"a": [1.0] * 600, "b": [1.0]}, {}, "equally long"),
        (VALUES, {"names": ["a"]}, "1 names for 3 columns"),
        (VALUES, {"names": ["a", "a", "b"]}, "two columns are called 'a'"),
        (VALUES, {"times": [1, 2]}, "2 times for 600 bars"),
        (FRAME[::-1], {}, "in the order of time"),
        (VALUES, {"times": [datetime(9999, 1, 1, tzinfo=UTC)] * 600}, "between the years 1677 and 2262"),
        (VALUES, {"kind": "date"}, "'date' is not a valid DriftKind"),
        (VALUES, {"false_alarms": 0}, "above 0 and below 1"),
        (VALUES, {"horizon": 0}, "at least 1"),
        (VALUES, {"hazard": -1}, "from 0 to 1"),
        ({"a": [f"{row}" + "x" for row in range(600)]}, {}, "a different text in each row"),
        ({"a": np.zeros((600, 2))}, {}, "no series"),
    ],
)
def test_bad_references(reference: object, more: dict[str, object], said: str) -> None:
    """What is wrong with a reference is said in words."""
    with pytest.raises(ValueError, match=said):
        DriftMonitor(reference, **more)  # type: ignore[arg-type]


def test_bad_types() -> None:
    """A column of times is no feature, and a text is no time."""
    with pytest.raises(TypeError, match="'a' of the reference holds datetime64"):
        DriftMonitor({"a": np.zeros(600, "datetime64[ns]")})
    with pytest.raises(TypeError, match="not str"):
        DriftMonitor(VALUES, times=["x"] * 600)
    with pytest.raises(TypeError, match="a frame or columns by name, not str"):
        DriftMonitor("reference.csv")


@pytest.mark.parametrize(
    "row",
    [
        FRAME.iloc[7],
        FRAME.iloc[[7]],
        FRAME.iloc[7].to_dict(),
        dict(reversed(list(FRAME.iloc[7].to_dict().items()))),
        VALUES[7],
        VALUES[[7]],
        VALUES[7].tolist(),
        tuple(VALUES[7]),
        VALUES[7].astype(object),
        list(FRAME.itertuples(index=False))[7],
        FRAME.to_records(index=False)[7],
        FRAME[["return", "volume", "spread"]].to_records(index=False)[7],
    ],
)
def test_rows(row: object) -> None:
    """A row may come in any form; by name its order does not matter."""
    one, other = DriftMonitor(FRAME), DriftMonitor(FRAME)
    for values in VALUES[:50]:
        one.update(values)
        other.update(row if values is VALUES[7] else values)
    one.update(VALUES[7])
    other.update(row)

    assert [moved.evidence for moved in one.standing()] == [moved.evidence for moved in other.standing()]
    assert other.quality() == ()


@pytest.mark.parametrize(
    "row", [[1.0], [[1.0], [1.0, 2.0]], VALUES[0][:2], np.zeros(4), "abc", 5.0, np.zeros((2, 3)), np.float64(3)]
)
def test_rows_of_another_length(row: object) -> None:
    """A row that cannot be one says so, with what was expected, and changes nothing."""
    monitor = DriftMonitor(FRAME)
    with pytest.raises(ValueError, match=r"a row has 3 values \(spread, volume, return\), not"):
        monitor.update(row)
    assert monitor.bars == 0


def test_frames_without_names() -> None:
    """Names that are no texts are those of rows, too."""
    frame = pd.DataFrame(VALUES)
    one, other = DriftMonitor(frame), DriftMonitor(VALUES)
    for place, row in enumerate(VALUES[:40]):
        one.update(frame.iloc[place] if place % 2 else dict(enumerate(row)))
        other.update(row)

    assert one.names == ("0", "1", "2")
    assert one.quality() == ()
    assert [each.evidence for each in one.standing()] == [each.evidence for each in other.standing()]


def test_what_is_missing() -> None:
    """NA of pandas, NaT, what a mask hides, are missing as NaN is, in references and in rows; an array is no number."""
    hole = np.where(VALUES > 1, np.nan, VALUES)
    nullable = pd.DataFrame(hole).convert_dtypes()
    masked = np.ma.masked_array(VALUES, VALUES > 1)
    records = np.array([tuple(row) for row in hole], [(f"f{place}", float) for place in range(3)])
    references = (hole, nullable, masked, records)
    cards = [[quantity.mde for quantity in DriftMonitor(reference).card()] for reference in references]
    monitors = [DriftMonitor(hole) for _ in references]
    for rows in zip(hole, (nullable.iloc[place] for place in range(600)), masked, records, strict=True):
        for monitor, row in zip(monitors, rows, strict=True):
            monitor.update(list(row) if isinstance(row, pd.Series) else row)
    stands = [[each.evidence for each in monitor.standing()] for monitor in monitors]
    monitors[0].update([np.array([1.0, 2.0]), 0.0, 0.0])
    texts = DriftMonitor({"side": pd.array(["buy", "sell", None] * 200, dtype="string")})
    texts.update([pd.NA])

    assert nullable.isna().any().all()
    assert cards[1:] == cards[:1] * 3
    assert stands[1:] == stands[:1] * 3
    assert [(issue.feature, issue.problem) for issue in monitors[0].quality()] == [("f0", Problem.INVALID)]
    assert texts.quality() == ()


def test_times_that_are_none() -> None:
    """A time that is none, or that no clock of ns has, leaves its bar without one, and is counted."""
    monitor = DriftMonitor(FRAME)
    for at in (10**30, datetime(9999, 1, 1, tzinfo=UTC), "noon", 1.5, pd.NaT, None):
        monitor.update(VALUES[0], at=at)  # type: ignore[arg-type]

    assert monitor.bars == 6
    assert [(issue.feature, issue.problem, issue.count) for issue in monitor.quality()] == [("at", Problem.INVALID, 4)]


def test_renamed_and_wrong_values_are_counted() -> None:
    """Unknown and missing names, texts, infinities and NaN are missing values, and are told apart."""
    monitor = DriftMonitor(FRAME)
    for row in VALUES[:40]:
        monitor.update({"spread": row[0], "volume": "high", "Return": 1.0})
        monitor.update([np.inf, None, row[2]])

    found = {(issue.feature, issue.problem): issue.count for issue in monitor.quality()}
    assert found["Return", Problem.UNKNOWN] == 40
    assert found["return", Problem.ABSENT] == 40
    assert found["volume", Problem.INVALID] == 40
    assert found["spread", Problem.INVALID] == 40
    assert found["volume", Problem.MISSING] == 80
    assert not monitor.is_drifting


@pytest.mark.parametrize(
    "reference",
    [
        VALUES.astype(np.float32),
        VALUES > 0,
        (VALUES * 10).astype(int),
        np.asfortranarray(VALUES),
        VALUES[::-1],
        VALUES.astype(object),
        np.where(VALUES > 2, np.inf, VALUES),
        np.where(VALUES > 1, np.nan, VALUES),
        VALUES * 1e300,
        VALUES * 4e307,
        VALUES * 1e-300,
        VALUES + 1e15,
        np.cumsum(VALUES, 0),
        np.repeat(VALUES[:2], 300, 0),
        np.tile(VALUES[:2], (300, 1)),
        np.column_stack([VALUES[:, 0]] * 3),
        np.round(VALUES),
    ],
)
def test_odd_references(reference: Floats, tmp_path: Path) -> None:
    """Any matrix of numbers makes a monitor that watches odd rows, and can be written and read."""
    monitor = DriftMonitor(reference)
    for row in ([1e308, -1e308, 0.0], [np.nan] * 3, [True, 2, np.float32(1)], VALUES[0], *reference[:20]):
        monitor.update(row)
    monitor.save(tmp_path / "state.npz")

    assert DriftMonitor.load(tmp_path / "state.npz").card() == monitor.card()
    assert monitor.bars == 24


def test_stale_moving_and_out_of_range() -> None:
    """Features that stop, that begin to move, or that leave the range of the reference are no matter of drift alone."""
    values = VALUES.copy()
    values[:, 0] = 3.0
    monitor = DriftMonitor(values)
    for row in VALUES[:60]:
        monitor.update([row[0], 0.5, row[2] * 100])

    assert {(issue.feature, issue.problem) for issue in monitor.quality()} == {
        ("f0", Problem.MOVES),
        ("f1", Problem.STALE),
        ("f2", Problem.OUT_OF_RANGE),
    }
    reasons = {quantity.feature: quantity.reason for quantity in monitor.card() if quantity.moment is Moment.LOCATION}
    assert reasons["f0"] == "untestable: constant in the reference"


def test_categories_and_shares() -> None:
    """Texts are watched by their shares, as are columns with two values; an unknown text is counted."""
    generator = np.random.default_rng(2)
    frame = {
        "regime": generator.choice(["bull", "bear", "flat"], 800),
        "side": generator.choice(["buy", "sell"], 800, p=[0.99, 0.01]),
        "open": generator.random(800) < 0.3,
    }
    monitor = DriftMonitor(frame)
    events = []
    for _ in range(400):
        row = {"regime": generator.choice(["bull", "bear", "flat"], p=[0.7, 0.2, 0.1]), "side": "buy", "open": None}
        events += monitor.update(row)

    moved = {each.feature for each in events[0].features}
    assert any(str(name).startswith("regime=") for name in moved)
    assert {each.moment for each in monitor.card()} == {Moment.SHARE}
    monitor.update({"regime": "crash", "side": None, "open": True})
    assert ("regime", Problem.UNSEEN) in {(issue.feature, issue.problem) for issue in monitor.quality()}


def test_untestable_is_said() -> None:
    """A feature with memory as long as the reference is not tested, and the card says why; nor is a rare one."""
    generator = np.random.default_rng(3)
    walk = np.cumsum(generator.normal(size=2000))
    sparse = np.where(generator.random(2000) < 0.9, np.nan, generator.normal(size=2000))
    rare = (np.arange(2000) == 77).astype(float)
    empty = np.full(2000, np.nan)
    monitor = DriftMonitor({"walk": walk, "sparse": sparse, "rare": rare, "empty": empty})
    card = {(quantity.feature, quantity.moment): quantity for quantity in monitor.card()}

    assert "n_eff" in card["walk", Moment.LOCATION].reason
    assert "n_eff" in card["walk", Moment.SCALE].reason
    assert "missing in 9" in card["sparse", Moment.LOCATION].reason
    assert not card["rare", Moment.SHARE].testable
    assert "missing in 100%" in card["empty", Moment.LOCATION].reason
    assert not any(quantity.testable or quantity.mde or quantity.delay for quantity in card.values())
    assert monitor.update([1.0, 2.0, 3.0, 4.0]) == []


def test_values_and_times() -> None:
    """Numbers and times are read from what is common, and nothing else is taken for one."""
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)

    assert number("1") is None
    assert number(object()) is None
    assert number(10**400) is None
    assert number(True) == 1.0
    assert nanoseconds(None) is nanoseconds(pd.NaT) is None
    assert nanoseconds(noon) == nanoseconds(noon.replace(tzinfo=None)) == nanoseconds(np.datetime64("2026-01-05T12:00"))
    assert nanoseconds(np.int64(5)) == 5


def test_budget_of_a_month() -> None:
    """A rate of false alarms becomes a chance within a horizon, and is divided among monitors."""
    budget = Budget.monthly(0.1, 500)

    assert budget.expected(500) == pytest.approx(0.1, rel=0.01)
    assert budget.divided(4).expected(500) == pytest.approx(0.025, rel=0.01)
    with pytest.raises(ValueError, match="both have to be above 0"):
        Budget.monthly(0, 500)

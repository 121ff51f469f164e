"""Histories in files: every format says the same, and what cannot be understood is said with its place."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from ares_otel.decision.watched import Matured, Observed
from ares_otel.guard import GUARD
from ares_otel.ml.tables import Table, TableError, read_table, told
from ares_otel.ml.tape import Tape

TIMES = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
NS = [int(each.timestamp()) * 10**9 for each in TIMES]
COLUMNS: dict[str, list[Any]] = {
    "time": [each.isoformat() for each in TIMES],
    "ret": [0.1, None, -0.3],
    "side": ["buy", "sell", "buy"],
    "prediction": [0.5, 0.25, 0.75],
    "key": ["a", "b", "c"],
    "actual": [None, 1.0, None],
}


def written(path: Path) -> Path:
    """Write the same history in the format that a name asks for."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]
    if path.suffix == ".csv":
        lines = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
        path.write_text("\n".join([",".join(COLUMNS), *lines]) + "\n\n")
    elif path.suffix == ".parquet":
        pq.write_table(pa.table(COLUMNS | {"time": TIMES}), path)
    else:
        inner = [{"x": {name: row.pop(name) for name in ("ret", "side")}, **row} for row in rows]
        path.write_text("\n".join(json.dumps(row) for row in inner) + "\n\n")
    return path


@pytest.mark.parametrize("name", ["h.csv", "h.jsonl", "h.ndjson", "h.parquet"])
def test_every_format_says_the_same(tmp_path: Path, name: str) -> None:
    """Observations and outcomes in their order, with times, keys and gaps."""
    found = list(told(read_table(written(tmp_path / name))))

    assert repr(found) == repr(
        [
            Observed({"ret": 0.1, "side": "buy"}, 0.5, "a", NS[0], 0, None),
            Observed({"ret": float("nan"), "side": "sell"}, 0.25, "b", NS[1], 0, None),
            Matured("b", 1.0, NS[1], 0),
            Observed({"ret": -0.3, "side": "buy"}, 0.75, "c", NS[2], 0, None),
        ]
    )


UNIX = [ns // 10**9 for ns in NS]
MARKET: dict[str, list[Any]] = {"ret": [0.1, 0.2, 0.3]}


def market(path: Path, **columns: list[Any]) -> Path:
    """Write features and what stands beside them as a format has it."""
    if path.suffix == ".npz":
        arrays: dict[str, Any] = {"x": np.array(MARKET["ret"])[:, None], "names": np.array(["ret"])}
        np.savez(path, **arrays | {name: np.array(each) for name, each in columns.items()})
        return path
    whole = MARKET | columns
    rows = [dict(zip(whole, row, strict=True)) for row in zip(*whole.values(), strict=True)]
    if path.suffix == ".csv":
        path.write_text("\n".join([",".join(whole), *(",".join(map(str, row.values())) for row in rows)]))
    elif path.suffix == ".parquet":
        pq.write_table(pa.table(whole), path)
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "npz"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("timestamp", [1_000 * each for each in UNIX]),  # as ccxt has it
        ("date", [f"{each:%Y-%m-%d %H:%M:%S+00:00}" for each in TIMES]),  # as freqtrade
        ("Datetime", [f"{each:%Y-%m-%d}" for each in TIMES]),  # as an index of pandas is called
    ],
)
def test_the_time_may_have_another_name(tmp_path: Path, suffix: str, name: str, values: list[Any]) -> None:
    """Where one column is called as others call the time, it is that, and no feature."""
    table = read_table(market(tmp_path / f"h.{suffix}", **{name: values}))

    assert (table.times, list(table.features)) == (NS, ["ret"])
    kept = read_table(market(tmp_path / f"h.{suffix}", **{name: values}, time=UNIX))
    assert kept.times == NS
    assert list(kept.features) == (["ret"] if suffix == "npz" else ["ret", name])


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_feature_may_have_the_name_of_a_time(tmp_path: Path, suffix: str) -> None:
    """Small numbers that go up and down are no times, nor is what is known to be a feature, or nothing at all."""
    small = read_table(market(tmp_path / f"a.{suffix}", date=[31, 1, float("nan")]))
    known = read_table(market(tmp_path / f"b.{suffix}", date=UNIX), ["date"])

    assert (small.times, list(small.features)) == (None, ["ret", "date"])
    assert (known.times, known.features["date"]) == (None, UNIX)
    one = read_table(market(tmp_path / f"c.{suffix}", date=[31, 31, 31], timestamp=UNIX))
    assert (one.times, list(one.features)) == (NS, ["ret", "date"])


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_times_may_begin_anywhere(tmp_path: Path, suffix: str) -> None:
    """Small numbers that only rise are times, as a simulation has them; one that is missing is that of no bar."""
    table = read_table(market(tmp_path / f"h.{suffix}", Timestamp=[3_600, 7_200, 7_200]))

    assert (table.times, list(table.features)) == ([3_600 * 10**9, 7_200 * 10**9, 7_200 * 10**9], ["ret"])
    (tmp_path / "gap.csv").write_text("Date,ret\n2026-01-01,1\n,2\n")
    assert read_table(tmp_path / "gap.csv").times == [NS[0], None]


def test_named_features_are_no_times(tmp_path: Path) -> None:
    """What stands under `x` is said to be a feature, what stands beside it is not."""
    lines = [{"x": {"date": at}, "timestamp": at} for at in UNIX]
    (tmp_path / "h.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    table = read_table(tmp_path / "h.jsonl")

    assert (table.times, table.features) == (NS, {"date": UNIX})


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "npz"])
def test_times_that_cannot_be_told_are_refused(tmp_path: Path, suffix: str) -> None:
    """With the names of the columns, and with what to do."""
    path = market(tmp_path / f"h.{suffix}", timestamp=UNIX, date=[f"{each:%Y-%m-%d}" for each in TIMES])
    with pytest.raises(
        TableError, match=f"h.{suffix}: 'timestamp' and 'date' may each be .*: call the right one `time`"
    ):
        read_table(path)
    with pytest.raises(
        TableError, match=f"h.{suffix}: column 'date': '13.01.2026': expected a time, .*; if it is a feature"
    ):
        read_table(market(path, date=["13.01.2026"] * 3))


def test_arrays(tmp_path: Path) -> None:
    """An archive of arrays: with names, or in order."""
    x = np.arange(6.0).reshape(3, 2)
    np.savez(tmp_path / "a.npz", x=x, names=np.array(["ret", "vol"]), time=np.array(NS), actual=np.array([1, 0, 1]))
    np.savez(tmp_path / "b.npz", x=x)
    named, bare = read_table(tmp_path / "a.npz"), read_table(tmp_path / "b.npz")
    first, outcome, *_ = told(named)

    assert (first.x, first.at) == ({"ret": 0.0, "vol": 1.0}, NS[0])  # type: ignore[union-attr]
    assert outcome == Matured(None, 1, NS[0], 0)
    assert [each.x.tolist() for each in told(bare)] == x.tolist()  # type: ignore[union-attr]
    assert named.part(1, 9) == Table({"ret": [2.0, 4.0], "vol": [3.0, 5.0]}, {"time": NS[1:], "actual": [0, 1]}, 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1_767_225_600, NS[0]),
        (1_767_225_600_000, NS[0]),
        (1_767_225_600_000_000, NS[0]),
        (NS[0], NS[0]),
        ("1767225600.5", NS[0] + 500_000_000),
        ("2026-01-01", NS[0]),
        ("2026-01-01T01:00:00+01:00", NS[0]),
        (None, None),
    ],
)
def test_times(given: object, expected: int | None) -> None:
    """ISO 8601 or a number in any usual unit; without a zone it is UTC."""
    assert Table({}, {"time": [given]}, 1).times == [expected]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("h.txt", "", "expected a file that ends with .csv, .jsonl, .ndjson, .npz, .parquet"),
        ("h.csv", "", "h.csv:1: expected the names of the columns, each once"),
        ("h.csv", "a,a\n1,2\n", "h.csv:1: expected the names of the columns, each once"),
        ("h.csv", "a,b\n1\n", "h.csv:2: 1 cells, expected 2"),
        ("h.jsonl", "{\n", "h.jsonl:1: no JSON"),
        ("h.jsonl", "[1]\n", "h.jsonl:1: expected an object, got '\\[1\\]'"),
        ("h.npz", "no archive", "h.npz: no arrays without pickles"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    """With file, line and what was expected."""
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=message):
        read_table(tmp_path / name)


def test_an_archive_of_other_arrays_is_refused(tmp_path: Path) -> None:
    """`x` has to be there, and all else has to fit it."""
    np.savez(tmp_path / "a.npz", y=np.zeros(3))
    np.savez(tmp_path / "b.npz", x=np.zeros((3, 2)), time=np.zeros(2))
    with pytest.raises(TableError, match="expected an array `x`"):
        read_table(tmp_path / "a.npz")
    with pytest.raises(TableError, match="as many as"):
        read_table(tmp_path / "b.npz")


def test_a_bad_time_is_refused() -> None:
    """It says which."""
    with pytest.raises(TableError, match="'soon': expected a time"):
        list(told(Table({"a": [1.0]}, {"time": ["soon"]}, 1)))


def test_parquet_asks_for_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is said, with how to get it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(TableError, match=r"ares-otel\[parquet\]"):
        read_table(tmp_path / "h.parquet")


def test_a_tape_is_bounded_and_exact(tmp_path: Path) -> None:
    """Every digit, NaN and infinity come back; at its size the file moves aside."""
    tape = Tape(tmp_path / "m.jsonl", 400)
    rows = [np.array([0.1 + place / 3, float("nan"), float("inf")]) for place in range(3)]
    for place, row in enumerate(rows):
        tape.write(Observed(row, {"buy": np.float64(0.7)}, place, None, 0, None), place)
    tape.write(Matured("k", np.int64(1), None, 0), 7)
    found = list(told(read_table(tmp_path / "m.jsonl")))
    for place in range(9):
        tape.write(Matured(f"key {place}", "x" * 40, None, 0), place)

    assert [repr(each.x) for each in found[:3]] == [repr(row) for row in rows]  # type: ignore[union-attr]
    assert (found[0].prediction, found[3]) == ({"buy": 0.7}, Matured("k", 1, 7, 0))  # type: ignore[union-attr]
    assert {path.name for path in tmp_path.iterdir()} == {"m.jsonl", "m.jsonl.1"}
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 400


def test_a_tape_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    """The bot, and the monitors, go on."""
    Tape(tmp_path, 1 << 20).write(Matured("k", 1, None, 0), 7)

    assert GUARD.counts() == {"drift.tape": 1}

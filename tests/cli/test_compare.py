from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ares_otel.cli.curves import CurveError, read_curve, read_trades
from ares_otel.cli.main import main

DAY = 86_400_000_000_000


def written(path: Path, lines: list[str]) -> Path:
    """Write a file and return its path."""
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def a_curve(path: Path, days: int = 200) -> Path:
    """Write a curve that rises and falls."""
    return written(path, ["time,equity", *(f"{day * 86_400},{1_000 + day + 20 * (day % 3)}" for day in range(days))])


def test_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each library, ours first with its interval, and a numbered line for each difference."""
    trades = written(tmp_path / "trades.csv", [f"{day * 86_400},{(-1) ** day * day},0.01" for day in range(20)])

    assert main(["compare", str(a_curve(tmp_path / "curve.csv")), "--periods", "365", "--trades", str(trades)]) == 0

    out = capsys.readouterr().out
    assert out.startswith("199 daily returns, 20 closed trades.")
    for name in ("ares-otel (periods=365)", "95 % low", "quantstats (periods=252)", "empyrical", "backtesting.py"):
        assert f"\n{name}" in out or f"\n  {name}" in out
    assert "freqtrade (closed trades)" in out
    assert "[1] " in out
    assert "note:" not in out


def test_periods_that_do_not_fit_are_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """252 periods of a curve with a value every day would understate all: the table says so."""
    assert main(["compare", str(a_curve(tmp_path / "curve.csv")), "--periods", "252"]) == 0

    assert "note: 365 days a year have a value; 252 periods a year do not fit" in capsys.readouterr().out


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same for programs: values, statistics of our own with n and interval, reasons."""
    assert main(["compare", str(a_curve(tmp_path / "curve.csv")), "--json"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["n"] == 199
    assert found["own"]["sharpe"]["low"] < found["rows"][0]["values"]["sharpe"] < found["own"]["sharpe"]["high"]
    assert found["rows"][2]["library"] == "quantstats (periods=365)"
    assert "sharpe" not in found["rows"][2]["why"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["time,equity", "yesterday,1"], ":2: time 'yesterday' is no time; expected a line such as 2026-01-31T16:00"),
        (["2026-01-31,1", "2026-02-01,many"], ":2: equity 'many' is no number"),
        (["2026-01-31,1", "", "2026-02-01,nan"], ":3: equity 'nan' is not finite"),
        (["2026-01-31,1", "2026-02-01"], ":2: equity '' is no number"),
        (["nan,1"], ":1: time 'nan' is no time"),
        (["time,equity", "2026-01-31,1"], ": 1 points; expected at least two"),
        (["2026-01-31T00:00Z,1", "2026-01-31T01:00Z,2"], "at least two days with a value are needed"),
        (["2026-01-31,1", "2026-02-01,-2"], "equity was not above zero on 2026-02-01"),
    ],
)
def test_bad_curves(lines: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad line is named with its file, its number and what was expected; exit code 2."""
    path = written(tmp_path / "curve.csv", lines)

    assert main(["compare", str(path)]) == 2

    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", ":1: no JSON"),
        ("[1]", ":1: '[1]'; expected an object with time, equity"),
        ("{}", ":1: time '' is no time"),
    ],
)
def test_bad_json_lines(line: str, message: str, tmp_path: Path) -> None:
    """So is a bad line of JSON."""
    with pytest.raises(CurveError) as caught:
        read_curve(written(tmp_path / "curve.jsonl", [line]))

    assert message in str(caught.value)


def test_times(tmp_path: Path) -> None:
    """ISO 8601 with and without offset, Unix s, ms, µs and ns, in any order and any order of named columns."""
    named = written(tmp_path / "a.csv", ["equity,time", "2,1970-01-02T01:00:00+01:00", "1,1970-01-01"])
    objects = written(
        tmp_path / "b.ndjson", ['{"time": "1970-01-01", "equity": 1}', "", '{"time": 86400, "equity": 2}']
    )
    at = 1_700_000_000
    units = written(tmp_path / "c.csv", [f"{at * scale},{scale}" for scale in (1, 1_000, 1_000_000, 1_000_000_000)])

    assert read_curve(named) == read_curve(objects) == ((0, 1.0), (DAY, 2.0))
    assert {time for time, _ in read_curve(units)} == {at * 1_000_000_000}


def test_trades(tmp_path: Path) -> None:
    """The return of a trade may be missing."""
    first, second = read_trades(
        written(tmp_path / "t.csv", ["closed,pnl,return", "1970-01-02,5,0.1", "1970-01-02,-1,"])
    )

    assert (first.closed, first.pnl, first.value) == (DAY, 5.0, 0.1)
    assert second.value is None


def test_a_store_needs_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Curves from files need nothing; one from a store says what it needs."""
    monkeypatch.setitem(sys.modules, "ares_otel.server.query.performance", None)

    assert main(["compare", "--strategy", "s", "--database", str(tmp_path / "ares.db")]) == 2
    assert "--strategy needs: pip install 'ares-otel[server]'" in capsys.readouterr().err
    assert main(["compare", str(a_curve(tmp_path / "curve.csv"))]) == 0


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A curve has to come from one place; a file or database that is not there is said to be so."""
    assert main(["compare"]) == 2
    assert "give a file with a curve, or --strategy" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "none.csv")]) == 2
    assert "none.csv cannot be read" in capsys.readouterr().err
    assert main(["compare", "--strategy", "s", "--database", str(tmp_path / "none.db")]) == 2
    assert "there is no database" in capsys.readouterr().err

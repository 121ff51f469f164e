"""Bars: what the data sets hold, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from demo_samples import bars, real_market, walk

from ares_otel.demo import bars as module
from ares_otel.demo.bars import NASDAQ, SP500, SYMBOLS, BadBarError, Bar, MissingDataError, check_bars, columns


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_both_indices_are_whole(symbol: str) -> None:
    """Twenty years of days, in order, possible, in hundredths, at aware times."""
    found = real_market(symbol).bars

    assert len(found) == 5_031
    assert (found[0].time, found[-1].time) == (
        datetime(1999, 1, 4, 21, tzinfo=UTC),
        datetime(2018, 12, 31, 21, tzinfo=UTC),
    )
    assert {bar.symbol for bar in found} == {symbol}
    assert all(round(price, 2) == price for bar in found for price in (bar.open, bar.high, bar.low, bar.close))


def test_known_days() -> None:
    """The turn of the financial crisis is in the data as it was in the world."""
    lows = {symbol: min(real_market(symbol).bars, key=lambda bar: bar.close) for symbol in (SP500, NASDAQ)}

    assert (lows[SP500].time.date().isoformat(), lows[SP500].close) == ("2009-03-09", 676.53)
    assert (lows[NASDAQ].time.date().isoformat(), lows[NASDAQ].close) == ("2002-10-09", 1114.11)


def test_unknown_symbol() -> None:
    """There are two indices and no third."""
    with pytest.raises(KeyError, match="DAX"):
        module.load_bars("DAX")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the data the message says how to get it."""
    monkeypatch.setitem(module.DATA_SETS, SP500, "no_such_package.data")

    with pytest.raises(MissingDataError, match=r"pip install 'ares-otel\[demo\]'"):
        module.load_bars(SP500)


@pytest.mark.parametrize(
    "changes",
    [
        {"low": 0.0},
        {"low": 100.5},
        {"high": 99.0},
        {"open": 120.0},
        {"close": 80.0},
        {"volume": -1.0},
        {"close": float("nan")},
        {"high": float("nan")},
    ],
)
def test_impossible_bar(changes: dict[str, float]) -> None:
    """Prices outside low..high, not above zero or not a number are refused."""
    good = Bar("X", datetime(2020, 1, 1, tzinfo=UTC), 100.0, 110.0, 90.0, 105.0, 1.0)
    assert check_bars([good]) == [good]

    with pytest.raises(BadBarError, match="impossible bar"):
        check_bars([msgspec.structs.replace(good, **changes)])


def test_order_of_time() -> None:
    """A bar that does not follow the one before it is refused."""
    first, second = bars([100.0, 101.0])

    for wrong in ([second, first], [first, first]):
        with pytest.raises(BadBarError, match="follows"):
            check_bars(wrong)


def test_columns() -> None:
    """Columns hold the same numbers in the same order, also none."""
    sample = walk(7, seed=1)
    table = columns(sample)

    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(table, name), [getattr(bar, name) for bar in sample])
    assert columns([]).close.shape == (0,)

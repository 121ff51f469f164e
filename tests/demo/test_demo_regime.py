"""Regimes: no look ahead, probabilities that are some, history as people remember it."""

from __future__ import annotations

import numpy as np
import pytest
from demo_samples import bars, real_market, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.bars import NASDAQ, SP500, Bar, columns
from ares_otel.demo.regime import REGIMES, Regimes


def share(symbol: str, begin: str, end: str, *names: str) -> float:
    """Return the share of the days from `begin` to `end` that were in one of some regimes."""
    market = real_market(symbol)
    rows = [row for row, bar in enumerate(market.bars) if begin <= bar.time.date().isoformat() <= end]
    return sum(market.regime(row).regime in names for row in rows) / len(rows)


@pytest.mark.parametrize(
    ("symbol", "begin", "end"),
    [
        (NASDAQ, "2000-11-01", "2001-04-30"),
        (NASDAQ, "2002-04-01", "2002-10-09"),
        (SP500, "2001-08-01", "2001-10-15"),
        (SP500, "2002-06-01", "2002-10-09"),
        (SP500, "2008-09-15", "2009-03-09"),
        (NASDAQ, "2008-09-15", "2009-03-09"),
        (SP500, "2011-08-08", "2011-11-30"),
        (NASDAQ, "2011-08-08", "2011-11-30"),
    ],
)
def test_crises(symbol: str, begin: str, end: str) -> None:
    """The dot-com years, 2008 and 2011 are bear markets or wild ones."""
    assert share(symbol, begin, end, "bear_trend", "high_volatility") >= 0.8


def test_quiet_years() -> None:
    """2013 and 2017 rose, and are neither."""
    for begin, end in (("2013-01-01", "2013-12-31"), ("2017-01-01", "2017-12-31")):
        assert share(SP500, begin, end, "bull_trend", "low_volatility", "breakout") >= 0.8
        assert share(SP500, begin, end, "bear_trend", "high_volatility") == 0


def test_every_regime_happens() -> None:
    """Each of the six is the most probable one at some time, and they last for weeks."""
    market = real_market(SP500)
    readings = [market.regime(row) for row in range(100, len(market.bars))]

    assert {reading.regime for reading in readings} == set(REGIMES)
    assert len(readings) / sum(reading.duration == 1 for reading in readings) > 15


@settings(max_examples=25, deadline=None)
@given(cut=st.integers(1, 149), seed=st.integers(0, 9), other=st.integers(10, 19))
def test_no_look_ahead(cut: int, seed: int, other: int) -> None:
    """Whatever the future turns out to be, the readings up to now stay the same."""
    past, future = walk(150, seed), walk(150, other, volatility=0.05)
    whole = Regimes(columns(past))
    changed = Regimes(columns(past[: cut + 1] + future[cut + 1 :]))

    assert [changed.at(row) for row in range(cut + 1)] == [whole.at(row) for row in range(cut + 1)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1_000), volatility=st.sampled_from([0.0, 0.001, 0.01, 0.1]))
def test_probabilities(seed: int, volatility: float) -> None:
    """They sum to 1, the reported regime is the most probable one, its duration counts from 1 without a gap."""
    sample = walk(120, seed, volatility=volatility)
    found = Regimes(columns(sample))
    readings = [found.at(row) for row in range(len(sample))]

    for before, reading in zip([None, *readings], readings, strict=False):
        assert sum(reading.probabilities.values()) == pytest.approx(1)
        assert reading.confidence == reading.probabilities[reading.regime] == max(reading.probabilities.values())
        goes_on = before is not None and before.regime == reading.regime
        assert reading.duration == (before.duration + 1 if goes_on and before is not None else 1)


def calm_then(move: float) -> list[Bar]:
    """Return a year that swings gently between two prices, ever more gently, and four days of a move."""
    calm = [100 + (2 - day / 150) * np.sin(day) for day in range(250)]
    return bars([*calm, *(100 + move * day for day in range(1, 5))])


@pytest.mark.parametrize("move", [1.5, -1.5])
def test_breakout(move: float) -> None:
    """To leave a quiet range, on either side, is a breakout."""
    sample = calm_then(move)
    found = Regimes(columns(sample))

    assert "breakout" in {found.at(row).regime for row in range(250, 254)}
    assert "breakout" not in {found.at(row).regime for row in range(100, 250)}

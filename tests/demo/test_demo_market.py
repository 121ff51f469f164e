"""A market: what is known at each bar, also when bars come one by one."""

from __future__ import annotations

import numpy as np
import pytest
from demo_samples import DAY, START, walk

from ares_otel.demo.bars import BadBarError
from ares_otel.demo.market import Market


def test_bar_by_bar_is_the_same_as_at_once() -> None:
    """A market that grew bar by bar knows what one that had the whole history knows."""
    sample = walk(90, seed=4)
    grown = Market(sample[:61])
    for bar in sample[61:]:
        grown.append(bar)
    whole = Market(sample)

    np.testing.assert_array_equal(grown.close, whole.close)
    np.testing.assert_allclose(grown.features, whole.features, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(grown.volatility, whole.volatility, rtol=1e-9)
    assert grown.regime(89).regime == whole.regime(89).regime
    assert grown.regime(89).confidence == pytest.approx(whole.regime(89).confidence)


def test_rows_by_time() -> None:
    """A bar is found by its time; a time without a bar is an error."""
    market = Market(walk(70, seed=1))

    assert market.symbol == "X"
    assert market.row(START + 3 * DAY) == 3
    with pytest.raises(KeyError):
        market.row(START + 70 * DAY)


def test_append_refuses_the_past() -> None:
    """A bar that does not follow the last one is refused, and nothing changes."""
    sample = walk(70, seed=1)
    market = Market(sample)

    with pytest.raises(BadBarError):
        market.append(sample[-1])
    assert len(market.bars) == len(market.close) == 70

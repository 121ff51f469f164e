"""Walk-forward: nothing is learned from the future, and asking ahead changes no answer."""

from __future__ import annotations

import numpy as np
import pytest
from demo_samples import cheap_members, walk
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.demo.features import FEATURES, LOOKBACK
from ares_otel.demo.market import Market
from ares_otel.demo.members import FloatArray, IntArray, Prediction, five_members
from ares_otel.demo.walkforward import MIN_ROWS, REFIT, WINDOW, WalkForward, first_row, training_rows

HORIZON = 5
FIRST = first_row(HORIZON)


class Witness:
    """A member that remembers what it was shown."""

    kind = "witness"

    def __init__(self, name: str = "witness") -> None:
        self.name = name
        self.fits: list[tuple[FloatArray, IntArray, int]] = []
        self.asked: list[int] = []

    def fit(self, x: FloatArray, y: IntArray, seed: int) -> None:
        """Remember it."""
        self.fits.append((x.copy(), y.copy(), seed))

    def probabilities(self, x: FloatArray) -> FloatArray:
        """Say that a buy is certain."""
        self.asked.append(len(x))
        return np.tile([0.0, 0.0, 1.0], (len(x), 1))

    def importances(self) -> FloatArray:
        """Say that all features count the same."""
        return np.full(len(FEATURES), 1 / len(FEATURES))


def models(market: Market, *members: Witness, seed: int = 1) -> WalkForward:
    """Return the walk-forward training of some witnesses."""
    return WalkForward("s/X", market, members, HORIZON, seed)


@settings(deadline=None)
@given(now=st.integers(LOOKBACK, 10_000), horizon=st.integers(1, 20))
def test_training_rows_are_purged(now: int, horizon: int) -> None:
    """The label of every row that is learned from is known now; the newest such row is among them; features exist."""
    rows = training_rows(now, horizon)

    assert all(row >= LOOKBACK and row + horizon <= now for row in rows)
    assert len(rows) <= WINDOW
    if now - horizon >= LOOKBACK:
        assert rows[-1] + horizon == now


@settings(deadline=None)
@given(st.integers(1, 50))
def test_first_row_has_enough_to_learn_from(horizon: int) -> None:
    """At the first row that is predicted there is a year of labeled rows."""
    assert len(training_rows(first_row(horizon), horizon)) == MIN_ROWS + 1


@pytest.mark.parametrize("row", [FIRST, FIRST + 3, FIRST + REFIT + 10])
def test_nothing_is_learned_from_the_future(row: int) -> None:
    """What a fit sees does not depend on any bar after the one it is made at."""
    past, future = walk(700, seed=1), walk(700, seed=2, volatility=0.05)
    start = row - (row - FIRST) % REFIT
    seen = []
    for bars in (past, past[: start + 1] + future[start + 1 :]):
        witness = Witness()
        models(Market(bars), witness).predict(row)
        seen.append(witness.fits[-1])

    np.testing.assert_array_equal(seen[0][0], seen[1][0])
    np.testing.assert_array_equal(seen[0][1], seen[1][1])
    assert len(seen[0][0]) == len(seen[0][1]) == len(training_rows(start, HORIZON))


def test_labels_belong_to_their_features() -> None:
    """Features and labels of a row stay together: in a market that only rises in odd weeks the labels say so."""
    market = Market(walk(400, seed=3))
    witness = Witness()
    models(market, witness).predict(FIRST)
    x, y, _ = witness.fits[0]
    rows = training_rows(FIRST, HORIZON)

    np.testing.assert_array_equal(x, market.features[rows.start : rows.stop])
    moves = np.log(market.close[rows.start + HORIZON : rows.stop + HORIZON] / market.close[rows.start : rows.stop])
    assert ((y == 2) <= (moves > 0)).all()
    assert ((y == 0) <= (moves < 0)).all()


def test_fitted_only_when_asked_and_once_per_block() -> None:
    """Nothing is fitted at first; a block is fitted once, with a seed of its own, and predicted at once."""
    witness = Witness()
    walker = models(Market(walk(FIRST + 2 * REFIT, seed=1)), witness)
    assert witness.fits == []
    assert walker.training is None

    for row in range(FIRST, FIRST + 2 * REFIT):
        walker.predict(row)

    assert len(witness.fits) == 2
    assert witness.fits[0][2] != witness.fits[1][2]
    assert witness.asked == [REFIT, REFIT]


def test_seeds_differ_by_member_name_and_seed() -> None:
    """No two members, strategies or runs share their draws."""
    market = Market(walk(FIRST + 1, seed=1))
    one, two, three, four = (Witness(name) for name in "aabb")
    models(market, one, three).predict(FIRST)
    models(market, two, seed=2).predict(FIRST)
    WalkForward("t/X", market, [four], HORIZON, 1).predict(FIRST)

    assert len({witness.fits[0][2] for witness in (one, two, three, four)}) == 4


def test_too_early() -> None:
    """A row without a year of labels before it cannot be predicted."""
    with pytest.raises(ValueError, match=f"{FIRST} is the first"):
        models(Market(walk(FIRST + 1, seed=1)), Witness()).predict(FIRST - 1)


def test_training_is_described() -> None:
    """A fit says when it was made and from which bars; its version is that time."""
    market = Market(walk(FIRST + 1, seed=1))
    walker = models(market, Witness())
    walker.predict(FIRST)

    assert walker.training is not None
    assert walker.training.name == "s/X"
    assert walker.training.time == market.bars[FIRST].time
    assert walker.training.version == f"{market.bars[FIRST].time:%Y%m%dT%H%M}"
    assert walker.training.first == market.bars[LOOKBACK].time
    assert walker.training.last == market.bars[FIRST - HORIZON].time
    assert walker.training.rows == MIN_ROWS + 1
    assert walker.training.importances["witness"]["gap"] == pytest.approx(1 / len(FEATURES))


def assert_same(one: tuple[Prediction, ...], other: tuple[Prediction, ...]) -> None:
    """Compare predictions up to the last bits of matrix products."""
    assert [each.member for each in one] == [each.member for each in other]
    for left, right in zip(one, other, strict=True):
        assert left.probabilities == pytest.approx(right.probabilities, abs=1e-9)


def test_asking_ahead_is_the_same_as_asking_bar_by_bar() -> None:
    """The five members give a bar the same probabilities, whether later bars are already there or not."""
    sample = walk(FIRST + 6, seed=5)
    at_once = WalkForward("s/X", Market(sample), five_members(), HORIZON, 1)
    growing = Market(sample[: FIRST + 1])
    one_by_one = WalkForward("s/X", growing, five_members(), HORIZON, 1)

    for row in range(FIRST, FIRST + 6):
        if row > FIRST:
            growing.append(sample[row])
        assert_same(one_by_one.predict(row), at_once.predict(row))


def test_restart_in_the_middle_of_a_block() -> None:
    """Models that begin in the middle of a block say what models that began at its start say, to the last bit."""
    market = Market(walk(FIRST + REFIT, seed=6))
    from_start = WalkForward("s/X", market, cheap_members(), HORIZON, 1)
    from_start.predict(FIRST)
    restarted = WalkForward("s/X", market, cheap_members(), HORIZON, 1)

    assert restarted.predict(FIRST + 40) == from_start.predict(FIRST + 40)
    assert restarted.training == from_start.training

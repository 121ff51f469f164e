from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ares_otel.ml.events import DriftKind, DriftState, Moment, Severity
from ares_otel.ml.pnl import PnlCusum, delay, threshold, time_between

QUARTER, YEAR, FIVE = 0.25, 1.0, 5.0


@pytest.mark.parametrize(
    ("drop", "expected"),
    [
        (1, (46, 142, 419)),
        (2, (36, 92, 212)),
        (3, (28, 64, 130)),
        (4, (23, 48, 89)),
        (6, (16, 30, 50)),
        (10, (9, 15, 23)),
    ],
)
def test_delays_of_the_table(drop: float, expected: tuple[int, int, int]) -> None:
    """Mean delays in trading days at one false alarm a quarter, a year and five years are those of the formulas."""
    assert tuple(round(252 * delay(drop, years)) for years in (QUARTER, YEAR, FIVE)) == expected


@given(drop=st.floats(0.2, 30.0), years=st.floats(0.05, 100.0))
def test_threshold_inverts(drop: float, years: float) -> None:
    """The threshold for a time between false alarms has that time between them."""
    assert time_between(drop, threshold(drop, years)) == pytest.approx(years, rel=1e-6)


def test_a_dead_edge_is_seen_once_and_forgotten() -> None:
    """An edge that dies makes one episode that says since when; its return clears it."""
    draw = np.random.default_rng(1)
    alive = draw.normal(4 / math.sqrt(252), 1.0, 500)
    dead = draw.normal(-4 / math.sqrt(252), 1.0, 250)
    again = draw.normal(6 / math.sqrt(252), 1.0, 500)
    watch = PnlCusum(4.0, 0.01, years=20.0)
    events = [event for bar, x in enumerate([*alive, *dead, *again], 1) for event in watch.update(x / 100, at=bar * 10)]

    started, cleared = events
    assert (started.kind, started.state, cleared.state) == (DriftKind.CONCEPT, DriftState.STARTED, DriftState.CLEARED)
    assert started.since is not None
    assert 400 < started.since.bar < 560
    assert started.since.at == started.since.bar * 10
    assert started.at == started.bar * 10
    assert started.features[0].moment is Moment.PROFIT
    assert started.features[0].effect < 0.0 < started.effect
    assert started.severity is Severity.CRITICAL
    assert cleared.episode == started.episode == 1
    assert cleared.evidence >= started.evidence >= 1.0
    assert not watch.active


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.floats(), max_size=80), cut=st.integers(0, 80))
@example(values=[-1.7e308, 1.0], cut=1)
def test_restart_and_nonsense(values: list[float], cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing that is no number is more than counted, and a restart is not seen, to the bit."""
    path = tmp_path_factory.mktemp("pnl") / "state.json"
    watch, other = PnlCusum(3.0, 0.5), PnlCusum(3.0, 0.5)
    for number, value in enumerate(values):
        if number == cut:
            other.save(path)
            other = PnlCusum.load(path)
        assert watch.update(value) == other.update(value)
        assert watch.evidence == other.evidence
    assert watch.skipped == sum(not math.isfinite(value) for value in values)


def test_card_says_how_fast() -> None:
    """A larger drop is found sooner; overlapping positions make it later; all is in the card."""
    (card,) = PnlCusum(4.0, 1.0).card()
    (slow,) = PnlCusum(4.0, 1.0, tau=4.0).card()

    assert card.testable
    assert card.delay is not None
    assert card.mde is not None
    assert slow.mde is not None
    assert 4 / math.sqrt(252) / 2 < card.mde < slow.mde
    assert PnlCusum(4.0, 1.0).expected == pytest.approx(89, abs=1)
    assert PnlCusum(2.0, 1.0).expected == pytest.approx(PnlCusum(4.0, 1.0, tau=4.0).expected)


def test_fitted() -> None:
    """A history gives Sharpe and volatility; one without an edge is refused."""
    watch = PnlCusum.fitted([0.02, -0.01, 0.02, -0.01, math.nan])

    assert watch.drop == pytest.approx(0.005 / math.sqrt(3e-4) * math.sqrt(252))
    for history in ([], [1.0], [0.0, 0.0], [-1.0, 0.5]):
        with pytest.raises(ValueError, match="no edge"):
            PnlCusum.fitted(history)
    with pytest.raises(ValueError, match="not above"):
        PnlCusum(1.0, 1.0, dead=1.0)
    with pytest.raises(ValueError, match="above 0"):
        PnlCusum(1.0, 0.0)
    with pytest.raises(ValueError, match="at least 1"):
        PnlCusum(1.0, 1.0, tau=0.5)

"""A small part of `make bench-drift ARGS=outcomes`: broken outcomes neither crash nor change a verdict."""

from __future__ import annotations

import outcomes
import pytest
from outcomes import DAMAGES, Case, compared, damaged, highest, said, stream, verdict


@pytest.mark.parametrize("damage", DAMAGES)
def test_verdicts_on_outcomes_outlive_damage(damage: str) -> None:
    """Losses of classes and of numbers that rise are seen within a window, as if what is broken were missing."""
    found = compared(Case(damage, 1 + 2 * (len(damage) % 2)))

    assert found.same
    assert found.twin is (None if damage in {"late", "disorder"} else True)


def test_a_stream_without_change_stays_quiet_where_it_is_damaged() -> None:
    """Nothing is seen in either; the largest evidence is told for those at the edge."""
    case = Case("missing", 2)
    assert verdict(said(case, stream(case))) is None
    assert verdict(said(case, damaged(case))) is None
    assert 0.0 < highest(case, damaged(case)[:1_500]) < 1.0


def test_a_ledger_that_does_not_add_up_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error of the benchmark, whatever the monitor says."""
    monkeypatch.setattr(outcomes, "adds_up", lambda _: False)
    with pytest.raises(AssertionError, match="does not add up"):
        said(Case("NaN", 1), [])

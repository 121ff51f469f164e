from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ares_otel.ml.fdr import Lond


def by_hand(values: list[float], rate: float, *, dependent: bool) -> list[bool]:
    """LOND as it is written in the paper, with sums over everything before."""
    found: list[bool] = []
    for i, p in enumerate(values, 1):
        level = rate * 0.07720838 * math.log(max(i, 2)) / (i * math.exp(math.sqrt(math.log(i)))) * (sum(found) + 1)
        found.append(p <= level / (sum(1 / j for j in range(1, i + 1)) if dependent else 1.0))
    return found


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values=st.lists(st.one_of(st.floats(0, 1), st.floats(0, 1e-3)), max_size=60), dependent=st.booleans())
def test_against_the_paper(values: list[float], *, dependent: bool) -> None:
    """Step by step it decides as the formula does."""
    lond = Lond(0.1, dependent=dependent)

    assert [lond.test(p).found for p in values] == by_hand(values, 0.1, dependent=dependent)
    assert (lond.tests, lond.found) == (len(values), sum(by_hand(values, 0.1, dependent=dependent)))


def test_share_of_false_names() -> None:
    """Of what is named among many features that did not move and some that did, few are wrong."""
    draw = np.random.default_rng(5)
    shares = []
    for _ in range(40):
        lond, false, named = Lond(0.1), 0, 0
        for _ in range(100):
            moved = draw.random() < 0.1
            found = lond.test(draw.random() * (1e-7 if moved else 1.0)).found
            named += found
            false += found and not moved
        shares.append(false / max(1, named))
    assert np.mean(shares) <= 0.1


def test_report_and_restart(tmp_path: Path) -> None:
    """A report names what moved; the account goes on after a restart; nonsense is skipped."""
    lond = Lond()
    found = lond.report({"return": 1e-9, ("spread", "volume"): 0.4, "gap": math.nan})
    lond.save(tmp_path / "lond.json")
    again = Lond.load(tmp_path / "lond.json")

    assert [name for name, tested in found.items() if tested.found] == ["return"]
    assert (again.level, again.tests, again.found, again.skipped) == (lond.level, 2, 1, 1)
    with pytest.raises(ValueError, match="a rate"):
        Lond(1.0)


def test_a_file_of_before_is_read(tmp_path: Path) -> None:
    """Files of facts have the form that they have always had."""
    (tmp_path / "lond").write_text(
        '{"of":"lond","version":1,"sha256":"b31a8cee2eb4ce5ec3f4499dbfe7742d14f27545405b2c1c4d55924b70b7fa70",'
        '"state":{"rate":0.05,"dependent":true,"tests":1,"found":1,"harmonic":1.0,"skipped":0}}'
    )
    read = Lond.load(tmp_path / "lond")
    read.save(tmp_path / "again")

    assert (read.tests, read.found) == (1, 1)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "lond").read_bytes()

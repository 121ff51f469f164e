from __future__ import annotations

import batch
import numpy as np
import pytest
from fuzz import DAMAGES, Case, kept

from ares_otel.ml import DriftMonitor
from ares_otel.ml.scores import Floats


def values() -> Floats:
    """Return columns with memory, ties and dependence."""
    found = np.random.default_rng(1).normal(size=(1500, 6))
    found[:, 1] = np.abs(found[:, 0])
    found[:, 2] = np.round(found[:, 2])
    found[:, 3] = 0.7 * found[:, 4] + found[:, 3]
    found[1:, 5] += 0.8 * found[:-1, 5]
    return found


def test_batch_is_the_monitor() -> None:
    """What the benchmark judges is what `update` does: the same evidence at each bar, the same alarm."""
    stream = values()
    stream[1200:, 3] += 0.8
    reference, (plan,) = batch.learned(stream[:900], [0.05], 4000)
    squares = batch.squares(reference, plan, stream[900:])
    monitor, first = DriftMonitor(stream[:900]), None
    for bar, row in enumerate(stream[900:]):
        events = monitor.update(row)
        if events and first is None:
            first = bar
        if bar % 100 == 0:
            best = {(moved.feature, moved.moment): moved.evidence for moved in monitor.standing()}
            evidence = np.sqrt(squares[bar] / plan.threshold)
            assert max(best.values()) == pytest.approx(evidence.max(), rel=1e-4)

    assert first == int((squares > plan.threshold).any(1).argmax())


@pytest.mark.parametrize("damage", DAMAGES)
def test_verdicts_outlive_damage(damage: str) -> None:
    """Each kind of broken data leaves the verdict as it was, on a stream that changed and on one that did not."""
    assert kept(Case(damage, 1))
    assert kept(Case(damage, 2))

from __future__ import annotations

import batch
import numpy as np
import pytest
from batch import Kind
from fuzz import DAMAGES, Case, compared

from ares_otel.ml import DriftMonitor, Reference
from ares_otel.ml.scores import Floats


def values() -> Floats:
    """Return columns with memory, ties, dependence and bursts that another column tells of."""
    found = np.random.default_rng(1).normal(size=(1500, 6))
    found[:, 1] = np.abs(found[:, 0])
    found[:, 2] = np.round(found[:, 2])
    found[:, 3] = 0.7 * found[:, 4] + found[:, 3]
    found[1:, 5] += 0.8 * found[:-1, 5]
    bursts = np.exp(np.convolve(found[:, 4], np.ones(9) / 3, "same"))[:, None]
    return np.concatenate((found, bursts * found[:, 3:4], bursts * (1 + np.abs(found[:, :1]))), 1)


def test_batch_is_the_monitor() -> None:
    """What the benchmark judges is what `update` does: the same evidence at each bar, the same alarm."""
    stream = values()
    stream[1200:, 3] += 0.8
    reference, (plan,) = batch.learned(stream[:900], [0.05], 4000)
    assert reference.weights is not None
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


def test_a_reference_is_learned_as_by_the_product() -> None:
    """Without going bar by bar the same averages, squares and largest statistics come out."""
    quick, product = batch.learned(values()[:900], [0.05], 4000)[0].run, Reference.of(values()[:900]).run
    for name in product._fields:
        assert getattr(quick, name) == pytest.approx(getattr(product, name), rel=1e-9, abs=1e-12)


def test_episodes_begin_once() -> None:
    """An episode goes on while evidence is above half its threshold, whose square is a quarter."""
    assert batch.began([0.9, 1.1, 0.9, 1.2, 0.26, 0.24, 0.9, 1.1, 0.2, 0.3]) == [1, 7]


def test_streams_are_checked_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream whose alarms are other ones than those of the product is told."""
    monkeypatch.setattr("working.PROCESSES", 1)
    kinds = [Kind("garch", "vol x2", 600, 1)]
    assert batch.checked("s", kinds, quick=True).met is True
    monkeypatch.setattr(batch, "began", lambda _: [3])
    assert batch.checked("s", kinds, quick=True).met is False


@pytest.mark.parametrize("damage", DAMAGES)
def test_verdicts_outlive_damage(damage: str) -> None:
    """Broken data leave the verdict as it was, with a change or without, and say what they say where it is missing."""
    assert compared(Case(damage, 1)) == (True, True, True, None)
    assert compared(Case(damage, 2)) == (True, True, False, None)

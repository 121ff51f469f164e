from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ares_otel.ml import DriftMonitor, Reference
from ares_otel.ml.archive import ArchiveError
from ares_otel.ml.scores import Floats
from ares_otel.ml.weights import lagged

BARS = 1500


def market(seed: int, bars: int = BARS + 600) -> Floats:
    """Return returns in bursts of volatility, their ranges, and a column of nothing but noise."""
    generator = np.random.default_rng(seed)
    calm = np.convolve(generator.normal(size=bars + 11), np.ones(12) / 12**0.5, "valid")
    sigma = np.exp(0.8 * calm)
    returns = sigma * generator.normal(size=bars)
    extent = sigma * (1 + generator.random(bars))
    return np.stack([returns, extent, generator.normal(size=bars)], 1)


def highest(reference: Reference, live: Floats, feature: str) -> float:
    """Return the largest evidence of a feature's location among the last bars."""
    monitor = DriftMonitor(reference)
    for row in live:
        monitor.update(row)
    return max(each.evidence for each in monitor.standing() if each.feature == feature and each.moment == "location")


def test_calm_bars_count_for_more() -> None:
    """The range tells what returns count; noise has no weights, nor has what is not told by the bars before."""
    values = market(1)[:BARS]
    weights = Reference.of(values).weights

    assert weights is not None
    assert (weights.column.tolist(), weights.source.tolist()) == ([0], [1])
    assert weights.part.min() >= 0
    assert 0 < weights.unit[0] < 1
    shuffled = values[np.random.default_rng(1).permutation(BARS)]
    assert Reference.of(shuffled).weights is None
    assert Reference.of(values[:, [0, 2]]).weights is None


def test_shift_is_seen_better() -> None:
    """A drift of returns has more evidence with weights, and what is said of its size stays true."""
    with_weights, without, effects = [], [], []
    for seed in range(4):
        values = market(seed)
        reference, live = Reference.of(values[:BARS]), values[BARS:].copy()
        shift = 0.25 * values[:BARS, 0].std()
        live[:, 0] += shift
        plain = Reference.of(np.delete(values[:BARS], 1, 1))
        assert plain.weights is None
        with_weights.append(highest(reference, live, "f0"))
        without.append(highest(plain, np.delete(live, 1, 1), "f0"))
        monitor = DriftMonitor(reference)
        for row in live:
            monitor.update(row)
        effects.append(next(each.effect for each in monitor.standing() if each.feature == "f0"))

    assert np.mean(with_weights) > 1.05 * np.mean(without)
    assert np.mean(effects) == pytest.approx(0.25, abs=0.08)


def test_values_that_are_missing() -> None:
    """A value that is missing has no score, and tells that a bar counts what others do in the middle."""
    values = market(2)[:BARS]
    values[::9, 1] = np.nan
    values[::7, 0] = np.nan
    reference = Reference.of(values)
    monitor = DriftMonitor(reference)
    for row in values[:300]:
        monitor.update(row)

    assert reference.weights is not None
    assert reference.related[0, 0] == pytest.approx(1 / reference.scored.present[0], rel=0.01)
    assert all(np.isfinite(each.evidence) for each in monitor.standing())
    assert (lagged(np.full((3, 2), 255)) == 0.5).all()


def test_weights_outlive_files(tmp_path: Path) -> None:
    """Weights are in the files of references and monitors, to the last bit."""
    values = market(3)
    reference = Reference.of(values[:BARS])
    reference.save(tmp_path / "reference.npz")
    found = Reference.load(tmp_path / "reference.npz")
    assert reference.weights is not None
    assert found.weights is not None
    assert all(np.array_equal(*each) for each in zip(reference.weights, found.weights, strict=True))
    first = DriftMonitor(reference)
    for row in values[BARS : BARS + 100]:
        first.update(row)
    first.save(tmp_path / "monitor.npz")
    second = DriftMonitor.load(tmp_path / "monitor.npz")
    for row in values[BARS + 100 : BARS + 200]:
        first.update(row)
        second.update(row)

    assert first.standing() == second.standing()


@pytest.mark.parametrize("kind", [Reference, DriftMonitor])
def test_files_without_weights_are_read(kind: type[Reference | DriftMonitor], tmp_path: Path) -> None:
    """Files of the version before, which had no weights, are read; older ones and newer ones are refused."""
    values, path = market(4)[:BARS, [0, 2]], tmp_path / "old.npz"
    (Reference.of(values) if kind is Reference else DriftMonitor(values)).save(path)
    with np.load(path) as file:
        arrays = dict(file)
    header = arrays["header"].tobytes()

    def written(version: bytes) -> Path:
        arrays["header"] = np.frombuffer(header.replace(b'"version":2', b'"version":' + version), np.uint8)
        np.savez(path, **arrays)
        return path

    assert kind.load(written(b"1")).made.bars == BARS
    for version in (b"0", b"3"):
        with pytest.raises(ArchiveError, match=f"{version.decode()}, not ares_otel drift .* 2"):
            kind.load(written(version))

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ares_otel.ml import DriftEvent, DriftMonitor, Moment, Reference
from ares_otel.ml.archive import digest
from ares_otel.ml.scores import Floats
from ares_otel.semconv.enums import DriftAgainst

LENGTH = 400
"""Bars that a regime lasts."""


def market(bars: int, seed: int) -> tuple[Floats, list[str]]:
    """Return two columns whose spread is three times as large in every second regime, and the regimes."""
    labels = ["storm" if bar // LENGTH % 2 else "calm" for bar in range(bars)]
    sigma = np.array([3.0 if label == "storm" else 1.0 for label in labels])
    return sigma[:, None] * np.random.default_rng(seed).standard_t(5, size=(bars, 2)), labels


VALUES, LABELS = market(1600, 1)


def said(monitor: DriftMonitor, rows: Floats, regimes: list[str]) -> list[DriftEvent]:
    """Return what a monitor says of rows."""
    return [event for row, regime in zip(rows, regimes, strict=True) for event in monitor.update(row, regime=regime)]


def test_regime_that_stays_is_no_drift() -> None:
    """A spread that two regimes explain is tested where they are named, and untestable where they are not."""
    named, unnamed = DriftMonitor(Reference.of(VALUES, regimes=LABELS)), DriftMonitor(VALUES)
    rows, regimes = market(3000, 2)
    storm = np.flatnonzero(np.array(regimes) == "storm")

    assert [line.testable for line in unnamed.card() if line.moment is Moment.SCALE] == [False, False]
    assert [line.testable for line in named.card() if line.moment is Moment.SCALE] == [True, True]
    assert said(named, rows[storm], ["storm"] * len(storm)) == []
    assert {line.note for line in named.card()} == {""}


def test_drift_within_a_regime() -> None:
    """A storm in calm weather is drift, with the size that it has beside calm weather."""
    monitor = DriftMonitor(Reference.of(VALUES, regimes=LABELS))
    rows = market(3000, 3)[0]
    rows[np.array(market(3000, 3)[1]) == "storm"] /= 3
    rows[500:, 1] *= 2.5

    events = said(monitor, rows, ["calm"] * 3000)

    moved = events[0].features[0]
    assert (moved.feature, moved.moment) == ("f1", Moment.SCALE)
    assert events[0].since is not None
    assert abs(events[0].since.bar - 501) < 60
    assert moved.effect > 0.3


def test_what_a_regime_is_like(tmp_path: Path) -> None:
    """A reference keeps counts, means and spreads by regime, in its file, too, and so does a monitor."""
    reference = Reference.of(VALUES, regimes=LABELS)
    reference.save(tmp_path / "reference.npz")
    found = Reference.load(tmp_path / "reference.npz")
    slots = found.slots

    assert slots is not None
    assert (slots.places.labels, slots.places.bars, slots.places.visits) == (("calm", "storm"), (800, 800), (2, 2))
    assert slots.deviation[1, 0] == pytest.approx(VALUES[np.array(LABELS) == "storm", 0].std())
    whole, part = DriftMonitor(reference), DriftMonitor(found)
    rows, regimes = market(900, 4)
    rows[300:] += 2
    rows[::9, 1] = np.nan
    for bar, (row, regime) in enumerate(zip(rows, regimes, strict=True)):
        if bar % 200 == 0:
            part.save(tmp_path / "monitor.npz")
            part = DriftMonitor.load(tmp_path / "monitor.npz")
        assert part.update(row, regime=regime) == whole.update(row, regime=regime)
    assert whole.is_drifting
    assert (part.card(), part.quality(), part.standing()) == (whole.card(), whole.quality(), whole.standing())


def calm_of_storms(reference: Reference) -> DriftMonitor:
    """Return a monitor that has seen 20 calm bars, 60 bars of a storm, and 20 of which nobody knew the regime."""
    monitor = DriftMonitor(reference)
    said(monitor, market(500, 5)[0][350:450], ["calm"] * 20 + ["storm"] * 60 + ["unknown"] * 20)
    return monitor


def counted(values: Floats, edges: tuple[float, ...]) -> Floats:
    """Return the shares of values in bins."""
    return np.bincount(np.searchsorted(edges, values), minlength=len(edges)) / len(values)


@pytest.mark.parametrize("bars", [60 + 20, 100])
def test_pictures_are_of_the_same_regimes(tmp_path: Path, bars: int) -> None:
    """What is shown of the reference are the regimes of the window, as often as there; what has none is left out."""
    reference = Reference.of(VALUES, regimes=LABELS)
    reference.save(tmp_path / "reference.npz")
    monitor = calm_of_storms(Reference.load(tmp_path / "reference.npz"))
    monitor.save(tmp_path / "monitor.npz")
    (window,) = DriftMonitor.load(tmp_path / "monitor.npz").windows({"f0"}, bars)
    calm, storm = (VALUES[np.array(LABELS) == label, 0] for label in ("calm", "storm"))
    live = market(500, 5)[0][350:450, 0][100 - bars : 80]

    assert (window.against, window.n, window.bars) == (DriftAgainst.REGIMES, bars - 20, bars)
    share = 60 / window.n
    expected = share * counted(storm, window.edges) + (1 - share) * counted(calm, window.edges)
    assert window.expected == pytest.approx(expected)
    assert window.observed == pytest.approx(counted(live, window.edges))
    assert monitor.windows({"f0"}, 20) == ()


@pytest.mark.parametrize("kind", [Reference, DriftMonitor])
def test_files_without_counts_by_regime(kind: type[Reference | DriftMonitor], tmp_path: Path) -> None:
    """Files of before kept none: pictures are then held against the whole reference, and say so."""
    path, reference = tmp_path / "old.npz", Reference.of(VALUES, regimes=LABELS)
    (reference if kind is Reference else DriftMonitor(reference)).save(path)
    with np.load(path) as file:
        arrays = {name: array for name, array in file.items() if not name.endswith("counts")}
        assert len(arrays) == len(file.files) - 1
    head = arrays.pop("header").tobytes()
    facts, known = head[head.index(b'"facts":') + 8 : -1], json.loads(head)["sha256"]
    head = head.replace(known.encode(), digest(facts, arrays).encode())
    np.savez(path, header=np.frombuffer(head, np.uint8), **arrays)
    loaded = kind.load(path)
    monitor = DriftMonitor(loaded) if isinstance(loaded, Reference) else loaded
    said(monitor, VALUES[:80], ["calm"] * 80)
    monitor.save(path)
    (window,) = DriftMonitor.load(path).windows({"f0"}, 80)

    assert (window.against, window.n) == (DriftAgainst.REFERENCE, 80)
    assert window.expected[:4] == pytest.approx((0, 0.01, 0.03, 0.06))


def test_regimes_with_few_bars() -> None:
    """Regimes with too few bars share a slot or are no evidence, and the card says so; unknown ones are counted."""
    labels = ["calm"] * 1000 + ["storm"] * 200 + ["panic"] * 200 + ["calm"] * 200
    shared = DriftMonitor(Reference.of(VALUES, regimes=labels))
    alone = DriftMonitor(Reference.of(VALUES[:1200], regimes=labels[:1200]))

    assert shared.card()[0].note == "regimes without 250 bars share a slot: storm, panic"
    assert alone.card()[0].note == "regimes without 250 bars are no evidence: storm"
    before = alone.standing()
    assert said(alone, np.full((300, 2), 50.0), ["storm"] * 299 + ["unknown"]) == []
    assert alone.update(VALUES[0]) == []
    assert [moved.evidence for moved in alone.standing()] == [moved.evidence for moved in before]
    assert {issue.problem: issue.count for issue in alone.quality() if not issue.feature} == {"regime": 301}


@pytest.mark.parametrize(
    ("regimes", "said"), [(LABELS[1:], "1599 regimes for 1600 bars"), ([None, *LABELS[1:]], "needs a regime")]
)
def test_wrong_regimes(regimes: list[str], said: str) -> None:
    """Each bar of the reference has a regime."""
    with pytest.raises(ValueError, match=said):
        Reference.of(VALUES, regimes=regimes)

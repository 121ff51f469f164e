"""Broken outcomes: 1,000 cases, each of which must neither crash, nor mute, nor change a verdict of the losses.

Predictions of classes or numbers are told with their outcomes, some places later, as they are and damaged: outcomes
that are no number or never come, come late, twice or for nobody, in disorder, as other types; a process that ends in
between. The verdict on the damaged ones (that losses changed, or that they did not) comes within a window of the other.
And all that is said of them must be that of their twin, where there is one: what is no outcome does not come, and what
is no prediction is not told. Outcomes that come late or in disorder have none, for that is how losses came.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from broken import Compared, outlived
from rows import Row

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import Matured, Observed, Told, WatchedModel
from ares_otel.ml import DriftEvent, DriftKind
from ares_otel.ml.making import Outcome, Plan
from ares_otel.ml.outcomes import Outcomes
from ares_otel.ml.watching import Watch

__all__ = ["DAMAGES", "Case", "compared", "rows", "twin"]

BARS: Final = 1800
CHANGE: Final = 1000
WAITS: Final = 8
WINDOW: Final = 400
SHARE: Final = 0.05
SECTION: Final = "Same verdict on outcomes within a window"

Items = list[Told]
Damage = Callable[[Items, np.random.Generator], Items]


class Case(NamedTuple):
    """A stream and its damage; numbers have absolute errors for losses, classes are right or wrong."""

    damage: str
    seed: int

    @property
    def changes(self) -> bool:
        """Whether losses rise."""
        return self.seed % 2 == 1

    @property
    def numbers(self) -> bool:
        """Whether numbers are predicted."""
        return self.seed // 2 % 2 == 1


def stream(case: Case) -> Items:
    """Return predictions, each with its outcome some places later."""
    draw, found = np.random.default_rng(case.seed), list[Told]()
    outcomes = []
    for place in range(BARS):
        worse = case.changes and place >= CHANGE
        if case.numbers:
            prediction, actual = -2.0 * worse, float(draw.standard_t(5))
        else:
            prediction = float(draw.random() < 0.5)  # labels stay as they are where losses rise
            actual = prediction if draw.random() < (0.45 if worse else 0.75) else 1.0 - prediction
        outcomes.append(actual)
        found.append(Observed(None, prediction, place, place + 1, 0, None))
        if place >= WAITS:
            found.append(Matured(place - WAITS, outcomes[place - WAITS], place + 1, 0))
    return found


def instead(filling: Any) -> Damage:
    """Return what puts something else in place of one outcome in twenty."""

    def damaged(items: Items, draw: np.random.Generator) -> Items:
        hit = draw.random(len(items)) < SHARE
        pairs = zip(items, hit, strict=True)
        return [item._replace(actual=filling) if isinstance(item, Matured) and gone else item for item, gone in pairs]

    return damaged


def missing(items: Items, draw: np.random.Generator) -> Items:
    """Leave outcomes out."""
    return [item for item in items if not isinstance(item, Matured) or draw.random() >= SHARE]


def late(items: Items, draw: np.random.Generator) -> Items:
    """Say some outcomes up to forty places later."""
    delays = [40 * draw.random() if isinstance(item, Matured) and draw.random() < SHARE else 0.0 for item in items]
    order = sorted(range(len(items)), key=lambda place: place + delays[place])
    return [items[place] for place in order]


def twice(items: Items, draw: np.random.Generator) -> Items:
    """Say predictions and outcomes again."""
    return [again for item in items for again in [item] * (1 + int(draw.random() < SHARE))]


def strangers(items: Items, draw: np.random.Generator) -> Items:
    """Say outcomes that nobody predicted, and keys of every kind."""
    found = list[Told]()
    for place, item in enumerate(items):
        found.append(item)
        if draw.random() < SHARE:
            found.append(Matured((None, "nobody", -place, ("a", 1))[place % 4], 1.0, item.at, 0))
    return found


def unusable(items: Items, draw: np.random.Generator) -> Items:
    """Say predictions that are none: their outcomes go with nothing."""
    values = (np.nan, np.inf, None, object())
    return [
        item._replace(prediction=values[place % 4]) if isinstance(item, Observed) and draw.random() < SHARE else item
        for place, item in enumerate(items)
    ]


def disorder(items: Items, draw: np.random.Generator) -> Items:
    """Say times that are off by up to five."""
    return [item._replace(at=int(item.at) + int(draw.integers(-5, 6))) for item in items]  # type: ignore[arg-type]


def objects(items: Items, _: np.random.Generator) -> Items:
    """Say the same values as scalars and arrays of numpy."""
    types: tuple[Callable[[Any], Any], ...] = (np.float32, np.float64, np.array)
    return [
        item._replace(actual=types[place % 3](item.actual)) if isinstance(item, Matured) else item
        for place, item in enumerate(items)
    ]


DAMAGES: Final[dict[str, Damage]] = {
    "NaN": instead(np.nan),
    "None": instead(None),
    "infinity": instead(np.inf),
    "text": instead("n/a"),
    "object": instead(object()),
    "missing": missing,
    "late": late,
    "twice": twice,
    "strangers": strangers,
    "no prediction": unusable,
    "disorder": disorder,
    "numpy": objects,
    "restart": lambda items, _: items,
}


def watched(case: Case) -> Watch:
    """Return a watch of outcomes."""
    outcome = Outcome(None, "absolute" if case.numbers else "error")
    settings = Drift(check_bars=1_000_000, check_interval=86_400.0)
    return Plan(WatchedModel("m"), settings, "bench", None, outcome=outcome).make(quiet=True)


def adds_up(watch: Watch) -> bool:
    """Return whether the ledger's sums agree."""
    monitor = watch.parts[DriftKind.CONCEPT].monitor
    counts = monitor.concept.ledger.counts if isinstance(monitor, Outcomes) else None
    return counts is not None and counts.recorded == counts.matured + counts.pending + counts.missing + counts.dropped


def said(case: Case, items: Items) -> list[DriftEvent]:
    """Return all events; losses of a broken ledger are an error."""
    watch, found = watched(case), list[DriftEvent]()
    watch.on_event = found.append
    half = len(items) // 2 if case.damage == "restart" else len(items)
    watch.feed(items[:half])
    if case.damage == "restart":
        with tempfile.TemporaryDirectory() as folder:
            watch.save(Path(folder) / "m.state")
            watch = watched(case)
            watch.on_event = found.append
            watch.load(Path(folder) / "m.state")
        watch.feed(items[half:])
    if not adds_up(watch):
        raise AssertionError(f"{case}: the ledger does not add up")
    return found


def verdict(events: list[DriftEvent]) -> int | None:
    """Return the outcome at which concept drift was told, None without any."""
    return next((event.bar for event in events if event.kind is DriftKind.CONCEPT), None)


def told(events: list[DriftEvent]) -> list[object]:
    """Return events without numbers of outcomes, from which changes are dated: an outcome without a loss has one."""
    return [msgspec.structs.replace(event, bar=0, since=None) for event in events]


def twin(case: Case, items: Items) -> Items | None:
    """Return damaged items as they are where what is broken is missing; None where nothing is that could be.

    Args:
        case: what was done to them.
        items: damaged ones.
    """
    if case.damage in {"late", "disorder"}:
        return None
    found, predicted, matured = list[Told](), set[object](), set[object]()
    for item in items:
        if isinstance(item, Observed):
            if item.key not in predicted and _is_number(item.prediction):
                found.append(item)
                predicted.add(item.key)
        elif not isinstance(item, Matured):
            found.append(item)
        elif item.key in predicted and item.key not in matured and _is_number(item.actual):
            found.append(item._replace(actual=float(item.actual)))  # type: ignore[arg-type]  # it is one
            matured.add(item.key)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, float | np.floating | np.ndarray) and bool(np.isfinite(value))


def damaged(case: Case) -> Items:
    """Return the damaged stream of a case."""
    return DAMAGES[case.damage](stream(case), np.random.default_rng(case.seed + 1))


def within(whole: int | None, hurt: int | None) -> bool:
    """Return whether two verdicts are the same within a window."""
    return whole is hurt if whole is None or hurt is None else abs(whole - hurt) <= WINDOW


def compared(case: Case) -> Compared:
    """Compare what is said of damaged outcomes with what is said of the whole ones, and of their twin."""
    plain, hurt = Case("", case.seed), damaged(case)
    events, alike = said(case, hurt), twin(case, hurt)
    same = within(verdict(said(plain, stream(case))), verdict(events))
    evidence = None if same else (highest(plain, stream(case)), highest(case, hurt))
    exact = None if alike is None else told(events) == told(said(plain, alike))
    return Compared(same, exact, case.changes, evidence)


def highest(case: Case, items: Items) -> float:
    """Return the largest evidence on a stream before any alarm."""
    watch, found, alarmed = watched(case), 0.0, list[DriftEvent]()
    watch.on_event = alarmed.append
    for item in items:
        watch.feed([item])
        standing = [event.evidence for event in alarmed]
        standing += [moved.evidence for moved in watch.parts[DriftKind.CONCEPT].monitor.standing()]
        found = max([found, *standing])
        if alarmed:
            break
    return found


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  (the runner's contract)
    """Yield the share of verdicts that outlive damage, for each kind and over all."""
    yield from outlived(SECTION, DAMAGES, Case, compared, quick=quick)

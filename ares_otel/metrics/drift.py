"""Drift of models: what checks found, episodes, what can be detected at all; features by evidence, the first K."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ares_otel.metrics.caps import clean
from ares_otel.metrics.cells import Level
from ares_otel.metrics.families import Family
from ares_otel.metrics.registry import Instruments
from ares_otel.records.drift import DriftCard, DriftCheck, DriftEpisode
from ares_otel.records.facts import RecordFacts
from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DriftKind, DriftSeverity, DriftState, Truth
from ares_otel.semconv.model import Gauge
from ares_otel.semconv.thresholds import FEATURES_SHOWN

__all__ = ["Drifts", "feature_of"]

OWN: Final = "ares"
LOCATION: Final = ":location"


class Drifts:
    """Group "drift" of the reference, as far as records feed it.

    A detector that is not ours adds its checks, p-value and statistic; episodes, severity and evidence are those of
    our own monitor, so that a second opinion never hides the first.
    """

    def __init__(self, instruments: Instruments, shown: int = int(FEATURES_SHOWN.value)) -> None:
        self._checks = instruments.counter(m.DRIFT_CHECKS)
        self._episodes = instruments.counter(m.DRIFT_EPISODES)
        self._active = instruments.gauge(m.DRIFT_ACTIVE)
        self._severity = instruments.gauge(m.DRIFT_SEVERITY)
        self._p_value = instruments.gauge(m.DRIFT_P_VALUE)
        self._statistic = instruments.gauge(m.DRIFT_STATISTIC)
        self._evidence = instruments.gauge(m.DRIFT_EVIDENCE)
        self._effect = instruments.gauge(m.DRIFT_EFFECT)
        self._spent = instruments.gauge(m.DRIFT_SPENT)
        self._spent_by: dict[str, dict[str, float]] = {}
        self._opened: dict[tuple[str, str], dict[int | None, str | None]] = {}
        self._quantities = instruments.gauge(m.DRIFT_QUANTITIES)
        self._checked = instruments.gauge(m.DRIFT_CHECKED)
        self._duration = instruments.histogram(m.DRIFT_DURATION)
        self._features = _Features(instruments, shown)

    def check(self, check: DriftCheck, facts: RecordFacts) -> None:
        """Count a check and show what it found in place of what the one before it did."""
        at, trace = facts.at / 1e9, facts.origin.exemplar
        cell = self._checks.cell((check.model, check.kind, check.detector, check.result))
        cell.inc()
        cell.mark(trace, 1.0, at)
        self._checked.cell((check.model,)).set(at)
        self._duration.cell((check.model,)).observe(check.duration, trace, at)
        pair = (check.model, check.kind)
        _show(self._p_value.cell(pair), check.p_value)
        _show(self._statistic.cell(pair), check.statistic)
        if check.detector == OWN and check.kind != DriftKind.FEATURE:  # names of an episode are no episode
            self._own(check, pair)

    def episode(self, episode: DriftEpisode, facts: RecordFacts) -> None:
        """Count an episode that began; show how bad it is, or that it is over."""
        begins = episode.state == DriftState.STARTED
        if begins:
            cell = self._episodes.cell((episode.model, episode.kind, episode.severity))
            cell.inc()
            cell.mark(facts.origin.exemplar, 1.0, facts.at / 1e9)
        opened = self._opened.setdefault((episode.model, episode.kind), {})
        opened.pop(episode.episode, None)
        if begins:
            opened[episode.episode] = episode.severity
        self._open((episode.model, episode.kind))

    def card(self, card: DriftCard, _: RecordFacts) -> None:
        """Show how much a model's reference can tell of each feature."""
        if card.kind != DriftKind.DATA:
            return
        if card.samples:
            self._features.known(card.model, m.FEATURE_SAMPLES, card.samples)
        if card.detectable:
            self._features.known(card.model, m.FEATURE_DETECTABLE, card.detectable)

    def _own(self, check: DriftCheck, pair: tuple[str, str]) -> None:
        _show(self._evidence.cell(pair), check.evidence)
        _show(self._effect.cell(pair), check.effect)
        if check.spent is not None:
            by_kind = self._spent_by.setdefault(check.model, {})
            by_kind[check.kind] = float(check.spent)
            self._spent.cell((check.model,)).set(_any_of(by_kind.values()))
        for truth, number in ((Truth.TRUE, check.tested), (Truth.FALSE, check.untestable)):
            _show(self._quantities.cell((*pair, truth)), number)
        opened = self._opened.setdefault(pair, {})
        if check.episode is None:
            opened.clear()
        else:
            opened[check.episode] = check.severity
        self._open(pair)
        if check.evidences and check.kind == DriftKind.DATA:
            self._features.moved(check.model, check.evidences, check.effects or {})

    def _open(self, pair: tuple[str, str]) -> None:
        """Show the worst of the episodes that are open: losses and profits may have one each of the same kind."""
        levels = [DriftSeverity(each).level if each else 0 for each in self._opened[pair].values()]
        self._active.cell(pair).set(float(bool(levels)))
        self._severity.cell(pair).set(float(max(levels, default=0)))


class _Features:
    """Series by feature: for each model the K with the most evidence, others have none.

    A gauge of all that is left out would show whichever of them came last, so there is no `other`.
    """

    def __init__(self, instruments: Instruments, shown: int) -> None:
        exempt = frozenset({a.FEATURE_NAME.key})
        gauges = (m.FEATURE_DRIFT, m.FEATURE_EFFECT, m.FEATURE_SAMPLES, m.FEATURE_DETECTABLE)
        self._families = {metric.name: instruments.gauge(metric, exempt=exempt) for metric in gauges}
        self._shown = shown
        self._names: dict[str, dict[str, None]] = {}
        self._known: dict[tuple[str, str], dict[str, float]] = {}

    def moved(self, model: str, evidences: Mapping[str, float], effects: Mapping[str, float]) -> None:
        """Show evidence and effect of the features that have most of it."""
        most: dict[str, tuple[float, float | None]] = {}
        for quantity, evidence in evidences.items():
            name = feature_of(quantity)
            if name not in most or evidence > most[name][0]:
                most[name] = evidence, effects.get(quantity)
        ranked = sorted(most, key=lambda name: (-most[name][0], name))[: self._shown]
        self._choose(model, ranked)
        for name in ranked:
            evidence, effect = most[name]
            self._cell(m.FEATURE_DRIFT.name, model, name).set(evidence)
            _show(self._cell(m.FEATURE_EFFECT.name, model, name), effect)

    def known(self, model: str, metric: Gauge, values: Mapping[str, float]) -> None:
        """Keep what is known of each feature, that of its location before other moments; shown as far as it fits."""
        by_name: dict[str, float] = {}
        for quantity, value in values.items():
            if feature_of(quantity) not in by_name or quantity.endswith(LOCATION):
                by_name[feature_of(quantity)] = value
        self._known[model, metric.name] = by_name
        self._choose(model, list(self._names.get(model) or by_name)[: self._shown])

    def _choose(self, model: str, names: list[str]) -> None:
        for gone in self._names.get(model, {}).keys() - set(names):
            for family in self._families.values():
                family.remove((model, clean(gone)))
        self._names[model] = dict.fromkeys(names)
        for (owner, metric), values in self._known.items():
            for name in names if owner == model else ():
                if name in values:
                    self._cell(metric, model, name).set(values[name])

    def _cell(self, metric: str, model: str, name: str) -> Level:
        family: Family[Level] = self._families[metric]
        return family.cell((model, clean(name)))


def feature_of(quantity: str) -> str:
    """Return the feature of a quantity: what stands before the last colon, or all of it where there is none."""
    return quantity.rpartition(":")[0] or quantity


def _any_of(chances: Iterable[float]) -> float:
    """Return the chance of any of several independent events: each kind spends its own part of a model's budget."""
    total = 0.0
    for chance in chances:
        total += chance * (1.0 - total)
    return total


def _show(cell: Level, value: object) -> None:
    if isinstance(value, (int, float)):
        cell.set(float(value))
    else:
        cell.clear()

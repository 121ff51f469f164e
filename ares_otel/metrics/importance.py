"""Importance of features: the most important ones, and how stable their order is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from ares_otel.metrics.caps import OTHER, clean
from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import FeatureImportance
from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.thresholds import FEATURES_SHOWN

__all__ = ["Importances", "rank_correlation"]

COMMON: Final = 3


class Importances:
    """Feature importance by model: the first K by size, the sum of the rest as `other`.

    A feature that leaves the first K loses its series. Stability is Spearman's rank correlation of the last two
    importances over the features in both, absent for fewer than three or where one of them is constant.
    """

    def __init__(self, instruments: Instruments, shown: int = int(FEATURES_SHOWN.value)) -> None:
        self._shown = shown
        self._importance = instruments.gauge(m.FEATURE_IMPORTANCE, exempt=frozenset({a.FEATURE_NAME.key}))
        self._stability = instruments.gauge(m.IMPORTANCE_STABILITY)
        self._last: dict[str, dict[str, float]] = {}
        self._names: dict[str, set[str]] = {}

    def importance(self, record: FeatureImportance, _: RecordFacts) -> None:
        """Show the importances of a model in place of those before."""
        labels = self._stability.labels((record.model,))
        if record.values is None or labels is None:
            return
        values, model = dict(record.values), labels[0]
        self._show(model, self._top(values))
        before = self._last.get(model)
        if before is not None:
            common = sorted(before.keys() & values.keys())
            stability = rank_correlation([before[name] for name in common], [values[name] for name in common])
            self._stability.cell((model,)).set(math.nan if stability is None else stability)
        self._last[model] = values

    def _top(self, values: Mapping[str, float]) -> dict[str, float]:
        ranked = sorted(values, key=lambda name: (-abs(values[name]), name))
        top = {clean(name): values[name] for name in ranked[: self._shown]}
        if len(ranked) > self._shown:
            top[OTHER] = math.fsum(values[name] for name in ranked[self._shown :])
        return top

    def _show(self, model: str, top: Mapping[str, float]) -> None:
        for gone in self._names.get(model, set()) - top.keys():
            self._importance.remove((model, gone))
        for name, value in top.items():
            self._importance.cell((model, name)).set(value)
        self._names[model] = set(top)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation (-1..1) with mean ranks for ties; None for fewer than three or no order."""
    if len(first) < COMMON:
        return None
    ranks = _centered(first), _centered(second)
    norms = [math.sqrt(math.fsum(rank * rank for rank in each)) for each in ranks]
    if not all(norms):
        return None
    product = math.fsum(x * y for x, y in zip(*ranks, strict=True))
    return max(-1.0, min(1.0, product / (norms[0] * norms[1])))


def _centered(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + end - 1) / 2.0
        start = end
    middle = (len(values) - 1) / 2.0
    return [rank - middle for rank in ranks]

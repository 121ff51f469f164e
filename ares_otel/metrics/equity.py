"""Equity, its drawdown since this process began, and how often it is used (leverage)."""

from __future__ import annotations

from dataclasses import dataclass

from ares_otel.metrics.registry import Instruments
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import Equity
from ares_otel.semconv import metrics as m

__all__ = ["Balances"]


@dataclass(slots=True)
class _Curve:
    """Equity in one currency: last value, running peak, deepest drawdown."""

    value: float
    peak: float
    deepest: float = 0.0

    def add(self, value: float) -> None:
        self.value = value
        self.peak = max(self.peak, value)
        if self.peak > 0.0:
            self.deepest = max(self.deepest, self.drawdown())

    def drawdown(self) -> float:
        return 1.0 - self.value / self.peak


class Balances:
    """Equity by strategy and currency.

    Drawdown and leverage have no currency label, so a strategy with equity or positions in several currencies has
    none of them. Drawdown is 1 - E / max(E), above 1 when equity is negative.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._equity = instruments.gauge(m.EQUITY)
        self._drawdown = instruments.gauge(m.DRAWDOWN)
        self._deepest = instruments.gauge(m.MAX_DRAWDOWN)
        self._leverage = instruments.gauge(m.LEVERAGE)
        self._curves: dict[str, dict[str, _Curve]] = {}
        self._gross: dict[str, dict[str, float | None]] = {}

    def equity(self, equity: Equity, facts: RecordFacts) -> None:
        """Show equity, drawdown and leverage."""
        if equity.value is None:
            return
        labels = self._equity.labels((equity.strategy or facts.origin.strategy, equity.currency))
        if labels is None:
            return
        value, (strategy, currency) = float(equity.value), labels
        self._equity.cell(labels).set(value)
        curves = self._curves.setdefault(strategy, {})
        curves.setdefault(currency, _Curve(value, value)).add(value)
        self._draw(strategy, curves)
        self._lever(strategy)

    def exposed(self, strategy: str | None, currency: str | None, gross: float | None) -> None:
        """Say the gross exposure of a strategy in a currency; None while it is unknown."""
        labels = self._equity.labels((strategy, currency))
        if labels is not None:
            self._gross.setdefault(labels[0], {})[labels[1]] = gross
            self._lever(labels[0])

    def _draw(self, strategy: str, curves: dict[str, _Curve]) -> None:
        now, deepest = self._drawdown.cell((strategy,)), self._deepest.cell((strategy,))
        curve = next(iter(curves.values()))
        if len(curves) > 1 or curve.peak <= 0.0:
            now.clear()
            deepest.clear()
            return
        now.set(curve.drawdown())
        deepest.set(curve.deepest)

    def _lever(self, strategy: str) -> None:
        gross, curves = self._gross.get(strategy, {}), self._curves.get(strategy, {})
        cell = self._leverage.cell((strategy,))
        cell.clear()
        held = [(currency, value) for currency, value in gross.items() if value != 0.0]
        currency, exposure = held[0] if held else next(iter(gross.items()), ("", None))
        curve = curves.get(currency)
        if len(held) <= 1 and exposure is not None and curve is not None and curve.value > 0.0:
            cell.set(exposure / curve.value)

"""Equity, its drawdown since it was first said, and how often it is used (leverage)."""

from __future__ import annotations

from ares_otel.metrics.registry import Instruments
from ares_otel.portfolio.drawdown import Drawdown
from ares_otel.portfolio.statement import ratio
from ares_otel.records.facts import RecordFacts
from ares_otel.records.model import Equity
from ares_otel.semconv import metrics as m

__all__ = ["Balances"]


class Balances:
    """Equity by strategy and currency.

    Attributes:
        curves: by strategy and currency; what is remembered over a restart.

    Drawdown, leverage and margin use have no currency label, so a strategy with equity or positions in several
    currencies has none of them. Drawdown is 1 - E / max(E), above 1 when equity is negative.
    """

    def __init__(self, instruments: Instruments) -> None:
        self._equity = instruments.gauge(m.EQUITY)
        self._drawdown = instruments.gauge(m.DRAWDOWN)
        self._deepest = instruments.gauge(m.MAX_DRAWDOWN)
        self._leverage = instruments.gauge(m.LEVERAGE)
        self._margin = instruments.gauge(m.MARGIN_USE)
        self._margins: dict[str, dict[str, float | None]] = {}
        self.curves: dict[str, dict[str, Drawdown]] = {}
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
        curves = self.curves.setdefault(strategy, {})
        curves.setdefault(currency, Drawdown(value, value)).add(value)
        self._draw(strategy, curves)
        self._lever(strategy)
        self._margins.setdefault(strategy, {})[currency] = ratio(equity.margin, equity.margin_limit)
        self._use_margin(self._margins[strategy], strategy)

    def depth(self, strategy: str | None) -> float | None:
        """Return the drawdown of a strategy, None while it has none."""
        cell = self._drawdown.cell((strategy,))
        return cell.value if cell.known() else None

    def exposed(self, strategy: str | None, currency: str | None, gross: float | None) -> None:
        """Say the gross exposure of a strategy in a currency; None while it is unknown."""
        labels = self._equity.labels((strategy, currency))
        if labels is not None:
            self._gross.setdefault(labels[0], {})[labels[1]] = gross
            self._lever(labels[0])

    def _draw(self, strategy: str, curves: dict[str, Drawdown]) -> None:
        now, deepest = self._drawdown.cell((strategy,)), self._deepest.cell((strategy,))
        curve = next(iter(curves.values()))
        depth = curve.depth if len(curves) == 1 else None
        if depth is None:
            now.clear()
            deepest.clear()
            return
        now.set(depth)
        deepest.set(curve.deepest)

    def _use_margin(self, uses: dict[str, float | None], strategy: str) -> None:
        known = [use for use in uses.values() if use is not None]
        cell = self._margin.cell((strategy,))
        if len(known) == 1:
            cell.set(known[0])
        else:
            cell.clear()

    def _lever(self, strategy: str) -> None:
        gross, curves = self._gross.get(strategy, {}), self.curves.get(strategy, {})
        cell = self._leverage.cell((strategy,))
        cell.clear()
        held = [(currency, value) for currency, value in gross.items() if value != 0.0]
        currency, exposure = held[0] if held else next(iter(gross.items()), ("", None))
        curve = curves.get(currency)
        if len(held) <= 1 and exposure is not None and curve is not None and curve.value > 0.0:
            cell.set(exposure / curve.value)

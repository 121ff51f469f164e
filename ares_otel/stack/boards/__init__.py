"""The boards of Grafana: one question each, all of declared names, in classic JSON that files can provision."""

from __future__ import annotations

from typing import Final

from ares_otel.stack.boards import deciding, drift, observing, portfolio, running, trading
from ares_otel.stack.boards.model import Annotation, Board, Panel, Row, Target, render

__all__ = ["BOARDS", "Annotation", "Board", "Panel", "Row", "Target", "render"]

BOARDS: Final = (
    trading.TRADING,
    trading.EXECUTION,
    portfolio.PORTFOLIO,
    deciding.ENSEMBLE,
    deciding.REGIME,
    drift.DRIFT,
    drift.FEATURES,
    running.BOT,
    running.PIPELINE,
    observing.TELEMETRY,
    observing.TRACE,
)

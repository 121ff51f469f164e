"""Drift of models, said honestly: alarms within a budget of false ones, and what cannot be tested is called so."""

from __future__ import annotations

from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moment, Moved, Quantity, Severity, Since

__all__ = ["DriftEvent", "DriftKind", "DriftState", "Moment", "Moved", "Quantity", "Severity", "Since"]

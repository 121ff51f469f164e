"""Drift of models, said honestly: alarms within a budget of false ones, and what cannot be tested is called so."""

from __future__ import annotations

from ares_otel.ml.budget import Account, Budget
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Moment, Moved, Quantity, Severity, Since
from ares_otel.ml.monitor import DriftMonitor
from ares_otel.ml.profits import Edge
from ares_otel.ml.quality import Issue, Problem
from ares_otel.ml.reference import Reference

__all__ = [
    "Account",
    "Budget",
    "DriftEvent",
    "DriftKind",
    "DriftMonitor",
    "DriftState",
    "Edge",
    "Issue",
    "Moment",
    "Moved",
    "Problem",
    "Quantity",
    "Reference",
    "Severity",
    "Since",
]

"""Typed records: what a bot says, and how it is examined."""

from __future__ import annotations

from ares_otel.records.check import Attributes, examine, require
from ares_otel.records.model import (
    Decision,
    Equity,
    ExchangeRequest,
    FeatureImportance,
    FeatureVector,
    Mark,
    MarketData,
    ModelInfo,
    Order,
    OrderUpdate,
    Outcome,
    PathStep,
    Position,
    Prediction,
    Record,
    Regime,
    Resolution,
    RiskCheck,
    Stage,
    Vote,
)

__all__ = [
    "Attributes",
    "Decision",
    "Equity",
    "ExchangeRequest",
    "FeatureImportance",
    "FeatureVector",
    "Mark",
    "MarketData",
    "ModelInfo",
    "Order",
    "OrderUpdate",
    "Outcome",
    "PathStep",
    "Position",
    "Prediction",
    "Record",
    "Regime",
    "Resolution",
    "RiskCheck",
    "Stage",
    "Vote",
    "examine",
    "require",
]

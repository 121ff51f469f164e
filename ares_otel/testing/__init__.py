"""Test kit for bots that use ares_otel: capture, golden spans, a check that every name is declared."""

from __future__ import annotations

from ares_otel.testing.capture import Capture, OpenDecisionError, UndeclaredError
from ares_otel.testing.live_check import live_check

__all__ = ["Capture", "OpenDecisionError", "UndeclaredError", "live_check"]

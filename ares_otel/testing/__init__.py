"""Test kit for bots that use ares_otel: capture, golden spans, a check that every name is declared."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ares_otel.testing.capture import Capture, OpenDecisionError, UndeclaredError
    from ares_otel.testing.checking import live_check

__all__ = ["Capture", "OpenDecisionError", "UndeclaredError", "live_check"]

HOMES = {
    "Capture": "ares_otel.testing.capture",
    "OpenDecisionError": "ares_otel.testing.capture",
    "UndeclaredError": "ares_otel.testing.capture",
    "live_check": "ares_otel.testing.checking",
}


def __getattr__(name: str) -> Any:
    # pytest loads the plugin beside this in every run, also of a project that has telemetry in one test of a thousand
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)

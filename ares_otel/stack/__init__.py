"""What is generated from the names: the reference of telemetry (dashboards and rules come here, too)."""

from __future__ import annotations

from ares_otel.stack.reference import telemetry_reference

__all__ = ["telemetry_reference"]

"""What is generated from the names: the reference of telemetry, the rules of Prometheus, the boards of Grafana."""

from __future__ import annotations

from ares_otel.stack.files import FILES
from ares_otel.stack.reference import telemetry_reference

__all__ = ["FILES", "telemetry_reference"]

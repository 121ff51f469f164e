"""Putting it together in a process: `setup()`, `flush()`, `shutdown()`."""

from __future__ import annotations

from ares_otel.setup.api import Handle, active, flush, setup, shutdown
from ares_otel.setup.models import model

__all__ = ["Handle", "active", "flush", "model", "setup", "shutdown"]

"""Putting it together in a process: `setup()`, `flush()`, `shutdown()`."""

from __future__ import annotations

from ares_otel.setup.api import Handle, active, flush, setup, shutdown

__all__ = ["Handle", "active", "flush", "setup", "shutdown"]

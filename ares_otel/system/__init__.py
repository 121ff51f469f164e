"""The process and the host it runs on, measured off the bot's thread."""

from __future__ import annotations

from ares_otel.system.loops import attach_if_running
from ares_otel.system.monitor import System

__all__ = ["System", "attach_if_running"]

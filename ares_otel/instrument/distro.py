"""`opentelemetry-instrument python bot.py`: our distribution of OpenTelemetry, found by its entry points.

`opentelemetry-instrument` loads a distribution, has it configured, and then loads all instrumentations that are
installed. Ours takes the configuration of `ares.yaml` and of the environment as `setup()` does, and leaves loading
instrumentations to OpenTelemetry.
"""

from __future__ import annotations

import os

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # not typed
from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_CONFIGURATOR

from ares_otel.guard import GUARD
from ares_otel.setup import setup

__all__ = ["NAME", "AresConfigurator", "AresDistro", "complete"]

NAME = "ares_otel"


class AresDistro(BaseDistro):  # type: ignore[misc]  # not typed
    """Our distribution; where several are installed, `OTEL_PYTHON_DISTRO=ares_otel` chooses it."""

    def _configure(self, **kwargs: object) -> None:
        """Have telemetry configured by us, also where another distribution brings a configurator of its own."""
        del kwargs
        os.environ.setdefault(OTEL_PYTHON_CONFIGURATOR, NAME)


class AresConfigurator:
    """Starts telemetry; the bot's own `setup()` then changes nothing, and says so if it is given something."""

    def configure(self, **kwargs: object) -> None:
        """Set up as `ares_otel.setup()` does without arguments; never raises."""
        del kwargs
        with GUARD.shield("distro"):
            setup()


def complete() -> None:
    """Set up also where another distribution came first: which one that is, is left to chance by OpenTelemetry.

    Its provider is joined then. Who has chosen another configurator has chosen to do without.
    """
    if os.environ.get(OTEL_PYTHON_CONFIGURATOR, NAME) == NAME:
        AresConfigurator().configure()

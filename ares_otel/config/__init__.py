"""Configuration: one YAML file, the environment, arguments; a declared tree of keys, each with its origin."""

from __future__ import annotations

from ares_otel.config.load import Loaded, load
from ares_otel.config.problems import ConfigError, Origin, Problem
from ares_otel.config.reference import reference
from ares_otel.config.render import render
from ares_otel.config.schema import (
    Alerting,
    Config,
    Correlation,
    Exporter,
    Ledger,
    Logging,
    Logs,
    Metrics,
    Orders,
    Portfolio,
    Recorder,
    Sampling,
    Service,
    Spool,
)
from ares_otel.config.serving import Influx, Limits, Retention, Server

__all__ = [
    "Alerting",
    "Config",
    "ConfigError",
    "Correlation",
    "Exporter",
    "Influx",
    "Ledger",
    "Limits",
    "Loaded",
    "Logging",
    "Logs",
    "Metrics",
    "Orders",
    "Origin",
    "Portfolio",
    "Problem",
    "Recorder",
    "Retention",
    "Sampling",
    "Server",
    "Service",
    "Spool",
    "load",
    "reference",
    "render",
]

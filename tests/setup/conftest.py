"""Telemetry of this process, begun by a test and ended after it, with nothing left behind."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "pipeline"))  # the receiver of its tests

from setup_kit import Begin
from sink import Sink  # type: ignore[import-not-found]  # type checkers read this file alone

import ares_otel as ares
from ares_otel.config import Config
from ares_otel.correlation import carriers
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup import Handle, api


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Return a receiver of OTLP/HTTP that accepts everything."""
    with Sink() as running:
        yield running


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Return what sets telemetry up: no rounds but those that are asked for, state in the test's directory."""
    headers = list(carriers.HEADERS)
    carriers.use_propagator(carriers._propagator[0])

    def start(sink: Sink | None = None, **settings: object) -> Handle:
        overrides: dict[str, object] = {
            "state_directory": str(tmp_path / "state"),
            "metrics.port": 0,
            "metrics.system": False,
            "recorder.drain_interval": 60,
            "exporter.enabled": sink is not None,
            "exporter.traces_endpoint": sink.url if sink is not None else None,
        }
        return ares.setup(overrides=overrides | {key.replace("__", "."): value for key, value in settings.items()})

    yield start
    ares.shutdown(1.0)
    api._ended.clear()
    RECORDER.reset()
    carriers.HEADERS[:] = headers


@pytest.fixture
def config(begin: Begin) -> Config:
    """Return a configuration as tests have it."""
    loaded = begin().loaded
    assert loaded is not None
    return loaded.config


@pytest.fixture
def untraced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep coverage from tracing the bots of a test, whose signals come while they call something of ours.

    Its tracer holds a lock around each call. A handler that interrupts it there leaves the lock held, while threads
    wait for it that hold locks of ours.
    """
    for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
        monkeypatch.delenv(name, raising=False)

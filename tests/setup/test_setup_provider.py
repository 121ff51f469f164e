"""Who sends, in which formats context travels, and whose provider it is."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from setup_kit import Begin, decide, resources, spans
from sink import Sink

import ares_otel as ares
from ares_otel.config import Config
from ares_otel.config.schema import Exporter
from ares_otel.guard import GUARD
from ares_otel.setup import provider
from ares_otel.setup.provider import join_provider, use_propagators


@pytest.fixture(autouse=True)
def _textmap() -> Iterator[None]:
    before = propagate.get_global_textmap()
    yield
    propagate.set_global_textmap(before)
    provider._replaced.clear()
    use_propagators(["tracecontext", "baggage"])


def test_the_resource(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of OpenTelemetry's conventions; what is not known is not there."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.version=1.2,deployment.environment.name=staging,team=a%20b")
    with begin(sink, service__name="bot", mode="paper"):
        decide(ares, "s1")
    (found,) = resources(sink)
    instance = found.pop("service.instance.id")
    versions = {key: found.pop(key) for key in ("telemetry.sdk.version", "telemetry.distro.version")}
    assert found == {
        "service.namespace": "ares",
        "service.name": "bot",
        "service.version": "1.2",
        "deployment.environment.name": "staging",
        "team": "a b",
        "ares.mode": "paper",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.distro.name": "ares-otel",
        "process.pid": os.getpid(),
        "process.runtime.name": "cpython",
        "process.runtime.version": platform.python_version(),
        "host.name": platform.node(),
    }
    assert len(instance) == 36
    assert all(versions.values())


def test_what_the_user_says_wins(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host has the name that its operator gives it; an instance has its id for as long as it is configured."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=node-3,telemetry.sdk.language=go")
    for _ in range(2):
        with begin(sink, service__instance_id="seven"):
            decide(ares, "s1")
    for found in resources(sink):
        assert (found["host.name"], found["service.instance.id"]) == ("node-3", "seven")
        assert found["telemetry.sdk.language"] == "python"


def test_each_set_up_is_an_instance(config: Config) -> None:
    """Without a configured one the id is new each time."""
    assert len({provider.resource(config)["service.instance.id"] for _ in range(3)}) == 3


class Own(TextMapPropagator):
    """A format of the application's own."""

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        """Write a mark."""
        del context, setter
        carrier["own"] = "1"

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = None) -> Context:
        """Read nothing."""
        del carrier, getter
        return context or Context()

    @property
    def fields(self) -> set[str]:
        """What is written."""
        return {"own"}


def test_the_applications_own_format_stays(begin: Begin) -> None:
    """What an application has set in its code for its instrumentations is not replaced by a default."""
    own = Own()
    propagate.set_global_textmap(own)
    with begin():
        assert propagate.get_global_textmap() is own


def test_a_configured_format_is_shared(begin: Begin) -> None:
    """What our configuration says counts for the instrumentations of others, too, until it says something else."""
    before = propagate.get_global_textmap()
    with begin(propagators=["tracecontext"]):
        carrier: dict[str, str] = {}
        with ares.decision():
            propagate.inject(carrier)
        assert set(carrier) == {"traceparent"}
    with begin(propagators=["none"]):
        carrier = {}
        with ares.decision():
            propagate.inject(carrier)
            ares.inject(carrier)
        assert set(carrier) == {"X-Correlation-ID", "X-Request-ID"}
    with begin():
        assert propagate.get_global_textmap() is before


class Entry:
    """An installed propagator."""

    def __init__(self, name: str, made: Any) -> None:
        self.name = name
        self.made = made

    def load(self) -> Any:
        """Return what makes it."""
        return self.made


def test_installed_propagators(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of packages are loaded by their name; one that fails is left out and counted."""
    entries = [Entry("own", Own), Entry("broken", lambda: 1 / 0), Entry("unused", None), Entry("baggage", None)]
    monkeypatch.setattr(metadata, "entry_points", lambda **_: entries)
    use_propagators(["own", "broken", "baggage", "tracecontext"])
    found = propagate.get_global_textmap()
    assert isinstance(found, CompositePropagator)
    assert found.fields >= {"own", "baggage", "traceparent"}
    assert GUARD.counts() == {"propagators": 1}


def test_a_provider_that_takes_no_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Foreign spans stay there, and a complaint says so."""
    monkeypatch.setattr(trace, "get_tracer_provider", trace.NoOpTracerProvider)
    join_provider({}, lambda _: True, Exporter())
    assert GUARD.counts() == {"setup": 1}


def test_a_provider_is_joined_once(begin: Begin, sink: Sink) -> None:
    """However often telemetry is set up, a foreign span arrives once; flushing the provider flushes ours."""
    for _ in range(3):
        with begin(sink):
            trace.get_tracer("theirs").start_span("alone").end()
            provider_now: Any = trace.get_tracer_provider()
            assert provider_now.force_flush(10_000)
    assert [span["name"] for span in spans(sink)] == ["alone"] * 3
    assert threading.active_count() >= 1

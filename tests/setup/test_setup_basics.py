"""`setup()`: never raises, changes nothing the second time, and leaves things as they were when it ends."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from setup_kit import Begin, Bot, decide, named
from sink import Sink

import ares_otel as ares
from ares_otel.config import ConfigError
from ares_otel.correlation import carriers, threads
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup import active, api


def recording() -> tuple[bool, bool]:
    """Return whether anything is kept, and whether bad values raise."""
    assert GUARD.strict is RECORDER.strict
    return RECORDER.enabled, GUARD.strict


def test_a_context_manager(begin: Begin, sink: Sink) -> None:
    """Within the block telemetry runs; at its end all is delivered, and what was patched is as before."""
    make, start = logging.Logger.makeRecord, threading.Thread.start
    with begin(sink) as handle:
        assert handle.owner
        assert active() is not None
        assert recording() == (True, False)
        assert logging.Logger.makeRecord is not make
        assert threading.Thread.start is not start
        decide(ares, "s1")

    assert active() is None
    assert recording() == (False, False)
    assert (logging.Logger.makeRecord, threading.Thread.start) == (make, start)
    assert handle.metrics_url is None
    assert named(sink) == ["s1"]


def test_nested_and_repeated(begin: Begin, sink: Sink) -> None:
    """Called again while telemetry runs it changes nothing, and its end ends nothing."""
    with begin(sink):
        telemetry = active()
        with begin(None, service__name="other") as inner:
            assert not inner.owner
            assert inner.loaded is None
            assert active() is telemetry
        assert active() is telemetry
        decide(ares, "s1")
    assert named(sink) == ["s1"]

    with begin(sink):
        assert active() is not telemetry
        decide(ares, "s2")
    assert named(sink) == ["s1", "s2"]


def test_without_anything_it_reads_the_environment(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own variables, and ours."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url.removesuffix("/v1/traces"))
    monkeypatch.setenv("OTEL_SERVICE_NAME", "bot-7")
    monkeypatch.setenv("ARES_OTEL_METRICS_ENABLED", "false")
    assert begin
    with ares.setup() as handle:
        assert handle.metrics_url is None
        telemetry = active()
        assert telemetry is not None
        assert telemetry.resource["service.name"] == "bot-7"
        decide(ares, "s1")
        assert ares.flush(10.0)
    assert named(sink) == ["s1"]


def test_a_file_and_its_mistakes(
    begin: Begin, sink: Sink, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong is logged with file and line, that key falls back, and telemetry runs."""
    monkeypatch.setenv("ARES_OTEL_METRICS_PORT", "0")
    file = tmp_path / "ares.yaml"
    file.write_text(
        f"exporter:\n  traces_endpoint: {sink.url}\n  timout: 3\nsampling:\n  ratio: many\n", encoding="utf-8"
    )
    with ares.setup(file) as handle:
        assert handle.loaded is not None
        assert handle.loaded.config.sampling.ratio == 1.0
        decide(ares, "s1")
    assert f"{file}, line 3" in caplog.text or f"{file}:3" in caplog.text
    assert "exporter.timeout" in caplog.text
    assert "sampling.ratio" in caplog.text
    assert named(sink) == ["s1"]
    assert begin


@pytest.mark.parametrize("text", ["a: [1,\nb: }", "- 1\n- 2", "\0", "a: &a [*a]"])
def test_a_file_that_is_no_yaml(
    begin: Begin, tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is logged, and all of it falls back; nothing raises."""
    for key in ("METRICS", "EXPORTER", "LEDGER"):
        monkeypatch.setenv(f"ARES_OTEL_{key}_ENABLED", "false")
    file = tmp_path / "ares.yaml"
    file.write_text(text, encoding="utf-8")
    with ares.setup(file):
        assert active() is not None
    with ares.setup(tmp_path / "missing.yaml"):
        assert active() is not None
    assert str(file) in caplog.text
    assert "missing.yaml" in caplog.text
    assert begin


def test_strict_raises_for_the_configuration(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """In strict mode a mistake in the configuration stops the program at once, before anything runs."""
    monkeypatch.setenv("ARES_OTEL_SPOOL_CAP_BYTES", "lots")
    with pytest.raises(ConfigError, match="ARES_OTEL_SPOOL_CAP_BYTES"):
        begin(strict=True)
    assert active() is None
    monkeypatch.delenv("ARES_OTEL_SPOOL_CAP_BYTES")
    with begin(strict=True):
        assert recording() == (True, True)
        with pytest.raises(ValueError, match="confidence"), ares.decision() as d:
            d.resolve("buy", confidence=1.4)
    assert recording() == (False, False)


def test_nothing_raises_whatever_goes_wrong(begin: Begin, tmp_path: Path) -> None:
    """Not even a path of the wrong type or an environment that cannot be read comes out of `setup()`."""
    with begin(exporter__enabled=True, exporter__traces_endpoint="ftp://nowhere", nonsense=1) as handle:
        assert handle.loaded is not None
        assert {problem.key for problem in handle.loaded.problems} == {"exporter.traces_endpoint", "nonsense"}
    with ares.setup(7, overrides={"metrics.enabled": False, "exporter.enabled": False, "ledger.enabled": False}):  # type: ignore[arg-type]
        assert active() is not None
    assert tmp_path.exists()


def test_not_even_a_mistake_of_ours_raises(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails inside: the bot starts, without telemetry, and it is counted."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(api, "load", fail)
    with begin() as handle:
        assert handle.loaded is None
        assert not handle.owner
    assert GUARD.counts() == {"setup": 1}


def test_disabled(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_SDK_DISABLED`: no thread, no page, no patch; contexts and ids work."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    before, make = threading.active_count(), logging.Logger.makeRecord
    with begin() as handle:
        assert not handle.owner
        assert handle.metrics_url is None
        assert (threading.active_count(), logging.Logger.makeRecord) == (before, make)
        with ares.decision() as d:
            assert ares.correlation_id() == d.correlation_id
            assert not d.is_recording()
        assert ares.flush(0.1)
        assert ares.shutdown(0.1)


def test_parts_can_be_left_off(begin: Begin) -> None:
    """No injection into logs, no threads patched, another header."""
    make = logging.Logger.makeRecord
    with begin(logging__inject=False, correlation__propagate_threads=False, correlation__header="X-Flow"):
        assert logging.Logger.makeRecord is make
        assert not threads.active()
        assert carriers.HEADERS == ["X-Flow", "X-Correlation-ID", "X-Request-ID"]


def test_a_signal_handler_of_the_bots_is_left_alone(begin: Begin) -> None:
    """Ours comes only where there is none, and goes with the telemetry."""

    def theirs(number: int, frame: object) -> None:
        del number, frame

    before = signal.getsignal(signal.SIGTERM)
    try:
        for handler in (theirs, signal.SIG_IGN):
            signal.signal(signal.SIGTERM, handler)
            with begin():
                assert signal.getsignal(signal.SIGTERM) is handler
            assert signal.getsignal(signal.SIGTERM) is handler
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with begin():
            assert callable(signal.getsignal(signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        in_thread(begin)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


def in_thread(begin: Callable[[], object]) -> None:
    """Set telemetry up and down in a thread that is not the main one."""

    def run() -> None:
        begin()
        ares.shutdown()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_two_threads_set_up_at_once(begin: Begin) -> None:
    """One of them owns the telemetry."""
    owners: list[bool] = []
    gate = threading.Barrier(4)

    def run() -> None:
        gate.wait()
        owners.append(begin().owner)

    those = [threading.Thread(target=run) for _ in range(4)]
    for thread in those:
        thread.start()
    for thread in those:
        thread.join()
    assert sorted(owners) == [False, False, False, True]


IMPORT = """
handle = ares.setup()
with ares.decision() as d:
    carrier = {}
    ares.inject(carrier)
say(handle.owner, sorted(carrier))
ares.shutdown()
"""


def test_an_unknown_propagator_in_the_environment(tmp_path: Path) -> None:
    """Importing `opentelemetry.propagate` raises for it; importing and setting up this library does not."""
    told = Bot(IMPORT, tmp_path, None, OTEL_PROPAGATORS="tracecontext,nonsense").end()
    assert told.well == [[True, ["X-Correlation-ID", "X-Request-ID", "traceparent"]]]
    assert "nonsense" in told.errors
    assert "Traceback" not in told.errors


FROZEN = """
from importlib import metadata
version = metadata.version
def missing(name):
    if name == "ares-otel":
        raise metadata.PackageNotFoundError(name)
    return version(name)
metadata.version = missing
say(ares.setup().owner)
decide(1)
say(ares.shutdown())
"""


def test_a_program_without_metadata_of_packages(tmp_path: Path, sink: Sink) -> None:
    """Frozen programs have none: then there is no version on the resource, and all else works."""
    assert Bot(FROZEN, tmp_path, sink).end().well == [[True], [True]]
    assert named(sink) == ["s1"]

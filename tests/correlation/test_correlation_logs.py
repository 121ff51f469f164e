"""Ids on log records: a filter, a structlog processor, a JSON formatter, and every record while telemetry runs."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import queue
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, use_span

import ares_otel as ares
from ares_otel.correlation import context as ctx
from ares_otel.correlation import logs
from ares_otel.guard import GUARD
from ares_otel.testing import Capture

FORMAT = "%(correlation_id)s %(trace_id)s %(span_id)s %(message)s"
MAKE = logging.Logger.makeRecord
AT = 1_767_225_600.25


class Lines(logging.Handler):
    """Keeps formatted lines; what goes wrong in formatting goes wrong in the test."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self.lines.append(self.format(record))

    def take(self) -> dict[str, Any]:
        """Return the last line as JSON, strictly."""

        def refuse(constant: str) -> None:
            raise ValueError(constant)

        line = self.lines.pop()
        assert "\n" not in line
        line.encode()
        parsed: dict[str, Any] = json.loads(line, parse_constant=refuse)
        return parsed


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Return a logger that passes nothing on."""
    found = logging.getLogger("bot")
    found.propagate = False
    found.setLevel(logging.DEBUG)
    yield found
    found.propagate = True
    found.setLevel(logging.NOTSET)
    for handler in list(found.handlers):
        found.removeHandler(handler)
        handler.close()


@pytest.fixture
def lines(logger: logging.Logger) -> Lines:
    """Return what the logger writes as JSON."""
    handler = Lines(logs.JsonFormatter())
    logger.addHandler(handler)
    return handler


@pytest.fixture
def _installed() -> Iterator[None]:
    logs.install()
    yield
    logs.uninstall()
    assert logging.Logger.makeRecord is MAKE


def test_the_filter(ares_capture: Capture, logger: logging.Logger) -> None:
    """Records get the ids of where they are made: decision, stage, foreign span; a dash where there is none."""
    handler = Lines(logging.Formatter(FORMAT))
    handler.addFilter(ares.CorrelationFilter())
    logger.addHandler(handler)
    foreign = TracerProvider(shutdown_on_exit=False).get_tracer("theirs")

    logger.info("outside")
    with ares.decision() as d:
        logger.info("decision")
        with d.stage("analyst") as stage:
            logger.info("stage")
            with foreign.start_as_current_span("http") as span:
                logger.info("foreign")
    with foreign.start_as_current_span("alone") as alone:
        logger.info("alone")

    def line(correlation: str, where: SpanContext, message: str) -> str:
        return f"{correlation} {where.trace_id:032x} {where.span_id:016x} {message}"

    assert handler.lines == [
        "- - - outside",
        line(d.correlation_id, d.get_span_context(), "decision"),
        line(d.correlation_id, stage.get_span_context(), "stage"),
        line(d.correlation_id, span.get_span_context(), "foreign"),
        line("-", alone.get_span_context(), "alone"),
    ]
    assert span.get_span_context().trace_id == d.trace_id
    assert len(ares_capture.spans()) == 2


def test_structlog(ares_capture: Capture) -> None:
    """The processor adds the ids that exist and leaves what the bot has set."""
    out = io.StringIO()
    log = structlog.wrap_logger(
        structlog.PrintLogger(out), processors=[ares.add_correlation, structlog.processors.JSONRenderer(sort_keys=True)]
    )
    log.info("outside")
    with ares.decision() as d:
        log.info("inside", price=1.5)
        log.info("own", correlation_id="mine")

    ids = {"trace_id": f"{d.trace_id:032x}", "span_id": f"{d.span_id:016x}", "trace_flags": "01"}
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"event": "outside"},
        {"event": "inside", "price": 1.5, "correlation_id": d.correlation_id, **ids},
        {"event": "own", "correlation_id": "mine", **ids},
    ]
    assert len(ares_capture.spans()) == 1


def test_json_golden(ares_capture: Capture, logger: logging.Logger, lines: Lines) -> None:
    """A whole line, compared whole."""
    with ares.decision():
        record = logger.makeRecord("bot", logging.WARNING, "bot.py", 7, "spread %.1f", (2.5,), None)
        record.created, record.venue = AT, "okx"
        logger.handle(record)

    said = '{"time": "2026-01-01T00:00:00.250000+00:00", "level": "warning", "logger": "bot", "message": "spread 2.5"'
    ids = (
        '"correlation_id": "019b76da-a800-7d37-a9e0-a69944c9c389", "trace_id": "019b76daa8007d37a7829a6513270e27",'
        ' "span_id": "a7829a6513270e27"'
        ', "trace_flags": "01"'
    )
    assert lines.lines == [f'{said}, "venue": "okx", {ids}}}']
    assert len(ares_capture.spans()) == 1


def test_json_without_a_context(logger: logging.Logger, lines: Lines) -> None:
    """Ids that do not exist are left out; text is not escaped needlessly, and stays one line."""
    logger.info("Größe\nzwei")
    line = lines.lines[0]
    assert "Größe\\nzwei" in line
    assert set(lines.take()) == {"time", "level", "logger", "message"}


def test_json_of_exceptions_and_stacks(logger: logging.Logger, lines: Lines) -> None:
    """Traceback and stack are fields of their own; a traceback that was formatted elsewhere is kept."""
    try:
        raise KeyError("price")
    except KeyError:
        logger.exception("failed", stack_info=True)
    found = lines.take()
    assert found["exception"].splitlines()[-1] == "KeyError: 'price'"
    assert "test_json_of_exceptions_and_stacks" in found["stack"]

    logger.info("no exception", exc_info=True)  # noqa: LOG014  as people write it
    assert "exception" not in lines.take()
    lines.handle(logging.makeLogRecord({"name": "far", "levelname": "ERROR", "msg": "x", "exc_text": "their words"}))
    assert lines.take()["exception"] == "their words"


class Silent:
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        return "<silent>"


def test_json_of_what_json_cannot_hold(logger: logging.Logger, lines: Lines) -> None:
    """No value of a bot costs a log line: what cannot be written is written as text."""
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 50):
        deep = [deep]
    extra = {
        "nan": float("nan"),
        "inside": {"inf": float("inf")},
        "circle": circle,
        "keys": {(1, 2): 3},
        "fine": {"a": 1},
    }
    logger.info("odd", extra={**extra, "object": object, "bytes": b"\xff", "half": "\ud800"})
    found = lines.take()
    assert {key: found[key] for key in extra} == {
        "nan": "nan",
        "inside": "{'inf': inf}",
        "circle": "[[...]]",
        "keys": "{(1, 2): 3}",
        "fine": {"a": 1},
    }
    assert (found["object"], found["bytes"], found["half"]) == ("<class 'object'>", "b'\\xff'", "\ud800")

    with pytest.raises(RuntimeError, match="no"):
        json.dumps(Silent(), default=str)
    logger.info("silent", extra={"silent": Silent(), "fine": 1})
    assert lines.take()["silent"] == "<silent>"
    logger.info("deep", extra={"deep": deep, "fine": 1})
    assert lines.take()["fine"] == 1


@pytest.mark.usefixtures("_installed")
def test_every_record_while_installed(ares_capture: Capture, logger: logging.Logger) -> None:
    """Any format may name the ids, without any filter."""
    handler = Lines(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    with ares.decision() as d:
        logger.info("inside")
    logger.info("outside")
    assert [line.split()[0] for line in handler.lines] == [d.correlation_id, "-"]
    assert len(ares_capture.spans()) == 1


@pytest.mark.usefixtures("_installed")
def test_a_bot_that_gives_the_same_fields(logger: logging.Logger) -> None:
    """`logging` raises for an extra field that a record has already: the bot's own id must not cost its log call."""
    handler = Lines(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    with ares.decision() as d:
        logger.info("x", extra={"correlation_id": "mine"})
        logger.info("x", extra={"correlation_id": "mine", "trace_id": "t", "span_id": "s"})
    assert handler.lines == [f"mine {d.trace_id:032x} {d.span_id:016x} x", "mine t s x"]


def test_install_twice_and_take_back() -> None:
    """The original is back; the bot's record factory is never touched."""
    factory = logging.getLogRecordFactory()
    logs.install()
    logs.install()
    assert logging.Logger.makeRecord is not MAKE
    assert logging.getLogRecordFactory() is factory
    logs.uninstall()
    logs.uninstall()
    assert logging.Logger.makeRecord is MAKE


@pytest.mark.usefixtures("_installed")
def test_a_queue_between_threads(ares_capture: Capture, logger: logging.Logger) -> None:
    """The ids are those of the thread that logs, not of the one that writes."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue()
    logger.addHandler(logging.handlers.QueueHandler(waiting))
    written = Lines(logs.JsonFormatter())
    with ares.decision() as d:
        logger.info("inside")
    listener = logging.handlers.QueueListener(waiting, written)
    listener.start()
    listener.stop()
    assert written.take()["correlation_id"] == d.correlation_id
    assert len(ares_capture.spans()) == 1


class Hostile(NonRecordingSpan):
    """A span of somebody's that fails."""

    def get_span_context(self) -> SpanContext:
        """Fail."""
        raise RuntimeError("no")


@pytest.mark.usefixtures("_installed")
def test_a_broken_span_costs_no_log_line(logger: logging.Logger, lines: Lines) -> None:
    """The bot logs on; that something is wrong is counted."""
    with use_span(Hostile(INVALID_SPAN_CONTEXT)):
        logger.info("still here")
    assert lines.take()["message"] == "still here"
    assert GUARD.counts()["logs"] > 0


def test_a_span_that_is_none() -> None:
    """Anything may stand in the context."""
    for nothing in ("no span", NonRecordingSpan(INVALID_SPAN_CONTEXT)):
        token = ctx.set_({ctx.SPAN_KEY: nothing})
        assert logs.ids() == {}
        ctx.reset(token)

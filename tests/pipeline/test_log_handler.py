"""The handler that takes log records, and what the worker makes of them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import structlog

from ares_otel.config.masking import Redactor
from ares_otel.correlation import context as ctx
from ares_otel.correlation import logs as correlation_logs
from ares_otel.guard import GUARD
from ares_otel.pipeline import logs
from ares_otel.pipeline.logs import LogHandler, log_data, severity
from ares_otel.pipeline.model import LogData

LIMIT = 50


@pytest.fixture
def handler() -> Iterator[LogHandler]:
    """Return a handler on the root logger."""
    made = LogHandler(logging.DEBUG, LIMIT)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(made)
    yield made
    root.removeHandler(made)
    root.setLevel(level)


LOG = logging.getLogger("bot.orders")


def told(handler: LogHandler, body_limit: int = 1_000) -> LogData:
    """Return the only record that was taken, as the encoder gets it."""
    (taken,) = handler.take(LIMIT)
    return log_data(taken, Redactor(["known-secret"]), 7, body_limit)[1]


def test_a_record_with_all_it_says(handler: LogHandler) -> None:
    """Message, level, logger, source, thread and the bot's own fields; no exception where there was none."""
    LOG.warning("order %s at %.2f", "o-1", 3031.5, extra={"event_name": "order.sent", "n": 3, "list": [1, {2: 3}]})

    (taken,) = handler.take(LIMIT)
    scope, data = log_data(taken, Redactor(), 7, 1_000)

    assert scope.name == "bot.orders"
    assert (data.body, data.severity, data.level, data.event) == ("order o-1 at 3031.50", 13, "WARNING", "order.sent")
    assert (data.observed, data.trace_id, data.span_id) == (7, 0, 0)
    assert abs(data.time - taken.time * 1e9) < 1e3
    assert data.attributes["code.file.path"] == __file__
    assert data.attributes["code.function.name"] == "test_a_record_with_all_it_says"
    assert data.attributes["thread.name"] == "MainThread"
    assert (data.attributes["n"], data.attributes["list"]) == (3, [1, "{2: 3}"])
    assert not any(key.startswith(("exception.", "event_name")) for key in data.attributes)


@pytest.mark.parametrize(
    ("level", "number"),
    [(-1, 1), (0, 1), (5, 4), (10, 5), (19, 8), (20, 9), (25, 12), (30, 13), (40, 17), (50, 21), (53, 24), (999, 24)],
)
def test_severities(level: int, number: int) -> None:
    """Python's levels lie in the ranges of OTLP, those between two in the steps between."""
    assert severity(level) == number


def test_exceptions(handler: LogHandler) -> None:
    """Type, message and stack trace by the conventions; the module stands before a class of the bot's own."""

    class OddError(Exception):
        pass

    try:
        raise OddError("token=abcdef of known-secret")
    except OddError:
        LOG.exception("failed")
    data = told(handler)

    assert str(data.attributes["exception.type"]).startswith("test_log_handler.")
    assert data.attributes["exception.message"] == "token=*** of ***"
    assert "raise OddError" in str(data.attributes["exception.stacktrace"])
    assert "abcdef of" not in str(data.attributes["exception.stacktrace"])
    LOG.error("failed", exc_info=ValueError("no"))
    assert told(handler).attributes["exception.type"] == "ValueError"
    LOG.error("failed", exc_info=True)  # noqa: LOG014  a mistake that bots make
    assert "exception.type" not in told(handler).attributes


def test_secrets_are_hidden(handler: LogHandler) -> None:
    """In messages, in fields by their names and in texts inside them."""
    LOG.info("sent %s", {"password": "abc"}, extra={"api_key": "abc", "more": {"at": "http://u:abc@h", "token": "abc"}})
    data = told(handler)

    assert data.body == "sent {'password': ***}"
    assert (data.attributes["api_key"], data.attributes["more"]) == ("***", {"at": "http://***@h", "token": "***"})


def test_what_changes_later_was_taken_before(handler: LogHandler) -> None:
    """Arguments and fields that the bot changes after the call are told as they were."""
    positions = {"BTC": 1}
    LOG.info("positions %s", positions, extra={"positions": positions})
    positions["BTC"] = 2
    data = told(handler)

    assert (data.body, data.attributes["positions"]) == ("positions {'BTC': 1}", {"BTC": 1})


def test_bodies_and_fields_are_bounded(handler: LogHandler) -> None:
    """A long message is cut; a secret at the place of the cut is no longer than the rest of it; fields are counted."""
    LOG.info("%s token=abcdef", "x" * 40, extra={f"f{number}": number for number in range(80)})
    data = told(handler, body_limit=50)

    assert data.body == "x" * 40 + " token=***"
    assert data.dropped_attributes == 80 - logs.ATTRIBUTES
    assert {"f0", "f63"} <= data.attributes.keys()


@pytest.mark.parametrize(("said", "expected"), [("100%", "100%"), ("%d", "%d ('x',)")])
def test_mistakes_in_formats(handler: LogHandler, said: str, expected: str) -> None:
    """A format without arguments is a text; one that does not fit its arguments is told with them."""
    handler.emit(logging.LogRecord("bot", 20, "f.py", 1, said, () if said == "100%" else ("x",), None))

    assert told(handler).body == expected


def test_a_storm_is_dropped_and_counted(handler: LogHandler) -> None:
    """Beyond the limit nothing is kept and nothing raises."""
    for number in range(LIMIT + 20):
        LOG.info("%d", number)

    assert (len(handler.queue), handler.dropped) == (LIMIT, 20)
    assert len(handler.take(10)) == 10
    handler.forget()
    assert (len(handler.queue), handler.dropped) == (0, 0)


def test_what_raises_is_counted(handler: LogHandler) -> None:
    """An argument without a text costs its record, and the bot hears nothing of it."""

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    handler.emit(logging.LogRecord("bot", 20, "f.py", 1, "%s", (Odd(),), None))

    assert (len(handler.queue), handler.failed) == (0, 1)
    assert GUARD.counts() == {"logs": 1}


def test_our_own_records_are_not_taken(handler: LogHandler) -> None:
    """Neither those of our loggers nor those of whoever sends: each failure to send would have to be sent."""
    logging.getLogger("ares_otel").error("telemetry failed")
    logging.getLogger("ares_otel.server.http").error("served")
    token = ctx.set_({**ctx.get(), logs.SUPPRESSED[0]: True})
    try:
        logging.getLogger("opentelemetry.exporter").error("not sent")
    finally:
        ctx.reset(token)
    logging.getLogger("ares_otelx").error("the bot's")

    assert [taken.logger for taken in handler.take(LIMIT)] == ["ares_otelx"]


@pytest.mark.parametrize("where", ["nowhere", "root", "logger", "apart"])
def test_a_bot_that_configures_no_logging(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], where: str
) -> None:
    """Warnings are printed as without us while ours is the only handler, and by nobody else's place once there is."""
    root, bot = logging.getLogger(), logging.getLogger("unconfigured.bot")
    made = LogHandler(logging.DEBUG, LIMIT)
    monkeypatch.setattr(root, "handlers", [made, *([logging.NullHandler()] if where == "root" else [])])
    monkeypatch.setattr(bot, "handlers", {"logger": [logging.NullHandler()], "apart": [made]}.get(where, []))
    monkeypatch.setattr(bot, "propagate", where != "apart")
    bot.warning("something is odd")
    bot.info("too little")

    assert capfd.readouterr().err == ("something is odd\n" if where in {"nowhere", "apart"} else "")
    assert len(made.queue) == 1


def test_levels_and_filters(handler: LogHandler) -> None:
    """The level counts, and filters may refuse or replace a record."""
    handler.setLevel(logging.WARNING)
    LOG.info("too little")
    other = logging.LogRecord("other", 30, "f.py", 1, "other", None, None)

    def choose(record: logging.LogRecord) -> Any:
        return False if "no" in record.getMessage() else other if sys.version_info >= (3, 12) else True

    handler.addFilter(choose)
    LOG.warning("no")
    LOG.warning("yes")

    assert [taken.message for taken in handler.take(LIMIT)] in ([("other", ())], ["other"], [("yes", ())])


def test_ids_come_from_the_record_or_the_context(handler: LogHandler) -> None:
    """What was annotated where it was logged counts, also if it is handled in another thread; what is no id is none."""
    known = {"correlation_id": "c-1", "trace_id": f"{5:032x}", "span_id": f"{6:016x}", "trace_flags": "01"}
    LOG.info("hello", extra=known)
    data = told(handler)
    assert (data.attributes["ares.correlation.id"], data.trace_id, data.span_id, data.flags) == ("c-1", 5, 6, 1)
    LOG.info("hello", extra={"correlation_id": "-", "trace_id": "mine", "span_id": "x" * 16, "trace_flags": "?"})
    data = told(handler)
    assert ("ares.correlation.id" in data.attributes, data.trace_id, data.span_id, data.flags) == (False, 0, 0, 0)
    token = ctx.set_({**ctx.get(), ctx.BAGGAGE_KEY: {ctx.CORRELATION: "c-2"}})
    try:
        LOG.info("hello")
    finally:
        ctx.reset(token)
    assert told(handler).attributes["ares.correlation.id"] == "c-2"


@pytest.mark.parametrize("form", ["wrapped", "rendered", "arguments"])
def test_structlog_through_the_standard_library(handler: LogHandler, form: str) -> None:
    """Events of structlog are told however it hands them on: as a dictionary, as a text, as fields of the record."""
    last: Mapping[str, Any] = {
        "wrapped": structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        "rendered": structlog.processors.JSONRenderer(),
        "arguments": structlog.stdlib.render_to_log_kwargs,
    }
    log = structlog.wrap_logger(
        logging.getLogger("structured"),
        processors=[structlog.stdlib.add_log_level, correlation_logs.add_correlation, last[form]],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    log.warning("filled", symbol="BTC", password="abc")
    data = told(handler)

    assert data.level == "WARNING"
    if form == "rendered":
        assert data.body == '{"symbol": "BTC", "password": ***, "event": "filled", "level": "warning"}'
    else:
        assert (data.body, data.attributes["symbol"], data.attributes["password"]) == ("filled", "BTC", "***")
        assert not any(key.startswith("_") for key in data.attributes)


@pytest.mark.parametrize("given", ["true", "exception", "tuple"])
def test_exceptions_of_structlog(handler: LogHandler, given: str) -> None:
    """An event that is not rendered yet may hold its exception in three ways."""
    log = structlog.wrap_logger(
        logging.getLogger("structured"),
        processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    try:
        raise ValueError("no")
    except ValueError as error:
        ways = {"true": True, "exception": error, "tuple": sys.exc_info()}
        log.exception("failed", exc_info=ways[given])
    data = told(handler)

    assert (data.attributes["exception.type"], data.attributes["exception.message"]) == ("ValueError", "no")
    assert "exc_info" not in data.attributes

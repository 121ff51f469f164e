"""Correlation id, and ids and flags of the span, on log records: a filter, a structlog processor, a JSON formatter."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

from opentelemetry.trace import Span

from ares_otel.correlation import context as ctx
from ares_otel.correlation.patch import Patch
from ares_otel.guard import GUARD, shown

__all__ = ["CorrelationFilter", "JsonFormatter", "add_correlation", "annotate", "ids", "install", "uninstall"]

ABSENT = "-"
FIELDS = ("correlation_id", "trace_id", "span_id", "trace_flags")
"""Named as OpenTelemetry names them in logs that are not OTLP."""
STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", None, None))) | {"message", "asctime", "taskName"}

Make = Callable[..., logging.LogRecord]


def ids() -> dict[str, str]:
    """Return correlation id, and trace id, span id and trace flags of the current span, as hex; those that exist."""
    found: dict[str, str] = {}
    with GUARD.shield("logs"):  # the current span may be anybody's
        context = ctx.get()
        correlation = ctx.correlation_id(context)
        if correlation:
            found["correlation_id"] = correlation
        span = context.get(ctx.SPAN_KEY)
        if isinstance(span, Span):
            where = span.get_span_context()
            if where.is_valid:
                found |= {
                    "trace_id": f"{where.trace_id:032x}",
                    "span_id": f"{where.span_id:016x}",
                    "trace_flags": f"{where.trace_flags:02x}",
                }
    return found


class CorrelationFilter(logging.Filter):
    """Puts `correlation_id`, `trace_id`, `span_id` and `trace_flags` on every record that passes; "-" for none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Annotate the record and let it pass."""
        annotate(record)
        return True


def annotate(record: logging.LogRecord) -> None:
    """Set the fields on a record unless it has them."""
    known = vars(record)
    if all(field in known for field in FIELDS):
        return
    found = ids()
    for field in FIELDS:
        known.setdefault(field, found.get(field, ABSENT))


def add_correlation(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids that exist to a structlog event (a structlog processor)."""
    del logger, method
    for key, value in ids().items():
        event.setdefault(key, value)
    return event


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, ids, exception, stack, and the record's extra fields.

    What JSON cannot hold (NaN, an object) is given as text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        annotate(record)
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        extra = {key: value for key, value in vars(record).items() if key not in STANDARD}
        line |= {key: value for key, value in extra.items() if key not in FIELDS or value != ABSENT}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:
            line["exception"] = record.exc_text
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        try:
            return _json(line)
        except Exception:  # noqa: BLE001  whatever a bot logs may raise anything when it is asked for its text
            return _json({str(key): _plain(value) for key, value in line.items()})


def _json(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False, allow_nan=False)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _plain(value: object) -> object:
    try:
        _json(value)
    except Exception:  # noqa: BLE001  as above
        return shown(value)
    return value


def _annotating(make: Make) -> Make:
    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        annotate(record)
        return record

    return make_record


# Not the record factory: a field that it sets and that a bot gives in `extra`, too, makes `logging` raise KeyError.
PATCH = Patch(logging.Logger, "makeRecord", _annotating)


def install() -> None:
    """Annotate every log record of the process from now on, so that any format may use `%(correlation_id)s`."""
    PATCH.install()


def uninstall() -> None:
    """Take back `install()`."""
    PATCH.uninstall()

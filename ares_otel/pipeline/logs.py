"""The bot's log records: taken by a handler that only appends to a bounded queue, and told by the worker.

What a bot may change or what would keep frames alive is turned into text when it is logged; all else, above all the
search for secrets, is done in the worker's thread.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections import deque
from collections.abc import Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Final, NamedTuple, TypeAlias

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from ares_otel.config.masking import Redactor
from ares_otel.correlation import context as ctx
from ares_otel.correlation.logs import ABSENT, FIELDS, STANDARD, ids
from ares_otel.guard import GUARD, shown
from ares_otel.pipeline.model import LogData, Scope
from ares_otel.semconv import attributes as a

__all__ = ["LogHandler", "Taken", "log_data", "severity"]

OWN: Final = "ares_otel"
SUPPRESSED: Final = (_SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")
STEADY: Final = frozenset({str, int, float, bool, bytes, type(None)})
PARTS: Final = 64
STACK_LIMIT: Final = 16_384
ATTRIBUTES: Final = 64
TRACE_DIGITS, SPAN_DIGITS, FLAG_DIGITS = 32, 16, 2
HIGHEST: Final = 24
STEPS: Final = 4
EVENT_NAME: Final = "event_name"

Raised: TypeAlias = "tuple[str, str, str]"


class Taken(NamedTuple):
    """A log record as it waits for the worker: nothing in it changes any more.

    Attributes:
        time: Unix seconds.
        level: number of the level, as Python counts.
        name: of the level.
        logger: name of the logger.
        message: text, or format and arguments that are not joined yet.
        raised: type, message and stack trace of an exception.
        where: file, function and line; name and number of the thread.
        extra: further fields of the record.
        known: correlation id, trace id, span id, trace flags, those that exist.
    """

    time: float
    level: int
    name: str
    logger: str
    message: str | tuple[str, tuple[Any, ...]]
    raised: Raised | None
    where: tuple[str, str | None, int, str | None, int | None]
    extra: dict[str, Any]
    known: dict[str, str]


class LogHandler(logging.Handler):
    """Appends log records to a bounded queue; drops, and counts, what finds it full.

    Records of our own loggers are not taken, nor those of whoever sends telemetry: what tells of a failed attempt to
    send would itself have to be sent. It takes no lock: a signal handler that logs may interrupt it anywhere.

    Attributes:
        queue: what waits for the worker.
        limit: greatest length of the queue.
        dropped: records that found the queue full.
        failed: records that could not be read.
    """

    def __init__(self, level: int, limit: int) -> None:
        super().__init__(level)
        self.queue: deque[Taken] = deque()
        self.limit = limit
        self.dropped = 0
        self.failed = 0
        # one that its own thread may take again: a signal handler that logs can come while it is held
        self._counting = threading.RLock()

    def createLock(self) -> None:  # noqa: N802  the base class's name
        """Have no lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record, if filters let it pass."""
        passed = self.filter(record)
        if passed:
            record = passed if isinstance(passed, logging.LogRecord) else record
            self.emit(record)
            self._show(record)
        return bool(passed)

    def _show(self, record: logging.LogRecord) -> None:
        """Print what `logging` prints where no handler is configured: we are not the one that was meant."""
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and self._is_alone(record.name):
            last.handle(record)

    def _is_alone(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return False
            logger = logger.parent if logger.propagate else None
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Append a record to the queue."""
        if record.name == OWN or record.name.startswith(f"{OWN}."):
            return
        try:
            around = ctx.get()
            if any(around.get(key) for key in SUPPRESSED):
                return
            if len(self.queue) >= self.limit:
                with self._counting:
                    self.dropped += 1
                return
            self.queue.append(_taken(record))
        except Exception as error:  # noqa: BLE001  whatever a bot logs may raise anything when it is asked for its text
            with self._counting:
                self.failed += 1
            GUARD.failed("logs", error)

    def take(self, most: int) -> list[Taken]:
        """Take what waits now, at most so many."""
        pop = self.queue.popleft
        return [pop() for _ in range(min(len(self.queue), most))]

    def forget(self) -> None:
        """Begin anew in a forked child: what was logged before is the parent's."""
        self._counting = threading.RLock()
        self.queue = deque()
        self.dropped = self.failed = 0


# --- when it is logged -------------------------------------------------------------------------------------------


def _taken(record: logging.LogRecord) -> Taken:
    fields = vars(record)
    extra = {key: _steady(value) for key, value in fields.items() if key not in STANDARD and key not in FIELDS}
    known = {field: fields[field] for field in FIELDS if field in fields and fields[field] != ABSENT}
    message = _message(record, extra)
    of_event = _of_structlog(extra.pop("exc_info", None))
    raised = record.exc_info or of_event
    return Taken(
        record.created,
        record.levelno,
        record.levelname,
        record.name,
        message,
        _raised(raised) if isinstance(raised, tuple) else None,
        (record.pathname, record.funcName, record.lineno, record.threadName, record.thread),
        extra,
        known if FIELDS[0] in fields else ids(),
    )


def _message(record: logging.LogRecord, extra: dict[str, Any]) -> str | tuple[str, tuple[Any, ...]]:
    said, args = record.msg, record.args
    if isinstance(said, Mapping):
        # structlog, before its `ProcessorFormatter` renders the event
        extra.update({str(key): _steady(value) for key, value in said.items() if key not in {"event", "exc_info"}})
        extra["exc_info"] = said.get("exc_info")
        return str(said.get("event", ""))
    if type(said) is str and isinstance(args, tuple) and all(type(each) in STEADY for each in args):
        return said, args
    return record.getMessage()


def _of_structlog(raised: Any) -> Any:
    """Return the exception of an event that is not rendered yet, as `logging` has it."""
    if isinstance(raised, BaseException):
        return type(raised), raised, raised.__traceback__
    return sys.exc_info() if raised is True else raised


def _steady(value: Any) -> Any:
    """Return a value that the bot cannot change any more."""
    if type(value) in STEADY:
        return value
    if isinstance(value, Mapping):
        return {str(key): _leaf(each) for key, each in islice(value.items(), PARTS)}
    if isinstance(value, list | tuple | set | frozenset):
        return [_leaf(each) for each in islice(value, PARTS)]
    return _leaf(value)


def _leaf(value: Any) -> Any:
    return value if type(value) in STEADY else shown(value, str)


def _raised(
    raised: tuple[type[BaseException] | None, BaseException | None, TracebackType | None],
) -> Raised | None:
    kind, error, trace = raised
    if kind is None:
        return None
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    stack = "".join(traceback.format_exception(kind, error, trace))
    return name, shown(error, str), stack[-STACK_LIMIT:]


# --- in the worker -----------------------------------------------------------------------------------------------


def severity(level: int) -> int:
    """Return OTLP's number for a level of Python's.

    >>> [severity(level) for level in (10, 20, 25, 30, 40, 50)]
    [5, 9, 12, 13, 17, 21]
    """
    tens, step = divmod(max(level, 0), 10)
    if tens > HIGHEST // STEPS - 1:
        return HIGHEST
    return STEPS * tens + 1 + min(step, STEPS - 1)


def log_data(taken: Taken, hide: Redactor, observed: int, body_limit: int) -> tuple[Scope, LogData]:
    """Return a record for the encoder, without secrets, under the name of its logger."""
    attributes, lost = _attributes(taken, hide)
    event = taken.extra.get(EVENT_NAME)
    return Scope(taken.logger), LogData(
        int(taken.time * 1e9),
        observed,
        severity(taken.level),
        taken.name,
        hide.text(_joined(taken.message)[:body_limit])[:body_limit],
        attributes,
        _number(taken.known.get("trace_id"), TRACE_DIGITS),
        _number(taken.known.get("span_id"), SPAN_DIGITS),
        event if isinstance(event, str) else "",
        _number(taken.known.get("trace_flags"), FLAG_DIGITS),
        lost,
    )


def _joined(message: str | tuple[str, tuple[Any, ...]]) -> str:
    if isinstance(message, str):
        return message
    said, args = message
    if not args:
        return said
    try:
        return said % args
    except (TypeError, ValueError):  # `logging` itself prints such a mistake to stderr
        return f"{said} {args!r}"


def _attributes(taken: Taken, hide: Redactor) -> tuple[dict[str, Any], int]:
    """Return what a record says beside its message; what the bot gave comes last and is bounded."""
    file, function, line, thread, number = taken.where
    said: dict[str, Any] = {
        a.CORRELATION_ID.key: taken.known.get("correlation_id"),
        a.CODE_FILE.key: file,
        a.CODE_FUNCTION.key: function,
        a.CODE_LINE.key: line,
        a.THREAD_NAME.key: thread,
        a.THREAD_ID.key: number,
    }
    if taken.raised is not None:
        kind, message, stack = taken.raised
        said[a.EXCEPTION_TYPE.key] = kind
        said[a.EXCEPTION_MESSAGE.key] = hide.text(message)
        said[a.EXCEPTION_STACKTRACE.key] = hide.text(stack)
    given = [(key, value) for key, value in taken.extra.items() if not _is_inner(key)]
    for key, value in given[:ATTRIBUTES]:
        said.setdefault(key, hide.value(key, value))
    return {key: value for key, value in said.items() if value is not None}, max(len(given) - ATTRIBUTES, 0)


def _is_inner(key: str) -> bool:
    return key.startswith("_") or key == EVENT_NAME


def _number(text: str | None, digits: int) -> int:
    if text is None or len(text) != digits:
        return 0
    try:
        return int(text, 16)
    except ValueError:
        return 0

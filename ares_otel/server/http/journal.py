"""The server's log: text for people, or a JSON object a line for programs; never a token, never a query."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from ares_otel.config.serving import LogFormat
from ares_otel.server.http.head import Head

__all__ = ["ACCESS", "JsonLines", "note", "written"]

ACCESS: Final = logging.getLogger("ares_otel.server.access")
LEVELS: Final = {"ares_otel": logging.INFO, "uvicorn.error": logging.WARNING}
FACTS: Final = ("request_id", "correlation_id", "client", "method", "path", "status", "seconds")
PATH_LIMIT: Final = 256


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON, with the facts of a request where it has them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= {name: value for name in FACTS if (value := record.__dict__.get(name)) not in {None, ""}}
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=True, default=str)


@contextlib.contextmanager
def written(kind: LogFormat) -> Iterator[None]:
    """Write the log of this process to stderr while the block runs."""
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if kind == "json" else text)
    loggers = {logging.getLogger(name): level for name, level in LEVELS.items()}
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger, level in loggers.items():
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def note(head: Head, status: int, seconds: float) -> None:
    """Log a request that was answered."""
    path = head.path[:PATH_LIMIT].encode("unicode_escape").decode()
    facts = {
        "request_id": head.request_id.decode(),
        "correlation_id": head.correlation_id.decode(),
        "client": head.client,
        "method": head.method,
        "path": path,
        "status": status,
        "seconds": round(seconds, 6),
    }
    words = (head.client, head.method, path, status, seconds * 1_000.0, facts["request_id"])
    ACCESS.info("%s %s %s %d in %.1f ms, request %s", *words, extra=facts)

"""Log records as rows; one that comes again, as after a lost answer, is stored once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Protocol

from ares_otel.server.otlp.logs import LogRecord
from ares_otel.server.store.ids import time_id
from ares_otel.server.store.numbers import Numbers
from ares_otel.server.store.rows import Rows

__all__ = ["add_logs"]

FIND = "SELECT severity, logger, body, trace, span, correlation, attributes FROM log WHERE id = ?"


class _Asked(Protocol):
    """What is needed of a connection."""

    def execute(self, query: str, values: tuple[Any, ...], /) -> Any:
        """Run a statement."""


def add_logs(db: _Asked, numbers: Numbers, rows: Rows, logs: Iterable[LogRecord]) -> int:
    """Add the rows of log records that are new; return how many these are.

    A record has no id. Its row id is its time with ten bits of its content, and what is there already under that id is
    compared: only where two different records of one microsecond share these bits, and one of them comes again, would
    that one be stored twice.
    """
    now: dict[int, set[bytes]] = {}
    added = 0
    for log in logs:
        base = time_id(log.time, log.digest)
        facts = (log.severity, log.logger, log.body, log.trace, log.span, log.correlation, log.attributes)
        content = hashlib.blake2b(repr(facts).encode("utf-8", "replace"), digest_size=8).digest()
        known = now.setdefault(base, set())
        if content in known or _is_stored(db, base, facts):
            continue
        known.add(content)
        row = numbers.free("log", base)
        rows.add("log", (row, *facts[:6], numbers.resource(log.resource), log.attributes))
        added += 1
    return added


def _is_stored(db: _Asked, base: int, facts: tuple[Any, ...]) -> bool:
    found = db.execute(FIND, (base,)).fetchone()
    return found is not None and tuple(bytes(f) if isinstance(f, memoryview) else f for f in found) == facts

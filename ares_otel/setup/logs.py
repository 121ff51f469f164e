"""The bot's log records on their way: the handler on the root logger, and what the worker does with what it took."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from ares_otel.config import Config
from ares_otel.config.keys import FIELDS
from ares_otel.config.masking import Redactor
from ares_otel.guard import GUARD
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.logs import LogHandler, log_data
from ares_otel.pipeline.model import Scope, Signal
from ares_otel.pipeline.otlp.logs import LogEncoder
from ares_otel.setup.elsewhere import Elsewhere, of_handlers

__all__ = ["LogExport", "secrets_of", "wanted"]

PART: Final = 500


class LogExport:
    """Takes log records from the root logger on, as `logs.export` says, and hands them to the sender.

    Args:
        config: the effective configuration.
        sender: with a lane for log records.

    Attributes:
        handler: on the root logger between `install()` and `remove()`.
        late: records that could not be worked through in time at the end.
    """

    def __init__(self, config: Config, sender: Lanes) -> None:
        self.config = config
        self.sender = sender
        level = logging.getLevelNamesMapping()[config.logs.level.upper()]
        self.handler = LogHandler(level, config.logs.queue_limit)
        self.late = 0
        self._hide = Redactor(secrets_of(config))
        self._elsewhere = Elsewhere(config.logs, of_handlers)
        self._told = 0
        self._encoder: LogEncoder | None = None

    @property
    def lost(self) -> int:
        """Records that did not reach the sender."""
        return self.handler.dropped + self.handler.failed + self.late

    def install(self, resource: Mapping[str, str | int]) -> None:
        """Take records from now on; `resource` says who sends."""
        self._encoder = LogEncoder(resource, self.config.recorder.attribute_length_limit)
        logging.getLogger().addHandler(self.handler)

    def remove(self) -> None:
        """Take no more records."""
        logging.getLogger().removeHandler(self.handler)

    def renew(self, resource: Mapping[str, str | int]) -> None:
        """Be somebody else, in a forked child."""
        self._encoder = LogEncoder(resource, self.config.recorder.attribute_length_limit)

    def forget(self) -> None:
        """Leave what was taken to the parent, in a forked child."""
        self.handler.forget()
        self.late = self._told = 0

    def work(self, now: Callable[[], int], until: float) -> None:
        """Encode what was taken and hand it to the sender, until a moment of the monotonic clock.

        What a handler of the application's own sends to the same receiver is not sent by us as well.
        """
        self._tell()
        waiting = len(self.handler.queue)
        if waiting and self._elsewhere():
            self.handler.take(waiting)
            return
        while waiting > 0 and self._encoder is not None:
            if time.monotonic() > until:
                self.late += waiting
                self.handler.take(waiting)
                GUARD.complain("logs", "late", f"{waiting} log records could not be worked through in time")
                return
            self._part(self._encoder, now())
            waiting -= PART

    def _part(self, encoder: LogEncoder, now: int) -> None:
        groups: dict[Scope, list[bytes]] = {}
        for taken in self.handler.take(PART):
            with GUARD.shield("logs"):
                scope, data = log_data(taken, self._hide, now, self.config.logs.body_limit)
                groups.setdefault(scope, []).append(encoder.record(data))
        for batch in encoder.batches(groups, max_records=self.config.logs.batch_records):
            self.sender.submit(batch)

    def _tell(self) -> None:
        """Say once that records are dropped: here, because the handler may not log."""
        if self.handler.dropped > self._told:
            self._told = self.handler.dropped
            limit = self.config.logs.queue_limit
            message = f"more than {limit} log records waited for the worker; those that came then are dropped, counted"
            GUARD.complain("logs", "queue_full", message)


def wanted(config: Config, sender: Lanes | None) -> LogExport | None:
    """Return what exports log records, or None if that is not wanted or nothing can send them."""
    if sender is None or not sender.carries(Signal.LOGS):
        return None
    return LogExport(config, sender)


def secrets_of(config: Config) -> Iterator[str]:
    """Yield the secrets that a configuration holds: in no text of a log are they to be read."""
    for key, field in FIELDS.items():
        value: object = config
        for name in key.split("."):
            value = getattr(value, name)
        if field.secret:
            said = value.values() if isinstance(value, Mapping) else [value]
            yield from (part for text in said if isinstance(text, str) for part in (text, text.rpartition(" ")[2]))
        elif field.kind in {"dsn", "url"} and isinstance(value, str):
            yield from _password(value)


def _password(url: str) -> Iterator[str]:
    try:
        password = urlsplit(url).password
    except ValueError:  # a gRPC target
        return
    if password:
        yield password

"""The bot's log records on their way: the handler on the root logger, and what the worker does with what it took."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from ares_otel.config import Config
from ares_otel.config.keys import FIELDS
from ares_otel.config.masking import Redactor
from ares_otel.guard import GUARD
from ares_otel.pipeline.backlog import Accounts
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.logs import LogHandler, Taken, log_data
from ares_otel.pipeline.model import Batch, Scope, Signal
from ares_otel.pipeline.otlp.logs import LogEncoder
from ares_otel.semconv.enums import DropReason
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
        self._hide = Redactor(secrets_of(config))
        self._elsewhere = Elsewhere(config.logs, of_handlers)
        self._encoder: LogEncoder | None = None
        self._reset()

    def _reset(self) -> None:
        # held while records go from here to the sender, so that nobody sees them in both places or in none
        self._moving = threading.RLock()
        self.late = self._told = self._taken = self._in_hand = self._invalid = 0
        self._left_to_others = False

    @property
    def lost(self) -> int:
        """Records that did not reach the sender."""
        return self.handler.dropped + self.handler.failed + self._invalid + self.late

    def accounts(self) -> Accounts:
        """Return where all records are at this moment, from the call that logged them on."""
        handler = self.handler
        with self._moving:
            sent = self.sender.accounts()[Signal.LOGS]
            early = {DropReason.QUEUE_FULL: handler.dropped, DropReason.INVALID: handler.failed}
            waiting = 0 if self._left_to_others else len(handler.queue)
            late = {DropReason.INVALID: self._invalid, DropReason.SHUTDOWN: self.late}
            return msgspec.structs.replace(
                sent,
                submitted=self._taken + waiting + sum(early.values()),
                queued=sent.queued + self._in_hand + waiting,
                dropped=Counter(sent.dropped) + Counter(early) + Counter(late),
            )

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
        self._reset()

    def work(self, now: Callable[[], int], until: float) -> None:
        """Encode what was taken and hand it to the sender, until a moment of the monotonic clock.

        What a handler of the application's own sends to the same receiver is not sent by us as well.
        """
        self._tell()
        waiting = len(self.handler.queue)
        if waiting:
            self._left_to_others = self._elsewhere()
        if waiting and self._left_to_others:
            self.handler.take(waiting)
            return
        while waiting > 0 and self._encoder is not None:
            if time.monotonic() > until:
                self._forgo(waiting)
                return
            self._part(self._encoder, now())
            waiting -= PART

    def _forgo(self, number: int) -> None:
        with self._moving:
            gone = len(self.handler.take(number))
            self._taken += gone
            self.late += gone
        GUARD.complain("logs", "late", f"{gone} log records could not be worked through in time")

    def _part(self, encoder: LogEncoder, now: int) -> None:
        with self._moving:
            part = self.handler.take(PART)
            self._taken += len(part)
            self._in_hand = len(part)
        try:
            batches = list(self._encoded(encoder, part, now))
            with self._moving:
                for batch in batches:
                    self.sender.submit(batch)
                    self._in_hand -= batch.spans
        finally:
            with self._moving:
                self._invalid += self._in_hand
                self._in_hand = 0

    def _encoded(self, encoder: LogEncoder, part: Iterable[Taken], now: int) -> Iterator[Batch]:
        groups: dict[Scope, list[bytes]] = {}
        for taken in part:
            with GUARD.shield("logs"):
                scope, data = log_data(taken, self._hide, now, self.config.logs.body_limit)
                made = encoder.record(data)
                if made:
                    groups.setdefault(scope, []).append(made)
        return encoder.batches(groups, max_records=self.config.logs.batch_records)

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

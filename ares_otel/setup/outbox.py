"""Spans on their way from the desk to the sender, and the sum of all: what was recorded is somewhere, or was lost.

Recorded is counted here, when a span is made or a record is lost; what became of it is counted by the sender. That
both agree is therefore no definition but something that can be checked, at every scrape.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from ares_otel.config import Config
from ares_otel.decision.writing import Writer
from ares_otel.guard import GUARD
from ares_otel.pipeline.backlog import Accounts
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.limits import limited
from ares_otel.pipeline.model import Batch, Scope, Signal, SpanData
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import Recorder
from ares_otel.semconv.enums import DropReason

__all__ = ["Outbox", "encoded"]


class Outbox:
    """Encodes spans, keeps them until the sender takes them, and knows where everything is.

    The worker's thread fills and empties it; any thread may ask for the accounts.

    Args:
        config: the effective configuration.
        encoder: of this process's resource.
        recorder: counts what found no room.
        lanes: the sender; None when nothing is sent.
    """

    def __init__(self, config: Config, encoder: Encoder, recorder: Recorder, lanes: Lanes | None) -> None:
        self._config = config
        self._encoder = encoder
        self._recorder = recorder
        self._lanes = lanes if lanes is not None and lanes.carries(Signal.TRACES) else None
        # held while spans go from here to the sender, so that nobody sees them in both places or in none
        self._moving = threading.RLock()
        self._groups: dict[Scope, list[bytes]] = {}
        self._made = 0
        self._lost: Counter[str] = Counter()
        self._told = recorder.refused, recorder.limited

    @property
    def lost(self) -> int:
        """Spans and records that never reached the sender."""
        return sum(self._lost.values())

    def put(self, scope: Scope, spans: Iterable[SpanData]) -> None:
        """Take finished spans; where they should be sent and cannot be, they are lost."""
        if self._lanes is None:
            if self._config.exporter.enabled:
                self.lose(len(list(spans)), DropReason.NO_EXPORTER)
            return
        self.take(scope, encoded(spans, self._encoder, self._config.recorder.attribute_count_limit))

    def take(self, scope: Scope, spans: Sequence[bytes]) -> None:
        """Take encoded spans; an empty one could not be encoded."""
        with self._moving:
            group = self._groups.get(scope)
            if group is None:
                group = self._groups[scope] = []
            lost = spans.count(b"")
            group += filter(None, spans) if lost else spans
            self._made += len(spans) - lost
            if lost:
                self._lost[DropReason.INVALID] += lost

    def writer(self) -> Writer | None:
        """Return what encodes decisions for this outbox; None where nothing is sent."""
        if self._lanes is None:
            return None
        return Writer(self._encoder, self._config.recorder.attribute_count_limit)

    def lose(self, number: int, reason: DropReason) -> None:
        """Count records that will never be spans."""
        with self._moving:
            self._lost[reason] += number

    def submit(self) -> None:
        """Hand all that waits here to the sender."""
        if self._lanes is None or not self._groups:
            return
        groups: dict[Scope, Sequence[bytes]] = dict(self._groups)
        batches = list(self._encoder.batches(groups, max_spans=self._config.exporter.batch_spans))
        with self._moving:
            self._groups = {}
            for batch in batches:
                self._lanes.submit(batch)

    def tell(self) -> None:
        """Say once that records find no room: here, because the bot's thread only counts them."""
        recorder = self._recorder
        if recorder.refused > self._told[0]:
            most = self._config.recorder
            bound = f"{most.queue_limit} records or {most.queue_bytes} bytes"
            message = f"more than {bound} waited for the worker; those that came then are dropped"
            GUARD.complain("recorder", DropReason.QUEUE_FULL, f"{message}, counted")
        if recorder.limited > self._told[1]:
            message = f"a decision had more than {recorder.max_items} parts; those beyond are dropped, counted"
            GUARD.complain("recorder", DropReason.LIMIT, message)
        self._told = recorder.refused, recorder.limited

    def forward(self, batches: Iterable[Batch]) -> None:
        """Let the spool have what another process had recorded; it counts here, because that one cannot any more."""
        if self._lanes is not None:
            with self._moving:
                for batch in batches:
                    self._made += batch.spans
                    self._lanes.submit(batch, keep=True)

    def accounts(self) -> Accounts:
        """Return where everything is at this moment; `submitted` is all that was recorded."""
        recorder = self._recorder
        with self._moving:
            sent = self._lanes.accounts()[Signal.TRACES] if self._lanes is not None else Accounts()
            waiting = sum(map(len, self._groups.values()))
            early = {DropReason.QUEUE_FULL: recorder.refused, DropReason.LIMIT: recorder.limited, **self._lost}
            return msgspec.structs.replace(
                sent,
                submitted=self._made + sum(early.values()),
                queued=sent.queued + waiting,
                dropped=Counter(sent.dropped) + Counter(early),
            )


def encoded(spans: Iterable[SpanData], encoder: Encoder, limit: int) -> list[bytes]:
    """Return spans as bytes, with at most `limit` attributes each; what cannot be encoded is empty."""
    encode = encoder.span
    return [encode(limited(span, limit)) for span in spans]

"""The running telemetry of a process: queue, worker, ledger, metrics, encoder, sender, put together."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

from ares_otel.config import Config
from ares_otel.decision.desk import Desk
from ares_otel.decision.sampling import KeepRule
from ares_otel.guard import GUARD
from ares_otel.orders import Ledger
from ares_otel.pipeline.model import Scope, SpanData, Transport
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import RECORDER, Recorder
from ares_otel.pipeline.sdk import to_span_data
from ares_otel.pipeline.sender import Sender
from ares_otel.pipeline.spool import Spool
from ares_otel.pipeline.worker import Worker
from ares_otel.setup.measuring import Measuring
from ares_otel.setup.provider import resource

__all__ = ["Telemetry"]

MIB = 1 << 20
LAST_ROUND = 0.5


class Telemetry:
    """What works behind the recorder from `start()` to `stop()`.

    Args:
        config: the effective configuration.
        recorder: the process's queue.
    """

    def __init__(self, config: Config, recorder: Recorder = RECORDER) -> None:
        self.config = config
        self.recorder = recorder
        self.resource = resource(config)
        self.encoder = Encoder(self.resource, attribute_length_limit=config.recorder.attribute_length_limit)
        self.sender = _sender(config)
        self.ledger = _ledger(config, str(self.resource["service.instance.id"]))
        self.measuring = Measuring(config, recorder, self.ledger, self.sender, self.resource, self._before_scrape)
        rule = KeepRule(config.sampling.slow_seconds, config.sampling.keep_orders, config.sampling.keep_errors)
        self.desk = Desk(recorder, self.measuring.metrics, self.ledger, rule, self._emit, to_span_data)
        self.measuring.watch(self.desk)
        self.worker = Worker(self._work, config.recorder.drain_interval)
        self._groups: dict[Scope, list[bytes]] = {}
        self._stopped: bool | None = None

    def start(self) -> None:
        """Open what has to be open and start the worker."""
        self.recorder.ids.refill()
        with GUARD.shield("ledger"):
            self.ledger.open()
        self.measuring.start()
        self.worker.start()
        self.recorder.enabled = True

    def flush(self, timeout: float) -> bool:
        """Deliver what was recorded so far; True only if the receiver acknowledged all of it within the time."""
        deadline = time.monotonic() + timeout
        if not self.worker.round(timeout):
            return False
        return self.sender is None or self.sender.flush(max(deadline - time.monotonic(), 0.0))

    def stop(self, timeout: float) -> bool:
        """End within about `timeout` seconds; what could not be delivered stays in the spool."""
        if self._stopped is not None:
            return self._stopped
        deadline = time.monotonic() + timeout
        self.recorder.enabled = False
        self.worker.stop(min(LAST_ROUND, timeout / 4))
        self.desk.closing = True
        worked = self.worker.round(timeout / 2)
        delivered = self.sender is None or self.sender.shutdown(max(deadline - time.monotonic(), 0.0))
        with GUARD.shield("shutdown"):
            self.ledger.close()
        self.measuring.stop()
        self._stopped = worked and delivered
        return self._stopped

    def after_fork(self) -> None:
        """Begin anew in a forked child: what is queued and connected is the parent's."""
        self.resource["service.instance.id"] = self.config.service.instance_id or str(uuid.uuid4())
        self.resource["process.pid"] = os.getpid()
        self.encoder = Encoder(self.resource, attribute_length_limit=self.config.recorder.attribute_length_limit)
        self._groups = {}
        self.ledger.after_fork(str(self.resource["service.instance.id"]))
        if self.sender is not None:
            self.sender.after_fork()
        self.measuring.after_fork(self.resource)
        if self._stopped is None:
            self.worker.start()

    def _before_scrape(self, timeout: float) -> None:
        self.worker.round(timeout)

    def _work(self) -> None:
        recorder, desk = self.recorder, self.desk
        recorder.clock.follow()
        desk.work(recorder.snapshot())
        if desk.closing:
            desk.close_all()
        else:
            desk.abandon(self.config.correlation.timeout)
        with GUARD.shield("ledger"):
            self.ledger.commit()
        self._submit()
        recorder.ids.refill()
        self.measuring.tick()

    def _emit(self, scope: Scope, spans: Iterable[SpanData]) -> None:
        if self.sender is None:
            return
        encode, limit = self.encoder.span, self.config.recorder.attribute_count_limit
        kept = self._groups.setdefault(scope, [])
        for span in spans:
            kept.append(encode(span if len(span.attributes) <= limit else _shortened(span, limit)))

    def _submit(self) -> None:
        if self.sender is None or not self._groups:
            return
        groups: dict[Scope, Sequence[bytes]] = dict(self._groups)
        self._groups = {}
        for batch in self.encoder.batches(groups, max_spans=self.config.exporter.batch_spans):
            self.sender.submit(batch)


def _shortened(span: SpanData, limit: int) -> SpanData:
    kept = dict(list(span.attributes.items())[:limit])
    dropped = span.dropped_attributes + len(span.attributes) - len(kept)
    return span._replace(attributes=kept, dropped_attributes=dropped)


def _ledger(config: Config, process: str) -> Ledger:
    path = Path(config.ledger.directory) / "orders.db" if config.ledger.enabled else None
    return Ledger(
        path,
        limit=config.ledger.limit,
        days=config.ledger.days,
        unanswered_after=config.orders.unanswered_after,
        process=process,
    )


def _sender(config: Config) -> Sender | None:
    """Return the sender, or None when nothing is to be sent or no transport can be made (that is logged)."""
    exporter = config.exporter
    if not exporter.enabled:
        return None
    with GUARD.shield("exporter"):
        transport = _transport(config)
        spool = Spool(Path(config.spool.directory), config.spool.cap_bytes) if config.spool.enabled else None
        return Sender(transport, spool, timeout=exporter.timeout)
    return None


def _transport(config: Config) -> Transport:
    exporter = config.exporter
    if exporter.protocol == "grpc":
        from ares_otel.pipeline.grpc import GrpcTransport  # noqa: PLC0415  an extra

        return GrpcTransport(
            exporter.url,
            headers=exporter.headers,
            certificate=exporter.certificate,
            client_certificate=exporter.client_certificate,
            client_key=exporter.client_key,
            compression=exporter.compression,
        )
    from ares_otel.pipeline.http import HttpTransport  # noqa: PLC0415  not needed with gRPC

    return HttpTransport(
        exporter.url,
        headers=exporter.headers,
        compression=exporter.compression,
        certificate=exporter.certificate,
        client_certificate=exporter.client_certificate,
        client_key=exporter.client_key,
    )

"""The parts of the telemetry that the configuration decides on: ledger, sender, transport."""

from __future__ import annotations

from pathlib import Path

from ares_otel.config import Config
from ares_otel.config.schema import Exporter, Logs
from ares_otel.guard import GUARD
from ares_otel.orders import Ledger
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.model import Batch, Signal, Transport, Verdict
from ares_otel.pipeline.sender import Sender
from ares_otel.pipeline.spool import Spool

__all__ = ["delivered", "make_ledger", "make_sender", "make_transport", "way_of"]

LOGS = "log records"
MEMORY = 8 << 20


def make_ledger(config: Config, process: str) -> Ledger:
    """Return the ledger; `process` is the unique id of this process."""
    path = Path(config.ledger.directory) / "orders.db" if config.ledger.enabled else None
    return Ledger(
        path,
        limit=config.ledger.limit,
        days=config.ledger.days,
        unanswered_after=config.orders.unanswered_after,
        process=process,
    )


def make_sender(config: Config) -> Lanes | None:
    """Return the sender, or None when nothing is to be sent or no transport can be made (that is logged)."""
    lanes: dict[Signal, Sender] = {}
    exporter, logs, folder = config.exporter, config.logs, Path(config.spool.directory)
    if exporter.enabled:
        with GUARD.shield("exporter"):
            transport = make_transport(config)
            spool = Spool(folder, config.spool.cap_bytes) if config.spool.enabled else None
            lanes[Signal.TRACES] = Sender(transport, spool, timeout=exporter.timeout)
    if logs.export:
        with GUARD.shield("logs"):
            transport = make_transport(config, Signal.LOGS)
            spool = Spool(folder / "logs", logs.spool_bytes, what=LOGS) if config.spool.enabled else None
            lanes[Signal.LOGS] = Sender(
                transport, spool, timeout=logs.timeout, max_memory_bytes=MEMORY, name="ares-otel-logs", what=LOGS
            )
    return Lanes(lanes) if lanes else None


def way_of(config: Config, signal: Signal) -> Exporter | Logs:
    """Return the section of the configuration that says how a signal is sent."""
    return config.logs if signal == Signal.LOGS else config.exporter


def delivered(config: Config, batch: Batch) -> Verdict:
    """Send a batch once as the bot sends its signal, past sender and spool, and return what became of it.

    Raises:
        ValueError: the address or a header is none; the message holds no secret.
        ImportError: the extra `grpc` is missing.
    """
    transport = make_transport(config, batch.signal)
    verdict = transport.send(batch, way_of(config, batch.signal).timeout)
    transport.close()
    return verdict


def make_transport(config: Config, signal: Signal = Signal.TRACES) -> Transport:
    """Return what carries a signal to the configured receiver.

    Raises:
        ValueError: the address or a header is none; the message holds no secret.
        ImportError: the extra `grpc` is missing.
    """
    how = way_of(config, signal)
    if how.protocol == "grpc":
        from ares_otel.pipeline.grpc import GrpcLogTransport, GrpcTransport  # noqa: PLC0415  an extra

        return (GrpcLogTransport if signal == Signal.LOGS else GrpcTransport)(
            how.url,
            headers=how.headers,
            certificate=how.certificate,
            client_certificate=how.client_certificate,
            client_key=how.client_key,
            compression=how.compression,
        )
    from ares_otel.pipeline.http import HttpTransport  # noqa: PLC0415  not needed with gRPC

    return HttpTransport(
        how.url,
        headers=how.headers,
        compression=how.compression,
        certificate=how.certificate,
        client_certificate=how.client_certificate,
        client_key=how.client_key,
    )

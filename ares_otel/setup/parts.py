"""The parts of the telemetry that the configuration decides on: ledger, sender, transport; and its limits on spans."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ares_otel.config import Config
from ares_otel.guard import GUARD
from ares_otel.orders import Ledger
from ares_otel.pipeline.model import SpanData, Transport
from ares_otel.pipeline.sender import Sender
from ares_otel.pipeline.spool import Spool

__all__ = ["limited", "make_ledger", "make_sender", "make_transport"]

OWN = "ares."


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


def make_sender(config: Config) -> Sender | None:
    """Return the sender, or None when nothing is to be sent or no transport can be made (that is logged)."""
    exporter = config.exporter
    if not exporter.enabled:
        return None
    with GUARD.shield("exporter"):
        transport = make_transport(config)
        spool = Spool(Path(config.spool.directory), config.spool.cap_bytes) if config.spool.enabled else None
        return Sender(transport, spool, timeout=exporter.timeout)
    return None


def make_transport(config: Config) -> Transport:
    """Return what carries spans to the configured receiver.

    Raises:
        ValueError: the address or a header is none; the message holds no secret.
        ImportError: the extra `grpc` is missing.
    """
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


def limited(span: SpanData, limit: int) -> SpanData:
    """Return a span with at most `limit` attributes on itself and on each event and link, ours kept before others'."""
    over = len(span.attributes) > limit
    over = over or any(len(event.attributes) > limit for event in span.events)
    if not (over or any(len(link.attributes) > limit for link in span.links)):
        return span
    return span._replace(
        attributes=_first(span.attributes, limit),
        dropped_attributes=span.dropped_attributes + _excess(span.attributes, limit),
        events=[
            event._replace(
                attributes=_first(event.attributes, limit),
                dropped_attributes=event.dropped_attributes + _excess(event.attributes, limit),
            )
            for event in span.events
        ],
        links=[
            link._replace(
                attributes=_first(link.attributes, limit),
                dropped_attributes=link.dropped_attributes + _excess(link.attributes, limit),
            )
            for link in span.links
        ],
    )


def _excess(attributes: Mapping[str, Any], limit: int) -> int:
    return max(len(attributes) - limit, 0)


def _first(attributes: Mapping[str, Any], limit: int) -> Mapping[str, Any]:
    if len(attributes) <= limit:
        return attributes
    # what a decision is found by must not make way for what somebody else has put on its span before
    ranked = sorted(attributes.items(), key=lambda item: not item[0].startswith(OWN))
    return dict(islice(ranked, limit))

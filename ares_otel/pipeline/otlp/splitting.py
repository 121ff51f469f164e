"""A request in halves: what a receiver finds too large at once may go in two.

Spans and log records are nested alike, with the same field numbers: resources (1) hold scopes (2) hold items (2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from ares_otel.pipeline.model import Batch
from ares_otel.pipeline.otlp.response import DELIMITED, Reader
from ares_otel.pipeline.otlp.wire import field

__all__ = ["halves"]

RESOURCES: Final = 1 << 3 | DELIMITED
SCOPES: Final = 2 << 3 | DELIMITED
ITEMS: Final = 2 << 3 | DELIMITED
LAST: Final = 15 << 3 | DELIMITED
"""Fields beyond take more than one byte to name; OpenTelemetry has none of these around its items."""


class _Item(NamedTuple):
    resource: bytes
    scope: bytes
    whole: bytes


def halves(batch: Batch) -> tuple[Batch, Batch] | None:
    """Return a batch as two, in the order of its items; None for one item, and for what is no request of ours."""
    try:
        items = list(_items(batch.body))
    except ValueError:
        return None
    if len(items) != batch.spans or batch.spans < 2:  # noqa: PLR2004  a half is not empty
        return None
    middle = len(items) // 2
    first, second = items[:middle], items[middle:]
    return Batch(_request(first), len(first), batch.signal), Batch(_request(second), len(second), batch.signal)


def _items(body: bytes) -> Iterator[_Item]:
    resources, _ = _parts(body, RESOURCES)
    for resource in resources:
        scopes, about_resource = _parts(resource, SCOPES)
        for scope in scopes:
            items, about_scope = _parts(scope, ITEMS)
            yield from (_Item(about_resource, about_scope, field(ITEMS, item)) for item in items)


def _parts(body: bytes, wanted: int) -> tuple[list[bytes], bytes]:
    """Return the bodies of the fields with a tag, and all the others as they are.

    Raises:
        ValueError: this is no message whose fields all have a length.
    """
    found, others = list[bytes](), list[bytes]()
    for tag, value in Reader(body).fields():
        if not isinstance(value, bytes) or tag > LAST:
            raise ValueError("a field of another kind")
        if tag == wanted:
            found.append(value)
        else:
            others.append(field(tag, value))
    return found, b"".join(others)


def _request(items: Sequence[_Item]) -> bytes:
    return b"".join(
        field(
            RESOURCES,
            resource
            + b"".join(
                field(SCOPES, scope + b"".join(item.whole for item in alike))
                for scope, alike in groupby(within, lambda item: item.scope)
            ),
        )
        for resource, within in groupby(items, lambda item: item.resource)
    )

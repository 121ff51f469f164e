"""Spans that are stored already: what comes again is found in the newest segments of its trace."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from ares_otel.server.otlp.decode import Traces
from ares_otel.server.store.driver import Driver
from ares_otel.server.store.frames import Codec, raw_spans
from ares_otel.server.store.fresh import Fresh
from ares_otel.server.store.ids import lookup_key, trace_key

__all__ = ["KNOWN_SEGMENTS", "Known"]

KNOWN_SEGMENTS = 512
CHUNK = 200
MANY = CHUNK * KNOWN_SEGMENTS
FIND_MANY = f"SELECT segment FROM lookup WHERE key {{some}} LIMIT {MANY}"  # noqa: S608  own number
FIND_ONE = "SELECT segment FROM lookup WHERE key = ? ORDER BY segment DESC LIMIT ?"
READ = "SELECT data, pack, start, size FROM segment WHERE id {some}"
PACKS = "SELECT id, data FROM pack WHERE id {some}"


class Known:
    """Finds the spans of traces.

    Args:
        db: the connection that writes.
        codec: unpacks frames.

    Attributes:
        fresh: has to hear of the keys that are stored.
    """

    def __init__(self, db: Driver, codec: Codec) -> None:
        self.fresh = Fresh(db)
        self._db = db
        self._codec = codec

    def spans(self, traces: Traces) -> dict[bytes, list[tuple[str, bytes]]]:
        """Take spans out that are stored; return name and bytes of stored spans of the same traces, by trace."""
        typed: dict[bytes, list[tuple[str, bytes]]] = {}
        for content in self._segments_of(self.fresh.known({lookup_key(trace_key(trace)) for trace in traces})):
            for trace, span_id, name, raw in raw_spans(content, traces):
                traces[trace].pop(span_id, None)
                typed.setdefault(trace, []).append((name, raw))
        return typed

    def _segments_of(self, keys: list[int]) -> Iterator[bytes]:
        """Yield the contents of segments."""
        found: list[int] = []
        for part in _chunks(keys):
            segments = self._db.pick(FIND_MANY, part)
            if len(segments) == MANY:
                # a trace without end: only what came last can come again
                each = (self._db.execute(FIND_ONE, (key, KNOWN_SEGMENTS)) for key in part)
                segments = list(itertools.chain.from_iterable(each))
            found += (segment for (segment,) in segments)
        for part in _chunks(sorted({*found})):
            yield from self._codec.contents(self._db.pick(READ, part), self._packs)

    def _packs(self, numbers: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        for part in _chunks(numbers):
            yield from self._db.pick(PACKS, part)


def _chunks(keys: Sequence[int]) -> Iterator[list[int]]:
    for at in range(0, len(keys), CHUNK):
        part = list(keys[at : at + CHUNK])
        yield part + part[-1:] * (CHUNK - len(part))

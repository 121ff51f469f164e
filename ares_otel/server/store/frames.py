"""Frames: spans of one resource as they came, compressed by zstd with dictionaries trained here."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import zstandard

from ares_otel.guard import GUARD
from ares_otel.server.otlp.decode import Entry
from ares_otel.server.otlp.views import HeadResource, RawResource
from ares_otel.server.otlp.wire import length_delimited, varint
from ares_otel.server.store.driver import Connection

__all__ = ["HEAD_BYTES", "Codec", "Unpacker", "content_size", "frame", "raw_spans"]

LEVEL, PACK_LEVEL = 1, 9
"""Levels of zstd: that of what is acknowledged after it, which 3 would not make smaller, and that of packs."""

OPEN_PACKS = 8
HEAD_BYTES = 18
"""Longest header of a frame."""

Packs: TypeAlias = Callable[[Sequence[int]], Iterable[tuple[int, bytes]]]
"""Finds packs by their ids."""

TRAIN_AFTER = 1 << 20
"""Bytes of spans after which the dictionary is trained."""

DICTIONARY_BYTES = 32_768
SEGMENTS, SAMPLE_BYTES = 500, 4_096
SPANS = 2
SPAN_TAG = b"\x12"
COMMON = 4_096
"""Shorter spans have their headers ready."""


class Unpacker:
    """Unpacks frames; `load` finds a dictionary by its id."""

    def __init__(self, load: Callable[[int], bytes | None]) -> None:
        self._load = load
        self._known = {0: zstandard.ZstdDecompressor()}

    def unpack(self, data: bytes) -> bytes:
        """Return the content of a frame.

        Raises:
            zstandard.ZstdError: it is damaged, or its dictionary is gone.
        """
        number = zstandard.get_frame_parameters(data).dict_id
        unpacker = self._known.get(number)
        if unpacker is None:
            shared = zstandard.ZstdCompressionDict(self._load(number) or b"")
            unpacker = self._known[number] = zstandard.ZstdDecompressor(dict_data=shared)
        return unpacker.decompress(data)

    def contents(self, segments: Sequence[Sequence[Any]], packs: Packs) -> Iterator[bytes]:
        """Yield the content of segments of which `data`, `pack`, `start`, `size` are at hand; empty if it is pruned."""
        shared = sorted({segment[1] for segment in segments if segment[1] is not None})
        found = dict(packs(shared)) if shared else {}

        @lru_cache(OPEN_PACKS)
        def whole(pack: int) -> bytes:
            return self.unpack(found[pack]) if pack in found else b""

        for data, pack, start, size in segments:
            yield self.unpack(data) if pack is None else whole(pack)[start : start + size]


class Codec(Unpacker):
    """Packs frames, too; the dictionary is trained once from the first spans and kept in the database for ever.

    Every frame names its dictionary, so that later ones can be added.

    Attributes:
        pack: returns a frame of some content.
        squeeze: returns one that took more time to make, and takes less room.
    """

    def __init__(self, db: Connection) -> None:
        super().__init__(self._stored)
        self._db = db
        newest = db.execute("SELECT data FROM dictionary ORDER BY id DESC LIMIT 1").fetchone()
        self._left = TRAIN_AFTER if newest is None else 0
        self._use(newest[0] if newest is not None else b"")

    def _stored(self, number: int) -> bytes | None:
        found = self._db.execute("SELECT data FROM dictionary WHERE id = ?", (number,)).fetchone()
        return found[0] if found is not None else None

    def _use(self, data: bytes) -> None:
        self.pack = _compressor(data, LEVEL)
        self.squeeze = _compressor(data, PACK_LEVEL)

    def learn(self, size: int) -> None:
        """Train the dictionary once enough is stored; so many bytes of spans have just been committed."""
        if self._left <= 0:
            return
        self._left -= size
        if self._left <= 0:
            with GUARD.shield("store dictionary"):
                self._train()

    def _train(self) -> None:
        rows = self._db.execute("SELECT data FROM segment WHERE pack IS NULL ORDER BY id DESC LIMIT ?", (SEGMENTS,))
        contents = [self.unpack(data) for (data,) in rows.fetchall()]
        samples: list[bytes | bytearray | memoryview] = [
            content[at : at + SAMPLE_BYTES] for content in contents for at in range(0, len(content), SAMPLE_BYTES)
        ]
        trained = zstandard.train_dictionary(DICTIONARY_BYTES, samples, dict_id=1).as_bytes()
        self._db.execute("INSERT INTO dictionary(id, data) VALUES (1, ?)", (trained,))
        self._use(trained)


def _compressor(dictionary: bytes, level: int) -> Callable[[bytes], bytes]:
    shared = zstandard.ZstdCompressionDict(dictionary)
    if dictionary:
        shared.precompute_compress(level=level)
    return zstandard.ZstdCompressor(level=level, dict_data=shared, write_checksum=False).compress


def content_size(head: bytes) -> int:
    """Return how many bytes the content of a frame has, by its first `HEAD_BYTES`."""
    return zstandard.frame_content_size(head)


def frame(entries: Iterable[Entry]) -> bytes:
    """Return spans of one resource as the `scope_spans` of an OTLP `ResourceSpans`."""
    scopes: dict[bytes, list[bytes]] = {}
    for _, raw, source in entries:
        parts = scopes.get(source.scope)
        if parts is None:
            parts = scopes[source.scope] = [source.scope]
        size = len(raw)
        parts += (HEADERS[size] if size < COMMON else _span_header(size), raw)
    return b"".join(length_delimited(SPANS, b"".join(parts)) for parts in scopes.values())


def _span_header(size: int) -> bytes:
    return SPAN_TAG + varint(size)


HEADERS = [_span_header(size) for size in range(COMMON)]


def raw_spans(content: bytes, wanted: Container[bytes] | None = None) -> Iterator[tuple[bytes, bytes, str, bytes]]:
    """Yield trace id, span id, name and bytes of the spans in a frame's content, of all or of some traces."""
    heads = HeadResource.FromString(content)
    for raw_scope, head_scope in zip(RawResource.FromString(content).scope_spans, heads.scope_spans, strict=True):
        for raw, head in zip(raw_scope.spans, head_scope.spans, strict=True):
            trace = head.trace_id
            if wanted is None or trace in wanted:
                yield trace, head.span_id, head.name, raw

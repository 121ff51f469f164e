"""Spans by any id, for one question: no frame is read twice, no span decoded twice.

The ids of one question overlap: a decision is found by its own id, told with all of its trace, and joined with what
carries its correlation id, and all three are mostly the same frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Integer, Select, bindparam, select

from ares_otel.server.store import schema as t
from ares_otel.server.store.ids import bounded, lookup_key, moment_key, text_key, trace_key, uuid_digits
from ares_otel.server.story.contents import CONTENT, Contents
from ares_otel.server.story.leash import Leash
from ares_otel.server.story.stored import Frame, StoredSpan, Wanted

__all__ = ["SEGMENTS", "Finder"]

SPAN_DIGITS: Final = 16
SLICE: Final = 500
SEGMENTS: Final = 2_000
"""Most segments read for one id, the newest first."""

MOST: Final = bindparam("most", type_=Integer)

# made once: to put a statement together takes five times as long as to run it
_PLACES: Final = select(t.lookup.c.key, t.lookup.c.segment).order_by(t.lookup.c.segment.desc()).limit(MOST)
BY_KEYS: Final = _PLACES.where(t.lookup.c.key.in_(bindparam("keys", expanding=True)))
FRAMES: Final = (
    select(t.segment.c.id, t.segment.c.resource, t.resource.c.data.label("source"), *CONTENT)
    .join_from(t.segment, t.resource, t.resource.c.id == t.segment.c.resource)
    .where(t.segment.c.id.in_(bindparam("ids", expanding=True)))
)
OF_ORDERS: Final = (
    select(t.orders.c.client_id, t.orders.c.trace)
    .where(t.orders.c.client_id.in_(bindparam("clients", expanding=True)))
    .order_by(t.orders.c.id.desc())
    .limit(MOST)
)


class Finder:
    """Finds spans; lives as long as one question.

    Args:
        db: connection to read from.
        contents: reads what is in segments.
        leash: how long it may take.
    """

    def __init__(self, db: Connection, contents: Contents, leash: Leash) -> None:
        self._db = db
        self._contents = contents
        self._leash = leash
        self._places: dict[int, list[int]] = {}
        self._frames: dict[int, Frame] = {}
        self._sources: dict[int, dict[str, Any]] = {}

    def expect(self, texts: Iterable[str] = (), traces: Iterable[str] = ()) -> None:
        """Look up at once what will be asked for."""
        keys = (*map(text_key, texts), *(trace_key(bytes.fromhex(trace)) for trace in traces))
        self._look({*map(lookup_key, keys)})

    def by_text(self, text: str) -> Iterator[StoredSpan]:
        """Yield the spans that hold a text, in any spelling if it is 128 hexadecimal bits; compare the ids."""
        return self._spans(self._at(lookup_key(text_key(text))), _holds(text))

    def by_moment(self, decision: str) -> Iterator[StoredSpan]:
        """Yield the spans that a decision id of the library may belong to; nothing for any other text."""
        moment = moment_key(decision)
        if moment is not None:
            span, holds = bytes.fromhex(decision[-SPAN_DIGITS:]), _holds(decision)
            yield from self._spans(self._at(moment), lambda trace, raw: span in raw or holds(trace, raw))

    def by_trace(self, trace: str) -> list[StoredSpan]:
        """Return the spans of a trace, each once, by time."""
        own = bytes.fromhex(trace)
        places = self._at(lookup_key(trace_key(own)))
        spans = {span.span: span for span in self._spans(places, lambda got, _: got == own)}
        return sorted(spans.values(), key=lambda span: (span.start, span.end, span.span))

    def traces_of_orders(self, clients: Sequence[str]) -> Mapping[str, list[str]]:
        """Return the traces that speak of client order ids, newest first."""
        names = {bounded(client): client for client in clients}
        found: dict[str, list[str]] = {client: [] for client in clients}
        for name, trace in self._db.execute(OF_ORDERS, {"clients": list(names), "most": SEGMENTS}) if names else ():
            traces = found[names[name]]
            if trace.hex() not in traces:
                traces.append(trace.hex())
        return found

    def _at(self, key: int) -> list[int]:
        if key not in self._places:
            self._look({key})
        return self._places[key]

    def _look(self, keys: set[int]) -> None:
        """Look up those keys that were not looked up yet."""
        missing = sorted(keys - self._places.keys())
        if not missing:
            return
        found = self._found(BY_KEYS, {"keys": missing})
        if len(missing) > 1 and sum(map(len, found.values())) == SEGMENTS:
            # one of them may have taken the places of the others
            for key in missing:
                self._look({key})
        else:
            self._places |= {key: found.get(key, []) for key in missing}

    def _found(self, query: Select[Any], values: Mapping[str, Any]) -> Mapping[int, list[int]]:
        found: dict[int, list[int]] = {}
        for key, segment in self._db.execute(query, {**values, "most": SEGMENTS}).all():
            found.setdefault(key, []).append(segment)
        return found

    def _spans(self, places: Iterable[int], wanted: Wanted) -> Iterator[StoredSpan]:
        chosen = sorted(places)
        self._read([place for place in chosen if place not in self._frames])
        for place in chosen:
            self._leash.check()
            frame = self._frames.get(place)
            # what was pruned meanwhile is gone
            if frame is not None:
                yield from frame.spans(wanted)

    def _read(self, places: Sequence[int]) -> None:
        for at in range(0, len(places), SLICE):
            found = self._db.execute(FRAMES, {"ids": places[at : at + SLICE]}).all()
            for (place, number, source, *_), content in zip(found, self._contents.of(found), strict=True):
                frame = Frame(source, content, self._sources.get(number))
                self._sources[number] = frame.resource
                self._frames[place] = frame


def _holds(text: str) -> Wanted:
    """Return a test for spans that hold a text: it is quick, and may say yes too often."""
    digits = uuid_digits(text)
    if digits is None:
        sought = text.encode("utf-8", "replace")
        return lambda _, raw: sought in raw
    trace, spelled = bytes.fromhex(digits), digits.encode()
    return lambda found, raw: found == trace or spelled in raw.replace(b"-", b"").lower()

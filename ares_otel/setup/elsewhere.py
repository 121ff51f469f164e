"""What the application's own SDK already sends to our receiver, so that nothing gets there twice.

OpenTelemetry has no question for this, so the attributes are walked by which its processors, and those that others wrap
around them, hold an exporter. An exporter that is not found means that we send, too: twice is better than never.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import urlsplit

from ares_otel.config.schema import Exporter, Logs
from ares_otel.guard import GUARD

__all__ = ["Elsewhere", "of_handlers", "of_provider"]

PACKAGE = "opentelemetry.exporter.otlp."
HOLDERS = (
    "_active_span_processor",
    "_span_processors",
    "_logger_provider",
    "_multi_log_record_processor",
    "_log_record_processors",
    "_batch_processor",
    "_exporter",
    "span_exporter",
    "exporter",
    "wrapped_exporter",
    "processor",
    "provider",
)
MOST = 200
PORTS = ("4317", "4318")


class Elsewhere:
    """Tells whether the application sends a signal to a receiver itself.

    Args:
        ours: how we send the signal.
        roots: returns what is to be searched; it is searched again when something else is returned.
    """

    def __init__(self, ours: Exporter | Logs, roots: Callable[[], tuple[object, ...]]) -> None:
        self._ours = _place(ours.url)
        self._roots = roots
        self._seen: tuple[object, ...] = ()
        self._found = False

    def __call__(self) -> bool:
        """Look, which is nearly free while nothing has changed."""
        roots = self._roots()
        if len(roots) != len(self._seen) or any(one is not two for one, two in zip(roots, self._seen, strict=True)):
            self._seen = roots
            self._found = False
            with GUARD.shield("elsewhere"):
                self._found = self._ours in {_place(address) for address in _addresses(roots)}
        return self._found


def of_provider(provider: object) -> Callable[[], tuple[object, ...]]:
    """Return what returns the span processors of a provider, of the one that it stands for if it is a proxy."""

    def processors() -> tuple[object, ...]:
        inner = getattr(provider, "provider", provider)
        found = getattr(getattr(inner, "_active_span_processor", None), "_span_processors", ())
        return found if isinstance(found, tuple) else ()

    return processors


def of_handlers() -> tuple[object, ...]:
    """Return the handlers of the root logger."""
    return tuple(logging.getLogger().handlers)


def _place(url: str) -> tuple[str, str]:
    """Return host with port, and path; the same for both ports of OTLP, which one receiver listens on."""
    parts = urlsplit(url if "://" in url else f"//{url}")  # an exporter over gRPC keeps no scheme
    place, path = parts.netloc.rpartition("@")[2].replace("localhost", "127.0.0.1"), parts.path.rstrip("/")
    host, _, port = place.rpartition(":")
    return (host, path.removesuffix("/v1/traces").removesuffix("/v1/logs")) if port in PORTS else (place, path)


def _addresses(roots: Iterable[object]) -> Iterator[str]:
    """Yield the addresses of the OTLP exporters that are found below some objects."""
    waiting, known = deque(roots), set[int]()
    while waiting and len(known) < MOST:
        one = waiting.popleft()
        if id(one) in known:
            continue
        known.add(id(one))
        address = getattr(one, "_endpoint", None)
        if isinstance(address, str) and _is_exporter(one):
            yield address
        for name in HOLDERS:
            held = getattr(one, name, None)
            waiting.extend(held if isinstance(held, list | tuple) else [] if held is None else [held])


def _is_exporter(one: object) -> bool:
    return any(kind.__module__.startswith(PACKAGE) for kind in type(one).__mro__)

"""Capture what a bot says, with a clock and ids that are the same in every run.

def test_my_bot(ares_capture):
    my_bot.decide(bar)

    assert ares_capture.spans() == [{"name": "decision", ...}]
    assert ares_capture.value("ares_decisions_total", strategy="momentum", symbol="ETHUSDT", action="buy") == 1
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Self, TypeAlias

from opentelemetry import trace
from opentelemetry.context import Context

from ares_otel.clock import Clock
from ares_otel.correlation import context as ctx
from ares_otel.correlation import threads
from ares_otel.correlation.ids import IdSource
from ares_otel.decision.desk import Desk
from ares_otel.decision.sampling import KeepRule
from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics
from ares_otel.orders import Ledger
from ares_otel.pipeline.model import Scope, SpanData
from ares_otel.pipeline.recorder import RECORDER, Recorder
from ares_otel.pipeline.sdk import to_span_data
from ares_otel.semconv.enums import DropReason
from ares_otel.setup import companions, shutdown
from ares_otel.setup.api import STAND_INS
from ares_otel.testing.checking import live_check

__all__ = ["Capture", "OpenDecisionError", "UndeclaredError"]

Shown: TypeAlias = dict[str, Any]

START = 1_767_225_600_000_000_000
TICK = 1_000_000
SEED = 7
SLOW = 1e9
SECOND = 1.0
STATE = [name for name in Recorder.__slots__ if name != "_lock"]


class OpenDecisionError(AssertionError):
    """A test left a decision open: it was begun and never ended."""


class UndeclaredError(AssertionError):
    """Something was emitted under a name, with a label or with a value that nobody declared."""


class Capture:
    """Takes what is recorded within its `with` block; no network, no thread, no file.

    Every reading of the clock is a millisecond after the one before, beginning on 2026-01-01T00:00:00Z; ids come from
    a seed. Bad values raise unless `strict` is off. `setup()` starts nothing meanwhile, and `flush()` and `shutdown()`
    have nothing to wait for, so that a bot's own `main()` can be tested. At the end of the block globals are as before,
    and a decision that was left open is an error.

    Args:
        strict: bad values raise at the call.
        check: at the end, everything emitted has to be declared (`live_check`).

    Attributes:
        metrics: the metrics that were made of the records.
        finished: spans in the order in which they were told, as the encoder would get them.
    """

    def __init__(self, *, strict: bool = True, check: bool = True) -> None:
        ticks = itertools.count(0, TICK)
        self.strict = strict
        self.check = check
        self.clock = Clock(monotonic=lambda: next(ticks), wall=lambda: START)
        self.clock.offset = START - TICK  # the clock has read one tick to find its anchor
        self.metrics = Metrics(clock=self.clock)
        self.ledger = Ledger(None, process="capture")
        out = _Out()
        self.finished = out.finished
        self._token: Any = None
        self._before: dict[str, Any] = {}
        self._strict = self._patched = False
        self.desk = Desk(RECORDER, self.metrics, self.ledger, KeepRule(SLOW), out, to_span_data)

    def __enter__(self) -> Self:
        shutdown()
        self._before = {name: getattr(RECORDER, name) for name in STATE}
        self._strict, self._patched = GUARD.strict, threads.active()
        RECORDER.reset()
        RECORDER.use_clock(self.clock)
        RECORDER.ids = IdSource(SEED)
        RECORDER.enabled = True
        GUARD.reset()
        GUARD.strict = RECORDER.strict = self.strict
        threads.install()
        STAND_INS.append(self.drain)
        self._token = ctx.set_(Context())
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        companions.stop(SECOND)
        self.drain()
        left = [live.facts for live in RECORDER.open]
        ctx.reset(self._token)
        STAND_INS.pop()
        if not self._patched:
            threads.uninstall()
        for name, value in self._before.items():
            setattr(RECORDER, name, value)
        GUARD.strict = self._strict
        GUARD.reset()
        if kind is not None:
            return
        if left:
            raise OpenDecisionError(f"{len(left)} decision(s) were begun and never ended: {left}")
        if self.check:
            self._require_declared()

    def _require_declared(self) -> None:
        own = [span for scope, span in self.finished if scope.name == "ares_otel"]
        complaints = live_check(own, self.metrics.registry.collect())
        if complaints:
            raise UndeclaredError("\n".join(complaints))

    def drain(self) -> None:
        """Work through what was recorded so far, as the worker would."""
        self.desk.work(RECORDER.snapshot())

    def spans(self, name: str | None = None) -> list[Shown]:
        """Return the finished spans whole, as plain data to compare with; of one name only if it is given."""
        self.drain()
        return [_shown(span) for _, span in self.finished if name in (None, span.name)]

    def tree(self) -> list[str]:
        """Return the names of the finished spans, indented under their parents."""
        self.drain()
        spans = [span for _, span in self.finished]
        known = {span.span_id for span in spans}
        lines: list[str] = []
        for root in spans:
            if root.parent_id not in known:
                _grow(root, spans, 0, lines)
        return lines

    def text(self) -> str:
        """Return the metrics as `/metrics` would show them (OpenMetrics with exemplars)."""
        self.drain()
        return self.metrics.render().decode()

    def value(self, name: str, **labels: str) -> float | None:
        """Return a sample's value by its name and labels, None while it is absent."""
        self.drain()
        for family in self.metrics.registry.collect():
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None


class _Out:
    """Keeps spans as they are; what could not be told, the guard has counted."""

    def __init__(self) -> None:
        self.finished: list[tuple[Scope, SpanData]] = []

    def put(self, scope: Scope, spans: Iterable[SpanData], /) -> None:
        self.finished += [(scope, span) for span in spans]

    def take(self, scope: Scope, encoded: Sequence[bytes], /) -> None:
        """Nothing: without a writer nothing is encoded."""

    def lose(self, number: int, reason: DropReason, /) -> None:
        """Nothing: a test sees its error."""


def _grow(span: SpanData, spans: list[SpanData], depth: int, lines: list[str]) -> None:
    lines.append("  " * depth + span.name)
    for child in spans:
        if child.parent_id == span.span_id:
            _grow(child, spans, depth + 1, lines)


def _shown(span: SpanData) -> Shown:
    shown: Shown = {
        "name": span.name,
        "trace_id": trace.format_trace_id(span.trace_id),
        "span_id": trace.format_span_id(span.span_id),
        "parent_id": trace.format_span_id(span.parent_id) if span.parent_id else None,
        "kind": span.kind,
        "start_ms": (span.start - START) / TICK,
        "end_ms": (span.end - START) / TICK,
        "attributes": dict(span.attributes),
    }
    if span.events:
        shown["events"] = [(event.name, (event.time - START) / TICK, dict(event.attributes)) for event in span.events]
    if span.links:
        shown["links"] = [trace.format_span_id(link.span_id) for link in span.links]
    if span.status:
        shown["status"] = (span.status, span.message)
    return shown

"""Spans of ours while they run: what the bot's thread touches.

They are OpenTelemetry spans in OpenTelemetry's context, but not the SDK's. The methods that run in every decision only
read the clock and append; ids, attributes and checks are the worker's business.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, cast, dataclass_transform

import msgspec
from opentelemetry.trace import Span, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from ares_otel.correlation.context import (
    BAGGAGE_KEY,
    CORRELATION,
    DECISION_KEY,
    SPAN_KEY,
    correlation_id,
    get,
    reset,
    set_,
)
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER as R

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Failure", "LiveSpan", "More", "Whole", "exception_attributes", "failure", "leave", "plain_writes"]

FRAMES = 32

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
UNSAMPLED = TraceFlags(TraceFlags.DEFAULT)


class Whole(Protocol):
    """What a span needs to know of the decision that it is part of."""

    items: list[Any]
    end_at: int
    settled: bool

    @property
    def correlation_id(self) -> str:
        """Id of the workflow."""

    @property
    def trace_id(self) -> int:
        """128-bit id."""

    @property
    def is_sampled(self) -> bool:
        """Whether the head of the trace was sampled."""


class Failure(NamedTuple):
    """An exception as text."""

    type: str
    message: str
    stacktrace: str


class More(msgspec.Struct, eq=False):
    """What few spans have; kept apart because the size of a span is time.

    Attributes:
        error: the exception that left the block, as text, so that its frames are not kept alive.
        correlation: correlation id that baggage carried to a span outside of any decision of this process.
        trace: trace id of a span outside of any decision.
        events: name, Unix ns, attributes.
        links: other spans, with attributes.
        status: as the bot set it.
        numbered: client order ids of a decision made so far that carry its trace id.
    """

    error: Failure | None = None
    correlation: str | None = None
    trace: int = 0
    events: list[tuple[str, int, Mapping[str, AttributeValue]]] = msgspec.field(default_factory=list)
    links: list[tuple[SpanContext, Mapping[str, AttributeValue]]] = msgspec.field(default_factory=list)
    status: Status | None = None
    numbered: int = 0


NOTHING_MORE = More()


if TYPE_CHECKING:

    @dataclass_transform(field_specifiers=(msgspec.field,))
    class _Base(Span):
        """What a live span is to the type checker: a span of OpenTelemetry with a constructor for its fields."""

else:
    _Base = msgspec.Struct
    """A struct is made in C, with its defaults: a third of the time that `__init__` takes, in every stage."""


_Class = TypeVar("_Class", bound=type)


def plain_writes(kind: _Class) -> _Class:
    """Let a class of ours write its fields as any class with `__slots__` does: a third of the time.

    A struct's own writing asks whether the garbage collector has to track it from now on, and that keeps the
    interpreter from its fast path. A class that is never tracked (`gc=False`) loses nothing by it. Its subclasses
    need this, too.
    """
    kind.__setattr__ = object.__setattr__  # type: ignore[assignment]
    kind.__delattr__ = object.__delattr__  # type: ignore[assignment]
    return kind


# The garbage collector does not look at spans: that saves a tenth of a decision's cost, and most collections. The one
# cycle that they make (a decision has items that know their decision) is cut by `discard`: by the worker, or at the end
# of a decision that the recorder does not take.
@plain_writes
class LiveSpan(_Base, eq=False, gc=False):  # type: ignore[call-arg]
    """A span of ours: a stage, an order, a `span()`; a decision is a `LiveDecision`.

    Attributes:
        name: low-cardinality name.
        decision: the decision it belongs to, or None.
        extra: attributes as given, or None.
        component: part of the bot, for a stage.
        start: monotonic ns; 0 before the span began.
        end_at: monotonic ns; 0 while it runs.
        parent: span that was current at the start (ours or foreign), or None.
        drawn_span: its id, once somebody asked for it.
        more: what most spans do not have.
    """

    kind: ClassVar[int] = 1

    name: str
    decision: Whole | None = None
    extra: Mapping[str, AttributeValue] | None = None
    component: str | None = None
    start: int = 0
    end_at: int = 0
    parent: Span | None = None
    token: Any = None
    drawn_span: int = 0
    more: More | None = None

    def __enter__(self) -> Self:
        context = get()
        if context.get(DECISION_KEY) is self.decision is not None:
            self.parent = context[SPAN_KEY]
            inner = context.copy()  # type: ignore[attr-defined]  # a dict: OpenTelemetry's Context is one
            inner[SPAN_KEY] = self
            self.token = set_(inner)
        else:
            self._enter_elsewhere(context)
        self.start = R.now()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end_at = R.now()
        token = self.token
        if token is not None:
            self.token = None
            try:  # as `leave` does
                reset(token)
            except ValueError as problem:
                GUARD.failed("context", problem)
        if error is not None:
            self.making_more.error = failure(error)
        decision = self.decision
        if decision is None or decision.end_at or decision.settled:
            R.put(self)
            return
        items = decision.items
        if len(items) < R.max_items:
            items.append(self)
        else:
            R.over_limit()

    def _enter_elsewhere(self, context: Mapping[str, Any]) -> None:
        """Begin in a thread or task that the decision's context did not reach."""
        decision = self.decision
        inner = dict(context)
        if decision is None:
            self.parent = context.get(SPAN_KEY)
            if BAGGAGE_KEY in context:
                self.making_more.correlation = correlation_id(context)
        else:
            self.parent = cast("Span", decision)
            inner[DECISION_KEY] = decision
            inner[BAGGAGE_KEY] = {**(context.get(BAGGAGE_KEY) or {}), CORRELATION: decision.correlation_id}
        inner[SPAN_KEY] = self
        self.token = set_(inner)

    @property
    def rest(self) -> More:
        """What few spans have, to read."""
        return self.more or NOTHING_MORE

    @property
    def making_more(self) -> More:
        """What few spans have, to write."""
        if self.more is None:
            self.more = More()
        return self.more

    @property
    def span_id(self) -> int:
        """64-bit id, drawn when it is first asked for."""
        if not self.drawn_span:
            self.drawn_span = R.ids.span()
        return self.drawn_span

    @property
    def trace_id(self) -> int:
        """128-bit id: the decision's, the parent's, or a new one."""
        if self.decision is not None:
            return self.decision.trace_id
        if not self.rest.trace:
            self.making_more.trace = self._find_trace()
        return self.rest.trace

    def _find_trace(self) -> int:
        parent = self.parent
        if isinstance(parent, LiveSpan):
            return parent.trace_id
        foreign = parent.get_span_context().trace_id if parent is not None else 0
        return foreign or R.ids.take(R.clock.wall(self.start or R.now()))[0]

    @property
    def parent_id(self) -> int:
        """64-bit id of the parent, 0 for a root."""
        parent = self.parent
        if parent is None:
            return 0
        return parent.span_id if isinstance(parent, LiveSpan) else parent.get_span_context().span_id

    @property
    def is_sampled(self) -> bool:
        """Whether the head of the trace was sampled; orders, failures and slow decisions are kept all the same."""
        if self.decision is not None:
            return self.decision.is_sampled
        parent = self.parent
        if isinstance(parent, LiveSpan):
            return parent.is_sampled
        above = parent.get_span_context() if parent is not None else None
        return R.sampled(self.trace_id, above.trace_flags.sampled if above is not None and above.is_valid else None)

    def get_span_context(self) -> SpanContext:
        """Return ids and flags for propagation."""
        parent = self.parent
        state = None if parent is None or isinstance(parent, LiveSpan) else parent.get_span_context().trace_state
        flags = SAMPLED if self.is_sampled else UNSAMPLED
        return SpanContext(self.trace_id, self.span_id, is_remote=False, trace_flags=flags, trace_state=state)

    def is_recording(self) -> bool:
        """Tell whether the span is still open and telemetry is on."""
        return R.enabled and not self.end_at

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute of an open span."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set attributes of an open span."""
        if not self.end_at:
            self.extra = {**self.extra, **attributes} if self.extra else dict(attributes)

    def add_event(
        self, name: str, attributes: Mapping[str, AttributeValue] | None = None, timestamp: int | None = None
    ) -> None:
        """Add an event; `timestamp` in Unix ns, now when left out."""
        if self.end_at:
            return
        events = self.making_more.events
        if len(events) < R.max_items:
            events.append((name, R.clock.now() if timestamp is None else timestamp, attributes or {}))
        else:
            R.over_limit()

    def add_link(self, context: SpanContext, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """Link another span."""
        if self.end_at:
            return
        links = self.making_more.links
        if len(links) < R.max_items:
            links.append((context, attributes or {}))
        else:
            R.over_limit()

    def update_name(self, name: str) -> None:
        """Rename an open span; names of decisions and stages are fixed."""
        if not self.end_at and self.component is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; once OK it stays."""
        given = self.rest.status
        if self.end_at or (given is not None and given.status_code is StatusCode.OK):
            return
        self.making_more.status = status if isinstance(status, Status) else Status(status, description)

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, AttributeValue] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002  OpenTelemetry's signature
    ) -> None:
        """Record an exception that the bot caught; one that leaves the block is recorded by itself."""
        del escaped
        self.add_event("exception", {**exception_attributes(failure(exception)), **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span (for code that cannot use `with`)."""
        del end_time
        if self.start and not self.end_at:
            self.__exit__(None, None, None)


Span.register(LiveSpan)


def leave(token: Any) -> None:
    """Return to the context that was current when a span began."""
    try:
        reset(token)
    except ValueError as problem:
        GUARD.failed("context", problem)  # ended in another thread or task


def failure(error: BaseException) -> Failure:
    """Return an exception as text; its own `__str__` may itself raise."""
    name = type(error).__qualname__
    module = type(error).__module__
    try:
        message = str(error)
        stack = "".join(traceback.format_exception(error, limit=-FRAMES))
    except Exception as problem:  # noqa: BLE001  a user's exception may do anything
        message, stack = f"<{type(problem).__name__} in __str__>", ""
    return Failure(name if module in ("builtins", "__main__") else f"{module}.{name}", message, stack)


def exception_attributes(error: Failure) -> dict[str, AttributeValue]:
    """Return the attributes of OpenTelemetry's `exception` event."""
    return {
        "exception.type": error.type,
        "exception.message": error.message,
        "exception.stacktrace": error.stacktrace,
    }

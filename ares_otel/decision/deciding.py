"""A decision while it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import msgspec
from opentelemetry.baggage import get_baggage
from opentelemetry.context import Context
from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from ares_otel.correlation.context import BAGGAGE_KEY, CORRELATION, DECISION_KEY, SPAN_KEY, get, reset, set_
from ares_otel.correlation.ids import decision_id, span_of, trace_of
from ares_otel.decision.live import LiveSpan, failure, leave, plain_writes
from ares_otel.guard import GUARD
from ares_otel.orders.client_ids import make_client_id
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.pipeline.recorder import discard
from ares_otel.records import (
    Attributes,
    Decision,
    Order,
    PathStep,
    Record,
    Regime,
    Resolution,
    RiskCheck,
    Vote,
    require,
)
from ares_otel.records.model import Number, Time
from ares_otel.records.rows import VoteRow, votes_of
from ares_otel.semconv.enums import Action, Component, OrderType, Side, TimeInForce

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["LiveDecision", "LiveOrder", "Note", "OpenDecision"]

CLIENT = 3
NO_FACTS = Decision()
NO_ORDER = Order("", "", "")


class Note:
    """A record on its way to the worker: when it was made (monotonic ns) and in which context."""

    __slots__ = ("at", "decision", "drawn", "record", "span")

    drawn: str
    """What its ids are made of, where they are drawn before the worker sees it."""

    def __init__(self, record: Record, at: int, decision: LiveDecision | None, span: Span | None) -> None:
        self.record = record
        self.at = at
        self.decision = decision
        self.span = span


@plain_writes
class LiveOrder(LiveSpan, eq=False):  # type: ignore[call-arg]
    """An order that was sent; as a `with` block around the venue's call it times the submission.

    Attributes:
        record: the order as given.
        late: no open decision takes its span along.
        told: the examined order and its attributes, once the worker has seen it.
    """

    kind: ClassVar[int] = CLIENT

    name: str = "order submit"
    record: Order = NO_ORDER
    late: bool = False
    told: tuple[Order, Attributes] | None = None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end_at = R.now()
        if self.token is not None:
            leave(self.token)
            self.token = None
        if error is not None:
            self.making_more.error = failure(error)

    @property
    def client_id(self) -> str:
        """The bot's id of the order."""
        return self.record.client_id


@plain_writes
class OpenDecision(LiveSpan, eq=False):  # type: ignore[call-arg]
    """One trading decision: the current span and the owner of the correlation id within its `with` block.

    Attributes:
        facts: what it knew at the start.
        drawn: what was drawn for it at the start; its ids are made of that when somebody asks.
        drawn_trace: its trace id, once somebody asked for it, or that of its parent.
        given_correlation: id of the workflow, once it is known.
        causation_id: what caused it: given, or the outer decision.
        items: in the order in which they ended: spans; (monotonic ns, record or records, span that was current);
            for `did()` (monotonic ns, component, attributes); for `votes()` (monotonic ns, `Vote`, votes and rows).
        resolution: what was decided, if `resolve()` was called.
        orders: whether it sent an order, so that its trace is kept.
        missed: the queue does not have it, so it goes there when it ends.
        settled: the worker has told it, or nobody will; nothing may be added any more.
    """

    name: str = "decision"
    facts: Decision = NO_FACTS
    drawn: str | None = None
    drawn_trace: int = 0
    given_correlation: str | None = None
    causation_id: str | None = None
    items: list[Any] = msgspec.field(default_factory=list)
    resolution: Resolution | None = None
    orders: bool = False
    missed: bool = False
    settled: bool = False

    # --- the block ---------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start = now = R.now()
        context = get() or R.ambient
        if context:
            self._enter_within(context, now)
        else:
            made = self.drawn = R.ids.draw(now + R.clock.offset)
            correlation = self.given_correlation
            if correlation is None:
                correlation = self.given_correlation = made
            self.token = set_({SPAN_KEY: self, BAGGAGE_KEY: {CORRELATION: correlation}, DECISION_KEY: self})
        if R.enabled and (len(R.queue) < R.limit or R.extend()):
            R.queue.append(self)
        else:
            self.missed = True
        if R.on_loop is not None:
            R.take_on_loop()
        return self

    def _enter_within(self, context: Mapping[str, Any], now: int) -> None:
        """Begin inside another decision, a foreign span, or a context that came from another process."""
        made = self.drawn = R.ids.draw(now + R.clock.offset)
        outer = context.get(DECISION_KEY)
        stale = isinstance(outer, OpenDecision) and bool(outer.end_at)
        parent = None if stale else context.get(SPAN_KEY)
        if isinstance(parent, Span) and (isinstance(parent, LiveSpan) or parent.get_span_context().is_valid):
            self.parent = parent
            self.drawn_trace = parent.get_span_context().trace_id
        if isinstance(outer, OpenDecision) and not stale:
            self.causation_id = self.causation_id or outer.decision_id
        carried = None if stale else get_baggage(CORRELATION, Context(context))
        correlation = self.given_correlation = self.given_correlation or (str(carried) if carried else made)
        baggage = {**(context.get(BAGGAGE_KEY) or {}), CORRELATION: correlation}
        self.token = set_({**context, SPAN_KEY: self, BAGGAGE_KEY: baggage, DECISION_KEY: self})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        now = R.now()
        token = self.token
        if token is not None:
            self.token = None
            try:
                reset(token)
            except ValueError as problem:
                GUARD.failed("context", problem)  # ended in another thread or task
        if error is not None:
            self.making_more.error = failure(error)
        self.end_at = now  # last: from here on the worker may tell it
        if self.missed and not self.settled and not R.put(self):
            discard(self)

    def adopt(self, item: object) -> bool:
        """Take an ended span or a record as part of the decision; False when it has ended itself."""
        if self.end_at or self.settled:
            return False
        items = self.items
        if len(items) < R.max_items:
            items.append(item)
        else:
            R.over_limit()
        return True

    # --- ids ---------------------------------------------------------------------------------------------------

    @property
    def correlation_id(self) -> str:
        """Id of the workflow (UUIDv7, or what the outer context or the caller gave)."""
        if self.given_correlation is None:
            self.given_correlation = self.key
        return self.given_correlation

    @property
    def decision_id(self) -> str:
        """Id of this decision."""
        return decision_id(self.trace_id, self.span_id)

    @property
    def trace_id(self) -> int:
        """128-bit id, known from the start of the block."""
        if not self.drawn_trace:
            self.drawn_trace = trace_of(self.key)
        return self.drawn_trace

    @property
    def span_id(self) -> int:
        """64-bit id, known from the start of the block."""
        if not self.drawn_span:
            self.drawn_span = span_of(self.key)
        return self.drawn_span

    @property
    def key(self) -> str:
        """What its ids are made of."""
        if self.drawn is None:
            self.drawn = R.ids.draw(R.clock.now())
        return self.drawn

    @property
    def is_sampled(self) -> bool:
        """Whether the head of the trace was sampled."""
        parent = self.parent
        if isinstance(parent, LiveSpan):
            return parent.is_sampled
        above = parent.get_span_context() if parent is not None else None
        return R.sampled(self.trace_id, above.trace_flags.sampled if above is not None else None)


@plain_writes
class LiveDecision(OpenDecision, eq=False):  # type: ignore[call-arg]
    """One trading decision: what the bot can say of it.

    `with ares.decision(...) as d:` begins and ends it; within the block it is the current span of OpenTelemetry and the
    owner of the correlation id.
    """

    def stage(
        self,
        component: Component | str,
        attributes: Mapping[str, AttributeValue] | None = None,
        name: str | None = None,
    ) -> LiveSpan:
        """Return a span for a stage: `with d.stage("analyst"): …`.

        Args:
            component: which part of the bot works.
            attributes: what the stage says.
            name: name of the span when it is not the component's ("analyst load features").
        """
        return LiveSpan(name or component, self, attributes, component)

    def did(self, component: Component | str, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """Say that a stage ends here; it began where the one before ended, the first one with the decision.

        A third of what a `with` block costs, for steps that follow each other and have no spans below them.
        """
        items = self.items
        if self.end_at or len(items) >= R.max_items:
            R.over_limit()
        else:
            items.append((R.now(), component, attributes))

    def votes(self, votes: Iterable[Vote | VoteRow]) -> None:
        """Say how the members of the ensemble voted, all in one call; a meta-learner's vote is marked as such.

        Args:
            votes: records, or plain tuples (model, action, confidence, weight), which cost the bot nothing.
        """
        given = tuple(votes)
        if R.strict:
            _require(votes_of(given), Vote)
        items = self.items
        if self.end_at or len(items) >= R.max_items:
            self._say(votes_of(given))
        else:
            items.append((R.now(), Vote, given))

    def regime(self, regime: Regime) -> None:
        """Say which market regime the decision saw."""
        if R.strict:
            _require((regime,), Regime)
        self._say(regime)

    def path(self, steps: Iterable[PathStep] | PathStep) -> None:
        """Say which steps led to the decision, each with its value, threshold and weight."""
        given = (steps,) if isinstance(steps, PathStep) else tuple(steps)
        if R.strict:
            _require(given, PathStep)
        self._say(given)

    def risk(self, checks: Iterable[RiskCheck] | RiskCheck) -> None:
        """Say what the pre-trade checks found."""
        given = (checks,) if isinstance(checks, RiskCheck) else tuple(checks)
        if R.strict:
            _require(given, RiskCheck)
        self._say(given)

    def resolve(
        self,
        action: Action | str,
        *,
        confidence: Number | None = None,
        threshold: Number | None = None,
        reason: str | None = None,
    ) -> None:
        """Say what was decided, how confident and why; the last call counts."""
        self.resolution = resolution = Resolution(action, confidence, threshold, reason)
        if R.strict:
            require(resolution)

    def order(
        self,
        client_id: str,
        *,
        side: Side | str,
        type: OrderType | str,  # noqa: A002  FIX's and every exchange's word
        quantity: Number | None = None,
        price: Number | None = None,
        stop_price: Number | None = None,
        time_in_force: TimeInForce | str | None = None,
        symbol: str | None = None,
        venue: str | None = None,
        currency: str | None = None,
        arrival_mid: Number | None = None,
        venue_id: str | None = None,
        position_id: str | None = None,
        account: str | None = None,
        event_time: Time | None = None,
        multiplier: Number | None = None,
    ) -> LiveOrder:
        """Say that an order is sent; symbol, strategy and venue are the decision's unless given.

        Call it just before the venue's API, or use it as a `with` block around that call.
        """
        # fmt: off
        order = Order(
            client_id, side, type, quantity, price, stop_price, time_in_force, symbol, None, venue, currency,
            arrival_mid, venue_id, position_id, account, event_time, multiplier,
        )
        # fmt: on
        return self.send(order)

    def client_id(self, prefix: str = "ar") -> str:
        """Return a new client order id; with `correlation.client_order_id_trace` it carries the trace id.

        Args:
            prefix: one to six lower-case letters or digits.

        Raises:
            ValueError: another prefix.
        """
        if not R.ids_carry_trace:
            return f"{prefix}-{R.ids.take(R.clock.now())[2].replace('-', '')}"
        # decisions that share a trace number their orders apart
        first = 0 if self.parent is None else 100 * (1 + self.span_id % 899)
        more = self.making_more
        more.numbered += 1
        return make_client_id(self.trace_id, first + more.numbered, prefix)

    def send(self, order: Order) -> LiveOrder:
        """Say that an order is sent, as a record."""
        if R.strict:
            require(order)
        live = LiveOrder("order submit", self, None, None, R.now(), 0, get().get(SPAN_KEY), record=order)
        self.orders = True
        items = self.items
        if self.end_at or len(items) >= R.max_items:
            live.late = True
            R.put(live)
        else:
            items.append(live)
            if self.missed:
                R.put(live)
        return live

    def _say(self, what: object) -> None:
        if not self.adopt((R.now(), what, None)):
            for record in what if isinstance(what, tuple) else (what,):
                R.put(Note(record, R.now(), self, self))


def _require(records: Iterable[object], kind: type[Record]) -> None:
    for record in records:
        if isinstance(record, kind):
            require(record)
        else:
            GUARD.bad_value(kind.__name__, "record", f"a {kind.__name__}", record)

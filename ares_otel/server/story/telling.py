"""Tells a story from spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from ares_otel.orders.states import DONE
from ares_otel.portfolio.costs import stated_slippage
from ares_otel.records import FeatureVector, MarketData, PathStep, Prediction, Regime, RiskCheck, Vote
from ares_otel.records.model import Number
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import OrderStatus
from ares_otel.semconv.model import Event
from ares_otel.server.store.lifecycle import Rank, rank
from ares_otel.server.story.cases import Case, clients
from ares_otel.server.story.costs import Told, costs_of
from ares_otel.server.story.filling import fill, moment
from ares_otel.server.story.sentence import sentence
from ares_otel.server.story.stored import StoredEvent, StoredSpan
from ares_otel.server.story.stories import (
    CallStory,
    DecisionStory,
    ExceptionStory,
    LogStory,
    OrderStory,
    OutcomeStory,
    Story,
    UpdateStory,
)
from ares_otel.server.story.tree import tree

__all__ = ["Elsewhere", "tell"]

SECOND = 1e9
R = TypeVar("R", bound=msgspec.Struct)
UNANSWERED = frozenset({OrderStatus.PENDING_NEW, OrderStatus.DENIED})


class Elsewhere(msgspec.Struct, frozen=True):
    """What was said of a decision elsewhere: spans of other traces, outcomes as events of later decisions, logs."""

    spans: tuple[StoredSpan, ...] = ()
    outcomes: tuple[StoredEvent, ...] = ()
    logs: tuple[LogStory, ...] = ()


def tell(case: Case, said: Elsewhere, keys: frozenset[str]) -> Story:
    """Return the story of a case; `keys` are those that join its predictions with outcomes."""
    first = case.first
    spans = sorted((*case.spans, *said.spans), key=lambda span: (span.start, span.end))
    end = first.end if case.decision is not None else max(span.end for span in spans)
    nodes, left_out = tree(spans, first.start)
    decision = None if case.decision is None else _decision(case.decision, spans)
    price = None if decision is None else decision.price
    story = Story(
        sentence="",
        correlation_id=case.correlation_id,
        decision_id=case.decision_id,
        causation_id=first.text(a.CAUSATION_ID.key),
        trace_id=first.trace,
        span_id=first.span,
        service=_text(first.resource.get("service.name")),
        mode=_text(first.resource.get(a.MODE.key)),
        start=moment(first.start),
        duration_seconds=max(end - first.start, 0) / SECOND,
        decision=decision,
        orders=tuple(_costed(_order(client, spans, first.start), price) for client in clients(spans)),
        outcomes=tuple(_outcomes(case, said, keys)),
        calls=tuple(_calls(spans, first.start)),
        exceptions=tuple(_exceptions(spans, first.start)),
        spans=nodes,
        left_out=left_out,
        logs=said.logs,
    )
    return msgspec.structs.replace(story, sentence=sentence(story))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


# --- the decision ------------------------------------------------------------------------------------------------


def _decision(span: StoredSpan, spans: Sequence[StoredSpan]) -> DecisionStory:
    regimes = (*reversed(_of(span, s.REGIME, Regime)), fill(Regime, span.attributes))
    checks = (fill(RiskCheck, each.attributes) for each in spans if each.name == s.RISK_CHECK.name)
    return fill(
        DecisionStory,
        span.attributes,
        market=_of(span, s.MARKET_DATA, MarketData),
        regime=next((regime for regime in regimes if regime.name is not None), None),
        votes=_of(span, s.VOTE, Vote),
        path=_of(span, s.DECISION_PATH, PathStep),
        checks=tuple(checks),
        features=_of(span, s.FEATURES, FeatureVector),
        predictions=_of(span, s.PREDICTION, Prediction),
    )


def _of(span: StoredSpan, event: Event, kind: type[R]) -> tuple[R, ...]:
    return tuple(fill(kind, each.attributes) for each in span.events if each.name == event.name)


def _outcomes(case: Case, said: Elsewhere, keys: frozenset[str]) -> Iterable[OutcomeStory]:
    own = () if case.decision is None else case.decision.events
    told = [each for each in own if each.name == s.OUTCOME.name]
    spans = (span for span in (*case.spans, *said.spans) if span.name == s.OUTCOME.name)
    told += (StoredEvent(span.name, span.attributes, span.start) for span in spans)
    told = [each for each in told if each.text(a.MODEL_KEY.key) in {None, *keys}]
    for each in sorted((*told, *said.outcomes), key=lambda event: event.time):
        yield fill(OutcomeStory, each.attributes, time=moment(each.time))


def _calls(spans: Iterable[StoredSpan], start: int) -> Iterable[CallStory]:
    for span in spans:
        if s.EXCHANGE.matches(span.name):
            facts = {a.OPERATION.key: span.name.partition(" ")[2], **span.attributes}
            duration = max(span.end - span.start, 0) / SECOND
            yield fill(CallStory, facts, duration=duration, offset_seconds=(span.start - start) / SECOND)


def _exceptions(spans: Iterable[StoredSpan], start: int) -> Iterable[ExceptionStory]:
    for span in spans:
        for event in span.events:
            if event.name == s.EXCEPTION.name:
                offset = (event.time - start) / SECOND
                yield fill(ExceptionStory, event.attributes, span=span.name, offset_seconds=offset)


# --- orders ------------------------------------------------------------------------------------------------------


def _order(client: str, spans: Iterable[StoredSpan], start: int) -> OrderStory:
    own = [span for span in spans if span.text(a.CLIENT_ID.key) == client]
    sent = next((span for span in own if span.name == s.ORDER_SUBMIT.name), None)
    reports = [span for span in own if span.name == s.ORDER_UPDATE.name]
    begun = sent.start if sent is not None else None
    updates = tuple(_update(span, begun) for span in reports)
    facts = (sent or reports[0]).attributes
    order = fill(
        OrderStory,
        facts,
        submitted=None if begun is None else moment(begun),
        offset_seconds=None if begun is None else (begun - start) / SECOND,
        failed=sent.message if sent is not None and sent.failed else None,
        updates=updates,
        fees=_fees(updates),
    )
    return _settled(order, [span.start for span in reports])


def _update(span: StoredSpan, begun: int | None) -> UpdateStory:
    after = None if begun is None else max(span.start - begun, 0) / SECOND
    return fill(UpdateStory, span.attributes, time=moment(span.start), after_seconds=after)


def _settled(order: OrderStory, times: Sequence[int]) -> OrderStory:
    """Join an order with what its updates say of it."""
    updates = order.updates
    if not updates:
        return order
    newest, _ = max(zip(updates, times, strict=True), key=_rank)
    answered = [update for update in updates if update.status not in UNANSWERED and not update.duplicate]
    filled = [update for update in answered if update.status == OrderStatus.FILLED]
    told = (update.acknowledged_seconds for update in updates if update.acknowledged_seconds is not None)
    waited = next(told, answered[0].after_seconds if answered else None)
    slippage = [update.slippage_bps for update in updates if update.slippage_bps is not None]
    shortfall = [update.shortfall_bps for update in updates if update.shortfall_bps is not None]
    order = msgspec.structs.replace(
        order,
        status=newest.status,
        cum_quantity=newest.cum_quantity,
        avg_price=newest.avg_price,
        acknowledged_after_seconds=waited,
        filled_after_seconds=filled[0].after_seconds if filled else None,
        done_after_seconds=newest.after_seconds if newest.status in DONE else None,
        shortfall_bps=shortfall[-1] if shortfall else None,
    )
    derived = stated_slippage(order.side, order.avg_price, order.arrival_mid)
    return msgspec.structs.replace(order, slippage_bps=slippage[-1] if slippage else derived)


def _costed(order: OrderStory, price: Number | None) -> OrderStory:
    """Add what the order cost, part by part."""
    told = Told(
        side=order.side,
        status=order.status,
        quantity=order.quantity,
        filled=order.cum_quantity,
        average=order.avg_price,
        arrival=order.arrival_mid,
        multiplier=order.multiplier,
        currency=order.currency,
        price=price,
        stated=order.shortfall_bps,
        fees=order.fees,
    )
    return msgspec.structs.replace(order, costs=costs_of(told))


def _rank(told: tuple[UpdateStory, int]) -> Rank:
    update, time = told
    return rank(
        update.status,
        time,
        duplicate=bool(update.duplicate),
        valid=update.valid is not False,
        cum_quantity=_real(update.cum_quantity),
        avg_price=_real(update.avg_price),
    )


def _fees(updates: Iterable[UpdateStory]) -> dict[str, Decimal]:
    fees: dict[str, Decimal] = {}
    for update in updates:
        if update.fee is not None and not update.duplicate:
            currency = update.fee_currency or update.currency or ""
            fees[currency] = fees.get(currency, Decimal()) + Decimal(repr(_real(update.fee)))
    return fees


def _real(value: float | Decimal | None) -> float | None:
    return None if value is None else float(value)

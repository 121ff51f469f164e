"""A story as an outline: what each line of `ares-otel explain` says."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ares_otel.records import Prediction, RiskCheck, Vote
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.story.costs import PARTS, Costs
from ares_otel.server.story.filling import fill
from ares_otel.server.story.stories import (
    CallStory,
    DecisionStory,
    LogStory,
    OrderStory,
    OutcomeStory,
    SpanStory,
    Story,
    UpdateStory,
)
from ares_otel.server.story.wording import amount, clean, figure, listed, seconds, shown

__all__ = ["Line", "outline"]

OWN = "ares_otel"
SHOWN = 6
HIDDEN = frozenset(
    attribute.key for attribute in (a.CORRELATION_ID, a.DECISION_ID, a.CAUSATION_ID, a.COMPONENT, a.ERROR_TYPE)
)
WARNING, ERROR = 13, 17
LEVELS = ((21, "fatal"), (ERROR, "error"), (WARNING, "warning"), (9, "info"), (5, "debug"), (1, "trace"))
GOOD, BAD, QUIET, PLAIN = "green", "red", "dim", ""


class Line(NamedTuple):
    """A line with the lines below it; offset and duration in seconds, None where there is none."""

    text: str
    style: str = PLAIN
    offset: float | None = None
    duration: float | None = None
    below: tuple[Line, ...] = ()


def outline(story: Story) -> list[Line]:
    """Return the spans of a story, the decision's own facts in their place."""
    # outcomes are told with the decision that they are of
    told = s.OUTCOME.name if story.decision is not None else None
    spans = [span for span in story.spans if span.name != told]
    logs = _logs(story, {each.span_id for span in spans for each in _all(span)})
    return [_span(span, story, logs) for span in spans]


def _all(span: SpanStory) -> Iterator[SpanStory]:
    yield span
    for child in span.children:
        yield from _all(child)


def _logs(story: Story, spans: Container[str]) -> dict[str, list[Line]]:
    """Return lines of log records by the span they stand below; those of no span of the story below the decision."""
    lines: dict[str, list[Line]] = {}
    for log in story.logs:
        place = log.span_id if log.span_id in spans else None
        lines.setdefault(place or story.span_id, []).append(_log(log))
    return lines


def _log(log: LogStory) -> Line:
    severity = log.severity or 0
    level = next((word for least, word in LEVELS if severity >= least), "log")
    raised = log.attributes.get(a.EXCEPTION_TYPE.key)
    error = f" ({clean(raised)}: {clean(log.attributes.get(a.EXCEPTION_MESSAGE.key, ''))})" if raised else ""
    style = BAD if severity >= ERROR else PLAIN if severity >= WARNING else QUIET
    return Line(f"{level} {clean(log.logger or '')}: {clean(log.body or '')}{error}", style, log.offset_seconds)


def _span(span: SpanStory, story: Story, logs: Mapping[str, list[Line]]) -> Line:
    decision = story.decision
    below: list[Line] = []
    if decision is not None and span.span_id == story.span_id:
        below += _facts(decision)
        below += [_outcome(outcome) for outcome in story.outcomes]
    children = [_span(child, story, logs) for child in span.children]
    below += sorted((*children, *logs.get(span.span_id, ())), key=lambda line: line.offset or 0.0)
    below += _cost(span, story.orders)
    below += (_exception(event.attributes) for event in span.events if event.name == s.EXCEPTION.name)
    style = BAD if span.failed else PLAIN
    message = f" ✗ {clean(span.message)}" if span.failed else ""
    duration = span.duration_seconds or None
    return Line(_label(span, decision) + message, style, span.offset_seconds, duration, tuple(below))


def _label(span: SpanStory, decision: DecisionStory | None) -> str:
    facts = span.attributes
    if span.name == s.DECISION.name and decision is not None:
        place = (facts.get(key.key) for key in (a.STRATEGY, a.SYMBOL, a.VENUE, a.TIMEFRAME))
        return " ".join(("decision", *(clean(each) for each in place if each)))
    if span.name == s.RISK_CHECK.name:
        return _check(fill(RiskCheck, facts))
    if span.name == s.ORDER_SUBMIT.name:
        return _order(fill(OrderStory, facts))
    if span.name == s.ORDER_UPDATE.name:
        return _update(fill(UpdateStory, facts))
    if s.EXCHANGE.matches(span.name):
        return _call(span.name, fill(CallStory, facts))
    scope = f" [{clean(span.scope)}]" if span.scope not in {"", OWN} else ""
    extra = {key: value for key, value in facts.items() if key not in HIDDEN}
    said = " ".join(f"{clean(key.removeprefix('ares.'))}={shown(extra[key])}" for key in sorted(extra)[:SHOWN])
    return f"{clean(span.name)}{scope}{f'  {said}' if said else ''}"


# --- the decision's own facts ------------------------------------------------------------------------------------


def _facts(decision: DecisionStory) -> Iterator[Line]:
    yield from _seen(decision)
    if decision.regime is not None:
        regime = decision.regime
        sure = f" {regime.confidence:.2f}" if regime.confidence is not None else ""
        chances = f" ({listed(regime.probabilities, show='{:.2f}'.format)})" if regime.probabilities else ""
        raw = f", the bot's word: {clean(regime.raw)}" if regime.raw else ""
        below = (Line(f"indicators {listed(regime.indicators)}", QUIET),) if regime.indicators else ()
        yield Line(f"regime {regime.name or 'not said'}{sure}{chances}{raw}", below=below)
    for features in decision.features:
        model = f" of {clean(features.model)}" if features.model else ""
        yield Line(f"features{model}: {listed(features.values or {})}", QUIET)
    for prediction in decision.predictions:
        yield _prediction(prediction)
    if decision.votes:
        yield Line(f"votes{_agreement(decision)}", below=tuple(_vote(vote, decision) for vote in decision.votes))
    for step in decision.path:
        passed = {True: " passed", False: " not passed", None: ""}[step.passed]
        bound = f" against {figure(step.threshold)}" if step.threshold is not None else ""
        value = f" {figure(step.value)}" if step.value is not None else ""
        yield Line(f"path: {clean(step.step or 'a step')}{value}{bound}{passed}")
    yield _resolution(decision)


def _seen(decision: DecisionStory) -> Iterator[Line]:
    facts = [f"price {amount(decision.price)}"] if decision.price is not None else []
    if decision.data_age is not None:
        facts.append(f"data {seconds(float(decision.data_age))} old")
    if facts:
        yield Line("saw " + ", ".join(facts))
    for bar in decision.market:
        names = ("open", "high", "low", "close", "volume", "gaps", "messages")
        said = [f"{name} {amount(value)}" for name in names if (value := getattr(bar, name)) is not None]
        said += [f"{seconds(float(bar.age))} old"] if bar.age is not None else []
        if said:
            yield Line(f"market data {clean(bar.channel or bar.symbol or '')}: {', '.join(said)}")


def _agreement(decision: DecisionStory) -> str:
    agreement = f", agreement {decision.agreement:.2f}" if decision.agreement is not None else ""
    entropy = f", entropy {decision.entropy:.2f} bit" if decision.entropy is not None else ""
    return agreement + entropy


def _vote(vote: Vote, decision: DecisionStory) -> Line:
    sure = f"{vote.confidence:.2f}" if vote.confidence is not None else ""
    weight = f"weight {vote.weight:.2f}" if vote.weight is not None else ""
    version = f" {clean(vote.version)}" if vote.version else ""
    meta = " (meta-learner)" if vote.meta_learner else ""
    text = f"{vote.action or '?':<6}{sure:<6}{weight:<13}{clean(vote.model or 'a model')}{version}{meta}"
    return Line(text, GOOD if vote.action == decision.action else QUIET)


def _prediction(prediction: Prediction) -> Line:
    chance = f" with {prediction.probability:.2f}" if prediction.probability is not None else ""
    took = f" in {seconds(float(prediction.duration))}" if prediction.duration is not None else ""
    return Line(f"prediction of {clean(prediction.model or 'a model')}: {shown(prediction.value)}{chance}{took}", QUIET)


def _resolution(decision: DecisionStory) -> Line:
    if decision.action is None:
        return Line("not resolved", BAD)
    sure = f" {decision.confidence:.2f}" if decision.confidence is not None else ""
    bound = f" against {decision.threshold:.2f}" if decision.threshold is not None else ""
    reason = f": {clean(decision.reason)}" if decision.reason else ""
    return Line(f"resolved {decision.action}{sure}{bound}{reason}", "bold")


def _outcome(outcome: OutcomeStory) -> Line:
    earned = f", return {outcome.realized_return:+.2%}" if outcome.realized_return is not None else ""
    result = f", {outcome.result}" if outcome.result is not None else ""
    actual = f" {shown(outcome.actual)}" if outcome.actual is not None else ""
    style = {"correct": GOOD, "wrong": BAD}.get(outcome.result or "", PLAIN)
    return Line(f"outcome of {clean(outcome.model or 'a model')}:{actual}{result}{earned}", style)


# --- orders ------------------------------------------------------------------------------------------------------


def _check(check: RiskCheck) -> str:
    value = f" {figure(check.value)}" if check.value is not None else ""
    limit = f" of {figure(check.limit)}" if check.limit is not None else ""
    return f"risk check {clean(check.check or '')}:{value}{limit} {check.outcome or ''}".rstrip()


def _order(order: OrderStory) -> str:
    quantity = amount(order.quantity) if order.quantity is not None else None
    price = amount(order.price) if order.price is not None else None
    arrival = f", arrival mid {amount(order.arrival_mid)}" if order.arrival_mid is not None else ""
    symbol = clean(order.symbol) if order.symbol else None
    words = (order.side, quantity, symbol, order.type, price, order.time_in_force)
    return f"order {clean(order.client_id or '')}: " + " ".join(str(word) for word in words if word) + arrival


def _update(update: UpdateStory) -> str:
    quantity = f" {amount(update.quantity)}" if update.quantity else ""
    price = f" at {amount(update.price)}" if update.price is not None else ""
    liquidity = f" {update.liquidity}" if update.liquidity else ""
    fee = f", fee {amount(update.fee)} {clean(update.fee_currency or '')}".rstrip() if update.fee is not None else ""
    reason = f": {update.reject_reason}" if update.reject_reason else ""
    words = f" ({clean(update.text)})" if update.text else ""
    odd = ", a duplicate" if update.duplicate else ", not allowed by FIX" if update.valid is False else ""
    return f"{update.status or 'update'}{quantity}{price}{liquidity}{fee}{reason}{words}{odd}"


def _call(name: str, call: CallStory) -> str:
    facts = [f"HTTP {call.status}"] if call.status is not None else []
    if call.rate_limit_wait is not None:
        facts.append(f"waited {seconds(float(call.rate_limit_wait))} for the rate limit")
    if call.error_type:
        facts.append(clean(call.error_type))
    return clean(name) + (f": {', '.join(facts)}" if facts else "")


def _cost(span: SpanStory, orders: Iterable[OrderStory]) -> Iterator[Line]:
    if span.name != s.ORDER_SUBMIT.name:
        return
    for order in orders:
        if order.client_id == span.attributes.get(a.CLIENT_ID.key):
            costs = [f"slippage {order.slippage_bps:+.1f} bp"] if order.slippage_bps is not None else []
            if order.shortfall_bps is not None:
                costs.append(f"implementation shortfall {order.shortfall_bps:+.1f} bp{_parts(order.costs)}")
            costs += (f"fees {fee} {clean(currency)}".rstrip() for currency, fee in order.fees.items())
            if costs:
                yield Line("cost: " + ", ".join(costs))


def _parts(costs: Costs) -> str:
    """Return the parts of a shortfall that are known; explicit costs are the fees."""
    known = [(name, costs.bps.get(name)) for name in PARTS]
    said = ", ".join(f"{name} {bps:+.1f}" for name, bps in known if bps is not None)
    return f" ({said})" if said else ""


def _exception(facts: dict[str, Any]) -> Line:
    kind, message = facts.get(a.EXCEPTION_TYPE.key, "exception"), facts.get(a.EXCEPTION_MESSAGE.key, "")
    return Line(f"{clean(kind)}: {clean(message)}", BAD)

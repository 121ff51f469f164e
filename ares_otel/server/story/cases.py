"""Which spans of a trace belong to which decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.store.ids import canonical
from ares_otel.server.store.rows import MARKS
from ares_otel.server.story.stored import StoredSpan

__all__ = ["Case", "answers", "clients", "identity", "is_decision", "split"]

MOMENT_DIGITS = 12


class Case(msgspec.Struct):
    """A decision with its spans by time, or a trace without one."""

    decision: StoredSpan | None
    spans: list[StoredSpan]

    @property
    def first(self) -> StoredSpan:
        """The decision, or the first span."""
        return self.decision or self.spans[0]

    @property
    def correlation_id(self) -> str | None:
        """Id of the workflow."""
        return next((found for span in (self.first, *self.spans) if (found := span.text(a.CORRELATION_ID.key))), None)

    @property
    def decision_id(self) -> str | None:
        """Id of the decision."""
        return None if self.decision is None else identity(self.decision)

    def is_meant_by(self, text: str) -> bool:
        """Tell whether an id means this decision (and not another one of the same trace)."""
        return answers(self.first, text) or text == self.decision_id or text in clients(self.spans)


def is_decision(span: StoredSpan) -> bool:
    """Tell whether a span is a decision."""
    return span.name == s.DECISION.name and any(key in span.attributes for key in MARKS)


def identity(decision: StoredSpan) -> str:
    """Return the id of a decision."""
    return decision.text(a.DECISION_ID.key) or decision.trace[:MOMENT_DIGITS] + decision.span


def answers(span: StoredSpan, text: str) -> bool:
    """Tell whether a span carries an id as its trace id, correlation id or decision id."""
    wanted = canonical(text)
    correlation, decision = span.text(a.CORRELATION_ID.key), span.text(a.DECISION_ID.key)
    if decision is None and is_decision(span):
        decision = identity(span)
    return span.trace == wanted or decision == text or (correlation is not None and canonical(correlation) == wanted)


def clients(spans: Iterable[StoredSpan]) -> list[str]:
    """Return the client order ids of orders and updates, in their order."""
    names = {s.ORDER_SUBMIT.name, s.ORDER_UPDATE.name}
    found = (span.text(a.CLIENT_ID.key) for span in spans if span.name in names)
    return list(dict.fromkeys(client for client in found if client is not None))


def split(spans: Sequence[StoredSpan]) -> list[Case]:
    """Return the decisions of a trace with their spans; the whole trace where there is one decision or none."""
    decisions = [span for span in spans if is_decision(span)]
    if len(decisions) <= 1:
        return [Case(decisions[0] if decisions else None, list(spans))] if spans else []
    cases = {identity(decision): Case(decision, []) for decision in decisions}
    above = {span.span: span for span in spans}
    for span in spans:
        owner = _owner(span, cases, above)
        if owner is not None:
            owner.spans.append(span)
    return list(cases.values())


def _owner(span: StoredSpan, cases: dict[str, Case], above: dict[str, StoredSpan]) -> Case | None:
    """Return the decision that a span names, or else the nearest one above it."""
    seen: set[str] = set()
    at: StoredSpan | None = span
    while at is not None and at.span not in seen:
        seen.add(at.span)
        said = identity(at) if is_decision(at) else at.text(a.DECISION_ID.key)
        if said in cases:
            return cases[said]
        at = above.get(at.parent)
    return None

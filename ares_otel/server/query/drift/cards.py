"""What can be found in a model at all."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import select

from ares_otel.server.query.asking import Moment, Name, NotFoundError, row_time
from ares_otel.server.query.drift.checks import Kind
from ares_otel.server.query.drift.states import kinds_of
from ares_otel.server.query.naming import number, words
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["CardsAsked", "DriftCard", "DriftLine", "cards", "cards_by_kind"]


class CardsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Whose cards."""

    model: Name
    kind: Kind | None = None


class DriftLine(msgspec.Struct, frozen=True, kw_only=True):
    """What can be seen of a quantity.

    `n_eff` independent values are in the reference, one of which takes `tau` bars; a lasting change of `mde` standard
    deviations of the reference is found nine of ten times, one of 1 after `delay` bars; `share` of the budget is its
    own, divided among `tests` by the bars of their memory. `reason` says why it cannot be tested.
    """

    quantity: str
    testable: bool
    n_eff: float | None = None
    tau: float | None = None
    mde: float | None = None
    delay: float | None = None
    share: float | None = None
    tests: dict[str, float] = {}
    reason: str | None = None


class DriftCard(msgspec.Struct, frozen=True, kw_only=True):
    """The newest card of a model and kind; `false_alarms` is the chance of any within `horizon` bars, of all kinds.

    A month was taken for one of `month` bars; an episode is over when all evidence is below `ends`, where that ends it.
    Lines that spend most of the budget come first, then those that cannot be tested.
    """

    model: str
    kind: str
    time: Moment
    version: str | None
    reference: str | None
    rows: int | None
    false_alarms: float | None
    horizon: int | None
    month: float | None
    ends: float | None
    testable: int
    untestable: int
    lines: tuple[DriftLine, ...]


class _Said(msgspec.Struct):
    n_eff: float | None = None
    tau: float | None = None
    mde: float | None = None
    delay: float | None = None
    share: float | None = None
    tests: dict[str, float] = {}
    reason: str | None = None


def cards(reader: Reader, asked: CardsAsked) -> tuple[DriftCard, ...]:
    """Return the detectability cards of a model, one a kind: what can be found in it, how soon, and what cannot."""
    return tuple(card for _, card in cards_by_kind(reader, asked))


def cards_by_kind(reader: Reader, asked: CardsAsked) -> list[tuple[Any, DriftCard]]:
    """Return the cards of a model, each with its row."""
    row, found = t.drift_card.c, []
    kinds = kinds_of(reader, asked.model)
    if not kinds:
        raise NotFoundError(f"no check for drift of a model {asked.model} is stored")
    own = number(reader, "model", asked.model)
    for name, kind in kinds.items():
        if asked.kind in {None, name}:
            query = select(t.drift_card).where(row.model == own, row.kind == kind).order_by(row.id.desc()).limit(1)
            newest = reader.db.execute(query).first()
            if newest is not None:
                known = words(reader, [newest.reference])
                found.append((newest, _card(newest, asked.model, name, known.get(newest.reference))))
    return found


def _line(name: str, line: _Said) -> DriftLine:
    # memories are whole numbers, the shortest comes first
    tests = dict(sorted(line.tests.items(), key=lambda test: (len(test[0]), test[0])))
    facts = {**msgspec.structs.asdict(line), "tests": tests}
    return DriftLine(quantity=name, testable=line.reason is None, **facts)


def _card(each: Any, model: str, kind: str, reference: str | None) -> DriftCard:
    said = msgspec.json.decode(each.data or "{}", type=dict[str, _Said])
    lines = [_line(name, line) for name, line in said.items()]
    testable = sum(line.testable for line in lines)
    return DriftCard(
        model=model,
        kind=kind,
        time=row_time(each.id),
        version=each.version,
        reference=reference,
        rows=each.rows,
        false_alarms=each.false_alarms,
        horizon=each.horizon,
        month=each.month,
        ends=each.ends,
        testable=testable,
        untestable=len(lines) - testable,
        lines=tuple(sorted(lines, key=lambda line: (not line.testable, -(line.share or 0.0), line.quantity))),
    )

"""Rows of what a drift monitor says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.values import number, plain, text, whole
from ares_otel.server.otlp.views import AttributeMap, LinkedSpan
from ares_otel.server.store.ids import bounded, decision_id
from ares_otel.server.store.packed import pack
from ares_otel.server.store.recording import Record, Said, json_text
from ares_otel.server.store.rows import Desk, Rows

__all__ = ["DRIFTS"]

STANDS: Final = 32
"""Quantities of a check that are kept, those with most evidence."""
QUANTITIES: Final = 512
"""Quantities of an episode and a card that are kept, and bins of a window."""
LINKS: Final = 32
UNIT: Final = 10_000
LARGEST: Final = 1e6
SMALL: Final = 1 << 31


def _check(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    names = (
        *(_name(desk, facts, "model", a.MODEL_NAME.key), _name(desk, facts, "drift", a.DRIFT_KIND.key)),
        *(_name(desk, facts, "detector", a.DETECTOR.key), _name(desk, facts, "drifted", a.DRIFT_RESULT.key)),
        *(_name(desk, facts, "severity", a.DRIFT_SEVERITY.key), _name(desk, facts, "reference", a.DRIFT_REFERENCE.key)),
    )
    measured = (a.DRIFT_EVIDENCE, a.DRIFT_EFFECT, a.DRIFT_STATISTIC, a.DRIFT_P_VALUE, a.THRESHOLD, a.DRIFT_SPENT)
    decisions = _decisions(said)
    rows.add(
        "drift_check",
        (
            *(desk.free("drift_check", said.base), *names),
            *(number(facts, each.key) for each in measured),
            *(whole(facts, each.key) for each in (a.DRIFT_EPISODE, a.DRIFT_BAR, a.EVENT_TIME)),
            *(_small(facts, each.key) for each in (a.DRIFT_TESTED, a.DRIFT_UNTESTABLE)),
            *(_text(facts, a.MODEL_VERSION.key), _stands(desk, facts), decisions[-1] if decisions else None),
            json_text(dict(list(_numbers(facts, a.DRIFT_P_VALUES.key).items())[:QUANTITIES]) or None),
        ),
    )


def _stands(desk: Desk, facts: AttributeMap) -> str | None:
    """Return how quantities stand, packed; what no number of a few digits can say is left out."""
    effects = _numbers(facts, a.DRIFT_EFFECTS.key)
    evidences = _numbers(facts, a.DRIFT_EVIDENCES.key)
    strongest = sorted(evidences.items(), key=lambda pair: (-pair[1], pair[0]))[:STANDS]
    stands = ((desk.name("quantity", key), _scaled(value), _scaled(effects.get(key))) for key, value in strongest)
    return pack(stands) or None


def _scaled(value: float | None) -> int | None:
    return round(value * UNIT) if value is not None and abs(value) < LARGEST else None


def _episode(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    names = (
        *(_name(desk, facts, "model", a.MODEL_NAME.key), _name(desk, facts, "drift", a.DRIFT_KIND.key)),
        *(_name(desk, facts, "state", a.DRIFT_STATE.key), _name(desk, facts, "severity", a.DRIFT_SEVERITY.key)),
        *(_name(desk, facts, "detector", a.DETECTOR.key), _name(desk, facts, "reference", a.DRIFT_REFERENCE.key)),
    )
    counted = (a.DRIFT_EPISODE, a.DRIFT_SINCE, a.DRIFT_SINCE_BAR, a.DRIFT_BAR, a.EVENT_TIME)
    evidences, effects = _numbers(facts, a.DRIFT_EVIDENCES.key), _numbers(facts, a.DRIFT_EFFECTS.key)
    moved = sorted({*evidences, *effects}, key=lambda key: (-abs(effects.get(key, 0.0)), key))[:QUANTITIES]
    memories = _numbers(facts, a.DRIFT_MEMORIES.key)
    features = {key: [effects.get(key), evidences.get(key), memories.get(key)] for key in moved}
    told = (_text(facts, a.MODEL_VERSION.key), json_text(features or None), _text(facts, a.DRIFT_SUMMARY.key))
    linked = _linked(said)
    rows.add(
        "drift_episode",
        (
            *(desk.free("drift_episode", said.base), *names, *(whole(facts, each.key) for each in counted)),
            *(number(facts, a.DRIFT_EFFECT.key), number(facts, a.DRIFT_EVIDENCE.key), *told),
            json_text(_decisions(said) or None),
            *((linked.trace_id, linked.span_id) if linked is not None else (None, None)),
        ),
    )


CARD: Final = {
    "n_eff": a.DRIFT_SAMPLES.key,
    "tau": a.DRIFT_TIMES.key,
    "mde": a.DRIFT_DETECTABLE.key,
    "delay": a.DRIFT_DELAYS.key,
    "share": a.DRIFT_SHARES.key,
}


def _card(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    lines: dict[str, dict[str, Any]] = {}
    for name, key in CARD.items():
        for quantity, value in _numbers(facts, key).items():
            lines.setdefault(quantity, {})[name] = value
    for quantity, reason in _map(facts, a.DRIFT_REASONS.key).items():
        if isinstance(reason, str):
            lines.setdefault(quantity, {})["reason"] = bounded(reason)
    for test, share in _numbers(facts, a.DRIFT_TESTS.key).items():
        quantity, _, memory = test.rpartition("@")
        if quantity in lines:
            lines[quantity].setdefault("tests", {})[memory] = share
    # where there are too many, those go that use least of the budget
    kept = sorted(lines, key=lambda each: (-float(lines[each].get("share", 0.0)), each))[:QUANTITIES]
    rows.add(
        "drift_card",
        (
            *(desk.free("drift_card", said.base), *_about(desk, facts)),
            *(whole(facts, a.DRIFT_ROWS.key), whole(facts, a.DRIFT_HORIZON.key), number(facts, a.DRIFT_ALARMS.key)),
            *(_text(facts, a.MODEL_VERSION.key), json_text({each: lines[each] for each in kept} or None)),
            *(number(facts, a.DRIFT_MONTH.key), number(facts, a.DRIFT_ENDS.key)),
        ),
    )


def _window(rows: Rows, desk: Desk, said: Said) -> None:
    facts = said.facts
    rows.add(
        "drift_window",
        (
            *(desk.free("drift_window", said.base), *_about(desk, facts)),
            _name(desk, facts, "feature", a.FEATURE_NAME.key),
            *(whole(facts, each.key) for each in (a.DRIFT_BAR, a.DRIFT_EPISODE, a.EVENT_TIME)),
            *(_small(facts, a.DRIFT_VALUES.key), _small(facts, a.DRIFT_WINDOW.key)),
            *(_text(facts, a.MODEL_VERSION.key), json_text([*_bins(facts)][:QUANTITIES] or None)),
            _name(desk, facts, "against", a.DRIFT_AGAINST.key),
        ),
    )


def _bins(facts: AttributeMap) -> Iterator[list[float | None]]:
    """Yield upper end, share of the reference and share of the window of each bin, by its end."""
    expected, observed = _numbers(facts, a.DRIFT_EXPECTED.key), _numbers(facts, a.DRIFT_OBSERVED.key)
    ends = [(end, key) for key in expected if (end := _end(key)) is not None]
    for end, key in sorted(ends):
        yield [None if end == math.inf else end, expected[key], observed.get(key)]


def _end(key: str) -> float | None:
    try:
        found = float(key)
    except ValueError:
        return None
    return None if math.isnan(found) or found == -math.inf else found


def _about(desk: Desk, facts: AttributeMap) -> tuple[int | None, int | None, int | None]:
    return (
        _name(desk, facts, "model", a.MODEL_NAME.key),
        _name(desk, facts, "drift", a.DRIFT_KIND.key),
        _name(desk, facts, "reference", a.DRIFT_REFERENCE.key),
    )


def _name(desk: Desk, facts: AttributeMap, kind: str, key: str) -> int | None:
    return desk.name(kind, text(facts, key))


def _text(facts: AttributeMap, key: str) -> str | None:
    found = text(facts, key)
    return None if found is None else bounded(found)


def _small(facts: AttributeMap, key: str) -> int | None:
    found = whole(facts, key)
    return found if found is not None and abs(found) < SMALL else None


def _map(facts: AttributeMap, key: str) -> Mapping[str, Any]:
    given = plain(facts[key]) if key in facts else None
    return given if isinstance(given, dict) else {}


def _numbers(facts: AttributeMap, key: str) -> dict[str, float]:
    return {
        bounded(name): float(value)
        for name, value in _map(facts, key).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def _linked(said: Said) -> Any:
    """Return ids and links of a record's span; None where it is an event, or its links cannot be read."""
    try:
        return LinkedSpan.FromString(said.raw) if said.raw else None
    except DecodeError:
        return None


def _decisions(said: Said) -> list[str]:
    """Return the ids of the decisions that a record's span is linked to, in their order."""
    linked = _linked(said)
    links = [] if linked is None else linked.links[:LINKS]
    known = (text(each.attributes, a.DECISION_ID.key) or decision_id(each.trace_id, each.span_id) for each in links)
    return [bounded(each) for each in known if each]


DRIFTS: Final[dict[str, Record]] = {
    s.DRIFT_CHECK.name: _check,
    s.DRIFT_EPISODE.name: _episode,
    s.DRIFT_CARD.name: _card,
    s.DRIFT_WINDOW.name: _window,
}
"""By the name of the event or the span."""

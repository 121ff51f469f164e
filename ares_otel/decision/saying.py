"""What a record becomes on a trace: an event of its decision or a span of its own, with which attributes."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import msgspec

from ares_otel.correlation.ids import decision_id
from ares_otel.guard import GUARD
from ares_otel.metrics.models import judged
from ares_otel.pipeline.model import LinkData
from ares_otel.records import (
    Attributes,
    DriftCard,
    DriftCheck,
    DriftEpisode,
    DriftWindow,
    Equity,
    ExchangeRequest,
    FeatureImportance,
    FeatureVector,
    Funding,
    KillSwitch,
    Mark,
    MarketData,
    ModelInfo,
    Outcome,
    PathStep,
    Position,
    Prediction,
    Record,
    Regime,
    RiskCheck,
    Stage,
    Vote,
    examine,
)
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s

__all__ = ["EVENTS", "Said", "hashed", "listen", "without_secrets"]

EVENTS: dict[type[Record], str] = {
    Vote: s.VOTE.name,
    Regime: s.REGIME.name,
    PathStep: s.DECISION_PATH.name,
    FeatureVector: s.FEATURES.name,
    Prediction: s.PREDICTION.name,
    Outcome: s.OUTCOME.name,
    MarketData: s.MARKET_DATA.name,
    Mark: s.MARK.name,
    Position: s.POSITION.name,
    Equity: s.EQUITY.name,
    Funding: s.FUNDING.name,
    KillSwitch: s.KILL_SWITCH.name,
    ModelInfo: s.MODEL_INFO.name,
    FeatureImportance: s.IMPORTANCE.name,
    DriftEpisode: s.DRIFT_EPISODE.name,
    DriftCard: s.DRIFT_CARD.name,
    DriftWindow: s.DRIFT_WINDOW.name,
}
"""Records that are events of their decision, and spans without duration outside of any."""

FEATURES_ON_SPANS = 128
TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
SECOND = 1_000_000_000


class Said(NamedTuple):
    """An examined record as it is shown: `kind` as in OTLP, `duration` in ns before the time it was said.

    `links` are those of its span.
    """

    record: Record
    name: str
    attributes: Attributes
    kind: int = 1
    duration: int = 0
    is_span: bool = False
    error: str | None = None
    links: tuple[LinkData, ...] = ()


def listen(given: object) -> Said | None:
    """Examine a record; None (and counted) when it is no record that can be said on its own."""
    special = _SPECIAL.get(type(given))
    if special is not None:
        return special(given)
    if isinstance(given, Outcome):
        given = _judged(given)
    if not isinstance(given, Record) or type(given) not in EVENTS:
        GUARD.bad_value("record()", "record", "a record of ares_otel", given)
        return None
    record, attributes = examine(given)
    links = _links(given.decisions) if isinstance(given, DriftEpisode) else ()
    return Said(record, EVENTS[type(given)], attributes, links=links)


def _features(given: FeatureVector) -> Said:
    record, attributes = examine(given)
    total = len(given.values) if isinstance(given.values, Mapping) else 0
    known = len(record.values) if record.values is not None else 0
    if known > FEATURES_ON_SPANS:
        attributes.pop(a.FEATURE_VALUES.key, None)
    attributes[a.FEATURE_COUNT.key] = total
    attributes[a.FEATURE_MISSING.key] = total - known
    return Said(record, s.FEATURES.name, attributes)


def _request(given: ExchangeRequest) -> Said:
    record, attributes = examine(given)
    if record.url:
        attributes[a.URL.key] = without_secrets(record.url)
    if record.venue:
        attributes[a.PEER_SERVICE.key] = record.venue
    name = s.EXCHANGE.name.replace("{operation}", record.operation or "request")
    return Said(record, name, attributes, 3, _nanoseconds(given.duration), is_span=True, error=record.error_type)


def _check(given: RiskCheck) -> Said:
    record, attributes = examine(given)
    return Said(record, s.RISK_CHECK.name, attributes, is_span=True)


def _drift(given: DriftCheck) -> Said:
    record, attributes = examine(given)
    duration = _nanoseconds(given.duration)
    return Said(record, s.DRIFT_CHECK.name, attributes, 1, duration, is_span=True, links=_links(given.decisions))


def _links(parents: Iterable[object]) -> tuple[LinkData, ...]:
    """Return links to decisions by their W3C `traceparent`s; what is none is left out."""
    found = (TRACEPARENT.fullmatch(str(each)) for each in parents)
    return tuple(_link(int(each[1], 16), int(each[2], 16)) for each in found if each is not None)


def _link(trace: int, span: int) -> LinkData:
    return LinkData(trace, span, {a.DECISION_ID.key: decision_id(trace, span)})


def _stage(given: Stage) -> Said:
    record, attributes = examine(given)
    escaped = None if record.swallowed else record.error_type
    name = str(given.component) or "stage"
    return Said(record, name, attributes, 1, _nanoseconds(given.duration), is_span=True, error=escaped)


_SPECIAL: dict[type, Callable[[Any], Said]] = {
    FeatureVector: _features,
    ExchangeRequest: _request,
    RiskCheck: _check,
    Stage: _stage,
    DriftCheck: _drift,
}


def _judged(given: Outcome) -> Outcome:
    result = given.result if given.result is not None else judged(given.prediction, given.actual)
    return msgspec.structs.replace(given, result=result)


def _nanoseconds(seconds: object) -> int:
    usable = isinstance(seconds, (int, float)) and math.isfinite(seconds) and seconds >= 0
    return int(seconds * SECOND) if usable else 0  # type: ignore[operator]


def without_secrets(url: str) -> str:
    """Return a URL without user info, query and fragment."""
    try:
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return "invalid"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def hashed(account: str) -> str:
    """Return what stands for an account on spans: the first 16 digits of its SHA-256."""
    return hashlib.sha256(account.encode("utf-8", "replace")).hexdigest()[:16]

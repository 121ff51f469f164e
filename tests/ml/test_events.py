from __future__ import annotations

import msgspec
import pytest

from ares_otel.ml import DriftEvent, DriftKind, DriftState, Moment, Moved, Severity, Since

STARTED = DriftEvent(
    kind=DriftKind.DATA,
    state=DriftState.STARTED,
    bar=70,
    at=None,
    features=(
        Moved("return", Moment.SCALE, 128, 0.4, 1.2, 300.0),
        Moved(("spread", "volume"), Moment.DEPENDENCE, 64, -0.3, 1.1, 90.0),
    ),
    since=Since(41),
    effect=0.4,
    evidence=1.2,
    severity=Severity.WARNING,
    episode=1,
)


def test_event_survives_json() -> None:
    """What is stored or sent of an event is what was said, pairs included."""
    assert msgspec.json.decode(msgspec.json.encode(STARTED), type=DriftEvent) == STARTED


def test_event_is_frozen() -> None:
    """What was said stays said."""
    with pytest.raises(AttributeError):
        STARTED.bar = 2  # type: ignore[misc]


def test_names_of_an_event() -> None:
    """Each feature once, in the order of effects; both of a pair."""
    features = (*STARTED.features, Moved("volume", Moment.SCALE, 64, 0.2, 1.1, 90.0))

    assert msgspec.structs.replace(STARTED, features=features).names == ("return", "spread", "volume")

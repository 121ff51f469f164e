from __future__ import annotations

import msgspec
import pytest

from ares_otel.ml import DriftEvent, DriftKind, DriftState, Moment, Moved, Severity, Since
from ares_otel.ml.telling import summary

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


@pytest.mark.parametrize(
    ("kind", "said"), [(kind, "outcome") for kind in ("label", "concept")] + [("prediction", "bar")]
)
def test_what_is_counted_has_its_name(kind: str, said: str) -> None:
    """Losses and labels come by outcomes, all else by bars."""
    text = summary(msgspec.structs.replace(STARTED, kind=DriftKind(kind)), "lgbm")

    assert text.startswith(f"{kind} drift of lgbm (episode 1, warning) since {said} 41, seen at {said} 70: ")

from __future__ import annotations

import math

import pytest

from ares_otel.ml.events import Severity
from ares_otel.ml.severity import severity


@pytest.mark.parametrize(
    ("evidence", "effect", "importance", "expected"),
    [
        (0.99, 9.0, None, Severity.INFO),
        (math.nan, 9.0, None, Severity.INFO),
        (1.0, math.nan, None, Severity.INFO),
        (1.0, 0.05, None, Severity.INFO),
        (1.0, 0.2, None, Severity.WATCH),
        (1.0, -0.7, None, Severity.WARNING),
        (1.0, -0.7, math.nan, Severity.WARNING),
        (1.0, 1.2, None, Severity.CRITICAL),
        (2.0, 0.05, None, Severity.INFO),
        (2.0, 0.2, None, Severity.WARNING),
        (2.0, 1.2, None, Severity.CRITICAL),
        (1.0, 0.7, 0.0, Severity.WATCH),
        (1.0, 0.7, 100.0, Severity.CRITICAL),
    ],
)
def test_levels(evidence: float, effect: float, importance: float | None, expected: Severity) -> None:
    """Effect and importance decide, strong evidence raises, and what is not shown or not known is info."""
    assert severity(evidence, effect, importance) is expected

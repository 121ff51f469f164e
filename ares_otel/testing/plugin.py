"""pytest plugin: the fixture `ares_capture`. Loaded by pytest itself once ares_otel is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ares_otel.testing.capture import Capture

__all__ = ["ares_capture"]


@pytest.fixture
def ares_capture() -> Iterator[Capture]:
    """Capture what the test's code records; bad values raise, a decision left open fails the test."""
    from ares_otel.testing.capture import Capture  # noqa: PLC0415  only tests that use it pay for the import

    with Capture() as capture:
        yield capture

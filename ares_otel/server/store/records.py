"""Every record that becomes rows."""

from __future__ import annotations

from typing import Final

from ares_otel.server.store.drifting import DRIFTS
from ares_otel.server.store.recording import REPORTS, Record

__all__ = ["RECORDS"]

RECORDS: Final[dict[str, Record]] = {**REPORTS, **DRIFTS}
"""By the name of the event or the span."""

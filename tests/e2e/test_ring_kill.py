"""`kill -9` of bots with a ring, two hundred times."""

from __future__ import annotations

from pathlib import Path

import pytest
from killing import judged, killed
from setup_kit import spans
from sink import Sink

KILLS, ROWS, DECISIONS = 200, 4, 1_000


@pytest.mark.timeout(900)
def test_two_hundred_kills(tmp_path: Path) -> None:
    """Of a thousand decisions and more none is lost, no order and no fill; none that ended is called aborted."""
    with Sink() as sink:
        found = killed(tmp_path, sink.url, KILLS, seed=7, rows=ROWS)
        told = spans(sink)
    assert found.delivered
    assert len(found.begun) >= DECISIONS
    assert judged(found, told) == []
    aborted = {span["span_id"] for span in told if span["attributes"].get("ares.decision.aborted")}
    assert aborted, "no bot was killed in the midst of a decision"

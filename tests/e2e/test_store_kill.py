"""`kill -9` of the server, fifty times under load."""

from __future__ import annotations

from pathlib import Path

import pytest
from server_kit import rows
from test_server_kill import killed

KILLS = 50


@pytest.mark.timeout(900)
def test_fifty_kills(tmp_path: Path) -> None:
    """No acknowledged span is lost, none is there twice, the file is sound, the sums equal the rows."""
    database = killed(tmp_path, KILLS)

    ((decisions,),) = rows(database, "SELECT count(*) FROM decision")
    assert decisions > KILLS

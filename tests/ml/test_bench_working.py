from __future__ import annotations

from pathlib import Path

import pytest
import working
from broken import Compared, differing
from working import RESUME, digest, each, saved

ASKED: list[int] = []


def square(number: int) -> int:
    """Return a square, once; a number below 0 interrupts."""
    ASKED.append(number)
    if number < 0:
        raise KeyboardInterrupt
    return number * number


def test_cases_in_processes() -> None:
    """What comes of them comes in order."""
    assert list(each(str, range(20))) == [f"{number}" for number in range(20)]


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was judged is not judged again, wherever the file ends, until a source changes."""
    monkeypatch.setattr(working, "PROCESSES", 1)
    monkeypatch.setattr(working, "DONE", tmp_path / "done")
    monkeypatch.setenv(RESUME, "yes")
    ASKED.clear()
    with pytest.raises(KeyboardInterrupt):
        list(each(square, [1, 2, -1]))
    (path,) = (tmp_path / "done").iterdir()
    path.write_bytes(path.read_bytes() + b"\x80\x05torn")

    assert list(each(square, [1, 2, 3])) == [1, 4, 9]
    assert ASKED == [1, 2, -1, 3]
    assert saved.told() >= 0.0
    assert saved.told() == 0.0
    monkeypatch.setattr(working, "digest", lambda _: "another version")
    assert list(each(square, [1, 2, 3])) == [1, 4, 9]
    assert ASKED == [1, 2, -1, 3, 1, 2, 3]


def test_a_digest_follows_imports() -> None:
    """It is of all sources of ours that a module is made of, and of no others."""
    names = set(working._imported("import numpy as np\nfrom ares_otel.ml import pvalues, fdr\nimport rows\n"))

    assert {"ares_otel.ml", "ares_otel.ml.pvalues", "ares_otel.ml.fdr", "rows"} <= names
    assert working._source("ares_otel.ml.pvalues") == working.ROOT / "ares_otel" / "ml" / "pvalues.py"
    assert working._source("rows") == working.HERE / "rows.py"
    assert working._source("numpy") is None
    assert len({digest("nulls"), digest("streams"), digest("rows")}) == 3


def test_differing_cases_are_told() -> None:
    """Where chance alone made verdicts differ, both sides of the threshold are shown."""
    cases = [Compared(False, True, False, (1.02, 0.97)), Compared(False, True, True, (2.0, 3.0))]

    assert differing(cases).endswith("thresholds: 1.02 and 0.97")
    assert differing([Compared(True, None, False, None)]) == ""

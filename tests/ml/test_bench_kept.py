from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from kept import PAGES, RESULT, Kept, read, write, written
from rows import Row, share
from tabled import nulls, power, usual


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_follow_from_the_result(page: Path) -> None:
    """`python tests/benchmarks/drift/kept.py` would change nothing, and has something to write in each page."""
    text = page.read_text(encoding="utf-8")

    assert "<!-- drift:" in text
    assert written(text, read(RESULT)) == text


def test_result_is_of_sections_that_are_there() -> None:
    """Each section is kept, none that is gone, and what broke says so."""
    sections = {path.stem for path in RESULT.parent.glob("*.py") if "\ndef rows(" in path.read_text(encoding="utf-8")}

    assert set(read(RESULT)) == sections
    assert [name for name, kept in read(RESULT).items() if not kept.rows and not kept.missing] == []


def test_sections_are_kept_beside_each_other(tmp_path: Path) -> None:
    """What is written is read again, to six digits; a page shows what was found and what could not be."""
    rows = (
        share("s", "garch", 1, 3, "at most .5", met=np.bool_(True)),  # type: ignore[arg-type]  # as comparisons give it
        Row("s", "stocks", None, note="no data"),
    )
    kept = Kept("About it", "2026-11-26", True, 90.0, 1.2, {"Python": "3.11"}, rows, "OSError: gone")
    write(tmp_path / "result.json", {"second": kept, "first": kept._replace(rows=())})
    found = read(tmp_path / "result.json")
    page = written("<!-- drift:everything -->\nold\n<!-- end -->", found)

    assert list(found) == ["first", "second"]
    assert found["second"].rows[0].measured == pytest.approx(1 / 3, abs=1e-6)
    assert found["second"]._replace(rows=()) == kept._replace(rows=())
    assert "| [second](#second) | 2026-11-26 | a part | 1.5 | 1.2 | 1 |  |" in page
    assert "NOT MEASURED: OSError: gone" in page
    assert "old" not in page
    assert read(tmp_path / "none.json") == {}


def test_cells_hold_what_was_found_and_no_more() -> None:
    """A length or a shift that was not measured has a dash; a delay beyond what counts has no number."""
    hits = {0.01: 0, 0.05: 6, 0.1: 20}
    chances = [share("s", f"garch, N=1000, nominal {alpha}", found, 400) for alpha, found in hits.items()]
    pooled = Row("s", "observed / nominal at 0.05, garch", 0.3, 0.2, 0.5, n=400)
    seen = [
        Row("Power at nominal .05, N=1000", "garch, vol x2: median delay in bars", 480.0, 448.0, float("inf")),
        share("Power at nominal .05, N=1000", "garch, vol x2: found within 2,000", 20, 20),
    ]

    assert any(line.endswith("| .000 / **.015** [.007, .032] / .050 | - | - |") for line in nulls([*chances, pooled]))
    assert nulls([*chances, pooled])[-1] == "The first three together (400 streams): 5 % → .015 [.010, .025]."
    assert "| volatility x 2 | 480 [448, > 2000] / 1.00 [.839, 1.00] | - | - | - |" in power(seen)


def test_usual_rules_of_one_null_are_shown() -> None:
    """A rule, how often it alarmed, and on how many streams; other nulls are in the page of all figures."""
    rows = [
        share("s", f"{null}, N=3000: PSI over 0.25", 3, 4, note="250 of 1,000 checks") for null in ("iid", "eurusd")
    ]

    assert usual(rows)[2:] == ["| PSI over 0.25 | .750 [.301, .954] | 250 of 1,000 | 4 |"]

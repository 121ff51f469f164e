from __future__ import annotations

from rows import Row, share, table, wilson


def test_wilson() -> None:
    """The interval of 20 in 400 is that of the textbook; none of none is anything."""
    low, high = wilson(20, 400)

    assert (round(low, 4), round(high, 4)) == (0.0326, 0.0760)
    assert wilson(0, 0) == (0.0, 1.0)


def test_table_says_what_was_missed() -> None:
    """A line has its figure, interval and verdict; what could not be measured is said."""
    lines = table([share("s", "garch", 20, 400, "at most .04", met=False), Row("s", "stocks", None, note="no data")])

    assert "| garch | 0.05 | 0.0326 … 0.07596 | 400 | at most .04 | **no** |  |" in lines
    assert "| stocks | not measured |  |  |  |  | no data |" in lines

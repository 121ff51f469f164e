"""What the pages say of costs is what a run of `make bench` measured, and a run finds out who did not do its work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from costs import PAGES, RESULT, TABLES, report, written
from fleet import complaints
from medians import median
from targets import TARGETS, judged, remembered

ALL: dict[str, Any] = {
    "counts": {"spans": 20},
    "looked at": 20,
    "traces": 2,
    "roots": 2,
    "orphans": 0,
    "names": {"decision": 2, "vote": 10, "order": 2, "analyst": 2, "strategist": 2, "tactician": 2},
    "events": {},
    "attributes": 92,
}
COUNTED = {"decisions": 2.0, "votes": 10.0, "orders": 2.0, "decision_seconds": 2.0, "exemplars": 1.0}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_follow_from_the_result(page: Path) -> None:
    """`python tests/benchmarks/costs.py` would change nothing, and has something to write in each page."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")

    assert "<!-- bench:" in text
    assert written(text, result) == text


def test_every_variant_of_the_result_did_its_work() -> None:
    """The committed result is of a run in which the sink saw what every variant had to send."""
    result = json.loads(RESULT.read_text(encoding="utf-8"))

    assert {name: said for name, said in result["work"].items() if said} == {}
    assert {"ours", "careful", "usual", "ddtrace", "logfire", "fastotel", "pytracingx"} <= {
        *result["work"],
        *result["missing"],
    }
    assert "x " in report(result)


@pytest.mark.parametrize(
    ("told", "counted", "said"),
    [
        ({}, {}, ""),
        ({"counts": {"spans": 19}}, {}, "spans: 19 instead of 20"),
        ({"roots": 3}, {}, "roots: 3 instead of 2"),
        ({"orphans": 1}, {}, "spans without their parent: 1 instead of 0"),
        ({"names": {**ALL["names"], "vote": 9}}, {}, "votes: 9 instead of 10"),
        ({"attributes": 90}, {}, "attributes: 45 of 46 a decision"),
        ({}, {"votes": 9.0}, "counted votes: 9 instead of 10"),
        ({}, {"exemplars": 0.0}, "no exemplar"),
    ],
)
def test_work_that_was_not_done_is_told(told: dict[str, Any], counted: dict[str, float], said: str) -> None:
    """Each kind of loss is named: spans, parents, votes, attributes, metric values, exemplars."""
    assert complaints("careful", 2, {**ALL, **told}, {**COUNTED, **counted}) == ([said] if said else [])


def test_targets() -> None:
    """A target is met or not, at its bound met, and not judged without a measurement."""
    found = {each.target: each for each in judged({"hot": {"ours": {"net_us": {"value": 4.0}}, "careful": {}}})}

    assert [found[each].verdict for each in TARGETS[:2]] == ["met", "not measured"]
    assert judged({"hot": {"ours": {"net_us": 4.1}}})[0].verdict == "NOT MET"
    assert judged({"hot": {"ours": {}, "careful": {"to_ours": 44.9}}})[1].met is False


def test_runs_are_held_against_each_other() -> None:
    """By how much they differ, as a share of the least; not where there is one run, nor what a run did not measure."""
    one, other = ({"hot": {"ours": {"net_us": net}}, "memory": {"ours": grown(net)}} for net in (4.0, 4.4))
    found = judged({**one, "earlier": [remembered(other), {}]})

    assert found[0].apart == pytest.approx(0.1)
    assert found[-1].apart == pytest.approx(0.1)
    assert judged(one)[0].apart is None
    assert found[1].apart is None
    assert "10%" in "\n".join(TABLES["targets"]({**one, "earlier": [remembered(other)]}))


def grown(to: float) -> dict[str, float]:
    """Return what a run says of memory."""
    return {"half_mib": 1.0, "end_mib": to}


def test_interval_of_a_median() -> None:
    """Of few values it is their range; of many it is narrow, and the median lies in it."""
    assert median([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0, 3)
    assert median([float(each) for each in range(101)]) == (50.0, 40.0, 60.0, 101)


def test_a_busy_machine_is_not_judged() -> None:
    """What a thread keeps is told only where the same decisions without telemetry cost it nothing."""

    def keeps(control: float) -> str:
        beside = {"ours": {"kept": 0.98}, "nothing": {"kept": control}}
        return next(each.verdict for each in judged({"beside": beside}) if each.target.name.startswith("keeps"))

    assert [keeps(each) for each in (1.0, 1.02, 0.9)] == ["met", "met", "not measured"]

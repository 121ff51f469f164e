"""What a drift monitor says becomes spans with links to decisions, wherever it is said."""

from __future__ import annotations

from typing import Any

import ares_otel as ares
from ares_otel.testing import Capture

CHECK = ares.DriftCheck(
    "lgbm",
    "data",
    "drift",
    evidence=1.3,
    effect=-0.6,
    severity="warning",
    episode=2,
    evidences={"ret:scale": 1.3},
    effects={"ret:scale": -0.6},
    tested=12,
    untestable=3,
    spent=0.02,
    bar=1_200,
    version="3",
    reference="f00d",
    duration=0.004,
)


def parent_of(live: ares.LiveDecision) -> str:
    """Return the W3C `traceparent` of a decision."""
    return f"00-{live.trace_id:032x}-{live.span_id:016x}-01"


def attributes(capture: Capture, name: str) -> dict[str, Any]:
    """Return the attributes of the one span of a name."""
    (span,) = capture.spans(name)
    return dict(span["attributes"])


def test_a_check_is_a_span_with_its_time_and_its_decisions(ares_capture: Capture) -> None:
    """It takes as long as the computing took, and is linked to the decisions of its bars."""
    with ares.decision(symbol="BTC") as d:
        pass
    ares.record(ares.DriftCheck("lgbm", "data", duration=0.004, decisions=(parent_of(d), "no traceparent")))
    (span,) = ares_capture.spans("drift check")

    assert span["end_ms"] - span["start_ms"] == 4.0
    assert span["links"] == [f"{d.span_id:016x}"]
    link = ares_capture.finished[-1][1].links[0]
    assert (link.trace_id, link.attributes) == (d.trace_id, {"ares.decision.id": d.decision_id})


def test_a_check_says_all_it_knows(ares_capture: Capture) -> None:
    """Every field is an attribute under its declared name."""
    ares.record(CHECK)

    assert attributes(ares_capture, "drift check") == {
        "ares.model.name": "lgbm",
        "ares.model.version": "3",
        "ares.drift.kind": "data",
        "ares.detector": "ares",
        "ares.result": "drift",
        "ares.drift.evidence": 1.3,
        "ares.drift.effect": -0.6,
        "ares.drift.severity": "warning",
        "ares.drift.episode": 2,
        "ares.drift.evidences": {"ret:scale": 1.3},
        "ares.drift.effects": {"ret:scale": -0.6},
        "ares.drift.tested": 12,
        "ares.drift.untestable": 3,
        "ares.drift.alpha_spent": 0.02,
        "ares.drift.bar": 1_200,
        "ares.drift.reference": "f00d",
    }


def test_the_exemplar_of_a_check_is_its_own_trace(ares_capture: Capture) -> None:
    """A check outside of any decision leads from the counter to its own span."""
    ares.record(CHECK)
    (span,) = ares_capture.spans("drift check")

    assert f'trace_id="{span["trace_id"]}"' in ares_capture.text()


def test_an_episode_is_a_span_linked_to_decisions(ares_capture: Capture) -> None:
    """It says what moved, how far, since when."""
    with ares.decision(symbol="BTC") as d:
        pass
    ares.record(
        ares.DriftEpisode(
            "lgbm", "data", "started", 2, "critical", effect=0.8, since=5, since_bar=3, decisions=(parent_of(d),)
        )
    )
    (span,) = ares_capture.spans("drift_episode")

    assert span["links"] == [f"{d.span_id:016x}"]
    assert attributes(ares_capture, "drift_episode")["ares.drift.since"] == 5
    assert ares_capture.value(
        "ares_drift_episodes_total", model_name="lgbm", drift_kind="data", drift_severity="critical"
    )


def test_inside_a_decision_it_is_part_of_that(ares_capture: Capture) -> None:
    """A bot that checks by itself, within a decision, finds the check there."""
    with ares.decision(symbol="BTC"):
        ares.record(CHECK)
        ares.record(ares.DriftEpisode("lgbm", "concept", "started"))

    assert ares_capture.tree() == ["decision", "  drift check"]
    assert [name for name, _, _ in ares_capture.spans("decision")[0]["events"]] == ["drift_episode"]


def test_a_card_says_why_something_cannot_be_tested(ares_capture: Capture) -> None:
    """Numbers and reasons by quantity."""
    ares.record(ares.DriftCard("lgbm", "data", samples={"vol:location": 6.0}, reasons={"vol:location": "n_eff 6 < 24"}))

    assert attributes(ares_capture, "drift_card") == {
        "ares.model.name": "lgbm",
        "ares.drift.kind": "data",
        "ares.drift.n_eff": {"vol:location": 6.0},
        "ares.drift.untestable_because": {"vol:location": "n_eff 6 < 24"},
    }


def test_a_window_is_a_span_of_shares(ares_capture: Capture) -> None:
    """Both distributions go by the same ends of bins, with their numbers of values."""
    shares = {"-1": 0.25, "inf": 0.75}
    ares.record(ares.DriftWindow("lgbm", "data", "ret", shares, {"-1": 1.0, "inf": 0.0}, 80, 88, 900, episode=2))

    assert attributes(ares_capture, "drift_window") == {
        "ares.model.name": "lgbm",
        "ares.drift.kind": "data",
        "ares.feature.name": "ret",
        "ares.drift.expected": shares,
        "ares.drift.observed": {"-1": 1.0, "inf": 0.0},
        "ares.drift.values": 80,
        "ares.drift.window": 88,
        "ares.drift.bar": 900,
        "ares.drift.episode": 2,
    }

"""What a watched model is told apart from drift: values that are wrong, and the accounts of its predictions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import Matured, Observed, WatchedModel
from ares_otel.ml.making import Plan
from ares_otel.ml.watching import Watch

RNG = np.random.default_rng(21)
REFERENCE = RNG.normal(size=(800, 3))
REFERENCE[:, 2] = 7.0


def watched(**more: Any) -> Watch:
    """Return a watch of three features, the last of which never moves."""
    return Plan(WatchedModel("m"), Drift(check_bars=1), "bot", REFERENCE, names=["a", "b", "c"], **more).make(
        quiet=True
    )


def rows(values: Any, first: int = 1) -> Iterator[Observed]:
    """Yield rows as bars of a second."""
    for place, row in enumerate(values, first):
        yield Observed(row, None, None, place * 1_000_000_000, 0, None)


def shown(watch: Watch) -> dict[str, float]:
    """Return what a scrape would show, by metric and labels without the model's."""
    return {
        " ".join([metric.name.removeprefix("ares_"), *(label or "-" for label in labels[1:])]): value
        for metric, labels, value in watch.condition.readings()
    }


def test_values_that_are_wrong_now_are_shown_by_feature_and_problem() -> None:
    """Missing, stale, out of range, and a constant that moves; each quantity counts once for its problem."""
    live = RNG.normal(size=(300, 3))
    live[:, 2] = 7.0
    live[::3, 0] = np.nan
    live[-60:, 1] = 0.25
    live[-3:, 2] = 8.0
    watch = watched()
    watch.feed(rows(live))
    found = shown(watch)

    assert found["drift_problem_quantities data missing"] == 1
    assert found["drift_problem_quantities data stale"] == 1
    assert found["drift_problem_quantities data moves"] == 1
    assert found["drift_problem_quantities data out_of_range"] == 0
    assert found["feature_problem_bars data b stale"] >= 59
    assert found["feature_problem_bars data a missing"] == 100
    assert found["feature_problem_bars data c moves"] == 3
    assert "feature_problem_bars data c stale" not in found


def test_what_passes_is_gone_when_it_has_passed() -> None:
    """A feature that moves again has no series of being stale; the number of such is zero, not absent."""
    watch = watched()
    watch.feed(rows([[0.1, 0.2, 7.0]] * 40))
    assert "feature_problem_bars data a stale" in shown(watch)
    watch.feed(rows(np.column_stack([RNG.normal(size=(5, 2)), np.full(5, 7.0)]), 41))

    assert "feature_problem_bars data a stale" not in shown(watch)
    assert shown(watch)["drift_problem_quantities data stale"] == 0


def test_what_could_not_be_used_is_counted() -> None:
    """Infinities, texts, absent features, bars that come twice; names that are no features have none of their own."""
    watch = watched()
    given: list[Any] = [(np.inf, "x", 7.0), {"a": 1.0, "b": 2.0, "d": 3.0, "e": 4.0}]
    watch.feed(rows(given))
    watch.feed(rows([(0.1, 0.2, 7.0)], 2))
    watch.feed(rows([(0.1, 0.2, 7.0)], 1))
    found = shown(watch)

    assert found["feature_problems_total data a invalid"] == 1
    assert found["feature_problems_total data b invalid"] == 1
    assert found["feature_problems_total data c absent"] == 1
    assert found["feature_problems_total data - duplicate"] == 2
    assert [key.split()[2] for key in found if key.startswith("feature") and "unknown" in key] == ["other"]


def test_the_ledger_adds_up_on_the_page() -> None:
    """Recorded = matured + pending + missing + dropped; what was refused is counted by its reason."""
    watch = Plan(WatchedModel("m"), Drift(check_bars=1), "bot", None).make(quiet=True)
    for place in range(60):
        watch.feed([Observed(None, float(place % 2), place, place + 1, 0, None)])
    watch.feed([Observed(None, 1.0, 59, 61, 0, None)])
    assert shown(watch)["drift_predictions_pending"] == 60
    for place in range(50):
        watch.feed([Matured(place, float(place % 3 == 0), 100 + place, 0)])
    watch.feed([Matured(0, 1.0, 200, 0), Matured("nobody", 1.0, 200, 0)])
    found = shown(watch)

    settled = sum(found[f"drift_predictions_settled_total {fate}"] for fate in ("matured", "missing", "dropped"))
    assert found["drift_predictions_total"] == 60 == settled + found["drift_predictions_pending"]
    refused = {key.split()[1]: value for key, value in found.items() if "refused" in key}
    assert refused == {"repeated": 1, "invalid": 0, "again": 1, "too_late": 0, "unknown": 1}
    assert (found["drift_loss_n"], found["drift_outcomes_late_total"]) == (50, 0)
    assert 0 < found["drift_loss_low"] < found["drift_loss"] < found["drift_loss_high"] < 1
    assert 0 < found["drift_loss_n_eff"] <= 50


def test_nothing_is_said_of_what_is_not_known() -> None:
    """Without a matured prediction there is no loss, and without features no problem of one."""
    watch = Plan(WatchedModel("m"), Drift(), "bot", None).make(quiet=True)
    watch.begin()
    found = shown(watch)

    assert found["drift_loss_n"] == 0
    assert not found.keys() & {"drift_loss", "drift_loss_low", "drift_loss_n_eff"}
    assert not any("problem" in key for key in found)


def test_counts_go_on_after_a_restart(tmp_path: Path) -> None:
    """They are part of the state: a counter must not begin anew with each process."""
    first, second = watched(), watched()
    first.feed(rows([(np.inf, 0.2, 7.0)]))
    first.feed([Observed(None, 1.0, "k", 2, 0, None), Matured("k", 1.0, 3, 0)])
    first.save(tmp_path / "m.state")
    assert second.load(tmp_path / "m.state")
    second.begin()
    found = shown(second)

    assert found["feature_problems_total data a invalid"] == 1
    assert found["drift_predictions_settled_total matured"] == 1

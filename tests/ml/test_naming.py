"""Which features moved: named once an episode, under a bound on the share of wrong names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ares_otel.config.drift import Drift
from ares_otel.decision.watched import Observed, WatchedModel
from ares_otel.ml import Account, Budget, DriftEvent, Moment
from ares_otel.ml.budget import Line
from ares_otel.ml.making import Plan
from ares_otel.ml.naming import LATER, Named, Naming
from ares_otel.ml.watching import Watch
from ares_otel.testing import Capture

RNG = np.random.default_rng(31)
REFERENCE = RNG.normal(size=(1_000, 4))
LIVE = RNG.normal(size=(700, 4))
LIVE[200:, 1] += 1.5
LIVE[200:, 3] -= 1.5


PLAN = Plan(WatchedModel("m"), Drift(check_bars=100), "bot", REFERENCE, names=list("abcd"), outcome=None)


def watched(*, quiet: bool = True) -> Watch:
    """Return a watch of four features."""
    return PLAN.make(quiet=quiet)


def bars(first: int = 0, last: int = len(LIVE)) -> list[Observed]:
    """Return rows as bars."""
    return [Observed(row, None, None, place + 1, 0, None) for place, row in enumerate(LIVE[first:last], first)]


def heard(watch: Watch) -> list[DriftEvent]:
    """Return a list that grows with the events of a watch."""
    found: list[DriftEvent] = []
    watch.on_event = found.append
    return found


def test_features_that_moved_are_named_some_bars_after_the_alarm() -> None:
    """Those two and no other, each with its p-value, in an event of their own; the alarm says what had crossed."""
    watch = watched()
    found = heard(watch)
    watch.feed(bars())
    alarm, named = found

    assert set(alarm.names) <= {"b", "d"}
    assert alarm.names[0] == alarm.features[0].feature
    assert (named.kind, named.state, named.episode, named.bar) == ("feature", "named", 1, alarm.bar + LATER)
    assert (named.since, named.severity, named.at) == (alarm.since, alarm.severity, named.bar)
    assert set(named.names) == {"b", "d"}
    assert [abs(each.effect) for each in named.features] == sorted(abs(each.effect) for each in named.features)[::-1]
    assert all(each.p_value is not None and 0.0 <= each.p_value < 0.01 for each in named.features)
    assert (named.effect, named.evidence > 1.0) == (abs(named.features[0].effect), True)


def test_names_are_a_check_of_the_kind_feature(ares_capture: Capture) -> None:
    """A span and a count; no episode, no evidence: it is no alarm."""
    watch = watched(quiet=False)
    found = heard(watch)
    watch.feed(bars())
    (span,) = [span for span in ares_capture.spans("drift check") if span["attributes"]["ares.drift.kind"] == "feature"]

    assert set(span["attributes"]["ares.drift.p_values"]) == {"b", "d"}
    assert span["attributes"]["ares.drift.features"] == ", ".join(found[1].names)
    (episode,) = ares_capture.spans("drift_episode")
    assert episode["attributes"]["ares.drift.features"] == ", ".join(found[0].names)
    labels = {"model_name": "m", "drift_kind": "feature"}
    assert ares_capture.value("ares_drift_checks_total", **labels, detector="ares", result="drift") == 1.0
    assert ares_capture.value("ares_drift_active", **labels) is None
    assert ares_capture.value("ares_drift_evidence", **labels) is None


def test_a_restart_between_alarm_and_names_changes_nothing(tmp_path: Path) -> None:
    """What is to be asked, and the account of names, are part of the state."""
    whole, first, second = watched(), watched(), watched()
    expected, found = heard(whole), heard(first)
    second.on_event = found.append
    whole.feed(bars())
    first.feed(bars(0, 300))
    first.save(tmp_path / "m.state")
    assert second.load(tmp_path / "m.state")
    second.feed(bars(300))
    for place, watch in enumerate((whole, second)):
        watch.save(tmp_path / f"{place}.state")

    assert found == expected != []
    assert (tmp_path / "0.state").read_bytes() == (tmp_path / "1.state").read_bytes()


def event(state: str, bar: int, watch: Watch) -> DriftEvent:
    """Return an event."""
    found: list[DriftEvent] = []
    watch.on_event = found.append
    watch.feed(bars())
    start = found[0]
    return DriftEvent(
        **{**{name: getattr(start, name) for name in start.__struct_fields__}, "state": state, "bar": bar}
    )


def test_an_episode_that_is_over_sooner_names_nobody() -> None:
    """Its evidence has gone, so there is nothing to be asked of."""
    start, over = (event(state, 10, watched()) for state in ("started", "cleared"))
    naming = Naming()
    assert naming.look([start], 10, None, account) is None
    assert naming.look([over], 20, None, account) is None
    assert naming.look([], 10 + LATER, None, account) is None
    assert naming.look([start], 400, None, account) is None
    named = naming.look([], 400 + LATER, 7, account)
    assert named == Named(1, 400 + LATER, 7, {}, 1)
    assert named.event(start, ()).names == ()


def account() -> Account:
    """Return an account of one feature that has not crossed, and of a pair that has, which is no feature."""
    lines = (Line("a", Moment.LOCATION, 64, 0.5, 0.9), Line(("a", "b"), Moment.DEPENDENCE, 64, 0.5, 3.0))
    return Account(Budget(), 100, 0.1, 1, lines)


def test_wrong_names_are_few_where_nothing_moved_but_one_feature() -> None:
    """In streams with one moved feature of four no more than a few other names, of all seeds together."""
    wrong = right = 0
    for seed in range(12):
        draw = np.random.default_rng(seed)
        reference, live = draw.normal(size=(800, 4)), draw.normal(size=(420, 4))
        live[100:, seed % 4] += 1.5
        watch = Plan(WatchedModel("m"), Drift(), "bot", reference, outcome=None).make(quiet=True)
        found = heard(watch)
        watch.feed([Observed(row, None, None, place + 1, 0, None) for place, row in enumerate(live)])
        names = {name for event in found if event.state == "named" for name in event.names}
        right += f"f{seed % 4}" in names
        wrong += len(names - {f"f{seed % 4}"})

    assert right >= 11
    assert wrong <= 1

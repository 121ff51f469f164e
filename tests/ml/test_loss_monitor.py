from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ares_otel.ml.archive import write_state
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Severity
from ares_otel.ml.loss import LossMonitor


def errors(seed: int, *spans: tuple[int, float]) -> list[float]:
    """Return errors of a classifier: so many outcomes at a share each."""
    draw = np.random.default_rng(seed)
    return [float(value) for n, share in spans for value in draw.random(n) < share]


def told(watch: LossMonitor, losses: Iterable[float]) -> list[DriftEvent]:
    """Feed losses with half of the errors on each side."""
    found = []
    for number, loss in enumerate(losses, 1):
        sign = 1.0 if number % 2 else -1.0
        found += watch.update(loss, signed=loss * sign, label=float(number % 3 == 0), at=number * 10)
    return found


def test_one_change_is_one_episode() -> None:
    """A jump of the error is told once, dated, sized, and over once it is the normal one."""
    watch = LossMonitor()
    started, cleared = told(watch, errors(1, (3000, 0.3), (3000, 0.6)))

    assert (started.kind, started.state, started.episode) == (DriftKind.CONCEPT, DriftState.STARTED, 1)
    assert 3000 < started.bar < 3150
    assert started.since is not None
    assert abs(started.since.bar - 3001) < 60
    assert started.since.at == started.since.bar * 10
    assert started.at == started.bar * 10
    assert started.effect == pytest.approx(0.3 / math.sqrt(0.21), abs=0.35)
    assert started.severity is Severity.CRITICAL
    assert cleared.state is DriftState.CLEARED
    assert (cleared.episode, cleared.since, cleared.features) == (1, started.since, started.features)
    assert watch.active == ()


def test_a_reference_keeps_an_episode_open() -> None:
    """With losses of training, a level that stays worse does not become the normal one; a return ends it."""
    watch = LossMonitor(reference=errors(2, (2000, 0.3)))
    events = told(watch, errors(3, (500, 0.3), (4000, 0.5)))

    assert [event.state for event in events] == [DriftState.STARTED]
    assert watch.active == (DriftKind.CONCEPT,)
    assert [event.state for event in told(watch, errors(4, (4000, 0.25)))] == [DriftState.CLEARED]


def test_what_creeps_is_seen_with_a_reference() -> None:
    """A slow decay that no window holds is seen against the reference."""
    losses = [float(value) for value in np.random.default_rng(5).random(8000) < np.linspace(0.30, 0.42, 8000)]

    assert told(LossMonitor(reference=errors(6, (3000, 0.3))), losses)[0].features[0].feature == "loss"


def test_real_losses_and_labels() -> None:
    """Heavy-tailed absolute errors that double are seen; labels that shift are told as label drift."""
    draw = np.random.default_rng(7)
    watch, events = LossMonitor(), []
    for number in range(3000):
        worse = 2.0 if number >= 1500 else 1.0
        error = worse * float(draw.standard_t(3))
        events += watch.update(abs(error), signed=error, label=float(draw.normal()))
    assert [(event.kind, event.state) for event in events[:1]] == [(DriftKind.CONCEPT, DriftState.STARTED)]
    assert 1500 < events[0].bar < 1800

    watch, events = LossMonitor(), []
    for number in range(3000):
        events += watch.update(float(draw.random() < 0.3), label=float(draw.normal(1.0 if number >= 1500 else 0.0)))
    assert events[0].kind is DriftKind.LABEL
    assert events[0].features[0].effect > 0.5


def test_better_is_no_alarm() -> None:
    """A model that becomes better raises nothing."""
    assert told(LossMonitor(), errors(8, (2000, 0.4), (2000, 0.1))) == []


def test_false_alarms_keep_the_budget() -> None:
    """On errors that do not change, of one share or with overlapping labels, alarms are rare (seeds of their own)."""
    alarms = 0
    for seed in range(8):
        alarms += bool(told(LossMonitor(), errors(400_000 + seed, (2500, 0.45))))
        draw = np.random.default_rng(500_000 + seed)
        smooth = np.convolve(draw.normal(size=2523), np.ones(24), "valid") > 0.0
        alarms += bool(told(LossMonitor(overlap=24.0), smooth.astype(float).tolist()))
    assert alarms <= 2


@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    seed=st.integers(0, 2**16),
    cut=st.integers(0, 1400),
    nonsense=st.lists(st.tuples(st.integers(0, 1399), st.sampled_from([math.nan, math.inf, -math.inf])), max_size=8),
    real=st.booleans(),
)
def test_restart_and_nonsense(
    seed: int, cut: int, nonsense: list[tuple[int, float]], tmp_path_factory: pytest.TempPathFactory, *, real: bool
) -> None:
    """A restart anywhere is not seen, to the bit, and what is no number is counted and changes no verdict."""
    losses = errors(seed, (700, 0.2), (700, 0.6))
    if real:
        losses = [loss + float(number % 7) / 10 for number, loss in enumerate(losses)]
    path = tmp_path_factory.mktemp("loss") / "state.json"
    first, second, clean = (LossMonitor(reference=losses[:500]) for _ in range(3))
    wrong = dict(nonsense)
    heard: list[DriftEvent] = []
    for number, loss in enumerate(losses):
        if number == cut:
            second.save(path)
            second = LossMonitor.load(path)
        for value in (wrong[number], loss) if number in wrong else (loss,):
            events = first.update(value, signed=value, label=value)
            assert events == second.update(value, signed=value, label=value)
            heard += events
    expected = [event for loss in losses for event in clean.update(loss, signed=loss, label=loss)]
    assert [event.kind for event in heard] == [event.kind for event in expected]
    assert first.invalid == len(wrong)
    assert first.outcomes == len(losses) + len(wrong)
    assert first.card() == second.card()


def test_card() -> None:
    """Before enough was seen all is untestable; later it says from what on and how soon."""
    watch = LossMonitor(reference=errors(9, (2000, 0.3)))
    before = {(line.feature, line.testable) for line in watch.card()}
    told(watch, errors(10, (600, 0.3)))
    after = watch.card()

    assert ("label", False) in before
    assert ("loss", True) in before
    assert all(line.testable and line.mde and line.delay for line in after)
    assert sum(line.budget for line in after) == pytest.approx(1.0)
    assert "600 outcomes" not in {line.reason for line in after}
    told(constant := LossMonitor(overlap=100.0), errors(11, (600, 0.3)))
    assert {line.reason for line in constant.card()} == {"untestable: 400 outcomes hold fewer than 8 independent ones"}


def test_a_short_or_constant_reference(tmp_path: Path) -> None:
    """Too few losses are refused; those without any spread give no CUSUM but a scan."""
    with pytest.raises(ValueError, match="at least 500"):
        LossMonitor(reference=[0.0, 1.0])
    with pytest.raises(ValueError, match="false_alarms"):
        LossMonitor(false_alarms=0.0)
    watch = LossMonitor(reference=[0.0] * 600)
    reasons = [line.reason for line in watch.card() if not line.testable]
    assert reasons[-1] == "untestable: the reference is worth 600 independent losses"
    assert told(watch, errors(12, (300, 0.5)))[0].kind is DriftKind.CONCEPT
    watch.save(tmp_path / "state.json")
    assert LossMonitor.load(tmp_path / "state.json").active == (DriftKind.CONCEPT,)


def test_the_card_says_what_names_of_classes_lack() -> None:
    """Where outcomes are names there is no direction and no number, however many come; one number is counted again."""
    watch = LossMonitor()
    waiting = {line.feature: line.reason for line in watch.card()}
    for loss in errors(13, (700, 0.3)):
        watch.update(loss)
    named = {line.feature: line.reason for line in watch.card()}
    watch.update(1.0, signed=1.0, label=1.0)
    mixed = {line.feature: line.reason for line in watch.card()}

    assert waiting["label"] == "untestable: 0 outcomes < 500"
    assert named["loss"] == ""
    assert named["label"] == "untestable: none of 700 outcomes was a number; names of classes are none"
    assert named["over"] == "untestable: none of 700 outcomes had an error with a direction; names of classes have none"
    assert mixed["label"] == "untestable: 1 outcomes < 500"


def test_regimes_that_passed_too_seldom_are_said_to_be_untestable() -> None:
    """Losses of training that hold a few long regimes are worth little, and are not alarmed about."""
    regimes = np.arange(6000) // 500 % 2
    losses = (np.random.default_rng(14).random(6000) < np.where(regimes, 0.6, 0.3)).astype(float).tolist()
    watch = LossMonitor(reference=losses[:2000])

    assert told(watch, losses[2000:]) == []
    assert "untestable: the reference is worth" in watch.card()[-1].reason


def test_a_state_without_thresholds_is_read(tmp_path: Path) -> None:
    """A file of an earlier version goes on by its tau, and by what it learns from then on."""
    watch = LossMonitor()
    told(watch, errors(15, (900, 0.3)))
    state = watch.state()
    for watched in state.watched.values():
        assert watched.channel is not None
        watched.channel.limits = []
    write_state(tmp_path / "state.json", "loss", 1, state)
    first, second = (LossMonitor.load(tmp_path / "state.json") for _ in range(2))

    assert told(first, errors(16, (400, 0.3))) == []
    assert [event.state for event in told(second, errors(16, (400, 0.6)))] == [DriftState.STARTED]
    assert all(watched.channel and watched.channel.limits for watched in first.state().watched.values())

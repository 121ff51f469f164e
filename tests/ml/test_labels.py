from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from ares_otel.ml.archive import ArchiveError
from ares_otel.ml.labels import Counts, Ledger, Matured

KEYS = st.sampled_from("abcdefgh")
VALUES = st.one_of(st.floats(), st.booleans(), st.sampled_from(["up", "down"]), st.integers(-3, 3))
STEPS = st.lists(
    st.tuples(st.sampled_from(["record", "outcome", "advance"]), KEYS, VALUES, st.integers(0, 60)), max_size=120
)


def lawful(counts: Counts) -> bool:
    """Whether each recorded prediction is in one place."""
    return counts.recorded == counts.matured + counts.pending + counts.missing + counts.dropped


def step(ledger: Ledger, what: tuple[str, str, Any, int]) -> object:
    """Do what a drawn step says."""
    word, key, value, at = what
    if word == "record":
        return ledger.record(key, value, at)
    return ledger.outcome(key, value, at) if word == "outcome" else ledger.advance(at)


class Machine(RuleBasedStateMachine):
    """Predictions, outcomes and times in any order, against a ledger that keeps everything in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(10, grace=5, capacity=4)
        self.waiting: dict[str, int] = {}
        self.now = self.recorded = self.matured = self.missing = self.dropped = 0

    def pass_to(self, at: int) -> None:
        """Give up what is due, as the ledger has to."""
        self.now = max(self.now, at)
        gone = [key for key, due in self.waiting.items() if due + 5 < self.now]
        self.missing += len(gone)
        for key in gone:
            del self.waiting[key]

    @rule(key=KEYS, at=st.integers(0, 80))
    def record(self, key: str, at: int) -> None:
        """A prediction is refused only while its key waits; the oldest makes room."""
        taken = self.ledger.record(key, 1.0, at)
        assert taken == (key not in self.waiting)
        if taken:
            if len(self.waiting) == 4:
                del self.waiting[next(iter(self.waiting))]
                self.dropped += 1
            self.waiting[key] = at + 10
            self.recorded += 1
            self.pass_to(at)

    @rule(key=KEYS, at=st.integers(0, 80))
    def outcome(self, key: str, at: int) -> None:
        """A label finds its prediction while that waits, and never after."""
        self.pass_to(at)
        found = self.ledger.outcome(key, 0.5, at)
        assert (found is not None) == (key in self.waiting)
        if found is not None:
            assert found.late == (at > self.waiting.pop(key))
            self.matured += 1

    @invariant()
    def counted(self) -> None:
        """All counts agree."""
        counts = self.ledger.counts
        assert (counts.recorded, counts.matured, counts.pending, counts.missing, counts.dropped) == (
            self.recorded,
            self.matured,
            len(self.waiting),
            self.missing,
            self.dropped,
        )
        assert lawful(counts)


def test_against_a_list() -> None:
    """Whatever happens in whatever order, the ledger says what a list of all says."""
    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=40, deadline=None))


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, capacity=st.integers(1, 6), cut=st.integers(0, 120))
def test_law_and_restart(
    steps: list[tuple[str, str, Any, int]], capacity: int, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every recorded prediction is in one place, NaN changes nothing, and a restart in between is not seen."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.json"
    ledger, restarted = Ledger(10, capacity=capacity), Ledger(10, capacity=capacity)
    for number, what in enumerate(steps):
        if number == cut:
            restarted.save(path)
            restarted = Ledger.load(path)
        assert step(ledger, what) == step(restarted, what)
        assert lawful(ledger.counts)
        assert ledger.counts.pending <= capacity
    assert ledger.counts == restarted.counts


def test_a_label_in_time_late_and_too_late() -> None:
    """A label after it was due counts as late, one after the grace finds nobody, and each is counted."""
    ledger = Ledger(10, grace=5)
    for key in "abc":
        assert ledger.record(key, 0.7, at=100)

    assert ledger.outcome("a", 1, at=110) == Matured("a", 0.7, 1, 100, 110, 110, late=False)
    assert ledger.outcome("b", 1, at=115) == Matured("b", 0.7, 1, 100, 110, 115, late=True)
    assert ledger.outcome("c", 1, at=116) is None
    assert ledger.outcome("a", 1, at=117) is None
    assert ledger.outcome("nobody", 1, at=117) is None
    assert ledger.counts == Counts(recorded=3, matured=2, missing=1, late=1, too_late=1, again=1, unknown=1)
    assert ledger.oldest is None


def test_no_value_is_refused() -> None:
    """A NaN as a prediction is not recorded; as a label it leaves the prediction waiting for a real one."""
    ledger = Ledger(10)

    assert not ledger.record("a", math.nan, at=1)
    assert ledger.record("a", 1.0, at=1)
    assert ledger.outcome("a", math.inf, at=2) is None
    assert ledger.oldest == 1
    assert ledger.outcome("a", -1.0, at=3) is not None
    assert ledger.counts == Counts(recorded=1, matured=1, invalid=2)


def test_memory_is_bounded() -> None:
    """Neither what waits nor what is remembered grows beyond the capacity, however labels come."""
    ledger = Ledger(1_000_000, capacity=50)
    for number in range(5_000):
        ledger.record(f"{number}", 1.0, at=number)
        if number % 3:
            ledger.outcome(f"{number}", 1.0, at=number)
    state = ledger._state

    assert len(state.waiting) <= 50
    assert len(state.done) <= 50
    assert len(state.dues) <= 2 * 50 + 64 + 1
    assert lawful(ledger.counts)


def test_a_key_is_used_again() -> None:
    """The due time of an earlier prediction does not end a later one of the same key."""
    ledger = Ledger(10, grace=0)
    ledger.record("a", 1.0, at=0)
    ledger.outcome("a", 1.0, at=1)
    ledger.record("a", 2.0, at=5)

    assert ledger.advance(12) == 0
    assert ledger.advance(16) == 1


@pytest.mark.parametrize("wrong", [{"horizon": -1}, {"horizon": 1, "capacity": 0}, {"horizon": 1, "grace": -1}])
def test_arguments(wrong: dict[str, int]) -> None:
    """What makes no ledger is refused."""
    with pytest.raises(ValueError, match="horizon and grace"):
        Ledger(**wrong)


def test_state_of_something_else(tmp_path: Path) -> None:
    """Neither another kind of file nor a damaged one is taken for a ledger."""
    path = tmp_path / "ledger.json"
    Ledger(10).save(path)
    content = path.read_text(encoding="utf-8")
    for changed, message in (
        ("{", "no ledger"),
        (content.replace('"of":"ledger"', '"of":"lond"'), "lond 1, not ledger 1"),
        (content.replace('"horizon":10', '"horizon":11'), "damaged"),
        (content.replace('"version":1', '"version":2'), "ledger 2"),
    ):
        path.write_text(changed, encoding="utf-8")
        with pytest.raises(ArchiveError, match=message):
            Ledger.load(path)
    with pytest.raises(FileNotFoundError):
        Ledger.load(tmp_path / "none")

"""The bot's side of the pipeline: bounded, counted, and somebody else's after a fork."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ares_otel as ares
from ares_otel.clock import Clock
from ares_otel.pipeline.recorder import RECORDER, Recorder
from ares_otel.testing import Capture


@pytest.fixture
def recorder() -> Recorder:
    """Return a recorder of its own, armed."""
    made = Recorder()
    made.enabled = True
    return made


@given(st.lists(st.one_of(st.integers(), st.just("take")), max_size=60), st.integers(1, 10))
def test_nothing_is_lost_uncounted(said: list[int | str], limit: int) -> None:
    """Whatever is put and taken in whatever order: all is in the queue, was taken, or is counted; order is kept."""
    recorder = Recorder()
    recorder.enabled, recorder.limit = True, limit
    taken: list[object] = []
    for item in said:
        if item == "take":
            taken += recorder.snapshot()
        else:
            recorder.put(item)
        assert len(recorder.queue) <= limit
    put = [item for item in said if item != "take"]

    assert recorder.taken == len(taken)
    assert len(put) == len(taken) + len(recorder.queue) + recorder.refused
    remaining = iter(put)
    assert all(item in remaining for item in (*taken, *recorder.queue))


def test_a_snapshot_takes_what_is_there(recorder: Recorder) -> None:
    """What is appended meanwhile waits for the next round."""
    recorder.put(1)
    recorder.put(2)
    assert recorder.snapshot() == [1, 2]
    assert recorder.snapshot() == []


def test_before_any_set_up_nothing_is_kept() -> None:
    """Neither kept nor counted as lost."""
    recorder = Recorder()
    recorder.put(1)
    assert (list(recorder.queue), recorder.refused) == ([], 0)


def test_counts_from_many_threads(recorder: Recorder) -> None:
    """No refusal is forgotten."""
    recorder.limit = 0
    gate = threading.Barrier(8)

    def put() -> None:
        gate.wait()
        for _ in range(1_000):
            recorder.put(1)
            recorder.over_limit()

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (recorder.refused, recorder.limited) == (8_000, 8_000)


def test_a_signal_handler_may_come_at_any_moment() -> None:
    """It runs in a thread that may be counting already, and must not wait for itself."""
    recorder = Recorder()
    with recorder._lock:
        recorder.refuse()
        recorder.over_limit()
    assert (recorder.refused, recorder.limited) == (1, 1)


def test_reset_is_as_new(recorder: Recorder) -> None:
    """All attributes are those of a new one."""
    fresh = Recorder()
    names = [name for name in Recorder.__slots__ if name not in {"_lock", "clock", "ids", "now"}]
    for name in names:
        setattr(recorder, name, object())
    recorder.reset()
    assert [getattr(recorder, name) for name in names] == [getattr(fresh, name) for name in names]
    assert recorder.sampled(1, False)


def test_another_clock(recorder: Recorder) -> None:
    """Time is read from it at once."""
    recorder.use_clock(Clock(monotonic=lambda: 7, wall=lambda: 1_007))
    assert (recorder.now(), recorder.clock.now()) == (7, 1_007)


def test_in_a_forked_child(ares_capture: Capture) -> None:
    """The queue is the parent's, counts begin anew, and an open decision has ended as far as the child goes."""
    RECORDER.limit, RECORDER.limited = 1, 1
    with ares.decision(strategy="parent's"):
        pass
    RECORDER.put("refused")
    RECORDER.limit = 100
    open_one = ares.decision(strategy="open")
    with open_one:
        RECORDER.forget()
        assert ares.current() is None
        ares.record(ares.Prediction("child", "up"))
    with ares.decision(strategy="child's"):
        pass

    assert (RECORDER.refused, RECORDER.limited, RECORDER.open) == (0, 0, [])
    spans = ares_capture.spans()
    assert [span["name"] for span in spans] == ["prediction", "decision"]
    assert spans[0]["trace_id"] == f"{open_one.trace_id:032x}"
    assert spans[1]["attributes"]["ares.strategy"] == "child's"

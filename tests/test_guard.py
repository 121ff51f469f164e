"""Fail open, loudly: counted, logged once, never raised."""

from __future__ import annotations

import logging
import threading

import pytest

from ares_otel.guard import GUARD, BadValueError, Guard


def test_a_shield_swallows_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    """Each failure is counted by place, the first of a kind is logged with its traceback."""
    guard = Guard()
    with caplog.at_level(logging.WARNING, "ares_otel"):
        for _ in range(3):
            with guard.shield("sender"):
                raise OSError("gone")
        with guard.shield("sender"):
            raise ValueError("bad")

    assert guard.counts() == {"sender": 4}
    assert [record.getMessage() for record in caplog.records] == [
        "telemetry failed in sender (gone); the bot runs on with less telemetry",
        "telemetry failed in sender (bad); the bot runs on with less telemetry",
    ]
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_shield_lets_the_end_of_the_program_pass(kind: type[BaseException]) -> None:
    """What is no error of ours goes through."""
    guard = Guard()
    with pytest.raises(kind), guard.shield("sender"):
        raise kind
    with guard.shield("sender"):
        pass

    assert guard.counts() == {}


def test_complaints_are_logged_once_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    """The place and the kind decide; both are counted."""
    guard = Guard()
    with caplog.at_level(logging.WARNING, "ares_otel"):
        for kind in ("port", "port", "disk"):
            guard.complain("endpoint", kind, f"no {kind}")

    assert guard.counts() == {"endpoint": 3}
    assert caplog.messages == ["endpoint: no port", "endpoint: no disk"]


def test_what_was_logged_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A storm of kinds fills neither the memory nor the log; it is still counted."""
    guard = Guard()
    with caplog.at_level(logging.WARNING, "ares_otel"):
        for number in range(3_000):
            guard.complain("storm", str(number), "again")

    assert guard.counts() == {"storm": 3_000}
    assert len(caplog.messages) == 1_000


def test_a_bad_value_is_counted_or_raises() -> None:
    """Production counts by record and field, strict raises with what was expected; long values are cut."""
    guard = Guard()
    guard.bad_value("Vote", "confidence", "a number in 0..1", "x" * 1_000)
    strict = Guard(strict=True)

    assert guard.bad_values() == {("Vote", "confidence"): 1}
    with pytest.raises(BadValueError, match=r"Vote\.confidence: expected a number in 0\.\.1, got 7"):
        strict.bad_value("Vote", "confidence", "a number in 0..1", 7)
    guard.reset()
    assert guard.bad_values() == {}
    assert guard.counts() == {}


def test_threads_count_exactly() -> None:
    """Nothing is lost between threads."""

    def fail() -> None:
        for _ in range(500):
            GUARD.failed("race", ValueError())

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert GUARD.counts()["race"] == 4_000

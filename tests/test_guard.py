"""Fail open, loudly: each error is counted, logged once, and never reaches the bot, whatever the bot logs with."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from ares_otel.guard import KNOWN_LIMIT, BadValueError, Guard, shown

FORK = """
import os, threading
from ares_otel.guard import GUARD

GUARD.complain("place", "kind", "in the parent")
held = threading.Event()

def hold():
    with GUARD._lock:
        held.set()
        threading.Event().wait()

threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    GUARD.failed("elsewhere", ValueError("in the child"))
    os._exit(0 if GUARD.counts() == {"elsewhere": 1} else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""


class Rude(Exception):  # noqa: N818  it is no error of ours
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        raise RuntimeError("no")


class Raising(logging.Filter):
    """A filter of the bot's that fails."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Fail."""
        raise ZeroDivisionError(record.getMessage())


@pytest.fixture
def guard() -> Guard:
    """Return a guard of its own."""
    return Guard()


@pytest.fixture
def _hostile_logging() -> Iterator[None]:
    logger, hostile = logging.getLogger("ares_otel"), Raising()
    logger.addFilter(hostile)
    yield
    logger.removeFilter(hostile)


def test_a_shield_keeps_exceptions_from_the_bot(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """Every one is counted by its place; each type is logged once, with its traceback."""
    for error in (ValueError("first"), ValueError("second"), KeyError("third")):
        with guard.shield("encoder"):
            raise error
    with guard.shield("spool"):
        raise ValueError("fourth")

    assert guard.counts() == {"encoder": 3, "spool": 1}
    said = [record.getMessage() for record in caplog.records]
    assert [line.split(";")[0] for line in said] == [
        "telemetry failed in encoder (first)",
        "telemetry failed in encoder ('third')",
        "telemetry failed in spool (fourth)",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_error_passes(guard: Guard, error: type[BaseException]) -> None:
    """Ctrl-C and `sys.exit` are the bot's."""
    with pytest.raises(error), guard.shield("anywhere"):
        raise error
    with guard.shield("anywhere"):
        pass
    assert guard.counts() == {}


def test_a_complaint_is_logged_once(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """By place and kind; it is counted each time."""
    for _ in range(3):
        guard.complain("sender", "timeout", "no answer")
    guard.complain("sender", "refused", "401")

    assert guard.counts() == {"sender": 4}
    assert [record.getMessage() for record in caplog.records] == ["sender: no answer", "sender: 401"]


def test_a_bad_value(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """It is counted by record and field, and logged once with what was expected and what came."""
    guard.bad_value("Vote", "confidence", "a number in 0..1", 1.4)
    guard.bad_value("Vote", "confidence", "a number in 0..1", "x" * 500)
    guard.bad_value("Vote", "action", "a word", Rude())

    assert guard.bad_values() == {("Vote", "confidence"): 2, ("Vote", "action"): 1}
    assert guard.counts() == {"Vote.confidence": 2, "Vote.action": 1}
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("Vote.confidence: expected a number in 0..1, got 1.4; ")
    assert "got <Rude: RuntimeError in repr>" in second


def test_strict_raises_for_bad_values_only(guard: Guard) -> None:
    """A value is the caller's fault, a broken exporter is not."""
    guard.strict = True
    with pytest.raises(BadValueError, match=r"Vote\.confidence: expected a number, got 'high'"):
        guard.bad_value("Vote", "confidence", "a number", "high")
    guard.failed("sender", OSError("gone"))
    assert guard.bad_values() == {}
    assert guard.counts() == {"sender": 1}


def test_an_exception_without_text(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """Even that one is logged."""
    with guard.shield("worker"):
        raise Rude
    assert "telemetry failed in worker (<Rude: RuntimeError in str>)" in caplog.text


@pytest.mark.usefixtures("_hostile_logging")
def test_the_bots_logging_may_fail(guard: Guard) -> None:
    """A filter or handler that raises does so into whoever logs: never through us into the bot."""
    with guard.shield("worker"):
        raise ValueError
    guard.complain("sender", "timeout", "no answer")
    guard.bad_value("Vote", "confidence", "a number", None)
    assert guard.counts() == {"worker": 1, "sender": 1, "Vote.confidence": 1, "logging": 3}


def test_what_is_remembered_is_bounded(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """An endless variety of kinds is counted and no longer logged."""
    for number in range(KNOWN_LIMIT + 500):
        guard.complain("place", f"kind {number}", "x")
    assert guard.counts() == {"place": KNOWN_LIMIT + 500}
    assert len(caplog.records) == KNOWN_LIMIT


def test_reset(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """Afterwards all counts are zero, and the first of a kind is logged again."""
    for _ in range(2):
        guard.complain("sender", "timeout", "no answer")
        guard.bad_value("Vote", "confidence", "a number", None)
        guard.reset()
    assert (guard.counts(), guard.bad_values()) == ({}, {})
    assert len(caplog.records) == 4


def test_counts_from_many_threads(guard: Guard) -> None:
    """None is lost, and the first is logged once."""
    gate = threading.Barrier(8)

    def complain() -> None:
        gate.wait()
        for _ in range(1_000):
            guard.complain("place", "kind", "x")

    threads = [threading.Thread(target=complain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guard.counts() == {"place": 8_000}


def test_a_signal_handler_may_come_at_any_moment(guard: Guard) -> None:
    """It runs in a thread that may hold the lock already, and must not wait for itself."""
    with guard._lock:
        guard.complain("signal", "kind", "x")
    assert guard.counts() == {"signal": 1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_after_a_fork() -> None:
    """A lock that another thread held does not block the child for ever; the child counts its own."""
    made = subprocess.run([sys.executable, "-c", FORK], check=False, capture_output=True, text=True, timeout=60)
    assert made.stdout.strip() == "0", made.stderr


def test_text_is_bounded() -> None:
    """A value of a megabyte is shown in a line."""
    assert shown("x" * 1_000_000) == "'" + "x" * 118 + "…"
    assert shown(7) == "7"

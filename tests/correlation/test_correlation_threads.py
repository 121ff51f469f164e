"""Handing a decision over to threads and executors: only while installed, only from inside a decision, only once."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import ares_otel as ares
from ares_otel.correlation import context as ctx
from ares_otel.correlation import threads
from ares_otel.correlation.patch import Patch
from ares_otel.guard import GUARD
from ares_otel.testing import Capture

START, SUBMIT = threading.Thread.start, ThreadPoolExecutor.submit


@pytest.fixture
def _installed() -> Iterator[None]:
    threads.install()
    yield
    threads.uninstall()


def in_thread(**kwargs: Any) -> str | None:
    """Return the correlation id that a new thread finds."""
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(ares.correlation_id()), **kwargs)
    thread.start()
    thread.join()
    return found[0]


def test_installed_twice_and_taken_back_once() -> None:
    """The originals are back, and nothing is handed over any more."""
    threads.install()
    threads.install()
    assert threads.active()
    with ares.decision() as d:
        assert in_thread() == d.correlation_id
    threads.uninstall()
    assert not threads.active()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (START, SUBMIT)
    with ares.decision():
        assert in_thread() is None
    threads.uninstall()
    assert (threading.Thread.start, ThreadPoolExecutor.submit) == (START, SUBMIT)


def test_somebody_elses_patch_is_left_in_place() -> None:
    """Who patched after us is not undone with us: ours does nothing more, until it is installed again."""
    seen: list[str] = []
    threads.install()
    ours = threading.Thread.start

    def theirs(self: threading.Thread) -> None:
        seen.append(self.name)
        ours(self)

    threading.Thread.start = theirs  # type: ignore[method-assign]
    try:
        threads.uninstall()
        with ares.decision() as d:
            assert in_thread(name="off") is None
            threads.install()
            assert in_thread(name="on") == d.correlation_id
        assert threading.Thread.start is theirs
    finally:
        threading.Thread.start = ours  # type: ignore[method-assign]
        threads.uninstall()
    assert seen == ["off", "on"]
    assert threading.Thread.start is START


@pytest.mark.usefixtures("_installed")
def test_outside_of_a_decision_nothing_changes() -> None:
    """Threads and jobs that belong to nobody are started as ever, with arguments and results."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(pow, 2, exp=5).result() == 32
        assert pool.submit(ares.correlation_id).result() is None
    assert in_thread() is None
    thread = threading.Thread(target=len, args=((),))
    thread.start()
    thread.join()
    assert "run" not in vars(thread)


@pytest.mark.usefixtures("_installed")
def test_arguments_results_and_exceptions_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's result and exception are the future's; a thread's exception reaches its hook unchanged."""
    problem = KeyError("price")
    hooked: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append(args.exc_value))

    def fail() -> None:
        raise problem

    with ares.decision(), ThreadPoolExecutor(1) as pool:
        assert pool.submit(partial(pow, 2), exp=5).result() == 32
        assert pool.submit(fail).exception() is problem
        with pytest.raises(TypeError):
            pool.submit()  # type: ignore[call-arg]
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
    assert hooked == [problem]


def test_a_class_that_allows_no_other_run(ares_capture: Capture) -> None:
    """A thread whose `run` cannot be replaced is started without the decision; that is counted."""
    ran = threading.Event()

    class Sealed(threading.Thread):
        @property
        def run(self) -> Callable[[], None]:
            return ran.set

    with ares.decision():
        sealed = Sealed()
        sealed.start()
        sealed.join()
    assert ran.is_set()
    assert GUARD.counts() == {"threads": 1}
    assert len(ares_capture.spans()) == 1


class Kept:
    """Stands for a decision, and can be watched."""

    correlation_id = "kept"


@pytest.mark.usefixtures("_installed")
def test_a_finished_thread_does_not_keep_the_decision_alive() -> None:
    """A bot may hold threads and futures for as long as it likes."""
    with ThreadPoolExecutor(1) as pool:
        decision = Kept()
        watched = weakref.ref(decision)
        token = ctx.set_({ctx.DECISION_KEY: decision})
        found: list[str | None] = []
        thread = threading.Thread(target=lambda: found.append(ares.correlation_id()))
        thread.start()
        future = pool.submit(ares.correlation_id)
        assert future.result() == "kept"
        thread.join()
        ctx.reset(token)
        del decision, token
        assert pool.submit(ares.correlation_id).result() is None
        gc.collect()
        assert watched() is None
        assert found == ["kept"]
        assert thread.name


def test_a_patch_can_be_taken_back_before_it_was_made() -> None:
    """Taking back what is not installed does nothing."""

    class Owner:
        def method(self) -> str:
            return "original"

    patch = Patch(Owner, "method", lambda original: lambda self: f"not the {original(self)}")
    patch.uninstall()
    assert Owner().method() == "original"
    patch.install()
    patch.install()
    assert Owner().method() == "not the original"
    assert Owner.method.__name__ == "method"
    patch.uninstall()
    assert Owner().method() == "original"

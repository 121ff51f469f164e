"""Every test starts from the same place: no telemetry in the environment, no state of an earlier test or the user."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ares_otel.guard import GUARD

OURS = ("ARES_", "OTEL_")
STATE = ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR")
NUMBERS = itertools.count()

with contextlib.suppress(ImportError):  # the environment of the second opinion has no hypothesis
    from hypothesis import settings

    # How long an example takes is a matter of what runs beside it.
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")

gc.disable()  # hardly anything of what is imported and collected becomes garbage


def pytest_collection_finish() -> None:
    """Have the garbage collector look only at what tests make: all that they need is millions of objects by now."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, _homes: Path) -> None:
    """Take the user's telemetry settings away and point state at a directory of this test (made by who needs it)."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    home = _homes / str(next(NUMBERS))
    for name in STATE:
        monkeypatch.setenv(name, str(home / name.lower()))


@pytest.fixture(autouse=True)
def _clean_guard() -> Iterator[None]:
    """Forget counted errors before a test, so that it counts its own, and leave strict mode after it."""
    strict = GUARD.strict
    GUARD.reset()
    yield
    GUARD.strict = strict
    GUARD.reset()

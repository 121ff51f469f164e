"""State: whole or not at all, and never from somebody else."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from ares_otel.demo.rules import VenueRules
from ares_otel.demo.session import STRATEGIES, new_state
from ares_otel.demo.state import DemoState, StateError, StateFile


def fresh(seed: int = 1) -> DemoState:
    """Return the state of a demo that has not begun."""
    return new_state("r", seed, STRATEGIES, ["X", "Y"], VenueRules())


def test_saved_and_loaded(tmp_path: Path) -> None:
    """What was saved comes back, from a directory that did not exist; before there is nothing."""
    file = StateFile(tmp_path / "new" / "state.json")
    assert file.load() is None
    state = fresh()
    state.step = 7
    file.save(state)

    assert file.load() == state
    assert [path.name for path in file.path.parent.iterdir()] == ["state.json"]


def test_damaged(tmp_path: Path) -> None:
    """A file that is cut short or holds something else is refused, with what to do."""
    file = StateFile(tmp_path / "state.json")
    file.save(fresh())
    whole = file.path.read_bytes()

    for content in (whole[: len(whole) // 2], b"", b"[]", whole.replace(b'"seed":1', b'"seed":"one"')):
        file.path.write_bytes(content)
        with pytest.raises(StateError, match="remove it to begin anew"):
            file.load()


def test_other_format(tmp_path: Path) -> None:
    """The file of another version is refused."""
    file = StateFile(tmp_path / "state.json")
    file.save(msgspec.structs.replace(fresh(), format=99))

    with pytest.raises(StateError, match="format 99"):
        file.load()


def test_crash_while_saving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When saving fails before its last move the old state is still there, whole."""
    file = StateFile(tmp_path / "state.json")
    old = fresh()
    file.save(old)

    def full(number: int) -> None:
        raise OSError(28, "No space left on device", str(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        file.save(fresh(seed=2))

    assert file.load() == old

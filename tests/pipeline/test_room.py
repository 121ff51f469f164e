"""The queue's bound in bytes: estimated from few items, never far beyond, at no cost for those who find room."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

import pytest

from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import Recorder
from ares_otel.pipeline.room import FIRST, STEP, Room, weight

MIB = 1 << 20


@pytest.fixture
def recorder() -> Recorder:
    """Return an armed recorder whose queue may have a million items of 8 MiB."""
    made = Recorder()
    made.enabled = True
    made.bound(1_000_000, 8 * MIB)
    return made


@pytest.mark.parametrize("size", [500, 5_000, 500_000])
def test_bytes_are_bounded(recorder: Recorder, size: int) -> None:
    """Items of one size fill the room to most of it, and not beyond it by more than two steps."""
    recorder.put(b"x" * size)
    recorder.snapshot()
    recorder.worked()
    put = 0
    while recorder.put(bytes(bytearray(size))):
        put += 1
    assert 6 * MIB <= put * size <= 10 * MIB
    assert recorder.refused == 1
    assert not recorder.put(b"more")
    assert recorder.refused == 2


def test_the_number_is_bounded_too() -> None:
    """Small items are counted, not weighed."""
    recorder = Recorder()
    recorder.enabled = True
    recorder.bound(3_000, 1 << 40)
    for number in range(4_000):
        recorder.put(number)
    assert (len(recorder.queue), recorder.refused) == (3_000, 1_000)
    recorder.bound(10, 1 << 40)
    assert not recorder.put(1)


def test_what_the_worker_holds_takes_room(recorder: Recorder) -> None:
    """Until it is worked through: both together are bounded."""
    while recorder.put(bytes(bytearray(5_000))):
        pass
    held = recorder.snapshot()
    put = 0
    while recorder.put(bytes(bytearray(5_000))):
        put += 1
    assert (len(held) + put) * 5_000 <= 10 * MIB
    recorder.worked()
    more = 0
    while recorder.put(bytes(bytearray(5_000))):
        more += 1
    assert 5 * MIB <= (put + more) * 5_000 <= 10 * MIB


def test_a_step_is_as_long_as_items_are_small() -> None:
    """What was seen last says how many come before somebody looks again."""
    room = Room(1 << 30, 8 * MIB)
    assert room.limit == FIRST
    assert room.taken([bytes(MIB) + b"x" for _ in range(4)]) <= 4
    room.worked()
    assert room.taken([]) == 1
    assert 1 <= room.taken([1, 2, 3]) < 10
    for _ in range(40):
        limit = room.taken([1, 2, 3])
        room.worked()
    assert limit == STEP


def test_what_is_weighed() -> None:
    """Containers with what they hold, large ones by a part of them; what belongs to the program is free."""
    text = "long enough to be seen " * 10
    alone = sys.getsizeof(text)
    assert alone <= weight((text,), set()) <= alone + 100
    assert weight(text, {id(text)}) == 0
    assert weight(None, set()) == weight(True, set()) == weight(int, set()) == 0
    shared = [text] * 20
    assert weight(text, set()) == 0
    assert weight(shared, set()) < 1_000
    many = {f"key {number}": f"{'value' * 20} {number}" for number in range(1_000)}
    whole = sum(map(sys.getsizeof, [*many, *many.values()]))
    assert 0.9 * whole <= weight(many, set()) <= 1.5 * whole
    assert weight({str(number).zfill(50) for number in range(9)}, set()) > 9 * 99
    assert weight(deque([bytes(bytearray(999)) for _ in range(99)]), set()) > 99 * 999
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested]
    assert weight(nested, set()) < 1_000


class Held:
    """An object with attributes, one of which leads out of it."""

    def __init__(self, parent: object) -> None:
        self.text = "text of its own " * 20
        self.parent = parent


class Bad:
    """One that does not let anybody look."""

    __slots__ = ("secret",)

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_objects() -> None:
    """Their own attributes count, not whom they belong to."""
    assert 300 < weight(Held("other text " * 1_000), set()) < 1_000


def test_what_cannot_be_weighed_does_no_harm(recorder: Recorder) -> None:
    """Nothing raises into the bot; the others count; who takes items meanwhile takes nothing away."""
    for number in range(2 * STEP):
        assert recorder.put(Bad() if number % 2 else number)
    assert GUARD.counts().keys() == {"recorder"}
    assert recorder.room is not None
    assert recorder.room.grown(deque()) >= STEP
    assert Room(1 << 30, MIB).grown(deque()) > Room(1 << 30, MIB).limit

"""The ring's file: what was written is found, in order, whatever happened to the rest; nothing else is ever found."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.pipeline import leftovers
from ares_otel.pipeline import ring as rings
from ares_otel.pipeline.ring import SEGMENTS, Ring, RingError

SMALL = SEGMENTS * rings.HEAD_BYTES
SEGMENT = rings.HEAD_BYTES
PAYLOADS = st.lists(st.binary(max_size=3_000), min_size=1, max_size=60)


def written(path: Path, payloads: list[bytes]) -> Ring:
    """Return a ring that holds records."""
    path.unlink(missing_ok=True)
    ring = Ring(path, SMALL, b"who")
    assert all(ring.put(each) for each in payloads)
    return ring


def payloads(path: Path) -> list[bytes]:
    """Return what a ring holds."""
    return [payload for _, payload in rings.read(path).records]


def test_what_was_written_is_found(tmp_path: Path) -> None:
    """Records, what was given beside them, and nothing that is damaged; only its owner may read the file."""
    ring = written(tmp_path / "ring", [b"", b"one", b"x" * 40_000, b"y" * 40_000])
    found = rings.read(ring.path)
    assert [payload for _, payload in found.records] == [b"", b"one", b"x" * 40_000, b"y" * 40_000]
    assert found.info == b"who"
    assert (found.damaged, found.gaps) == (0, False)
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    ring.close(remove=True)
    assert not ring.path.exists()


def test_its_blocks_are_allocated_before_it_is_mapped(tmp_path: Path) -> None:
    """A sparse file would kill the bot by SIGBUS when the disk is full: this one has all of its blocks."""
    ring = Ring(tmp_path / "ring", 4 << 20)
    assert ring.path.stat().st_blocks * 512 >= ring.path.stat().st_size > 4 << 20
    ring.close(remove=True)


def test_no_room_on_the_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where blocks cannot be allocated, making the ring fails and the file is gone."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        Ring(tmp_path / "ring", SMALL)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None)
@given(given_ones=PAYLOADS, data=st.data())
def test_a_torn_record_ends_it(
    tmp_path_factory: pytest.TempPathFactory, given_ones: list[bytes], data: st.DataObject
) -> None:
    """Whatever of a record was written when the process was killed: exactly those before it are found."""
    path = tmp_path_factory.mktemp("torn") / "ring"
    ring = written(path, given_ones[:-1])
    before = ring.place()
    ring.put(given_ones[-1])
    after = ring.place()
    if before.serial != after.serial:
        before = rings.Position(after.serial, rings.FIRST)
    torn = data.draw(st.integers(before.offset, after.offset - 1))
    with path.open("r+b") as file:
        file.seek(rings.HEAD_BYTES + after.serial % SEGMENTS * SEGMENT + torn)
        file.write(bytes(after.offset - torn))
    found = payloads(path)
    # a record may end in zeros, and then it is whole
    assert found in (given_ones[:-1], given_ones)
    if found == given_ones:
        assert not any(given_ones[-1][torn - before.offset - rings.RECORD.size :])
    ring.close(remove=True)


@settings(max_examples=60, deadline=None)
@given(
    given_ones=PAYLOADS,
    flips=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_never_makes_a_record(
    tmp_path_factory: pytest.TempPathFactory, given_ones: list[bytes], flips: list[float], bit: int
) -> None:
    """What is found in a damaged file was written, in this order; what is lost in the midst of it is counted."""
    path = tmp_path_factory.mktemp("flipped") / "ring"
    numbered = [number.to_bytes(2, "big") + payload for number, payload in enumerate(given_ones)]
    ring = written(path, numbered)
    body = bytearray(path.read_bytes())
    used = ring.place().offset if ring.place().serial == 1 else SEGMENT
    for place in flips:
        body[rings.HEAD_BYTES + SEGMENT + int(place * used)] ^= 1 << bit
    path.write_bytes(body)
    found = rings.read(path)
    left = iter(numbered)
    assert all(payload in left for _, payload in found.records)
    if len(found.records) < len(numbered) and found.records and found.records[-1][1] == numbered[-1]:
        assert found.damaged
    ring.close(remove=True)


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 20_000), min_size=50, max_size=150), every=st.integers(1, 8))
def test_turning_round(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], every: int) -> None:
    """Where what was delivered is released, writing goes on for ever, and the newest records are found in order."""
    path = tmp_path_factory.mktemp("turning") / "ring"
    ring = Ring(path, SMALL)
    taken: list[bytes] = []
    for number, size in enumerate(sizes):
        if number % every == 0:
            ring.release(ring.place())
        payload = number.to_bytes(4, "big") + bytes(size)
        if ring.put(payload):
            taken.append(payload)
    found = payloads(path)
    assert found == taken[len(taken) - len(found) :]
    assert found
    assert ring.refused == len(sizes) - len(taken)
    ring.close(remove=True)


def test_a_full_ring_refuses_and_counts(tmp_path: Path) -> None:
    """It says beforehand that it is tight, keeps what it has, tells of the gap, and goes on when it is released."""
    ring = Ring(tmp_path / "ring", SMALL)
    block = bytes(SEGMENT // 2 - 100)
    states = [(ring.tight, ring.put(block)) for _ in range(2 * SEGMENTS + 3)]
    assert [taken for _, taken in states] == [True] * 2 * SEGMENTS + [False] * 3
    assert [tight for tight, _ in states] == [False] * (2 * SEGMENTS - 1) + [True] * 4
    assert ring.refused == 3
    found = rings.read(ring.path)
    assert len(found.records) == 2 * SEGMENTS
    assert found.gaps
    ring.release(ring.place())
    assert not ring.tight
    assert ring.put(block)
    ring.refuse()
    assert ring.refused == 4
    ring.close(remove=True)
    assert not ring.put(b"late")


def test_a_record_that_can_never_fit_is_refused(tmp_path: Path) -> None:
    """It is counted, and makes no difference to the others."""
    ring = written(tmp_path / "ring", [b"one"])
    assert not ring.put(bytes(SEGMENT))
    assert ring.put(b"two")
    assert ring.refused == 1
    assert payloads(ring.path) == [b"one", b"two"]
    ring.close(remove=True)


def test_threads_write_at_the_same_time(tmp_path: Path) -> None:
    """Four threads, over the ends of segments: each record is found once, those of a thread in their order."""
    ring = Ring(tmp_path / "ring", 1 << 20)
    together = threading.Barrier(4)

    def write(who: int) -> None:
        together.wait()
        for number in range(500):
            assert ring.put(bytes([who]) + number.to_bytes(2, "big") + bytes(number))

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = payloads(ring.path)
    for who in range(4):
        own = [int.from_bytes(each[1:3], "big") for each in found if each[0] == who]
        assert own == list(range(500))
    ring.close(remove=True)


def test_a_signal_in_the_midst_of_a_turn_waits_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that records while its own thread turns to the next segment is refused, not blocked."""
    ring = written(tmp_path / "ring", [bytes(SEGMENT - 200)])
    inner: list[bool] = []
    begin = Ring._begin

    def interrupted(self: Ring, serial: int) -> rings._Segment:
        inner.append(self.put(bytes(300)))
        return begin(self, serial)

    monkeypatch.setattr(Ring, "_begin", interrupted)
    assert ring.put(bytes(400))
    assert inner == [False]
    ring.close(remove=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: b"something else", "it is no ring"),
        (lambda body: bytes(len(body)), "it is no ring"),
        (lambda body: body[:8] + (7).to_bytes(4, "little") + body[12:], "it is of version 7"),
        (lambda body: body[:25] + b"?" + body[26:], "its beginning is damaged"),
        (lambda body: body[:12] + bytes(4) + body[16:], "its beginning is damaged"),
    ],
    ids=["other", "zeros", "version", "info", "size"],
)
def test_a_file_that_is_no_ring(tmp_path: Path, change: object, reason: str) -> None:
    """It is told apart, with the reason."""
    ring = written(tmp_path / "ring", [b"one"])
    ring.path.write_bytes(change(ring.path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(RingError, match=reason):
        rings.read(ring.path)


def test_a_file_that_was_cut(tmp_path: Path) -> None:
    """What is there is read; a whole segment that is missing counts as damage."""
    ring = written(tmp_path / "ring", [bytes([number]) * 40_000 for number in range(6)])
    copy = tmp_path / "copy"
    shutil.copy(ring.path, copy)
    os.truncate(copy, rings.HEAD_BYTES + 4 * SEGMENT)
    assert [each[0] for each in payloads(copy)] == [0, 1, 2]
    body = bytearray(ring.path.read_bytes())
    body[rings.HEAD_BYTES + 2 * SEGMENT] ^= 1
    copy.write_bytes(body)
    found = rings.read(copy)
    assert ([payload[0] for _, payload in found.records], found.damaged) == ([0, 2, 3, 4, 5], 1)
    os.truncate(copy, rings.HEAD_BYTES)
    assert rings.read(copy).damaged == 1
    ring.close(remove=True)


def test_one_process_has_a_place(tmp_path: Path) -> None:
    """A second one does not get it; a forked child lets go of it without giving it up."""
    path = tmp_path / "folder" / "ring"
    held = leftovers.lock(path)
    assert held is not None
    assert leftovers.lock(path) is None
    child = os.fork()
    if not child:
        os.close(held)
        os._exit(0)
    os.waitpid(child, 0)
    assert leftovers.lock(path) is None
    os.close(held)
    again = leftovers.lock(path)
    assert again is not None
    os.close(again)


def test_who_only_looks_has_a_place_for_a_moment(tmp_path: Path) -> None:
    """A bot that starts then waits for it; what was moved aside has locks of its own."""
    path = tmp_path / "ring"
    held = leftovers.lock(path)
    assert held is not None
    opened = threading.Timer(0.1, os.close, [held])
    opened.start()
    again = leftovers.lock(path, patience=20.0)
    assert again is not None
    os.close(again)
    opened.join()
    assert leftovers.places(tmp_path) == [path]
    assert leftovers.places(tmp_path / "other") == [tmp_path / "other"]

    written(path, [b"first"]).close(remove=False)
    (left,), _ = leftovers.leftovers(path)
    claim = leftovers.claim(left)
    assert claim is not None
    assert leftovers.claim(left) is None
    os.close(claim)
    assert leftovers.claim(tmp_path / "nothing") is None


def test_what_it_holds_is_known(tmp_path: Path) -> None:
    """What is released is held no longer, over the ends of segments, too."""
    ring = written(tmp_path / "ring", [])
    assert ring.held == 0
    for number in range(30):
        assert ring.put(bytes(10_000))
        assert ring.held >= 10_000 * (number % 5 + 1)
        if number % 5 == 4:
            ring.release(ring.place())
            assert ring.held == 0
    ring.close(remove=True)


def test_what_is_left_makes_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets a name of its own and takes no more room than its records; no more pile up than there is room for."""
    path, zeros = tmp_path / "ring", b"ends in zeros" + bytes(9)
    ring = written(path, [b"first", zeros])
    ring.close(remove=False)
    whole = path.stat().st_size
    (only,), _ = leftovers.leftovers(path)
    assert payloads(only) == [b"first", zeros]
    room = only.stat().st_size
    assert room < whole / 2
    only.unlink()

    monkeypatch.setattr(leftovers, "KEPT_BYTES", 16 * room)
    for number in range(18):
        ring = written(path, [b"%05d" % number, zeros])
        ring.close(remove=False)
        found, removed = leftovers.leftovers(path)
    assert removed == 1
    assert [payloads(each) for each in found] == [[b"%05d" % number, zeros] for number in range(2, 18)]
    assert not path.exists()


def test_what_is_left_of_a_full_ring(tmp_path: Path) -> None:
    """A ring that was written to its end, one without a record, and one that is damaged lose nothing."""
    full = written(tmp_path / "full", [b"x"])
    while full.put(bytes(10_000)):
        pass
    full.close(remove=False)
    before = payloads(tmp_path / "full")
    (left,), _ = leftovers.leftovers(tmp_path / "full")
    assert payloads(left) == before
    assert len(before) > 8

    written(tmp_path / "empty", []).close(remove=False)
    (left,), _ = leftovers.leftovers(tmp_path / "empty")
    assert payloads(left) == []

    (tmp_path / "other").write_bytes(b"no ring")
    (left,), _ = leftovers.leftovers(tmp_path / "other")
    assert left.read_bytes() == b"no ring"

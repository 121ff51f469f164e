"""The spool: what comes out is what went in, in order, minus what was counted as lost."""

from __future__ import annotations

import errno
import itertools
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ares_otel.guard import GUARD
from ares_otel.pipeline import segments
from ares_otel.pipeline.folders import claim, orphans
from ares_otel.pipeline.model import Batch, Signal
from ares_otel.pipeline.spool import Spool

Open: TypeAlias = Callable[..., Spool]


def batch(text: str, spans: int = 1) -> Batch:
    """Return a batch whose body says which it is."""
    return Batch(text.encode(), spans)


def noise(size: int, seed: int = 0) -> bytes:
    """Return bytes that do not compress."""
    return random.Random(seed).randbytes(size)  # noqa: S311  # no secret


def drain(spool: Spool) -> list[str]:
    """Take everything out."""
    return [taken.body.decode() for taken in iter(spool.pop, None)]


def crash(spool: Spool) -> None:
    """Lose the process: descriptors and locks go, files stay as they are."""
    spool.after_fork()


def files(root: Path) -> list[Path]:
    """Return the segment files, oldest first."""
    return sorted(root.glob("*/*.seg"))


def flip(path: Path, offset: int, bit: int = 0) -> None:
    """Change a bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the time of forcing data to the platter: no test can tell."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def opened() -> Iterator[Open]:
    """Return what makes spools that ask the disk again at once after an error; they are closed in the end."""
    made = []

    def make(root: Path, *sizes: int, **settings: Any) -> Spool:
        made.append(Spool(root, *sizes, **{"retry_seconds": 0.0, **settings}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def spool(opened: Open, tmp_path: Path) -> Spool:
    """Return an empty spool in the folder of the test."""
    return opened(tmp_path)


def test_first_in_first_out(spool: Spool) -> None:
    """Batches come out in the order and with the span counts they went in with."""
    for number in range(5):
        assert spool.append(batch(f"batch {number}", spans=number + 1))

    assert (len(spool), spool.spans) == (5, 15)
    assert [spool.pop() for _ in range(6)] == [*(batch(f"batch {n}", n + 1) for n in range(5)), None]
    assert (len(spool), spool.spans, spool.bytes, spool.lost.total()) == (0, 0, 0, 0)


def test_peek_keeps(spool: Spool) -> None:
    """A peeked batch stays the oldest until it is acknowledged, whatever is appended meanwhile."""
    spool.append(batch("first"))
    assert spool.peek() == batch("first")
    spool.append(batch("second"))

    assert spool.peek() == batch("first")
    assert len(spool) == 2
    spool.advance()
    assert spool.peek() == batch("second")


def test_advance_without_peek(spool: Spool) -> None:
    """Nothing that was not seen is forgotten."""
    spool.append(batch("first"))
    spool.advance()

    assert spool.pop() == batch("first")


@pytest.mark.parametrize("hurry", [True, False])
@pytest.mark.parametrize("body", [b"", b"a", b"same" * 10_000, noise(50_000)])
def test_bodies(spool: Spool, body: bytes, *, hurry: bool) -> None:
    """Any body comes back unchanged, and compression never makes it larger."""
    spool.append(Batch(body, 1), hurry=hurry)
    size = spool.bytes

    assert spool.pop() == Batch(body, 1)
    assert size <= len(body) + segments.HEADER_BYTES
    if not hurry and body.startswith(b"same"):
        assert size < len(body) / 10


def test_restart_goes_on_where_it_was(opened: Open, tmp_path: Path) -> None:
    """After a crash, only what was not acknowledged comes again, and is counted as adopted."""
    first = opened(tmp_path)
    for number in range(4):
        first.append(batch(str(number), spans=2))
    assert [first.pop(), first.pop()] == [batch("0", 2), batch("1", 2)]
    first.peek()
    crash(first)

    second = opened(tmp_path)

    assert (second.adopted, second.spans, len(second)) == (4, 4, 2)
    assert drain(second) == ["2", "3"]
    second.close()
    assert list(tmp_path.iterdir()) == []


def test_adopted_comes_first(opened: Open, tmp_path: Path) -> None:
    """Folders of several dead processes go out oldest first, before what is new."""
    dead = []
    for number in range(3):
        one = opened(tmp_path, adopt=False)
        one.append(batch(f"dead {number}"))
        dead.append(one)
    for one in dead:
        crash(one)
    spool = opened(tmp_path)
    spool.append(batch("new"))

    assert drain(spool) == ["dead 0", "dead 1", "dead 2", "new"]
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_living_processes_keep_theirs(opened: Open, tmp_path: Path) -> None:
    """A folder whose owner lives is not touched, and goes to one heir only."""
    living = opened(tmp_path)
    living.append(batch("mine"))

    assert opened(tmp_path).adopted == 0
    living.close()
    heir, other = opened(tmp_path), opened(tmp_path)
    assert (heir.adopted, other.adopted) == (1, 0)
    assert drain(heir) == ["mine"]
    heir.close()


def test_foreign_files_are_left_alone(opened: Open, tmp_path: Path) -> None:
    """What is no folder of ours stays; an empty one of a dead process goes."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "00000001.seg").write_text("mine")
    empty = claim(tmp_path)
    empty.release()
    named_alike = tmp_path / empty.path.name.replace("-", "0-", 1)[1:]
    named_alike.write_text("a file")

    spool = opened(tmp_path)

    assert spool.adopted == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [named_alike.name, "notes"]


def test_folder_deleted_while_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets the lock of a folder that was deleted meanwhile does not take it for its own."""
    claim(tmp_path).release()
    (path,) = tmp_path.iterdir()
    really = os.open

    def deleted_behind(name: Path, flags: int, mode: int) -> int:
        fd = really(name, flags, mode)
        (path / "lock").unlink()
        path.rmdir()
        return fd

    monkeypatch.setattr(os, "open", deleted_behind)

    assert list(orphans(tmp_path)) == []


def test_no_folder_can_be_locked(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filesystem without locks makes the spool refuse, not raise."""
    monkeypatch.setattr("ares_otel.pipeline.folders._locked", lambda _: False)
    spool = opened(tmp_path)

    assert not spool.append(batch("a"))
    assert GUARD.counts() == {"spool": 1}


def test_segments_roll_and_go(opened: Open, tmp_path: Path) -> None:
    """Files stay below their size, are forced to disk when full, and go when they were read."""
    spool = opened(tmp_path, segment_bytes=1_000)
    for number in range(20):
        spool.append(Batch(noise(200, number), 1))
    assert len(files(tmp_path)) == 5
    assert all(path.stat().st_size <= 1_000 for path in files(tmp_path))

    for left in range(19, -1, -1):
        spool.pop()
        assert len(files(tmp_path)) == -(-left // 4)


@pytest.mark.parametrize(
    ("each", "hurry", "before", "after"),
    [(False, False, 1, 2), (True, False, 4, 5), (False, True, 0, 2), (True, True, 3, 5)],
)
def test_fsync(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, each: bool, hurry: bool, before: int, after: int
) -> None:
    """Full files and the last are forced to the platter, in a hurry at the close, and each append if that is wanted."""
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", forced.append)
    spool = opened(tmp_path, segment_bytes=500, fsync=each)
    for number in range(3):
        spool.append(Batch(noise(200, number), 1), hurry=hurry)
    assert len(forced) == before
    spool.close()

    assert len(forced) == after


def test_an_end_in_a_hurry_waits_for_no_disk(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for a disk cannot die: it only begins to write, and nothing is lost but by a power cut."""
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", forced.append)
    spool = opened(tmp_path, segment_bytes=500)
    for number in range(3):
        spool.append(Batch(noise(200, number), 1), hurry=True)
    spool.close(hurry=True)
    assert forced == []
    monkeypatch.delattr(os, "posix_fadvise")
    again = opened(tmp_path)
    assert [again.pop() for _ in range(4)] == [*(Batch(noise(200, number), 1) for number in range(3)), None]
    again.append(batch("other"))
    again.close(hurry=True)
    assert drain(opened(tmp_path)) == ["other"]


def test_fsync_of_a_file_that_went(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read meanwhile need not be forced."""
    forced: list[int] = []
    spool = opened(tmp_path, segment_bytes=500)
    for number in range(3):
        spool.append(Batch(noise(200, number), 1), hurry=True)
    monkeypatch.setattr(os, "fsync", forced.append)
    assert [spool.pop(), spool.pop()] == [Batch(noise(200, number), 1) for number in range(2)]
    spool.close()

    assert len(forced) == 1


def test_fsync_fails(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot force data keeps what it has; that is said once."""

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, f"I/O error on {fd}")

    monkeypatch.setattr(os, "fsync", fail)
    spool = opened(tmp_path)
    spool.append(batch("a"))
    spool.close()

    assert GUARD.counts() == {"spool": 1}
    assert drain(opened(tmp_path)) == ["a"]


def test_cap_drops_the_oldest(opened: Open, tmp_path: Path) -> None:
    """At the cap the oldest file goes, its spans are counted, and the files never exceed the cap."""
    spool = opened(tmp_path, cap_bytes=8_000)
    for number in range(100):
        assert spool.append(Batch(noise(400, number) + str(number).encode(), 3))
        assert spool.bytes == sum(path.stat().st_size for path in files(tmp_path)) <= 8_000

    out = [int(taken.body[400:]) for taken in iter(spool.pop, None)]
    assert out == list(range(100 - len(out), 100))
    assert spool.lost == {"spool_full": 3 * (100 - len(out))}
    assert len(out) >= 14


def test_cap_spares_the_batch_in_flight(opened: Open, tmp_path: Path) -> None:
    """What was peeked is not lost when its file goes: its fate is still to be told."""
    spool = opened(tmp_path, cap_bytes=4_000)
    spool.append(batch("in flight", spans=7))
    assert spool.peek() == batch("in flight", 7)
    for number in range(20):
        spool.append(Batch(noise(400, number), 1))

    assert spool.peek() == batch("in flight", 7)
    assert spool.spans + spool.lost["spool_full"] == 27
    spool.advance()
    assert spool.spans + spool.lost["spool_full"] == 20
    assert spool.pop() is not None


def test_in_flight_at_close(opened: Open, tmp_path: Path) -> None:
    """If its file is gone, a batch in flight is lost by a close."""
    spool = opened(tmp_path, cap_bytes=4_000)
    spool.append(batch("in flight", spans=7))
    spool.peek()
    for number in range(20):
        spool.append(Batch(noise(400, number), 1))
    spool.close()

    assert spool.spans + spool.lost["spool_full"] == 27
    assert opened(tmp_path).spans == spool.spans


def test_a_batch_beyond_the_cap(opened: Open, tmp_path: Path) -> None:
    """What can never fit is refused and drops nothing."""
    spool = opened(tmp_path, cap_bytes=1_000)
    spool.append(batch("a"))

    assert not spool.append(Batch(noise(1_000), 1))
    assert GUARD.counts() == {"spool": 1}
    assert drain(spool) == ["a"]


def test_close(opened: Open, tmp_path: Path) -> None:
    """A closed spool takes and gives nothing, and can be closed again."""
    spool = opened(tmp_path)
    spool.append(batch("a"))
    spool.close()
    spool.close()

    assert not spool.append(batch("b"))
    assert spool.peek() is None
    assert (len(spool), spool.spans) == (1, 1)


def test_unused_spool_leaves_no_trace(opened: Open, tmp_path: Path) -> None:
    """Without content there is no folder."""
    spool = opened(tmp_path / "spool")
    spool.close()

    assert list(tmp_path.iterdir()) == []


class Damage:
    """Three batches of 1, 10 and 100 spans in one file, and where their records begin."""

    def __init__(self, opened: Open, root: Path) -> None:
        self.spool = opened(root)
        self.starts = []
        for text, spans in (("one", 1), ("two", 10), ("three", 100)):
            self.starts.append(self.spool.bytes)
            self.spool.append(batch(text * 50, spans))
        (self.path,) = files(root)


@pytest.mark.parametrize("reopen", [True, False])
@pytest.mark.parametrize("inside", [0, 5, 20, 30, segments.HEADER_BYTES + 3])
def test_flipped_bit(opened: Open, tmp_path: Path, inside: int, *, reopen: bool) -> None:
    """A damaged record in the middle is skipped and its spans are counted, wherever the damage is."""
    damage = Damage(opened, tmp_path)
    flip(damage.path, damage.starts[1] + inside)
    if reopen:
        crash(damage.spool)
    spool = opened(tmp_path) if reopen else damage.spool

    assert drain(spool) == ["one" * 50, "three" * 50]
    assert (spool.lost, spool.corrupt_records, spool.spans) == ({"corrupt": 10}, 1, 0)
    assert spool.adopted == (111 if reopen else 0)
    assert GUARD.counts() == {"spool": 1}


@pytest.mark.parametrize("reopen", [True, False])
def test_torn_body(opened: Open, tmp_path: Path, *, reopen: bool) -> None:
    """A last record whose header is whole counts its spans."""
    damage = Damage(opened, tmp_path)
    os.truncate(damage.path, damage.path.stat().st_size - 1)
    if reopen:
        crash(damage.spool)
    spool = opened(tmp_path) if reopen else damage.spool

    assert drain(spool) == ["one" * 50, "two" * 50]
    assert (spool.lost, spool.corrupt_records) == ({"corrupt": 100}, 1)


def test_torn_header(opened: Open, tmp_path: Path) -> None:
    """A last record without a whole header is counted as a record: nobody knows how many spans it had."""
    damage = Damage(opened, tmp_path)
    os.truncate(damage.path, damage.starts[2] + 10)
    crash(damage.spool)
    spool = opened(tmp_path)

    assert spool.adopted == 11
    assert drain(spool) == ["one" * 50, "two" * 50]
    assert (spool.lost.total(), spool.corrupt_records) == (0, 1)


def test_append_after_a_torn_tail(opened: Open, tmp_path: Path) -> None:
    """What is written after the file was cut behind our back is found."""
    damage = Damage(opened, tmp_path)
    os.truncate(damage.path, damage.starts[2] + 10)
    damage.spool.append(batch("four", 1_000))

    assert drain(damage.spool) == ["one" * 50, "two" * 50, "four"]
    assert damage.spool.lost == {"corrupt": 100}


def test_nothing_sound(opened: Open, tmp_path: Path) -> None:
    """A file of garbage is counted and deleted."""
    damage = Damage(opened, tmp_path)
    crash(damage.spool)
    damage.path.write_bytes(noise(100_000))
    spool = opened(tmp_path)

    assert (len(spool), spool.corrupt_records) == (0, 1)
    assert files(tmp_path) == []


@pytest.mark.parametrize("size", range(segments.SCAN_BYTES - 60, segments.SCAN_BYTES + 60, 7))
def test_long_damage(opened: Open, tmp_path: Path, size: int) -> None:
    """The next sound record is found wherever the windows of the search end."""
    spool = opened(tmp_path)
    spool.append(Batch(noise(size), 5))
    spool.append(batch("sound"))
    flip(files(tmp_path)[0], 3)

    assert drain(spool) == ["sound"]
    assert spool.lost == {"corrupt": 5}


def test_body_that_was_never_sound(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body with a good checksum that cannot be inflated is skipped too."""
    spool = opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("ares_otel.pipeline.spool.pack_body", lambda *_, **__: b"no zlib")
        spool.append(batch("something longer", spans=5))
    spool.append(batch("sound"))

    assert drain(spool) == ["sound"]
    assert spool.lost == {"corrupt": 5}


def test_false_magic(opened: Open, tmp_path: Path) -> None:
    """Bytes that only look like the begin of a record are passed over."""
    spool = opened(tmp_path)
    spool.append(Batch(segments.MAGIC * 100 + noise(1_000), 5), hurry=True)
    spool.append(batch("sound"))
    flip(files(tmp_path)[0], 3)

    assert drain(spool) == ["sound"]


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damaged_cursor(opened: Open, tmp_path: Path, damage: str) -> None:
    """Without a sound cursor everything is sent again, which is harmless."""
    spool = opened(tmp_path)
    for text in "abc":
        spool.append(batch(text))
    spool.pop()
    crash(spool)
    (cursor,) = tmp_path.glob("*/cursor")
    if damage == "flip":
        flip(cursor, 8)
    elif damage == "cut":
        os.truncate(cursor, 10)
    else:
        cursor.unlink()

    assert drain(opened(tmp_path)) == ["a", "b", "c"]


def test_read_file_that_could_not_be_deleted(opened: Open, tmp_path: Path) -> None:
    """A file before the cursor was read to its end: it is deleted, not sent again."""
    spool = opened(tmp_path, segment_bytes=150)
    for content in (Batch(noise(110), 1), batch("d"), batch("e"), batch("f")):
        spool.append(content)
    first, _ = files(tmp_path)
    kept = first.read_bytes()
    assert [spool.pop(), spool.pop()] == [Batch(noise(110), 1), batch("d")]
    crash(spool)
    first.write_bytes(kept)

    assert drain(opened(tmp_path)) == ["e", "f"]


FULL = 20_000


@contextmanager
def disk_full() -> Iterator[None]:
    """Let no file of this process grow beyond `FULL` bytes: writes then fail in the middle, as on a full disk.

    Only around the writes that are tested: a longer log that pytest prints into is a file of this process, too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_disk_full_in_the_middle_of_an_append(spool: Spool, tmp_path: Path) -> None:
    """A record that was written half is refused, and harms neither what is before nor what is after it."""
    assert spool.append(batch("before"))
    with disk_full():
        assert not spool.append(Batch(noise(FULL), 5))
        assert spool.append(batch("after"))

    assert len(files(tmp_path)) == 2
    assert drain(spool) == ["before", "after"]
    assert (spool.lost.total(), spool.spans) == (0, 0)
    assert GUARD.counts() == {"spool": 1}


def test_half_a_record_that_cannot_be_cut_off(
    opened: Open, spool: Spool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Torn bytes that stay in a file are skipped, by this process and by the next."""
    monkeypatch.setattr(segments, "_cut", lambda *_: None)
    spool.append(batch("before"))
    with disk_full():
        spool.append(Batch(noise(FULL), 5))
        spool.append(batch("after"))
    crash(spool)
    heir = opened(tmp_path)

    assert drain(heir) == ["before", "after"]
    assert (heir.adopted, heir.lost, heir.corrupt_records) == (7, {"corrupt": 5}, 1)


def test_cutting_fails_too(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that can neither write nor cut is only a disk that refuses."""

    class Stubborn(FileIO):
        def truncate(self, size: int | None = None) -> int:
            raise OSError(errno.EIO, f"cannot cut to {size}")

    monkeypatch.setattr(segments, "FileIO", Stubborn)

    with disk_full():
        assert not spool.append(Batch(noise(FULL), 5))
        assert spool.append(batch("after"))
    assert drain(spool) == ["after"]


def test_fork_in_process(spool: Spool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A child, seen from inside, has an empty spool in another folder, and leaves the parent's files."""
    spool.append(batch("parent"))
    monkeypatch.setattr(os, "getpid", lambda: 1)

    assert spool.peek() is None
    assert spool.append(batch("child"))
    assert len(files(tmp_path)) == 2
    assert drain(spool) == ["child"]


def test_pause_after_an_error(opened: Open, tmp_path: Path) -> None:
    """A broken disk is not asked for each batch."""
    (tmp_path / "spool").write_text("in the way")
    now = 0.0
    spool = opened(tmp_path / "spool", retry_seconds=1.0, monotonic=lambda: now)
    assert not spool.append(batch("a"))
    (tmp_path / "spool").unlink()

    assert not spool.append(batch("b"))
    now = 1.0
    assert spool.append(batch("c"))
    assert drain(spool) == ["c"]


def test_root_is_no_folder(opened: Open, tmp_path: Path) -> None:
    """A root that cannot be used is said once, and nothing raises."""
    (tmp_path / "spool").write_text("in the way")
    spool = opened(tmp_path / "spool" / "deeper")

    assert [spool.append(batch("a")) for _ in range(3)] == [False] * 3
    assert spool.peek() is None
    assert GUARD.counts()["spool"] == 3
    spool.close()


def test_unreadable_root(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A root that cannot be listed adopts nothing."""
    opened(tmp_path).append(batch("a"))

    def fail(path: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, "no", str(path))

    monkeypatch.setattr(Path, "iterdir", fail)

    assert opened(tmp_path).adopted == 0
    assert GUARD.counts() == {"spool": 1}


def test_unreadable_orphan(opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An orphan that cannot be read is left for another process."""
    dead = opened(tmp_path)
    dead.append(batch("a"))
    dead.close()

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patched:
        patched.setattr("ares_otel.pipeline.spool.survey", fail)
        assert opened(tmp_path).adopted == 0
    assert GUARD.counts() == {"spool": 1}
    assert drain(opened(tmp_path)) == ["a"]


@pytest.mark.parametrize("what", ["everything", "folder", "segment", "lock"])
def test_vanished(opened: Open, tmp_path: Path, what: str) -> None:
    """Whatever a cleaner deletes, later batches are stored, and what is gone is counted."""
    spool = opened(tmp_path / "spool")
    spool.append(batch("gone", spans=4))
    (path,) = files(tmp_path / "spool")
    if what == "everything":
        shutil.rmtree(tmp_path / "spool")
    elif what == "folder":
        shutil.rmtree(path.parent)
    else:
        (path if what == "segment" else path.with_name("lock")).unlink()
    spool.append(batch("new"))

    assert drain(spool) == (["gone", "new"] if what == "lock" else ["new"])
    assert spool.lost == ({} if what == "lock" else {"spool_error": 4})
    assert GUARD.counts() == {"spool": 1}
    spool.close()


def test_vanished_before_reading(opened: Open, tmp_path: Path) -> None:
    """A file that is gone when its turn comes is counted, and the next is read."""
    spool = opened(tmp_path, segment_bytes=100)
    for number in range(3):
        spool.append(Batch(noise(80, number), 2))
    files(tmp_path)[0].unlink()

    assert [spool.pop(), spool.pop()] == [Batch(noise(80, 1), 2), Batch(noise(80, 2), 2)]
    assert spool.lost == {"spool_error": 2}


def test_reading_fails_for_a_while(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that may pass costs nothing; one that stays costs the file, counted."""
    spool.append(batch("a", spans=3))
    failing = itertools.count()

    def fail(*_: object) -> None:
        next(failing)
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(segments.SegmentReader, "read", fail)
        assert [spool.peek() for _ in range(4)] == [None] * 4
    assert spool.peek() == batch("a", 3)
    spool.advance()

    spool.append(batch("b", spans=3))
    monkeypatch.setattr(segments.SegmentReader, "read", fail)
    assert [spool.peek() for _ in range(5)] == [None] * 5
    assert (len(spool), spool.lost) == (0, {"spool_error": 3})


def test_cursor_cannot_be_written(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a restart would send again, and this process goes on."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("ares_otel.pipeline.folders.Folder.save", fail)
    for text in "ab":
        spool.append(batch(text))

    assert drain(spool) == ["a", "b"]
    assert GUARD.counts() == {"spool": 1}


def test_file_cannot_be_deleted(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it stays, and what was read is not read again by this process."""

    def fail(path: Path, *, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EPERM, "no", f"{path} {missing_ok}")

    spool.append(batch("a"))
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", fail)
        assert drain(spool) == ["a"]
    spool.append(batch("b"))
    assert drain(spool) == ["b"]


def run(code: str, *arguments: object) -> str:
    """Run a script in a Python of its own; return what it printed."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


APPEND_FOR_EVER = """
    import os, sys
    from pathlib import Path
    from ares_otel.pipeline.model import Batch, Signal
    from ares_otel.pipeline.spool import Spool
    spool = Spool(Path(sys.argv[1]), segment_bytes=100_000)
    number = 0
    while True:
        assert spool.append(Batch(b"%08d" % number + os.urandom(number % 5000), 1))
        os.write(1, b".")
        number += 1
"""


@pytest.mark.parametrize("after", [1, 20, 300])
def test_killed_in_the_middle_of_an_append(opened: Open, tmp_path: Path, after: int) -> None:
    """After `kill -9` everything that an append returned for is there, in order, at most one more, and no damage."""
    command = [sys.executable, "-c", textwrap.dedent(APPEND_FOR_EVER), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert isinstance(child.stdout, BufferedReader)
        told = 0
        while told < after:
            told += len(child.stdout.read1(after))
        child.send_signal(signal.SIGKILL)
        told += len(child.stdout.read())
    spool = opened(tmp_path)
    numbers = [int(taken.body[:8]) for taken in iter(spool.pop, None)]

    assert numbers == list(range(len(numbers)))
    assert told <= len(numbers) <= told + 1
    assert spool.lost.total() == 0


def test_fork(tmp_path: Path) -> None:
    """A forked child has an empty spool and a folder of its own; the parent's goes on; each is adopted once."""
    printed = run(
        """
        import os, sys
        from pathlib import Path
        from ares_otel.pipeline.model import Batch, Signal
        from ares_otel.pipeline.spool import Spool
        old = Spool(Path(sys.argv[1]))
        old.append(Batch(b"adopted", 1))
        old.close()
        spool = Spool(Path(sys.argv[1]))
        spool.append(Batch(b"parent 1", 1))
        spool.peek()
        pid = os.fork()
        if not pid:
            assert len(spool) == 2 and spool.peek() is None and len(spool) == 0
            spool.append(Batch(b"child 1", 1))
            assert Spool(Path(sys.argv[1])).adopted == 0, "the parent lives"
            spool.append(Batch(b"child 2", 1))
            spool.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        spool.append(Batch(b"parent 2", 1))
        print(*(batch.body.decode() for batch in iter(spool.pop, None)), sep=",")
        print(*(batch.body.decode() for batch in iter(Spool(Path(sys.argv[1])).pop, None)), sep=",")
        """,
        tmp_path,
    )

    assert printed.splitlines() == ["adopted,parent 1,parent 2", "child 1,child 2"]


class Entry:
    """A batch as the model knows it."""

    def __init__(self, content: Batch, path: Path, start: int, end: int) -> None:
        self.batch = content
        self.path = path
        self.start = start
        self.end = end
        self.damaged = False
        self.hidden = False


class SpoolMachine(RuleBasedStateMachine):
    """Appends, reads, restarts and damages; what comes out must be what went in minus what was counted.

    A record is damaged when one of its bytes was changed or cut off. A reopened spool counts a damaged record from
    its own header or from the next sound record of its file; without either (`hidden`), it cannot know its spans.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="spool-"))
        self.entries: list[Entry] = []
        self.counted = 0
        self.number = 0

    @initialize(segment_bytes=st.sampled_from([200, 1_000, 1 << 20]))
    def begin(self, segment_bytes: int) -> None:
        """Choose how many batches a file holds."""
        self.segment_bytes = segment_bytes
        self.spool = self.opened()

    def opened(self) -> Spool:
        """Open the spool of this process's life."""
        return Spool(self.root, 1 << 24, self.segment_bytes, retry_seconds=0.0)

    @rule(size=st.integers(0, 400), spans=st.integers(1, 9), hurry=st.booleans())
    def append(self, size: int, spans: int, hurry: bool) -> None:  # noqa: FBT001  # as hypothesis calls it
        """Put a batch in, and note where its record is."""
        self.number += 1
        added = Batch(f"{self.number}:".encode() + noise(size // 2, self.number) + b"a" * (size // 2), spans)
        before = self.spool._writer.segment
        start = before.size if before else 0
        assert self.spool.append(added, hurry=hurry)
        segment = self.spool._writer.segment
        assert segment is not None
        self.entries.append(Entry(added, segment.path, start if segment is before else 0, segment.size))

    @rule()
    def peek(self) -> None:
        """Look; a damaged record that was passed over is counted."""
        peeked = self.spool.peek()
        if peeked is None:
            self.skip(None)
        self.check()

    @rule()
    def pop(self) -> None:
        """Take one out."""
        taken = self.spool.pop()
        self.skip(taken)
        del self.entries[:1]
        self.check()

    def skip(self, taken: Batch | None) -> None:
        """Forget what should have come before a batch that came."""
        while self.entries and self.entries[0].batch != taken:
            entry = self.entries.pop(0)
            assert entry.damaged, "a sound batch was lost, or the order was not kept"
            self.counted -= 0 if entry.hidden else entry.batch.spans
        assert (taken is None) == (not self.entries), "what came was never put in"

    def check(self) -> None:
        """Compare the counts once all is out."""
        if not self.entries:
            assert self.counted + self.spool.lost["corrupt"] == 0
            assert (len(self.spool), self.spool.spans, self.spool.bytes) == (0, 0, 0)

    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:  # noqa: FBT001  # as hypothesis calls it
        """End the process well or badly, and start the next."""
        self.look_ahead()
        self.counted += self.spool.lost["corrupt"]
        if clean:
            self.spool.close()
        else:
            crash(self.spool)
        for entry in self.entries:
            entry.hidden = entry.hidden or self.unknowable(entry)
        self.spool = self.opened()

    def look_ahead(self) -> None:
        """Discount what was counted before the batch in flight: in files that are still there it is counted again."""
        peeked = self.spool.peek()
        kept = []
        while self.entries and self.entries[0].batch != peeked:
            entry = self.entries.pop(0)
            assert entry.damaged, "a sound batch was lost, or the order was not kept"
            self.counted -= 0 if entry.hidden else entry.batch.spans
            kept += [entry] if entry.path.exists() else []
        self.entries = kept + self.entries

    def unknowable(self, entry: Entry) -> bool:
        """Tell whether nobody can know the spans of a record."""
        later = [e for e in self.entries if e.path == entry.path and e.start >= entry.end and header_sound(e)]
        return entry.damaged and not header_sound(entry) and not later

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def flip(self, data: st.DataObject) -> None:
        """Change a bit of a record."""
        entry = data.draw(st.sampled_from(self.entries))
        size = entry.path.stat().st_size if entry.path.exists() else 0
        if size > entry.start:
            offset = data.draw(st.integers(entry.start, min(entry.end, size) - 1))
            flip(entry.path, offset, data.draw(st.integers(0, 7)))
            entry.damaged = True

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        """Cut the newest file short."""
        path = self.entries[-1].path
        if path.exists():
            offset = data.draw(st.integers(0, path.stat().st_size))
            os.truncate(path, offset)
            for entry in self.entries:
                if entry.path == path and entry.end > offset:
                    entry.damaged = True

    def teardown(self) -> None:
        """Take the rest out."""
        if hasattr(self, "spool"):
            for _ in range(len(self.entries) + 1):
                self.pop()
            self.spool.close()
        shutil.rmtree(self.root)


def header_sound(entry: Entry) -> bool:
    """Tell whether the header of a record is as it was written."""
    try:
        data = entry.path.read_bytes()
    except OSError:
        return False
    return segments._parse(data, entry.start, entry.start) is not None


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_the_signal_survives(opened: Open, tmp_path: Path) -> None:
    """A record says what its batch holds; spans and log records come out as what they were, after a restart too."""
    spool = opened(tmp_path)
    spool.append(Batch(b"spans", 2))
    spool.append(Batch(b"logs", 3, Signal.LOGS))
    crash(spool)

    again = opened(tmp_path)

    assert list(iter(again.pop, None)) == [Batch(b"spans", 2, Signal.TRACES), Batch(b"logs", 3, Signal.LOGS)]


def test_records_of_before_are_spans(opened: Open, tmp_path: Path) -> None:
    """A segment written when there were spans alone is read as before."""
    body = b"written by version 0.3"
    facts = struct.pack("<4sIIIIQI", b"\xa7Rc\x01", 0, len(body), len(body), 4, 0, zlib.crc32(body))
    folder = tmp_path / f"{1:020d}-1-{0:08x}"
    folder.mkdir()
    (folder / "00000001.seg").write_bytes(facts + struct.pack("<I", zlib.crc32(facts)) + body)

    assert opened(tmp_path).pop() == Batch(body, 4, Signal.TRACES)


def test_a_record_of_an_unknown_signal_is_damage(opened: Open, tmp_path: Path) -> None:
    """What a later version stored is left out and counted, and what comes after it is read."""
    spool = opened(tmp_path)
    for number in range(3):
        spool.append(Batch(b"%d" % number * 40, 1))
    crash(spool)
    (file,) = files(tmp_path)
    data = bytearray(file.read_bytes())
    second = data.index(segments.MAGIC, data.index(segments.MAGIC) + 1)
    data[second + 3] = 99
    check = second + segments.HEADER.size
    data[check : check + 4] = struct.pack("<I", zlib.crc32(data[second:check]))
    file.write_bytes(data)

    again = opened(tmp_path)

    assert drain(again) == ["0" * 40, "2" * 40]
    assert again.lost == {"corrupt": 1}

"""Ids: their form, their order, and that no two are the same, whatever the bot does with threads, seeds and forks."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import threading
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ares_otel.correlation.ids import IdSource, clean_id, correlation_of, decision_id, span_of, trace_of

MILLISECOND = 1_000_000
NOW = 1_767_225_600_000_000_000
TIMES = st.integers(0, (1 << 48) - 1)

FORK = """
import os, sys
from ares_otel.pipeline.recorder import RECORDER

RECORDER.ids.refill()
read, write = os.pipe()
child = os.fork()
ids = [RECORDER.ids.take(1_000_000)[2] for _ in range(500)]
if child == 0:
    os.write(write, "\\n".join(ids).encode())
    os._exit(0)
os.waitpid(child, 0)
theirs = set(os.read(read, 1 << 20).decode().split())
print(len(set(ids)), len(theirs), len(theirs & set(ids)))
"""


@given(TIMES)
def test_a_correlation_id_is_a_uuid_of_version_7(millis: int) -> None:
    """Form, version, variant and the 48 bits of time are those of RFC 9562."""
    _, _, text = IdSource().take(millis * MILLISECOND + 999_999)
    found = UUID(text)

    assert str(found) == text
    assert (found.version, found.variant) == (7, RFC_4122)
    assert found.int >> 80 == millis


@given(TIMES)
def test_a_trace_id_begins_with_the_time(millis: int) -> None:
    """The left 48 bits are Unix milliseconds; ids fit their sizes and are never zero where that is forbidden."""
    trace, span, _ = IdSource().take(millis * MILLISECOND)

    assert trace >> 80 == millis
    assert trace < 1 << 128
    assert 0 < span < 1 << 64


@given(TIMES)
def test_ids_of_one_draw_belong_together(millis: int) -> None:
    """The trace's left half is the UUID's, its right half is the span, and nothing of what is random is lost."""
    trace, span, text = IdSource().take(millis * MILLISECOND)
    found = UUID(text).int

    assert (trace, span) == (trace_of(text), span_of(text))
    assert (trace >> 64, trace & (1 << 64) - 1) == (found >> 64, span)
    assert span >> 2 == found & (1 << 62) - 1


def test_the_right_half_of_a_trace_id_is_random() -> None:
    """Each of its 64 bits, because samplers take a share of the traces by it; five sigmas of a fair coin."""
    source = IdSource(7)
    drawn = [source.take(NOW)[0] for _ in range(4_000)]
    ones = [sum(trace >> place & 1 for trace in drawn) for place in range(64)]

    assert all(abs(count - 2_000) < 5 * math.sqrt(1_000) for count in ones)


@given(st.lists(TIMES, min_size=2, max_size=20, unique=True).map(sorted))
def test_ids_sort_by_their_time(times: list[int]) -> None:
    """Neighbours in time are neighbours in an index: as text (correlation) and as number (trace)."""
    source = IdSource()
    taken = [source.take(millis * MILLISECOND) for millis in times]

    assert [trace for trace, _, _ in taken] == sorted(trace for trace, _, _ in taken)
    assert [text for _, _, text in taken] == sorted(text for _, _, text in taken)


def test_no_two_ids_are_the_same() -> None:
    """200,000 of one millisecond, made by four threads at once while another one draws ahead."""
    source = IdSource()
    taken: list[list[tuple[int, int, str]]] = [[] for _ in range(4)]
    done = threading.Event()

    def take(mine: list[tuple[int, int, str]]) -> None:
        mine += [source.take(NOW) for _ in range(50_000)]

    def refill() -> None:
        while not done.is_set():
            source.refill()

    threads = [threading.Thread(target=take, args=(mine,)) for mine in taken]
    helper = threading.Thread(target=refill)
    for thread in (helper, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    helper.join()

    every = [each for mine in taken for each in mine]
    for part in zip(*every, strict=True):
        assert len(set(part)) == 200_000


def test_random_belongs_to_the_bot() -> None:
    """A bot that seeds `random` gets other ids in every run, and its own numbers do not depend on ours."""
    random.seed(0)
    state = random.getstate()
    first = [IdSource().take(NOW) for _ in range(3)]
    assert random.getstate() == state
    random.seed(0)
    second = [IdSource().take(NOW) for _ in range(3)]

    assert len({*first, *second}) == 6


def test_a_seed_makes_ids_the_same_in_every_run() -> None:
    """The test kit's ids repeat; `reseed` with the same seed begins anew."""
    one, two = IdSource(7), IdSource(7)
    taken = [one.take(NOW) for _ in range(100)]

    assert [two.take(NOW) for _ in range(100)] == taken
    two.reseed(7)
    assert [two.take(NOW) for _ in range(100)] == taken
    two.reseed()
    assert not {*taken} & {two.take(NOW) for _ in range(100)}


def test_a_span_id_is_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zero means "no span": a draw of zero is replaced, and a count that begins with it, too."""

    class Zeros(random.Random):
        def getrandbits(self, k: int, /) -> int:
            return 0 * k

    monkeypatch.setattr(random, "Random", Zeros)
    source = IdSource()

    assert source.span() == 1
    assert source.take(NOW)[1] == 1


def test_span_ids_are_counted_from_a_random_number() -> None:
    """Those of a process differ in their last bytes only; another process, or a forked child, counts elsewhere."""
    source = IdSource()
    spans = [source.span() for _ in range(1_000)]
    other = IdSource()
    source.reseed()
    forked = source.span()

    assert spans == [*range(spans[0], spans[0] + 1_000)]
    assert min(abs(forked - spans[0]), abs(other.span() - spans[0])) > 1_000


def test_what_is_drawn_ahead_is_bounded() -> None:
    """The worker fills up to a bound and not beyond it."""
    source = IdSource()
    source.refill()
    source.refill()
    assert len(source._pool) == 4_096


def test_a_forked_child_makes_ids_of_its_own() -> None:
    """Parent and child do not share what was drawn ahead, with or without a set-up."""
    made = subprocess.run([sys.executable, "-c", FORK], check=True, capture_output=True, text=True)
    assert made.stdout.split() == ["500", "500", "0"]


def test_a_decision_id_holds_time_and_span() -> None:
    """28 hexadecimal digits: the time of the trace, and the span."""
    trace, span, _ = IdSource().take(NOW)
    assert decision_id(trace, span) == f"{NOW // MILLISECOND:012x}{span:016x}"


@pytest.mark.parametrize(
    ("given_id", "cleaned"),
    [
        ("order-7", "order-7"),
        ("  padded\t", "padded"),
        ("x" * 128, "x" * 128),
        ("x" * 129, None),
        ("", None),
        ("   ", None),
        ("two\nlines", None),
        ("nul\0", None),
        (None, None),
        (7, None),
    ],
)
def test_an_id_from_outside_is_checked(given_id: str | None, cleaned: str | None) -> None:
    """What a header or a log line could not hold is no id."""
    assert clean_id(given_id) == cleaned


@given(st.integers(min_value=0, max_value=(1 << 48) - 1), st.integers(min_value=0, max_value=(1 << 74) - 1))
def test_a_correlation_id_can_be_told_from_its_trace(millis: int, bits: int) -> None:
    """`correlation_of` undoes `trace_of`, but where all the random bits were zero."""
    high, low = bits >> 62, bits & (1 << 62) - 1
    digits = f"{millis:012x}7{high:03x}{2 << 62 | low:016x}"
    correlation = str(UUID(digits))
    trace = trace_of(correlation)

    told = correlation_of(trace)

    assert told == (correlation if low or high & 3 else None)
    assert trace_of(told or correlation) == trace


@given(st.integers(min_value=1, max_value=(1 << 128) - 1))
def test_a_foreign_trace_belongs_to_no_correlation_id(trace: int) -> None:
    """Nothing is told of a trace id that `trace_of` would not make."""
    told = correlation_of(trace)

    assert told is None or trace_of(told) == trace


def test_a_trace_of_another_version_tells_nothing() -> None:
    """Neither one of another UUID version nor one whose halves do not belong together."""
    trace, _, correlation = IdSource(7).take(NOW)

    assert correlation_of(trace) == correlation
    assert correlation_of(trace ^ 1) is None
    assert correlation_of(trace ^ 1 << 76) is None

"""Order, patience and accounts of what waits for the receiver, without threads and without a network."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ares_otel.guard import GUARD
from ares_otel.pipeline import backlog as backlogs
from ares_otel.pipeline.backlog import SPLITS, Backlog, Head
from ares_otel.pipeline.delivery import Backoff, Delivery
from ares_otel.pipeline.model import Batch, Verdict
from ares_otel.pipeline.spool import Spool

RETRY = Verdict("retry", "http_503", "busy")


def batch(number: int, size: int = 10, spans: int = 1) -> Batch:
    """Return a batch whose body begins with its number."""
    return Batch(f"{number:05}".encode().ljust(size, b"."), spans)


def cut(whole: Batch) -> tuple[Batch, Batch] | None:
    """Return a batch of this module in two, with the same number."""
    half = whole.spans // 2
    first, second = Batch(whole.body, half), Batch(whole.body[:5], whole.spans - half)
    return (first, second) if half else None


@pytest.fixture
def _cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let batches of this module be split as requests are."""
    monkeypatch.setattr(backlogs, "halves", cut)


def number_of(head: Head | None) -> int | None:
    """Return the number of a batch."""
    return int(head.batch.body[:5]) if head else None


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Return an empty spool."""
    made = Spool(tmp_path)
    yield made
    made.close()


def test_backoff_doubles() -> None:
    """Waits double from half a second to half a minute, and begin anew after a success."""
    backoff = Backoff(lambda: 1.0)
    waits = []
    for _ in range(9):
        backoff.failed(100.0, None)
        waits.append(backoff.left(100.0))
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff.failures == 9

    backoff.succeeded()
    assert (backoff.left(100.0), backoff.failures) == (0.0, 0)
    backoff.failed(100.0, None)
    assert backoff.left(100.0) == 0.5


@given(draws=st.lists(st.floats(0, 1), min_size=1, max_size=40), now=st.floats(0, 1e6))
def test_full_jitter(draws: list[float], now: float) -> None:
    """A wait is the drawn share of its bound, which is over when its time is over."""
    source = iter(draws)
    backoff = Backoff(lambda: next(source))
    for number, draw in enumerate(draws):
        backoff.failed(now, None)
        assert backoff.left(now) == pytest.approx(draw * min(30.0, 0.5 * 2**number), abs=1e-6)
        assert backoff.left(now + 30.0) == 0.0


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 0.5), (0.0, 0.5), (0.2, 0.5), (7.0, 7.0), (300.0, 300.0), (86_400.0, 300.0)]
)
def test_receiver_asks_for_a_pause(asked: float | None, expected: float) -> None:
    """It gets it, up to five minutes, and never less than our own."""
    backoff = Backoff(lambda: 1.0)
    backoff.failed(0.0, asked)

    assert backoff.left(0.0) == expected


def test_hurry() -> None:
    """Who waits for a flush need not wait for our own pause, but for the one that the receiver asked for."""
    backoff = Backoff(lambda: 1.0)
    for _ in range(5):
        backoff.failed(0.0, None)
    backoff.hurry()
    assert backoff.left(0.0) == 0.0
    backoff.failed(0.0, 7.0)
    backoff.hurry()
    assert backoff.left(0.0) == 7.0


def test_memory_comes_in_order() -> None:
    """Without a disk, batches have their turn as they came; the head stays until it is settled."""
    backlog = Backlog(None, 1_000)
    for number in range(3):
        backlog.add(batch(number), spill=False)

    assert [number_of(backlog.take(0.0)) for _ in range(2)] == [0, 0]
    backlog.delivered(0)
    assert number_of(backlog.take(0.0)) == 1
    backlog.refused()
    assert number_of(backlog.take(0.0)) == 2
    backlog.delivered(0)
    assert backlog.take(0.0) is None
    assert not backlog.waiting
    assert (backlog.exported, backlog.exported_bytes, backlog.dropped()) == (2, 20, {"refused": 1})


def test_full_memory_without_disk() -> None:
    """The oldest that waits goes, never what is in flight."""
    backlog = Backlog(None, 50)
    for number in range(10):
        backlog.add(batch(number, spans=number), spill=False)
        backlog.take(0.0)

    assert number_of(backlog.head) == 0
    assert backlog.queued_bytes == 50
    assert backlog.dropped() == {"memory_full": 1 + 2 + 3 + 4 + 5}
    backlog.delivered(0)
    assert number_of(backlog.take(0.0)) == 6


def test_a_batch_beyond_memory(spool: Spool) -> None:
    """What can never fit goes to the disk, or goes alone."""
    for disk, dropped in ((None, {"memory_full": 5}), (spool, {})):
        backlog = Backlog(disk, 50)
        backlog.add(batch(0), spill=False)
        backlog.take(0.0)
        backlog.add(batch(1), spill=False)
        backlog.add(batch(2, size=51, spans=5), spill=False)

        assert backlog.dropped() == dropped
        assert backlog.accounts({}, None).balanced
        assert backlog.queued + spool.spans == 2 + (disk is not None) * 5


def test_full_memory_with_disk(spool: Spool) -> None:
    """A full memory moves to the disk as a whole, and all comes in order."""
    backlog = Backlog(spool, 50)
    for number in range(13):
        backlog.add(batch(number), spill=False)

    assert (backlog.queued, len(spool)) == (1, 12)
    order = []
    while (head := backlog.take(0.0)) is not None:
        order.append(number_of(head))
        backlog.delivered(0)
    assert order == list(range(13))
    assert backlog.lost == 0


def test_what_is_in_flight_goes_to_the_disk_first(spool: Spool) -> None:
    """The head's copy on disk is the oldest there; when it is delivered, it goes from the disk too."""
    backlog = Backlog(spool, 1_000)
    for number in range(3):
        backlog.add(batch(number), spill=False)
    head = backlog.take(0.0)
    backlog.spill()

    assert (backlog.queued, spool.spans, len(spool)) == (0, 3, 3)
    assert backlog.take(0.0) is head
    backlog.delivered(0)
    assert number_of(backlog.take(0.0)) == 1
    assert len(spool) == 2


def test_disk_loses_the_head(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk loses what it has just been given, the attempt under way does not count twice."""
    backlog = Backlog(spool, 1_000)
    backlog.add(batch(0, spans=3), spill=False)
    backlog.take(0.0)
    with monkeypatch.context() as patched:
        patched.setattr("ares_otel.pipeline.segments._load", lambda *_: None)
        backlog.spill()

    assert backlog.head is None
    assert backlog.dropped() == {"corrupt": 3}
    assert backlog.accounts({}, None).balanced


def test_disk_refuses(tmp_path: Path) -> None:
    """Then memory is the bound, and it is told what was dropped."""
    (tmp_path / "file").write_text("in the way")
    backlog = Backlog(Spool(tmp_path / "file"), 50)
    for number in range(8):
        backlog.add(batch(number), spill=True)

    assert (backlog.queued, backlog.dropped()) == (5, {"memory_full": 3})
    backlog.take(0.0)
    backlog.finish()
    assert (backlog.queued, backlog.dropped()) == (0, {"memory_full": 3, "spool_error": 5})


def test_partial_success() -> None:
    """Rejected spans are not exported; a receiver that rejects more than it got has rejected all."""
    backlog = Backlog(None, 1_000)
    for number, rejected in enumerate((0, 2, 99)):
        backlog.add(batch(number, spans=5), spill=False)
        backlog.take(0.0)
        backlog.delivered(rejected)

    assert (backlog.exported, backlog.dropped()) == (8, {"rejected": 7})


def test_finish_without_disk() -> None:
    """What nobody can keep is counted."""
    backlog = Backlog(None, 1_000)
    for number in range(3):
        backlog.add(batch(number), spill=False)
    backlog.take(0.0)
    backlog.finish()
    backlog.refuse(batch(3))

    accounts = backlog.accounts({"http_503": 2}, 5.0)
    assert accounts.dropped == {"shutdown": 4}
    assert (accounts.submitted, accounts.failures, accounts.last_success) == (4, {"http_503": 2}, 5.0)
    assert accounts.balanced
    assert not backlog.waiting


class BacklogMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, no span is lost from the accounts, and none overtakes another."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="backlog-"))
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(backlogs, "halves", cut)
        self.broken = False
        self.spool = Spool(self.root, cap_bytes=2_000, monotonic=self.now, retry_seconds=1.0)
        self.backlog = Backlog(self.spool, 300)
        self.number = 0
        self.last = -1
        self.in_pieces: set[int | None] = set()

    def now(self) -> float:
        """Tell a time before the end of the spool's pause while the disk is broken."""
        if self.broken:
            self.spool._broken_until = 10.0
        return 0.0 if self.broken else 100.0

    @rule(size=st.integers(5, 400), spans=st.integers(1, 9), spill=st.booleans())
    def add(self, size: int, spans: int, spill: bool) -> None:  # noqa: FBT001  # as hypothesis calls it
        """Hand a batch in."""
        self.backlog.add(batch(self.number, size, spans), spill=spill)
        self.number += 1

    @rule()
    def take(self) -> None:
        """Give the oldest its turn; it is younger than all before."""
        number = number_of(self.backlog.take(0.0))
        assert number is None or number >= self.last
        self.last = self.last if number is None else number

    @precondition(lambda self: self.backlog.head)
    @rule(rejected=st.integers(0, 12))
    def deliver(self, rejected: int) -> None:
        """Let the receiver take it."""
        self.settled(lambda: self.backlog.delivered(rejected))

    def settled(self, settle: Callable[[], None]) -> None:
        """Settle the head; of what was split there may be more."""
        self.last += number_of(self.backlog.head) not in self.in_pieces
        settle()

    @precondition(lambda self: self.backlog.head)
    @rule()
    def refuse(self) -> None:
        """Let the receiver refuse it."""
        self.settled(self.backlog.refused)

    @precondition(lambda self: self.backlog.head)
    @rule()
    def split(self) -> None:
        """Let the receiver find it too large."""
        self.in_pieces.add(number_of(self.backlog.head))
        self.backlog.split()

    @rule()
    def spill(self) -> None:
        """Move all to the disk."""
        self.backlog.spill()

    @rule()
    def breaks(self) -> None:
        """Let the disk break, or recover."""
        self.broken = not self.broken

    @rule()
    def vanish(self) -> None:
        """Let somebody clean up."""
        for path in self.root.iterdir():
            shutil.rmtree(path)

    @invariant()
    def balanced(self) -> None:
        """Every span is accounted for, within the bounds."""
        accounts = self.backlog.accounts({}, None)
        assert accounts.balanced, accounts
        assert min(accounts.queued, accounts.spooled, accounts.queued_bytes, *accounts.dropped.values(), 0) == 0
        assert accounts.spooled_bytes <= 2_000
        assert accounts.queued_bytes <= 300 + 400 + 5 * 10

    def teardown(self) -> None:
        """Shut down."""
        self.backlog.finish()
        self.balanced()
        assert self.backlog.queued == 0
        self.spool.close()
        self.patch.undo()
        shutil.rmtree(self.root)


TestBacklogMachine = BacklogMachine.TestCase
TestBacklogMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def delivery(spool: Spool | None = None, **named: int) -> Delivery:
    """Return the state of a sender whose waits are as long as can be."""
    return Delivery(Backlog(spool, 1_000), lambda: 1.0, named.get("spill_bytes", 0))


def settled(state: Delivery, verdict: Verdict | None, now: float = 0.0) -> None:
    """Give the head this verdict."""
    assert state.backlog.head is not None
    state.settle(state.backlog.head, verdict, 0.25, now)


def test_prompt() -> None:
    """The first batch is due at once, and nothing is when nothing waits."""
    state = delivery()
    assert (state.due(0.0), state.left(0.0)) == (None, None)
    state.add(batch(0), 0.0)

    assert number_of(state.due(0.0)) == 0


def test_failure_and_recovery() -> None:
    """A failed batch is due again after its wait; a success makes the next due at once."""
    state = delivery()
    state.add(batch(0), 0.0)
    state.add(batch(1), 0.0)
    state.due(0.0)
    settled(state, RETRY, now=10.0)

    assert state.due(10.4) is None
    assert state.left(10.4) == pytest.approx(0.1)
    assert number_of(state.due(10.5)) == 0
    settled(state, Verdict("delivered"), now=11.0)
    assert number_of(state.due(11.0)) == 1
    assert list(state.durations) == [0.25]
    accounts = state.accounts()
    assert accounts.failures == {"http_503": 1}
    assert accounts.last_success is not None
    assert GUARD.counts() == {"sender": 1}


def test_failure_moves_memory_to_the_disk(spool: Spool) -> None:
    """What waits behind a receiver that fails is safe from `kill -9`; after recovery memory is enough."""
    state = delivery(spool)
    state.add(batch(0), 0.0)
    assert len(spool) == 0
    state.due(0.0)
    settled(state, RETRY)
    assert len(spool) == 1
    state.add(batch(1), 0.0)
    assert len(spool) == 2

    for _ in range(2):
        state.due(100.0)
        settled(state, Verdict("delivered"))
    state.add(batch(2), 100.0)
    assert (len(spool), state.backlog.queued) == (0, 1)


def test_little_may_stay_in_memory(spool: Spool) -> None:
    """Below its bound, memory is not moved for a failure."""
    state = delivery(spool, spill_bytes=25)
    state.add(batch(0), 0.0)
    state.due(0.0)
    settled(state, RETRY)
    state.add(batch(1), 0.0)
    assert (len(spool), state.backlog.queued) == (0, 2)
    state.add(batch(2), 0.0)
    assert (len(spool), state.backlog.queued) == (3, 0)


def test_silence_moves_memory_to_the_disk(spool: Spool) -> None:
    """A receiver that has said nothing for a second is as good as one that fails."""
    state = delivery(spool)
    state.add(batch(0), 0.0)
    state.due(0.0)
    state.add(batch(1), 1.0)
    assert len(spool) == 0
    state.add(batch(2), 1.1)
    assert len(spool) == 3


def test_refusal() -> None:
    """A refused batch is counted, said, and makes nothing wait."""
    state = delivery()
    state.add(batch(0, spans=4), 0.0)
    state.add(batch(1), 0.0)
    state.due(0.0)
    settled(state, Verdict("refused", "http_400", "bad"))

    assert number_of(state.due(0.0)) == 1
    assert state.accounts().dropped == {"refused": 4}
    assert state.accounts().failures == {"http_400": 1}
    assert GUARD.counts() == {"sender": 1}


TOO_LARGE = Verdict("refused", "http_413", "too large")


@pytest.mark.usefixtures("_cut")
@pytest.mark.parametrize("on_disk", [False, True])
def test_what_is_too_large_goes_in_halves(spool: Spool, *, on_disk: bool) -> None:
    """Down to the one span that is too large alone; the others arrive, in their order, and what waits comes after."""
    state = delivery(spool)
    state.add(batch(0, spans=8), 0.0)
    state.add(batch(1), 0.0)
    if on_disk:
        state.backlog.spill()
    sizes = []
    while (head := state.due(0.0)) and number_of(head) == 0:
        sizes.append(head.batch.spans)
        first = state.backlog.exported == 0 and not state.backlog.dropped()
        settled(state, TOO_LARGE if first else Verdict("delivered"))
        assert state.accounts().balanced
    assert sizes == [8, 4, 2, 1, 1, 2, 4]
    assert number_of(head) == 1
    accounts = state.accounts()
    assert (accounts.exported, accounts.dropped, accounts.failures) == (7, {"refused": 1}, {"http_413": 4})
    assert accounts.queued + accounts.spooled == 1
    assert GUARD.counts() == {"sender": 1}


@pytest.mark.usefixtures("_cut")
def test_a_receiver_that_finds_everything_too_large() -> None:
    """Nobody asks it a thousand times about one batch."""
    state = delivery()
    state.add(batch(0, spans=512), 0.0)
    asked = 0
    while state.due(0.0):
        settled(state, TOO_LARGE)
        asked += 1
        assert state.accounts().balanced
    assert state.accounts().dropped == {"refused": 512}
    assert asked <= 2 * SPLITS + 1


@pytest.mark.usefixtures("_cut")
@pytest.mark.parametrize("on_disk", [False, True])
def test_the_end_in_the_midst_of_a_split(tmp_path: Path, *, on_disk: bool) -> None:
    """What was delivered of a batch is not left to the next process; the rest is, each once."""
    spool = Spool(tmp_path)
    state = delivery(spool)
    state.add(batch(0, spans=8), 0.0)
    state.add(batch(1, spans=3), 0.0)
    if on_disk:
        state.backlog.spill()
    for verdict in (TOO_LARGE, TOO_LARGE, Verdict("delivered")):
        assert state.due(0.0)
        settled(state, verdict)
    assert state.due(0.0)
    state.backlog.finish()
    accounts = state.accounts()
    assert accounts.balanced
    assert (accounts.exported, accounts.queued, accounts.spooled) == (2, 0, 9)
    spool.close()
    heir = Spool(tmp_path)
    assert sorted(taken.spans for taken in iter(heir.pop, None)) == [2, 3, 4]
    heir.close()


@pytest.mark.usefixtures("_cut")
def test_an_outage_in_the_midst_of_a_split(spool: Spool) -> None:
    """The pieces go to the disk like anything else, before what is younger."""
    state = delivery(spool)
    state.add(batch(0, spans=4), 0.0)
    state.add(batch(1, spans=3), 0.0)
    for verdict in (TOO_LARGE, RETRY):
        assert state.due(0.0)
        settled(state, verdict)
    assert (state.accounts().queued, state.accounts().spooled) == (0, 7)
    spans = []
    while head := state.due(100.0):
        spans.append(head.batch.spans)
        settled(state, Verdict("delivered"), 100.0)
    assert spans == [2, 2, 3]
    assert state.accounts().exported == 7


def test_partial_success_is_said() -> None:
    """Rejected spans are counted and said."""
    state = delivery()
    state.add(batch(0, spans=4), 0.0)
    state.due(0.0)
    settled(state, Verdict("delivered", detail="too long", rejected=1))

    assert state.accounts().dropped == {"rejected": 1}
    assert state.accounts().failures == {}
    assert GUARD.counts() == {"sender": 1}


def test_transport_that_raises() -> None:
    """A batch on which the transport raises is tried five times."""
    state = delivery()
    state.add(batch(0), 0.0)
    now = 0.0
    for _ in range(5):
        now += 100.0
        assert number_of(state.due(now)) == 0
        settled(state, None, now)

    assert state.accounts().dropped == {"refused": 1}
    assert state.accounts().failures == {"error": 5}


FULL = Verdict("retry", "http_503", "no room", answered=True)


def failing(state: Delivery, times: int, verdict: Verdict = FULL) -> float:
    """Let the oldest batch fail so often; return when that was over."""
    now = 0.0
    for _ in range(times):
        now += 100.0
        assert number_of(state.due(now)) == 0
        settled(state, verdict, now)
    return now


def test_younger_batches_are_offered(spool: Spool) -> None:
    """Behind a receiver that answers that it cannot take the oldest, each of the others is tried once, at once."""
    state = delivery(spool)
    for number in range(3):
        state.add(batch(number), 0.0)
    now = failing(state, 3)
    tried = []
    for _ in range(2):
        assert state.left(now) == 0.0
        tried.append(number_of(head := state.due(now)))
        assert head is not None
        state.settle(head, FULL, 0.25, now)
    state.add(batch(3), now)
    tried.append(number_of(head := state.due(now)))
    assert head is not None
    state.settle(head, None, 0.25, now)

    assert tried == [1, 2, 3]
    assert state.due(now) is None
    assert number_of(state.due(now + 100.0)) == 0
    accounts = state.accounts()
    assert (accounts.exported, accounts.spooled, accounts.failures) == (0, 4, {"http_503": 3})
    assert accounts.balanced


def test_what_was_taken_is_not_sent_again(spool: Spool) -> None:
    """An offer that is taken says that there is room: the oldest is tried at once, and the taken one left out."""
    state = delivery(spool)
    for number in range(3):
        state.add(batch(number, spans=4), 0.0)
    now = failing(state, 3)
    offered = state.due(now)
    assert offered is not None
    state.settle(offered, Verdict("delivered", rejected=1), 0.25, now)
    turns = []
    while head := state.due(now):
        turns.append(number_of(head))
        settled(state, Verdict("delivered"), now)

    assert (number_of(offered), turns) == (1, [0, 2])
    accounts = state.accounts()
    assert (accounts.exported, accounts.dropped) == (11, {"rejected": 1})
    assert accounts.balanced
    assert not state.backlog.waiting


@pytest.mark.parametrize(
    ("verdict", "times"),
    [
        pytest.param(FULL, 2, id="twice"),
        pytest.param(Verdict("retry", "connection", "nobody"), 9, id="silence"),
        pytest.param(Verdict("retry", "http_503", "not now", retry_after=30.0, answered=True), 3, id="a pause"),
    ],
)
def test_nothing_is_offered(verdict: Verdict, times: int) -> None:
    """Order is kept where a failure may be over soon, where nobody answers, and where the receiver wants a pause."""
    state = delivery()
    for number in range(2):
        state.add(batch(number), 0.0)
    now = failing(state, times, verdict)

    assert state.due(now) is None
    assert state.left(now)


def test_offers_end_when_nobody_answers() -> None:
    """An offer that gets no answer is the last one; one that is refused is judged in its turn."""
    state = delivery()
    for number in range(4):
        state.add(batch(number), 0.0)
    now = failing(state, 3)
    for verdict in (Verdict("refused", "http_400", "bad"), Verdict("retry", "timeout", "silence")):
        head = state.due(now)
        assert head is not None
        state.settle(head, verdict, 0.25, now)

    assert state.due(now) is None
    assert state.accounts().dropped == {}


def test_verdict_that_comes_too_late() -> None:
    """What a shutdown has taken from the sender is not settled any more."""
    state = delivery()
    state.add(batch(0), 0.0)
    head = state.due(0.0)
    assert head is not None
    state.backlog.finish()
    state.settle(head, Verdict("delivered"), 0.25, 0.0)

    assert state.accounts().exported == 0
    assert state.accounts().balanced


def test_verdict_on_a_batch_that_the_disk_lost(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict on a batch that was lost meanwhile is not taken for one on the next."""
    state = delivery(spool)
    state.add(batch(0), 0.0)
    lost = state.due(0.0)
    assert lost is not None
    with monkeypatch.context() as patched:
        patched.setattr("ares_otel.pipeline.segments._load", lambda *_: None)
        state.backlog.spill()
    state.add(batch(1), 0.0)
    assert number_of(state.due(0.0)) == 1
    state.settle(lost, Verdict("delivered"), 0.25, 0.0)

    assert number_of(state.backlog.head) == 1
    assert state.accounts().exported == 0


def test_disk_that_cannot_be_read(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk cannot be read, nothing is due: younger batches do not overtake."""
    state = delivery(spool)
    state.backlog.add(batch(0), spill=True)
    state.backlog.add(batch(1), spill=False)
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "peek", lambda _: None)
        assert state.due(0.0) is None
    assert state.left(0.0) == 0.5
    assert number_of(state.due(0.5)) == 0

"""With `recorder.ring` nothing that a bot said is lost by `kill -9`, and nothing that is told of it is untrue."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from killing import judged, killed
from opentelemetry import trace
from setup_kit import Begin, Bot, decide, named, resources, shown, spans
from sink import Sink, free_port

import ares_otel as ares
from ares_otel import (
    Decision,
    Equity,
    ExchangeRequest,
    Order,
    OrderUpdate,
    PathStep,
    Regime,
    RiskCheck,
    Vote,
)
from ares_otel.config import load
from ares_otel.decision.sampling import KeepRule
from ares_otel.guard import GUARD
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.leftovers import claim
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup import active
from ares_otel.setup.outbox import Outbox
from ares_otel.setup.parts import make_ledger, make_sender
from ares_otel.setup.recovery import Recovered, recover

RING = "ares.setup(overrides={'recorder.ring': sys.argv[1], 'recorder.drain_interval': 60})\n"
RULE = KeepRule(5.0)


def again(ring: Path, sink: Sink, directory: Path) -> Recovered | None:
    """Deliver what is in a copy of a ring to a sink, as `ares-otel spool recover` does."""
    copy = directory / "copy.left-1"
    shutil.copy(ring, copy)
    overrides = {"state_directory": str(directory / "again"), "exporter.traces_endpoint": sink.url}
    config = load(environ={}, overrides=overrides).config
    sender = make_sender(config)
    assert isinstance(sender, Lanes)
    outbox = Outbox(config, Encoder({}), RECORDER, sender)
    ledger = make_ledger(config, "again")
    found = recover(copy, config, RULE, ledger, outbox)
    assert sender.flush(20.0)
    accounts = outbox.accounts()
    assert accounts.submitted == accounts.exported + sum(accounts.dropped.values())
    sender.shutdown(1.0)
    ledger.close()
    return found


def by_id(sink: Sink) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the spans that came by their ids."""
    return {(span["trace_id"], span["span_id"]): span for span in spans(sink)}


def say_much() -> None:
    """Say what a bot can say, in and around decisions, with values of all kinds."""
    tracer = trace.get_tracer("others", "1.2")
    with ares.decision(symbol="BTC", strategy="much", account="me@here", price=1.0, event_time=7) as d:
        with d.stage("analyst", {"large": 1 << 70, "odd": "\ud800", "list": (1.5, 2.5)}) as stage:
            ares.record(RiskCheck("inside", 0.1, 1.0))
            with tracer.start_as_current_span("GET", attributes={"http.status": 200}), ares.span("inner") as inner:
                inner.add_event("seen", {"what": True})
                inner.add_link(stage.get_span_context(), {"why": "because"})
        d.did("strategist", {"object": object})  # type: ignore[dict-item]
        d.regime(Regime("bull_trend", probabilities={"bull_trend": 0.5}))
        d.votes([("a", "buy", 0.5, 0.5), Vote("b", "sell", confidence=0.1, probabilities={"sell": 0.1})])
        d.path([PathStep("edge", 2.0, 1.0), PathStep("size", 2.0, 1.0)])
        d.risk([RiskCheck("size", 0.1, 1.0), RiskCheck("loss", 0.0, 1.0)])
        ares.record(ExchangeRequest("order", url="https://me:secret@venue.example/order?key=secret", duration=0.1))
        with d.order("one", side="buy", type="limit", quantity=1, price=2.0, account="other") as order:
            order.set_attribute("attempt", 2)
        d.order("two", side="sell", type="market", quantity=2)
        d.set_attribute("mine", "yes")
        d.resolve("buy", confidence=0.5)
    with (
        pytest.raises(KeyError),
        ares.decision(symbol="ETH", strategy="fails", correlation_id="given", causation_id="c"),
    ):
        raise KeyError("price")
    with d.stage("executor"):
        pass
    d.order("late", side="buy", type="market", quantity=1)
    ares.record(Equity(100.0, "USD"))
    ares.record(OrderUpdate("one", "filled", quantity=1, price=2.0, trade_id="t"))
    ares.record(Order("alone", "buy", "market", 1))
    ares.record(Decision("SOL", "afterwards", action="hold"))
    with ares.span("outside", {"x": 1}), ares.decision(strategy="within"):
        ares.record(Regime("sideways"))


def test_what_is_read_again_is_what_was_sent(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """The ring tells the same spans under the same ids as the bot itself did, whatever was said."""
    ring = tmp_path / "ring"
    begin(sink, recorder__ring=str(ring))
    say_much()
    copy = tmp_path / "written"
    shutil.copy(ring, copy)
    assert ares.flush(20.0)
    with Sink() as second:
        found = again(copy, second, tmp_path)
        assert found is not None
        assert (found.ended, found.aborted, found.damaged) == (4, 0, 0)
        sent, read = by_id(sink), by_id(second)
    # the SDK's spans outside of decisions are not kept; what the ledger makes of a report comes later than this copy
    assert sent.keys() == read.keys()
    for key, span in sent.items():
        if span["name"] == "order update":
            span["attributes"] = {name: span["attributes"][name] for name in read[key]["attributes"]}
        assert read[key] == span
    text = copy.read_bytes()
    assert b"secret" not in text
    assert b"me@here" not in text
    assert not GUARD.counts().keys() & {"ring", "worker RingedDecision"}


def test_ten_kills(tmp_path: Path, sink: Sink) -> None:
    """Ten bots are killed at random moments: each decision that began is told, as ended or as aborted."""
    found = killed(tmp_path, sink.url, 10, seed=1)
    assert found.delivered
    assert judged(found, spans(sink)) == []
    assert len(found.begun) >= 10
    assert not [path.name for path in tmp_path.iterdir() if ".left-" in path.name or path.suffix == ".ring"]


OPEN = (
    RING
    + """
decide(1)
with ares.decision(symbol="BTC", strategy="open") as d:
    with d.stage("analyst"):
        with ares.span("ended inside"):
            pass
        d.order("o-1", side="buy", type="market", quantity=1)
        os.kill(os.getpid(), signal.SIGKILL)
"""
)


def test_a_decision_that_was_open_is_aborted(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """The next start tells it with its order and marks it; a report that comes later finds the order; it is counted."""
    ring = tmp_path / "ring"
    assert Bot(OPEN, tmp_path, sink, str(ring)).end().status == -signal.SIGKILL
    assert spans(sink) == []
    url = begin(sink, recorder__ring=str(ring), ledger__directory=str(tmp_path / "ledger")).metrics_url
    ares.record(OrderUpdate("o-1", "filled", quantity=1, price=2.0))
    assert ares.flush(20.0)
    told = {span["attributes"]["ares.strategy"]: span for span in spans(sink) if span["name"] == "decision"}
    assert "ares.decision.aborted" not in told["s1"]["attributes"]
    assert told["open"]["attributes"]["ares.decision.aborted"] is True
    assert told["open"]["status"] == (2, "the process ended before it did")
    below = {span["name"]: span["parent_id"] for span in spans(sink) if span["trace_id"] == told["open"]["trace_id"]}
    assert below["ended inside"] == below["order submit"] == told["open"]["span_id"]
    assert "order update" in below
    killed_one = next(each for each in resources(sink) if each["service.instance.id"] != _me())
    assert killed_one["process.pid"] != os.getpid()
    assert shown(url, "ares_telemetry_recovered_total", ring_state="ended") == 1
    assert shown(url, "ares_telemetry_recovered_total", ring_state="aborted") == 1
    assert shown(url, "ares_telemetry_recovered_total", ring_state="damaged") == 0
    assert shown(url, "ares_telemetry_ring_refused_total") == 0
    held = shown(url, "ares_telemetry_ring_bytes")
    assert held is not None
    assert held >= 0
    assert ares.shutdown(20.0)
    assert not ring.exists()


def _me() -> object:
    telemetry = active()
    assert telemetry is not None
    return telemetry.resource["service.instance.id"]


REPORTED = (
    RING
    + """
from ares_otel import OrderUpdate
with ares.decision(symbol="BTC", strategy="fills", price=1.5) as d:
    d.order("o-1", side="buy", type="limit", quantity=3.0, price=2.0, account="me@here")
ares.record(OrderUpdate("o-1", "new"))
ares.record(OrderUpdate("o-1", "partially_filled", quantity=1.0, price=1.9, fee=0.1, trade_id="t-1"))
ares.record(OrderUpdate("o-1", "filled", quantity=2.0, price=2.0, fee=0.1, trade_id="t-2"))
if sys.argv[2] == "booked":
    assert not ares.flush(0.5)
os.kill(os.getpid(), signal.SIGKILL)
"""
)


@pytest.mark.parametrize("how", ["booked", "not booked"])
def test_a_report_is_told_with_its_figures(begin: Begin, sink: Sink, tmp_path: Path, how: str) -> None:
    """Whether the ledger had it before the kill or not: what it means is known, and it counts once, also later."""
    ring = tmp_path / "ring"
    nowhere = f"http://127.0.0.1:{free_port()}/v1/traces"
    environ = {"ARES_OTEL_SPOOL_ENABLED": "false", "ARES_OTEL_LEDGER_DIRECTORY": str(tmp_path / "ledger")}
    assert Bot(REPORTED, tmp_path, nowhere, str(ring), how, **environ).end().status == -signal.SIGKILL
    url = begin(sink, recorder__ring=str(ring), ledger__directory=str(tmp_path / "ledger")).metrics_url
    assert ares.flush(20.0)
    told = [span["attributes"] for span in spans(sink) if span["name"] == "order update"]
    assert [each["ares.order.status"] for each in told] == ["new", "partially_filled", "filled"]
    assert [each.get("ares.order.cum_quantity") for each in told] == [0.0, 1.0, 3.0]
    assert [each.get("ares.order.leaves_quantity") for each in told] == [3.0, 2.0, 0.0]
    assert [each.get("ares.order.prior_status") for each in told[1:]] == ["new", "partially_filled"]
    assert {each["ares.order.side"] for each in told} == {"buy"}
    assert not any("ares.order.duplicate" in each for each in told)
    assert {each["ares.strategy"] for each in told} == {"fills"}
    assert len({span["trace_id"] for span in spans(sink)}) == 1
    notional = shown(url, "ares_filled_notional_total")
    assert notional == pytest.approx(5.9 if how == "not booked" else 0.0) or (how == "booked" and notional is None)
    ares.record(OrderUpdate("o-1", "filled", quantity=2.0, price=2.0, fee=0.1, trade_id="t-2"))
    assert ares.flush(20.0)
    again = [span["attributes"] for span in spans(sink) if span["name"] == "order update"][-1]
    assert again["ares.order.duplicate"] is True


def test_what_an_open_decision_said_is_there_after_a_round(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """The worker writes what it said since; a new segment has all of it again, though the old one is released."""
    ring = tmp_path / "ring"
    begin(sink, recorder__ring=str(ring), recorder__ring_bytes=1 << 20)
    with ares.decision(strategy="open") as d:
        d.did("analyst")
        assert ares.flush(20.0)
        for number in range(3_000):
            decide(ares, str(number))
            if number % 500 == 0:
                assert ares.flush(20.0)
        d.did("strategist")
        assert ares.flush(20.0)
        assert ares.flush(20.0)  # what was acknowledged is released in the next round
        with Sink() as second:
            found = again(ring, second, tmp_path)
            assert found == Recovered(0, 1, 0, 0)
            assert {span["name"] for span in spans(second)} == {"decision", "analyst", "strategist"}
    telemetry = active()
    assert telemetry is not None
    assert RECORDER.ring is not None
    assert RECORDER.ring.refused == 0


def test_what_the_time_limit_closed_is_no_aborted_one(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """It ended for the ring, too, as what it is; its real end says nothing more."""
    ring = tmp_path / "ring"
    begin(sink, recorder__ring=str(ring), correlation__timeout=0.01)
    d = ares.decision(strategy="left open")
    d.__enter__()
    while not ares.flush(20.0) or named(sink) != ["left open"]:
        pass
    with Sink() as second:
        assert again(ring, second, tmp_path) == Recovered(1, 0, 0, 0)
        (told,) = spans(second)
        assert told == spans(sink)[0]
        assert told["attributes"]["ares.decision.abandoned"] is True
    assert ares.flush(20.0)
    with Sink() as second:
        assert again(ring, second, tmp_path) == Recovered(0, 0, 0, 0)
    d.__exit__(None, None, None)
    assert ares.flush(20.0)
    assert named(sink) == ["left open"]


def test_what_was_delivered_is_not_sent_again(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """After a flush nothing is left to recover; what came after it is."""
    ring = tmp_path / "ring"
    begin(sink, recorder__ring=str(ring))
    decide(ares, "one")
    assert ares.flush(20.0)
    assert ares.flush(20.0)  # a round after the acknowledgement has released it
    decide(ares, "two")
    with Sink() as second:
        assert again(ring, second, tmp_path) == Recovered(1, 0, 0, 0)
        assert named(second) == ["two"]


def test_a_full_ring_costs_nothing_but_safety(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """More than it holds between two rounds: all arrives, what it refused is counted, and nobody is called aborted."""
    ring = tmp_path / "ring"
    url = begin(sink, recorder__ring=str(ring), recorder__ring_bytes=1 << 20).metrics_url
    text = "x" * 2_000
    for number in range(1_000):
        with ares.decision(strategy=str(number)) as d:
            d.did("analyst", {"text": text})
    copy = tmp_path / "full"
    shutil.copy(ring, copy)
    assert ares.flush(60.0)
    assert len(named(sink)) == 1_000
    refused = shown(url, "ares_telemetry_ring_refused_total")
    assert refused
    with Sink() as second:
        found = again(copy, second, tmp_path)
        assert found is not None
        assert found.ended + refused == 1_000
        assert found.aborted == 0


def test_a_second_process_has_none(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """It says so, runs without one, and leaves that of the first alone."""
    ring = tmp_path / "ring"
    begin(sink, recorder__ring=str(ring))
    ended = Bot(RING + "decide(2)\nos._exit(0 if ares.flush(20) else 1)", tmp_path / "other", sink, str(ring)).end()
    assert ended.status == 0, ended.errors
    assert "is used by another process; this one has none: give each a path of its own" in ended.errors
    assert named(sink) == ["s2"]
    assert ring.exists()
    assert RECORDER.ring is not None


@pytest.mark.parametrize("content", [b"not a ring", b"ARESRING" + b"\x63" + bytes(70_000)], ids=["other", "version"])
def test_a_file_of_somebody_else(begin: Begin, sink: Sink, tmp_path: Path, content: bytes) -> None:
    """It is moved aside, whole, with a warning, and the bot has a ring of its own."""
    ring = tmp_path / "ring"
    ring.write_bytes(content)
    begin(sink, recorder__ring=str(ring))
    decide(ares, "one")
    assert ares.flush(20.0)
    assert named(sink) == ["one"]
    assert RECORDER.ring is not None
    assert [path.read_bytes() for path in tmp_path.glob("ring.damaged-*")] == [content]
    assert GUARD.counts()["ring"] == 1


@pytest.mark.parametrize("where", ["file/ring", "folder"])
def test_a_path_that_cannot_be(begin: Begin, sink: Sink, tmp_path: Path, where: str) -> None:
    """The bot runs without a ring, and says so once."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.lock").mkdir()
    begin(sink, recorder__ring=str(tmp_path / where))
    decide(ares, "one")
    assert ares.flush(20.0)
    assert named(sink) == ["one"]
    assert RECORDER.ring is None
    assert GUARD.counts()["ring"] == 1


def test_a_ring_whose_file_vanished(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """Somebody deletes it while the bot runs: nothing of the bot's or of what it sends is different."""
    ring = tmp_path / "ring"
    begin(sink, recorder__ring=str(ring))
    decide(ares, "one")
    ring.unlink()
    decide(ares, "two")
    assert ares.shutdown(20.0)
    assert named(sink) == ["one", "two"]


def test_without_an_exporter_there_is_none(begin: Begin, tmp_path: Path) -> None:
    """Nothing is sent, so nothing has to outlive the process; that is said."""
    begin(recorder__ring=str(tmp_path / "ring"))
    decide(ares, "one")
    assert RECORDER.ring is None
    assert list(tmp_path.glob("ring*")) == []
    assert GUARD.counts()["ring"] == 1


FORKS = (
    RING
    + """
with ares.decision(symbol="BTC", strategy="parent") as d:
    child = os.fork()
    if not child:
        decide("child")
        os._exit(0 if ares.shutdown(20) else 1)
    assert os.waitpid(child, 0)[1] == 0
    d.did("analyst")
os.kill(os.getpid(), signal.SIGKILL)
"""
)


def test_a_fork_leaves_the_ring_with_the_parent(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """What the child does is not in it, and the child's end leaves it where it is."""
    ring = tmp_path / "ring"
    options = ("-W", "ignore::DeprecationWarning")
    assert Bot(FORKS, tmp_path, sink, str(ring), options=options).end().status == -signal.SIGKILL
    assert named(sink) == ["schild"]
    begin(sink, recorder__ring=str(ring))
    assert ares.flush(20.0)
    assert named(sink) == ["parent", "schild"]
    assert "analyst" in {span["name"] for span in spans(sink)}


def test_a_collector_that_is_down_leaves_it_to_the_spool(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """What is in the spool is released from the ring: the file goes at the end, and nothing arrives twice."""
    ring = tmp_path / "ring"
    with Sink() as closed:
        nowhere = closed.url
    begin(recorder__ring=str(ring), exporter__enabled=True, exporter__traces_endpoint=nowhere)
    decide(ares, "one")
    assert not ares.shutdown(0.5)
    assert not ring.exists()
    begin(sink, recorder__ring=str(ring))
    assert ares.flush(20.0)
    assert named(sink) == ["one"]


def test_without_a_spool_it_stays_in_the_ring(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """What could not be delivered at the end is lost to this process, is counted, and arrives at the next start."""
    ring = tmp_path / "ring"
    with Sink() as closed:
        nowhere = closed.url
    begin(recorder__ring=str(ring), spool__enabled=False, exporter__enabled=True, exporter__traces_endpoint=nowhere)
    decide(ares, "one")
    assert not ares.shutdown(0.5)
    assert ring.exists()
    begin(sink, recorder__ring=str(ring), spool__enabled=False)
    assert ares.flush(20.0)
    assert named(sink) == ["one"]


def test_objects_that_fail_are_text(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """A value whose text cannot be had costs neither the decision nor the bot."""

    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    begin(sink, recorder__ring=str(tmp_path / "ring"))
    loop: dict[str, Any] = {}
    loop["self"] = loop
    with ares.decision(strategy="odd") as d:
        d.did("analyst", {"odd": Odd(), "loop": loop, "large": 1 << 200})  # type: ignore[dict-item]
    with Sink() as second:
        found = again(tmp_path / "ring", second, tmp_path)
        assert found is not None
        assert found.ended == 1
        assert {span["name"] for span in spans(second)} == {"decision", "analyst"}


def test_the_server_reads_it_just_now(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """What another process is reading is delivered by that one; this one books it when its name says that it was."""
    ring = tmp_path / "ring"
    assert Bot(OPEN, tmp_path, sink, str(ring)).end().status == -signal.SIGKILL
    left = ring.with_name("ring.left-00000000000000000001")
    ring.rename(left)
    held = claim(left)
    assert held is not None
    begin(sink, recorder__ring=str(ring))
    assert ares.flush(20.0)
    assert named(sink) == []
    assert left.exists()
    left.rename(left.with_name(left.name + ".sent"))
    os.close(held)
    assert ares.flush(20.0)
    assert named(sink) == []
    telemetry = active()
    assert telemetry is not None
    assert telemetry.ledger.where("o-1") is not None
    assert list(tmp_path.glob("ring.left-*")) == []


def test_what_another_process_has_delivered_meanwhile(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """A ring that is gone when its turn comes is nobody's business any more."""
    ring = tmp_path / "ring"
    assert Bot(OPEN, tmp_path, sink, str(ring)).end().status == -signal.SIGKILL
    begin(sink)
    telemetry = active()
    assert telemetry is not None
    telemetry.ring._left = [tmp_path / "ring.left-1"]
    assert ares.flush(20.0)
    assert not telemetry.ring.is_behind

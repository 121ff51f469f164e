"""Bots that are killed at random moments while they decide, and what must be known of their decisions afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Killed", "judged", "killed"]

PATIENCE = 600.0
NURSERY = """
import json, os, random, signal, sys, time
import ares_otel as ares
from ares_otel import OrderUpdate, Regime, RiskCheck, Vote
from ares_otel.setup import provider, telemetry  # once, for all of them

settings, kills, seed, row = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
draw = random.Random(seed)
EACH, begun = 6, [0]


def bot(number, out):
    ares.setup(overrides=settings)
    count = 0
    while True:
        name = f"{row}-{number}-{count}"
        with ares.decision(symbol="BTC", strategy=name) as d:
            os.write(out, f"begun {name}\\n".encode())
            with d.stage("analyst", {"count": count}):
                d.regime(Regime("bull_trend", confidence=0.8))
                time.sleep(draw.choice((0.0, 0.002)))
            d.did("strategist")
            d.votes([("a", "buy", 0.5, 0.5), Vote("b", "sell", confidence=0.1)])
            d.risk([RiskCheck("size", 0.1, 1.0), RiskCheck("loss", 0.0, 1.0)])
            d.resolve("buy", confidence=0.7)
            with d.order(f"o-{name}", side="buy", type="market", quantity=1.0):
                os.write(out, f"sent {name}\\n".encode())
                time.sleep(draw.choice((0.0, 0.005)))
        os.write(out, f"ended {name}\\n".encode())
        ares.record(OrderUpdate(f"o-{name}", "filled", quantity=1.0, price=2.0, trade_id=f"t-{name}"))
        os.write(out, f"filled {name}\\n".encode())
        count += 1
        time.sleep(draw.choice((0.0, 0.001, 0.01)))


def once(number):
    inside, outside = os.pipe()
    child = os.fork()
    if not child:
        os.close(inside)
        bot(number, outside)
    os.close(outside)
    said = [os.read(inside, 1)]  # it has begun
    time.sleep(draw.uniform(0.0, 0.25))
    while begun[0] + b"".join(said).count(b"egun ") < number * EACH:  # a busy machine: it has some more time
        said.append(os.read(inside, 1 << 16))
        time.sleep(draw.uniform(0.0, 0.01))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    while part := os.read(inside, 1 << 16):
        said.append(part)
    os.close(inside)
    begun[0] += b"".join(said).count(b"egun ")
    return b"".join(said).decode().splitlines()


said = [line.split() for number in range(kills) for line in once(number)]
# a line that the kill has cut off says nothing
said = [line for line in said if len(line) == 2 and line[0] in ("begun", "sent", "ended", "filled")]
ares.setup(overrides=settings)
delivered = ares.shutdown(60.0)
print(json.dumps([said, delivered]))
"""


class Killed(NamedTuple):
    """What bots said before they were killed, by the names of their decisions; whether the last one delivered all."""

    begun: frozenset[str]
    sent: frozenset[str]
    ended: frozenset[str]
    filled: frozenset[str]
    delivered: bool


def killed(directory: Path, endpoint: str, kills: int, seed: int, *, rows: int = 1) -> Killed:
    """Let so many bots decide and kill each at a random moment; then let one deliver all.

    They stand in rows that run at the same time: in each, with a ring and a state of its own, a bot begins when the one
    before it was killed. A bot mostly waits for the next moment, so several rows take little longer than one.
    """
    with ThreadPoolExecutor(rows) as pool:
        running = [pool.submit(_row, directory, endpoint, kills // rows, seed, row) for row in range(rows)]
        found = [each.result() for each in running]
    lines = [line for said, _ in found for line in said]
    of = {word: frozenset(name for told, name in lines if told == word) for word in Killed._fields[:4]}
    return Killed(**of, delivered=all(delivered for _, delivered in found))


def _row(directory: Path, endpoint: str, kills: int, seed: int, row: int) -> tuple[list[list[str]], bool]:
    """Run one row in a process of its own; return what its bots said, and whether the last one delivered all."""
    settings = {
        "exporter.traces_endpoint": endpoint,
        "state_directory": str(directory / f"state{row}"),
        "recorder.ring": str(directory / f"bot{row}.ring"),
        "recorder.drain_interval": 0.05,
        "metrics.enabled": False,
    }
    words = [sys.executable, "-c", NURSERY, json.dumps(settings), str(kills), str(seed + row), str(row)]
    run = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr
    said, delivered = json.loads(run.stdout.splitlines()[-1])
    return said, delivered


def judged(found: Killed, spans: list[dict[str, Any]]) -> list[str]:
    """Return what is wrong with the spans that arrived: what is lost, told twice in different ways, or not true."""
    by_id: dict[tuple[str, str], dict[str, Any]] = {}
    wrong = []
    for span in spans:
        before = by_id.setdefault((span["trace_id"], span["span_id"]), span)
        if _content(span, before) != _content(before, span):
            wrong.append(f"{span['name']} told in two ways: {span} and {before}")
    decisions = {span["attributes"]["ares.strategy"]: span for span in by_id.values() if span["name"] == "decision"}
    aborted = {name for name, span in decisions.items() if span["attributes"].get("ares.decision.aborted")}
    resolved = {name for name, span in decisions.items() if span["attributes"].get("ares.action") == "buy"}
    orders = {span["attributes"]["ares.strategy"] for span in by_id.values() if span["name"] == "order submit"}
    fills = {span["attributes"].get("ares.strategy") for span in by_id.values() if span["name"] == "order update"}
    wrong += [f"{name} is lost" for name in sorted(found.begun - decisions.keys())]
    wrong += [f"{name} had ended and is aborted" for name in sorted(found.ended & aborted)]
    wrong += [f"{name} had ended and is not resolved" for name in sorted(found.ended - resolved)]
    wrong += [f"{name} neither ended nor aborted" for name in sorted(decisions.keys() - resolved - aborted)]
    wrong += [f"the order of {name} is lost" for name in sorted(found.sent - orders)]
    wrong += [f"the fill of {name} is lost" for name in sorted(found.filled - fills)]
    votes = [len([event for event in decisions[name]["events"] if event[0] == "vote"]) for name in resolved]
    return wrong + [f"a decision with {number} votes" for number in votes if number != 2]


def _content(span: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return what two tellings of a span must agree in.

    A process that delivers a report for a killed one may itself be killed between the ledger's commit and the removal
    of the ring: then the ledger takes the report for one that it knows, and what it makes of it is left out.
    """
    said = dict(span)
    if span["name"] == "order update":
        derived = span["attributes"].keys() ^ other["attributes"].keys()
        assert all(name.startswith("ares.order.") for name in derived), derived
        if "ares.order.duplicate" in derived:
            kept = span["attributes"].keys() & other["attributes"].keys() - {"ares.order.prior_status"}
            said["attributes"] = {name: value for name, value in span["attributes"].items() if name in kept}
    return said

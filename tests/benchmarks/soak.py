"""`make soak-hour`: a bot at 500 decisions a second for an hour: memory, threads, files, and where every span went.

The bot is a process of its own (`soak_bot.py`), set up as any bot is; the receiver counts what arrives; the page is
scraped every fifteen seconds, as Prometheus does, and the accounts have to add up in each. What is asked for is at the
end of `judged`; the status says whether it held. `--minutes 5` is a short one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from balance import Balance, balance
from listening import Listening
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["main"]

SCRAPE = 15.0
WARM_MINUTES = 5.0
WARM_SHARE = 0.4  # of a run that is too short for five minutes
FLAT = 2.0
LASTING = 20  # samples, five minutes: what is open in all of them was not open for a moment only
LEDGER = "10000"  # so that its bound is reached within the first five minutes
MIB = 1024.0
TELLING = "ares_otel.telemetry"
BOT = Path(__file__).with_name("soak_bot.py")


class Receiver(BaseHTTPRequestHandler):
    """Counts spans by scope."""

    protocol_version = "HTTP/1.1"
    counts: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        """Take a request of spans."""
        body = self.rfile.read(int(self.headers["content-length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.counts[scope.scope.name] += len(scope.spans)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


class Sample(NamedTuple):
    """The bot at one moment: minutes since its start, resident memory in MiB, threads, open files, CPU seconds."""

    minute: float
    memory: float
    threads: int
    files: int
    cpu: float


def sample(pid: int, started: float) -> Sample:
    """Read what the system knows of a process."""
    home = Path(f"/proc/{pid}")
    status = dict(line.split(":\t", 1) for line in (home / "status").read_text().splitlines() if ":\t" in line)
    times = (home / "stat").read_text().rpartition(")")[2].split()
    return Sample(
        (time.monotonic() - started) / 60,
        int(status["VmRSS"].split()[0]) / MIB,
        int(status["Threads"]),
        len(list((home / "fd").iterdir())),
        (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK"),
    )


class Bot:
    """The bot, in a directory of its own."""

    def __init__(self, home: Path, url: str, rate: float) -> None:
        around = {
            "ARES_OTEL_STATE_DIRECTORY": str(home),
            "ARES_OTEL_METRICS_PORT": "0",
            "ARES_OTEL_LEDGER_LIMIT": LEDGER,
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        }
        command = [sys.executable, "-W", "error", str(BOT), str(rate)]
        self.process = subprocess.Popen(
            command, env={**os.environ, **around}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = str(self.said()["url"])

    def said(self) -> dict[str, Any]:
        """Return what it says next."""
        assert self.process.stdout is not None
        found: dict[str, Any] = json.loads(self.process.stdout.readline())
        return found

    def go_on(self) -> None:
        """Tell it that what it waits for has come."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


class Run(NamedTuple):
    """What was measured."""

    samples: list[Sample]
    balances: list[Balance]
    made: dict[str, Any]
    last: Balance
    received: Counter[str]
    ended: bool
    status: int


def run(home: Path, rate: float, minutes: float) -> Run:
    """Let the bot decide for that long."""
    samples, balances = [], []
    with Listening(Receiver) as server:
        bot = Bot(home, server.url, rate)
        started = time.monotonic()
        while (now := time.monotonic()) < started + 60 * minutes:
            balances.append(balance(bot.url))
            samples.append(sample(bot.process.pid, started))
            show(samples[-1], balances[-1])
            time.sleep(min(SCRAPE, max(0.0, started + 60 * minutes - now)))
        bot.go_on()
        made = bot.said()
        last = settled(bot.url)
        received = Counter(Receiver.counts)
        bot.go_on()
        ended = bot.said()["ended"]
        return Run(samples, balances, made, last, received, ended, bot.process.wait(60))


def settled(url: str) -> Balance:
    """Return the accounts once nothing waits; a scrape itself may let the telemetry say a word about itself."""
    end = time.monotonic() + SCRAPE
    while (found := balance(url)).queued and time.monotonic() < end:
        time.sleep(0.05)
    return found


def show(now: Sample, accounts: Balance) -> None:
    """Say what was seen."""
    sys.stdout.write(
        f"[{now.minute:5.1f} min] {now.memory:.1f} MiB, {now.threads} threads, {now.files} files, "
        f"CPU {now.cpu:.0f} s; {accounts}\n"
    )
    sys.stdout.flush()


def judged(done: Run, minutes: float) -> dict[str, bool]:
    """Return what was asked for, and whether it held; prints the figures."""
    warm = min(WARM_MINUTES, WARM_SHARE * minutes)
    flat = [each for each in done.samples if each.minute >= warm]
    first, last = flat[0], flat[-1]
    growth = max(each.memory for each in flat) - first.memory
    spans = done.received[TELLING] + done.made["spans"]
    share = (last.cpu - first.cpu) / (60 * (last.minute - first.minute)) if len(flat) > 1 else float("nan")
    sys.stdout.write(
        f"{done.made['decisions']} decisions, {spans} spans in {minutes:g} minutes; {share:.1%} of a core; after "
        f"{warm:g} minutes memory went from {first.memory:.2f} to {last.memory:.2f} MiB (highest {growth:+.2f}), "
        f"threads {first.threads} to {last.threads}, files {first.files} to {last.files}; "
        f"{len(done.balances)} scrapes\n"
        f"at the end: {done.last}; {sum(done.received.values())} arrived\n"
    )
    return {
        f"memory is flat within {FLAT:g} MiB": growth <= FLAT,
        "no thread more": max(each.threads for each in flat) <= first.threads,
        "no open file more in the end": min(each.files for each in flat[-LASTING:]) <= first.files,
        "no open file more but a scrape's and one that is written": max(each.files for each in flat) <= first.files + 2,
        "accounts add up in each scrape": all(each.holds for each in [*done.balances, done.last]),
        "every span was recorded": done.last.recorded == spans,
        "every span was acknowledged": done.last.exported == spans and done.made["flushed"],
        "every span arrived": sum(done.received.values()) == spans,
        "nothing was lost": done.last.lost == 0,
        "it ended well": done.ended and done.status == 0,
    }


def main() -> int:
    """Run, and say what held."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=500.0, help="decisions a second")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ares-soak-") as home:
        found = judged(run(Path(home), given.rate, given.minutes), given.minutes)
    for what, held in found.items():
        sys.stdout.write(f"{'yes' if held else 'NO ':3} {what}\n")
    return 0 if all(found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

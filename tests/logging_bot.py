"""A bot in a process of its own that logs within a decision, with secrets where bots have them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["SECRETS", "STORM_RECORDS", "Logged", "run_bot", "run_storm"]

DEADLINE = 60.0
BOT = """
import json, logging, sys
import ares_otel as ares

logging.basicConfig(level="INFO", stream=sys.stderr)
LOG = logging.getLogger("bot.risk")
with ares.setup() as handle:
    LOG.info("awake")
    with ares.decision(symbol="ETHUSDT", strategy="momentum", venue="paper") as d:
        with d.stage("analyst") as stage:
            LOG.warning("spread of %s bp is wide", 14, extra={"api_key": "abcdef123456"})
            try:
                raise ConnectionError("https://joe:hunter2@venue/book")
            except ConnectionError:
                LOG.exception("no book with Bearer s3cretvalue")
        d.resolve("hold")
    where = stage.get_span_context()
    ids = (d.correlation_id, f"{where.trace_id:032x}", f"{where.span_id:016x}")
    print(json.dumps([*ids, ares.flush(float(sys.argv[1]))]))
"""
STORM = """
import json, logging, urllib.request
import ares_otel as ares
handle = ares.setup()
log = logging.getLogger("bot")
log.setLevel("INFO")
traces = []
for number in range(10):
    for line in range(2_000):
        log.info("storm %d %d", number, line)
    with ares.decision(symbol="ETHUSDT", strategy="momentum", venue="paper") as d:
        d.resolve("hold")
    traces.append(f"{d.trace_id:032x}")
ares.flush(30)
page = urllib.request.urlopen(handle.metrics_url).read().decode()
lost = [line for line in page.splitlines() if line.startswith("ares_telemetry_dropped_logs_total{")]
print(json.dumps([traces, sum(float(line.split()[-1]) for line in lost)]))
ares.shutdown(5)
"""
STORM_RECORDS = 20_000
SECRETS = ("abcdef123456", "hunter2", "s3cretvalue")


class Logged(NamedTuple):
    """What the bot says of its decision.

    Attributes:
        correlation: its correlation id.
        trace: its trace id.
        span: id of the span in which it logged twice.
        sent: whether everything was delivered.
    """

    correlation: str
    trace: str
    span: str
    sent: bool


def run_bot(directory: Path, endpoint: str, wait: float = 20.0, /, **environ: str) -> Logged:
    """Run the bot to its end."""
    return Logged(*_said(directory, endpoint, BOT, str(wait), **environ))


def run_storm(directory: Path, endpoint: str, **environ: str) -> tuple[list[str], int]:
    """Let a bot log far more than waits for the worker, between ten decisions.

    Returns:
        The trace ids of the decisions, and how many of the log records were not counted as dropped.
    """
    traces, lost = _said(directory, endpoint, STORM, ARES_OTEL_LOGS_QUEUE_LIMIT="500", **environ)
    return traces, STORM_RECORDS - int(lost)


def _said(directory: Path, endpoint: str, script: str, *arguments: str, **environ: str) -> Any:
    given = {
        **os.environ,
        "XDG_STATE_HOME": str(directory / "state"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_LOGS_EXPORTER": "otlp",
        "ARES_OTEL_METRICS_PORT": "0",
        **environ,
    }
    line = [sys.executable, "-c", script, *arguments]
    ended = subprocess.run(line, env=given, check=False, capture_output=True, text=True, timeout=DEADLINE)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)

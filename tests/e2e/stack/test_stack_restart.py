"""An order that outlives its bot: sent by one process, answered and filled in the next, found with its decision."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest
from stack_kit import Tempo, until
from tempo import NOT_RUN
from whole_kit import Stack

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.enums import OrderStatus

SENDS = """
import json, sys
import ares_otel as ares
ares.setup()
with ares.decision(symbol="ETHUSDT", strategy="patient", venue="binance", price=3000.0) as d:
    d.resolve("buy", confidence=0.6, threshold=0.5)
    d.order(sys.argv[1], side="buy", type="limit", quantity=1.0, price=3000.0, currency="USDT")
span = format(d.get_span_context().span_id, "016x")
print(json.dumps([d.correlation_id, f"{d.trace_id:032x}", span, bool(ares.flush(20))]), flush=True)
sys.stdin.read()
"""
HEARS = """
import sys
import ares_otel as ares
with ares.setup():
    ares.record(ares.OrderUpdate(sys.argv[1], "new"))
    ares.record(ares.OrderUpdate(sys.argv[1], "partially_filled", quantity=0.4, price=3000.0, trade_id="t1"))
    ares.record(ares.OrderUpdate(sys.argv[1], "filled", quantity=0.6, price=2999.5, trade_id="t2"))
    sys.exit(0 if ares.flush(20) else "not all was delivered")
"""
UPDATES = Counter(map(str, (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)))


class Sent(NamedTuple):
    """What the first process said of its decision: ids as Tempo writes them, and whether all was delivered."""

    correlation_id: str
    trace_id: str
    span_id: str
    delivered: bool


def sent_and_ended(around: dict[str, str], order: str, *, killed: bool) -> Sent:
    """Let a bot send an order and end: by itself, or by `kill -9`."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", SENDS, order], env=around, **pipes) as bot:
        assert bot.stdout
        said = Sent(*json.loads(bot.stdout.readline()))
        if killed:
            bot.kill()
        bot.communicate()
    assert bot.returncode == (-signal.SIGKILL if killed else 0)
    return said


def told(span: dict[str, Any]) -> dict[str, str]:
    """Return the attributes of a span that are texts."""
    return {each["key"]: each["value"]["stringValue"] for each in span["attributes"] if "stringValue" in each["value"]}


def statuses(tempo: Tempo, trace_id: str) -> Counter[str]:
    """Count the execution reports in a trace by the state that they told of."""
    return Counter(told(one)[a.STATUS.key] for one in tempo.trace(trace_id) if one["name"] == s.ORDER_UPDATE.name)


def in_tempo(tempo: Tempo, sent: Sent, order: str) -> None:
    """Assert that the later reports are in the decision's trace, lead to it, and are found by its correlation id."""
    until(lambda: statuses(tempo, sent.trace_id) == UPDATES, what="all reports are in the trace of the decision")
    spans = tempo.trace(sent.trace_id)
    (decision,) = (one for one in spans if one["name"] == s.DECISION.name)
    reports = [one for one in spans if one["name"] == s.ORDER_UPDATE.name]
    assert {told(one)[a.CLIENT_ID.key] for one in reports} == {order}
    assert {link["spanId"] for one in reports for link in one["links"]} == {decision["spanId"]}
    filled = f'span.{a.CORRELATION_ID.key} = "{sent.correlation_id}" && span.{a.STATUS.key} = "{OrderStatus.FILLED}"'
    until(lambda: tempo.search(f"{{ {filled} }}") == [sent.trace_id], what="TraceQL finds the fill by correlation id")


def on_the_server(url: str, sent: Sent, order: str) -> None:
    """Assert that the ares server tells the fills with the decision, by each of its ids and the order's."""
    for known in (sent.correlation_id, sent.trace_id, order):
        with urlopen(f"{url}/api/v1/stories/{known}", timeout=30) as answer:
            (story,) = json.loads(answer.read())
        assert story["decision"]["action"] == "buy"
        assert (story["trace_id"], story["correlation_id"]) == (sent.trace_id, sent.correlation_id)
        (found,) = story["orders"]
        assert Counter(update["status"] for update in found["updates"]) == UPDATES
        assert sum(update["quantity"] or 0 for update in found["updates"]) == 1.0


@pytest.mark.parametrize("killed", [False, True], ids=["ended", "killed"])
def test_order_filled_after_a_restart(stack: Stack, tmp_path: Path, *, killed: bool) -> None:
    """What the next process hears of the order belongs to the decision of the one before, in Tempo and in Ares."""
    order = f"patient-order-{killed}"
    around = {
        **os.environ,
        "ARES_OTEL_EXPORTER_ENDPOINT": stack.collector.http,
        "ARES_OTEL_EXPORTER_HEADERS_FILE": str(stack.headers),
        "ARES_OTEL_METRICS_ENABLED": "false",
        "ARES_OTEL_SERVICE_NAME": "kit-patient",
        "ARES_OTEL_STATE_DIRECTORY": str(tmp_path / "state"),
    }
    sent = sent_and_ended(around, order, killed=killed)
    assert sent.delivered

    heard = subprocess.run(
        [sys.executable, "-c", HEARS, order], env=around, capture_output=True, text=True, check=False
    )

    assert heard.returncode == 0, heard.stderr
    until(lambda: reported(stack.server.url, order) == UPDATES, what="all reports are stored")
    on_the_server(stack.server.url, sent, order)
    if stack.tempo is None:
        pytest.skip(NOT_RUN)
    in_tempo(stack.tempo, sent, order)


def reported(url: str, order: str) -> Counter[str]:
    """Count the reports of an order that the ares server has, by state."""
    with urlopen(f"{url}/api/v1/stories/{order}", timeout=30) as answer:
        stories = json.loads(answer.read())
    return Counter(update["status"] for story in stories for each in story["orders"] for update in each["updates"])

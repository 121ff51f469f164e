"""What the tests of the ledger share: examined records, and ledgers that are closed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import ares_otel
from ares_otel.orders import Ledger
from ares_otel.orders.known import Known
from ares_otel.records import Order, OrderUpdate, examine
from ares_otel.records.facts import Origin, UpdateFacts

SECOND = 10**9
WALL = time.time_ns()
ORIGIN = Origin(
    trace_id=0x0190_0000_0000_7000_8000_0000_0000_0001,
    span_id=0xB2,
    decision_span_id=0xA1,
    correlation_id="0190a0b0-0000-7000-8000-000000000001",
    decision_id="0190a0b0-0000-7000-8000-000000000002",
    causation_id="0190a0b0-0000-7000-8000-000000000003",
    strategy="momentum",
    symbol="ETHUSDT",
    venue="binance",
    started=5,
    exemplar="0190000000007000800000000000000001",
)


def order(client_id: str = "c1", **fields: Any) -> Order:
    """Return an examined limit order to buy 10 at 100, mid 100 on arrival."""
    words: dict[str, Any] = {"side": "buy", "type": "limit", "currency": "USDT"}
    figures: dict[str, Any] = {"quantity": 10, "price": 100, "arrival_mid": 100}
    return examine(Order(client_id=client_id, **(words | figures | fields)))[0]


def update(status: str | None, client_id: str = "c1", **fields: Any) -> OrderUpdate:
    """Return an examined execution report."""
    given: Any = status
    return examine(OrderUpdate(client_id=client_id, status=given, **fields))[0]


def sent(ledger: Ledger, client_id: str = "c1", **fields: Any) -> Order:
    """Submit an order at second 1 and return it."""
    given = order(client_id, **fields)
    ledger.submit(given, ORIGIN, SECOND, WALL, 100.0)
    return given


def told(ledger: Ledger, status: str | None, client_id: str = "c1", *, at: float = 2.0, **fields: Any) -> UpdateFacts:
    """Report an update at a second (the order was sent at second 1)."""
    return ledger.update(update(status, client_id, **fields), int(at * SECOND), WALL + int((at - 1) * SECOND))


def known(ledger: Ledger, client_id: str = "c1") -> Known:
    """Return what a ledger knows of an order that it must know."""
    found = ledger._shelf.find(client_id)
    assert found is not None
    return found


def plain(*values: object) -> tuple[object, ...]:
    """Return values to be compared with words and whole numbers instead of enumerated ones and decimals."""
    return values


def decimal(value: float | None) -> Decimal:
    """Return a fact as the exact number that it prints as; None is zero."""
    return Decimal(repr(value)) if value is not None else Decimal(0)


@contextmanager
def opened(path: Path | None, process: str = "first", **options: Any) -> Iterator[Ledger]:
    """Give an open ledger and close it."""
    ledger = Ledger(path, process=process, **options)
    try:
        ledger.open()
        yield ledger
    finally:
        ledger.close()


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a Python program whose standard input and output are pipes, with this package and these helpers."""
    roots = [str(Path(ares_otel.__file__).parents[1]), str(Path(__file__).parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )


def run(code: str, *arguments: object) -> str:
    """Run a Python program to its end and return what it printed."""
    with start(code, *arguments) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output.strip()

"""What tests of faults share: a bot whose results are known, time limits, what the log said, where every span is."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from balance import Balance, balance

import ares_otel as ares

__all__ = ["SPANS", "PriceError", "complaints", "settled", "trade", "within"]

SPANS = 2
"""Of one decision of `trade`."""

SLACK = 0.2
CROWDED = 5.0
"""Seconds more on a machine that is shared; the promise itself is 0.2 s, and tests of its own measure that."""


class PriceError(Exception):
    """What the bot raises and catches."""


def trade(strategies: Sequence[str]) -> None:
    """Decide as a bot does, every third time in vain; results and exceptions have to be the bot's own."""
    for number, strategy in enumerate(strategies):
        error = PriceError(strategy)
        price, caught = 0.0, None
        try:
            with ares.decision(symbol="BTC", strategy=strategy) as d:
                with d.stage("analyst"):
                    price = 2.0 * number
                d.resolve("buy", confidence=0.5)
                if number % 3 == 2:
                    raise error
        except PriceError as found:
            caught = found
        assert caught is (error if number % 3 == 2 else None)
        assert price == 2.0 * number


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail if the block takes longer, give or take what a crowded machine needs."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took < seconds + SLACK + CROWDED, f"{took:.2f} s instead of {seconds} s"


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the telemetry has logged as wrong."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "ares_otel" and record.levelno >= logging.WARNING
    ]


def settled(url: str | None, seconds: float = 20.0) -> Balance:
    """Return the accounts once nothing waits any more; they have to add up."""
    end = time.monotonic() + seconds
    while (found := balance(url)).queued + found.spooled:
        assert found.holds, str(found)
        assert time.monotonic() < end, f"this still waits: {found}"
        time.sleep(0.01)
    assert found.holds, str(found)
    return found

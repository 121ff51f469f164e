"""The table of faults is whole, and each test that it names exists."""

from __future__ import annotations

import re

import pytest
from sources import ROOT

PAGE = ROOT / "docs" / "faults.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[([^\]]+)\])?`")
FAULTS = (
    "collector down from the start",
    "collector dies in mid-send",
    "collector hangs",
    "slow loris",
    "collector answers 400",
    "collector answers 413",
    "collector answers 429 with Retry-After",
    "collector answers 503",
    "answer is truncated",
    "answer has a wrong content type",
    "collector redirects",
    "TLS with a wrong certificate",
    "DNS fails",
    "outage of ten minutes, 600,000 spans",
    "shutdown with a dead, hung or slow collector",
    "disk is full",
    "spool folder is read-only",
    "spool folder vanishes",
    "segments are torn",
    "segments have flipped bits",
    "disk is slow when the bot ends",
    "SIGTERM",
    "SIGINT",
    "`sys.exit`",
    "`os._exit`",
    "unhandled exception",
    "interpreter shutdown with daemon threads",
    "`kill -9` with the ring",
    "fork",
    "clock jumps an hour back and forth",
    "a record handler raises",
    "a user callback raises",
    "a metric raises",
    "queue is full",
    "worker is blocked",
    "10,000 short threads",
    "500 concurrent asyncio decisions",
    "a decision is left open for ever",
    "a decision with 100,000 stages",
    "an attribute of 10 MB",
)


def rows() -> dict[str, list[tuple[str, str, str]]]:
    """Return file, function and parameter of the tests by their fault."""
    cells = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if "::" in line]
    return {fault: TEST.findall(tests) for fault, _, tests in cells}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_tests(fault: str) -> None:
    """Each names a function that its file has, and a parameter that is in it."""
    named = rows()[fault]
    assert named
    for file, function, parameter in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function}\(", text, re.MULTILINE), f"{file} has no {function}"
        assert not parameter or f'"{parameter}"' in text, f"{file} has no {parameter!r}"

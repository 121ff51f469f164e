"""The pytest plugin, in a project of its own: it is found without being named, and fails the tests it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

PROJECT = """
import ares_otel as ares
import pytest


def test_good(ares_capture):
    with ares.decision(symbol="BTC", strategy="s") as d:
        d.resolve("buy", confidence=0.5)
    assert [span["name"] for span in ares_capture.spans()] == ["decision"]
    assert ares_capture.value("ares_decisions_total", strategy="s", symbol="BTC", action="buy") == 1


def test_again_from_the_start(ares_capture):
    with ares.decision(symbol="BTC", strategy="s") as d:
        d.resolve("buy")
    assert ares_capture.value("ares_decisions_total", strategy="s", symbol="BTC", action="buy") == 1
    assert ares_capture.spans()[0]["start_ms"] == 0.0


def test_left_open(ares_capture):
    ares.decision(strategy="forgotten").__enter__()


def test_undeclared(ares_capture):
    with ares.span("x", {"ares.made.up": 1}):
        pass


def test_bad_value(ares_capture):
    with ares.decision() as d:
        d.resolve("buy", confidence=1.4)


def test_without_it():
    assert ares.current() is None
    assert ares.correlation_id() is None
"""


def test_in_a_project_of_its_own(tmp_path: Path) -> None:
    """Good tests pass; a decision left open, an undeclared name and a bad value fail theirs, and no other."""
    (tmp_path / "test_bot.py").write_text(PROJECT, encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    options = ["-v", "-W", "error", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path)]
    told = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True, text=True, timeout=90)

    found = re.findall(r"^test_bot\.py::(\w+) (\w+)", told.stdout, re.MULTILINE)
    assert found == [
        ("test_good", "PASSED"),
        ("test_again_from_the_start", "PASSED"),
        ("test_left_open", "PASSED"),
        ("test_left_open", "ERROR"),
        ("test_undeclared", "PASSED"),
        ("test_undeclared", "ERROR"),
        ("test_bad_value", "FAILED"),
        ("test_without_it", "PASSED"),
    ]
    assert told.returncode == 1
    for words in (
        "1 decision(s) were begun and never ended",
        "forgotten",
        "'ares.made.up' is not declared",
        "Resolution.confidence: expected",
        "1 failed, 5 passed, 2 errors",
    ):
        assert words in told.stdout

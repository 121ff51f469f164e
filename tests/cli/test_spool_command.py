"""`ares-otel spool`: what waits on disk, and its delivery without the bot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from setup_kit import Bot, named
from sink import Sink

from ares_otel.cli.main import main
from ares_otel.pipeline.leftovers import lock

KILLED = """
ares.setup(overrides={"recorder.ring": sys.argv[1], "recorder.drain_interval": 60})
decide(1)
with ares.decision(symbol="BTC", strategy="open"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Return a receiver of OTLP/HTTP that accepts everything."""
    with Sink() as running:
        yield running


@pytest.fixture
def ring(tmp_path: Path, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the ring of a bot that was killed; the command is configured as the bot was."""
    path = tmp_path / "bot.ring"
    Bot(KILLED, tmp_path, sink, str(path)).end()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", sink.url)
    monkeypatch.setenv("ARES_OTEL_RECORDER_RING", str(path))
    return path


def test_what_a_killed_bot_left_is_delivered(ring: Path, sink: Sink, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown, delivered, and gone."""
    assert main(["spool"]) == 0
    assert f"ring {ring}: 0 of killed processes, one begun" in capsys.readouterr().out
    assert main(["spool", "recover"]) == 0
    out = capsys.readouterr().out
    assert ": 1 decisions that had ended, 1 that were open, 0 reports, 0 damaged records" in out
    assert "2 spans delivered, 0 wait still" in out
    assert named(sink) == ["open", "s1"]
    assert [path.name for path in ring.parent.glob("bot.ring*")] == ["bot.ring.lock"]
    assert main(["spool"]) == 0


def test_nobody_takes_it(ring: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It waits in the spool, from where the next call delivers it."""
    with Sink() as closed:
        nowhere = closed.url
    url = os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", nowhere)
    assert main(["spool", "recover", "--timeout", "0.1"]) == 1
    assert main(["spool"]) == 1
    capsys.readouterr()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
    assert main(["spool", "recover"]) == 0
    assert "0 wait still" in capsys.readouterr().out
    assert list(ring.parent.glob("bot.ring.left-*")) == []


def test_a_bot_that_runs_keeps_its_ring(ring: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command leaves it alone, and says so."""
    held = lock(ring)
    assert held is not None
    assert main(["spool", "recover"]) == 1
    assert "a bot runs with it" in capsys.readouterr().err
    assert ring.exists()
    os.close(held)


def test_where_nothing_is_sent(ring: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nowhere to deliver to; a place that cannot be is named; without a ring there is the spool."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert main(["spool", "recover"]) == 1
    assert "nowhere to deliver to" in capsys.readouterr().err
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    monkeypatch.setenv("ARES_OTEL_RECORDER_RING", "/proc/nowhere/ring")
    assert main(["spool", "recover"]) == 1
    assert "is left alone" in capsys.readouterr().err
    monkeypatch.delenv("ARES_OTEL_RECORDER_RING")
    assert main(["spool", "recover"]) == 0
    assert ring.exists()

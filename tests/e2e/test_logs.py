"""Log records of a real bot: from a decision in its process, through the collector, to the story of that decision."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from collector import Collector, free_ports
from logging_bot import SECRETS, run_bot
from trading import eventually

from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.server.story.explain import explain

DEADLINE = 60.0


def asked(server: EmbeddedServer, path: str) -> Any:
    """Return an answer of the server's API."""
    with urlopen(f"{server.url}{path}", timeout=DEADLINE) as answer:
        return answer.read().decode()


def told(database: Path, text: str) -> str:
    """Return what `ares-otel explain` writes."""
    out = io.StringIO()
    explain(database, text, out)
    return out.getvalue()


def check_story(server: EmbeddedServer, database: Path, correlation: str, trace: str) -> None:
    """From the trace to its log records, from a log record to its decision, and no secret anywhere."""
    story = told(database, trace)
    assert "decision momentum ETHUSDT" in story
    assert "warning bot.risk: spread of 14 bp is wide" in story
    assert "error bot.risk: no book with Bearer *** (ConnectionError: https://***@venue/book)" in story
    assert "awake" not in story

    page = asked(server, f"/decisions/{trace}")
    assert "spread of 14 bp is wide" in page

    found = json.loads(asked(server, f"/api/v1/logs?correlation_id={correlation}"))["items"]
    assert [each["body"] for each in found] == ["no book with Bearer ***", "spread of 14 bp is wide"]
    assert {each["trace_id"] for each in found} == {trace}
    assert found[0]["attributes"]["exception.type"] == "ConnectionError"
    assert "decision momentum ETHUSDT" in told(database, found[0]["correlation_id"])
    everything = database.read_bytes() + database.with_name(f"{database.name}-wal").read_bytes()
    assert [secret for secret in SECRETS if secret.encode() in everything] == []


def test_directly(tmp_path: Path) -> None:
    """From a bot's process to the server, and to its pages."""
    with EmbeddedServer(tmp_path / "ares.db") as server:
        correlation, trace, _, sent = run_bot(tmp_path, server.url)

        assert sent
        check_story(server, tmp_path / "ares.db", correlation, trace)


def test_through_the_collector(tmp_path: Path) -> None:
    """The same, with the real collector and its committed configuration between them."""
    with EmbeddedServer(tmp_path / "ares.db") as server, Collector(server.url, tmp_path / "collector") as collector:
        correlation, trace, _, sent = run_bot(tmp_path, collector.http)
        assert sent
        eventually(lambda: all(said in told(tmp_path / "ares.db", trace) for said in ("decision momentum", "no book")))

        check_story(server, tmp_path / "ares.db", correlation, trace)


def test_after_a_restart_from_the_spool(tmp_path: Path) -> None:
    """A bot whose receiver was away ends in time; the next one delivers its log records with its spans."""
    (port,) = free_ports(1)
    correlation, trace, _, sent = run_bot(tmp_path, f"http://127.0.0.1:{port}", 0.5)
    assert not sent

    with EmbeddedServer(tmp_path / "ares.db") as server:
        run_bot(tmp_path, server.url)
        check_story(server, tmp_path / "ares.db", correlation, trace)

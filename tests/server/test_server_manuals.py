"""Runbooks as pages of the ares server: every alert leads to its section, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pages_kit import Taken
from server_kit import Reply, send

from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.stack.rules import FILES
from ares_otel.stack.rules.model import Alert

ALERTS = [rule for groups in FILES.values() for group in groups for rule in group.rules if isinstance(rule, Alert)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Run a server with nothing in it."""
    running = EmbeddedServer(tmp_path_factory.mktemp("manuals") / "ares.db").start()
    yield running
    running.stop(10)


def get(server: EmbeddedServer, path: str) -> Reply:
    """Ask for a page."""
    return send(server.url, None, path=path, method="GET", content_type=None, accept="text/html")


def test_list(server: EmbeddedServer) -> None:
    """All alerts are listed, each with a link to its section."""
    page = get(server, "/runbooks").body.decode()

    paths = {f"/runbooks/{alert.domain}#{alert.name.lower()}" for alert in ALERTS}
    assert [path for path in sorted(paths) if f'href="{path}"' not in page] == []


@pytest.mark.parametrize("domain", sorted({alert.domain for alert in ALERTS}))
def test_runbook_has_a_section_for_each_alert(server: EmbeddedServer, domain: str) -> None:
    """What an alert's link leads to is a heading with the alert's name."""
    reply = get(server, f"/runbooks/{domain}")
    page = reply.body.decode()

    assert reply.status == 200
    for alert in ALERTS:
        if alert.domain == domain:
            assert f'<h2 id="{alert.name.lower()}">{alert.name}</h2>' in page
    assert '<pre><code class="language-promql">' in page
    assert page.count("<h1") == 1


def test_path_in_the_repository(server: EmbeddedServer) -> None:
    """The path that alerts name leads to the page, and browsers keep the section."""
    reply = get(server, "/docs/runbooks/risk.md")

    assert (reply.status, reply.headers["location"]) == (308, "/runbooks/risk")


@pytest.mark.parametrize("path", ["/runbooks/nothing", "/runbooks/..%2Frisk", "/runbooks/risk.md"])
def test_no_such_runbook(server: EmbeddedServer, path: str) -> None:
    """What is no runbook is not there."""
    assert get(server, path).status == 404


def test_pages_are_whole(server: EmbeddedServer) -> None:
    """Links within the pages lead to pages that are there."""
    for path in ("/runbooks", "/runbooks/stack"):
        taken = Taken(get(server, path).body.decode())
        inside = {link.partition("#")[0] for link in taken.links if link.startswith("/runbooks")}
        assert {get(server, link).status for link in inside} == {200}


def test_package_holds_them(tmp_path: Path) -> None:
    """The pages are made of the files that the repository shows."""
    del tmp_path
    root = Path(__file__).resolve().parents[2]
    here = root / "ares_otel" / "server" / "pages" / "runbooks"

    assert {path.name for path in here.iterdir()} == {path.name for path in (root / "docs" / "runbooks").iterdir()}

"""`opentelemetry-instrument python bot.py`: our distribution, and the instrumentations of others as ever."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # not typed
from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_CONFIGURATOR
from setup_kit import Begin, Bot, named, spans
from sink import Sink

from ares_otel.guard import GUARD
from ares_otel.instrument import distro
from ares_otel.setup import active

INSTRUMENTED = (str(Path(sys.executable).with_name("opentelemetry-instrument")),)
BOT = """
import http.server, requests
from opentelemetry import trace

class Venue(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told.append(self.headers["traceparent"])
        self.send_response(204)
        self.end_headers()
    def log_message(self, *words):
        pass

told = []
venue = http.server.HTTPServer(("127.0.0.1", 0), Venue)
threading.Thread(target=venue.handle_request, daemon=True).start()
with ares.decision(strategy="s1") as d:
    requests.get(f"http://127.0.0.1:{venue.server_port}/", timeout=20)
say(told[0].split("-")[1] == f"{d.trace_id:032x}", trace.get_tracer_provider().resource.attributes["service.name"])
"""


def environment(**more: str) -> dict[str, str]:
    """Return an environment without proxies, in which no request would leave the host."""
    return {"NO_PROXY": "*", "OTEL_SERVICE_NAME": "unchanged", **more}


def test_a_bot_without_set_up(tmp_path: Path, sink: Sink) -> None:
    """Decisions and spans of an instrumentation that is installed arrive in one trace, with nothing in the bot."""
    ended = Bot(BOT, tmp_path, sink, before=INSTRUMENTED, **environment()).end()
    assert ended.well == [[True, "unchanged"]]
    found = {span["name"]: span for span in spans(sink)}
    assert found["GET"]["parent_id"] == found["decision"]["span_id"]
    assert found["GET"]["scope"] == "opentelemetry.instrumentation.requests"
    assert len(spans(sink)) == 2
    assert found["decision"]["resource"]["telemetry.distro.name"] == "ares-otel"


@pytest.mark.parametrize(
    ("call", "told"), [("ares.setup()", False), ("ares.setup(overrides={'strict': True})", True)], ids=["bare", "given"]
)
def test_a_bot_with_a_set_up_of_its_own(tmp_path: Path, sink: Sink, call: str, *, told: bool) -> None:
    """It changes nothing and ends nothing; what it was given in vain is told, and how to give it."""
    script = f"with {call} as handle:\n    decide(1)\ndecide(2)\nsay(handle.owner)"
    ended = Bot(script, tmp_path, sink, before=INSTRUMENTED, **environment()).end()
    assert ended.well == [[False]]
    assert named(sink) == ["s1", "s2"]
    assert ("set ARES_OTEL_CONFIG to the file" in ended.errors) is told


def test_an_instrumentation_that_is_not_wanted(tmp_path: Path, sink: Sink) -> None:
    """OpenTelemetry's own switches work as ever."""
    environ = environment(OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="requests", OTEL_PYTHON_DISTRO="ares_otel")
    ended = Bot(BOT.replace("told[0]", "'-'"), tmp_path, sink, before=INSTRUMENTED, **environ).end()
    assert ended.status == 0, ended.errors
    assert [span["name"] for span in spans(sink)] == ["decision"]


def test_entry_points() -> None:
    """Both are found by one name, and are what OpenTelemetry takes them for."""
    for group, kind in (("opentelemetry_distro", "AresDistro"), ("opentelemetry_configurator", "AresConfigurator")):
        (entry,) = metadata.entry_points(group=group, name=distro.NAME)
        assert entry.load() is getattr(distro, kind)
    assert issubclass(distro.AresDistro, BaseDistro)


def test_our_distribution_chooses_our_configurator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the user has chosen another one."""
    monkeypatch.delenv(OTEL_PYTHON_CONFIGURATOR, raising=False)
    distro.AresDistro().configure()
    assert os.environ[OTEL_PYTHON_CONFIGURATOR] == distro.NAME
    monkeypatch.setenv(OTEL_PYTHON_CONFIGURATOR, "other")
    distro.AresDistro().configure()
    assert os.environ[OTEL_PYTHON_CONFIGURATOR] == "other"


def test_beside_another_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever comes first, telemetry is set up, unless the user has chosen another configurator."""
    ran: list[str] = []
    monkeypatch.setattr(distro, "setup", lambda: ran.append("setup"))
    (entry,) = metadata.entry_points(group="opentelemetry_post_instrument", name=distro.NAME)
    monkeypatch.delenv(OTEL_PYTHON_CONFIGURATOR, raising=False)
    entry.load()()
    assert ran == ["setup"]
    monkeypatch.setenv(OTEL_PYTHON_CONFIGURATOR, "other")
    entry.load()()
    assert ran == ["setup"]


def test_the_configurator(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sets up as `setup()` without arguments does, and does not raise even in strict mode."""
    for name in ("EXPORTER_ENABLED", "METRICS_ENABLED", "LEDGER_ENABLED"):
        monkeypatch.setenv(f"ARES_OTEL_{name}", "false")
    distro.AresConfigurator().configure(auto_instrumentation_version="0")
    assert active() is not None
    assert not begin().owner
    monkeypatch.setattr(distro, "setup", lambda: 1 / 0)
    distro.AresConfigurator().configure()
    assert GUARD.counts() == {"distro": 1}

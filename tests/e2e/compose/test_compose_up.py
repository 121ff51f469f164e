"""`make up` and `make down` in a real Docker, with images of the same names made of the real programs; Grafana apart.

`make test-compose` runs it: it needs root, Debian's `docker.io`, `debootstrap` and `busybox-static`. Without a Tempo
(`TEMPO_BIN`) that service stays apart, too, and the tests about it say that they did not run.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import yaml
from collector import free_ports
from sources import ROOT, repository_files
from standins import Engine, engine, load_images
from tempo import NOT_RUN, tempo_binary

from ares_otel.semconv import attributes as a

pytestmark = pytest.mark.timeout(900)
TEMPO = tempo_binary()
OVERLAYS = sorted(path.name for path in (ROOT / "deploy").glob("compose.*.yaml"))
APART = {"grafana"} if TEMPO else {"grafana", "tempo"}
PARTS = [name for name in ("collector", "server", "tempo", "prometheus", "alertmanager") if name not in APART]


class Stack(NamedTuple):
    """A checkout whose stack runs in an engine."""

    deploy: Path
    engine: Engine
    environ: dict[str, str]

    def do(self, *words: str, **environ: str) -> str:
        """Call what `make` calls; it has to end well."""
        command = [sys.executable, "stack.py", *words]
        made = subprocess.run(
            command,
            cwd=self.deploy,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stdout[-4000:]
        return made.stdout

    def containers(self) -> dict[str, Any]:
        """Return what Docker knows of each running container of the stack, by its service."""
        label = "com.docker.compose.service"
        ids = self.engine.docker("ps", "--quiet", "--filter", f"label={label}").split()
        found = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return {each["Config"]["Labels"][label]: each for each in found}

    def ask(self, variable: str, path: str, token: str = "", **query: str) -> Any:
        """Return what a server answers on its published port."""
        url = f"http://127.0.0.1:{self.environ[variable]}{path}?{urlencode(query)}"
        headers = {"Authorization": f"Bearer {(self.deploy / 'secrets' / token).read_text()}"} if token else {}
        with urlopen(Request(url, headers=headers), timeout=30) as answer:
            return json.loads(answer.read())

    def decisions(self) -> list[dict[str, Any]]:
        """Return the newest decisions that the ares server has."""
        found: list[dict[str, Any]] = self.ask("ARES_PORT", "/api/v1/decisions", "ares_read_token", limit="5")["items"]
        return found

    def newer(self, than: str) -> Any:
        """Return a decision that was made after another one, None as long as there is none."""
        return next((each for each in self.decisions() if each["time"] > than), None)

    def bots(self) -> list[dict[str, Any]]:
        """Return the bots that Prometheus scrapes."""
        targets = self.ask("PROMETHEUS_PORT", "/api/v1/targets")["data"]["activeTargets"]
        return [target for target in targets if target["labels"]["job"] == "ares-bot"]


def until(ask: Any, what: str, seconds: float = 90.0) -> Any:
    """Return the first answer that is true; AssertionError if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.3)
    return answer


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start the stack out of a copy of the checkout, and end it with all that it kept."""
    home = tmp_path_factory.mktemp("compose")
    for name in repository_files():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, home / name)
    deploy = home / "deploy"
    (home / "apart.yaml").write_text(yaml.safe_dump({"services": {name: {"profiles": ["apart"]} for name in APART}}))
    for name in APART:  # what is not there is no target that is down
        (deploy / "prometheus" / "targets" / f"{name}.yaml").write_text("[]\n")
    variables = re.findall(r"\$\{(\w+_PORT):-", (deploy / "compose.yaml").read_text())
    ports = dict(zip(variables, map(str, free_ports(len(variables))), strict=True))
    bases = dict(re.findall(r"^ARG (\w+)=(\S+)$", (deploy / "Dockerfile").read_text(), re.MULTILINE))
    with engine() as running:
        load_images(running, bases, TEMPO)
        chosen = {"COMPOSE_FILE": f"compose.yaml:{home / 'apart.yaml'}", "ARES_OTEL_STACK_PARTS": ",".join(PARTS)}
        found = Stack(deploy, running, {**running.environ, **ports, **chosen})
        try:
            found.do("up")
            yield found
        finally:
            found.do("down", "--volumes")


@pytest.mark.parametrize(
    "overlays", [(), *((name,) for name in OVERLAYS), ("compose.sampling.yaml", "compose.tls.yaml")]
)
def test_configuration_is_clean(stack: Stack, overlays: tuple[str, ...]) -> None:
    """Compose reads the file with each overlay without a word of warning, with and without the profile."""
    for profile in ("", "logs"):
        environ = {**stack.environ, "COMPOSE_FILE": ":".join(("compose.yaml", *overlays)), "COMPOSE_PROFILES": profile}
        command = ["docker-compose", "config", "--quiet"]
        said = subprocess.run(command, cwd=stack.deploy, env=environ, capture_output=True, text=True, check=False)
        assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_everything_is_healthy(stack: Stack) -> None:
    """Every service runs and its health check, which calls a program of its image, says so."""
    wanted = set(yaml.safe_load((stack.deploy / "compose.yaml").read_text())["services"]) - APART - {"loki"}

    health = {name: each["State"]["Health"]["Status"] for name, each in stack.containers().items()}

    assert health == dict.fromkeys(wanted, "healthy")


def test_containers_are_confined(stack: Stack) -> None:
    """Docker itself says of each: no root, nothing to write but its data, no capabilities, limits, loopback alone."""
    for name, each in stack.containers().items():
        host = each["HostConfig"]
        assert each["Config"]["User"].partition(":")[0] not in {"", "0", "root"}, name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert host["Memory"] > 0, name
        assert host["PidsLimit"] > 0, name
        published = [port for ports in (host["PortBindings"] or {}).values() for port in ports]
        assert {port["HostIp"] for port in published} <= {"127.0.0.1"}, name
        written = [mount for mount in each["Mounts"] if mount["RW"]]
        assert {mount["Type"] for mount in written} <= {"volume"}, name


def test_demo_is_scraped_and_stored(stack: Stack) -> None:
    """The demo enters itself for Prometheus, and its decisions come to the ares server, which asks for a token."""
    (bot,) = until(lambda: [bot for bot in stack.bots() if bot["health"] == "up"], "the demo is scraped")

    assert bot["labels"]["service_name"] == "ares-demo"
    assert bot["labels"]["deployment_environment_name"] == "demo"
    assert until(stack.decisions, "a decision is stored")
    with pytest.raises(OSError, match="401"):
        stack.ask("ARES_PORT", "/api/v1/decisions")


@pytest.mark.skipif(TEMPO is None, reason=NOT_RUN)
def test_decision_is_in_tempo(stack: Stack) -> None:
    """A decision of the demo is found in Tempo by its correlation id, and metrics of its spans are in Prometheus."""
    correlation = until(stack.decisions, "a decision is stored")[0]["correlation_id"]
    query = f'{{ span.{a.CORRELATION_ID.key} = "{correlation}" }}'

    assert until(lambda: stack.ask("TEMPO_PORT", "/api/search", q=query).get("traces"), "TraceQL finds it")
    calls = "traces_spanmetrics_calls_total"
    until(lambda: stack.ask("PROMETHEUS_PORT", "/api/v1/query", query=calls)["data"]["result"], calls)


def test_servers_scrape_each_other(stack: Stack) -> None:
    """Every target but those apart is up, the ares server's with its token."""

    def down() -> set[str]:
        targets = stack.ask("PROMETHEUS_PORT", "/api/v1/targets")["data"]["activeTargets"]
        return {target["labels"]["job"] for target in targets if target["health"] != "up"}

    until(lambda: not down(), "all targets are up")


def test_own_bots_without_the_demo(stack: Stack) -> None:
    """With the demo off and a bot named, Prometheus scrapes that one, and the demo no more."""
    stack.do("up", "--bot", "mine@alertmanager:9093", ARES_DEMO="0")  # anything that has numbers, for doctor

    assert "demo" not in stack.containers()
    until(lambda: [bot["labels"].get("service_name") for bot in stack.bots()] == ["mine"], "only the bot is scraped")
    assert stack.bots()[0]["labels"]["instance"] == "alertmanager:9093"
    stack.do("up", "--bot", "none")
    until(
        lambda: [bot["labels"].get("service_name") for bot in stack.bots()] == ["ares-demo"], "only the demo is scraped"
    )


def test_settings_count_from_the_next_start(stack: Stack) -> None:
    """Another mail server is in Alertmanager's configuration after the next start; nothing else has to be done."""
    stack.do("up", ALERT_SMARTHOST="mail.example.org:25")

    config = stack.ask("ALERTMANAGER_PORT", "/api/v2/status")["config"]["original"]
    assert "smtp_smarthost: mail.example.org:25" in config


def test_mutual_tls(stack: Stack) -> None:
    """With the overlay for TLS the demo's decisions still arrive, now over TLS, and doctor sends its span so, too."""
    files = stack.environ["COMPOSE_FILE"].replace("compose.yaml", "compose.yaml:compose.tls.yaml", 1)
    before = stack.decisions()[0]["time"]

    said = stack.do("up", COMPOSE_FILE=files)

    assert "span in the ares server" in said
    until(lambda: stack.newer(before), "a decision made later")
    log = stack.engine.docker("logs", stack.containers()["demo"]["Id"])
    assert "https://otel-collector:4318" in log


def test_restart_keeps_everything(stack: Stack) -> None:
    """After `make down` nothing runs and no network is left; the next `make up` goes on with all that was stored."""
    before = stack.decisions()[-1]
    stack.do("down")
    assert stack.containers() == {}
    assert stack.engine.docker("network", "ls", "--quiet", "--filter", "label=com.docker.compose.project") == ""

    stack.do("up")

    found = stack.ask("ARES_PORT", f"/api/v1/decisions/{before['decision_id']}", "ares_read_token")
    assert before["correlation_id"] in json.dumps(found)

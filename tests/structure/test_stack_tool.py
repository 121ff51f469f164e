"""`make up` without Docker: what it finds in the way, what it makes, and what it asks compose for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ports import free_ports
from scripts import load, script
from sources import ROOT

from ares_otel.stack.boards import BOARDS

stack = load("stack")
preparing = load("preparing")

HIDDEN = ("OTELCOL_HEALTH_PORT", "LOKI_PORT")
DOCKER = """#!/bin/sh
echo "$@" >> "{log}"
echo "$ARES_MADE" > "{log}.made"
case "$1 $2" in
"version --format") {version} ;;
"info --format") echo {memory} ;;
"compose version") {compose} ;;
"compose ps") echo "{running}" ;;
"compose up") exit {up} ;;
esac
"""


class Machine:
    """A place for the stack, and a Docker that says what a test wants."""

    def __init__(self, directory: Path) -> None:
        self.deploy = directory / "deploy"
        self.bin = directory / "bin"
        self.log = directory / "log"
        templates = self.deploy / "alertmanager" / "templates"
        templates.mkdir(parents=True)
        shutil.copy(ROOT / "deploy" / "alertmanager" / "templates" / "ares.tmpl", templates)
        for path in (ROOT / "deploy").glob("compose*.yaml"):
            shutil.copy(path, self.deploy)
        (self.deploy / "collector").mkdir()
        shutil.copy(ROOT / "deploy" / "collector" / "stack.yaml", self.deploy / "collector")
        self.bin.mkdir()
        for name in ("openssl", "sh", "env"):
            (self.bin / name).symlink_to(shutil.which(name) or "/none")
        self.ports = free_ports(len(preparing.Place().ports()))
        chosen = zip(preparing.Place().ports(), self.ports, strict=True)
        self.set(**{name: str(port) for name, port in chosen})
        self.docker()
        script(self.bin / "doctor", f'#!/bin/sh\nenv > "{directory}/doctor"\necho "doctor $@" >> "{self.log}"\n')

    def docker(self, **said: Any) -> None:
        """Let Docker say something else."""
        usual = {"version": "echo 27.1.0", "memory": 8 << 30, "compose": "echo 2.29.1", "running": "", "up": 0}
        script(self.bin / "docker", DOCKER.format(log=self.log, **{**usual, **said}))

    def set(self, **chosen: str) -> None:
        """Add to `.env`."""
        with (self.deploy / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in chosen.items())

    @property
    def place(self) -> Any:
        """Where its stack is."""
        return preparing.Place(self.deploy)

    @property
    def client(self) -> Any:
        """Its Docker."""
        return stack.Docker({"PATH": str(self.bin)}, (str(self.bin / "doctor"),))

    def troubles(self, *, running: bool = False) -> list[str]:
        """Return what is in the way."""
        return list(stack.troubles(self.place, self.client, running=running))

    def do(self, *words: str) -> int:
        """Call the program."""
        return int(stack.main(list(words), self.place, self.client))

    def said(self) -> list[str]:
        """Return what Docker was asked."""
        return self.log.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return a machine on which the stack can run; what is read-only there can be removed afterwards."""
    made = Machine(tmp_path)
    yield made
    for path in tmp_path.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755)


def test_nothing_in_the_way(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """On a machine that has all, nothing is complained of, and nothing is made by looking."""
    assert machine.troubles() == []
    assert machine.do("check") == 0
    assert capsys.readouterr().out == "nothing is in the way\n"
    assert not machine.place.secrets.exists()


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"version": "echo 'no daemon' >&2; exit 1"}, "Docker: no daemon; start it, or let your user talk to it"),
        ({"version": "exit 1"}, "Docker: no answer; start it"),
        ({"version": "echo 19.03.5"}, "Docker 19.03.5 is too old; install 20.10 or newer"),
        ({"version": "echo odd"}, "Docker odd is too old"),
        ({"compose": "echo 2.20.2"}, "compose 2.20.2 is too old; install 2.24 or newer"),
        ({"compose": "exit 1"}, "Docker has no compose; install its plugin"),
        ({"memory": 2 << 30}, "Docker has 2.0 GiB of memory; the stack needs 4"),
    ],
)
def test_what_docker_lacks(machine: Machine, said: dict[str, Any], complaint: str) -> None:
    """What is missing or too old is named, with the remedy."""
    machine.docker(**said)

    (only,) = machine.troubles()

    assert only.startswith(complaint)


def test_without_docker(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """Without Docker it is said where to get it, and nothing is started."""
    (machine.bin / "docker").unlink()

    assert machine.do("up") == 1
    assert "Docker: not found; install it: https://" in capsys.readouterr().err
    assert machine.do("down") == 1


def test_compose_as_a_program_of_its_own(machine: Machine) -> None:
    """Where compose is no plugin of Docker, its own program does."""
    machine.docker(compose="exit 1")
    script(machine.bin / "docker-compose", f'#!/bin/sh\necho "own $@" >> "{machine.log}"\necho 2.40.3\n')

    assert machine.troubles() == []
    assert machine.do("logs", "tempo") == 0
    assert machine.said()[-1] == "own logs --follow --tail=100 tempo"


def test_taken_port(machine: Machine) -> None:
    """A port that somebody listens on is named with the variable that changes it, unless the stack itself has it."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        port = somebody.getsockname()[1]
        machine.set(GRAFANA_PORT=str(port))

        assert machine.troubles() == [
            f"port {port} of 127.0.0.1 is taken: end what listens there, or set GRAFANA_PORT in .env"
        ]
        assert machine.troubles(running=True) == []


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_wrong_port(machine: Machine, port: str) -> None:
    """What is no port is said to be none."""
    machine.set(ARES_PORT=port)

    assert machine.troubles() == [f"ARES_PORT={port} is no port"]


def test_same_port_twice(machine: Machine) -> None:
    """Two servers cannot have one port."""
    (port,) = free_ports(1)
    machine.set(ARES_PORT=str(port), TEMPO_PORT=str(port))

    (only,) = machine.troubles()

    assert "are both" in only


@pytest.mark.parametrize(
    ("chosen", "complaint"),
    [
        ({"COMPOSE_PROFILES": "loki"}, "COMPOSE_PROFILES=loki: the only profile is `logs`"),
        ({"COMPOSE_FILE": "compose.yaml:mine.yaml"}, "COMPOSE_FILE names mine.yaml, which is not in"),
        ({"ALERT_USERNAME": "ares"}, "ALERT_USERNAME needs the password"),
        (
            {"COMPOSE_FILE": "compose.yaml:compose.sampling.yaml:compose.tenancy.yaml"},
            "COMPOSE_FILE: compose.sampling.yaml and compose.tenancy.yaml do not go together",
        ),
        ({"TEMPO_STRATEGIES": "momentum|momentum"}, "TEMPO_STRATEGIES=momentum|momentum: expected names"),
        ({"TEMPO_STRATEGIES": "a b"}, "TEMPO_STRATEGIES=a b: expected names"),
        ({"ARES_URL": "ares.example.org"}, "ARES_URL=ares.example.org: expected an address with http"),
        ({"TEMPO_STRATEGIES": "ares"}, "TEMPO_STRATEGIES=ares: expected names"),
    ],
)
def test_wrong_settings(machine: Machine, chosen: dict[str, str], complaint: str) -> None:
    """Settings that cannot be are said before anything is started."""
    machine.set(**chosen)

    (only,) = machine.troubles()

    assert only.startswith(complaint)


def test_everything_is_said_at_once(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """All that is in the way comes in one go, one line each."""
    machine.docker(memory=1 << 30)
    machine.set(COMPOSE_PROFILES="loki", ARES_PORT="x")

    assert machine.do("check") == 1
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_short_secrets_are_refused(machine: Machine) -> None:
    """A password that somebody put there by hand is not taken if it can be guessed."""
    machine.place.secrets.mkdir()
    (machine.place.secrets / "grafana_admin_password").write_text("admin\n")

    (only,) = machine.troubles()

    assert only.startswith("secrets/grafana_admin_password is shorter than 16 characters")


def test_secrets_are_made_once(machine: Machine) -> None:
    """Each secret is made at the first run, all different, and kept at the next; others on the host cannot enter."""
    preparing.prepare(machine.place, {})
    before = {path.name: path.read_text() for path in machine.place.secrets.glob("*") if path.is_file()}
    preparing.prepare(machine.place, {})
    after = {path.name: path.read_text() for path in machine.place.secrets.glob("*") if path.is_file()}

    assert before == after
    assert stat.S_IMODE(machine.place.secrets.stat().st_mode) == 0o700
    # containers run as other users than whoever made the files
    assert {stat.S_IMODE((machine.place.secrets / name).stat().st_mode) for name in before} == {0o444}
    made = [before[name] for name in before if name not in {"otlp_headers", "ares_tokens"}]
    assert len(set(made)) == len(made) == 5
    assert min(map(len, made)) >= 32
    assert before["otlp_headers"] == f"authorization: Bearer {before['otlp_token']}\n"
    assert [line.split()[1] for line in before["ares_tokens"].splitlines()] == ["write", "read", "all"]
    declared = yaml.safe_load((machine.deploy / "compose.yaml").read_text())["secrets"].values()
    assert {Path(secret["file"]).name for secret in declared} <= set(before)


def test_changed_token_is_followed(machine: Machine) -> None:
    """A token that somebody replaces is in everything that is made of it."""
    preparing.prepare(machine.place, {})
    token = machine.place.secrets / "ares_write_token"
    token.unlink()
    token.write_text("a-token-of-my-own-choice\n")

    preparing.prepare(machine.place, {})

    assert "a-token-of-my-own-choice write\n" in (machine.place.secrets / "ares_tokens").read_text()


def test_receivers_are_those_whose_addresses_are_known(machine: Machine) -> None:
    """Without addresses nobody is called in vain; a file with one switches its receiver on."""
    preparing.prepare(machine.place, {})
    config = machine.place.run / "alertmanager" / "alertmanager.yml"
    nobody = yaml.safe_load(config.read_text())
    (machine.place.secrets / "alertmanager" / "pager_url").write_text("https://pager.example/x\n")
    chosen = {"ALERT_SMARTHOST": "mail.example:587", "ALERT_TLS": "1", "ALERT_DOMAIN": "example.org", "ARES_PORT": "81"}
    preparing.prepare(machine.place, chosen)
    some = yaml.safe_load(config.read_text())

    assert [receiver for receiver in nobody["receivers"] if set(receiver) != {"name"}] == []
    kinds = {receiver["name"]: sorted(set(receiver) - {"name"}) for receiver in some["receivers"]}
    assert kinds["pager"] == ["webhook_configs"]
    assert kinds["trading"] == ["email_configs"]
    assert "deadman" not in kinds
    assert some["global"]["smtp_smarthost"] == "mail.example:587"
    assert "http://127.0.0.1:81" in (config.parent / "templates" / "addresses.tmpl").read_text()
    assert (config.parent / "templates" / "ares.tmpl").exists()
    assert (config.parent / "secrets").is_dir()


def targets(machine: Machine, name: str) -> Any:
    """Return the targets of a file that was made."""
    return json.loads((machine.place.targets / name).read_text())


def test_bots_for_prometheus(machine: Machine) -> None:
    """Bots are entered by address, with a name if they have one; a loopback is the host's; they stay until told."""
    preparing.prepare(machine.place, {}, "swing@127.0.0.1:9464, bots.example:9465,[::1]:9466")
    made = targets(machine, "bots.yaml")
    preparing.prepare(machine.place, {})
    kept = targets(machine, "bots.yaml")
    preparing.prepare(machine.place, {}, "none")

    assert made == kept
    assert made == [
        {"targets": ["host.docker.internal:9464"], "labels": {"service_name": "swing"}},
        {"targets": ["bots.example:9465"], "labels": {}},
        {"targets": ["host.docker.internal:9466"], "labels": {}},
    ]
    assert targets(machine, "bots.yaml") == []


@pytest.mark.parametrize("bots", ["9464", "host", "host:x", "host:70000", "a b:1", "host:1;host:2"])
def test_wrong_bots(machine: Machine, bots: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no list of addresses is refused before anything starts."""
    assert machine.do("up", "--bot", bots) == 1
    assert "expected host:port or name@host:port" in capsys.readouterr().err
    assert not any(line.startswith("compose up") for line in machine.said())


def test_loki_is_scraped_where_it_runs(machine: Machine) -> None:
    """Loki is a target with its profile alone."""
    preparing.prepare(machine.place, {})
    without = targets(machine, "loki.yaml")
    preparing.prepare(machine.place, {"COMPOSE_PROFILES": "logs"})

    assert without == []
    assert targets(machine, "loki.yaml") == [{"targets": ["loki:3100"]}]


@pytest.mark.parametrize(
    ("chosen", "ares", "grafana"),
    [
        ({}, "http://127.0.0.1:8100", "http://127.0.0.1:3000"),
        ({"ARES_PORT": "8111", "GRAFANA_PORT": "3111"}, "http://127.0.0.1:8111", "http://127.0.0.1:3111"),
        (
            {"ARES_PORT": "8111", "ARES_URL": "https://ares.example.org/", "GRAFANA_URL": "https://g.example.org"},
            "https://ares.example.org",
            "https://g.example.org",
        ),
    ],
)
def test_links_lead_to_where_servers_are(machine: Machine, chosen: dict[str, str], ares: str, grafana: str) -> None:
    """Boards and messages lead to the ports, or to the addresses, that are set."""
    preparing.prepare(machine.place, {**chosen, "RUNBOOKS_URL": "https://git.example.org/ares/"})

    made = {path.stem: json.loads(path.read_text()) for path in (machine.place.run / "dashboards").iterdir()}
    assert set(made) == {board.uid for board in BOARDS}
    variables = [one for each in made.values() for one in each["templating"]["list"] if one["name"] == "ares"]
    assert [one["query"] for one in variables] == [ares] * len(BOARDS)
    told = (machine.place.run / "alertmanager" / "templates" / "addresses.tmpl").read_text()
    assert f'"ares.url" }}}}{ares}{{{{' in told
    assert f'"grafana.url" }}}}{grafana}{{{{' in told
    assert '"runbooks.url" }}https://git.example.org/ares/{{' in told


@pytest.mark.parametrize(
    ("chosen", "runbooks"),
    [
        ({}, "http://127.0.0.1:8100/"),
        ({"ARES_URL": "https://ares.example.org/", "RUNBOOKS_URL": ""}, "https://ares.example.org/"),
        ({"RUNBOOKS_URL": "https://git.example.org/ares/blob/main/"}, "https://git.example.org/ares/blob/main/"),
    ],
)
def test_rules_lead_to_runbooks(machine: Machine, chosen: dict[str, str], runbooks: str) -> None:
    """The rules that Prometheus reads are the committed ones, with links to where the runbooks are."""
    preparing.prepare(machine.place, chosen)

    committed = {path.name: path.read_text() for path in (ROOT / "prometheus" / "rules").iterdir()}
    made = {path.name: path.read_text() for path in (machine.place.run / "rules").iterdir()}
    assert made == {name: text.replace("http://127.0.0.1:8100/", runbooks) for name, text in committed.items()}
    assert f"runbook_url: {runbooks}docs/runbooks/risk.md#areslimitbreached" in made["risk.yaml"]


def test_boards_that_are_gone(machine: Machine) -> None:
    """A board of an earlier version does not stay."""
    preparing.prepare(machine.place, {})
    old = machine.place.run / "dashboards" / "ares-old.json"
    old.write_text("{}")

    preparing.prepare(machine.place, {})

    assert not old.exists()


def test_certificates(machine: Machine) -> None:
    """For TLS an authority signs certificates of the collector and of a bot, once; its own key stays closed."""
    chosen = {"COMPOSE_FILE": "compose.yaml:compose.tls.yaml"}
    preparing.prepare(machine.place, chosen)
    tls = machine.place.secrets / "tls"
    before = {path.name: path.read_bytes() for path in tls.iterdir()}
    preparing.prepare(machine.place, chosen)

    assert {path.name: path.read_bytes() for path in tls.iterdir()} == before
    assert set(before) == {f"{name}.{kind}" for name in ("ca", "collector", "bot") for kind in ("crt", "key")}
    assert stat.S_IMODE((tls / "ca.key").stat().st_mode) == 0o400
    verified, said = stack.Docker(os.environ).ask(
        "openssl", "verify", "-CAfile", str(tls / "ca.crt"), str(tls / "collector.crt"), str(tls / "bot.crt")
    )
    assert verified, said


def test_certificates_need_openssl(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where openssl is missing it is said before; where it fails, with what it said."""
    machine.set(COMPOSE_FILE="compose.yaml:compose.tls.yaml")
    (machine.bin / "openssl").unlink()
    assert machine.troubles() == ["compose.tls.yaml needs certificates, and openssl to make them; install it"]

    script(machine.bin / "openssl", "#!/bin/sh\necho 'no entropy' >&2\nexit 1\n")
    monkeypatch.setenv("PATH", str(machine.bin))
    with pytest.raises(preparing.TroubleError, match="no certificate for ca: no entropy"):
        preparing.prepare(machine.place, {"COMPOSE_FILE": "compose.yaml:compose.tls.yaml"})


def test_up(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """It prepares, has compose build and start and wait for health, and says where everything is."""
    assert machine.do("up", "--bot", "localhost:9464") == 0

    started = [line for line in machine.said() if line.startswith("compose up")]
    assert started == ["compose up --build --detach --remove-orphans --wait --wait-timeout=600"]
    assert targets(machine, "bots.yaml")[0]["targets"] == ["host.docker.internal:9464"]
    said = capsys.readouterr().out
    hidden = {dict(zip(preparing.Place().ports(), machine.ports, strict=True))[name] for name in HIDDEN}
    assert {port for port in machine.ports if str(port) not in said} == hidden
    assert (machine.place.secrets / "otlp_token").read_text() not in said


@pytest.mark.parametrize(
    ("chosen", "parts", "scheme"),
    [
        ({}, "collector,server,tempo,prometheus,alertmanager,grafana", "http"),
        ({"COMPOSE_PROFILES": "logs"}, "collector,server,tempo,prometheus,alertmanager,grafana,loki", "http"),
        (
            {"COMPOSE_FILE": "compose.yaml:compose.tenancy.yaml"},
            "collector,server,prometheus,alertmanager,grafana",
            "http",
        ),
        (
            {"COMPOSE_FILE": "compose.yaml:compose.tls.yaml"},
            "collector,server,tempo,prometheus,alertmanager,grafana",
            "https",
        ),
    ],
)
def test_up_is_examined(machine: Machine, chosen: dict[str, str], parts: str, scheme: str) -> None:
    """Doctor is told the parts that are there, their ports, and where the secrets are; what it says is the end."""
    machine.set(**chosen)

    assert machine.do("up") == 0

    assert machine.said()[-1] == "doctor --stack --wait=120"
    told = dict(line.split("=", 1) for line in (machine.deploy.parent / "doctor").read_text().splitlines())
    ports = dict(zip(preparing.Place().ports(), map(str, machine.ports), strict=True))
    assert told["ARES_OTEL_STACK_PARTS"] == parts
    assert told["ARES_OTEL_STACK_TEMPO"] == f"http://127.0.0.1:{ports['TEMPO_PORT']}"
    assert told["ARES_OTEL_LOGS_EXPORT"] == "true"
    assert told["ARES_OTEL_ALERTING_ALERTMANAGERS"] == f"http://127.0.0.1:{ports['ALERTMANAGER_PORT']}"
    assert told["ARES_OTEL_EXPORTER_ENDPOINT"] == f"{scheme}://127.0.0.1:{ports['OTLP_HTTP_PORT']}"
    files = [value for name, value in told.items() if name.startswith("ARES_") and value.startswith("/")]
    assert [path for path in files if not path.endswith("/run/doctor") and not Path(path).exists()] == []
    assert ("ARES_OTEL_EXPORTER_CLIENT_KEY" in told) == (scheme == "https")


def test_what_changes_is_started_again(machine: Machine) -> None:
    """Compose sees no content of files: another secret or setting is another label, the same ones are the same."""

    def label() -> str:
        assert machine.do("up") == 0
        return (machine.deploy.parent / "log.made").read_text().strip()

    first = label()
    assert label() == first
    machine.set(ALERT_SMARTHOST="mail.example.org:25")
    second = label()
    assert label() == second
    (machine.place.secrets / "otlp_token").unlink()

    assert len({first, second, label()}) == 3


def test_up_that_is_ill(machine: Machine) -> None:
    """If doctor finds something, that is the exit code."""
    script(machine.bin / "doctor", "#!/bin/sh\nexit 1\n")

    assert machine.do("up") == 1


def test_tenants(machine: Machine) -> None:
    """Each strategy gets a pipeline, a queue and a tenant; the spans of the others are left to `ares`."""
    preparing.prepare(machine.place, {"TEMPO_STRATEGIES": "momentum|carry"})

    made = yaml.safe_load((machine.place.run / "tenancy.yaml").read_text())

    tenants = {name: exporter["headers"]["X-Scope-OrgID"] for name, exporter in made["exporters"].items()}
    assert tenants == {"otlp_grpc/tempo": "ares", "otlp_grpc/momentum": "momentum", "otlp_grpc/carry": "carry"}
    assert made["exporters"]["otlp_grpc/carry"]["sending_queue"]["storage"] == "file_storage/queue"
    assert set(made["service"]["pipelines"]) == {"traces", "traces/ares", "traces/momentum", "traces/carry"}
    assert made["service"]["pipelines"]["traces"]["exporters"] == ["otlp_http/ares"]


def test_up_that_fails(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """If something does not become healthy, it is shown what, and said what to do."""
    machine.docker(up=1)

    assert machine.do("up") == 1
    assert machine.said()[-1] == "compose ps --all"
    assert "`make logs` says why" in capsys.readouterr().err


def test_up_again(machine: Machine) -> None:
    """A stack that runs has its own ports taken, which is no trouble."""
    with socket.socket() as itself:
        itself.bind(("127.0.0.1", machine.ports[0]))
        itself.listen()
        machine.docker(running="0123456789ab")

        assert machine.do("up") == 0


def test_down_and_status(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """The end is that of every profile, and passes on what is asked for; the status says what runs and where."""
    assert machine.do("down", "--volumes") == 0
    assert machine.said()[-1] == "compose --profile=* down --remove-orphans --volumes"
    assert machine.do("status") == 0
    assert machine.said()[-1] == "compose ps --all"
    assert str(machine.ports[0]) in capsys.readouterr().out


def test_unknown_words(machine: Machine) -> None:
    """What `up` does not know it does not swallow."""
    with pytest.raises(SystemExit):
        machine.do("up", "--fast")

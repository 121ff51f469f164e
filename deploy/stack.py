# ruff: noqa: INP001  (a script of the repository, no part of the package)
"""Start and stop the stack: `make up`, `make down`, `make logs`, `make status`.

Before anything is started it looks whether it can be: Docker, compose, memory, ports, settings. All that is wrong is
said at once, each with its remedy. What the containers need and no repository may hold is made at the first run, beside
compose.yaml in `secrets/` and `run/`, and kept from then on. Needs Docker, and of Python this package.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from preparing import MADE, STRATEGIES, Place, TroubleError, filled, fingerprint, prepare, settings

__all__ = ["Docker", "main", "troubles"]

DOCKER_NEEDED = (20, 10)
COMPOSE_NEEDED = (2, 24)
MEMORY_NEEDED = 4 << 30
READY_SECONDS = 600
SHORTEST = 16
PROFILES = {"", "logs"}
DOCTOR_SECONDS = 120
SERVERS = {
    "collector": "OTELCOL_HEALTH_PORT",
    "server": "ARES_PORT",
    "tempo": "TEMPO_PORT",
    "prometheus": "PROMETHEUS_PORT",
    "alertmanager": "ALERTMANAGER_PORT",
    "grafana": "GRAFANA_PORT",
    "loki": "LOKI_PORT",
}
"""The parts of the stack as `ares-otel doctor` calls them, and the variable of each one's port."""
BOT_FILES = {
    "ARES_OTEL_EXPORTER_CERTIFICATE": "ca.crt",
    "ARES_OTEL_EXPORTER_CLIENT_CERTIFICATE": "bot.crt",
    "ARES_OTEL_EXPORTER_CLIENT_KEY": "bot.key",
}
ADDRESSES = ("ARES_URL", "GRAFANA_URL", "RUNBOOKS_URL")
STRATEGY = re.compile(r"[A-Za-z0-9][\w.-]{0,60}")


@dataclass(frozen=True, slots=True)
class Docker:
    """The programs of Docker, as they are found in an environment.

    Attributes:
        environ: the environment.
        doctor: what examines the stack once it runs.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    doctor: tuple[str, ...] = (sys.executable, "-m", "ares_otel.cli.main", "doctor")

    def ask(self, *command: str) -> tuple[bool, str]:
        """Return whether a command went well, and what it said, or else why it did not."""
        program = shutil.which(command[0], path=self.environ.get("PATH"))
        if program is None:
            return False, "not found"
        line = [program, *command[1:]]
        made = subprocess.run(line, env={**self.environ}, capture_output=True, text=True, check=False)  # noqa: S603
        said = (made.stdout if made.returncode == 0 else made.stderr or made.stdout).strip()
        return made.returncode == 0, said

    def compose(self) -> list[str]:
        """Return how compose is called: Docker's plugin, or the program of its own."""
        return ["docker", "compose"] if self.ask("docker", "compose", "version")[0] else ["docker-compose"]


def troubles(place: Place, docker: Docker, *, running: bool) -> Iterator[str]:
    """Yield what keeps the stack from being started, each with its remedy; `running`: the ports are its own."""
    yield from _docker_troubles(docker)
    chosen = settings(place, docker.environ)
    yield from _settings_troubles(place, chosen)
    yield from _address_troubles(chosen)
    if not running:
        yield from _port_troubles(place, chosen)


def _docker_troubles(docker: Docker) -> Iterator[str]:
    well, said = docker.ask("docker", "version", "--format", "{{.Server.Version}}")
    if not well:
        remedy = {
            "not found": "install it: https://docs.docker.com/engine/install",
        }.get(said, "start it, or let your user talk to it (`docker version` has to work)")
        yield f"Docker: {said.splitlines()[-1] if said else 'no answer'}; {remedy}"
        return
    if _version(said) < DOCKER_NEEDED:
        yield f"Docker {said} is too old; install {_dotted(DOCKER_NEEDED)} or newer"
    well, said = docker.ask(*docker.compose(), "version", "--short")
    if not well:
        yield "Docker has no compose; install its plugin (`docker compose version` has to work)"
    elif _version(said) < COMPOSE_NEEDED:
        yield f"compose {said} is too old; install {_dotted(COMPOSE_NEEDED)} or newer"
    well, said = docker.ask("docker", "info", "--format", "{{.MemTotal}}")
    if well and said.isdigit() and int(said) < MEMORY_NEEDED:
        yield (
            f"Docker has {int(said) / 2**30:.1f} GiB of memory; the stack needs {MEMORY_NEEDED >> 30}: "
            "give it more in its settings"
        )


def _settings_troubles(place: Place, chosen: Mapping[str, str]) -> Iterator[str]:
    profiles = chosen.get("COMPOSE_PROFILES", "")
    if profiles not in PROFILES:
        yield f"COMPOSE_PROFILES={profiles}: the only profile is `logs`"
    files = chosen.get("COMPOSE_FILE", "compose.yaml").split(":")
    for name in files:
        if not (place.directory / name).exists():
            yield f"COMPOSE_FILE names {name}, which is not in {place.directory}"
    if {"compose.sampling.yaml", "compose.tenancy.yaml"} <= set(files):
        yield "COMPOSE_FILE: compose.sampling.yaml and compose.tenancy.yaml do not go together"
    strategies = (chosen.get("TEMPO_STRATEGIES") or STRATEGIES).split("|")
    if len(set(strategies)) < len(strategies) or not all(map(STRATEGY.fullmatch, strategies)) or "ares" in strategies:
        yield f"TEMPO_STRATEGIES={'|'.join(strategies)}: expected names with bars between them, each once, none `ares`"
    if "compose.tls.yaml" in files and shutil.which("openssl", path=chosen.get("PATH")) is None:
        yield "compose.tls.yaml needs certificates, and openssl to make them; install it"
    if chosen.get("ALERT_USERNAME") and not filled(place.secrets / "alertmanager" / "smtp_password"):
        yield "ALERT_USERNAME needs the password in secrets/alertmanager/smtp_password"
    for name in ("otlp_token", "grafana_admin_password", "ares_tokens"):
        path = place.secrets / name
        if path.exists() and len(path.read_text(encoding="utf-8").strip()) < SHORTEST:
            yield f"secrets/{name} is shorter than {SHORTEST} characters: remove it, and a new one is made"


def _address_troubles(chosen: Mapping[str, str]) -> Iterator[str]:
    for name in ADDRESSES:
        if chosen.get(name) and not chosen[name].startswith(("http://", "https://")):
            yield f"{name}={chosen[name]}: expected an address with http:// or https://"


def _port_troubles(place: Place, chosen: Mapping[str, str]) -> Iterator[str]:
    taken: dict[int, str] = {}
    for name, default in place.ports().items():
        text = chosen.get(name) or str(default)
        if not text.isdigit() or not 0 < int(text) <= 65_535:  # noqa: PLR2004  TCP's limit
            yield f"{name}={text} is no port"
            continue
        port = int(text)
        if port in taken:
            yield f"{name} and {taken[port]} are both {port}: change one in .env"
        elif not _free(port):
            yield f"port {port} of 127.0.0.1 is taken: end what listens there, or set {name} in .env"
        taken[port] = name


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Docker does: a port that was just left is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def up(place: Place, docker: Docker, bots: str | None) -> int:
    """Check, prepare and start; say where everything is."""
    compose = docker.compose()
    running = bool(_compose(place, docker, compose, "ps", "--quiet", quiet=True)[1])
    found = list(troubles(place, docker, running=running))
    if found:
        raise TroubleError("\n".join(found))
    chosen = settings(place, docker.environ)
    prepare(place, chosen, bots)
    docker = replace(docker, environ={**docker.environ, MADE: fingerprint(place)})
    started, _ = _compose(
        place,
        docker,
        compose,
        "up",
        "--build",
        "--detach",
        "--remove-orphans",
        "--wait",
        f"--wait-timeout={READY_SECONDS}",
    )
    if not started:
        _compose(place, docker, compose, "ps", "--all")
        raise TroubleError("not everything became healthy: `make logs` says why, `make down` ends it")
    _say(_where(place, chosen))
    return _examined(place, docker, chosen)


def _examined(place: Place, docker: Docker, chosen: Mapping[str, str]) -> int:
    """Let `ares-otel doctor` send a span and a log record through all of it and look for what came of them."""
    ports = {name: chosen.get(name) or str(port) for name, port in place.ports().items()}
    files = chosen.get("COMPOSE_FILE", "").split(":")
    # a span of its own need not be kept, and not under the tenant that is asked
    unsure = {"tempo"} if {"compose.sampling.yaml", "compose.tenancy.yaml"} & set(files) else set()
    parts = [name for name in SERVERS if name not in unsure and (name != "loki" or "logs" in _profiles(chosen))]
    secure = "compose.tls.yaml" in files
    where = {f"ARES_OTEL_STACK_{name.upper()}": f"http://127.0.0.1:{ports[port]}" for name, port in SERVERS.items()}
    bot = {name: str(place.secrets / "tls" / file) for name, file in BOT_FILES.items()} if secure else {}
    asked = {
        "ARES_OTEL_STACK_PARTS": ",".join(parts),
        "ARES_OTEL_STACK_SERVER_TOKEN_FILE": str(place.secrets / "ares_read_token"),
        "ARES_OTEL_STACK_GRAFANA_PASSWORD_FILE": str(place.secrets / "grafana_admin_password"),
        "ARES_OTEL_EXPORTER_ENDPOINT": f"http{'s' if secure else ''}://127.0.0.1:{ports['OTLP_HTTP_PORT']}",
        "ARES_OTEL_EXPORTER_HEADERS_FILE": str(place.secrets / "otlp_headers"),
        "ARES_OTEL_LOGS_EXPORT": "true",
        "ARES_OTEL_ALERTING_ALERTMANAGERS": f"http://127.0.0.1:{ports['ALERTMANAGER_PORT']}",
        "ARES_OTEL_STATE_DIRECTORY": str(place.run / "doctor"),
    }
    command = [*docker.doctor, "--stack", f"--wait={DOCTOR_SECONDS}"]
    around = {**where, **bot, **asked, **docker.environ}
    return subprocess.run(command, cwd=place.directory, env=around, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603


def _profiles(chosen: Mapping[str, str]) -> str:
    return chosen.get("COMPOSE_PROFILES", "")


def _where(place: Place, chosen: Mapping[str, str]) -> str:
    url = {name: f"http://127.0.0.1:{chosen.get(name) or port}" for name, port in place.ports().items()}
    return f"""\
boards      {url["GRAFANA_PORT"]}  user admin, password in {_shown(place.secrets / "grafana_admin_password")}
decisions   {url["ARES_PORT"]}  token in {_shown(place.secrets / "ares_login_token")}
send spans  {url["OTLP_HTTP_PORT"]}  with exporter.headers_file {_shown(place.secrets / "otlp_headers")}
            {url["OTLP_GRPC_PORT"]}  by gRPC
metrics     {url["PROMETHEUS_PORT"]}
traces      {url["TEMPO_PORT"]}
alerts      {url["ALERTMANAGER_PORT"]}"""


def _shown(path: Path) -> str:
    return os.path.relpath(path)


def _compose(place: Place, docker: Docker, compose: list[str], *words: str, quiet: bool = False) -> tuple[bool, str]:
    """Let compose do something; return whether it went well and, if it was not to be seen, what it said."""
    program = shutil.which(compose[0], path=docker.environ.get("PATH"))
    if program is None:
        return False, ""
    made = subprocess.run(  # noqa: S603
        [program, *compose[1:], *words],
        cwd=place.directory,
        env={**docker.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        check=False,
    )
    return made.returncode == 0, (made.stdout or "").strip() if made.returncode == 0 else ""


def check(place: Place, docker: Docker) -> int:
    """Only look whether it can be started."""
    found = list(troubles(place, docker, running=False))
    _say("\n".join(found) or "nothing is in the way")
    return 1 if found else 0


def down(place: Place, docker: Docker, more: list[str]) -> int:
    """End everything; `--volumes` also removes what it kept."""
    return 0 if _compose(place, docker, docker.compose(), "--profile=*", "down", "--remove-orphans", *more)[0] else 1


def logs(place: Place, docker: Docker, more: list[str]) -> int:
    """Show what the servers say, until Ctrl-C."""
    return 0 if _compose(place, docker, docker.compose(), "logs", "--follow", "--tail=100", *more)[0] else 1


def status(place: Place, docker: Docker, more: list[str]) -> int:
    """Show what runs, and where it is."""
    shown, _ = _compose(place, docker, docker.compose(), "ps", "--all", *more)
    _say(_where(place, settings(place, docker.environ)))
    return 0 if shown else 1


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


OTHERS: dict[str, Callable[[Place, Docker, list[str]], int]] = {"down": down, "logs": logs, "status": status}


def main(arguments: list[str] | None = None, place: Place | None = None, docker: Docker | None = None) -> int:
    """Do one of the things; return the exit code."""
    parser = argparse.ArgumentParser(description="Start and stop the stack.")
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("up", help="look whether it can run, make secrets, start, wait until all is healthy")
    starting.add_argument(
        "--bot", metavar="[NAME@]HOST:PORT,…", help="bots that Prometheus should scrape; none: no more"
    )
    commands.add_parser("check", help="only look whether it can run")
    for name, command in OTHERS.items():
        commands.add_parser(name, help=(command.__doc__ or "").partition(";")[0])
    chosen, more = parser.parse_known_args(arguments)
    place, docker = place or Place(), docker or Docker()
    try:
        if chosen.command in OTHERS:
            return OTHERS[chosen.command](place, docker, more)
        if more:
            parser.error(f"unrecognized: {' '.join(more)}")
        if chosen.command == "up":
            return up(place, docker, chosen.bot)
        return check(place, docker)
    except TroubleError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

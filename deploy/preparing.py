# ruff: noqa: INP001  (a script of the repository, no part of the package)
"""What the containers need and no repository may hold: secrets, certificates, and files made of settings."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ares_otel.stack.alerting import Delivery, addresses, alertmanager
from ares_otel.stack.boards import BOARDS, render
from ares_otel.stack.rules import FILES
from ares_otel.stack.rules import render as rules

__all__ = ["MADE", "STRATEGIES", "Place", "TroubleError", "filled", "fingerprint", "prepare", "settings"]

DEPLOY = Path(__file__).resolve().parent
STRATEGIES = "momentum"
TOKEN_BYTES = 32
PORT = re.compile(r"\$\{(\w+_PORT):-(\d+)\}:\d+\"")
BOT = re.compile(r"(?:(?P<name>[\w.-]+)@)?(?P<host>[\w.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
LOOPBACK = {"localhost", "127.0.0.1", "[::1]"}
HOST = "host.docker.internal"
ALERTING = ("slack_url", "pager_url", "deadman_url")
TENANT = "X-Scope-OrgID"
MADE = "ARES_MADE"
"""Variable that compose.yaml has as a label of what reads made files: it looks at no content of files itself."""


class TroubleError(RuntimeError):
    """The stack cannot be started; the message has a line for each cause, with its remedy."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files of the stack are.

    Attributes:
        directory: that of compose.yaml.
    """

    directory: Path = DEPLOY

    @property
    def secrets(self) -> Path:
        """What nobody else may know."""
        return self.directory / "secrets"

    @property
    def run(self) -> Path:
        """What is made of settings."""
        return self.directory / "run"

    @property
    def targets(self) -> Path:
        """Addresses for Prometheus."""
        return self.directory / "prometheus" / "targets" / "host"

    def ports(self) -> dict[str, int]:
        """Return the ports that are published, by the variable that changes each."""
        text = (self.directory / "compose.yaml").read_text(encoding="utf-8")
        return {name: int(port) for name, port in PORT.findall(text)}


def settings(place: Place, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what is set: by the environment, else by `.env`, as compose sees it."""
    path = place.directory / ".env"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.findall(r"^(\w+)=(.*?)\s*$", text, re.MULTILINE)
    return {**{name: value.strip("\"'") for name, value in found}, **environ}


def prepare(place: Place, chosen: Mapping[str, str], bots: str | None = None) -> None:
    """Make what is missing of secrets, and all that follows from settings.

    Args:
        place: where to.
        chosen: the settings.
        bots: addresses of bots for Prometheus, `host:port` or `name@host:port` with commas between; None: as before.

    Raises:
        TroubleError: `bots` is no such list, or openssl failed.
    """
    _make_secrets(place.secrets)
    if "compose.tls.yaml" in chosen.get("COMPOSE_FILE", "").split(":"):
        _make_certificates(place.secrets / "tls")
    _write_alerting(place, chosen)
    _write_boards(place, chosen)
    _write_rules(place, chosen)
    tenancy = _tenancy(place, (chosen.get("TEMPO_STRATEGIES") or STRATEGIES).split("|"))
    (place.run / "tenancy.yaml").write_text(yaml.safe_dump(tenancy, width=120), encoding="utf-8")
    place.targets.mkdir(parents=True, exist_ok=True)
    loki = [{"targets": ["loki:3100"]}] if chosen.get("COMPOSE_PROFILES") == "logs" else []
    (place.targets / "loki.yaml").write_text(json.dumps(loki) + "\n", encoding="utf-8")
    if bots is not None:
        entries = [_target(bot.strip()) for bot in bots.split(",") if bot.strip() not in {"", "none"}]
        (place.targets / "bots.yaml").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def fingerprint(place: Place) -> str:
    """Return what changes with any secret and any made file that containers read."""
    files = [path for home in (place.secrets, place.run) for path in home.rglob("*") if path.is_file()]
    own = place.run / "doctor"
    found = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in files if own not in path.parents):
        for part in (str(path.relative_to(place.directory)).encode(), path.read_bytes()):
            found.update(b"%d " % len(part) + part)
    return found.hexdigest()


def _target(bot: str) -> dict[str, object]:
    found = BOT.fullmatch(bot)
    if found is None or not 0 < int(found["port"]) <= 65_535:  # noqa: PLR2004  TCP's limit
        raise TroubleError(f"BOT={bot}: expected host:port or name@host:port, with commas between several")
    host = HOST if found["host"] in LOOPBACK else found["host"]  # a container's loopback is its own
    labels = {"service_name": found["name"]} if found["name"] else {}
    return {"targets": [f"{host}:{found['port']}"], "labels": labels}


def _make_secrets(directory: Path) -> None:
    """Make what is missing. Others cannot enter the directory; containers see its files, under users of their own."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o700)
    (directory / "alertmanager").mkdir(exist_ok=True)
    otlp, write, read, own = (
        _secret(directory / name) for name in ("otlp_token", "ares_write_token", "ares_read_token", "ares_login_token")
    )
    _secret(directory / "grafana_admin_password")
    _write(directory / "otlp_headers", f"authorization: Bearer {otlp}\n")
    _write(directory / "ares_tokens", f"{write} write\n{read} read\n{own} all\n")


def _secret(path: Path) -> str:
    if not path.exists():
        _write(path, secrets.token_urlsafe(TOKEN_BYTES))
    return path.read_text(encoding="utf-8").strip()


def _write(path: Path, text: str) -> None:
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o444)


def _make_certificates(directory: Path) -> None:
    """Make an authority, and by it the certificates of the collector and of a bot, where they are missing."""
    directory.mkdir(exist_ok=True)
    names = "subjectAltName=DNS:otel-collector,DNS:localhost,DNS:host.docker.internal,IP:127.0.0.1"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name, more in {
        "ca": ["-days", "3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign"],
        "collector": ["-days", "825", "-addext", names],
        "bot": ["-days", "825", "-addext", "extendedKeyUsage=clientAuth"],
    }.items():
        key, certificate = directory / f"{name}.key", directory / f"{name}.crt"
        if certificate.exists():
            continue
        signed = [] if name == "ca" else ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:FALSE"]
        subject = ["-subj", f"/CN=ares-otel {name}", "-keyout", key.name, "-out", certificate.name]
        made = subprocess.run(  # noqa: S603
            [*new, *subject, *more, *signed], cwd=directory, capture_output=True, text=True, check=False
        )
        if made.returncode:
            raise TroubleError(f"openssl made no certificate for {name}: {made.stderr.strip()}")
        key.chmod(0o444)
    (directory / "ca.key").chmod(0o400)


def _write_alerting(place: Place, chosen: Mapping[str, str]) -> None:
    """Write Alertmanager's settings, with the receivers whose addresses are known."""
    given = {name.partition("_")[0]: filled(place.secrets / "alertmanager" / name) for name in ALERTING}
    delivery = Delivery(
        smarthost=chosen.get("ALERT_SMARTHOST", ""),
        sender=chosen.get("ALERT_SENDER") or "ares@localhost",
        domain=chosen.get("ALERT_DOMAIN") or "localhost",
        username=chosen.get("ALERT_USERNAME", ""),
        tls=chosen.get("ALERT_TLS", "0") not in {"", "0", "false"},
        slack=given["slack"],
        pager=given["pager"],
        deadman=given["deadman"],
        ares=_public(chosen, "ARES_URL", "ARES_PORT", 8100),
        grafana=_public(chosen, "GRAFANA_URL", "GRAFANA_PORT", 3000),
        runbooks=_runbooks(chosen),
    )
    home = place.run / "alertmanager"
    for directory in (home / "templates", home / "secrets"):
        directory.mkdir(parents=True, exist_ok=True)
    (home / "alertmanager.yml").write_text(alertmanager(delivery), encoding="utf-8")
    (home / "templates" / "addresses.tmpl").write_text(addresses(delivery), encoding="utf-8")
    shutil.copyfile(place.directory / "alertmanager" / "templates" / "ares.tmpl", home / "templates" / "ares.tmpl")


def _write_boards(place: Place, chosen: Mapping[str, str]) -> None:
    """Write the boards with links to where browsers find the ares server; one that is gone is gone here, too."""
    ares = _public(chosen, "ARES_URL", "ARES_PORT", 8100)
    _write_all(place.run / "dashboards", {f"{board.uid}.json": render(board, ares) for board in BOARDS})


def _write_rules(place: Place, chosen: Mapping[str, str]) -> None:
    """Write the rules with links to where browsers find runbooks."""
    runbooks = _runbooks(chosen)
    _write_all(place.run / "rules", {name: rules(groups, runbooks) for name, groups in FILES.items()})


def _write_all(home: Path, made: Mapping[str, str]) -> None:
    """Write files by name; one that is not among them any more goes."""
    home.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        (home / name).write_text(text, encoding="utf-8")
    for old in {path.name for path in home.iterdir()} - set(made):
        (home / old).unlink()


def _runbooks(chosen: Mapping[str, str]) -> str:
    """Return what the path of a runbook is appended to."""
    return chosen.get("RUNBOOKS_URL") or f"{_public(chosen, 'ARES_URL', 'ARES_PORT', 8100)}/"


def _public(chosen: Mapping[str, str], address: str, port: str, usual: int) -> str:
    """Return where browsers find a server, without a slash at the end: what is set, else its port of this machine."""
    return (chosen.get(address) or f"http://127.0.0.1:{chosen.get(port) or usual}").rstrip("/")


def _tenancy(place: Place, strategies: list[str]) -> dict[str, Any]:
    """Return what gives each strategy a pipeline and a queue of its own to Tempo, under its name as tenant."""
    base = yaml.safe_load((place.directory / "collector" / "stack.yaml").read_text(encoding="utf-8"))
    exporter = base["exporters"]["otlp_grpc/tempo"]
    is_of = 'resource.attributes["ares.strategy"] == "{}"'
    filters = {
        "filter/ares": {"traces": {"span": [is_of.format(name) for name in strategies]}},
        **{f"filter/{name}": {"traces": {"span": [f"not ({is_of.format(name)})"]}} for name in strategies},
    }
    exporters = {
        "otlp_grpc/tempo": {"headers": {TENANT: "ares"}},
        **{f"otlp_grpc/{name}": {**exporter, "headers": {TENANT: name}} for name in strategies},
    }
    pipelines = {
        "traces": {"exporters": ["otlp_http/ares"]},
        **{
            f"traces/{name}": {
                "receivers": ["otlp"],
                "processors": ["memory_limiter", f"filter/{name}"],
                "exporters": [f"otlp_grpc/{'tempo' if name == 'ares' else name}"],
            }
            for name in ("ares", *strategies)
        },
    }
    return {"processors": filters, "exporters": exporters, "service": {"pipelines": pipelines}}


def filled(path: Path) -> bool:
    """Return whether a file says something."""
    return path.exists() and bool(path.read_text(encoding="utf-8").strip())

"""The compose files keep what docs/stack.md promises of every service: read as YAML, without Docker."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from sources import ROOT

DEPLOY = ROOT / "deploy"
OVERLAYS = sorted(path.name for path in DEPLOY.glob("compose.*.yaml"))
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+([.-][\w.-]+)?")
LOOPBACK = re.compile(r"127\.0\.0\.1:\$\{\w+_PORT:-\d+\}:\d+")
VARIABLE = re.compile(r"\$\{(\w+)[^}]*\}")
SHELLS = {"CMD-SHELL", "sh", "bash", "/bin/sh", "/bin/bash"}
OURS = {"ares-server", "demo"}


def read(name: str) -> dict[str, Any]:
    """Return a compose file as it is written."""
    document: dict[str, Any] = yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))
    return document


BASE = read("compose.yaml")
SERVICES = BASE["services"]


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return source, target and whether it is read-only of each mount of a service."""
    found = []
    for volume in service.get("volumes", []):
        if isinstance(volume, dict):
            found.append((volume["source"], volume["target"], volume.get("read_only", False)))
        else:
            # a variable's default has a colon, too
            source, target, *mode = re.split(r":(?![-+])", volume)
            found.append((source, target, mode == ["ro"]))
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined(name: str) -> None:
    """Each service has a read-only root, no capability, no way to more rights, no root user, and limits."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    assert {"privileged", "cap_add", "container_name", "network_mode", "pid", "ipc"} & set(service) == set()
    assert {"memory", "cpus", "pids"} == set(service["deploy"]["resources"]["limits"])
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_service_tells_its_health(name: str) -> None:
    """Each has a check that calls a program of its image, without a shell, and time to end well."""
    service = SERVICES[name]

    assert service["healthcheck"]["test"][0] == "CMD"
    assert set(service["healthcheck"]["test"]) & SHELLS == set()
    assert re.fullmatch(r"\d+s", service["stop_grace_period"])


@pytest.mark.parametrize("name", SERVICES)
def test_image_is_pinned(name: str) -> None:
    """Each image has a full version; nothing is called latest."""
    assert PINNED.fullmatch(SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_of_loopback(name: str) -> None:
    """What is published is so on 127.0.0.1 alone, under a port that a variable changes."""
    assert [port for port in SERVICES[name].get("ports", []) if not LOOPBACK.fullmatch(port)] == []


@pytest.mark.parametrize("name", SERVICES)
def test_only_data_is_written(name: str) -> None:
    """Files of the repository, settings and secrets are read-only; what is written is a named volume."""
    written = [source for source, _, read_only in mounts(SERVICES[name]) if not read_only]

    assert [source for source in written if source not in BASE["volumes"]] == []


@pytest.mark.parametrize("name", SERVICES)
def test_mounted_files_exist(name: str) -> None:
    """What is mounted of the repository is there, also where a variable chooses between files."""
    for source, _, _ in mounts(SERVICES[name]):
        if source.startswith(".") and not source.startswith(("./run/", "./secrets/")):
            for chosen in ("none", "logs"):
                assert (DEPLOY / VARIABLE.sub(chosen, source)).exists(), source


@pytest.mark.parametrize("name", SERVICES)
def test_who_reads_made_files_starts_again(name: str) -> None:
    """Compose sees no change in a file; what reads secrets or made files has a label that changes with them."""
    service = SERVICES[name]
    made = [source for source, _, _ in mounts(service) if source.startswith(("./run/", "./secrets/"))]

    assert bool(made or service.get("secrets")) == (service.get("labels") == {"ares-otel.made": "${ARES_MADE-}"})


def test_nothing_keeps_bots_waiting() -> None:
    """The bot starts without the servers, and the servers without each other: queues keep what waits."""
    assert [name for name, service in SERVICES.items() if "depends_on" in service] == []


def test_memory_fits_what_is_asked_for() -> None:
    """The memory that `make up` asks Docker for is near what the services may take, without Loki."""
    sizes = {"M": 1 / 1024, "G": 1.0}
    limits = [
        service["deploy"]["resources"]["limits"]["memory"]
        for service in SERVICES.values()
        if not service.get("profiles")
    ]

    assert sum(float(limit[:-1]) * sizes[limit[-1]] for limit in limits) <= 6


def test_backend_has_no_way_out() -> None:
    """Between the servers is a network without a way to anywhere; bots are not in it."""
    assert BASE["networks"]["backend"] == {"internal": True}
    assert SERVICES["demo"]["networks"] == ["bots"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_changes_what_exists(name: str) -> None:
    """An overlay changes services of the base, mounts files that exist, and loosens nothing."""
    overlay = read(name)

    assert set(overlay["services"]) <= set(SERVICES)
    for service in overlay["services"].values():
        assert set(service) <= {"command", "environment", "secrets", "volumes"}
        for source, target, read_only in mounts(service):
            assert read_only
            assert source.startswith("./run/") or (DEPLOY / source).exists()
            assert target in {place for _, place, _ in mounts(SERVICES["otel-collector"])}


def test_settings_are_those_that_are_used() -> None:
    """`.env.example` has each variable that is read, with the default that counts without it."""
    example = dict(
        line.split("=", 1)
        for line in (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    )
    text = "".join((DEPLOY / name).read_text(encoding="utf-8") for name in ("compose.yaml", *OVERLAYS))
    # an address of its own is that of a port as long as nobody sets it
    nested = dict.fromkeys(re.findall(r"\$\{(\w+):-http://127\.0\.0\.1:\$\{", text), "")
    defaults = dict(re.findall(r"\$\{(\w+):-([^${}]*)\}", text)) | nested
    defaults.pop("COMPOSE_PROFILES")

    assert {name: example.get(name) for name in defaults} == defaults
    rest = set(example) - set(defaults)
    assert {name for name in rest if not name.startswith("ALERT_")} == {
        "COMPOSE_FILE",
        "COMPOSE_PROFILES",
        "RUNBOOKS_URL",
    }
    read_by_script = "".join((DEPLOY / name).read_text(encoding="utf-8") for name in ("stack.py", "preparing.py"))
    assert {name for name in rest if f'"{name}"' not in read_by_script} == set()


def test_secrets_are_ignored() -> None:
    """What `make up` makes is in no commit and in no image."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert {"/deploy/.env", "/deploy/run/", "/deploy/secrets/"} <= set(ignored)
    assert "*" in kept
    assert not any(line.startswith("!deploy") for line in kept)
    for secret in BASE["secrets"].values():
        assert secret["file"].startswith("./secrets/")


def test_collector_is_of_the_version_that_is_tested() -> None:
    """Image, Dockerfile and the collector of `make servers` are of one release."""
    manifest = yaml.safe_load((DEPLOY / "collector" / "builder.yaml").read_text(encoding="utf-8"))
    version = manifest["dist"]["version"]

    assert SERVICES["otel-collector"]["image"].endswith(f":{version}")
    assert f"ARG OTELCOL={version}\n" in (DEPLOY / "Dockerfile").read_text(encoding="utf-8")


def test_dockerfile_pins_its_bases() -> None:
    """Each base has a version, and what runs is not root."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    arguments = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))

    for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        assert PINNED.fullmatch(VARIABLE.sub(lambda found: arguments[found[1]], base)), base
    assert "USER 10001:10001" in text
    assert {SERVICES[name]["user"] for name in OURS} == {"10001:10001"}


def test_image_of_ours_has_the_version_of_the_package() -> None:
    """The tag of our image is the package's version."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"$', project, re.MULTILINE)

    assert version
    assert {SERVICES[name]["image"] for name in OURS} == {f"ares-otel/ares:{version[1]}"}

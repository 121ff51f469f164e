"""The real Prometheus and Alertmanager with the committed files, and a demo bot beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from built import ROOT, built
from collector import free_ports

from ares_otel.stack.alerting import Delivery, addresses, alertmanager

__all__ = ["Prometheus", "Server", "demo_bot", "running_alertmanager", "running_prometheus", "until"]

T = TypeVar("T")
FEATURES = ("--enable-feature=exemplar-storage", "--web.enable-otlp-receiver", "--web.enable-remote-write-receiver")


def until(ask: Callable[[], T], *, what: str, seconds: float = 60.0) -> T:
    """Return the first answer that is true.

    Raises:
        AssertionError: there was none in time; the message says what was waited for, and the last answer.
    """
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s; last: {answer!r}"
        time.sleep(0.2)


class Server:
    """A program that listens: its address, its log, and its end."""

    def __init__(self, command: list[str], url: str, directory: Path) -> None:
        self.url = url
        self.log = directory / f"{Path(command[0]).name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def ready(self) -> bool:
        """Whether it says that it is ready; an end of its own is an error with the end of its log."""
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
        try:
            with urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def stop(self) -> None:
        """End it, and wait for its end."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Prometheus(Server):
    """A running Prometheus that can be asked."""

    def ask(self, path: str, **parameters: str | float) -> Any:
        """Return the data of an answer of its API."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(parameters)}", timeout=30) as answer:
            body = json.loads(answer.read())
        assert body["status"] == "success", body
        return body["data"]

    def value(self, query: str) -> float | None:
        """Return the value of a query that has one at most."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None


@contextmanager
def running_prometheus(directory: Path, targets: dict[str, str]) -> Iterator[Prometheus]:
    """Run Prometheus with the committed configuration and rules; `targets` are addresses by the name of their file."""
    (port,) = free_ports(1)
    (directory / "targets" / "bots").mkdir(parents=True)
    (directory / "prometheus.yml").symlink_to(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    (directory / "rules").symlink_to(ROOT / "prometheus" / "rules")
    for name, address in {"prometheus": f"127.0.0.1:{port}", **targets}.items():
        (directory / "targets" / f"{name}.yaml").write_text(json.dumps([{"targets": [address]}]))
    command = [str(built("prometheus")), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    server = Prometheus(
        [*command, f"--web.listen-address=127.0.0.1:{port}", *FEATURES], f"http://127.0.0.1:{port}", directory
    )
    try:
        until(server.ready, what="Prometheus is ready")
        yield server
    finally:
        server.stop()


@contextmanager
def running_alertmanager(directory: Path, delivery: Delivery, secrets: dict[str, str]) -> Iterator[Server]:
    """Run Alertmanager with the generated configuration and the committed templates; `secrets` become files."""
    (port,) = free_ports(1)
    (directory / "secrets").mkdir(parents=True)
    (directory / "templates").mkdir()
    for name, secret in secrets.items():
        (directory / "secrets" / name).write_text(secret)
    (directory / "alertmanager.yml").write_text(alertmanager(delivery))
    (directory / "templates" / "addresses.tmpl").write_text(addresses(delivery))
    committed = ROOT / "deploy" / "alertmanager" / "templates" / "ares.tmpl"
    (directory / "templates" / "ares.tmpl").symlink_to(committed)
    command = [str(built("alertmanager")), "--config.file=alertmanager.yml", "--storage.path=data"]
    listen = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    server = Server([*command, *listen], f"http://127.0.0.1:{port}", directory)
    try:
        until(server.ready, what="Alertmanager is ready")
        yield server
    finally:
        server.stop()


@contextmanager
def demo_bot(directory: Path, file_sd: Path, otlp: str) -> Iterator[None]:
    """Run `ares-otel demo`, which tells Prometheus by a file where it is, and sends its spans to a collector."""
    (port,) = free_ports(1)
    around = {
        "ARES_OTEL_METRICS_PORT": str(port),
        "ARES_OTEL_METRICS_FILE_SD": str(file_sd),
        "ARES_OTEL_SERVICE_ENVIRONMENT": "test",
    }
    command = [sys.executable, "-m", "ares_otel.cli.main", "demo", "--rate", "40"]
    command += ["--directory", str(directory), "--otlp", otlp]
    with (directory.parent / "demo.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **around}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

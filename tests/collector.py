"""The real OpenTelemetry Collector for end-to-end tests: the binary of `make servers`, a committed configuration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from ports import free_ports

__all__ = ["Collector", "collector_binary", "free_ports"]

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "deploy" / "collector" / "demo.yaml"
ATTEMPTS = 3
LOG_TAIL = 2_000


def collector_binary() -> Path:
    """Return the built collector.

    Raises:
        RuntimeError: it is not there; the message says how to build it.
    """
    script = [sys.executable, str(ROOT / "deploy" / "servers.py"), "--path", "otelcol"]
    binary = Path(subprocess.run(script, check=True, capture_output=True, text=True).stdout.strip())
    if not binary.exists():
        raise RuntimeError(f"the collector is not built ({binary} is missing): run `make servers` first")
    return binary


class Collector:
    """A running collector that forwards traces to an OTLP/HTTP server; a context manager.

    `start` after `stop` or `kill` continues on the same ports with the same queue, as a restarted service does.

    Args:
        server: base URL of the OTLP/HTTP server it forwards to, such as "http://127.0.0.1:8100".
        directory: where its queue and its log live.
        configs: its configuration, each file merged into those before it; that of the demo by default.
        environ: what the configuration reads of the environment, beside ports, queue and server.

    Attributes:
        http: base URL of its OTLP/HTTP receiver.
        grpc: address of its OTLP/gRPC receiver.
        log: the file with all it wrote.
    """

    def __init__(
        self,
        server: str,
        directory: Path,
        configs: Sequence[Path] = (CONFIG,),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.server = server
        self.queue = directory / "queue"
        self.log = directory / "otelcol.log"
        self._binary = collector_binary()
        self._configs = tuple(configs)
        self._around = dict(environ or {})
        self._ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def http(self) -> str:
        """Base URL of the OTLP/HTTP receiver."""
        return f"http://127.0.0.1:{self._ports[0]}"

    @property
    def grpc(self) -> str:
        """Address of the OTLP/gRPC receiver."""
        return f"127.0.0.1:{self._ports[1]}"

    @property
    def health(self) -> str:
        """URL of the health check."""
        return f"http://127.0.0.1:{self._ports[2]}"

    @property
    def metrics(self) -> str:
        """URL of the collector's own metrics."""
        return f"http://127.0.0.1:{self._ports[3]}/metrics"

    @property
    def pid(self) -> int:
        """Id of its process.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None:
            raise RuntimeError("the collector does not run")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self, timeout: float = 60.0) -> None:
        """Start and wait until the health check answers.

        Raises:
            RuntimeError: it ended or was not ready within `timeout` seconds; the message has the end of its log.
        """
        if self._process is not None:
            raise RuntimeError("the collector is running already")
        for attempt in range(1, ATTEMPTS + 1):
            chosen_here = not self._ports
            self._ports = self._ports or free_ports(4)
            if self._run(time.monotonic() + timeout):
                return
            if not (chosen_here and attempt < ATTEMPTS and "address already in use" in self.tail()):
                break
            self._ports = []  # somebody was faster to one of them
        raise RuntimeError(f"the collector did not become ready; its log ends:\n{self.tail()}")

    def stop(self, timeout: float = 20.0) -> None:
        """End it by SIGTERM; what it could not deliver stays in its queue. Does nothing when it does not run.

        Raises:
            RuntimeError: it had to be killed after `timeout` seconds.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the collector ignored SIGTERM for {timeout} s; its log ends:\n{self.tail()}") from None

    def kill(self) -> None:
        """End it as `kill -9` does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL:] if self.log.exists() else ""

    def _run(self, deadline: float) -> bool:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [str(self._binary), *(f"--config={config}" for config in self._configs)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, env=self._environ(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        while time.monotonic() < deadline and self._process.poll() is None:
            if _answers(self.health):
                return True
            time.sleep(0.05)
        self.kill()
        return False

    def _environ(self) -> dict[str, str]:
        names = ("OTLP_HTTP_PORT", "OTLP_GRPC_PORT", "OTELCOL_HEALTH_PORT", "OTELCOL_METRICS_PORT")
        ports = {name: str(port) for name, port in zip(names, self._ports, strict=True)}
        own = {"OTELCOL_HOST": "127.0.0.1", "ARES_SERVER_URL": self.server, "OTELCOL_QUEUE_DIR": str(self.queue)}
        return {**os.environ, **ports, **own, **self._around}


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1.0) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False

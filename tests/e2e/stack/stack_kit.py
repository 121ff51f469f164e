"""The real servers of the stack with the committed files, and a demo bot beside them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import msgspec
from built import ROOT, built
from collector import Collector, free_ports

from ares_otel.config.serving import Server as Settings
from ares_otel.server.http.serve import EmbeddedServer
from ares_otel.stack.alerting import Delivery, addresses, alertmanager
from ares_otel.stack.rules import FILES, render

__all__ = [
    "CONFIGS",
    "READ_TOKEN",
    "TOKEN",
    "AresServer",
    "Loki",
    "Made",
    "Prometheus",
    "Server",
    "Tempo",
    "collecting",
    "decide",
    "demo_bot",
    "guarded",
    "headers_file",
    "laid_out",
    "running_alertmanager",
    "running_loki",
    "running_prometheus",
    "running_tempo",
    "serving",
    "stored",
    "until",
    "within",
]

T = TypeVar("T")
TOKEN = "a-token-of-these-tests"
READ_TOKEN = "0123456789abcdef"
CONFIGS = ROOT / "deploy" / "collector"
FEATURES = (
    "--enable-feature=exemplar-storage",
    "--web.enable-otlp-receiver",
    "--web.enable-remote-write-receiver",
    "--rules.alert.for-grace-period=1m",
)


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


def within(promised: float) -> float:
    """Return a promised time in seconds as this machine can keep it now: longer where more wants to run than can.

    Two programs for each processor are usual here; the servers under test are some of them.
    """
    return promised * max(1.0, os.getloadavg()[0] / (2 * (os.cpu_count() or 1)))


class Server:
    """A program that listens: its address, its log, and its end."""

    READY = "/-/ready"
    PATIENCE = 20.0

    def __init__(self, command: list[str], url: str, directory: Path, environ: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.log = directory / f"{Path(command[0]).name}.log"
        self._command = (command, directory, {**os.environ, **(environ or {})})
        self.start_again()

    def start_again(self) -> None:
        """Start it as it was started first."""
        command, directory, around = self._command
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=directory, env=around, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def ready(self) -> bool:
        """Whether it says that it is ready; an end of its own is an error with the end of its log."""
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
        try:
            with urlopen(f"{self.url}{self.READY}", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def stop(self) -> None:
        """End it, and wait for its end; do nothing if it ended before."""
        self.process.terminate()
        try:
            self.process.wait(self.PATIENCE)
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


class Tempo(Server):
    """A running Tempo that can be asked.

    Attributes:
        otlp: host:port of its OTLP over gRPC.
        tenant: whose traces are asked for, where it has tenants; "a|b" for those of two.
    """

    READY = "/ready"
    PATIENCE = 12.0  # its data is on disk by then; after a search its frontend never ends by itself
    otlp = ""
    tenant = ""

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """Return the spans of a trace that are found by its id; none: it is not there."""
        body = self._ask(f"/api/v2/traces/{trace_id}")
        batches = body.get("trace", {}).get("resourceSpans", [])
        return [span for batch in batches for scope in batch["scopeSpans"] for span in scope["spans"]]

    def search(self, query: str, since: int = 0, until: int = 0, limit: int = 50) -> list[str]:
        """Return the ids of the traces that TraceQL finds, in the form of OTLP, with all their zeros.

        Args:
            query: TraceQL.
            since: begin of the time that is searched, in Unix seconds; 0: what is recent.
            until: its end.
            limit: as many at most.
        """
        times = {"start": since, "end": until} if since else {}
        found = self._ask(f"/api/search?{urlencode({'q': query, 'limit': limit, **times})}").get("traces", [])
        return [trace["traceID"].zfill(32) for trace in found]

    def _ask(self, path: str) -> Any:
        request = Request(self.url + path, headers={"X-Scope-OrgID": self.tenant} if self.tenant else {})
        with urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def running_tempo(binary: Path, directory: Path, prometheus: str, **environ: str) -> Iterator[Tempo]:
    """Run Tempo with the committed configuration; `environ` is what it reads besides its ports."""
    http, grpc, otlp = free_ports(3)
    directory.mkdir(parents=True, exist_ok=True)
    around = {
        "TEMPO_HOST": "127.0.0.1",
        "TEMPO_HTTP_PORT": str(http),
        "TEMPO_GRPC_PORT": str(grpc),
        "TEMPO_OTLP_PORT": str(otlp),
        "TEMPO_DIR": str(directory / "data"),
        "PROMETHEUS_URL": prometheus,
        **environ,
    }
    config = ROOT / "deploy" / "tempo" / "tempo.yaml"
    command = [str(binary), f"-config.file={config}", "-config.expand-env=true"]
    server = Tempo(command, f"http://127.0.0.1:{http}", directory, around)
    server.otlp = f"127.0.0.1:{otlp}"
    try:
        until(server.ready, what="Tempo is ready")
        yield server
    finally:
        server.stop()


class Loki(Server):
    """A running Loki that can be asked."""

    READY = "/ready"

    def lines(self, query: str, around: float = 600.0) -> list[tuple[str, dict[str, str]]]:
        """Return the lines that LogQL finds, the oldest first, each with its labels and structured metadata."""
        now = time.time()
        asked = {"query": query, "start": int((now - around) * 1e9), "end": int((now + 60) * 1e9), "limit": 5000}
        with urlopen(f"{self.url}/loki/api/v1/query_range?{urlencode(asked)}", timeout=30) as answer:
            streams = json.loads(answer.read())["data"]["result"]
        found = [(int(at), text, stream["stream"]) for stream in streams for at, text in stream["values"]]
        return [(text, labels) for _, text, labels in sorted(found, key=lambda each: each[0])]

    def number(self, query: str) -> float | None:
        """Return the value of a query that has one at most."""
        with urlopen(f"{self.url}/loki/api/v1/query?{urlencode({'query': query})}", timeout=30) as answer:
            found = json.loads(answer.read())["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def labels(self) -> set[str]:
        """Return the names of the labels that tell streams apart."""
        with urlopen(f"{self.url}/loki/api/v1/labels", timeout=30) as answer:
            return set(json.loads(answer.read()).get("data", []))


@contextmanager
def running_loki(binary: Path, directory: Path, **environ: str) -> Iterator[Loki]:
    """Run Loki with the committed configuration; `environ` is what it reads besides its ports."""
    http, grpc = free_ports(2)
    directory.mkdir(parents=True, exist_ok=True)
    around = {
        "LOKI_HOST": "127.0.0.1",
        "LOKI_HTTP_PORT": str(http),
        "LOKI_GRPC_PORT": str(grpc),
        "LOKI_DIR": str(directory / "data"),
        **environ,
    }
    config = ROOT / "deploy" / "loki" / "loki.yaml"
    command = [str(binary), f"-config.file={config}", "-config.expand-env=true"]
    server = Loki(command, f"http://127.0.0.1:{http}", directory, around)
    try:
        until(server.ready, what="Loki is ready", seconds=120)
        yield server
    finally:
        server.stop()


def collecting(directory: Path, server: str, tempo: str, prometheus: str, *overlays: str, **environ: str) -> Collector:
    """Return the collector of the stack, to be started; `overlays` are files beside its configuration, or elsewhere."""
    directory.mkdir(parents=True, exist_ok=True)
    token = directory / "token"
    token.write_text(TOKEN)
    around = {
        "OTLP_TOKEN_FILE": str(token),
        "ARES_SERVER_TOKEN_FILE": str(token),
        "TEMPO_OTLP": tempo,
        "PROMETHEUS_URL": prometheus,
        **environ,
    }
    configs = [CONFIGS / f"{name}.yaml" for name in ("stack", *overlays)]
    return Collector(server, directory, configs, around)


class AresServer(Server):
    """A running `ares-otel serve`, in a process of its own as in its container.

    Attributes:
        database: its file.
    """

    READY = "/readyz"
    database = Path()


@contextmanager
def serving(directory: Path) -> Iterator[AresServer]:
    """Run the ares server with tokens of the collector and of Prometheus."""
    (port,) = free_ports(1)
    directory.mkdir(parents=True, exist_ok=True)
    tokens = directory / "tokens"
    tokens.write_text(f"{TOKEN} write\n{READ_TOKEN} read\n")
    tokens.chmod(0o600)
    command = [sys.executable, "-m", "ares_otel.cli.main", "serve", "--port", str(port), "--token-file", str(tokens)]
    command += ["--database", str(directory / "ares.db"), "--log-format", "json"]
    server = AresServer(command, f"http://127.0.0.1:{port}", directory)
    server.database = directory / "ares.db"
    try:
        until(server.ready, what="the ares server is ready")
        yield server
    finally:
        server.stop()


@contextmanager
def guarded(directory: Path, port: int = 0) -> Iterator[EmbeddedServer]:
    """Run the ares server with a token, as beyond loopback; a second run in the same directory goes on."""
    directory.mkdir(parents=True, exist_ok=True)
    tokens = directory / "tokens"
    tokens.write_text(f"{TOKEN} write\n{READ_TOKEN} read\n")
    tokens.chmod(0o600)
    settings = msgspec.structs.replace(Settings(), token_file=str(tokens))
    server = EmbeddedServer(directory / "ares.db", port=port, settings=settings).start()
    try:
        yield server
    finally:
        server.stop(10)


def stored(directory: Path) -> set[str]:
    """Return the trace ids of the decisions that the ares server of a directory has."""
    with closing(sqlite3.connect(str(directory / "ares.db"))) as database:
        return {bytes(row[0]).hex() for row in database.execute("SELECT trace FROM decision")}


def laid_out(deploy: Path) -> None:
    """Lay out what `make up` reads where it is not the checkout."""
    for name in ("alertmanager", "collector"):
        deploy.mkdir(parents=True, exist_ok=True)
        (deploy / name).symlink_to(ROOT / "deploy" / name)


class Made(NamedTuple):
    """A decision that a bot made, and whether its end says that all was delivered."""

    trace_id: str
    correlation_id: str
    delivered: bool


BOT = """
import json, sys
from opentelemetry import trace
import ares_otel as ares
ares.setup()
call = {"kind": trace.SpanKind.CLIENT, "attributes": {"peer.service": "binance"}}
with ares.decision(symbol="ETHUSDT", strategy=sys.argv[1], venue="binance", price=3000.0) as d:
    with trace.get_tracer("kit").start_as_current_span("call", **call):
        pass
    d.resolve("buy" if sys.argv[2:] else "hold", confidence=0.6, threshold=0.5)
    for order in sys.argv[2:]:
        d.order(order, side="buy", type="market", quantity=1.0)
        ares.record(ares.OrderUpdate(order, "filled", quantity=1.0, price=3000.5))
trace_id = format(d.get_span_context().trace_id, "032x")
print(json.dumps([trace_id, d.correlation_id, bool(ares.shutdown(5))]))
"""


def decide(directory: Path, otlp: str, *orders: str, headers: Path, strategy: str = "momentum", **environ: str) -> Made:
    """Let a bot in a process of its own make one decision, with these orders, and end."""
    directory.mkdir(parents=True, exist_ok=True)
    around = {
        "ARES_OTEL_EXPORTER_ENDPOINT": otlp,
        "ARES_OTEL_EXPORTER_HEADERS_FILE": str(headers),
        "ARES_OTEL_METRICS_ENABLED": "false",
        "ARES_OTEL_STATE_DIRECTORY": str(directory / "state"),
        "ARES_OTEL_SERVICE_NAME": "kit-bot",
        **environ,
    }
    command = [sys.executable, "-c", BOT, strategy, *orders]
    made = subprocess.run(command, env={**os.environ, **around}, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return Made(*json.loads(made.stdout))


def headers_file(directory: Path) -> Path:
    """Write the headers that the collector of the stack wants to see."""
    path = directory / "headers"
    path.write_text(f"authorization: Bearer {TOKEN}\n")
    return path


@contextmanager
def running_prometheus(
    directory: Path, targets: dict[str, str], *switches: str, runbooks: str = "", **environ: str
) -> Iterator[Prometheus]:
    """Run Prometheus with the committed configuration and rules.

    Args:
        directory: where it is laid out.
        targets: addresses by the name of their file.
        switches: further ones.
        runbooks: where runbooks are, if not where the committed rules say.
        environ: further environment.
    """
    (port,) = free_ports(1)
    (directory / "targets" / "bots").mkdir(parents=True)
    (directory / "prometheus.yml").symlink_to(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    if runbooks:
        (directory / "rules").mkdir()
        for name, groups in FILES.items():
            (directory / "rules" / name).write_text(render(groups, runbooks), encoding="utf-8")
    else:
        (directory / "rules").symlink_to(ROOT / "prometheus" / "rules")
    (directory / "secrets").mkdir()
    (directory / "secrets" / "ares_read_token").write_text(READ_TOKEN)
    for name, address in {"prometheus": f"127.0.0.1:{port}", **targets}.items():
        (directory / "targets" / f"{name}.yaml").write_text(json.dumps([{"targets": [address]}]))
    command = [str(built("prometheus")), "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", *FEATURES, *switches]
    server = Prometheus(command, f"http://127.0.0.1:{port}", directory, environ)
    try:
        until(server.ready, what="Prometheus is ready")
        yield server
    finally:
        server.stop()


@contextmanager
def running_alertmanager(
    directory: Path,
    delivery: Delivery,
    secrets: dict[str, str],
    configuration: str = "",
    **environ: str,
) -> Iterator[Server]:
    """Run Alertmanager with the committed templates and the generated configuration, or one made of it.

    `secrets` become files.
    """
    (port,) = free_ports(1)
    (directory / "secrets").mkdir(parents=True)
    (directory / "templates").mkdir()
    for name, secret in secrets.items():
        (directory / "secrets" / name).write_text(secret)
    (directory / "alertmanager.yml").write_text(configuration or alertmanager(delivery))
    (directory / "templates" / "addresses.tmpl").write_text(addresses(delivery))
    committed = ROOT / "deploy" / "alertmanager" / "templates" / "ares.tmpl"
    (directory / "templates" / "ares.tmpl").symlink_to(committed)
    command = [str(built("alertmanager")), "--config.file=alertmanager.yml", "--storage.path=data"]
    listen = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    server = Server([*command, *listen], f"http://127.0.0.1:{port}", directory, environ)
    try:
        until(server.ready, what="Alertmanager is ready")
        yield server
    finally:
        server.stop()


@contextmanager
def demo_bot(directory: Path, file_sd: Path, otlp: str, **environ: str) -> Iterator[None]:
    """Run `ares-otel demo`, which tells Prometheus by a file where it is, and sends its spans to a collector."""
    (port,) = free_ports(1)
    around = {
        "ARES_OTEL_METRICS_PORT": str(port),
        "ARES_OTEL_METRICS_FILE_SD": str(file_sd),
        "ARES_OTEL_SERVICE_ENVIRONMENT": "test",
        **environ,
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

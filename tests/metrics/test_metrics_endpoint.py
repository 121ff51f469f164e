from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from metrics_story import metrics, parsed

from ares_otel.guard import GUARD
from ares_otel.metrics import Endpoint, Metrics, serving
from ares_otel.metrics.discovery import Discovery
from ares_otel.semconv import metrics as m

DEADLINE = 20.0


@pytest.fixture
def target() -> Metrics:
    """Metrics without any facts."""
    return metrics()


@pytest.fixture
def endpoint(target: Metrics) -> Iterator[Endpoint]:
    """A running endpoint at any port."""
    each = Endpoint(target.render, port=0)
    assert each.start()
    yield each
    each.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def ask(
    endpoint: Endpoint, path: str = "/metrics", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (lower case) and body of one request on a connection of its own."""
    assert endpoint.address is not None
    connection = http.client.HTTPConnection(*endpoint.address, timeout=DEADLINE)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): text for name, text in response.getheaders()}, response.read()
    finally:
        connection.close()


def dial(endpoint: Endpoint) -> socket.socket:
    """Return a connected socket."""
    assert endpoint.address is not None
    return socket.create_connection(endpoint.address, timeout=DEADLINE)


def test_prometheus_gets_openmetrics_and_others_text(endpoint: Endpoint, target: Metrics) -> None:
    """The format follows the client's preference, compressed where the client takes it."""
    for number in range(30):
        target.apply(m.TELEMETRY_ERRORS, "add", 1.0, (f"place {number}",))
    status, headers, body = ask(endpoint, accept="application/openmetrics-text", accept_encoding="gzip")
    assert (status, headers["content-type"]) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert gzip.decompress(body) == target.render()
    parsed(gzip.decompress(body).decode())

    status, headers, body = ask(endpoint)
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert body == target.render(openmetrics=False)


def test_methods_and_paths(endpoint: Endpoint) -> None:
    """HEAD has no body, other methods are refused, there is nothing but the metrics."""
    status, headers, body = ask(endpoint, method="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0

    status, headers, _ = ask(endpoint, method="POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert ask(endpoint, "/")[0] == 404
    assert ask(endpoint, "/metrics?x=y")[0] == 200


def test_a_connection_serves_many_scrapes(endpoint: Endpoint) -> None:
    """Prometheus keeps its connection; two requests in one packet are both answered."""
    assert endpoint.address is not None
    connection = http.client.HTTPConnection(*endpoint.address, timeout=DEADLINE)
    for _ in range(3):
        connection.request("GET", "/metrics")
        assert connection.getresponse().read().startswith(b"# HELP")
    connection.close()

    with dial(endpoint) as sock:
        sock.sendall(b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))
    assert answer.count(b"HTTP/1.1 404") == 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 10_000, b"431"),
        (b"\r\n\r\nGET /metrics HTTP/1.0\n\n", b"200"),
    ],
)
def test_odd_requests_are_answered_and_closed(endpoint: Endpoint, sent: bytes, status: bytes) -> None:
    """Nonsense gets a reason, a head without end is cut off; neither does any harm."""
    with dial(endpoint) as sock:
        sock.sendall(sent)
        answer = sock.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_drain_comes_before_each_exposition(target: Metrics) -> None:
    """What a scrape shows includes everything that happened before it."""
    waiting = [3, 4]
    endpoint = Endpoint(
        target.render, port=0, before_scrape=lambda: target.apply(m.EXPORTED, "add", float(waiting.pop(0)))
    )
    endpoint.start()
    try:
        assert b"ares_telemetry_exported_spans_total 3.0" in ask(endpoint)[2]
        assert b"ares_telemetry_exported_spans_total 7.0" in ask(endpoint)[2]
        assert b"ares_telemetry_exported_spans_total 7.0" in ask(endpoint)[2]
    finally:
        endpoint.stop()
    assert GUARD.counts() == {"metrics.drain": 1}


def test_a_failing_exposition_is_an_error_of_its_own() -> None:
    """500 with a word, counted; the endpoint lives on."""

    def render(*, openmetrics: bool) -> bytes:
        raise OSError(f"openmetrics {openmetrics}")

    endpoint = Endpoint(render, port=0)
    endpoint.start()
    try:
        assert [ask(endpoint)[0] for _ in range(2)] == [500, 500]
    finally:
        endpoint.stop()
    assert GUARD.counts() == {"metrics.scrape": 2}


def test_silent_clients_do_not_keep_anybody_waiting(endpoint: Endpoint) -> None:
    """More half-open connections than there is room for: a scrape is answered, the ones that said least must go."""
    silent = [dial(endpoint) for _ in range(serving.CONNECTIONS + 8)]
    for sock in silent[::2]:
        sock.sendall(b"GET /metrics HTTP/1.1\r\n")
    try:
        assert ask(endpoint)[0] == 200
    finally:
        for sock in silent:
            sock.close()


def test_a_client_that_trickles_is_cut_off(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    """The time for a request counts from its first byte, however many more come."""
    monkeypatch.setattr(serving, "REQUEST_SECONDS", 0.1)

    def gone(sock: socket.socket) -> bool:
        try:
            sock.sendall(b"x")
            sock.settimeout(0.02)
            return sock.recv(10) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    with dial(endpoint) as sock:
        until(lambda: gone(sock))


def test_a_client_that_does_not_read_holds_nobody() -> None:
    """A page that does not fit into the socket waits for its reader while others are served."""
    page = b"x" * 20_000_000
    endpoint = Endpoint(lambda *, openmetrics: page if openmetrics else b"small", port=0)
    endpoint.start()
    try:
        with dial(endpoint) as sock:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\nConnection: close\r\n\r\n")
            assert ask(endpoint)[2] == b"small"
            answer = b"".join(iter(lambda: sock.recv(1_000_000), b""))
        assert answer.endswith(page)
    finally:
        endpoint.stop()


def test_a_client_that_hangs_up_is_no_error(endpoint: Endpoint) -> None:
    """Resets and early ends are the client's right and no error of ours."""
    for sent in (b"", b"GET /metrics HTTP/1.1\r\n"):
        sock = dial(endpoint)
        sock.sendall(sent)
        # linger zero sends a reset instead of a polite end
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.close()

    assert ask(endpoint)[0] == 200
    assert GUARD.counts() == {}


def test_two_endpoints_on_one_host_find_two_ports(target: Metrics) -> None:
    """The first free port of a range is taken; with none free there is no endpoint, said once, and no error."""
    first = Endpoint(target.render, port=0)
    assert first.start()
    assert first.start()
    assert first.address is not None
    port = first.address[1]
    second = Endpoint(target.render, port=port, ports=40)
    third = Endpoint(target.render, port=port, ports=1)
    try:
        assert second.start()
        assert second.address is not None
        assert port < second.address[1] < port + 40
        assert ask(first)[0] == ask(second)[0] == 200
        assert not third.start()
        assert third.address is None
        assert GUARD.counts() == {"metrics.endpoint": 1}
    finally:
        for each in (first, second, third):
            each.stop()


def test_an_address_that_cannot_be_is_no_error_of_the_bot(target: Metrics) -> None:
    """A host name that does not resolve leaves the bot without /metrics, counted and logged."""
    endpoint = Endpoint(target.render, host="no.such.host.invalid", port=0)

    assert not endpoint.start()
    assert GUARD.counts() == {"metrics.endpoint": 1}
    endpoint.stop()


def test_stop_does_not_wait_for_a_scrape_that_hangs(target: Metrics) -> None:
    """The port is free and `stop` has returned while a drain is still stuck."""
    stuck, go = threading.Event(), threading.Event()

    def hang() -> None:
        stuck.set()
        go.wait(DEADLINE)

    endpoint = Endpoint(target.render, port=0, before_scrape=hang)
    endpoint.start()
    assert endpoint.address is not None
    address = endpoint.address
    with dial(endpoint) as sock:
        sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert stuck.wait(DEADLINE)
        endpoint.stop()
        endpoint.stop()
        assert not go.is_set()
        again = Endpoint(target.render, port=address[1], ports=1)
        assert again.start()
        again.stop()
        go.set()
    until(lambda: all(thread.name != "ares-otel-metrics" for thread in threading.enumerate()))


class Late(socket.socket):
    """Sends a moment later, when a thread that may end has ended."""

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        """Send what is left to be sent to."""
        for thread in threading.enumerate():
            if thread.name == "ares-otel-metrics":
                thread.join(0.2)
        return super().send(data, flags)


def test_stop_meets_a_thread_that_just_served(monkeypatch: pytest.MonkeyPatch, target: Metrics) -> None:
    """Whatever the thread does when it is told to stop, it takes nothing away of what tells it."""
    endpoint = Endpoint(target.render, port=0)
    with monkeypatch.context() as patched:
        alarm, bell = socket.socketpair()
        patched.setattr(socket, "socketpair", lambda: (alarm, Late(fileno=bell.detach())))
        endpoint.start()
    with dial(endpoint) as sock:
        ringing = threading.Thread(target=endpoint.stop)
        ringing.start()
        while ringing.is_alive():
            with contextlib.suppress(OSError):
                sock.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
            ringing.join(0.01)
    assert GUARD.counts() == {}


def test_no_thread_is_left(target: Metrics) -> None:
    """Starting and stopping leaves the process as it was."""
    for _ in range(3):
        endpoint = Endpoint(target.render, port=0)
        endpoint.start()
        with dial(endpoint):
            endpoint.stop()
        assert endpoint.address is None
    until(lambda: all(thread.name != "ares-otel-metrics" for thread in threading.enumerate()))


def test_no_free_file_descriptor_is_survived(monkeypatch: pytest.MonkeyPatch, endpoint: Endpoint) -> None:
    """When accepting fails the endpoint complains and goes on."""
    accept, fails = socket.socket.accept, [OSError(24, "too many open files"), BlockingIOError()]

    def failing(self: socket.socket) -> tuple[socket.socket, object]:
        if fails:
            raise fails.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)

    assert ask(endpoint)[0] == 200
    assert GUARD.counts() == {"metrics.accept": 1}


FORK = """
import os, socket, sys, warnings
warnings.simplefilter("ignore")
from ares_otel.metrics import Endpoint, Metrics
endpoint = Endpoint(Metrics().render, port=0)
endpoint.start()
address = endpoint.address
def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def scrape():
    with socket.create_connection(address, timeout=20) as sock:
        sock.sendall(b"GET /metrics HTTP/1.0\\r\\n\\r\\n")
        return sock.recv(12).decode()
kept = socket.create_connection(address, timeout=20)
scrape()
ends, begun = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.close(ends[1])
    os.write(begun[1], b".")
    say("child", endpoint.address)
    fresh = Endpoint(Metrics().render, port=0)
    say("fresh", fresh.start() and fresh.address != address)
    os.read(ends[0], 1)
    os._exit(0)
os.close(begun[1])
os.read(begun[0], 1)  # until then the child may not have let go yet
say("parent", scrape())
endpoint.stop()
try:
    say("after", scrape())
except ConnectionRefusedError:
    say("after refused")
os.close(ends[1])
say("exit", os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_lets_go_of_the_port() -> None:
    """The child neither serves nor holds the parent's socket; the parent goes on; the child can have its own."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=60, check=False)

    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()) == sorted(
        ["child None", "fresh True", "parent HTTP/1.1 200", "after refused", "exit 0"]
    )


def test_endpoint_is_in_the_discovery_file_while_it_runs(target: Metrics, tmp_path: Path) -> None:
    """Prometheus finds the endpoint in the file from start to stop, with the labels of the bot."""
    path = tmp_path / "run" / "targets.json"
    labels = {"service_name": "bot", "service_instance_id": "i1", "mode": "paper"}
    endpoint = Endpoint(target.render, port=0, discovery=Discovery(path, labels))
    endpoint.start()
    assert endpoint.address is not None
    entries = json.loads(path.read_text())
    assert entries[0]["targets"] == [f"127.0.0.1:{endpoint.address[1]}"]
    assert {name: text for name, text in entries[0]["labels"].items() if not name.startswith("__")} == labels

    endpoint.stop()
    assert json.loads(path.read_text()) == []

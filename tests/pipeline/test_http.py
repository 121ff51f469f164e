"""OTLP/HTTP against a real server on this host: what each answer means, and that nothing takes longer than it may."""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import os
import socket
import ssl
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from sink import (
    Answer,
    Sink,
    batch_of,
    close,
    eventually,
    free_port,
    hang,
    late,
    ok,
    partial,
    raw,
    reply,
    trickle,
    unread,
)

from ares_otel.guard import GUARD
from ares_otel.pipeline.dial import Wire
from ares_otel.pipeline.http import HttpTransport
from ares_otel.pipeline.model import Batch, Verdict

DELIVERED = Verdict("delivered")
SECONDS = 10.0


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Return a receiver that accepts everything."""
    with Sink() as running:
        yield running


def send(sink: Sink, *answers: Answer, timeout: float = SECONDS, **settings: Any) -> Verdict:
    """Send a batch over a new transport to a receiver that answers like this."""
    sink.script.extend(answers)
    transport = HttpTransport(sink.url, **settings)
    verdict = transport.send(batch_of("span"), timeout)
    transport.close()
    return verdict


def test_request(sink: Sink) -> None:
    """The request is what the OTLP specification asks for."""
    assert send(sink, headers={"X-Scope": "a b"}) == DELIVERED

    (request,) = sink.requests
    assert request.names == ["span"]
    assert request.target == "/v1/traces"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["user-agent"].startswith("OTel-OTLP-Exporter-Python/1.")
    assert " ares-otel/" in request.headers["user-agent"]
    assert request.headers["host"] == f"127.0.0.1:{sink.port}"
    assert request.headers["x-scope"] == "a b"
    assert "content-encoding" not in request.headers


def test_gzip(sink: Sink) -> None:
    """A compressed body says so, is smaller, and holds the same."""
    names = ["the same name"] * 100
    transport = HttpTransport(sink.url, compression="gzip")

    assert transport.send(batch_of(*names), SECONDS) == DELIVERED
    assert sink.requests[0].headers["content-encoding"] == "gzip"
    assert int(sink.requests[0].headers["content-length"]) < len(sink.requests[0].body) / 2
    assert sink.delivered == names
    transport.close()


def test_own_user_agent_and_no_version(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's User-Agent wins; a checkout that is not installed has no version."""
    monkeypatch.setattr("ares_otel.pipeline.http.OWN_NAME", "no-such-distribution")

    send(sink)
    send(sink, headers={"user-agent": "bot/1"})

    assert sink.requests[0].headers["user-agent"].endswith(" ares-otel/unknown")
    assert sink.requests[1].headers["user-agent"] == "bot/1"


def test_connection_is_kept(sink: Sink) -> None:
    """All batches go over one connection, failures by status included, and a closed transport opens another."""
    sink.script.extend([ok, reply(503), reply(400, b"no"), partial(1, "one"), ok])
    transport = HttpTransport(sink.url)
    for _ in range(5):
        transport.send(batch_of("span"), SECONDS)
    assert [request.connection for request in sink.requests] == [1] * 5

    transport.close()
    assert transport.send(batch_of("span"), SECONDS) == DELIVERED
    assert sink.connections == 2
    transport.close()


@pytest.mark.parametrize("tries", [1, 3])
def test_idle_connection_was_closed(sink: Sink, tries: int) -> None:
    """That a receiver closed a kept connection costs nothing but a new connection, at once."""
    sink.script.extend([close] * tries)
    transport = HttpTransport(sink.url)
    names = [str(number) for number in range(tries + 1)]

    assert [transport.send(batch_of(name), SECONDS) for name in names] == [DELIVERED] * (tries + 1)
    assert sink.delivered == names
    assert sink.connections == tries + 1
    transport.close()


def test_receiver_restarted_between_batches() -> None:
    """A new process on the same port gets the next batch without a failure."""
    with Sink() as first:
        transport = HttpTransport(first.url)
        assert transport.send(batch_of("a"), SECONDS) == DELIVERED
    with Sink(port=first.port) as second:
        assert transport.send(batch_of("b"), SECONDS) == DELIVERED
    assert second.delivered == ["b"]
    transport.close()


def test_closing_says_so(sink: Sink) -> None:
    """An answer that announces the end of the connection ends it."""
    sink.script.append(reply(200, Connection="close"))
    transport = HttpTransport(sink.url)

    assert [transport.send(batch_of("a"), SECONDS) for _ in range(2)] == [DELIVERED] * 2
    assert sink.connections == 2
    transport.close()


def test_answer_after_the_announced_end(sink: Sink) -> None:
    """An answer is read to its end although its beginning announced that the connection will be closed."""
    verdict = send(sink, late)

    assert verdict == Verdict("refused", "http_400", f"http://127.0.0.1:{sink.port} answered 400 late")


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_statuses_to_retry(sink: Sink, status: int) -> None:
    """These four are retried, all without a time unless the receiver names one."""
    verdict = send(sink, reply(status, b"too\n busy", "text/plain"))

    expected = f"http://127.0.0.1:{sink.port} answered {status} too busy"
    assert verdict == Verdict("retry", f"http_{status}", expected, answered=True)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 404, 408, 413, 500, 501, 505])
def test_statuses_to_give_up(sink: Sink, status: int) -> None:
    """All others are final, redirects too: nobody is followed to another place."""
    verdict = send(sink, reply(status, Location="http://127.0.0.1:1/"))

    assert (verdict.state, verdict.reason) == ("refused", f"http_{status}")
    assert len(sink.requests) == 1


def test_unknown_status(sink: Sink) -> None:
    """Numbers that nobody knows make no reason of their own."""
    assert send(sink, reply(499)).reason == "http_4xx"


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7.0), (" 0 ", 0.0), ("9" * 400, 999_999_999.0), ("-1", None), ("soon", None), ("", None), ("\u0661", None)],
)
def test_retry_after(sink: Sink, value: str, expected: float | None) -> None:
    """Seconds are understood, nonsense is not."""
    answer = f"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: {value}\r\n\r\n"

    assert send(sink, raw(answer.encode())).retry_after == expected


@pytest.mark.parametrize("zone", [dt.UTC, None])
def test_retry_after_date(sink: Sink, zone: dt.tzinfo | None) -> None:
    """A date is understood as the time until then, and one of the past as now."""
    in_a_minute = dt.datetime.now(dt.UTC).replace(tzinfo=zone) + dt.timedelta(seconds=60)

    future = send(sink, reply(503, Retry_After=email.utils.format_datetime(in_a_minute, usegmt=zone is not None)))
    past = send(sink, reply(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"))

    assert future.retry_after is not None
    assert 0 < future.retry_after <= 60
    assert past.retry_after == 0


def test_partial_success(sink: Sink) -> None:
    """What the receiver rejected is told with its reason."""
    assert send(sink, partial(2, "too\x00 long")) == Verdict("delivered", detail="too long", rejected=2)


def test_warning(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """A message without rejected spans is a warning, logged once."""
    assert send(sink, partial(0, "old names")) == Verdict("delivered", detail="old names")
    send(sink, partial(0, "old names"))

    assert [record.getMessage() for record in caplog.records] == [
        f"sender: http://127.0.0.1:{sink.port} says: old names"
    ]


def test_own_parser(sink: Sink) -> None:
    """Another reader of partial success can be given."""
    assert send(sink, ok, parse_response=lambda body: (len(body) + 3, "")).rejected == 3


@pytest.mark.parametrize("status", [200, 202, 204])
def test_any_2xx(sink: Sink, status: int) -> None:
    """Each of them is an acknowledgement."""
    assert send(sink, raw(f"HTTP/1.1 {status} Fine\r\nContent-Length: 0\r\n\r\n".encode())) == DELIVERED


def test_web_page(sink: Sink) -> None:
    """A page for humans is no acknowledgement, although it says 200."""
    verdict = send(sink, reply(200, b"<html>Log in</html>", "text/html; charset=utf-8"))

    assert (verdict.state, verdict.reason) == ("retry", "not_otlp")


def test_wrong_content_type(sink: Sink) -> None:
    """Another type is an acknowledgement that says nothing of rejected spans; that is logged."""
    assert send(sink, reply(200, b"{}", "application/json")) == DELIVERED
    assert send(sink, reply(200, b"", "application/json")) == DELIVERED
    assert GUARD.counts() == {"sender": 1}


def test_huge_answer(sink: Sink) -> None:
    """Of a large answer 64 KiB are read; the connection is not used again."""
    sink.script.append(reply(400, b"x" * 1_000_000, "text/plain"))
    transport = HttpTransport(sink.url)

    verdict = transport.send(batch_of("a"), SECONDS)
    assert (verdict.state, len(verdict.detail)) == ("refused", 200 + len(f"{sink.url} answered 400 ") - 10)
    assert transport.send(batch_of("b"), SECONDS) == DELIVERED
    assert sink.connections == 2
    transport.close()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "connection"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", "connection"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"1" * 70_000, "protocol"),
    ],
)
def test_broken_answers(sink: Sink, data: bytes, reason: str) -> None:
    """An answer that breaks off, or is none, is no acknowledgement."""
    verdict = send(sink, raw(data))

    assert (verdict.state, verdict.reason) == ("retry", reason)
    assert len(sink.requests) == 1


def test_chunked_answer(sink: Sink) -> None:
    """A chunked answer is read to its end, and the connection is kept."""
    sink.script.append(reply(200))
    transport = HttpTransport(sink.url)
    sink.script.append(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))

    assert [transport.send(batch_of("a"), SECONDS) for _ in range(2)] == [DELIVERED] * 2
    assert sink.connections == 1
    transport.close()


@pytest.mark.parametrize("answer", [hang, trickle])
def test_deadline(sink: Sink, answer: Answer) -> None:
    """A receiver that says nothing, or a byte now and then, holds a request no longer than its timeout."""
    started = time.monotonic()
    verdict = send(sink, answer, timeout=0.3)

    assert (verdict.state, verdict.reason) == ("retry", "timeout")
    assert 0.3 <= time.monotonic() - started < SECONDS
    assert not sink.stopping.is_set()


def test_deadline_while_sending(sink: Sink) -> None:
    """A receiver that stops reading in the middle of a large body does not hold it either."""
    listener = socket.create_server(("127.0.0.1", 0))
    transport = HttpTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")

    verdict = transport.send(Batch(b"x" * 50_000_000, 1), 0.3)

    assert (verdict.state, verdict.reason) == ("retry", "timeout")
    listener.close()
    del sink


def test_no_time_left(sink: Sink) -> None:
    """With no time at all nothing is sent."""
    assert send(sink, timeout=0.0).reason == "timeout"
    assert sink.requests == []


def test_all_the_time(sink: Sink) -> None:
    """A timeout without end is a long one."""
    assert send(sink, timeout=float("inf")) == DELIVERED


def test_refused_before_the_body_was_read(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """An early answer is read although the receiver broke the pipe in the middle of the body."""
    sendall = Wire.sendall

    def broken(wire: Wire, data: bytes) -> None:
        if not data.startswith(b"POST"):
            raise BrokenPipeError
        sendall(wire, data)

    sink.script.append(unread)
    transport = HttpTransport(sink.url)
    with monkeypatch.context() as patched:
        patched.setattr(Wire, "sendall", broken)
        assert transport.send(batch_of("a"), SECONDS).reason == "http_413"

    assert transport.send(batch_of("a"), SECONDS) == DELIVERED
    assert sink.connections == 2
    transport.close()


def test_nobody_listens() -> None:
    """A closed port is a failure to connect, told without the path of the address."""
    url = f"http://127.0.0.1:{free_port()}"
    verdict = HttpTransport(f"{url}/v1/traces?key=secret").send(batch_of("a"), SECONDS)

    assert verdict == Verdict("retry", "connection", f"{url}: ConnectionRefusedError: [Errno 111] Connection refused")


def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name without an address is told apart."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert HttpTransport("http://collector.example").send(batch_of("a"), SECONDS).reason == "dns"


def test_next_address(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the first address of a host does not answer, the next is tried."""
    good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", sink.port))
    bad = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", free_port()))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [bad, good])

    assert send(sink) == DELIVERED
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    assert send(sink).reason == "connection"


def test_each_address_has_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that swallows everything leaves time for the next."""
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
    shares: list[float] = []

    def swallow(wire: Wire, _: object) -> None:
        shares.append(wire.deadline - time.monotonic())
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 4)
    monkeypatch.setattr(Wire, "connect", swallow)

    assert HttpTransport("http://collector.example").send(batch_of("a"), 100.0).reason == "timeout"
    assert [round(100.0 / share) for share in shares] == [4, 3, 2, 1]


def test_connections_are_made_here_only(sink: Sink) -> None:
    """The HTTP library does not connect by itself: it would know neither TLS nor deadline."""
    transport = HttpTransport(sink.url)
    transport.send(batch_of("a"), SECONDS)
    connection = transport._link._connection
    assert connection is not None
    connection.sock = None

    assert transport.send(batch_of("b"), SECONDS).reason == "protocol"
    assert transport.send(batch_of("c"), SECONDS) == DELIVERED
    assert sink.delivered == ["a", "c"]
    transport.close()


def test_close_breaks_off(sink: Sink) -> None:
    """A close from another thread ends a request that hangs; the next opens a connection again."""
    sink.script.append(hang)
    transport = HttpTransport(sink.url)
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(transport.send(batch_of("a"), 1_000.0)))
    thread.start()
    eventually(lambda: sink.requests)

    transport.close()
    thread.join(SECONDS)

    assert [(verdict.state, verdict.reason) for verdict in verdicts] == [("retry", "connection")]
    assert transport.send(batch_of("b"), SECONDS) == DELIVERED
    assert sink.connections == 2
    transport.close()


def test_close_before_the_connection_is_made(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A close while the name is looked up keeps the connection from being made."""
    looked_up = socket.getaddrinfo
    transport = HttpTransport(sink.url)

    def closed_meanwhile(*arguments: Any, **named: Any) -> Any:
        transport.close()
        return looked_up(*arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", closed_meanwhile)

    assert transport.send(batch_of("a"), SECONDS).reason == "connection"
    assert sink.connections == 0


@pytest.mark.parametrize(
    "url",
    ["", "collector:4318", "ftp://host/", "http://", "http://host:port", "http://host:0", "http://[::1", "http://a..b"],
)
def test_bad_address(url: str) -> None:
    """What is no address is refused at once; the message does not repeat it."""
    with pytest.raises(ValueError, match=r"endpoint|label") as caught:
        HttpTransport(url.replace("host", "user:secret@host"))
    assert "secret" not in str(caught.value)


def test_bad_compression() -> None:
    """Only gzip and none are known."""
    with pytest.raises(ValueError, match="'zstd'"):
        HttpTransport("http://host", compression="zstd")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "value"), [("bad name", "x"), ("", "x"), ("x", "a\r\nb: c"), ("x", "\x00")])
def test_bad_headers(name: str, value: str) -> None:
    """What cannot be a header is refused, and not repeated: it may be a secret in the wrong place."""
    with pytest.raises(ValueError, match="header 2") as caught:
        HttpTransport("http://host", headers={"good": "value", name: value})
    assert repr(value) not in str(caught.value)


def test_headers_of_ours(sink: Sink) -> None:
    """What describes the body cannot be changed; the rest can, also with letters outside of ASCII."""
    send(sink, headers={"Content-Type": "text/plain", "Content-Length": "3", "X-Who": "Zoë"})

    assert sink.requests[0].headers["content-type"] == "application/x-protobuf"
    assert sink.requests[0].headers["x-who"].encode("latin-1").decode() == "Zoë"
    assert GUARD.counts() == {"sender": 2}


def test_target_and_user(sink: Sink) -> None:
    """Path and query are sent as they should be, a user becomes basic authorization, which a header replaces."""
    url = f"http://user%40x:p%3Aw@127.0.0.1:{sink.port}"
    for address, headers in ((f"{url}/a b/é?q=1&r=a b", {}), (url, {"Authorization": "Bearer x"})):
        transport = HttpTransport(address, headers=headers)
        transport.send(batch_of("a"), SECONDS)
        transport.close()

    first, second = sink.requests
    assert first.target == "/a%20b/%C3%A9?q=1&r=a%20b"
    assert first.headers["authorization"] == "Basic dXNlckB4OnA6dw=="
    assert (second.target, second.headers["authorization"]) == ("/", "Bearer x")


def test_no_secret_in_any_message(sink: Sink, caplog: pytest.LogCaptureFixture) -> None:
    """Not even a receiver that repeats headers and address gets them into a verdict or a log."""
    caplog.set_level(logging.DEBUG)
    secrets = ["bearer-token-1", "pass-word-2", "query-key-3"]
    echo = f"you sent {' '.join(secrets[:2])}".encode()
    url = f"http://user:{secrets[1]}@127.0.0.1:{sink.port}/v1/traces?key={secrets[2]}"
    transport = HttpTransport(url, headers={"Authorization": f" {secrets[0]} ", "Content-Type": secrets[0]})
    sink.script.extend([reply(400, echo), reply(503, echo), raw(echo + b"\r\n"), partial(1, echo.decode()), ok])
    sink.script.append(reply(200, b"1", secrets[0]))
    verdicts = [transport.send(batch_of("a"), SECONDS) for _ in range(6)]
    transport.close()

    text = f"{verdicts} {caplog.text}"
    assert "you sent *** ***" in text
    assert [secret for secret in secrets if secret in text] == []


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority of our own."""
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """Return the file with the authority's certificate."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return what a receiver with a certificate of the authority needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_tls(server_tls: ssl.SSLContext, trusted: str) -> None:
    """With the authority's certificate batches go over one encrypted connection, large ones too."""
    with Sink(close, tls=server_tls) as sink:
        transport = HttpTransport(sink.url, certificate=trusted)
        names = [str(number) for number in range(20_000)]
        sent = [transport.send(batch_of(*names), SECONDS) for _ in range(3)]

        assert sent == [DELIVERED] * 3
        assert sink.delivered == names * 3
        assert sink.connections == 2
        transport.close()


def test_tls_untrusted(server_tls: ssl.SSLContext, tmp_path: Path) -> None:
    """A receiver that nobody vouches for gets nothing; once its authority is trusted, the same transport works."""
    stranger = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with Sink(tls=server_tls) as sink:
        verdict = send(sink, certificate=str(stranger))

        assert (verdict.state, verdict.reason) == ("retry", "tls")
        assert sink.requests == []


def test_tls_renewed(authority: trustme.CA, server_tls: ssl.SSLContext, tmp_path: Path) -> None:
    """Files are read again after a failure: a missing or outdated one can be put right while the bot runs."""
    file = tmp_path / "ca.pem"
    with Sink(tls=server_tls) as sink:
        transport = HttpTransport(sink.url, certificate=str(file))
        assert transport.send(batch_of("a"), SECONDS).reason == "tls"
        trustme.CA().cert_pem.write_to_path(file)
        assert transport.send(batch_of("a"), SECONDS).reason == "tls"
        authority.cert_pem.write_to_path(file)
        assert transport.send(batch_of("a"), SECONDS) == DELIVERED
        transport.close()


@pytest.mark.parametrize("one_file", [True, False])
def test_client_certificate(
    authority: trustme.CA, server_tls: ssl.SSLContext, trusted: str, tmp_path: Path, *, one_file: bool
) -> None:
    """A receiver that wants to know who we are is told."""
    issued = authority.issue_cert("bot@example.org")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    both: dict[str, Any] = {"client_certificate": str(tmp_path / "both.pem")}
    apart: dict[str, Any] = {"client_certificate": str(tmp_path / "cert.pem"), "client_key": str(tmp_path / "key.pem")}
    authority.configure_trust(server_tls)
    server_tls.verify_mode = ssl.CERT_REQUIRED
    with Sink(tls=server_tls) as sink:
        assert send(sink, certificate=trusted).state == "retry"
        assert send(sink, certificate=trusted, **(both if one_file else apart)) == DELIVERED


def test_client_certificate_is_none(server_tls: ssl.SSLContext, trusted: str) -> None:
    """A file without a key is told as a matter of TLS, and nobody asks for a password."""
    with Sink(tls=server_tls) as sink:
        verdict = send(sink, certificate=trusted, client_certificate=trusted)

    assert (verdict.state, verdict.reason) == ("retry", "tls")


def test_tls_to_a_plain_server(sink: Sink, trusted: str) -> None:
    """A receiver without TLS never gets a batch in the clear."""
    sink.url = sink.url.replace("http:", "https:")
    verdict = send(sink, certificate=trusted, timeout=2.0)

    assert verdict.state == "retry"
    assert sink.requests == []


def test_tls_handshake_hangs(trusted: str) -> None:
    """A receiver that accepts and says nothing does not hold the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        verdict = HttpTransport(url, certificate=trusted).send(batch_of("a"), 0.3)

    assert (verdict.state, verdict.reason) == ("retry", "timeout")


def test_fork(sink: Sink) -> None:
    """A forked child opens a connection of its own, and leaves the parent's as it was."""
    script = """
        import os, sys
        from ares_otel.pipeline.http import HttpTransport
        from ares_otel.pipeline.model import Batch
        transport = HttpTransport(sys.argv[1])
        assert transport.send(Batch(b"", 1), 10).state == "delivered"
        pid = os.fork()
        if not pid:
            assert transport.send(Batch(b"", 1), 10).state == "delivered"
            transport.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert transport.send(Batch(b"", 1), 10).state == "delivered"
        """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), sink.url], check=True, timeout=60)

    assert [request.connection for request in sink.requests] == [1, 2, 1]


def test_fork_in_process(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy of a connection that a child finds is closed without a word to the receiver."""
    transport = HttpTransport(sink.url)
    transport.send(batch_of("a"), SECONDS)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    transport.close()

    assert transport.send(batch_of("b"), SECONDS) == DELIVERED
    assert [request.connection for request in sink.requests] == [1, 2]
    transport.close()

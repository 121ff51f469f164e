"""Who may do what: tokens, sessions of browsers, names and origins, limits, headers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from server_kit import Reply, fresh, send, until
from spans import body, span

from ares_otel.cli import main as command
from ares_otel.config import Limits, Server
from ares_otel.server.http import sessions, tokens
from ares_otel.server.http.head import Refusal
from ares_otel.server.http.limits import Gauge, Rates
from ares_otel.server.http.protocol import HEAD_BYTES
from ares_otel.server.http.serve import EmbeddedServer, StartError
from ares_otel.server.http.sessions import COOKIE, Sessions
from ares_otel.server.http.tokens import Role, TokenError, Tokens

READ, WRITE, ALL = "reader-0123456789", "writer-0123456789", "master-0123456789"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with a token of each role."""
    path = tmp_path / "tokens"
    path.write_text(f"# who\n{READ} read\n{WRITE} write # the bot\n\n{ALL}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def server(tmp_path: Path, file: Path) -> Iterator[EmbeddedServer]:
    """A server that asks for tokens."""
    with EmbeddedServer(fresh(tmp_path), settings=Server(token_file=str(file))) as running:
        yield running


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server on loopback that asks for nothing."""
    with EmbeddedServer(fresh(tmp_path)) as running:
        yield running


def get(server: EmbeddedServer, path: str, **headers: str) -> Reply:
    """Ask for something."""
    return send(server.url, None, path=path, method="GET", content_type=None, **headers)


def post(server: EmbeddedServer, **headers: str) -> Reply:
    """Send a span."""
    return send(server.url, body([span("x")]), **headers)


def log_in(server: EmbeddedServer, token: str, target: str = "/login", **headers: str) -> Reply:
    """Fill in the form."""
    kind = "application/x-www-form-urlencoded"
    return send(server.url, f"token={token}".encode(), path=target, content_type=kind, **headers)


# --- tokens ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "reads", "writes"),
    [
        (None, 401, 401),
        ("Bearer wrong-0123456789ab", 401, 401),
        (f"Basic {ALL}", 401, 401),
        ("Bearer ", 401, 401),
        (f"Bearer {READ}", 200, 403),
        (f"bearer {WRITE}", 403, 200),
        (f"Bearer {ALL}", 200, 200),
    ],
)
def test_roles(server: EmbeddedServer, token: str | None, reads: int, writes: int) -> None:
    """A token is good for what its role says, and nothing else is good for anything."""
    shown = {"authorization": token} if token is not None else {}

    read, written = get(server, "/metrics", **shown), post(server, **shown)

    assert (read.status, written.status) == (reads, writes)
    for reply in (read, written):
        assert ("www-authenticate" in reply.headers) == (reply.status == 401)


def test_what_anybody_may_ask(server: EmbeddedServer) -> None:
    """Probes, the login, runbooks and how they look need no token; what only begins alike does."""
    paths = ("/healthz", "/readyz", "/login", "/login.css", "/runbooks", "/runbooks/risk", "/static/ares.css")
    assert [get(server, path).status for path in paths] == [200] * len(paths)
    assert [
        get(server, path).status for path in ("/healthz/x", "/static", "/runbooksx", "/decisions/runbooks/risk")
    ] == [401] * 4


def test_refusals_speak_the_language_of_the_request(server: EmbeddedServer) -> None:
    """A sender is refused in OTLP, a program by a problem, a browser by the way to the login."""
    said = json.loads(post(server, content_type="application/json").body)
    problem = get(server, "/api/v1/x")
    page = get(server, "/decisions?x=1&y=2", accept="text/html,*/*")

    assert said == {"code": 16, "message": "a bearer token is needed"}
    assert json.loads(problem.body) == {"title": "Unauthorized", "status": 401, "detail": "a bearer token is needed"}
    assert problem.headers["content-type"] == "application/problem+json"
    assert (page.status, page.headers["location"]) == (303, "/login?next=%2Fdecisions%3Fx%3D1%26y%3D2")


def test_a_change_of_the_file(file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The file is read again when it changes; one that is broken takes nobody's access away, and gives none."""
    monkeypatch.setattr(tokens, "LOOK_SECONDS", 0.0)
    caplog.set_level(logging.INFO)
    known = Tokens(file)
    file.write_text("another-0123456789 read\n")
    changed = known.find(ALL), known.find("another-0123456789")
    file.write_text("short\n")
    broken = known.find("another-0123456789")
    file.unlink()
    gone = known.find("another-0123456789")

    assert (changed[0], changed[1] and changed[1].role) == (None, Role.READ)
    assert broken is not None
    assert gone is not None
    assert [*caplog.messages] == [
        f"{file} was read again: 1 tokens",
        f"the token file {file}, line 1: a token has at least 16 characters; the tokens read before stay",
        f"the token file {file} cannot be read: No such file or directory; the tokens read before stay",
    ]
    assert "another-0123456789" not in caplog.text


def test_a_file_is_not_looked_at_for_each_request(file: Path) -> None:
    """Within two seconds the file is not asked again, unless a signal says so."""
    known = Tokens(file)
    file.write_text("another-0123456789\n")
    before = known.find(ALL)
    known.reload()

    assert before is not None
    assert known.find(ALL) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no token"),
        (b"# nothing\n", "has no token"),
        (b"short all\n", "line 1: a token has at least 16 characters"),
        (b"\n0123456789abcdef owner\n", "line 2: expected `token"),
        (b"0123456789abcdef read write\n", "line 1: expected `token"),
        (b"\xff\xfe", "cannot be read: it is no text"),
    ],
)
def test_files_that_cannot_be(tmp_path: Path, content: bytes, message: str) -> None:
    """A file without tokens, or with something else in it, is refused without quoting it."""
    path = tmp_path / "tokens"
    path.write_bytes(content)

    with pytest.raises(TokenError, match=message) as caught:
        Tokens(path)
    with pytest.raises(StartError, match=message):
        EmbeddedServer(fresh(tmp_path), settings=Server(token_file=str(path))).start()

    assert "0123456789abcdef" not in str(caught.value)


def test_a_file_that_others_can_read(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file of secrets that the group or the world can read is pointed out."""
    Tokens(file)
    quiet = [*caplog.messages]
    file.chmod(0o640)
    Tokens(file)

    assert quiet == []
    assert caplog.messages == [f"the token file {file} can be read by others; `chmod 600` ends that"]


# --- sessions ----------------------------------------------------------------------------------------------------


def test_login_and_logout(server: EmbeddedServer) -> None:
    """The form gives a cookie that opens pages and not the ingestion; logout ends it even for a copy of it."""
    failed = log_in(server, "wrong-0123456789ab")
    writer = log_in(server, WRITE)
    entered = log_in(server, READ, "/login?next=%2Fdecisions%3Fa%3D1")
    cookie = entered.headers["set-cookie"].partition(";")[0]
    inside = get(server, "/metrics", cookie=cookie), get(server, "/login", cookie=cookie), post(server, cookie=cookie)
    left = send(server.url, b"", path="/logout", cookie=cookie)
    after = get(server, "/metrics", cookie=cookie)

    assert (failed.status, writer.status) == (401, 401)
    assert b'role="alert"' in failed.body
    assert (entered.status, entered.headers["location"]) == (303, "/decisions?a=1")
    assert entered.headers["set-cookie"].endswith("; Max-Age=43200; Path=/; HttpOnly; SameSite=Strict")
    assert READ not in entered.headers["set-cookie"]
    assert [reply.status for reply in inside] == [200, 303, 403]
    assert (left.status, left.headers["location"], after.status) == (303, "/login", 401)
    assert left.headers["set-cookie"].startswith(f"{COOKIE}=; Max-Age=0")


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/a%0d%0ax:%20y", ""])
def test_the_login_leads_to_no_other_site(server: EmbeddedServer, target: str) -> None:
    """Whatever a link says, the login goes on here."""
    assert log_in(server, ALL, f"/login?next={target}").headers["location"] == "/"


def test_a_link_from_another_site(server: EmbeddedServer) -> None:
    """A browser that follows a link from elsewhere brings no strict cookie: it is sent once more, from our own page."""
    bounced = get(server, "/login?next=%2Fx%3Fa%22b", sec_fetch_site="cross-site")
    asked = get(server, "/login?next=%2Fx", sec_fetch_site="same-origin")

    assert b'content="0; url=/x?a&quot;b"' in bounced.body
    assert b'action="/login?next=%2Fx"' in asked.body


def test_login_where_nobody_has_to(plain: EmbeddedServer) -> None:
    """Without tokens the login leads on at once."""
    assert get(plain, "/login?next=/x").headers["location"] == "/x"
    assert get(plain, "/login.css").status == 200


def test_a_login_that_is_too_long(server: EmbeddedServer) -> None:
    """A form of more than a few kilobytes is refused."""
    assert log_in(server, "x" * 5_000).status == 413


def test_cookies_that_are_none(file: Path) -> None:
    """A cookie counts only with its seal, within its time, for a token that is still good."""
    now = [1_000.0]
    known = Sessions(Tokens(file), secure=True, clock=lambda: now[0])
    made = known.begin(ALL)
    assert made is not None
    good = made.decode().partition(";")[0]
    name, expiry, nonce, seal = good.partition("=")[2].split(".")
    forged = [
        "",
        "x=y",
        "\x00",
        f"{COOKIE}=a.b.c",
        f"{COOKIE}={name}.{int(expiry) + 1}.{nonce}.{seal}",
        f"{COOKIE}={name}.x.{nonce}.{seal}",
        f"{COOKIE}=unknown1.{expiry}.{nonce}.{seal}",
        f"{COOKIE}={name}.{expiry}.{nonce}.{'0' * 64}",
        f'{COOKIE}="{name}.{expiry}.{nonce}.\\351"',
    ]

    assert made.endswith(b"; Secure")
    assert known.find(f"other=1; {good}") is not None
    assert [known.find(cookie) for cookie in forged] == [None] * len(forged)
    now[0] = float(expiry)
    assert known.find(good) is None


def test_ended_sessions_are_forgotten_when_they_would_have_ended(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of ended sessions stays small."""
    monkeypatch.setattr(sessions, "ENDED_LIMIT", 2)
    known = Sessions(Tokens(file), secure=False)
    made = [str((known.begin(ALL) or b"").decode().partition(";")[0]) for _ in range(4)]

    for cookie in made:
        known.end(cookie)

    assert len(known._ended) == 2
    assert known.find(made[-1]) is None


# --- names and origins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:9", 200),
        ("[::1]:4318", 200),
        ("127.0.0.1:1", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("", 421),
    ],
)
def test_names_on_loopback(plain: EmbeddedServer, host: str, status: int) -> None:
    """A name that somebody else lets point to this machine is not answered, neither to readers nor to senders."""
    assert get(plain, "/metrics", host=host).status == status
    assert post(plain, host=host).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost", "host": "localhost"}, 200),
        ({"origin": "http://localhost:1", "host": "localhost"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({}, 200),
    ],
)
def test_origins(plain: EmbeddedServer, headers: dict[str, str], status: int) -> None:
    """A page of another site cannot make a browser send anything."""
    assert post(plain, **headers).status == status


def test_a_proxy_in_front(tmp_path: Path, file: Path) -> None:
    """Behind a proxy its name and scheme count: for `Host`, for `Origin`, for the cookie."""
    settings = Server(token_file=str(file), public_url="https://ares.example", allowed_hosts=("other",))
    with EmbeddedServer(fresh(tmp_path), settings=settings) as server:
        cookie = log_in(server, ALL, host="ares.example", origin="https://ares.example").headers["set-cookie"]
        hosts = [get(server, "/healthz", host=host).status for host in ("ares.example", "other", "127.0.0.1", "evil")]
        strict = get(server, "/healthz").headers["strict-transport-security"]

    assert cookie.endswith("; Secure")
    assert hosts == [200, 200, 200, 421]
    assert strict == "max-age=31536000"


def test_headers_that_come_twice(plain: EmbeddedServer) -> None:
    """Two hosts are none: a proxy may have looked at the other one."""
    place = ("127.0.0.1", urlsplit(plain.url).port or 0)
    with socket.create_connection(place, timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: evil\r\naccept: a\r\naccept: b\r\n\r\n")
        refused = connection.recv(1_000)
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\naccept: a\r\naccept: b\r\n\r\n")
        taken = connection.recv(1_000)

    assert refused.startswith(b"HTTP/1.1 400 ")
    assert taken.startswith(b"HTTP/1.1 200 ")


# --- headers of answers ------------------------------------------------------------------------------------------


def test_headers_of_every_answer(server: EmbeddedServer) -> None:
    """Pages, refusals and what is not found forbid frames, foreign scripts, guessing of types, and caches."""
    for reply in (get(server, "/healthz"), get(server, "/x"), get(server, "/x", authorization=f"Bearer {ALL}")):
        policy = reply.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["referrer-policy"] == "same-origin"
        assert reply.headers["cross-origin-opener-policy"] == "same-origin"
        assert reply.headers["cache-control"] == "no-store"
        assert "server" not in reply.headers
    assert get(server, "/login.css").headers["cache-control"] == "max-age=3600"


@pytest.mark.parametrize("path", ["/healthz", "/v1/traces"])
def test_ids_are_repeated(plain: EmbeddedServer, path: str) -> None:
    """The ids of a request come back with the answer; one that could do harm in a log is replaced."""
    same = get(plain, path, x_request_id="r-1", x_correlation_id="c/1")
    odd = get(plain, path, x_request_id='a"b', x_correlation_id="a b")

    assert (same.headers["x-request-id"], same.headers["x-correlation-id"]) == ("r-1", "c/1")
    assert len(odd.headers["x-request-id"]) == 16
    assert "x-correlation-id" not in odd.headers


# --- limits ------------------------------------------------------------------------------------------------------


def test_rates_of_clients() -> None:
    """A client that asks too often is told when to come again; others are not touched, and it gets its share."""
    now = [0.0]
    rates = Rates(2.0, lambda: now[0])
    for _ in range(4):
        rates.take("a")
    with pytest.raises(Refusal) as caught:
        rates.take("a")
    rates.take("b")
    now[0] = 0.5
    rates.take("a")

    assert (caught.value.status, caught.value.headers) == (429, ((b"retry-after", b"1"),))


def test_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses ask, what is remembered of them is bounded."""
    monkeypatch.setattr("ares_otel.server.http.limits.CLIENTS", 3)
    rates = Rates(1.0, lambda: 0.0)
    for number in range(10):
        rates.take(str(number))

    assert [*rates._buckets] == ["7", "8", "9"]


def test_no_limit() -> None:
    """Zero is no limit."""
    rates = Rates(0, lambda: 0.0)

    for _ in range(100):
        rates.take("a")


def test_too_many_at_the_same_time() -> None:
    """Beyond the limit the answer is 503, and one that ends makes room."""
    gauge = Gauge(1, "requests")
    with gauge.one(), pytest.raises(Refusal, match="more than 1 requests at the same time") as caught, gauge.one():
        pass
    with gauge.one():
        pass

    assert (caught.value.status, gauge.now) == (503, 0)


def test_rates_over_http(tmp_path: Path) -> None:
    """Senders and readers that ask too often get 429 with `Retry-After`, each in its own language."""
    settings = Server(limits=Limits(reads=1, writes=1))
    with EmbeddedServer(fresh(tmp_path), settings=settings) as server:
        reads = [get(server, "/healthz") for _ in range(8)]
        writes = [post(server) for _ in range(8)]

    for replies in (reads, writes):
        assert {reply.status for reply in replies} == {200, 429}
        assert all(reply.headers["retry-after"] == "1" for reply in replies if reply.status == 429)


@pytest.mark.parametrize(
    "begin", [b"", b"GET / HTTP/1.1\r\nhost: loc", b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGE"]
)
def test_a_head_that_never_ends(tmp_path: Path, begin: bytes) -> None:
    """A connection that says nothing, or stops in a head, even in its second one, is cut off."""
    impatient = Server(limits=Limits(slow_seconds=0.3))
    with (
        EmbeddedServer(fresh(tmp_path), settings=impatient) as server,
        socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=20) as connection,
    ):
        connection.sendall(begin)
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(4_096):
                pass


def test_a_head_that_is_too_long(server: EmbeddedServer) -> None:
    """A head without end is cut off before it fills the memory."""
    with socket.create_connection(("127.0.0.1", urlsplit(server.url).port or 0), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        with pytest.raises(OSError):  # noqa: PT011  reset or broken pipe, as it comes
            for _ in range(100):
                connection.sendall(b"x: " + b"y" * HEAD_BYTES + b"\r\n")
                time.sleep(0.001)


# --- TLS ---------------------------------------------------------------------------------------------------------


def test_tls(tmp_path: Path, file: Path) -> None:
    """With a certificate the server speaks HTTPS alone."""
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    made.cert_chain_pems[0].write_to_path(chain)
    made.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = Server(token_file=str(file), certificate=str(chain), key=str(key))

    with EmbeddedServer(fresh(tmp_path), settings=settings) as server:
        port = urlsplit(server.url).port
        with closing(HTTPSConnection("localhost", port, timeout=20, context=context)) as connection:
            connection.request("GET", "/healthz")
            reply = connection.getresponse()
            found = reply.status, reply.getheader("strict-transport-security"), reply.read()

    assert server.url.startswith("https://")
    assert found == (200, "max-age=31536000", b"ok\n")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Server(certificate="/x"), "server.certificate and server.key go together"),
        (Server(certificate="/nowhere/x", key="/nowhere/y"), "there is no file /nowhere/x"),
    ],
)
def test_tls_that_cannot_be(tmp_path: Path, settings: Server, message: str) -> None:
    """Half a certificate, or one that is not there, is said at the start."""
    with pytest.raises(StartError, match=message):
        EmbeddedServer(fresh(tmp_path), settings=settings).start()


# --- metrics and log ---------------------------------------------------------------------------------------------


def test_own_metrics(plain: EmbeddedServer) -> None:
    """`/metrics` counts requests by template and status and shows sizes, in the format that is asked for."""
    post(plain)
    get(plain, "/nowhere/at/all")
    text = get(plain, "/metrics").body.decode()
    modern = get(plain, "/metrics", accept="application/openmetrics-text")

    requests = 'ares_server_requests_total{http_request_method="%s",http_response_status_code="%s",http_route="%s"} 1.0'
    assert requests % ("POST", "200", "/v1/traces") in text
    assert requests % ("GET", "404", "other") in text
    assert 'ares_server_request_duration_seconds_count{http_route="/v1/traces"} 1.0' in text
    for name in ("queue_length 0.0", "database_bytes ", "disk_free_bytes ", "queue_bytes 0.0"):
        assert f"\nares_server_{name}" in text
    assert modern.headers["content-type"].startswith("application/openmetrics-text")
    assert modern.body.endswith(b"# EOF\n")


def test_the_log_of_the_process(tmp_path: Path, file: Path) -> None:
    """The log is lines of JSON with the ids of requests, and holds neither tokens nor queries; SIGHUP reads tokens."""
    config = tmp_path / "ares.yaml"
    config.write_text("server:\n  access_log: true\n  port: 0\n")
    arguments = ["--config", str(config), "serve", "--log-format", "json", "--database", str(fresh(tmp_path))]
    environ = {**os.environ, "ARES_SERVER_TOKEN_FILE": str(file)}
    with subprocess.Popen(
        [sys.executable, "-m", command.__name__, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[2]
        send(url, None, path="/x?token=secret", method="GET", authorization=f"Bearer {ALL}", x_request_id="r-1")
        send(url, body([span("x")]), authorization=f"Bearer {WRITE}")
        send(url, b"nonsense", authorization=f"Bearer {WRITE}", x_request_id="r-2")
        file.write_text("another-0123456789\n")
        process.send_signal(signal.SIGHUP)
        until(lambda: send(url, None, path="/metrics", method="GET", authorization=f"Bearer {ALL}").status == 401)
        process.terminate()
        log = process.stderr.read()
        assert process.wait(20) == 0

    lines = [json.loads(line) for line in log.splitlines()]
    found = {line.get("request_id"): (line.get("method"), line.get("path"), line.get("status")) for line in lines}
    assert found["r-2"] == ("POST", "/v1/traces", 400)
    assert all("seconds" in line for line in lines if line["logger"].endswith("access"))
    assert f"{file} was read again: 1 tokens" in {line["message"] for line in lines}
    assert not {word for word in (ALL, WRITE, READ, "secret") if word in log}

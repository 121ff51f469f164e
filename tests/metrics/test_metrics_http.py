from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ares_otel.metrics.http import Request, accepts_gzip, parse, respond, wants_openmetrics

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET /m HTTP/1.1\nAccept: a\nAccept: b", Request("GET", "/m", {"accept": "a,b"}, keep=True)),
        (b"GET /metrics?name[]=up HTTP/1.1", Request("GET", "/metrics", {}, keep=True)),
        (b"GET / HTTP/1.1\nConnection: Close", Request("GET", "/", {"connection": "Close"}, keep=False)),
        (b"GET / HTTP/1.0", Request("GET", "/", {}, keep=False)),
        (b"GET / HTTP/1.0\nConnection: keep-alive", Request("GET", "/", {"connection": "keep-alive"}, keep=True)),
        (b"POST / HTTP/1.1\nContent-Length: 3", Request("POST", "/", {"content-length": "3"}, keep=False)),
        (b"PUT / HTTP/1.1\nTransfer-Encoding: x", Request("PUT", "/", {"transfer-encoding": "x"}, keep=False)),
        (b"GET / HTTP/2", None),
        (b"GET /", None),
        (b"\x16\x03\x01 hello", None),
        (b"GET / HTTP/1.1\nno colon", None),
        (b"GET / HTTP/1.1\n: empty", None),
        (b"GET / HTTP/1.1\nBad : space", None),
    ],
)  # fmt: skip
def test_request_heads(head: bytes, expected: Request | None) -> None:
    """HTTP/1 heads are understood, everything else is None; a body ends the connection, for it is not read."""
    assert parse(head) == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_none(head: bytes) -> None:
    """Nothing that a client sends can raise."""
    request = parse(head)

    assert request is None or request.method


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0.3,text/plain", False),
        ("application/openmetrics-text;q=0.3,*/*;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=often", False),
        ("application/openmetrics-text;q=0.5,text/plain;q=0.5", True),
        ("text/html,*/*", False),
        ("", False),
    ],
)
def test_format_by_preference(accept: str, *, expected: bool) -> None:
    """Prometheus gets OpenMetrics, a browser or curl the text format, each by the weights in `Accept`."""
    assert wants_openmetrics(accept) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("*", True), ("br", False), ("", False)],
)
def test_gzip_by_preference(header: str, *, expected: bool) -> None:
    """Compression is used where the client takes it, and `q=0` means no."""
    assert accepts_gzip(header) == expected


def test_responses_are_compressed_when_worth_it() -> None:
    """A large page is compressed for who takes it; HEAD has the same head and no body."""
    body = b"ares_telemetry_series 1.0\n" * 100
    get = Request("GET", "/metrics", {"accept-encoding": "gzip"}, keep=True)
    head, _, sent = respond(200, "text/plain", body, get).partition(b"\r\n\r\n")

    assert gzip.decompress(sent) == body
    assert b"Content-Encoding: gzip" in head
    assert b"Connection: keep-alive" in head
    assert f"Content-Length: {len(sent)}".encode() in head
    assert respond(200, "text/plain", body, get._replace(method="HEAD")) == head + b"\r\n\r\n"
    assert respond(404, "text/plain", b"small", get).endswith(b"\r\n\r\nsmall")
    assert b"Connection: close" in respond(400, "text/plain", body, None)

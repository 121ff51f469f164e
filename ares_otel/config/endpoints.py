"""URLs of OTLP receivers, by the rules of the OpenTelemetry exporter specification."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

__all__ = ["GRPC_ENDPOINT", "exact_url", "is_http_url", "is_target", "is_url", "signal_url"]

GRPC_ENDPOINT = "http://localhost:4317"
# gRPC takes more than URLs: a bare host and port, or one of its resolvers.
TARGET = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}|(?:dns|ipv4|ipv6|unix|unix-abstract):\S+")


def signal_url(base: str, signal: str) -> str:
    """Return the URL for `traces` or `logs` under a base URL, whose path is kept.

    >>> signal_url("http://collector:4318/otlp/", "traces")
    'http://collector:4318/otlp/v1/traces'
    """
    parts = urlsplit(base)
    return parts._replace(path=f"{parts.path.rstrip('/')}/v1/{signal}").geturl()


def exact_url(url: str) -> str:
    """Return a URL as it is, with the root path where it has none.

    >>> exact_url("http://collector:4318")
    'http://collector:4318/'
    """
    parts = urlsplit(url)
    return url if parts.path else parts._replace(path="/").geturl()


def is_url(text: str) -> bool:
    """Tell whether a text is printable, without spaces, and has the form of a URL with a scheme."""
    if not text.isprintable() or " " in text or not text.isascii():
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.scheme) and "://" in text and parts.port != 0
    except ValueError:
        return False


def is_http_url(text: str) -> bool:
    """Tell whether a text is an HTTP URL with a host."""
    return is_url(text) and urlsplit(text).scheme in {"http", "https"} and bool(urlsplit(text).hostname)


def is_target(text: str) -> bool:
    """Tell whether a text is a gRPC target that is no URL, such as `collector:4317`."""
    return TARGET.fullmatch(text) is not None

"""Errors as RFC 9457 problems: they name the parameter and what was expected."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["MEDIA_TYPE", "InvalidParameter", "Problem", "ProblemError", "failure", "problem"]

MEDIA_TYPE: Final = "application/problem+json"
NOT_ALLOWED, UNAVAILABLE = 405, 503


class InvalidParameter(msgspec.Struct, frozen=True):
    """A parameter that cannot be taken: its name, where it stands (path or query), and what was expected."""

    name: str
    place: str
    expected: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    invalid_parameters: tuple[InvalidParameter, ...] = ()


class ProblemError(Exception):
    """A request that cannot be answered."""

    def __init__(self, status: int, detail: str, *parameters: InvalidParameter) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.parameters = parameters


def problem(error: ProblemError, instance: str) -> Problem:
    """Return the body that tells of an error."""
    return Problem(
        type="about:blank",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.detail,
        instance=instance,
        invalid_parameters=error.parameters,
    )


def failure(request: Request, error: ProblemError, allow: str = "GET, HEAD") -> Response:
    """Return a problem as an answer; `allow` are the methods that there are."""
    headers = {"cache-control": "no-store"}
    if error.status == NOT_ALLOWED:
        headers["allow"] = allow
    elif error.status == UNAVAILABLE:
        headers["retry-after"] = "1"
    body = msgspec.json.encode(problem(error, request.url.path))
    return Response(body, status_code=error.status, media_type=MEDIA_TYPE, headers=headers)

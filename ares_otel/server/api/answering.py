"""Answers one endpoint over HTTP: parameters, question, JSON, ETag, gzip, problems."""

from __future__ import annotations

import gzip
import hashlib
import logging
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ares_otel.server.api.endpoint import Endpoint, Nothing
from ares_otel.server.api.parsing import parse
from ares_otel.server.api.problems import ProblemError, failure
from ares_otel.server.query.asking import NotFoundError
from ares_otel.server.query.pool import Pool
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.story.leash import TooLongError

__all__ = ["JSON", "Answering", "Missing", "reply"]

JSON: Final = "application/json"
SQUEEZED: Final = 1_024
"""Shortest body in bytes that gzip is worth."""

NOT_MODIFIED, NOT_FOUND, NOT_ALLOWED, UNAVAILABLE = 304, 404, 405, 503

LOG: Final = logging.getLogger(__name__)


class Answering:
    """ASGI application of one endpoint."""

    def __init__(self, endpoint: Endpoint, pool: Pool) -> None:
        self._endpoint = endpoint
        self._pool = pool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = reply(request, await self._body(request))
        except ProblemError as error:
            response = failure(request, error)
        await response(scope, receive, send)

    async def _body(self, request: Request) -> bytes:
        if request.method not in {"GET", "HEAD"}:
            raise ProblemError(NOT_ALLOWED, f"{request.method} is not answered here, GET and HEAD are")
        asked = parse(self._endpoint.asked, request.path_params, request.query_params.multi_items())
        try:
            return await self._pool.ask(partial(_ask, self._endpoint, asked))
        except NotFoundError as error:
            raise ProblemError(NOT_FOUND, str(error)) from error
        except TooLongError as error:
            raise ProblemError(UNAVAILABLE, str(error)) from error
        except DBAPIError as error:
            LOG.warning("the database did not answer: %s", error)
            raise ProblemError(UNAVAILABLE, "the database cannot answer now") from error
        except DatabaseError as error:
            raise ProblemError(UNAVAILABLE, str(error)) from error


def _ask(endpoint: Endpoint, asked: Any, reader: Any) -> bytes:
    """Ask and encode, both in the reader's thread."""
    answer = endpoint.ask(reader) if endpoint.asked is Nothing else endpoint.ask(reader, asked)
    return msgspec.json.encode(answer)


class Missing:
    """ASGI application of all paths of the API that there are not."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say so."""
        request = Request(scope, receive)
        error = ProblemError(NOT_FOUND, f"there is no {request.url.path}; /api/v1/openapi.json has all that there is")
        await failure(request, error)(scope, receive, send)


def reply(request: Request, body: bytes, media_type: str = JSON) -> Response:
    """Return a body with its ETag, packed if that is asked for, or only that it has not changed."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=NOT_MODIFIED, headers=headers)
    if len(body) >= SQUEEZED and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        headers["etag"] = f"W/{tag}"
        body = gzip.compress(body, 1, mtime=0)
    return Response(body, media_type=media_type, headers=headers)


def _matches(said: str, tag: str) -> bool:
    """Tell whether one of the tags of `If-None-Match` is this one, by weak comparison."""
    return said.strip() == "*" or tag in {one.strip().removeprefix("W/") for one in said.split(",")}

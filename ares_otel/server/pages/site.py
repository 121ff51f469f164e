"""What every page has in common: templates, files, headers, and what is shown when there is nothing to show."""

from __future__ import annotations

import hashlib
import json
import mimetypes
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple, TypeAlias

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ares_otel.server.pages import formats, plots, svg
from ares_otel.server.pages.alarms import Alarms
from ares_otel.server.pages.asked import AskError
from ares_otel.server.query.drift.wording import moved, unit_of, units_of
from ares_otel.server.query.pool import Pool
from ares_otel.server.store.migrate import DatabaseError
from ares_otel.server.story.leash import TooLongError

__all__ = ["LOGGED_IN", "File", "Links", "Missing", "Site", "json_text"]

NOT_FOUND, BAD_REQUEST, UNAVAILABLE, NOT_MODIFIED = 404, 400, 503, 304
TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2"}
HERE = "ares_otel.server.pages"

LOGGED_IN = "ares.logged_in"
"""Key of a request's scope: whether a browser's session let it in, which only then can be ended."""

_logged_in: ContextVar[bool] = ContextVar("logged_in", default=False)

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
Context: TypeAlias = Mapping[str, Any]


class Links(NamedTuple):
    """Where else a decision can be seen: an address with `{trace_id}` or `{correlation_id}` in it, or None."""

    trace: str | None = None


class Missing(Exception):  # noqa: N818  it is no error of the code
    """What a page was asked for is not stored; the message says what."""


class File(NamedTuple):
    """A file as it is sent."""

    content: bytes
    kind: str
    tag: str


class Site:
    """Makes pages from templates.

    Args:
        pool: where questions are asked.
        links: to other programs.
        alarms: what Alertmanager says, None where it is not asked.
    """

    def __init__(self, pool: Pool, links: Links, alarms: Alarms | None = None) -> None:
        self.pool = pool
        self.links = links
        self._files = dict(_files(files(HERE) / "static"))
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(HERE),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= formats.FILTERS
        self._templates.globals |= {"svg": svg, "plots": plots, "json": json_text, "absent": formats.absent}
        self._templates.globals |= {"moved": moved, "unit_of": unit_of, "units_of": units_of}
        self._templates.globals |= {"alarms": alarms, "links": links}
        self._templates.globals["logged_in"] = _logged_in.get

    def page(self, template: str, context: Context, status: int = 200) -> HTMLResponse:
        """Return a page."""
        return HTMLResponse(self._templates.get_template(template).render(context), status)

    def route(self, path: str, handler: Handler) -> Route:
        """Return the route of a page; what goes wrong becomes a page that says so."""

        async def answer(request: Request) -> Response:
            _logged_in.set(request.scope.get(LOGGED_IN, False))
            try:
                return await handler(request)
            except AskError as error:
                return self._sorry(request, BAD_REQUEST, "That cannot be searched", str(error), error.field)
            except Missing as missing:
                return self._sorry(request, NOT_FOUND, "Not stored here", str(missing))
            except TooLongError as error:
                return self._sorry(request, UNAVAILABLE, "That took too long", str(error))
            except DatabaseError as error:
                return self._sorry(request, UNAVAILABLE, "The store cannot be read", str(error))

        return Route(path, answer, methods=["GET"], name=path)

    def files(self) -> Route:
        """Return the route of styles, scripts and the font."""
        return Route("/static/{path:path}", self._file, methods=["GET"], name="static")

    async def _file(self, request: Request) -> Response:
        file = self._files.get(request.path_params["path"])
        if file is None:
            return self._sorry(request, NOT_FOUND, "Not found", "There is no such file.")
        headers = {"etag": file.tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=NOT_MODIFIED, headers=headers)
        return Response(file.content, media_type=file.kind, headers=headers)

    def _sorry(self, request: Request, status: int, title: str, text: str, field: str = "") -> Response:
        asked = request.query_params.get("q", "")
        context = {"at": "", "title": title, "text": text, "field": field, "status": status, "asked": asked}
        return self.page("sorry.html", context, status)


def json_text(data: object) -> str:
    """Return data for a script, in an attribute that the template escapes."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def _files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, File]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            content = entry.read_bytes()
            ending = entry.name[entry.name.rfind(".") :]
            kind = TYPES.get(ending) or mimetypes.guess_type(entry.name)[0] or "text/plain"
            yield prefix + entry.name, File(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')

"""Login and logout of browsers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import parse_qs, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from ares_otel.server.http.access import LOGIN, LOGOUT
from ares_otel.server.http.sessions import Sessions

__all__ = ["routes"]

LONGEST = 4_096
LARGE, UNKNOWN, SEE_OTHER = 413, 401, 303
FOREIGN = frozenset({"cross-site", "same-site"})

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · ares</title>
<link rel="stylesheet" href="/login.css">
</head>
<body>
<main>
<h1>ares</h1>
<form method="post" action="{action}">
<label for="token">Access token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus{invalid}>
{problem}<button>Log in</button>
</form>
</main>
</body>
</html>
"""
PROBLEM = '<p id="problem" role="alert">No token that allows reading.</p>\n'
AGAIN = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>ares</title><meta http-equiv="refresh" content="0; url={url}"></head>
<body><a href="{url}">Go on</a></body></html>
"""
"""A link on another site brings no session with it; the same address asked for by a page of ours does."""

STYLE = """:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center }
main { width: min(22rem, 90vw) }
label, input, button { display: block; box-sizing: border-box; width: 100%; font: inherit }
input, button { margin: .4rem 0 1rem; padding: .6rem }
#problem { color: light-dark(#a40000, #ff9a9a) }
"""


def routes(sessions: Sessions | None) -> Sequence[BaseRoute]:
    """Return the routes of login and logout; without sessions there is nothing to log in to."""
    if sessions is None:
        return (Route(LOGIN, _nothing_to_do, methods=["GET"]), Route("/login.css", _style))
    desk = _Desk(sessions)
    return (
        Route(LOGIN, desk.form, methods=["GET"]),
        Route(LOGIN, desk.begin, methods=["POST"]),
        Route(LOGOUT, desk.end, methods=["POST"]),
        Route("/login.css", _style),
    )


class _Desk:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def form(self, request: Request) -> Response:
        following = _local(request.query_params.get("next"))
        if request.headers.get("sec-fetch-site") in FOREIGN:
            return HTMLResponse(AGAIN.format(url=escape(following)))
        if self._sessions.find(request.headers.get("cookie", "")) is not None:
            return RedirectResponse(following, SEE_OTHER)
        return _page(following)

    async def begin(self, request: Request) -> Response:
        following = _local(request.query_params.get("next"))
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response("too long\n", LARGE)
        given = parse_qs(body.decode("utf-8", "replace"), max_num_fields=8).get("token", [""])[0]
        cookie = self._sessions.begin(given.strip())
        if cookie is None:
            return _page(following, failed=True)
        return RedirectResponse(following, SEE_OTHER, {"set-cookie": cookie.decode()})

    async def end(self, request: Request) -> Response:
        cookie = self._sessions.end(request.headers.get("cookie", ""))
        headers = {"set-cookie": cookie.decode(), "clear-site-data": '"cache", "storage"'}
        return RedirectResponse(LOGIN, SEE_OTHER, headers)


async def _body(request: Request) -> bytes | None:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST:
            return None
    return body


def _page(following: str, *, failed: bool = False) -> Response:
    action = LOGIN if following == "/" else f"{LOGIN}?next={quote(following, safe='')}"
    invalid = ' aria-invalid="true" aria-describedby="problem"' if failed else ""
    page = PAGE.format(action=escape(action), problem=PROBLEM if failed else "", invalid=invalid)
    return HTMLResponse(page, UNKNOWN if failed else 200)


async def _nothing_to_do(request: Request) -> Response:
    return RedirectResponse(_local(request.query_params.get("next")), SEE_OTHER)


async def _style(request: Request) -> Response:
    del request
    return Response(STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})


def _local(target: str | None) -> str:
    """Return where to go after the login; never to another site, whatever a link says."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")) or any(c < " " for c in target):
        return "/"
    return target

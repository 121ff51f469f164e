"""The console: what is stored, for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ares_otel.server.pages.alarms import Alarms
from ares_otel.server.pages.decision import decision_page
from ares_otel.server.pages.decisions import decisions_page, fresh_rows
from ares_otel.server.pages.docs import docs_page
from ares_otel.server.pages.drift import drift_model_page, drift_page
from ares_otel.server.pages.manuals import runbook_moved, runbook_page, runbooks_page
from ares_otel.server.pages.models import model_page, models_page
from ares_otel.server.pages.orders import order_page, orders_page
from ares_otel.server.pages.overview import desk_part, overview_page, ratios_part, tiles_part
from ares_otel.server.pages.regimes import regimes_page
from ares_otel.server.pages.site import Links, Site
from ares_otel.server.pages.system import system_page
from ares_otel.server.query.pool import Pool

__all__ = ["routes"]

Page: TypeAlias = Callable[[Site, Request], Awaitable[Response]]

PAGES: Final[dict[str, Page]] = {
    "/": overview_page,
    "/decisions": decisions_page,
    "/decisions/{id:path}": decision_page,
    "/orders": orders_page,
    "/orders/{id:path}": order_page,
    "/models": models_page,
    "/models/{id:path}": model_page,
    "/drift": drift_page,
    "/drift/{id:path}": drift_model_page,
    "/regimes": regimes_page,
    "/system": system_page,
    "/runbooks": runbooks_page,
    "/runbooks/{name}": runbook_page,
    "/docs/runbooks/{name}.md": runbook_moved,
    "/api/v1/docs": docs_page,
    "/api/docs": docs_page,
    "/fragments/decisions": fresh_rows,
    "/fragments/tiles": tiles_part,
    "/fragments/desk": desk_part,
    "/fragments/ratios": ratios_part,
}


def routes(pool: Pool, trace_url: str | None = None, alarms: Alarms | None = None) -> Sequence[BaseRoute]:
    """Return the routes of the pages.

    Args:
        pool: where questions are asked.
        trace_url: http(s) address of a trace in another program, with `{trace_id}` in it.
        alarms: what Alertmanager says, None where it is not asked.
    """
    linked = trace_url is not None and trace_url.startswith(("http://", "https://"))
    site = Site(pool, Links(trace_url if linked else None), alarms if alarms is not None and alarms.url else None)
    return [*(site.route(path, partial(page, site)) for path, page in PAGES.items()), site.files()]

"""System: how fast the parts are, how fresh the feeds, what the database holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.server.pages.asked import AskError
from ares_otel.server.pages.leads import system_lead
from ares_otel.server.pages.site import Site
from ares_otel.server.query.console.keeping import Keeping, keeping
from ares_otel.server.query.console.overview import Pulse, pulse
from ares_otel.server.query.console.system import Database, Latency, calls, components, database
from ares_otel.server.query.control import Feed, FeedsAsked, feeds
from ares_otel.server.query.delivery import Delivery, deliveries
from ares_otel.server.story.reader import Reader

__all__ = ["SystemView", "system_page"]

FEEDS: Final = 200
PERIODS: Final = {"1": "hour", "24": "day", "168": "week"}


class SystemView(msgspec.Struct, frozen=True):
    """What the page shows."""

    components: Sequence[Latency]
    calls: Sequence[Latency]
    feeds: Sequence[Feed]
    database: Database
    pulse: Pulse
    keeping: Keeping
    bots: Sequence[Delivery]


async def system_page(site: Site, request: Request) -> Response:
    """Show the state of bots and store."""
    hours = request.query_params.get("hours", "24")
    if hours not in PERIODS:
        raise AskError("hours", f"hours is {', '.join(PERIODS)}, not {hours[:20]!r}")
    shown = await site.pool.ask(lambda reader: _shown(reader, int(hours)))
    context = {"at": "/system", "title": "System", "asked": "", "shown": shown, "lead": system_lead(shown.components)}
    return site.page("system.html", context | {"periods": PERIODS, "hours": hours})


def _shown(reader: Reader, hours: int) -> SystemView:
    told = sorted(feeds(reader, FeedsAsked())[:FEEDS], key=lambda feed: (feed.venue or "", feed.symbol or ""))
    parts = components(reader, hours), calls(reader, hours), told, database(reader), pulse(reader)
    return SystemView(*parts, keeping(reader), deliveries(reader))

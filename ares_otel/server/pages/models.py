"""Models: all of them, and one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.portfolio.statistic import Interval
from ares_otel.server.pages.leads import models_lead, share
from ares_otel.server.pages.site import Missing, Site
from ares_otel.server.query.console.calibration import Calibration, calibrations
from ares_otel.server.query.console.models import (
    Importance,
    ModelRow,
    Score,
    importance,
    model_rows,
    results_by_regime,
    scores,
    votes_by,
)
from ares_otel.server.story.reader import Reader

__all__ = ["Shown", "model_page", "models_page"]

ACTIONS: Final = ("buy", "sell", "hold")


class Shown(msgspec.Struct, frozen=True):
    """What the page of one model shows."""

    row: ModelRow
    sure: Interval | None
    importance: Importance | None
    scores: Sequence[tuple[Score, Interval]]
    votes: Mapping[str, Mapping[str, tuple[int, int]]]
    regimes: Sequence[tuple[str, int, int, Interval]]
    calibration: Calibration | None


async def models_page(site: Site, request: Request) -> Response:
    """Show all models."""
    del request
    rows = await site.pool.ask(model_rows)
    known = await site.pool.ask(calibrations)
    told = [(row, share(row.correct, row.judged), known.get(row.number)) for row in rows]
    context = {"at": "/models", "title": "Models", "asked": "", "rows": told, "lead": models_lead(rows)}
    return site.page("models.html", context)


async def model_page(site: Site, request: Request) -> Response:
    """Show one model."""
    name = request.path_params["id"]
    shown = await site.pool.ask(lambda reader: _shown(reader, name))
    if shown is None:
        raise Missing(f"No model {name[:80]} has voted or reported anything that is stored here.")
    return site.page(
        "model.html", {"at": "/models", "title": shown.row.name, "asked": "", "shown": shown, "actions": ACTIONS}
    )


def _shown(reader: Reader, name: str) -> Shown | None:
    row = next((each for each in model_rows(reader) if each.name == name), None)
    if row is None:
        return None
    told = [(score, sure) for score in scores(reader, row.number) if (sure := share(score.correct, score.n))]
    regimes = [
        (regime, judged, right, sure)
        for regime, (judged, right) in results_by_regime(reader, row.number).items()
        if regime and (sure := share(right, judged))
    ]
    votes = votes_by(reader, row.number)
    sure, weighed = share(row.correct, row.judged), importance(reader, row.number)
    return Shown(row, sure, weighed, told, votes, regimes, calibrations(reader).get(row.number))

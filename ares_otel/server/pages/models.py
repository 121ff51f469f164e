"""Models: all of them, and one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.portfolio.statistic import Interval
from ares_otel.server.pages.leads import models_lead, share
from ares_otel.server.pages.site import Missing, Site
from ares_otel.server.query.asking import NotFoundError
from ares_otel.server.query.console.calibration import Calibration, calibrations
from ares_otel.server.query.console.models import Score, scores
from ares_otel.server.query.drift.states import DriftModel, drifting
from ares_otel.server.query.drift.states import ModelsAsked as WatchedAsked
from ares_otel.server.query.features import Importance, ImportanceAsked, importances
from ares_otel.server.query.judging import Hits, HitsAsked, VotesAsked, VoteSum, hits, votes
from ares_otel.server.query.learning import Model, ModelsAsked, models
from ares_otel.server.query.naming import number
from ares_otel.server.store import schema as t
from ares_otel.server.story.reader import Reader

__all__ = ["Shown", "has_page", "model_page", "models_page"]

ACTIONS: Final = ("buy", "sell", "hold")
FEATURES: Final = 15


class Shown(msgspec.Struct, frozen=True):
    """What the page of one model shows."""

    row: Model
    importance: Importance | None
    largest: Sequence[tuple[str, float]]
    scores: Sequence[tuple[Score, Interval]]
    votes: Mapping[str, Mapping[str | None, VoteSum]]
    regimes: Sequence[Hits]
    calibration: Calibration | None
    drift: DriftModel | None


async def models_page(site: Site, request: Request) -> Response:
    """Show all models."""
    del request
    rows = await site.pool.ask(lambda reader: models(reader, ModelsAsked()))
    known = await site.pool.ask(calibrations)
    watched = {each.model: each for each in await site.pool.ask(lambda reader: drifting(reader, WatchedAsked()))}
    told = [(row, known.get(row.model), watched.get(row.model)) for row in rows]
    context = {"at": "/models", "title": "Models", "asked": "", "rows": told, "lead": models_lead(rows)}
    return site.page("models.html", context)


async def model_page(site: Site, request: Request) -> Response:
    """Show one model."""
    name = request.path_params["id"]
    shown = await site.pool.ask(lambda reader: _shown(reader, name))
    if shown is None:
        raise Missing(f"No model {name[:80]} has voted or reported anything that is stored here.")
    return site.page(
        "model.html", {"at": "/models", "title": shown.row.model, "asked": "", "shown": shown, "actions": ACTIONS}
    )


def _shown(reader: Reader, name: str) -> Shown | None:
    try:
        (row,) = models(reader, ModelsAsked(model=name))
    except NotFoundError:
        return None
    told = [(score, sure) for score in scores(reader, name) if (sure := share(score.correct, score.n))]
    weighed = next(iter(importances(reader, ImportanceAsked(model=name, limit=1)).items), None)
    by_regime: dict[str, dict[str | None, VoteSum]] = {}
    for each in votes(reader, VotesAsked(model=name)):
        by_regime.setdefault(each.regime or "not said", {})[each.action] = each
    return Shown(
        row=row,
        importance=weighed,
        largest=_largest(weighed),
        scores=told,
        votes=by_regime,
        regimes=[each for each in hits(reader, HitsAsked(model=name)) if each.regime],
        calibration=calibrations(reader).get(name),
        drift=next((each for each in drifting(reader, WatchedAsked()) if each.model == name), None),
    )


def has_page(reader: Reader, name: str) -> bool:
    """Tell whether a model has voted, reported or had outcomes, so that it has a page of its own."""
    own = number(reader, "model", name)
    columns = (t.vote_daily.c.model, t.outcome_daily.c.model, t.model.c.model)
    return any(reader.db.execute(select(each).where(each == own).limit(1)).first() for each in columns)


def _largest(weighed: Importance | None) -> Sequence[tuple[str, float]]:
    values = {} if weighed is None else weighed.importance
    return sorted(values.items(), key=lambda pair: -abs(pair[1]))[:FEATURES]

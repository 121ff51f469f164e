"""Drift: all watched models, and one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ares_otel.semconv.enums import DriftKind
from ares_otel.server.pages.asked import AskError
from ares_otel.server.pages.drift_chart import Chart, chart_of
from ares_otel.server.pages.drift_leads import drift_lead, model_lead
from ares_otel.server.pages.models import has_page
from ares_otel.server.pages.site import Missing, Site
from ares_otel.server.query.asking import NotFoundError
from ares_otel.server.query.drift.account import DriftAccount, accounts
from ares_otel.server.query.drift.cards import CardsAsked, DriftCard, cards
from ares_otel.server.query.drift.checks import (
    ChecksAsked,
    DriftCheck,
    DriftTimeline,
    Kind,
    TimelineAsked,
    checks,
    timeline,
)
from ares_otel.server.query.drift.episodes import (
    DriftEpisode,
    EpisodeAsked,
    EpisodesAsked,
    WholeDriftEpisode,
    episode,
    episodes,
)
from ares_otel.server.query.drift.states import OWN, DriftModel, DriftState, ModelsAsked, drifting
from ares_otel.server.query.drift.windows import DriftWindow, WindowsAsked, windows
from ares_otel.server.story.reader import Reader

__all__ = ["Blind", "Drifting", "Overall", "drift_model_page", "drift_page"]

NEWEST: Final = 25
EPISODES: Final = 200
MODELS: Final = 100
EPISODE: Final = re.compile(r"[0-9]{1,19}")
SAMPLES: Final = re.compile(r"\bn_eff [0-9]+ <")
"""In a reason: how many independent values a quantity has, which the card says of each."""


class Blind(msgspec.Struct, frozen=True, kw_only=True):
    """Quantities of a model that cannot be tested for one reason."""

    model: str
    kind: str
    reason: str
    quantities: Sequence[str]


class Overall(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of all models shows: each model and kind with its open episode, budgets by model."""

    models: Sequence[DriftModel]
    rows: Sequence[tuple[DriftModel, DriftState, DriftEpisode | None]]
    seconds: Sequence[tuple[DriftModel, DriftState]]
    accounts: Mapping[str, DriftAccount]
    blind: Sequence[Blind]
    newest: Sequence[DriftEpisode]


class Drifting(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of one model and kind shows.

    `named` are features that moved, by reference and episode,
    `votes` whether the model has a page among those that vote.
    """

    model: DriftModel
    state: DriftState
    seconds: Sequence[DriftState]
    newest: DriftCheck | None
    timeline: DriftTimeline
    chart: Chart | None
    quantity: str | None
    episodes: Sequence[DriftEpisode]
    chosen: WholeDriftEpisode | None
    named: Mapping[tuple[str | None, int | None], DriftCheck]
    windows: Sequence[DriftWindow]
    account: DriftAccount
    card: DriftCard | None
    votes: bool


async def drift_page(site: Site, request: Request) -> Response:
    """Show all models that are watched for drift."""
    del request
    shown = await site.pool.ask(_overall)
    lead = drift_lead(shown.models, shown.newest, shown.accounts.values())
    return site.page("drift.html", {"at": "/drift", "title": "Drift", "asked": "", "shown": shown, "lead": lead})


async def drift_model_page(site: Site, request: Request) -> Response:
    """Show one watched model, by kind of drift."""
    name = request.path_params["id"]
    asked = {key: request.query_params.get(key) or None for key in ("kind", "quantity", "episode")}
    if asked["kind"] not in {None, *get_args(Kind)}:
        raise AskError("kind", f"kind: expected one of {', '.join(get_args(Kind))}")
    if asked["episode"] is not None and not EPISODE.fullmatch(asked["episode"]):
        raise AskError("episode", "episode: expected the number of one")
    shown = await site.pool.ask(lambda reader: _drifting(reader, name, **asked))
    lead = model_lead(name, shown.state, shown.episodes)
    context = {"at": "/drift", "title": f"Drift of {name}", "asked": "", "shown": shown, "lead": lead}
    return site.page("drift_model.html", context)


def _overall(reader: Reader) -> Overall:
    models = drifting(reader, ModelsAsked())[:MODELS]
    newest = episodes(reader, EpisodesAsked(limit=NEWEST)).items
    rows, seconds = [], []
    for model in models:
        began = episodes(reader, EpisodesAsked(model=model.model, limit=NEWEST)).items if model.open else ()
        for state in model.states:
            if state.kind == DriftKind.FEATURE:
                continue
            if state.detector == OWN:
                rows.append((model, state, _open(state, began)))
            else:
                seconds.append((model, state))
    return Overall(
        models=models,
        rows=rows,
        seconds=seconds,
        accounts={each.model: accounts(reader, CardsAsked(model=each.model)) for each in models},
        blind=[each for model in models for each in _blind(cards(reader, CardsAsked(model=model.model)))],
        newest=newest,
    )


def _blind(found: Sequence[DriftCard]) -> Iterator[Blind]:
    for card in found:
        by_reason: dict[str, list[str]] = {}
        for line in card.lines:
            if line.reason is not None:
                by_reason.setdefault(SAMPLES.sub("n_eff <", line.reason), []).append(line.quantity)
        for reason, quantities in by_reason.items():
            yield Blind(model=card.model, kind=card.kind, reason=reason, quantities=quantities)


def _open(state: DriftState, began: Sequence[DriftEpisode]) -> DriftEpisode | None:
    """Return the start of the episode that is open, where that is stored."""
    if state.episode is None:
        return None
    same = (each for each in began if (each.kind, each.reference) == (state.kind, state.reference))
    return next((each for each in same if each.episode == state.episode), None)


def _drifting(reader: Reader, name: str, kind: str | None, quantity: str | None, episode: str | None) -> Drifting:
    try:
        (model,) = drifting(reader, ModelsAsked(model=name))
    except NotFoundError:
        raise Missing(f"No check for drift of a model {name[:80]} is stored.") from None
    alarming = [state for state in model.states if state.kind != DriftKind.FEATURE]
    own = [state for state in alarming if state.detector == OWN] or alarming
    # what is open is what a reader comes for
    state = next((each for each in own if each.kind == kind), None) if kind else max(own, key=_interest, default=None)
    if state is None:
        raise Missing(f"No check for {kind or 'any'} drift of {name[:80]} is stored.")
    told: Kind = msgspec.convert(state.kind, Kind)
    found = episodes(reader, EpisodesAsked(model=name, kind=told, limit=EPISODES)).items
    chosen = None if episode is None else _whole(reader, episode)
    line = timeline(reader, TimelineAsked(model=name, kind=told, quantity=quantity))
    newest = checks(reader, ChecksAsked(model=name, kind=told, limit=1)).items
    return Drifting(
        model=model,
        state=state,
        seconds=[each for each in model.states if each.detector != OWN and each.kind == state.kind],
        newest=next(iter(newest), None),
        timeline=line,
        chart=chart_of(line, found),
        quantity=quantity,
        episodes=found,
        chosen=chosen,
        named=_named(reader, name) if state.kind == DriftKind.DATA else {},
        windows=chosen.windows if chosen is not None else windows(reader, WindowsAsked(model=name, kind=told)),
        account=accounts(reader, CardsAsked(model=name)),
        card=next(iter(cards(reader, CardsAsked(model=name, kind=told))), None),
        votes=has_page(reader, name),
    )


def _named(reader: Reader, name: str) -> Mapping[tuple[str | None, int | None], DriftCheck]:
    """Return which features were named in episodes, by reference and episode."""
    found = checks(reader, ChecksAsked(model=name, kind="feature", limit=EPISODES)).items
    return {(each.reference, each.episode): each for each in found}


def _interest(state: DriftState) -> tuple[bool, float]:
    return state.is_open, state.evidence or 0.0


def _whole(reader: Reader, own: str) -> WholeDriftEpisode:
    try:
        return episode(reader, EpisodeAsked(id=own))
    except NotFoundError:
        raise Missing(f"No episode {own[:20]} is stored.") from None

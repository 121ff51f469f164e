"""Every endpoint of the API."""

from __future__ import annotations

from typing import Final

from ares_otel.server.api.endpoint import Endpoint, endpoint
from ares_otel.server.api.promised.paths import PROMISED
from ares_otel.server.query import (
    accounts,
    climate,
    comoving,
    control,
    decisions,
    detail,
    execution,
    features,
    holdings,
    judging,
    learning,
    notes,
    outlook,
    results,
    searching,
    timing,
    trading,
    workflows,
)
from ares_otel.server.query.drift import account, cards, checks, episodes, states, windows

__all__ = ["ENDPOINTS"]

OWN: Final[tuple[Endpoint, ...]] = (
    endpoint("/search", searching.search, "decisions"),
    endpoint("/search/attributes", searching.attributes, "decisions"),
    endpoint("/decisions", decisions.decisions, "decisions"),
    endpoint("/decisions/{id}", detail.decision, "decisions"),
    endpoint("/stories/{id}", detail.stories, "decisions"),
    endpoint("/logs", notes.logs, "decisions"),
    endpoint("/orders", trading.orders, "orders"),
    endpoint("/orders/{client_id}", trading.order_lives, "orders"),
    endpoint("/execution", execution.execution, "orders"),
    endpoint("/equity", holdings.equity, "accounts"),
    endpoint("/accounts", holdings.accounts, "accounts"),
    endpoint("/positions", holdings.positions, "accounts"),
    endpoint("/accounts/kept", accounts.kept_accounts, "accounts"),
    endpoint("/trades", results.trades, "accounts"),
    endpoint("/performance", results.ratios, "accounts"),
    endpoint("/performance/matrix", results.matrix, "accounts"),
    endpoint("/limits", control.limits, "risk"),
    endpoint("/checks", control.checks, "risk"),
    endpoint("/breaches", control.breaches, "risk"),
    endpoint("/feeds", control.feeds, "market"),
    endpoint("/regimes", climate.regimes, "market"),
    endpoint("/regimes/episodes", climate.episodes, "market"),
    endpoint("/models", learning.models, "models"),
    endpoint("/models/votes", judging.votes, "models"),
    endpoint("/models/hits", judging.hits, "models"),
    endpoint("/models/importances", features.importances, "models"),
    endpoint("/models/behaviors", features.behaviors, "models"),
    endpoint("/models/drift", states.drifting, "drift"),
    endpoint("/models/drift/checks", checks.checks, "drift"),
    endpoint("/models/drift/timeline", checks.timeline, "drift"),
    endpoint("/models/drift/episodes", episodes.episodes, "drift"),
    endpoint("/models/drift/episodes/{id}", episodes.episode, "drift"),
    endpoint("/models/drift/windows", windows.windows, "drift"),
    endpoint("/models/drift/cards", cards.cards, "drift"),
    endpoint("/models/drift/account", account.accounts, "drift"),
    endpoint("/stages", timing.stages, "performance"),
    endpoint("/stages/hours", timing.hours, "performance"),
    endpoint("/calls", timing.calls, "performance"),
    endpoint("/comoving", comoving.comoving, "performance"),
    endpoint("/outlook", outlook.outlook, "outlook"),
    endpoint("/outlook/{metric_name}", outlook.forecast, "outlook"),
    endpoint("/correlations/statistics", workflows.workflows, "correlation"),
)

ENDPOINTS: Final[tuple[Endpoint, ...]] = (*OWN, *PROMISED)

"""Every file of the repository that is generated from declarations of this layer, by its path."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ares_otel.stack import alerting, boards, rules
from ares_otel.stack.reference import telemetry_reference

__all__ = ["FILES"]

FILES: Final[dict[str, Callable[[], str]]] = {
    "docs/telemetry.md": telemetry_reference,
    "deploy/alertmanager/alertmanager.yml": alerting.alertmanager,
    "deploy/alertmanager/templates/addresses.tmpl": alerting.addresses,
    **{f"prometheus/rules/{name}": partial(rules.render, groups) for name, groups in rules.FILES.items()},
    **{f"grafana/dashboards/{board.uid}.json": partial(boards.render, board) for board in boards.BOARDS},
}

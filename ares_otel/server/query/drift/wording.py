"""What moved in an episode of drift, and since when, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ares_otel.semconv.enums import DriftKind
from ares_otel.server.query.drift.checks import DriftStand
from ares_otel.server.query.drift.episodes import DriftEpisode

__all__ = ["SIGMA", "day", "moved", "since", "unit_of", "units_of"]

SIGMA: Final = "\N{GREEK SMALL LETTER SIGMA}"
MINUS: Final = "\N{MINUS SIGN}"
KINDS: Final = frozenset(DriftKind)


def unit_of(kind: str | None) -> str:
    """Return what is compared for a kind of drift, one by one."""
    return DriftKind(kind).unit if kind in KINDS else "bar"


def units_of(kind: str | None) -> str:
    """Return the same of many."""
    return f"{unit_of(kind)}s"


def moved(features: Sequence[DriftStand], most: int = 3) -> str:
    """Say what moved, the largest effect first."""
    told = [_moved(each) for each in features[:most]]
    if len(features) > most:
        told.append(f"{len(features) - most} more")
    return ", ".join(told)


def _moved(each: DriftStand) -> str:
    feature, _, moment = each.quantity.rpartition(":")
    name = moment if feature in {"", moment} else f"{feature} {moment}"
    if each.effect is None:
        return name
    size = f"{abs(each.effect):.2f}"
    sign = "" if not float(size) else "+" if each.effect > 0 else MINUS
    return f"{name} {sign}{size} {SIGMA}"


def day(moment: datetime) -> str:
    """Return the day of a bar."""
    return f"{moment:%Y-%m-%d}"


def since(episode: DriftEpisode) -> str:
    """Say since when, with a space before it; nothing where that is not known."""
    if episode.since is not None:
        return f" since {day(episode.since)}"
    return "" if episode.since_bar is None else f" since {unit_of(episode.kind)} {episode.since_bar:,}"

"""How much an episode of drift matters: by its effect, weighed by importance, and by its evidence."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from ares_otel.ml.events import Moved, Severity

__all__ = ["importances_of", "severest", "severity"]

LEVELS = (Severity.INFO, Severity.WATCH, Severity.WARNING, Severity.CRITICAL)
IMPACTS = (0.1, 0.5, 1.0)
"""Reference sigmas, times importance, from which an effect is watch, warning, critical."""

STRONG = 2.0
"""Evidence, as a multiple of the threshold, that raises a level: an effect is then hardly an accident."""

WEIGHTS = (0.25, 4.0)


def severity(evidence: float, effect: float, importance: float | None = None) -> Severity:
    """Return how much an effect matters.

    An alarm is raised as soon as evidence reaches its threshold, so at that moment evidence says little about size:
    the effect decides, and evidence raises what it has found again and again. Unknown counts as no more than info.

    Args:
        evidence: statistic divided by threshold; below 1 nothing has been shown.
        effect: in reference sigmas, signed or not.
        importance: of the feature, 1 for one of average weight in the model (its share times their number); kept
            within a quarter and four, so that it never mutes an alarm. None if unknown, which counts as average.
    """
    if not evidence >= 1.0 or math.isnan(effect):
        return Severity.INFO
    weight = 1.0 if importance is None or not math.isfinite(importance) else importance
    impact = abs(effect) * min(max(weight, WEIGHTS[0]), WEIGHTS[1])
    level = sum(impact >= bound for bound in IMPACTS)
    raised = level + 1 if 0 < level < len(IMPACTS) and evidence >= STRONG else level
    return LEVELS[raised]


def severest(evidence: float, moved: Iterable[Moved], importances: Mapping[str, float]) -> Severity:
    """Return how much the effect that matters most does; a pair matters as much as the more important of both."""
    found = (severity(evidence, each.effect, _importance(each, importances)) for each in moved)
    return max(found, key=LEVELS.index)


def _importance(moved: Moved, importances: Mapping[str, float]) -> float | None:
    names = (moved.feature,) if isinstance(moved.feature, str) else moved.feature
    return max((importances[name] for name in names if name in importances), default=None)


def importances_of(shares: Mapping[str, float], names: Collection[str]) -> dict[str, float]:
    """Return the importance of each feature, 1 for one of average weight in the model.

    Args:
        shares: by feature, not negative, on any scale; features that it lacks have none.
        names: of all features.

    Raises:
        ValueError: one is of no feature, or no number from 0 on, or all are 0.
    """
    if unknown := [name for name in shares if name not in names]:
        raise ValueError(f"importances of {', '.join(map(repr, unknown))}, which the reference does not have")
    known = {name: float(shares.get(name, 0.0)) for name in names}
    if wrong := [name for name, share in known.items() if not 0.0 <= share < math.inf]:
        raise ValueError(f"an importance is a number from 0 on, not {known[wrong[0]]} of {wrong[0]!r}")
    if not sum(known.values()) > 0.0:
        raise ValueError("no feature has an importance above 0")
    return {name: share * len(known) / sum(known.values()) for name, share in known.items()}

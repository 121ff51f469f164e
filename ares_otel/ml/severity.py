"""How much an episode of drift matters: by its effect, weighed by importance, and by its evidence."""

from __future__ import annotations

import math

from ares_otel.ml.events import Severity

__all__ = ["severity"]

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

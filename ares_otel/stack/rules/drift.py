"""Alerts on drift of models: an episode that matters, and everything that would make its absence mean nothing."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import thresholds as t
from ares_otel.semconv.enums import DriftDrop, DriftSeverity
from ares_otel.stack import foreign as f
from ares_otel.stack.promql import IDENTITY, Matcher, by, is_, select
from ares_otel.stack.rules.model import Alert, Domain, Group, Record, Severity, Team

__all__ = ["ALERTS", "INTERVAL", "RECORDS"]

INTERVAL: Final = "ares:drift_check:interval_seconds"
MODEL: Final = by(a.MODEL_NAME)
EPISODE: Final = by(a.MODEL_NAME, a.DRIFT_KIND)
BRIDGED: Final = "5m"
"""What was said last holds for so long where a scrape is missing or a bot starts again: it is the same episode."""
BLIND: Final = Matcher(str(a.DRIFT_DROP), "!~", f"{DriftDrop.UNWATCHED}|{DriftDrop.SHUTDOWN}")
"""Whoever is not watched is told of by an alert of its own, and a bot that ends is looked at by nobody."""
MISSED: Final = "90m"
LASTING: Final = "2h"
"""Longer than the window: one burst is no alarm. Longer than an hour: so late may the first bar of a session come."""


def _usual() -> str:
    """Return the usual time between checks: of the day before the last check, for as long as the bot has the model."""
    checks = select(m.DRIFT_CHECKS)
    each = by(a.MODEL_NAME, a.DRIFT_KIND, a.DETECTOR)  # the kinds of a model are checked on the same bars
    usual = f"86400 / (max {MODEL} (sum {each} (increase({checks}[1d]))) > 1)"
    recent = f"sum {MODEL} (increase({checks}[10m])) > 0"
    watched = f"max {MODEL} ({select(m.DRIFT_OBSERVED)})"
    return f"{usual} and {recent} or last_over_time({INTERVAL}[1h]) and {watched}"


RECORDS: Final = (Group("ares-drift-check-interval", (Record(INTERVAL, _usual()),), interval="1m"),)


def _severe(severity: DriftSeverity) -> str:
    last = f"last_over_time({select(m.DRIFT_SEVERITY)}[{BRIDGED}])"
    return f"max {EPISODE} ({last}) == {severity.level}"


def _unchecked() -> str:
    """Return how long a bot has gone on deciding since the last check, or since its start where there was none."""
    last = f"max {MODEL} (last_over_time({select(m.DRIFT_CHECKED)}[{BRIDGED}]))"
    identity = f"on ({', '.join(IDENTITY)})"
    start = f"max {by()} ({select(f.PROCESS_START, is_('job', 'ares-bot'))})"
    never = f"(0 * max {MODEL} ({select(m.DRIFT_OBSERVED)}) + {identity} group_left () {start})"
    decided = f"max {by()} (last_over_time({select(m.LAST_DECISION)}[{BRIDGED}]))"
    since = f"({last} or {never}) * -1 + {identity} group_left () {decided}"
    return f"{since} > clamp_min({t.DRIFT_OVERDUE.value:g} * {INTERVAL}, {t.DRIFT_PATIENCE.value:g})"


def _dropped() -> str:
    dropped = f"sum {MODEL} (increase({select(m.DRIFT_DROPPED, BLIND)}[{MISSED}]))"
    refused = f"sum {MODEL} (increase({select(m.DRIFT_DROPPED, is_(a.DRIFT_DROP, DriftDrop.QUEUE_FULL))}[{MISSED}]))"
    seen = f"sum {MODEL} (increase({select(m.DRIFT_OBSERVED)}[{MISSED}]))"  # also what was invalid
    every = f"({seen} + ({refused} or 0 * {seen}))"
    there = f"max {MODEL} (last_over_time({select(m.DRIFT_OBSERVED)}[{BRIDGED}]))"
    return f"{dropped} / ({every} > 0) > {t.DRIFT_DROPS.value:g} and {there}"


ALERTS: Final = (
    Alert(
        "AresDriftCritical",
        _severe(DriftSeverity.CRITICAL),
        Severity.CRITICAL,
        Team.MODELS,
        Domain.MODELS,
        "Critical {{ $labels.drift_kind }} drift of {{ $labels.model_name }}",
        "An episode is open that is critical by its effect, by what the features are worth to the model, and by its "
        "evidence. The board says what moved, the runbook why it may be wrong.",
        "ares-drift",
        variables=("model",),
    ),
    Alert(
        "AresDriftWarning",
        _severe(DriftSeverity.WARNING),
        Severity.WARNING,
        Team.MODELS,
        Domain.MODELS,
        "{{ $labels.drift_kind }} drift of {{ $labels.model_name }}",
        "An episode is open that is a warning by its effect, by what the features are worth to the model, and by its "
        "evidence. The board says what moved, the runbook why it may be wrong.",
        "ares-drift",
        variables=("model",),
    ),
    Alert(
        "AresDriftDetectorDown",
        f"min {by(a.MODEL_NAME, a.DETECTOR)} ({select(m.DETECTOR_UP)}) == 0",
        Severity.WARNING,
        Team.MODELS,
        Domain.MODELS,
        "The detector {{ $labels.detector }} of {{ $labels.model_name }} is down",
        "It was asked for and gives no verdict. That no drift is shown means nothing meanwhile.",
        "ares-drift",
        hold="5m",
        keep="5m",
        variables=("model",),
    ),
    Alert(
        "AresDriftUnchecked",
        _unchecked(),
        Severity.WARNING,
        Team.MODELS,
        Domain.MODELS,
        "{{ $labels.model_name }} is no longer checked for drift, but its bot decides",
        "{{ $value | humanizeDuration }} lie between the last check and the last decision: more than "
        f"{t.DRIFT_OVERDUE.value:g} of the model's usual intervals and more than {t.DRIFT_PATIENCE.value:g} s.",
        "ares-drift",
        hold=LASTING,
        variables=("model",),
    ),
    Alert(
        "AresDriftObservationsDropped",
        _dropped(),
        Severity.WARNING,
        Team.MODELS,
        Domain.MODELS,
        "{{ $value | humanizePercentage }} of the observations of {{ $labels.model_name }} are not looked at",
        f"For two hours more than {t.DRIFT_DROPS.value:.0%} of them were invalid or found the queue full: drift in "
        "them is not seen.",
        "ares-drift",
        hold=LASTING,
        variables=("model",),
    ),
)

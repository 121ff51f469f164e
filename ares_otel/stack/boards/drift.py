"""Boards about drift of models: what has changed and whether that can be believed, and which features it is."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv import spans
from ares_otel.semconv import thresholds as t
from ares_otel.semconv.enums import DriftSeverity, Truth
from ares_otel.semconv.model import Attribute, Metric
from ares_otel.stack.boards import common
from ares_otel.stack.boards.model import Annotation, Board, Panel
from ares_otel.stack.boards.panels import AMBER, GREEN, RED, alerts, bars, lanes, lines, stat, state, steps
from ares_otel.stack.boards.queries import grouped, growth, per_second, quantile, shown, traces
from ares_otel.stack.boards.tables import table, trace_table
from ares_otel.stack.boards.watching import OUTCOMES, VALUES, alarms_allowed, alarms_began
from ares_otel.stack.promql import is_

__all__ = ["DRIFT", "FEATURES"]

CALM: Final = "#7A9E7E"
"""Nothing to see, said more softly than by the green of figures: lanes of it fill most of a timeline."""
SEVERITIES: Final = {
    str(DriftSeverity.INFO): "#5794F2",
    str(DriftSeverity.WATCH): "#E0B400",
    str(DriftSeverity.WARNING): AMBER,
    str(DriftSeverity.CRITICAL): RED,
}
WORDS: Final = ((0, "no drift", GREEN), *((at, word, color) for at, (word, color) in enumerate(SEVERITIES.items(), 1)))
PAIR: Final = (a.MODEL_NAME, a.DRIFT_KIND)
OF_FEATURE: Final = (a.MODEL_NAME, a.FEATURE_NAME)
SAME_FEATURE: Final = f"on ({', '.join(map(str, OF_FEATURE))})"
BY_PAIR: Final = "{{model_name}} {{drift_kind}}"
BY_FEATURE: Final = "{{feature_name}} ({{model_name}})"
BY_MODEL: Final = "{{model_name}}"
SD: Final = "suffix:sd"
NAMES: Final = 200
DRAWN: Final = 8
"""Features that one panel draws: more lines than that are told apart by nobody."""
LISTED: Final = 15


def _most(metric: Metric, *labels: Attribute) -> str:
    return grouped("max", shown(metric), *labels)


def _age() -> str:
    return f"time() - {_most(m.DRIFT_CHECKED, a.MODEL_NAME)}"


def _quantities(truth: Truth, *labels: Attribute) -> str:
    return grouped("sum", shown(m.DRIFT_QUANTITIES, is_(a.DRIFT_TESTABLE, truth)), *labels)


def _strongest(metric: Metric) -> str:
    """Return a metric by feature over time, of those features whose evidence was largest in range."""
    largest = grouped("max", f"max_over_time({shown(m.FEATURE_DRIFT)}[$__range] @ end())", *OF_FEATURE)
    return f"{_most(metric, *OF_FEATURE)} and {SAME_FEATURE} topk({DRAWN}, {largest})"


def _important() -> str:
    """Return the importances over time of those features that matter most at the end."""
    # a scrape that fails makes all series stale: what was said last counts, or a missed one empties the panel
    last = grouped("max", f"last_over_time({shown(m.FEATURE_IMPORTANCE)}[$__range] @ end())", *OF_FEATURE)
    return f"{_most(m.FEATURE_IMPORTANCE, *OF_FEATURE)} and {SAME_FEATURE} topk({DRAWN}, {last})"


def _features(width: int, height: int) -> Panel:
    evidence = _most(m.FEATURE_DRIFT, *OF_FEATURE)
    return table(
        "Features by evidence",
        [
            (evidence, "Evidence", "short"),
            (_most(m.FEATURE_EFFECT, *OF_FEATURE), "Effect, sd", "short"),
            (_most(m.FEATURE_SAMPLES, *OF_FEATURE), "Effective samples", "locale"),
            (_most(m.FEATURE_DETECTABLE, *OF_FEATURE), "Least detectable, sd", "short"),
            (f"{_most(m.FEATURE_IMPORTANCE, *OF_FEATURE)} and {SAME_FEATURE} {evidence}", "Importance", "short"),
        ],
        {"feature_name": "Feature", "model_name": "Model"},
        f"Now, the first {t.FEATURES_SHOWN.value:g} of each model. Evidence above 1 is an alarm; an effect below the "
        "least detectable one is no more than a guess. Effects are in standard deviations of the reference.",
        *(width, height),
        ranked=True,
    )


def _evidence_of_features(width: int, height: int) -> Panel:
    return lines(
        "Evidence of features against the threshold",
        [(_strongest(m.FEATURE_DRIFT), BY_FEATURE)],
        f"The {DRAWN} features with most evidence in range. Above the line a feature's own test has crossed.",
        "none",
        *(width, height),
        limits=((t.DRIFT_CROSSED, RED),),
        marked=True,
    )


BEGAN: Final = Annotation(
    "Drift began",
    f"count({_most(m.DRIFT_ACTIVE, *PAIR)} == 1 unless "
    f"{grouped('max', f'{shown(m.DRIFT_ACTIVE)} offset 1m', *PAIR)} == 1) > 0",
    AMBER,
    "Drift began",
)

DRIFT: Final = Board(
    "ares-drift",
    "Drift",
    "Does the market, or a model, still look as it did when the model was trained, and how sure is that?",
    (
        stat(
            "Open episodes",
            f"sum({_most(m.DRIFT_ACTIVE, *PAIR)})",
            "Models and kinds of drift with an open episode: one alarm each, however many features moved.",
            limits=steps((t.ANY, AMBER)),
            decimals=0,
        ),
        state(
            "Worst severity",
            grouped("max", shown(m.DRIFT_SEVERITY)),
            "Of the open episodes. It weighs the effect by the feature's importance; warning and critical are alerts.",
            WORDS,
        ),
        stat(
            "Strongest evidence",
            grouped("max", shown(m.DRIFT_EVIDENCE)),
            "Largest statistic of all tests, in thresholds of its own test. Above 1 it is an alarm; near 1 not yet.",
            limits=steps((t.DRIFT_CROSSED, RED)),
            decimals=2,
        ),
        stat(
            "Oldest last check",
            f"max({_age()})",
            "Age of the last check of the model that was not looked at for longest. Checks come with bars.",
            "s",
            decimals=0,
        ),
        stat(
            "Can be tested",
            f"{_quantities(Truth.TRUE)} / (sum({shown(m.DRIFT_QUANTITIES)}) > 0)",
            "Share of the monitored quantities with enough effective samples. Silence of the others means nothing.",
            "percentunit",
            decimals=0,
        ),
        stat(
            "Not looked at in range",
            growth(m.DRIFT_DROPPED, "$__range"),
            "Observations and outcomes that were handed over in vain: drift in them is not seen.",
            limits=steps((t.ANY, AMBER)),
            decimals=0,
        ),
        lanes(
            "Open episodes by model and kind",
            _most(m.DRIFT_SEVERITY, *PAIR),
            "Each lane is one kind of drift of one model, with the severity of its open episode.",
            SEVERITIES,
            *(24, 9),
            legend=BY_PAIR,
            zero=("no drift", CALM),
            names=NAMES,
        ),
        lines(
            "Evidence against the threshold",
            [(_most(m.DRIFT_EVIDENCE, *PAIR), BY_PAIR)],
            "Largest statistic of each kind, in thresholds of its own test. Above the line: an alarm. It ends well "
            "below the line, so that one that wavers at it is one alarm.",
            "none",
            *(12, 8),
            limits=((t.DRIFT_CROSSED, RED),),
            marked=True,
        ),
        lines(
            "Effect",
            [(_most(m.DRIFT_EFFECT, *PAIR), BY_PAIR)],
            "Change of the quantity with most evidence, in standard deviations of the reference. Without evidence "
            "above 1 it is noise.",
            SD,
            *(12, 8),
            lowest=None,
            marked=True,
        ),
        _features(24, 9),
        table(
            "Alarms and their budget",
            [
                (alarms_began(), "Alarms in range", "none"),
                (alarms_allowed(), "False ones allowed", "short"),
                (_quantities(Truth.TRUE, a.MODEL_NAME), "Testable", "none"),
                (_quantities(Truth.FALSE, a.MODEL_NAME), "Untestable", "none"),
                (_age(), "Last check", "s"),
            ],
            {"model_name": "Model"},
            "Alarms beside the number of false ones that the budget allowed for in the same time: many more are "
            "drift, or a reference that does not fit.",
            *(16, 8),
        ),
        lines(
            "False-alarm budget spent",
            [(_most(m.DRIFT_SPENT, a.MODEL_NAME), BY_MODEL)],
            "Chance of any false alarm that the budget has allowed for since the reference is in use. It rises with "
            "each bar, by as much as `drift.false_alarms` says.",
            "percentunit",
            *(8, 8),
            highest=1.0,
            marked=True,
        ),
        *OUTCOMES,
        lines(
            "Observations a minute",
            [(f"60 * {per_second(m.DRIFT_OBSERVED, a.MODEL_NAME)}", BY_MODEL)],
            "Bars and outcomes that were looked at. One that falls silent here and goes on to vote is not watched.",
            "none",
        ),
        lines(
            "Not looked at a minute",
            [
                (
                    common.happened(
                        f"60 * {per_second(m.DRIFT_DROPPED, a.MODEL_NAME, a.DRIFT_DROP)}",
                        m.DRIFT_DROPPED,
                        *(a.MODEL_NAME, a.DRIFT_DROP),
                    ),
                    "{{model_name}} {{reason}}",
                )
            ],
            "By reason: the queue was full, the row is invalid, the model is not watched, or the bot was ending.",
            "none",
            nothing="nothing was dropped",
        ),
        lanes(
            "Detectors",
            grouped("min", shown(m.DETECTOR_UP), a.MODEL_NAME, a.DETECTOR),
            "Our own is called ares; others are second opinions. What is down gives no verdict, not a good one.",
            {"works": CALM},
            *(8, 7),
            legend="{{model_name}} {{detector}}",
            zero=("down", RED),
            names=NAMES,
        ),
        lines(
            "Time of a check, 99th percentile",
            [(quantile(0.99, m.DRIFT_DURATION, a.MODEL_NAME), BY_MODEL)],
            "Computing time of a check's bars, off the bot's thread. Diamonds are checks; a click shows the trace.",
            "s",
            *(8, 9),
            exemplars=True,
        ),
        trace_table(
            "Newest checks (5 minutes)",
            traces(
                spans.DRIFT_CHECK,
                wanted=(a.MODEL_NAME, a.DRIFT_KIND, a.DETECTOR, a.DRIFT_RESULT, a.DRIFT_EVIDENCE, a.DRIFT_EFFECT),
                chosen=("model",),
            ),
            (a.DRIFT_KIND, a.DETECTOR, a.DRIFT_RESULT, a.DRIFT_EVIDENCE, a.DRIFT_EFFECT),
            "A model's name leads to the check's trace, which has links to decisions of its bars, and to its logs.",
            *(16, 9),
            leading=a.MODEL_NAME,
        ),
        trace_table(
            "Episodes in range",
            traces(
                spans.DRIFT_EPISODE,
                wanted=(a.MODEL_NAME, a.DRIFT_KIND, a.DRIFT_STATE, a.DRIFT_SEVERITY, a.DRIFT_EFFECT, a.DRIFT_SUMMARY),
                chosen=("model",),
            ),
            (a.DRIFT_KIND, a.DRIFT_STATE, a.DRIFT_SEVERITY, a.DRIFT_EFFECT, a.DRIFT_SUMMARY),
            "What began and what is over, in a sentence. A model's name leads to the check that found it, linked to "
            "the decisions between the change and the alarm.",
            *(16, 9),
            recent=False,
            timed=False,
            leading=a.MODEL_NAME,
        ),
        alerts(8, 9, ',domain="models"'),
    ),
    annotations=(BEGAN, common.RETRAINED, common.DEPLOYED),
)

FEATURES: Final = Board(
    "ares-features",
    "Features",
    "Which features moved, which of them matter, and in which could a change be seen at all?",
    (
        stat(
            "Features beyond 1",
            f"count({_most(m.FEATURE_DRIFT, *OF_FEATURE)} > 1) or 0 * count({shown(m.FEATURE_DRIFT)})",
            "Features whose own test has crossed its threshold. An episode may be open a while after they are back.",
            limits=steps((t.ANY, AMBER)),
            decimals=0,
        ),
        stat(
            "Strongest evidence",
            grouped("max", shown(m.FEATURE_DRIFT)),
            "Largest statistic of a feature, in thresholds of its own test.",
            limits=steps((t.DRIFT_CROSSED, RED)),
            decimals=2,
        ),
        stat(
            "Largest effect",
            f"max(abs({shown(m.FEATURE_EFFECT)}))",
            "Among the features that are shown, in standard deviations of the reference.",
            SD,
            decimals=2,
        ),
        stat(
            "Fewest effective samples",
            grouped("min", shown(m.FEATURE_SAMPLES)),
            "Of one feature in its reference: rolling features are worth far fewer values than they have bars.",
            decimals=0,
        ),
        stat(
            "Cannot be tested",
            _quantities(Truth.FALSE),
            "Quantities without enough effective samples. `ares-otel drift card` says why, one by one.",
            decimals=0,
        ),
        stat(
            "Least stable importances",
            grouped("min", shown(m.IMPORTANCE_STABILITY)),
            "Rank correlation of a model's last two importances. Near 0 it leans on something else each time.",
            decimals=2,
        ),
        _features(24, 10),
        _evidence_of_features(12, 8),
        lines(
            "Effect of features",
            [(_strongest(m.FEATURE_EFFECT), BY_FEATURE)],
            "Of the same features, in standard deviations of the reference; above zero it is more than it was.",
            SD,
            *(12, 8),
            lowest=None,
            marked=True,
        ),
        *VALUES,
        bars(
            "Least detectable effect",
            f"topk({LISTED}, {_most(m.FEATURE_DETECTABLE, a.FEATURE_NAME)})",
            a.FEATURE_NAME,
            "Smallest lasting change that is found nine times in ten, the largest of all chosen models. Long bars: a "
            "feature that could drift a long way unseen.",
            SD,
            *(8, 10),
        ),
        bars(
            "Effective samples in the reference",
            f"bottomk({LISTED}, {grouped('min', shown(m.FEATURE_SAMPLES), a.FEATURE_NAME)})",
            a.FEATURE_NAME,
            "Bars of the reference divided by the feature's autocorrelation time, the fewest ones: more history, or a "
            "shorter window of the feature, makes more.",
            "locale",
            *(8, 10),
        ),
        bars(
            "Importance",
            f"topk({LISTED}, {_most(m.FEATURE_IMPORTANCE, a.FEATURE_NAME)})",
            a.FEATURE_NAME,
            "As the bot last said, the largest of all chosen models. What matters little may drift.",
            "short",
            *(8, 10),
        ),
        lines(
            "Importance over time",
            [(_important(), BY_FEATURE)],
            f"The {DRAWN} that matter most now. Steps are trainings.",
            "short",
            *(12, 8),
            lowest=None,
            marked=True,
        ),
        lines(
            "Stability of importances",
            [(_most(m.IMPORTANCE_STABILITY, a.MODEL_NAME), BY_MODEL)],
            "Rank correlation of the last two importances. 1: the same order; 0: none in common.",
            "none",
            *(12, 8),
            lowest=None,
            highest=1.0,
            marked=True,
        ),
    ),
    annotations=(BEGAN, common.RETRAINED),
)

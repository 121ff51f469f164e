"""The detectability card: for every quantity what a monitor can see of it, how soon, or why it cannot be tested."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from ares_otel.ml.effects import LARGEST
from ares_otel.ml.events import Feature, Moment, Quantity
from ares_otel.ml.plan import ENOUGH, RARE, RATIO, Belief
from ares_otel.ml.reference import FAST, Made, Reference
from ares_otel.ml.scores import Bins, Floats
from ares_otel.ml.seen import Seen

__all__ = ["Card", "Tests", "Why", "card_of", "lines", "titles"]

WIDEST: Final = 0.99 * LARGEST
"""An effect that no score of ranks could show."""
BLIND: Final = "no effect of any size is found nine of ten times"
"""Of what has a test whose threshold is near the most that scores of ranks can say."""
POWER: Final = 1.2816
"""Standard deviations above a threshold at which nine of ten are over it."""


class Why(IntEnum):
    """Why a quantity cannot be tested."""

    TESTABLE = 0
    NO_SCALE = 1
    CONSTANT = 2
    SPARSE = 3
    FEW = 4
    SMOOTHED = 5
    REGIMES = 6
    SLOW = 7
    RARE = 8
    WANDERS = 9


REASONS: Final = {
    Why.TESTABLE: "",
    Why.NO_SCALE: "untestable: two values have no scale beside their share",
    Why.CONSTANT: "untestable: constant in the reference",
    Why.SPARSE: "untestable: missing in {missing:.0%} of the reference",
    Why.FEW: f"untestable: n_eff {{n_eff:.0f}} < {ENOUGH:.0f}",
    Why.SMOOTHED: f"untestable: each value is like the one before (autocorrelation {{lag:.2f}} > {FAST})",
    Why.REGIMES: "untestable: strong regimes of volatility passed only {cycles:.1f} times in the reference",
    Why.WANDERS: "untestable: its mean wanders, so that its spread around the one it had says little",
    Why.SLOW: f"untestable: one independent value takes {{tau:.0f}} bars, a window holds less than {RATIO:.0f} of them",
    Why.RARE: f"untestable: the rarer value is expected less than {RARE:.0f} times in the longest window",
}


class Card(NamedTuple):
    """What is known of each score.

    Attributes:
        why: each one's `Why`.
        tau: integrated autocorrelation time, in bars.
        tau_high: upper end of what it may be.
        cycles: how often strong regimes passed, infinite without any.
        worth: independent values in the reference.
        lag: autocorrelation from one bar to the next.
        absent: share of bars of the reference without a value.
    """

    why: Bins
    tau: Floats
    tau_high: Floats
    cycles: Floats
    worth: Floats
    lag: Floats
    absent: Floats


class Tests(NamedTuple):
    """What is known of each test.

    Attributes:
        score: what is tested.
        window: memory, in bars.
        threshold: of its average.
        sigma: standard deviation of its average when nothing changed.
        spent: share of the budget.
    """

    score: Bins
    window: Bins
    threshold: Floats
    sigma: Floats
    spent: Floats


def card_of(reference: Reference, belief: Belief) -> Card:
    """Judge the scores of a reference."""
    scored, bars = reference.scored, reference.least
    pairs = scored.present[scored.pairs[:, 0]] * scored.present[scored.pairs[:, 1]]
    present = np.concatenate((scored.present, scored.present, pairs))
    worth = bars * present / np.maximum(belief.tau, 1)
    why = np.array([_why(reference, belief, score, float(worth[score])) for score in range(len(worth))], np.intp)
    return Card(
        why,
        belief.tau,
        np.maximum(belief.tau, belief.posterior.tau_high),
        np.where(belief.volatile, belief.cycles, np.inf),
        worth,
        scored.lag,
        1 - present,
    )


def _why(reference: Reference, belief: Belief, score: int, worth: float) -> Why:
    """Return the first reason that holds."""
    columns, scored = reference.columns, reference.scored
    is_scale = columns <= score < 2 * columns
    column = score % columns if score < 2 * columns else int(scored.pairs[score - 2 * columns, 0])
    constant = not scored.low[column] < scored.high[column]
    reasons = (
        (Why.SPARSE, scored.low[column] > scored.high[column]),  # there is no value at all
        (Why.CONSTANT, constant and score < 2 * columns),
        (Why.NO_SCALE, is_scale and reference.made.binary[column]),
        (Why.TESTABLE, bool(belief.possible[score].any())),
        (Why.SPARSE, scored.present[column] < reference.enough_present),
        (Why.REGIMES, bool(belief.volatile[score]) and np.isfinite(belief.cycles)),
        (Why.FEW, worth < ENOUGH),
        (Why.SMOOTHED, is_scale and scored.lag[score] >= FAST),
        (Why.WANDERS, is_scale and not belief.steady[column].any()),
        (Why.RARE, reference.made.binary[column] and score < columns),
    )
    return next((why for why, holds in reasons if holds), Why.SLOW)


def titles(made: Made, pairs: Bins) -> list[tuple[Feature, Moment]]:
    """Return what each score is of."""
    pair_names = [(made.names[first], made.names[second]) for first, second in pairs.tolist()]
    location = [Moment.SHARE if binary else Moment.LOCATION for binary in made.binary]
    return [
        *zip(made.names, location, strict=True),
        *((name, Moment.SCALE) for name in made.names),
        *((names, Moment.DEPENDENCE) for names in pair_names),
    ]


def lines(card: Card, tests: Tests, seen: Seen, note: str = "") -> tuple[Quantity, ...]:
    """Return the card as it is shown; `note` is what has to be known of each line."""
    return tuple(_quantity(card, tests, seen, place, note) for place, why in enumerate(card.why) if why != Why.NO_SCALE)


def _found(tests: Tests, seen: Seen, place: int) -> tuple[float | None, float | None]:
    """Return the smallest effect that is found, and the delay of an effect of one reference sigma."""
    its = tests.score == place
    if not its.any():
        return None, None
    unit = seen.stream.unit(place)
    window, threshold = tests.window[its], tests.threshold[its] * unit
    smallest = seen.effect(place, float((threshold + POWER * unit * tests.sigma[its]).min()))
    with np.errstate(divide="ignore", invalid="ignore"):  # what one sigma does not move is never found
        part = np.fmin(threshold / np.maximum(seen.mean(place, 1.0), 0), 1)
        delay = float((np.log1p(-part) / np.log1p(-2 / (window + 1))).min())
    return smallest if smallest < WIDEST else None, delay if np.isfinite(delay) else None


def _quantity(card: Card, tests: Tests, seen: Seen, place: int, note: str) -> Quantity:
    feature, moment = seen.named[place]
    smallest, delay = _found(tests, seen, place)
    why, cycles = Why(card.why[place]), float(card.cycles[place])
    facts = {
        "n_eff": card.worth[place],
        "lag": card.lag[place],
        "cycles": cycles,
        "tau": card.tau[place],
        "missing": card.absent[place],
    }
    known = why not in {Why.CONSTANT, Why.SPARSE}
    return Quantity(
        feature=feature,
        moment=moment,
        testable=why == Why.TESTABLE,
        reason=REASONS[why].format(**facts),
        n_eff=float(card.worth[place]) if known else None,
        tau=float(card.tau[place]) if known else None,
        tau_high=float(card.tau_high[place]) if known else None,
        mde=smallest,
        delay=delay,
        budget=float(tests.spent[tests.score == place].sum()),
        cycles=cycles if np.isfinite(cycles) else None,
        note="; ".join(filter(None, (note, BLIND if why == Why.TESTABLE and smallest is None else ""))),
    )

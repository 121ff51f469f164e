"""A weighted vote. Who was right lately has more to say; only outcomes that are known by now count."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from ares_otel.demo.members import CLASSES, DEAD_BAND, Action, Prediction

__all__ = ["Awaited", "Ensemble", "Matured", "Verdict"]

# A member's hit rate starts at what guessing among three classes gives, and forgets half in this many outcomes.
GUESSING = 1 / 3
HALF_LIFE = 60
KEEP = 0.5 ** (1 / HALF_LIFE)

# Ten points of hit rate more make a weight 2.2 times as large; nobody is silenced.
SHARPNESS = 8.0
LEAST_WEIGHT = 0.05


class Verdict(msgspec.Struct, frozen=True):
    """What the ensemble decided.

    Attributes:
        action: `buy` or `sell` if its share of the vote is above the threshold, else `hold`.
        leaning: the class with the largest share, whether or not it is enough.
        confidence: share of `leaning` in the vote, 0..1; each vote counts its member's weight times its confidence.
        threshold: what the share has to exceed.
        agreement: share of the members, each counted once, that voted for `leaning`.
        tilt: weighted mean of P(buy) - P(sell), -1..1.
        weights: of the members; they sum to 1.
        reason: the comparison in words.
    """

    action: Action
    leaning: Action
    confidence: float
    threshold: float
    agreement: float
    tilt: float
    weights: dict[str, float]
    reason: str


class Awaited(msgspec.Struct):
    """Votes whose outcome is not known yet.

    Attributes:
        key: of the decision that they belong to.
        price: last price when they were cast.
        band: a move (log return) not larger than this counts as `hold`.
        bars_left: bars until the outcome is known.
        votes: action by member.
        regime: that the decision saw; None in a state that was saved before regimes were remembered.
    """

    key: str
    price: float
    band: float
    bars_left: int
    votes: dict[str, Action]
    regime: str | None = None


class Matured(msgspec.Struct, frozen=True):
    """Votes whose outcome is known now.

    Attributes:
        key: of the decision that they belonged to.
        actual: what would have been right.
        move: log return over the horizon.
        votes: action by member.
        regime: that the decision saw, None where it is not known any more.
    """

    key: str
    actual: Action
    move: float
    votes: dict[str, Action]
    regime: str | None = None


class Ensemble(msgspec.Struct):
    """The memory of one ensemble.

    Attributes:
        horizon: bars until a vote can be judged.
        hit_rates: by member, exponentially weighted, 0..1.
        awaited: votes not judged yet, oldest first; at most `horizon`.
    """

    horizon: int
    hit_rates: dict[str, float] = {}
    awaited: list[Awaited] = []

    def weights(self, members: Sequence[str]) -> dict[str, float]:
        """Return the weight of each member, at least about 0.05; they sum to 1."""
        rates = {member: self.hit_rates.get(member, GUESSING) for member in members}
        best = max(rates.values())
        raw = {member: math.exp(SHARPNESS * (rate - best)) for member, rate in rates.items()}
        total = sum(raw.values())
        floored = {member: max(LEAST_WEIGHT, weight / total) for member, weight in raw.items()}
        return {member: weight / sum(floored.values()) for member, weight in floored.items()}

    def vote(self, predictions: Sequence[Prediction], threshold: float) -> Verdict:
        """Weigh the predictions against each other."""
        weights = self.weights([each.member for each in predictions])
        strength = dict.fromkeys(CLASSES, 0.0)
        for each in predictions:
            strength[each.action] += weights[each.member] * each.confidence
        leaning = max(CLASSES, key=strength.__getitem__)
        share = strength[leaning] / sum(strength.values())
        enough = share > threshold
        return Verdict(
            action=leaning if enough else "hold",
            leaning=leaning,
            confidence=share,
            threshold=threshold,
            agreement=sum(each.action == leaning for each in predictions) / len(predictions),
            tilt=sum(weights[p.member] * (p.probabilities["buy"] - p.probabilities["sell"]) for p in predictions),
            weights=weights,
            reason=f"weighted vote for {leaning} {share:.2f} {'>' if enough else '<='} {threshold:.2f}",
        )

    def expect(
        self, key: str, predictions: Sequence[Prediction], price: float, volatility: float, *, regime: str | None = None
    ) -> None:
        """Remember votes, and the regime that they were cast in, until their outcome is known."""
        band = DEAD_BAND * volatility * math.sqrt(self.horizon)
        votes = {each.member: each.action for each in predictions}
        self.awaited.append(Awaited(key, price, band, self.horizon, votes, regime))

    def learn(self, price: float) -> list[Matured]:
        """Take the close of the next bar; judge the votes that are due and return them."""
        for votes in self.awaited:
            votes.bars_left -= 1
        due = [votes for votes in self.awaited if votes.bars_left <= 0]
        self.awaited = [votes for votes in self.awaited if votes.bars_left > 0]
        return [self._judge(votes, math.log(price / votes.price)) for votes in due]

    def _judge(self, awaited: Awaited, move: float) -> Matured:
        actual: Action = "hold" if abs(move) <= awaited.band else "buy" if move > 0 else "sell"
        for member, action in awaited.votes.items():
            before = self.hit_rates.get(member, GUESSING)
            self.hit_rates[member] = KEEP * before + (1 - KEEP) * (action == actual)
        return Matured(awaited.key, actual, move, awaited.votes, awaited.regime)

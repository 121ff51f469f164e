"""The bot: one decision from the bar to the order, told as it happens."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeVar

import msgspec
import pytest
from demo_samples import cheap_members, walk

import ares_otel as ares
from ares_otel.demo import said
from ares_otel.demo.bars import Bar
from ares_otel.demo.bot import Bot
from ares_otel.demo.ensemble import Matured
from ares_otel.demo.events import Decision, Event, Tripped, ignore
from ares_otel.demo.market import Market
from ares_otel.demo.orders import ExecutionReport
from ares_otel.demo.risk import RiskLimits
from ares_otel.demo.rules import VenueRules
from ares_otel.demo.session import Trading, new_state
from ares_otel.demo.strategy import Reversion, Strategy, Swing
from ares_otel.demo.walkforward import Training, first_row

T = TypeVar("T")

SWING = Swing(name="s", horizon=3, threshold=0.4, max_weight=0.6, least_edge_bp=-1e9, most_against=1.0)
FIRST = first_row(3)


class Desk:
    """One bot on one made-up market."""

    def __init__(self, strategy: Strategy = SWING, rules: VenueRules | None = None, volatility: float = 0.01) -> None:
        self.bars = walk(FIRST + 60, seed=11, volatility=volatility)
        self.events: list[Event] = []
        self.rules = VenueRules() if rules is None else rules
        state = new_state("r", 1, [strategy], ["X"], self.rules)
        market = {"X": Market(self.bars)}
        self.trading = Trading(market, [strategy], self.rules, state, self.events.append, cheap_members)
        (self.bot,) = self.trading.bots.values()

    def decide(self, count: int, flatten: str = "") -> list[Decision]:
        """Decide on the next bars."""
        done = self.bot.state.decisions
        return [self._decide(bar, flatten) for bar in self.bars[FIRST + done : FIRST + done + count]]

    def _decide(self, bar: Bar, flatten: str) -> Decision:
        self.trading.settle(bar)
        return self.bot.decide(bar, flatten=flatten)

    def told(self, kind: type[T]) -> list[T]:
        """Return what the view was told of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def first_order(desk: Desk) -> Decision:
    """Decide until an order is sent."""
    return next(decision for decision in desk.decide(40) if decision.orders)


def test_decision_tells_all() -> None:
    """A decision holds what it was made of: votes, weights, regime, path, checks and orders, under unique names."""
    desk = Desk()
    decision = first_order(desk)
    (sent,) = decision.orders

    assert sent.client_id == "r-s-000001"
    assert (sent.account, sent.symbol, sent.time) == ("s", "X", decision.time)
    assert [each.member for each in decision.predictions] == ["momentum", "mean_reversion"]
    assert set(decision.verdict.weights) == {"momentum", "mean_reversion"}
    assert decision.action == ("buy" if sent.side == "buy" else "sell")
    assert all(step.passed for step in decision.path)
    assert all(check.passed for check in decision.checks[sent.client_id])
    assert decision.reason == decision.verdict.reason
    assert (decision.position, decision.equity) == (Decimal(0), Decimal(100_000))
    assert decision.price == desk.bars[desk.trading.markets["X"].row(decision.time)].close


def test_hold_sends_nothing() -> None:
    """No decision that is a hold has orders, and no other has none; keys are unique."""
    desk = Desk()
    decisions = desk.decide(50)

    assert {decision.action for decision in decisions} == {"buy", "sell", "hold"}
    assert all((decision.action == "hold") == (not decision.orders) for decision in decisions)
    assert len({decision.key for decision in decisions}) == 50
    assert desk.told(Decision) == decisions


def test_events_come_in_order() -> None:
    """The training comes first, the reports on a decision's orders just before it, its fills after it."""
    desk = Desk()
    decision = first_order(desk)
    desk.decide(1)
    kinds = [event.status if isinstance(event, ExecutionReport) else type(event) for event in desk.events]
    place = desk.events.index(decision)

    assert kinds[0] is Training
    assert kinds.count(Training) == 1
    assert kinds[place - 1 : place + 1] == ["new", Decision]
    assert kinds[place + 1] in {"filled", "partially_filled"}


def test_outcomes_are_told() -> None:
    """Every vote is judged once, as many bars later as the horizon is long, with the regime that its decision saw."""
    desk = Desk()
    decisions = desk.decide(20)
    told = desk.told(Matured)

    assert [each.key for each in told] == [decision.key for decision in decisions[:-3]]
    assert [each.regime for each in told] == [decision.regime.regime for decision in decisions[:-3]]
    assert {record.regime for record in said.outcomes(told[0])} == {decisions[0].regime.regime}


def test_denied_order_is_not_sent() -> None:
    """An order that a check stops is kept with its checks, counted, and never reaches the venue."""
    desk = Desk(with_limits(SWING, RiskLimits(max_order_notional=1.0)))
    decisions = [decision for decision in desk.decide(40) if decision.denied]

    assert decisions
    for decision in decisions:
        assert (decision.action, decision.orders) == ("hold", ())
        assert decision.reason.endswith("denied by max_order_notional")
        assert not all(check.passed for check in decision.checks[decision.denied[0].client_id])
    assert desk.told(ExecutionReport) == []
    assert desk.bot.state.book.tally.denied == len(decisions)
    assert desk.trading.venue.state.orders == 0


def with_limits(strategy: Swing, limits: RiskLimits) -> Swing:
    """Return the strategy with other limits."""
    return Swing(
        name=strategy.name,
        horizon=strategy.horizon,
        threshold=strategy.threshold,
        max_weight=strategy.max_weight,
        least_edge_bp=strategy.least_edge_bp,
        most_against=strategy.most_against,
        limits=limits,
    )


def test_kill_switch_flattens_cools_down_and_goes_on() -> None:
    """At the drawdown all is closed; for a while nothing is opened; then the strategy trades again."""
    limits = RiskLimits(drawdown=0.01, cool_down=10, daily_loss=1.0)
    desk = Desk(with_limits(SWING, limits), volatility=0.04)
    decisions = desk.decide(59)
    (trip, *_) = desk.told(Tripped)
    start = next(place for place, decision in enumerate(decisions) if decision.time == trip.time)
    during = decisions[start : start + limits.cool_down]

    assert trip.strategy == "s"
    assert trip.drawdown >= 0.01
    assert all("kill switch" in decision.reason for decision in during)
    assert all(order.side != "sell_short" for decision in during for order in decision.orders)
    assert during[-1].position == 0
    assert any(decision.orders for decision in decisions[start + limits.cool_down :])


def test_flatten() -> None:
    """When everything has to go the next bar sees an empty book."""
    desk = Desk()
    first_order(desk)
    assert desk.bot.state.book.account.quantity("X") != 0 or desk.decide(1)[0].position != 0
    (closing,) = desk.decide(1, flatten="end of the data")
    (after,) = desk.decide(1, flatten="end of the data")

    assert closing.reason == "close: end of the data"
    assert (after.position, after.orders, after.action) == (Decimal(0), (), "hold")


def test_profit_order_is_taken_back() -> None:
    """A resting profit order is canceled when the position is closed for another reason, and told so."""
    patient = Reversion(
        name="s", horizon=3, threshold=0.3, max_weight=0.5, least_edge_bp=-1e9, offset=0.0, least_stretch=-99, profit=4
    )
    desk = Desk(patient)
    desk.decide(59)
    canceled = [report for report in desk.told(ExecutionReport) if report.status == "canceled"]

    assert canceled
    assert desk.bot.state.book.account == desk.trading.venue.account("s")


def test_state_survives_json() -> None:
    """What a bot remembers can be written down whole."""
    desk = Desk()
    desk.decide(30)
    state = desk.bot.state

    assert msgspec.json.decode(msgspec.json.encode(state), type=type(state)) == state


def test_stages_can_be_called_on_their_own() -> None:
    """Each step takes what the one before it gave: this is how a test or a notebook looks into a decision."""
    desk = Desk()
    bar = desk.bars[FIRST]
    desk.trading.settle(bar)
    bot: Bot = desk.bot

    analysis = bot.analyst(bar)
    verdict = bot.strategist(bar, "k", analysis)
    plan = bot.tactician(bar, analysis, verdict)
    candidates = bot.supervisor(bar, plan)
    with ares.decision(symbol="X", strategy="s") as d:
        bot.exchange(d, bar, plan, candidates)

    assert len(candidates) == len(plan.drafts)
    assert bot.state.book.tally.orders == sum(each.cleared for each in candidates)
    ignore(desk.events[0])


def test_unknown_symbol() -> None:
    """A bar of a market that the bot does not trade is an error, not a silence."""
    desk = Desk()
    with pytest.raises(KeyError, match="Y"):
        desk.bot.decide(walk(1, seed=1, symbol="Y")[0])


def test_equity_is_the_venues() -> None:
    """At every bar the bot's own equity is what the venue's account is worth."""
    desk = Desk()
    for _ in range(50):
        desk.decide(1)
        assert desk.bot.state.book.equity == desk.trading.venue.account("s").equity(desk.trading.venue.state.last)
        assert desk.bot.state.book.account == desk.trading.venue.account("s")
    assert desk.bot.state.book.equity != Decimal(100_000)

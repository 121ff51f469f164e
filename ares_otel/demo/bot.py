"""The bot: one strategy on its symbols. Read `Bot.decide` first: it is one decision, from the bar to the order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

import ares_otel as ares
from ares_otel.demo import said
from ares_otel.demo.bars import Bar
from ares_otel.demo.book import Book
from ares_otel.demo.ensemble import Ensemble, Matured, Verdict
from ares_otel.demo.events import Decision, Tripped, View
from ares_otel.demo.features import FEATURES
from ares_otel.demo.market import Market
from ares_otel.demo.members import Action, Prediction
from ares_otel.demo.orders import ExecutionReport, Order
from ares_otel.demo.regime import RegimeReading
from ares_otel.demo.risk import Check, Exposure, KillSwitch, pre_trade
from ares_otel.demo.strategy import Draft, Plan, Purpose, Situation, Strategy
from ares_otel.demo.venue import PaperVenue
from ares_otel.demo.walkforward import WalkForward
from ares_otel.demo.watching import ModelWatch

__all__ = ["Analysis", "Bot", "BotState", "Candidate", "Desk"]

LOG = logging.getLogger("ares_demo.bot")


class Desk(NamedTuple):
    """What a bot needs to think about one symbol; `watch` has its models watched for drift."""

    market: Market
    models: WalkForward
    watch: ModelWatch | None = None

    def decided(self, bar: Bar, verdict: Verdict, key: str) -> None:
        """Tell whoever watches the models what they have made of a bar."""
        if self.watch is not None:
            self.watch.decided(self.market, bar.time, verdict, key)

    def matured(self, matured: Matured, bar: Bar) -> None:
        """Tell whoever watches the models what has come true."""
        if self.watch is not None:
            self.watch.matured(bar.symbol, matured, bar.time)


class BotState(msgspec.Struct):
    """Everything that a bot has to remember over a restart.

    Attributes:
        book: its accounts, orders and counts.
        switch: its kill switch.
        ensembles: the memory of the vote, by symbol.
        decisions: decisions taken so far.
    """

    book: Book
    switch: KillSwitch
    ensembles: dict[str, Ensemble]
    decisions: int = 0


class Analysis(NamedTuple):
    """What the analyst found in a bar."""

    predictions: tuple[Prediction, ...]
    regime: RegimeReading
    volatility: float
    stretch: float


class Candidate(NamedTuple):
    """An order that was checked but not yet sent."""

    order: Order
    purpose: Purpose
    checks: tuple[Check, ...]

    @property
    def cleared(self) -> bool:
        """Whether every check was passed."""
        return all(check.passed for check in self.checks)


class Bot:
    """Trades one strategy on a venue, one decision per bar and symbol.

    Args:
        run: first part of all ids, so that two runs never share one.
        strategy: its manners.
        desks: market and models by symbol.
        venue: where it trades, under an account named after the strategy.
        state: what it remembers.
        view: is told what happens.
    """

    def __init__(
        self, run: str, strategy: Strategy, desks: dict[str, Desk], venue: PaperVenue, state: BotState, view: View
    ) -> None:
        self.run = run
        self.strategy = strategy
        self.desks = desks
        self.venue = venue
        self.state = state
        self.view = view
        self._switch = ""

    def hear(self, report: ExecutionReport) -> None:
        """Take what the venue says happened to one of our orders."""
        self.state.book.apply(report)
        ares.record(said.report(report))
        if report.reason:
            LOG.warning("the venue rejected %s: %s", report.client_id, report.text or report.reason)
        self.view(report)

    def settle(self, bar: Bar) -> None:
        """Close the books on a bar whose reports were heard: mark the position, watch the loss, judge old votes."""
        book = self.state.book
        book.mark(bar.symbol, bar.close, bar.time)
        drawdown = self.state.switch.drawdown(book.equity)
        if self.state.switch.observe(book.equity, self.strategy.limits):
            self.view(Tripped(self.strategy.name, bar.time, drawdown))
        self._say_switch(drawdown)
        for record in said.account(self.strategy.name, book, bar):
            ares.record(record)
        for matured in self.state.ensembles[bar.symbol].learn(bar.close):
            for outcome in said.outcomes(matured):
                ares.record(outcome)
            self.desks[bar.symbol].matured(matured, bar)
            self.view(matured)

    def _say_switch(self, drawdown: float) -> None:
        """Say the state of the kill switch when it has moved."""
        name, cooling = self.strategy.name, self.state.switch.cooling
        state = "halted" if cooling else "active"
        if state == self._switch:
            return
        self._switch = state
        ares.record(ares.KillSwitch(state, "drawdown" if cooling else None, name))
        if cooling:
            LOG.error("kill switch of %s: %.1f %% lost, %d decisions to sit out", name, 100 * drawdown, cooling)
        else:
            LOG.info("%s may trade", name)

    def decide(self, bar: Bar, *, flatten: str = "") -> Decision:
        """Decide on a bar that has just ended, and send the orders.

        Args:
            bar: of one of the bot's symbols; `settle` saw it already.
            flatten: why everything has to be closed now; usually it has not.
        """
        self.state.decisions += 1
        market = self.desks[bar.symbol].market
        with ares.decision(
            symbol=bar.symbol,
            strategy=self.strategy.name,
            venue=said.VENUE,
            timeframe=market.timeframe,
            price=bar.close,
            event_time=bar.time,
        ) as d:
            ares.record(said.bar(bar))
            with d.stage("analyst"):
                analysis = self.analyst(bar)
            d.regime(said.regime(analysis.regime, market.bar_seconds))
            with d.stage("strategist"):
                verdict = self.strategist(bar, d.correlation_id, analysis)
            self.desks[bar.symbol].decided(bar, verdict, d.correlation_id)
            d.votes([said.vote(each, verdict) for each in analysis.predictions])
            with d.stage("tactician"):
                plan = self.tactician(bar, analysis, verdict, flatten)
            d.path([said.step(each) for each in plan.path])
            with d.stage("supervisor"):
                candidates = self.supervisor(bar, plan)
            d.risk([said.check(check) for each in candidates for check in each.checks])
            decision = _decision(self, d.correlation_id, bar, analysis, verdict, plan, candidates)
            # the vote is about a direction; an order that only takes a profit or gives up does not rest on it
            voted = decision.action == verdict.leaning
            d.resolve(
                decision.action,
                confidence=verdict.confidence if voted else None,
                threshold=verdict.threshold if voted else None,
                reason=decision.reason,
            )
            with d.stage("exchange"):
                self.exchange(d, bar, plan, candidates)

        self.state.book.tally.decided(decision.action, len(analysis.predictions))
        self.view(decision)
        return decision

    def analyst(self, bar: Bar) -> Analysis:
        """What do the data say? Features of the bar, the members' predictions, the regime."""
        market, models, _ = self.desks[bar.symbol]
        row = market.row(bar.time)
        known = models.training
        predictions = models.predict(row)
        if models.training is not None and models.training is not known:
            self.view(models.training)
            LOG.info("members of %s fitted on %d bars", models.training.name, models.training.rows)
            for record in said.model(models.training):
                ares.record(record)
        stretch = float(market.features[row, FEATURES.index("distance_sma_10")])
        return Analysis(predictions, market.regime(row), float(market.volatility[row]), stretch)

    def strategist(self, bar: Bar, key: str, analysis: Analysis) -> Verdict:
        """What do we believe? The weighted vote of the members."""
        ensemble = self.state.ensembles[bar.symbol]
        verdict = ensemble.vote(analysis.predictions, self.strategy.threshold)
        ensemble.expect(key, analysis.predictions, bar.close, analysis.volatility, regime=analysis.regime.regime)
        return verdict

    def tactician(self, bar: Bar, analysis: Analysis, verdict: Verdict, flatten: str = "") -> Plan:
        """What do we do about it? Orders of a size and a kind, in view of what we hold."""
        book, rules = self.state.book, self.venue.rules
        held = book.account.position(bar.symbol)
        return self.strategy.plan(
            Situation(
                symbol=bar.symbol,
                price=bar.close,
                volatility=analysis.volatility,
                stretch=analysis.stretch,
                verdict=verdict,
                regime=analysis.regime,
                equity=book.equity,
                position=held.quantity,
                entry_price=held.average_price,
                held=book.held[bar.symbol],
                working=book.working_in(bar.symbol),
                free=book.free,
                caution=book.caution[bar.symbol],
                flatten=flatten or self._halted(),
                tick=rules.tick,
                lot=rules.lot,
            )
        )

    def supervisor(self, bar: Bar, plan: Plan) -> tuple[Candidate, ...]:
        """May we? The pre-trade checks of every order."""
        return tuple(self._candidate(bar, draft) for draft in plan.drafts)

    def exchange(self, d: ares.LiveDecision, bar: Bar, plan: Plan, candidates: Sequence[Candidate]) -> None:
        """Do it: take orders back, then send those that were cleared."""
        for client_id in plan.cancels:
            self.hear(self.venue.cancel(client_id, bar.time))
        for candidate in candidates:
            if candidate.cleared:
                self.state.book.send(candidate.order, candidate.purpose)
                said.send(d, candidate.order, bar.close)
                self.hear(self.venue.submit(candidate.order))
            else:
                self.state.book.tally.denied += 1
                stopped = ", ".join(check.name for check in candidate.checks if not check.passed)
                LOG.warning("order %s denied by %s", candidate.order.client_id, stopped)

    def _halted(self) -> str:
        """Why the kill switch wants everything closed; empty if it does not."""
        cooling = self.state.switch.cooling
        return f"kill switch, {cooling} decisions to sit out" if cooling else ""

    def _candidate(self, bar: Bar, draft: Draft) -> Candidate:
        book = self.state.book
        book.numbered += 1
        order = Order(
            client_id=f"{self.run}-{self.strategy.name}-{book.numbered:06d}",
            account=self.strategy.name,
            symbol=bar.symbol,
            side=draft.side,
            type=draft.type,
            quantity=draft.quantity,
            price=draft.price,
            time_in_force=draft.time_in_force,
            time=bar.time,
        )
        exposure = Exposure(
            equity=book.equity,
            position=book.account.quantity(bar.symbol),
            price=book.marks[bar.symbol],
            day_loss=book.day_loss,
            drawdown=self.state.switch.drawdown(book.equity),
            orders_today=book.orders_today,
        )
        return Candidate(order, draft.purpose, pre_trade(order, exposure, self.strategy.limits))


def _decision(
    bot: Bot,
    key: str,
    bar: Bar,
    analysis: Analysis,
    verdict: Verdict,
    plan: Plan,
    candidates: Sequence[Candidate],
) -> Decision:
    book = bot.state.book
    stopped = [check.name for each in candidates for check in each.checks if not check.passed]
    sent = tuple(each.order for each in candidates if each.cleared)
    action: Action = plan.action if sent else "hold"
    return Decision(
        key=key,
        time=bar.time,
        symbol=bar.symbol,
        strategy=bot.strategy.name,
        price=bar.close,
        action=action,
        reason=f"{plan.reason}; denied by {', '.join(stopped)}" if stopped else plan.reason,
        predictions=analysis.predictions,
        verdict=verdict,
        regime=analysis.regime,
        path=plan.path,
        checks={each.order.client_id: each.checks for each in candidates},
        orders=sent,
        denied=tuple(each.order for each in candidates if not each.cleared),
        position=book.account.quantity(bar.symbol),
        equity=book.equity,
    )

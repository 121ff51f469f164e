"""A bot of the declared size with so many spans a second: 5 strategies, 20 symbols, 2 venues, 5 models, 20 features.

It logs a line for each decision and each answer of a venue. It is well: its venues answer within 90 ms, its models are
right more often than not, its losses are small. So no alert is due while it runs. Configured by the environment, as any
bot: `python stack_bot.py SPANS_A_SECOND SECONDS`.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import ares_otel as ares
from ares_otel import Action, OrderStatus, OrderUpdate, Outcome, PathStep, Prediction, RiskCheck, Side, Vote

__all__ = ["MODELS", "STRATEGIES", "SYMBOLS", "VENUES", "TradingBot", "main"]

STRATEGIES = ("momentum", "carry", "breakout", "reversion", "pairs")
SYMBOLS = tuple(f"{coin}USDT" for coin in (
    "BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "AVAX", "DOT", "LINK", "LTC",
    "UNI", "ATOM", "XLM", "NEAR", "FIL", "APT", "ARB", "OP", "INJ", "SUI",
))  # fmt: skip
VENUES = ("binance", "kraken")
MODELS = ("lgbm", "xgboost", "lstm", "momentum", "mean_reversion")
FEATURES = tuple(f"feature_{number:02d}" for number in range(20))
REGIMES = ("bull_trend", "bear_trend", "sideways", "high_volatility")
LOG = logging.getLogger("bot")
CASH = 100_000.0
CURRENCY = "USDT"
LOT = 250.0
"""Money in an order."""
HELD = 4
"""Orders of one direction after which a position is closed."""
ORDERS = 0.3
"""Share of moments in which something is to be done."""
RIGHT = 0.65
"""Share of votes that know what is right; the others guess."""
ENOUGH = 0.4
REJECTED = 0.02
MATURED = 20.0
"""Seconds after which it is known who was right."""
LASTS = 900.0
ACCOUNTS = 1.0
TRAINING = 300.0


class Coming(NamedTuple):
    """What happens later: when, an own number so that two of one moment have an order, and what is done then."""

    due: float
    number: int
    do: Callable[[], int]


@dataclass(slots=True)
class Holding:
    """What one strategy holds of one symbol."""

    quantity: float = 0.0
    average: float = 0.0
    realized: float = 0.0

    def fill(self, quantity: float, price: float) -> None:
        """Add a signed fill; what closes earns, what opens counts into the average."""
        if self.quantity * quantity >= 0:
            self.average = (self.average * self.quantity + price * quantity) / (self.quantity + quantity)
        else:
            closed = min(abs(quantity), abs(self.quantity))
            self.realized += closed * (price - self.average) * (1 if self.quantity > 0 else -1)
            if abs(quantity) > abs(self.quantity):
                self.average = price
        self.quantity += quantity


@dataclass(slots=True)
class TradingBot:
    """Trades all pairs of strategy and symbol in turn.

    Attributes:
        spans: made so far, by its own count.
    """

    seed: int = 1
    spans: int = 0
    draw: random.Random = field(init=False)
    prices: dict[str, float] = field(init=False)
    held: dict[tuple[str, str], Holding] = field(init=False)
    regimes: dict[str, tuple[str, float]] = field(default_factory=dict)
    _coming: list[Coming] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)  # noqa: S311  the same story in every run
        self.prices = {symbol: self.draw.uniform(1, 60_000) for symbol in SYMBOLS}
        self.held = {(strategy, symbol): Holding() for strategy in STRATEGIES for symbol in SYMBOLS}

    def run(self, rate: float, seconds: float) -> None:
        """Make so many spans a second for so long."""
        ares.record(ares.KillSwitch("active"))
        self.spans += 1
        self._later(0.0, self._train)
        self._later(0.0, self._account)
        pairs = itertools.cycle(self.held)
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            while self._coming and self._coming[0].due <= now:
                self.spans += heapq.heappop(self._coming).do()
            if self.spans < rate * (now - began):
                self.spans += self.decide(*next(pairs))
            else:
                time.sleep(0.002)

    def decide(self, strategy: str, symbol: str) -> int:
        """Make one decision; return how many spans it has, without those that come later."""
        draw, price, truth = self.draw, self._move(symbol), self._truth(strategy, symbol)
        number = SYMBOLS.index(symbol)
        venue, regime = VENUES[number % len(VENUES)], self._regime(symbol)
        with ares.decision(symbol=symbol, strategy=strategy, venue=venue, timeframe="1m", price=price) as d:
            ares.record(ares.MarketData(symbol, venue, "bars", age=draw.uniform(0.05, 0.4), close=price, messages=1))
            with d.stage("analyst", {"rows": 200}):
                votes = [self._vote(model, truth) for model in MODELS]
            sure = draw.uniform(0.6, 0.95)
            rest = dict.fromkeys(REGIMES, (1 - sure) / (len(REGIMES) - 1))
            d.regime(ares.Regime(regime, confidence=sure, probabilities={**rest, regime: sure}, method="hmm"))
            with d.stage("strategist"):
                ((action, agree),) = Counter(vote.action for vote in votes).most_common(1)
            d.votes(votes)
            confidence = agree / len(votes)
            with d.stage("tactician"):
                sends = action != Action.HOLD
            d.path([PathStep("vote", value=confidence, threshold=ENOUGH, passed=confidence >= ENOUGH)])
            checks = self._checks(strategy, symbol) if sends else []
            with d.stage("supervisor"):
                d.risk(checks)
            d.resolve(action, confidence=confidence, threshold=ENOUGH, reason="weighted vote")
            LOG.info("%s on %s: %s with %d of %d votes at %.4f", strategy, symbol, action, agree, len(votes), price)
            if sends:
                self._order(d, strategy, symbol, venue, Side(action))
        self._later(MATURED, lambda: self._mature(d.correlation_id, votes, regime, truth))
        return 5 + len(checks) + (3 if sends else 0)

    def _regime(self, symbol: str) -> str:
        """Return the regime of a symbol, which lasts a quarter of an hour on average."""
        name, until = self.regimes.get(symbol, (self.draw.choice(REGIMES), 0.0))
        if time.monotonic() > until:
            others = [other for other in REGIMES if other != name]
            self.regimes[symbol] = self.draw.choice(others), time.monotonic() + self.draw.expovariate(1 / LASTS)
        return self.regimes[symbol][0]

    def _truth(self, strategy: str, symbol: str) -> Action:
        """Return what would be right: to give back what is held once it is much, else mostly nothing."""
        units = self.held[strategy, symbol].quantity * self.prices[symbol] / LOT
        if abs(units) >= HELD:
            return Action.SELL if units > 0 else Action.BUY
        return self.draw.choice((Action.BUY, Action.SELL)) if self.draw.random() < ORDERS else Action.HOLD

    def _vote(self, model: str, truth: Action) -> Vote:
        draw = self.draw
        time.sleep(0.0005)  # a model thinks
        action = truth if draw.random() < RIGHT else draw.choice((Action.BUY, Action.SELL, Action.HOLD))
        confidence = draw.uniform(0.5, 0.9)
        ares.record(Prediction(model, action, probability=confidence, duration=draw.uniform(0.0004, 0.004)))
        return Vote(model, action, confidence=confidence, weight=1 / len(MODELS))

    def _checks(self, strategy: str, symbol: str) -> list[RiskCheck]:
        used = abs(self.held[strategy, symbol].quantity) * self.prices[symbol]
        loss = max(0.0, CASH - self._equity(strategy)) / CASH
        return [
            RiskCheck("max_position", value=used, limit=10 * LOT),
            RiskCheck("drawdown", value=loss, limit=0.15),
            RiskCheck("daily_loss", value=loss, limit=0.05),
            RiskCheck("max_order_value", value=LOT, limit=4 * LOT),
        ]

    def _order(self, d: ares.LiveDecision, strategy: str, symbol: str, venue: str, side: Side) -> None:
        draw, price = self.draw, self.prices[symbol]
        client_id = f"{strategy}-{d.correlation_id[-12:]}"
        quantity = round(LOT / price, 6)
        with d.stage("exchange"):
            time.sleep(0.001)
            given = {"quantity": quantity, "price": round(price, 4), "arrival_mid": price, "currency": CURRENCY}
            d.order(client_id, side=side, type="limit", time_in_force="gtc", **given)  # type: ignore[arg-type]
            ares.record(ares.ExchangeRequest("create_order", venue, duration=draw.uniform(0.01, 0.06), status=200))
        answered = draw.uniform(0.02, 0.09)
        if draw.random() < REJECTED:
            self._later(answered, lambda: self._hear(OrderUpdate(client_id, "rejected", reject_reason="price_band")))
            return
        self._later(answered, lambda: self._hear(OrderUpdate(client_id, OrderStatus.NEW, venue_id=f"v-{client_id}")))
        signed = quantity if side == Side.BUY else -quantity
        holding = self.held[strategy, symbol]
        waits = answered + draw.expovariate(1.0)
        for number, (status, share) in enumerate((("partially_filled", 0.4), ("filled", 0.6))):
            self._later(waits + number * 0.5, self._filling(client_id, status, holding, signed * share, symbol))

    def _filling(self, client_id: str, status: str, holding: Holding, signed: float, symbol: str) -> Callable[[], int]:
        def fill() -> int:
            price = round(self.prices[symbol] * (1 + self.draw.gauss(0, 0.0001)), 4)
            holding.fill(signed, price)
            money = round(abs(signed) * price * 0.0004, 6)
            update = OrderUpdate(
                client_id, status, quantity=abs(signed), price=price, fee=money, fee_currency=CURRENCY,
                liquidity=self.draw.choice(("maker", "taker")), trade_id=f"{client_id}-{status}",
            )  # fmt: skip
            return self._hear(update)

        return fill

    def _hear(self, update: OrderUpdate) -> int:
        level = logging.WARNING if update.status == OrderStatus.REJECTED else logging.INFO
        LOG.log(level, "order %s is %s", update.client_id, update.status)
        ares.record(update)
        return 1

    def _mature(self, key: str, votes: list[Vote], regime: str, truth: Action) -> int:
        for vote in votes:
            move = self.draw.gauss(0, 0.001)
            ares.record(Outcome(vote.model, truth, key, vote.action, realized_return=move, regime=regime))
        return len(votes)

    def _account(self) -> int:
        """Say positions and equity of one strategy, the next one a second later."""
        strategy = STRATEGIES[int(time.monotonic() / ACCOUNTS) % len(STRATEGIES)]
        symbol = self.draw.choice(SYMBOLS)
        held, mark = self.held[strategy, symbol], self.prices[symbol]
        ares.record(ares.Mark(symbol, mark, CURRENCY))
        ares.record(ares.Position(
            symbol, held.quantity, notional=held.quantity * mark, avg_price=held.average, mark=mark,
            realized_pnl=held.realized, unrealized_pnl=held.quantity * (mark - held.average),
            currency=CURRENCY, strategy=strategy,
        ))  # fmt: skip
        ares.record(ares.Equity(self._equity(strategy), CURRENCY, strategy=strategy))
        self._later(ACCOUNTS, self._account)
        return 3

    def _equity(self, strategy: str) -> float:
        own = ((symbol, self.held[strategy, symbol]) for symbol in SYMBOLS)
        return CASH + sum(held.realized + held.quantity * (self.prices[symbol] - held.average) for symbol, held in own)

    def _train(self) -> int:
        for model in MODELS:
            version = time.strftime("%Y%m%d-%H%M", time.gmtime())
            ares.record(ares.ModelInfo(model, version, trained_at=time.time_ns(), rows=5_000, features=len(FEATURES)))
            ares.record(ares.FeatureImportance(model, {name: self.draw.random() for name in FEATURES}))
        self._later(TRAINING, self._train)
        return 2 * len(MODELS)

    def _move(self, symbol: str) -> float:
        self.prices[symbol] *= 1 + self.draw.gauss(0, 0.0002)
        return self.prices[symbol]

    def _later(self, seconds: float, do: Callable[[], int]) -> None:
        heapq.heappush(self._coming, Coming(time.monotonic() + seconds, next(self._numbers), do))


def main() -> None:
    """Trade, and say how many spans that made and whether all were delivered."""
    rate, seconds = (float(word) for word in sys.argv[1:])
    ares.setup()
    LOG.setLevel(logging.INFO)
    bot = TradingBot()
    bot.run(rate, seconds)
    sys.stdout.write(f"{bot.spans} {ares.shutdown(20)}\n")


if __name__ == "__main__":
    main()

"""`Metrics`: what the worker calls with facts, and what a scrape reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast

from ares_otel.clock import Clock
from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.accounts import FillAccounts
from ares_otel.metrics.caps import Caps
from ares_otel.metrics.cells import Spread
from ares_otel.metrics.decisions import Decisions
from ares_otel.metrics.drift import Drifts
from ares_otel.metrics.ensemble import Ensemble
from ares_otel.metrics.execution import Execution
from ares_otel.metrics.families import Budget, Raw
from ares_otel.metrics.importance import Importances
from ares_otel.metrics.market import Exchange, Market
from ares_otel.metrics.models import Models
from ares_otel.metrics.orders import Orders
from ares_otel.metrics.own import OwnMetrics
from ares_otel.metrics.performance import Performances
from ares_otel.metrics.portfolio import Portfolio
from ares_otel.metrics.regime import Regimes
from ares_otel.metrics.registry import Instruments, Registry
from ares_otel.metrics.risk import Risk, Watch
from ares_otel.metrics.sources import Source, guard_readings
from ares_otel.portfolio.conventions import CONVENTION, Convention
from ares_otel.portfolio.holding import Method
from ares_otel.records.drift import DriftCard, DriftCheck, DriftEpisode
from ares_otel.records.facts import DecisionFacts, OrderFacts, RecordFacts, UpdateFacts
from ares_otel.records.model import (
    Equity,
    ExchangeRequest,
    FeatureImportance,
    Funding,
    KillSwitch,
    Mark,
    MarketData,
    ModelInfo,
    Outcome,
    Position,
    Prediction,
    Record,
    Regime,
    RiskCheck,
    Stage,
    Vote,
)
from ares_otel.semconv.enums import Action
from ares_otel.semconv.model import Histogram, Metric
from ares_otel.semconv.thresholds import FEATURES_SHOWN, SERIES_BUDGET, SYMBOLS_SHOWN

__all__ = ["Metrics", "Own"]

UNDECIDED = Action.NONE
Handler: TypeAlias = Callable[[Any, RecordFacts], None]


class Metrics:
    """All metrics of a process, in a registry of their own.

    The four methods that take facts are called by the worker, `own` and `observe_at_scrape` by whoever sets things up,
    `render` by the endpoint; every call is safe from any thread and none raises for what the bot said.

    Args:
        clock: gives the Unix time of exemplars and of ages.
        symbols: symbols with series of their own; without a list, the first `symbols_shown` that are seen.
        symbols_shown: see `symbols`.
        features_shown: features shown by importance.
        series_budget: series that the endpoint stays below.
        convention: how performance ratios are computed.
        method: how positions are kept from fills.
        watch: is told what is said of limits and of the kill switch.
        guard: counts errors; they are shown as `ares_telemetry_errors_total`.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        symbols: Iterable[str] | None = None,
        symbols_shown: int = int(SYMBOLS_SHOWN.value),
        features_shown: int = int(FEATURES_SHOWN.value),
        series_budget: int = int(SERIES_BUDGET.value),
        convention: Convention = CONVENTION,
        method: Method = Method.AVERAGE,
        watch: Watch | None = None,
        guard: Guard = GUARD,
    ) -> None:
        self._clock = clock or Clock()
        self._guard = guard
        budget = Budget(series_budget)
        caps = Caps(
            symbols=symbols,
            symbols_shown=symbols_shown,
            features_shown=features_shown,
            guard=guard,
        )
        made = self._instruments = Instruments(caps, budget, guard)
        self._lock = made.lock
        self.registry = Registry(made, guard)
        self._decisions = Decisions(made, guard)
        self._ensemble = Ensemble(made)
        self._orders = Orders(made)
        self._execution = Execution(made)
        portfolio = Portfolio(made, guard)
        self._accounts = FillAccounts(made, portfolio, guard, method)
        self._own = OwnMetrics(made, guard)
        risk = Risk(made, watch)
        self._handlers: dict[type[Record], Handler] = {
            RiskCheck: risk.check,
            KillSwitch: risk.switch,
            **_handlers(made, self._decisions, self._ensemble, features_shown, self._clock, guard),
            **_money_handlers(portfolio, self._accounts, Performances(made, convention, guard), risk),
        }
        self._shields = {name: guard.shield(f"metrics.{name}") for name in ("update", "record", "own")}
        made.attach(guard_readings(guard))

    def decision(self, facts: DecisionFacts) -> None:
        """Count an ended decision with its stages and votes."""
        try:
            with self._lock:
                decision, origin = facts.decision, facts.origin
                strategy = decision.strategy or origin.strategy
                action = decision.action or UNDECIDED
                self._decisions.ended(facts, strategy, decision.symbol or origin.symbol, action)
                if facts.votes:
                    self._ensemble.decided(facts, strategy, action)
        except Exception as error:  # noqa: BLE001  as a shield does, without its two calls
            self._guard.failed("metrics.decision", error)

    def order(self, facts: OrderFacts) -> None:
        """Count an order that was sent."""
        try:
            with self._lock:
                self._orders.sent(facts, self._now())
        except Exception as error:  # noqa: BLE001  as a shield does, without its two calls
            self._guard.failed("metrics.order", error)

    def update(self, facts: UpdateFacts) -> None:
        """Count an execution report and the money in it."""
        with self._shields["update"], self._lock:
            now = self._now()
            self._orders.updated(facts, now)
            self._execution.updated(facts, now)
            self._accounts.updated(facts, now)

    def record(self, facts: RecordFacts) -> None:
        """Apply any other record; those without metrics (`PathStep`, `FeatureVector`) change nothing."""
        handler = self._handlers.get(type(facts.record))
        if handler is not None:
            with self._shields["record"], self._lock:
                handler(facts.record, facts)

    def begin(self, state: bytes | None, *, flat: bool) -> None:
        """Say what came before; call it before anything is recorded.

        Args:
            state: what `accounts_state` returned before, in another process; None if nothing was kept.
            flat: without a state the bot holds nothing yet; otherwise its positions are unknown until it reports them.

        Raises:
            ValueError: that is no state.
        """
        with self._lock:
            self._accounts.flat = flat
            if state is not None:
                self._accounts.recall(state)
            self._accounts.changed = True

    def accounts_state(self) -> bytes | None:
        """Return what has to be kept over a restart, None if it has not changed since the last call."""
        with self._lock:
            return self._accounts.state() if self._accounts.changed else None

    def own(self, metric: Metric) -> Own:
        """Declare one of the bot's own metrics and return what writes to it.

        Raises:
            ValueError: the name is taken (all that begin with `ares_` are), or there are 500 already.
        """
        with self._lock:
            self._own.declare(metric)
        return Own(self, metric)

    def apply(self, metric: Metric, op: str, value: float, label_values: Raw = (), exemplar: str | None = None) -> None:
        """Write to a metric, the bot's own or one of ours that no record feeds (`EXPORT_DURATION`, …).

        Args:
            metric: its declaration.
            op: `add` (counter, gauge), `set` (gauge, info) or `observe` (histogram).
            value: finite; not negative except for gauges.
            label_values: in the declared order, None for unknown.
            exemplar: trace id in hexadecimal, for counters and histograms.
        """
        with self._shields["own"], self._lock:
            self._own.apply(metric, op, value, label_values, exemplar, self._now())

    def cell(self, metric: Histogram, label_values: Raw = ()) -> Spread:
        """Return a histogram's cell for a writer that must not lock, such as a callback of the garbage collector.

        It may be written by one thread at a time only; a scrape meanwhile can miss the value that is being written.
        """
        with self._lock:
            self._own.declare(metric)
            return cast("Spread", self._instruments.any(metric).cell(label_values))

    def observe_at_scrape(self, source: Source) -> Callable[[], None]:
        """Read a source at each scrape; the returned function ends that."""
        return self._instruments.attach(source)

    def render(self, *, openmetrics: bool = True) -> bytes:
        """Return the exposition: OpenMetrics 1.0 with exemplars, or Prometheus' text format 0.0.4."""
        return self.registry.render(openmetrics=openmetrics)

    def _now(self) -> float:
        return self._clock.now() / 1e9


class Own:
    """Writes to one of the bot's own metrics; labels by name, those left out are empty."""

    def __init__(self, metrics: Metrics, metric: Metric) -> None:
        self._metrics = metrics
        self.metric = metric

    def add(self, value: float = 1.0, labels: Mapping[str, object] | None = None, exemplar: str | None = None) -> None:
        """Add to a counter or gauge."""
        self._metrics.apply(self.metric, "add", value, self._values(labels), exemplar)

    def set(self, value: float, labels: Mapping[str, object] | None = None) -> None:
        """Set a gauge."""
        self._metrics.apply(self.metric, "set", value, self._values(labels))

    def observe(self, value: float, labels: Mapping[str, object] | None = None, exemplar: str | None = None) -> None:
        """Add a value to a histogram."""
        self._metrics.apply(self.metric, "observe", value, self._values(labels), exemplar)

    def _values(self, labels: Mapping[str, object] | None) -> Raw:
        given = dict(labels or {})
        values = tuple(given.pop(name, None) for name in self.metric.label_names)
        # a label that is not declared makes one value too many, which is refused, counted and logged
        return (*values, *given)


def _both(first: Handler, second: Handler) -> Handler:
    def handle(record: Any, facts: RecordFacts) -> None:
        first(record, facts)
        second(record, facts)

    return handle


def _handlers(
    made: Instruments, decisions: Decisions, ensemble: Ensemble, features: int, clock: Clock, guard: Guard
) -> dict[type[Record], Handler]:
    models, drifts = Models(made), Drifts(made, features)
    return {
        Stage: decisions.stage,
        Vote: ensemble.vote,
        Regime: Regimes(made, guard).regime,
        Prediction: models.prediction,
        Outcome: models.outcome,
        ModelInfo: models.info,
        FeatureImportance: Importances(made, features).importance,
        DriftCheck: drifts.check,
        DriftEpisode: drifts.episode,
        DriftCard: drifts.card,
        MarketData: Market(made, clock, guard).feed,
        ExchangeRequest: Exchange(made, guard).request,
    }


def _money_handlers(
    portfolio: Portfolio, accounts: FillAccounts, performances: Performances, risk: Risk
) -> dict[type[Record], Handler]:
    def drawn(equity: Equity, facts: RecordFacts) -> None:
        strategy = equity.strategy or facts.origin.strategy
        depth = portfolio.balances.depth(strategy) if risk.follows(strategy) else None
        if depth is not None:
            risk.drawdown(strategy, depth, facts.origin.correlation_id)

    return {
        Equity: _both(_both(_both(portfolio.equity, accounts.equity), performances.equity), drawn),
        Funding: accounts.fund,
        Mark: _both(portfolio.mark, accounts.mark),
        Position: _both(portfolio.position, accounts.position),
    }

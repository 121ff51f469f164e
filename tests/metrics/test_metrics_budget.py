from __future__ import annotations

import math

import pytest
from metrics_story import TRACE, Bot, metrics, noted, series, value

from ares_otel.guard import GUARD
from ares_otel.metrics import Metrics
from ares_otel.metrics.cells import Count, Exact, Level
from ares_otel.metrics.kept import LIMIT, Kept
from ares_otel.records.facts import DecisionFacts, OrderFacts, Origin
from ares_otel.records.model import Decision, Equity, Order, Position, RiskCheck
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import Action, OrderType, Side
from ares_otel.semconv.thresholds import SERIES_BUDGET


def lines(target: Metrics) -> list[str]:
    """Return the exposed series."""
    return [line for line in target.render().decode().splitlines() if not line.startswith("#")]


def assert_complete(target: Metrics, bot: Bot) -> None:
    """The sums over all labels are those of the bot's own list, whatever was folded."""
    assert bot.decisions == sum(series(target, "ares_decisions_total").values())
    assert bot.votes == sum(series(target, "ares_ensemble_votes_total").values())
    assert bot.orders == sum(series(target, "ares_orders_submitted_total").values())
    updates = series(target, "ares_order_updates_total")
    assert sum(bot.updates.values()) == sum(updates.values())
    fees = sum(series(target, "ares_fees_total").values()) - sum(series(target, "ares_rebates_total").values())
    assert round(math.fsum(bot.fees), 9) == round(fees, 9)
    notional = math.fsum(series(target, "ares_filled_notional_total").values())
    assert round(math.fsum(bot.notional), 6) == round(notional, 6)


def zeros(cell: Level | Exact) -> list[float]:
    """Return what a cell exposes of a zero that came from below."""
    cell.inc(-0.0)
    return [value for value, _ in cell.points()]


@pytest.mark.parametrize("every_pair", [False, True])
def test_a_bot_of_the_declared_size_stays_below_the_budget(*, every_pair: bool) -> None:
    """5 strategies, 20 symbols, 2 venues, 5 models, 20 features and all groups in use: fewer than 4,000 series."""
    target, bot = metrics(), Bot(every_pair=every_pair)
    bot.run(target, 700)
    exposed = lines(target)

    assert len(exposed) < SERIES_BUDGET.value
    assert len(exposed) == value(target, "ares_telemetry_series")
    assert_complete(target, bot)


def test_fifty_thousand_orders_add_no_series() -> None:
    """Once each kind of thing was seen, more orders change values only, not the number of series."""
    target, origin = metrics(), Origin(strategy="s", symbol="A", venue="v", exemplar=TRACE)
    bot = Bot(strategies=2, symbols=4, every_pair=True)
    bot.run(target, 400)
    order = Order("0", Side.BUY, OrderType.MARKET, quantity=1.0)
    target.order(OrderFacts(order, origin))
    before = len(lines(target))
    for number in range(50_000):
        target.order(OrderFacts(Order(str(number), Side.BUY, OrderType.MARKET, quantity=1.0), origin))

    assert before == len(lines(target))
    assert series(target, "ares_orders_submitted_total")["buy", "market", "s", "A", "v"] == 50_001


def test_a_lean_bot_has_all_its_symbols() -> None:
    """A hundred pairs that fit are all shown: nothing is folded in advance."""
    target = metrics()
    for strategy in range(5):
        for symbol in range(20):
            decision = Decision(symbol=f"SYM{symbol}", strategy=f"s{strategy}", action=Action.BUY)
            target.decision(DecisionFacts(decision, Origin(), 0.01, 0))

    assert len(series(target, "ares_decisions_total")) == 500
    assert GUARD.counts() == {}


@pytest.mark.parametrize(("strategies", "symbols"), [(1, 100), (10, 10), (20, 50)])
def test_many_pairs_stay_below_the_budget(strategies: int, symbols: int) -> None:
    """However many pairs of strategy and symbol there are, with all that is said of each: the rest is one symbol."""
    target = metrics()
    for number in range(strategies * symbols):
        strategy, symbol = f"s{number % strategies}", f"SYM{number // strategies}"
        decision = Decision(symbol=symbol, strategy=strategy, action=(Action.BUY, Action.HOLD)[number % 2])
        target.decision(DecisionFacts(decision, Origin(), 0.01, 0))
        order = Order(str(number), Side.BUY, OrderType.MARKET)
        target.order(OrderFacts(order, Origin(strategy=strategy, symbol=symbol, venue=f"v{number % 2}")))
        target.record(noted(Position(symbol, quantity=1.0, notional=2.0, unrealized_pnl=0.5), strategy=strategy))

    assert len(lines(target)) < SERIES_BUDGET.value
    assert sum(series(target, "ares_decisions_total").values()) == strategies * symbols
    assert sum(series(target, "ares_orders_submitted_total").values()) == strategies * symbols
    assert sum(series(target, "ares_position_notional").values()) == 2.0 * strategies * symbols


def test_zero_has_no_sign() -> None:
    """A position that was sold out is 0, not -0, in quantity and in money, alone and in the sum of the rest."""
    assert [math.copysign(1.0, value) for cell in (Level(), Exact()) for value in zeros(cell)] == [1.0, 1.0]
    target = metrics(series_budget=150)
    target.record(noted(Equity(value=-0.0), strategy="s"))
    for number in range(20):
        target.record(noted(Position(f"S{number}", quantity=-0.0, notional=-0.0, unrealized_pnl=-0.0), strategy="s"))
    for number in range(70):
        target.record(noted(RiskCheck(f"check{number % 40}", limit=1.0), strategy=f"t{number}"))

    positions = [
        line for line in lines(target) if line.startswith(("ares_position", "ares_unrealized", "ares_equity{"))
    ]
    assert any('symbol="other"' in line for line in positions)
    assert {line.rpartition(" ")[2] for line in positions} == {"0.0"}


def test_pairs_that_do_not_fit_are_folded_in_every_metric_alike() -> None:
    """The newest pairs lose their series in all metrics together, so what a shown symbol says is complete."""
    target = metrics(series_budget=260)
    for number in range(60):
        decision = Decision(symbol=f"S{number % 20}", strategy="s", action=(Action.BUY, Action.SELL)[number // 20 % 2])
        target.decision(DecisionFacts(decision, Origin(), 0.01, number))
        order = Order(str(number), (Side.BUY, Side.SELL)[number // 20 % 2], OrderType.MARKET)
        for venue in ("v", "w", "x", "y", "z"):
            target.order(OrderFacts(order, Origin(strategy="s", symbol=f"S{number % 20}", venue=venue)))

    counts = series(target, "ares_decisions_total")
    shown = {labels[2] for labels in counts} - {"other"}
    assert 0 < len(shown) < 20
    assert {labels[3] for labels in series(target, "ares_orders_submitted_total")} == shown | {"other"}
    for symbol in shown:
        assert sum(count for labels, count in counts.items() if labels[2] == symbol) == 3
    assert sum(counts.values()) == 60
    assert sum(series(target, "ares_orders_submitted_total").values()) == 300
    assert len(lines(target)) < 260
    assert GUARD.counts() == {"metrics.series": 1}


def test_without_pairs_to_fold_open_labels_become_other() -> None:
    """A budget that even strategies exceed keeps counters complete under `other` and says so."""
    target = metrics(series_budget=400)
    for number in range(40):
        target.decision(DecisionFacts(Decision(strategy=f"s{number}", action=Action.BUY), Origin(), 0.01, 0))

    counts = series(target, "ares_decisions_total")
    assert sum(counts.values()) == 40
    assert counts["buy", "other", ""] > 0
    assert len(lines(target)) < 400
    assert GUARD.counts()["metrics.series"] >= 1


def test_a_silly_budget_breaks_nothing() -> None:
    """The least budget is a hundred: what does not fit then is absent, not zero."""
    target = metrics(series_budget=1)
    for number in range(9):
        target.decision(DecisionFacts(Decision(strategy=f"s{number}", action=Action.BUY), Origin(), 0.01, 0))
        target.record(noted(Equity(value=1.0), strategy=f"s{number}"))

    assert sum(series(target, "ares_decisions_total").values()) == 9
    assert sum(series(target, "ares_decision_duration_seconds_count").values()) < 9
    assert all(equity == 1.0 for equity in series(target, "ares_equity").values())
    assert len(lines(target)) < 100


def test_positions_of_folded_pairs_go_on_in_the_sum_of_the_rest() -> None:
    """Notional is money, so `other` is the sum of what is folded; quantities of different symbols are not added."""
    target = metrics(series_budget=150)
    for number in range(20):
        target.record(noted(Position(f"S{number}", quantity=1.0, notional=10.0 + number), strategy="s"))
    for number in range(70):
        target.record(noted(RiskCheck(f"check{number % 40}", limit=1.0), strategy=f"t{number}"))

    notional = series(target, "ares_position_notional")
    shown = {labels[2] for labels in notional} - {"other"}
    assert len(shown) < 20
    assert sum(notional.values()) == sum(10.0 + number for number in range(20))
    assert {labels[1] for labels in series(target, "ares_position_quantity")} == shown


def test_zero_series_give_way() -> None:
    """When real series need the room, zeros are left out: all of a metric or none."""
    target = metrics(series_budget=100)
    for number in range(15):
        decision = Decision(strategy="s", symbol=f"S{number}", action=Action.HOLD)
        target.decision(DecisionFacts(decision, Origin(), 0.01, 0))

    counts = series(target, "ares_decisions_total")
    assert set(counts.values()) == {1.0}
    assert len(counts) == 15
    assert len(series(target, "ares_correlations_total")) == 3


def test_kept_cells_are_bounded() -> None:
    """A strategy name made for each decision does not fill the memory."""
    made: Kept[int, Count] = Kept(lambda _: Count())
    for number in range(3 * LIMIT):
        made[number].inc()

    assert len(made) <= LIMIT


def test_label_cache_is_bounded() -> None:
    """A hundred thousand symbols leave no trace but their count under `other`."""
    target = metrics()
    for number in range(10_000):
        target.decision(DecisionFacts(Decision(symbol=f"S{number}", action=Action.BUY), Origin(), 0.0, 0))
    family = target._instruments.any(m.DECISIONS)

    assert len(family._known) <= 4_096
    assert value(target, "ares_decisions_total", action="buy", strategy="", symbol="other") == 9_980

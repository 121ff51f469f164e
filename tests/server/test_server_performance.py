"""Performance from the store: daily curves by account, totals, ratios, correlations."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from server_kit import fresh, store_all
from spans import SECOND, span
from spans import START as NOW

from ares_otel.cli.main import main
from ares_otel.portfolio.conventions import DAY, Convention
from ares_otel.portfolio.returns import Curve
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.query.performance import (
    Account,
    Days,
    account_performances,
    equity_curves,
    strategy_correlations,
    symbol_correlations,
    symbol_curves,
)
from ares_otel.server.story.reader import Reader

START = 10_000
HOUR = DAY // 24


class Filled:
    """A store that gets equity and bars as bots say them."""

    def __init__(self, directory: Path) -> None:
        self.database = fresh(directory)
        self._said = 0

    def put(self, *said: tuple[object, dict[Attribute, Any]]) -> None:
        """Store one span for each name with its facts, in one transaction."""
        spans = []
        for name, facts in said:
            self._said += 1
            own = self._said.to_bytes(8, "big")
            given = {key: value for key, value in facts.items() if value is not None}
            spans.append(span(name, given, trace=own * 2, own=own, start=NOW + self._said * SECOND))
        store_all(self.database, [spans])

    def equity(self, strategy: str | None, currency: str | None, values: list[float], first: int = START) -> None:
        """Store two hours of equity a day; only the later one counts."""
        who = {a.STRATEGY: strategy, a.CURRENCY: currency}
        self.put(
            *(
                (s.EQUITY, {**who, a.EQUITY: amount, a.EVENT_TIME: (first + place) * DAY + hour * HOUR})
                for place, value in enumerate(values)
                for hour, amount in ((9, 1.0), (16, value))
            )
        )

    def bars(self, symbol: str, closes: list[float], venue: str | None = None, step: int = 1) -> None:
        """Store a bar every so many days."""
        what = {a.SYMBOL: symbol, a.VENUE: venue}
        self.put(
            *(
                (s.MARKET_DATA, {**what, a.MARKET_CLOSE: close, a.EVENT_TIME: (START + step * place) * DAY + 5})
                for place, close in enumerate(closes)
            )
        )


def test_curves_by_account(tmp_path: Path) -> None:
    """The last hour of each UTC day counts; a strategy in two currencies is two accounts; what was not said is None."""
    filled = Filled(tmp_path)
    filled.equity("swing", "USD", [100.0, 101.0, 102.0])
    filled.equity("swing", "EUR", [50.0])
    filled.equity(None, None, [7.0])
    with Reader(filled.database) as reader:
        found = equity_curves(reader)

        assert found == {
            Account("swing", "EUR"): Curve((START,), (50.0,)),
            Account("swing", "USD"): Curve((START, START + 1, START + 2), (100.0, 101.0, 102.0)),
            Account(None, None): Curve((START,), (7.0,)),
        }
        assert [str(account) for account in found] == ["swing EUR", "swing USD", "unnamed"]
        assert equity_curves(reader, Days(START + 1, START + 1)) == {
            Account("swing", "USD"): Curve((START + 1,), (101.0,))
        }
        assert equity_curves(reader, strategy="other") == {}


def test_what_bots_say_becomes_a_curve(tmp_path: Path) -> None:
    """Equity that comes late and out of order is on the day of its market time."""
    filled, who = Filled(tmp_path), {a.STRATEGY: "swing", a.CURRENCY: "USD"}
    said = [(1, 100.0), (30, 103.0), (20, 101.5), (29, 102.0)]
    filled.put(
        *((s.EQUITY, {**who, a.EQUITY: value, a.EVENT_TIME: START * DAY + hours * HOUR}) for hours, value in said)
    )

    with Reader(filled.database) as reader:
        assert equity_curves(reader) == {Account("swing", "USD"): Curve((START, START + 1), (101.5, 103.0))}


def test_performance_of_strategies_and_their_total(tmp_path: Path) -> None:
    """Each account, and the total of the currency that several share, with all that a page shows."""
    filled = Filled(tmp_path)
    filled.equity("a", "USD", [100.0 + day % 3 for day in range(120)])
    filled.equity("b", "USD", [200.0 - day % 5 for day in range(120)])
    filled.equity("c", "EUR", [300.0] * 120)
    with Reader(filled.database) as reader:
        found = {str(each.account): each for each in account_performances(reader, Convention(periods=252))}

        assert [*found] == ["total USD", "a USD", "b USD", "c EUR"]
        total = found["total USD"]
        assert total.account.total
        assert total.equity.values[:3] == (300.0, 300.0, 300.0)
        assert [each.window for each in total.performances] == ["30d", "90d", "365d", "all"]
        assert total.performances[3].sharpe.n == 119
        assert total.convention.periods == 252
        assert total.days_a_year == pytest.approx(365.25)
        assert len(total.rolling) == 30
        assert len(total.drawdown) == 120
        assert sum(month.days for month in total.months) == 119
        assert found["c EUR"].performances[3].sharpe.reason == "all returns are equal"
        assert [str(each.account) for each in account_performances(reader, strategy="a", windows=["all"])] == ["a USD"]


def test_periods_fit_the_days_unless_they_are_said(tmp_path: Path) -> None:
    """A strategy on exchange days has 252 periods a year, one of every day 365, each beside its ratios."""
    filled = Filled(tmp_path)
    filled.equity("always", "USD", [100.0 + day % 3 for day in range(120)])
    for week in range(20):
        filled.equity("weekdays", "EUR", [100.0 + day % 3 for day in range(5)], START + 7 * week)

    with Reader(filled.database) as reader:
        found = {str(each.account): each.convention.periods for each in account_performances(reader)}
        asked = {each.convention.periods for each in account_performances(reader, Convention(periods=365))}

        assert found == {"always USD": 365, "weekdays EUR": 252}
        assert asked == {365}


def test_nothing_is_stored(tmp_path: Path) -> None:
    """An empty store has no accounts, no symbols, no correlations."""
    filled = Filled(tmp_path)
    with Reader(filled.database) as reader:
        assert account_performances(reader) == []
        assert symbol_curves(reader) == {}
        assert strategy_correlations(reader) == symbol_correlations(reader) == []


def test_correlations(tmp_path: Path) -> None:
    """Strategies by their equity, symbols by their bars; of two venues the one with more days is the symbol's."""
    filled = Filled(tmp_path)
    draw = random.Random(1)  # noqa: S311  a simulation
    values = [draw.uniform(10.0, 11.0) for _ in range(60)]
    filled.equity("a", "USD", values)
    filled.equity("b", "USD", [2.0 * value for value in values])
    filled.bars("X", values, "near")
    filled.bars("X", [99.0] * 10, "far", step=2)
    filled.bars("Y", [20.0 - value for value in values])
    with Reader(filled.database) as reader:
        (strategies,) = strategy_correlations(reader)
        (symbols,) = symbol_correlations(reader, correction="holm")

        assert (strategies.first, strategies.second) == ("a USD", "b USD")
        assert strategies.correlation.value == pytest.approx(1.0)
        assert (symbols.first, symbols.second, symbols.correction) == ("X", "Y", "holm")
        assert symbols.correlation.value is not None
        assert symbols.correlation.value < -0.9
        assert symbol_curves(reader, Days(last=START + 1))["X"].values == tuple(values[:2])


def test_compare_from_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ares-otel compare --strategy` takes the curve of one account; of several it asks which."""
    filled = Filled(tmp_path)
    filled.equity("swing", "USD", [100.0 + day % 3 for day in range(60)])
    filled.equity("swing", "EUR", [100.0 + day % 3 for day in range(60)])
    wanted = ["compare", "--database", str(filled.database), "--strategy", "swing"]

    assert main(wanted) == 2
    assert "2 curves of 'swing'" in capsys.readouterr().err
    assert main([*wanted, "--currency", "USD"]) == 0
    assert capsys.readouterr().out.startswith("59 daily returns")

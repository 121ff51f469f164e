"""The sentences that pages begin with, and whether confidence holds: made from records, silent of what is unknown."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ares_otel.server.pages.leads import Money, decisions_lead, models_lead, overview_lead, system_lead
from ares_otel.server.query.asking import row_time
from ares_otel.server.query.bars import Move
from ares_otel.server.query.console.calibration import calibrations_of
from ares_otel.server.query.console.equity import Curve
from ares_otel.server.query.console.overview import Pulse, StrategyRow
from ares_otel.server.query.console.system import Latency
from ares_otel.server.query.control import Breach
from ares_otel.server.query.decisions import DecisionRow, OrderBrief
from ares_otel.server.query.learning import Model
from ares_otel.server.query.scoring import share

SECOND = 10**9
DAY = 86_400 * SECOND
NOW = 1_700_000_000 * SECOND
EMPTY = "Nothing is stored yet: a bot with ares.setup() sends its decisions here; `make demo` makes some"
PULSE = Pulse(last=NOW, usual=1.0, day=3, failed=0, looked_at=9, arrived=NOW, market=NOW)


def strategy(name: str, **by_action: int) -> StrategyRow:
    """Return a strategy that decided."""
    none: dict[str, Any] = dict.fromkeys(StrategyRow.__struct_fields__)
    facts = {"strategy": name, "decisions": sum(by_action.values()), "by_action": by_action}
    return StrategyRow(**none | facts | dict.fromkeys(("trades", "wins", "judged", "hits"), 0))


def money(value: float, change: float | None, depth: float) -> Money:
    """Return equity."""
    return Money(Curve("USD", (0,), (value,)), change, (value,), depth, depth)


def breach(at: int) -> Breach:
    """Return a check that did not pass."""
    told: dict[str, Any] = dict.fromkeys(Breach.__struct_fields__)
    return Breach(**told | {"time": row_time(at), "strategy": "swing", "check": "daily_loss"})


@pytest.mark.parametrize(
    ("pulse", "rows", "earned", "waiting", "breaches", "said"),
    [
        (None, [], None, 0, [], (EMPTY,)),
        (Pulse(None, None, 0, 0, 0, None), [], None, 0, [], (EMPTY,)),
        (
            PULSE,
            [strategy("swing", buy=1, hold=2)],
            money(1_234.5, -10.0, 0.021),
            0,
            [],
            (
                "swing made 3 decisions within a day, 1 to buy and 0 to sell",
                "equity is 1,234.50 USD, 10.00 less than a market day before, 2.1 % below its peak",
                "no decision failed and all checks passed",
            ),
        ),
        (
            Pulse(NOW, 1.0, 3, 2, 9, NOW, NOW - 400 * DAY),
            [strategy("swing", buy=1), strategy("other", sell=2), strategy("idle")],
            money(250_000.0, 0.0, 0.0),
            1,
            [breach(NOW - SECOND), breach(NOW - 2 * DAY)],
            (
                "2 strategies made 3 decisions in a replay up to 2022-10-10, 1 to buy and 2 to sell",
                "equity is 250,000 USD, 0.00 more than a market day before, at its peak",
                "1 order is open",
                "2 of the newest 9 decisions failed",
                "1 check did not pass, the newest was daily loss of swing",
            ),
        ),
        (
            PULSE,
            [],
            None,
            2,
            [],
            (
                "0 strategies made 3 decisions within a day, 0 to buy and 0 to sell",
                "2 orders are open",
                "no decision failed and all checks passed",
            ),
        ),
    ],
)
def test_overview(
    pulse: Pulse | None,
    rows: list[StrategyRow],
    earned: Money | None,
    waiting: int,
    breaches: list[Breach],
    said: tuple[str, ...],
) -> None:
    """Whether it trades, earns, and whether anything is wrong; of a replay how far it has come."""
    assert overview_lead(pulse, rows, earned, waiting, breaches) == "; ".join(said) + "."


def decided(action: str | None, later: float | None = None, *statuses: str) -> DecisionRow:
    """Return a decision of a list."""
    told: dict[str, Any] = dict.fromkeys(DecisionRow.__struct_fields__)
    orders = tuple(OrderBrief("c", status, 1.0, 1.0, None) for status in statuses)
    return DecisionRow(**told | {"action": action, "orders": orders or None, "later": Move(5, later)})


def test_decisions() -> None:
    """What they were, what became of their orders, and how many went the way of the price."""
    assert decisions_lead([]) == ""
    assert decisions_lead([decided("hold", 0.1)]) == "1 decision on this page: 1 to hold."
    rows = [decided("buy", 0.1, "filled", "canceled"), decided("sell", 0.1), decided("buy"), decided("sell", -0.1)]
    assert decisions_lead([*rows, decided(None)]) == (
        "5 decisions on this page: 2 to buy, 2 to sell, 1 without an action; 1 of 2 orders is filled; "
        "five bars later the price had gone the way of 2 of 3 to buy or sell."
    )


def model(name: str, judged: int, correct: int) -> Model:
    """Return a model of which so many votes came true."""
    told: dict[str, Any] = dict.fromkeys(Model.__struct_fields__)
    return Model(**told | {"model": name, "hit_rate": share(correct, judged, "outcomes")})


def test_models() -> None:
    """The best and the least one; whether chance may be all the difference is said by their intervals."""
    assert models_lead([model("idle", 0, 0)]) == ""
    assert models_lead([model("tree", 10, 6)]) == "tree came true in 60.0 % of 10 judged votes."
    few = models_lead([model("tree", 10, 6), model("a_line", 10, 4), model("idle", 0, 0)])
    assert few == (
        "tree came true most often, 60.0 % of 10 judged votes, a line least, 40.0 % of 10 judged votes: "
        "chance may be all the difference."
    )
    many = models_lead([model("tree", 1_000, 600), model("line", 1_000, 400)])
    assert many.endswith("line least, 40.0 % of 1,000 judged votes: more than chance would make of equal ones.")


def test_system() -> None:
    """How long decisions take, and which part takes most of it."""
    whole = Latency("decision", None, 1_200, 0, 2.0, 0.001, 0.002, 0.003)
    part = Latency("analyst", None, 1_200, 0, 1.5, 0.001, 0.002, 0.003)
    assert system_lead([]) == ""
    assert system_lead([part]) == ""
    assert system_lead([whole]) == "Half of 1,200 decisions took up to 1 ms, 99 % up to 3 ms; none failed."
    failing = Latency("decision", None, 1_200, 7, 2.0, 0.001, 0.002, 0.003)
    assert system_lead([failing, part]).endswith("99 % up to 3 ms; 75 % of the time was analyst; 7 failed.")


def test_calibration() -> None:
    """Parts of equal number with Wilson's interval; an honest model is found honest, a loud one loud."""
    draw = Random(7)  # noqa: S311  a simulation
    said = [draw.random() for _ in range(2_000)]
    honest = calibrations_of([(each, draw.random() < each) for each in said])
    loud = calibrations_of([(each, draw.random() < each / 2) for each in said])

    assert (len(honest.bins), {each.n for each in honest.bins}) == (8, {250})
    assert sum(each.low <= each.confidence <= each.high for each in honest.bins) >= 7
    assert all(before.most <= after.least for before, after in zip(honest.bins, honest.bins[1:], strict=False))
    assert honest.excess.low is not None
    assert honest.excess.high is not None
    assert honest.excess.low < 0 < honest.excess.high
    assert honest.brier.value == pytest.approx(1 / 6, abs=0.02)
    assert loud.excess.value == pytest.approx(0.25, abs=0.03)
    assert loud.excess.n == 2_000
    assert loud.excess.low is not None
    assert loud.excess.low > 0.2


def test_calibration_of_few_votes() -> None:
    """Below twenty there are no parts; the means are there, of one vote without an interval."""
    few = calibrations_of([(0.75, True)])

    assert (few.bins, few.excess.value, few.excess.low, few.brier.value) == ([], -0.25, None, 0.0625)

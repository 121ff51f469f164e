"""What several boards show: events as marks, lanes of regimes, ratios that are absent rather than wrong."""

from __future__ import annotations

from typing import Final

from ares_otel.semconv import attributes as a
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import Direction
from ares_otel.semconv.model import Attribute, Metric
from ares_otel.stack import foreign as f
from ares_otel.stack.boards.model import Annotation
from ares_otel.stack.boards.panels import GREY, RED, REGIMES
from ares_otel.stack.boards.queries import grouped, growth, shown
from ares_otel.stack.promql import among, is_, select

__all__ = [
    "AGREEMENT",
    "DEPLOYED",
    "EVENTS",
    "KILLED",
    "REGIME_LANES",
    "RETRAINED",
    "SWITCHED",
    "happened",
    "net_slippage",
    "rejected",
    "started",
]


PLACE: Final = (among("deployment_environment_name", "$env"), among("service_name", "$service"))


def started() -> str:
    """Return the selector of the times at which bots were started."""
    return select(f.PROCESS_START, is_("job", "ares-bot"), *PLACE)


def rejected(window: str, *labels: Attribute) -> str:
    """Return the share of refused orders, absent where none was sent."""
    refused, sent = growth(m.ORDER_REJECTIONS, window, *labels), growth(m.ORDERS_SUBMITTED, window, *labels)
    return f"({refused} or 0 * {sent}) / ({sent} > 0)"


def happened(shown_over_time: str, counter: Metric, *labels: Attribute) -> str:
    """Return a query without those of its series whose counter did not grow until the range's end.

    Counters begin at zero for everything that could happen: a legend of it hides the little that did.
    """
    grown = grouped("sum", f"increase({shown(counter)}[$__range] @ end())", *labels)
    return f"{shown_over_time} and on ({', '.join(map(str, labels))}) ({grown} > 0)"


def net_slippage(window: str, *labels: Attribute) -> str:
    """Return the mean slippage in bp: what was lost less what was won, by the number of orders."""
    parts = {
        direction: grouped(
            "sum", f"increase({shown(m.SLIPPAGE, is_(a.DIRECTION, direction), part='_sum')}[{window}])", *labels
        )
        for direction in Direction
    }
    lost, won = parts[Direction.ADVERSE], parts[Direction.FAVORABLE]
    return f"({lost} - ({won} or 0 * {lost})) / ({growth(m.SLIPPAGE, window, *labels, part='_count')} > 0)"


def _lanes() -> str:
    each = [
        f"{number} * (max by (strategy, symbol) ({shown(m.REGIME_ACTIVE, is_(a.REGIME, name))}) == 1)"
        for number, name in enumerate(REGIMES, 1)
    ]
    nothing = f"vector(0) unless on () count({shown(m.REGIME_ACTIVE)} @ end())"
    return f"{' or '.join(each)} or on () ({nothing})"


REGIME_LANES: Final = _lanes()
AGREEMENT: Final = grouped("avg", f"avg_over_time({shown(m.AGREEMENT)}[5m])", a.STRATEGY)
"""A gauge of the last decision: drawn as it is, several decisions a scrape make noise."""
KILLED: Final = Annotation("Kill switch", f"max({shown(m.KILL_SWITCH)}) > 0", RED, "Kill switch tripped")
DEPLOYED: Final = Annotation(
    "Start of a bot",
    f"(time() - max by (service_name, instance) ({started()})) < 30",
    "#5794F2",
    "{{service_name}} started",
)
RETRAINED: Final = Annotation(
    "Training",
    f"count(changes({select(m.MODEL_TRAINED, *PLACE)}[1m]) > 0)",  # one mark: those of several models cover the panel
    "#B877D9",
    "Models trained again",
)
SWITCHED: Final = Annotation(
    "Change of regime", f"sum(increase({shown(m.REGIME_TRANSITIONS)}[1m])) > 0", GREY, "Regime changed"
)
EVENTS: Final = (KILLED, DEPLOYED)

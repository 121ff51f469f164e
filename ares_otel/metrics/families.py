"""A declared metric with its cells: admission of label sets, zero series, the series budget, what a scrape shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Generic, TypeAlias, TypeVar

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.caps import OTHER, Caps, plan
from ares_otel.metrics.cells import Cell, Count, Exact, Level, Spread
from ares_otel.metrics.shape import Labels, Shape
from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Counter, Gauge, Histogram, Info, Metric
from ares_otel.semconv.thresholds import SERIES_BUDGET

__all__ = ["Budget", "Family", "Raw", "cell_maker"]

C = TypeVar("C", bound=Cell)
Raw: TypeAlias = tuple[object, ...]

KNOWN_LIMIT: Final = 4_096
RESERVE: Final = 0.07
LEAST: Final = 100


class Budget:
    """Series that may be exposed: those that were really seen count, zero series get what is left.

    When all but a reserve is used, the pairs of strategy and symbol that came last lose their series one after the
    other: what they have counted goes to the symbol `other`, in every metric alike. When there is no pair left, every
    open label of what is new becomes `other`; half of the reserve is for that, the other half for counters alone, so
    that they stay complete.

    Attributes:
        limit: series that are never reached, at least 100.
        used: series of all cells.
        scraped: series that were read from sources and other collectors at the last scrape.
        evict: takes the series of one pair away; False if there is none.
    """

    def __init__(self, limit: int = int(SERIES_BUDGET.value)) -> None:
        self.limit = max(limit, LEAST)
        self.used = 0
        self.scraped = 0
        self.evict: Callable[[], bool] = lambda: False

    def full(self, series: int, *, folded: bool = False) -> bool:
        """Tell whether so many more series do not fit; `folded` are `other` in each open label."""
        kept = self.limit * RESERVE
        if folded:
            kept = 0 if series == 1 else kept / 2
        return series > self.left() - kept

    def left(self) -> int:
        """Return how many more series stay below the limit."""
        return self.limit - 1 - self.used - self.scraped


class Family(Generic[C]):
    """The cells of one metric by label values. Use under the lock of `Instruments`.

    Attributes:
        metric: the declaration.
        cells: what was seen, by capped label values.
        merge: called with a cell and one that is folded into it.
        zeros: label sets of a counter that were not seen but belong to one that was; shown as 0.

    Args:
        make: makes a cell.
        exempt: keys of attributes whose number of values the caller bounds.
        mixes: a gauge whose value for `other` the caller makes of all that is folded into it. Any other gauge of
            `other` would show whichever came last, so it is absent.
        share: part of the budget that series by symbol may take in this metric.
    """

    def __init__(
        self,
        metric: Metric,
        make: Callable[[], C],
        caps: Caps,
        budget: Budget,
        *,
        exempt: frozenset[str] = frozenset(),
        mixes: bool = False,
        share: float = 1.0,
        guard: Guard = GUARD,
    ) -> None:
        self.metric = metric
        self.shape = Shape(metric)
        self.cells: dict[Labels, C] = {}
        self.zeros: set[Labels] = set()
        self.merge: Callable[[C, C], None] = lambda into, cell: into.absorb(cell)
        self._make = make
        self._caps = caps
        self._budget = budget
        self._plan = plan(metric.labels, exempt)
        self._folds = mixes or not isinstance(metric, (Gauge, Info))
        self._guard = guard
        self._known: dict[Raw, C] = {}
        self._sink = make()
        self._closed = _only_closed_label(metric)
        self._symbol = metric.labels.index(a.SYMBOL) if a.SYMBOL in metric.labels else None
        self._by_symbol = 0
        self._share = share
        self._told: set[str] = set()

    def cell(self, values: Raw) -> C:
        """Return the cell of these label values; one that nobody sees where they are refused."""
        found = self._known.get(values)
        return self._admit(values) if found is None else found

    def labels(self, values: Raw) -> Labels | None:
        """Return the values as this family would expose them, None where it would not."""
        capped = self._caps.labels(self._plan, values)
        if capped is None:
            shown = ", ".join(f"{value!s:.40}" for value in values)
            self._guard.complain("metrics.labels", self.metric.name, f"{self.metric.name}: no labels ({shown})")
            return None
        return capped.values if self._folds or not capped.folded else None

    def seed(self, values: Raw) -> None:
        """Show zero for these label values, and for each word of the metric's closed label if it is left out."""
        if self._closed is None:
            self._zero(self.labels(values))
            return
        index, words = self._closed
        for word in words:
            self._zero(self.labels((*values[:index], word, *values[index:])))

    def promise(self, labels: Labels) -> None:
        """Show zero for the other words of the closed label of a counter that has just one."""
        if self._closed is not None:
            index = self._closed[0]
            self.seed((*labels[:index], *labels[index + 1 :]))

    def shows(self, values: Raw) -> bool:
        """Tell whether these label values have a cell that a scrape shows."""
        return self._known.get(values, self._sink) is not self._sink

    def remove(self, values: Raw) -> None:
        """Forget a cell: its series ends."""
        labels = self.labels(values)
        cell = None if labels is None else self.cells.pop(labels, None)
        if labels is not None and cell is not None:
            self._count(-len(self.shape.lines), labels)
            self.shape.forget(labels)
            for known in [each for each, found in self._known.items() if found is cell]:
                del self._known[known]

    def fold_pair(self, strategy: str, symbol: str) -> None:
        """Move what was counted for a strategy and symbol to the symbol `other`."""
        first, second = self._plan.strategy, self._plan.symbol
        if second < 0:
            return
        for labels in [each for each in self.cells if each[first] == strategy and each[second] == symbol]:
            cell = self.cells.pop(labels)
            self._count(-len(self.shape.lines), labels)
            self.shape.forget(labels)
            target = self._folded(labels, a.SYMBOL.key)
            if target is not None:
                self.merge(self._at(target), cell)
        self.zeros = {each for each in self.zeros if each[first] != strategy or each[second] != symbol}
        self._known.clear()

    def _admit(self, values: Raw) -> C:
        labels, cost = self.labels(values), len(self.shape.lines)
        while labels is not None and labels not in self.cells and self._budget.full(cost) and self._budget.evict():
            # the pair that went may be this one
            labels = self.labels(values)
        labels = None if labels is None else self._fit(labels)
        cell = self._sink if labels is None else self._at(labels)
        if len(self._known) >= KNOWN_LIMIT:
            self._known.clear()
        self._known[values] = cell
        return cell

    def _at(self, labels: Labels) -> C:
        cell = self.cells.get(labels)
        if cell is None:
            cell = self.cells[labels] = self._make()
            self._count(len(self.shape.lines), labels)
            self.zeros.discard(labels)
            self.promise(labels)
        return cell

    def _count(self, series: int, labels: Labels) -> None:
        self._budget.used += series
        self._by_symbol += series if self._of_symbol(labels) else 0

    def _of_symbol(self, labels: Labels) -> bool:
        return self._symbol is not None and labels[self._symbol] not in {"", OTHER}

    def _fit(self, labels: Labels) -> Labels | None:
        """Return the label set under which values of this one are shown, None if nowhere."""
        if labels in self.cells:
            return labels
        cost = len(self.shape.lines)
        fitting: Labels | None = labels
        if self._of_symbol(labels) and self._by_symbol + cost > self._budget.limit * self._share:
            fitting = self._folded(labels, a.SYMBOL.key)
            self._tell("symbols", "too many series by symbol; new ones become 'other'")
        if fitting is not None and fitting not in self.cells and self._budget.full(cost):
            fitting = self._folded(labels)
            self._tell("full", f"the budget of {self._budget.limit} series is used up; new ones become 'other'")
            if fitting not in self.cells and self._budget.full(cost, folded=True):
                fitting = None
        if fitting != labels:
            self.zeros.discard(labels)
        return fitting

    def _tell(self, kind: str, message: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._guard.complain("metrics.series", f"{self.metric.name} {kind}", f"{self.metric.name}: {message}")

    def _folded(self, labels: Labels, key: str | None = None) -> Labels | None:
        folded = tuple(
            OTHER if value and attribute.enum is None and key in {None, attribute.key} else value
            for attribute, value in zip(self.metric.labels, labels, strict=True)
        )
        return folded if self._folds or folded == labels else None

    def _zero(self, labels: Labels | None) -> None:
        if labels is not None and labels not in self.cells and len(self.zeros) < self._budget.limit:
            self.zeros.add(labels)

    def rows(self, extra: Mapping[Labels, float], *, zeros: bool) -> Iterator[tuple[Labels, Cell]]:
        """Return what a scrape shows: cells, values read at the scrape (added to a cell's), zero series."""
        for labels, cell in self.cells.items():
            if labels in extra:
                yield labels, _raised(cell, extra[labels])
            elif cell.known():
                yield labels, cell
        for labels, value in extra.items():
            if labels not in self.cells:
                yield labels, _raised(Level(), value)
        if zeros:
            for labels in sorted(self.zeros - extra.keys()):
                yield labels, _raised(Level(), 0.0)


def cell_maker(metric: Metric) -> Callable[[], Cell]:
    """Return what makes the cells of a metric; money is summed exactly."""
    money = a.CURRENCY in metric.labels
    if isinstance(metric, Counter):
        return Exact if money else Count
    if isinstance(metric, Histogram):
        bounds = metric.buckets
        return lambda: Spread(bounds)
    return Level


def _only_closed_label(metric: Metric) -> tuple[int, tuple[str, ...]] | None:
    """Return place and words of a counter's closed label if there is just one: it starts at zero for each word."""
    closed = [(index, each.enum) for index, each in enumerate(metric.labels) if each.enum is not None]
    if not isinstance(metric, Counter) or len(closed) != 1:
        return None
    index, enum = closed[0]
    return index, tuple(enum) if enum is not None else ()


def _raised(cell: Cell, amount: float) -> Cell:
    raised = Level()
    raised.set(amount + cell.points()[0][0] if cell.known() else amount)
    return raised

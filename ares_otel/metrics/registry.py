"""The registry: declared metrics as families, read whole and consistently by a scrape."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client import Metric as ClientMetric
from prometheus_client.exposition import choose_encoder

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.caps import Caps
from ares_otel.metrics.cells import Cell, Count, Exact, Level, Spread
from ares_otel.metrics.families import Budget, Family, cell_maker
from ares_otel.metrics.shape import Labels, Row, stem
from ares_otel.metrics.sources import Reading, Source
from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Counter, Gauge, Histogram, Info, Metric

__all__ = ["Instruments", "Registry"]

C = TypeVar("C", bound=Cell)
AnyFamily: TypeAlias = Family[Any]
Consume: TypeAlias = Callable[[AnyFamily, list[Row]], None]
Extras: TypeAlias = dict[str, dict[Labels, float]]

OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0"
PLAIN: Final = "text/plain; version=0.0.4"


class Instruments:
    """The families of all metrics, one lock for all of them, and the sources that are read at a scrape.

    A family is made when it is first asked for and exposed when it has something to show, in the declared order.
    """

    def __init__(self, caps: Caps, budget: Budget, guard: Guard = GUARD) -> None:
        self.lock = threading.Lock()
        self.budget = budget
        self._caps = caps
        self._guard = guard
        self._order = {metric.name: index for index, metric in enumerate(m.METRICS)}
        self._families: dict[str, AnyFamily] = {}
        self._stems: dict[str, Metric] = {}
        self._sources: list[Source] = []
        self._on_evict: list[Callable[[], None]] = []
        self._evicted = 0
        budget.evict = self._evict
        self._series = self.gauge(m.SERIES)
        self._series.cell(()).set(0.0)

    def counter(self, metric: Counter, *, share: float = 1.0) -> Family[Count]:
        """Return the family of a counter; sums of money are exact."""
        make = Exact if cell_maker(metric) is Exact else Count
        return self._made(metric, Family(metric, make, self._caps, self.budget, share=share, guard=self._guard))

    def gauge(
        self, metric: Gauge | Info, *, exempt: frozenset[str] = frozenset(), mixes: bool = False
    ) -> Family[Level]:
        """Return the family of a gauge or info metric; see `Family` for the options."""
        family = Family(metric, Level, self._caps, self.budget, exempt=exempt, mixes=mixes, guard=self._guard)
        return self._made(metric, family)

    def balance(self, metric: Gauge) -> Family[Exact]:
        """Return the family of a gauge that is a signed exact sum of money."""
        return self._made(metric, Family(metric, Exact, self._caps, self.budget, mixes=True, guard=self._guard))

    def histogram(self, metric: Histogram) -> Family[Spread]:
        """Return the family of a histogram."""
        bounds = metric.buckets
        return self._made(metric, Family(metric, lambda: Spread(bounds), self._caps, self.budget, guard=self._guard))

    def any(self, metric: Metric) -> AnyFamily:
        """Return the family of a metric of any type, made if need be."""
        found = self._families.get(metric.name)
        if found is None:
            make = cell_maker(metric)
            found = self._made(metric, Family(metric, make, self._caps, self.budget, guard=self._guard))
        return found

    def _made(self, metric: Metric, family: Family[C]) -> Family[C]:
        if family.shape.stem in self._stems:
            raise ValueError(f"metric {metric.name!r}: made twice")
        self._families[metric.name] = family
        self._stems[family.shape.stem] = metric
        return family

    def on_evict(self, forget: Callable[[], None]) -> None:
        """Call a function when cells were taken away, so that nobody goes on writing to them."""
        self._on_evict.append(forget)

    def _evict(self) -> bool:
        pair = self._caps.fold_pair()
        if pair is None:
            return False
        message = (
            f"the budget of {self.budget.limit} series is used up; new pairs of strategy and symbol become 'other'"
        )
        if not self._evicted:
            self._guard.complain("metrics.series", "pairs", message)
        self._evicted += 1
        for family in self._families.values():
            family.fold_pair(*pair)
        for forget in self._on_evict:
            forget()
        return True

    def declared(self, metric: Metric) -> Metric | None:
        """Return the metric that has the name of the given one, or that of its family (without `_total`)."""
        family = self._families.get(metric.name)
        return self._stems.get(stem(metric)) if family is None else family.metric

    def has(self, stem: str) -> bool:
        """Tell whether a family of that name (without `_total` or `_info`) is ours."""
        return stem in self._stems

    def attach(self, source: Source) -> Callable[[], None]:
        """Read a source at each scrape from now on; the returned function ends that."""
        self._sources = [*self._sources, source]

        def detach() -> None:
            self._sources = [each for each in self._sources if each is not source]

        return detach

    def expose(self, consume: Consume, foreign: int = 0) -> None:
        """Hand every family that has something to show, with its rows, to a function; the series count among them.

        Everything comes from one moment: no update happens in between.

        Args:
            consume: called under the lock for each family.
            foreign: series that the same endpoint exposes beside these.
        """
        readings = self._read_sources()
        with self.lock:
            extras = self._extras(readings)
            families = self._ordered()
            zeros = self._zeros_shown(families, extras, foreign)
            pages = [
                (each, list(each.rows(extras.get(each.metric.name, {}), zeros=each in zeros))) for each in families
            ]
            series = sum(len(rows) * len(family.shape.lines) for family, rows in pages)
            self._series.cell(()).set(series + foreign)
            for family, rows in pages:
                if rows:
                    consume(family, rows)

    def _ordered(self) -> list[AnyFamily]:
        last = len(self._order)
        return sorted(self._families.values(), key=lambda each: self._order.get(each.metric.name, last))

    def _zeros_shown(self, families: list[AnyFamily], extras: Extras, foreign: int) -> set[AnyFamily]:
        """Return the families whose zero series fit into what the budget leaves, small ones first."""
        self.budget.scraped = foreign + sum(
            len(values.keys() - self._families[name].cells.keys()) for name, values in extras.items()
        )
        room, shown = self.budget.left(), set()
        for family in sorted(families, key=lambda each: len(each.zeros)):
            room -= len(family.zeros)
            if room >= 0:
                shown.add(family)
        return shown

    def _read_sources(self) -> list[Reading]:
        readings: list[Reading] = []
        for source in self._sources:
            with self._guard.shield("metrics.source"):
                readings.extend(source())
        return readings

    def _extras(self, readings: Iterable[Reading]) -> Extras:
        extras: Extras = {}
        for metric, values, value in readings:
            family = self.any(metric)
            labels = family.labels(values)
            if labels is None or not self._fits(metric, value):
                continue
            if labels not in family.zeros and labels not in family.cells:
                family.promise(labels)
            of_family = extras.setdefault(metric.name, {})
            before = of_family.get(labels)
            ages = isinstance(metric, Gauge) and metric.unit == "s"
            of_family[labels] = value if before is None else max(before, value) if ages else before + value
        return extras

    def _fits(self, metric: Metric, value: float) -> bool:
        fits = isinstance(metric, (Counter, Gauge)) and math.isfinite(value)
        fits = fits and (value >= 0 or not isinstance(metric, Counter))
        if not fits:
            self._guard.complain("metrics.source", metric.name, f"{metric.name}: {value!r} cannot be shown")
        return fits


class Registry(CollectorRegistry):
    """prometheus_client's registry with our families in it; collectors of others may be registered beside them.

    `_created` samples are left out, for they double the series and tell nothing that a dashboard needs.
    """

    def __init__(self, instruments: Instruments, guard: Guard = GUARD) -> None:
        super().__init__()
        self._instruments = instruments
        self._guard = guard

    def collect(self) -> Iterator[ClientMetric]:
        """Yield all families in prometheus_client's form, for its own exposition and for tests."""
        foreign = self._foreign()
        families: list[ClientMetric] = []
        self._instruments.expose(lambda family, rows: families.append(family.shape.collected(rows)), foreign.series())
        yield from families
        yield from foreign.collect()

    def render(self, *, openmetrics: bool) -> bytes:
        """Return the exposition: OpenMetrics 1.0 with exemplars, or Prometheus' text format 0.0.4."""
        foreign = self._foreign()
        out: list[str] = []

        def consume(family: AnyFamily, rows: list[Row]) -> None:
            out.append(family.shape.header(openmetrics=openmetrics))
            family.shape.write(rows, out, openmetrics=openmetrics)

        self._instruments.expose(consume, foreign.series())
        encode, _ = choose_encoder(OPENMETRICS if openmetrics else PLAIN)
        return "".join(out).encode() + encode(foreign)

    def _foreign(self) -> _Foreign:
        families: dict[str, ClientMetric] = {}
        with self._guard.shield("metrics.collector"):
            for metric in super().collect():
                if metric.name in families or self._instruments.has(metric.name):
                    # Prometheus refuses a whole page for one family that comes twice
                    message = f"{metric.name} is exposed already; another collector's is left out"
                    self._guard.complain("metrics.collector", metric.name, message)
                    continue
                created = f"{metric.name}_created"
                metric.samples = [sample for sample in metric.samples if sample.name != created]
                families[metric.name] = metric
        return _Foreign(list(families.values()))


class _Foreign:
    """Families of other collectors, read once for a scrape."""

    def __init__(self, families: list[ClientMetric]) -> None:
        self._families = families

    def collect(self) -> Iterable[ClientMetric]:
        return self._families

    def series(self) -> int:
        return sum(len(metric.samples) for metric in self._families)

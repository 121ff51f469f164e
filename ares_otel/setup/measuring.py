"""The numbers: metrics, what is read at a scrape, the endpoint, and the system's own figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ares_otel.config import Config
from ares_otel.decision.desk import Desk
from ares_otel.metrics import Endpoint, Metrics, Reading
from ares_otel.metrics.discovery import Discovery
from ares_otel.orders import Ledger
from ares_otel.pipeline.recorder import Recorder
from ares_otel.pipeline.sender import Sender
from ares_otel.portfolio.conventions import Convention
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DropReason
from ares_otel.system import System, attach_if_running

__all__ = ["Measuring"]

SCRAPE = 8.0

Resource = dict[str, "str | int"]


class Measuring:
    """Metrics of the running telemetry and where they are shown.

    Attributes:
        metrics: counts what the desk tells.
        url: address of the metrics page, None while there is none.
    """

    def __init__(
        self,
        config: Config,
        recorder: Recorder,
        ledger: Ledger,
        sender: Sender | None,
        resource: Resource,
        before_scrape: Callable[[float], object],
    ) -> None:
        self.config = config
        self.recorder = recorder
        self.ledger = ledger
        self.sender = sender
        self.resource = resource
        self.before_scrape = before_scrape
        shown, ratios = config.metrics, config.performance
        self.metrics = Metrics(
            clock=recorder.clock,
            symbols=shown.symbols or None,
            symbols_shown=shown.symbol_limit,
            features_shown=shown.feature_limit,
            convention=Convention(periods=int(ratios.periods), minimum=ratios.minimum),
        )
        self.metrics.observe_at_scrape(self._readings)
        self.endpoint = self._endpoint()
        self.system = self._system()

    def watch(self, desk: Desk) -> None:
        """Show what the desk counts, too."""
        self.metrics.observe_at_scrape(lambda: [(m.SAMPLED_OUT, (), desk.unsampled)])

    @property
    def url(self) -> str | None:
        """Address of the metrics page."""
        address = self.endpoint.address if self.endpoint is not None else None
        return f"http://{address[0]}:{address[1]}/metrics" if address is not None else None

    def start(self) -> None:
        """Listen and begin to measure the system, if metrics are to be shown."""
        if self.endpoint is not None:
            self.endpoint.start()
        if self.system is not None:
            self.system.start()
            self._look_for_loops()

    def stop(self) -> None:
        """Show and measure nothing any more."""
        self.recorder.on_loop = None
        if self.system is not None:
            self.system.stop()
        if self.endpoint is not None:
            self.endpoint.stop()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's page and of its measurements."""
        if self.system is not None:
            self.system.stop()
        if self.endpoint is not None:
            self.endpoint.abandon()

    def _endpoint(self) -> Endpoint | None:
        shown = self.config.metrics
        if not shown.enabled:
            return None
        who = ("deployment.environment.name", "service.name", "service.instance.id", "ares.mode")
        known = [name for name in who if name in self.resource]
        labels = {name.removeprefix("ares.").replace(".", "_"): str(self.resource[name]) for name in known}
        return Endpoint(
            self.metrics.render,
            host=shown.host,
            port=shown.port,
            ports=shown.port_range + 1,
            before_scrape=lambda: self.before_scrape(SCRAPE),
            discovery=Discovery(shown.file_sd, labels) if shown.file_sd else None,
        )

    def _system(self) -> System | None:
        shown = self.config.metrics
        if not (shown.enabled and shown.system):
            return None
        return System(self.metrics, interval=shown.system_interval, disk=self.config.state_directory or ".")

    def tick(self) -> None:
        """Take over what was measured elsewhere since the last round."""
        self._look_for_loops()
        if self.sender is not None:
            for seconds in self.sender.take_durations():
                self.metrics.apply(m.EXPORT_DURATION, "observe", seconds)

    def _look_for_loops(self) -> None:
        if self.system is not None:
            self.recorder.on_loop = attach_if_running

    def _readings(self) -> Iterator[Reading]:
        recorder = self.recorder
        yield m.QUEUE_LENGTH, (), len(recorder.queue)
        yield m.CORRELATIONS_OPEN, (), len(recorder.open)
        yield m.DROPPED, (DropReason.QUEUE_FULL,), recorder.refused
        yield m.DROPPED, (DropReason.LIMIT,), recorder.limited
        for (strategy, symbol), count in self.ledger.open_orders().items():
            yield m.ORDERS_OPEN, (strategy, symbol), count
        for venue, count in self.ledger.unanswered(recorder.clock.now()).items():
            yield m.ORDERS_UNACKNOWLEDGED, (venue,), count
        if self.sender is not None:
            accounts = self.sender.accounts()
            yield m.EXPORTED, (), accounts.exported
            yield m.SPOOL_BYTES, (), accounts.spooled_bytes
            for reason, spans in accounts.dropped.items():
                yield m.DROPPED, (reason,), spans
            for reason, attempts in accounts.failures.items():
                yield m.EXPORT_FAILURES, (reason,), attempts

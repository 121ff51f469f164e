"""The numbers: metrics, what is read at a scrape, the endpoint, and the system's own figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ares_otel.config import Config
from ares_otel.decision.desk import Desk
from ares_otel.guard import GUARD
from ares_otel.metrics import Endpoint, Metrics, Reading
from ares_otel.metrics.discovery import Discovery
from ares_otel.orders import Ledger
from ares_otel.pipeline.backlog import Accounts
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.recorder import Recorder
from ares_otel.portfolio.conventions import Convention
from ares_otel.portfolio.holding import Method
from ares_otel.semconv import metrics as m
from ares_otel.semconv.enums import DropReason, Mode
from ares_otel.setup.logs import LogExport
from ares_otel.setup.outbox import Outbox
from ares_otel.setup.vault import Vault
from ares_otel.system import System, attach_if_running

if TYPE_CHECKING:
    from ares_otel.setup.limits import HardLimits

__all__ = ["Measuring"]

SCRAPE = 8.0
NO_PAST = frozenset({Mode.BACKTEST, Mode.REPLAY})

Resource = dict[str, "str | int"]


class Measuring:
    """Metrics of the running telemetry and where they are shown.

    Attributes:
        metrics: counts what the desk tells.
        limits: tells Alertmanager of broken limits; None when there is none to tell.
        url: address of the metrics page, None while there is none.
    """

    def __init__(
        self,
        config: Config,
        recorder: Recorder,
        ledger: Ledger,
        sender: Lanes | None,
        resource: Resource,
        before_scrape: Callable[[float], object],
    ) -> None:
        self.config = config
        self.recorder = recorder
        self.ledger = ledger
        self.sender = sender
        self.resource = resource
        self.before_scrape = before_scrape
        self.limits = self._limits()
        shown, ratios = config.metrics, config.performance
        self.metrics = Metrics(
            clock=recorder.clock,
            symbols=shown.symbols or None,
            symbols_shown=shown.symbol_limit,
            features_shown=shown.feature_limit,
            convention=Convention(periods=int(ratios.periods), minimum=ratios.minimum),
            method=Method(config.portfolio.method),
            watch=self.limits.watch if self.limits is not None else None,
        )
        self.metrics.observe_at_scrape(self._readings)
        if self.limits is not None:
            self.metrics.observe_at_scrape(self.limits.readings)
        self.endpoint = self._endpoint()
        self.system = self._system()
        self._vault: Vault | None = None

    def watch(self, desk: Desk, outbox: Outbox) -> None:
        """Show what the desk counts, too, and where all spans are."""
        self.metrics.observe_at_scrape(lambda: [(m.SAMPLED_OUT, (), desk.unsampled)])
        self.metrics.observe_at_scrape(lambda: _spans(outbox.accounts()))

    def watch_logs(self, logs: LogExport) -> None:
        """Show where all log records are, too."""
        self.metrics.observe_at_scrape(lambda: _records(logs.accounts()))

    @property
    def url(self) -> str | None:
        """Address of the metrics page."""
        address = self.endpoint.address if self.endpoint is not None else None
        return f"http://{address[0]}:{address[1]}/metrics" if address is not None else None

    def start(self) -> None:
        """Go on with the accounts of the last run; listen and measure the system, if metrics are to be shown."""
        with GUARD.shield("accounts"):
            self._open_accounts()
        if self.endpoint is not None:
            self.endpoint.start()
        if self.system is not None:
            self.system.start()
            self._look_for_loops()

    def stop(self) -> None:
        """Show and measure nothing any more."""
        self.recorder.on_loop = None
        with GUARD.shield("accounts"):
            self.keep()
        self._close_accounts()
        if self.system is not None:
            self.system.stop()
        if self.endpoint is not None:
            self.endpoint.stop()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's page, of its measurements and of its accounts."""
        self._close_accounts()
        if self.system is not None:
            self.system.stop()
        if self.endpoint is not None:
            self.endpoint.abandon()

    def tell_limits(self, timeout: float) -> None:
        """Wait until Alertmanager knows what it has to know, at most so many seconds."""
        if self.limits is not None:
            self.limits.stop(timeout)

    def keep(self) -> None:
        """Write down the accounts, if they have changed."""
        state = self.metrics.accounts_state() if self._vault is not None else None
        if self._vault is not None and state is not None:
            self._vault.save(state)

    def _open_accounts(self) -> None:
        config = self.config
        if config.mode in NO_PAST:
            return
        vault = Vault(Path(config.ledger.directory) / "accounts.json")
        if not config.ledger.enabled or not vault.open():
            self.metrics.begin(None, flat=False)
            return
        self._vault = vault
        try:
            # a bot that has sent orders before accounts were kept may hold something
            self.metrics.begin(vault.load(), flat=not self.ledger.orders_known)
        except (OSError, ValueError) as error:
            message = f"{vault.path} cannot be read ({error}); positions are unknown until they are reported"
            GUARD.complain("accounts.file", "unreadable", message)
            vault.move_aside()
            self.metrics.begin(None, flat=False)

    def _close_accounts(self) -> None:
        if self._vault is not None:
            self._vault.close()
            self._vault = None

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

    def _limits(self) -> HardLimits | None:
        if not self.config.alerting.alertmanagers:
            return None
        from ares_otel.setup.limits import HardLimits  # noqa: PLC0415  imports the rules

        with GUARD.shield("limits"):
            return HardLimits(self.config, self.resource, self.recorder.clock.now, lambda: self.url)
        return None

    def _system(self) -> System | None:
        shown = self.config.metrics
        if not (shown.enabled and shown.system):
            return None
        return System(self.metrics, interval=shown.system_interval, disk=self.config.state_directory or ".")

    def tick(self) -> None:
        """Take over what was measured elsewhere since the last round."""
        self._look_for_loops()
        if self.limits is not None:
            with GUARD.shield("limits"):
                self.limits.round()
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
        for (strategy, symbol), count in self.ledger.open_orders().items():
            yield m.ORDERS_OPEN, (strategy, symbol), count
        for venue, count in self.ledger.unanswered(recorder.clock.now()).items():
            yield m.ORDERS_UNACKNOWLEDGED, (venue,), count
        yield from self._sent()

    def _sent(self) -> Iterator[Reading]:
        accounts = self.sender.accounts() if self.sender is not None else {}
        failures: Counter[str] = Counter()
        for each in accounts.values():
            failures.update(each.failures)
        for reason, attempts in failures.items():
            yield m.EXPORT_FAILURES, (reason,), attempts
        if accounts:
            yield m.SPOOL_BYTES, (), sum(each.spooled_bytes for each in accounts.values())


def _spans(accounts: Accounts) -> Iterator[Reading]:
    """Yield where all spans are, of one moment: recorded + adopted = exported + queued + spooled + dropped."""
    yield m.RECORDED, (), accounts.submitted
    yield m.ADOPTED, (), accounts.adopted
    yield m.EXPORTED, (), accounts.exported
    yield m.QUEUED, (), accounts.queued
    yield m.SPOOLED, (), accounts.spooled
    for reason in DropReason:
        yield m.DROPPED, (reason,), accounts.dropped.get(reason, 0)


def _records(accounts: Accounts) -> Iterator[Reading]:
    """Yield where all log records are, of one moment, as `_spans` does."""
    yield m.LOGS_RECORDED, (), accounts.submitted
    yield m.LOGS_ADOPTED, (), accounts.adopted
    yield m.LOGS_EXPORTED, (), accounts.exported
    yield m.LOGS_QUEUED, (), accounts.queued
    yield m.LOGS_SPOOLED, (), accounts.spooled
    for reason in DropReason:
        yield m.LOGS_DROPPED, (reason,), accounts.dropped.get(reason, 0)

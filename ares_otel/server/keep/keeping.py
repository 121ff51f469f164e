"""All that keeps a server's store well while it runs, made from its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from ares_otel.config import Influx, Portfolio, Retention
from ares_otel.portfolio.holding import Method
from ares_otel.semconv import model
from ares_otel.semconv import serving as m
from ares_otel.server.keep import standing
from ares_otel.server.keep.forward import Forwarder
from ares_otel.server.keep.retention import Pruner
from ares_otel.server.keep.standing import Observed, Standing
from ares_otel.server.store.accounting import Accounting
from ares_otel.server.store.chores import Chore
from ares_otel.server.store.driver import Location
from ares_otel.server.store.packing import Packer
from ares_otel.server.store.store import Store

__all__ = ["Keeping"]

Reading: TypeAlias = Callable[[], Mapping[tuple[str, ...], float] | float | None]

NOTE_SECONDS: Final = 15.0


class Keeping:
    """Accounts, retention and forwarding.

    Args:
        database: the server's database.
        retention: how long rows are kept.
        influx: where they are forwarded to.
        environ: environment variables, for secrets; None: those of the process.
        steps: hears of the seconds of each step of pruning.
        requests: hears of the seconds of each request to InfluxDB.
        portfolio: how accounts are kept.

    Attributes:
        accounting: derives trades and books from the fills.
        pruner: prunes.
        forwarder: forwards, None if nothing is to be forwarded.
    """

    def __init__(
        self,
        database: Location,
        retention: Retention,
        influx: Influx,
        environ: Mapping[str, str] | None = None,
        *,
        steps: Observed | None = None,
        requests: Observed | None = None,
        portfolio: Portfolio | None = None,
    ) -> None:
        self.accounting = Accounting(method=Method((portfolio or Portfolio()).method))
        self.pruner = Pruner(retention, observed=steps)
        known = os.environ if environ is None else environ
        self.forwarder = None if influx.url is None else Forwarder(influx, database, known, requests)
        self._backup = Standing()

    @property
    def chores(self) -> tuple[Chore, ...]:
        """What the writer's thread does of it."""
        own = (self.accounting, self.pruner, Packer(), self._look)
        return (*own, *((self.forwarder.chore,) if self.forwarder else ()))

    def _look(self, store: Store) -> float:
        """See whether another process has backed the database up."""
        with store.transaction() as db:
            self._backup = standing.read(db, "backup")
        return NOTE_SECONDS

    def readings(self) -> dict[model.Metric, Reading]:
        """Return what its metrics show when they are asked for."""
        pruner, forwarder = self.pruner, self.forwarder
        found: dict[model.Metric, Reading] = {
            m.PRUNED_ROWS: lambda: pruner.by_group,
            m.PRUNE_LAST: lambda: _seconds(pruner.last.ended),
            m.PRUNE_DURATION: lambda: pruner.last.seconds,
            m.PRUNE_FAILURES: lambda: pruner.failures,
            m.BACKUP_LAST: lambda: _seconds(self._backup.ended),
            m.BACKUP_DURATION: lambda: self._backup.seconds,
            m.BACKUP_BYTES: lambda: self._backup.amount,
            m.BACKUP_FAILURES: lambda: self._backup.failures,
        }
        if forwarder is not None:
            found |= {
                m.FORWARDED: lambda: {("stored",): forwarder.points, ("refused",): forwarder.refused},
                m.FORWARD_FAILURES: lambda: forwarder.failures,
                m.FORWARD_LAST: lambda: _seconds(forwarder.delivered),
                m.FORWARD_LAG: lambda: forwarder.lag,
            }
        return found

    def start(self) -> None:
        """Begin; what needs the writer waits for it.

        Raises:
            SetupError: a secret cannot be read.
        """
        if self.forwarder is not None:
            self.forwarder.start()

    def stop(self, timeout: float) -> bool:
        """End, before the writer does; False if that took longer than the timeout in seconds."""
        return self.forwarder is None or self.forwarder.stop(timeout)


def _seconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e9

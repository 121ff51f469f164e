"""All that keeps a server's store well while it runs, made from its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ares_otel.config import Influx, Retention
from ares_otel.server.keep.forward import Forwarder
from ares_otel.server.keep.retention import Pruner
from ares_otel.server.store.accounting import Accounting
from ares_otel.server.store.chores import Chore
from ares_otel.server.store.driver import Location

__all__ = ["Keeping"]


class Keeping:
    """Accounts, retention and forwarding.

    Args:
        database: the server's database.
        retention: how long rows are kept.
        influx: where they are forwarded to.
        environ: environment variables, for secrets; None: those of the process.

    Attributes:
        accounting: derives trades and books from the fills.
        pruner: prunes.
        forwarder: forwards, None if nothing is to be forwarded.
    """

    def __init__(
        self, database: Location, retention: Retention, influx: Influx, environ: Mapping[str, str] | None = None
    ) -> None:
        self.accounting = Accounting()
        self.pruner = Pruner(retention)
        known = os.environ if environ is None else environ
        self.forwarder = None if influx.url is None else Forwarder(influx, database, known)

    @property
    def chores(self) -> tuple[Chore, ...]:
        """What the writer's thread does of it."""
        return (self.accounting, self.pruner, *((self.forwarder.chore,) if self.forwarder else ()))

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

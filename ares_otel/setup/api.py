"""`setup()`, `flush()`, `shutdown()`: never raise into the bot, and keep to the time they are given."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

from ares_otel.clock import Clock
from ares_otel.config import Loaded, load
from ares_otel.correlation import carriers, logs, threads
from ares_otel.decision.sampling import head_sampler
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup import companions, ending, surroundings

if TYPE_CHECKING:
    from types import TracebackType

    from ares_otel.setup.telemetry import Telemetry

__all__ = ["STAND_INS", "Handle", "active", "after_fork", "flush", "setup", "shutdown"]

LOG = logging.getLogger("ares_otel")
SEVERITIES = {"error": logging.ERROR, "warning": logging.WARNING, "note": logging.INFO}
TIMEOUT = 2.0
AGAIN = (
    "telemetry runs already, so this setup() with a configuration of its own changes nothing; under"
    " opentelemetry-instrument the configuration is that of the environment: set ARES_OTEL_CONFIG to the file"
)

STAND_INS: list[Callable[[], object]] = []
"""What a test captures with in place of telemetry; each works through what was recorded. With one, nothing starts."""

_lock = threading.RLock()
_active: list[Telemetry] = []
_ended: list[Telemetry] = []


class Handle:
    """What `setup()` returns: leaves telemetry running, or ends it as a `with` block.

    Attributes:
        loaded: the configuration, with origins and problems.
        owner: this set-up started the telemetry; a second one in the same process does not end it.
    """

    def __init__(self, loaded: Loaded | None, *, owner: bool) -> None:
        self.loaded = loaded
        self.owner = owner

    @property
    def metrics_url(self) -> str | None:
        """Address of the metrics page, None while there is none."""
        telemetry = active()
        return telemetry.measuring.url if telemetry is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.owner:
            shutdown()


def active() -> Telemetry | None:
    """Return the running telemetry, or None."""
    return _active[0] if _active else None


def setup(config: str | os.PathLike[str] | None = None, *, overrides: Mapping[str, object] | None = None) -> Handle:
    """Start telemetry; returns a handle that ends it as a `with` block.

    Never raises: what is wrong is logged, and that part falls back or stays off. Called again while telemetry runs,
    it changes nothing.

    Args:
        config: YAML file; without it `$ARES_OTEL_CONFIG`, the environment, defaults.
        overrides: values by dotted key, above environment and file.

    Raises:
        ConfigError: strict mode only, when the configuration has errors.
    """
    with _lock:
        if _active or STAND_INS:
            if _active and (config is not None or overrides):
                LOG.warning(AGAIN)
            return Handle(None, owner=False)
        loaded = None
        with GUARD.shield("setup"):
            loaded = load(config, overrides=overrides)
        if loaded is None:
            return Handle(None, owner=False)
        for problem in loaded.problems:
            LOG.log(SEVERITIES[problem.severity], "%s", problem)
        if loaded.config.strict:
            loaded.require()
        if not loaded.config.disabled and _is_possible():
            with GUARD.shield("setup"):
                _start(loaded)
        return Handle(loaded, owner=bool(_active))


def _is_possible() -> bool:
    refused = surroundings.refusal()
    if refused is not None:
        GUARD.complain("setup", *refused)
    return refused is None


def _start(loaded: Loaded) -> None:
    from ares_otel.setup.provider import join_provider, use_propagators  # noqa: PLC0415  imports the SDK
    from ares_otel.setup.telemetry import Telemetry  # noqa: PLC0415  imports prometheus_client

    config = loaded.config
    GUARD.strict = RECORDER.strict = config.strict
    RECORDER.bound(config.recorder.queue_limit, config.recorder.queue_bytes)
    RECORDER.max_items = config.recorder.max_items
    RECORDER.open_limit = config.correlation.limit
    RECORDER.sampled = head_sampler(config.sampling.sampler, config.sampling.ratio)
    RECORDER.ids_carry_trace = config.correlation.client_order_id_trace
    RECORDER.use_clock(Clock())
    use_propagators(config.propagators)
    carriers.HEADERS[:] = list(dict.fromkeys([config.correlation.header, "X-Correlation-ID", "X-Request-ID"]))
    RECORDER.ambient = carriers.ambient()
    telemetry = Telemetry(config)
    _active.append(telemetry)
    telemetry.start()
    with GUARD.shield("provider"):
        join_provider(telemetry.resource, flush, config.exporter)
    if config.correlation.propagate_threads:
        threads.install()
    if config.logging.inject:
        logs.install()
    ending.arrange(shutdown, after_fork)


def flush(timeout: float = TIMEOUT) -> bool:
    """Deliver what was recorded; True only if all of it was acknowledged within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    looked_at = companions.drain(timeout)
    if STAND_INS:
        STAND_INS[-1]()
        return True
    telemetry = active()
    delivered = telemetry is None
    if telemetry is not None:
        with GUARD.shield("flush"):
            delivered = telemetry.flush(max(deadline - time.monotonic(), 0.0))
    return delivered and looked_at


def shutdown(timeout: float | None = None) -> bool:
    """End telemetry within `timeout` seconds (default: as configured, 2); True only if all was acknowledged.

    What could not be delivered stays in the spool and goes out at the next start. Called again, it waits for the same
    end and gives the same answer.
    """
    if STAND_INS:
        return flush()
    with _lock:
        ended = [_active.pop()] if _active else []
        _ended[:] = ended or _ended
    if not _ended:
        companions.stop(TIMEOUT if timeout is None else timeout)
        return True
    telemetry, delivered = _ended[0], False
    deadline = telemetry.config.recorder.shutdown_timeout if timeout is None else timeout
    deadline += time.monotonic()
    try:
        companions.stop(deadline - time.monotonic())
        with GUARD.shield("shutdown"):
            delivered = telemetry.stop(max(deadline - time.monotonic(), 0.0))
    finally:
        if ended:
            _take_back()
    return delivered


def _take_back() -> None:
    threads.uninstall()
    logs.uninstall()
    ending.forgo()
    GUARD.strict = RECORDER.strict = False
    RECORDER.enabled = False


def after_fork() -> None:
    """Let everything begin anew in a forked child."""
    global _lock  # noqa: PLW0603  a lock that another thread held at the fork stays locked for ever
    _lock = threading.RLock()
    _ended.clear()
    for companion in companions.COMPANIONS:
        with GUARD.shield("fork"):
            companion.after_fork()
    telemetry = active()
    if telemetry is not None:
        with GUARD.shield("fork"):
            telemetry.after_fork()

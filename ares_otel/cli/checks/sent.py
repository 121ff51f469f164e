"""Something that is sent once, as the bot sends, and looked for in the servers that should have it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from ares_otel.cli.checks.finding import Check, Finding, failed, fine
from ares_otel.cli.checks.web import TroubleError, Web
from ares_otel.config import Config
from ares_otel.pipeline.model import Batch
from ares_otel.setup.parts import delivered

__all__ = ["Sent"]

PATIENCE: Final = 60.0
"""Longest time that it may take to where it is looked for: Tempo writes its metrics every 15 s."""


class Sent:
    """Something that is sent when it is first asked for.

    Args:
        what: it is, as the checks say it.
        config: with how it is sent.
        make: encodes it.
        known_by: how it is found, for whoever reads the finding.

    Attributes:
        at: Unix time in seconds at which it was taken; 0: not yet.
    """

    def __init__(self, what: str, config: Config, make: Callable[[], Batch], known_by: str) -> None:
        self.at = 0.0
        self._what = what
        self._config = config
        self._make = make
        self._known_by = known_by

    def check(self) -> Check:
        """Return the check that it is taken."""
        return Check(self._send)

    def looked_for(self, name: str, web: Web, look: Callable[[Web], str], remedy: str) -> Check:
        """Return the check that a server has it; `look` returns the cause if it has not, which `remedy` mends."""

        def ask() -> Iterator[Finding]:
            if not self.at:
                yield failed(name, f"no {self._what} could be sent", f"see {self._what} sent")
                return
            try:
                cause = look(web)
            except TroubleError as error:
                yield failed(name, str(error), "see whether it is ready")
                return
            after = time.time() - self.at
            if cause:
                yield failed(name, f"{cause} {after:.0f} s after it was sent", remedy)
            else:
                yield fine(name, f"found after {after:.1f} s")

        return Check(ask, lambda: PATIENCE if self.at else 0.0)

    def _send(self) -> Iterator[Finding]:
        name = f"{self._what} sent"
        if not self.at:
            cause = self._refusal()
            if cause:
                yield failed(name, cause, f"see {'exporter' if self._what == 'span' else 'log records'}")
                return
            self.at = time.time()
        yield fine(name, self._known_by)

    def _refusal(self) -> str:
        """Send it, and return why it was not taken; empty if it was."""
        batch = self._make()
        try:
            verdict = delivered(self._config, batch)
        except (ValueError, ImportError) as error:
            return str(error)
        return "" if verdict.state == "delivered" else verdict.detail

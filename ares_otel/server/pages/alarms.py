"""What Alertmanager says is firing: asked for by a thread of its own, so that no page waits for it."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec

from ares_otel.server.query.asking import SECOND

__all__ = ["Alarms", "Firing"]

PAUSE: Final = 15.0
TIMEOUT: Final = 5.0
LONGEST: Final = 4 << 20
SHOWN: Final = 50
OLD: Final = 60
TARGET: Final = "/api/v2/alerts?active=true&silenced=false&inhibited=false"
HTTP: Final = ("http://", "https://")
OURS: Final = "docs/runbooks/"
"""What the path of a runbook begins with where a bot tells of an alert, which does not know our address."""
ORDER: Final = ("critical", "warning")
OF: Final = ("strategy", "symbol", "venue", "model_name", "instance")


class Firing(msgspec.Struct, frozen=True):
    """An alert that fires and is not silenced."""

    name: str
    severity: str
    since: datetime | None
    summary: str
    of: str
    runbook: str | None


class _Alert(msgspec.Struct, frozen=True):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    startsAt: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # noqa: N815  Alertmanager's word


class Alarms:
    """Reads Alertmanager every 15 seconds.

    Args:
        url: of Alertmanager, where its page is, too; None: nothing is read.
        now: Unix time in ns.

    Attributes:
        firing: the alerts, the most severe first; None before the first answer.
        number: how many they are in all.
        read: Unix ns of the last answer.
        problem: why there was none at the last try.
    """

    def __init__(self, url: str | None, now: Callable[[], int] = time.time_ns) -> None:
        self.url = (url or "").rstrip("/")
        self.firing: Sequence[Firing] | None = None
        self.number = 0
        self.read: int | None = None
        self.problem: str | None = None
        self._now = now
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ares-alarms", daemon=True)

    @property
    def old(self) -> bool:
        """Whether what is known is of more than a minute ago."""
        return self.read is None or self._now() - self.read > OLD * SECOND

    def start(self) -> None:
        """Begin."""
        if self.url:
            self._thread.start()

    def stop(self) -> None:
        """End; a request at hand is not waited for."""
        self._over.set()

    def look(self) -> None:
        """Ask once."""
        try:
            found = msgspec.json.decode(self._ask(), type=list[_Alert])
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.problem = str(error) or type(error).__name__
            return
        told = sorted(map(_told, found), key=lambda each: (_place(each.severity), each.name, each.of))
        self.firing, self.number = told[:SHOWN], len(told)
        self.read, self.problem = self._now(), None

    def _run(self) -> None:
        while not self._over.is_set():
            self.look()
            self._over.wait(PAUSE)

    def _ask(self) -> bytes:
        url = urlsplit(self.url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=TIMEOUT)
        try:
            connection.request("GET", url.path.rstrip("/") + TARGET, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read(LONGEST + 1)
        finally:
            connection.close()
        if answer.status != http.client.OK or len(body) > LONGEST:
            raise ValueError(f"it answered {answer.status} with {len(body):,} bytes")
        return body


def _told(alert: _Alert) -> Firing:
    labels, notes = alert.labels, alert.annotations
    runbook = notes.get("runbook_url", "")
    return Firing(
        name=labels.get("alertname", "unnamed"),
        severity=labels.get("severity", ""),
        since=alert.startsAt,
        summary=notes.get("summary") or notes.get("description", ""),
        of=" ".join(labels[name] for name in OF if name in labels),
        runbook=f"/{runbook}" if runbook.startswith(OURS) else runbook if runbook.startswith(HTTP) else None,
    )


def _place(severity: str) -> int:
    return ORDER.index(severity) if severity in ORDER else len(ORDER)

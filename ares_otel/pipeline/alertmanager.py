"""Pushes alerts to an Alertmanager (API v2), from a thread of its own; whoever hands them over never waits."""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

import msgspec

from ares_otel.forked import keep_to
from ares_otel.guard import GUARD
from ares_otel.pipeline.link import Link, Tls, TlsSettingsError

__all__ = ["Alert", "AlertKey", "Pusher"]

AlertKey: TypeAlias = "tuple[tuple[str, str], ...]"
"""The labels of an alert, sorted: what Alertmanager, too, tells alerts apart by."""

MOST: Final = 1_000
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 10.0
LONGEST_END: Final = 60.0
WHERE: Final = "alertmanager"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Alert(msgspec.Struct, frozen=True):
    """An alert as it stands; times in Unix ns.

    Attributes:
        labels: what it is, equal to those of the rule in Prometheus.
        annotations: what people read.
        starts: when it began.
        ends: when it ended, or until when it is to be believed without being told again.
        source: address that a reader may follow.
    """

    labels: AlertKey
    annotations: Mapping[str, str]
    starts: int
    ends: int
    source: str = ""

    def document(self) -> dict[str, object]:
        """Return the alert as the API takes it."""
        return {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": _time(self.starts),
            "endsAt": _time(self.ends),
            **({"generatorURL": self.source} if self.source else {}),
        }


class Pusher:
    """Tells one Alertmanager; keeps the newest state of each alert until it was taken.

    The thread starts with the first alert. A failure is counted, logged once per reason and tried again after half a
    second to ten seconds.

    Args:
        url: base URL; user and password in it become basic authorization.
        timeout: seconds for one attempt.

    Attributes:
        shown: its address without user, password and path.
        pushed: alerts that were taken.
        failures: failed attempts by reason.
    """

    def __init__(self, url: str, timeout: float = 3.0) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self.shown = f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if secure else 80)}"
        self._target = f"{parts.path.rstrip('/')}/api/v2/alerts"
        self._headers = {"content-type": "application/json"}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        self._link = Link(parts.hostname or "", parts.port or (443 if secure else 80), Tls() if secure else None)
        self._timeout = timeout
        self.pushed = 0
        self.failures: Counter[str] = Counter()
        self._changed = threading.Condition()
        self._waiting: dict[AlertKey, Alert] = {}
        self._busy = self._stopping = False
        self._thread: threading.Thread | None = None

    def offer(self, alert: Alert) -> None:
        """Take the newest state of an alert; waits for nothing but the moment that the state is changed in."""
        with self._changed:
            if len(self._waiting) >= MOST and alert.labels not in self._waiting:
                self.failures["full"] += 1
                return
            self._waiting[alert.labels] = alert
            self._start()
            self._changed.notify_all()

    def refusal(self) -> tuple[str, str]:
        """Tell it of no alert at all: return why that was not taken, as a reason and in words; both empty if it was."""
        return self._post([])

    def stop(self, timeout: float) -> bool:
        """Wait until everything was taken, at most so many seconds, and end the thread; tell whether it was."""
        longest = min(max(timeout, 0.0), LONGEST_END)
        with self._changed:
            told = self._changed.wait_for(lambda: not (self._waiting or self._busy), longest)
            self._stopping = True
            self._changed.notify_all()
        self._link.close()
        return told

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._thread = threading.Thread(target=self._run, name="ares-otel-alerts", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            GUARD.complain(WHERE, "thread", f"no thread can be started ({error}); alerts are not told")

    def _run(self) -> None:
        process, wait = os.getpid(), FIRST_WAIT
        while batch := self._next():
            keep_to(process)
            reason = None
            with GUARD.shield(WHERE):
                reason = self._push(batch)
            if self._settle(batch, reason):
                wait = FIRST_WAIT
                continue
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, wait):
                    return
            wait = min(2 * wait, LONGEST_WAIT)

    def _next(self) -> list[Alert]:
        """Wait for alerts; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            if self._stopping:
                return []
            self._busy = True
            return list(self._waiting.values())

    def _settle(self, batch: list[Alert], reason: str | None) -> bool:
        """Forget what was taken, unless it has changed meanwhile."""
        taken = reason == ""
        with self._changed:
            self._busy = False
            if taken:
                self.pushed += len(batch)
                for alert in batch:
                    if self._waiting.get(alert.labels) is alert:
                        del self._waiting[alert.labels]
            else:
                self.failures[reason or "error"] += 1
            self._changed.notify_all()
        return taken

    def _push(self, batch: list[Alert]) -> str:
        """Return "" if the alerts were taken, else why not."""
        reason, detail = self._post(batch)
        if reason:
            GUARD.complain(WHERE, reason, f"{self.shown}: {detail}; the alerts are kept and told again")
        return reason

    def _post(self, batch: list[Alert]) -> tuple[str, str]:
        body = json.dumps([alert.document() for alert in batch]).encode()
        try:
            answer = self._link.post(self._target, self._headers, body, time.monotonic() + self._timeout)
        except TimeoutError:
            return "timeout", f"no answer within {self._timeout:g} s"
        except (OSError, http.client.HTTPException, TlsSettingsError) as error:
            return "connection", str(error)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return "", ""
        return f"http_{answer.status}", answer.body.decode("utf-8", "replace")[:200]


def _time(unix_ns: int) -> str:
    return (EPOCH + timedelta(microseconds=unix_ns // 1_000)).isoformat(timespec="milliseconds")

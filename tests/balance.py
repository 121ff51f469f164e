"""The identity of delivery, read from a bot's metrics page: every span, every log record is somewhere, or was lost."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPException
from urllib.request import urlopen

from ares_otel.semconv import metrics as m
from ares_otel.semconv.model import Metric

__all__ = ["Balance", "balance", "watched"]

PATIENCE = 60.0
BREAK = 0.02
SPANS = (m.RECORDED, m.ADOPTED, m.EXPORTED, m.QUEUED, m.SPOOLED, m.DROPPED)
LOGS = (m.LOGS_RECORDED, m.LOGS_ADOPTED, m.LOGS_EXPORTED, m.LOGS_QUEUED, m.LOGS_SPOOLED, m.LOGS_DROPPED)
LINE = re.compile(r"^(ares_telemetry_\w+)(?:\{reason=\"(\w+)\"\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Balance:
    """Where all spans are, by one scrape; `logs`: where all log records are, if they are sent."""

    recorded: int
    adopted: int
    exported: int
    queued: int
    spooled: int
    dropped: dict[str, int]
    logs: Balance | None = None

    @property
    def lost(self) -> int:
        """What will not be delivered."""
        return sum(self.dropped.values())

    @property
    def holds(self) -> bool:
        """Whether what went in is what came out, waits, or was lost: of spans, and of log records."""
        own = self.recorded + self.adopted == self.exported + self.queued + self.spooled + self.lost
        return own and (self.logs is None or self.logs.holds)

    def __str__(self) -> str:
        lost = "".join(f" + {reason} {number}" for reason, number in self.dropped.items())
        return (
            f"recorded {self.recorded} + adopted {self.adopted} {'=' if self.holds else '!='} exported {self.exported} "
            f"+ queued {self.queued} + spooled {self.spooled}{lost}" + (f"; logs: {self.logs}" if self.logs else "")
        )


def balance(url: str | None) -> Balance:
    """Scrape a metrics page and return its accounts of spans, and of log records where there are some."""
    assert url is not None
    with urlopen(url, timeout=PATIENCE) as answer:
        found = LINE.findall(answer.read().decode())
    value = {name: int(float(number)) for name, reason, number in found if not reason}
    losses: dict[str, dict[str, int]] = {}
    for name, reason, number in found:
        if reason and float(number):
            losses.setdefault(name, {})[reason] = int(float(number))
    logs = _balance(value, losses, LOGS) if m.LOGS_RECORDED.name in value else None
    return replace(_balance(value, losses, SPANS), logs=logs)


def _balance(value: Mapping[str, int], losses: Mapping[str, dict[str, int]], metrics: Sequence[Metric]) -> Balance:
    recorded, adopted, exported, queued, spooled = (value[metric.name] for metric in metrics[:-1])
    return Balance(recorded, adopted, exported, queued, spooled, losses.get(metrics[-1].name, {}))


@contextmanager
def watched(url: str | None) -> Iterator[list[Balance]]:
    """Scrape a page again and again within a block; at its end every scrape has to have added up.

    A bot that ends closes its page: that ends the watching, and is no failure.
    """
    over = threading.Event()
    found: list[Balance] = []

    def watch() -> None:
        while not over.is_set():
            try:
                found.append(balance(url))
            except (OSError, HTTPException):
                return
            over.wait(BREAK)

    thread = threading.Thread(target=watch, name="scrapes", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(PATIENCE)
    assert found, "no scrape was answered"
    assert [str(each) for each in found if not each.holds] == []

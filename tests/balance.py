"""The identity of delivery, read from a bot's metrics page: every span is somewhere, or was lost and counted."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import urlopen

from ares_otel.semconv import metrics as m

__all__ = ["Balance", "balance", "watched"]

PATIENCE = 60.0
BREAK = 0.02
LINE = re.compile(r"^(ares_telemetry_\w+)(?:\{reason=\"(\w+)\"\})? (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Balance:
    """Where all spans are, by one scrape."""

    recorded: int
    adopted: int
    exported: int
    queued: int
    spooled: int
    dropped: dict[str, int]

    @property
    def lost(self) -> int:
        """What will not be delivered."""
        return sum(self.dropped.values())

    @property
    def holds(self) -> bool:
        """Whether what went in is what came out, waits, or was lost."""
        return self.recorded + self.adopted == self.exported + self.queued + self.spooled + self.lost

    def __str__(self) -> str:
        lost = "".join(f" + {reason} {number}" for reason, number in self.dropped.items())
        return (
            f"recorded {self.recorded} + adopted {self.adopted} {'=' if self.holds else '!='} exported {self.exported} "
            f"+ queued {self.queued} + spooled {self.spooled}{lost}"
        )


def balance(url: str | None) -> Balance:
    """Scrape a metrics page and return its accounts of spans."""
    assert url is not None
    with urlopen(url, timeout=PATIENCE) as answer:
        found = LINE.findall(answer.read().decode())
    value = {name: int(float(number)) for name, reason, number in found if not reason}
    losses = {reason: int(float(number)) for name, reason, number in found if name == m.DROPPED.name}
    return Balance(
        recorded=value[m.RECORDED.name],
        adopted=value[m.ADOPTED.name],
        exported=value[m.EXPORTED.name],
        queued=value[m.QUEUED.name],
        spooled=value[m.SPOOLED.name],
        dropped={reason: number for reason, number in losses.items() if number},
    )


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

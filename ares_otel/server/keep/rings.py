"""What killed bots of this host have left in their rings, stored where nobody starts them again.

The next start of a bot does it better, for it books what it finds. So the place of a ring has to have been free for
half a minute, locks are respected, and what was stored stays on disk, marked as sent: a later start only books.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ares_otel.config import Config
from ares_otel.decision.sampling import KeepRule
from ares_otel.guard import GUARD
from ares_otel.orders import Ledger
from ares_otel.pipeline import leftovers
from ares_otel.pipeline.model import Batch
from ares_otel.semconv.enums import DropReason
from ares_otel.server.otlp.wire import PROTOBUF
from ares_otel.server.store.writer import Answer, Job
from ares_otel.setup.recovery import SENT, is_marked, marked, recover

__all__ = ["Rings"]

WHERE: Final = "rings"
LOOK_SECONDS: Final = 5.0
FREE_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 30.0
END_SECONDS: Final = 1.0
STORED: Final = 200


class Rings:
    """Looks at the places of rings every few seconds, in a thread of its own; as a `with` block.

    Args:
        config: of this process; `server.rings` says where to look, the rest is as for the bots.
        submit: takes a request for the store, or refuses it for now.
        free_seconds: how long nobody may have had a place.
        now: monotonic clock in seconds.
    """

    def __init__(
        self,
        config: Config,
        submit: Callable[[Job], bool],
        free_seconds: float = FREE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._submit = submit
        self._patience = free_seconds
        self._now = now
        self._free: dict[Path, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ares-rings", daemon=True)

    def __enter__(self) -> Self:
        if self._config.server.rings:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._over.is_set():
            with GUARD.shield(WHERE):
                self.look()
            self._over.wait(LOOK_SECONDS)

    def look(self) -> int:
        """Store what is left in places that have been free for long enough; return how many rings that were."""
        done = 0
        for where in self._config.server.rings:
            for place in leftovers.places(Path(where)):
                try:
                    done += self._look_at(place)
                except OSError as error:
                    GUARD.complain(WHERE, str(place), f"{place} cannot be read: {error.strerror or error}")
        return done

    def _look_at(self, place: Path) -> int:
        if not place.exists() and not self._left(place):
            return 0
        held = leftovers.lock(place)
        if held is None:
            self._free.pop(place, None)
            return 0
        try:
            now = self._now()
            if now < self._free.setdefault(place, now) + self._patience:
                return 0
            leftovers.leftovers(place)
            claims = {file: leftovers.claim(file) for file in self._left(place)}
        finally:
            os.close(held)  # a bot that starts now shall not wait
        return sum(self._deliver(file, claim) for file, claim in claims.items() if claim is not None)

    def _left(self, place: Path) -> Sequence[Path]:
        found = sorted(place.parent.glob(f"{place.name}.left-*"))
        return [file for file in found if not is_marked(file, SENT)]

    def _deliver(self, file: Path, claim: int) -> bool:
        config, outlet = self._config, _Outlet(self._submit)
        rule = KeepRule(config.sampling.slow_seconds, config.sampling.keep_orders, config.sampling.keep_errors)
        ledger = self._ledger()
        try:
            found = recover(file, config, rule, ledger, outlet)
            if found is None or not outlet.is_stored:
                return False
            file.rename(marked(file, SENT))
        finally:
            ledger.close()
            os.close(claim)
        return True

    def _ledger(self) -> Ledger:
        """Return the bots' ledger, to read, where it is known; else an empty one."""
        path = Path(self._config.ledger.directory) / "orders.db"
        return Ledger(path if path.exists() else None, process=str(uuid.uuid4()))


class _Outlet:
    """Hands requests to the store, one after the other.

    Attributes:
        is_stored: so far each is stored.
    """

    def __init__(self, submit: Callable[[Job], bool]) -> None:
        self.is_stored = True
        self._submit = submit

    def forward(self, batches: Iterable[Batch]) -> None:
        self.is_stored = all(self._is_stored(batch) for batch in batches)

    def lose(self, number: int, reason: DropReason) -> None:
        GUARD.complain(WHERE, reason, f"{number} records of a ring are lost: {reason}")

    def _is_stored(self, batch: Batch) -> bool:
        answered = threading.Event()
        found: list[Answer] = []

        def answer(given: Answer) -> None:
            found.append(given)
            answered.set()

        if not self._submit(Job(batch.body, PROTOBUF, packed=False, answer=answer)):
            return False
        answered.wait(ANSWER_SECONDS)
        return bool(found) and found[0].status == STORED

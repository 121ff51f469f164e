"""One sender for the worker, with a lane for each signal: log records never wait for spans, nor spans for them.

Each lane has its own receiver, its own room in memory and on disk and its own patience. So a storm of log records, or a
receiver that takes no logs, costs log records and no span.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from ares_otel.pipeline.backlog import Accounts
from ares_otel.pipeline.model import Batch, Signal
from ares_otel.pipeline.sender import Sender

__all__ = ["Lanes"]

TIDY = 0.02


class Lanes:
    """Senders by signal, as one.

    Args:
        senders: at least one.
    """

    def __init__(self, senders: Mapping[Signal, Sender]) -> None:
        self._senders = dict(senders)

    def carries(self, signal: Signal) -> bool:
        """Tell whether a signal is sent."""
        return signal in self._senders

    def submit(self, batch: Batch, *, keep: bool = False) -> None:
        """Take a batch of a signal that is sent, onto the disk at once if it is to be kept; waits for no network."""
        self._senders[batch.signal].submit(batch, keep=keep)

    def flush(self, timeout: float) -> bool:
        """Wait until everything submitted so far was acknowledged; False if some was not, or was lost.

        Args:
            timeout: seconds.
        """
        deadline = time.monotonic() + timeout
        delivered = True
        for sender in self._senders.values():  # each, whatever came of the others: it hurries, and notes what it lost
            delivered = sender.flush(max(deadline - time.monotonic(), 0.0)) and delivered
        return delivered

    def shutdown(self, timeout: float) -> bool:
        """Deliver what waits, all lanes at the same time; what is left stays in their spools.

        Args:
            timeout: seconds.
        """
        deadline = time.monotonic() + timeout
        first, *others = self._senders.values()
        answers: list[bool] = []

        def end(sender: Sender) -> None:
            answers.append(sender.shutdown(max(deadline - time.monotonic(), 0.0)))

        threads = [_started(end, each) for each in others]
        end(first)
        for each, thread in zip(others, threads, strict=True):
            if thread is None:
                end(each)
            else:
                thread.join(max(deadline - time.monotonic(), 0.0) + TIDY)
        return len(answers) == len(self._senders) and all(answers)

    def accounts(self) -> Mapping[Signal, Accounts]:
        """Return where everything is at this moment, by signal."""
        return {signal: sender.accounts() for signal, sender in self._senders.items()}

    def take_durations(self) -> list[float]:
        """Return the seconds that acknowledged attempts took since the last call."""
        return [seconds for sender in self._senders.values() for seconds in sender.take_durations()]

    def after_fork(self) -> None:
        """Begin anew in a forked child."""
        for sender in self._senders.values():
            sender.after_fork()


def _started(end: Callable[[Sender], None], sender: Sender) -> threading.Thread | None:
    thread = threading.Thread(target=end, args=(sender,), name="ares-otel-lane", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # from Python 3.12 on, none can be started at exit
        return None
    return thread

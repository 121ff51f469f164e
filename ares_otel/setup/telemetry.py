"""The running telemetry of a process: queue, worker, ledger, metrics, encoder, sender, put together."""

from __future__ import annotations

import os
import threading
import time
import uuid

from ares_otel.config import Config
from ares_otel.correlation import context as ctx
from ares_otel.decision.desk import Desk
from ares_otel.decision.sampling import KeepRule
from ares_otel.guard import GUARD
from ares_otel.pipeline.lanes import Lanes
from ares_otel.pipeline.model import Signal
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import RECORDER, Recorder, discard
from ares_otel.pipeline.sdk import to_span_data
from ares_otel.pipeline.worker import Worker
from ares_otel.semconv.enums import DropReason
from ares_otel.setup import companions
from ares_otel.setup.logs import wanted
from ares_otel.setup.measuring import Measuring
from ares_otel.setup.outbox import Outbox
from ares_otel.setup.parts import make_ledger, make_sender
from ares_otel.setup.provider import resource
from ares_otel.setup.ringing import Ringing
from ares_otel.setup.surroundings import Threads
from ares_otel.setup.telling import TELLING, Teller

__all__ = ["Telemetry"]

PART = 250
LEAST = 0.05
WORK_SHARE = 0.85  # of the time for the end: what is worked through goes to the spool, what is not is lost
GRACE = 0.1
NEVER = float("inf")


class Telemetry:
    """What works behind the recorder from `start()` to `stop()`.

    The worker's thread does all of it, the end too: a caller only waits, and may be interrupted while it does.

    Args:
        config: the effective configuration.
        recorder: the process's queue.

    Attributes:
        resource: who sends.
        measuring: the numbers.
        ledger: joins orders and reports.
        sender: delivers; None when nothing is to be sent.
        logs: takes the bot's log records; None when they are not to be sent.
        ring: keeps what was not delivered over `kill -9`.
    """

    def __init__(self, config: Config, recorder: Recorder = RECORDER) -> None:
        self.config = config
        self.recorder = recorder
        self.resource = resource(config)
        self.sender = make_sender(config)
        self.ledger = make_ledger(config, str(self.resource["service.instance.id"]))
        self.logs = wanted(config, self.sender)
        self.ring = Ringing(config, recorder, self.ledger, self.sender)
        self.threads = Threads()
        self.worker = Worker(self._work, self._end, config.recorder.drain_interval)
        self._assemble()
        self._lost_before = recorder.refused
        self._forked = self._given_up = self._delivered = False
        self._deadline = self._work_until = NEVER

    def _assemble(self) -> None:
        config, recorder = self.config, self.recorder
        encoder = Encoder(self.resource, attribute_length_limit=config.recorder.attribute_length_limit)
        self.outbox = Outbox(config, encoder, recorder, self.sender)
        self.measuring = Measuring(config, recorder, self.ledger, self.sender, self.resource, self.worker.round)
        rule = KeepRule(config.sampling.slow_seconds, config.sampling.keep_orders, config.sampling.keep_errors)
        meter, writer = self.measuring.metrics, self.outbox.writer()
        self.desk = Desk(recorder, meter, self.ledger, rule, self.outbox, to_span_data, writer)
        self.measuring.watch(self.desk, self.outbox)
        self.measuring.metrics.observe_at_scrape(self.ring.readings)
        self.measuring.metrics.observe_at_scrape(companions.readings)
        if self.logs is not None:
            self.measuring.watch_logs(self.logs)
        self._teller = Teller(self.resource, recorder)

    def start(self) -> None:
        """Open what has to be open and start the worker."""
        self.recorder.ids.refill()
        with GUARD.shield("ledger"):
            self.ledger.open()
        self.measuring.start()
        self.ring.open(self.resource)
        self.worker.start()
        if self.ring.is_behind:
            self.worker.round(0.0)
        self.recorder.enabled = True
        if self.logs is not None:
            self.logs.install(self.resource)

    def flush(self, timeout: float) -> bool:
        """Deliver what was recorded so far.

        Returns:
            True only if the receiver acknowledged all of it within the time and nothing was lost since the last flush.
        """
        deadline = time.monotonic() + timeout
        with ctx.outside():  # the sender may start its thread here
            if not self.worker.round(timeout):
                return False
            delivered = self.sender is None or self.sender.flush(max(deadline - time.monotonic(), 0.0))
            return self._is_complete() and delivered

    def stop(self, timeout: float) -> bool:
        """End within about `timeout` seconds; what could not be delivered stays in the spool.

        Whoever calls this again waits for the same end and gets the same answer.
        """
        if self._deadline == NEVER:
            now = time.monotonic()
            self._work_until = now + max(WORK_SHARE * timeout, LEAST)
            self._deadline = now + timeout
        ended = self.worker.stop(timeout + GRACE)
        if not ended and time.monotonic() >= self._deadline:
            self._give_up()
        return self._delivered

    def after_fork(self) -> None:
        """Begin anew in a forked child, whose worker does so when it has something to do: a child may `exec` soon."""
        self._forked = True
        self._lost_before = 0
        self.ring.after_fork()
        if self.logs is not None:
            self.logs.forget()
        with ctx.outside():
            self.worker.start()

    # --- in the worker's thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        if self._forked:
            self._renew()
        if self._given_up:
            return
        recorder, desk = self.recorder, self.desk
        desk.closing = self._deadline != NEVER
        recorder.clock.follow()
        self.threads.watch()
        if desk.closing:
            recorder.enabled = False
            if self.logs is not None:
                self.logs.remove()
        self.ring.begin(desk, self.outbox)
        self._work_through(recorder.snapshot())
        recorder.worked()
        self.outbox.tell()
        desk.abandon(0.0 if desk.closing else self.config.correlation.timeout)
        with GUARD.shield("accounts"):
            # before the ledger: a report that a crash leaves out there alone is not booked twice when it comes again
            self.measuring.keep()
        booked = False
        with GUARD.shield("ledger"):
            booked = self.ledger.commit()
            if booked:
                self.ring.booked()
        if self.sender is not None and self.sender.carries(Signal.TRACES):
            self.outbox.put(TELLING, self._teller.words(self.outbox.accounts, last=desk.closing))
        self.outbox.submit()
        with GUARD.shield("ring"):
            self.ring.end(booked=booked)
        if self.logs is not None:
            with GUARD.shield("logs"):
                self.logs.work(recorder.clock.now, self._work_until)
        recorder.ids.refill()
        self.measuring.tick()

    def _work_through(self, items: list[object]) -> None:
        """Work through items in parts, so that the sender has the first ones early, until the end's time is over.

        What is worked through is let go of at once: while much waits, memory is short.
        """
        for start in range(0, len(items), PART):
            if self._given_up or time.monotonic() > self._work_until:
                left = len(items) - start
                self.outbox.lose(left, DropReason.SHUTDOWN)
                for item in items[start:]:
                    discard(item)
                GUARD.complain("shutdown", "late", f"{left} records could not be worked through in time; they are lost")
                return
            self.desk.work(items[start : start + PART])
            items[start : start + PART] = [None] * len(items[start : start + PART])
            self.outbox.submit()

    def _renew(self) -> None:
        """Become somebody else than the parent: what is queued, counted and connected is the parent's."""
        who = self.config.service.instance_id or str(uuid.uuid4())
        self.resource = {**self.resource, "service.instance.id": who, "process.pid": os.getpid()}
        self.measuring.abandon()
        self.ledger.after_fork(who)
        if self.sender is not None:
            self.sender.after_fork()
        if self.logs is not None:
            self.logs.renew(self.resource)
        self._assemble()
        self._forked = False
        self.measuring.start()

    def _end(self) -> None:
        with GUARD.shield("shutdown"):
            self.ledger.close()
        with GUARD.shield("shutdown"):
            self.measuring.stop()
        left = max(self._deadline - time.monotonic(), 0.0)
        sent = self.sender is None or self.sender.shutdown(left)
        with GUARD.shield("ring"):
            self.ring.close(self.outbox)
        self.measuring.tell_limits(max(self._deadline - time.monotonic(), 0.0))
        self._delivered = self._is_complete() and sent and not self._given_up

    # --- what is lost ------------------------------------------------------------------------------------------

    def _is_complete(self) -> bool:
        """Tell whether nothing was lost on the way to the sender since the last call."""
        lost = self.recorder.refused + self.outbox.lost + (self.logs.lost if self.logs is not None else 0)
        complete = lost == self._lost_before
        self._lost_before = lost
        return complete

    def _give_up(self) -> None:
        """Leave the worker, which something holds up, to itself, and let the spool have what the sender has."""
        self._given_up = True
        GUARD.complain("shutdown", "held up", "the last round did not end in time; what is in it is lost")
        if self.sender is not None:
            _save(self.sender)


def _save(sender: Lanes) -> None:
    """Let the spool have what the sender has, in a moment."""
    with GUARD.shield("shutdown"):
        saver = threading.Thread(target=sender.shutdown, args=(0.0,), name="ares-otel-saver", daemon=True)
        saver.start()
        saver.join(LEAST)

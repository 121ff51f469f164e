"""Who listens, and what each still has to get: never more than the newest state of each thing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

import msgspec

from ares_otel.guard import GUARD
from ares_otel.server.push.events import TOPICS, Event, Health, Message
from ares_otel.server.push.feed import Feed

__all__ = ["Batch", "Client", "Counted", "FullError", "Hub", "Wanted"]

RING: Final = 2_048
"""Messages that are kept for clients that come back."""

STATES: Final = 512
"""Most states that one client still has to get, or that a new one is told; the oldest go."""

LINGER_SECONDS: Final = 60.0
HEARTBEAT_SECONDS: Final = 15.0
HEALTH_SECONDS: Final = 5.0
ENCODE: Final = msgspec.json.Encoder().encode


class FullError(Exception):
    """As many listen as may."""


class Counted(Protocol):
    """Counts by label, as prometheus_client's counters do."""

    def labels(self, topic: str, /) -> Counted:
        """Return the counter of a topic."""

    def inc(self, amount: float = 1, /) -> None:
        """Add to it."""


class Wanted(msgspec.Struct, frozen=True):
    """What a client wants to hear; empty means everything.

    Attributes:
        topics: of messages.
        strategies: of messages that have one.
        symbols: of messages that have one.
    """

    topics: frozenset[str] = frozenset()
    strategies: frozenset[str] = frozenset()
    symbols: frozenset[str] = frozenset()

    def __contains__(self, message: Message) -> bool:
        if self.topics and message.topic not in self.topics:
            return False
        if isinstance(message.event, Health):
            return True
        event = message.event
        known = not self.strategies or event.strategy in self.strategies
        return known and (not self.symbols or event.symbol is None or event.symbol in self.symbols)


class Batch:
    """Messages that came together; written once for all who want the same."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.messages = tuple(messages)
        self._chosen: dict[Wanted, tuple[Message, ...]] = {}
        self._written: dict[Wanted, bytes] = {}

    def chosen(self, wanted: Wanted) -> tuple[Message, ...]:
        """Return the messages that a client wants."""
        found = self._chosen.get(wanted)
        if found is None:
            found = self._chosen[wanted] = tuple(message for message in self.messages if message in wanted)
        return found

    def sse(self, wanted: Wanted) -> bytes:
        """Return the messages that a client wants as server-sent events."""
        found = self._written.get(wanted)
        if found is None:
            found = self._written[wanted] = b"".join(message.sse for message in self.chosen(wanted))
        return found


class Client:
    """One that listens: a slot for each state, so that a slow one gets the newest and not all.

    Attributes:
        wanted: what it hears.
        ended: nothing more comes.
        gone: it went away by itself.
        told: when it last got something, monotonic seconds.
    """

    def __init__(self, wanted: Wanted, dropped: Counted | None) -> None:
        self.wanted = wanted
        self.ended = self.gone = False
        self.told = time.monotonic()
        self._dropped = dropped
        self._batch: Batch | None = None
        self._slots: dict[tuple[str, str], Message] = {}
        self._wake = asyncio.Event()

    def offer(self, batch: Batch) -> None:
        """Give it a batch; one that has not taken the last gets the newest states of both."""
        if not batch.chosen(self.wanted):
            return
        self.told = time.monotonic()
        if self._batch is None and not self._slots:
            self._batch = batch
        else:
            if self._batch is not None:
                self._fill(self._batch)
                self._batch = None
            self._fill(batch)
        self._wake.set()

    def _fill(self, batch: Batch) -> None:
        for message in batch.chosen(self.wanted):
            key = (message.topic, message.key)
            if self._slots.pop(key, None) is not None:
                self._lost(message.topic)
            self._slots[key] = message
        while len(self._slots) > STATES:
            self._lost(self._slots.pop(next(iter(self._slots))).topic)

    def beat(self) -> None:
        """Let it say that it is alive."""
        self.told = time.monotonic()
        self._wake.set()

    def end(self) -> None:
        """Tell it that nothing more comes."""
        self.ended = True
        self._wake.set()

    async def next(self) -> Batch:
        """Wait and return what it still has to get, oldest first; nothing for a heartbeat, and at the end."""
        await self._wake.wait()
        self._wake.clear()
        batch, self._batch = self._batch or Batch(self._slots.values()), None
        self._slots = {}
        return batch

    def _lost(self, topic: str) -> None:
        if self._dropped is not None:
            self._dropped.labels(topic).inc()


class Hub:
    """Makes messages of what the feed has, once an interval and only while somebody listens.

    Attributes:
        feed: takes what is committed.
        clients: who listens, by transport.
        health: tells, for a number of clients, how the server does.

    Args:
        interval: seconds between two messages of the same thing.
        limit: most clients.
        messages: counts messages made.
        dropped: counts messages that slow clients did not get.
    """

    def __init__(
        self,
        interval: float,
        limit: int,
        messages: Counted | None = None,
        dropped: Counted | None = None,
    ) -> None:
        self.feed = Feed()
        self.clients: Counter[str] = Counter()
        self._interval = interval
        self._limit = limit
        self.health: Callable[[int], Health] | None = None
        self._messages, self._dropped = messages, dropped
        self._listeners: set[Client] = set()
        self._states: dict[tuple[str, str], Message] = {}
        self._ring: deque[Message] = deque(maxlen=RING)
        self._life = f"{time.time_ns() >> 20:x}"
        self._number = 0
        self._told = self._left = -LINGER_SECONDS
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @contextlib.contextmanager
    def listener(self, wanted: Wanted, transport: str) -> Iterator[Client]:
        """Let a client listen while the block runs.

        Raises:
            FullError: as many listen as may.
        """
        if self._closed or len(self._listeners) >= self._limit:
            raise FullError
        client = Client(wanted, self._dropped)
        self._listeners.add(client)
        self.clients[transport] += 1
        self._begin()
        try:
            yield client
        finally:
            self._listeners.discard(client)
            self.clients[transport] -= 1
            self._left = time.monotonic()

    def begin(self, client: Client, last: str) -> bytes:
        """Return the snapshot that a client begins with; give it what it missed since message `last` if that is known.

        The snapshot is empty (`reason` resumed) where nothing was missed that is not given; otherwise it has the newest
        state of each thing (`reason` connected, or gap for a client whose `last` is too old).
        """
        life, _, number = last.partition("-")
        if life == self._life and number.isascii() and number.isdecimal() and self._knows(int(number)):
            client.offer(Batch(message for message in self._ring if message.number > int(number)))
            return self._snapshot("resumed", ())
        states = [message for message in self._states.values() if message in client.wanted]
        return self._snapshot("gap" if last else "connected", states)

    def stop(self) -> None:
        """End all clients; from any thread."""
        self._closed = True
        self.feed.rest()
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended with its clients
                self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for client in self._listeners:
            client.end()

    # --- messages ----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._ring.clear()
            self._states.clear()
            self._number += 1  # what was before can have been missed by all
            self.feed.take()
            self.feed.listening = True
            self._loop = asyncio.get_running_loop()
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        while self._listeners or time.monotonic() < self._left + LINGER_SECONDS:
            left = self._interval
            while left > 0.0:
                await asyncio.sleep(min(left, HEARTBEAT_SECONDS))
                left -= HEARTBEAT_SECONDS
                self._beat()
            with GUARD.shield("push"):
                self.publish()
        self.feed.rest()

    def _beat(self) -> None:
        """Let those who heard nothing for a while hear that all is well."""
        late = time.monotonic() - HEARTBEAT_SECONDS
        for client in self._listeners:
            if client.told <= late:
                client.beat()

    def publish(self) -> None:
        """Give everybody what came since the last time."""
        now = time.monotonic()
        found = self.feed.take()
        if self.health is not None and now >= self._told + HEALTH_SECONDS:
            self._told = now
            found.append(("health", "", self.health(len(self._listeners))))
        messages = [self._made(topic, key, event) for topic, key, event in found]
        for message in messages:
            self._states.pop((message.topic, message.key), None)
            self._states[message.topic, message.key] = message
        while len(self._states) > STATES:
            self._states.pop(next(iter(self._states)))
        self._ring.extend(messages)
        batch = Batch(messages)
        for client in self._listeners if messages else ():
            client.offer(batch)

    def _made(self, topic: str, key: str, event: Event) -> Message:
        self._number += 1
        if self._messages is not None:
            self._messages.labels(topic).inc()
        text = ENCODE({"topic": topic, "id": f"{self._life}-{self._number}", "data": event})
        return Message(topic=topic, key=key, number=self._number, event=event, text=text)

    def _knows(self, number: int) -> bool:
        """Tell whether everything after a message is still in the ring."""
        oldest = self._ring[0].number if self._ring else self._number + 1
        return oldest - 1 <= number <= self._number

    def _snapshot(self, reason: str, states: Iterable[Message]) -> bytes:
        told = [msgspec.Raw(message.text) for message in states]
        data = {"reason": reason, "topics": TOPICS, "interval_seconds": self._interval, "states": told}
        return ENCODE({"topic": "snapshot", "id": f"{self._life}-{self._number}", "data": data})

"""Runs the server: embedded in another process, or as `ares-otel serve`."""

from __future__ import annotations

import errno
import gc
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import uvicorn

from ares_otel.config import Config, Portfolio, Server
from ares_otel.semconv import serving
from ares_otel.server.http.access import Access
from ares_otel.server.http.app import App
from ares_otel.server.http.grpc_door import GrpcServing, open_grpc
from ares_otel.server.http.health import Health
from ares_otel.server.http.observer import Observer
from ares_otel.server.http.origins import is_loopback
from ares_otel.server.http.problems import StartError
from ares_otel.server.http.protocol import patient, patient_socket
from ares_otel.server.http.tokens import TokenError, Tokens
from ares_otel.server.http.vitals import Vitals
from ares_otel.server.http.watch import Watch
from ares_otel.server.keep.influx import SetupError
from ares_otel.server.keep.keeping import Keeping
from ares_otel.server.keep.rings import Rings
from ares_otel.server.pages.alarms import Alarms
from ares_otel.server.push import streams
from ares_otel.server.push.hub import Hub
from ares_otel.server.query.machine import MACHINE
from ares_otel.server.query.pool import Pool
from ares_otel.server.store.databases import database_of, file_of
from ares_otel.server.store.driver import Location, Lock
from ares_otel.server.store.migrate import DatabaseError, migrate
from ares_otel.server.store.store import Store
from ares_otel.server.store.writer import Writer

__all__ = ["EmbeddedServer", "StartError", "serve"]

STOP_SECONDS = 2.0
HTTP_SHARE = 0.6
GRPC_SHARE = 0.2
READ_SHARE = 0.5
SOCKET_BYTES = 4_096
START_SECONDS = 10.0
BACKLOG = 128
PORTS = 65_535
KEEP_ALIVE_SECONDS = 75
COLLECTIONS = (50_000, 20, 100)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class EmbeddedServer:
    """The server in a thread of this process; starts once.

    Args:
        database: SQLite file or URL of a PostgreSQL database, made or migrated when the server starts.
        host: address to listen on.
        port: port to listen on, 0 for a free one.
        settings: everything else; its host, port and database do not count.
        portfolio: how accounts are kept.
    """

    def __init__(
        self,
        database: Location,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        settings: Server | None = None,
        portfolio: Portfolio | None = None,
    ) -> None:
        self.database = database
        self._place = (host, port)
        self._settings = msgspec.structs.replace(settings or Server(), host=host, port=port)
        self._file = file_of(database)
        self._lock: Lock | None = None
        self._watch = Watch()
        interval = self._settings.push_interval
        limit = self._settings.limits.streams if self._settings.push else 0
        self._hub = Hub(interval, limit, self._watch.messages, self._watch.dropped)
        observer = Observer(self._watch, self._hub.feed)
        self._keeping = Keeping(
            database,
            self._settings.retention,
            self._settings.influx,
            steps=self._watch.prunings,
            requests=self._watch.forwardings,
            portfolio=portfolio,
        )
        self._alarms = Alarms(self._settings.alertmanager_url)
        if self._file is not None:
            MACHINE.look_at(self._file.absolute().parent)
        chores = (*self._keeping.chores, _measure)
        self.writer = Writer(database, self._settings.max_body_bytes, chores, watcher=observer)
        self._hub.health = Vitals(self.writer)
        self._pool = Pool(database, seconds=self._settings.limits.answer_seconds)
        self._health = Health(self.writer, self._file, self._settings.limits.free_bytes)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._grpc: GrpcServing | None = None
        self.tokens: Tokens | None = None

    @property
    def url(self) -> str:
        """Base address, as senders take it for their endpoint."""
        host, port = self._place
        scheme = "https" if self._settings.certificate else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def grpc_port(self) -> int | None:
        """Port for gRPC, None where it is not served."""
        return self._grpc.port if self._grpc is not None else None

    @property
    def label(self) -> str:
        """What to call the database in messages."""
        return database_of(self.database).label

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def stored(self) -> int:
        """Spans stored since the start."""
        return self.writer.stored

    def start(self) -> Self:
        """Lock and migrate the database, then listen.

        Raises:
            StartError: the address is taken or not allowed, the database cannot be used or is served by another.
        """
        self.tokens = _tokens(self._settings)
        with ExitStack() as undo:
            try:
                self._lock = lock = database_of(self.database).lock()
                lock.acquire()
                undo.callback(lock.release)
                migrate(self.database)
                listener = undo.enter_context(_listener(*self._place))
                self._keeping.start()
                undo.callback(self._keeping.stop, STOP_SECONDS)
                self.writer.start()
            except (DatabaseError, SetupError, sqlite3.Error) as error:
                raise StartError(str(error)) from error
            undo.pop_all()
        self._place = listener.getsockname()[:2]
        settings = self._settings
        secure = (settings.public_url or "").startswith("https:") or settings.certificate is not None
        access = Access(self.tokens, secure=secure)
        self._listen(listener, self._application(access))
        self._alarms.start()
        if settings.grpc_port is not None:
            try:
                self._grpc = open_grpc(self.writer, access, self._watch, settings)
            except StartError:
                self.stop()
                raise
        return self

    def _application(self, access: Access) -> App:
        settings = self._settings
        app = App(
            self.writer,
            self._pool,
            settings,
            access,
            self._watch,
            (*self._health.routes(), *streams.routes(self._hub)),
            self._alarms,
        )
        if self._file is not None:
            self._watch.files(self._file)
        self._watch.read(serving.QUEUE_LENGTH, lambda: self.writer.waiting)
        self._watch.read(serving.QUEUE_BYTES, lambda: app.ingest.held)
        for metric, reading in self._keeping.readings().items():
            self._watch.read(metric, reading)
        clients = self._hub.clients
        self._watch.read(
            serving.STREAM_CLIENTS, lambda: {(name,): float(clients[name]) for name in ("sse", "websocket")}
        )
        return app

    def _listen(self, listener: socket.socket, app: App) -> None:
        settings = self._settings
        self._app = app
        config = uvicorn.Config(
            self._app,
            http=patient(settings.limits.slow_seconds, settings.limits.connections),
            ws=patient_socket(settings.limits.slow_seconds),
            ws_max_size=SOCKET_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
            ssl_certfile=settings.certificate,
            ssl_keyfile=settings.key,
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, args=([listener],), name="ares-http", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        if not server.started:
            self.stop()
            raise StartError("the HTTP server did not start; its log says why")

    def reload(self) -> None:
        """Read the file of tokens again."""
        if self.tokens is not None:
            self.tokens.reload()

    def stop(self, timeout: float = STOP_SECONDS) -> bool:
        """Take no more requests, store those that were taken, close the database.

        Returns:
            Whether all of it ended within the timeout in seconds.
        """
        deadline = time.monotonic() + timeout
        self._health.stopping = True
        self._hub.stop()
        if self._grpc is not None:
            self._grpc.stop(timeout * GRPC_SHARE)
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(timeout * HTTP_SHARE)
            self._server.force_exit = True
        self._alarms.stop()
        self._keeping.stop(max((deadline - time.monotonic()) * READ_SHARE, 0.1))
        asked = self._pool.close(max((deadline - time.monotonic()) * READ_SHARE, 0.1))
        ended = self.writer.stop(max(deadline - time.monotonic(), 0.1))
        if ended and self._lock is not None:
            self._lock.release()
        if self._thread is not None:
            self._thread.join(max(deadline - time.monotonic(), 0.1))
        return ended and asked and not self.running

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


def serve(
    database: Location,
    host: str = "127.0.0.1",
    port: int = 4318,
    *,
    settings: Server | None = None,
    portfolio: Portfolio | None = None,
    bots: Config | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM; return the exit code: 0 after a clean end, 1 if it could not start or end.

    Args:
        database: as for `EmbeddedServer`, like the next four.
        host: address to listen on.
        port: port to listen on.
        settings: everything else.
        portfolio: how accounts are kept.
        bots: what bots of this host are set up with, for what they leave in their rings.
    """
    asked = threading.Event()
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in SIGNALS}
    server = EmbeddedServer(database, host, port, settings=settings, portfolio=portfolio)
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: server.reload())
    try:
        with _rare_collections(), Rings(bots or Config(), server.writer.submit):
            return _serve(server, asked)
    except StartError as error:
        sys.stderr.write(f"ares-otel serve: {error}\n")
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _measure(_: Store) -> float:
    """Sample the machine, so that an outlook has something to rest on."""
    return MACHINE.step()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Let the garbage collector look rarely: what the store makes has no cycles, and each look holds up all who ask."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _serve(server: EmbeddedServer, asked: threading.Event) -> int:
    server.start()
    sys.stdout.write(f"ares-otel serves {server.url} and stores into {server.label}\n")
    sys.stdout.flush()
    while server.running and not asked.wait(0.5):
        pass
    clean = asked.is_set()
    return 0 if server.stop() and clean else 1


def _listener(host: str, port: int) -> socket.socket:
    if not 0 <= port <= PORTS:
        raise StartError(f"cannot listen on {host}:{port}: a port is 0 to {PORTS}")
    try:
        # what a name means first differs from machine to machine; senders try both
        name = "127.0.0.1" if host == "localhost" else host
        family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken; is another `ares-otel serve` or a collector running?" if taken else error.strerror
        raise StartError(f"cannot listen on {host}:{port}: {reason}") from error


def _tokens(settings: Server) -> Tokens | None:
    if (settings.certificate is None) != (settings.key is None):
        raise StartError("server.certificate and server.key go together")
    for file in (settings.certificate, settings.key):
        if file is not None and not Path(file).is_file():
            raise StartError(f"there is no file {file}")
    if settings.token_file is not None:
        try:
            return Tokens(Path(settings.token_file))
        except TokenError as error:
            raise StartError(str(error)) from error
    if is_loopback(settings.host):
        return None
    raise StartError(
        f"{settings.host} is not a loopback address: whoever reaches the port could read and write. Put tokens into a "
        "file, one a line, and name it by server.token_file or ARES_SERVER_TOKEN_FILE"
    )

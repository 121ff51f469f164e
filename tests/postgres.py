"""A real PostgreSQL for tests and benchmarks: a cluster of its own in a directory of its own, gone afterwards."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from collector import free_ports

__all__ = ["PASSWORD", "Cluster", "cluster", "programs"]

PASSWORD = "s3cret-of-the-tests"
START_SECONDS = 30.0
HOMES = "/usr/lib/postgresql/*/bin"
MISSING = "PostgreSQL is not installed: `apt-get install postgresql` (Debian, Ubuntu) or see deploy/ci-packages"


def programs() -> Path:
    """Return the directory of PostgreSQL's programs, of the newest version that is installed.

    Raises:
        RuntimeError: there is none; the message says how to get it.
    """
    found = shutil.which("initdb")
    homes = [Path(found).resolve().parent] if found else sorted(Path("/").glob(HOMES.lstrip("/")))
    if not homes:
        raise RuntimeError(MISSING)
    return homes[-1]


class Cluster:
    """A running server of PostgreSQL on a port of the loopback interface.

    Args:
        directory: where it keeps its data.
        settings: settings of the server by name.
    """

    def __init__(self, directory: Path, **settings: str) -> None:
        self.port = free_ports(1)[0]
        self._home, self._data, self._settings = programs(), directory / "data", settings
        self._log = directory / "log"
        self._names = itertools.count()
        # the server refuses to run as root
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(directory, self._user)
        secret = directory / "password"
        secret.write_text(PASSWORD)
        options = ["--auth=scram-sha-256", "--username=ares", f"--pwfile={secret}", "--no-sync", "--encoding=UTF8"]
        self._run("initdb", "--pgdata", str(self._data), *options)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._home / program), *arguments]
        done = subprocess.run(command, user=self._user, cwd="/", capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        given = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        settings = [f"--{name}={value}" for name, value in {**given, **self._settings}.items()]
        command = [str(self._home / "postgres"), "-D", str(self._data), *settings]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, user=self._user, cwd="/", stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, "PostgreSQL did not start in time"
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """Stop it: by SIGINT at once and cleanly, by SIGQUIT as a crash does."""
        self._process.send_signal(sign)
        self._process.wait(START_SECONDS)

    @property
    def pid(self) -> int:
        """The number of its main process."""
        return self._process.pid

    def connect(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection to a database."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="ares", password=PASSWORD, dbname=name, autocommit=True
        )

    def url(self, name: str) -> str:
        """Return the URL of a database as users write it."""
        return f"postgresql+psycopg://ares:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def create(self, *, template: str = "template0") -> str:
        """Make a database; return its name."""
        name = f"ares_{next(self._names)}"
        with self.connect("postgres") as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def size(self, name: str) -> int:
        """Return the bytes of a database."""
        with self.connect(name) as own:
            found = own.execute("SELECT pg_database_size(current_database())").fetchone()
            return int(found[0]) if found else 0

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        with self.connect("postgres") as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


@contextlib.contextmanager
def cluster(**settings: str) -> Iterator[Cluster]:
    """Run a cluster until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="ares-postgres-", ignore_cleanup_errors=True) as directory:
        made = Cluster(Path(directory), **settings)
        made.start()
        try:
            yield made
        finally:
            made.stop()

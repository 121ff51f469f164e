"""The process of the second opinion: started when it is needed, again when it died, later and later, not for ever."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from ares_otel.ml.opinion.child.frames import GarbageError, read, write

__all__ = ["DownError", "Keeper", "LostError", "Process"]

CHILD: Final = Path(__file__).resolve().parent / "child"
LAUNCH: Final = """
import importlib.util as util, sys
path = sys.argv[1]
spec = util.spec_from_file_location("ares_opinion", path + "/__init__.py", submodule_search_locations=[path])
sys.modules["ares_opinion"] = module = util.module_from_spec(spec)
spec.loader.exec_module(module)
from ares_opinion.loop import main
sys.exit(main())
"""
"""Loads the child by its path: the Python that runs it may have nothing of ours installed."""

ALONE: Final = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR")}
INSTRUMENTED: Final = "auto_instrumentation"
SAID: Final = 4_096
SHOWN: Final = 300
FIRST: Final = 1.0
LONGEST: Final = 300.0
TRIES: Final = 8


class LostError(RuntimeError):
    """The process gave no answer; the message says why, and it is ended."""


class DownError(RuntimeError):
    """The process may not be started now; the message says why."""


class Process:
    """One process and the pipes to it, for one thread that asks.

    Args:
        python: the interpreter.
        environ: its environment.
    """

    def __init__(self, python: str, environ: Mapping[str, str] = os.environ) -> None:
        self._popen = subprocess.Popen(  # noqa: S603
            [python, "-P", "-c", LAUNCH, str(CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,  # a buffer has a lock, which a forked child would find held by a thread that it has not
            env={**_plain(environ), **ALONE},
        )
        self._answers: queue.SimpleQueue[dict[str, Any] | str] = queue.SimpleQueue()
        self._said = b""
        self._asked = 0
        self._ended = ""
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self._threads = [
            threading.Thread(target=task, args=(stream,), name="ares-opinion-pipe", daemon=True)
            for task, stream in ((self._read, self._popen.stdout), (self._listen, self._popen.stderr))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._popen.pid

    def ask(self, header: Mapping[str, Any], body: bytes = b"", timeout: float = 60.0) -> dict[str, Any]:
        """Return the answer to a message.

        Raises:
            LostError: there was none in time, the process died, or what came was no answer; it is ended then.
        """
        self._asked += 1
        watch = threading.Timer(timeout, self._too_slow, (timeout,))
        watch.daemon = True
        watch.start()
        try:
            return self._exchanged({"id": self._asked, **header}, body)
        finally:
            watch.cancel()

    def _exchanged(self, header: Mapping[str, Any], body: bytes) -> dict[str, Any]:
        assert self._popen.stdin is not None
        with contextlib.suppress(OSError):  # it died: the reader says how
            write(self._popen.stdin, header, body)
        answer = self._answers.get()
        if isinstance(answer, str):
            self.close()
            raise LostError(self._ended or answer)
        if answer.get("id") != header["id"]:
            self.close()
            raise LostError(f"it answered {str(answer)[:SHOWN]} to message {header['id']}")
        return answer

    def _too_slow(self, timeout: float) -> None:
        self._ended = f"no answer within {timeout:g} s"
        self._popen.kill()

    def _read(self, stream: IO[bytes]) -> None:
        reason = ""
        try:
            with stream:
                while (message := read(stream)) is not None:
                    self._answers.put(message[0])
        except (GarbageError, OSError, ValueError) as error:
            reason = f"it answered no message: {error}"
            self._popen.kill()
        status = self._popen.wait()
        self._threads[1].join(1.0)  # what it said last is the reason, unless a child of it holds the pipe
        self._answers.put(reason or f"its process ended with status {status}: {self._last_words()}".rstrip(": "))

    def _listen(self, stream: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError), stream:
            while part := stream.read(SAID):
                self._said = (self._said + part)[-SAID:]

    def _last_words(self) -> str:
        lines = self._said.decode(errors="replace").split("\n")
        return next((line[:SHOWN] for line in reversed(lines) if line.strip()), "")

    def leave(self) -> None:
        """Close the ends of the pipes that a forked child has of it, and leave it to the parent."""
        for stream in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            with contextlib.suppress(OSError):
                assert stream is not None
                stream.close()
        self._popen.returncode = 0  # nobody here may wait for it, or complain that nobody did

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            assert self._popen.stdin is not None
            self._popen.stdin.close()
        self._popen.kill()
        self._popen.wait()
        for thread in self._threads:
            thread.join(1.0)


def _plain(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the child is not instrumented as the bot is."""
    paths = environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = os.pathsep.join(path for path in paths if path and not path.rstrip("/").endswith(INSTRUMENTED))
    return {**environ, "PYTHONPATH": kept}


class Keeper:
    """Starts the process when it is needed; after a failure only when some time has passed, twice as long each time.

    Attributes:
        generation: how many processes were started.
    """

    def __init__(self, start: Callable[[], Process], clock: Callable[[], float] = time.monotonic) -> None:
        self._start, self._clock = start, clock
        self._process: Process | None = None
        self._failures = 0
        self._not_before = 0.0
        self._reason = ""
        self._over = False
        self.generation = 0

    def process(self) -> Process:
        """Return the process, started if it has to be.

        Raises:
            DownError: it failed and has to wait, it failed too often, or all is over.
        """
        found = self._process
        if found is None:
            self._check()
            try:
                found = self._process = self._start()
            except OSError as error:
                self.failed(str(error))
                raise DownError(str(error)) from error
            self.generation += 1
        return found

    def _check(self) -> None:
        if self._over:
            raise DownError("closed")
        if self._failures >= TRIES:
            raise DownError(f"given up after {TRIES} failures in a row, the last: {self._reason}")
        if (wait := self._not_before - self._clock()) > 0:
            raise DownError(f"{self._reason}; it is tried again in {wait:.0f} s")

    def failed(self, reason: str) -> None:
        """Note that the process is gone."""
        self.close()
        self._reason = reason
        self._not_before = self._clock() + min(LONGEST, FIRST * 2.0**self._failures)
        self._failures += 1

    def worked(self) -> None:
        """Note that it gave a verdict: the next failure is the first in a row again."""
        self._failures = 0

    def close(self) -> None:
        """End the process, if there is one; another thread may be asking it, or ending it, too."""
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def end(self) -> None:
        """End the process, and start none any more."""
        self._over = True
        self.close()

    def leave(self) -> None:
        """Forget the process without ending it; the next one to be asked is a new one."""
        if self._process is not None:
            self._process.leave()
            self._process = None

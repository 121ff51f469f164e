"""The real InfluxDB 1.x of Debian for end-to-end tests: its own configuration, directories and ports on loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from collector import free_ports

__all__ = ["InfluxDB", "influxd_binary"]

START_SECONDS = 60.0
CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"

[meta]
  dir = "{directory}/meta"

[data]
  dir = "{directory}/data"
  wal-dir = "{directory}/wal"
  query-log-enabled = false

[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false

[monitor]
  store-enabled = false

[ifql]
  enabled = false
"""


def influxd_binary() -> str:
    """Return the server's program.

    Raises:
        RuntimeError: it is not installed; the message says how to get it.
    """
    found = shutil.which("influxd")
    if found is None:
        raise RuntimeError("InfluxDB 1.x is not installed: run `apt-get install influxdb` (Debian's package) first")
    return found


class InfluxDB:
    """A running server; a context manager. `start` after `stop` goes on with the same data and ports.

    Args:
        directory: where its data, its configuration and its log live.

    Attributes:
        url: its base address.
    """

    def __init__(self, directory: Path) -> None:
        http, rpc = free_ports(2)
        directory.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{http}"
        self._directory = directory
        self._config = directory / "influxdb.conf"
        self._config.write_text(CONFIG.format(directory=directory, http=http, rpc=rpc))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start and wait until it answers."""
        command = [influxd_binary(), "-config", str(self._config)]
        log = self._directory / "influxd.log"
        with log.open("ab") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            alive = self._process.poll() is None and time.monotonic() < deadline
            assert alive, f"InfluxDB did not start:\n{log.read_text(errors='replace')[-2_000:]}"
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Let it end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/ping", timeout=5) as answer:
                return bool(answer.status == 204)
        except (URLError, OSError):
            return False

    def ask(self, query: str, database: str = "ares") -> list[dict[str, Any]]:
        """Return the rows of an InfluxQL query, each by column, with its tags if it is grouped by them."""
        form = urlencode({"db": database, "q": query, "epoch": "ns"}).encode()
        with urlopen(f"{self.url}/query", form, timeout=30) as answer:
            (result,) = json.load(answer)["results"]
        assert "error" not in result, result
        return [
            dict(zip(series["columns"], values, strict=True)) | series.get("tags", {})
            for series in result.get("series", ())
            for values in series["values"]
        ]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

"""Fill in the defaults that depend on other keys or on the machine, and check keys against each other."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from ares_otel.config.endpoints import GRPC_ENDPOINT, is_http_url, signal_url
from ares_otel.config.keys import FIELDS
from ares_otel.config.layers import SHARED, Setting
from ares_otel.config.problems import Origin, Problems
from ares_otel.config.source import read_text
from ares_otel.config.values import Mismatch, convert

__all__ = ["Derivation", "derive"]

UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
HEADERS_LIMIT = 1 << 16
LONGEST_NAME = 80
TRACES_ONLY = "OTEL_EXPORTER_OTLP_TRACES_"


class Derivation:
    """One run over the merged settings, which it changes in place."""

    def __init__(self, settings: dict[str, Setting], environ: Mapping[str, str], problems: Problems) -> None:
        self.settings = settings
        self._environ = environ
        self._problems = problems

    def value(self, key: str) -> object:
        """Return the value of a key."""
        return self.settings[key].value

    def text(self, key: str) -> str:
        """Return the value of a key that is a text; "" where it is none."""
        value = self.value(key)
        return value if isinstance(value, str) else ""

    def set_default(self, key: str, value: object) -> None:
        """Set a value that no source gave."""
        self.settings[key] = Setting(value, Origin())

    def complain(self, key: str, message: str, *, warning: bool = False) -> None:
        """Add a problem at the place that a key comes from."""
        self._problems.add(self.settings[key].origin, key, message, "warning" if warning else "error")

    def paths(self) -> None:
        """Replace a leading `~`, then name the directories and files that no source named."""
        home = self._home()
        for key, field in FIELDS.items():
            path = self.text(key)
            if field.kind == "path" and (path == "~" or path.startswith("~/")):
                self.settings[key] = Setting(f"{home}{path[1:]}", self.settings[key].origin)
        base = self._default("state_directory", lambda: self._state(home))
        service = _file_name(self.text("service.name"))
        self._default("spool.directory", lambda: base / service / "spool")
        self._default("ledger.directory", lambda: base / service / "ledger")
        self._default("drift.directory", lambda: base / service / "drift")
        self._default("server.database", lambda: base / "ares.db")

    def _home(self) -> Path:
        try:
            home = Path(self._environ.get("HOME") or Path.home())
        except RuntimeError:  # a user without an entry in the password file
            home = Path()
        return home if home.is_absolute() else Path(self._environ.get("TMPDIR") or "/tmp")  # noqa: S108  # no home

    def _state(self, home: Path) -> Path:
        given = Path(self._environ.get("XDG_STATE_HOME", ""))
        # A relative path there is invalid and has to be ignored, says the XDG specification.
        return (given if given.is_absolute() else home / ".local" / "state") / "ares-otel"

    def _default(self, key: str, default: Callable[[], Path]) -> Path:
        if not self.text(key):
            self.set_default(key, str(default()))
        return Path(self.text(key))

    def endpoint(self) -> None:
        """Give gRPC its own default; over HTTP refuse what only gRPC understands."""
        if self.value("exporter.protocol") == "grpc":
            if self.settings["exporter.endpoint"].origin.kind == "default":
                self.set_default("exporter.endpoint", GRPC_ENDPOINT)
            return
        for key in ("exporter.endpoint", "exporter.traces_endpoint"):
            if (url := self.text(key)) and not is_http_url(url):
                self.complain(key, f"expected {FIELDS[key].expected}; a target like this is for exporter.protocol grpc")
                self.set_default(key, FIELDS[key].default)

    def influx(self) -> None:
        """Refuse an address that is no HTTP one."""
        key = "server.influx.url"
        if (url := self.text(key)) and not is_http_url(url):
            self.complain(key, f"expected {FIELDS[key].expected}")
            self.set_default(key, None)

    def edge(self) -> None:
        """Refuse a promise that nothing can be watched by."""
        key, sharpe, dead = "drift.edge.sharpe", self.value("drift.edge.sharpe"), self.value("drift.edge.dead")
        if not isinstance(sharpe, float):
            return
        if self.value("drift.edge.volatility") is None:
            self.complain(key, "needs drift.edge.volatility; no edge is watched")
        elif isinstance(dead, float) and sharpe <= dead:
            self.complain(key, f"expected a number above drift.edge.dead, {dead:g}, got {sharpe:g}; no edge is watched")
        else:
            return
        self.set_default(key, None)

    def headers(self, section: str) -> None:
        """Add the headers of a section's `headers_file` to those given; the latter win."""
        path, given = self.text(f"{section}.headers_file"), self.settings[f"{section}.headers"]
        if not path:
            return
        found = self._headers_of(f"{section}.headers_file", path)
        if isinstance(given.value, dict) and found:
            origin = given.origin if given.value else Origin("file", path)
            self.settings[f"{section}.headers"] = Setting(found | given.value, origin)

    def _headers_of(self, key: str, path: str) -> dict[str, str]:
        def complain(reason: str) -> None:
            self.complain(key, reason)

        try:
            raw = _header_lines(read_text(path, HEADERS_LIMIT))
            found = convert(FIELDS["exporter.headers"], raw, complain)
        except Mismatch as error:
            complain(str(error))
        except OSError as error:
            complain(f"cannot be read: {error.strerror or type(error).__name__}")
        except ValueError as error:
            complain(f"cannot be read: {error}")
        else:
            return found if isinstance(found, dict) else {}
        return {}

    def logs(self) -> None:
        """Let log records go as spans do where nothing else was said, but not by what was said for spans alone."""
        own_headers = bool(self.text("logs.headers_file"))
        for name in SHARED:
            key, of_spans = f"logs.{name}", self.settings[f"exporter.{name}"]
            theirs = of_spans.origin.name.startswith(TRACES_ONLY) or (name == "headers" and own_headers)
            if self.settings[key].origin.kind == "default" and not theirs:
                self.settings[key] = of_spans
        protocol, base = self.text("logs.protocol"), self.settings["exporter.endpoint"]
        if (url := self.text("logs.endpoint")) and (protocol == "grpc" or is_http_url(url)):
            return
        if url:
            self.complain("logs.endpoint", f"expected {FIELDS['logs.endpoint'].expected}")
        if protocol == "grpc":
            self.set_default("logs.endpoint", GRPC_ENDPOINT if base.origin.kind == "default" else base.value)
            return
        http = self.text("exporter.endpoint") if self._is_for_http(base) else str(FIELDS["exporter.endpoint"].default)
        self.set_default("logs.endpoint", signal_url(http, "logs"))

    def _is_for_http(self, base: Setting) -> bool:
        return base.origin.kind != "default" and is_http_url(self.text("exporter.endpoint"))

    def check(self) -> None:
        """Report keys that do not fit each other."""
        if self.value("exporter.client_key") and not self.value("exporter.client_certificate"):
            self.complain("exporter.client_key", "needs exporter.client_certificate; it is not used")
            self.set_default("exporter.client_key", None)
        if self.value("exporter.certificate") and self._url().startswith("http://"):
            self.complain("exporter.certificate", "is not used, because the endpoint is no https:// URL", warning=True)
        if self.value("sampling.ratio") != 1 and not self.text("sampling.sampler").endswith("traceidratio"):
            self.complain(
                "sampling.ratio", f"is not used by sampling.sampler {self.text('sampling.sampler')}", warning=True
            )

    def _url(self) -> str:
        return self.text("exporter.traces_endpoint") or self.text("exporter.endpoint")


def derive(settings: dict[str, Setting], environ: Mapping[str, str], problems: Problems) -> None:
    """Complete the merged settings of all keys in place."""
    run = Derivation(settings, environ, problems)
    run.paths()
    run.endpoint()
    run.headers("exporter")
    run.logs()
    run.headers("logs")
    run.influx()
    run.edge()
    run.check()


def _file_name(service: str) -> str:
    """Return a directory name for a service: its own name if that is one, else one that is no other service's."""
    safe = UNSAFE.sub("_", service)[:LONGEST_NAME].lstrip(".")
    if safe == service:
        return safe
    return f"{safe}-{zlib.crc32(service.encode(errors='surrogatepass')):08x}"


def _header_lines(text: str) -> dict[str, str]:
    """Return the headers of `name: value` (or `name=value`) lines; empty lines and `#` comments are skipped.

    Raises:
        Mismatch: a line is neither; the message names its number alone.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.match(r"\s*([^\s:=]+)\s*[:=]\s*(.*\S)\s*$", line)
        if match is None:
            raise Mismatch(f"line {number} is not name: value")
        found[match[1]] = match[2]
    return found

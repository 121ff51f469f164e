"""The bot's side: configuration, receivers of what it sends, clock, state on disk, extras and their licenses."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ares_otel.cli.checks.finding import Check, Finding, absent, failed, fine, note
from ares_otel.cli.checks.web import TroubleError, Web
from ares_otel.config import Config, Loaded
from ares_otel.pipeline.alertmanager import Pusher
from ares_otel.pipeline.grpc.target import host_and_port
from ares_otel.pipeline.link import Tls, TlsSettingsError
from ares_otel.pipeline.model import Signal
from ares_otel.pipeline.otlp import Encoder
from ares_otel.semconv import thresholds as t
from ares_otel.setup.parts import delivered, way_of

__all__ = ["bot_checks", "second_opinion", "server_of"]

TIMEOUT: Final = 2.0
RESTRICTED: Final = re.compile(
    r"business source|\bBSL|\bBUSL|elastic|commons clause|affero|\bAGPL|proprietary", re.IGNORECASE
)
EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([\w-]+)['"]""")
NAME: Final = re.compile(r"[\w.-]+")
SHOWN: Final = 120
MIB: Final = 1 << 20
GIB: Final = 1 << 30
ALIBI: Final = "alibi-detect"
LICENSES: Final = ("License-Expression", "License", "Classifier")
FOR_DEVELOPERS: Final = "dev"
WAYS: Final = {
    Signal.TRACES: ("spans", "exporter", ""),
    Signal.LOGS: ("log records", "logs", " (else that of exporter counts)"),
}
"""What goes each way, the section that says how, and what counts where that says nothing."""
ANSWERED: Final = "http_"
ALERTMANAGERS: Final = {
    "401": "put user and password into the URL in alerting.alertmanagers (https://user:password@host)",
    "403": "put user and password of somebody who may send alerts into the URL in alerting.alertmanagers",
    "404": "mend the path in alerting.alertmanagers: /api/v2/alerts must be below it, as with --web.route-prefix",
}
"""What mends the refusal of an Alertmanager, by status."""


def bot_checks(loaded: Loaded) -> list[Check]:
    """Return all checks of the bot's side."""
    config = loaded.config
    return [
        Check(partial(_configuration, loaded)),
        *(Check(partial(look, config)) for look in (_exporter, _logs, _alerts, _clock, _grpc, _spool, _ring, _ledger)),
        Check(second_opinion),
        Check(_licenses),
    ]


def _configuration(loaded: Loaded) -> Iterator[Finding]:
    wrong = [problem for problem in loaded.problems if problem.severity != "note"]
    for problem in wrong:
        if problem.severity == "error":
            yield failed("configuration", str(problem), "mend it; the key fell back")
        else:
            yield note("configuration", str(problem))
    if not wrong:
        yield fine("configuration", loaded.path or "environment and defaults")


def _off(config: Config) -> bool:
    return config.disabled or not config.exporter.enabled


def _exporter(config: Config) -> Iterator[Finding]:
    if _off(config):
        yield absent("exporter", "off, as configured")
    else:
        yield _receiver(config, "exporter", Signal.TRACES)


def _logs(config: Config) -> Iterator[Finding]:
    if config.disabled or not config.logs.export:
        yield absent("log records", "logs.export is off: log records stay where the bot writes them")
    else:
        yield _receiver(config, "log records", Signal.LOGS)


def _receiver(config: Config, name: str, signal: Signal) -> Finding:
    return (_connected if way_of(config, signal).protocol == "grpc" else _accepted)(config, name, signal)


def _connected(config: Config, name: str, signal: Signal) -> Finding:
    host, port = host_and_port(way_of(config, signal).url)
    try:
        with socket.create_connection((host, port), TIMEOUT):
            return fine(name, f"{host}:{port} accepts connections")
    except OSError as error:
        return failed(name, f"{host}:{port}: {error}", _advice("", signal))


def _accepted(config: Config, name: str, signal: Signal) -> Finding:
    """Send a request that holds nothing: it proves name, path, TLS and access, and leaves nothing behind."""
    what, place, _ = WAYS[signal]
    try:
        verdict = delivered(config, Encoder({}).batch({})._replace(signal=signal))
    except ValueError as error:
        return failed(name, str(error), f"mend {place}.endpoint or {place}.headers")
    if verdict.state == "delivered":
        return fine(name, f"{server_of(way_of(config, signal).url)} takes {what}")
    return failed(name, verdict.detail, _advice(verdict.reason, signal))


def _advice(reason: str, signal: Signal) -> str:
    what, place, default = WAYS[signal]
    known = {
        "http_401": f"give the receiver's token in {place}.headers_file{default}",
        "http_403": f"give a token that may write in {place}.headers_file{default}",
        "http_404": f"mend the path of {place}.endpoint{default}: nothing takes {what} there",
        "tls": f"trust its certificate by {place}.certificate{default}, or mend client_certificate and client_key",
        "dns": f"mend the host of {place}.endpoint{default}",
    }
    waiting = f"or set {place}.endpoint{default}; until then {what} wait in the spool"
    return known.get(reason, f"start the receiver (`ares-otel serve`), {waiting}")


def _alerts(config: Config) -> Iterator[Finding]:
    """Tell each Alertmanager of no alert: it proves address, path and access, and nobody hears of it."""
    name = "alerts of hard limits"
    if config.disabled or not config.alerting.alertmanagers:
        yield absent(name, "alerting.alertmanagers names none: broken limits are told by Prometheus, a scrape later")
        return
    for url in config.alerting.alertmanagers:
        pusher = Pusher(url, config.alerting.timeout)
        reason, detail = pusher.refusal()
        pusher.stop(0.0)
        if reason.startswith(ANSWERED):
            status = reason.removeprefix(ANSWERED)
            remedy = ALERTMANAGERS.get(status, "`make logs ARGS=alertmanager` says why")
            yield failed(name, f"{pusher.shown} answered {status} {detail}".rstrip(), remedy)
        elif reason:
            yield failed(name, f"{pusher.shown}: {detail}", "start it (`make up`), or mend alerting.alertmanagers")
        else:
            yield fine(name, f"{pusher.shown} takes alerts")


def server_of(url: str) -> str:
    """Return scheme, host and port of a URL, without user, password and path."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def _clock(config: Config) -> Iterator[Finding]:
    if _off(config) or config.exporter.protocol == "grpc":
        yield absent("clock", "no receiver over HTTP, whose Date could be compared")
        return
    exporter = config.exporter
    tls = Tls(exporter.certificate, exporter.client_certificate, exporter.client_key)
    try:
        secure = exporter.url.startswith("https:")
        told = Web(server_of(exporter.url), context=tls.context() if secure else None).dated()
    except (TroubleError, TlsSettingsError) as error:
        yield failed("clock", str(error), "see exporter")
        return
    # the date is cut to whole seconds, and the answer was made some time between question and answer
    least, most = told.before - (told.server + 1), told.after - told.server
    shown = f"{least:+.1f} to {most:+.1f} s against {server_of(exporter.url)}"
    if least > t.CLOCK_OFF.value or most < -t.CLOCK_OFF.value:
        remedy = "let both hosts follow NTP (`timedatectl set-ntp true`): times of bot and servers cannot be compared"
        yield failed("clock", shown, remedy)
    else:
        yield fine("clock", shown)


def _grpc(config: Config) -> Iterator[Finding]:
    if "grpc" not in {config.exporter.protocol, config.logs.protocol if config.logs.export else ""}:
        return
    try:
        import opentelemetry.exporter.otlp.proto.grpc  # noqa: F401, PLC0415
    except ImportError:
        yield failed("extra grpc", "not installed", "pip install 'ares-otel[grpc]'")
    else:
        yield fine("extra grpc", "installed")


def _spool(config: Config) -> Iterator[Finding]:
    if not config.spool.enabled:
        yield absent("spool", "off, as configured: what cannot be delivered is lost when the bot ends")
        return
    path = Path(config.spool.directory)
    problem = _unwritable("spool", path)
    if problem:
        yield problem
        return
    held = sum(_size(file) for file in path.rglob("*")) if path.exists() else 0
    left = shutil.disk_usage(_there(path)).free
    shown = f"{path} holds {_said(held)} of {_said(config.spool.cap_bytes)}, {_said(left)} free on its disk"
    if left < config.spool.cap_bytes - held:
        yield failed("spool", shown, "make room, lower spool.cap_bytes, or set spool.directory to another disk")
    elif held >= t.SPOOL_LARGE.value:
        yield failed("spool", shown, "spans are not delivered: see exporter")
    else:
        yield fine("spool", shown)


def _ring(config: Config) -> Iterator[Finding]:
    if config.recorder.ring is None:
        yield absent("ring", "recorder.ring is not set: `kill -9` loses what was not delivered, about a second")
        return
    path = Path(config.recorder.ring)
    problem = _unwritable("ring", path.parent)
    if problem:
        yield failed("ring", problem.detail, f"let user {os.getuid()} write there, or set recorder.ring")
        return
    left = list(path.parent.glob(f"{path.name}.left-*"))
    if left:
        remedy = "start the bot, or `ares-otel spool recover`"
        yield failed("ring", f"{len(left)} rings of killed processes beside {path} are not delivered", remedy)
    elif not path.exists() and shutil.disk_usage(_there(path)).free < config.recorder.ring_bytes:
        yield failed("ring", f"no room for {path}", "make room, lower recorder.ring_bytes, or set recorder.ring")
    else:
        yield fine("ring", f"{path}, {_said(config.recorder.ring_bytes)}")


def _ledger(config: Config) -> Iterator[Finding]:
    if not config.ledger.enabled:
        yield absent("ledger", "off, as configured: orders of before a restart are not joined to their decisions")
        return
    path = Path(config.ledger.directory)
    yield _unwritable("ledger", path) or fine("ledger", f"{path} can be written")


def _there(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _unwritable(name: str, path: Path) -> Finding | None:
    there = _there(path)
    try:
        with tempfile.TemporaryFile(dir=there):
            return None
    except OSError as error:
        remedy = f"let user {os.getuid()} write there, or set {name}.directory"
        return failed(name, f"{there}: {error.strerror}", remedy)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # the bot runs, and has sent it meanwhile
        return 0


def _said(size: int) -> str:
    return f"{size / GIB:,.1f} GiB" if size >= GIB else f"{size / MIB:.1f} MiB"


def second_opinion() -> Iterator[Finding]:
    """Say whether other detectors can judge drift beside ours, and under which license."""
    name = "second opinion"
    try:
        version = importlib.metadata.version(ALIBI)
    except importlib.metadata.PackageNotFoundError:
        how = "pip install 'ares-otel[drift]' for Python 3.11 or 3.12; Business Source License 1.1, not for production"
        yield absent(name, f"{ALIBI} is not installed here ({how})")
        return
    from ares_otel.ml.opinion.terms import LICENSE  # noqa: PLC0415  numpy is there where alibi-detect is

    yield note(name, f"{ALIBI} {version}: {LICENSE}")


def _licenses() -> Iterator[Finding]:
    """Name what an extra has brought whose license restricts its use; that of the package restricts none."""
    restricted = {}
    for wanted in importlib.metadata.requires("ares-otel") or ():
        extra, name = EXTRA.search(wanted), NAME.match(wanted)
        if extra is None or name is None or extra[1] == FOR_DEVELOPERS:
            continue
        try:
            told = importlib.metadata.metadata(name[0])
        except importlib.metadata.PackageNotFoundError:
            continue
        said = [line for key in LICENSES for line in told.get_all(key) or ()]
        found = next((line for line in said if RESTRICTED.search(line[:SHOWN])), None)
        if found:
            restricted[name[0]] = f"{name[0]} {told['Version']} (extra {extra[1]}): {found.splitlines()[0][:SHOWN]}"
    for text in restricted.values():
        yield note("license", f"{text}; ask whether your use is allowed")
    if not restricted:
        yield fine("licenses", "no installed extra restricts its use")

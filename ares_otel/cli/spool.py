"""`ares-otel spool`: what a bot has left on disk for its receiver, and its delivery without the bot."""

from __future__ import annotations

import argparse
import os
import sys
import uuid
from pathlib import Path
from typing import Final

from ares_otel.config import Config, Loaded
from ares_otel.decision.sampling import KeepRule
from ares_otel.pipeline import leftovers
from ares_otel.pipeline.model import Signal
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup.outbox import Outbox
from ares_otel.setup.parts import make_ledger, make_sender
from ares_otel.setup.recovery import SENT, is_marked, recover

__all__ = ["add_parser", "run"]

PATIENCE: Final = 30.0
MIB: Final = 1 << 20


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "spool",
        help="show or deliver what a bot has left on disk",
        description="Say what waits on disk: spool, and rings of killed bots (recorder.ring). `recover` delivers it as "
        "the next start of the bot would, for a bot that will not start again. What a killed bot had not written into "
        "its ledger stays out of it: a report that comes again is booked then.",
        epilog="Exit codes: 0 nothing waits any more, 1 something does, 2 wrong usage.",
    )
    parser.add_argument("action", nargs="?", choices=["recover"], help="deliver it")
    parser.add_argument(
        "--timeout", type=float, default=PATIENCE, metavar="SECONDS", help="longest wait for the receiver (30)"
    )


def run(args: argparse.Namespace, loaded: Loaded) -> int:
    """Show or deliver; exit code 1 when something waits."""
    config = loaded.config
    return _recover(config, args.timeout) if args.action == "recover" else _show(config)


def _show(config: Config) -> int:
    folder = Path(config.spool.directory)
    files = [path for path in folder.rglob("*.seg") if path.is_file()]
    held = sum(path.stat().st_size for path in files)
    sys.stdout.write(f"spool {folder}: {held / MIB:.1f} MiB in {len(files)} files\n")
    left: list[Path] = []
    if config.recorder.ring is not None:
        path = Path(config.recorder.ring)
        left = [file for file in sorted(path.parent.glob(f"{path.name}.left-*")) if not is_marked(file, SENT)]
        state = f"{len(left)} of killed processes" + (", one begun" if path.exists() else "")
        sys.stdout.write(f"ring {path}: {state}\n")
    return 1 if files or left else 0


def _recover(config: Config, timeout: float) -> int:
    sender = make_sender(config)
    if sender is None or not sender.carries(Signal.TRACES):
        sys.stderr.write("ares-otel spool: no spans are sent (exporter.enabled), so there is nowhere to deliver to\n")
        return 1
    held, files = _left(config)
    outbox = Outbox(config, Encoder({}), RECORDER, sender)
    read = _read(config, files, outbox)
    delivered = sender.flush(timeout)
    accounts = outbox.accounts()
    sys.stdout.write(f"{accounts.exported:,} spans delivered, {accounts.queued + accounts.spooled:,} wait still\n")
    sender.shutdown(0.0)
    if accounts.queued == 0:
        for file in read:
            file.unlink(missing_ok=True)
    if held is not None:
        os.close(held)
    return 0 if delivered and (held is not None or config.recorder.ring is None) else 1


def _left(config: Config) -> tuple[int | None, list[Path]]:
    """Return the lock on the ring's place, if there is one and no bot has it, and the rings of killed processes."""
    if config.recorder.ring is None:
        return None, []
    path = Path(config.recorder.ring)
    try:
        held = leftovers.lock(path)
        if held is not None:
            return held, leftovers.leftovers(path)[0]
        reason = "a bot runs with it, and will deliver it"
    except OSError as error:
        reason = error.strerror or str(error)
    sys.stderr.write(f"ares-otel spool: {path} is left alone: {reason}\n")
    return None, []


def _read(config: Config, files: list[Path], outbox: Outbox) -> list[Path]:
    """Hand over what is in rings; return those that could be read."""
    rule = KeepRule(config.sampling.slow_seconds, config.sampling.keep_orders, config.sampling.keep_errors)
    ledger = make_ledger(config, str(uuid.uuid4()))
    read = []
    for file in files:
        found = recover(file, config, rule, ledger, outbox)
        if found is not None:
            read.append(file)
            sys.stdout.write(
                f"{file}: {found.ended} decisions that had ended, {found.aborted} that were open, {found.reports} "
                f"reports, {found.damaged} damaged records\n"
            )
    ledger.close()
    return read

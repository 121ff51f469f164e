from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from ares_otel.guard import GUARD
from ares_otel.metrics import discovery
from ares_otel.metrics.discovery import HOST, PID, STARTED, Discovery

OTHER_BOT = """
import sys
from ares_otel.metrics import discovery
discovery.WAIT = 30.0
own = discovery.Discovery(sys.argv[1], {"service_name": sys.argv[2]})
for port in map(int, sys.argv[3:]):
    own.add("127.0.0.1", port)
print("added", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The shared file, not there yet."""
    return tmp_path / "targets.json"


@pytest.fixture
def bots() -> Iterator[list[subprocess.Popen[str]]]:
    """Other processes that are ended after the test."""
    running: list[subprocess.Popen[str]] = []
    yield running
    for each in running:
        each.kill()
        each.communicate()


def another(path: Path, name: str, *ports: int) -> subprocess.Popen[str]:
    """Start a process that adds targets and then waits."""
    command = [sys.executable, "-c", OTHER_BOT, str(path), name, *map(str, ports)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def added(bot: subprocess.Popen[str]) -> None:
    """Wait until a process has added its targets."""
    assert bot.stdout is not None
    assert bot.stdout.readline() == "added\n"


def targets(path: Path) -> list[str]:
    """Return the targets in the file."""
    return [entry["targets"][0] for entry in json.loads(path.read_text())]


def test_two_processes_share_the_file_and_the_dead_leave_it(path: Path, bots: list[subprocess.Popen[str]]) -> None:
    """Both are found; one that was killed is removed by the next who writes, the living one stays."""
    own = Discovery(path, {"service_name": "a"})
    own.add("127.0.0.1", 9464)
    bots.append(another(path, "b", 9465))
    added(bots[0])
    assert sorted(targets(path)) == ["127.0.0.1:9464", "127.0.0.1:9465"]

    own.add("127.0.0.1", 9466)
    assert "127.0.0.1:9465" in targets(path)

    bots[0].send_signal(signal.SIGKILL)
    bots[0].wait()
    own.remove("127.0.0.1", 9466)
    assert targets(path) == ["127.0.0.1:9464"]


def test_writers_do_not_lose_each_others_entries(path: Path, bots: list[subprocess.Popen[str]]) -> None:
    """Three processes that write at once: every entry is there in the end, and the file was never half written."""
    firsts = (10_000, 10_100, 10_200)
    bots.extend(another(path, f"bot{first}", *range(first, first + 15)) for first in firsts)
    for bot in bots:
        added(bot)

    assert len(set(targets(path))) == 45
    assert not list(path.parent.glob("*.tmp"))


def entry(target: str, **labels: str) -> dict[str, Any]:
    """Return a target of the file."""
    return {"targets": [target], "labels": labels}


def ours(target: str, pid: int, started: float) -> dict[str, Any]:
    """Return an entry of a process on this host."""
    return entry(target, **{PID: str(pid), HOST: socket.gethostname(), STARTED: str(started)})


def test_only_dead_processes_of_this_host_are_removed(path: Path) -> None:
    """Entries of humans, other hosts and living processes stay; a number that another process got is not the same."""
    started = psutil.Process().create_time()
    kept = [
        entry("db:9187", job="postgres"),
        {"targets": ["x:1"]},
        "no entry at all",
        entry("container:9464", **{PID: "1", HOST: "another-host", STARTED: "1.0"}),
        ours("127.0.0.1:1", os.getpid(), started),
    ]
    dead = [
        ours("127.0.0.1:2", os.getpid(), started - 1_000.0),
        ours("127.0.0.1:3", 2**22 + 1, started),
        entry("127.0.0.1:4", **{HOST: socket.gethostname()}),
        entry("127.0.0.1:5", **{HOST: socket.gethostname(), PID: "one", STARTED: "then"}),
    ]
    path.write_text(json.dumps([*kept, *dead]))
    Discovery(path, {}).add("127.0.0.1", 9464)

    found = json.loads(path.read_text())
    assert found[:-1] == kept
    assert found[-1]["targets"] == ["127.0.0.1:9464"]


def test_a_zombie_is_dead(path: Path) -> None:
    """A process that ended and was not waited for has no endpoint any more."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = psutil.Process(child.pid).create_time()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        path.write_text(json.dumps([ours("127.0.0.1:1", child.pid, started)]))
        Discovery(path, {}).remove("127.0.0.1", 9)

    assert json.loads(path.read_text()) == []


def test_a_port_has_one_entry(path: Path) -> None:
    """Whoever listened at the port before does so no more."""
    for name in ("first", "second"):
        Discovery(path, {"service_name": name}).add("127.0.0.1", 9464)

    assert [each["labels"]["service_name"] for each in json.loads(path.read_text())] == ["second"]


@pytest.mark.parametrize("content", ["{", '{"targets": []}', "\x00"])
def test_a_broken_file_is_put_aside(path: Path, content: str) -> None:
    """What is no list of targets is kept under another name, said once, and a good file takes its place."""
    path.write_text(content)
    Discovery(path, {}).add("127.0.0.1", 9464)

    assert targets(path) == ["127.0.0.1:9464"]
    assert path.with_name("targets.json.broken").read_text() == content
    assert GUARD.counts() == {"metrics.discovery": 1}


def test_a_locked_file_is_not_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who holds the lock for ever costs the bot its entry, not its time."""
    monkeypatch.setattr(discovery, "WAIT", 0.02)
    with path.with_name("targets.json.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Discovery(path, {}).add("127.0.0.1", 9464)

    assert not path.exists()
    assert GUARD.counts() == {"metrics.discovery": 1}


def test_a_directory_that_cannot_be_made_is_no_error_of_the_bot(tmp_path: Path) -> None:
    """The file system's refusal is counted and logged."""
    (tmp_path / "file").write_text("")
    Discovery(tmp_path / "file" / "targets.json", {}).add("127.0.0.1", 9464)

    assert GUARD.counts() == {"metrics.discovery": 1}


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "127.0.0.1:9464"), ("::1", "[::1]:9464"), ("0.0.0.0", f"{socket.gethostname()}:9464")],  # noqa: S104
)
def test_target_is_an_address_that_prometheus_can_reach(path: Path, host: str, expected: str) -> None:
    """An endpoint that listens everywhere is announced by the host's name."""
    Discovery(path, {}).add(host, 9464)

    assert targets(path) == [expected]
    assert path.stat().st_mode & 0o044 == 0o044

"""Nothing is lost at the end of a process, however it ends, and nothing arrives twice after a fork."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from multiprocessing import process, util
from pathlib import Path
from typing import Any

import pytest
from setup_kit import Begin, Bot, decide, named, resources, shown, spans
from sink import Sink, eventually, free_port, hang

import ares_otel as ares
from ares_otel.setup import active, ending

FORK = ("-W", "ignore::DeprecationWarning")
"""From Python 3.12 on, forking a process with threads is deprecated: there the child has none but its own."""

REGISTRY: dict[Any, Any] = vars(util)["_finalizer_registry"]

fork_only = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise KeyError('price')", 1),
        ("threading.Thread(target=lambda: (time.sleep(0.1), decide('late'))).start()", 0),
        (
            "signal.signal(signal.SIGINT, signal.default_int_handler); signal.raise_signal(signal.SIGINT)",
            -signal.SIGINT,
        ),
        ("import atexit, io; atexit.register(decide, 'late')", 0),
    ],
    ids=["end", "exit", "exception", "thread", "ctrl-c", "atexit"],
)
def test_an_end_of_the_program(tmp_path: Path, sink: Sink, end: str, status: int) -> None:
    """At the end of the script, by `sys.exit`, by an exception, in a last thread: all that was decided arrives."""
    ended = Bot(f"ares.setup()\ndecide(1)\n{end}", tmp_path, sink).end()
    assert ended.status == status
    assert named(sink) == (["s1", "slate"] if "late" in end else ["s1"])
    assert "ares_otel" not in ended.errors.replace("import ares_otel", "")


WAITING = """
ares.setup()
for number in range(100):
    decide(number)
open_one = ares.decision(strategy="open")
open_one.__enter__()
say("ready")
while True:
    time.sleep(60)
"""


def test_sigterm_delivers(tmp_path: Path, sink: Sink) -> None:
    """All that was recorded arrives, an open decision too; the status is that of the signal."""
    bot = Bot(WAITING, tmp_path, sink)
    bot.next()
    bot.signal(signal.SIGTERM)
    assert bot.end().status == -signal.SIGTERM
    assert named(sink) == sorted([*(f"s{number}" for number in range(100)), "open"])


@pytest.mark.parametrize("server", ["gone", "hangs"])
def test_sigterm_spools(tmp_path: Path, sink: Sink, server: str) -> None:
    """When nobody takes it, it is on disk within the time, whatever somebody who has no patience sends more."""
    sink.script.append(hang)
    where = sink if server == "hangs" else f"http://127.0.0.1:{free_port()}/v1/traces"
    bot = Bot(WAITING, tmp_path, where, ARES_OTEL_RECORDER_SHUTDOWN_TIMEOUT="0.5")
    bot.next()
    for _ in range(3):
        bot.signal(signal.SIGTERM)
    assert bot.end().status == -signal.SIGTERM

    sink.script.clear()
    sink.requests.clear()
    assert Bot("ares.setup()\nsay(ares.flush(30.0))", tmp_path, sink).end().well == [[True]]
    assert named(sink) == sorted([*(f"s{number}" for number in range(100)), "open"])


INSIDE = {
    "flush": "say('ready')\nares.flush(30.0)",
    "shutdown": "say('ready')\nares.shutdown(30.0)",
    "exit": "say('ready')\nsys.exit()",
    "log": "logging.basicConfig(stream=sys.stderr)\nsay('ready')\nwhile True: logging.warning('busy')",
    "decisions": "say('ready')\nwhile True:\n    with ares.decision(): pass",
}


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("place", INSIDE)
def test_sigterm_in_the_middle_of_something(tmp_path: Path, sink: Sink, place: str) -> None:
    """The handler interrupts the main thread anywhere, also in our own calls, and still saves what was recorded."""
    sink.script.append(hang)
    # the time for the end is the system's to give: a busy one may let nobody of ours run for half a second
    limit = "2" if place in ("shutdown", "decisions") else "1"
    # a worker's first round loads and compiles what later ones have
    script = f"ares.setup()\ndecide(1)\nares.flush(0.2)\n{INSIDE[place]}"
    # without the bound the heir sends all that a loop decides before the signal comes: minutes of work, if it is busy
    around = {"ARES_OTEL_RECORDER_SHUTDOWN_TIMEOUT": limit, "ARES_OTEL_RECORDER_QUEUE_LIMIT": "500"}
    bot = Bot(script, tmp_path, sink, **around)
    bot.next()
    bot.signal(signal.SIGTERM)
    assert bot.end().status == -signal.SIGTERM

    Bot("ares.setup()\nares.flush(30.0)", tmp_path, sink).end()
    assert named(sink).count("s1") >= 1


OWN_HANDLER = """
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
ares.setup()
decide(1)
say("ready")
while True:
    time.sleep(60)
"""


def test_sigterm_that_the_bot_handles(tmp_path: Path, sink: Sink) -> None:
    """Its handler is called, and what it does decides the status; nothing is lost either."""
    bot = Bot(OWN_HANDLER, tmp_path, sink)
    bot.next()
    bot.signal(signal.SIGTERM)
    assert bot.end().status == 7
    assert named(sink) == ["s1"]


def test_another_signal_that_is_ignored_by_default(begin: Begin, sink: Sink) -> None:
    """After the telemetry's end the signal does what it does by itself: here, nothing."""
    begin(sink)
    decide(ares, "s1")
    before = signal.getsignal(signal.SIGURG)
    ending._on_sigterm(signal.SIGURG, None)
    assert signal.getsignal(signal.SIGURG) is before is signal.SIG_DFL
    assert active() is None
    assert named(sink) == ["s1"]


class Interrupted(logging.Filter):
    """Is interrupted by a signal while the bot logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Run the handler as the interpreter does."""
        ending._on_sigterm(signal.SIGURG, sys._getframe())
        return bool(record)


def test_a_signal_in_the_middle_of_logging(begin: Begin, caplog: pytest.LogCaptureFixture) -> None:
    """The thread that waits for ours holds the locks of its log handlers: ours must not wait for them."""
    begin(exporter__enabled=True, exporter__traces_endpoint=f"http://127.0.0.1:{free_port()}/v1/traces")
    decide(ares, "s1")
    logger = logging.getLogger("bot")
    interrupted = Interrupted()
    logger.addFilter(interrupted)
    logger.warning("busy")
    logger.removeFilter(interrupted)
    assert active() is None
    assert [record.name for record in caplog.records] == ["bot"]
    assert not logging.getLogger("ares_otel").disabled


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_the_first_process_of_a_container(tmp_path: Path, sink: Sink) -> None:
    """The kernel lets no signal end it by default: it exits with the status that a shell would show."""
    flags = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*flags, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no new process namespace can be had here")
    script = WAITING.replace("time.sleep(60)", "os.kill(1, signal.SIGTERM)")
    assert Bot(script, tmp_path, sink, before=flags).end().status == 128 + signal.SIGTERM
    assert "open" in named(sink)


FORKING = """
handle = ares.setup()
decide("parent before")
outer = ares.decision(strategy="outer", symbol="BTC")
outer.__enter__()
with outer.stage("analyst"):
    pass
child = os.fork()
if child == 0:
    ares.record(ares.Prediction("in child", "up"))
    outer.order("c1", side="buy", type="market", quantity=1)
    with ares.span("below"):
        pass
    outer.__exit__(None, None, None)
    for number in range(20):
        decide(f" child {number}")
    say("child", ares.flush(20.0), handle.metrics_url)
    sys.exit(0)
os.waitpid(child, 0)
outer.__exit__(None, None, None)
decide(" parent after")
say("parent", handle.metrics_url)
"""


@fork_only
def test_fork(tmp_path: Path, sink: Sink) -> None:
    """The child's decisions arrive once, the parent's once, from two instances with pages of their own."""
    said = Bot(FORKING, tmp_path, sink, options=FORK).end().well
    assert said[0][:2] == ["child", True]
    assert said[0][2] != said[1][1]
    assert all(each[-1].startswith("http://127.0.0.1:") for each in said)
    assert named(sink) == sorted(["sparent before", "outer", "s parent after", *(f"s child {n}" for n in range(20))])

    received = spans(sink)
    instances = {
        span["attributes"]["ares.strategy"]: span["resource"]["service.instance.id"]
        for span in received
        if span["name"] == "decision"
    }
    assert instances["outer"] == instances["sparent before"] == instances["s parent after"]
    assert instances["s child 0"] == instances["s child 19"] != instances["outer"]
    pids = {one["service.instance.id"]: one["process.pid"] for one in resources(sink)}
    assert len(set(pids.values())) == 2

    outer = next(span for span in received if span["attributes"].get("ares.strategy") == "outer")
    late = {span["name"]: span for span in received if span["name"] in {"prediction", "order submit", "below"}}
    assert {span["trace_id"] for span in late.values()} == {outer["trace_id"]}
    assert {span["resource"]["service.instance.id"] for span in late.values()} == {instances["s child 0"]}
    assert [span["name"] for span in received].count("analyst") == 1


COUNTING = """
handle = ares.setup()
for number in range(7):
    decide("p")
ares.flush(20.0)
child = os.fork()
if child == 0:
    ares.flush(20.0)
    decide("c")
    ares.flush(20.0)
    say(handle.metrics_url)
    sys.stdin.readline()
    sys.exit(0)
say(handle.metrics_url)
os.waitpid(child, 0)
"""


@fork_only
def test_metrics_after_a_fork(tmp_path: Path) -> None:
    """The child's page shows what the child did: the parent's numbers are on the parent's."""
    file = tmp_path / "targets.json"
    environ = {"ARES_OTEL_METRICS_FILE_SD": str(file), "ARES_OTEL_METRICS_SYSTEM": "true"}
    bot = Bot(COUNTING, tmp_path, None, options=FORK, **environ)
    pages = {bot.next()[0], bot.next()[0]}
    counts = sorted(shown(page, "ares_decisions_total", action="buy") or 0.0 for page in pages)
    assert counts == [1.0, 7.0]
    assert file.read_text(encoding="utf-8").count("127.0.0.1") == 2
    assert bot.process.stdin is not None
    bot.process.stdin.write("\n")
    assert bot.end().status == 0
    assert "127.0.0.1" not in file.read_text(encoding="utf-8")


MULTIPROCESSING = """
import multiprocessing

def work(number):
    ares.setup()
    decide(f" child {number}")

if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    ares.setup()
    decide(" parent")
    children = [context.Process(target=work, args=(number,)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    say([child.exitcode for child in children])
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing(tmp_path: Path, sink: Sink, method: str) -> None:
    """They end past `atexit`; nothing of theirs is lost for that."""
    bot = Bot(MULTIPROCESSING, tmp_path, sink, method, options=FORK)
    assert bot.end().well == [[[0, 0, 0]]]
    assert named(sink) == ["s child 0", "s child 1", "s child 2", "s parent"]


def test_what_is_arranged_with_multiprocessing(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child's end is ours, after all other things that happen then; a program without it is not made to load it."""
    with begin():
        before = {*REGISTRY}
        monkeypatch.setattr(process, "_parent_process", object())
        ending._end_with_child()
        (key,) = {*REGISTRY} - before
        assert key[0] == ending.LAST < 0
        assert active() is not None
        REGISTRY[key]()
        assert active() is None

    ending._end_with_parent()
    monkeypatch.delitem(sys.modules, "multiprocessing.util")
    monkeypatch.delitem(sys.modules, "multiprocessing.process")
    ending._end_with_parent()
    ending._end_with_child()
    assert "multiprocessing.util" not in sys.modules


PLAIN = """
ares.setup()
decide(" parent")
child = os.fork()
decide(f" {'child' if child == 0 else 'parent'} after")
say(ares.shutdown(20.0))
if child:
    os.waitpid(child, 0)
"""


@fork_only
def test_fork_without_a_page(tmp_path: Path, sink: Sink) -> None:
    """Where no metrics are shown, a child has nothing but its spans."""
    bot = Bot(PLAIN, tmp_path, sink, options=FORK, ARES_OTEL_METRICS_ENABLED="false")
    assert bot.end().well == [[True], [True]]
    assert named(sink) == ["s child after", "s parent", "s parent after"]


AFTERWARDS = """
ares.setup()
decide("parent")
ares.shutdown()
child = os.fork()
if child == 0:
    say(ares.shutdown(), ares.setup().owner)
    decide("child")
    say(ares.shutdown())
    sys.exit(0)
os.waitpid(child, 0)
"""


@fork_only
def test_fork_after_the_end(tmp_path: Path, sink: Sink) -> None:
    """A child of a process whose telemetry has ended may set up its own."""
    assert Bot(AFTERWARDS, tmp_path, sink, options=FORK).end().well == [[True, True], [True]]
    assert named(sink) == ["schild", "sparent"]


PREEXEC = """
ares.setup()
decide(1)
import subprocess
done = subprocess.run([sys.executable, "-c", "print('ran')"], preexec_fn=lambda: None, capture_output=True, text=True)
say(done.stdout)
"""


@fork_only
def test_a_child_that_becomes_another_program(tmp_path: Path, sink: Sink) -> None:
    """A fork that is only the way to an `exec` opens no page, enters no file, and takes nothing along."""
    file = tmp_path / "targets.json"
    bot = Bot(PREEXEC, tmp_path, sink, options=FORK, ARES_OTEL_METRICS_FILE_SD=str(file))
    assert bot.end().well == [["ran\n"]]
    assert named(sink) == ["s1"]
    assert "127.0.0.1" not in file.read_text(encoding="utf-8")


def test_after_the_end_a_new_beginning(begin: Begin, sink: Sink) -> None:
    """Set up, ended and set up again in one process: each part of the story arrives once."""
    for number in range(3):
        with begin(sink):
            decide(ares, f"s{number}")
        decide(ares, "between")
    eventually(lambda: len(named(sink)) == 3)
    assert named(sink) == ["s0", "s1", "s2"]
    assert sys.exc_info() == (None, None, None)

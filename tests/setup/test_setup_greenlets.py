"""Threads that are greenlets: gevent works, whenever it comes before `setup()`; eventlet is refused in plain words."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from setup_kit import Begin, Bot, named, resources, spans
from sink import Handler, Sink, eventually, ok

from ares_otel.guard import GUARD
from ares_otel.setup import surroundings

FIRST = ("-m", "gevent.monkey")
"""What `python -m gevent.monkey bot.py` does: all is patched before the bot imports anything."""

LATER = "from gevent import monkey\nmonkey.patch_all()\n"
WHEN = pytest.mark.parametrize(("options", "patch"), [(FIRST, ""), ((), LATER)], ids=["before import", "after import"])

DECIDING = """
import contextvars, gevent
handle = ares.setup()

def decide_slowly(number):
    with ares.decision(symbol="BTC", strategy=f"s{number:02}") as d:
        for part in ("analyst", "strategist"):
            gevent.sleep(0.001)
            with d.stage(part):
                gevent.sleep(0.001)
                assert ares.current() is d

gevent.joinall([gevent.spawn(decide_slowly, number) for number in range(40)], raise_error=True)
with ares.decision(strategy="outer") as d:
    found = []
    thread = threading.Thread(target=lambda: found.append(ares.correlation_id()))
    thread.start()
    thread.join()
    found += [gevent.spawn(ares.correlation_id).get()]
    found += [gevent.spawn(contextvars.copy_context().run, ares.correlation_id).get()]
say([one == d.correlation_id for one in found], ares.flush(20.0))
import urllib.request
page = urllib.request.urlopen(handle.metrics_url, timeout=20).read().decode()
say("ares_decisions_total" in page, ares.shutdown(20.0))
"""


@WHEN
def test_gevent(tmp_path: Path, sink: Sink, options: tuple[str, ...], patch: str) -> None:
    """Decisions of forty greenlets do not mix; threads join, greenlets by a copy of the context; the page answers."""
    said = Bot(patch + DECIDING, tmp_path, sink, options=options).end().well
    assert said == [[[True, False, True], True], [True, True]]
    assert named(sink) == ["outer", *(f"s{number:02}" for number in range(40))]
    decisions = {span["span_id"]: span["trace_id"] for span in spans(sink) if span["name"] == "decision"}
    stages = [span for span in spans(sink) if span["name"] in {"analyst", "strategist"}]
    assert len(stages) == 80
    assert all(decisions[stage["parent_id"]] == stage["trace_id"] for stage in stages)


WAYS = {
    "asleep": "gevent.sleep(60)",
    "busy": "while True: pass",
    "greenlets": "gevent.spawn(lambda: [gevent.sleep(0.001) for _ in range(60_000)]).join()",
}


@pytest.mark.parametrize("way", WAYS)
def test_sigterm_with_gevent(tmp_path: Path, sink: Sink, way: str) -> None:
    """The handler may run in gevent's hub, where nothing may wait: a greenlet does it then, and nothing is lost."""
    script = f"import gevent\nares.setup()\nfor number in range(10): decide(number)\nsay('ready')\n{WAYS[way]}"
    bot = Bot(script, tmp_path, sink, options=FIRST)
    bot.next()
    bot.signal(signal.SIGTERM)
    assert bot.end().status == -signal.SIGTERM
    assert named(sink) == [f"s{number}" for number in range(10)]


FORKING = """
ares.setup()
decide("before")
time.sleep(0)  # the parent's threads, which are greenlets, come so far as to wait
child = os.fork()
if child == 0:
    for number in range(5):
        decide(f" child {number}")
        time.sleep(0.01)
    say(ares.flush(20.0))
    sys.exit(0)
os.waitpid(child, 0)
decide("after")
say(ares.shutdown(20.0))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_with_gevent(tmp_path: Path, sink: Sink) -> None:
    """The child has copies of the parent's greenlets, ours among them: they do nothing there, and say nothing."""
    environ = {"ARES_OTEL_RECORDER_DRAIN_INTERVAL": "0.01", "ARES_OTEL_METRICS_SYSTEM": "true"}
    ended = Bot(FORKING, tmp_path, sink, options=FIRST, **environ).end()
    assert ended.well == [[True], [True]]
    assert "Error" not in ended.errors
    once = Counter(dict.fromkeys(["sbefore", "safter", *(f"s child {number}" for number in range(5))], 1))
    assert Counter(named(sink)) == once
    assert len({one["service.instance.id"] for one in resources(sink)}) == 2


IN_THE_MIDST = """
import gevent
ares.setup()
decide("before")
flushed = gevent.spawn(ares.flush, 60.0)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.005)
child = os.fork()
if child == 0:
    decide("child")
    say(ares.flush(60.0))
    time.sleep(0.2)  # longer than the parent's answer takes to come
    sys.exit(0)
decide("after")
say(flushed.get(), ares.shutdown(60.0))
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_in_the_midst_of_a_request(tmp_path: Path, sink: Sink) -> None:
    """The child has a copy of the greenlet that waits for the answer: it takes nothing of it, and sends nothing."""
    asked = tmp_path / "asked"

    def slow(handler: Handler, body: bytes) -> None:
        asked.write_text("")
        eventually(lambda: "decision" in sink.delivered)  # the child's, on a connection of its own
        ok(handler, body)

    sink.script.append(slow)
    ended = Bot(IN_THE_MIDST, tmp_path, sink, str(asked), options=FIRST).end()
    assert sorted(ended.well) == [[True], [True, True]]
    assert "Error" not in ended.errors
    assert "kept and tried again" not in ended.errors
    assert Counter(named(sink)) == Counter(["sbefore", "schild", "safter"])


def test_gevent_after_setup(tmp_path: Path, sink: Sink) -> None:
    """Too late: that is said, once; what was recorded is not lost for it."""
    # two threads that make gevent's first hubs at once can wait for each other's imports for ever
    before = "import gevent\ngevent.get_hub()\nares.setup()\ndecide(1)\nares.flush(20.0)\n"
    script = f"{before}{LATER}\nfor number in (2, 3):\n    decide(number)\n    ares.flush(20.0)"
    ended = Bot(script, tmp_path, sink).end()
    assert ended.errors.count("gevent.monkey.patch_all() came after setup()") == 1
    assert named(sink) == ["s1", "s2", "s3"]


EVENTLET = "import eventlet\neventlet.monkey_patch()\n"
QUIET = ("-W", "ignore")
"""eventlet warns of its own end."""


def test_eventlet_is_refused(tmp_path: Path, sink: Sink) -> None:
    """The bot runs on without telemetry, and its log says why and what to use."""
    script = f"{EVENTLET}with ares.setup() as handle:\n    decide(1)\nsay(handle.owner, ares.flush(), ares.shutdown())"
    ended = Bot(script, tmp_path, sink, options=QUIET).end()
    assert ended.well == [[False, True, True]]
    assert "eventlet is not supported; the bot runs without telemetry" in ended.errors
    assert sink.requests == []


def test_eventlet_that_patches_nothing(tmp_path: Path, sink: Sink) -> None:
    """Green threads of eventlet alone take no thread of ours away."""
    script = "import eventlet\nares.setup()\neventlet.spawn(decide, 1).wait()\nsay(ares.shutdown(20.0))"
    assert Bot(script, tmp_path, sink, options=QUIET).end().well == [[True]]
    assert named(sink) == ["s1"]


def test_eventlet_after_setup(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noticed in the next round of the worker."""
    threads = surroundings.Threads()
    threads.watch()
    monkeypatch.setattr(surroundings, "_is_patched_by_eventlet", lambda: True)
    threads.watch()
    assert GUARD.counts() == {"setup": 1}
    assert begin().owner is False

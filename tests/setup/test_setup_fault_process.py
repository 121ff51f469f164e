"""Processes that end in every way, and signals that come at the worst moment."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from balance import watched
from setup_kit import Bot, named
from sink import Sink, free_port

ABRUPT = """
ares.setup()
decide(1)
say(ares.flush(float(sys.argv[1])))
decide(2)
os._exit(5)
"""


@pytest.mark.parametrize("collector", ["well", "down"])
def test_os_exit(tmp_path: Path, sink: Sink, collector: str) -> None:
    """Nothing runs then: what was flushed is acknowledged or on disk, only what came since the last round is lost."""
    where = sink if collector == "well" else free_address()
    ended = Bot(ABRUPT, tmp_path, where, "20" if collector == "well" else "0.5").end()
    assert (ended.status, ended.said) == (5, [[collector == "well"]])
    if collector == "down":
        assert ended.errors.count("\n") == 1  # what the sender complains of, once
        assert Bot("ares.setup()\nsay(ares.flush(30.0))", tmp_path, sink).end().well == [[True]]
    assert named(sink) == ["s1"]


DAEMONS = """
ares.setup()

def forever(name):
    while True:
        decide(name)
        time.sleep(0.001)

for number in range(8):
    threading.Thread(target=forever, args=("daemon",), daemon=True).start()
for number in range(40):
    decide(number)
time.sleep(0.05)
"""


def test_daemon_threads(tmp_path: Path, sink: Sink) -> None:
    """The interpreter stops them in the middle: it ends well, and nothing of the main thread's is lost."""
    ended = Bot(DAEMONS, tmp_path, sink, ARES_OTEL_RECORDER_SHUTDOWN_TIMEOUT="20").end()
    assert (ended.status, ended.errors) == (0, "")
    found = named(sink)
    assert {f"s{number}" for number in range(40)} | {"sdaemon"} == {*found}


RECORDING = """
count = 0

def record(number, frame):
    global count
    count += 1
    decide("handler")

signal.signal(signal.SIGUSR2, record)
handle = ares.setup()
say(handle.metrics_url)
end = time.monotonic() + 1.5
while time.monotonic() < end:
    for number in range(100):
        decide("busy")
say(count)
sys.stdin.readline()
"""


@pytest.mark.usefixtures("untraced")
def test_a_signal_handler_that_records(tmp_path: Path) -> None:
    """It interrupts the main thread anywhere, also while that counts what found no room, and never waits for it."""
    around = {"ARES_OTEL_RECORDER_QUEUE_LIMIT": "100", "ARES_OTEL_RECORDER_SHUTDOWN_TIMEOUT": "0.2"}
    bot = Bot(RECORDING, tmp_path, free_address(), **around)
    (url,) = bot.next()
    with watched(url) as scrapes:
        for _ in range(300):
            bot.signal(signal.SIGUSR2)
            time.sleep(0.004)  # a storm of them would leave the bot no time for anything else
        (count,) = bot.next()
    assert count > 0
    assert scrapes[-1].dropped["queue_full"] > 0
    bot.go_on()
    assert bot.end().status == 0


def free_address() -> str:
    """Return where nobody listens."""
    return f"http://127.0.0.1:{free_port()}/v1/traces"

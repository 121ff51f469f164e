"""Outages of real servers under load, of full length: nothing is lost, nothing is stored twice, alerts tell of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest
from faults_kit import MINUTES, Loaded, loaded, note, spans_of
from server_kit import segments_of
from stack_kit import until

from ares_otel.semconv import metrics as m

pytestmark = pytest.mark.timeout(0)
OUTAGE = MINUTES * 60.0
SOON = 240.0  # two minutes of patience, a scrape, an evaluation, and a group's wait
RESOLVED = 420.0
KILLS = 5
SOME = 1_000
SCRAPE = 15.0
TEMPO = {"AresServerDown", "AresCollectorNotDelivering"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Run the stack under load, the same for all tests of this module: faults come one after another."""
    with loaded(tmp_path_factory.mktemp("outage")) as made:
        yield made


def restarted(running: Loaded) -> None:
    """Let Prometheus be killed, and start anew with what is on its disk."""
    running.prometheus.process.kill()
    running.prometheus.process.wait()
    running.prometheus.start_again()
    until(running.prometheus.ready, what="Prometheus is ready again")
    note("Prometheus was killed and is ready again")


def began(running: Loaded, alert: str) -> dict[str, str]:
    """Return since when an alert fires in Prometheus, to the second, by what it is about."""
    active = running.prometheus.ask("alerts")["alerts"]
    return {
        str(sorted(each["labels"].items())): each["activeAt"][:19]
        for each in active
        if (each["labels"]["alertname"], each["state"]) == (alert, "firing")
    }


def test_tempo_is_down(running: Loaded) -> None:
    """Ten minutes without Tempo; meanwhile the collector is killed twice and Prometheus once.

    Alerts fire and end, once each, and say nothing else; every decision is in Tempo and, once, in the store.
    """
    heard, started = running.alerts.names(), time.monotonic()
    running.tempo.stop()
    note("Tempo is down")
    running.alerts.wait("AresServerDown", over=False, since=started, seconds=SOON)
    for part in (0.4, 0.6):
        running.stand(started + part * OUTAGE - time.monotonic())
        running.collector.kill()
        running.collector.start()
        note(f"the collector was killed and is back; {running.waiting('otlp_grpc/tempo'):,.0f} bytes wait for Tempo")
    running.alerts.wait("AresCollectorNotDelivering", over=False, since=started, seconds=OUTAGE)
    running.stand(started + 0.8 * OUTAGE - time.monotonic())
    before = {name: began(running, name) for name in TEMPO}
    assert all(before.values())
    restarted(running)
    until(
        lambda: {name: began(running, name) for name in TEMPO} == before, what="alerts are active since the same time"
    )
    running.stand(started + OUTAGE - time.monotonic())
    note(f"{running.waiting('otlp_grpc/tempo'):,.0f} bytes wait for Tempo after {time.monotonic() - started:.0f} s")
    assert not [each for each in running.alerts.said() if each.over and each.name in TEMPO]

    back = time.monotonic()
    running.tempo.start_again()
    until(running.tempo.ready, what="Tempo is ready again")
    made = running.load.made()
    until(lambda: running.waiting("otlp_grpc/tempo") < 100_000, what="the queue is worked off", seconds=RESOLVED)
    note(f"the queue is worked off {time.monotonic() - back:.0f} s after Tempo's start")
    for name in sorted(TEMPO):
        running.alerts.wait(name, over=True, since=back, seconds=RESOLVED)
    running.settled(made)
    assert running.alerts.names() - heard == TEMPO
    assert sorted(each.name for each in running.alerts.said() if each.at > started) == sorted([*TEMPO, *TEMPO])
    assert running.load.dropped() == {}


def test_collector_is_killed_under_load(running: Loaded) -> None:
    """Five kills with a start at once are no alert; one with minutes until the start is. Nothing is lost or doubled."""
    heard = len(running.alerts.said())
    for _ in range(KILLS):
        running.stand(SCRAPE)
        running.collector.kill()
        running.collector.start()
    note(f"{KILLS} kills")
    running.stand(2 * SCRAPE)
    assert running.alerts.said()[heard:] == []

    running.collector.kill()
    started = time.monotonic()
    note("the collector is killed")
    running.alerts.wait("AresCollectorDown", over=False, since=started, seconds=SOON)
    spooled = running.load.metric(m.SPOOL_BYTES)
    note(f"{spooled:,.0f} bytes wait in the bot's spool after {time.monotonic() - started:.0f} s")
    assert spooled > 0
    back = time.monotonic()
    running.collector.start()
    made = running.load.made()
    until(lambda: running.load.metric(m.SPOOL_BYTES) == 0, what="the spool is worked off", seconds=RESOLVED)
    note(f"the spool is worked off {time.monotonic() - back:.0f} s after the collector's start")
    running.alerts.wait("AresCollectorDown", over=True, since=back, seconds=RESOLVED)
    running.settled(made)
    assert {each.name for each in running.alerts.said()[heard:]} == {"AresCollectorDown"}
    assert running.load.dropped() == {}


def test_prometheus_restarts(running: Loaded) -> None:
    """Scrapes go on where they were, the heartbeat goes on, and nobody is told of anything that is not so."""
    heard, beats = len(running.alerts.said()), running.alerts.heartbeats()
    restarted(running)
    up = "min(up)"
    until(lambda: running.prometheus.value(up) == 1, what="all targets answer", seconds=60)
    running.stand(MINUTES * 30)
    assert running.prometheus.value(up) == 1
    gap = running.prometheus.value(
        'max_over_time((timestamp(up{job="ares-bot"}) - timestamp(up{job="ares-bot"} offset 15s))[5m:15s])'
    )
    scrapes = running.prometheus.value('count_over_time(up{job="ares-bot"}[5m])')
    note(f"{scrapes} of 20 scrapes of the last five minutes; the longest time between two: {gap} s")
    assert running.alerts.said()[heard:] == []
    assert running.alerts.heartbeats() > beats


def test_all_in_all(running: Loaded) -> None:
    """At the end, with the bot ended: the store has each span once, and Tempo has the spans of its traces."""
    running.load.stop()
    made = running.load.made()
    running.settled(made)
    spans = [(trace.hex(), span) for _, held in segments_of(running.database) for trace, span, _, _ in held]
    assert len(set(spans)) == len(spans)
    per_trace = Counter(trace for trace, _ in spans)
    assert sum(per_trace[trace] for trace in made) == spans_of(made)
    note(f"{len(made)} decisions with {spans_of(made)} spans, each in the store once")
    looked = list(made)[:: len(made) // SOME or 1]
    short = [
        trace for trace in looked if len({span["spanId"] for span in running.tempo.trace(trace)}) != per_trace[trace]
    ]
    assert short == []
    note(f"{len(looked)} traces in Tempo have all their spans")

"""The bot's log records, from the call to the receiver: complete, without secrets, and never instead of spans."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from balance import balance, watched
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from setup_kit import Begin, Bot, decide, named, shown
from sink import Answer, Sink, die, eventually, free_port, reply

import ares_otel as ares
from ares_otel.config import load
from ares_otel.guard import GUARD
from ares_otel.pipeline.otlp.logs import LogEncoder
from ares_otel.setup import active
from ares_otel.setup.logs import secrets_of

LOG = logging.getLogger("bot")


@pytest.fixture(autouse=True)
def _all_levels() -> Iterator[None]:
    """Let records of every level reach the handlers."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(level)
    assert root.handlers == handlers


def url_of(sink: Sink) -> str:
    """Return where a sink takes log records."""
    return sink.url.replace("traces", "logs")


def told(sink: Sink) -> list[dict[str, Any]]:
    """Return the log records that came."""
    return [
        {
            "logger": scope.scope.name,
            "level": record.severity_text,
            "severity": SeverityNumber.Name(record.severity_number),
            "body": record.body.string_value,
            "trace_id": record.trace_id.hex(),
            "span_id": record.span_id.hex(),
            "flags": record.flags,
            "resource": {each.key: each.value.string_value for each in part.resource.attributes},
            **{each.key: each.value.string_value for each in record.attributes},
        }
        for request in list(sink.requests)
        if request.target.endswith("/v1/logs")
        for part in ExportLogsServiceRequest.FromString(request.body).resource_logs
        for scope in part.scope_logs
        for record in scope.log_records
    ]


def bodies(sink: Sink) -> list[str]:
    """Return the messages that came."""
    return [record["body"] for record in told(sink)]


def test_a_record_is_found_with_its_decision(begin: Begin, sink: Sink) -> None:
    """Inside a decision it has the ids of the decision and of the stage it was logged in; outside it has none."""
    handle = begin(sink, logs__export=True, logs__endpoint=url_of(sink))
    LOG.info("before")
    with ares.decision(symbol="BTC") as d, d.stage("analyst") as stage:
        LOG.warning("inside of %s", "BTC")
    assert ares.flush(10.0)
    before, inside = told(sink)

    assert (inside["logger"], inside["level"], inside["severity"]) == ("bot", "WARNING", "SEVERITY_NUMBER_WARN")
    assert inside["body"] == "inside of BTC"
    assert inside["ares.correlation.id"] == d.correlation_id
    assert inside["trace_id"] == f"{d.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{stage.get_span_context().span_id:016x}"
    assert inside["resource"]["service.name"] == "ares-bot"
    assert (before["trace_id"], "ares.correlation.id" in before) == ("", False)
    assert (before["flags"], inside["flags"]) == (0, 1)
    assert shown(handle.metrics_url, "ares_telemetry_exported_logs_total") == 2


@pytest.mark.parametrize("injected", ["true", "false"])
@pytest.mark.parametrize(("ratio", "flags"), [(1.0, 1), (0.0, 0)])
def test_flags_say_whether_it_is_sampled(begin: Begin, sink: Sink, ratio: float, flags: int, injected: str) -> None:
    """A record of a decision that is not recorded has its ids all the same, and says that its trace was not chosen."""
    how = {"sampling__sampler": "traceidratio", "sampling__ratio": ratio, "logging__inject": injected == "true"}
    begin(sink, logs__export=True, logs__endpoint=url_of(sink), **how)
    with ares.decision() as d:
        LOG.warning("inside")
    assert ares.flush(10.0)

    assert [(record["flags"], record["trace_id"]) for record in told(sink)] == [(flags, f"{d.trace_id:032x}")]


def test_nothing_without_being_asked(begin: Begin, sink: Sink) -> None:
    """Without `logs.export` there is no handler and no request; after the end there is none either."""
    before = list(logging.getLogger().handlers)
    with begin(sink):
        assert logging.getLogger().handlers == before
        LOG.error("said")
        assert ares.flush(10.0)
    with begin(sink, logs__export=True, logs__endpoint=url_of(sink), logs__level="error"):
        LOG.warning("too little")
        LOG.error("at the end")
    LOG.error("after it")

    assert logging.getLogger().handlers == before
    assert bodies(sink) == ["at the end"]


def test_logs_alone(begin: Begin, sink: Sink) -> None:
    """Log records are sent where spans are not, and nothing counts as lost."""
    with begin(exporter__enabled=False, logs__export=True, logs__endpoint=url_of(sink)):
        decide(ares, "s1")
        LOG.error("alone")
        assert ares.flush(10.0)

    assert [request.target for request in sink.requests] == ["/v1/logs"]


def test_a_storm_costs_no_span(begin: Begin, sink: Sink) -> None:
    """Records beyond the limit are dropped, counted and told of once; every span arrives."""
    handle = begin(sink, logs__export=True, logs__endpoint=url_of(sink), logs__queue_limit=100)
    for number in range(1_000):
        LOG.info("storm %d", number)
        if number % 100 == 0:
            decide(ares, f"s{number // 100}")
    assert not ares.flush(10.0)
    assert ares.flush(10.0)

    assert named(sink) == [f"s{number}" for number in range(10)]
    assert bodies(sink) == [f"storm {number}" for number in range(100)]
    assert shown(handle.metrics_url, "ares_telemetry_dropped_logs_total", reason="queue_full") == 900
    assert shown(handle.metrics_url, "ares_telemetry_dropped_total", reason="queue_full") == 0
    assert GUARD.counts()["logs"] == 1


def test_a_receiver_that_takes_no_logs_costs_no_span(begin: Begin, sink: Sink) -> None:
    """Where `/v1/logs` is not known, log records are refused and counted, and spans arrive all the same."""
    with Sink(reply(404)) as other:
        handle = begin(sink, logs__export=True, logs__endpoint=url_of(other))
        decide(ares, "s1")
        LOG.error("nobody wants it")
        assert not ares.flush(10.0)

        assert named(sink) == ["s1"]
        assert shown(handle.metrics_url, "ares_telemetry_dropped_logs_total", reason="refused") == 1
        assert shown(handle.metrics_url, "ares_telemetry_export_failures_total", reason="http_404") == 1


def test_what_the_telemetry_logs_is_not_sent(begin: Begin, sink: Sink) -> None:
    """Each failure to send is logged by us; it is no record of the bot's, or there would be no end."""
    with Sink(*[reply(503)] * 3) as other:
        begin(sink, logs__export=True, logs__endpoint=url_of(other), spool__enabled=False)
        LOG.error("once")
        eventually(lambda: ares.flush(1.0))

        assert set(bodies(other)) == {"once"}
        assert "sender of log records" in GUARD.counts()


def test_kept_over_a_restart(begin: Begin, sink: Sink, tmp_path: Path) -> None:
    """What no receiver took is on disk and goes out at the next start, log records beside spans."""
    port = free_port()
    begin(
        exporter__enabled=True,
        exporter__traces_endpoint=f"http://127.0.0.1:{port}/v1/traces",
        logs__export=True,
        logs__endpoint=f"http://127.0.0.1:{port}/v1/logs",
    )
    decide(ares, "s1")
    LOG.error("kept")
    assert not ares.shutdown(0.5)
    assert list((tmp_path / "state").rglob("logs/*/*.seg"))

    with begin(sink, logs__export=True, logs__endpoint=url_of(sink)):
        assert ares.flush(10.0)

    assert (named(sink), bodies(sink)) == (["s1"], ["kept"])


class Trap:
    """Says something else whenever it is asked."""

    def __str__(self) -> str:
        raise ValueError("no text")


FATES: dict[str, list[Answer]] = {
    "delivers": [],
    "busy": [reply(503)] * 5,
    "too large": [reply(413)] * 40,
    "dies": [die] * 5,
}


@pytest.mark.parametrize("fate", FATES)
def test_every_record_is_accounted_for(begin: Begin, sink: Sink, fate: str) -> None:
    """At each scrape: delivered, waiting in memory or on disk, or dropped and counted, from the call that logged it."""
    with Sink(*FATES[fate]) as other:
        handle = begin(sink, logs__export=True, logs__endpoint=url_of(other), logs__queue_limit=300)
        with watched(handle.metrics_url):
            threads = [threading.Thread(target=log_much) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            telemetry = active()
            assert telemetry is not None
            assert telemetry.logs is not None
            eventually(lambda: ares.flush(1.0))  # a full queue would not look at the next record
            telemetry.logs.handler.emit(logging.makeLogRecord({"name": "bot", "msg": "%s", "args": (Trap(),)}))
            eventually(lambda: ares.flush(1.0))
        found = balance(handle.metrics_url).logs
    assert found is not None
    assert found.recorded == 4 * 300 + 1
    assert found.queued + found.spooled == 0
    assert found.recorded == found.exported + found.lost
    assert found.dropped["invalid"] == 1
    assert ("refused" in found.dropped) is (fate == "too large")


def log_much() -> None:
    """Log more than the queue holds, with the worker in between now and then."""
    for number in range(300):
        LOG.info("number %d", number)
        if number % 100 == 50:
            ares.flush(0.01)


def test_accounts_go_on_over_a_restart(begin: Begin, sink: Sink) -> None:
    """What was left on disk was adopted; what cannot be told at all is no record of ours."""
    where = f"http://127.0.0.1:{free_port()}/v1/logs"
    with begin(sink, logs__export=True, logs__endpoint=where) as handle:
        LOG.error("kept")
        assert not ares.flush(0.2)
        found = balance(handle.metrics_url).logs
        assert found is not None
        assert (found.recorded, found.queued + found.spooled) == (1, 1)
    with begin(sink, logs__export=True, logs__endpoint=url_of(sink)) as handle:
        assert ares.flush(10.0)
        found = balance(handle.metrics_url).logs
    assert found is not None
    assert (found.recorded, found.adopted, found.exported) == (0, 1, 1)


def test_a_record_that_cannot_be_encoded(begin: Begin, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is lost and counted; those beside it arrive."""
    handle = begin(sink, logs__export=True, logs__endpoint=url_of(sink))
    real = LogEncoder.record
    monkeypatch.setattr(LogEncoder, "record", lambda self, data: b"" if data.body == "odd" else real(self, data))
    for text in ("one", "odd", "two"):
        LOG.error(text)
    assert not ares.flush(10.0)
    assert bodies(sink) == ["one", "two"]
    found = balance(handle.metrics_url).logs
    assert found is not None
    assert found.holds
    assert (found.recorded, found.dropped) == (3, {"invalid": 1})


def test_late_records_are_counted(begin: Begin, sink: Sink) -> None:
    """What cannot be worked through at the end is counted, and the end says that not all was delivered."""
    begin(sink, logs__export=True, logs__endpoint=url_of(sink))
    telemetry = active()
    assert telemetry is not None
    assert telemetry.logs is not None
    LOG.error("late")
    telemetry.logs.work(lambda: 0, float("-inf"))

    assert telemetry.logs.late == 1
    assert not ares.flush(10.0)
    assert GUARD.counts()["logs"] == 1


def test_gzip_headers_and_resource(begin: Begin, sink: Sink) -> None:
    """Headers and compression that were said for spans hold for log records, unless they have their own."""
    with begin(sink, logs__export=True, logs__endpoint=url_of(sink), exporter__compression="gzip",
               exporter__headers={"x-key": "abcdefgh"}):  # fmt: skip
        LOG.error("the key is abcdefgh")
    with begin(sink, logs__export=True, logs__endpoint=url_of(sink), exporter__headers={"x-key": "1"},
               logs__headers={"x-key": "2"}):  # fmt: skip
        LOG.error("other")
    first, second = (request.headers for request in sink.requests)

    assert (first["x-key"], first["content-encoding"]) == ("abcdefgh", "gzip")
    assert (second["x-key"], "content-encoding" in second) == ("2", False)
    assert bodies(sink) == ["the key is ***", "other"]


def test_secrets_of_the_configuration() -> None:
    """Values of headers, also without their scheme, and passwords in addresses are known."""
    loaded = load(
        environ={"HOME": "/"},
        overrides={
            "exporter.headers": {"authorization": "Bearer abcdefgh"},
            "exporter.endpoint": "http://joe:password1@host",
            "server.database_url": "postgresql://joe:password2@host/db",
            "logs.protocol": "grpc",
        },
    )

    assert {"Bearer abcdefgh", "abcdefgh", "password1", "password2"} <= set(secrets_of(loaded.config))


SCRIPT = """
logging.getLogger().setLevel("INFO")
LOG = logging.getLogger("bot")
ares.setup()
LOG.info("parent before")
child = os.fork() if hasattr(os, "fork") else 0
if child == 0:
    with ares.decision(strategy="child"):
        LOG.info("child")
    os._exit(0 if ares.shutdown(10) else 1)
assert os.waitpid(child, 0)[1] == 0
LOG.info("parent after")
say("ready", ares.flush(10))
"""
WAITING = """
LOG.info("last")
say("last")
time.sleep(60)
"""


@pytest.mark.parametrize("end", ["orderly", "sigterm"])
def test_forked_and_ended(sink: Sink, tmp_path: Path, end: str) -> None:
    """A forked child sends its own records and not its parent's; SIGTERM loses none."""
    given = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": url_of(sink)}
    script = SCRIPT + ('LOG.info("last")\n' if end == "orderly" else WAITING)
    bot = Bot(script, tmp_path / "state", sink, **given)
    assert bot.next() == ["ready", True]
    if end == "sigterm":
        assert bot.next() == ["last"]
        bot.signal(signal.SIGTERM)
    ended = bot.end()

    assert ended.status == (0 if end == "orderly" else -signal.SIGTERM), ended.errors
    assert sorted(bodies(sink)) == ["child", "last", "parent after", "parent before"]
    who = {record["body"]: record["resource"]["service.instance.id"] for record in told(sink)}
    assert who["child"] != who["parent before"] == who["last"]

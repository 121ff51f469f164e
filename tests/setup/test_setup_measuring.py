"""The page: a scrape is exact, several bots find their places, and the system's figures are there."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from urllib.request import urlopen

from setup_kit import Begin, Bot, decide, shown, spans
from sink import Sink, eventually, hang, reply

import ares_otel as ares
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup import active


def test_a_scrape_is_exact(begin: Begin) -> None:
    """It drains first: what was said before it is in it, again and again, without any round in between."""
    with begin() as handle:
        for number in range(1, 4):
            decide(ares, "s", "s")
            assert shown(handle.metrics_url, "ares_decisions_total", strategy="s") == 2 * number
            assert shown(handle.metrics_url, "ares_telemetry_queue_length") == 0


def test_scrapes_and_decisions_at_once(begin: Begin, sink: Sink) -> None:
    """Several scrapers, threads that decide, and flushes: counts agree at the end."""
    with begin(sink) as handle:
        done = threading.Event()

        def scrape() -> None:
            while not done.is_set():
                shown(handle.metrics_url, "ares_decisions_total")

        scrapers = [threading.Thread(target=scrape) for _ in range(2)]
        deciders = [threading.Thread(target=decide, args=(ares, *["s"] * 200)) for _ in range(4)]
        for thread in (*scrapers, *deciders):
            thread.start()
        for thread in deciders:
            thread.join()
        assert ares.flush(20.0)
        done.set()
        for thread in scrapers:
            thread.join()
        assert shown(handle.metrics_url, "ares_decisions_total", strategy="s") == 800
        assert shown(handle.metrics_url, "ares_telemetry_exported_spans_total") == 800
    assert len(spans(sink)) == 800


def test_delivery_in_numbers(begin: Begin, sink: Sink) -> None:
    """Exported spans, failures by cause, durations, what waits on disk, and what was refused."""
    with begin(sink) as handle:
        decide(ares, "s1")
        assert ares.flush(10.0)
        sink.script.append(reply(400))
        decide(ares, "s2")
        assert not ares.flush(10.0)
        sink.script.append(hang)
        decide(ares, "s3")
        assert not ares.flush(0.1)
        page = handle.metrics_url
        assert shown(page, "ares_telemetry_exported_spans_total") == 1
        assert shown(page, "ares_telemetry_export_failures_total") == 1
        assert shown(page, "ares_telemetry_dropped_total", reason="refused") == 1
        assert shown(page, "ares_telemetry_export_duration_seconds_count") == 1
        assert shown(page, "ares_telemetry_spool_bytes") is not None
        ares.shutdown(0.2)


def test_orders_in_numbers(begin: Begin, tmp_path: Path) -> None:
    """Open and unanswered orders are read from the ledger at the scrape; after a restart they are there still."""
    with begin(orders__unanswered_after=0.01) as handle, ares.decision(symbol="BTC", strategy="s", venue="okx") as d:
        d.order("c1", side="buy", type="limit", quantity=1, price=10)
        d.order("c2", side="buy", type="limit", quantity=1, price=10)
        ares.record(ares.OrderUpdate("c2", "new"))
        eventually(lambda: shown(handle.metrics_url, "ares_orders_unacknowledged", venue="okx") == 1)
        assert shown(handle.metrics_url, "ares_orders_open", strategy="s", symbol="BTC") == 2
    with begin() as handle:
        assert shown(handle.metrics_url, "ares_orders_open", strategy="s") == 2
        ares.record(ares.OrderUpdate("c1", "filled", quantity=1, price=10))
        assert shown(handle.metrics_url, "ares_orders_open", strategy="s") == 1
    assert list(tmp_path.rglob("orders.db"))


TWO = """
handle = ares.setup()
say(handle.metrics_url)
sys.stdin.readline()
"""


def test_two_bots_on_one_host(tmp_path: Path) -> None:
    """Each finds a port, and both are in the file that Prometheus reads; who ends is out of it."""
    file = tmp_path / "sd" / "targets.json"
    environ = {"ARES_OTEL_METRICS_FILE_SD": str(file), "OTEL_SERVICE_NAME": "twin"}
    first = Bot(TWO, tmp_path / "a", None, **environ)
    (url,) = first.next()
    port = url.rpartition(":")[2].removesuffix("/metrics")
    second = Bot(TWO, tmp_path / "b", None, **{**environ, "ARES_OTEL_METRICS_PORT": port})
    (other,) = second.next()

    assert url != other
    for each in (url, other):
        with urlopen(each, timeout=20) as page:
            assert page.status == 200
    entries = json.loads(file.read_text(encoding="utf-8"))
    assert sorted(f"http://{entry['targets'][0]}/metrics" for entry in entries) == sorted([url, other])
    assert {entry["labels"]["service_name"] for entry in entries} == {"twin"}
    assert len({entry["labels"]["service_instance_id"] for entry in entries}) == 2
    assert {entry["labels"]["mode"] for entry in entries} == {"live"}

    for bot in (first, second):
        assert bot.process.stdin is not None
        bot.process.stdin.write("\n")
        assert bot.end().status == 0
    assert json.loads(file.read_text(encoding="utf-8")) == []


def watching() -> bool:
    """Return whether decisions look for the loop they run in."""
    return RECORDER.on_loop is not None


def test_figures_of_the_system(begin: Begin) -> None:
    """Memory, files and the lag of event loops, found at the first decision in the loop; taken back at the end."""
    with begin(metrics__system=True, metrics__system_interval=0.1) as handle:
        eventually(lambda: shown(handle.metrics_url, "ares_process_resident_memory_bytes"))
        assert watching()

        async def main() -> None:
            decide(ares, "s")
            for _ in range(100):
                await asyncio.sleep(0.02)
                if await asyncio.to_thread(shown, handle.metrics_url, "ares_event_loop_lag_seconds_count"):
                    return

        asyncio.run(main())
        assert shown(handle.metrics_url, "ares_event_loop_lag_seconds_count")
    assert not watching()
    assert not [thread for thread in threading.enumerate() if thread.name == "ares-otel-system"]


def test_no_port_is_left(begin: Begin, sink: Sink) -> None:
    """Without a port there is no page, and the rest works."""
    with begin() as first:
        assert first.metrics_url is not None
        port = int(first.metrics_url.split(":")[2].split("/")[0])
        telemetry = active()
        assert telemetry is not None
        assert telemetry.measuring.url == first.metrics_url
        told = Bot(
            f"handle = ares.setup(overrides={{'metrics.port': {port}, 'metrics.port_range': 0}})\n"
            "decide(1)\nsay(handle.metrics_url, ares.flush(20.0))",
            Path(str(telemetry.config.state_directory)),
            sink,
        )
        assert told.end().well == [[None, True]]

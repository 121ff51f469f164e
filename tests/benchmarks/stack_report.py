"""What is said of a measured stack: tables of memory, CPU and disk, series, alerts, recording rules."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import yaml
from built import ROOT
from usage import DAY, MIB, Point, growth, occupied, quantile
from whole_kit import Stack

from ares_otel.semconv import metrics as m
from ares_otel.semconv.serving import RECORDS
from ares_otel.semconv.thresholds import SERIES_BUDGET

__all__ = ["Measured", "go_memory", "limit", "said"]

GO_SHARE = 0.9
"""Share of its container's memory that Tempo gives to Go's runtime by itself (`automemlimit`)."""
WARM = 3
"""One part in so many of the time is left out: caches and heaps fill."""
BLOCKS_A_DAY = 12
"""Prometheus closes a block every two hours."""
APPENDED = "prometheus_tsdb_head_samples_appended_total"
UNITS = {"M": MIB, "G": 1024 * MIB}


class Measured(NamedTuple):
    """What was seen: looks, Unix seconds of begin and end, where the data are, and the stack, which still runs."""

    points: Sequence[Point]
    began: float
    ended: float
    home: Path
    stack: Stack

    @property
    def warm(self) -> Sequence[Point]:
        """The looks without those of the first third."""
        return self.points[len(self.points) // WARM :]

    @property
    def window(self) -> str:
        """The time of these looks, in the words of Prometheus."""
        return f"{self.warm[-1].at - self.warm[0].at:.0f}s"


@cache
def _services() -> dict[str, Any]:
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
    return dict(compose["services"])


def limit(service: str) -> int | None:
    """Return the bytes of memory that compose.yaml lets a service have at most; None for what is no service."""
    found = _services().get("demo" if service == "bot" else service)
    if found is None:
        return None
    text = str(found["deploy"]["resources"]["limits"]["memory"])
    return int(text[:-1]) * UNITS[text[-1]]


def go_memory(service: str) -> dict[str, str]:
    """Return what tells a server written in Go the memory that it would have in its container."""
    given = _services()[service].get("environment", {}).get("GOMEMLIMIT")
    at_most = limit(service)
    assert at_most is not None
    return {"GOMEMLIMIT": str(given or int(GO_SHARE * at_most))}


def said(measured: Measured) -> Iterator[str]:
    """Yield all that there is to say, as lines of Markdown."""
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    minutes = (measured.ended - measured.began) / 60
    yield f"{minutes:.1f} minutes, {len(measured.points)} looks; load of the machine at the end {load}"
    yield from ("", "### spans", "", *_spans(measured))
    yield from ("", "### memory and processor", "", *_memory(measured))
    yield from ("", "### disk", "", *_disk(measured))
    yield from ("", "### Prometheus' blocks", "", *_blocks(measured))
    yield from ("", "### series", "", *_series(measured))
    yield from ("", "### alerts", "", *_alerts(measured))
    yield from ("", "### recording rules", "", *_recorded(measured))


def _spans(measured: Measured) -> Iterator[str]:
    asked = {
        "acknowledged to the bot": str(m.EXPORTED),
        "dropped by the bot": str(m.DROPPED),
        "taken by Tempo": "tempo_distributor_spans_received_total",
        "bytes taken by Tempo": "tempo_distributor_bytes_received_total",
        "stored by the ares server": f'{RECORDS}{{signal="traces", storage_result="stored"}}',
        "log records acknowledged to the bot": str(m.LOGS_EXPORTED),
        "log records dropped by the bot": str(m.LOGS_DROPPED),
        "log records stored by the ares server": f'{RECORDS}{{signal="logs", storage_result="stored"}}',
    }
    for what, name in asked.items():
        value = measured.stack.prometheus.value(f"sum({name})")
        rate = measured.stack.prometheus.value(f"sum(rate({name}[{measured.window}]))")
        shown = f"{value:,.0f}, {rate:,.1f} a second" if value is not None and rate is not None else "not measured"
        yield f"- {what}: {shown}"


def _memory(measured: Measured) -> Iterator[str]:
    yield "| process | resident: median | 95 % | most | proportional, most | own, most | limit | CPU, % of a core |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    warm = measured.warm
    for name in warm[-1].memory:
        seen = [point.memory[name] for point in measured.points if name in point.memory]
        resident = [one.resident / MIB for one in seen]
        shared = [one.proportional / MIB for one in seen if one.proportional is not None]
        at_most, own = limit(name), max(one.own for one in seen)
        first, last = warm[0], warm[-1]
        cpu = (last.cpu[name] - first.cpu[name]) / (last.at - first.at)
        row = [name, *(f"{one:.0f}" for one in (statistics.median(resident), quantile(resident, 0.95), max(resident)))]
        row += [f"{max(shared):.0f}" if shared else "not known", f"{own / MIB:.0f}"]
        row += [f"{at_most / MIB:.0f} ({own / at_most:.0%})" if at_most else "none", f"{100 * cpu:.1f}"]
        yield f"| {' | '.join(row)} |"


def _disk(measured: Measured) -> Iterator[str]:
    yield "| part | first, MiB | last, MiB | growth, MB a day | in the first and the second half of this time |"
    yield "| --- | --- | --- | --- | --- |"
    warm = measured.warm
    middle = len(warm) // 2
    for part in warm[-1].disk:
        a_day, before, after = (growth(each, part) * DAY / 1e6 for each in (warm, warm[:middle], warm[middle:]))
        ends = (f"{look.disk[part] / MIB:.1f}" for look in (warm[0], warm[-1]))
        yield f"| {part} | {' | '.join(ends)} | {a_day:,.0f} | {before:,.0f}, {after:,.0f} |"


def _blocks(measured: Measured) -> Iterator[str]:
    """Say what Prometheus' data of this time would take as a block, by a snapshot, which is one."""
    ask = Request(f"{measured.stack.prometheus.url}/api/v1/admin/tsdb/snapshot", method="POST")
    with urlopen(ask, timeout=60) as answer:
        name = json.loads(answer.read())["data"]["name"]
    snapshot = measured.home / "prometheus" / "data" / "snapshots" / name
    metas = [json.loads(path.read_text()) for path in snapshot.glob("*/meta.json")]
    samples = sum(meta["stats"].get("numSamples", 0) for meta in metas)
    chunks, index = occupied(snapshot, "*/chunks/*"), occupied(snapshot, "*/index")
    rate = measured.stack.prometheus.value(f"sum(rate({APPENDED}[{measured.window}]))")
    if rate is None or not samples:
        yield "- not measured: it ran too short"
        return
    each = chunks / samples
    a_day = rate * DAY * each + BLOCKS_A_DAY * index
    yield f"- {rate:,.0f} samples a second"
    yield f"- {samples:,} samples in {len(metas)} block(s) with {chunks / MIB:.1f} MiB of chunks: {each:.2f} bytes each"
    yield f"- index of one block: {index / MIB:.1f} MiB"
    yield f"- a day: {a_day / 1e6:,.0f} MB (samples, and {BLOCKS_A_DAY} indices, which compaction joins later)"


def _series(measured: Measured) -> Iterator[str]:
    prometheus = measured.stack.prometheus
    asked = {
        "of the bot in the head, with `up` and `scrape_…`": 'max(count by (instance) ({job="ares-bot"}))',
        "lines that the last scrape of the bot had": 'max(scrape_samples_scraped{job="ares-bot"})',
        "most lines that one had": 'max(max_over_time(scrape_samples_scraped{job="ares-bot"}[1h]))',
        "that the bot counts itself": f"max({m.SERIES})",
        "all in the head": "prometheus_tsdb_head_series",
    }
    for name, query in asked.items():
        value = prometheus.value(query)
        yield f"- {name}: {'not measured' if value is None else format(value, ',.0f')}"
    for one in prometheus.ask("query", query='sort_desc(count by (job, source) ({__name__=~".+"}))')["result"]:
        labels = one["metric"].get("job") or one["metric"].get("source") or "recorded"
        yield f"  - {labels}: {float(one['value'][1]):,.0f}"
    yield f"- budget of a bot: {SERIES_BUDGET.value:,.0f}"


def _alerts(measured: Measured) -> Iterator[str]:
    """Say which alerts were pending or firing at any time, and for how long."""
    asked = {"start": measured.began, "end": measured.ended, "step": 5}
    found = measured.stack.prometheus.ask("query_range", query="ALERTS", **asked)["result"]
    for one in found:
        labels = {name: text for name, text in one["metric"].items() if name not in {"__name__", "alertname"}}
        times = [float(at) - measured.began for at, _ in one["values"]]
        yield f"- {one['metric']['alertname']} {labels}: {len(times) * 5} s, from {times[0]:.0f} s on"


def _recorded(measured: Measured) -> Iterator[str]:
    """Say which recording rules have how many values."""
    for group in measured.stack.prometheus.ask("rules")["groups"]:
        for rule in group["rules"]:
            if rule["type"] == "recording":
                count = measured.stack.prometheus.value(f"count({rule['name']})")
                yield f"- {rule['name']}: {count or 0:.0f} ({rule['health']}) {rule.get('lastError', '')}".rstrip()

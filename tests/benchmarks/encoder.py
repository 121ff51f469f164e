"""How much cheaper our OTLP encoder is than the official one: ratios of one interleaved run.

    python tests/benchmarks/encoder.py

The spans are those of a trading decision: a root with eight attributes, three stages and five votes with four each, an
order with six. Before anything is timed, the requests of all encoders must decode to the same messages.
"""

from __future__ import annotations

import json
import operator
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from medians import median
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, TraceFlags

from ares_otel.pipeline.model import Scope, SpanData, Value
from ares_otel.pipeline.otlp import Encoder
from ares_otel.pipeline.otlp.generic import Generic

__all__ = ["PROCESSES", "measured"]

ROUNDS = 20
PROCESSES = 24
DECISIONS = 50
SCOPE = Scope("bot", "1.0")
RESOURCE = {"service.name": "bot", "service.version": "1.0"}
START = 1_790_000_000_000_000_000
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
MODELS = ("lgbm", "logit", "forest", "momentum", "reversion")


def decision(number: int) -> list[SpanData]:
    """Return the ten spans of one decision, children first."""
    trace_id, root_id = (number + 1) << 100 | 7, (number + 1) << 40
    symbol, correlation = SYMBOLS[number % 3], f"{trace_id:032x}"
    share = number % 97 / 97
    shapes: list[tuple[str, dict[str, Value]]] = [
        ("analyst", {"signal": share, "score": share + 1, "features": 40 + number % 9, "regime": "bull_trend"}),
        ("strategist", {"strategy": "momentum", "bias": share, "risk": share / 2, "horizon": number % 12}),
        ("tactician", {"entry": share, "stop": share * 2, "take": share * 3, "leverage": 1.0}),
        *(("vote", vote(name, share)) for name in MODELS),
        ("order", order(number, symbol, share)),
        ("decision", root(symbol, correlation, share)),
    ]
    return [
        SpanData(
            trace_id,
            root_id if name == "decision" else root_id + 1 + i,
            0 if name == "decision" else root_id,
            name,
            1,
            START + i,
            START + 9_000 + i,
            attributes,
        )
        for i, (name, attributes) in enumerate(shapes)
    ]


def root(symbol: str, correlation: str, share: float) -> dict[str, Value]:
    """Return the attributes of the root span."""
    labels: dict[str, Value] = {"correlation.id": correlation, "symbol": symbol, "strategy": "momentum"}
    return labels | {"action": "buy", "regime": "bull_trend", "version": "3", "confidence": share, "price": 3_000.5}


def vote(model: str, share: float) -> dict[str, Value]:
    """Return the attributes of a vote."""
    return {"model": model, "action": "buy", "confidence": share, "weight": 0.2}


def order(number: int, symbol: str, share: float) -> dict[str, Value]:
    """Return the attributes of the order span; the id is different in each."""
    labels: dict[str, Value] = {"order.id": f"order-{number:012d}", "symbol": symbol, "side": "buy", "type": "limit"}
    return labels | {"quantity": share, "price": 3_000.5}


def readable(data: SpanData) -> ReadableSpan:
    """Return a span as the SDK holds it."""
    parent = SpanContext(data.trace_id, data.parent_id, is_remote=False) if data.parent_id else None
    return ReadableSpan(
        data.name,
        SpanContext(data.trace_id, data.span_id, is_remote=False, trace_flags=TraceFlags(1)),
        parent,
        Resource(RESOURCE),
        dict(data.attributes),
        start_time=data.start,
        end_time=data.end,
        instrumentation_scope=InstrumentationScope(SCOPE.name, SCOPE.version),
    )


def encoders(spans: Sequence[SpanData]) -> dict[str, Callable[[], bytes]]:
    """Return what is compared, each giving the same request."""
    encoder, generic = Encoder(RESOURCE), Generic(limit=None)
    official = [readable(span) for span in spans]
    return {
        "official": lambda: encode_spans(official).SerializeToString(),
        "compiled": lambda: encoder.batch({SCOPE: list(map(encoder.span, spans))}).body,
        "generic": lambda: encoder.batch({SCOPE: list(map(generic.span, spans))}).body,
    }


def check(candidates: dict[str, Callable[[], bytes]]) -> None:
    """Exit unless all requests decode to the same messages."""
    for _ in range(4):  # so that the shapes are compiled
        decoded = [ExportTraceServiceRequest.FromString(encode()) for encode in candidates.values()]
        if any(request != decoded[0] for request in decoded):
            sys.exit("the encoders differ")


def timed(rounds: int) -> dict[str, dict[str, float]]:
    """Time the encoders in turns in this process; return by encoder µs a span, and the official one's by its own."""
    spans = [span for number in range(DECISIONS) for span in decision(number)]
    candidates = encoders(spans)
    check(candidates)
    taken: dict[str, list[int]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, encode in candidates.items():
            begin = time.thread_time_ns()
            encode()
            taken[name].append(time.thread_time_ns() - begin)
    return {
        name: {
            "us": statistics.median(times) / len(spans) / 1_000,
            "to_official": statistics.median(map(operator.truediv, taken["official"], times)),
        }
        for name, times in taken.items()
    }


def measured(processes: int = PROCESSES) -> dict[str, dict[str, Any]]:
    """Let some processes time the encoders, one after the other; return the least time and the median of the ratios.

    One process differs from the next by where its memory lies and how its dictionaries are laid out, and the host lends
    its processors at a lower clock for seconds: that makes both encoders slower, and says nothing of either.
    """
    words = [sys.executable, __file__, str(ROUNDS)]
    found = [json.loads(subprocess.check_output(words, text=True)) for _ in range(processes)]
    return {
        name: {
            "us": min(each[name]["us"] for each in found),
            "to_official": median([each[name]["to_official"] for each in found])._asdict(),
        }
        for name in found[0]
    }


def main() -> None:
    """Print what some processes find; with a number of rounds, what this one finds, for them."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(timed(int(sys.argv[1]))))
        return
    for name, found in measured().items():
        each, ratio = found["us"], found["to_official"]["value"]
        sys.stdout.write(f"{name:9s} {each:7.2f} µs a span   {ratio:5.1f} x the official encoder's speed\n")


if __name__ == "__main__":
    main()

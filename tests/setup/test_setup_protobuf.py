"""TensorFlow 2.15 and 2.16 want a protobuf below 5, OpenTelemetry's exporters one from 5 on: a bot has none from us."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

from setup_kit import Bot, named
from sink import Sink
from sources import ROOT

PINNED = {
    "numpy": "<2",
    "protobuf": "<5",
    "typing-extensions": ">=3.6.6",
    "wrapt": "<1.15",
}
"""What TensorFlow 2.15.1 and 2.16.2 ask for, where others ask for something else."""

BUSY = """
ares.setup()
with ares.decision(symbol="BTC", strategy="s1", price=1.0) as d:
    with d.stage("analyst"):
        logging.getLogger("bot").warning("inside")
    d.votes([ares.Vote("m", "buy", confidence=0.7)])
    d.resolve("buy", confidence=0.66)
    d.order("c1", side="buy", type="limit", quantity=1, price=1.0)
ares.record(ares.OrderUpdate("c1", "filled", quantity=1, price=1.0))
from opentelemetry import trace
trace.get_tracer("theirs").start_span("foreign").end()
delivered = ares.shutdown(20.0)
names = ("google", "grpc", "opentelemetry.proto", "opentelemetry.exporter")
say(delivered, [name for name in sys.modules if name.startswith(names)])
"""


def test_nothing_of_ours_imports_protobuf(tmp_path: Path, sink: Sink) -> None:
    """A bot that uses all of it, over OTLP/HTTP, has neither protobuf nor gRPC in its process at the end."""
    environ = {
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": sink.url.replace("traces", "logs"),
        "ARES_OTEL_METRICS_SYSTEM": "true",
    }
    assert Bot(BUSY, tmp_path, sink, **environ).end().well == [[True, []]]
    assert named(sink) == ["s1"]


def needs(*requirements: str) -> set[str]:
    """Return the names of what some requirements bring, without extras of theirs, as far as it is installed."""
    found: set[str] = set()
    waiting = [line for line in requirements if "extra ==" not in line]
    while waiting:
        name = re.split(r"[^\w.-]", waiting.pop())[0].lower().replace("_", "-")
        if name not in found:
            found.add(name)
            waiting += [line for line in metadata.requires(name) or [] if "extra ==" not in line]
    return found


def test_the_pins_of_tensorflow_fit() -> None:
    """What `pip install ares-otel` brings asks for nothing that TensorFlow pins, but what both take in any version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert needs(*project["dependencies"]) & PINNED.keys() == {"typing-extensions"}

"""The constraints of `make check-oldest` are the lower ends of the ranges that a bot may meet."""

from __future__ import annotations

from pathlib import Path

from scripts import load

oldest = load("oldest")


def test_the_lower_ends() -> None:
    """Core, the extras of a bot, and everything of OpenTelemetry; what only tests need keeps its tested version."""
    project = {
        "dependencies": ["msgspec>=0.21,<0.23", "opentelemetry-sdk>=1.38,<2"],
        "optional-dependencies": {
            "grpc": ["opentelemetry-exporter-otlp-proto-grpc>=1.38,<2"],
            "instrument": ["opentelemetry-instrumentation>=0.59b0,<1"],
            "dev": ["ares-otel[grpc]", "opentelemetry-proto>=1.37", "pytest>=8.3,<10"],
        },
    }
    pins = oldest.oldest(project)
    assert pins == {
        "msgspec": "0.21",
        "opentelemetry-exporter-otlp-proto-grpc": "1.38",
        "opentelemetry-instrumentation": "0.59b0",
        "opentelemetry-proto": "1.37",
        "opentelemetry-sdk": "1.38",
    }
    tested = ["# words", "msgspec==0.22.0", "opentelemetry-api==1.45.2", "protobuf==7.36.2", "pytest==9.0.0"]
    lines = oldest.constraints(pins, [*tested, 'x==1; python_version == "3.11"'])
    assert lines[:1] == ["msgspec==0.21"]
    assert lines[len(pins) :] == ["pytest==9.0.0", 'x==1; python_version == "3.11"']


def test_the_file(tmp_path: Path) -> None:
    """Of this repository: every dependency of a bot stands in it once."""
    file = tmp_path / "constraints.txt"
    assert oldest.main(str(file)) == 0
    names = [line.partition("==")[0] for line in file.read_text(encoding="utf-8").splitlines()]
    assert {"msgspec", "opentelemetry-api", "opentelemetry-sdk", "prometheus-client", "psutil", "pyyaml"} <= {*names}
    assert names.count("msgspec") == 1

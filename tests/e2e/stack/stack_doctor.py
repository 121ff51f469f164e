"""`ares-otel doctor` against the running stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from whole_kit import Stack

__all__ = ["doctor"]


def doctor(stack: Stack, *arguments: str, **environ: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code and the findings of `ares-otel doctor`, by check."""
    apart = {name: each.url for name, each in (("tempo", stack.tempo), ("loki", stack.loki)) if each}
    parts = ["collector", "server", "prometheus", "alertmanager", *apart]
    around = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.collector.http,
        "ARES_OTEL_EXPORTER_HEADERS_FILE": str(stack.headers),
        "ARES_OTEL_LOGS_EXPORT": "true",
        "ARES_OTEL_ALERTING_ALERTMANAGERS": stack.alertmanager.url,
        "ARES_OTEL_STACK_PARTS": ",".join(parts),
        "ARES_OTEL_STACK_COLLECTOR": stack.collector.health,
        "ARES_OTEL_STACK_SERVER": stack.server.url,
        "ARES_OTEL_STACK_PROMETHEUS": stack.prometheus.url,
        "ARES_OTEL_STACK_ALERTMANAGER": stack.alertmanager.url,
        **{f"ARES_OTEL_STACK_{name.upper()}": url for name, url in apart.items()},
        **environ,
    }
    command = [sys.executable, "-m", "ares_otel.cli.main", "doctor", "--json", *arguments]
    made = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **around}, timeout=170
    )
    assert made.stdout, made.stderr
    return made.returncode, {each["check"]: each for each in json.loads(made.stdout)}

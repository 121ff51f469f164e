"""`OTEL_CONFIG_FILE`: what we have a key for is taken, all else is named, and nothing of it ever raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from ares_otel.config import Loaded, load

WHOLE = """
file_format: "1.0"
disabled: false
log_level: info
attribute_limits:
  attribute_value_length_limit: 4096
  attribute_count_limit: 128
resource:
  attributes_list: service.name=lower,team=a
  attributes:
    - name: service.name
      value: ${BOT:-momentum}
    - name: service.version
      value: "1.2"
      type: string
propagator:
  composite:
    - tracecontext:
    - baggage:
  composite_list: tracecontext
tracer_provider:
  limits:
    attribute_count_limit: 64
  sampler:
    parent_based:
      root:
        trace_id_ratio_based:
          ratio: 0.25
  processors:
    - simple:
        exporter:
          console:
    - batch:
        schedule_delay: 5000
        exporter:
          otlp_http:
            endpoint: https://collector:4318/v1/traces
            compression: gzip
            timeout: 5000
            headers_list: x-tenant=b
            headers:
              - name: authorization
                value: ${TOKEN}
            tls:
              ca_file: /etc/ca.pem
logger_provider:
  processors:
    - batch:
        exporter:
          otlp_grpc:
meter_provider:
  readers: []
"""


def loaded(tmp_path: Path, text: str, **environ: str) -> Loaded:
    """Load with a declarative file and an environment."""
    path = tmp_path / "otel.yaml"
    path.write_text(text, encoding="utf-8")
    return load(environ={"OTEL_CONFIG_FILE": str(path), "HOME": str(tmp_path), **environ})


def said(found: Loaded, severity: str) -> list[str]:
    """Return the messages of a severity."""
    return [problem.message for problem in found.problems if problem.severity == severity]


def test_a_whole_file(tmp_path: Path) -> None:
    """Resource, propagators, sampler, limits, exporters of both signals; variables in it; the rest in one note."""
    found = loaded(tmp_path, WHOLE, TOKEN="secret")
    config = found.config
    assert said(found, "error") == []
    assert (config.service.name, config.service.version) == ("momentum", "1.2")
    assert config.resource_attributes == {"team": "a"}
    assert list(config.propagators) == ["tracecontext", "baggage"]
    assert (config.sampling.sampler, config.sampling.ratio) == ("parentbased_traceidratio", 0.25)
    assert (config.recorder.attribute_length_limit, config.recorder.attribute_count_limit) == (4096, 64)
    exporter = config.exporter
    assert (exporter.enabled, exporter.protocol) == (True, "http/protobuf")
    assert exporter.url == "https://collector:4318/v1/traces"
    assert (exporter.compression, exporter.timeout, exporter.certificate) == ("gzip", 5.0, "/etc/ca.pem")
    assert exporter.headers == {"x-tenant": "b", "authorization": "secret"}
    assert (config.logs.export, config.logs.protocol, config.logs.url) == (True, "grpc", "http://localhost:4317")
    assert found.origins["exporter.traces_endpoint"].name.endswith("otel.yaml")
    (note,) = [message for message in said(found, "note") if message.startswith("not used")]
    assert "log_level" in note
    assert "tracer_provider.processors.0.simple.exporter.console" in note
    assert "meter_provider.readers" in note


def test_it_stands_in_place_of_the_variables(tmp_path: Path) -> None:
    """OpenTelemetry's variables are not read and are named; ours, and arguments, stand above the file."""
    environ = {"OTEL_SERVICE_NAME": "other", "ARES_OTEL_SERVICE_VERSION": "9", "OTEL_PYTHON_DISTRO": "ares_otel"}
    found = loaded(tmp_path, WHOLE, **environ)
    assert (found.config.service.name, found.config.service.version) == ("momentum", "9")
    assert "stands in place of OTEL_SERVICE_NAME, as OpenTelemetry specifies" in said(found, "note")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1", "OTEL_CONFIG_FILE cannot be used: expected a map"),
        ("file_format: '0.4'", "expected 1.x, got 0.4"),
        ("", "expected 1.x, got nothing"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    """It is said, and the variables count as if there were no file."""
    found = loaded(tmp_path, text, OTEL_SERVICE_NAME="other")
    assert any(one.startswith(message) for one in said(found, "error"))
    assert found.config.service.name == "other"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The same."""
    found = load(environ={"OTEL_CONFIG_FILE": str(tmp_path / "none.yaml"), "OTEL_SERVICE_NAME": "other"})
    assert "No such file or directory" in said(found, "error")[0]
    assert found.config.service.name == "other"


def test_no_exporter(tmp_path: Path) -> None:
    """As specified, what has no provider or no OTLP exporter is not sent."""
    text = "file_format: '1.0'\ntracer_provider:\n  processors:\n    - simple: {exporter: {console: {}}}\n"
    config = loaded(tmp_path, text).config
    assert (config.exporter.enabled, config.logs.export) == (False, False)


SMALL = """
file_format: "1.0"
tracer_provider:
  sampler: {SAMPLER}
  processors:
    - batch: {exporter: {otlp_http: {timeout: TIMEOUT, endpoint: ENDPOINT}}}
"""


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [
        ("always_off: ", "always_off"),
        ("always_on: {}", "always_on"),
        ("trace_id_ratio_based: {ratio: 0.5}", "traceidratio"),
        ("parent_based: {root: {always_off: }}", "parentbased_always_off"),
        ("parent_based: ", "parentbased_always_on"),
    ],
)
def test_samplers(tmp_path: Path, sampler: str, expected: str) -> None:
    """By their names in the file."""
    text = SMALL.replace("SAMPLER", sampler).replace("TIMEOUT", "0").replace("ENDPOINT", "'${ADDRESS}'")
    found = loaded(tmp_path, text)
    assert (found.config.sampling.sampler, found.config.exporter.timeout) == (expected, 3_600.0)
    assert found.config.exporter.url == "http://localhost:4318/v1/traces"
    assert said(found, "error") == []


def test_values_that_are_wrong(tmp_path: Path) -> None:
    """Each is said with its path and falls back alone."""
    text = SMALL.replace("SAMPLER", "jaeger_remote/development: ").replace("TIMEOUT", "soon").replace("ENDPOINT", "x y")
    text += "resource: {attributes_list: nonsense, attributes: [{name: team, value: '${'}]}\n"
    found = loaded(tmp_path, text)
    keys = {problem.key for problem in found.problems if problem.severity == "error"}
    base = "tracer_provider.processors.0.batch.exporter.otlp_http"
    assert keys >= {f"{base}.timeout", f"{base}.endpoint", "tracer_provider.sampler", "resource.attributes_list"}
    assert "resource.attributes.0.value" in keys
    assert found.config.sampling.sampler == "parentbased_always_on"

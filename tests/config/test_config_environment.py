from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from ares_otel.config import load
from ares_otel.config.environment import OTEL
from ares_otel.config.fields import Field
from ares_otel.config.keys import FIELDS, VARIABLES, variable
from ares_otel.config.render import value_of

HOME = {"HOME": "/home/bot"}
OTHERS: dict[str, tuple[str, object]] = {
    "attributes": ("a=b%20c", {"a": "b c"}),
    "days": ("400", 400),
    "dsn": ("postgresql://h/db", "postgresql://h/db"),
    "headers": ("A=b%20c", {"a": "b c"}),
    "integer": ("4317", 4_317),
    "list": ("a, b", ("a", "b")),
    "detectors": ("KSDrift, river.drift:ADWIN", ("KSDrift", "river.drift:ADWIN")),
    "urls": ("http://a, https://b:1", ("http://a", "https://b:1")),
    "number": ("0.5", 0.5),
    "path": ("/other", "/other"),
    "propagators": ("baggage", ("baggage",)),
    "text": ("other", "other"),
    "token": ("X-Other", "X-Other"),
    "url": ("http://other:1", "http://other:1"),
}


NEEDED = {
    "exporter.client_key": {"ARES_OTEL_EXPORTER_CLIENT_CERTIFICATE": "/x"},
    "drift.edge.sharpe": {"ARES_OTEL_DRIFT_EDGE_VOLATILITY": "1"},
}
"""What else has to be said for a key to count."""


def other(field: Field) -> tuple[str, object]:
    """Return a text for a key and the value it means, which is not the default."""
    default = field.default
    if field.key == "drift.edge.tau":
        return "1.5", 1.5
    if isinstance(default, bool):
        return str(not default).upper(), not default
    if field.kind == "choice":
        choice = next(word for word in reversed(field.choices) if word != default)
        return choice, choice
    if field.kind == "duration" and isinstance(default, float):
        return f"{default + 0.5}s", default + 0.5
    if isinstance(default, int):
        return str(default + 1), default + 1
    return OTHERS[field.kind]


def problems(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return severity and text of all problems."""
    return [(problem.severity, str(problem)) for problem in load(environ=HOME | dict(environ)).problems]


@pytest.mark.parametrize("key", FIELDS)
def test_every_key_is_reachable_by_its_variable(key: str) -> None:
    """ARES_OTEL_<SECTION>_<KEY>, surrounded by white space or not; empty is as not set."""
    text, value = other(FIELDS[key])
    environ = HOME | NEEDED.get(key, {})
    loaded = load(environ=environ | {variable(key): f" {text}\n"})
    assert value_of(loaded, key) == value
    assert str(loaded.origins[key]) == f"environment {variable(key)}"
    empty = load(environ=environ | {variable(key): " "})
    assert empty.origins[key].kind == "default"
    assert empty.problems == []


def test_variables_are_different() -> None:
    """No two keys share a variable."""
    assert len(VARIABLES) == len(FIELDS)


def test_an_unknown_variable_of_ours_names_the_nearest() -> None:
    """A mistyped variable is as bad as a mistyped key; the path of the file is no key."""
    assert problems({"ARES_OTEL_METRICS_PROT": "1", "ARES_OTEL_CONFIG": ""}) == [
        ("error", "environment ARES_OTEL_METRICS_PROT: unknown variable; did you mean ARES_OTEL_METRICS_PORT?")
    ]


@pytest.mark.parametrize(
    ("text", "disabled", "warned"),
    [("true", True, False), ("TRUE", True, False), ("false", False, False), ("1", False, True), ("yes", False, True)],
)
def test_only_true_disables(text: str, *, disabled: bool, warned: bool) -> None:
    """The specification knows one word for true; others warn and change nothing."""
    loaded = load(environ=HOME | {"OTEL_SDK_DISABLED": text})
    assert loaded.config.disabled is disabled
    assert [problem.severity for problem in loaded.problems] == ["warning"] * warned


def test_the_service_name_outranks_the_resource_attributes() -> None:
    """OTEL_SERVICE_NAME wins over service.name; attributes are percent-decoded."""
    environ = HOME | {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=low,service.namespace=n%2Cs, a = b%20c ,service.instance.id=7"
    }
    config = load(environ=environ).config
    assert (config.service.name, config.service.namespace, config.service.instance_id) == ("low", "n,s", "7")
    assert config.resource_attributes == {"a": "b c"}
    assert load(environ=environ | {"OTEL_SERVICE_NAME": "high"}).config.service.name == "high"
    ours = {"OTEL_SERVICE_NAME": "high", "ARES_OTEL_SERVICE_NAME": "highest"}
    assert load(environ=environ | ours).config.service.name == "highest"


def test_bad_resource_attributes_are_ignored_as_a_whole() -> None:
    """As the specification says, and reported."""
    loaded = load(environ=HOME | {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,b"})
    assert loaded.config.service.name == "ares-bot"
    assert [str(problem) for problem in loaded.problems] == [
        "environment OTEL_RESOURCE_ATTRIBUTES: member 2 is not name=value"
    ]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector/some/path"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector/some/path/"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/x/"},
    ],
)
def test_endpoints_are_those_of_the_official_exporter(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Differential: base with `/v1/traces` appended to its path, the exact one as it is."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert load(environ=HOME | environ).config.exporter.url == OTLPSpanExporter()._endpoint


@pytest.mark.parametrize(
    ("option", "key", "text", "value"),
    [
        ("PROTOCOL", "exporter.protocol", "grpc", "grpc"),
        (
            "HEADERS",
            "exporter.headers",
            "Authorization=Bearer%20abc%3D,x=1=2",
            {"authorization": "Bearer abc=", "x": "1=2"},
        ),
        ("TIMEOUT", "exporter.timeout", "2500", 2.5),
        ("CERTIFICATE", "exporter.certificate", "/ca.pem", "/ca.pem"),
        ("CLIENT_CERTIFICATE", "exporter.client_certificate", "/c.pem", "/c.pem"),
        ("COMPRESSION", "exporter.compression", "gzip", "gzip"),
    ],
)
def test_the_variable_for_traces_outranks_the_general_one(option: str, key: str, text: str, value: object) -> None:
    """And ours outranks both."""
    general, traces = f"OTEL_EXPORTER_OTLP_{option}", f"OTEL_EXPORTER_OTLP_TRACES_{option}"
    loaded = load(environ=HOME | {general: text})
    assert value_of(loaded, key) == value
    assert loaded.origins[key].name == general
    both = load(environ=HOME | {general: text, traces: text})
    assert both.origins[key].name == traces
    ours, meant = other(FIELDS[key])
    above = load(environ=HOME | {general: text, traces: text, variable(key): ours})
    assert value_of(above, key) == meant


def test_a_client_key_comes_with_its_certificate() -> None:
    """Both files of mutual TLS."""
    environ = {"OTEL_EXPORTER_OTLP_CLIENT_KEY": "/k", "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE": "/c"}
    loaded = load(environ=HOME | environ)
    assert (loaded.config.exporter.client_key, loaded.config.exporter.client_certificate) == ("/k", "/c")


def test_the_timeout_is_milliseconds_as_specified() -> None:
    """Not seconds as in the Python SDK; what looks like seconds is honored with a warning, zero is very long."""
    assert problems({"OTEL_EXPORTER_OTLP_TIMEOUT": "10000"}) == []
    seconds = load(environ=HOME | {"OTEL_EXPORTER_OTLP_TIMEOUT": "10"})
    assert seconds.config.exporter.timeout == 0.01
    assert [problem.severity for problem in seconds.problems] == ["warning"]
    assert "ARES_OTEL_EXPORTER_TIMEOUT=10" in seconds.problems[0].message
    assert load(environ=HOME | {"OTEL_EXPORTER_OTLP_TIMEOUT": "0"}).config.exporter.timeout == 3_600


@pytest.mark.parametrize("text", ["10s", "-1", "1.5", "9" * 40, "4000000", "5"])
def test_what_is_no_timeout_is_ignored(text: str) -> None:
    """Not an integer, negative, or out of the range of the key."""
    loaded = load(environ=HOME | {"OTEL_EXPORTER_OTLP_TIMEOUT": text})
    assert loaded.config.exporter.timeout == 10
    assert any(problem.severity == "error" for problem in loaded.problems)


@pytest.mark.parametrize(
    ("text", "enabled", "severities"),
    [
        ("otlp", True, []),
        ("none", False, []),
        ("otlp,console", True, ["error"]),
        ("console", True, ["error"]),
        (",", True, []),
    ],
)
def test_the_exporter_is_otlp_or_none(text: str, *, enabled: bool, severities: list[str]) -> None:
    """Others are reported; alone they change nothing."""
    loaded = load(environ=HOME | {"OTEL_TRACES_EXPORTER": text})
    assert loaded.config.exporter.enabled is enabled
    assert [problem.severity for problem in loaded.problems] == severities


def test_the_sampler_and_its_argument() -> None:
    """The six names in any case; the argument only with a sampler, and as if not set where it is bad."""
    both = {"OTEL_TRACES_SAMPLER": "ParentBased_TraceIdRatio", "OTEL_TRACES_SAMPLER_ARG": "0.25"}
    sampling = load(environ=HOME | both).config.sampling
    assert (sampling.sampler, sampling.ratio) == ("parentbased_traceidratio", 0.25)
    alone = load(environ=HOME | {"OTEL_TRACES_SAMPLER_ARG": "0.25"})
    assert alone.config.sampling.ratio == 1
    assert [problem.severity for problem in alone.problems] == ["warning"]
    bad = load(environ=HOME | both | {"OTEL_TRACES_SAMPLER_ARG": "1.25"})
    assert (bad.config.sampling.sampler, bad.config.sampling.ratio) == ("parentbased_traceidratio", 1)
    assert [problem.severity for problem in bad.problems] == ["error"]
    for name in ("jaeger_remote", "nonsense"):
        other = load(environ=HOME | {"OTEL_TRACES_SAMPLER": name})
        assert other.config.sampling.sampler == "parentbased_always_on"
        assert [problem.severity for problem in other.problems] == ["error"]


def test_installed_propagators_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that a package registered is as good as the two of the API."""
    entry = importlib.metadata.EntryPoint("b3", "module:Class", "opentelemetry_propagator")

    def entry_points(**params: str) -> importlib.metadata.EntryPoints:
        return importlib.metadata.EntryPoints([entry] if params.get("name") == "b3" else [])

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    environ = HOME | {"OTEL_PROPAGATORS": "b3,tracecontext,nonsense,b3"}
    loaded = load(environ=environ)
    assert loaded.config.propagators == ("b3", "tracecontext")
    assert [problem.severity for problem in loaded.problems] == ["error"]
    assert load(environ=HOME | {"OTEL_PROPAGATORS": "none"}).config.propagators == ()


@pytest.mark.parametrize(
    ("name", "key", "text", "value"),
    [
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "recorder.attribute_length_limit", "50", 50),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "recorder.attribute_length_limit", "0", 0),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "recorder.attribute_count_limit", "7", 7),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "recorder.attribute_count_limit", "7", 7),
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "metrics.host", "::1", "::1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "metrics.port", "9999", 9999),
        ("ARES_DATABASE_URL", "server.database_url", "postgresql://u:p@h/db", "postgresql://u:p@h/db"),
    ],
)
def test_other_variables_set_their_keys(name: str, key: str, text: str, value: object) -> None:
    """Limits, the address of /metrics, the server's database; empty is as not set."""
    loaded = load(environ=HOME | {name: text})
    assert value_of(loaded, key) == value
    assert loaded.origins[key].name == name
    assert load(environ=HOME | {name: ""}).config == load(environ=HOME).config


@pytest.mark.parametrize("limit", ["-1", "x", "1.5"])
def test_a_bad_limit_is_ignored(limit: str) -> None:
    """A negative number has no meaning of its own."""
    loaded = load(environ=HOME | {"OTEL_ATTRIBUTE_COUNT_LIMIT": limit})
    assert loaded.config.recorder.attribute_count_limit == 128
    assert len(loaded.problems) == 1


def test_every_variable_is_declared_for_a_key() -> None:
    """The reference names only keys that exist."""
    for item in OTEL:
        assert all(key in FIELDS or key == "service.*" for key in item.keys), item.name

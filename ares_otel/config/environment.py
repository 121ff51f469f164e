"""Read the environment: the variables of OpenTelemetry as its specification says, and ours, one for each key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from ares_otel.config.keys import CONFIG_VARIABLE, FIELDS, PREFIX, VARIABLES, nearest
from ares_otel.config.layers import Layer, Setting
from ares_otel.config.problems import Origin, Problems, Severity, printable
from ares_otel.config.values import Mismatch, pairs, words

__all__ = ["DECLARATIVE_VARIABLE", "OTEL", "RESERVED", "Variable", "given", "read_otel", "read_ours"]

Tell: TypeAlias = Callable[[str, Severity], None]
Read: TypeAlias = Callable[[str, Tell], Mapping[str, object]]

DECLARATIVE_VARIABLE = "OTEL_CONFIG_FILE"
RESERVED = {
    DECLARATIVE_VARIABLE: "declarative configuration of OpenTelemetry, in place of its variables: see works-with.md",
    CONFIG_VARIABLE: "path of the configuration file, where `load` is given none",
    "ARES_DATABASE_URL": "`server.database_url`, for the server alone",
    "ARES_SERVER_TOKEN_FILE": "`server.token_file`, for the server alone",
}
FOREVER = 3_600.0
SUSPICIOUS = 100
ELSEWHERE = {"jaeger_remote", "parentbased_jaeger_remote", "xray"}


class Variable(msgspec.Struct, frozen=True):
    """A variable of OpenTelemetry.

    Attributes:
        name: of the variable.
        keys: the keys it may set.
        meaning: what is worth knowing of its form.
        read: returns the raw value by key; raises `Mismatch`.
    """

    name: str
    keys: tuple[str, ...]
    meaning: str
    read: Read


def _plain(name: str, key: str, meaning: str = "") -> tuple[Variable, ...]:
    return (Variable(name, (key,), meaning, lambda text, _tell: {key: text}),)


def _otlp(
    option: str, key: str, meaning: str = "", read: Callable[[str, Tell], object] | None = None
) -> tuple[Variable, ...]:
    """Return the general variable and those for one signal, which come later and so win."""
    exporter, logs = (f"exporter.{key}",), (f"logs.{key}",)

    def variable(signal: str, keys: tuple[str, ...]) -> Variable:
        def said(text: str, tell: Tell) -> Mapping[str, object]:
            return dict.fromkeys(keys, text if read is None else read(text, tell))

        return Variable(f"OTEL_EXPORTER_OTLP_{signal}{option}", keys, meaning, said)

    return variable("", exporter + logs), variable("TRACES_", exporter), variable("LOGS_", logs)


def _disabled(text: str, tell: Tell) -> Mapping[str, object]:
    if text.lower() in {"true", "false"}:
        return {"disabled": text}
    tell(f"expected true or false, got {printable(text)!r}: nothing is disabled by this", "warning")
    return {}


def _resource(text: str, _tell: Tell) -> Mapping[str, object]:
    return {"resource_attributes": pairs(text)}


def _timeout(text: str, tell: Tell) -> float:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):  # noqa: PLR2004  # more is no timeout
        raise Mismatch("expected an integer number of milliseconds")
    milliseconds = int(text)
    if 0 < milliseconds < SUSPICIOUS:
        tell(
            f"{milliseconds} means milliseconds, as OpenTelemetry specifies (its Python SDK reads seconds);"
            f" for seconds say {milliseconds}000, or ARES_OTEL_EXPORTER_TIMEOUT={milliseconds}",
            "warning",
        )
    return milliseconds / 1_000 if milliseconds else FOREVER


def _exporter(name: str, key: str) -> Variable:
    def read(text: str, tell: Tell) -> Mapping[str, object]:
        names = [word.lower() for word in words(text)]
        for word in names:
            if word not in {"otlp", "none"}:
                tell(f"exporter {printable(word)!r} is not offered; expected otlp or none", "error")
        return {key: "otlp" in names} if {"otlp", "none"} & set(names) else {}

    return Variable(name, (key,), "`otlp` or `none`", read)


def _sampler(text: str, _tell: Tell) -> Mapping[str, object]:
    if text.lower() in ELSEWHERE:
        raise Mismatch(f"sampler {text.lower()} is not offered; {FIELDS['sampling.sampler'].expected}")
    return {"sampling.sampler": text}


def _ratio(text: str, _tell: Tell) -> Mapping[str, object]:
    return {"sampling.ratio": text}


OTEL: tuple[Variable, ...] = (
    Variable("OTEL_SDK_DISABLED", ("disabled",), "`true` in any case, nothing else", _disabled),
    Variable(
        "OTEL_RESOURCE_ATTRIBUTES",
        ("resource_attributes", "service.*", "mode"),
        "`name=value,…`, percent-encoded; with one bad member the whole is ignored",
        _resource,
    ),
    *_plain("OTEL_SERVICE_NAME", "service.name", "wins over `service.name` in OTEL_RESOURCE_ATTRIBUTES"),
    *_plain(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "exporter.endpoint",
        "base URL; `/v1/traces` and `/v1/logs` are appended to its path",
    ),
    *_plain("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "exporter.traces_endpoint", "used as it is"),
    *_plain("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "logs.endpoint", "used as it is"),
    *_otlp("PROTOCOL", "protocol", "`http/protobuf` or `grpc`"),
    *_otlp("HEADERS", "headers", "`name=value,…`, percent-encoded"),
    *_otlp(
        "TIMEOUT",
        "timeout",
        "**milliseconds**, as specified (the Python SDK reads seconds); 0: one hour",
        _timeout,
    ),
    *_otlp("CERTIFICATE", "certificate"),
    *_otlp("CLIENT_CERTIFICATE", "client_certificate"),
    *_otlp("CLIENT_KEY", "client_key"),
    *_otlp("COMPRESSION", "compression"),
    _exporter("OTEL_TRACES_EXPORTER", "exporter.enabled"),
    _exporter("OTEL_LOGS_EXPORTER", "logs.export"),
    Variable("OTEL_TRACES_SAMPLER", ("sampling.sampler",), "one of the six names", _sampler),
    Variable("OTEL_TRACES_SAMPLER_ARG", ("sampling.ratio",), "ignored unless OTEL_TRACES_SAMPLER is set", _ratio),
    *_plain("OTEL_PROPAGATORS", "propagators", "comma-separated; unknown ones are left out"),
    *_plain("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "recorder.attribute_length_limit", "characters"),
    *_plain("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "recorder.attribute_length_limit", "wins over the one above"),
    *_plain("OTEL_ATTRIBUTE_COUNT_LIMIT", "recorder.attribute_count_limit"),
    *_plain("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "recorder.attribute_count_limit", "wins over the one above"),
    *_plain("OTEL_EXPORTER_PROMETHEUS_HOST", "metrics.host"),
    *_plain("OTEL_EXPORTER_PROMETHEUS_PORT", "metrics.port"),
)
"""In the order of precedence, lowest first; an empty variable is as one that is not set."""


def given(environ: Mapping[str, str], name: str) -> str:
    """Return a variable without surrounding white space; "" where it is not set."""
    return environ.get(name, "").strip()


def read_otel(environ: Mapping[str, str], problems: Problems) -> dict[str, Setting]:
    """Return the settings by OpenTelemetry's variables."""
    layer = Layer(problems)
    for variable in OTEL:
        if text := given(environ, variable.name):
            _read(variable, text, layer, problems)
    return layer.close()


def _read(variable: Variable, text: str, layer: Layer, problems: Problems) -> None:
    origin = Origin("environment", variable.name)

    def tell(message: str, severity: Severity) -> None:
        problems.add(origin, "", message, severity)

    if variable.keys == ("sampling.ratio",) and "sampling.sampler" not in layer.settings:
        tell("ignored, because OTEL_TRACES_SAMPLER sets no sampler", "warning")
        return
    try:
        for key, raw in variable.read(text, tell).items():
            if not layer.put(key, raw, origin):
                return
    except Mismatch as mismatch:
        tell(str(mismatch), "error")


def read_ours(environ: Mapping[str, str], problems: Problems) -> dict[str, Setting]:
    """Return the settings by our own variables; one with our prefix that is no key is a problem."""
    layer = Layer(problems)
    for name, key in (("ARES_DATABASE_URL", "server.database_url"), ("ARES_SERVER_TOKEN_FILE", "server.token_file")):
        if text := given(environ, name):
            layer.put(key, text, Origin("environment", name))
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        origin = Origin("environment", name)
        if name in VARIABLES:
            if text := given(environ, name):
                layer.put(VARIABLES[name], text, origin)
        elif name not in RESERVED and not problems.full:
            problems.add(origin, "", f"unknown variable{nearest(name, [*VARIABLES, CONFIG_VARIABLE])}")
    return layer.close()

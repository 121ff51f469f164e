"""Read OpenTelemetry's declarative configuration, the file that `OTEL_CONFIG_FILE` names.

As its specification says, it stands in place of the `OTEL_*` variables. What we have a key for is taken: resource,
propagators, sampler, limits, and the first OTLP exporter of spans and of log records. All else is named in a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

import yaml

from ares_otel.config.document import REFERENCE, UNSET, DocumentError, compose, entries, raw_value
from ares_otel.config.layers import Layer, Setting
from ares_otel.config.problems import Origin, Problems
from ares_otel.config.source import read_text
from ares_otel.config.values import Mismatch, pairs, words

__all__ = ["DeclarativeReader"]

MAJOR: Final = "1."
FOREVER: Final = 3_600.0
DEFAULTS: Final = {
    "otlp_http": ("http/protobuf", "http://localhost:4318/v1/{}"),
    "otlp_grpc": ("grpc", "http://localhost:4317"),
}
SIGNALS: Final = (
    ("tracer_provider", "traces", "exporter", "exporter.enabled", "exporter.traces_endpoint"),
    ("logger_provider", "logs", "logs", "logs.export", "logs.endpoint"),
)
LIMITS: Final = {
    "attribute_value_length_limit": "recorder.attribute_length_limit",
    "attribute_count_limit": "recorder.attribute_count_limit",
}
PLAIN: Final = {
    "compression": "compression",
    "tls.ca_file": "certificate",
    "tls.cert_file": "client_certificate",
    "tls.key_file": "client_key",
}
SAMPLERS: Final = {"trace_id_ratio_based": "traceidratio"}
NAMED: Final = 8


class DeclarativeReader:
    """Walks one file; what was read of it is crossed off, so that the rest can be named.

    Args:
        path: of the file.
        environ: for references such as `${NAME}`; one that is not set stands for nothing.
        problems: takes what is wrong, and what is not used.
    """

    def __init__(self, path: str, environ: Mapping[str, str], problems: Problems) -> None:
        self._path = path
        self._environ = environ
        self._problems = problems
        self._layer = Layer(problems)
        self._texts: dict[str, tuple[object, int]] = {}

    def read(self) -> dict[str, Setting] | None:
        """Return the settings, or None if the file cannot be used at all."""
        try:
            root = compose(read_text(self._path))
        except (DocumentError, OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._tell("", 0, f"OTEL_CONFIG_FILE cannot be used: {reason}")
            return None
        if root is not None:
            self._flatten("", root)
        version, line = self._take("file_format")
        if not str(version).startswith(MAJOR):
            self._tell("file_format", line, f"expected 1.x, got {version or 'nothing'}; the whole file is ignored")
            return None
        self._common()
        for signal in SIGNALS:
            self._signal(*signal)
        self._sampler()
        self._rest()
        return self._layer.close()

    # --- the file as a flat table ------------------------------------------------------------------------------

    def _flatten(self, path: str, node: yaml.Node) -> None:
        """Note each scalar under its dotted path; members of a list are numbered, an empty map counts as nothing."""
        if isinstance(node, yaml.MappingNode) and node.value:
            for entry in entries(node):
                self._flatten(f"{path}.{entry.name}" if path else entry.name, entry.node)
        elif isinstance(node, yaml.SequenceNode) and node.value:
            for place, item in enumerate(node.value):
                self._flatten(f"{path}.{place}", item)
        else:
            line = node.start_mark.line + 1
            self._texts[path] = (self._text(path, line, node) if isinstance(node, yaml.ScalarNode) else None, line)

    def _text(self, path: str, line: int, node: yaml.ScalarNode) -> object:
        node.value = REFERENCE.sub(_with_default, node.value)
        try:
            found = raw_value(node, self._environ)
        except Mismatch as mismatch:
            self._tell(path, line, str(mismatch))
            return None
        return None if found is UNSET else found

    def _take(self, path: str) -> tuple[object, int]:
        """Return what stands at a path and its line, and cross it off; (None, 0) where nothing does."""
        return self._texts.pop(path, (None, 0))

    def _below(self, path: str) -> list[str]:
        """Return the names that stand below a path, in the order of the file."""
        names = (name[len(path) + 1 :].partition(".")[0] for name in self._texts if name.startswith(f"{path}."))
        return list(dict.fromkeys(names))

    def _tell(self, path: str, line: int, message: str) -> None:
        self._problems.add(self._origin(line), path, message)

    def _origin(self, line: int) -> Origin:
        return Origin("file", self._path, line)

    def _put(self, key: str, path: str) -> None:
        raw, line = self._take(path)
        if raw is not None:
            self._layer.put(key, raw, self._origin(line), path)

    # --- what is taken -----------------------------------------------------------------------------------------

    def _common(self) -> None:
        self._put("disabled", "disabled")
        for section in ("attribute_limits", "tracer_provider.limits"):
            for name, key in LIMITS.items():
                self._put(key, f"{section}.{name}")
        attributes = self._pairs("resource.attributes", "resource.attributes_list")
        if attributes:
            self._layer.put("resource_attributes", attributes, self._origin(0), "resource.attributes")
        names = [name for place in self._below("propagator.composite") for name in self._propagators(place)]
        names += words(str(self._take("propagator.composite_list")[0] or ""))
        if names:
            self._layer.put("propagators", names, self._origin(0), "propagator")

    def _propagators(self, place: str) -> Iterator[str]:
        for name in self._below(f"propagator.composite.{place}"):
            self._take(f"propagator.composite.{place}.{name}")
            yield name

    def _pairs(self, path: str, list_path: str) -> dict[str, str]:
        """Return pairs of `name` and `value`, which go before those of the text `a=b,c=d` beside them."""
        text, line = self._take(list_path)
        found: dict[str, str] = {}
        try:
            found |= pairs(str(text or ""))
        except Mismatch as mismatch:
            self._tell(list_path, line, str(mismatch))
        for place in self._below(path):
            (name, _), (value, _) = (self._take(f"{path}.{place}.{part}") for part in ("name", "value"))
            self._take(f"{path}.{place}.type")
            if isinstance(name, str) and isinstance(value, str):
                found[str(name)] = str(value)
        return found

    def _signal(self, provider: str, signal: str, section: str, switch: str, address: str) -> None:
        """Take how a signal is exported: by the first OTLP exporter; without one it is not."""
        offered = list(self._offered(provider))
        self._layer.put(switch, bool(offered), self._origin(0), provider)
        if not offered:
            return
        path, kind = offered[0]
        protocol, default = DEFAULTS[kind]
        base = f"{path}.{kind}"
        self._layer.put(f"{section}.protocol", protocol, self._origin(0), base)
        self._take(base)
        endpoint, line = self._take(f"{base}.endpoint")
        self._layer.put(address, endpoint or default.format(signal), self._origin(line), f"{base}.endpoint")
        for name, key in PLAIN.items():
            self._put(f"{section}.{key}", f"{base}.{name}")
        self._timeout(f"{section}.timeout", f"{base}.timeout")
        headers = self._pairs(f"{base}.headers", f"{base}.headers_list")
        if headers:
            self._layer.put(f"{section}.headers", headers, self._origin(0), f"{base}.headers")

    def _offered(self, provider: str) -> Iterator[tuple[str, str]]:
        """Yield path and kind of the OTLP exporters of a provider."""
        for place in self._below(f"{provider}.processors"):
            for kind in self._below(f"{provider}.processors.{place}"):
                path = f"{provider}.processors.{place}.{kind}.exporter"
                yield from ((path, exporter) for exporter in self._below(path) if exporter in DEFAULTS)

    def _timeout(self, key: str, path: str) -> None:
        raw, line = self._take(path)
        if isinstance(raw, str) and raw.isdecimal():
            self._layer.put(key, int(raw) / 1_000 or FOREVER, self._origin(line), path)
        elif raw is not None:
            self._tell(path, line, "expected an integer number of milliseconds")

    def _sampler(self) -> None:
        """Take the head sampler; its default is `parentbased_always_on`, as ours."""
        base, prefix = "tracer_provider.sampler", ""
        if "parent_based" in self._below(base):
            self._take(f"{base}.parent_based")
            base, prefix = f"{base}.parent_based.root", "parentbased_"
        for kind in self._below(base):
            name = prefix + SAMPLERS.get(kind, kind)
            _, line = self._take(f"{base}.{kind}")
            if self._layer.put("sampling.sampler", name, self._origin(line), base):
                self._put("sampling.ratio", f"{base}.{kind}.ratio")

    def _rest(self) -> None:
        """Name what there is no key for, and the variables that the file stands in place of."""
        left = list(self._texts)
        if left:
            named = ", ".join(left[:NAMED]) + (" …" if len(left) > NAMED else "")
            self._problems.add(self._origin(0), "", f"not used by ares_otel: {named}", "note")
        hidden = sorted(name for name in self._environ if name.startswith("OTEL_") and _is_replaced(name))
        if hidden:
            message = f"stands in place of {', '.join(hidden)}, as OpenTelemetry specifies"
            self._problems.add(Origin("environment", "OTEL_CONFIG_FILE"), "", message, "note")


def _is_replaced(name: str) -> bool:
    return not name.startswith(("OTEL_PYTHON_", "OTEL_CONFIG"))


def _with_default(match: re.Match[str]) -> str:
    """Return a reference that stands for nothing where its variable is not set."""
    is_bare = match[1] is not None and match[2] is None
    return f"{match[0][:-1]}:-}}" if is_bare else match[0]

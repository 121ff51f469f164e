"""Sources of values and how a higher one hides a lower one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from ares_otel.config.keys import FIELDS
from ares_otel.config.problems import Origin, Problems
from ares_otel.config.values import Mismatch, convert

__all__ = ["SHARED", "Layer", "Setting", "merge"]

# Two keys for one thing: a source that sets the first and not the second hides the second of lower sources, or an
# endpoint given as an argument would lose against OTEL_EXPORTER_OTLP_TRACES_ENDPOINT.
SHARED = ("certificate", "client_certificate", "client_key", "compression", "headers", "protocol", "timeout")
HIDES = (
    ("exporter.endpoint", "exporter.traces_endpoint"),
    ("exporter.endpoint", "logs.endpoint"),
    *((f"exporter.{name}", f"logs.{name}") for name in SHARED),
    ("logs.headers", "logs.headers_file"),
    ("logs.headers_file", "logs.headers"),
    ("exporter.headers", "exporter.headers_file"),
    ("exporter.headers_file", "exporter.headers"),
    ("server.database", "server.database_url"),
)
OWN_KEYS = {
    "service.name": "service.name",
    "service.namespace": "service.namespace",
    "service.version": "service.version",
    "service.instance.id": "service.instance_id",
    "deployment.environment.name": "service.environment",
    "deployment.environment": "service.environment",
    "ares.mode": "mode",
}
ATTRIBUTES = "resource_attributes"


class Setting(msgspec.Struct, frozen=True):
    """A value of a key and where it came from."""

    value: object
    origin: Origin


class Layer:
    """The valid settings of one source; what is not valid becomes a problem instead.

    Attributes:
        settings: setting by key.
    """

    def __init__(self, problems: Problems) -> None:
        self.settings: dict[str, Setting] = {}
        self._problems = problems
        self._weak: dict[str, Setting] = {}

    def put(self, key: str, raw: object, origin: Origin, written: str | None = None) -> bool:
        """Convert and keep a raw value; tell whether it is one.

        Args:
            key: a key of `FIELDS`.
            raw: see `convert`.
            origin: where it stands.
            written: the name under which it stands there, if not the key.
        """
        value = self._converted(key, raw, origin, written or key)
        if isinstance(value, Mismatch):
            return False
        if key == ATTRIBUTES:
            value = self._split(value, origin)
        self.settings[key] = Setting(value, origin)
        return True

    def _converted(self, key: str, raw: object, origin: Origin, written: str) -> object:
        def complain(message: str) -> None:
            self._problems.add(origin, written, message)

        try:
            return convert(FIELDS[key], raw, complain)
        except Mismatch as mismatch:
            complain(str(mismatch))
            return mismatch

    def _split(self, attributes: object, origin: Origin) -> dict[str, str]:
        """Move the attributes that have a key of their own to it; the own key wins within a source."""
        rest = {}
        for name, value in attributes.items() if isinstance(attributes, Mapping) else ():
            if (key := OWN_KEYS.get(name)) is None:
                rest[name] = value
            elif not isinstance(own := self._converted(key, value, origin, f"{ATTRIBUTES}.{name}"), Mismatch):
                self._weak.setdefault(key, Setting(own, origin))
        return rest

    def close(self) -> dict[str, Setting]:
        """Return all settings of the source."""
        return self._weak | self.settings


def merge(layers: Iterable[Mapping[str, Setting]]) -> dict[str, Setting]:
    """Return the settings of all sources, lowest first, where the highest source of each key wins.

    Resource attributes of all sources are joined, name by name.
    """
    merged: dict[str, Setting] = {}
    for layer in layers:
        for key, hidden in HIDES:
            if key in layer and hidden not in layer:
                merged.pop(hidden, None)
        for key, setting in layer.items():
            merged[key] = _joined(merged.get(key), setting) if key == ATTRIBUTES else setting
    return merged


def _joined(lower: Setting | None, higher: Setting) -> Setting:
    if lower is None or not isinstance(lower.value, dict) or not isinstance(higher.value, dict):
        return higher
    return Setting(lower.value | higher.value, higher.origin)

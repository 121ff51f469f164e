"""Load the configuration: arguments over environment over file over default. Bad content never raises."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import msgspec

from ares_otel.config.derive import derive
from ares_otel.config.environment import DECLARATIVE_VARIABLE, given, read_otel, read_ours
from ares_otel.config.keys import CONFIG_VARIABLE, FIELDS, SECTIONS, nearest
from ares_otel.config.layers import Layer, Setting, merge
from ares_otel.config.problems import ConfigError, Origin, Problem, Problems
from ares_otel.config.schema import Config

__all__ = ["Loaded", "load"]


class Loaded(msgspec.Struct, frozen=True):
    """A configuration and how it came about.

    Attributes:
        config: the effective values, valid in themselves.
        origins: where each value came from, by dotted key; also by `resource_attributes.<name>`.
        problems: what was wrong; a value with an error is not used.
        path: the file that was asked for, if any.
    """

    config: Config
    origins: dict[str, Origin]
    problems: list[Problem]
    path: str | None = None

    def require(self) -> Config:
        """Return the configuration if it has no error (warnings and notes may be).

        Raises:
            ConfigError: it has errors; lists all problems.
        """
        if any(problem.severity == "error" for problem in self.problems):
            raise ConfigError(self.problems)
        return self.config


def load(
    path: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Loaded:
    """Return the effective configuration; a bad value becomes a problem and its key falls back.

    Args:
        path: YAML file of at most 1 MiB; None: `$ARES_OTEL_CONFIG`, or no file if that is not set.
        environ: environment variables; None: those of the process.
        overrides: values by dotted key (`{"metrics.port": 0}`) or nested; None as a value means not given.
    """
    variables = os.environ if environ is None else environ
    problems = Problems()
    where = _where(path, variables, problems)
    layers = (
        _defaults(),
        *(_file(where, variables, problems) if where else ()),
        _opentelemetry(variables, problems),
        read_ours(variables, problems),
        _arguments(overrides or {}, problems),
    )
    settings = _defaults() | merge(layers)
    derive(settings, variables, problems)
    return Loaded(_config(settings), _origins(settings, layers), problems.found, where or None)


def _where(path: object, environ: Mapping[str, str], problems: Problems) -> str:
    if path is None:
        return given(environ, CONFIG_VARIABLE)
    if isinstance(path, str | bytes | os.PathLike):
        return os.fsdecode(path)
    problems.add(Origin("argument"), "path", f"expected a path, got a value of type {type(path).__name__}")
    return ""


def _defaults() -> dict[str, Setting]:
    return {key: Setting(field.default, Origin()) for key, field in FIELDS.items()}


def _file(path: str, environ: Mapping[str, str], problems: Problems) -> tuple[dict[str, Setting], ...]:
    from ares_otel.config.file import FileReader  # noqa: PLC0415  # YAML is imported where there is a file

    return FileReader(path, environ, problems).read()


def _opentelemetry(environ: Mapping[str, str], problems: Problems) -> dict[str, Setting]:
    """Return the settings by OpenTelemetry's own means: the file of `OTEL_CONFIG_FILE`, else its variables."""
    found = None
    if path := given(environ, DECLARATIVE_VARIABLE):
        from ares_otel.config.declarative import DeclarativeReader  # noqa: PLC0415  # as above

        found = DeclarativeReader(path, environ, problems).read()
    return read_otel(environ, problems) if found is None else found


def _arguments(overrides: Mapping[str, object], problems: Problems) -> dict[str, Setting]:
    layer = Layer(problems)
    origin = Origin("argument")
    for key, value in _flat(overrides):
        if key in FIELDS:
            layer.put(key, value, origin)
        else:
            problems.add(origin, key, f"unknown key{nearest(key, FIELDS)}")
    return layer.close()


def _flat(overrides: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in overrides.items():
        if key in SECTIONS and isinstance(value, Mapping):
            yield from _flat({f"{key}.{name}": inner for name, inner in value.items()})
        elif value is not None:
            yield str(key), value


def _config(settings: Mapping[str, Setting]) -> Config:
    nested: dict[str, dict[str, object]] = {name: {} for name in ("", *SECTIONS)}
    for key, setting in settings.items():
        section, _, name = key.rpartition(".")
        nested[section][name] = setting.value
    for dotted in reversed(SECTIONS):  # what is inside a group is made before the group
        section, _, name = dotted.rpartition(".")
        nested[section][name] = SECTIONS[dotted](**nested[dotted])
    return msgspec.convert(nested[""], Config)


def _origins(settings: Mapping[str, Setting], layers: tuple[Mapping[str, Setting], ...]) -> dict[str, Origin]:
    origins = {key: setting.origin for key, setting in settings.items()}
    for layer in layers:
        setting = layer.get("resource_attributes")
        for name in setting.value if setting and isinstance(setting.value, dict) else ():
            origins[f"resource_attributes.{name}"] = setting.origin if setting else Origin()
    return origins

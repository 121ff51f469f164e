from __future__ import annotations

import json
import tempfile
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.config import Config, load, reference, render
from ares_otel.config.environment import OTEL
from ares_otel.config.fields import Field
from ares_otel.config.keys import FIELDS, variable
from ares_otel.config.legacy import LEGACY
from ares_otel.config.masking import mask_url

HOME = {"HOME": "/home/bot"}
BOUNDED = {"boolean", "choice", "days", "duration", "integer", "number", "size"}
# Anything but NUL and lone surrogates of a text file; leading and trailing space included.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
STRATEGIES: dict[str, st.SearchStrategy[object]] = {
    "attributes": st.dictionaries(TEXTS.map(str.strip).filter(bool), TEXTS, max_size=3),
    "detectors": st.lists(st.sampled_from(["KSDrift", "river.drift:ADWIN"]), max_size=2),
    "dsn": st.just("postgresql://h/db"),
    "headers": st.just({}),
    "list": st.lists(TEXTS, max_size=3),
    "urls": st.lists(st.sampled_from(["http://a", "https://b:1/x"]), max_size=2),
    "path": TEXTS.map(lambda text: f"/{text}"),
    "propagators": st.lists(st.sampled_from(["tracecontext", "baggage"]), min_size=1),
    "text": TEXTS,
    "token": st.just("X-Other"),
    "url": st.sampled_from(["http://h", "https://h:1/x", "http://[::1]:7/"]),
}


def values(field: Field) -> st.SearchStrategy[object]:
    """Return a strategy for values of a key."""
    if field.kind == "boolean":
        return st.booleans()
    if field.kind == "choice":
        return st.sampled_from(field.choices)
    if field.kind in {"duration", "number"}:
        return st.floats(0.1, 1)
    if field.kind in BOUNDED:
        default = field.default if isinstance(field.default, int) else 0
        return st.integers(default, default + 100)
    return STRATEGIES[field.kind]


OVERRIDES: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {}, optional={key: values(field) for key, field in FIELDS.items() if not key.endswith(".headers_file")}
)


@given(OVERRIDES)
@settings(max_examples=80, deadline=None)
def test_what_is_rendered_loads_to_the_same_configuration(overrides: dict[str, object]) -> None:
    """Law: the YAML of an effective configuration is that configuration, whatever its texts hold."""
    loaded = load(environ=HOME, overrides=overrides)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ares.yaml"
        path.write_text(render(loaded), encoding="utf-8")
        again = load(path, HOME)
    assert again.config == loaded.config
    assert {problem.key for problem in again.problems} <= {"exporter.certificate", "sampling.ratio"}


def test_values_have_their_origins_beside_them(tmp_path: Path) -> None:
    """As comments in YAML, by key in JSON; problems come first."""
    path = tmp_path / "ares.yaml"
    path.write_text("metrics:\n  port: 7\n  prot: 8\nresource_attributes: {team: a}\n")
    loaded = load(path, HOME | {"ARES_OTEL_MODE": "paper"})
    lines = [" ".join(line.split()) for line in render(loaded).splitlines()]
    assert lines[0] == f"# error: {path}:3: metrics.prot: unknown key; did you mean metrics.port?"
    assert 'mode: "paper" # environment ARES_OTEL_MODE' in lines
    assert f"port: 7 # {path}:2" in lines
    assert f'"team": "a" # {path}:4' in lines
    assert "disabled: false # default" in lines
    document = json.loads(render(loaded, format="json"))
    assert document["config"]["metrics"]["port"] == 7
    assert document["origins"]["metrics.port"] == f"{path}:2"
    assert document["origins"]["resource_attributes.team"] == f"{path}:4"
    assert document["problems"] == [
        {
            "severity": "error",
            "at": f"{path}:3",
            "key": "metrics.prot",
            "message": "unknown key; did you mean metrics.port?",
        }
    ]
    assert document["path"] == str(path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:1/path", "http://host:1/path"),
        ("http://me:SEC/R?E#T@x@host/path", "http://***@host/path"),
        ("me:SECRET@host", "***@host"),
        ("http://host/p?key=SECRET", "http://host/p?***"),
        ("http://host/p#SECRET", "http://host/p?***"),
    ],
)
def test_urls_are_masked_also_where_they_are_bad(url: str, shown: str) -> None:
    """User information up to the last at-sign, and all behind the path."""
    assert mask_url(url) == shown


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_secrets_are_masked(form: str) -> None:
    """Values of headers, user information and queries of URLs; their names and hosts stay."""
    overrides = {
        "exporter": {"headers": {"authorization": "SECRET"}, "endpoint": "http://me:SECRET@host/x?token=SECRET#SECRET"},
        "server.database_url": "postgresql://me:SECRET@host/db",
    }
    loaded = load(environ=HOME, overrides=overrides)
    text = render(loaded, format="json") if form == "json" else render(loaded)
    tree = json.loads(text)["config"] if form == "json" else yaml.safe_load(text)
    assert "SEC" not in text
    assert tree["exporter"]["headers"] == {"authorization": "***"}
    assert tree["exporter"]["endpoint"] == "http://***@host/x?***"
    assert tree["server"]["database_url"] == "postgresql://***@host/db"


def test_what_is_rendered_is_ascii_on_any_terminal() -> None:
    """Texts with lone surrogates (bytes of the environment) or from other alphabets break no output."""
    loaded = load(environ=HOME, overrides={"service.name": "b\udcffot ü 🤖", "propagators": []})
    assert render(loaded).isascii()
    assert render(loaded, format="json").isascii()
    assert yaml.safe_load(render(loaded))["propagators"] == ["none"]


def test_the_reference_names_everything() -> None:
    """Every key with its variable and meaning, every variable of OpenTelemetry, every old key."""
    text = reference()
    for key, field in FIELDS.items():
        assert f"| `{key}` | " in text
        assert f"| `{variable(key)}` | " in text
        assert field.description
        assert field.description.replace("|", "\\|") in text
    for item in OTEL:
        assert f"| `{item.name}` | " in text
    for rule in LEGACY:
        assert f"| `{rule.key}` | " in text


def test_the_reference_is_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is committed, so no path of a machine may be in it."""
    before = reference()
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.setenv("XDG_STATE_HOME", "/else")
    assert reference() == before
    assert "$XDG_STATE_HOME/ares-otel" in before


def test_the_tables_of_the_reference_are_even() -> None:
    """Every row has as many cells as the head of its table."""
    width = 0
    for line in reference().splitlines():
        cells = line.replace("\\|", "").count("|")
        if line.startswith("|"):
            width = width or cells
            assert cells == width, line
        else:
            width = 0


def test_the_tree_has_a_schema_for_editors() -> None:
    """The declarations are such that msgspec understands them all."""
    schema = msgspec.json.schema(Config)
    assert schema["$defs"]["Metrics"]["properties"]["port"]["maximum"] == 65_535

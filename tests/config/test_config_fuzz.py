from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ares_otel.config import Config, Loaded, load, render
from ares_otel.config.environment import OTEL
from ares_otel.config.keys import FIELDS, SECTIONS, VARIABLES
from ares_otel.config.legacy import LEGACY, PARENT

HOME = {"HOME": "/home/bot"}
NAMES = sorted(
    {part for key in (*FIELDS, *(rule.key for rule in LEGACY)) for part in key.split(".")} | {*SECTIONS, PARENT}
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.binary(max_size=10)
    | st.sampled_from(["${HOME}", "${NONE}", "${", "$$", "5m", "64MiB", "http://h", "a=b", "none", "-1", "1e999"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | SCALARS, inner, max_size=6),
    max_leaves=30,
)
FILES = st.dictionaries(st.sampled_from(NAMES), TREES, max_size=8).map(yaml.dump)
MARKS = [*":-[]{},&*!|>'\"#%@`?\n\t~", "<<", "---", "\n  "]
PIECES = st.lists(st.sampled_from([*NAMES, *MARKS]))
LEVELS = {"error", "warning", "note"}


def check(loaded: Loaded) -> None:
    """What was loaded is valid, and can be shown."""
    assert msgspec.convert(msgspec.to_builtins(loaded.config), Config) == loaded.config
    assert set(FIELDS) <= set(loaded.origins)
    assert all(problem.severity in LEVELS and str(problem).isprintable() for problem in loaded.problems)
    assert render(loaded)
    assert render(loaded, format="json")


def load_bytes(content: bytes) -> None:
    """Load a file with any content."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ares.yaml"
        path.write_bytes(content)
        check(load(path, HOME))


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_load(content: bytes) -> None:
    """Law: no content of a file makes `load` raise."""
    load_bytes(content)


@given(PIECES)
@settings(deadline=None)
def test_any_shuffled_yaml_loads(pieces: list[str]) -> None:
    """Law: nor do keys and YAML's own characters in any order."""
    load_bytes(" ".join(pieces).encode())


@given(FILES)
@settings(max_examples=50, deadline=None)
def test_any_tree_of_known_keys_loads(text: str) -> None:
    """Law: nor do known keys with any value at any place, tags of Python included."""
    load_bytes(text.encode(errors="surrogatepass"))


@given(
    st.dictionaries(
        st.sampled_from(
            [*VARIABLES, *(item.name for item in OTEL), "ARES_DATABASE_URL", "ARES_OTEL_X", "XDG_STATE_HOME"]
        ),
        st.text() | st.sampled_from(["a=b,c=%41", "0", "10", "true", "grpc", "otlp,none", "~/x", "-1"]),
        max_size=8,
    )
)
@settings(deadline=None)
def test_any_environment_loads(environ: dict[str, str]) -> None:
    """Law: nor does any text in any variable."""
    check(load(environ=HOME | environ))


@given(st.dictionaries(st.sampled_from([*FIELDS, *SECTIONS]) | st.text(), SCALARS | TREES, max_size=6))
@settings(deadline=None)
def test_any_arguments_load(overrides: dict[str, object]) -> None:
    """Law: nor does any value of any argument."""
    check(load(environ=HOME, overrides=overrides))

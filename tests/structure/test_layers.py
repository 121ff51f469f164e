"""Imports run downwards only, without cycles, and what is heavy or optional stays where it belongs."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import distribution, packages_distributions
from typing import Any

import pytest
from sources import PACKAGE, ROOT, Import, Module, modules

LAYERS = (
    {"semconv", "guard", "clock", "forked", "interpreter"},
    {"records", "config", "stack"},
    {"correlation", "orders", "metrics", "portfolio", "pipeline"},
    {"decision"},
    {"ml", "system", "audit", "setup"},
    {"instrument", "server", "reports", "testing"},
    {""},  # the package itself: what users import
    {"demo"},
    {"cli"},
)
"""From the lowest to the highest. A unit may import from lower layers and, as long as no cycle comes of it, its own."""

HOMES = {
    "opentelemetry.sdk": ("setup", "pipeline.sdk", "pipeline.grpc"),  # the official exporter takes the SDK's spans
    "opentelemetry.instrumentation": ("instrument",),
    "prometheus_client": ("metrics", "system", "setup", "server.http.watch"),
    "alibi_detect": ("ml",),
    "numpy": ("ml", "demo"),
    "pandas": ("ml", "demo"),
    "scipy": ("ml", "demo"),
    "sklearn": ("ml", "demo"),
    "arch": ("demo",),
    "backtesting": (),  # AGPL-3; it and the next two are oracles of tests
    "empyrical": (),
    "quantstats": (),
    "ccxt": ("demo",),
    "alembic": ("server",),
    "pyarrow": ("server.keep", "ml"),
    "psycopg": ("server.store",),
    "sqlalchemy": ("server",),
    "starlette": ("server",),
    "jinja2": ("server",),
    "markdown_it": ("server",),
    "markupsafe": ("server",),
    "grpc": ("server.rpc", "pipeline.grpc"),
    "google.rpc": ("server.rpc",),
    "uvicorn": ("server",),
    "websockets": ("server",),
    "zstandard": ("server",),
    "google.protobuf": ("server", "pipeline.grpc"),
    "opentelemetry.proto": ("server", "pipeline.grpc"),
}
"""Where a distribution may be imported at all: modules by dotted prefix below the package."""

OPTIONAL = ("server", "demo", "ml", "testing", "reports", "pipeline.grpc", "instrument")
"""What users get by an extra, or import by name: the only places that may import more than the core dependencies."""


TOPS = packages_distributions()
INSTALLED = {name.lower().replace("_", "-") for names in TOPS.values() for name in names}


def below(name: str, prefixes: Iterable[str]) -> bool:
    """Whether a dotted name is one of the prefixes or inside one."""
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def inside(module: Module) -> str:
    """Return the dotted name below the package."""
    return module.name.removeprefix(PACKAGE).removeprefix(".")


def layer(name: str) -> int:
    """Return the number of the layer of a module of ours, by its full dotted name."""
    unit = name.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]
    for number, units in enumerate(LAYERS):
        if unit in units:
            return number
    raise LookupError(f"{name}: the unit {unit!r} is in no layer; architecture.md section 4 decides, LAYERS follows it")


def resolve(target: str, known: Iterable[str]) -> str:
    """Return the module that an imported name comes from: the name itself if it is a module, else what holds it."""
    return target if target in known else target.rpartition(".")[0] or target


def graph(tree: Iterable[Module]) -> dict[str, dict[str, Import]]:
    """Return, for each module of ours, the modules of ours that it imports."""
    tree = list(tree)
    known = {module.name for module in tree}
    edges: dict[str, dict[str, Import]] = {name: {} for name in known}
    for module in tree:
        for found in module.imports():
            target = resolve(found.target, known)
            if below(target, [PACKAGE]) and target != module.name:
                edges[module.name][target] = found
    return edges


def upward(edges: Mapping[str, Mapping[str, Import]]) -> list[str]:
    """Return the imports that run upwards."""
    return [
        f"{source}:{found.line} imports {target}, which is above it"
        for source, targets in edges.items()
        for target, found in targets.items()
        if layer(target) > layer(source)
    ]


def cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return a cycle of names, empty when there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def units(edges: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Return the same graph between units (the packages and modules at the top of the package)."""
    between: dict[str, set[str]] = {}
    for source, targets in edges.items():
        own = ".".join(source.split(".")[:2])
        others = {".".join(target.split(".")[:2]) for target in targets}
        between.setdefault(own, set()).update(others - {own})
    return between


def strangers(tree: Iterable[Module]) -> list[str]:
    """Return the imports of restricted distributions outside their homes."""
    return [
        f"{module.name}:{found.line} imports {found.target}; only {', '.join(homes)} may import {restricted}"
        for module in tree
        for found in module.imports()
        for restricted, homes in HOMES.items()
        if below(found.target, [restricted]) and not below(inside(module), homes)
    ]


def undeclared(tree: Iterable[Module], allowed: Iterable[str]) -> list[str]:
    """Return the imports, made when a core module is imported, of anything but core dependencies."""
    allowed = {PACKAGE, *sys.stdlib_module_names, *allowed}
    return [
        f"{module.name}:{found.line} imports {found.target} at module level, which is no core dependency"
        for module in tree
        if not below(inside(module), OPTIONAL)
        for found in module.imports()
        if not (found.lazy or found.typing) and found.target.partition(".")[0] not in allowed
    ]


def core_dependencies() -> set[str]:
    """Return the top-level names that the core dependencies of pyproject.toml install."""
    return names_of(distributions(project()["dependencies"]))


def project() -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def distributions(requirements: Iterable[str]) -> set[str]:
    """Return the normalized names in requirements, without those that only an extra of theirs asks for."""
    wanted = (line for line in requirements if "extra ==" not in line)
    return {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-").replace(".", "-") for line in wanted}


def names_of(wanted: set[str]) -> set[str]:
    """Return the top-level names that some distributions install; of one that is not installed, its own."""
    absent = {name.replace("-", "_") for name in wanted - INSTALLED}
    return absent | {top for top, names in TOPS.items() if wanted & distributions(names)}


def closure(wanted: set[str]) -> set[str]:
    """Return distributions with all that they need in turn, as far as it is installed."""
    found: set[str] = set()
    while wanted:
        found |= wanted
        needs = (distribution(name).requires or [] for name in wanted & INSTALLED)
        wanted = {name for lines in needs for name in distributions(lines)} - found
    return found


def undeclared_anywhere(tree: Iterable[Module], allowed: Iterable[str]) -> list[str]:
    """Return the imports of distributions that no extra of the project brings."""
    allowed = {*sys.stdlib_module_names, *allowed}
    return [
        f"{module.name}:{found.line} imports {found.target}, which pyproject.toml does not bring"
        for module in tree
        for found in module.imports()
        if found.target.partition(".")[0] not in allowed
    ]


@pytest.fixture(scope="module")
def edges() -> dict[str, dict[str, Import]]:
    """Return the imports between the modules of the package."""
    return graph(modules())


def test_every_module_has_a_layer() -> None:
    """No module of the package stands outside the layers."""
    assert {module.name: layer(module.name) for module in modules()}


def test_imports_run_downwards(edges: dict[str, dict[str, Import]]) -> None:
    """No module imports from a layer above its own, not even lazily or for types."""
    assert upward(edges) == []


def test_no_cycles(edges: dict[str, dict[str, Import]]) -> None:
    """Neither modules nor units import each other in a circle, not even lazily or for types."""
    assert cycle(edges) == []
    assert cycle(units(edges)) == []


def test_restricted_distributions_stay_home() -> None:
    """The SDK, Prometheus, the web and database frameworks and numerics are imported only where they belong."""
    assert strangers(modules()) == []


def test_core_needs_core_dependencies_only() -> None:
    """What `pip install ares-otel` brings is enough to import everything but the extras."""
    assert undeclared(modules(), core_dependencies()) == []


def test_every_import_is_declared() -> None:
    """A fresh environment has all that the package, its tests and the tools import; benchmarks have one of theirs."""
    declared = project()
    files = (ROOT / "tests" / "benchmarks").rglob("requirements.txt")
    compared = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    extras = itertools.chain(*declared["optional-dependencies"].values())
    wanted = distributions([*declared["dependencies"], *extras, *(line for line in compared if line[0] != "#")])
    own = {PACKAGE, *(path.stem for folder in ("tests", "deploy") for path in (ROOT / folder).rglob("*.py"))}
    tree = (*modules(), *modules("tests"), *modules("deploy"))

    assert undeclared_anywhere(tree, names_of(closure(wanted)) | own) == []


EXTRAS = {"alembic", "arch", "google.protobuf", "grpc", "rich", "sklearn", "sqlalchemy", "starlette"}


@pytest.mark.parametrize(
    ("imported", "heavy"),
    [
        (f"import {PACKAGE}", EXTRAS | {"numpy", "difflib"}),
        # parts of numpy and of the standard library that an import of ours would load before anybody needs them
        (f"from {PACKAGE}.ml import DriftMonitor", EXTRAS | {"scipy", "pandas", "polars", "numpy.ma", "difflib"}),
    ],
    ids=["package", "drift"],
)
def test_an_import_is_light(imported: str, heavy: set[str]) -> None:
    """It loads nothing that belongs to an extra, or that only few need."""
    code = f"{imported}; import sys; print(*sorted({heavy!r} & set(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)

    assert loaded.stdout.strip() == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ares_otel.guard", "from ares_otel.records import Vote"),
        ("ares_otel.guard", "from ares_otel import records"),
        ("ares_otel.guard", "from . import records"),
        ("ares_otel.guard", "from .records import Vote"),
        ("ares_otel.guard", "import ares_otel.records.model"),
        ("ares_otel.guard", "def f():\n    import ares_otel.records"),
        ("ares_otel.guard", "import importlib\nimportlib.import_module('ares_otel.records')"),
        ("ares_otel.guard", "if TYPE_CHECKING:\n    from ares_otel.records import Vote"),
        ("ares_otel.decision", "import ares_otel as ares"),
        ("ares_otel.server.http.app", "from ares_otel.cli import main"),
    ],
)
def test_upward_import_is_found(name: str, text: str) -> None:
    """Every way to write an import from above is seen."""
    tree = [Module.parse(name, text)]
    tree += [Module.parse(f"ares_otel.{unit}", "") for unit in ("records", "records.model", "cli")]
    tree.append(Module.parse("ares_otel", "", "ares_otel/__init__.py"))

    assert len(upward(graph(tree))) == 1


def test_downward_and_sideways_imports_are_allowed() -> None:
    """A unit uses lower layers and neighbours of its own."""
    text = "from ares_otel.guard import GUARD\nfrom ares_otel import clock\nfrom ares_otel.orders import Ledger"
    tree = [Module.parse("ares_otel.pipeline.worker", text)]
    tree += [Module.parse(f"ares_otel.{unit}", "") for unit in ("guard", "clock", "orders")]

    assert upward(graph(tree)) == []


def test_unknown_unit_is_found() -> None:
    """A new unit has to be put into a layer."""
    with pytest.raises(LookupError, match="'utils' is in no layer"):
        layer("ares_otel.utils.strings")


def test_cycles_are_found() -> None:
    """Circles between modules, and those that only show between units, are seen."""
    names = ("orders.a", "orders.b", "metrics.a", "metrics.b")
    texts = ("from ares_otel.metrics import a", "", "", "from ares_otel.orders import b")
    edges = graph(Module.parse(f"ares_otel.{name}", text) for name, text in zip(names, texts, strict=True))

    assert cycle(edges) == []
    assert sorted(set(cycle(units(edges)))) == ["ares_otel.metrics", "ares_otel.orders"]
    assert cycle(
        graph([Module.parse("ares_otel.a", "from . import b"), Module.parse("ares_otel.b", "import ares_otel.a")])
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ares_otel.decision", "from opentelemetry.sdk.trace import TracerProvider"),
        ("ares_otel.decision", "from opentelemetry import sdk"),
        ("ares_otel.pipeline.worker", "import prometheus_client"),
        ("ares_otel.pipeline.otlp", "def f():\n    from google.protobuf import message"),
        ("ares_otel.cli.serve", "import uvicorn"),
        ("ares_otel.portfolio", "import numpy as np"),
    ],
)
def test_stranger_is_found(name: str, text: str) -> None:
    """A restricted distribution outside its home is seen."""
    assert len(strangers([Module.parse(name, text)])) == 1


def test_restricted_distributions_at_home_are_allowed() -> None:
    """The homes may import what the table gives them, and nobody is confused by a longer name."""
    texts = {
        "ares_otel.setup": "import opentelemetry.sdk.trace\nimport prometheus_client",
        "ares_otel.pipeline.sdk": "from opentelemetry.sdk.trace import SpanProcessor",
        "ares_otel.server.store.store": "import sqlalchemy as sa",
        "ares_otel.records": "import opentelemetry.trace\nimport architecture",
    }

    assert strangers(Module.parse(name, text) for name, text in texts.items()) == []


def test_undeclared_dependency_is_found() -> None:
    """A core module may not need an extra to be imported; lazily, or for types, it may name it."""
    text = "import rich\ndef f():\n    import rich\nif TYPE_CHECKING:\n    import rich\nimport json, yaml"

    assert undeclared([Module.parse("ares_otel.config", text)], {"yaml"}) == [
        "ares_otel.config:1 imports rich at module level, which is no core dependency"
    ]
    assert undeclared([Module.parse("ares_otel.server.http.app", text)], {"yaml"}) == []


def test_undeclared_import_is_found() -> None:
    """A distribution that happens to be installed here is not enough."""
    tree = [Module.parse("tests.x", "import json\ndef f():\n    import trustme, yaml")]

    assert undeclared_anywhere(tree, names_of(closure({"pyyaml", "requests"}))) == [
        "tests.x:3 imports trustme, which pyproject.toml does not bring"
    ]
    assert {"pyyaml", "requests", "urllib3"} <= closure({"pyyaml", "requests"})


def test_core_dependencies_are_known() -> None:
    """The names that core distributions install are found, also where they differ from the distribution's."""
    assert {"yaml", "psutil", "msgspec", "prometheus_client", "opentelemetry"} <= core_dependencies()

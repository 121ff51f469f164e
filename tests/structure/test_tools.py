"""The tools of the repository: the Makefile's environment, `make servers`, `make constraints`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import load, script
from sources import ROOT, outside_make

GO = """#!/bin/sh
case "$1" in
env) echo {version} ;;
run | build) echo "$@" >> "{log}"; {build} ;;
esac
"""
MAKES_BINARY = "mkdir build && echo '#!/bin/sh' > build/otelcol-ares && chmod +x build/otelcol-ares"


servers = load("servers")
constraints = load("constraints")


def environ(tmp_path: Path, *, version: str = "go1.26.1", build: str = MAKES_BINARY) -> dict[str, str]:
    """Return an environment with a Go that does what a test says, and a cache of the test's own."""
    text = GO.format(version=version, log=tmp_path / "log", build=build)
    script(tmp_path / "bin" / "go", text)
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_server_is_built_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The builder of the manifest's own version makes the binary in the cache; a second run does nothing."""
    around = environ(tmp_path)
    otelcol = servers.SERVERS["otelcol"]

    first, second = servers.build(otelcol, around), servers.build(otelcol, around)

    assert first == second
    assert os.access(first, os.X_OK)
    assert first.is_relative_to(tmp_path / "cache" / "ares-otel" / "servers" / "otelcol-0.159.0")
    (command,) = (tmp_path / "log").read_text().splitlines()
    assert command.startswith("run go.opentelemetry.io/collector/cmd/builder@v0.159.0 --config=")
    assert "already built" in capfd.readouterr().out


def test_changed_manifest_is_built_beside(tmp_path: Path) -> None:
    """A changed manifest has another place, so that it is built anew and both stay usable."""
    manifest = tmp_path / "builder.yaml"
    shutil.copy(ROOT / "deploy" / "collector" / "builder.yaml", manifest)
    before = servers.Collector("otelcol", manifest).binary({})
    manifest.write_text(manifest.read_text() + "# more\n")
    after = servers.Collector("otelcol", manifest).binary({})

    assert before.parent.parent == after.parent.parent
    assert before != after


def test_failed_build_leaves_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A build that breaks leaves no binary that a later run would trust."""
    around = environ(tmp_path, build=f"{MAKES_BINARY}; exit 1")

    with pytest.raises(subprocess.CalledProcessError):
        servers.build(servers.SERVERS["otelcol"], around)

    assert not servers.SERVERS["otelcol"].binary(around).exists()
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == ["lock"]
    assert "building" in capfd.readouterr().out


@pytest.mark.parametrize(("name", "tool"), [("prometheus", "promtool"), ("alertmanager", "amtool")])
def test_modules_are_built_with_their_tools(tmp_path: Path, name: str, tool: str) -> None:
    """A server of a Go module is built in a module around it, with its tool beside it and its version in both."""
    makes = f"grep -q 'require github.com/prometheus/{name} v' go.mod && mkdir build && touch build/{name} build/{tool}"
    around = environ(tmp_path, build=makes)
    server = servers.SERVERS[name]

    binary = servers.build(server, around)

    assert binary.name == name
    assert (binary.parent / tool).exists()
    assert binary.is_relative_to(tmp_path / "cache" / "ares-otel" / "servers" / f"{name}-{server.version}")
    (command,) = (tmp_path / "log").read_text().splitlines()
    assert command.startswith("build -ldflags=")
    assert f"Version={server.version} -o build/ github.com/prometheus/{name}/cmd/{name}" in command


@pytest.mark.parametrize(("version", "said"), [("go1.24.9", "go1.24.9"), ("devel", "devel"), ("", "''")])
def test_old_go_is_refused(tmp_path: Path, version: str, said: str) -> None:
    """A Go that is too old, or none at all behind that name, is named together with what is needed."""
    with pytest.raises(servers.MissingToolError, match=rf"needs Go 1\.25 or newer.*{said}"):
        servers.build(servers.SERVERS["otelcol"], environ(tmp_path, version=version))


def test_missing_go_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Go the command fails with one sentence that says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert servers.main([]) == 1
    assert "needs Go 1.25 or newer on the PATH (https://go.dev/doc/install); there is none" in capsys.readouterr().err


def test_server_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--path` says where a binary belongs, by the user's cache directory or the default one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for value, base in ((str(tmp_path / "c"), "c"), ("relative", ".cache"), ("", ".cache")):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert servers.main(["--path", "otelcol"]) == 0
        assert capsys.readouterr().out.startswith(str(tmp_path / base / "ares-otel" / "servers" / "otelcol-0.159.0"))


def test_unknown_server(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that nobody can build is refused, with the names of those that can be."""
    with pytest.raises(SystemExit):
        servers.main(["tempo"])
    assert "unknown server 'tempo', known: otelcol, prometheus, alertmanager" in capsys.readouterr().err


def test_manifest_without_version(tmp_path: Path) -> None:
    """A manifest that does not say its version is refused by name."""
    (tmp_path / "builder.yaml").write_text("dist:\n  name: x\n")

    with pytest.raises(ValueError, match=r"builder\.yaml: version is missing"):
        servers.Collector("x", tmp_path / "builder.yaml").binary({})


def test_constraints_differ_by_python() -> None:
    """One line where all Pythons agree or only one has the package, marked lines where they differ."""
    merged = constraints.merge({"3.11": {"a": "1", "b": "1"}, "3.12": {"a": "1", "b": "2"}, "3.13": {"c": "3"}})

    assert merged == ["a==1", 'b==1; python_version == "3.11"', 'b==2; python_version == "3.12"', "c==3"]


def test_constraints_of_an_extra_apart() -> None:
    """What cannot be installed with the rest is pinned as tested in its own environment, and nothing else is."""
    tested = ["# words", "alibi-detect==0.13.0", "numpy==1.26.4", "pytest>=8"]

    assert constraints.apart(["ares-otel[ml]", "alibi-detect>=0.13; python_version < '3.13'"], tested) == {
        "alibi-detect": "0.13.0"
    }


def make(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the repository's Makefile with the programs of tmp_path/bin before those of the system."""
    around = {**outside_make(), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    command = ["make", "-C", str(ROOT), f"VENV={tmp_path}/venv", *arguments, f"{tmp_path}/venv/bin/python"]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=around)


FAKE = f"""#!/bin/sh
case "$1" in
-m) mkdir -p "$4/bin" && echo {{name}} > "$4/bin/python"; exit {{end}} ;;
*) exec "{sys.executable}" "$@" ;;
esac
"""


def test_first_python_that_runs(tmp_path: Path) -> None:
    """A name on the PATH that does not run (a shim) is passed over."""
    script(tmp_path / "bin" / "python3.13", "#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    script(tmp_path / "bin" / "python3.12", FAKE.format(name="twelve", end=0))
    script(tmp_path / "bin" / "python3.11", FAKE.format(name="eleven", end=0))

    assert make(tmp_path).returncode == 0
    assert (tmp_path / "venv" / "bin" / "python").read_text() == "twelve\n"


def test_named_python(tmp_path: Path) -> None:
    """`PYTHON=` chooses the interpreter."""
    script(tmp_path / "bin" / "python3.13", FAKE.format(name="thirteen", end=0))
    mine = script(tmp_path / "mine", FAKE.format(name="mine", end=0))

    assert make(tmp_path, f"PYTHON={mine}").returncode == 0
    assert (tmp_path / "venv" / "bin" / "python").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["old", "missing"])
def test_no_python(tmp_path: Path, name: str) -> None:
    """Without a usable Python make says which it needs and how to name one."""
    script(tmp_path / "old", "#!/bin/sh\nexit 1\n")

    done = make(tmp_path, f"PYTHON={tmp_path / name}")

    assert done.returncode != 0
    assert f"No Python from 3.11 to 3.13 with venv was found (tried: {tmp_path}/{name})" in done.stderr


def test_broken_environment_is_made_again(tmp_path: Path) -> None:
    """An environment that could not be finished does not pass for one."""
    broken = script(tmp_path / "broken", FAKE.format(name="half", end=1))

    assert make(tmp_path, f"PYTHON={broken}").returncode != 0
    assert not (tmp_path / "venv" / "bin" / "python").exists()

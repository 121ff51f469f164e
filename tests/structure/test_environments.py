"""Environments that take long to install are kept in the user's cache, and each checkout takes them from there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts import load
from sources import ROOT

environments = load("environments")

TABLE: dict[str, Any] = {
    "build-system": {"requires": ["hatchling"]},
    "project": {
        "dependencies": ["msgspec>=0.21"],
        "optional-dependencies": {"ml": ["numpy>=1.26"], "drift": ["ares-otel[ml]", "alibi-detect>=0.13"], "x": ["y"]},
    },
}


@pytest.fixture
def made(tmp_path: Path) -> Any:
    """Return an environment with a package, a program of it, and the project itself."""
    for name, text in {
        "packages/numpy/core.py": "x = 1",
        "packages/ares_otel-0.1.dist-info/METADATA": "",
        "packages/_ares_otel.pth": "/somewhere",
        "programs/pytest": f"#!{tmp_path}/other/bin/python\nrun()",
        "programs/shell": "#!/bin/sh\n",
        "programs/python": "",
        "programs/ares-otel": "",
    }.items():
        (tmp_path / "first" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "first" / name).write_text(text)
        (tmp_path / "first" / name).chmod(0o755)
    return environments.Environment(tmp_path / "first" / "packages", tmp_path / "first" / "programs")


def test_extras_with_what_they_take_from_others() -> None:
    """The requirements of an extra are those of the extras that it names, too."""
    assert list(environments.requirements(TABLE, ("drift",))) == [
        "msgspec>=0.21",
        "hatchling",
        "numpy>=1.26",
        "alibi-detect>=0.13",
    ]


def test_key_follows_what_is_wanted(tmp_path: Path) -> None:
    """A changed requirement, constraint, extra or import has another place; another extra of the project has not."""
    file = tmp_path / "requirements.txt"
    file.write_text("river==0.23.0")
    wanted = environments.Wanted("drift", ("drift",), (file,))
    keys = [wanted.key(TABLE), environments.Wanted("drift", ("ml",), (file,)).key(TABLE)]
    keys.append(environments.Wanted("drift", ("drift",), (file,), imports=("river",)).key(TABLE))
    other = {**TABLE, "project": {**TABLE["project"], "dependencies": []}}
    keys.append(wanted.key(other))
    file.write_text("river==0.24.0")
    keys.append(wanted.key(TABLE))
    assert len(set(keys)) == len(keys)
    extras = {**TABLE["project"]["optional-dependencies"], "x": ["z"]}
    assert wanted.key({**TABLE, "project": {**TABLE["project"], "optional-dependencies": extras}}) == keys[-1]


def test_kept_and_taken(tmp_path: Path, made: Any) -> None:
    """Packages are linked, programs get the Python of their environment, the project itself is not among them."""
    home = tmp_path / "cache" / "drift-1"
    made.keep(home)
    made.keep(home)  # by another checkout at the same time
    taker = environments.Environment(tmp_path / "second" / "packages", tmp_path / "second" / "programs")
    taker.programs.mkdir(parents=True)
    (taker.programs / "python").write_text("own")

    taker.take(home)

    assert (taker.packages / "numpy" / "core.py").samefile(home / "packages" / "numpy" / "core.py")
    assert (taker.programs / "pytest").read_text() == f"#!{taker.programs}/python\nrun()"
    assert os.access(taker.programs / "pytest", os.X_OK)
    assert (taker.programs / "shell").read_text() == "#!/bin/sh\n"
    assert (taker.programs / "python").read_text() == "own"
    assert sorted(path.name for path in (taker.packages.parent).rglob("*ares*")) == []
    assert [path.name for path in home.parent.iterdir()] == ["drift-1"]


def test_copied_to_another_disk(tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk allows no links files are copied."""

    def refused(*_: object) -> None:
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refused)
    made.keep(tmp_path / "cache" / "drift-1")

    assert (tmp_path / "cache" / "drift-1" / "packages" / "numpy" / "core.py").read_text() == "x = 1"


def test_kept_without_room(tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be kept whole is not kept."""

    def full(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(environments, "_link", full)
    with pytest.raises(OSError, match="no room"):
        made.keep(tmp_path / "cache" / "drift-1")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.fixture
def ran(tmp_path: Path, made: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the commands that are run in place of pip's."""
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> None:
        commands.append(command[1:])
        if "broken" in command:
            raise subprocess.CalledProcessError(1, command)

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(environments.Environment, "own", lambda: made)
    return commands


def test_second_time_installs_the_project_alone(tmp_path: Path, ran: list[list[str]]) -> None:
    """The first time everything, with constraints and the imports that compile it; then the project only."""
    file = tmp_path / "requirements.txt"
    file.write_text("river==0.23.0")
    words = ["drift", "--extra", "ml", "-r", str(file), "-c", str(file), "--import", "river"]

    assert environments.main(words) == environments.main(words) == 0

    first, imports, second = ran
    assert first[:3] == ["-m", "pip", "install"]
    assert {"-c", "-r", str(file), "editables", f"{ROOT}[ml]"} <= {*first}
    assert imports[-1] == "river"
    assert second[-4:] == ["--no-deps", "--no-build-isolation", "-e", str(ROOT)]


def test_old_ones_are_forgotten(tmp_path: Path, ran: list[list[str]]) -> None:
    """What was not used for two months goes when another of the name is made."""
    kept = tmp_path / "cache" / "ares-otel" / "environments"
    for name, age in (("drift-old", 70), ("drift-new", 1), ("oldest-old", 70)):
        (kept / name).mkdir(parents=True)
        (kept / name / "used").touch()
        used = (kept / name / "used").stat().st_mtime - age * 86_400
        os.utime(kept / name / "used", (used, used))

    assert environments.main(["drift"]) == 0

    names = {path.name for path in kept.iterdir()}
    assert "drift-old" not in names
    assert {"drift-new", "oldest-old"} < names
    assert ran


def test_failure_is_said(tmp_path: Path, ran: list[list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    """Where it cannot be installed the command fails, names the environment, and keeps nothing."""
    assert environments.main(["drift", "-r", str(tmp_path / "missing")]) == 1
    assert "no such file" in capsys.readouterr().err.lower()
    file = tmp_path / "requirements.txt"
    file.write_text("x")
    assert environments.main(["drift", "-r", str(file), "--import", "broken"]) == 1
    assert "the environment drift could not be installed" in capsys.readouterr().err
    assert len(ran) == 2
    assert not list((tmp_path / "cache").rglob("drift-*"))


def test_own_environment() -> None:
    """It is that of the Python that runs."""
    own = environments.Environment.own()
    assert own.programs == Path(sys.executable).parent
    assert (own.packages / "pytest").is_dir()
    assert environments.cache_dir({"XDG_CACHE_HOME": "x", "HOME": "/y"}) == Path("/y/.cache/ares-otel/environments")

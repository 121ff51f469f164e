"""The command `ares-otel`: what it says, how it ends."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ares_otel.cli import main as command
from ares_otel.cli.main import main
from ares_otel.config import load


def test_without_a_command_it_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    """Help lists every command; an unknown one is wrong usage."""
    with pytest.raises(SystemExit) as left:
        main([])
    shown = capsys.readouterr().out

    assert left.value.code == 0
    assert [name for name in command.COMMANDS if f"  {name}" not in shown] == []
    with pytest.raises(SystemExit) as left:
        main(["dance"])
    assert left.value.code == 2


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`ares-otel COMMAND --help` says what it takes."""
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])

    assert left.value.code == 0
    assert "usage: ares-otel" in capsys.readouterr().out


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without its extra a command says how to install it; a fault of our own is not hidden that way."""
    real = builtins.__import__

    def lacking(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name.startswith(("uvicorn", "ares_otel.server.http.serve")):
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "ares_otel.cli.serve", raising=False)
    monkeypatch.setattr(builtins, "__import__", lacking)
    assert main(["serve"]) == 2
    assert "pip install 'ares-otel[server]'" in capsys.readouterr().err
    monkeypatch.setitem(command.COMMANDS, "nothing", "no such module")
    with pytest.raises(ModuleNotFoundError):
        main(["nothing"])


def test_ctrl_c_has_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command ends with 130, without a traceback."""

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "load", interrupted)
    assert main(["config"]) == 130


def test_config_shows_values_origins_and_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Effective values with where they came from, secrets masked; an error makes it fail."""
    file = tmp_path / "ares.yaml"
    file.write_text("metrics:\n  port: 9999\nexporter:\n  headers:\n    authorization: Bearer secret\n")
    assert main(["--config", str(file), "config"]) == 0
    shown = capsys.readouterr().out
    assert "9999" in shown
    assert f"{file}:2" in shown
    assert "secret" not in shown
    assert main(["--config", str(file), "config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    file.write_text("metrics:\n  prot: 9999\n")
    assert main(["--config", str(file), "config"]) == 2
    assert f"{file}:2" in capsys.readouterr().err


def test_it_runs_as_a_module() -> None:
    """`python -m ares_otel.cli.main` is the same command."""
    asked = [sys.executable, "-m", "ares_otel.cli.main", "--version"]

    assert subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip() == metadata.version(
        "ares-otel"
    )


def test_the_defaults_are_in_order() -> None:
    """A machine without any configuration has no problem."""
    assert load(environ={"HOME": "/home/bot"}).problems == []

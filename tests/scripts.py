"""The scripts of deploy/ as modules, and small programs in place of real ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from sources import ROOT

__all__ = ["load", "script"]


def load(name: str) -> ModuleType:
    """Return a script of deploy/ as a module; it finds the modules beside it, as it does when it is called."""
    if str(ROOT / "deploy") not in sys.path:
        sys.path.append(str(ROOT / "deploy"))
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", ROOT / "deploy" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def script(path: Path, text: str) -> Path:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path

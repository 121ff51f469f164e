"""Generated pages are written, and found when they are out of date."""

from __future__ import annotations

from pathlib import Path

import pytest

from ares_otel.cli.generate import FILES
from ares_otel.cli.main import main


def test_pages_are_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Missing and stale pages fail the check and are named; writing mends them and touches nothing else."""
    assert main(["generate", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err.splitlines() == [f"{name}: out of date" for name in FILES]
    assert main(["generate", str(tmp_path)]) == 0
    assert capsys.readouterr().err.splitlines() == [f"{name}: written" for name in FILES]
    assert main(["generate", str(tmp_path), "--check"]) == 0
    assert main(["generate", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""
    page = tmp_path / "docs" / "telemetry.md"
    page.write_text(page.read_text(encoding="utf-8") + "by hand\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["generate", str(tmp_path), "--check"]) == 1
    assert capsys.readouterr().err == "docs/telemetry.md: out of date\n"


def test_the_committed_pages_are_up_to_date() -> None:
    """What is committed is what the declarations give."""
    assert main(["generate", str(Path(__file__).parents[2]), "--check"]) == 0

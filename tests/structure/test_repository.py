"""The repository holds what it should, names nobody's machine, and its pages point at what exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from sources import ROOT, outside_make, repository_files

TOP = {
    *("pyproject.toml", "constraints.txt", "Makefile", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"),
    *("ares_otel", "deploy", "docs", "grafana", "prometheus", "tests"),
}
"""What may stand at the top of the repository, beside dotfiles (architecture.md, section 4)."""

FORBIDDEN = {
    "a path of somebody's machine": re.compile(
        r"(?<![\w./$}-])/(?:root\b|(?:home|Users)/(?!(?:b|bot|you)\b)|work/)\w*"
    ),
    "the host of a package index": re.compile(r"pypi\.org|pythonhosted\.org|(?:proxy|sum)\.golang\.org|npmjs\.org"),
    "where to install from": re.compile(r"--(?:(?:extra-)?index-url|find-links|trusted-host)\b"),
}
PIN = re.compile(r'([a-z0-9-]+)==[\w.!+]+(?:; python_version == "3\.\d+")?')
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)[^)]*\)")
MENTION = re.compile(r"`((?:ares_otel|deploy|docs|grafana|prometheus|tests|\.ci)/[\w./-]*)`")
RULE = re.compile(r"^([A-Za-z0-9-]+):(?!=)(.*)$", re.MULTILINE)

FILES = repository_files()
PAGES = [name for name in FILES if name.endswith(".md")]


def offences(text: str) -> list[str]:
    """Return what of a text belongs into no repository."""
    return [f"{found[0]!r} is {what}" for what, pattern in FORBIDDEN.items() for found in pattern.finditer(text)]


def mentioned(page: str, text: str) -> set[str]:
    """Return the files that a page links to or names in backticks, relative to the top of the repository."""
    linked = {os.path.normpath(Path(page).parent / target) for target in LINK.findall(text)}
    return linked | {name.rstrip("/") for name in MENTION.findall(text)}


def rules(makefile: str) -> dict[str, str]:
    """Return the help of each rule that has a plain name, empty when it has none."""
    return {name: rest.partition("## ")[2] for name, rest in RULE.findall(makefile)}


def read(name: str) -> str:
    """Return the text of a file of the repository; bytes that are no text are replaced."""
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def test_top_level() -> None:
    """Nothing stands at the top of the repository but what architecture.md names, and dotfiles."""
    assert {name.partition("/")[0] for name in FILES if not name.startswith(".")} - TOP == set()


@pytest.mark.parametrize("name", FILES)
def test_names_no_machine(name: str) -> None:
    """No file knows a path of a developer's machine or where packages are installed from."""
    assert offences(read(name)) == []


@pytest.mark.parametrize("page", PAGES)
def test_mentioned_files_exist(page: str) -> None:
    """Every file that a page links to or names exists."""
    assert {name for name in mentioned(page, read(page)) if not (ROOT / name).exists()} == set()


def test_every_page_is_in_the_index() -> None:
    """The index of the documentation leads to every page of it."""
    pages = {page for page in PAGES if page.startswith("docs/")} - {"docs/README.md"}

    assert pages - mentioned("docs/README.md", read("docs/README.md")) == set()


def test_every_target_has_help() -> None:
    """Every word that make knows is explained by `make`, and by nothing but that word."""
    makefile = read("Makefile")
    helped = rules(makefile)

    assert {name for name, text in helped.items() if not text} == set()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert phony[1].split() == list(helped)
    command = ["make", "-C", str(ROOT)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, env=outside_make()).stdout
    assert re.findall(r"^  make (\S+)", shown, re.MULTILINE) == list(helped)


def test_constraints_are_names_and_versions() -> None:
    """Each line pins one distribution, at most for one Python; no address, no hash."""
    lines = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]

    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert lines == sorted(set(lines), key=lambda line: (line.partition("==")[0], line.partition(";")[2]))


def test_constraints_cover_the_dependencies() -> None:
    """Every dependency that pyproject.toml names, in any extra, has a pin."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[^\w-]", line)[0].lower().replace("_", "-") for line in wanted} - {project["name"]}

    assert names - {line.partition("==")[0] for line in read("constraints.txt").splitlines()} == set()


def test_ci_script() -> None:
    """The script of continuous integration can be run and is a bash script without mistakes of syntax."""
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False, capture_output=True, text=True).stderr == ""


def test_license() -> None:
    """The licence is the one that pyproject.toml declares."""
    assert tomllib.loads(read("pyproject.toml"))["project"]["license"] == "Apache-2.0"
    assert re.search(r"Apache License\s+Version 2\.0", read("LICENSE"))
    assert "Copyright 2026 The ares_otel authors" in read("LICENSE")


def test_files_without_git(tmp_path: Path) -> None:
    """An unpacked archive, which has no history, is read as well; what tools leave behind is no part of it."""
    for name in ("a.md", "docs/b.md", ".venv/c.py", ".ruff_cache/d", "pkg/__pycache__/e.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    assert repository_files(tmp_path) == ["a.md", "docs/b.md"]


@pytest.mark.skipif(shutil.which("git") is None, reason="without git there is no checkout to look at")
def test_files_with_git(tmp_path: Path) -> None:
    """In a checkout new files count, ignored ones do not."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for name, text in {".gitignore": "*.db", "new.md": "", "a.db": ""}.items():
        (tmp_path / name).write_text(text)

    assert repository_files(tmp_path) == [".gitignore", "new.md"]


@pytest.mark.parametrize("inner", ["root", "home", "Users", "work"])
def test_machine_path_is_found(inner: str) -> None:
    """Paths below somebody's home are seen; the same word inside a path or an address, and made-up homes, are not."""
    assert len(offences(f'open("/{inner}/karl/x")')) == 1
    assert (
        offences(f"see http://127.0.0.1/{inner}/x, docs/{inner}/x and ${{ROOT}}/{inner}/x, /home/bot/x, /Users/you/x")
        == []
    )


@pytest.mark.parametrize("text", ["https://py{}pi.org/simple", "pip install --index{}-url x", "proxy.{}golang.org"])
def test_index_is_found(text: str) -> None:
    """Hosts of package indexes and the options that name one are seen."""
    assert len(offences(text.format(""))) == 1


def test_mentioned() -> None:
    """Links are relative to the page, names in backticks to the repository; addresses and anchors are no files."""
    text = "[a](b.md#part) [c](../README.md) [d](https://x.y/z) [e](#here) `docs/f.md` `tests/` `other/g.md` `make h`"

    assert mentioned("docs/page.md", text) == {"docs/b.md", "README.md", "docs/f.md", "tests"}


def test_rules() -> None:
    """Rules with and without help are told apart; variables and files are none."""
    assert rules("a := b\nx: y ## help\nz:\n\techo\n$(V)/stamp: x\n.PHONY: x\n") == {"x": "help", "z": ""}

"""A reader who follows a page of the documentation: its fenced blocks, and a place in which to do what they say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sources import ROOT, outside_make, repository_files

__all__ = ["Block", "Reader", "blocks", "reading"]

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<info>[^`]*)$")
DONE = "\0done\n"
PATIENCE = 150.0

NOTEBOOK = f"""
import json, sys
names = {{"__name__": "__main__"}}
for message in sys.stdin:
    cell = json.loads(message)
    exec(compile("\\n" * cell["line"] + cell["text"], cell["page"], "exec"), names)
    sys.stdout.write({DONE!r})
    sys.stdout.flush()
"""
"""Executes one snippet after another in the same names, each at its own place in the page (for tracebacks)."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page; `line` is the line of its opening fence."""

    page: str
    line: int
    info: str
    text: str

    @property
    def where(self) -> str:
        """Where it is found."""
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Return the commands of a bash block: without comments, continued lines joined."""
        joined = re.sub(r"\s*\\\n\s*", " ", self.text)
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
        return [line for line in lines if line]


def blocks(page: str, text: str) -> list[Block]:
    """Return the fenced blocks of a page in order; a fence that is never closed raises ValueError."""
    found: list[Block] = []
    opened: Block | None = None
    fence = indent = ""
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if opened is None and match:
            fence, indent = match["ticks"], match["indent"]
            opened = Block(page, number, match["info"].strip(), "")
        elif opened and match and match["ticks"].startswith(fence) and not match["info"].strip():
            found.append(opened)
            opened = None
        elif opened:
            opened = Block(page, opened.line, opened.info, f"{opened.text}{line.removeprefix(indent)}\n")
    if opened:
        raise ValueError(f"{opened.where}: this block is never closed")
    return found


class Reader:
    """A working directory, an environment with a home of its own, and one interpreter for all snippets of a page."""

    def __init__(self, directory: Path) -> None:
        self.work = directory / "ares_otel"
        self.work.mkdir()
        home = directory / "home"
        home.mkdir()
        state = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("STATE", "DATA", "CONFIG")}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.environ = {**outside_make(), **state, "HOME": str(home), "PATH": path, "PYTHONPATH": str(ROOT)}
        self._errors = directory / "stderr"
        self._notebook: subprocess.Popen[str] | None = None

    def copy_repository(self) -> None:
        """Fill the working directory with a copy of the repository."""
        for name in repository_files():
            target = self.work / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)

    def run(self, *command: str) -> str:
        """Run a program to its good end and return what it printed."""
        made = subprocess.run(
            command,
            check=False,
            cwd=self.work,
            env=self.environ,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert made.returncode == 0, f"{' '.join(command)} exited with {made.returncode}:\n{made.stdout}"
        return made.stdout

    def make(self, *arguments: str) -> str:
        """Run make in the working directory, with the environment of this test instead of a new one."""
        stamps = [f"--old-file={sys.prefix}/{extras}.stamp" for extras in ("demo", "dev")]
        return self.run("make", f"VENV={sys.prefix}", *stamps, *arguments)

    def python(self, block: Block) -> None:
        """Execute a snippet after all earlier ones of the page."""
        notebook = self._notebook = self._notebook or self._start()
        assert notebook.stdin
        assert notebook.stdout
        notebook.stdin.write(json.dumps({"page": block.page, "line": block.line, "text": block.text}) + "\n")
        notebook.stdin.flush()
        printed = []
        while (line := notebook.stdout.readline()) and line != DONE:
            printed.append(line)
        assert line == DONE, f"{block.where} failed:\n{''.join(printed)}{self._complaints()}"

    def finish(self) -> None:
        """Let the interpreter end as a program does; that has to go well too."""
        if self._notebook is not None:
            self._notebook.communicate(timeout=PATIENCE)
            assert self._notebook.returncode == 0, f"the end of the program failed:\n{self._complaints()}"

    def abandon(self) -> None:
        """End the interpreter if it still runs, and let go of it."""
        if self._notebook is not None:
            self._notebook.kill()
            self._notebook.communicate()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-P", "-W", "error", "-c", NOTEBOOK]
        pipe = subprocess.PIPE
        with self._errors.open("w") as errors:
            return subprocess.Popen(
                command, cwd=self.work, env=self.environ, text=True, stdin=pipe, stdout=pipe, stderr=errors
            )

    def _complaints(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="replace")


@contextmanager
def reading(directory: Path) -> Iterator[Reader]:
    """Give a reader an empty place; when all went well their program has to end well, and it ends in any case."""
    reader = Reader(directory)
    try:
        yield reader
        reader.finish()
    finally:
        reader.abandon()

"""What the pages tell a reader to do is done here: every snippet and every command is executed.

A page is followed from top to bottom by one reader, in a copy of the repository, with a home of their own:

* `python`: executed; all snippets of a page share their names, like the cells of a notebook.
* `bash`: each command has to match a row of `COMMANDS`, which says how it is executed.
* `yaml`: has to parse; `yaml ares.yaml` is also written to that file, for what follows.
* `json`: has to parse.
* `promql`: each line is parsed by the real Prometheus in `make test-stack`; here it only has to be there.
* `text`: free, for what no machine reads.

Nothing else is allowed, so that no example can hide.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import yaml
from reader import Block, Reader, blocks, reading
from sources import ROOT, repository_files

PAGES = [name for name in repository_files() if re.fullmatch(r"(README|CONTRIBUTING|docs/.*)\.md", name)]

Command = Callable[[Reader, re.Match[str]], object]


def makes(target: str, *does: str) -> Command:
    """Check what a make target would do, where doing it would be this very test run, or take an hour."""

    def check(reader: Reader, _: re.Match[str]) -> None:
        planned = reader.make("--dry-run", target)
        assert [part for part in does if part not in planned] == []

    return check


def shows_help(reader: Reader, _: re.Match[str]) -> None:
    """`make` alone lists the words."""
    assert "make demo" in reader.make()


def decides(reader: Reader, _: re.Match[str]) -> None:
    """`make demo`, ended after twenty decisions instead of by Ctrl-C."""
    assert reader.make("demo", "ARGS=--decisions 20 --port 0")


def clones(reader: Reader, command: re.Match[str]) -> None:
    """`git clone`: the copy of the repository is there already, under the name that the clone would have."""
    assert Path(command[1]).name.removesuffix(".git") == reader.work.name


def enters(reader: Reader, command: re.Match[str]) -> None:
    """`cd` into the clone."""
    assert command[1] == reader.work.name


def installs(_: Reader, command: re.Match[str]) -> None:
    """`pip install`: the name is the project's, and it has the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert command[1] == project["name"]
    assert set((command[2] or "").split(",")) - {""} - set(project["optional-dependencies"]) == set()


def keeps(reader: Reader, command: re.Match[str]) -> None:
    """`ares-otel backup` and its like, with a database in which a span is stored."""
    database = Path(reader.environ["XDG_STATE_HOME"]) / "ares-otel" / "ares.db"
    if not database.exists():
        (reader.work / "seed.jsonl").write_text(SEED, encoding="utf-8")
        reader.run("ares-otel", "import", "seed.jsonl")
    reader.run(*shlex.split(command[0]))


def drives(reader: Reader, command: re.Match[str]) -> None:
    """`make up` and its like, where another test does it with a Docker: each word reaches the program that does it."""
    planned = reader.make("--dry-run", command[1], *command[2].split())
    assert f"deploy/stack.py {command[1]}" in planned
    for word in command[2].split():
        assert word.partition("=")[2] in planned, word


def serves(reader: Reader, command: re.Match[str]) -> None:
    """`ares-otel serve`, on a free port of loopback with a database of its own, until it says that it serves."""
    words = [word.replace("0.0.0.0", "127.0.0.1") for word in shlex.split(command[0])]  # noqa: S104  taken out here
    words += ["--port", "0", "--database", "served.db"]
    with subprocess.Popen(words, cwd=reader.work, env=reader.environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        assert process.wait(60) == 0
    assert line.startswith("ares-otel serves http://127.0.0.1:")


def examines(reader: Reader, command: re.Match[str]) -> None:
    """`ares-otel doctor` of a stack that is not there, which it says without waiting for it."""
    words = [*shlex.split(command[0]), "--wait", "0"]
    reader.environ |= {f"ARES_OTEL_STACK_{part}": "http://127.0.0.1:9" for part in ("TEMPO", "GRAFANA")}
    said = subprocess.run(words, check=False, cwd=reader.work, env=reader.environ, stdout=subprocess.PIPE, text=True)
    assert said.returncode == 1
    assert "FAIL  Tempo: http://127.0.0.1:9" in said.stdout


def writes(reader: Reader, command: re.Match[str]) -> None:
    """Write a file by the shell."""
    reader.run("sh", "-c", command[0])


SEED = """{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "019a4f00000070008000000000000001", \
"spanId": "0000000000000001", "name": "decision", "startTimeUnixNano": "1794000000000000000", \
"endTimeUnixNano": "1794000000001000000", "attributes": [{"key": "ares.strategy", \
"value": {"stringValue": "swing"}}]}]}]}]}
"""

COMMANDS: dict[str, Command] = {
    r"make": shows_help,
    r"make help": shows_help,
    r'make demo(?: ARGS="--decisions \d+")?': decides,
    r"make test": makes("test", "-m pytest"),
    r"make check": makes("check", "ruff check", "mypy", "-m pytest", "coverage report"),
    r"make check-static": makes("check-static", "ruff check", "ruff format --check", "mypy", "generate --check"),
    r"make coverage": makes("coverage", "coverage report"),
    r"make e2e": makes("e2e", "deploy/servers.py", "pytest tests/e2e"),
    r"make servers": makes("servers", "deploy/servers.py"),
    r"make bench": makes("bench", "tests/benchmarks"),
    r"make docs": makes("docs", "generate"),
    r"make (up|down|status|logs)((?: [A-Z]+=[\w.:@,-]+)*)": drives,
    r"ares-otel (?:backup|restore|export|import) [\w .:/-]+": keeps,
    r"ares-otel serve(?: --[\w-]+ [\w./-]+)*": serves,
    r"ares-otel doctor(?: --stack)?(?: --wait \d+)?": examines,
    r'python -c "import secrets; print\(secrets\.token_hex\(32\)\)" > tokens': writes,
    r"chmod 600 tokens": writes,
    r"git clone (https://\S+)": clones,
    r"cd (\S+)": enters,
    r"""pip install ["']?([\w-]+)(?:\[([\w,-]+)\])?["']?""": installs,
}
"""How each command of a page is executed, by a pattern for the whole command."""


def row(command: str, table: Iterable[str]) -> str:
    """Return the pattern of a command; one that no pattern knows, or more than one, raises LookupError."""
    known = [pattern for pattern in table if re.fullmatch(pattern, command)]
    if len(known) != 1:
        raise LookupError(f"{command!r} is known to {len(known)} rows of COMMANDS: say how a test executes it")
    return known[0]


def follow(reader: Reader, page: Iterable[Block]) -> None:
    """Do what the blocks of a page say, in order."""
    for block in page:
        language, _, name = block.info.partition(" ")
        match (language, name):
            case ("bash", ""):
                for command in block.commands():
                    pattern = row(command, COMMANDS)
                    found = re.fullmatch(pattern, command)
                    assert found
                    COMMANDS[pattern](reader, found)
            case ("python", ""):
                reader.python(block)
            case ("yaml", _):
                assert yaml.safe_load(block.text) is not None, block.where
                if name:
                    (reader.work / name).write_text(block.text, encoding="utf-8")
            case ("json", ""):
                json.loads(block.text)
            case ("promql", ""):
                assert block.text.split(), block.where
            case ("text", ""):
                pass
            case _:
                raise ValueError(f"{block.where}: {block.info!r} would not be executed; see what is allowed here")


def page_of(text: str) -> list[Block]:
    """Return the blocks of a page called page.md."""
    return blocks("page.md", text)


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, tmp_path: Path) -> None:
    """Following the page from top to bottom works."""
    with reading(tmp_path) as reader:
        reader.copy_repository()
        follow(reader, blocks(page, (ROOT / page).read_text(encoding="utf-8")))


def test_ci_runs_the_command_of_the_readme() -> None:
    """What continuous integration runs is the test command that the README gives."""
    readme = blocks("README.md", (ROOT / "README.md").read_text(encoding="utf-8"))
    told = [command for block in readme if block.info == "bash" for command in block.commands()]

    assert "make test" in told
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert any(line.endswith(" make test") for line in run.splitlines())


def test_snippets_share_their_names(tmp_path: Path) -> None:
    """A snippet goes on where the last one ended, in the working directory, with the files that the page shows."""
    write = "assert (y, pathlib.Path('a.yaml').read_text()) == (2, 'x: 1\\n')\nopen('seen', 'w').close()"
    page = f"```yaml a.yaml\nx: 1\n```\n```python\nimport pathlib\ny = 2\n```\n```python\n{write}\n```\n"

    with reading(tmp_path) as reader:
        follow(reader, page_of(page))

    assert (reader.work / "seen").exists()


def test_failing_snippet_is_named(tmp_path: Path) -> None:
    """A snippet that fails says where it stands in the page, to the line, and what it printed."""
    page = "Text.\n\n```python\nprint('before')\n1 / 0\n```\n"

    with (
        pytest.raises(AssertionError, match=r"page\.md:3 failed:(.|\n)*before(.|\n)*line 5(.|\n)*ZeroDivisionError"),
        reading(tmp_path) as reader,
    ):
        follow(reader, page_of(page))


def test_warning_fails(tmp_path: Path) -> None:
    """A snippet that warns is no good example."""
    page = "```python\nimport warnings\nwarnings.warn('old', stacklevel=1)\n```\n"

    with pytest.raises(AssertionError, match="UserWarning: old"), reading(tmp_path) as reader:
        follow(reader, page_of(page))


def test_failing_end_fails(tmp_path: Path) -> None:
    """A program that ends badly after its last snippet fails the page."""
    page = "```python\nimport atexit, os\natexit.register(os._exit, 3)\n```\n"

    with pytest.raises(AssertionError, match="end of the program"), reading(tmp_path) as reader:
        follow(reader, page_of(page))


@pytest.mark.parametrize("info", ["python no-run", "sh", "console", "bash no-run", "", "json x", "text x"])
def test_unknown_block_is_refused(info: str, tmp_path: Path) -> None:
    """A block that this test would not execute is an error, not a gap."""
    with pytest.raises(ValueError, match=r"page\.md:1: .* would not be executed"), reading(tmp_path) as reader:
        follow(reader, page_of(f"```{info}\nx\n```\n"))


@pytest.mark.parametrize("command", ["make coffee", "make test VENV=x", "rm -rf /", "$ make test", "make test && x"])
def test_unknown_command_is_refused(command: str, tmp_path: Path) -> None:
    """A command that no row knows fails the page."""
    with pytest.raises(LookupError, match="known to 0 rows"), reading(tmp_path) as reader:
        follow(reader, page_of(f"```bash\n{command}\n```\n"))


@pytest.mark.parametrize(
    "command",
    ["git clone https://example.org/other.git", "cd other", "pip install ares", "pip install 'ares-otel[moon]'"],
)
def test_wrong_command_is_found(command: str, tmp_path: Path) -> None:
    """A command of a known kind is checked, not waved through."""
    with pytest.raises(AssertionError), reading(tmp_path) as reader:
        follow(reader, page_of(f"```bash\n{command}\n```\n"))


def test_make_targets_do_what_they_say(tmp_path: Path) -> None:
    """Every word that a page may use does what its row in the table says."""
    plain = [pattern for pattern in COMMANDS if re.fullmatch(r"make[a-z0-9 -]*", pattern)]
    page = "\n".join(["```bash", *plain, "git clone https://example.org/x/ares_otel.git  # comment", "cd ares_otel"])

    with reading(tmp_path) as reader:
        reader.copy_repository()
        follow(reader, page_of(f'{page}\npip install \\\n  "ares-otel[server,demo]"\n```\n'))


def test_program_that_fails_is_shown(tmp_path: Path) -> None:
    """What a failing command printed is in the message."""
    with pytest.raises(AssertionError, match=r"exited with 2:(.|\n)*nothing"), reading(tmp_path) as reader:
        reader.run("ls", "--", "nothing")


def test_blocks() -> None:
    """Fences end at a fence as long as their own; indentation of a list is taken away; a fence must end."""
    text = "````text\n```bash\n````\n- x\n\n  ```bash\n  make \\\n    test  # why\n\n  # only words\n  ```\n"

    assert [(block.line, block.info, block.text) for block in page_of(text)] == [
        (1, "text", "```bash\n"),
        (6, "bash", "make \\\n  test  # why\n\n# only words\n"),
    ]
    assert page_of(text)[1].commands() == ["make test"]
    with pytest.raises(ValueError, match=r"page\.md:2: this block is never closed"):
        page_of("x\n```python\n")

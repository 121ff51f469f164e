"""The bots of all variants and the sink that they send to, as `make bench` drives them: in turns, in no fixed order."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

__all__ = ["Expected", "Fleet", "Sink", "complaints"]

HERE = Path(__file__).parent
ATTRIBUTES = 46
"""Of one decision: 8 of its own, 3 x 4 of stages, 5 x 4 of votes, 6 of the order."""


class Expected(NamedTuple):
    """What has to come of one decision: spans; votes as spans or as events; what a variant cannot say at all."""

    spans: int = 10
    votes: str = "names"
    exemplars: bool = True


EXPECTED = {
    "nothing": Expected(0, "", exemplars=False),
    "ours": Expected(5, "events"),
    "ours-blocks": Expected(5, "events"),
    "ours-ring": Expected(5, "events"),
    "ours-blocks-ring": Expected(5, "events"),
    "careful-events": Expected(5, "events"),
    "pytracingx": Expected(exemplars=False),
}
"""Those that differ: votes are events of ours by convention, and pytracingx has no exemplars (nor baggage)."""


class Sink:
    """The receiver, in a process of its own."""

    def __init__(self) -> None:
        words = [sys.executable, str(HERE / "receiver.py")]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"

    def told(self, name: str) -> dict[str, Any]:
        """Return what came from a variant since the last call."""
        with urllib.request.urlopen(f"{self.url}/{name}") as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


class Fleet:
    """A bot for each variant; a context manager.

    Args:
        sink: where they send to.
        names: of the variants.
        idle: whether nothing is to work in the background.
        number: of the fleet in a run: each takes its turns in an order of its own, the same in every run.

    Attributes:
        missing: why a variant cannot run, by its name.
        bots: processes of those that can.
    """

    def __init__(self, sink: Sink, names: Iterable[str], *, idle: bool, number: int = 1) -> None:
        self.sink = sink
        self.names = list(names)
        self.idle = idle
        self.missing: dict[str, str] = {}
        self.bots: dict[str, subprocess.Popen[str]] = {}
        self._draw = random.Random(number)  # noqa: S311  the same turns in every run

    def __enter__(self) -> Self:
        for name in self.names:
            mode = "idle" if self.idle else "live"
            words = [sys.executable, str(HERE / "bot.py"), name, f"{self.sink.url}/{name}", mode]
            self.bots[name] = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        for name in self.names:
            answer = self._answer(name)
            if "missing" in answer:
                self.missing[name] = answer["missing"]
                self.bots.pop(name).wait()
        return self

    def __exit__(self, *error: object) -> None:
        for bot in self.bots.values():
            with contextlib.suppress(OSError):
                bot.kill()
            bot.wait()

    def ask(self, name: str, do: str, **arguments: float) -> dict[str, Any]:
        """Tell a bot to do something and return what it answers."""
        stdin = self.bots[name].stdin
        assert stdin is not None
        stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        stdin.flush()
        return self._answer(name)

    def turns(self) -> list[str]:
        """Return the names of all bots, shuffled: what ran before leaves caches and memory as it does."""
        names = list(self.bots)
        self._draw.shuffle(names)
        return names

    def rounds(self, number: int, do: str, **arguments: float) -> Iterator[dict[str, dict[str, Any]]]:
        """Let each do the same in turn, round after round; yield the answers of each round by name."""
        for _ in range(number):
            yield {name: self.ask(name, do, **arguments) for name in self.turns()}

    def _answer(self, name: str) -> dict[str, Any]:
        stdout = self.bots[name].stdout
        assert stdout is not None
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the bot of {name} ended by itself")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def check(self, count: int) -> dict[str, list[str]]:
        """Let each make decisions; return by name what is missing of what has to come of them."""
        found = {}
        for name in self.bots:
            self.sink.told(name)
            answer = self.ask(name, "work", count=count)
            told = self.sink.told(name)
            found[name] = complaints(name, count, told, answer["metrics"] or told["metrics"])
        return found


def complaints(name: str, count: int, told: Mapping[str, Any], metrics: Mapping[str, float]) -> list[str]:
    """Return in which way a variant did not do the work of so many decisions."""
    expected = EXPECTED.get(name, Expected())
    if not expected.spans:
        return []
    wanted = {
        "spans": (told["counts"].get("spans", 0), count * expected.spans),
        "looked at": (told["looked at"], count * expected.spans),
        "traces": (told["traces"], count),
        "roots": (told["roots"], count),
        "spans without their parent": (told["orphans"], 0),
        "decisions": (told["names"].get("decision", 0), count),
        "votes": (sum(number for key, number in told[expected.votes].items() if key.endswith("vote")), 5 * count),
        "orders": (sum(number for key, number in told["names"].items() if key.startswith("order")), count),
        "counted decisions": (metrics.get("decisions", 0), count),
        "counted votes": (metrics.get("votes", 0), 5 * count),
        "counted orders": (metrics.get("orders", 0), count),
        "timed decisions": (metrics.get("decision_seconds", 0), count),
    }
    found = [f"{what}: {was:g} instead of {wants:g}" for what, (was, wants) in wanted.items() if was != wants]
    if told["attributes"] < ATTRIBUTES * count:
        found.append(f"attributes: {told['attributes'] / count:g} of {ATTRIBUTES} a decision")
    if expected.exemplars and not metrics.get("exemplars"):
        found.append("no exemplar")
    return found

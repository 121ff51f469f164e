"""What `make bench` measures of the variants: each function lets them take turns and returns figures by variant.

A ratio is made of two variants in the same round and given as the median over all rounds: what the machine does
meanwhile hits both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from awake import Awake
from bot import VARIANTS
from fleet import Fleet, Sink
from medians import median
from usage import MIB, quantile

__all__ = ["PARTS", "Figures", "Plan", "checked"]

FLOOR, OURS = "nothing", "ours"
PACED = (FLOOR, OURS, "careful", "ddtrace")
OWN = ("ours", "ours-blocks", "ours-spans")
CHECKED = 200
BLOCK = 40
PACE, BESIDE_PACE = 200.0, 300.0
OTHERS = 40_000
"""Objects that a bot uses before a paced decision, as it would for its features: more than a core's caches hold."""
MANY, FEW = 5_000, 500
QUICK_ONES = {FLOOR, *OWN, "ours-ring", "ours-blocks-ring", "pytracingx"}
MICRO = 1e-6

Rounds = Iterable[Mapping[str, Mapping[str, Any]]]
"""Answers of a round by variant."""

Figures = dict[str, dict[str, Any]]
"""By variant and name of a figure: a number, or median, interval and number of values."""


class Plan:
    """How long it may take.

    Args:
        share: 1 for a whole run; a quick one takes a fraction of the rounds.
    """

    def __init__(self, share: float = 1.0) -> None:
        self.share = share

    def rounds(self, whole: int) -> int:
        """Return how many rounds to make of so many in a whole run, three at least."""
        return max(3, round(whole * self.share))


class Turns(NamedTuple):
    """Rounds of all, and then of those that have a target, in some fleets of processes that are new.

    A process differs from another of the same program by where its memory lies and how its dictionaries are laid out.
    """

    first: int
    fleets: int = 0
    each: int = 0
    names: Sequence[str] = ()


def checked(sink: Sink, plan: Plan) -> tuple[Figures, dict[str, str], dict[str, list[str]]]:
    """Let each variant make decisions; return bytes by variant, who is missing, and who did not do the work."""
    del plan
    figures: Figures = {}
    with Fleet(sink, VARIANTS, idle=True) as fleet:
        complaints = fleet.check(CHECKED)
        for name in fleet.bots:
            fleet.ask(name, "work", count=CHECKED)
            counts = sink.told(name)["counts"]
            figures[name] = {
                "spans": counts.get("spans", 0) / CHECKED,
                "bytes": counts.get("bytes", 0) / CHECKED,
            }
        return figures, fleet.missing, complaints


def hot(sink: Sink, plan: Plan) -> Figures:
    """Measure the hot path: the bot's thread in a decision, caches warm, nothing in the background."""
    rounds: dict[str, list[float]] = defaultdict(list)
    with Fleet(sink, VARIANTS, idle=True) as fleet:
        for name in fleet.bots:
            fleet.ask(name, "work", count=CHECKED)
            fleet.ask(name, "collect")
        for answers in fleet.rounds(plan.rounds(100), "hot", count=BLOCK):
            for name, answer in answers.items():
                rounds[name].append(statistics.median(answer["times"]) / 1_000)
    return compared(rounds, "us")


def paced(sink: Sink, plan: Plan) -> Figures:
    """Measure the same at 200 decisions a second: caches cold, the background at work, no processor asleep."""
    with Awake():
        figures = _quantiles(
            _turns(sink, plan, Turns(3, 5, 6, PACED), "paced", rate=PACE, seconds=1.0, others=OTHERS),
        )
        return {**figures, OURS: {**figures[OURS], "p99_us": tail(sink, plan)}}


def tail(sink: Sink, plan: Plan) -> float:
    """Return the 99th percentile of ours in µs: one of a hundred is rare, so it is of 30,000 decisions."""
    turns = Turns(0, 5, 30, (OURS,))
    rounds = _turns(sink, plan, turns, "paced", rate=PACE, seconds=1.0, others=OTHERS)
    return quantile([time for answers in rounds for time in answers[OURS]["times"]], 0.99) / 1_000


def asleep(sink: Sink, plan: Plan) -> Figures:
    """Measure the same of a bot that idles between two decisions: what caches still hold is the host's business."""
    return _quantiles(_turns(sink, plan, Turns(0, 3, 3, PACED), "paced", rate=PACE, seconds=1.0, others=0))


def _quantiles(rounds: Rounds) -> Figures:
    return _tailed(rounds, "times", statistics.median, "us", {"p50_us": 0.5, "p99_us": 0.99})


def _tailed(
    rounds: Rounds,
    answered: str,
    middle: Callable[[Sequence[int]], float],
    unit: str,
    quantiles: Mapping[str, float],
) -> Figures:
    """Return figures of the middles of all rounds, and quantiles of all times (ns) that were answered, in µs."""
    times: dict[str, list[int]] = defaultdict(list)
    middles: dict[str, list[float]] = defaultdict(list)
    for answers in rounds:
        for name, answer in answers.items():
            times[name] += answer[answered]
            middles[name].append(middle(answer[answered]) / 1_000)
    figures = compared(middles, unit)
    for name, seen in times.items():
        figures[name] |= {called: quantile(seen, share) / 1_000 for called, share in quantiles.items()}
    return figures


def flat(sink: Sink, plan: Plan) -> Figures:
    """Measure processor time of a decision and decisions a second, everything included, nothing lost."""
    costs: dict[str, list[float]] = defaultdict(list)
    rates: dict[str, list[float]] = defaultdict(list)
    made: dict[str, int] = defaultdict(int)
    with Fleet(sink, VARIANTS, idle=False) as fleet:
        for name in fleet.bots:
            fleet.ask(name, "flat", count=FEW)
            sink.told(name)
        for _ in range(plan.rounds(10)):
            for name in fleet.turns():
                count = MANY if name in QUICK_ONES else FEW
                answer = fleet.ask(name, "flat", count=count)
                costs[name].append(answer["cpu"] / count / MICRO)
                rates[name].append(count / answer["wall"])
                made[name] += count
        spans = {name: sink.told(name)["counts"].get("spans", 0) for name in made}
    figures = compared(costs, "us")
    for name, count in made.items():
        figures[name] |= {"per_second": median(rates[name])._asdict(), "spans": spans[name] / count}
    return figures


def beside(sink: Sink, plan: Plan) -> Figures:
    """Measure what a thread that computes keeps of its speed beside 300 decisions a second."""
    kept: dict[str, list[float]] = defaultdict(list)
    turns = Turns(4, 5, 8, (OURS, FLOOR))
    for answers in _turns(sink, plan, turns, "beside", rate=BESIDE_PACE, seconds=plan.share):
        for name, answer in answers.items():
            kept[name].append(answer["kept"])
    return {name: {"kept": median(values)._asdict()} for name, values in kept.items()}


def _turns(sink: Sink, plan: Plan, turns: Turns, do: str, **arguments: float) -> Iterator[dict[str, dict[str, Any]]]:
    """Yield the answers round by round."""
    first = [(VARIANTS, plan.rounds(turns.first))] if turns.first else []
    further = [(turns.names, turns.each)] * plan.rounds(turns.fleets) if turns.fleets else []
    for number, (names, rounds) in enumerate([*first, *further]):
        with Fleet(sink, names, idle=False, number=number) as fleet:
            for name in fleet.bots:
                fleet.ask(name, "work", count=CHECKED)
            yield from fleet.rounds(rounds, do, **arguments)


def loop(sink: Sink, plan: Plan) -> Figures:
    """Measure by how much an event loop is late that makes 300 decisions a second."""
    rounds = _turns(sink, plan, Turns(5), "loop", rate=BESIDE_PACE, seconds=1.0)
    return _tailed(rounds, "lags", statistics.fmean, "mean_us", {"p99_us": 0.99, "p999_us": 0.999})


def memory(sink: Sink, plan: Plan) -> Figures:
    """Measure resident memory over many decisions: ours over a million, the careful SDK over fewer."""
    figures: Figures = {}
    with Fleet(sink, [FLOOR, OURS, "careful"], idle=False) as fleet:
        for name in fleet.bots:
            turns = max(10, round((200 if name in QUICK_ONES else 40) * plan.share))
            count = MANY if name in QUICK_ONES else FEW
            seen = [fleet.ask(name, "flat", count=count)["resident"] / MIB for _ in range(turns)]
            settled = seen[turns // 2 :]
            figures[name] = {
                "decisions": turns * count,
                "first_mib": seen[0],
                "half_mib": settled[0],
                "end_mib": seen[-1],
                "greatest_mib": max(seen),
            }
    return figures


IMPORTS = {
    FLOOR: "",
    OURS: "import ares_otel",
    "ours, setup()": "import ares_otel; ares_otel.setup(overrides={'metrics.port': 0, 'spool.enabled': False})",
    "careful": "import variants_sdk",
    "ddtrace": "import ddtrace.trace",
    "logfire": "import logfire",
    "fastotel": "import fastotel, opentelemetry.sdk.trace",
    "pytracingx": "import pytracingx",
}
PROBE = """
import os, sys, time
sys.path.insert(0, sys.argv[2])
exec(sys.argv[1])
cpu = time.process_time()
import psutil
print(cpu, psutil.Process().memory_info().rss)
sys.stdout.flush()
os._exit(0)
"""
"""The largest size that `getrusage` knows may be that of the process that started it."""


def imports(sink: Sink, plan: Plan) -> Figures:
    """Measure processor time and memory of a new process that imports a library and does no more."""
    cpu: dict[str, list[float]] = defaultdict(list)
    resident: dict[str, list[float]] = defaultdict(list)
    del sink
    for _ in range(plan.rounds(12)):
        for name, code in IMPORTS.items():
            found = _probed(code)
            if found is not None:
                cpu[name].append(found[0] * 1_000)
                resident[name].append(found[1] / MIB)
    return {
        name: {"cpu_ms": min(values), "resident_mib": min(resident[name]), "n": len(values)}
        for name, values in cpu.items()
    }


def _probed(code: str) -> tuple[float, float] | None:
    words = [sys.executable, "-c", PROBE, code, str(__file__.rpartition("/")[0])]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    seconds, size = done.stdout.split()[-2:] if done.returncode == 0 else ("", "")
    return (float(seconds), float(size)) if seconds else None


def compared(rounds: Mapping[str, Sequence[float]], unit: str) -> Figures:
    """Return medians, those without the decision itself, and by how much others are dearer than each of ours.

    Who made fewer rounds made the first ones.
    """
    floor = rounds[FLOOR]
    net = {
        name: [value - least for value, least in zip(values, floor, strict=False)] for name, values in rounds.items()
    }
    figures: Figures = {}
    for name, values in rounds.items():
        figures[name] = {unit: median(values)._asdict()}
        if name != FLOOR:
            figures[name][f"net_{unit}"] = median(net[name])._asdict()
            for own in OWN:
                if own in net and own != name:
                    figures[name][f"to_{own}"] = median(_ratios(net[name], net[own]))._asdict()
    return figures


def _ratios(dearer: Iterable[float], cheaper: Iterable[float]) -> list[float]:
    return [one / other for one, other in zip(dearer, cheaper, strict=False) if other > 0] or [float("nan")]


PARTS: dict[str, Callable[[Sink, Plan], Figures]] = {
    "hot": hot,
    "paced": paced,
    "asleep": asleep,
    "flat": flat,
    "beside": beside,
    "loop": loop,
    "memory": memory,
    "imports": imports,
}
"""Parts of a run by their names."""

"""What a decision costs the bot's thread: ours beside the OpenTelemetry SDK, interleaved in one process.

`make bench` prints ratios, because the machine's absolute times mean nothing to anybody else. Every variant's work is
checked at a sink that decodes the spans: a fast variant that loses data would be no variant.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from workload import SPANS, Careful, Input, Nothing, Ours, OursCareful, Usual, Variant, inputs

import ares_otel as ares

__all__ = ["main"]

BLOCK = 40
WARM_UP = 200
QUIET = {"recorder.drain_interval": 60.0, "metrics.port": 0, "spool.enabled": False, "ledger.enabled": False}


def main() -> int:
    """Measure and print; exit code 1 when a variant did not do its work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=150, help="blocks of 40 decisions for each variant")
    parser.add_argument("--json", type=Path, help="write the result here, too")
    args = parser.parse_args()
    sink = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("receiver.py")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert sink.stdout is not None
        return _compare(f"http://127.0.0.1:{int(sink.stdout.readline())}", args.rounds, args.json)
    finally:
        sink.kill()
        sink.wait()


def _compare(endpoint: str, rounds: int, output: Path | None) -> int:
    ares.setup(overrides={"exporter.endpoint": endpoint, **QUIET})
    variants: dict[str, Variant] = {
        "nothing": Nothing(),
        "ours": Ours(WARM_UP + rounds * BLOCK),
        "ours, careful": OursCareful(WARM_UP + rounds * BLOCK),
        "careful SDK": Careful(endpoint),
        "usual SDK": Usual(endpoint),
    }
    pool = inputs()
    complaints = [_check(name, variant, pool, endpoint) for name, variant in variants.items()]
    times = _measure(variants, pool, rounds)
    for variant in variants.values():
        variant.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    net = {name: median - medians["nothing"] for name, median in medians.items() if name != "nothing"}
    ratios = {name: (value / net["ours"], value / net["ours, careful"]) for name, value in net.items()}
    _print(medians, net, ratios)
    if output is not None:
        output.write_text(
            json.dumps({"median_us": medians, "net_us": net, "ratio_to_ours_and_careful": ratios}, indent=1)
        )
    failed = [complaint for complaint in complaints if complaint]
    for complaint in failed:
        sys.stdout.write(f"NOT THE SAME WORK: {complaint}\n")
    return 1 if failed else 0


def _measure(variants: dict[str, Variant], pool: list[Input], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in variants}
    clock, at = time.perf_counter_ns, 0
    draw = random.Random(1)  # noqa: S311  the same turns in every run
    gc.collect()
    for _ in range(rounds):
        # what ran before leaves caches and free memory as it does: nobody always follows the same one
        for name in draw.sample(list(variants), len(variants)):
            decide, add = variants[name].decide, times[name].append
            for given in [pool[(at + step) % len(pool)] for step in range(BLOCK)]:
                start = clock()
                decide(given)
                add((clock() - start) / 1_000)
            at += BLOCK
            variants[name].flush()
    return times


def _check(name: str, variant: Variant, pool: list[Input], endpoint: str) -> str:
    """Let a variant make decisions and compare what arrives at the sink with what was done."""
    variant.flush()
    _counts(endpoint)
    for given in pool[:WARM_UP]:
        variant.decide(given)
    variant.flush()
    is_ours = name.startswith("ours")
    found, scope = _counts(endpoint), "ares_otel" if is_ours else "bench"
    spans = found.get(f"{scope} spans", 0)
    votes = found.get(f"{scope} events", 0) if is_ours else 5 * WARM_UP
    if spans != SPANS[name] * WARM_UP or (SPANS[name] and votes != 5 * WARM_UP):
        return f"{name}: {spans} spans and {votes} votes at the sink for {WARM_UP} decisions"
    return ""


def _counts(endpoint: str) -> dict[str, int]:
    with urllib.request.urlopen(endpoint) as answer:
        found: dict[str, int] = json.load(answer)
    return found


def _print(medians: dict[str, float], net: dict[str, float], ratios: dict[str, tuple[float, float]]) -> None:
    out = sys.stdout.write
    out("hot path of one decision, median, warm; net = without the decision itself\n\n")
    out(f"{'variant':16}{'to ours':>10}{'to careful':>12}{'net µs':>10}{'µs':>10}\n")
    for name, median in medians.items():
        shown = (*(f"{ratio:.1f}" for ratio in ratios[name]), f"{net[name]:.2f}") if name in net else ("", "", "")
        out(f"{name:16}{shown[0]:>10}{shown[1]:>12}{shown[2]:>10}{median:>10.2f}\n")
    careful, usual = ratios["careful SDK"], ratios["usual SDK"]
    out(f"\ncareful code: ours is {careful[1]:.1f} times cheaper than the SDK\n")
    out(f"usual code:   ours is {usual[0]:.1f} times cheaper than the SDK")
    out(f" ({careful[0]:.1f} times cheaper than careful code of the SDK)\n")


if __name__ == "__main__":
    sys.exit(main())

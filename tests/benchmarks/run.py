"""What a decision costs the bot, beside what people would use instead: `make bench`.

All variants take turns in one run, each in a process of its own, and send to a sink that decodes what comes: before
anything is timed, spans, parents, attributes, votes, orders, metric values and exemplars of each must be those of the
decisions that it made. Ratios come first, because a machine's absolute times mean nothing to anybody else.

    make bench                              a whole run, about 17 minutes
    make bench ARGS=--quick                 5 minutes, with wider intervals
    make bench ARGS="--only hot,flat"       some parts; with --json they replace these parts of the file
    make bench ARGS="--json 3.json --again 1.json 2.json"   a third run, held against two earlier ones
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from costs import report
from encoder import PROCESSES, measured
from fleet import Sink
from instructions import counted
from measures import PARTS, Plan, checked
from targets import judged, remembered

__all__ = ["main"]

QUICK = 0.2
ALL = ("sent", *PARTS, "encoder", "instructions")
LIBRARIES = (
    "ares-otel",
    "ddtrace",
    "fastotel",
    "logfire",
    "msgspec",
    "opentelemetry-sdk",
    "prometheus-client",
    "pytracingx",
)


def main() -> int:
    """Measure and print; exit code 1 when a variant did not do its work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the rounds, no instructions")
    parser.add_argument("--only", default="", metavar="PARTS", help=f"of {', '.join(ALL)}")
    parser.add_argument("--json", type=Path, help="write the result here; parts that were not measured stay in it")
    parser.add_argument(
        "--again", type=Path, nargs="+", default=[], metavar="JSON", help="earlier runs to compare with"
    )
    args = parser.parse_args()
    parts = (
        list(dict.fromkeys(["sent", *args.only.split(",")]))
        if args.only
        else [each for each in ALL if not (args.quick and each == "instructions")]
    )
    if unknown := set(parts) - set(ALL):
        parser.error(f"no part of a run: {', '.join(sorted(unknown))}")
    kept = args.json and args.json.exists() and not args.again  # no part is held against its own run
    result = json.loads(args.json.read_text(encoding="utf-8")) if kept else {}
    result["earlier"] = [remembered(json.loads(path.read_text(encoding="utf-8"))) for path in args.again]
    for _ in _measure(result, parts, Plan(QUICK if args.quick else 1.0)):
        if args.json:
            args.json.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write("\n" + report(result))
    failed = [f"NOT THE SAME WORK: {name}: {what}\n" for name, all_ in result["work"].items() for what in all_]
    sys.stdout.writelines(failed)
    found = judged(result)
    met, known = sum(each.met is True for each in found), sum(each.met is not None for each in found)
    sys.stdout.write(f"{met} of {known} targets met, {len(found) - known} not measured\n")
    if differ := [each.apart for each in found if each.apart is not None]:
        sys.stdout.write(f"{1 + len(args.again)} runs differ by {max(differ):.0%} at most, {len(differ)} figures\n")
    return 1 if failed else 0


def _measure(result: dict[str, Any], parts: list[str], plan: Plan) -> Iterator[None]:
    """Measure part by part; after each the result is whole as far as it goes."""
    loads = [_load()]
    sink = Sink()
    try:
        for part in parts:
            _say(part)
            if part == "sent":
                result["sent"], result["missing"], result["work"] = checked(sink, plan)
            elif part == "encoder":
                result["encoder"] = measured(plan.rounds(PROCESSES))
            elif part == "instructions":
                result["instructions"] = counted()._asdict()
            else:
                result[part] = PARTS[part](sink, plan)
            loads.append(_load())
            result["machine"] = _machine() | {"load": [min(loads, key=float), max(loads, key=float)]}
            yield
    finally:
        sink.close()


def _say(part: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {part} …\n")
    sys.stdout.flush()


def _load() -> str:
    return f"{os.getloadavg()[0]:.2f}"


def _machine() -> dict[str, Any]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "processor": _processor(),
        "versions": versions,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    sys.exit(main())

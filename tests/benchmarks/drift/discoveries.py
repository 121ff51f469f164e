"""Section: names of moved features, decision by decision beside the package online-fdr."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

import numpy as np
from rows import Row, share

from ares_otel.ml.fdr import Lond

__all__ = ["rows"]

SECTION: Final = "LOND beside online-fdr"
SEED: Final = 100_000


def rows(quick: bool) -> Iterator[Row]:  # noqa: FBT001  the runner's own
    """Yield how many decisions agree, with and without dependence."""
    oracle: Any = import_module("online_fdr.p_values.investing.lond.lond").Lond
    cases = 50 if quick else 500
    for dependent in (False, True):
        agreed = total = 0
        for seed in range(SEED, SEED + cases):
            draw = np.random.default_rng(seed)
            values = draw.random(100) ** draw.choice([1.0, 8.0], 100)
            ours, theirs = Lond(0.1, dependent=dependent), oracle(0.1, dependent=dependent)
            agreed += sum(ours.test(float(p)).found == theirs.test_one(float(p)) for p in values)
            total += len(values)
        what = f"decisions that agree, {'any dependence' if dependent else 'independent'}"
        yield share(SECTION, what, agreed, total, "all", met=agreed == total)

"""What `make bench-drift ARGS=streams` does in place of a detector of alibi-detect is what this one does."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from witnesses import REFERENCE, WINDOWS, as_they_come, configured


def test_errors_as_they_come() -> None:
    """The same thresholds as without the table, and the same alarms as one outcome at a time."""
    draw = np.random.default_rng(1)
    chance = np.concatenate((np.full(2_000, 0.1), np.full(1_000, 0.25)))
    wrong = (draw.random(3_000) < chance).astype(np.int8)
    detector = configured(wrong, 200, 2_000)
    np.random.seed(0)  # noqa: NPY002  the one that it draws from
    library: Any = import_module("alibi_detect.cd")
    reference = wrong[:REFERENCE, None].astype(np.int64)
    plain = library.FETDriftOnline(reference, 200, list(WINDOWS), n_bootstraps=2_000, verbose=False)
    assert np.array_equal(plain.thresholds, detector.thresholds, equal_nan=True)

    found = as_they_come(wrong, detector)
    np.random.seed(0)  # noqa: NPY002  the one that it draws from
    said = []
    for number in range(REFERENCE + 1, len(wrong) + 1):
        if plain.predict(wrong[number - 1 : number].astype(np.int64))["data"]["is_drift"]:
            said.append(number)
            plain.reset_state()

    assert len(said) > 3
    assert found == said

"""Streams with known drifts under a tree that keeps learning, and how alarms on them are scored (ml.md 3.2).

Thirty drifts, one in 10,000 outcomes, each abrupt and to another concept drawn at random; an alarm within 1,000
outcomes after a drift finds it, a second one there counts for nothing, every other alarm is false.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["EACH", "PARTS", "Score", "outcomes", "score", "stream"]

EACH: Final = 10_000
PARTS: Final = 31
DELAY: Final = 1_000
CONCEPTS: Final = {"SEA": 4, "AGRAWAL": 10, "STAGGER": 3, "SINE": 4, "MIXED": 2}
CACHE: Final = Path(__file__).resolve().parents[3] / "build" / "drift"


class Score(NamedTuple):
    """How alarms did on one stream: F1 of episodes, share of drifts found, mean delay, false alarms in 1,000."""

    f1: float
    recall: float
    delay: float
    far: float


def _generator(kind: str, concept: int, noise: float, seed: int) -> Iterable[tuple[dict[str, Any], Any]]:
    """Return the endless stream of a concept."""
    synth: Any = import_module("river.datasets.synth")
    made: dict[str, Callable[[], Any]] = {
        "SEA": lambda: synth.SEA(variant=concept, noise=noise, seed=seed),
        "AGRAWAL": lambda: synth.Agrawal(classification_function=concept, perturbation=noise, seed=seed),
        "STAGGER": lambda: synth.STAGGER(classification_function=concept, seed=seed),
        "SINE": lambda: synth.Sine(classification_function=concept, seed=seed),
        "MIXED": lambda: synth.Mixed(classification_function=concept, seed=seed),
    }
    found: Iterable[tuple[dict[str, Any], Any]] = made[kind]()
    return found


def stream(kind: str, noise: float, seed: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield features and labels, with a drift after each 10,000."""
    draw, concept = np.random.default_rng(seed), 0
    for part in range(PARTS):
        for x, label in islice(_generator(kind, concept, noise, seed * 1000 + part), EACH):
            yield x, int(label)
        others = [each for each in range(CONCEPTS[kind]) if each != concept]
        concept = int(draw.choice(others))


def outcomes(kind: str, noise: float, seed: int) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return predictions and labels of a Hoeffding tree that is tested on each value and then learns it.

    They are kept below build/: the tree takes most of the time.
    """
    kept = CACHE / f"{kind}-{noise}-{seed}.npz"
    if kept.exists():
        with np.load(kept) as found:
            return found["predicted"], found["actual"]
    tree: Any = import_module("river.tree").HoeffdingTreeClassifier()
    predicted, actual = (np.zeros(PARTS * EACH, np.int8) for _ in range(2))
    for number, (x, label) in enumerate(stream(kind, noise, seed)):
        predicted[number], actual[number] = tree.predict_one(x) or 0, label
        tree.learn_one(x, label)
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(kept, predicted=predicted, actual=actual)
    return predicted, actual


def score(alarms: Sequence[int]) -> Score:
    """Return how alarms, by number of outcome from 1, found the drifts."""
    delays: dict[int, int] = {}
    false = 0
    for alarm in alarms:
        drift, after = divmod(alarm - 1, EACH)
        if drift and after < DELAY:
            delays.setdefault(drift, after + 1)
        else:
            false += 1
    found = len(delays)
    precision, recall = found / max(1, found + false), found / (PARTS - 1)
    f1 = 2.0 * precision * recall / (precision + recall) if found else 0.0
    delay = sum(delays.values()) / found if found else math.nan
    return Score(f1, recall, delay, 1000.0 * false / (PARTS * EACH))

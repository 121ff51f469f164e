"""Detectors in place of those of alibi-detect: what a test makes them do, and what they were shown."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batch", "Classifier", "Drawing", "Level", "Online", "Outlier", "Residual", "installed"]

Rows = NDArray[np.float64]


class Batch:
    """Alarms when means are more than 1 apart; refuses what is not finite, as the real ones should."""

    shown: ClassVar[list[Rows]] = []

    def __init__(self, x_ref: Rows, p_val: float = 0.05, behave: str = "", **settings: Any) -> None:
        assert np.isfinite(x_ref).all()
        self.x_ref, self.p_val, self.behave, self.settings = x_ref, p_val, behave, settings
        print("what a library prints")  # noqa: T201  it must not come between the messages

    def predict(self, x: Rows) -> dict[str, Any]:
        """Answer, or do what the test wants."""
        assert np.isfinite(x).all()
        self.shown.append(x)
        match self.behave:
            case "raise":
                raise RuntimeError("no way")
            case "die":
                os.write(2, b"last words\n")
                os._exit(7)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                time.sleep(600)
            case "garbage":
                for descriptor in range(3, 12):  # the pipe is one of them
                    try:
                        os.write(descriptor, b"Traceback (most recent call last):\n")
                    except OSError:
                        continue
        off = float(np.abs(x.mean(axis=0) - self.x_ref.mean(axis=0)).max())
        p_value = 1e-9 if off > 1 else 0.5
        return {"data": {"is_drift": int(off > 1), "p_val": np.array([p_value]), "distance": np.array([off])}}


class Classifier(Batch):
    """Has one p-value for all columns, and draws from the generator that everybody shares."""

    def predict(self, x: Rows) -> dict[str, Any]:
        """Answer with plain numbers."""
        data = super().predict(x)["data"]
        return {"data": {"is_drift": data["is_drift"], "p_val": float(data["p_val"][0]), "distance": np.random.rand()}}  # noqa: NPY002


class Online:
    """Alarms at any value over 3; its state grows with every row, as that of the real ones does."""

    simulated = 0

    def __init__(self, x_ref: Rows, ert: float, window_sizes: list[int], **settings: Any) -> None:
        assert np.isfinite(x_ref).all()
        self.x_ref, self.ert, self.window_sizes, self.settings = x_ref, ert, window_sizes, settings
        self.thresholds: Any = None
        self._configure_thresholds()
        self.reset_state()

    def _configure_thresholds(self) -> None:
        type(self).simulated += 1
        Online.simulated += 1
        self.thresholds = np.full((3, 2), np.random.rand())  # noqa: NPY002

    def reset_state(self) -> None:
        """Begin anew."""
        self.xs: Rows = np.empty((0, self.x_ref.shape[1]))
        self.test_stats: Rows = np.empty((0, 1))
        self.drift_preds: Rows = np.empty((0, 1))

    def predict(self, row: Rows) -> dict[str, Any]:
        """Take a row."""
        assert np.isfinite(row).all()
        self.xs = np.concatenate([self.xs, row[None]])
        self.test_stats = np.concatenate([self.test_stats, [[float(row.max())]]])
        self.drift_preds = np.concatenate([self.drift_preds, [[0.0]]])
        threshold = np.array([[np.nan, 3.0]])
        return {"data": {"is_drift": int(row.max() > 3), "test_stat": row.max(), "threshold": threshold}}


class Outlier:
    """Rows with a value over the percentile of a score; learns the more the more it scores, as Mahalanobis does."""

    def __init__(self, **settings: Any) -> None:
        self.settings, self.scored, self.limit = settings, 0, np.inf

    def fit(self, rows: Rows) -> None:
        """Learn."""
        self.scored += len(rows)

    def infer_threshold(self, rows: Rows, threshold_perc: float) -> None:
        """Take the threshold from rows."""
        self.limit = float(np.percentile(rows.max(axis=1), threshold_perc))

    def predict(self, rows: Rows) -> dict[str, Any]:
        """Say which rows are outliers."""
        self.scored += len(rows)
        return {"data": {"is_outlier": (rows.max(axis=1) > self.limit).astype(int)}}


class Residual:
    """Values of a series over the percentile."""

    def __init__(self, **settings: Any) -> None:
        self.settings, self.limit = settings, np.inf

    def infer_threshold(self, series: Rows, threshold_perc: float) -> None:
        """Take the threshold from a series."""
        assert np.isfinite(series).all()
        self.limit = float(np.percentile(series, threshold_perc))

    def predict(self, series: Rows) -> dict[str, Any]:
        """Say which values are outliers."""
        return {"data": {"is_outlier": (series > self.limit).astype(int)}}


class Level:
    """As a detector of River: alarms when a value is over the level."""

    def __init__(self, level: float = 3.0) -> None:
        self.level, self.drift_detected, self.updates = level, False, 0

    def update(self, x: float) -> None:
        """Take a value."""
        assert np.isfinite(x)
        self.updates += 1
        self.drift_detected = x > self.level


class Drawing(Level):
    """Alarms by chance."""

    def update(self, x: float) -> None:
        """Draw."""
        del x
        self.drift_detected = np.random.rand() > 0.9  # noqa: NPY002


FAKES = """
from fake_detectors import Batch, Classifier, Online, Outlier, Residual

KSDrift = CVMDrift = FETDrift = ChiSquareDrift = TabularDrift = Batch
ClassifierDrift = ClassifierUncertaintyDrift = MMDDrift = LSDDDrift = Classifier
CVMDriftOnline = FETDriftOnline = Online
IForest = Mahalanobis = Outlier
SpectralResidual = Residual
"""
"""What stands in the modules of alibi-detect."""


def installed(home: Path) -> str:
    """Put packages in place of alibi-detect and scikit-learn into a directory; return the path of a child with them."""
    for package, texts in {
        "alibi_detect": {"__init__": "", "cd": FAKES, "od": FAKES},
        "sklearn": {"__init__": "", "linear_model": "LogisticRegression = dict"},  # the real one takes seconds
    }.items():
        (home / package).mkdir(parents=True)
        for name, text in texts.items():
            (home / package / f"{name}.py").write_text(text)
    return f"{home}:{Path(__file__).parent}"

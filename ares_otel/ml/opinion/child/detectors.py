"""Detectors of other libraries behind one interface: rows in, a finding out that JSON can hold."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["CATALOGUE", "Detector", "Made", "MissingError", "Rows", "made"]

Rows = NDArray[np.float64]

FEW: Final = 12
"""Finite values below which a column of a window is not tested."""


class MissingError(ImportError):
    """A library, or a part of one, is not installed."""


class Detector(Protocol):
    """What can be asked of any detector."""

    def check(self, rows: Rows) -> dict[str, Any]:
        """Return what it finds in rows; NaN is a value that is not there."""


class Made(NamedTuple):
    """What a detector is made of.

    Attributes:
        kind: its class in the library.
        reference: what it is to compare with.
        settings: for its constructor.
        level: chance of a false alarm in one check.
        seed: of everything random.
        cache: directory where thresholds are kept; "": nowhere.
        version: of its library.
    """

    kind: Any
    reference: Rows
    settings: dict[str, Any]
    level: float
    seed: int
    cache: str
    version: str


CATALOGUE: Final = {
    "KSDrift": ("alibi_detect.cd", "columns"),
    "CVMDrift": ("alibi_detect.cd", "columns"),
    "FETDrift": ("alibi_detect.cd", "columns"),
    "ChiSquareDrift": ("alibi_detect.cd", "categories"),
    "TabularDrift": ("alibi_detect.cd", "mixed"),
    "ClassifierDrift": ("alibi_detect.cd", "classifier"),
    "ClassifierUncertaintyDrift": ("alibi_detect.cd", "uncertainty"),
    "MMDDrift": ("alibi_detect.cd", "kernel"),
    "LSDDDrift": ("alibi_detect.cd", "kernel"),
    "CVMDriftOnline": ("alibi_detect.cd", "online"),
    "FETDriftOnline": ("alibi_detect.cd", "online"),
    "IForest": ("alibi_detect.od", "outliers"),
    "Mahalanobis": ("alibi_detect.od", "outliers"),
    "SpectralResidual": ("alibi_detect.od", "series"),
}
"""Detectors of alibi-detect: the module of each, and how it is asked."""

WAYS: Final = {
    "columns": "batches",
    "categories": "batches",
    "mixed": "batches",
    "classifier": "multivariate",
    "uncertainty": "multivariate",
    "kernel": "multivariate",
    "online": "streams",
    "outliers": "outliers",
    "series": "outliers",
    "updated": "streams",
}
"""The module beside this one that knows each way of asking."""


def made(header: Mapping[str, Any], reference: Rows) -> tuple[Detector, dict[str, str]]:
    """Return a detector, and library and version of it.

    Raises:
        MissingError: its library is not installed.
    """
    name = header["detector"]
    module, _, kind = name.rpartition(":")
    way = "updated"
    if not module:
        (module, way), kind = CATALOGUE[name], name
    library = module.partition(".")[0]
    found = Made(
        _imported(module, kind),
        reference,
        dict(header["settings"]),
        header["level"],
        header["seed"],
        header["cache"],
        version=_version(library),
    )
    asking = importlib.import_module(f".{WAYS[way]}", __package__)
    return asking.WAYS[way](found), {"library": library.replace("_", "-"), "version": found.version}


def _imported(module: str, kind: str) -> Any:
    try:
        return getattr(importlib.import_module(module), kind)
    except ImportError as error:
        raise MissingError(str(error)) from error
    except AttributeError as error:
        raise MissingError(f"{module} has no {kind}") from error


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library.replace("_", "-"))
    except importlib.metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(library), "__version__", ""))

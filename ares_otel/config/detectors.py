"""Names of drift detectors of other libraries: those of alibi-detect that are known, and any class by its module."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["DETECTORS", "is_detector"]

DETECTORS: Final = frozenset(
    {
        "CVMDrift",
        "CVMDriftOnline",
        "ChiSquareDrift",
        "ClassifierDrift",
        "ClassifierUncertaintyDrift",
        "FETDrift",
        "FETDriftOnline",
        "IForest",
        "KSDrift",
        "LSDDDrift",
        "MMDDrift",
        "Mahalanobis",
        "SpectralResidual",
        "TabularDrift",
    }
)
CLASS: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_detector(name: str) -> bool:
    """Tell whether a name is one of alibi-detect's that are known, or `module:Class`.

    >>> [is_detector(name) for name in ("KSDrift", "river.drift:ADWIN", "Nobody")]
    [True, True, False]
    """
    return name in DETECTORS or CLASS.fullmatch(name) is not None

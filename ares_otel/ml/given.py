"""What users give of a model beside its name: gathered, read from files and hashed; nothing is learned yet."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from ares_otel.ml.outcomes import plain
from ares_otel.ml.parts import Promise
from ares_otel.ml.regimes import labels_of
from ares_otel.ml.tables import REGIME, Table, read_table

__all__ = ["BARS_PER_MONTH", "Data", "bars_per_month", "fingerprint", "gathered"]

BARS_PER_MONTH: Final = 730.0
"""Of hours, where nothing says how long a bar is."""
MONTH: Final = 365.25 / 12 * 86_400e9
DIGITS: Final = 16


class Data(NamedTuple):
    """What a reference is made of.

    Attributes:
        features: bars by features, or whatever the monitor takes for that; None without any.
        names: of the features, None where they are in the features.
        predictions: of these bars.
        actuals: of these predictions.
        times: Unix ns of each bar.
        rows: how many bars.
        regimes: which one each bar is in, None where nobody says so.
    """

    features: Any
    names: Sequence[str] | None
    predictions: Sequence[Any] | None
    actuals: Sequence[Any] | None
    times: Sequence[int | None] | None
    rows: int | None
    regimes: Any = None

    def labels(self, bars: int) -> list[str] | None:
        """Return the regime of each bar as a text, None without regimes; ValueError if there is not one for each."""
        return None if self.regimes is None else labels_of(self.regimes, bars)


def gathered(reference: Any, names: Sequence[str] | None, predictions: Any, actuals: Any, regimes: Any = None) -> Data:
    """Return what a user gives, a file of it read.

    Args:
        reference: an array, a frame, columns by name, a table, or the path of one.
        names: of the features.
        predictions: of the reference's bars.
        actuals: what came true of them.
        regimes: of the bars, or the name of the reference's column of them.

    Raises:
        TypeError, ValueError: it is none of these.
    """
    if isinstance(reference, (str, Path)):
        reference = read_table(Path(reference))
    if isinstance(regimes, str):
        reference, regimes = _without(reference, regimes)
    times: Sequence[int | None] | None = None
    if isinstance(reference, Table):
        times = reference.times
        predictions = reference.own.get("prediction") if predictions is None else predictions
        actuals = reference.own.get("actual") if actuals is None else actuals
        regimes = reference.own.get(REGIME) if regimes is None else regimes
        reference = reference.features or None
    elif reference is not None:
        times = _index(reference)
    rows = None if reference is None else _length(reference)
    if regimes is not None and reference is None and predictions is None:
        raise ValueError("regimes are those of a reference's bars, and there is no reference")
    return Data(reference, names, _listed(predictions), _listed(actuals), times, rows, regimes)


def _without(reference: Any, column: str) -> tuple[Any, Any]:
    """Return a reference without one of its columns, and that column."""
    if isinstance(reference, Table):
        table = reference.by_regime(column)
        return table, table.own[REGIME]
    columns = getattr(reference, "columns", None)
    names = list(columns if columns is not None else reference if isinstance(reference, Mapping) else ())
    if column not in names:
        raise ValueError(f"the reference has no column {column!r} of regimes")
    if isinstance(reference, Mapping):
        return {name: reference[name] for name in names if name != column}, reference[column]
    rest = reference.drop(columns=column) if hasattr(reference, "iloc") else reference.drop(column)
    return rest, reference[column]


def _listed(values: Any) -> Sequence[Any] | None:
    """Return values as a list; None for nothing, or where not one is known."""
    if values is None:
        return None
    found = values.tolist() if hasattr(values, "tolist") else list(values)
    return found if any(each is not None for each in found) else None


def _index(frame: Any) -> list[int] | None:
    """Return the times of a frame's index, None where that holds none."""
    index = getattr(frame, "index", None)
    dtype = getattr(index, "dtype", None)
    if getattr(dtype, "kind", "") != "M":
        return None
    return [int(each) for each in np.asarray(index, "datetime64[ns]").astype(np.int64)]


def _length(reference: Any) -> int:
    return len(next(iter(reference.values()), ())) if isinstance(reference, Mapping) else len(reference)


def bars_per_month(times: Sequence[int | None] | None) -> float:
    """Return how many bars there are in a month, by their times; that of hours where these do not say it."""
    known = [each for each in times or () if each is not None]
    span = max(known) - min(known) if known else 0
    return (len(known) - 1) * MONTH / span if span > 0 else BARS_PER_MONTH


def fingerprint(data: Data, promise: Promise, hazard: float | None, *more: object) -> str:
    """Return a hash of everything that a verdict depends on; of what else was said, that which is not None."""
    # what a month is taken for is in the horizon
    told = msgspec.structs.replace(promise, month=None)
    found = hashlib.sha256(repr((told, hazard, list(data.names or ()))).encode())
    for name, values in _hashed(data.features):
        found.update(name.encode(errors="surrogatepass"))
        array = np.asarray(values)
        found.update(repr(array.tolist()).encode() if array.dtype.hasobject else np.ascontiguousarray(array).tobytes())
    found.update(msgspec.json.encode([plain(data.predictions), plain(data.actuals)]))
    if data.regimes is not None:
        found.update(repr(labels_of(data.regimes, len(data.regimes))).encode())
    for said in more:
        found.update(b"" if said is None else repr(said).encode())
    return found.hexdigest()[:DIGITS]


def _hashed(features: Any) -> Iterator[tuple[str, Any]]:
    columns = getattr(features, "columns", None)
    if columns is None and not isinstance(features, Mapping):
        yield "", features
        return
    for name in columns if columns is not None else features:
        yield str(name), features[name]

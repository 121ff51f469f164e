"""Drawings of drift: evidence over time against its threshold, and what bars look like beside their reference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

__all__ = ["Shade", "shapes", "timeline", "top_of"]

WIDTH: Final = 1_000.0
HEIGHT: Final = 200.0
LEAST_TOP: Final = 2
MOST_TOP: Final = 5
SIDE: Final = 16.0
GAP: Final = 4.0
FACE: Final = (240.0, 96.0)
THINNEST: Final = 1.5
FEW: Final = 9
"""Bins up to which each stands for a value of its own."""


class Shade(NamedTuple):
    """An episode: where it begins and ends (0 to 1), its severity, what it is."""

    begin: float
    end: float
    severity: str
    title: str


def top_of(evidence: Sequence[float]) -> int:
    """Return the upper end of the scale of evidence: it holds the threshold, and most of what crossed it."""
    return min(max(LEAST_TOP, math.ceil(max(evidence, default=0.0))), MOST_TOP)


def timeline(
    points: Sequence[tuple[float, float, str]], shades: Sequence[Shade], top: int, ends: float | None = None
) -> Markup:
    """Return evidence over time (place from 0 to 1, evidence, title), with its threshold at 1 and episodes shaded.

    A thin line is where these end, if that is known.
    """
    drawn = [_shade(each) for each in shades]
    drawn += [] if ends is None else [_level(ends / top, "l-grid")]
    drawn.append(_level(1 / top, "l-bound"))
    places = [(x * WIDTH, HEIGHT * (1 - min(value / top, 1.0))) for x, value, _ in points]
    if places:
        path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in places)
        drawn.append(Markup('<path d="{}" class="l-spark" vector-effect="non-scaling-stroke"/>').format(path))
        drawn += [_dot(x, y, value, title) for (x, y), (_, value, title) in zip(places, points, strict=True)]
    return _svg(drawn, WIDTH, HEIGHT, "timeline")


def _shade(each: Shade) -> Markup:
    return Markup('<rect x="{}" y="0" width="{}" height="{}" class="e-{}"><title>{}</title></rect>').format(
        _n(each.begin * WIDTH),
        _n(max((each.end - each.begin) * WIDTH, THINNEST)),
        _n(HEIGHT),
        each.severity,
        each.title,
    )


def _dot(x: float, y: float, value: float, title: str) -> Markup:
    # a line without length keeps its shape however the picture is stretched
    return Markup('<path d="M{} {}h0" class="{}" vector-effect="non-scaling-stroke"><title>{}</title></path>').format(
        _n(x), _n(y), "l-crossed" if value > 1 else "l-dot", title
    )


def _level(value: float, kind: str) -> Markup:
    return Markup('<path d="M0 {0}H{1}" class="{2}" vector-effect="non-scaling-stroke"/>').format(
        _n(HEIGHT * (1 - value)), _n(WIDTH), kind
    )


class _Column(NamedTuple):
    """A bin as it is drawn: where, how wide, both shares."""

    x: float
    width: float
    expected: float
    observed: float


def shapes(bins: Sequence[tuple[float | None, float, float]]) -> Markup:
    """Return two distributions over each other, areas as shares: the reference filled, the window as a line.

    `bins` are upper end (None: none), share of the reference, share of the window. What is beyond the reference's first
    and last hundredth is in a column of its own on either side.
    """
    columns = list(_levels(bins) if len(bins) <= FEW else _stretches(bins))
    densities = [share / each.width for each in columns for share in (each.expected, each.observed)]
    most = max(densities, default=0.0) or 1.0
    width, height = FACE

    def high(share: float, each: _Column) -> float:
        return share / each.width / most * (height - 4)

    filled = [_box(each, high(each.expected, each), height) for each in columns]
    path = "".join(_step(each, height - high(each.observed, each), height) for each in columns)
    line = Markup('<path d="{}" class="l-spark" vector-effect="non-scaling-stroke"/>').format(path)
    floor = Markup('<path d="M0 {0}H{1}" class="l-axis" vector-effect="non-scaling-stroke"/>').format(
        _n(height), _n(width)
    )
    return _svg([*filled, floor, line], width, height, "shapes")


def _levels(bins: Sequence[tuple[float | None, float, float]]) -> Iterator[_Column]:
    """Yield a column for each value that there is."""
    known = [(expected, observed) for _, expected, observed in bins if expected or observed]
    step = FACE[0] / max(len(known), 1)
    for place, shares in enumerate(known):
        yield _Column(step * place + GAP, max(step - 2 * GAP, THINNEST), *shares)


def _stretches(bins: Sequence[tuple[float | None, float, float]]) -> Iterator[_Column]:
    """Yield columns as wide as their stretch of values, and one on either side for what is beyond them."""
    inner, room = bins[2:-2], FACE[0] - 2 * (SIDE + GAP)
    low, high = bins[1][0] or 0.0, inner[-1][0] or 0.0
    yield _Column(0, SIDE, *_sums(bins[:2]))
    before, unit = low, room / ((high - low) or 1.0)
    for end, expected, observed in inner:
        width = max(((end or 0.0) - before) * unit, THINNEST)
        yield _Column(SIDE + GAP + (before - low) * unit, width, expected, observed)
        before = end or 0.0
    yield _Column(FACE[0] - SIDE, SIDE, *_sums(bins[-2:]))


def _sums(bins: Sequence[tuple[float | None, float, float]]) -> tuple[float, float]:
    return sum(expected for _, expected, _ in bins), sum(observed for *_, observed in bins)


def _box(each: _Column, high: float, height: float) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="s-soft"/>').format(
        _n(each.x), _n(height - high), _n(each.width), _n(high)
    )


def _step(each: _Column, top: float, height: float) -> str:
    left, right = _n(each.x), _n(each.x + each.width)
    return f"M{left} {_n(height)}V{_n(top)}H{right}V{_n(height)}"


def _svg(content: Sequence[Markup], width: float, height: float, kind: str) -> Markup:
    head = Markup('<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">')
    return head.format(kind, _n(width), _n(height)) + Markup().join(content) + Markup("</svg>")


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")

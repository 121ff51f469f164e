"""Small drawings made on the server: geometry as attributes, colors as classes, so that one style sheet rules both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

__all__ = [
    "Band",
    "bullet",
    "cell",
    "columns",
    "diverging",
    "estimate",
    "interval",
    "reliability",
    "ribbon",
    "share",
    "span",
    "sparkline",
]

WIDTH, HEIGHT = 200, 12
HALF = WIDTH / 2
THINNEST = 1.5


class Band(NamedTuple):
    """A stretch of a ribbon: where it begins and ends (0 to 1), the class of its color, what it is."""

    begin: float
    end: float
    kind: str
    title: str


def _svg(content: Iterable[Markup], width: float = WIDTH, height: float = HEIGHT, kind: str = "bar") -> Markup:
    head = Markup('<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">')
    return head.format(kind, _n(width), _n(height)) + Markup().join(content) + Markup("</svg>")


def _rect(x: float, y: float, width: float, height: float, kind: str, opacity: float = 1.0) -> Markup:
    return Markup('<rect x="{}" y="{}" width="{}" height="{}" class="{}" opacity="{}"/>').format(
        _n(x), _n(y), _n(max(width, 0.0)), _n(height), kind, _n(opacity)
    )


def _line(x: float, kind: str, height: float = HEIGHT) -> Markup:
    return Markup('<path d="M{0} 0V{1}" class="{2}" vector-effect="non-scaling-stroke"/>').format(
        _n(x), _n(height), kind
    )


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _clip(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def diverging(value: float | None, weight: float = 1.0, bound: float | None = None, kind: str = "s-ink") -> Markup:
    """Return a bar from the middle: right for positive, left for negative, at most 1; opacity tells the weight.

    `bound` draws the threshold on both sides of which nothing is done.
    """
    parts = [_line(HALF, "l-axis")]
    if value is not None:
        length = _clip(abs(value)) * HALF
        parts.append(
            _rect(HALF if value > 0 else HALF - length, 2, length, HEIGHT - 4, kind, 0.25 + 0.75 * _clip(weight))
        )
    if bound is not None:
        parts += [_line(HALF + side * _clip(bound) * HALF, "l-bound") for side in (-1, 1)]
    return _svg(parts)


def bullet(value: float | None, bound: float | None, *, good: bool | None = None) -> Markup:
    """Return a value as a bar beside its bound as a line, on a scale that holds both."""
    most = max(abs(value or 0.0), abs(bound or 0.0)) * 1.15 or 1.0
    kind = "s-bad" if good is False else "s-ink"
    parts = [_rect(0, 2, abs(value) / most * WIDTH, HEIGHT - 4, kind)] if value is not None else []
    if bound is not None:
        parts.append(_line(abs(bound) / most * WIDTH, "l-bound"))
    return _svg(parts)


def share(value: float | None, kind: str = "s-ink", bound: float | None = None) -> Markup:
    """Return a ratio from 0 to 1 as a bar."""
    parts = [_rect(0, 2, WIDTH, HEIGHT - 4, "s-track")]
    if value is not None:
        parts.append(_rect(0, 2, _clip(value) * WIDTH, HEIGHT - 4, kind))
    if bound is not None:
        parts.append(_line(_clip(bound) * WIDTH, "l-bound"))
    return _svg(parts)


def span(begin: float, end: float, kind: str = "s-ink") -> Markup:
    """Return a stretch of time from 0 to 1, one pixel wide at least."""
    begin, end = _clip(begin), _clip(end)
    return _svg(
        [_rect(min(begin * WIDTH, WIDTH - THINNEST), 2, max((end - begin) * WIDTH, THINNEST), HEIGHT - 4, kind)]
    )


def interval(low: float, value: float, high: float, reference: float | None = None) -> Markup:
    """Return an estimate between 0 and 1 with its interval, and a reference to compare it with."""
    low, value, high = _clip(low) * WIDTH, _clip(value) * WIDTH, _clip(high) * WIDTH
    parts = [_rect(0, HEIGHT / 2 - 0.5, WIDTH, 1, "s-track")]
    if reference is not None:
        parts.append(_line(_clip(reference) * WIDTH, "l-bound"))
    parts += [
        _rect(low, HEIGHT / 2 - 2, max(high - low, THINNEST), 4, "s-soft"),
        _rect(value - 1.5, 1, 3, HEIGHT - 2, "s-ink"),
    ]
    return _svg(parts)


def estimate(low: float | None, value: float, high: float | None, most: float) -> Markup:
    """Return a signed estimate with its interval around a zero in the middle, on a scale from -`most` to `most`."""

    def at(number: float) -> float:
        return HALF + min(max(number / most, -1.0), 1.0) * (HALF - 2)

    parts = [_line(HALF, "l-axis")]
    if low is not None and high is not None:
        parts.append(_rect(at(low), HEIGHT / 2 - 2, max(at(high) - at(low), THINNEST), 4, "s-soft"))
    parts.append(_rect(at(value) - 1.5, 1, 3, HEIGHT - 2, "s-ink"))
    return _svg(parts)


def columns(parts: Sequence[tuple[float, float, float, str, str]], reference: float | None = None) -> Markup:
    """Return estimates between 0 and 1 side by side: low, value, high, title, class of the band below."""
    width, height = 1_000.0, 120.0
    step = width / max(len(parts), 1)
    drawn = [_rect(0, height - 1, width, 1, "s-track")]
    for place, (low, value, high, title, kind) in enumerate(parts):
        middle = step * (place + 0.5)
        bar = Markup("<g><title>{}</title>{}{}{}</g>").format(
            title,
            _rect(step * place, height + 4, step, 8, kind),
            _rect(middle - 1, (1 - _clip(high)) * height, 2, max((_clip(high) - _clip(low)) * height, 1), "s-soft"),
            _rect(middle - step / 4, (1 - _clip(value)) * height - 1.5, step / 2, 3, "s-accent"),
        )
        drawn.append(bar)
    if reference is not None:
        drawn.append(
            Markup('<path d="M0 {0}H{1}" class="l-bound" vector-effect="non-scaling-stroke"/>').format(
                _n((1 - reference) * height), _n(width)
            )
        )
    return _svg(drawn, width, height + 12, "columns")


def reliability(points: Iterable[tuple[float, float, float, float, str]]) -> Markup:
    """Return what came true over the confidence that was said: confidence, low, value, high and title of each point.

    On the diagonal a confidence holds what it says.
    """
    side = 200.0
    drawn = [
        Markup('<path d="M{0} 0V{1}M0 {0}H{1}" class="l-grid" vector-effect="non-scaling-stroke"/>').format(
            _n(place * side), _n(side)
        )
        for place in (0.25, 0.5, 0.75)
    ]
    drawn.append(Markup('<path d="M0 {0}L{0} 0" class="l-bound" vector-effect="non-scaling-stroke"/>').format(_n(side)))
    for confidence, low, value, high, title in points:
        x, y = _clip(confidence) * side, (1 - _clip(value)) * side
        top, length = (1 - _clip(high)) * side, (_clip(high) - _clip(low)) * side
        drawn.append(
            Markup("<g><title>{}</title>{}{}</g>").format(
                title,
                _rect(x - 1, top, 2, max(length, 1.0), "s-soft"),
                Markup('<circle cx="{}" cy="{}" r="3" class="s-accent"/>').format(_n(x), _n(y)),
            )
        )
    return _svg(drawn, side, side, "reliability")


def sparkline(values: Sequence[float], width: float = 120, height: float = 32) -> Markup:
    """Return a line without axes, its end marked."""
    if len(values) < 2:  # noqa: PLR2004  a line needs two points
        return Markup()
    low, high = min(values), max(values)
    room = (high - low) or 1.0
    step = (width - 4) / (len(values) - 1)
    points = [(step * place + 1, 2 + (height - 4) * (1 - (value - low) / room)) for place, value in enumerate(values)]
    path = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)
    line = Markup('<path d="{}" class="l-spark" vector-effect="non-scaling-stroke"/>').format(path)
    return _svg([line], width, height, "spark")


def ribbon(bands: Iterable[Band], height: float = 10) -> Markup:
    """Return stretches of time in their colors, each with its name on hover."""
    parts = [
        Markup('<rect x="{}" y="0" width="{}" height="{}" class="{}"><title>{}</title></rect>').format(
            _n(band.begin * 1_000), _n(max((band.end - band.begin) * 1_000, 0.5)), _n(height), band.kind, band.title
        )
        for band in bands
    ]
    return _svg(parts, 1_000, height, "ribbon")


def cell(value: float) -> Markup:
    """Return the background of a matrix' cell for a ratio from 0 to 1."""
    return _svg([_rect(0, 0, 10, 10, "s-accent", 0.9 * _clip(value))], 10, 10, "cell")

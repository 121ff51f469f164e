"""Numbers, times and names as pages show them; what is absent is a dash that says why."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from ares_otel.server.story.wording import amount, clean, figure, seconds

__all__ = [
    "ACTIONS",
    "FILTERS",
    "REGIMES",
    "SEVERITIES",
    "absent",
    "action",
    "age",
    "basis_points",
    "change",
    "copied",
    "count",
    "digits",
    "drift_severity",
    "gain",
    "lasting",
    "market",
    "moment",
    "money",
    "number",
    "percent",
    "regime",
    "regime_class",
    "rough",
    "severity",
    "short",
    "signed",
    "tenth",
    "times",
    "unit",
    "when",
    "word",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNKNOWN = "not said by the bot"
ACTIONS = {"buy": "▲", "sell": "▼", "sell_short": "▼", "close": "■", "hold": "·", "none": "·"}
REGIMES = ("bull_trend", "bear_trend", "sideways", "high_volatility", "low_volatility", "breakout")
"""Those that have a color of their own."""

SEVERITIES = (
    (21, "bad", "✗ fatal"),
    (17, "bad", "✗ error"),
    (13, "warn", "! warning"),
    (9, "even", "info"),
    (1, "quiet", "debug"),
)
"""OTLP's numbers of severity, from the highest: the least of each, its class, its name."""

DRIFT = {"critical": ("bad", "✗"), "warning": ("warn", "!"), "watch": ("even", "◦"), "info": ("quiet", "·")}
"""Class and sign of the severities of drift."""

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
HEAD, TAIL = 8, 6
LONGEST_ID = 18
SAME = 60.0
CENTS = 1e5


def absent(reason: str = UNKNOWN) -> Markup:
    """Return the sign for what is not known, with the reason."""
    return Markup(
        '<span class="absent" title="{0}"><span aria-hidden="true">{1}</span><i class="vh">{0}</i></span>'
    ).format(reason, DASH)


def _or_absent(show: Callable[..., Any]) -> Callable[..., Any]:
    """Make a filter that shows what is absent as such; `reason` says why it can be."""

    def shown(value: Any, *args: Any, reason: str = UNKNOWN, **more: Any) -> Any:
        unknown = value is None or (isinstance(value, float) and not math.isfinite(value))
        return absent(reason) if unknown else show(value, *args, **more)

    return shown


def _is_zero(text: str) -> bool:
    return not any(digit in text for digit in "123456789")


def signed(text: str, value: float) -> str:
    """Return a number's text with its sign in front; what is rounded to zero has none."""
    return f"+{text}" if value > 0 and not _is_zero(text) else _plain(text)


def _plain(text: str) -> str:
    return text.replace("-", "" if _is_zero(text) else MINUS)


def _kind(text: str, *, good: bool) -> str:
    """Return the class of a number by its sign: whether it is a gain, a loss, or, as it is shown, none of both."""
    return "even" if _is_zero(text) else "gain" if good else "loss"


def money(value: float | Decimal, currency: str = "", *, sign: bool = False) -> Markup:
    """Return a sum of money: cents below a hundred thousand, none above."""
    text = f"{value:,.2f}" if abs(float(value)) < CENTS else f"{value:,.0f}"
    text = signed(text, float(value)) if sign else _plain(text)
    unit = Markup(' <span class="unit">{}</span>').format(currency) if currency else Markup()
    return Markup("{}{}").format(text, unit)


def gain(value: float | Decimal, currency: str = "") -> Markup:
    """Return a gain or loss with its sign and color."""
    kind = _kind(f"{value:.2f}", good=value > 0)
    return Markup('<span class="{}">{}</span>').format(kind, money(value, currency, sign=True))


def percent(ratio: float, digits: int = 1, *, sign: bool = False) -> str:
    """Return a ratio as percent."""
    text = f"{ratio:.{digits}%}"
    return signed(text, ratio).replace("%", " %") if sign else _plain(text).replace("%", " %")


def change(ratio: float, digits: int = 2) -> Markup:
    """Return a relative change with sign and color."""
    kind = _kind(f"{ratio:.{digits}%}", good=ratio > 0)
    return Markup('<span class="{}">{}</span>').format(kind, percent(ratio, digits, sign=True))


def basis_points(value: float) -> Markup:
    """Return a cost in basis points; positive costs."""
    text = f"{value:.1f}"
    kind, text = _kind(text, good=value < 0), signed(text, value)
    return Markup('<span class="{}">{} <span class="unit">bp</span></span>').format(kind, text)


def count(value: int) -> str:
    """Return a number of things."""
    return f"{value:,}"


def number(value: float | Decimal) -> str:
    """Return a price or quantity."""
    return amount(value).replace("-", MINUS)


def rough(value: float | Decimal) -> str:
    """Return a measured value with no more digits than it bears."""
    return figure(value).replace("-", MINUS)


def tenth(value: float) -> str:
    """Return a number with one digit behind the point."""
    return _plain(f"{value:,.1f}")


def digits(value: float, most: int = 2) -> str:
    """Return an estimate with so many significant digits, all digits before the point."""
    rounded = float(f"{value:.{most}g}")
    return _plain(f"{rounded:,.0f}" if abs(rounded) >= 10 ** (most - 1) else f"{rounded:.{most}g}")


def unit(value: float, *, sign: bool = False) -> str:
    """Return a ratio from 0 to 1 with two digits, as models say it."""
    text = f"{value:.2f}"
    return signed(text, value) if sign else _plain(text)


def lasting(value: float) -> str:
    """Return a duration in seconds."""
    return seconds(float(value))


def word(value: object) -> str:
    """Return a name of a vocabulary as words."""
    return clean(value).replace("_", " ")


def short(text: str) -> str:
    """Return an id so that it fits a table and its both ends can be compared."""
    return text if len(text) <= LONGEST_ID else f"{text[:HEAD]}…{text[-TAIL:]}"


def copied(text: str, name: str = "id") -> Markup:
    """Return an id, shortened, that is copied whole by a click."""
    return Markup('<button type="button" class="copy" data-copy="{0}" title="{0} (a click copies it)">{1}'
                  '<span class="vh"> copy the {2}</span></button>').format(text, short(text), name)  # fmt: skip


def regime(name: str | None) -> Markup:
    """Return a regime with its color."""
    if not name:
        return absent()
    return Markup('<span class="regime"><svg width="8" height="8" aria-hidden="true"><rect width="8" height="8" rx="2" '
                  'class="{}"/></svg>{}</span>').format(regime_class(name), word(name))  # fmt: skip


def regime_class(name: str | None) -> str:
    """Return the class that has a regime's color."""
    return f"r-{name}" if name in REGIMES else "r-unknown"


def action(name: str | None) -> Markup:
    """Return an action or side with its sign."""
    if not name:
        return absent("the decision ended without an action")
    kind = name if name in ACTIONS else "other"
    return Markup('<span class="action a-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        kind, ACTIONS.get(name, "◆"), word(name)
    )


def severity(number: int | None) -> Markup:
    """Return OTLP's severity of a log record in words."""
    if not number:
        return absent("the record says no severity")
    kind, name = next((kind, name) for least, kind, name in SEVERITIES if number >= least)
    return Markup('<span class="{}">{}</span>').format(kind, name)


def drift_severity(name: str | None) -> Markup:
    """Return the severity of an episode of drift, with a sign beside the color."""
    if not name:
        return absent("no episode is open")
    kind, sign = DRIFT.get(name, ("even", ""))
    return Markup('<span class="{}"><span aria-hidden="true">{}</span> {}</span>').format(kind, sign, word(name))


# --- times -------------------------------------------------------------------------------------------------------


def moment(time: float | datetime) -> datetime:
    """Return Unix ns as UTC."""
    return time if isinstance(time, datetime) else EPOCH + timedelta(microseconds=int(time) // 1_000)


def when(time: float | datetime, show: str = "second") -> Markup:
    """Return a time that the reader's browser puts into the reader's zone; without scripts it is UTC."""
    return _time(time, show, "")


def market(time: float | datetime, show: str = "minute") -> Markup:
    """Return a market time, marked as such."""
    return _time(time, show, "market")


def _time(time: float | datetime, show: str, kind: str) -> Markup:
    at = moment(time)
    pattern = {"day": "%Y-%m-%d", "minute": "%Y-%m-%d %H:%M", "clock": "%H:%M:%S"}.get(show, "%Y-%m-%d %H:%M:%S")
    iso = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z"
    title = f"{'market time ' if kind else ''}{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03d} UTC"
    return Markup('<time datetime="{}" data-show="{}" class="{}" title="{}">{}</time>').format(
        iso, show, kind, title, f"{at:{pattern}}"
    )


def times(wall: float | datetime, event: float | datetime | None) -> bool:
    """Tell whether market time and wall time differ."""
    return event is not None and abs((moment(wall) - moment(event)).total_seconds()) > SAME


def age(wall: float | datetime) -> Markup:
    """Return how long ago something was; the browser keeps it true."""
    at = moment(wall)
    past = max((datetime.now(UTC) - at).total_seconds(), 0.0)
    iso = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z"
    return Markup('<time datetime="{}" data-show="age" title="{}">{} ago</time>').format(
        iso, f"{at:%Y-%m-%d %H:%M:%S} UTC", seconds(round(past)) if past >= 1 else "0 s"
    )


_KNOWN: dict[str, Callable[..., Any]] = {
    "money": money, "gain": gain, "percent": percent, "change": change, "bp": basis_points, "count": count,
    "digits": digits, "number": number, "rough": rough, "ratio": unit, "tenth": tenth, "lasting": lasting,
    "word": word, "when": when, "market": market, "age": age, "copied": copied, "short": short,
}  # fmt: skip
FILTERS: dict[str, Callable[..., Any]] = {name: _or_absent(show) for name, show in _KNOWN.items()}
"""Filters of the templates; each takes `reason=` for what is absent."""
FILTERS |= {"regime": regime, "action": action, "regime_class": regime_class, "severity": severity, "clean": clean}
FILTERS |= {"drift_severity": drift_severity}

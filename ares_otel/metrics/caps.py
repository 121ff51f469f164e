"""Label values that stay few: closed vocabularies are checked, open ones are capped, the rest is `other`.

An id, a free text or a generated name as a label would make a series of each value: 50,000 orders would be 100,000
series and a scrape of ten seconds (telemetry.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ares_otel.guard import GUARD, Guard
from ares_otel.semconv import attributes as a
from ares_otel.semconv.model import Attribute
from ares_otel.semconv.thresholds import FEATURES_SHOWN, SYMBOLS_SHOWN

__all__ = ["OTHER", "Capped", "Caps", "Plan", "clean", "plan"]

OTHER: Final = "other"
DISTINCT: Final = 50
LENGTH: Final = 64
REPLACED: Final = "\N{REPLACEMENT CHARACTER}"


class Plan(NamedTuple):
    """How the labels of a metric are bounded.

    Attributes:
        labels: key of each label's attribute, the words of its closed vocabulary if it has one, whether it is exempt.
        strategy: place of the strategy, -1 unless there is a symbol, too.
        symbol: place of the symbol, -1 unless there is a strategy, too.
    """

    labels: tuple[tuple[str, frozenset[str] | None, bool], ...]
    strategy: int = -1
    symbol: int = -1


class Capped(NamedTuple):
    """Label values as they may be exposed; `folded` says that at least one became `other`."""

    values: tuple[str, ...]
    folded: bool


class Caps:
    """Decides which values of each attribute get series of their own: the first ones seen, up to a limit.

    One object serves all metrics, so that a symbol has its series in every metric or in none.

    Args:
        symbols: the symbols to show, in place of the first `symbols_shown` that are seen.
        symbols_shown: symbols with series of their own when there is no list.
        features_shown: the same for features outside of importances, which are ranked instead.
        limits: other limits by attribute key; everything else gets 50.
        guard: counts and logs what was capped, once for each attribute.
    """

    def __init__(
        self,
        *,
        symbols: Iterable[str] | None = None,
        symbols_shown: int = int(SYMBOLS_SHOWN.value),
        features_shown: int = int(FEATURES_SHOWN.value),
        limits: Mapping[str, int] | None = None,
        guard: Guard = GUARD,
    ) -> None:
        self._limits = {
            a.SYMBOL.key: symbols_shown,
            a.FEATURE_NAME.key: features_shown,
            **(limits or {}),
        }
        self._seen: dict[str, dict[str, None]] = {}
        self._pairs: dict[tuple[str, str], None] = {}
        self._pairs_closed = False
        self._told: set[str] = set()
        self._guard = guard
        if symbols is not None:
            allowed = dict.fromkeys(clean(symbol) for symbol in symbols)
            self._seen[a.SYMBOL.key] = allowed
            self._limits[a.SYMBOL.key] = len(allowed)

    def labels(self, plan: Plan, values: tuple[object, ...]) -> Capped | None:
        """Return the values as labels, or None where one is outside its closed vocabulary or their number is wrong.

        None as a value is unknown and becomes the empty label, which Prometheus treats as absent. A label that is
        exempt is bounded in length only; who exempts it bounds the number of its values.
        """
        if len(plan.labels) != len(values):
            return None
        shown, folded = [], False
        for (key, words, exempt), value in zip(plan.labels, values, strict=True):
            label = self._label(key, words, value, exempt=exempt)
            if label is None:
                return None
            folded = folded or (label == OTHER and value != OTHER)
            shown.append(label)
        if plan.symbol >= 0:
            symbol = self._of_pair(shown[plan.strategy], shown[plan.symbol])
            folded = folded or symbol != shown[plan.symbol]
            shown[plan.symbol] = symbol
        return Capped(tuple(shown), folded)

    def fold_pair(self) -> tuple[str, str] | None:
        """Take its own series from the pair of strategy and symbol that came last, None if there is no pair.

        From then on no new pair gets any.
        """
        self._pairs_closed = True
        return self._pairs.popitem()[0] if self._pairs else None

    def _of_pair(self, strategy: str, symbol: str) -> str:
        if symbol in {"", OTHER} or (strategy, symbol) in self._pairs:
            return symbol
        if self._pairs_closed:
            return OTHER
        self._pairs[strategy, symbol] = None
        return symbol

    def _label(self, key: str, words: frozenset[str] | None, value: object, *, exempt: bool) -> str | None:
        if value is None:
            return ""
        text = str(value)
        if words is not None:
            return text if text in words else OTHER if OTHER in words else None
        return clean(text) if exempt else self._open(key, clean(text))

    def _open(self, key: str, text: str) -> str:
        seen = self._seen.setdefault(key, {})
        if text in seen or text in {"", OTHER}:
            return text
        if len(seen) < self._limits.get(key, DISTINCT):
            seen[text] = None
            return text
        self._tell(key, len(seen))
        return OTHER

    def _tell(self, key: str, limit: int) -> None:
        if key not in self._told:
            self._told.add(key)
            self._guard.complain(
                "metrics.labels", key, f"{key} has more than {limit} values; on metrics the rest is {OTHER!r}"
            )


def clean(text: str) -> str:
    """Return the text as a label value: at most 64 characters, none that is a control or half a surrogate pair."""
    if len(text) > LENGTH:
        text = text[: LENGTH - 1] + "…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else REPLACED for char in text)


def plan(attributes: tuple[Attribute, ...], exempt: frozenset[str] = frozenset()) -> Plan:
    """Return how labels of these attributes are bounded; `exempt` holds keys whose values the caller bounds."""
    labels = tuple((each.key, frozenset(each.enum) if each.enum else None, each.key in exempt) for each in attributes)
    keys = [label[0] for label in labels]
    if a.STRATEGY.key not in keys or a.SYMBOL.key not in keys:
        return Plan(labels)
    return Plan(labels, keys.index(a.STRATEGY.key), keys.index(a.SYMBOL.key))

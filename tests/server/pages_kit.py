"""What tests of the pages share: a history to look at, names that would like to be scripts, and pages taken apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html.parser import HTMLParser
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from spans import START, Bot, Whole, event, span

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute

__all__ = ["DAYS", "HOSTILE", "MARKET", "Taken", "history", "renamed"]

DAY = 86_400 * 1_000_000_000
DAYS = 60
MARKET = 1_173_052_800 * 1_000_000_000
HOSTILE = "<script>alert(1)</script>\"'&"
REGIMES = ("bull_trend", "sideways", "high_volatility")
MEMBERS = ("forest", "boosting", "logistic")
VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})


def history(days: int = DAYS) -> Iterator[list[Span]]:
    """Yield the spans of a history, a request for each day of the market."""
    bot = Bot()
    for day in range(days):
        statuses = ("rejected",) if day % 10 == 9 else ("new", "partially_filled", "filled")
        whole = bot.decision(order=day % 3 == 0, statuses=statuses)
        market, regime = MARKET + day * DAY, REGIMES[day // 5 % len(REGIMES)]
        price = 1_400.0 + day % 7
        for each in whole.all:
            _set(each.attributes, {a.EVENT_TIME.key: market, a.REGIME.key: regime})
            for said in each.events:
                _set(said.attributes, {a.EVENT_TIME.key: market, a.REGIME.key: regime, a.MARKET_CLOSE.key: price})
        at = START + day * 250_000_000 + 200_000_000
        told = [*_account(at, market, 10_000.0 + 10 * (day % 9)), *_truth(at, whole.ids.correlation, regime)]
        yield [*whole.all, *told, *_drift(at, market, day, whole)]


def _account(at: int, market: int, value: float) -> Iterator[Span]:
    facts: dict[Attribute, Any] = {a.STRATEGY: "swing", a.CURRENCY: "USD", a.EVENT_TIME: market}
    worth = {**facts, a.EQUITY: value, a.CASH: value - 500, a.MARGIN: 2_000.0, a.MARGIN_LIMIT: 8_000.0}
    yield span(s.EQUITY, worth, trace=_id(at, 16), own=_id(at, 8), start=at)
    held: dict[Attribute, Any] = {
        a.SYMBOL: "SP500",
        a.POSITION_QUANTITY: 2.0,
        a.POSITION_NOTIONAL: 2_800.0,
        a.REALIZED_PNL: -12.5,
    }
    held |= {a.UNREALIZED_PNL: 3.25, a.MARK_PRICE: 1_400.0, a.POSITION_AVG_PRICE: 1_398.4}
    yield span(s.POSITION, {**facts, **held}, trace=_id(at + 1, 16), own=_id(at + 1, 8), start=at)
    model = {
        a.MODEL_NAME: "forest",
        a.MODEL_VERSION: "7",
        a.MODEL_TRAINED: market,
        a.MODEL_ROWS: 500,
        a.FEATURE_COUNT: 2,
    }
    yield span(s.MODEL_INFO, model, trace=_id(at + 2, 16), own=_id(at + 2, 8), start=at)
    weights: dict[Attribute, Any] = {
        a.MODEL_NAME: "forest",
        a.FEATURE_IMPORTANCE: {"rsi": 0.7, "gap": 0.3},
        a.IMPORTANCE_METHOD: "own",
    }
    yield span(s.IMPORTANCE, weights, trace=_id(at + 3, 16), own=_id(at + 3, 8), start=at)


def _truth(at: int, key: str, regime: str) -> Iterator[Span]:
    for place, result in enumerate(("correct", "wrong", "correct")):
        facts: dict[Attribute, Any] = {
            a.MODEL_NAME: ("forest", "boosting", "logistic")[place],
            a.MODEL_KEY: key,
            a.RESULT: result,
        }
        facts |= {a.REGIME: regime, a.REALIZED_RETURN: 0.012, a.ACTUAL: "buy" if regime == REGIMES[0] else "sell"}
        own = at + 10 + place
        yield span(s.OUTCOME, facts, trace=_id(own, 16), own=_id(own, 8), start=own)


def _drift(at: int, market: int, day: int, whole: Whole) -> Iterator[Span]:
    """Yield what a monitor said: quiet, but for an episode from day 20 to 35 and another one from day 50 on."""
    about: dict[Attribute, Any] = {a.MODEL_NAME: "forest", a.DRIFT_KIND: "data", a.DRIFT_REFERENCE: "f00d"}
    is_open, number = 20 <= day < 35 or day >= 50, 1 if day < 50 else 2
    evidence = 1.3 if is_open else 0.2 + day % 7 / 20
    stands = {a.DRIFT_EVIDENCES: {"gap:scale": evidence, "a & b:dependence": 0.1}, a.DRIFT_EFFECTS: {"gap:scale": -0.7}}
    state = {a.DRIFT_EPISODE: number, a.DRIFT_SEVERITY: "warning"} if is_open else {}
    found = {a.DETECTOR: "ares", a.DRIFT_RESULT: "drift" if is_open else "no_drift", a.DRIFT_EVIDENCE: evidence}
    when = {a.DRIFT_BAR: 900 + day, a.EVENT_TIME: market, a.DRIFT_SPENT: 0.01, a.DRIFT_TESTED: 2, a.DRIFT_UNTESTABLE: 1}
    made = [span(s.DRIFT_CHECK, {**about, **found, **when, **stands, **state, a.DRIFT_EFFECT: -0.7})]
    made[0].links.append(Span.Link(trace_id=whole.ids.trace, span_id=whole.ids.root))
    other = {a.DETECTOR: "KSDrift", a.DRIFT_RESULT: "no_drift", a.DRIFT_P_VALUE: 0.4, a.DRIFT_BAR: 900 + day}
    if day in {20, 35, 50}:
        state = {a.DRIFT_EPISODE: number, a.DRIFT_STATE: "cleared" if day == 35 else "started"}
        since = {a.DRIFT_SINCE: market - 5 * DAY, a.DRIFT_EVIDENCE: evidence, a.EVENT_TIME: market, **stands}
        since |= {a.DRIFT_MEMORIES: {"gap:scale": 64}, a.DRIFT_BAR: 900 + day}
        made.append(span(s.DRIFT_EPISODE, {**about, **state, **since, a.DRIFT_SEVERITY: "warning"}))
        made[1].links.append(made[0].links[0])
        shares = dict(
            zip(("-9", "-1", "-0.5", "0", "0.5", "1", "2", "3", "4", "inf"), [0.0, *[0.125] * 8, 0.0], strict=True)
        )
        window = {a.FEATURE_NAME: "gap", a.DRIFT_EXPECTED: shares, a.DRIFT_OBSERVED: {**shares, "inf": 0.1}}
        level = {
            a.FEATURE_NAME: "flag",
            a.DRIFT_EXPECTED: {"0": 0.75, "1": 0.25},
            a.DRIFT_OBSERVED: {"0": 0.5, "1": 0.5},
        }
        count = {a.DRIFT_VALUES: 15, a.DRIFT_WINDOW: 20, a.DRIFT_EPISODE: number, a.DRIFT_BAR: 900 + day}
        made += [span(s.DRIFT_WINDOW, {**about, **count, **each}) for each in (window, level)]
    elif day in {28, 55}:
        named = {a.DRIFT_P_VALUES: {"gap": 0.002}} if day == 28 else {}
        kind = {a.DRIFT_KIND: "feature", a.DRIFT_EPISODE: number, a.DRIFT_RESULT: "drift" if named else "no_drift"}
        made.append(span(s.DRIFT_CHECK, {**about, **kind, **named}))
    elif not day:
        card = {a.DRIFT_SHARES: {"gap:scale": 1.0}, a.DRIFT_SAMPLES: {"gap:scale": 240.0}, a.DRIFT_HORIZON: 4_000}
        card |= {a.DRIFT_TESTS: {"gap:scale@64": 0.25, "gap:scale@512": 0.75}, a.DRIFT_MONTH: 20.0, a.DRIFT_ENDS: 0.5}
        why = {a.DRIFT_ALARMS: 0.05, a.DRIFT_REASONS: {"vol:scale": "untestable: n_eff 6 < 24"}}
        made += [span(s.DRIFT_CARD, {**about, **card, **why}), span(s.DRIFT_CHECK, {**about, **other})]
    for place, each in enumerate(made, start=20):
        each.trace_id, each.span_id = _id(at + place, 16), _id(at + place, 8)
        each.start_time_unix_nano = each.end_time_unix_nano = at + place * 2_000
        yield each


def _id(number: int, size: int) -> bytes:
    return number.to_bytes(8, "big").rjust(size, b"\1")


def _set(attributes: Any, facts: Mapping[str, Any]) -> None:
    """Set attributes that are there."""
    for pair in attributes:
        given = facts.get(pair.key)
        if isinstance(given, str):
            pair.value.string_value = given
        elif isinstance(given, float):
            pair.value.double_value = given
        elif isinstance(given, int):
            pair.value.int_value = given


def renamed(requests: Iterable[list[Span]], word: str = HOSTILE) -> Iterator[list[Span]]:
    """Yield requests in which every free name and text is hostile."""
    keys = [a.STRATEGY, a.SYMBOL, a.VENUE, a.MODEL_NAME, a.REASON, a.REJECT_TEXT, a.CHECK, a.STEP, a.MODEL_VERSION]
    keys += [a.CHANNEL, a.CURRENCY, a.FEE_CURRENCY, a.TIMEFRAME, a.COMPONENT, a.IMPORTANCE_METHOD]
    keys += [a.FEATURE_NAME, a.DRIFT_REFERENCE, a.DRIFT_SUMMARY]
    facts = dict.fromkeys((key.key for key in keys), word)
    for spans in requests:
        for each in spans:
            _set(each.attributes, facts)
            for pair in each.attributes:
                if pair.key.startswith("ares.drift."):
                    for one in pair.value.kvlist_value.values:
                        one.key = one.key if _is_number(one.key) else f"{word}/{one.key}"
                if pair.key == a.CLIENT_ID.key:
                    pair.value.string_value = f"{word}/{pair.value.string_value}"
            for said in each.events:
                _set(said.attributes, facts)
            if each.name == s.DECISION.name:
                each.status.code, each.status.message = Status.STATUS_CODE_ERROR, word
                failed = {a.EXCEPTION_TYPE: word, a.EXCEPTION_MESSAGE: word}
                each.events.append(event(s.EXCEPTION, each.start_time_unix_nano, failed))
        yield spans


def _is_number(text: str) -> bool:
    return text == "inf" or text.lstrip("-").replace(".", "").isdigit()


class Taken(HTMLParser):
    """A page taken apart: tags, links, text, what is announced of what is absent.

    Attributes:
        unclosed: tags that were never closed, or closed where they were not open.
        inline: scripts and styles that stand in the page, which the content security policy forbids.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.unclosed: list[str] = []
        self.inline: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.unclosed += self._open

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def having(self, name: str) -> list[str]:
        """Return the values of an attribute."""
        return [facts[name] for _, facts in self.tags if name in facts]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag."""
        facts = {name: value or "" for name, value in attrs}
        self.tags.append((tag, facts))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a" and "href" in facts:
            self.links.append(facts["href"])
        if (tag == "script" and "src" not in facts) or tag == "style":
            self.inline.append(tag)
        self.inline += (name for name in facts if name == "style" or name.startswith("on"))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember a tag without content."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self.inline += (name for name, _ in attrs if name == "style" or name.startswith("on"))

    def handle_endtag(self, tag: str) -> None:
        """Close a tag."""
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        """Remember text."""
        self.texts.append(data)

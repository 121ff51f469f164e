from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ares_otel.guard import GUARD, Guard
from ares_otel.metrics.caps import OTHER, Caps, clean, plan
from ares_otel.semconv import attributes as a

ANY_TEXT = st.text(st.characters(), max_size=200)


@given(ANY_TEXT)
def test_any_text_becomes_a_short_label_that_can_be_written(text: str) -> None:
    """Control characters, lone surrogates and long texts cannot break the exposition."""
    label = clean(text)

    assert len(label) <= 64
    assert label.isprintable()
    assert label == clean(label)
    label.encode("utf-8")


@given(st.lists(ANY_TEXT, max_size=80), st.integers(min_value=0, max_value=10))
def test_symbols_are_the_first_ones_up_to_the_limit(symbols: list[str], limit: int) -> None:
    """Whatever comes, there are at most `limit` symbols, then `other`; one that has a series keeps it."""
    caps = Caps(symbols_shown=limit, guard=Guard())
    shown = [labels.values[0] for each in symbols if (labels := caps.labels(plan((a.SYMBOL,)), (each,)))]
    again = [labels.values[0] for each in symbols if (labels := caps.labels(plan((a.SYMBOL,)), (each,)))]

    assert shown == again
    assert len(set(shown) - {OTHER, ""}) <= limit
    assert all(label in {clean(symbol), OTHER} for label, symbol in zip(shown, symbols, strict=True))


def test_symbol_list_replaces_the_first_ones() -> None:
    """With a list, only its symbols are shown, however late they come."""
    caps = Caps(symbols=["BTCUSDT", "ETHUSDT"], symbols_shown=1)

    labels = [caps.labels(plan((a.SYMBOL,)), (symbol,)) for symbol in ("DOGE", "ETHUSDT", "BTCUSDT", OTHER)]

    assert [(each.values[0], each.folded) for each in labels if each] == [
        (OTHER, True),
        ("ETHUSDT", False),
        ("BTCUSDT", False),
        (OTHER, False),
    ]


def test_every_open_attribute_is_bounded_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand strategies make fifty labels, one log line and one counted error."""
    caps = Caps()
    shown = {caps.labels(plan((a.STRATEGY,)), (f"s{number}",)) for number in range(1_000)}

    assert len(shown) == 51
    assert GUARD.counts() == {"metrics.labels": 1}
    assert [record.getMessage().partition(": ")[2].partition(";")[0] for record in caplog.records] == [
        "ares.strategy has more than 50 values"
    ]


def test_limits_by_attribute() -> None:
    """A limit of its own replaces the fifty."""
    caps = Caps(limits={a.VENUE.key: 1})

    assert [caps.labels(plan((a.VENUE,)), (venue,)) for venue in ("a", "b")] == [(("a",), False), ((OTHER,), True)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("buy",), ("buy",)),
        ((None,), ("",)),
        (("BUY",), None),
        (("buy", "sell"), None),
        ((), None),
    ],
)
def test_closed_vocabulary_takes_its_words_only(values: tuple[str | None, ...], expected: tuple[str] | None) -> None:
    """A word outside the vocabulary, and a wrong number of values, give no labels at all."""
    labels = Caps().labels(plan((a.ACTION,)), values)

    assert expected == (None if labels is None else labels.values)


def test_closed_vocabulary_with_other_maps_onto_it() -> None:
    """A component that nobody declared is counted as `other`, which that vocabulary has."""
    labels = Caps().labels(plan((a.COMPONENT,)), ("blackboard",))

    assert labels is not None
    assert labels.values == (OTHER,)


def test_exempt_attribute_is_only_shortened() -> None:
    """Versions are not capped, for only the present one has a series."""
    caps = Caps()
    versions = plan((a.MODEL_VERSION,), frozenset({a.MODEL_VERSION.key}))
    shown = {caps.labels(versions, (str(number),)) for number in range(200)}

    assert len(shown) == 200


def test_last_pair_is_folded_and_no_new_one_comes() -> None:
    """When series run out, the pair of strategy and symbol that came last becomes `other`, and so do new ones."""
    caps = Caps()
    pair = plan((a.STRATEGY, a.SYMBOL))
    for symbol in ("A", "B"):
        caps.labels(pair, ("s", symbol))

    assert caps.fold_pair() == ("s", "B")
    found = [caps.labels(pair, ("s", symbol)) for symbol in ("A", "B", "C", None)]
    assert [each.values for each in found if each] == [("s", "A"), ("s", OTHER), ("s", OTHER), ("s", "")]
    assert [each.folded for each in found if each] == [False, True, True, False]
    assert caps.fold_pair() == ("s", "A")
    assert caps.fold_pair() is None

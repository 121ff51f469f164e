from __future__ import annotations

import re

import orders_kit  # noqa: F401  # no deadlines
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ares_otel.orders import make_client_id, trace_of

TRACES = st.integers(1, 2**128 - 1)
PREFIXES = st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True)


@given(TRACES, st.integers(0, 99), PREFIXES)
def test_round_trip(trace_id: int, number: int, prefix: str) -> None:
    """Every trace id comes back out of its client order id, also from a venue that folds case, with its prefix only."""
    client_id = make_client_id(trace_id, number, prefix)

    assert trace_of(client_id, prefix) == trace_id
    assert trace_of(client_id.upper(), prefix) == trace_id
    assert trace_of(client_id, prefix + "x") is None
    assert re.fullmatch(r"[a-z0-9-]{1,36}", client_id)


@given(TRACES, TRACES, st.integers(0, 999), st.integers(0, 999))
def test_different_orders_have_different_ids(first: int, second: int, one: int, two: int) -> None:
    """No two orders share an id."""
    assert (make_client_id(first, one) == make_client_id(second, two)) == ((first, one) == (second, two))


@given(TRACES, TRACES)
def test_ids_sort_as_their_traces(first: int, second: int) -> None:
    """Ids of traces that begin with their time sort by time."""
    assert (make_client_id(first, 1) < make_client_id(second, 1)) == (first < second)


@given(st.text() | st.from_regex(r"ar-[0-9a-z]{26}-[0-9]{2,4}", fullmatch=True))
def test_only_what_was_made_is_read(text: str) -> None:
    """Whatever is read as a trace id makes the same client order id again."""
    trace_id = trace_of(text)
    if trace_id is not None:
        assert make_client_id(trace_id, int(text.rpartition("-")[2])) == text.lower()


def test_the_form() -> None:
    """26 digits of Crockford's base 32 between prefix and number."""
    assert make_client_id(1, 1) == "ar-00000000000000000000000001-01"
    assert make_client_id(2**128 - 1, 99) == "ar-7zzzzzzzzzzzzzzzzzzzzzzzzz-99"
    assert make_client_id(31 << 5 | 17, 100, "b7") == "b7-000000000000000000000000zh-100"
    assert len(make_client_id(2**128 - 1, 1)) == 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ar",
        "ar-",
        "ar-00000000000000000000000000-01",  # no trace has the id zero
        "ar-80000000000000000000000001-01",  # 129 bits
        "ar-0000000000000000000000000i-01",  # not in the alphabet
        "ar-0000000000000000000000000l-01",
        "ar-0000000000000000000000000o-01",
        "ar-0000000000000000000000000u-01",
        "ar-00000000000000000000000001-1",
        "ar-00000000000000000000000001-001",  # made as 01
        "ar-00000000000000000000000001",
        "ar-0000000000000000000000001-01",
        "xx-00000000000000000000000001-01",
        "ar_00000000000000000000000001_01",
        " ar-00000000000000000000000001-01",
        "ar-00000000000000000000000001-01\n",
        "ar-00000000000000000000000001-\u0660\u0661",
        "ar-0000000000000000000000000\u212a-01",  # the Kelvin sign folds to k
        "ar-00000000000000000000000001-10000000",
    ],
)
def test_others_are_refused(text: str) -> None:
    """Ids that `make_client_id` does not make carry no trace."""
    assert trace_of(text) is None


@pytest.mark.parametrize(
    ("trace_id", "number", "prefix"),
    [
        *((0, 1, "ar"), (-1, 1, "ar"), (2**128, 1, "ar"), (1, -1, "ar"), (1, 10_000_000, "ar")),
        *((1, 1, ""), (1, 1, "AR"), (1, 1, "a-r"), (1, 1, "toolong"), (1, 100, "sixsix")),
    ],
)
def test_bad_arguments(trace_id: int, number: int, prefix: str) -> None:
    """What would make an id that cannot be read again, or is too long for a venue, is an error."""
    with pytest.raises(ValueError, match=r"expected|characters"):
        make_client_id(trace_id, number, prefix)

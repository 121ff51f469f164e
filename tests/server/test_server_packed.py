"""Votes and outcomes as a text, and ids that a trace implies."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from server_kit import fresh, rows, store_all
from spans import span

from ares_otel.correlation.ids import IdSource
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.query.decisions import DecisionsAsked, decisions
from ares_otel.server.query.detail import Asked, decision
from ares_otel.server.store.ids import correlation_meant, correlation_told, span_meant, span_told
from ares_otel.server.store.packed import ballots, judgments, number_of, of_models, pack
from ares_otel.server.story.reader import Reader

NUMBERS = st.none() | st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)
NAMES = st.none() | st.integers(min_value=1, max_value=40_000)
VOTES = st.lists(st.tuples(NAMES, NAMES, NUMBERS, NUMBERS, st.integers(min_value=0, max_value=1)))
START = 1_795_680_582_719_000_000


@settings(deadline=None)
@given(VOTES, st.lists(st.tuples(NAMES, NAMES, NAMES)))
def test_what_is_packed_is_read_as_it_was(votes: list[tuple[int, ...]], outcomes: list[tuple[int, ...]]) -> None:
    """Any numbers and absent ones; the mark of a meta-learner may be left out."""
    assert [*map(tuple, ballots(pack(votes)))] == votes
    assert [*map(tuple, ballots(pack([vote if vote[-1] else vote[:-1] for vote in votes])))] == votes
    assert [*map(tuple, judgments(pack(outcomes)))] == outcomes
    assert (ballots(None), judgments(None)) == ([], [])


@settings(deadline=None)
@given(VOTES, st.integers(min_value=1, max_value=40_000))
def test_sql_finds_and_counts_what_is_packed(votes: list[tuple[int, ...]], model: int) -> None:
    """A model is found exactly where it voted, whatever other numbers look like."""
    text = sa.literal(pack(votes))
    with sa.create_engine("sqlite://").connect() as connection:
        found = connection.execute(sa.select(of_models(text, (model, 7)), number_of(text))).one()

    assert (bool(found[0]), found[1]) == (bool({model, 7} & {vote[0] for vote in votes}), len(votes))


def test_ids_that_a_trace_implies_are_left_out(tmp_path: Path) -> None:
    """Ids made by the library take no bytes, and are told as ever; so are those of anybody else."""
    trace, own, correlation = IdSource(7).take(START)
    key, own_id, foreign = trace.to_bytes(16, "big"), own.to_bytes(8, "big"), b"s" * 8
    said = {a.STRATEGY: "x"}
    database = fresh(tmp_path)
    store_all(
        database,
        [
            [span(s.DECISION, said | {a.CORRELATION_ID: correlation}, start=START, trace=key, own=own_id)],
            [
                span(
                    s.DECISION,
                    said | {a.CORRELATION_ID: correlation},
                    start=START + 10**6,
                    trace=b"t" * 16,
                    own=foreign,
                )
            ],
            [span(s.DECISION, said, start=START + 2 * 10**6, trace=b"u" * 16, own=foreign)],
        ],
    )

    kept = rows(database, "SELECT span, correlation FROM decision ORDER BY id")
    assert kept == [(b"", ""), (b"s" * 8, correlation), (b"s" * 8, None)]
    with Reader(database) as reader:
        listed = decisions(reader, DecisionsAsked()).items
        assert [each.correlation_id for each in listed] == [None, correlation, correlation]
        assert [each.decision_id[-16:] for each in listed] == [(b"s" * 8).hex(), (b"s" * 8).hex(), f"{own:016x}"]
        assert len(reader.find(correlation)) == 2
        told = decision(reader, Asked(id=listed[2].decision_id))
        assert (told.story.correlation_id, told.story.span_id) == (correlation, f"{own:016x}")
        assert told.following == listed[1].decision_id


def test_an_id_is_kept_and_meant() -> None:
    """What is kept means what was said, for ids of the library and of others."""
    trace, own, correlation = IdSource(7).take(START)
    key, span_id = trace.to_bytes(16, "big"), own.to_bytes(8, "big")

    for said in (correlation, correlation.upper(), "bot-1"):
        assert correlation_meant(key, correlation_told(key, said)) == said
    assert correlation_told(key, correlation) == ""
    assert correlation_meant(key, None) is None
    for other in (span_id, b"12345678"):
        assert span_meant(key, span_told(key, other)) == other
    assert span_told(key, span_id) == b""

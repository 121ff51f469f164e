"""Votes read from the bytes of their events are those that the decoded events say."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from ares_otel.pipeline.model import EventData, Scope, SpanData, Value
from ares_otel.pipeline.otlp.encoder import Encoder
from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.server.otlp.decode import decode
from ares_otel.server.otlp.values import scaled
from ares_otel.server.otlp.views import FullSpan, RawEvents, SpanView
from ares_otel.server.store import voting
from ares_otel.server.store.packed import pack
from ares_otel.server.store.voting import Voting

MEMBERS, CHOICES = ("xgb", "größer", "m" * 200), ("buy", "sell")
ENCODER = Encoder({"service.name": "bot"})

numbers = st.floats() | st.sampled_from([0.0, -0.0, 1.0, 0.5, 1e300])
votes = st.tuples(st.sampled_from(MEMBERS), st.sampled_from(CHOICES), numbers, numbers)


def events(
    said: Sequence[tuple[str, str, float, float]], more: dict[str, Value] | None = None
) -> tuple[SpanView, list[bytes]]:
    """Return a decision with votes as the library sends it, decoded, and the bytes of its events."""
    keys = (a.MODEL_NAME.key, a.ACTION.key, a.CONFIDENCE.key, a.WEIGHT.key)
    made = [EventData(s.VOTE.name, 1 << 60, dict(zip(keys, vote, strict=True)) | (more or {})) for vote in said]
    span = SpanData(1 << 100, 1, 0, s.DECISION.name, 1, 1 << 60, 1 << 60, {}, made)
    for _ in range(3):  # the encoder of a shape is compiled once it has been seen
        encoded = ENCODER.span(span)
    ((decoded, raw, _),) = next(
        iter(decode(ENCODER.batch({Scope("ares_otel"): [encoded]}).body).traces.values())
    ).values()
    return decoded, list(RawEvents.FromString(raw).events)


def learned() -> Voting:
    """Return what knows all members and choices."""
    made = Voting()
    for member in MEMBERS:
        for choice in CHOICES:
            made.learn(member, choice, (MEMBERS.index(member), CHOICES.index(choice)))
    return made


@given(st.lists(votes, min_size=1, max_size=4))
@example([("xgb", "buy", 0.61, 0.3)])
def test_it_reads_what_is_said(said: list[tuple[str, str, float, float]]) -> None:
    """A vote is read as its attributes say, or not at all; an ordinary one is read."""
    known = learned()
    span, data = events(said)
    for event, raw, vote in zip(span.events, data, said, strict=True):
        facts = event.attributes
        wanted = (
            MEMBERS.index(vote[0]),
            CHOICES.index(vote[1]),
            scaled(facts, a.CONFIDENCE.key),
            scaled(facts, a.WEIGHT.key),
        )
        found = known.read(raw)
        assert found in (None, (wanted, pack([wanted])))
        if all(0.0 < number < 1e6 for number in vote[2:]):
            assert found is not None


@given(votes, st.binary(max_size=200), st.integers(0, 200))
def test_other_bytes_are_not_taken_for_a_vote(vote: tuple[str, str, float, float], noise: bytes, place: int) -> None:
    """What is read from bytes that were tampered with is what a decoder reads from them."""
    known = learned()
    _, (raw,) = events([vote])
    at = min(place, len(raw))
    changed = raw[:at] + noise + raw[at + len(noise) :]
    found = known.read(changed)
    if found is not None:
        length = struct.pack("<B", 0x5A) + _varint(len(changed)) + changed
        facts = FullSpan.FromString(length).events[0].attributes
        assert found[0][2:] == (scaled(facts, a.CONFIDENCE.key), scaled(facts, a.WEIGHT.key))
        assert (MEMBERS[found[0][0] or 0], CHOICES[found[0][1] or 0]) == tuple(
            facts[key.key].string_value for key in (a.MODEL_NAME, a.ACTION)
        )


def test_more_than_a_vote_is_read_by_the_decoder() -> None:
    """A vote that says more is not read from its bytes."""
    _, (raw,) = events([("xgb", "buy", 0.6, 0.3)], {a.META_LEARNER.key: True})
    assert learned().read(raw) is None


def test_it_never_knows_too_much() -> None:
    """It forgets all when it knows too many, and after a rollback."""
    known = Voting()
    for number in range(voting.KNOWN_LIMIT + 10):
        known.learn(f"m{number}", "buy", (number, 0))
    _, (old, new) = events([("m1", "buy", 0.6, 0.3), (f"m{voting.KNOWN_LIMIT + 5}", "buy", 0.6, 0.3)])
    assert known.read(old) is None
    assert known.read(new) is not None
    known.forget()
    assert known.read(new) is None
    known.learn("m1", "buy", (1, 0))
    assert known.read(old) is not None


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])

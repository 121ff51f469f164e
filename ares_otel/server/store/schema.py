"""The store's tables: typed narrow rows for what is searched, joined and summed, the spans themselves as zstd frames.

Row ids of `decision`, `orders`, `order_update` and `outcome` are times (`ids.time_id`), so newest first, time ranges,
cursors and retention need no index of their own. Texts that repeat are numbers of `name`. A `segment` holds the spans
of one trace and one resource that came in one commit, or some that came as the only ones of their traces; `lookup`
finds segments by 64 bits of any id.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

__all__ = [
    "METADATA",
    "REVISION",
    "decision",
    "dictionary",
    "hourly",
    "lookup",
    "name",
    "order_update",
    "orders",
    "outcome",
    "resource",
    "segment",
    "vote",
]

REVISION = "0001"
"""The migration that makes the tables as they stand here."""

METADATA = MetaData()

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64 bits; SQLite's row id has to be declared INTEGER."""


def _id() -> Column[int]:
    return Column("id", BIG, primary_key=True, autoincrement=False)


name = Table(
    "name",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("kind", "value", name="name_value"),
)
"""Texts that repeat: strategies, symbols, venues, actions, regimes, models, …"""

resource = Table(
    "resource",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("data", LargeBinary, nullable=False),
)
"""What sent spans: `data` is an OTLP `ResourceSpans` without its spans, `digest` its BLAKE2b-128."""

dictionary = Table(
    "dictionary",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""Dictionaries of zstd, kept for ever; a frame names its dictionary by this id."""

segment = Table(
    "segment",
    METADATA,
    _id(),
    Column("resource", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Spans: `id` is the time of arrival in µs, `data` a zstd frame whose content, put after the resource's data, is an
OTLP `ResourceSpans`."""

lookup = Table(
    "lookup",
    METADATA,
    Column("key", BIG, nullable=False, autoincrement=False),
    Column("segment", BIG, nullable=False, autoincrement=False),
    PrimaryKeyConstraint("key", "segment"),
    sqlite_with_rowid=False,
)
"""Segments by 64 bits of trace id, correlation id, foreign decision id and the key of outcomes; compare the whole id
after reading."""

decision = Table(
    "decision",
    METADATA,
    _id(),
    Column("trace", LargeBinary, nullable=False),
    Column("span", LargeBinary, nullable=False),
    Column("correlation", Text),
    Column("decision_id", Text),
    Column("resource", Integer, nullable=False),
    Column("strategy", Integer),
    Column("symbol", Integer),
    Column("venue", Integer),
    Column("action", Integer),
    Column("regime", Integer),
    Column("confidence", Double),
    Column("duration_us", BIG, nullable=False),
    Column("rejected", Integer, nullable=False, server_default=text("0")),
)
"""One row a decision. `decision_id` is NULL where it follows from trace and span (`ids.decision_id`); `rejected`
counts its orders that the venue rejected or the bot denied."""

Index(
    "decision_filter",
    *(decision.c.symbol, decision.c.id, decision.c.strategy, decision.c.venue),
    *(decision.c.action, decision.c.regime, decision.c.rejected),
)
Index(
    "decision_rejected",
    decision.c.id,
    sqlite_where=decision.c.rejected > text("0"),
    postgresql_where=decision.c.rejected > text("0"),
)

vote = Table(
    "vote",
    METADATA,
    Column("decision", BIG, nullable=False, autoincrement=False),
    Column("position", Integer, nullable=False, autoincrement=False),
    Column("model", Integer),
    Column("action", Integer),
    Column("confidence", BIG),
    Column("weight", BIG),
    Column("meta", SmallInteger, nullable=False),
    PrimaryKeyConstraint("decision", "position"),
    sqlite_with_rowid=False,
)
"""Votes of a decision in their order; confidence and weight in units of 1e-4, `meta` 1 for a meta-learner's."""

orders = Table(
    "orders",
    METADATA,
    _id(),
    Column("client_id", Text, nullable=False),
    Column("trace", LargeBinary, nullable=False),
    Column("decision", BIG),
    Column("submitted", SmallInteger, nullable=False),
    Column("strategy", Integer),
    Column("symbol", Integer),
    Column("venue", Integer),
    Column("side", Integer),
    Column("type", Integer),
    Column("quantity", Double),
    Column("price", Double),
    Column("status", Integer),
    Column("cum_quantity", Double),
    Column("avg_price", Double),
    Column("updated", BIG),
    Index("orders_client", "client_id"),
)
"""One row a client order id and trace, so that a bot that numbers its orders anew at each start loses none. The time
is that of the submission, or of the first update while that is unknown (`submitted` 0); the state is that of the
newest update by time (`updated`, Unix ns) among those that FIX allows, if there is one."""

order_update = Table(
    "order_update",
    METADATA,
    _id(),
    Column("order_id", BIG, nullable=False),
    Column("status", Integer),
    Column("cum_quantity", Double),
    Column("avg_price", Double),
    Column("fill_quantity", Double),
    Column("fill_price", Double),
    Column("fee", Double),
    Column("fee_currency", Integer),
    Column("liquidity", Integer),
    Column("fill_id", Text),
    Column("reject_reason", Integer),
    Column("duplicate", SmallInteger, nullable=False),
    Column("valid", SmallInteger, nullable=False),
)
"""One row an execution report; sums of fills and fees leave out those with `duplicate` 1."""

outcome = Table(
    "outcome",
    METADATA,
    _id(),
    Column("key", BIG),
    Column("model", Integer),
    Column("result", Integer),
    Column("realized_return", Double),
    Column("regime", Integer),
)
"""What came true: `key` is `ids.text_key` of the key that joins it with its prediction."""

hourly = Table(
    "hourly",
    METADATA,
    Column("hour", Integer, nullable=False, autoincrement=False),
    Column("strategy", Integer, nullable=False, autoincrement=False),
    Column("symbol", Integer, nullable=False, autoincrement=False),
    Column("action", Integer, nullable=False, autoincrement=False),
    Column("n", BIG, nullable=False),
    PrimaryKeyConstraint("hour", "strategy", "symbol", "action"),
    sqlite_with_rowid=False,
)
"""Decisions by hour (hours since 1970) and three names (0: not said)."""

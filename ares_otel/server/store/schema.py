"""The store's tables: typed narrow rows for what is searched, joined and summed, the spans themselves as zstd frames.

Row ids of tables with a column `id` and no other key are times (`ids.time_id`), so newest first, time ranges, cursors
and retention need no index of their own. Texts that repeat are numbers of `name`. A `segment` holds spans of some
traces and one resource that came in one commit; `lookup` finds segments by 48 bits of any id. Tables of reports over
time are in `series.py`, those of drift in `drifts.py`, sums and newest states in `rollups.py`; all of them are to be
had from here.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from ares_otel.server.store.columns import BIG, METADATA, bigs, reals, row_id, texts, words
from ares_otel.server.store.drifts import drift_card, drift_check, drift_episode, drift_window
from ares_otel.server.store.rollups import (
    call_hourly,
    check_hourly,
    equity_hourly,
    feed_now,
    hourly,
    limit_now,
    outcome_daily,
    position_now,
    regime_episode,
    regime_hourly,
    stage_hourly,
    vote_daily,
)
from ares_otel.server.store.series import (
    bar,
    behavior,
    breach,
    checkpoint,
    equity,
    funding,
    importance,
    log,
    mark,
    meta,
    model,
    position,
    report,
    trade,
)

__all__ = [
    "METADATA",
    "REVISION",
    "bar",
    "behavior",
    "breach",
    "call_hourly",
    "check_hourly",
    "checkpoint",
    "decision",
    "dictionary",
    "drift_card",
    "drift_check",
    "drift_episode",
    "drift_window",
    "equity",
    "equity_hourly",
    "feed_now",
    "funding",
    "hourly",
    "importance",
    "limit_now",
    "log",
    "lookup",
    "mark",
    "meta",
    "model",
    "name",
    "order_update",
    "orders",
    "outcome",
    "outcome_daily",
    "pack",
    "position",
    "position_now",
    "regime_episode",
    "regime_hourly",
    "report",
    "resource",
    "segment",
    "stage_hourly",
    "trade",
    "vote_daily",
]

REVISION = "0014"
"""The migration that makes the tables as they stand here."""

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
    row_id(),
    Column("resource", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    *bigs("pack"),
    *words("start", "size"),
)
"""Spans: `id` is the time of arrival in µs, `data` a zstd frame whose content, put after the resource's data, is an
OTLP `ResourceSpans`. Where `pack` is not NULL `data` is empty, and the content is so many bytes of the pack's."""

Index("segment_apart", segment.c.id, sqlite_where=segment.c.pack.is_(None), postgresql_where=segment.c.pack.is_(None))

pack = Table("pack", METADATA, row_id(), Column("data", LargeBinary, nullable=False))
"""Frames of several segments of one resource in one, which takes less room: `id` is that of the newest of them."""

lookup = Table(
    "lookup",
    METADATA,
    Column("key", BIG, nullable=False, autoincrement=False),
    Column("segment", BIG, nullable=False, autoincrement=False),
    PrimaryKeyConstraint("key", "segment"),
    sqlite_with_rowid=False,
)
"""Segments by 48 bits (`ids.lookup_key`) of trace id, correlation id, foreign decision id and the key of outcomes;
compare the whole id after reading."""

decision = Table(
    "decision",
    METADATA,
    row_id(),
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
    *reals("price"),
    *bigs("event_time"),
    *reals("agreement", "regime_confidence"),
    Column("error", SmallInteger, nullable=False, server_default=text("0")),
    *texts("votes"),
)
"""One row a decision. `decision_id` is NULL where it follows from trace and span (`ids.decision_id`); `rejected`
counts its orders that the venue rejected or the bot denied; `event_time` is market time in Unix ns; `error` is 1 where
the span's status is an error; `votes` are `packed.Ballot`, NULL for none. Ids
that the trace implies are left out: `span` is empty (`ids.span_meant`), `correlation` "" (`ids.correlation_meant`)."""

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

orders = Table(
    "orders",
    METADATA,
    row_id(),
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
    *reals("arrival_mid"),
    *words("currency"),
    *reals("multiplier"),
    *bigs("event_time"),
    Column("position_id", Text),
    Index("orders_client", "client_id"),
    Index("orders_decision", "decision"),
)
"""One row a client order id and trace, so that a bot that numbers its orders anew at each start loses none. The time
is that of the submission, or of the first update while that is unknown (`submitted` 0); the state is that of the
newest update by time (`updated`, Unix ns) among those that FIX allows, if there is one."""

order_update = Table(
    "order_update",
    METADATA,
    row_id(),
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
    *reals("slippage", "shortfall"),
    *bigs("ack_us", "event_time"),
)
"""One row an execution report; sums of fills and fees leave out those with `duplicate` 1. Slippage and shortfall in
basis points, positive is a cost."""

outcome = Table(
    "outcome",
    METADATA,
    row_id(),
    Column("key", BIG),
    Column("realized_return", Double),
    *words("regime", "actual", "strategy", "symbol"),
    Column("judgments", Text, nullable=False),
)
"""What came true, as it was said in one millisecond and one commit: `key` is `ids.text_key` of the key that joins it
with its predictions, `judgments` are `packed.Judgment`. Prediction and actual are classes, NULL for numbers and long
texts."""

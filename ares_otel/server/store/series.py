"""Tables of what bots report over time: accounts, prices, models, breaches, logs; a row each, its id the time."""

from __future__ import annotations

from sqlalchemy import Column, Double, Integer, LargeBinary, SmallInteger, Table, Text

from ares_otel.server.store.columns import BIG, METADATA, bigs, clustered, ids, keys, reals, row_id, texts, words

__all__ = [
    "bar",
    "behavior",
    "breach",
    "checkpoint",
    "equity",
    "funding",
    "importance",
    "log",
    "mark",
    "meta",
    "model",
    "position",
    "report",
    "trade",
]

equity = Table(
    "equity",
    METADATA,
    row_id(),
    *words("strategy", "currency"),
    *reals("value", "cash", "realized"),
    *bigs("event_time"),
    *reals("margin", "margin_limit"),
)
"""Equity as the bot keeps it; `event_time` is market time in Unix ns."""

position = Table(
    "position",
    METADATA,
    row_id(),
    *words("strategy", "symbol", "currency"),
    *texts("position_id"),
    *reals("quantity", "notional", "avg_price", "mark", "realized", "unrealized"),
    *bigs("event_time"),
)
"""Positions as the bot keeps them; quantity and notional are signed."""

bar = clustered(
    "bar",
    ("symbol", "venue", "channel", "time"),
    *keys("symbol", "venue", "channel"),
    Column("time", BIG, nullable=False, autoincrement=False),
    *reals("open", "high", "low", "close", "volume"),
)
"""Bars that decisions saw, each once: `time` is market time in Unix ns, or wall time where that was not said."""

mark = Table("mark", METADATA, row_id(), *words("symbol", "currency"), *reals("price"), *bigs("event_time"))
"""Prices at which positions were valued."""

funding = Table(
    "funding",
    METADATA,
    row_id(),
    *words("strategy", "symbol", "currency"),
    *texts("position_id"),
    *reals("amount"),
    *words("kind"),
    *bigs("event_time"),
)
"""What holding positions has earned or cost."""

breach = Table(
    "breach",
    METADATA,
    row_id(),
    *words("strategy", "symbol", "check", "limit_name"),
    *reals("value", "limit_value"),
    *words("outcome"),
    Column("trace", LargeBinary, nullable=False),
)
"""Pre-trade checks that did not pass."""

model = Table(
    "model",
    METADATA,
    row_id(),
    *words("model"),
    *texts("version", "type"),
    *bigs("trained_at", "rows"),
    Column("features", Integer),
)
"""Models in use, as they were reported."""

importance = Table("importance", METADATA, row_id(), *words("model"), *texts("method", "data"))
"""Importance of features: `data` is a JSON object of numbers by feature."""

behavior = Table(
    "behavior",
    METADATA,
    row_id(),
    *words("model"),
    *reals("consistency", "stability", "drift"),
    *texts("trend"),
)
"""How models behave, as the bot measured it: `trend` is a JSON list of recent confidences."""

log = Table(
    "log",
    METADATA,
    row_id(),
    Column("severity", SmallInteger),
    *texts("logger", "body"),
    Column("trace", LargeBinary),
    Column("span", LargeBinary),
    Column("correlation", Text, index=True),
    Column("resource", Integer),
    *texts("attributes"),
)
"""Log records: `severity` is OTLP's number, `attributes` a JSON object."""

trade = Table(
    "trade",
    METADATA,
    row_id(),
    *words("strategy", "symbol", "currency"),
    Column("direction", SmallInteger, nullable=False),
    *reals("quantity"),
    *ids("entry_time", "exit_time"),
    *reals("entry_price", "exit_price"),
    *texts("pnl", "fees"),
    *reals("mae", "mfe"),
    *texts("funding"),
    *words("venue", "regime"),
)
"""Closed trades as they follow from the fills; the id is the time of the exit, sums of money are decimals as text.
`venue` is that of all fills, `regime` that which the decision saw whose fill began it."""

checkpoint = Table(
    "checkpoint", METADATA, Column("kind", Text, primary_key=True), Column("data", LargeBinary, nullable=False)
)
"""How far an account was derived from the fills, so that it goes on from there."""

report = Table(
    "report",
    METADATA,
    row_id(),
    *texts("report", "schedule", "recipients", "path", "status"),
    Column("seconds", Double),
)
"""Runs of reports."""

meta = Table("meta", METADATA, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))
"""The store's own notes."""

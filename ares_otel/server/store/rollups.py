"""Tables that are kept up while spans are stored: sums by hour or day, and the newest state of things.

Keys that are numbers of `name` are 0 where nothing was said. Hours and days count from 1970; those of equity and
regimes are of market time, all others of wall time.
"""

from __future__ import annotations

from sqlalchemy import Column, Double, Text

from ares_otel.server.store.columns import BIG, bigs, clustered, ids, keys, reals, words

__all__ = [
    "call_hourly",
    "check_hourly",
    "equity_hourly",
    "feed_now",
    "hourly",
    "limit_now",
    "outcome_daily",
    "position_now",
    "regime_episode",
    "regime_hourly",
    "stage_hourly",
    "vote_daily",
]

hourly = clustered(
    "hourly",
    ("hour", "strategy", "symbol", "action"),
    *keys("hour", "strategy", "symbol", "action"),
    *ids("n"),
)
"""Decisions."""

stage_hourly = clustered(
    "stage_hourly",
    ("hour", "strategy", "component", "bucket"),
    *keys("hour", "strategy", "component", "bucket"),
    *ids("n", "errors", "total_us"),
)
"""Durations of stages, and of whole decisions as component `decision`. `bucket` is 8 times the binary logarithm of the
µs, rounded: a percentile is right within 4.4 %."""

call_hourly = clustered(
    "call_hourly",
    ("hour", "venue", "operation", "bucket"),
    *keys("hour", "venue", "operation", "bucket"),
    *ids("n", "errors", "total_us"),
)
"""Durations of calls of venues."""

vote_daily = clustered(
    "vote_daily",
    ("day", "model", "action", "regime"),
    *keys("day", "model", "action", "regime"),
    *ids("n", "confidence_n", "confidence_sum", "weight_n", "weight_sum", "agreed"),
)
"""Votes: sums are in units of 1e-4 as in `vote`, over those that said it; `agreed` voted for what was decided."""

outcome_daily = clustered(
    "outcome_daily",
    ("day", "model", "result", "regime"),
    *keys("day", "model", "result", "regime"),
    *ids("n", "return_n"),
    *(Column(name, Double, nullable=False) for name in ("return_sum", "return_squares")),
)
"""Outcomes; the sum of returns and of their squares is over those that said one."""

regime_hourly = clustered(
    "regime_hourly",
    ("hour", "strategy", "symbol", "regime"),
    *keys("hour", "strategy", "symbol", "regime"),
    *ids("n"),
)
"""Regimes that decisions saw, or that were reported outside of any."""

regime_episode = clustered(
    "regime_episode",
    ("strategy", "symbol", "started"),
    *keys("strategy", "symbol"),
    Column("started", BIG, nullable=False, autoincrement=False),
    *keys("regime"),
    *ids("ended", "n"),
    *bigs("first_decision", "last_decision"),
)
"""Runs of one regime in market time, from the first to the last time (Unix ns) that it was seen."""

check_hourly = clustered(
    "check_hourly",
    ("hour", "strategy", "check", "outcome"),
    *keys("hour", "strategy", "check", "outcome"),
    *ids("n"),
)
"""Pre-trade checks."""

limit_now = clustered(
    "limit_now",
    ("strategy", "check"),
    *keys("strategy", "check"),
    *words("limit_name"),
    *ids("id"),
    *words("symbol"),
    *reals("value", "limit_value"),
    *words("outcome"),
)
"""The newest check of each kind."""

equity_hourly = clustered(
    "equity_hourly",
    ("strategy", "currency", "hour"),
    *keys("strategy", "currency", "hour"),
    *(Column(name, Double, nullable=False) for name in ("first", "last", "low", "high")),
    *ids("first_id", "last_id", "n"),
)
"""Equity; first and last are so by the ids of their rows."""

position_now = clustered(
    "position_now",
    ("strategy", "symbol", "position_id"),
    *keys("strategy", "symbol"),
    Column("position_id", Text, nullable=False),
    *words("currency"),
    *ids("id"),
    *reals("quantity", "notional", "avg_price", "mark", "realized", "unrealized"),
    *bigs("event_time"),
)
"""The newest report of each position; `position_id` is "" where none was said."""

feed_now = clustered(
    "feed_now",
    ("venue", "symbol", "channel"),
    *keys("venue", "symbol", "channel"),
    *ids("id"),
    *reals("age"),
    *bigs("gaps", "messages"),
)
"""The newest state of each market-data feed; gaps and messages are sums over all that was reported."""

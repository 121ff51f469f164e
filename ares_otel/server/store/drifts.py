"""Tables of drift: what checks found, episodes, what can be detected at all, last bars beside their reference.

Each row is one record as it was said; which is the newest of a model and kind is told by the index. Checks have another
one by the time of their bars, where a month of a replay begins.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table

from ares_otel.server.store.columns import METADATA, bigs, reals, row_id, texts, words

__all__ = ["drift_card", "drift_check", "drift_episode", "drift_window"]

drift_check = Table(
    "drift_check",
    METADATA,
    row_id(),
    *words("model", "kind", "detector", "result", "severity", "reference"),
    *reals("evidence", "effect", "statistic", "p_value", "threshold", "spent"),
    *bigs("episode", "bar", "event_time"),
    Column("tested", Integer),
    Column("untestable", Integer),
    *texts("version", "quantities", "decision_id", "p_values"),
)
"""What a check of a model found; `quantities` are `packed.Stand`, those with most evidence first, `decision_id` is that
of the last decision of its bars that its span is linked to, `p_values` a JSON object of those of named features."""

drift_episode = Table(
    "drift_episode",
    METADATA,
    row_id(),
    *words("model", "kind", "state", "severity", "detector", "reference"),
    *bigs("episode", "since", "since_bar", "bar", "event_time"),
    *reals("effect", "evidence"),
    *texts("version", "features", "summary", "decisions"),
    Column("trace", LargeBinary),
    Column("span", LargeBinary),
)
"""An episode that began or is over, a row each: `features` is a JSON object of effect, evidence and memory in bars by
quantity, `decisions` a JSON list of ids of decisions between the change and the alarm."""

drift_card = Table(
    "drift_card",
    METADATA,
    row_id(),
    *words("model", "kind", "reference"),
    *bigs("rows", "horizon"),
    *reals("false_alarms"),
    *texts("version", "data"),
    *reals("month", "ends"),
)
"""What can be detected: `data` is a JSON object by quantity, `month` how many bars a month has, `ends` the evidence
below which an episode is over."""

drift_window = Table(
    "drift_window",
    METADATA,
    row_id(),
    *words("model", "kind", "reference", "feature"),
    *bigs("bar", "episode", "event_time"),
    Column("n", Integer),
    Column("bars", Integer),
    *texts("version", "data"),
    *words("against"),
)
"""A feature's last bars beside its reference, or beside those before (`against`): `data` is a JSON list of upper end
(null: none), share of the reference, share of the window, bin by bin; `n` values are among the `bars`."""

Index("drift_check_time_newest", drift_check.c.model, drift_check.c.kind, drift_check.c.event_time)

for table in (drift_check, drift_episode, drift_card, drift_window):
    Index(f"{table.name}_newest", table.c.model, table.c.kind, table.c.id)

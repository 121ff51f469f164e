"""Votes, outcomes and evidence of drift as rows of their own, which the store keeps many to a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa

from ares_otel.server.store import schema as t
from ares_otel.server.store.columns import BIG, words
from ares_otel.server.store.packed import ballots, judgments, stands

__all__ = ["SHOWN", "STORED", "unpacked"]

_SHAPES = sa.MetaData()
_VOTE = sa.Table(
    "vote",
    _SHAPES,
    sa.Column("decision", BIG, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    *words("model", "action"),
    *(sa.Column(name, BIG) for name in ("confidence", "weight")),
    sa.Column("meta", sa.SmallInteger),
)
_OUTCOME = sa.Table(
    "outcome",
    _SHAPES,
    sa.Column("id", BIG, primary_key=True),
    *words("model", "result"),
    sa.Column("realized_return", sa.Double),
    *words("regime", "prediction", "actual", "strategy", "symbol"),
)
_EVIDENCE = sa.Table(
    "drift_evidence",
    _SHAPES,
    sa.Column("id", BIG, primary_key=True),
    *words("model", "kind", "quantity"),
    *(sa.Column(name, BIG) for name in ("evidence", "effect")),
)

SHOWN: Final = {"votes": _VOTE, "outcomes": _OUTCOME, "drift_evidences": _EVIDENCE}
"""Shapes of rows by the word that users say."""

STORED: Final = {"vote": t.decision, "outcome": t.outcome, "drift_evidence": t.drift_check}
"""Tables that hold them."""


def unpacked(table: str, row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows that are in one of the store's."""
    if table == _VOTE.name:
        for position, vote in enumerate(ballots(row["votes"])):
            yield {"decision": row["id"], "position": position, **vote._asdict()}
    elif table == _EVIDENCE.name:
        for stand in stands(row["quantities"]):
            yield {"id": row["id"], "model": row["model"], "kind": row["kind"], **stand._asdict()}
    else:
        for judgment in judgments(row["judgments"]):
            yield {**row, **judgment._asdict()}

"""Orders that outlive their trace: states, fills, costs, and the ledger that joins reports with decisions."""

from __future__ import annotations

from ares_otel.orders.client_ids import make_client_id, trace_of
from ares_otel.orders.ledger import Ledger
from ares_otel.orders.states import TRANSITIONS, is_done, is_legal

__all__ = ["TRANSITIONS", "Ledger", "is_done", "is_legal", "make_client_id", "trace_of"]

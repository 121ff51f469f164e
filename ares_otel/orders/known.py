"""What the ledger knows of one order, and how that is written down: one JSON object, readable with `sqlite3`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from ares_otel.orders.states import is_done
from ares_otel.orders.sums import Sums
from ares_otel.records import examine
from ares_otel.records.facts import Origin
from ares_otel.records.model import Order
from ares_otel.semconv.enums import OrderStatus

__all__ = ["FILLS", "SIGNATURES", "Known", "decode", "encode"]

FILLS = 1_000
SIGNATURES = 32
S = TypeVar("S", bound=msgspec.Struct)


class Known(msgspec.Struct, frozen=True):
    """An order and all that was reported of it.

    Attributes:
        order: as it was sent; None for one of which there are only reports.
        origin: where it was sent, its `span_id` that of the submit span.
        decision_price: the market's price at the decision.
        at: monotonic ns of the submission, in `process`.
        wall: Unix ns of the submission.
        process: the process that sent it.
        owner: the process that shows it in its gauges.
        status: last state that a legal report brought.
        acked: the venue has answered.
        sums: what is filled.
        fills: hashes of the last `FILLS` fill ids.
        signatures: hashes of the content of the last `SIGNATURES` reports.
        touched: Unix ns of the last submission or report.
        done: the order can no longer be filled; follows from state and time in force.
    """

    order: Order | None = None
    origin: Origin = Origin()
    decision_price: float | None = None
    at: int = 0
    wall: int = 0
    process: str = ""
    owner: str = ""
    status: OrderStatus | None = None
    acked: bool = False
    sums: Sums = Sums()
    fills: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    touched: int = 0
    done: bool = False

    @property
    def strategy(self) -> str | None:
        """The order's own strategy, else its decision's."""
        return (self.order.strategy if self.order is not None else None) or self.origin.strategy

    @property
    def symbol(self) -> str | None:
        """The order's own symbol, else its decision's."""
        return (self.order.symbol if self.order is not None else None) or self.origin.symbol

    @property
    def venue(self) -> str | None:
        """The order's own venue, else its decision's."""
        return (self.order.venue if self.order is not None else None) or self.origin.venue


class _Written(msgspec.Struct, omit_defaults=True):
    # Any: what is written are the records themselves, what is read are objects of their fields
    origin: Any
    order: Any = None
    decision_price: float | None = None
    at: int = 0
    wall: int = 0
    process: str = ""
    status: OrderStatus | None = None
    acked: bool = False
    sums: Sums = Sums()
    fills: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    touched: int = 0


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Written)


def encode(known: Known) -> str:
    """Return the JSON form, without the owner.

    Raises:
        ValueError: the order holds text that is no Unicode (a lone surrogate).
    """
    origin = msgspec.structs.asdict(known.origin)
    origin["trace_id"] = f"{known.origin.trace_id:032x}"
    written = _Written(
        origin,
        known.order,
        known.decision_price,
        known.at,
        known.wall,
        known.process,
        known.status,
        known.acked,
        known.sums,
        known.fills,
        known.signatures,
        known.touched,
    )
    return _ENCODER.encode(written).decode()


def decode(data: str | bytes, owner: str, process: str) -> Known:
    """Return the order from its JSON form.

    Args:
        data: what `encode` gave, or an older or newer version of ours.
        owner: the process that shows it in its gauges.
        process: the reading process; the monotonic start of a decision means nothing in any other.

    Raises:
        ValueError: it is none.
    """
    written = _DECODER.decode(data)
    origin = _made(Origin, written.origin, trace_id=int(written.origin["trace_id"], 16))
    if written.process != process:
        origin = msgspec.structs.replace(origin, started=None)
    order = examine(_made(Order, written.order))[0] if written.order is not None else None
    return Known(
        order=order,
        origin=origin,
        decision_price=written.decision_price,
        at=written.at,
        wall=written.wall,
        process=written.process,
        owner=owner,
        status=written.status,
        acked=written.acked,
        sums=written.sums,
        fills=written.fills,
        signatures=written.signatures,
        touched=written.touched,
        done=is_done(written.status, order.time_in_force if order is not None else None),
    )


def _made(kind: type[S], values: Mapping[str, Any], **changed: Any) -> S:
    given = {field: value for field, value in values.items() if field in kind.__struct_fields__}
    try:
        return kind(**given | changed)
    except TypeError as error:
        raise ValueError(str(error)) from error

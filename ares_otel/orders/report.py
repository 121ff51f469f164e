"""What a submission or an execution report does to what is known of its order: pure functions, no clock, no file."""

from __future__ import annotations

from decimal import localcontext
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from ares_otel.orders.client_ids import trace_of
from ares_otel.orders.costs import as_float, shortfall_bps, slippage_bps, slippage_cost
from ares_otel.orders.known import FILLS, SIGNATURES, Known
from ares_otel.orders.states import ANSWERS, DONE, is_done, is_legal
from ares_otel.orders.sums import EXACT, ZERO, Said, Sums, add, exact, is_late, said_by, vwap
from ares_otel.records.facts import Origin, UpdateFacts
from ares_otel.records.model import Order, OrderUpdate
from ares_otel.semconv.enums import OrderStatus

__all__ = ["Report", "Submission", "is_same", "report", "submit"]

SECOND = 1e9
SHORT = DONE - {OrderStatus.FILLED}
REFUSED = frozenset({OrderStatus.REJECTED, OrderStatus.DENIED})


class Submission(msgspec.Struct, frozen=True):
    """An order that was sent: when (monotonic and Unix ns), where from, and in which process."""

    order: Order
    origin: Origin
    at: int
    wall: int
    decision_price: float | None
    process: str


class Report(NamedTuple):
    """An execution report: when it was recorded (monotonic and Unix ns), in which process, in which context.

    `mark` is the last price of the order's symbol.
    """

    update: OrderUpdate
    origin: Origin
    at: int
    wall: int
    process: str
    mark: float | None = None


class _Effect(NamedTuple):
    status: OrderStatus | None
    sums: Sums
    valid: bool
    duplicate: bool = False
    repeated: bool = False


def submit(known: Known | None, sent: Submission) -> Known:
    """Return what is known after a submission.

    Reports that came before it count. Sending an order again that is still open, from the same trace, changes nothing
    (FIX PossResend); any other order under a known client id takes the place of the earlier one.
    """
    if known is None or (known.order is not None and not is_same(known, sent)):
        return _new(sent)
    return known if known.order is not None else _with_order(known, sent)


def is_same(known: Known, sent: Submission) -> bool:
    """Tell whether a submission is one that is known already, sent again."""
    return known.order is not None and not known.done and known.origin.trace_id == sent.origin.trace_id


def _new(sent: Submission) -> Known:
    """Return what is known of an order of which nothing was: what `_with_order` makes of that, in half the time."""
    order, process = sent.order, sent.process
    places = order, sent.origin, sent.decision_price, sent.at, sent.wall, process, process
    return Known(*places, touched=max(0, sent.wall), done=is_done(None, order.time_in_force))


def _with_order(known: Known, sent: Submission) -> Known:
    return msgspec.structs.replace(
        known,
        order=sent.order,
        origin=sent.origin,
        decision_price=sent.decision_price,
        at=sent.at,
        wall=sent.wall,
        process=sent.process,
        owner=sent.process,
        touched=max(known.touched, sent.wall),
        done=is_done(known.status, sent.order.time_in_force),
    )


def report(known: Known, heard: Report) -> tuple[Known, UpdateFacts]:
    """Return what is known after an execution report, and what the report meant."""
    with localcontext(EXACT):
        said = said_by(heard.update, known.order.currency if known.order is not None else None)
        before = _baseline(known, said)
        fill, signature = _hashes(heard.update, said)
        same = signature in known.signatures
        if same or fill in known.fills:
            # the same content says no news, unless nothing in it tells one occasion from another
            certain = same and (fill is not None or said.time is not None)
            effect = _again(known, heard.update, said, before, certain=certain)
        else:
            effect = _effect(known, heard.update, said, before)
        answered = heard.update.status in ANSWERS or effect.sums.quantity > before.quantity
        after = msgspec.structs.replace(
            known,
            status=effect.status,
            acked=known.acked or answered,
            sums=effect.sums,
            fills=_remember(known.fills, fill, FILLS),
            signatures=_remember(known.signatures, signature, SIGNATURES),
            touched=max(known.touched, heard.wall),
            done=is_done(effect.status, known.order.time_in_force if known.order is not None else None),
        )
        return after, _facts(known, before, after, effect, heard)


def _baseline(known: Known, said: Said) -> Sums:
    """Return the sums before the report; what an order of others had filled before we heard of it is no fill of now."""
    if not _is_first(known) or said.cumulative is None:
        return known.sums
    earlier = max(said.cumulative - said.quantity, ZERO)
    return Sums(quantity=earlier, derived=earlier)


def _is_first(known: Known) -> bool:
    """Whether nothing was reported yet of an order that nobody has sent: what came before is unknown."""
    return known.order is None and known.status is None


def _hashes(update: OrderUpdate, said: Said) -> tuple[int | None, int | None]:
    """Return the hashes of the fill id and of the report's content.

    Two fills of the same size and price, without fill id, cumulative quantity and time, are two fills: no hash.
    """
    fill = _hashed(update.trade_id) if update.trade_id is not None else None
    if fill is None and said.quantity and said.cumulative is None and said.time is None:
        return None, None
    values = (update.cum_quantity, update.avg_price, update.quantity, update.price, update.fee, said.time)
    return fill, _hashed(f"{update.status} {fill} {values}")


def _hashed(text: str) -> int:
    # built-in hashes of text differ from process to process
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _remember(values: tuple[int, ...], value: int | None, limit: int) -> tuple[int, ...]:
    return values if value is None or value in values else (*values[-limit + 1 :], value)


def _effect(known: Known, update: OrderUpdate, said: Said, before: Sums) -> _Effect:
    late = is_late(before, said)
    reached, legal = _moved(known, update, late=late)
    ordered = known.order.quantity if known.order is not None else None
    after = add(before, said, exact(ordered) if ordered is not None else None, late=late)
    after_end = known.status in SHORT and after.quantity > before.quantity
    return _Effect(reached, after, valid=legal and not late and not after_end)


def _again(known: Known, update: OrderUpdate, said: Said, before: Sums, *, certain: bool) -> _Effect:
    """Return the effect of what was reported before: no sum changes, but a fill may come again with a new state."""
    reached, _ = _moved(known, update, late=is_late(before, said))
    if certain or reached is known.status:
        return _Effect(known.status, before, valid=True, duplicate=True)
    return _Effect(reached, before, valid=True, repeated=True)


def _moved(known: Known, update: OrderUpdate, *, late: bool) -> tuple[OrderStatus | None, bool]:
    """Return the state after a report, and whether the change is legal."""
    status = update.status if isinstance(update.status, OrderStatus) else None
    legal = status is None or _is_first(known) or is_legal(known.status, status)
    # an end is believed even with a smaller sum: an order that never ends is the greater mistake
    moves = status is not None and legal and (not late or status in DONE)
    return status if moves else known.status, legal


def _facts(known: Known, before: Sums, after: Known, effect: _Effect, heard: Report) -> UpdateFacts:
    order, sums = known.order, after.sums
    fill = sums.quantity - before.quantity
    average = vwap(sums)
    ack = order is not None and after.acked and not known.acked
    filled = order is not None and _ends_as(OrderStatus.FILLED, known, after)
    seconds, negative = _latency(known, heard) if ack or filled else (None, False)
    unknown = order is None and not sums.quantity and heard.update.cum_quantity is None
    return UpdateFacts(
        update=_counted(heard.update, before, sums, repeated=effect.repeated),
        origin=known.origin if order is not None else _joined(heard),
        order=order,
        prior=known.status if order is not None else None,
        valid=effect.valid,
        duplicate=effect.duplicate,
        fill_quantity=as_float(fill) if fill else None,
        cum_quantity=None if unknown else as_float(sums.quantity),
        avg_price=as_float(average) if average is not None else None,
        leaves_quantity=_leaves(after),
        ack_seconds=seconds if ack else None,
        fill_seconds=seconds if filled else None,
        negative_latency=negative,
        slippage_bps=_slippage(known, before, after),
        slippage_cost=slippage_cost(order, before, sums) if order is not None and sums is not before else None,
        shortfall_bps=_shortfall(known, after, heard.mark),
        done=after.done,
    )


def _ends_as(status: OrderStatus, known: Known, after: Known) -> bool:
    return after.status is status and known.status is not status


def _latency(known: Known, heard: Report) -> tuple[float, bool]:
    passed = heard.at - known.at if heard.process == known.process else heard.wall - known.wall
    return max(passed, 0) / SECOND, passed < 0


def _counted(update: OrderUpdate, before: Sums, after: Sums, *, repeated: bool) -> OrderUpdate:
    """Return the update with the price of what it filled, where it told cumulative figures only.

    A new state that repeats a fill is without its fee: that was counted.
    """
    if repeated:
        return msgspec.structs.replace(update, fee=None)
    quantity, money = after.priced - before.priced, after.money - before.money
    if update.price or quantity <= 0 or money <= 0 or after.quantity <= before.quantity:
        return update
    return msgspec.structs.replace(update, price=as_float(money / quantity))


def _joined(heard: Report) -> Origin:
    """Return the trace that the client id of an unknown order names, else the context of the report."""
    trace_id = trace_of(heard.update.client_id)
    if trace_id is None or trace_id == heard.origin.trace_id:
        return heard.origin
    return Origin(trace_id=trace_id, exemplar=f"{trace_id:032x}")


def _leaves(after: Known) -> float | None:
    if after.order is None or after.order.quantity is None:
        return None
    return 0.0 if after.done else as_float(max(exact(after.order.quantity) - after.sums.quantity, ZERO))


def _slippage(known: Known, before: Sums, after: Known) -> float | None:
    """Return the slippage of a done order, once: when it ends, or with the first fill that comes after its end."""
    first = not known.done or not before.quantity
    if after.order is None or not after.done or not first or not after.sums.quantity:
        return None
    return slippage_bps(after.order, after.sums)


def _shortfall(known: Known, after: Known, mark: float | None) -> float | None:
    """Return the shortfall of an order when it ends; one that never worked in the market has none."""
    if after.order is None or known.done or not after.done:
        return None
    if after.status in REFUSED and not after.sums.quantity:
        return None
    return shortfall_bps(after.order, after.sums, after.decision_price, mark)

"""What a user's code looks like to a type checker. Never run: `mypy --strict` reads it from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal

from opentelemetry.trace import Span, set_span_in_context

import ares_otel as ares
from ares_otel import Order, OrderStatus, OrderUpdate, Regime, Side, Vote
from ares_otel.semconv import Counter, attributes
from ares_otel.testing import Capture


@ares.traced
def plain(price: float) -> str:
    return f"{price}"


@ares.traced("named", component="analyst", expect_result=True)
async def coroutine() -> int:
    return 1


@ares.traced
def generator() -> Iterator[int]:
    yield 1


@ares.traced
async def async_generator() -> AsyncIterator[int]:
    yield 1


text: str = plain(1.0)
numbers: Iterator[int] = generator()

with ares.setup("ares.yaml", overrides={"metrics.port": 0}) as handle:
    url: str | None = handle.metrics_url

with ares.decision(symbol="BTC", strategy="s", price=Decimal("1.5"), event_time=datetime.now(UTC)) as d:
    span: Span = d
    set_span_in_context(d)
    with d.stage("analyst", {"rows": 1}) as stage:
        stage.set_attribute("more", 2)
    d.regime(Regime("bull_trend", confidence=0.8))
    d.votes([Vote("m", action="buy", confidence=0.7)])
    d.resolve("buy", confidence=0.6, reason="because")
    order: ares.LiveOrder = d.order("c1", side=Side.BUY, type="limit", quantity=0.1, price=Decimal(3))
    correlation: str = d.correlation_id

ares.record(OrderUpdate("c1", OrderStatus.FILLED, quantity=0.1, price=3.0))
ares.record(Order("c2", "sell", "market", 1))
ares.record("nonsense")  # type: ignore[arg-type]
ares.decision("BTC")  # type: ignore[call-arg]
Vote("m", "buy", certainty=0.7)  # type: ignore[call-arg]
current: ares.LiveDecision | None = ares.current()
delivered: bool = ares.flush(1.0)
LOOPS: ares.OwnMetric = ares.metric(Counter("bot_loops_total", "turns", (attributes.STRATEGY,)))


def test(ares_capture: Capture) -> None:
    value: float | None = ares_capture.value("ares_decisions_total", strategy="s")
    assert value

"""Declarations refuse what would be wrong for ever once it is published."""

from __future__ import annotations

import pytest

from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import Action
from ares_otel.semconv.model import Attribute, Counter, Event, Gauge, Histogram, Info, Kind, Metric, Span


@pytest.mark.parametrize("key", ["Ares.symbol", "ares..symbol", "ares.symbol.", "ares symbol", "", "1ares", "ares.2x"])
def test_an_attribute_refuses_a_bad_name(key: str) -> None:
    """A name that OpenTelemetry would not take is refused with the name in the message."""
    with pytest.raises(ValueError, match="lower-case words"):
        Attribute(key, "brief")


def test_an_attribute_refuses_what_makes_no_sense() -> None:
    """A missing brief, empty bounds and a vocabulary of numbers are refused."""
    with pytest.raises(ValueError, match="brief is missing"):
        Attribute("ares.x", "")
    with pytest.raises(ValueError, match="are empty"):
        Attribute("ares.x", "brief", Kind.DOUBLE, low=1.0, high=0.0)
    with pytest.raises(ValueError, match="needs kind string"):
        Attribute("ares.x", "brief", Kind.INT, enum=Action)


@pytest.mark.parametrize(
    ("key", "label"),
    [("ares.model.name", "model_name"), ("error.type", "error_type"), ("ares.symbol", "symbol")],
)
def test_a_label_is_the_attribute_without_our_prefix(key: str, label: str) -> None:
    """The label is the attribute without `ares.`, dots turned into underscores, and `str()` gives it."""
    attribute = Attribute(key, "brief", bounded=True)

    assert attribute.label == str(attribute) == label


@pytest.mark.parametrize(
    ("kind", "name", "complaint"),
    [
        (Counter, "ares_decisions", "has to end with '_total'"),
        (Counter, "ares_things_count_total", "reserved"),
        (Gauge, "ares_open_total", "reserved"),
        (Gauge, "ares_Open", "lower-case words"),
        (Gauge, "open", "lower-case words"),
        (Gauge, "ares_wait_ms", "base units"),
        (Counter, "ares_wait_minutes_total", "base units"),
        (Info, "ares_build", "has to end with '_info'"),
    ],
)
def test_a_metric_refuses_a_bad_name(kind: type[Metric], name: str, complaint: str) -> None:
    """Each rule of Prometheus' naming is refused with its reason."""
    with pytest.raises(ValueError, match=complaint):
        kind(name, "brief")


def test_a_metric_refuses_unbounded_and_reserved_labels() -> None:
    """An id is never a label, a label never comes twice, and Prometheus' own labels are not ours."""
    with pytest.raises(ValueError, match=r"ares\.order\.client_id.*can be no label"):
        Counter("ares_orders_total", "brief", (a.CLIENT_ID,))
    with pytest.raises(ValueError, match="comes twice"):
        Counter("ares_orders_total", "brief", (a.SYMBOL, a.SYMBOL))
    with pytest.raises(ValueError, match="reserved by Prometheus"):
        Counter("ares_orders_total", "brief", (Attribute("ares.instance", "x", bounded=True),))


def test_a_metric_says_its_unit_in_its_name() -> None:
    """Seconds, bytes, basis points and bits stand in the name; a brief is needed."""
    assert str(Gauge("ares_age_seconds", "age", unit="s")) == "ares_age_seconds"
    with pytest.raises(ValueError, match="_seconds"):
        Gauge("ares_age", "age", unit="s")
    with pytest.raises(ValueError, match="brief is missing"):
        Gauge("ares_age_seconds", "")


@pytest.mark.parametrize("buckets", [(), (2.0, 1.0), (1.0, 1.0), (1.0, float("inf")), (float("nan"),)])
def test_a_histogram_refuses_bad_bounds(buckets: tuple[float, ...]) -> None:
    """Bounds are finite, strictly increasing and not absent."""
    with pytest.raises(ValueError, match="strictly increasing"):
        Histogram("ares_wait_seconds", "wait", unit="s", buckets=buckets)


def test_spans_and_events_refuse_bad_names() -> None:
    """Names of spans are words; one placeholder with few values is allowed and matched."""
    exchange = Span("exchange {operation}", "a call")

    assert exchange.matches("exchange create_order")
    assert not exchange.matches("order submit")
    assert str(exchange) == "exchange {operation}"
    assert Span("decision", "x").matches("decision")
    with pytest.raises(ValueError, match="placeholder"):
        Span("order 12345", "x")
    with pytest.raises(ValueError, match="lower-case words"):
        Event("Vote", "x")
    assert str(Event("vote", "x")) == "vote"

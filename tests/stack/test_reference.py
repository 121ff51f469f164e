"""The reference of telemetry says all that is declared, in tables that a reader of Markdown can show."""

from __future__ import annotations

import re

import pytest

from ares_otel.semconv.attributes import ATTRIBUTES
from ares_otel.semconv.metrics import METRICS
from ares_otel.semconv.model import Histogram
from ares_otel.semconv.spans import EVENTS, RECORDS, SPANS
from ares_otel.semconv.thresholds import THRESHOLDS
from ares_otel.stack import telemetry_reference


@pytest.fixture(scope="module")
def page() -> str:
    """Return the page."""
    return telemetry_reference()


def row(page: str, name: str) -> str:
    """Return the only row of a table that begins with a name."""
    (found,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    return found


def section(page: str, title: str) -> str:
    """Return the text below a heading of the second level."""
    return page.split(f"\n## {title}\n")[1].partition("\n## ")[0]


def test_every_name_is_there(page: str) -> None:
    """Each declared metric, attribute, event, span and threshold has a row with its brief."""
    for metric in METRICS:
        assert metric.brief in row(section(page, "Metrics"), metric.name)
        assert f"| {metric.type} |" in row(section(page, "Metrics"), metric.name)
        assert all(f"`{label}`" in row(section(page, "Metrics"), metric.name) for label in metric.label_names)
    for event in EVENTS:
        assert event.brief in row(section(page, "Events"), event.name)
    for span in SPANS:
        if span not in RECORDS:
            assert span.brief in row(section(page, "Spans"), span.name)
    for threshold in THRESHOLDS:
        assert f"{threshold.value:g}" in row(section(page, "Default thresholds"), threshold.name)
    text = section(page, "Attributes")
    assert all(f"| `{each.key}` |" in text and each.brief in text for each in ATTRIBUTES)


def test_what_may_be_a_label(page: str) -> None:
    """Bounded attributes name their label, others say that they are none."""
    lines = [line for line in section(page, "Attributes").splitlines() if line.startswith("| `")]
    assert len(lines) == len(ATTRIBUTES)
    for attribute, line in zip(ATTRIBUTES, lines, strict=True):
        assert line.startswith(f"| `{attribute.key}` |")
        assert (f"| `{attribute.label}` |" in line) == attribute.bounded
        assert ("| never |" in line) == (not attribute.bounded)


def test_buckets_of_histograms(page: str) -> None:
    """They are written out."""
    for metric in METRICS:
        if isinstance(metric, Histogram):
            assert f"buckets {metric.buckets[0]:g}, " in row(section(page, "Metrics"), metric.name)


def test_tables_are_tables(page: str) -> None:
    """Every row has as many cells as its head, and no text breaks out of its cell."""
    blocks = [block.splitlines() for block in page.split("\n\n") if block.startswith("| ")]
    assert len(blocks) > 10
    for head, rule, *rows in blocks:
        cells = len(re.split(r"(?<!\\)\|", head))
        assert set(rule) <= set("| -")
        assert rows
        assert {len(re.split(r"(?<!\\)\|", line)) for line in rows} == {cells}


def test_every_vocabulary_lists_its_words(page: str) -> None:
    """Each attribute with a closed vocabulary leads to it, and all its words are there."""
    for enum in {attribute.enum for attribute in ATTRIBUTES if attribute.enum is not None}:
        (line,) = [
            line for line in section(page, "Vocabularies").splitlines() if line.startswith(f"| {enum.__name__} |")
        ]
        assert all(f"`{member}`" in line for member in enum)
        assert f"[{enum.__name__}](#vocabularies)" in section(page, "Attributes")

"""Pages of drift where something is missing: labels without a budget, losses without a reference, nothing testable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from api_kit import get
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pages_kit import Taken
from server_kit import fresh, store_all
from spans import MARKET, START, span

from ares_otel.semconv import attributes as a
from ares_otel.semconv import spans as s
from ares_otel.semconv.model import Attribute
from ares_otel.server.http.serve import EmbeddedServer

Page = Callable[[str], Taken]


def said(name: object, number: int, facts: Mapping[Attribute, Any]) -> Span:
    """Return what a model of outcomes says, a second after what it said before."""
    about = {a.MODEL_NAME: "online", a.DRIFT_KIND: "concept", a.DETECTOR: "ares", a.DRIFT_REFERENCE: "beef"}
    when = {a.DRIFT_BAR: 900 + number, a.EVENT_TIME: MARKET + number * 1_000_000_000}
    own = b"said" + number.to_bytes(4, "big")
    return span(str(name), {**about, **when, **facts}, own=own, start=START + number * 1_000_000_000)


def losses(number: int, **facts: Any) -> Span:
    """Return a window of losses."""
    shares = {a.DRIFT_EXPECTED: {"0": 0.7, "1": 0.3, "inf": 0.0}, a.DRIFT_OBSERVED: {"0": 0.4, "1": 0.6, "inf": 0.0}}
    known = {getattr(a, name): value for name, value in facts.items()}
    return said(
        s.DRIFT_WINDOW.name, number, {a.FEATURE_NAME: "loss", **shares, a.DRIFT_VALUES: 80, a.DRIFT_WINDOW: 80, **known}
    )


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Page]:
    """Pages about a model of outcomes without a reference, and one of which nothing can be tested."""
    card = {a.DRIFT_HORIZON: 4_000, a.DRIFT_ALARMS: 0.05, a.DRIFT_SHARES: {"loss:loss": 0.6, "label:location": 0.4}}
    blind = {a.MODEL_NAME: "slow", a.DRIFT_KIND: "data"}
    reasons = {"price:scale": "untestable: n_eff 6 < 24", "price:location": "untestable: n_eff 5 < 24"}
    why = {a.DRIFT_REASONS: reasons, a.DRIFT_SAMPLES: {"price:scale": 6.04}}
    label = {a.DRIFT_KIND: "label", a.DRIFT_TESTED: 1, a.DRIFT_UNTESTABLE: 0, a.DRIFT_EVIDENCE: 0.3}
    crossed = {a.DRIFT_STATE: "started", a.DRIFT_SEVERITY: "warning", a.DRIFT_EPISODE: 1, a.DRIFT_BAR: 880}
    crossed |= {a.DRIFT_EVIDENCES: {"loss:loss": 1.2}, a.DRIFT_MEMORIES: {"loss:loss": 64}, a.DRIFT_SINCE_BAR: 840}
    told = [
        said(s.DRIFT_CARD.name, 1, card),
        said(s.DRIFT_CHECK.name, 2, {a.DRIFT_EVIDENCE: 0.4, a.DRIFT_SPENT: 0.01, a.DRIFT_RESULT: "no_drift"}),
        said(s.DRIFT_CHECK.name, 3, {**label, a.DRIFT_RESULT: "no_drift"}),
        losses(4, DRIFT_AGAINST="earlier"),
        said(s.DRIFT_CARD.name, 5, {**blind, **why}),
        said(s.DRIFT_CHECK.name, 6, {**blind, a.DRIFT_RESULT: "untestable"}),
        losses(7, MODEL_NAME="trained", DRIFT_AGAINST="reference"),
        said(s.DRIFT_CHECK.name, 8, {a.MODEL_NAME: "trained", a.DRIFT_RESULT: "no_drift", a.DRIFT_SPENT: 0.01}),
        said(s.DRIFT_CARD.name, 13, {a.MODEL_NAME: "trained", **card, a.DRIFT_TESTS: {"loss:loss@64": 0.6}}),
        said(s.DRIFT_EPISODE.name, 14, {a.MODEL_NAME: "trained", **crossed}),
        losses(9, MODEL_NAME="old"),
        losses(11, MODEL_NAME="odd", DRIFT_AGAINST="tomorrow"),
        said(s.DRIFT_CHECK.name, 12, {a.MODEL_NAME: "odd", a.DRIFT_RESULT: "no_drift"}),
        said(s.DRIFT_CHECK.name, 10, {a.MODEL_NAME: "old", a.DRIFT_RESULT: "no_drift"}),
    ]
    for name, against in ("stormy", "regimes"), ("calm", "reference"), ("silent", None):
        about = {a.MODEL_NAME: name, a.DRIFT_KIND: "data"}
        number = 20 + len(told)
        told += [
            losses(number, MODEL_NAME=name, DRIFT_KIND="data", **({"DRIFT_AGAINST": against} if against else {})),
            said(s.DRIFT_CHECK.name, number + 1, {**about, a.DRIFT_RESULT: "no_drift"}),
        ]
    for number, reference, spent in (60, "beef", 0.0198), (70, "f00d", 0.00995):
        about = {a.MODEL_NAME: "renewed", a.DRIFT_KIND: "data", a.DRIFT_REFERENCE: reference}
        told += [
            said(s.DRIFT_CARD.name, number, {**about, **card, a.DRIFT_MONTH: 730.0}),
            said(s.DRIFT_CHECK.name, number + 1, {**about, a.DRIFT_SPENT: spent, a.DRIFT_RESULT: "no_drift"}),
        ]
    database = fresh(tmp_path)
    store_all(database, [told])
    with EmbeddedServer(database) as server:

        def page(path: str) -> Taken:
            reply = get(server, path)
            assert reply.status == 200, reply.body
            return Taken(reply.body.decode())

        yield page


def test_labels_without_a_budget_of_their_own_are_listed(pages: Page) -> None:
    """Labels of a model without a reference of them are checked, and spend what losses may."""
    text = pages("/drift").text

    assert "online label no drift" in text
    assert "its alarms are held against that of concept drift" in text
    label = pages("/drift/online?kind=label").text
    assert "the card of concept drift has them" in label
    assert "Labels that are watched beside losses have none." in label


def test_losses_say_what_they_are_held_against(pages: Page) -> None:
    """Those of training, or the ones before; a bot of before did not say which. They are of outcomes, not of bars."""
    text = pages("/drift/online?kind=concept").text

    assert "filled: the losses before, for those of training are not known; line: the last outcomes" in text
    assert "largest difference 0.30 between both; n 80 of 80 outcomes" in text
    assert "beyond the first and last hundredth" not in text
    assert "compared 902 outcomes" in text
    assert "filled: losses of training; line" in pages("/drift/trained").text
    for unclear in ("old", "odd"):
        text = pages(f"/drift/{unclear}").text
        assert "filled: losses of training, or earlier ones where these are not known; line" in text


def test_features_say_what_they_are_held_against(pages: Page) -> None:
    """The bars of the same regimes, or the whole reference, as bots say that know no regimes, or of before."""
    for name, filled in (
        ("stormy", "bars of the reference in the same regimes, each as often as among the last bars"),
        ("calm", "the whole reference"),
        ("silent", "the whole reference"),
    ):
        text = pages(f"/drift/{name}?kind=data").text
        assert f"filled: {filled}; line: the last bars" in text
        assert "largest difference 0.30 between both; n 80 of 80 bars" in text


def test_what_is_counted_has_its_name(pages: Page) -> None:
    """Losses and labels are of outcomes wherever they are counted: tests remember, see and are spent by these."""
    text = pages("/drift/trained?kind=concept").text

    assert "2007-03-05 ! warning outcome 840 open" in text
    assert "concept 86 % 908 outcomes" in text
    assert "2007-03-05 concept ! warning loss:loss 64 outcomes 1.20" in text
    assert "880 outcomes" in text
    assert "60.0 % 64 outcomes" in text
    assert "908 outcomes" in pages("/drift").text


def test_a_month_of_several_references_says_so(pages: Page) -> None:
    """What an earlier reference has used of the month is named, for what began with the newest one is less."""
    text = pages("/drift/renewed?kind=data").text

    assert "Of the budget of 2007-03 its bars have used 0.03 (0.02 of it with an earlier reference or version)," in text
    assert "Since the newest reference or version began 0.01 were allowed for" in text
    assert "with an earlier reference" not in pages("/drift/trained?kind=concept").text


def test_where_nothing_can_be_tested_no_episode_is_promised(pages: Page) -> None:
    """Empty parts say why they are empty, without the legend of a picture that is not there."""
    text = pages("/drift/slow").text

    assert "None can begin: nothing of it can be tested." in text
    assert "dashed: the threshold" not in text
    assert "price:scale 6 " in text
    assert "n_eff < 24 2 price:location, price:scale" in pages("/drift").text

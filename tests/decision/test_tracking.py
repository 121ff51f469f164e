"""The three calls of the old documents take their documented arguments and make the same records."""

from __future__ import annotations

import ares_otel as ares
from ares_otel.testing import Capture


def test_an_ensemble_inside_a_decision(ares_capture: Capture) -> None:
    """Votes and resolution go to the current decision."""
    with ares.decision(symbol="BTC", strategy="s"):
        ares.record_ensemble_tracking(
            ensemble_id="BULL_TREND",
            ensemble_type="stacking",
            individual_predictions={"lstm": "buy", "garch": -0.4, "svm": {"prediction": "HOLD", "confidence": 0.5}},
            ensemble_weights={"lstm": 0.5, "garch": 0.3, "svm": 0.2},
            final_prediction="buy",
            confidence=0.7,
        )

    span = ares_capture.spans()[0]
    votes = [
        (each["ares.model.name"], each["ares.action"], each.get("ares.confidence")) for _, _, each in span["events"]
    ]
    assert votes == [("lstm", "buy", None), ("garch", "sell", 0.4), ("svm", "hold", 0.5)]
    assert (span["attributes"]["ares.action"], span["attributes"]["ares.confidence"]) == ("buy", 0.7)
    assert ares_capture.value("ares_ensemble_weight", strategy="s", model_name="garch") == 0.3


def test_an_ensemble_on_its_own(ares_capture: Capture) -> None:
    """Without a decision one is made for it; the tracker's list of dictionaries is taken, too."""
    ares.record_ensemble_tracking(
        "E1",
        individual_predictions=[
            {
                "model_id": "m1",
                "prediction": "sell",
                "confidence": 0.6,
                "model_version": "2",
                "probability": {"sell": 0.6},
            },
            {"model_type": "lgbm", "prediction": None},
        ],
        final_prediction=0,
    )

    span = ares_capture.spans()[0]
    assert span["attributes"]["ares.strategy"] == "E1"
    assert [each["ares.model.name"] for _, _, each in span["events"]] == ["m1", "lgbm"]
    assert span["events"][0][2]["ares.probabilities"] == {"sell": 0.6}
    assert span["attributes"]["ares.action"] == "hold"


def test_a_regime(ares_capture: Capture) -> None:
    """All documented arguments arrive."""
    ares.record_regime_tracking(
        regime_type="VOLATILE_REGIME",
        regime_confidence=0.7,
        regime_probabilities={"high_volatility": 0.7},
        regime_features=["adx", "atr"],
        regime_indicators={"adx": 31.0},
        regime_transition_probability=0.1,
    )

    assert ares_capture.spans()[0]["attributes"] == {
        "ares.regime": "high_volatility",
        "ares.regime.raw": "VOLATILE_REGIME",
        "ares.regime.confidence": 0.7,
        "ares.probabilities": {"high_volatility": 0.7},
        "ares.regime.indicators": {"adx": 31.0},
        "ares.regime.transition_probability": 0.1,
        "ares.regime.method": "adx, atr",
    }


def test_model_behavior(ares_capture: Capture) -> None:
    """The figures are attributes of a span; the model is known from then on."""
    ares.record_model_behavior_tracking("lstm", 0.9, [0.5, 0.6], 0.8, 0.02)
    ares.record_model_behavior_tracking("garch")

    spans = ares_capture.spans("model behavior")
    assert spans[0]["attributes"] == {
        "ares.model.prediction_consistency": 0.9,
        "ares.model.feature_importance_stability": 0.8,
        "ares.model.prediction_drift": 0.02,
        "ares.model.name": "lstm",
        "ares.model.confidence_trend": [0.5, 0.6],
    }
    assert spans[1]["attributes"] == {"ares.model.name": "garch"}


def test_bad_arguments_never_raise() -> None:
    """Whatever they are given, the bot goes on."""
    with Capture(strict=False, check=False):
        ares.record_ensemble_tracking(None, individual_predictions=5, final_prediction=object())  # type: ignore[arg-type]
        ares.record_regime_tracking(None, regime_features=7)  # type: ignore[arg-type]
        ares.record_model_behavior_tracking(None, confidence_trend="x")  # type: ignore[arg-type]

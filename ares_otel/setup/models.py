"""`model()`: a model that is watched for drift."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ares_otel.config import Config, load
from ares_otel.decision.watched import WatchedModel
from ares_otel.guard import GUARD
from ares_otel.pipeline.recorder import RECORDER
from ares_otel.setup import api, companions, ending
from ares_otel.setup.drifting import Drifting, Kept

if TYPE_CHECKING:
    from ares_otel.ml.making import Plan
    from ares_otel.ml.profits import Edge

__all__ = ["model"]

WHERE: Final = "model()"
NO_NUMPY: Final = "is not installed; watching models for drift comes with: pip install 'ares-otel[ml]'"

_lock = threading.RLock()


def model(
    name: str,
    *,
    version: str | None = None,
    reference: Any = None,
    names: Sequence[str] | None = None,
    predictions: Any = None,
    actuals: Any = None,
    regimes: Any = None,
    horizon: timedelta | None = None,
    loss: str | None = None,
    outcomes: bool = True,
    on_drift: Callable[[Any], object] | None = None,
    edge: Edge | None = None,
    opinions: Sequence[Any] = (),
    importances: Mapping[str, float] | None = None,
) -> WatchedModel:
    """Watch a model for drift; returns what the bot tells of each bar.

    Never raises: what is wrong is logged, and the model is then not watched, which its metric `ares_detector_up` says.
    A model of the same name with the same version and reference goes on where the last process ended; with another one
    its monitors begin anew.

    Args:
        name: of the model.
        version: of the model.
        reference: what its features looked like when it was trained: an array (bars, features), a frame, columns by
            name, or the path of a file of them; in the order of time, at least 500 bars.
        names: of the features, where the reference has none.
        predictions: what it predicted of the same bars, out of sample; without them predictions are not watched.
        actuals: what came true of these; without them outcomes are compared with earlier outcomes alone.
        regimes: which regime each of these bars is in, by name or number, or the name of the reference's column that
            says it and is no feature then: a bar is compared with those of its own regime, which is told by
            `observe(regime=)`, else by the decision.
        horizon: how long after a prediction its outcome is known; without it, whenever it is told.
        loss: how a prediction is measured: `error` for classes, `absolute` or `squared` for numbers, `log` for
            chances; without it as the values of `actuals` or `predictions` are, or `error`.
        outcomes: outcomes will be told; without them the whole budget of false alarms is for the rest.
        edge: what it earns while its edge lives, where the bot will tell profits by `pnl()`: `ares_otel.ml.Edge` with
            the promised Sharpe ratio, the volatility of a period, and the false alarms a year that are allowed.
            Without it that of `drift.edge`, if the model has it.
        opinions: detectors of other libraries that judge its features, too, in a process of their own: names as
            "KSDrift" or "river.drift:ADWIN", or `ares_otel.ml.opinion.Asked` with settings; see docs/second-opinion.md.
            Without them those of `drift.opinions`.
        importances: how much each feature weighs in the model, on any scale, as `dict(zip(names,
            lgbm.feature_importances_))`: an alarm about what the model hardly uses is less severe, one about what it
            lives by is more. Without them all weigh the same.
        on_drift: is called with each `ares_otel.ml.DriftEvent`, as by `on_drift()` of what is returned.

    Raises:
        ValueError: strict mode only, when the reference is none.
    """
    with _lock:
        config = _config()
        made = WatchedModel(str(name), None if version is None else str(version), config.drift.queue_limit)
        if on_drift is not None:
            made.on_drift(on_drift)
        drifting = _drifting(config)
        asked = opinions or config.drift.opinions
        given = {"names": names, "predictions": predictions, "actuals": actuals, "regimes": regimes}
        given["importances"] = importances
        given |= {"opinions": asked, "edge": edge}
        outcome = (horizon, loss) if outcomes else None
        wanted = config.drift.enabled and not config.disabled
        plan = _plan(made, config, reference, given, outcome) if wanted else None
        if plan is None:
            drifting.leave(made, wanted=wanted)
        else:
            drifting.add(Kept(plan, _path(config, made.name)))
        return made


def _config() -> Config:
    telemetry = api.active()
    if telemetry is not None:
        return telemetry.config
    with GUARD.shield(WHERE):
        return load().config
    return Config(disabled=True)


def _drifting(config: Config) -> Drifting:
    found = next((each for each in companions.COMPANIONS if isinstance(each, Drifting)), None)
    if found is None:
        found = Drifting(config.drift, by_hand=bool(api.STAND_INS))
        companions.COMPANIONS.append(found)
        if not api.STAND_INS:
            ending.arrange(api.shutdown, api.after_fork)
    return found


def _plan(
    made: WatchedModel, config: Config, reference: Any, given: Mapping[str, Any], outcome: tuple[Any, Any] | None
) -> Plan | None:
    """Check and copy what was given; None (and said) where no monitor can be made of it."""
    try:
        from ares_otel.ml.making import Outcome, Plan  # noqa: PLC0415  imports numpy

        settings = config.drift
        if api.STAND_INS:
            settings = msgspec.structs.replace(settings, directory="", outbox=None)
        told = None if outcome is None else Outcome(*outcome)
        return Plan(made, settings, config.service.name, reference, outcome=told, **given)
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        GUARD.complain(WHERE, "numpy", f"numpy {NO_NUMPY}")
    except Exception as error:
        if RECORDER.strict:
            raise
        GUARD.failed(f"{WHERE} {made.name}", error)
    return None


def _path(config: Config, name: str) -> Path | None:
    if api.STAND_INS:
        return None
    from ares_otel.ml.keeping import safe  # noqa: PLC0415  its package imports numpy

    return Path(config.drift.directory) / f"{safe(name)}.state"

"""The keys of drift: how often it may be wrong, where it keeps its state, whom it tells."""

from typing import Annotated

import msgspec

from ares_otel.config.fields import Section, meaning, number, of_kind, path, seconds, size

__all__ = ["Drift", "PromisedEdge"]

MANY = 100_000_000
MIB = 1 << 20


class PromisedEdge(Section, frozen=True, kw_only=True):
    """What models earn that `ares.model()` gives no edge of their own; `model.pnl()` is then watched."""

    sharpe: (
        Annotated[
            float,
            number(
                "Yearly Sharpe ratio while the edge lives, above that of a dead one; null: none is promised.", 0, 1_000
            ),
        ]
        | None
    ) = None
    volatility: (
        Annotated[
            float, number("Standard deviation of the profit of a period, in the unit of the profits.", 1e-12, 1e12)
        ]
        | None
    ) = None
    dead: Annotated[float, number("Yearly Sharpe ratio of the dead edge.", -1_000, 1_000)] = 0.0
    periods: Annotated[int, number("Periods a year: 252 of trading days, 365 of days, 8,760 of hours.", 1, MANY)] = 252
    false_alarms: Annotated[
        float, number("False alarms a year of a model's profits, beside `drift.false_alarms`.", 1e-6, 100)
    ] = 0.2
    tau: Annotated[
        float, number("Periods that one independent profit takes; above 1 where positions overlap.", 1, 1e6)
    ] = 1.0
    models: Annotated[tuple[str, ...], of_kind("list", "Models that have this edge; empty: all.")] = ()


class Drift(Section, frozen=True, kw_only=True):
    """Drift of models that are watched by `ares.model()`."""

    enabled: Annotated[bool, meaning("Watch models; otherwise what they are told costs nothing and does nothing.")] = (
        True
    )
    false_alarms: Annotated[
        float, number("False alarms a month that one model may raise, on average, with all its features.", 1e-6, 10)
    ] = 0.02
    bars_per_month: (
        Annotated[
            float,
            msgspec.Meta(
                description="Bars that a model sees in a month; null: as the times of its reference say, else 730.",
                ge=0.01,
                le=MANY,
            ),
        ]
        | None
    ) = None
    hazard: (
        Annotated[
            float,
            msgspec.Meta(
                description="Prior rate a bar of slow volatility regimes that a reference does not show; null: as "
                "docs/drift.md says. Smaller sees more, and is wrong more often where there are some.",
                ge=0,
                le=1,
            ),
        ]
        | None
    ) = None
    opinions: Annotated[
        tuple[str, ...],
        of_kind(
            "detectors",
            "Detectors of other libraries that judge the features, too, of models that name none themselves; "
            "docs/second-opinion.md says which.",
        ),
    ] = ()
    edge: PromisedEdge = PromisedEdge()
    directory: Annotated[str, path("Directory of the monitors' state.", "`<state_directory>/<service.name>/drift`")] = (
        ""
    )
    save_interval: Annotated[float, seconds("State is saved this often, at each event, and at the end.", 0.1)] = 60.0
    queue_limit: Annotated[
        int, number("Most observations of a model that wait; more are dropped and counted.", 10, MANY)
    ] = 10_000
    check_bars: Annotated[int, number("A check is told after so many bars …", 1, MANY)] = 24
    check_interval: Annotated[float, seconds("… or with the first bar after this time, whichever comes first.", 0)] = (
        60.0
    )
    callbacks: Annotated[bool, meaning("Call what `model.on_drift()` and `model.on_named()` were given.")] = True
    outbox: Annotated[
        str | None, path("File of CloudEvents, one JSON object a line; null: `events.jsonl` in the directory.")
    ] = None
    outbox_bytes: Annotated[int, size("Size at which that file becomes `.1`, in place of the one before.", 1 << 16)] = (
        16 * MIB
    )
    record: Annotated[bool, meaning("Keep what models were told beside their state, for `ares-otel drift replay`.")] = (
        False
    )
    record_bytes: Annotated[int, size("Size at which such a file becomes `.1`.", 1 << 16)] = 64 * MIB

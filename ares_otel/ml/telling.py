"""What a watched model says to the world: records for spans and metrics, a log record, a CloudEvent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from ares_otel.correlation.ids import span_of, trace_of
from ares_otel.decision.deciding import Note
from ares_otel.guard import GUARD
from ares_otel.ml.cloudevents import About, Outbox, cloud_event, quantity
from ares_otel.ml.events import DriftEvent, DriftKind, DriftState, Severity
from ares_otel.pipeline.recorder import RECORDER as R
from ares_otel.records import DriftCard, DriftCheck, DriftEpisode, DriftWindow, Record
from ares_otel.semconv.enums import DriftResult

__all__ = ["Quiet", "Teller", "summary"]

LOG = logging.getLogger("ares.drift")
LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WATCH: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}
TOLD: Final = 3
SECOND: Final = 1_000_000_000


class Teller:
    """Says what was found in one model; called by the thread that watches.

    Args:
        about: the model.
        outbox: where CloudEvents go; None for nowhere.
    """

    def __init__(self, about: About, outbox: Outbox | None) -> None:
        self.about = about
        self._outbox = outbox

    def of(self, about: About) -> Teller:
        """Return one that speaks of another model, in the same way."""
        return Teller(about, self._outbox)

    def card(self, card: DriftCard) -> None:
        """Say what can be detected at all."""
        _put(card)

    def check(
        self,
        check: DriftCheck,
        events: Sequence[tuple[DriftEvent, tuple[str, ...]]] = (),
        windows: Sequence[DriftWindow] = (),
    ) -> None:
        """Say what a check found, with the events of its bars, each with decisions of its own, and last bars."""
        drawn = R.ids.draw(R.clock.now())
        _put(check, drawn=drawn)
        for window in windows:
            _put(window, _inside(drawn))
        for event, decisions in events:
            with GUARD.shield("drift.event"):
                self._event(event, decisions, check.event_time, drawn)

    def named(self, event: DriftEvent, tested: int) -> None:
        """Say which features of so many moved in an episode: a check of a kind of its own, for it is no alarm."""
        about = self.about
        found = {str(each.feature): each.p_value for each in event.features if each.p_value is not None}
        check = DriftCheck(
            about.model,
            event.kind,
            DriftResult.DRIFT if found else DriftResult.NO_DRIFT,
            p_value=min(found.values(), default=None),
            p_values=found or None,
            features=_listed(event),
            episode=event.episode,
            tested=tested,
            bar=event.bar,
            version=about.version,
            reference=about.reference,
            event_time=event.at,
        )
        drawn = R.ids.draw(R.clock.now())
        _put(check, drawn=drawn)
        with GUARD.shield("drift.event"):
            self._out(event, summary(event, about.model), drawn)

    def _event(self, event: DriftEvent, decisions: tuple[str, ...], at: object, drawn: str) -> None:
        said = summary(event, self.about.model)
        _put(self._episode(event, decisions, at if isinstance(at, int) else None, said), _inside(drawn))
        self._out(event, said, drawn)

    def _out(self, event: DriftEvent, said: str, drawn: str) -> None:
        """Hand an event to whoever reads CloudEvents or log records."""
        trace, span = trace_of(drawn), span_of(drawn)
        cloud = cloud_event(event, self.about, R.clock.now(), f"00-{trace:032x}-{span:016x}-01", said)
        if self._outbox is not None:
            self._outbox.put(cloud)
        extra = {
            "event_name": cloud["type"],
            "cloudevents.event_id": cloud["id"],
            "cloudevents.event_source": cloud["source"],
            "cloudevents.event_type": cloud["type"],
            "cloudevents.event_subject": self.about.model,
            "drift": msgspec.json.encode(cloud["data"]).decode(),
            "correlation_id": "-",
            "trace_id": f"{trace:032x}",
            "span_id": f"{span:016x}",
            "trace_flags": "01",
        }
        level = LEVELS[event.severity] if event.state == DriftState.STARTED else logging.INFO
        LOG.log(level, "%s", said, extra=extra)

    def _episode(self, event: DriftEvent, decisions: tuple[str, ...], at: int | None, said: str) -> DriftEpisode:
        since = event.since
        return DriftEpisode(
            self.about.model,
            event.kind,
            event.state.value,
            episode=event.episode,
            severity=event.severity.value,
            effect=event.effect,
            evidence=event.evidence,
            since=since.at if since is not None else None,
            since_bar=since.bar if since is not None else None,
            bar=event.bar,
            evidences={quantity(each): each.evidence for each in event.features},
            effects={quantity(each): each.effect for each in event.features},
            memories={quantity(each): each.window for each in event.features},
            features=_listed(event),
            version=self.about.version,
            reference=self.about.reference,
            summary=said,
            event_time=event.at if event.at is not None else at,
            decisions=decisions,
        )


class Quiet:
    """Says nothing: for a history that is looked at again."""

    def __init__(self, about: About) -> None:
        self.about = about

    def of(self, about: About) -> Quiet:
        """See `Teller.of`."""
        return Quiet(about)

    def card(self, card: DriftCard) -> None:
        """See `Teller.card`."""

    def check(
        self,
        check: DriftCheck,
        events: Sequence[tuple[DriftEvent, tuple[str, ...]]] = (),
        windows: Sequence[DriftWindow] = (),
    ) -> None:
        """See `Teller.check`."""

    def named(self, event: DriftEvent, tested: int) -> None:
        """See `Teller.named`."""


def _listed(event: DriftEvent) -> str | None:
    return ", ".join(event.names) or None


def _inside(drawn: str) -> NonRecordingSpan:
    """Return what stands for the span of a check, for what is said below it."""
    return NonRecordingSpan(SpanContext(trace_of(drawn), span_of(drawn), is_remote=False, trace_flags=TraceFlags(1)))


def _put(record: Record, inside: NonRecordingSpan | None = None, drawn: str | None = None) -> None:
    note = Note(record, R.now(), None, inside)
    if drawn is not None:
        note.drawn = drawn
    R.put(note)


def summary(event: DriftEvent, model: str) -> str:
    """Return an event in one sentence.

    >>> from ares_otel.ml.events import Moment, Moved, Since
    >>> moved = Moved("volume", Moment.SCALE, 128, 0.82, 1.31, 240.0)
    >>> event = DriftEvent(
    ...     DriftKind.DATA, DriftState.STARTED, 900, None, (moved,), Since(812), 0.82, 1.31, Severity.WARNING, 4
    ... )
    >>> summary(event, "lgbm")
    'data drift of lgbm (episode 4, warning) since bar 812, seen at bar 900: volume:scale +0.82 sd'
    """
    if event.state == DriftState.NAMED:
        named = ", ".join(f"{quantity(each)} {each.effect:+.2g} sd" for each in event.features) or "none can be named"
        return f"features of {model} that moved in episode {event.episode}: {named}"
    head = f"{event.kind} drift of {model} (episode {event.episode}, "
    if event.state == DriftState.CLEARED:
        return f"{head}{event.severity}) is over{_when(event.kind, event.bar, event.at)}"
    since = "" if event.since is None else f" since{_when(event.kind, event.since.bar, event.since.at)},"
    moved = [f"{quantity(each)} {each.effect:+.2g} sd" for each in event.features[:TOLD]]
    if len(event.features) > TOLD:
        moved.append(f"{len(event.features) - TOLD} more")
    return f"{head}{event.severity}){since} seen at{_when(event.kind, event.bar, event.at)}: {', '.join(moved)}"


def _when(kind: DriftKind, bar: int, at: int | None) -> str:
    if at is None:
        return f" {kind.unit} {bar}"
    moment = datetime.fromtimestamp(at // SECOND, UTC)
    return f" {moment:%Y-%m-%d}" if at % (86_400 * SECOND) == 0 else f" {moment:%Y-%m-%d %H:%M}"

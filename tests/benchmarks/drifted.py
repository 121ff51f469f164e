"""`make bench-drifted`: what drift that is known of costs the page of a decision, and the pages of drift themselves.

A database is filled with decisions, and with episodes of drift and the checks between them: of each model and kind one
after another, each open for half of the time; for the last tenth of it models have another reference. Decisions are of
the begin, the middle and the end of that time. Printed are the statements that one question takes and its median time,
and that of the whole page of a server; each with episodes and, in another database, without. The same is printed of the
account of a budget and the pages that show it. With `--postgres` all is asked of a PostgreSQL, too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from api_kit import statements
from postgres import cluster
from server_kit import connected, put
from spans import MODELS, START, Bot, Whole
from under_load import Place, Server

from ares_otel.semconv import attributes as a
from ares_otel.semconv.enums import DriftKind, DriftState
from ares_otel.server.query.drift.account import accounts
from ares_otel.server.query.drift.cards import CardsAsked
from ares_otel.server.query.drift.states import OWN
from ares_otel.server.query.drift.then import drifting_then
from ares_otel.server.store import schema as t
from ares_otel.server.store.migrate import migrate
from ares_otel.server.store.store import Store
from ares_otel.server.story.reader import Reader

__all__ = ["main"]

MINUTE = 60_000_000_000
HOUR = 60 * MINUTE
CHECK = 10 * MINUTE
YEARS = 10 * 365 * 24 * HOUR
"""How old the bars of a replay are."""
KINDS = (DriftKind.DATA, DriftKind.PREDICTION, DriftKind.LABEL, DriftKind.CONCEPT)
TURNS = 15
FEATURES = '{"rsi:scale":[-0.75,1.2,512],"spread:location":[0.5,1.1,128]}'


REFERENCES = ("f00d", "beef")
RATE = 0.05 / 4_000
MILLI = 1_000_000
LINES = '{"rsi:scale":{"n_eff":80,"share":0.6},"spread:location":{"n_eff":90,"share":0.4}}'


class Size(NamedTuple):
    """How much is stored: models, each with all kinds, and episodes of each."""

    models: int
    episodes: int

    @property
    def changed(self) -> int:
        """The first episode with another reference."""
        return self.episodes * 9 // 10

    def reference(self, episode: int) -> str:
        """Return the reference of an episode."""
        return REFERENCES[episode >= self.changed]

    @property
    def named(self) -> list[str]:
        """Names of the models; those that vote come first."""
        return [*MODELS, *(f"model-{number}" for number in range(len(MODELS), self.models))][: self.models]


def decided(size: Size, *, replay: bool) -> list[Whole]:
    """Return decisions of the begin, the middle and the end of the time of the episodes."""
    made = []
    for seed, share in enumerate((0.02, 0.5, 0.98)):
        at = START + round(size.episodes * share) * HOUR + 7 * MINUTE
        whole = Bot(seed=seed, start=at).decision(order=False)
        for pair in whole.spans[-1].attributes:
            if pair.key == a.EVENT_TIME.key:
                pair.value.int_value = at - YEARS * replay
        made.append(whole)
    return made


def fill(place: Place, size: Size, wholes: Sequence[Whole], *, replay: bool) -> None:
    """Store decisions, episodes and checks."""
    migrate(place.location)
    store = Store(place.location)
    put(store, *(whole.all for whole in wholes))
    store.close()
    with connected(place.location) as db:
        named = _names(db, size)
        late = YEARS * replay
        for number in range(size.models * len(KINDS)):
            model, kind = (
                named["model", size.named[number // len(KINDS)]],
                named["drift", KINDS[number % len(KINDS)].value],
            )
            # no two begin at once, and half of them are open at any time
            first = START + number % 60 * MINUTE
            about = {"model": model, "kind": kind, "detector": named["detector", OWN]}
            linked = {"decisions": json.dumps([whole.ids.decision for whole in wholes])}
            told = [{**each, **linked} for each in _told(size, first + number, late, about, named)]
            db.execute(sa.insert(t.drift_episode), told)
            db.execute(sa.insert(t.drift_check), [*_checks(size, first + number, late, about, named)])
            db.execute(sa.insert(t.drift_card), [*_cards(size, first + number, about, named)])
        db.commit()


def _names(db: sa.Connection, size: Size) -> dict[tuple[str, str], int]:
    words = [("model", name) for name in size.named] + [("drift", kind.value) for kind in KINDS]
    words += [("state", state.value) for state in DriftState] + [("severity", "warning")]
    words += [("reference", reference) for reference in REFERENCES]
    words += [("detector", OWN)]
    known = {(each.kind, each.value): each.id for each in db.execute(sa.select(t.name))}
    newest = max(known.values())
    missing = [pair for pair in words if pair not in known]
    added = {pair: newest + 1 + place for place, pair in enumerate(missing)}
    db.execute(sa.insert(t.name), [{"id": own, "kind": kind, "value": value} for (kind, value), own in added.items()])
    return known | added


def _told(size: Size, first: int, late: int, about: dict[str, int], named: Any) -> Iterator[dict[str, Any]]:
    for episode in range(size.episodes):
        for state, after in ((DriftState.STARTED, 0), (DriftState.CLEARED, 30 * MINUTE)):
            at = first + episode * HOUR + after
            facts = {"episode": episode, "since": at - CHECK - late, "event_time": at - late, "features": FEATURES}
            facts["reference"] = named["reference", size.reference(episode)]
            told = {"id": at, "state": named["state", state.value], "severity": named["severity", "warning"]}
            yield {**about, **facts, **told, "effect": 0.5, "evidence": 1.2}


def _checks(size: Size, first: int, late: int, about: dict[str, int], named: Any) -> Iterator[dict[str, Any]]:
    for at in range(first, first + size.episodes * HOUR, CHECK):
        episode, into = divmod(at - first, HOUR)
        bar = 1 + (at - first - (episode >= size.changed) * size.changed * HOUR) // CHECK
        facts = {
            "bar": bar,
            "spent": -math.expm1(-bar * RATE),
            "reference": named["reference", size.reference(episode)],
        }
        told = {"id": at, "event_time": at - late, "episode": episode if into < 30 * MINUTE else None}
        yield {**about, **facts, **told}


def _cards(size: Size, first: int, about: dict[str, int], named: Any) -> Iterator[dict[str, Any]]:
    for episode in (0, size.changed):
        facts = {"reference": named["reference", size.reference(episode)], "false_alarms": 0.05, "horizon": 4_000}
        # a card is said when its first check has been made
        at = first + episode * HOUR + MILLI
        yield {"model": about["model"], "kind": about["kind"], "id": at, **facts, "month": 730.0, "data": LINES}


# --- measured ----------------------------------------------------------------------------------------------------


def median_ms(question: Callable[[], object]) -> float:
    """Return the median of a few turns in ms, after one that is not counted."""
    question()
    took = []
    for _ in range(TURNS):
        begin = time.perf_counter()
        question()
        took.append(time.perf_counter() - begin)
    return statistics.median(took) * 1e3


def measured(place: Place, wholes: Sequence[Whole]) -> list[tuple[int, int, float, float]]:
    """Return episodes, statements and time of the question about drift, and the time of the page, by decision."""
    asked = []
    with Reader(place.location) as reader:
        for whole in wholes:
            (story,) = reader.find(whole.ids.decision)
            found = drifting_then(reader, story)
            taken = len(statements(reader, partial(drifting_then, story=story)))
            asked.append((len(found), taken, median_ms(partial(drifting_then, reader, story))))
    server = Server(place)
    try:
        pages = [median_ms(partial(_page, server, f"/decisions/{whole.ids.decision}")) for whole in wholes]
    finally:
        server.stop()
    return [(*each, page) for each, page in zip(asked, pages, strict=True)]


def account_measured(place: Place, size: Size) -> tuple[int, float, list[float]]:
    """Return statements and time of an account, and the times of the pages of all models and of one."""
    asked = CardsAsked(model=size.named[0])
    with Reader(place.location) as reader:
        taken, took = (
            len(statements(reader, partial(accounts, asked=asked))),
            median_ms(partial(accounts, reader, asked)),
        )
    server = Server(place)
    try:
        pages = [median_ms(partial(_page, server, path)) for path in ("/drift", f"/drift/{size.named[0]}")]
    finally:
        server.stop()
    return taken, took, pages


def _page(server: Server, path: str) -> None:
    with contextlib.closing(server.connect()) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, nargs="+", default=[5, 50], help="watched, each of four kinds")
    parser.add_argument("--episodes", type=int, default=200, help="of each model and kind")
    parser.add_argument("--postgres", action="store_true", help="and on a PostgreSQL of its own")
    args = parser.parse_args()
    with contextlib.ExitStack() as ends:
        directory = Path(ends.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-")))
        made = ends.enter_context(cluster()) if args.postgres else None
        sys.stdout.write(
            f"{'':38}{'decision':>10}{'episodes':>10}{'statements':>12}{'question ms':>13}{'page ms':>9}\n"
        )
        drift = []
        for models in (0, *args.models):
            size = Size(models, args.episodes)
            for replay in (False, True):
                places = [Place.file(directory / f"{models}-{replay}.db")]
                places += [Place.database(made)] if made is not None else []
                for place in places:
                    wholes = decided(size, replay=replay)
                    fill(place, size, wholes, replay=replay)
                    name = f"{place.name}, {models} models, {'a replay' if replay else 'live'}"
                    for when, found in zip(("first", "middle", "last"), measured(place, wholes), strict=True):
                        episodes, taken, question, page = found
                        sys.stdout.write(f"{name:38}{when:>10}{episodes:>10}{taken:>12}{question:>13.1f}{page:>9.1f}\n")
                    sys.stdout.flush()
                    if models:
                        taken, took, (overall, one) = account_measured(place, size)
                        drift.append(f"{name:38}{taken:>10}{took:>13.1f}{overall:>11.1f}{one:>14.1f}\n")
        head = (
            f"\n{'account of a budget':38}{'statements':>10}{'question ms':>13}{'/drift ms':>11}{'/drift/… ms':>14}\n"
        )
        sys.stdout.writelines([head, *drift])


if __name__ == "__main__":
    main()

"""What the sections of broken data have in common: cases by damage, and the share of verdicts that outlive it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol, TypeVar

from batch import each
from rows import Row, share

__all__ = ["EDGE", "Damaged", "outlived"]

CASES: Final = 1000
SEED: Final = 100_000
EDGE: Final = 0.1
"""How near to its threshold evidence is at the edge, in thresholds."""


class Damaged(Protocol):
    """A case; `damage` names what is done to its stream."""

    @property
    def damage(self) -> str:
        """Name of the damage."""


C = TypeVar("C", bound=Damaged)


def outlived(
    section: str,
    damages: Iterable[str],
    case: Callable[[str, int], C],
    kept: Callable[[C], bool],
    on_edge: Callable[[C], bool],
    *,
    quick: bool,
) -> Iterator[Row]:
    """Yield the share of verdicts that outlive damage, for each kind and over all.

    Args:
        section: the table.
        damages: names of all kinds.
        case: makes one of a damage and a seed.
        kept: whether the verdict on a case outlives its damage.
        on_edge: whether there was no change, and chance alone brought evidence to its threshold.
        quick: a tenth of the cases.
    """
    count = CASES // 10 if quick else CASES
    names = list(damages)
    cases = [case(names[number % len(names)], SEED + number) for number in range(count)]
    found = list(each(kept, cases))
    for name in names:
        its = [same for one, same in zip(cases, found, strict=True) if one.damage == name]
        yield share(section, name, sum(its), len(its))
    changed = [one for one, same in zip(cases, found, strict=True) if not same]
    edges = sum(map(on_edge, changed))
    note = f"{edges} others at the edge: no change, evidence within a tenth of the threshold by chance"
    yield share(section, "all, no crash", sum(found), count, "all but edges", met=edges == len(changed), note=note)

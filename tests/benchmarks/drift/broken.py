"""What the sections of broken data have in common: cases by damage, and the share of verdicts that outlive it.

Two things are held. The verdict on broken data is compared with that on the whole ones, as it was asked for. And with
that on a *twin*: the same data in which what is broken is only missing, as it may be anyway. Broken data must tell a
monitor what their twin does, to the last bit: a twin differs from the whole data not by how data are broken but by what
is not there, and where chance brings evidence to a threshold that decides on which side of it they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

from rows import Row, share
from working import each

__all__ = ["Compared", "Damaged", "outlived"]

CASES: Final = 1000
SEED: Final = 100_000
TOLD: Final = 12
"""Cases that differ of which evidence is told, at most."""


class Damaged(Protocol):
    """A case; `damage` names what is done to its stream."""

    @property
    def damage(self) -> str:
        """Name of the damage."""


class Compared(NamedTuple):
    """What became of a case.

    Attributes:
        same: whether its verdict is that on the whole data, within a window.
        twin: whether all that is said of it is what is said of its twin, to the last bit; None without one.
        changed: whether there is a change to see.
        evidence: the largest on the whole and on the broken data, in thresholds, where verdicts differ.
    """

    same: bool
    twin: bool | None
    changed: bool
    evidence: tuple[float, float] | None


C = TypeVar("C", bound=Damaged)


def outlived(
    section: str,
    damages: Iterable[str],
    case: Callable[[str, int], C],
    compared: Callable[[C], Compared],
    *,
    quick: bool,
) -> Iterator[Row]:
    """Yield the share of verdicts that outlive damage, for each kind and over all.

    Args:
        section: the table.
        damages: names of all kinds.
        case: makes one of a damage and a seed.
        compared: judges one.
        quick: a tenth of the cases.
    """
    count = CASES // 10 if quick else CASES
    names = list(damages)
    cases = [case(names[number % len(names)], SEED + number) for number in range(count)]
    found = list(each(compared, cases))
    for name in names:
        its = [its.same for one, its in zip(cases, found, strict=True) if one.damage == name]
        yield share(section, name, sum(its), len(its))
    yield _all(section, "all", found)
    yield _all(section, "those with a change", [one for one in found if one.changed])
    yield _all(section, "those without", [one for one in found if not one.changed], differing(found))
    twins = [one.twin for one in found if one.twin is not None]
    what = "as if what is broken were missing, to the last bit"
    yield share(section, what, sum(twins), len(twins), "all", met=all(twins))


def _all(section: str, what: str, found: Sequence[Compared], note: str = "") -> Row:
    same = sum(one.same for one in found)
    return share(section, what, same, len(found), "all", met=same == len(found), note=note)


def differing(found: Sequence[Compared]) -> str:
    """Return how much evidence there was where nothing changed and verdicts differ."""
    told = [one.evidence for one in found if one.evidence is not None and not one.changed]
    pairs = ", ".join(f"{whole:.2f} and {hurt:.2f}" for whole, hurt in told[:TOLD])
    return f"evidence where they differ, whole and broken, in thresholds: {pairs}" if told else ""

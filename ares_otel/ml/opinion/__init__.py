"""A second opinion: detectors of alibi-detect, River, or anybody else, beside our monitor, in a process of their own.

The bot never imports them: it starts a Python that does, when there is something to judge, and asks it through pipes.
"""

from __future__ import annotations

from ares_otel.ml.opinion.beside import Beside, Opinions
from ares_otel.ml.opinion.model import DEFAULT, Asked, Column, Health, OpinionState, Verdict
from ares_otel.ml.opinion.panel import Panel
from ares_otel.ml.opinion.second import SecondOpinion
from ares_otel.ml.opinion.terms import LICENSE

__all__ = [
    "DEFAULT",
    "LICENSE",
    "Asked",
    "Beside",
    "Column",
    "Health",
    "OpinionState",
    "Opinions",
    "Panel",
    "SecondOpinion",
    "Verdict",
]

"""The loop of the process: make a detector, check rows, until the pipe is closed."""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from collections.abc import Mapping
from typing import IO, Any

from .detectors import Detector, MissingError, made
from .frames import read, write

__all__ = ["main", "serve"]


def main() -> int:
    """Answer until the bot closes the pipe or ends."""
    # what libraries print must not come between the messages
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the bot, which closes the pipe
    warnings.simplefilter("ignore")
    serve(sys.stdin.buffer, answers)
    return 0


def serve(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer every message; what goes wrong is the answer."""
    detectors: dict[str, Detector] = {}
    while (message := read(questions)) is not None:
        header, body = message
        try:
            found = _answer(detectors, header, body)
        except MissingError as error:
            found = {"missing": str(error)}
        except Exception as error:  # noqa: BLE001  a detector may raise anything
            found = {"broken": f"{type(error).__name__}: {error}"}
        write(answers, {"id": header["id"], **found})


def _answer(detectors: dict[str, Detector], header: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    import numpy as np  # noqa: PLC0415  that it is missing is an answer, too

    rows = np.frombuffer(body, dtype="<f8").reshape(header["shape"])
    name = header["name"]
    # some detectors draw from the generators that everybody shares
    random.seed(header["seed"])
    np.random.seed(header["seed"])  # noqa: NPY002
    if header["do"] == "make":
        detectors.pop(name, None)
        detectors[name], about = made(header, rows)
        return {"about": about}
    return {"found": detectors[name].check(rows)}

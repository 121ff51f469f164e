"""Ports that are named before anybody listens there are nobody else's meanwhile."""

from __future__ import annotations

import socket

import ports
import pytest
from ports import RANGE, free_port, free_ports


def test_all_are_different() -> None:
    """No port is given twice before all others were."""
    found = [*free_ports(5), free_port(), free_port()]

    assert len({*found}) == 7
    assert {*found} <= {*RANGE}


def test_runs_beside_each_other_have_none_in_common() -> None:
    """Each of two runs has a share of its own; alone, all."""
    shares = [{*ports._share({"PORTS_OF": f"{number}/2"})} for number in (0, 1)]

    assert shares[0] & shares[1] == set()
    assert shares[0] | shares[1] == {*RANGE} == {*ports._share({})}


def test_what_is_taken_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which somebody listens is not given."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        taken = somebody.getsockname()[1]
        free = free_port()
        monkeypatch.setattr(ports, "_PORTS", iter([taken, free]))

        assert free_ports(1) == [free]

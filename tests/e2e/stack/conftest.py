"""What the tests of the whole stack share: it runs once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_kit import Stack, whole_stack

HERE = Path(__file__).parent
SECONDS = 600
"""The first of these tests waits until everything runs and was scraped often enough, on whatever machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each of them time for the start of the stack."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run the stack with a demo bot until there were enough scrapes for rates."""
    with whole_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running

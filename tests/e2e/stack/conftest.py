"""What the tests of the whole stack share: it runs once for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from whole_kit import Stack, whole_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run the stack with a demo bot until there were enough scrapes for rates."""
    with whole_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running

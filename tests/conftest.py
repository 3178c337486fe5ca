"""What holds for every test."""

from __future__ import annotations

import pytest
from hypothesis import settings

WHOLE_BOTS = ("tests/faults/", "tests/kills/", "tests/road/")

# A shared machine is slow at times; a property is about answers, never about milliseconds.
settings.register_profile("isthmus", deadline=None, print_blob=True)
settings.load_profile("isthmus")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes by itself begins first: then no worker is still at it when the other has nothing left."""
    items.sort(key=lambda item: not item.nodeid.startswith(WHOLE_BOTS))

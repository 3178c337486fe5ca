"""The contracts as a chain would take them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.execution.artefacts import Artefact, executor_artefact, inventory_artefact

MOST_RUNTIME_BYTES = 24_576
MOST_CREATION_BYTES = 49_152


@pytest.mark.parametrize("load", [executor_artefact, inventory_artefact])
def test_code_fits_what_a_chain_accepts(load: Callable[[], Artefact]) -> None:
    """EIP-170 and EIP-3860; the constructor's arguments take at most a kilobyte."""
    artefact = load()
    assert len(artefact.template) <= MOST_RUNTIME_BYTES
    assert len(artefact.creation) + 1024 <= MOST_CREATION_BYTES

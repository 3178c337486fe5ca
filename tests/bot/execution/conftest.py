from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.ledger.ledger import Ledger
from tests.bot.execution.given import open_ledger
from tests.bot.execution.scripted import Connection, ScriptedChain, signer_at


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = open_ledger(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[Connection]:
    with signer_at(tmp_path) as signer:
        yield signer


@pytest.fixture
def chain() -> ScriptedChain:
    return ScriptedChain()

"""What is told of one decision."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from bot.ledger.history import history
from bot.ledger.reading import decisions
from bot.ledger.records import Successor
from bot.ledger.states import AttemptKind
from bot.replay.why import screen
from tests.bot.ledger.given import FEES, bumped, hash_of, open_ledger, pending, receipt


@pytest.mark.parametrize("became", ["mined", "reverted", "cancelled"])
def test_what_a_block_made_of_a_transaction_is_said(tmp_path: Path, became: str) -> None:
    with closing(open_ledger(tmp_path / "ledger.db")) as ledger:
        intent = pending(ledger, 1)
        if became == "cancelled":
            noop = Successor(intent.id, b"noop", hash_of("tx", 2), bumped(FEES), AttemptKind.NOOP)
            ledger.record_successors([noop])
            ledger.mark_pending(intent.id)
        answer = receipt(2 if became == "cancelled" else 1, status=0 if became == "reverted" else 1)
        ledger.record_mined(intent.id, answer, {})
        found = history(ledger, decisions(ledger)[0].id)
        assert found is not None
        assert [line for line in screen(found, None) if line.startswith(f"{became} in block {answer.block_number}, ")]

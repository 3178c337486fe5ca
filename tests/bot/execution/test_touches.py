"""Who moved a plan's pools before it landed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.execution import touches as keeping
from bot.execution.touches import Touches
from bot.ledger.ledger import Ledger
from chains.blocks import Block, Log, Receipt
from chains.kernels.cache import compiled
from chains.pools.words import word
from tests.bot.execution.given import cycle, head, pending
from tests.chains.codec.viewed import viewed
from tests.chains.pools.samples import at


@pytest.mark.parametrize("named", [bytes.fromhex(at(41)[2:]) + bytes(12), word(int(at(41), 16))], ids=["id", "address"])
def test_who_moves_a_pool_of_a_singleton_is_told_of(ledger: Ledger, named: bytes) -> None:
    """The log is the singleton's, and names the pool in its first topic."""
    there, back = cycle().swaps
    plan = replace(cycle(), legs=(replace(there, hop=replace(there.hop, pool=at(41))), back))
    touches = Touches()
    log = Log(at(40), (bytes(32), named), b"", 11, "0x11", "0x99", 0, 0)
    touches.note(Block(head(11), (log,)))
    receipt = Receipt("0x1", 11, "0x11", 3, 0, 1, 1, ())
    intent = pending(ledger, plan)
    assert touches.explain(intent, plan, receipt) == f"others moved {at(41)} by 0x99 in block 11"
    assert touches.before(intent, plan, receipt) == (log,)
    other = replace(plan, legs=(replace(there, hop=replace(there.hop, pool=at(43))), back))
    intent = pending(ledger, other)
    assert touches.explain(intent, other, receipt) == "no other transaction touched its pools"
    assert touches.before(intent, other, receipt) == ()


@pytest.mark.parametrize(
    "numbers", [False, pytest.param(True, marks=pytest.mark.skipif(not compiled(), reason="Numba"))]
)
def test_what_others_did_between_the_decision_and_the_receipt_is_kept_in_whole_blocks(
    ledger: Ledger, numbers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_KEPT", 3)
    plan, touches = cycle(), Touches()
    pool = min(plan.pools)
    intent = pending(ledger, plan)
    first = intent.decided_block
    logs = {
        number: tuple(
            Log(pool, (word(place),), b"", number, f"0x{number:064x}", f"0x{number:02x}{place}", place, place)
            for place in range(2)
        )
        for number in range(first, first + 5)
    }
    for number, of_block in logs.items():
        touches.note(Block(head(number), viewed(of_block) if numbers else of_block))
        touches.note(Block(head(number), ()))
    late = Receipt("0x1", first + 4, "0x11", 1, 0, 1, 1, ())
    # Two blocks hold the three newest, and of the last one only what stands before the receipt counts.
    assert touches.before(intent, plan, late) == (*logs[first + 3], logs[first + 4][0])
    ours = replace(late, tx_hash=logs[first + 3][0].tx_hash)
    assert touches.before(intent, plan, ours) == (logs[first + 3][1], logs[first + 4][0])
    touches.forget_above(first + 3)
    assert touches.before(intent, plan, late) == logs[first + 3]
    touches.note(Block(head(first + 4), logs[first + 4]))
    assert touches.before(intent, plan, late) == (*logs[first + 3], logs[first + 4][0])

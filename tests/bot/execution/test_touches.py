"""Who moved a plan's pools before it landed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.execution.touches import Touches
from bot.ledger.ledger import Ledger
from chains.blocks import Block, Log, Receipt
from chains.pools.words import word
from tests.bot.execution.given import cycle, head, pending
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

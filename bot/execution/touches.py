"""Who else moved a pool, and when: what explains that the chain's answer is not the simulator's."""

from __future__ import annotations

from collections import deque

from bot.ledger.records import Intent
from bot.plan import Plan
from chains.assets import Address, address
from chains.blocks import Block, Log, Receipt

_KEPT = 4096


class Touches:
    """The latest logs of canonical blocks: each a transaction that changed a pool, and where it stands."""

    def __init__(self) -> None:
        self._touches: deque[Log] = deque(maxlen=_KEPT)

    def note(self, block: Block) -> None:
        """Take in the logs of a block."""
        self._touches.extend(block.logs)

    def forget_above(self, number: int) -> None:
        """Blocks above `number` are no longer canonical."""
        self._touches = deque((touch for touch in self._touches if touch.block_number <= number), _KEPT)

    def explain(self, intent: Intent, plan: Plan, receipt: Receipt) -> str:
        """What can have made `receipt` differ from the verdict on the block `plan` was decided on."""
        if receipt.block_number > plan.deadline_block:
            return f"it landed in block {receipt.block_number}, after its deadline, block {plan.deadline_block}"
        others = self._others(intent, plan, receipt)
        return f"others moved {', '.join(sorted(others))}" if others else "no other transaction touched its pools"

    def before(self, intent: Intent, plan: Plan, receipt: Receipt) -> tuple[Log, ...]:
        """What others did at the pools of `plan`, after the block it was decided on and before `receipt`."""
        return tuple(
            touch
            for touch in self._touches
            if touch.tx_hash != receipt.tx_hash
            and touch.block_number > intent.decided_block
            and (touch.block_number, touch.tx_index) < (receipt.block_number, receipt.tx_index)
            and not plan.pools.isdisjoint(_named(touch))
        )

    def _others(self, intent: Intent, plan: Plan, receipt: Receipt) -> set[str]:
        return {
            f"{pool} by {touch.tx_hash} in block {touch.block_number}"
            for touch in self.before(intent, plan, receipt)
            for pool in plan.pools & _named(touch)
        }


def _named(touch: Log) -> set[Address]:
    """Whose log it may be: its contract's, or where that is a singleton, that of the pool which it names first.

    Uniswap V4's and Balancer V2's ids begin with what plans call the pool; Balancer V3 says its address.
    """
    names = {touch.address}
    if len(touch.topics) > 1:
        names |= {address("0x" + part.hex()) for part in (touch.topics[1][:20], touch.topics[1][-20:])}
    return names

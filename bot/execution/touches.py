"""Who else moved a pool, and when: what explains that the chain's answer is not the simulator's."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bot.ledger.records import Intent
from bot.plan import Plan
from chains.assets import Address
from chains.blocks import Block, Receipt

_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Touch:
    """A transaction that changed a pool: where it stands on the chain."""

    block_number: int
    tx_index: int
    pool: Address
    tx_hash: str

    def __str__(self) -> str:
        return f"{self.pool} by {self.tx_hash} in block {self.block_number}"


class Touches:
    """The latest touches of canonical blocks."""

    def __init__(self) -> None:
        self._touches: deque[Touch] = deque(maxlen=_KEPT)

    def note(self, block: Block) -> None:
        """Take in the logs of a block."""
        self._touches.extend(Touch(log.block_number, log.tx_index, log.address, log.tx_hash) for log in block.logs)

    def forget_above(self, number: int) -> None:
        """Blocks above `number` are no longer canonical."""
        self._touches = deque((touch for touch in self._touches if touch.block_number <= number), _KEPT)

    def explain(self, intent: Intent, plan: Plan, receipt: Receipt) -> str:
        """What can have made `receipt` differ from the verdict on the block `plan` was decided on."""
        if receipt.block_number > plan.deadline_block:
            return f"it landed in block {receipt.block_number}, after its deadline, block {plan.deadline_block}"
        others = {
            str(touch)
            for touch in self._touches
            if touch.pool in plan.pools
            and touch.tx_hash != receipt.tx_hash
            and touch.block_number > intent.decided_block
            and (touch.block_number, touch.tx_index) < (receipt.block_number, receipt.tx_index)
        }
        return f"others moved {', '.join(sorted(others))}" if others else "no other transaction touched its pools"

"""Who else moved a pool, and when: what explains that the chain's answer is not the simulator's."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from bot.ledger.records import Intent
from bot.plan import Plan
from chains.assets import Address, address
from chains.blocks import Block, Log, Receipt

_KEPT = 4096
"""So many logs at least, in whole blocks."""
_BLOCKS_KEPT = 256


class Touches:
    """The latest logs of canonical blocks: each a transaction that changed a pool, and where it stands. And when those
    blocks were made.
    """

    def __init__(self) -> None:
        self._touches: deque[tuple[int, Sequence[Log]]] = deque()
        self._kept = 0
        self._made_s: dict[int, int] = {}

    def note(self, block: Block) -> None:
        """Take in the logs of a block."""
        if block.logs:
            self._touches.append((block.head.number, block.logs))
            self._kept += len(block.logs)
            while self._kept - len(self._touches[0][1]) >= _KEPT:
                self._kept -= len(self._touches.popleft()[1])
        self._made_s[block.head.number] = block.head.timestamp_s
        while len(self._made_s) > _BLOCKS_KEPT:
            del self._made_s[next(iter(self._made_s))]

    def forget_above(self, number: int) -> None:
        """Blocks above `number` are no longer canonical."""
        self._touches = deque((at, logs) for at, logs in self._touches if at <= number)
        self._kept = sum(len(logs) for _, logs in self._touches)
        self._made_s = {at: made_s for at, made_s in self._made_s.items() if at <= number}

    def late(self, plan: Plan, receipt: Receipt) -> str:
        """Why `receipt` came too late for `plan`, by its block or by the time of that; empty where it did not."""
        number = receipt.block_number
        if number > plan.deadline_block:
            return f"it landed in block {number}, after its deadline, block {plan.deadline_block}"
        late_s = self._made_s.get(number, 0) - plan.deadline_s
        if plan.deadline_s and late_s > 0:
            return f"it landed in block {number}, which was made {late_s} s after its deadline"
        return ""

    def explain(self, intent: Intent, plan: Plan, receipt: Receipt) -> str:
        """What can have made `receipt` differ from the verdict on the block `plan` was decided on."""
        late = self.late(plan, receipt)
        if late:
            return late
        others = self._others(intent, plan, receipt)
        return f"others moved {', '.join(sorted(others))}" if others else "no other transaction touched its pools"

    def before(self, intent: Intent, plan: Plan, receipt: Receipt) -> tuple[Log, ...]:
        """What others did at the pools of `plan`, after the block it was decided on and before `receipt`."""
        return tuple(
            touch
            for number, logs in self._touches
            if intent.decided_block < number <= receipt.block_number
            for touch in logs
            if touch.tx_hash != receipt.tx_hash
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

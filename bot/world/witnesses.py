"""Before much is risked on a block, a second endpoint has to tell the same block."""

from __future__ import annotations

from dataclasses import dataclass

from bot.ledger.records import WorstCase
from bot.reasons import Reason, Refusal
from chains.blocks import Head
from chains.node import Agreement, Node


@dataclass(frozen=True, slots=True)
class Witnesses:
    """The endpoints of `node`, asked about a head once a plan's worst case is more than `above_wei`."""

    node: Node
    above_wei: int

    async def refusal(self, head: Head, worst: WorstCase) -> Refusal | None:
        """Why `worst` may not be risked on `head`. A node with one endpoint, the twin's, has nobody to ask."""
        if worst.loss_wei + worst.capital_wei <= self.above_wei:
            return None
        opinion = await self.node.agreed(head)
        if opinion.agreement in (Agreement.AGREED, Agreement.ALONE):
            return None
        return Refusal(Reason.PROVIDERS_DISAGREE, opinion.detail)

"""From a plan to the unsigned transaction: the terms the contract enforces, the fees, the bytes.

The engine and the signer both build through here, each on its own, and must arrive at the same digest.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.plan import Plan
from bot.transaction import Fees, UnsignedTransaction
from chains.assets import Address
from chains.executor import encode


@dataclass(frozen=True, slots=True)
class Terms:
    """What the executor enforces: `min_gain` of the cycle's token, or `min_out` of the last swap's output."""

    min_gain: int
    min_out: int


def unsigned_transaction(
    plan: Plan, terms: Terms, fees: Fees, *, nonce: int, chain_id: int, sender: Address, executor: Address
) -> UnsignedTransaction:
    """The one transaction that settles the plan's swaps."""
    return UnsignedTransaction(
        chain_id=chain_id,
        nonce=nonce,
        sender=sender,
        to=executor,
        value_wei=0,
        data=encode(plan.executor_call(terms.min_gain, terms.min_out)),
        gas_limit=fees.gas_limit,
        max_fee_wei=fees.max_fee_wei,
        tip_wei=fees.tip_wei,
    )

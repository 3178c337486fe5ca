"""What a transaction offers per gas, and what that leaves of a plan's profit."""

from __future__ import annotations

from dataclasses import dataclass

from bot.execution.build import Terms
from bot.execution.marks import Marks
from bot.plan import Plan
from bot.transaction import Fees
from chains.blocks import Head

MAX_SLIPPAGE_PPM = 10_000
"""How far below its quote a two-sided plan's chain side may ever settle."""

_GAS_MARGIN_PERCENT = 40
_GAS_MARGIN = 120_000
"""A pair that never traded writes its price slots for the first time: two of 22,100 gas (EIP-2929) and some."""


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """EIP-1559 fees: a fixed tip, and a fee cap that survives the base fee doubling.

    `tip_wei` and `max_fee_wei` are per gas; a head whose next base fee does not fit under the cap is not traded.
    """

    tip_wei: int
    max_fee_wei: int

    def gas_price_wei(self, head: Head) -> int:
        """What the block after `head` will charge per gas, tip included."""
        return head.next_base_fee_wei() + self.tip_wei

    def fees(self, gas: int, head: Head) -> Fees:
        """The offer for a transaction that uses about `gas`, in the block after `head`.

        The limit leaves room: refunds come after the fact, and inner calls get 63/64 of what is left (EIP-150).
        """
        cap = min(2 * head.next_base_fee_wei() + self.tip_wei, self.max_fee_wei)
        gas_limit = gas * (100 + _GAS_MARGIN_PERCENT) // 100 + _GAS_MARGIN
        return Fees(gas_limit=gas_limit, max_fee_wei=cap, tip_wei=min(self.tip_wei, cap))


def terms(plan: Plan, gas_cost_wei: int, marks: Marks) -> Terms:
    """The least the contract may accept, so that `min_profit_wei` is left after `gas_cost_wei`.

    An atomic plan must gain that much outright. A two-sided one may fall short of its quote by the profit it can
    spare, valued at `marks`. Raises `NoMark`.
    """
    least_wei = plan.min_profit_wei + gas_cost_wei
    if plan.atomic:
        return Terms(min_gain=max(marks.units_worth(plan.swaps[0].token_in, least_wei), 1), min_out=0)
    last = plan.swaps[-1]
    spare = min(
        marks.units(last.token_out, max(plan.expected_profit_wei - least_wei, 0)),
        last.amount_out * MAX_SLIPPAGE_PPM // 10**6,
    )
    return Terms(min_gain=0, min_out=max(last.amount_out - spare, 1))

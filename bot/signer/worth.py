"""What tokens are worth to the signer: by its policy's marks, in wei of ETH, rounded down."""

from __future__ import annotations

from collections.abc import Mapping

from bot.signer.policy import WETH_MARK, SignerPolicy
from chains.assets import Address


def worth(marks: Mapping[Address, int], token: Address, units: int) -> int:
    """`units` of a token that `marks` names."""
    return units * marks[token] // WETH_MARK


def inventory_worth(policy: SignerPolicy, token: Address, units: int) -> int | None:
    """`units` of an inventory token; None where the policy has no mark for it."""
    marks = policy.inventory_marks
    return worth(marks, token, units) if token in marks else None

"""What gas is worth: coins of a network in, wei of ETH out, at the coin's opening mark. Nothing else converts. And how
amounts of both are told."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class GasCoin:
    """The coin a network takes its gas in. `mark` is wei of ETH per base unit of it, fixed when a run opens.

    Fees, receipts and balances are in the coin itself; profits, budgets and limits are wei of ETH.
    """

    mark: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if self.mark <= 0:
            raise ValueError(f"a gas coin's mark of {self.mark} is not above zero")

    def cost_wei(self, coins: int) -> int:
        """What `coins` base units cost in wei of ETH, rounded up: only nothing costs nothing."""
        return -(-coins * self.mark.numerator // self.mark.denominator)

    def worth_wei(self, coins: int) -> int:
        """What `coins` base units are worth in wei of ETH, rounded down."""
        return coins * self.mark.numerator // self.mark.denominator

    def coins(self, wei: int) -> int:
        """How many base units `wei` of ETH pay for, rounded down."""
        return wei * self.mark.denominator // self.mark.numerator


ETHER = GasCoin()
"""The coin of a network that takes its gas in ETH."""

_WEI = 10**18


def ether(wei: int) -> str:
    """Wei for a person: `0.0125 ETH`, exactly."""
    return f"{_whole(wei)} ETH"


def coins(wei: int) -> str:
    """An amount of a network's own coin for a person, exactly: `0.0125 coins`."""
    return f"{_whole(wei)} coins"


def _whole(wei: int) -> str:
    whole, fraction = divmod(abs(wei), _WEI)
    decimals = f".{fraction:018}".rstrip("0").rstrip(".")
    return f"{'-' if wei < 0 else ''}{whole}{decimals}"

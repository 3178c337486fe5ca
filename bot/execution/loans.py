"""Who lends a cycle's input: the cheapest of those who can, counting the fee and the gas of asking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.execution.deployment import Venues
from chains.assets import ZERO_ADDRESS
from chains.loans import SINGLETONS, Lender, Loan

AAVE_FEE_PPM = 500
"""Aave V3's premium on a flash loan, where governance has not changed it."""

GAS: Mapping[Lender, int] = {
    Lender.UNISWAP_V4: 30_000,
    Lender.BALANCER_V3: 45_000,
    Lender.BALANCER_V2: 50_000,
    Lender.AAVE_V3: 110_000,
    Lender.PAIR: 40_500,
    Lender.POOL: 39_500,
}
"""Gas that a loan adds to a cycle.

Measured with the real manager of Uniswap V4, and in `contracts/test/Gas.t.sol` with Uniswap's own pairs and pools; of
Balancer and Aave these are estimates, from what their flash loans usually burn on mainnet.
"""


@dataclass(frozen=True, slots=True)
class Offer:
    """A loan that could be had: at most `available` base units of the cycle's token."""

    loan: Loan
    available: int

    def cost_wei(self, amount: int, gas_price_wei: int, wei_per_unit: tuple[int, int]) -> int:
        """What lending `amount` costs, in wei: its fee at `wei_per_unit` (wei, for so many base units), and its gas."""
        wei, units = wei_per_unit
        fee = self.loan.debt(amount) - amount
        return -(-fee * wei // units) + GAS[self.loan.lender] * gas_price_wei


def singleton_loans(venues: Venues) -> tuple[Loan, ...]:
    """The loans an executor that knows `venues` can take of lenders of which there is one."""
    fees = {Lender.AAVE_V3: AAVE_FEE_PPM}
    loans = (Loan(lender, fee_ppm=fees.get(lender, 0)) for lender in sorted(SINGLETONS))
    return tuple(loan for loan in loans if venues.lender(loan) != ZERO_ADDRESS)


def cheapest(offers: Iterable[Offer], amount: int, *, gas_price_wei: int, wei_per_unit: tuple[int, int]) -> Loan | None:
    """The loan of `amount` that costs least; None where nobody has so much. Of equals the first offered."""
    able = [offer for offer in offers if offer.available >= amount]
    best = min(able, key=lambda offer: offer.cost_wei(amount, gas_price_wei, wei_per_unit), default=None)
    return best.loan if best else None

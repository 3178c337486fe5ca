"""What deposits and withdrawals do to a Curve CryptoSwap pool, so that their events can be followed.

Source: behaviour of curve-crypto-contract's add_liquidity, remove_liquidity and _calc_withdraw_one_coin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from chains.pools.crypto_swap import FEE_DENOMINATOR, UNIT, FeeCurve, Shape, invariant, solved
from chains.pools.crypto_swap_repeg import Peg
from chains.pools.pool import StaleState

TELLING = 10**5
"""The least amounts, in base units, from which the contract learns a price."""

_NOISE_FEE = 10**5


class Moved(NamedTuple):
    """What a deposit or a withdrawal of one coin moved: base units of the LP token or of the coin, and the trade."""

    amount: int
    lp_supply: int
    xp: tuple[int, ...]
    d: int
    coin: int
    price: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """A pool as its liquidity providers see it. `units` bring base units to 18 decimals; `d` is as of now."""

    shape: Shape
    fees: FeeCurve
    units: tuple[int, ...]
    balances: tuple[int, ...]
    peg: Peg
    d: int

    def scaled(self, balances: Sequence[int]) -> tuple[int, ...]:
        """Balances with 18 decimals, in units of the first coin."""
        first, *others = (balance * unit for balance, unit in zip(balances, self.units, strict=True))
        return first, *(x * price // UNIT for x, price in zip(others, self.peg.price_scale, strict=True))

    def added(self, amounts: Sequence[int]) -> Moved:
        """What a deposit mints. Raises `StaleState` for a pool's first, and as `invariant`."""
        supply = self.peg.oracle.lp_supply
        if not supply or not self.d:
            raise StaleState("the pool got its first deposit; load it again")
        before = self.scaled(self.balances)
        held = tuple(balance + amount for balance, amount in zip(self.balances, amounts, strict=True))
        xp = self.scaled(held)
        d = invariant(self.shape, xp)
        moved = [new - old for new, old in zip(xp, before, strict=True)]
        if self.shape.rules.original:
            moved = [amounts[0], *self.scaled(amounts)[1:]]
        minted = supply * d // self.d - supply
        minted -= self._spread_fee(moved, xp) * minted // FEE_DENOMINATOR + 1
        given = [index for index, amount in enumerate(amounts) if amount]
        price = 0
        if minted > TELLING and len(given) == 1:
            price = self._told(given[0], amounts[given[0]], held, minted, supply + minted)
        return Moved(minted, supply + minted, xp, d, given[0], price)

    def removed_one(self, index: int, burnt: int) -> Moved:
        """What burning LP tokens for one coin pays. Raises as `invariant`."""
        supply = self.peg.oracle.lp_supply
        xp = list(self.scaled(self.balances))
        share = burnt * self.d // supply
        d = self.d - (share - (self.fees.at(xp) * share // (2 * FEE_DENOMINATOR) + 1))
        y = solved(self.shape, xp, d, index)
        scale = self.units[index] * (self.peg.price_scale[index - 1] if index else UNIT)
        paid = (xp[index] - y) * UNIT // scale
        xp[index] = y
        price = 0
        if min(paid, burnt) > TELLING:
            price = self._told(index, paid, self.balances, share, self.d)
        return Moved(paid, supply - burnt, tuple(xp), d, index, price)

    def _spread_fee(self, amounts: Sequence[int], xp: Sequence[int]) -> int:
        """The fee on what a deposit moves away from balance, in 10^-10."""
        coins, total = len(amounts), sum(amounts)
        fee = self.fees.at(xp) * coins // (4 * (coins - 1))
        return fee * sum(abs(amount - total // coins) for amount in amounts) // total + _NOISE_FEE

    def _told(self, index: int, amount: int, held: Sequence[int], share: int, whole: int) -> int:
        """The price that moving `amount` of one coin for `share` of the `whole` tells."""
        precise = [balance * unit for balance, unit in zip(held, self.units, strict=True)]
        if len(precise) == 2:
            others = precise[1 - index]
        else:
            prices = (UNIT, *self.peg.oracle.last_prices)
            others = sum(x * prices[other] // UNIT for other, x in enumerate(precise) if other != index)
        moved = amount * self.units[index] - share * held[index] * self.units[index] // whole
        price = others * share // whole * UNIT // moved
        return UNIT * UNIT // price if len(precise) == 2 and index == 0 else price

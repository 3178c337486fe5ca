"""What deposits and withdrawals in one coin do to a Curve StableSwap pool: meta pools go through them.

Source: curve-contract, StableSwap3Pool's add_liquidity, calc_token_amount and _calc_withdraw_one_coin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chains.pools.pool import AmountOutOfRange, EmptyPool
from chains.pools.stable_swap import FEE_DENOMINATOR, PRECISION, StableRules, dynamic_fee, invariant, scaled, solved


@dataclass(frozen=True, slots=True)
class Reserves:
    """A pool as its liquidity providers see it. Fields as `CurveStablePool`'s, `amp` as of now."""

    rules: StableRules
    amp: int
    balances: tuple[int, ...]
    rates: tuple[int, ...]
    fee: int
    admin_fee: int
    lp_supply: int
    offpeg_multiplier: int = 0

    def virtual_price(self) -> int:
        """What one LP token is worth, in 10^-18. Raises `EmptyPool`."""
        if not self.lp_supply:
            raise EmptyPool("there are no LP tokens")
        return self._invariant(self.balances) * PRECISION // self.lp_supply

    def tokens_for(self, index: int, amount: int) -> int:
        """LP tokens for a deposit of one coin, before fees: `calc_token_amount`. Raises `EmptyPool`."""
        before, after = self._invariant(self.balances), self._invariant(self._with(index, amount))
        return (after - before) * self.lp_supply // before

    def deposited(self, index: int, amount: int) -> tuple[Reserves, int]:
        """After a deposit of one coin, and the LP tokens minted: `add_liquidity`.

        Only for pools whose fee is flat. Raises `EmptyPool`, and `AmountOutOfRange` where nothing is minted.
        """
        held = self._with(index, amount)
        before, ideal = self._invariant(self.balances), self._invariant(held)
        fees = [
            self._spread_fee * abs(ideal * old // before - new) // FEE_DENOMINATOR
            for old, new in zip(self.balances, held, strict=True)
        ]
        after = self._invariant([new - fee for new, fee in zip(held, fees, strict=True)])
        minted = self.lp_supply * (after - before) // before
        if minted <= 0:
            raise AmountOutOfRange(f"{amount} base units mint no LP token")
        balances = tuple(new - fee * self.admin_fee // FEE_DENOMINATOR for new, fee in zip(held, fees, strict=True))
        return replace(self, balances=balances, lp_supply=self.lp_supply + minted), minted

    def withdrawn(self, index: int, burnt: int) -> tuple[Reserves, int]:
        """After `burnt` LP tokens were withdrawn in one coin, and what that pays: `remove_liquidity_one_coin`.

        Raises `EmptyPool`, `AmountOutOfRange`.
        """
        if not 0 <= burnt <= self.lp_supply:
            raise AmountOutOfRange(f"{burnt} is not a part of {self.lp_supply} LP tokens")
        xp, rate = scaled(self.balances, self.rates), self.rates[index]
        before = self._invariant(self.balances)
        after = before - burnt * before // self.lp_supply
        without_fee = solved(self.rules, self.amp, xp, index, after)
        ideal = [x * after // before for x in xp]
        moved = [x - share for x, share in zip(xp, ideal, strict=True)]
        moved[index] = ideal[index] - without_fee
        middles = list(xp)
        middles[index] = (xp[index] + without_fee) // 2
        even = (before + after) // (2 * len(xp))
        fees = [dynamic_fee(middle, even, self._spread_fee, self.offpeg_multiplier) for middle in middles]
        reduced = [x - fee * part // FEE_DENOMINATOR for x, fee, part in zip(xp, fees, moved, strict=True)]
        left = reduced[index] - solved(self.rules, self.amp, reduced, index, after) - 1
        if moved[index] < 0 or left < 0:
            raise AmountOutOfRange(f"{burnt} LP tokens are too few to withdraw one coin")
        paid = left * PRECISION // rate
        taken = (xp[index] - without_fee) * PRECISION // rate - paid
        balances = self._with(index, -paid - taken * self.admin_fee // FEE_DENOMINATOR)
        return replace(self, balances=balances, lp_supply=self.lp_supply - burnt), paid

    @property
    def _spread_fee(self) -> int:
        """The fee on what a deposit or withdrawal moves away from balance."""
        coins = len(self.balances)
        return self.fee * coins // (4 * (coins - 1))

    def _with(self, index: int, amount: int) -> tuple[int, ...]:
        return (*self.balances[:index], self.balances[index] + amount, *self.balances[index + 1 :])

    def _invariant(self, balances: tuple[int, ...] | list[int]) -> int:
        return invariant(self.rules, self.amp, scaled(balances, self.rates))

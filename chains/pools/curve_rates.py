"""Where a Curve StableSwap pool's rates come from, where they move without an event. Asks and decodes; no I/O.

Source: curve-contract, the `_stored_rates` and `_current_rates` of the compound, y, ib, aeth and reth pools;
stableswap-ng, `stored_rates`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from chains.assets import Address, Token, address
from chains.pools.pool import Call, MalformedState
from chains.pools.words import WORD, require_words, selector, unsigned, word

MULTICALL3 = address("0xcA11bde05977b3631167028862bE2a173976CA11")
"""Answers what block it is, and what time."""
PRECISION = 10**18


class RateSource(StrEnum):
    """What a pool asks for its rates, as `details["rates"]` names it."""

    FIXED = "fixed"
    """Nobody: the coins count one for one."""
    ORACLE = "oracle"
    """What its own `stored_rates()` tells, whomever that asks."""
    COMPOUND = "compound"
    """cTokens: `get_dy` by the rate they stored and what it earned since, `exchange` by the rate they accrue then."""
    YEARN = "yearn"
    """yTokens: their price per full share."""
    ANKR = "ankr"
    """aETH: the inverse of its ratio."""
    ROCKET = "rocket"
    """rETH: its exchange rate."""
    REDEMPTION = "redemption"
    """RAI: its redemption price, as a contract of its own took it down."""
    REBASING = "rebasing"
    """Nobody, but the coins' balances grow, as aTokens' and stETH's do."""


_ASKED: dict[RateSource, tuple[bytes, ...]] = {
    RateSource.COMPOUND: tuple(
        selector(f"{name}()")
        for name in ("exchangeRateStored", "supplyRatePerBlock", "accrualBlockNumber", "exchangeRateCurrent")
    ),
    RateSource.YEARN: (selector("getPricePerFullShare()"),),
    RateSource.ANKR: (selector("ratio()"),),
    RateSource.ROCKET: (selector("getExchangeRate()"),),
    RateSource.REDEMPTION: (selector("snappedRedemptionPrice()"),),
}
_REDEMPTION_SCALE = 10**9
"""A redemption price has 27 decimals; a rate has 18."""
_STORED_RATES = selector("stored_rates()")
_BLOCK_NUMBER = Call(MULTICALL3, selector("getBlockNumber()"))
_BALANCE, _BALANCE_OLD = selector("balances(uint256)"), selector("balances(int128)")
CLOCK = Call(MULTICALL3, selector("getCurrentBlockTimestamp()"))
TOTAL_SUPPLY = selector("totalSupply()")


class Rates(NamedTuple):
    """By coin: what `exchange` goes by and, where that is not the same, what `get_dy` does."""

    paid_by: tuple[int, ...]
    viewed_by: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RateAsking:
    """Whom a pool asks. `units` bring each coin, worth one, to 18 decimals: 10^(18 - the underlying coin's decimals).

    `lent` says of each coin whether it has a rate of its own; `lp_token` is whose supply is the pool's; `told_by` tells
    a redemption price.
    """

    source: RateSource
    units: tuple[int, ...]
    lent: tuple[bool, ...]
    lp_token: Address
    told_by: Address | None = None

    def __post_init__(self) -> None:
        if (self.told_by is not None) != (self.source is RateSource.REDEMPTION):
            raise MalformedState(f"rates by {self.source} cannot be told by {self.told_by}")
        if len(self.units) != len(self.lent) or min(self.units, default=0) <= 0:
            raise MalformedState(f"rates of {len(self.units)} units for {len(self.lent)} coins cannot be")

    def calls(self, pool: Address, tokens: Sequence[Token]) -> tuple[Call, ...]:
        """What to ask; `rates` reads the answers, in this order."""
        if self.source is RateSource.ORACLE:
            return (Call(pool, _STORED_RATES),)
        asked = _ASKED.get(self.source, ())
        coins = (Address(token.address) for token, lent in zip(tokens, self.lent, strict=True) if lent)
        whom = coins if self.told_by is None else (self.told_by,)
        calls = tuple(Call(contract, data) for contract in whom for data in asked)
        return (_BLOCK_NUMBER, *calls) if self.source is RateSource.COMPOUND else calls

    def rates(self, pool: Address, answers: Sequence[bytes]) -> Rates:
        """The rates that `answers` tell. Raises `MalformedState`."""
        if self.source is RateSource.ORACLE:
            return Rates(_array(answers[0], len(self.units), pool))
        numbers = [unsigned(require_words(answer, 1, f"a rate of pool {pool}")) for answer in answers]
        if self.source is RateSource.COMPOUND:
            return self._compound(numbers)
        if self.source is RateSource.REDEMPTION:
            numbers = [number // _REDEMPTION_SCALE for number in numbers]
        told = iter(numbers)
        own = (next(told) if lent and self.source in _ASKED else PRECISION for lent in self.lent)
        if self.source is RateSource.ANKR:
            inverse = (_inverse(rate, pool) if lent else rate for rate, lent in zip(own, self.lent, strict=True))
            return Rates(self._scaled(tuple(inverse)))
        return Rates(self._scaled(tuple(own)))

    def _compound(self, numbers: Sequence[int]) -> Rates:
        block, *told = numbers
        groups = iter([told[first : first + 4] for first in range(0, len(told), 4)])
        viewed, current = [], []
        for lent in self.lent:
            stored, per_block, accrued_in, now = next(groups) if lent else (PRECISION, 0, block, PRECISION)
            if accrued_in > block:
                raise MalformedState(f"a coin accrued in block {accrued_in}, after block {block}")
            viewed.append(stored + stored * per_block * (block - accrued_in) // PRECISION)
            current.append(now)
        paid_by, viewed_by = self._scaled(tuple(current)), self._scaled(tuple(viewed))
        return Rates(paid_by, viewed_by if viewed_by != paid_by else ())

    def _scaled(self, own: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(map(int.__mul__, self.units, own))


def balance_calls(pool: Address, coins: int) -> tuple[Call, ...]:
    """What a pool has of each coin; old pools ask for it by another name than new ones."""
    return tuple(Call(pool, asked + word(index)) for asked in (_BALANCE, _BALANCE_OLD) for index in range(coins))


def balances_told(pool: Address, coins: int, answers: Sequence[bytes]) -> tuple[int, ...]:
    """The answers to `balance_calls`, which `answers` begin with. Raises `MalformedState`."""
    pairs = zip(answers[:coins], answers[coins : 2 * coins], strict=True)
    return tuple(
        unsigned(require_words(new or old, 1, f"balances({index}) of {pool}")) for index, (new, old) in enumerate(pairs)
    )


def _inverse(ratio: int, pool: Address) -> int:
    if not ratio:
        raise MalformedState(f"a coin of pool {pool} tells a ratio of nothing")
    return PRECISION * PRECISION // ratio


def _array(answer: bytes, coins: int, pool: Address) -> tuple[int, ...]:
    """`stored_rates()`: a fixed array, or NG's dynamic one."""
    if len(answer) == WORD * (coins + 2) and unsigned(answer) == WORD and unsigned(answer, 1) == coins:
        answer = answer[2 * WORD :]
    if len(answer) != WORD * coins:
        raise MalformedState(f"stored_rates() of {pool} answered {len(answer)} bytes for {coins} coins")
    return tuple(unsigned(answer, index) for index in range(coins))

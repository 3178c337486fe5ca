"""Constant-product pools: Uniswap V2 and its forks. State in, exact integers out; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.pool import (
    PPM,
    AmountOutOfRange,
    Call,
    EmptyPool,
    InsufficientLiquidity,
    Loading,
    MalformedState,
    OwnContract,
    Piece,
    PoolFacts,
    changed_by,
    moved,
    other_token,
    require_own,
    sells_first,
)
from chains.pools.words import require_words, selector, topic, unsigned

MAX_RESERVE = 2**112 - 1
SYNC = topic("Sync(uint112,uint112)")
TOPICS = frozenset({SYNC})

_GET_RESERVES = selector("getReserves()")


@dataclass(frozen=True, slots=True)
class ConstantProductPool(OwnContract):
    """x · y = k with an input fee.

    `reserves` are in base units, ordered as `tokens`; `fee_ppm` is the input fee in parts per million.
    Source: Uniswap v2-core, UniswapV2Pair.swap; UniswapV2Library.getAmountOut.
    """

    address: Address
    tokens: tuple[Token, Token]
    reserves: tuple[int, int]
    fee_ppm: int

    family: ClassVar[str] = "constant_product"

    def __post_init__(self) -> None:
        if self.tokens[0] == self.tokens[1]:
            raise MalformedState(f"pool {self.address} has {self.tokens[0]} on both sides")
        if not all(0 <= reserve <= MAX_RESERVE for reserve in self.reserves):
            raise MalformedState(f"pool {self.address} has reserves {self.reserves}, outside uint112")
        if not 0 <= self.fee_ppm < PPM:
            raise MalformedState(f"pool {self.address} has a fee of {self.fee_ppm} ppm")

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """Amount out in base units for exactly `amount_in` in; 0 when that buys less than one unit.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`.
        """
        reserve_in, reserve_out = self._facing(token_in, token_out)
        if not 0 < amount_in <= MAX_RESERVE - reserve_in:
            raise AmountOutOfRange(f"{amount_in} of {token_in} does not fit pool {self.address}")
        effective = amount_in * (PPM - self.fee_ppm)
        return effective * reserve_out // (reserve_in * PPM + effective)

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The least amount in, in base units, that yields at least `amount_out`.

        This is what the pair itself accepts. UniswapV2Library.getAmountIn asks one unit more when the division
        leaves no remainder. Raises as `quote`, and `InsufficientLiquidity`.
        """
        token_in = other_token(self.tokens, token_out, token_in)
        reserve_in, reserve_out = self._facing(token_in)
        if amount_out <= 0:
            raise AmountOutOfRange(f"{amount_out} of {token_out} is not an amount")
        if amount_out >= reserve_out:
            raise InsufficientLiquidity(
                f"pool {self.address} holds {reserve_out} of {token_out}, not over {amount_out}"
            )
        amount_in = -(-reserve_in * amount_out * PPM // ((reserve_out - amount_out) * (PPM - self.fee_ppm)))
        if amount_in > MAX_RESERVE - reserve_in:
            raise InsufficientLiquidity(f"{amount_out} of {token_out} would overflow pool {self.address}")
        return amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> ConstantProductPool:
        """The pool after exactly `amount_in` was swapped. Raises as `quote`."""
        amount_out = self.quote(token_in, amount_in, token_out)
        first, second = self.reserves
        if sells_first(self.tokens, token_in):
            return moved(self, reserves=(first + amount_in, second - amount_out))
        return moved(self, reserves=(first - amount_out, second + amount_in))

    def applied(self, log: Log) -> ConstantProductPool:
        """The pool after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        if not log.topics or log.topics[0] != SYNC:
            return self
        require_own(log, self.address, topics=1, data_words=2)
        return changed_by(log, self, reserves=(unsigned(log.data, 0), unsigned(log.data, 1)))

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 for an empty pool."""
        try:
            reserve_in, reserve_out = self._facing(token_in, token_out)
        except EmptyPool:
            return 0.0
        return (1.0 - self.fee_ppm / PPM) * reserve_out / reserve_in

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """One piece: y = γ·R_out·x / (R_in + γ·x), with γ = 1 - fee."""
        try:
            reserve_in, reserve_out = self._facing(token_in, token_out)
        except EmptyPool:
            return ()
        kept = 1.0 - self.fee_ppm / PPM
        return (Piece(kept * reserve_out / reserve_in, kept / reserve_in, float(MAX_RESERVE - reserve_in)),)

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        zero_for_one = sells_first(self.tokens, token_in, token_out)
        return Hop(HopKind.CONSTANT_PRODUCT, self.address, zero_for_one, self.fee_ppm)

    def _facing(self, token_in: Token, token_out: Token | None = None) -> tuple[int, int]:
        """The reserves as (in, out). Raises `UnknownToken`, `EmptyPool`."""
        first, second = self.reserves
        if not first or not second:
            raise EmptyPool(f"pool {self.address} has reserves {self.reserves}")
        return (first, second) if sells_first(self.tokens, token_in, token_out) else (second, first)


def loading(facts: PoolFacts) -> Loading:
    """Loads a pair with one call."""
    (answer,) = yield (Call(facts.address, _GET_RESERVES),)
    require_words(answer, 3, f"getReserves() of {facts.address}")
    return ConstantProductPool(facts.address, facts.pair, (unsigned(answer, 0), unsigned(answer, 1)), facts.fee_ppm)

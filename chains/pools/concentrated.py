"""Concentrated-liquidity pools: Uniswap V3 and its forks. State in, exact integers out; no I/O."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Self

from chains.assets import Address, Token
from chains.blocks import Log
from chains.executor import Hop, HopKind
from chains.pools.ladder import Slot
from chains.pools.pool import (
    PPM,
    AmountOutOfRange,
    Call,
    EmptyPool,
    InsufficientLiquidity,
    Loading,
    MalformedLog,
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
from chains.pools.swap_math import step_exact_in, step_exact_out
from chains.pools.tick_math import (
    MAX_SQRT_PRICE,
    MAX_TICK,
    MIN_SQRT_PRICE,
    MIN_TICK,
    WORD_BITS,
    Ticks,
    all_words,
    set_bits,
    word_of,
)
from chains.pools.tick_walk import Filled, marginal_rate, range_pieces, walked, within_step
from chains.pools.words import require_words, selector, signed, topic, unsigned, word

INITIALIZE = topic("Initialize(uint160,int24)")
MINT = topic("Mint(address,address,int24,int24,uint128,uint256,uint256)")
BURN = topic("Burn(address,int24,int24,uint128,uint256,uint256)")
SWAP = topic("Swap(address,address,int256,int256,uint160,uint128,int24)")
PANCAKE_SWAP = topic("Swap(address,address,int256,int256,uint160,uint128,int24,uint128,uint128)")
"""Pancake V3 says the protocol's shares of the fee as well."""
TOPICS = frozenset({INITIALIZE, MINT, BURN, SWAP, PANCAKE_SWAP})

MAX_AMOUNT = 2**255 - 1
MAX_LIQUIDITY = 2**128 - 1


@dataclass(frozen=True, slots=True)
class ConcentratedPool(OwnContract):
    """x · y = k between initialised ticks, with an input fee.

    `sqrt_price_x96` is the square root of token1 base units per token0 base unit, in Q96, 0 before `Initialize`.
    `liquidity` is what is active at `tick`. Source: Uniswap V3 whitepaper, section 6; v3-core, UniswapV3Pool.swap.
    The protocol's share is taken out of the fee and does not change amounts.
    """

    address: Address
    tokens: tuple[Token, Token]
    fee_ppm: int
    sqrt_price_x96: int
    tick: int
    liquidity: int
    ticks: Ticks

    family: ClassVar[str] = "concentrated"

    def __post_init__(self) -> None:
        if self.tokens[0] == self.tokens[1]:
            raise MalformedState(f"pool {self.address} has {self.tokens[0]} on both sides")
        if not 0 <= self.fee_ppm < PPM or not 0 <= self.liquidity <= MAX_LIQUIDITY:
            raise MalformedState(f"pool {self.address} has a fee of {self.fee_ppm} ppm and liquidity {self.liquidity}")
        if self.sqrt_price_x96 and not self.slot.consistent:
            raise MalformedState(
                f"pool {self.address}: the square-root price {self.sqrt_price_x96} is not at tick {self.tick}"
            )

    @property
    def slot(self) -> Slot:
        """Where the pool stands."""
        return Slot(self.sqrt_price_x96, self.tick, self.liquidity)

    def quote(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> int:
        """Amount out in base units for exactly `amount_in` in; 0 when that buys less than one unit.

        Raises `UnknownToken`, `EmptyPool`, `AmountOutOfRange`, `BeyondKnownLiquidity`, and `InsufficientLiquidity`
        where the contract would take only a part of `amount_in`.
        """
        return self._filled_whole(token_in, amount_in, token_out).amount_out

    def quote_exact_out(self, token_out: Token, amount_out: int, token_in: Token | None = None) -> int:
        """The amount in that the contract's exact-output swap asks for `amount_out`. Raises as `quote`."""
        filled = self.filled(other_token(self.tokens, token_out, token_in), -amount_out)
        if filled.amount_out != amount_out:
            raise InsufficientLiquidity(
                f"pool {self.address} can give {filled.amount_out} of {token_out}, not {amount_out}"
            )
        return filled.amount_in

    def swapped(self, token_in: Token, amount_in: int, token_out: Token | None = None) -> Self:
        """The pool after exactly `amount_in` was swapped. Raises as `quote`."""
        filled = self._filled_whole(token_in, amount_in, token_out)
        return moved(self, sqrt_price_x96=filled.sqrt_price_x96, tick=filled.tick, liquidity=filled.liquidity)

    def filled(self, token_in: Token, specified: int, sqrt_price_limit_x96: int | None = None) -> Filled:
        """What the contract's `swap` does with `specified` (input if positive, output if negative).

        It stops at the price limit, and so may fill only a part. Raises `UnknownToken`, `EmptyPool`,
        `AmountOutOfRange`, `BeyondKnownLiquidity`.
        """
        return self._filled(specified, sqrt_price_limit_x96, zero_for_one=sells_first(self.tokens, token_in))

    def applied(self, log: Log) -> Self:
        """The pool after `log`. Unknown topics leave it unchanged. Raises `MalformedLog`."""
        kind = log.topics[0] if log.topics else b""
        if kind in (SWAP, PANCAKE_SWAP):
            require_own(log, self.address, topics=3, data_words=5 if kind == SWAP else 7)
            price, liquidity, tick = unsigned(log.data, 2), unsigned(log.data, 3), signed(log.data, 4)
            ticks = self.ticks if self.ticks.edges is None else Ticks.around(tick, self.ticks.spacing)
            return changed_by(log, self, sqrt_price_x96=price, liquidity=liquidity, tick=tick, ticks=ticks)
        if kind == MINT:
            require_own(log, self.address, topics=4, data_words=4)
            return self._with_position(log, unsigned(log.data, 1))
        if kind == BURN:
            require_own(log, self.address, topics=4, data_words=3)
            return self._with_position(log, -unsigned(log.data, 0))
        if kind == INITIALIZE:
            require_own(log, self.address, topics=1, data_words=2)
            return changed_by(log, self, sqrt_price_x96=unsigned(log.data, 0), tick=signed(log.data, 1))
        return self

    def marginal_price(self, token_in: Token, token_out: Token | None = None) -> float:
        """Base units out per base unit in, after the fee; 0.0 where no liquidity is left or known."""
        zero_for_one = sells_first(self.tokens, token_in, token_out)
        return marginal_rate(self.ticks, self.slot, 1.0 - self.fee_ppm / PPM, zero_for_one=zero_for_one)

    def pieces(self, token_in: Token, token_out: Token | None = None) -> tuple[Piece, ...]:
        """One piece per stretch of equal liquidity, to the end of what is known."""
        zero_for_one = sells_first(self.tokens, token_in, token_out)
        return range_pieces(self.ticks, self.slot, 1.0 - self.fee_ppm / PPM, zero_for_one=zero_for_one)

    def hop(self, token_in: Token, token_out: Token | None = None) -> Hop:
        """How the executor performs the swap. Raises `UnknownToken`."""
        zero_for_one = sells_first(self.tokens, token_in, token_out)
        return Hop(HopKind.CONCENTRATED, self.address, zero_for_one, self.fee_ppm)

    def _filled_whole(self, token_in: Token, amount_in: int, token_out: Token | None) -> Filled:
        if amount_in <= 0:
            raise AmountOutOfRange(f"{amount_in} of {token_in} is not an amount")
        filled = self._filled(amount_in, None, zero_for_one=sells_first(self.tokens, token_in, token_out))
        if filled.amount_in != amount_in:
            raise InsufficientLiquidity(f"pool {self.address} takes {filled.amount_in} of {token_in}, not {amount_in}")
        return filled

    def _filled(self, specified: int, limit: int | None, *, zero_for_one: bool) -> Filled:
        if limit is None:
            if self.sqrt_price_x96 and 0 < specified <= MAX_AMOUNT:
                short = within_step(self.ticks, self.slot, specified, self.fee_ppm, zero_for_one=zero_for_one)
                if short is not None:
                    return short
            limit = MIN_SQRT_PRICE + 1 if zero_for_one else MAX_SQRT_PRICE - 1
        self._require_swappable(zero_for_one, specified, limit)
        step = step_exact_in if specified > 0 else step_exact_out
        return walked(self.ticks, self.slot, specified, limit, step, self.fee_ppm, zero_for_one=zero_for_one)

    def _require_swappable(self, zero_for_one: bool, specified: int, limit: int) -> None:
        if not self.sqrt_price_x96:
            raise EmptyPool(f"pool {self.address} has no price yet")
        if not 0 < abs(specified) <= MAX_AMOUNT:
            raise AmountOutOfRange(f"{specified} does not fit a swap of pool {self.address}")
        low, high = (MIN_SQRT_PRICE, self.sqrt_price_x96) if zero_for_one else (self.sqrt_price_x96, MAX_SQRT_PRICE)
        if not low < limit < high:
            raise InsufficientLiquidity(f"pool {self.address} is at the end of its prices, or past the limit {limit}")

    def _with_position(self, log: Log, liquidity: int) -> Self:
        lower, upper = signed(log.topics[2]), signed(log.topics[3])
        if not MIN_TICK <= lower < upper <= MAX_TICK:
            raise MalformedLog(f"log {log.log_index} of block {log.block_number} has ticks {lower} to {upper}")
        if not liquidity:
            return self
        active = self.liquidity + (liquidity if lower <= self.tick < upper else 0)
        return changed_by(log, self, ticks=self.ticks.with_position(lower, upper, liquidity), liquidity=active)


REACH_TICKS = 10_000
"""How far around the price a loaded pool is known, at least: e^±1 times the price."""

_SLOT0 = selector("slot0()")
_LIQUIDITY = selector("liquidity()")
_TICK_SPACING = selector("tickSpacing()")
_TICK_BITMAP = selector("tickBitmap(int16)")
_TICKS = selector("ticks(int24)")


def loading(facts: PoolFacts) -> Loading:
    """Loads a pool in three rounds: price and spacing, bitmap words around it, ticks with liquidity."""
    pool = facts.address
    slot0, active, spacing_word = yield tuple(Call(pool, data) for data in (_SLOT0, _LIQUIDITY, _TICK_SPACING))
    require_words(slot0, 2, f"slot0() of {pool}")
    spacing = signed(require_words(spacing_word, 1, f"tickSpacing() of {pool}"))
    liquidity = unsigned(require_words(active, 1, f"liquidity() of {pool}"))
    if not 0 < spacing <= MAX_TICK:
        raise MalformedState(f"pool {pool} has a tick spacing of {spacing}")
    price, tick = unsigned(slot0, 0), signed(slot0, 1)
    if not price:
        nowhere = Ticks(spacing, *all_words(spacing), {}, {})
        return ConcentratedPool(pool, facts.pair, facts.fee_ppm, 0, 0, 0, nowhere)
    known = yield from ticks_around(pool, tick, spacing, _TICK_BITMAP)
    return ConcentratedPool(pool, facts.pair, facts.fee_ppm, price, tick, liquidity, Ticks(spacing, *known))


Known = tuple[int, int, dict[int, int], dict[int, int]]
"""The first and the last bitmap word that were read, and the ticks' net and gross liquidity."""


def ticks_around(
    pool: Address, tick: int, spacing: int, bitmap_question: bytes
) -> Generator[tuple[Call, ...], tuple[bytes, ...], Known]:
    """Two rounds: bitmap words around `tick`, and the ticks that are set in them. Raises `MalformedState`."""
    if not MIN_TICK - 1 <= tick <= MAX_TICK:
        raise MalformedState(f"pool {pool} stands at tick {tick}, where no price is")
    first, last = all_words(spacing)
    reach = max(1, -(-REACH_TICKS // (spacing * WORD_BITS)))
    here = word_of(tick, spacing)
    words = range(max(here - reach, first), min(here + reach, last) + 1)
    bitmaps = yield tuple(Call(pool, bitmap_question + word(index)) for index in words)
    initialised = [
        tick
        for index, bitmap in zip(words, bitmaps, strict=True)
        for tick in set_bits(unsigned(require_words(bitmap, 1, f"bitmap word {index} of {pool}")), index, spacing)
    ]
    answers: tuple[bytes, ...] = ()
    if initialised:
        answers = yield tuple(Call(pool, _TICKS + word(at)) for at in initialised)
    gross, net = {}, {}
    for at, answer in zip(initialised, answers, strict=True):
        require_words(answer, 2, f"ticks({at}) of {pool}")
        gross[at], net[at] = unsigned(answer, 0), signed(answer, 1)
    return words[0], words[-1], net, gross
